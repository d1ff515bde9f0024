-- Payments: what a lead or student owes or has paid, one row for each payment asked for.
--
-- A client says what is to be paid, and nothing about whether it was. Status, amounts paid and refunded, and what
-- the gateway said are written by the module payment_events alone. Nothing is deleted here: a payment that is not
-- wanted is cancelled, and money of a person who was erased stays counted without their name.

-- Tables

create table public.payments (
  id uuid primary key default private.uuid_v7(),
  -- First and of fixed width, because a policy reads them of every row that a scan meets.
  assigned_to uuid references public.profiles (id) on delete restrict,
  team_id uuid references public.teams (id) on delete restrict,
  created_at timestamptz not null default now(),
  lead_id uuid references public.leads (id) on delete set null,
  student_id uuid references public.students (id) on delete set null,
  amount numeric(14, 2) not null,
  currency text not null default '',
  payment_method text,
  payment_gateway text,
  fee_type text,
  academic_year text,
  semester text,
  due_date date,
  description text,
  notes text,
  status text not null default 'pending',
  paid_amount numeric(14, 2) not null default 0,
  paid_at timestamptz,
  refund_amount numeric(14, 2) not null default 0,
  refund_reason text,
  net_amount numeric(14, 2) not null generated always as (paid_amount - refund_amount) stored,
  order_id text,
  gateway_transaction_id text,
  gateway_response jsonb not null default '{}',
  idempotency_key text,
  created_by uuid references public.profiles (id) on delete set null,
  updated_at timestamptz not null default now(),
  version bigint not null default 1,
  constraint payments_amount_is_positive check (amount > 0),
  constraint payments_currency_is_iso_4217 check (currency ~ '^[A-Z]{3}$'),
  constraint payments_payment_method_is_known check (
    payment_method in ('razorpay', 'stripe', 'card', 'upi', 'netbanking', 'wallet', 'emi', 'cash', 'cheque', 'bank_transfer', 'other')
  ),
  constraint payments_payment_gateway_is_known check (payment_gateway in ('razorpay', 'stripe')),
  constraint payments_fee_type_is_a_key check (fee_type ~ '^[a-z][a-z0-9_]{0,59}$'),
  constraint payments_academic_year_is_a_span check (academic_year ~ '^[0-9]{4}(-[0-9]{2}([0-9]{2})?)?$'),
  constraint payments_semester_is_short check (btrim(semester) <> '' and length(semester) <= 20),
  constraint payments_texts_are_short check (length(description) <= 500 and length(notes) <= 5000 and length(refund_reason) <= 500),
  constraint payments_status_is_known check (
    status in ('pending', 'processing', 'completed', 'failed', 'cancelled', 'partially_refunded', 'refunded')
  ),
  constraint payments_paid_at_tells_when check ((status in ('completed', 'partially_refunded', 'refunded')) = (paid_at is not null)),
  constraint payments_completed_means_paid_in_full check (paid_at is null or paid_amount >= amount),
  constraint payments_refund_at_most_what_was_paid check (refund_amount between 0 and paid_amount),
  constraint payments_status_tells_what_was_refunded check (
    case status
      when 'refunded' then refund_amount = paid_amount
      when 'partially_refunded' then refund_amount > 0 and refund_amount < paid_amount
      when 'completed' then refund_amount = 0
      else true
    end
  ),
  constraint payments_gateway_fields_need_a_gateway check (order_id is null or payment_gateway is not null),
  constraint payments_gateway_ids_are_short check (length(order_id) <= 200 and length(gateway_transaction_id) <= 200),
  constraint payments_gateway_response_is_an_object check (jsonb_typeof(gateway_response) = 'object' and pg_column_size(gateway_response) <= 16384),
  constraint payments_idempotency_key_is_short check (length(idempotency_key) between 8 and 200)
);

comment on table public.payments is 'Payments of leads and students, asked for and made. Seen where the student or lead is. Clients say what is to be paid; only the gateway''s word and recorded offline payments say what was.';

comment on column public.payments.assigned_to is 'Whom the student, else the lead, belongs to, copied by trigger.';

comment on column public.payments.team_id is 'The team of the student, else of the lead, copied by trigger.';

comment on column public.payments.lead_id is 'The lead who pays; of a student their lead.';

comment on column public.payments.amount is 'What is to be paid, in units of the currency (50000.00 rupees), never in its minor units.';

comment on column public.payments.currency is 'ISO 4217 code; the organisation''s if empty.';

comment on column public.payments.payment_method is 'How it is paid. What the gateway says overwrites what was meant.';

comment on column public.payments.payment_gateway is 'razorpay or stripe; null for what is paid without one.';

comment on column public.payments.fee_type is 'For example course_fee.';

comment on column public.payments.status is 'pending, processing (authorized, or paid in part), completed, failed, cancelled, partially_refunded or refunded. Never written by clients; failed is not the end, because a gateway may still capture.';

comment on column public.payments.paid_amount is 'What the gateway captured or was recorded as received.';

comment on column public.payments.paid_at is 'When it was paid in full.';

comment on column public.payments.refund_amount is 'What went back, of refunds that succeeded.';

comment on column public.payments.refund_reason is 'Why, of the latest refund asked for.';

comment on column public.payments.net_amount is 'What was paid less what went back.';

comment on column public.payments.order_id is 'Razorpay''s order or Stripe''s payment intent.';

comment on column public.payments.gateway_transaction_id is 'Razorpay''s payment or Stripe''s charge; of an offline payment its reference.';

comment on column public.payments.gateway_response is 'What the gateway said last, without what it said of the person.';

comment on column public.payments.idempotency_key is 'What a client calls its request: asked again with it, the same payment is answered.';

comment on column public.payments.version is 'Rises with every change.';

create index payments_of_owner on public.payments (assigned_to, created_at desc, id desc) include (team_id);

create index payments_of_team on public.payments (team_id, created_at desc, id desc) include (assigned_to);

create index payments_newest on public.payments (created_at desc, id desc) include (assigned_to, team_id);

create index payments_of_student on public.payments (student_id, created_at desc) where student_id is not null;

create index payments_of_lead on public.payments (lead_id) where lead_id is not null;

create index payments_by_paid_at on public.payments (paid_at) include (amount, currency, paid_amount, refund_amount, status, assigned_to, team_id, lead_id) where paid_at is not null;

comment on index public.payments_by_paid_at is 'Revenue of a period.';

create index payments_unpaid on public.payments (due_date) where paid_at is null and due_date is not null;

create unique index payments_order_is_one_payment on public.payments (payment_gateway, order_id) where order_id is not null;

create unique index payments_idempotency_key_is_used_once on public.payments (created_by, idempotency_key) where idempotency_key is not null;

-- Policies

alter table public.payments enable row level security;

create policy payments_read on public.payments for select to authenticated
  using (
    (select private.gate_all()) is not null
    or team_id = (select (private.gate_team())[1])
    or assigned_to = (select private.gate_own())
    or team_id = any ((select (private.gate_team())[2:])::uuid[])
  );

comment on policy payments_read on public.payments is 'Scope all: every one. Scope team: those of managed teams. Everybody: those of their leads and students.';

create policy payments_create on public.payments for insert to authenticated
  with check (
    (select private.has_permission('payments.create'))
    and (
      (select private.gate_all()) is not null
      or team_id = (select (private.gate_team())[1])
      or assigned_to = (select private.gate_own())
      or team_id = any ((select (private.gate_team())[2:])::uuid[])
    )
  );

comment on policy payments_create on public.payments is 'Needs payments.create, and a student or lead whom the caller sees.';

create policy payments_change on public.payments for update to authenticated
  using (
    (select private.has_permission('payments.create'))
    and (
      (select private.gate_all()) is not null
      or team_id = (select (private.gate_team())[1])
      or assigned_to = (select private.gate_own())
      or team_id = any ((select (private.gate_team())[2:])::uuid[])
    )
  )
  with check (
    (select private.has_permission('payments.create'))
    and (
      (select private.gate_all()) is not null
      or team_id = (select (private.gate_team())[1])
      or assigned_to = (select private.gate_own())
      or team_id = any ((select (private.gate_team())[2:])::uuid[])
    )
  );

comment on policy payments_change on public.payments is 'Needs payments.create and sight of the payment. Status, paid and refunded amounts and the gateway''s fields are no columns of the grant.';

-- Functions

create function private.currency_exponent(p_currency text) returns integer
language plpgsql immutable parallel safe set search_path = '' as $$
begin
  return case
    when p_currency in ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF') then 0
    when p_currency in ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') then 3
    else 2
  end;
end
$$;

comment on function private.currency_exponent(text) is 'How many digits ISO 4217 gives the minor unit of a currency.';

create function private.check_amount(p_amount numeric, p_currency text) returns void
language plpgsql stable set search_path = '' as $$
begin
  if p_amount is null or p_amount <= 0 or p_amount <> round(p_amount, least(private.currency_exponent(p_currency), 2)) then
    perform private.fail('amount_invalid', concat_ws(' ', p_amount, p_currency));
  end if;
end
$$;

comment on function private.check_amount(numeric, text) is 'Refuses an amount that cannot be paid: nothing, less, or parts of a yen. Error: amount_invalid.';

create function private.lock_payment(p_payment_id uuid) returns public.payments
language plpgsql volatile security definer set search_path = '' as $$
declare
  payment public.payments;
begin
  -- The student first, as whoever gives the student to somebody else does, so that they wait instead of deadlocking.
  perform from public.students s
  where s.id = (select p.student_id from public.payments p where p.id = p_payment_id)
  for no key update;

  select * into payment from public.payments p where p.id = p_payment_id for update;

  return payment;
end
$$;

comment on function private.lock_payment(uuid) is 'Holds a payment, and its student, until the end of the transaction.';

create function private.payment_in_reach(p_payment_id uuid, p_permission text) returns public.payments
language plpgsql volatile security definer set search_path = '' as $$
declare
  payment public.payments;
begin
  perform private.require_permission(p_permission);

  payment := private.lock_payment(p_payment_id);

  if payment.id is null
    or not (private.gate_all() is not null or coalesce(payment.team_id = any (private.gate_team()), false) or coalesce(payment.assigned_to = private.gate_own(), false)) then
    perform private.fail('not_found', 'payment');
  end if;

  return payment;
end
$$;

comment on function private.payment_in_reach(uuid, text) is 'A payment that the caller sees, held until the end of the transaction, if they hold the permission. Errors: permission_denied, not_found.';

-- Triggers

create function private.prepare_payment() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  deleted timestamptz;
begin
  if tg_op = 'INSERT' then
    if new.student_id is null and new.lead_id is null then
      perform private.fail('argument_invalid', 'student_id or lead_id');
    end if;

    if auth.uid() is not null then
      new.created_by := private.gate_own();
    end if;

    new.status := 'pending';
    new.paid_amount := 0;
    new.paid_at := null;
    new.refund_amount := 0;
    new.order_id := null;
    new.gateway_transaction_id := null;
    new.gateway_response := '{}';

    -- Whoever moves the student or the lead waits for this row, or this row for them: neither misses the other.
    if new.student_id is not null then
      select s.lead_id, s.assigned_to, s.team_id, s.deleted_at into new.lead_id, new.assigned_to, new.team_id, deleted
      from public.students s
      where s.id = new.student_id
      for no key update;

      if not found or deleted is not null then
        perform private.refuse_missing('not_found', 'student');

        new.assigned_to := null;
        new.team_id := null;
      end if;
    end if;
  end if;

  if new.lead_id is not null and (tg_op = 'UPDATE' or new.student_id is null) then
    select l.assigned_to, l.team_id, l.deleted_at into new.assigned_to, new.team_id, deleted
    from public.leads l
    where l.id = new.lead_id
    for no key update;

    if not found or (deleted is not null and tg_op = 'INSERT') then
      perform private.refuse_missing('lead_not_found', new.lead_id::text);

      new.assigned_to := null;
      new.team_id := null;
    end if;
  end if;

  if tg_op = 'UPDATE' and new.lead_id is null and new.student_id is null then
    -- The person was erased. Whose money it was is forgotten, that it was there is not.
    new.description := null;
    new.notes := null;
    new.refund_reason := null;
    new.gateway_response := '{}';
  end if;

  return new;
end
$$;

comment on function private.prepare_payment() is 'A new payment is pending, and belongs to whom its student, else its lead, belongs to; one moved by a merge goes with the lead; of an erased person it keeps the money alone.';

create trigger prepare_payment before insert or update of lead_id, student_id on public.payments
  for each row execute function private.prepare_payment();

create function private.keep_money() returns trigger
language plpgsql set search_path = '' as $$
begin
  new.amount := old.amount;
  new.currency := old.currency;
  new.payment_gateway := old.payment_gateway;
  new.payment_method := old.payment_method;
  new.status := old.status;
  new.paid_amount := old.paid_amount;
  new.paid_at := old.paid_at;
  new.refund_amount := old.refund_amount;
  new.refund_reason := old.refund_reason;
  new.order_id := old.order_id;
  new.gateway_transaction_id := old.gateway_transaction_id;
  new.gateway_response := old.gateway_response;

  return new;
end
$$;

comment on function private.keep_money() is 'Taking a merge apart brings a payment back to its lead, and no money to where it was: it may have been paid meanwhile.';

-- First by its name, so that no other trigger sees what was.
create trigger a_merge_keeps_money before update on public.payments
  for each row when (private.is_restoring()) execute function private.keep_money();

create function private.check_payment() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  -- Once a gateway was asked it may have an order, even if nobody heard its answer.
  if tg_op = 'UPDATE' and (new.amount, new.currency, new.payment_gateway) is distinct from (old.amount, old.currency, old.payment_gateway)
    and (old.status <> 'pending' or old.order_id is not null or old.paid_amount > 0
      or exists (select from private.payment_orders o where o.payment_id = old.id)) then
    perform private.fail('payment_is_fixed', old.status);
  end if;

  new.currency := coalesce(nullif(upper(btrim(new.currency)), ''), private.setting('organization.currency') #>> '{}', 'INR');

  if not private.is_currency(new.currency) then
    perform private.fail('amount_invalid', new.currency);
  end if;

  perform private.check_amount(new.amount, new.currency);

  return new;
end
$$;

comment on function private.check_payment() is 'The organisation''s currency where none is said, an amount that the currency can express, and neither changes once somebody was asked to pay it.';

create trigger check_payment before insert or update of amount, currency, payment_gateway on public.payments
  for each row execute function private.check_payment();

create function private.guard_payment_status() returns trigger
language plpgsql set search_path = '' as $$
begin
  if not (case old.status
    when 'pending' then new.status in ('processing', 'completed', 'failed', 'cancelled', 'partially_refunded', 'refunded')
    when 'processing' then new.status in ('completed', 'failed', 'cancelled', 'partially_refunded', 'refunded')
    -- Somebody may pay what was given up: what a gateway captured is never refused.
    when 'failed' then new.status in ('processing', 'completed', 'cancelled', 'partially_refunded', 'refunded')
    when 'cancelled' then new.status in ('processing', 'completed', 'partially_refunded', 'refunded')
    -- A refund that succeeded can fail in the end; paid stays paid.
    else new.status in ('completed', 'partially_refunded', 'refunded')
  end) then
    perform private.fail('payment_transition_forbidden', old.status || ' to ' || new.status);
  end if;

  return new;
end
$$;

comment on function private.guard_payment_status() is 'What was paid is never unpaid: it can only be refunded. Error: payment_transition_forbidden.';

create trigger guard_payment_status before update of status on public.payments
  for each row when (old.status is distinct from new.status) execute function private.guard_payment_status();

create trigger propagate_student_to_payments after update of lead_id, assigned_to, team_id on public.students
  for each row when ((old.lead_id, old.assigned_to, old.team_id) is distinct from (new.lead_id, new.assigned_to, new.team_id))
  execute function private.propagate_student('payments', 'assigned_to', 'lead_id');

create trigger touch_version before update on public.payments for each row execute function private.touch_version();

-- What a gateway or a person says in free text is not kept twice.
create trigger audit after insert or update or delete on public.payments
  for each row execute function private.audit_row('description', 'notes', 'refund_reason', 'gateway_response');

-- Grants

revoke all on public.payments from anon, authenticated, service_role;

grant select on public.payments to authenticated, service_role;

grant insert (id, lead_id, student_id, amount, currency, payment_method, payment_gateway, fee_type, academic_year, semester, due_date, description, notes),
  update (amount, currency, payment_method, payment_gateway, fee_type, academic_year, semester, due_date, description, notes)
  on public.payments to authenticated, service_role;

revoke all on function
  private.lock_payment(uuid),
  private.payment_in_reach(uuid, text),
  private.currency_exponent(text),
  private.check_amount(numeric, text),
  private.prepare_payment(),
  private.keep_money(),
  private.check_payment(),
  private.guard_payment_status()
  from public, anon, authenticated, service_role;

-- This module's permissions and errors

insert into public.permissions (key, description) values
  ('payments.create', 'Ask for payments and change what is asked for'),
  ('payments.record', 'Record payments made in cash, by cheque or by bank transfer'),
  ('payments.refund', 'Refund payments');

insert into public.role_permissions (role_id, permission)
select r.id, p.key
from public.roles r
join public.permissions p on
  (r.key = 'manager' and p.key in ('payments.create', 'payments.record'))
  or (r.key = 'counselor' and p.key = 'payments.create');

insert into public.error_codes (code, sqlstate, message, hint) values
  ('amount_invalid', 'PT422', 'This amount cannot be paid.', 'Send an amount above zero, in an ISO 4217 currency, with no more digits than the currency has.'),
  ('payment_is_fixed', 'PT409', 'The amount of this payment cannot be changed any more.', 'Cancel it and ask for another.'),
  ('payment_transition_forbidden', 'PT409', 'A payment cannot go from this status to that one.', 'Refund what was paid.'),
  ('payment_is_not_open', 'PT409', 'This payment is not waiting to be paid.', 'Read its status.');

-- Instalments: what a student owes by when, and which payment pays which part of it.
--
-- A plan divides a total into instalments. Money that came for a student is allocated to what is due first (to the
-- instalment that the payment names before any other), and taken off again from what is due last when it goes back.
-- What no instalment asks for stays the student's credit, and is allocated when there is one.

-- Tables

create table public.fee_plans (
  id uuid primary key default private.uuid_v7(),
  -- First and of fixed width, because a policy reads them of every row that a scan meets.
  assigned_to uuid references public.profiles (id) on delete restrict,
  team_id uuid references public.teams (id) on delete restrict,
  created_at timestamptz not null default now(),
  student_id uuid not null references public.students (id) on delete cascade,
  name text not null,
  fee_type text,
  academic_year text,
  semester text,
  total_amount numeric(14, 2) not null,
  currency text not null,
  cancelled_at timestamptz,
  created_by uuid references public.profiles (id) on delete set null,
  updated_at timestamptz not null default now(),
  constraint fee_plans_have_a_name check (btrim(name) <> '' and length(name) <= 200),
  constraint fee_plans_total_is_positive check (total_amount > 0),
  constraint fee_plans_currency_is_iso_4217 check (currency ~ '^[A-Z]{3}$'),
  constraint fee_plans_fee_type_is_a_key check (fee_type ~ '^[a-z][a-z0-9_]{0,59}$'),
  constraint fee_plans_academic_year_is_a_span check (academic_year ~ '^[0-9]{4}(-[0-9]{2}([0-9]{2})?)?$'),
  constraint fee_plans_semester_is_short check (btrim(semester) <> '' and length(semester) <= 20)
);

comment on table public.fee_plans is 'What a student is to pay in all, divided into instalments by fee_plan_apply(). Seen where the student is.';

comment on column public.fee_plans.cancelled_at is 'A cancelled plan asks for nothing more; what was paid on it is the student''s credit.';

create index fee_plans_of_owner on public.fee_plans (assigned_to, created_at desc, id desc) include (team_id);

create index fee_plans_of_team on public.fee_plans (team_id, created_at desc, id desc) include (assigned_to);

create index fee_plans_of_student on public.fee_plans (student_id);

create index fee_plans_of_creator on public.fee_plans (created_by) where created_by is not null;

create table public.fee_installments (
  id uuid primary key default private.uuid_v7(),
  assigned_to uuid references public.profiles (id) on delete restrict,
  team_id uuid references public.teams (id) on delete restrict,
  created_at timestamptz not null default now(),
  plan_id uuid not null references public.fee_plans (id) on delete cascade,
  student_id uuid not null references public.students (id) on delete cascade,
  number integer not null,
  amount numeric(14, 2) not null,
  currency text not null,
  due_date date not null,
  paid_amount numeric(14, 2) not null default 0,
  cancelled_at timestamptz,
  status text not null generated always as (
    case when cancelled_at is not null then 'cancelled' when paid_amount = amount then 'paid' when paid_amount > 0 then 'partially_paid' else 'pending' end
  ) stored,
  updated_at timestamptz not null default now(),
  constraint fee_installments_are_numbered unique (plan_id, number),
  constraint fee_installments_number_counts_from_one check (number > 0),
  constraint fee_installments_amount_is_positive check (amount > 0),
  constraint fee_installments_paid_at_most_once check (paid_amount between 0 and amount)
);

comment on table public.fee_installments is 'What is due when of a plan. Seen where the student is; overdue_installments has those that are late.';

comment on column public.fee_installments.paid_amount is 'What is allocated to it.';

comment on column public.fee_installments.status is 'pending, partially_paid, paid or cancelled.';

create index fee_installments_of_owner on public.fee_installments (assigned_to, due_date, id) include (team_id) where paid_amount < amount and cancelled_at is null;

create index fee_installments_of_team on public.fee_installments (team_id, due_date, id) include (assigned_to) where paid_amount < amount and cancelled_at is null;

create index fee_installments_unpaid on public.fee_installments (due_date, id) where paid_amount < amount and cancelled_at is null;

create index fee_installments_of_student on public.fee_installments (student_id, due_date);

-- Before v1.0 there are no rows to rewrite or to check.
alter table public.payments
  -- squawk-ignore adding-foreign-key-constraint
  add column installment_id uuid constraint payments_installment_id_fkey references public.fee_installments (id) on delete set null;

comment on column public.payments.installment_id is 'The instalment that is paid first; the rest goes to what is due next.';

create index payments_of_installment on public.payments (installment_id) where installment_id is not null;

create table public.payment_allocations (
  payment_id uuid not null references public.payments (id) on delete restrict,
  installment_id uuid not null references public.fee_installments (id) on delete cascade,
  amount numeric(14, 2) not null,
  created_at timestamptz not null default now(),
  primary key (payment_id, installment_id),
  constraint payment_allocations_amount_is_positive check (amount > 0)
);

comment on table public.payment_allocations is 'How much of which payment pays which instalment. Seen where the instalment is. Kept by the database alone.';

create index payment_allocations_of_installment on public.payment_allocations (installment_id);

-- Policies

alter table public.fee_plans enable row level security;

alter table public.fee_installments enable row level security;

alter table public.payment_allocations enable row level security;

create policy fee_plans_read on public.fee_plans for select to authenticated
  using (
    (select private.gate_all()) is not null
    or team_id = (select (private.gate_team())[1])
    or assigned_to = (select private.gate_own())
    or team_id = any ((select (private.gate_team())[2:])::uuid[])
  );

comment on policy fee_plans_read on public.fee_plans is 'Scope all: every one. Scope team: those of managed teams. Everybody: those of their students.';

create policy fee_installments_read on public.fee_installments for select to authenticated
  using (
    (select private.gate_all()) is not null
    or team_id = (select (private.gate_team())[1])
    or assigned_to = (select private.gate_own())
    or team_id = any ((select (private.gate_team())[2:])::uuid[])
  );

comment on policy fee_installments_read on public.fee_installments is 'Scope all: every one. Scope team: those of managed teams. Everybody: those of their students.';

create policy payment_allocations_read on public.payment_allocations for select to authenticated
  using ((select i.id from public.fee_installments i where i.id = payment_allocations.installment_id) is not null);

comment on policy payment_allocations_read on public.payment_allocations is 'Where the instalment is visible. Read by it or by its payment.';

-- Functions

create function private.allocate_payments(p_student_id uuid) returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
  payment record;
  part record;
  step numeric;
begin
  -- One at a time per student: two payments must not pay the same instalment twice.
  perform from public.students s where s.id = p_student_id for no key update;

  -- First what went back or lost its instalment is taken off, from what is due last.
  for payment in
    select p.id, a.total - p.net_amount as rest
    from public.payments p
    join lateral (select coalesce(sum(x.amount), 0) as total from public.payment_allocations x where x.payment_id = p.id) a on a.total > p.net_amount
    where p.student_id = p_student_id
    order by p.id
  loop
    for part in
      select a.installment_id, a.amount
      from public.payment_allocations a
      join public.fee_installments i on i.id = a.installment_id
      where a.payment_id = payment.id
      order by i.due_date desc, i.number desc, i.id desc
    loop
      step := least(part.amount, payment.rest);

      exit when step <= 0;

      perform private.allocate(payment.id, part.installment_id, -step);

      payment.rest := payment.rest - step;
    end loop;
  end loop;

  for payment in
    select p.id, p.currency, p.installment_id, p.net_amount - a.total as rest
    from public.payments p
    join lateral (select coalesce(sum(x.amount), 0) as total from public.payment_allocations x where x.payment_id = p.id) a on a.total < p.net_amount
    where p.student_id = p_student_id
    order by p.paid_at, p.id
  loop
    for part in
      select i.id, i.amount - i.paid_amount as wanted
      from public.fee_installments i
      where i.student_id = p_student_id and i.currency = payment.currency and i.paid_amount < i.amount and i.cancelled_at is null
      order by i.id is not distinct from payment.installment_id desc, i.due_date, i.number, i.id
    loop
      step := least(part.wanted, payment.rest);

      exit when step <= 0;

      perform private.allocate(payment.id, part.id, step);

      payment.rest := payment.rest - step;
    end loop;
  end loop;
end
$$;

comment on function private.allocate_payments(uuid) is 'Allocates what a student has paid, less what went back, to the instalments that ask for it: to those named, then to those due first.';

create function private.allocate(p_payment_id uuid, p_installment_id uuid, p_amount numeric) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  if p_amount > 0 then
    insert into public.payment_allocations as a (payment_id, installment_id, amount)
    values (p_payment_id, p_installment_id, p_amount)
    on conflict (payment_id, installment_id) do update set amount = a.amount + excluded.amount;
  else
    delete from public.payment_allocations a
    where a.payment_id = p_payment_id and a.installment_id = p_installment_id and a.amount = -p_amount;

    if not found then
      update public.payment_allocations a set amount = a.amount + p_amount
      where a.payment_id = p_payment_id and a.installment_id = p_installment_id;
    end if;
  end if;

  update public.fee_installments i set paid_amount = i.paid_amount + p_amount where i.id = p_installment_id;
end
$$;

comment on function private.allocate(uuid, uuid, numeric) is 'Adds to what a payment pays of an instalment, or takes off; called under the lock of the student.';

create function private.student_in_reach(p_student_id uuid, p_permission text) returns public.students
language plpgsql volatile security definer set search_path = '' as $$
declare
  student public.students;
begin
  perform private.require_permission(p_permission);

  select * into student
  from public.students s
  where s.id = p_student_id and s.deleted_at is null
    and (private.gate_all() is not null or s.team_id = any (private.gate_team()) or s.assigned_to = private.gate_own())
  for no key update;

  if student.id is null then
    perform private.fail('not_found', 'student');
  end if;

  return student;
end
$$;

comment on function private.student_in_reach(uuid, text) is 'A student whom the caller sees, held until the end of the transaction, if they hold the permission. Errors: permission_denied, not_found.';

create function private.divide_fee(p_total numeric, p_currency text, p_count integer, p_first_due date, p_every_months integer) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  units constant numeric := 10 ^ least(private.currency_exponent(p_currency), 2);
  whole constant numeric := p_total * units;
begin
  -- What does not divide evenly is paid with the first instalments, a minor unit each.
  return (
    select jsonb_agg(jsonb_build_object(
      'amount', round((div(whole, p_count) + case when n <= mod(whole, p_count) then 1 else 0 end) / units, 2),
      'due_date', (p_first_due + make_interval(months => (n - 1) * p_every_months))::date
    ) order by n)
    from generate_series(1, p_count) n
  );
end
$$;

comment on function private.divide_fee(numeric, text, integer, date, integer) is 'A total in equal parts that add up to it, to the minor unit.';

create function private.fee_plan_apply(p_student_id uuid, p_total numeric, p_installments jsonb, p_plan jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  student public.students := private.student_in_reach(p_student_id, 'payments.create');
  parts jsonb := p_installments;
  plan public.fee_plans;
  money text := coalesce(nullif(upper(btrim(p_plan ->> 'currency')), ''), private.setting('organization.currency') #>> '{}', 'INR');
begin
  perform private.refuse_unknown_fields('p_plan', coalesce(p_plan, '{}'), array['name', 'fee_type', 'academic_year', 'semester', 'currency']);

  if not private.is_currency(money) then
    perform private.fail('amount_invalid', money);
  end if;

  perform private.check_amount(p_total, money);

  if jsonb_typeof(parts) = 'object' then
    perform private.refuse_unknown_fields('p_installments', parts, array['count', 'first_due_date', 'every_months']);

    if not coalesce((parts ->> 'count')::integer between 1 and 60 and coalesce((parts ->> 'every_months')::integer, 1) between 1 and 12, false)
      or parts ->> 'first_due_date' is null then
      perform private.fail('argument_invalid', 'p_installments: count is 1 to 60, every_months 1 to 12, first_due_date a date');
    end if;

    parts := private.divide_fee(p_total, money, (parts ->> 'count')::integer, (parts ->> 'first_due_date')::date, coalesce((parts ->> 'every_months')::integer, 1));
  end if;

  if jsonb_typeof(parts) <> 'array' or jsonb_array_length(parts) not between 1 and 60 then
    perform private.fail('argument_invalid', 'p_installments is a list of up to 60 {amount, due_date}, or {count, first_due_date, every_months}');
  end if;

  if (select coalesce(sum(x.amount), 0) from jsonb_to_recordset(parts) as x (amount numeric)) <> p_total then
    perform private.fail('installments_do_not_add_up', p_total::text);
  end if;

  perform private.check_amount(x.amount, money) from jsonb_to_recordset(parts) as x (amount numeric);

  insert into public.fee_plans (assigned_to, team_id, student_id, name, fee_type, academic_year, semester, total_amount, currency, created_by)
  values (
    student.assigned_to, student.team_id, student.id, coalesce(nullif(private.squeeze(p_plan ->> 'name', 200), ''), 'Fees'), p_plan ->> 'fee_type',
    coalesce(p_plan ->> 'academic_year', student.academic_year), coalesce(p_plan ->> 'semester', student.semester), p_total, money, private.gate_own()
  )
  returning * into plan;

  insert into public.fee_installments (assigned_to, team_id, plan_id, student_id, number, amount, currency, due_date)
  select student.assigned_to, student.team_id, plan.id, student.id, row_number() over (order by x.due_date, x.place), x.amount, money, x.due_date
  from (select (e.part ->> 'amount')::numeric as amount, (e.part ->> 'due_date')::date as due_date, e.place from jsonb_array_elements(parts) with ordinality e (part, place)) x;

  perform private.allocate_payments(student.id);

  return jsonb_build_object(
    'plan_id', plan.id, 'student_id', student.id, 'total_amount', plan.total_amount, 'currency', plan.currency,
    'installments', (
      select jsonb_agg(jsonb_build_object(
        'id', i.id, 'number', i.number, 'amount', i.amount, 'due_date', i.due_date, 'paid_amount', i.paid_amount, 'status', i.status
      ) order by i.number)
      from public.fee_installments i where i.plan_id = plan.id
    )
  );
end
$$;

comment on function private.fee_plan_apply(uuid, numeric, jsonb, jsonb) is 'Body of public.fee_plan_apply().';

create function private.fee_plan_cancel(p_plan_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  student uuid := (select f.student_id from public.fee_plans f where f.id = p_plan_id);
begin
  perform private.require_permission('payments.create');

  if student is null then
    perform private.fail('not_found', 'fee plan');
  end if;

  perform private.student_in_reach(student, 'payments.create');

  update public.fee_plans f set cancelled_at = now() where f.id = p_plan_id and f.cancelled_at is null;

  perform private.allocate(a.payment_id, a.installment_id, -a.amount)
  from public.payment_allocations a
  join public.fee_installments i on i.id = a.installment_id
  where i.plan_id = p_plan_id;

  update public.fee_installments i set cancelled_at = now() where i.plan_id = p_plan_id and i.cancelled_at is null;

  perform private.allocate_payments(student);

  return jsonb_build_object('plan_id', p_plan_id, 'status', 'cancelled');
end
$$;

comment on function private.fee_plan_cancel(uuid) is 'Body of public.fee_plan_cancel().';

-- RPCs

create function public.fee_plan_apply(p_student_id uuid, p_total numeric, p_installments jsonb, p_plan jsonb default '{}') returns jsonb
language sql volatile security invoker set search_path = '' as $$
  select private.fee_plan_apply(p_student_id, p_total, p_installments, p_plan)
$$;

comment on function public.fee_plan_apply(uuid, numeric, jsonb, jsonb) is 'Divides a fee into instalments: {plan_id, student_id, total_amount, currency, installments: [{id, number, amount, due_date, paid_amount, status}]}. p_installments: {count, first_due_date, every_months} for equal parts that add up to the total, or a list of {amount, due_date} that does. p_plan: name, fee_type, academic_year, semester, currency. What the student has paid already is allocated at once. Needs payments.create. Errors: permission_denied, not_found, amount_invalid, argument_invalid, installments_do_not_add_up. Answers D0-074.';

create function public.fee_plan_cancel(p_plan_id uuid) returns jsonb
language sql volatile security invoker set search_path = '' as $$
  select private.fee_plan_cancel(p_plan_id)
$$;

comment on function public.fee_plan_cancel(uuid) is 'Cancels a plan: {plan_id, status}. What was paid on it pays the student''s other instalments, else it stays their credit. Needs payments.create. Errors: permission_denied, not_found.';

-- Views

create view public.overdue_installments with (security_invoker = true) as
select i.id, i.assigned_to, i.team_id, i.student_id, i.plan_id, i.number, i.amount, i.paid_amount, i.amount - i.paid_amount as balance, i.currency, i.due_date,
  (select (now() at time zone coalesce(private.setting('organization.timezone') #>> '{}', 'UTC'))::date) - i.due_date as days_overdue
from public.fee_installments i
where i.paid_amount < i.amount and i.cancelled_at is null
  and i.due_date < (select (now() at time zone coalesce(private.setting('organization.timezone') #>> '{}', 'UTC'))::date);

comment on view public.overdue_installments is 'Instalments whose day has passed in the organisation''s time zone and that are not paid in full. Answers D0-074.';

create view public.student_fee_ledger with (security_invoker = true) as
select
  e.student_id,
  e.entry_at,
  e.kind,
  e.reference_id,
  e.description,
  e.currency,
  e.debit,
  e.credit,
  sum(e.debit - e.credit) over (partition by e.student_id, e.currency order by e.entry_at, e.kind, e.reference_id) as balance
from (
  select i.student_id, i.due_date::timestamp at time zone (select coalesce(private.setting('organization.timezone') #>> '{}', 'UTC')) as entry_at, 'fee' as kind, i.id as reference_id, f.name || ' ' || i.number as description,
    i.currency, i.amount as debit, 0::numeric(14, 2) as credit
  from public.fee_installments i
  join public.fee_plans f on f.id = i.plan_id
  where i.cancelled_at is null
  union all
  select p.student_id, coalesce(p.paid_at, p.updated_at), 'payment', p.id, coalesce(p.description, p.fee_type, 'Payment'), p.currency, 0, p.paid_amount
  from public.payments p
  where p.student_id is not null and p.paid_amount > 0
  union all
  select p.student_id, r.processed_at, 'refund', r.id, coalesce(r.reason, 'Refund'), r.currency, r.amount, 0
  from public.refunds r
  join public.payments p on p.id = r.payment_id
  where p.student_id is not null and r.status = 'succeeded' and r.currency = p.currency
) e;

comment on view public.student_fee_ledger is 'What a student owes, paid and got back, one line each in order of time, with the running balance (what is owed when above zero, a credit below). Read by student_id. Answers D0-027, D0-072.';

-- Triggers

create function private.allocate_after_payment() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform private.allocate_payments(new.student_id);

  return null;
end
$$;

comment on function private.allocate_after_payment() is 'Allocates money as it comes, and takes it off as it goes back.';

create trigger allocate_after_payment after update of paid_amount, refund_amount on public.payments
  for each row when (new.student_id is not null and (old.paid_amount, old.refund_amount) is distinct from (new.paid_amount, new.refund_amount))
  execute function private.allocate_after_payment();

create function private.check_installment_of_payment() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if not exists (
    select from public.fee_installments i
    where i.id = new.installment_id and i.student_id = new.student_id and i.currency = new.currency and i.cancelled_at is null
  ) then
    perform private.fail('not_found', 'installment');
  end if;

  return new;
end
$$;

comment on function private.check_installment_of_payment() is 'A payment names an instalment of its own student, in its own currency.';

-- After check_payment by its name, which fills the currency, and after prepare_payment.
create trigger refuse_foreign_installment before insert or update of installment_id on public.payments
  for each row when (new.installment_id is not null) execute function private.check_installment_of_payment();

create trigger propagate_student_to_fee_plans after update of assigned_to, team_id on public.students
  for each row when ((old.assigned_to, old.team_id) is distinct from (new.assigned_to, new.team_id))
  execute function private.propagate_student('fee_plans', 'assigned_to');

create trigger propagate_student_to_fee_installments after update of assigned_to, team_id on public.students
  for each row when ((old.assigned_to, old.team_id) is distinct from (new.assigned_to, new.team_id))
  execute function private.propagate_student('fee_installments', 'assigned_to');

create trigger touch_updated_at before update on public.fee_plans for each row execute function private.touch_updated_at();

create trigger touch_updated_at before update on public.fee_installments for each row execute function private.touch_updated_at();

create trigger audit after insert or update or delete on public.fee_plans for each row execute function private.audit_row('name');

create trigger audit after insert or update or delete on public.fee_installments for each row execute function private.audit_row();

-- Grants

revoke all on public.fee_plans, public.fee_installments, public.payment_allocations, public.overdue_installments, public.student_fee_ledger
  from anon, authenticated, service_role;

grant select on public.fee_plans, public.fee_installments, public.payment_allocations, public.overdue_installments, public.student_fee_ledger
  to authenticated, service_role;

grant insert (installment_id), update (installment_id) on public.payments to authenticated, service_role;

revoke all on function
  private.allocate_payments(uuid),
  private.allocate(uuid, uuid, numeric),
  private.student_in_reach(uuid, text),
  private.divide_fee(numeric, text, integer, date, integer),
  private.fee_plan_apply(uuid, numeric, jsonb, jsonb),
  private.fee_plan_cancel(uuid),
  public.fee_plan_apply(uuid, numeric, jsonb, jsonb),
  public.fee_plan_cancel(uuid),
  private.allocate_after_payment(),
  private.check_installment_of_payment()
  from public, anon, authenticated, service_role;

grant execute on function
  private.fee_plan_apply(uuid, numeric, jsonb, jsonb),
  private.fee_plan_cancel(uuid),
  public.fee_plan_apply(uuid, numeric, jsonb, jsonb),
  public.fee_plan_cancel(uuid)
  to authenticated;

-- This module's error

insert into public.error_codes (code, sqlstate, message, hint) values
  ('installments_do_not_add_up', 'PT422', 'The instalments do not add up to the total.', 'Details say what they should add up to.');

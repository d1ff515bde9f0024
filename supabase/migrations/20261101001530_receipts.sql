-- Receipts and invoices: numbered papers about money.
--
-- Their numbers follow one another without a gap within a financial year, because tax law asks for that: in India
-- rules 46 and 50 of the CGST Rules want a consecutive serial number of at most sixteen characters, unique for the
-- financial year. A sequence leaves a gap at every transaction that fails, so the number is taken from a row that is
-- locked until the paper is committed: whoever issues the next one waits, for the few milliseconds that a payment
-- takes. Nothing numbered is deleted; an invoice that was wrong is cancelled and keeps its number.

-- Tables

create table private.paper_numbers (
  series text not null,
  financial_year text not null,
  last_number integer not null default 0,
  primary key (series, financial_year),
  constraint paper_numbers_series_is_known check (series in ('R', 'I')),
  constraint paper_numbers_count_up check (last_number between 0 and 999999)
);

comment on table private.paper_numbers is 'The last number of receipts (R) and invoices (I) of each financial year. Its row is the lock that keeps numbers without a gap.';

alter table private.paper_numbers enable row level security;

revoke all on private.paper_numbers from public, anon, authenticated, service_role;

create table public.receipts (
  id uuid primary key default private.uuid_v7(),
  payment_id uuid not null references public.payments (id) on delete restrict,
  number text not null,
  issued_at timestamptz not null default now(),
  amount numeric(14, 2) not null,
  currency text not null,
  payer_name text not null,
  student_number text,
  details jsonb not null default '{}',
  constraint receipts_number_is_used_once unique (number),
  constraint receipts_number_is_short check (length(number) <= 16),
  constraint receipts_are_one_per_payment unique (payment_id),
  constraint receipts_amount_is_positive check (amount > 0),
  constraint receipts_currency_is_iso_4217 check (currency ~ '^[A-Z]{3}$'),
  constraint receipts_details_are_an_object check (jsonb_typeof(details) = 'object' and pg_column_size(details) <= 8192)
);

comment on table public.receipts is 'One for each payment that was paid in full, issued by the database when it was. Seen where the payment is. What went back later is in refunds.';

comment on column public.receipts.number is 'R/2025-26/000001, …: without a gap within the financial year.';

comment on column public.receipts.payer_name is 'As it was when the receipt was issued; empty once the person was erased.';

comment on column public.receipts.details is 'What the paper says besides: method, fee_type, academic_year, semester, description, gateway, transaction.';

create table public.invoices (
  id uuid primary key default private.uuid_v7(),
  assigned_to uuid references public.profiles (id) on delete restrict,
  team_id uuid references public.teams (id) on delete restrict,
  created_at timestamptz not null default now(),
  student_id uuid references public.students (id) on delete set null,
  installment_id uuid references public.fee_installments (id) on delete set null,
  number text not null,
  amount numeric(14, 2) not null,
  currency text not null,
  due_date date not null,
  billed_to text not null,
  student_number text,
  details jsonb not null default '{}',
  cancelled_at timestamptz,
  cancel_reason text,
  status text not null generated always as (case when cancelled_at is null then 'issued' else 'cancelled' end) stored,
  created_by uuid references public.profiles (id) on delete set null,
  constraint invoices_number_is_used_once unique (number),
  constraint invoices_number_is_short check (length(number) <= 16),
  constraint invoices_amount_is_positive check (amount > 0),
  constraint invoices_currency_is_iso_4217 check (currency ~ '^[A-Z]{3}$'),
  constraint invoices_cancel_reason_is_short check (length(cancel_reason) <= 500),
  constraint invoices_details_are_an_object check (jsonb_typeof(details) = 'object' and pg_column_size(details) <= 8192)
);

comment on table public.invoices is 'What a student is asked to pay for an instalment, on paper. Issued by invoice_issue(), cancelled by invoice_cancel(), never changed. Seen where the student is.';

comment on column public.invoices.number is 'I/2025-26/000001, …: without a gap within the financial year.';

comment on column public.invoices.billed_to is 'The student''s name when it was issued; empty once they were erased.';

create unique index invoices_are_one_per_installment on public.invoices (installment_id) where cancelled_at is null and installment_id is not null;

create index invoices_of_installment on public.invoices (installment_id) where installment_id is not null;

create index invoices_of_owner on public.invoices (assigned_to, created_at desc, id desc) include (team_id);

create index invoices_of_team on public.invoices (team_id, created_at desc, id desc) include (assigned_to);

create index invoices_newest on public.invoices (created_at desc, id desc) include (assigned_to, team_id);

create index invoices_of_student on public.invoices (student_id) where student_id is not null;

create index invoices_of_creator on public.invoices (created_by) where created_by is not null;

-- Policies

alter table public.receipts enable row level security;

alter table public.invoices enable row level security;

create policy receipts_read on public.receipts for select to authenticated
  using ((select p.id from public.payments p where p.id = receipts.payment_id) is not null);

comment on policy receipts_read on public.receipts is 'Where the payment is visible. Read by it or by number.';

create policy invoices_read on public.invoices for select to authenticated
  using (
    (select private.gate_all()) is not null
    or team_id = (select (private.gate_team())[1])
    or assigned_to = (select private.gate_own())
    or team_id = any ((select (private.gate_team())[2:])::uuid[])
  );

comment on policy invoices_read on public.invoices is 'Scope all: every one. Scope team: those of managed teams. Everybody: those of their students.';

-- Functions

create function private.financial_year(p_at timestamptz) returns text
language plpgsql stable set search_path = '' as $$
declare
  first_month constant integer := coalesce((private.setting('payments.financial_year_starts_in'))::integer, 4);
  day constant date := (p_at at time zone coalesce(private.setting('organization.timezone') #>> '{}', 'UTC'))::date;
  year constant integer := extract(year from day)::integer - case when extract(month from day) < first_month then 1 else 0 end;
begin
  return year || '-' || lpad(((year + 1) % 100)::text, 2, '0');
end
$$;

comment on function private.financial_year(timestamptz) is 'The financial year of a moment in the organisation''s time zone, such as 2025-26.';

create function private.next_number(p_series text, p_at timestamptz) returns text
language plpgsql volatile security definer set search_path = '' as $$
declare
  year constant text := private.financial_year(p_at);
  taken integer;
begin
  insert into private.paper_numbers as n (series, financial_year, last_number)
  values (p_series, year, 1)
  on conflict (series, financial_year) do update set last_number = n.last_number + 1
  returning n.last_number into taken;

  return p_series || '/' || year || '/' || lpad(taken::text, 6, '0');
end
$$;

comment on function private.next_number(text, timestamptz) is 'The next number of a series. Whoever wants the one after it waits until this transaction has ended; if it fails, nothing is missing.';

create function private.invoice_issue(p_installment_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  installment public.fee_installments;
  student public.students;
  invoice public.invoices;
begin
  perform private.require_permission('payments.create');

  select * into installment from public.fee_installments i where i.id = p_installment_id and i.cancelled_at is null;

  if installment.id is null then
    perform private.fail('not_found', 'installment');
  end if;

  student := private.student_in_reach(installment.student_id, 'payments.create');

  select * into invoice from public.invoices i where i.installment_id = p_installment_id and i.cancelled_at is null;

  if invoice.id is null then
    insert into public.invoices (assigned_to, team_id, student_id, installment_id, number, amount, currency, due_date, billed_to, student_number, details, created_by)
    select student.assigned_to, student.team_id, student.id, installment.id, private.next_number('I', now()), installment.amount, installment.currency,
      installment.due_date, student.name, student.student_number,
      jsonb_strip_nulls(jsonb_build_object(
        'description', f.name || ' ' || installment.number, 'fee_type', f.fee_type, 'academic_year', f.academic_year, 'semester', f.semester
      )), private.gate_own()
    from public.fee_plans f
    where f.id = installment.plan_id
    returning * into invoice;
  end if;

  return to_jsonb(invoice);
end
$$;

comment on function private.invoice_issue(uuid) is 'Body of public.invoice_issue().';

create function private.invoice_cancel(p_invoice_id uuid, p_reason text) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  invoice public.invoices;
begin
  perform private.require_permission('payments.create');

  update public.invoices i
  set cancelled_at = coalesce(i.cancelled_at, now()), cancel_reason = coalesce(i.cancel_reason, nullif(private.squeeze(p_reason, 500), ''))
  where i.id = p_invoice_id
    and (private.gate_all() is not null or i.team_id = any (private.gate_team()) or i.assigned_to = private.gate_own())
  returning * into invoice;

  if invoice.id is null then
    perform private.fail('not_found', 'invoice');
  end if;

  return to_jsonb(invoice);
end
$$;

comment on function private.invoice_cancel(uuid, text) is 'Body of public.invoice_cancel().';

-- RPCs

create function public.invoice_issue(p_installment_id uuid) returns jsonb
language sql volatile security invoker set search_path = '' as $$
  select private.invoice_issue(p_installment_id)
$$;

comment on function public.invoice_issue(uuid) is 'The invoice of an instalment: a row of invoices, issued now unless there is one that was not cancelled. Needs payments.create. Errors: permission_denied, not_found. Answers D0-073.';

create function public.invoice_cancel(p_invoice_id uuid, p_reason text default null) returns jsonb
language sql volatile security invoker set search_path = '' as $$
  select private.invoice_cancel(p_invoice_id, p_reason)
$$;

comment on function public.invoice_cancel(uuid, text) is 'Cancels an invoice, which keeps its number: the row. The instalment can have another. Needs payments.create. Errors: permission_denied, not_found. Answers D0-073.';

-- Triggers

create function private.issue_receipt() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into public.receipts (payment_id, number, amount, currency, payer_name, student_number, details)
  select new.id, private.next_number('R', now()), new.paid_amount, new.currency, coalesce(s.name, nullif(l.name, ''), l.email, l.phone, ''), s.student_number,
    jsonb_strip_nulls(jsonb_build_object(
      'method', new.payment_method, 'fee_type', new.fee_type, 'academic_year', new.academic_year, 'semester', new.semester,
      'description', new.description, 'gateway', new.payment_gateway, 'transaction', new.gateway_transaction_id, 'paid_at', new.paid_at
    ))
  from (select) one
  left join public.students s on s.id = new.student_id
  left join public.leads l on l.id = new.lead_id
  where not exists (select from public.receipts r where r.payment_id = new.id);

  return null;
end
$$;

comment on function private.issue_receipt() is 'A payment that was paid in full has a receipt.';

-- Last by its name, because the lock of the number is held until the end.
create trigger z_issue_receipt after update of paid_at on public.payments
  for each row when (old.paid_at is null and new.paid_at is not null) execute function private.issue_receipt();

create function private.guard_paper() returns trigger
language plpgsql set search_path = '' as $$
begin
  if tg_op = 'DELETE' or (to_jsonb(new) - array['payer_name', 'billed_to', 'student_number', 'details', 'assigned_to', 'team_id', 'student_id', 'installment_id', 'cancelled_at', 'cancel_reason', 'status'])
    is distinct from (to_jsonb(old) - array['payer_name', 'billed_to', 'student_number', 'details', 'assigned_to', 'team_id', 'student_id', 'installment_id', 'cancelled_at', 'cancel_reason', 'status']) then
    perform private.fail('paper_is_fixed', old.number);
  end if;

  return new;
end
$$;

comment on function private.guard_paper() is 'What was numbered is neither deleted nor changed, whoever tries. Error: paper_is_fixed.';

create trigger guard_paper before update or delete on public.receipts for each row execute function private.guard_paper();

create trigger guard_paper before update or delete on public.invoices for each row execute function private.guard_paper();

create function private.forget_payer() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  update public.receipts r set payer_name = '', student_number = null, details = r.details - 'description' where r.payment_id = new.id;

  return null;
end
$$;

comment on function private.forget_payer() is 'The receipt of somebody who was erased keeps its number and the money.';

create trigger forget_payer after update of lead_id, student_id on public.payments
  for each row when (new.lead_id is null and new.student_id is null) execute function private.forget_payer();

create function private.forget_billed() returns trigger
language plpgsql set search_path = '' as $$
begin
  new.billed_to := '';
  new.student_number := null;
  new.cancel_reason := null;
  new.details := new.details - 'description';

  return new;
end
$$;

comment on function private.forget_billed() is 'The invoice of a student who was erased keeps its number and the money.';

create trigger forget_billed before update of student_id on public.invoices
  for each row when (new.student_id is null) execute function private.forget_billed();

create trigger propagate_student_to_invoices after update of assigned_to, team_id on public.students
  for each row when ((old.assigned_to, old.team_id) is distinct from (new.assigned_to, new.team_id))
  execute function private.propagate_student('invoices', 'assigned_to');

create trigger audit after insert or update or delete on public.receipts
  for each row execute function private.audit_row('payer_name', 'student_number', 'details');

create trigger audit after insert or update or delete on public.invoices
  for each row execute function private.audit_row('billed_to', 'student_number', 'details', 'cancel_reason');

-- Grants

revoke all on public.receipts, public.invoices from anon, authenticated, service_role;

grant select on public.receipts, public.invoices to authenticated, service_role;

revoke all on function
  private.financial_year(timestamptz),
  private.next_number(text, timestamptz),
  private.invoice_issue(uuid),
  private.invoice_cancel(uuid, text),
  public.invoice_issue(uuid),
  public.invoice_cancel(uuid, text),
  private.issue_receipt(),
  private.guard_paper(),
  private.forget_payer(),
  private.forget_billed()
  from public, anon, authenticated, service_role;

grant execute on function
  private.invoice_issue(uuid),
  private.invoice_cancel(uuid, text),
  public.invoice_issue(uuid),
  public.invoice_cancel(uuid, text)
  to authenticated;

-- This module's setting and error

select private.define_setting('payments.financial_year_starts_in', '4', 'integer', 'Month in which the financial year of receipts and invoices begins', 1, 12);

insert into public.error_codes (code, sqlstate, message, hint) values
  ('paper_is_fixed', 'PT409', 'What was numbered is neither changed nor deleted.', 'Cancel an invoice and issue another; refund a payment.');

-- Receipts and invoices: one paper each, numbers without a gap, nothing changed or deleted.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('counselor', 'Papers A') as counselor, tests.create_user('counselor', 'Papers B') as stranger, tests.create_user('admin') as admin;

create temp table given on commit drop as
select gen_random_uuid() as lead, gen_random_uuid() as student, gen_random_uuid() as first, gen_random_uuid() as second, gen_random_uuid() as third;

create temp table kept (name text primary key, value jsonb) on commit drop;

grant select on people, given to public;

grant select, insert on kept to public;

alter table public.leads disable trigger route_new_lead;

insert into public.leads (id, name, assigned_to) select lead, 'Zerlinda Quixote', counselor from given, people;

insert into public.students (id, lead_id, name) select student, lead, 'Zerlinda Quixote' from given;

insert into public.payments (id, student_id, amount, description) select p, student, 100, 'For Zerlinda' from given, unnest(array[first, second, third]) p;

create function pg_temp.pay(p_id uuid) returns void language plpgsql as $$
begin
  insert into private.payment_transactions (gateway, transaction_id, payment_id, status, amount, currency, method, captured_at)
  values ('offline', p_id::text, p_id, 'captured', 100, 'INR', 'cash', now())
  on conflict do nothing;

  perform private.payment_settle(p_id);
end
$$;

create function pg_temp.serial(p_payment uuid) returns integer language sql as $$
  select right(r.number, 6)::integer from public.receipts r where r.payment_id = p_payment
$$;

-- The year

select is(private.financial_year(y.at), y.year, y.at::text)
from (values ('2026-03-31 18:29Z'::timestamptz, '2025-26'), ('2026-03-31 18:31Z', '2026-27'), ('2099-12-31 00:00Z', '2099-00')) y (at, year);

-- Receipts

select pg_temp.pay(first) from given;

select pg_temp.pay(first) from given;

select is((select count(*) from public.receipts r, given where r.payment_id = first), 1::bigint, 'a payment has one receipt, however often it is settled');

select is(
  (select row(r.amount, r.currency, r.payer_name, r.student_number, r.details ->> 'method', r.number) from public.receipts r, given where r.payment_id = first),
  (select row(100.00::numeric(14, 2), 'INR'::text, 'Zerlinda Quixote'::text, s.student_number, 'cash'::text, 'R/' || private.financial_year(now()) || '/' || lpad(pg_temp.serial(first)::text, 6, '0'))
    from public.students s, given where s.id = student),
  'which says who paid what and how'
);

-- A transaction that fails takes no number.
savepoint failing;

select pg_temp.pay(second) from given;

rollback to savepoint failing;

select pg_temp.pay(third) from given;

select is((select pg_temp.serial(third) - pg_temp.serial(first) from given), 1, 'its number follows the one before, whatever failed in between');

insert into public.refunds (payment_id, amount, currency, gateway, transaction_id, status, processed_at) select first, 100, 'INR', 'offline', first::text, 'succeeded', now() from given;

select private.payment_settle(first) from given;

select is((select r.amount from public.receipts r, given where r.payment_id = first), 100.00, 'a refund does not change what was received');

select is(tests.refusal(c.call), 'PT409 paper_is_fixed: ' || (select r.number from public.receipts r, given where r.payment_id = third), c.name)
from given, lateral (values
  (format('update public.receipts set amount = 1 where payment_id = %L', third), 'no receipt is changed'),
  (format('update public.receipts set number = ''x'' where payment_id = %L', third), 'nor numbered anew'),
  (format('delete from public.receipts where payment_id = %L', third), 'nor deleted')
) c (call, name);

-- Invoices

select tests.authenticate_as((select counselor from people));

insert into kept select 'plan', public.fee_plan_apply(student, 500, '{"count": 2, "first_due_date": "2026-12-01"}', '{"name": "Course"}') from given;

insert into kept select 'invoice', public.invoice_issue((value -> 'installments' -> 1 ->> 'id')::uuid) from kept where name = 'plan';

select is((select value - array['id', 'assigned_to', 'team_id', 'created_at', 'student_id', 'installment_id', 'created_by', 'number', 'student_number'] from kept where name = 'invoice'),
  '{"amount": 250.00, "currency": "INR", "due_date": "2027-01-01", "billed_to": "Zerlinda Quixote", "details": {"description": "Course 2"}, "cancelled_at": null, "cancel_reason": null, "status": "issued"}'::jsonb,
  'an instalment has an invoice');

select is((select public.invoice_issue((value -> 'installments' -> 1 ->> 'id')::uuid) ->> 'number' from kept where name = 'plan'), (select value ->> 'number' from kept where name = 'invoice'), 'one');

select is((select public.invoice_cancel((value ->> 'id')::uuid, 'Wrong name') ->> 'status' from kept where name = 'invoice'), 'cancelled', 'which is cancelled');

insert into kept select 'again', public.invoice_issue((value -> 'installments' -> 1 ->> 'id')::uuid) from kept where name = 'plan';

select is(
  (select right(a.value ->> 'number', 6)::integer - right(i.value ->> 'number', 6)::integer from kept a, kept i where a.name = 'again' and i.name = 'invoice'), 1,
  'and followed by another, with the next number'
);

select tests.authenticate_as((select stranger from people));

select is(
  tests.refusal(format('select public.invoice_issue(%L)', (select value -> 'installments' -> 0 ->> 'id' from kept where name = 'plan'))), 'PT404 not_found: student',
  'nobody writes an invoice for a student they do not see'
);

select is(tests.refusal(format('select public.invoice_cancel(%L)', (select value ->> 'id' from kept where name = 'again'))), 'PT404 not_found: invoice', 'nor cancels one');

select is_empty('select r.id from public.receipts r, given where r.payment_id = third union all select i.id from public.invoices i, given where i.student_id = student', 'nor reads any');

-- Erased

select tests.authenticate_as((select admin from people));

select lives_ok('select public.lead_delete(lead::text, true) from given', 'the person is erased');

select tests.clear_authentication();

select is(
  (select row(r.payer_name, r.student_number, r.amount, r.details -> 'description') from public.receipts r, given where r.payment_id = third),
  row(''::text, null::text, 100.00::numeric(14, 2), null::jsonb),
  'the receipt keeps its number and the money'
);

select is(
  (select row(i.billed_to, i.student_number, i.student_id, i.amount, i.cancel_reason) from public.invoices i, kept where name = 'invoice' and i.id = (value ->> 'id')::uuid),
  row(''::text, null::text, null::uuid, 250.00::numeric(14, 2), null::text), 'and so does the invoice'
);

select is_empty(
  $$select a.id from public.audit_logs a where a.resource in ('payments', 'refunds', 'receipts', 'invoices', 'fee_plans') and (a.before::text ~* 'zerlinda|quixote' or a.after::text ~* 'zerlinda|quixote')$$,
  'and the audit trail says nothing of them'
);

select * from finish();

rollback;

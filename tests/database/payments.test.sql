-- Payments: what a client may say of one, whom it belongs to, and that what was paid is never unpaid.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('counselor', 'Payments A') as counselor, tests.create_user('counselor', 'Payments A') as colleague,
  tests.create_user('counselor', 'Payments B') as stranger, tests.create_user('admin') as admin;

create temp table given on commit drop as
select gen_random_uuid() as lead, gen_random_uuid() as twin, gen_random_uuid() as student, gen_random_uuid() as walk_in, gen_random_uuid() as gone,
  gen_random_uuid() as payment, gen_random_uuid() as application;

grant select on people, given to public;

alter table public.leads disable trigger route_new_lead;

insert into public.leads (id, name, assigned_to, deleted_at)
select lead, 'Asha Nair', counselor, null::timestamptz from given, people
union all select twin, 'A. Nair', counselor, null from given, people
union all select gone, 'Gone', counselor, now() from given, people;

insert into public.students (id, lead_id, name, assigned_to)
select student, lead, 'Asha Nair', null::uuid from given
union all select walk_in, null, 'Walk In', counselor from given, people;

create function pg_temp.pay(p_id uuid, p_status text, p_paid numeric, p_refunded numeric default 0) returns text language plpgsql as $$
begin
  return tests.refusal(format(
    'update public.payments set status = %L, paid_amount = %L, refund_amount = %L, paid_at = case when %L in (''completed'', ''partially_refunded'', ''refunded'') then coalesce(paid_at, now()) end where id = %L',
    p_status, p_paid, p_refunded, p_status, p_id
  ));
end
$$;

-- Who asks, and what for

insert into public.payments (id, student_id, amount, status, paid_amount, paid_at, order_id, gateway_transaction_id, gateway_response)
select payment, student, 50000, 'completed', 50000, now(), 'order_1', 'pay_1', '{"a": 1}' from given;

insert into public.payments (id, lead_id, amount, currency) select application, lead, 500, ' usd ' from given;

select is(
  (select row(p.status, p.paid_amount, p.paid_at, p.order_id, p.gateway_transaction_id, p.gateway_response) from public.payments p, given where p.id = payment),
  row('pending'::text, 0.00::numeric(14, 2), null::timestamptz, null::text, null::text, '{}'::jsonb),
  'whatever is said of it, a new payment is pending and nothing of it is paid'
);

select is(
  (select row(p.lead_id, p.assigned_to, p.team_id, p.currency) from public.payments p, given where p.id = payment),
  (select row(lead, counselor, (select id from public.teams where name = 'Payments A'), 'INR'::text) from given, people),
  'it belongs to whom the student belongs to, names their lead, and has the organisation''s currency'
);

select is((select currency from public.payments p, given where p.id = application), 'USD', 'a currency that is said is written in one form');

select is(tests.refusal('insert into public.payments (amount) values (1)'), 'PT422 argument_invalid: student_id or lead_id', 'somebody must owe it');

select is(
  tests.refusal(format('insert into public.payments (lead_id, amount) values (%L, 1)', (select gone from given))),
  'PT404 lead_not_found: ' || (select gone from given), 'a deleted lead owes nothing new'
);

select is(
  tests.refusal(format('insert into public.payments (lead_id, amount, currency) values (%L, %s, %L)', (select lead from given), a.amount, a.currency)),
  'PT422 amount_invalid: ' || a.detail, 'nobody can pay ' || a.detail
)
from (values ('0', 'INR', '0.00 INR'), ('-1', 'INR', '-1.00 INR'), ('10.5', 'JPY', '10.50 JPY'), ('1', 'XXX', 'XXX')) a (amount, currency, detail);

-- What moves with the student and the lead

update public.leads set assigned_to = (select colleague from people) where id = (select lead from given);

select is_empty(
  $$select p.id from public.payments p, given, people where p.lead_id = lead and p.assigned_to is distinct from colleague$$,
  'payments go with the lead, those of its student too'
);

insert into public.payments (student_id, amount) select walk_in, 100 from given;

update public.students set assigned_to = (select stranger from people) where id = (select walk_in from given);

select is(
  (select row(p.assigned_to, t.name) from public.payments p join public.teams t on t.id = p.team_id, given where p.student_id = walk_in),
  (select row(stranger, 'Payments B'::text) from people), 'and with a student who has no lead'
);

-- Taken off the lead, a student takes the payments along.
update public.students set lead_id = null where id = (select student from given);

update public.students set assigned_to = (select stranger from people) where id = (select student from given);

select is(
  (select row(p.lead_id, p.assigned_to) from public.payments p, given where p.id = payment), (select row(null::uuid, stranger) from people),
  'and with one who has none any more'
);

update public.students set lead_id = given.lead from given where id = given.student;

select is(
  (select row(p.lead_id, p.assigned_to) from public.payments p, given where p.id = payment), (select row(lead, colleague) from given, people), 'or has one again'
);

-- Clients

select tests.authenticate_as((select colleague from people));

select is(
  tests.refusal(format('update public.payments set %s = %s where id = %L', c.name, c.value, (select payment from given))), '42501 ',
  'no client writes ' || c.name
)
from (values
  ('status', '''completed'''), ('paid_amount', '1'), ('paid_at', 'now()'), ('refund_amount', '1'), ('order_id', '''x'''),
  ('gateway_transaction_id', '''x'''), ('gateway_response', '''{}'''), ('student_id', 'null'), ('lead_id', 'null'), ('assigned_to', 'null'), ('team_id', 'null')
) c (name, value);

select is(
  tests.refusal(format('update public.payments set amount = 49000, notes = ''Early bird'' where id = %L', (select payment from given))), null,
  'they change what is asked for as long as nobody was asked'
);

select tests.clear_authentication();

update public.payments set payment_gateway = 'razorpay', order_id = 'order_1' where id = (select payment from given);

select is(
  tests.refusal(format('update public.payments set amount = 1 where id = %L', (select payment from given))), 'PT409 payment_is_fixed: pending',
  'and not afterwards'
);

-- The states

select throws_ok(
  format('update public.payments set status = ''completed'', paid_at = now(), paid_amount = 48999 where id = %L', (select payment from given)),
  '23514', null, 'completed is paid in full'
);

select throws_ok(
  format('update public.payments set status = ''completed'', paid_amount = 49000 where id = %L', (select payment from given)),
  '23514', null, 'and says when'
);

select is(pg_temp.pay((select payment from given), 'failed', 0), null, 'a payment can fail');

select is(pg_temp.pay((select payment from given), 'completed', 49000), null, 'and be captured after all');

select throws_ok(
  format('update public.payments set status = ''refunded'', refund_amount = 49000.01 where id = %L', (select payment from given)),
  '23514', null, 'no more goes back than came'
);

select throws_ok(
  format('update public.payments set refund_amount = 10 where id = %L', (select payment from given)), '23514', null, 'the status tells of what went back'
);

select is(pg_temp.pay((select payment from given), 'partially_refunded', 49000, 9000), null, 'some goes back');

select is((select net_amount from public.payments p, given where p.id = payment), 40000.00, 'the rest stays');

select is(pg_temp.pay((select payment from given), s.status, 0), 'PT409 payment_transition_forbidden: partially_refunded to ' || s.status, 'what was paid is never ' || s.status)
from unnest(array['pending', 'processing', 'failed', 'cancelled']) s (status);

-- Merged, paid, taken apart; erased

select tests.authenticate_as((select admin from people));

create temp table merge on commit drop as select (public.merge_leads(twin, array[lead]) ->> 'merge_id')::uuid as id from given;

grant select on merge to public;

select tests.clear_authentication();

select is((select p.lead_id from public.payments p, given where p.id = application), (select twin from given), 'a merge moves payments');

select set_config('intake.restore', 'on', true);

update public.payments set status = 'pending', paid_amount = 0, paid_at = null, refund_amount = 0, order_id = null where id = (select payment from given);

select set_config('intake.restore', '', true);

select is(
  (select row(p.status, p.net_amount, p.order_id) from public.payments p, given where p.id = payment), row('partially_refunded'::text, 40000.00::numeric(14, 2), 'order_1'::text),
  'a row that is brought back as it was keeps the money that came meanwhile'
);

select tests.authenticate_as((select admin from people));

select lives_ok('select public.unmerge(id) from merge', 'the merge is taken apart');

select tests.clear_authentication();

select is((select p.lead_id from public.payments p, given where p.id = application), (select lead from given), 'and payments are back');

select tests.authenticate_as((select admin from people));

select lives_ok('select public.lead_delete(lead::text, true) from given', 'the person is erased');

select tests.clear_authentication();

select is(
  (select row(p.lead_id, p.student_id, p.notes, p.net_amount, p.status) from public.payments p, given where p.id = payment),
  row(null::uuid, null::uuid, null::text, 40000.00::numeric(14, 2), 'partially_refunded'::text), 'and their money stays counted, without them'
);

select is_empty(
  $$select a.id from public.audit_logs a, given where a.record_id = payment::text and a.after::text like '%Early bird%'$$, 'nor does the audit trail say what was noted of them'
);

select * from finish();

rollback;

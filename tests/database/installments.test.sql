-- Instalments: parts that add up, and money that pays what is due first, once, and is taken off when it goes back.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('counselor', 'Fees A') as counselor, tests.create_user('counselor', 'Fees A') as colleague, tests.create_user('counselor', 'Fees B') as stranger;

create temp table given on commit drop as
select gen_random_uuid() as student, gen_random_uuid() as other, gen_random_uuid() as first, gen_random_uuid() as second, gen_random_uuid() as early;

create temp table kept (name text primary key, value jsonb) on commit drop;

grant select on people, given to public;

grant select, insert on kept to public;

insert into public.students (id, name, assigned_to) select s, 'Asha Nair', counselor from people, given, unnest(array[student, other]) s;

create function pg_temp.pay(p_id uuid, p_student uuid, p_amount numeric, p_installment uuid default null) returns void language plpgsql as $$
begin
  insert into public.payments (id, student_id, amount, installment_id) values (p_id, p_student, p_amount, p_installment);

  insert into private.payment_transactions (gateway, transaction_id, payment_id, status, amount, currency, captured_at)
  values ('offline', p_id::text, p_id, 'captured', p_amount, 'INR', now());

  perform private.payment_settle(p_id);
end
$$;

create function pg_temp.give_back(p_id uuid, p_amount numeric) returns void language plpgsql as $$
begin
  insert into public.refunds (payment_id, amount, currency, gateway, transaction_id, status, processed_at)
  values (p_id, p_amount, 'INR', 'offline', p_id::text, 'succeeded', now());

  perform private.payment_settle(p_id);
end
$$;

create function pg_temp.paid() returns text language sql as $$
  select string_agg(i.paid_amount || '/' || i.amount || ' ' || i.status, ', ' order by i.number) from public.fee_installments i, given g where i.student_id = g.student and i.cancelled_at is null
$$;

-- A total in parts

select is(
  (select string_agg(x ->> 'amount' || ' ' || (x ->> 'due_date'), ', ') from jsonb_array_elements(private.divide_fee(d.total, d.currency, d.count, '2026-01-31', d.months)) x), d.parts,
  d.total || ' ' || d.currency || ' in ' || d.count || ' parts'
)
from (values
  (100, 'INR', 3, 1, '33.34 2026-01-31, 33.33 2026-02-28, 33.33 2026-03-31'),
  (100, 'JPY', 3, 6, '34.00 2026-01-31, 33.00 2026-07-31, 33.00 2027-01-31'),
  (0.02, 'INR', 2, 1, '0.01 2026-01-31, 0.01 2026-02-28'),
  (1, 'KWD', 3, 1, '0.34 2026-01-31, 0.33 2026-02-28, 0.33 2026-03-31')
) d (total, currency, count, months, parts);

select pg_temp.pay(early, student, 50) from given;

select tests.authenticate_as((select counselor from people));

select is(
  tests.refusal(format('select public.fee_plan_apply(%L, 100, %L)', (select student from given), p.parts)), p.refusal, p.parts::text || ' are no instalments of 100'
)
from (values
  ('{"count": 0, "first_due_date": "2026-01-01"}'::jsonb, 'PT422 argument_invalid: p_installments: count is 1 to 60, every_months 1 to 12, first_due_date a date'),
  ('{"count": 3}', 'PT422 argument_invalid: p_installments: count is 1 to 60, every_months 1 to 12, first_due_date a date'),
  ('[]', 'PT422 argument_invalid: p_installments is a list of up to 60 {amount, due_date}, or {count, first_due_date, every_months}'),
  ('[{"amount": 99.99, "due_date": "2026-01-01"}]', 'PT422 installments_do_not_add_up: 100'),
  ('[{"amount": 150, "due_date": "2026-01-01"}, {"amount": -50, "due_date": "2026-02-01"}]', 'PT422 amount_invalid: -50 INR')
) p (parts, refusal);

insert into kept select 'plan', public.fee_plan_apply(student, 300, '{"count": 3, "first_due_date": "2026-01-31"}', '{"name": "Course", "fee_type": "course_fee"}') from given;

select is((select value ->> 'total_amount' from kept), '300.00', 'a plan is applied');

select tests.authenticate_as((select stranger from people));

select is(
  tests.refusal(format('select public.fee_plan_apply(%L, 100, ''{"count": 1, "first_due_date": "2026-01-01"}'')', (select student from given))), 'PT404 not_found: student',
  'not to a student one does not see'
);

select is(tests.refusal(format('select public.fee_plan_cancel(%L)', (select value ->> 'plan_id' from kept))), 'PT404 not_found: student', 'whose plans one does not cancel');

select is_empty('select i.id from public.fee_installments i, given where i.student_id = student', 'nor read');

select tests.clear_authentication();

-- Money

select is(pg_temp.paid(), '50.00/100.00 partially_paid, 0.00/100.00 pending, 0.00/100.00 pending', 'what was paid before the plan pays what is due first');

select pg_temp.pay(first, student, 120) from given;

select is(pg_temp.paid(), '100.00/100.00 paid, 70.00/100.00 partially_paid, 0.00/100.00 pending', 'a payment pays what is left of one and goes on with the next');

select pg_temp.pay(second, student, 60, (select (value -> 'installments' -> 2 ->> 'id')::uuid from kept)) from given;

select is(pg_temp.paid(), '100.00/100.00 paid, 70.00/100.00 partially_paid, 60.00/100.00 partially_paid', 'unless it names another');

select pg_temp.give_back(first, 80) from given;

select is(pg_temp.paid(), '90.00/100.00 partially_paid, 0.00/100.00 pending, 60.00/100.00 partially_paid', 'what goes back is taken off what is due last of it');

select pg_temp.pay(gen_random_uuid(), student, 500) from given;

select is(pg_temp.paid(), '100.00/100.00 paid, 100.00/100.00 paid, 100.00/100.00 paid', 'no instalment is paid more than once');

select is(
  (select sum(p.net_amount) - (select sum(a.amount) from public.payment_allocations a join public.payments x on x.id = a.payment_id where x.student_id = student) from public.payments p, given where p.student_id = student group by student),
  350.00, 'and what nobody asks for is credit'
);

select is_empty(
  $$select i.id from public.fee_installments i left join public.payment_allocations a on a.installment_id = i.id group by i.id having i.paid_amount <> coalesce(sum(a.amount), 0)$$,
  'what is paid of an instalment is what is allocated to it'
);

select is(
  tests.refusal(format('insert into public.payments (student_id, amount, installment_id) values (%L, 1, %L)', (select other from given), (select value -> 'installments' -> 0 ->> 'id' from kept))),
  'PT404 not_found: installment', 'nobody pays another student''s instalment'
);

-- The ledger

select tests.authenticate_as((select counselor from people));

select is(
  (select row(sum(l.debit), sum(l.credit), (array_agg(l.balance order by l.entry_at desc, l.kind desc, l.reference_id desc))[1]) from public.student_fee_ledger l, given where l.student_id = student),
  row(380.00, 730.00, -350.00), 'the ledger adds up to the credit'
);

select is((select string_agg(l.kind || ' ' || l.description, ', ' order by l.entry_at) from public.student_fee_ledger l, given where l.student_id = student and l.kind = 'fee'),
  'fee Course 1, fee Course 2, fee Course 3', 'and names the instalments');

select tests.clear_authentication();

insert into public.refunds (payment_id, amount, currency, gateway, transaction_id, status, processed_at)
select first, 7, 'USD', 'offline', 'in dollars', 'succeeded', now() from given;

select is_empty(
  $$select l.kind from public.student_fee_ledger l, given where l.student_id = student and l.currency = 'USD'$$,
  'what was never counted as paid, for another currency, is not owed when it goes back'
);

select tests.authenticate_as((select stranger from people));

select is_empty('select l.kind from public.student_fee_ledger l, given where l.student_id = student', 'for those who see the student');

-- Late

select tests.authenticate_as((select counselor from people));

insert into kept
select 'late', public.fee_plan_apply(other, 30, jsonb_build_array(
  jsonb_build_object('amount', 10, 'due_date', today - 3), jsonb_build_object('amount', 10, 'due_date', today), jsonb_build_object('amount', 10, 'due_date', today + 1)
))
from given, (select (now() at time zone 'Asia/Kolkata')::date as today) t;

select results_eq(
  'select o.number, o.balance, o.days_overdue from public.overdue_installments o, given where o.student_id = other', 'values (1, 10.00::numeric(14, 2), 3)', 'an instalment is late on the day after'
);

select tests.clear_authentication();

select pg_temp.pay(gen_random_uuid(), other, 10) from given;

select is_empty('select o.id from public.overdue_installments o, given where o.student_id = other', 'until it is paid');

-- Cancelled, given to somebody else

select tests.authenticate_as((select counselor from people));

select lives_ok('select public.fee_plan_cancel((value ->> ''plan_id'')::uuid) from kept where name = ''late''', 'a plan is cancelled');

select is_empty('select a.amount from public.payment_allocations a join public.fee_installments i on i.id = a.installment_id, given where i.student_id = other', 'and nothing pays it');

select lives_ok('select public.fee_plan_apply(other, 15, ''{"count": 1, "first_due_date": "2026-01-01"}'') from given', 'another takes its place');

select is((select i.paid_amount from public.fee_installments i, given where i.student_id = other and i.cancelled_at is null), 10.00, 'and the money pays that');

select tests.clear_authentication();

update public.students set assigned_to = (select colleague from people) where id = (select student from given);

select is_empty(
  $$select i.id from public.fee_installments i, given, people where i.student_id = student and i.assigned_to is distinct from colleague
    union all select f.id from public.fee_plans f, given, people where f.student_id = student and f.assigned_to is distinct from colleague$$,
  'plans and instalments go with the student'
);

select * from finish();

rollback;

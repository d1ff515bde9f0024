-- Payment orders: one payment has one order, whoever asks at once or again, and its gateway is asked what became of it.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('counselor', 'Events A') as counselor, tests.create_user('counselor', 'Events B') as stranger;

create temp table given on commit drop as select gen_random_uuid() as lead, gen_random_uuid() as student, gen_random_uuid() as online;

create temp table kept (name text primary key, value jsonb) on commit drop;

grant select on people, given to public;

grant select, insert on kept to public;

alter table public.leads disable trigger route_new_lead;

insert into public.leads (id, name, assigned_to) select lead, 'Asha Nair', counselor from given, people;

insert into public.students (id, lead_id, name) select student, lead, 'Asha Nair' from given;

insert into public.payments (id, student_id, amount) select online, student, 1000 from given;

-- An order is asked for once

select tests.authenticate_as((select counselor from people));

insert into kept select 'begun', private.payment_order_begin(jsonb_build_object('payment_id', online, 'gateway', 'razorpay'), 'key-0001') from given;

select is((select value - 'payment_id' from kept where name = 'begun'),
  '{"order_id": null, "gateway": "razorpay", "amount": "1000.00", "currency": "INR", "description": null, "was_asked": false}'::jsonb, 'an order is asked for');

select is(
  tests.refusal(format('select private.payment_order_begin(%L, ''key-0001'')', jsonb_build_object('payment_id', (select online from given), 'gateway', 'razorpay'))),
  'PT409 payment_order_in_progress: ' || (select online from given), 'by one request at a time'
);

insert into kept select 'new', private.payment_order_begin(jsonb_build_object('student_id', student, 'amount', 200, 'gateway', 'stripe'), 'key-0002') from given;

select is((select row(p.amount, p.payment_gateway, p.idempotency_key) from public.payments p, kept where name = 'new' and p.id = (value ->> 'payment_id')::uuid),
  row(200.00::numeric(14, 2), 'stripe'::text, 'key-0002'::text), 'an order can bring its payment along');

select is(
  tests.refusal(format('select private.payment_order_begin(%L, ''key-0002'')', jsonb_build_object('student_id', (select student from given), 'amount', 300, 'gateway', 'stripe'))),
  'PT409 idempotency_conflict: ' || (select value ->> 'payment_id' from kept where name = 'new'), 'a key is of one request'
);

select is((select count(*) from public.payments p where p.idempotency_key = 'key-0002'), 1::bigint, 'which makes one payment');

select tests.authenticate_as((select stranger from people));

select is(
  tests.refusal(format('select private.payment_order_begin(%L, ''key-0003'')', jsonb_build_object('payment_id', (select online from given), 'gateway', 'razorpay'))),
  'PT404 not_found: payment', 'nobody asks for an order of a payment they do not see'
);

select is(
  tests.refusal(format('select private.payment_order_claim(%L, ''razorpay'')', (select online from given))), 'PT404 not_found: payment', 'nor claims one'
);

select tests.clear_authentication();

select is(private.payment_order_attach(online, 'order_A'), 'order_A', 'the order is noted') from given;

select is(private.payment_order_attach(online, 'order_B'), 'order_A', 'and a second one is not') from given;

-- What is asked for stays as it is once the gateway may have made an order of it

select tests.authenticate_as((select counselor from people));

insert into kept select 'lost', private.payment_order_begin(jsonb_build_object('student_id', student, 'amount', 700, 'gateway', 'razorpay'), 'key-0006') from given;

select is(
  tests.refusal(format('update public.payments set %s where id = %L', c.change, (select value ->> 'payment_id' from kept where name = 'lost'))), 'PT409 payment_is_fixed: pending',
  'while the gateway is asked nobody changes it: ' || c.change
)
from (values ('amount = 1'), ('currency = ''USD'''), ('payment_gateway = ''stripe''')) c (change);

select tests.clear_authentication();

select private.payment_order_release((value ->> 'payment_id')::uuid) from kept where name = 'lost';

select tests.authenticate_as((select counselor from people));

select is(
  tests.refusal(format('select private.payment_order_begin(%L, ''key-0006'')', jsonb_build_object('payment_id', (select value ->> 'payment_id' from kept where name = 'lost'), 'gateway', 'stripe'))),
  'PT409 payment_is_fixed: pending', 'nor asks another gateway while the first may have an order'
);

select tests.clear_authentication();

select private.payment_order_release((value ->> 'payment_id')::uuid, true) from kept where name = 'lost';

select tests.authenticate_as((select counselor from people));

select is(
  tests.refusal(format('update public.payments set amount = 600, payment_gateway = ''stripe'' where id = %L', (select value ->> 'payment_id' from kept where name = 'lost'))), null,
  'once the gateway has refused it may be changed'
);

-- The rest of a request

insert into kept
select 'plan', public.fee_plan_apply(student, 300, '{"count": 2, "first_due_date": "2026-12-01"}') from given;

insert into kept
select 'named', private.payment_order_begin(
  jsonb_build_object('student_id', student, 'amount', 150, 'gateway', 'razorpay', 'installment_id', value -> 'installments' -> 1 ->> 'id'), 'key-0007'
)
from given, kept where name = 'plan';

select is(
  (select p.installment_id::text from public.payments p, kept k where k.name = 'named' and p.id = (k.value ->> 'payment_id')::uuid),
  (select value -> 'installments' -> 1 ->> 'id' from kept where name = 'plan'), 'an order pays the instalment that it names'
);

insert into kept select 'of lead', private.payment_order_begin(jsonb_build_object('lead_id', lead, 'amount', 20, 'gateway', 'razorpay'), 'key-0008') from given;

insert into public.leads (id, name, assigned_to) select student, 'Ravi Menon', counselor from given, people;

select is(
  tests.refusal(format('select private.payment_order_begin(%L, ''key-0008'')', jsonb_build_object('lead_id', (select student from given), 'amount', 20, 'gateway', 'razorpay'))),
  'PT409 idempotency_conflict: ' || (select value ->> 'payment_id' from kept where name = 'of lead'), 'and a key is of one person'
);

select tests.clear_authentication();

-- Money that a bank allows is taken only for what is still to be paid

insert into public.payments (student_id, amount, payment_gateway) select student, 40 + n, 'razorpay' from given, generate_series(1, 3) n;

update public.payments p set order_id = 'order_W' || p.amount::integer from given where p.student_id = student and p.amount in (41, 42, 43);

insert into private.payment_orders (payment_id, asked_at, next_check_at)
select p.id, now(), now() - interval '1 minute' from public.payments p where p.order_id like 'order_W%';

update public.payments set status = 'cancelled' where order_id = 'order_W42';

update public.payments set status = 'completed', paid_amount = amount, paid_at = now() where order_id = 'order_W43';

select tests.authenticate_as((select counselor from people));

select results_eq(
  $$select p.order_id, (private.payment_order_of(p.id) ->> 'is_wanted')::boolean from public.payments p where p.order_id like 'order_W%' order by 1$$,
  $$values ('order_W41', true), ('order_W42', false), ('order_W43', false)$$, 'by whom a browser comes back to'
);

select tests.clear_authentication();

select set_eq(
  $$select d.order_id, d.is_wanted from private.payment_checks_due() d where d.order_id like 'order_W%'$$,
  $$values ('order_W41', true), ('order_W42', false), ('order_W43', false)$$, 'and by whom compares'
);

-- The gateway is asked about what is open

update private.payment_orders set next_check_at = now() - interval '1 minute', asked_at = now() - interval '2 days' where payment_id = (select online from given);

select is((select array_agg(d.order_id) from private.payment_checks_due() d where d.payment_id = (select online from given)), array['order_A'], 'whose time has come is asked about');

select is_empty('select d.payment_id from private.payment_checks_due() d, given g where d.payment_id = g.online', 'once');

select is((select next_check_at from private.payment_orders o, given where o.payment_id = online), now() + interval '1 day', 'and then ever more rarely');

select * from finish();

rollback;

-- Payment events: whatever is told in whatever order, money is counted once.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('counselor', 'Events A') as counselor, tests.create_user('manager', 'Events A') as manager,
  tests.create_user('counselor', 'Events B') as stranger, tests.create_user('admin') as admin;

create temp table given on commit drop as
select gen_random_uuid() as lead, gen_random_uuid() as student, gen_random_uuid() as online, gen_random_uuid() as cash, gen_random_uuid() as early,
  gen_random_uuid() as dollars;

create temp table kept (name text primary key, value jsonb) on commit drop;

grant select on people, given to public;

grant select, insert on kept to public;

alter table public.leads disable trigger route_new_lead;

insert into public.leads (id, name, assigned_to) select lead, 'Asha Nair', counselor from given, people;

insert into public.students (id, lead_id, name) select student, lead, 'Asha Nair' from given;

insert into public.payments (id, student_id, amount) select p, student, 1000 from given, unnest(array[online, cash, early]) p;

create function pg_temp.paid(p_order text, p_id text, p_status text default 'captured', p_amount numeric default 1000, p_currency text default 'INR') returns jsonb language sql as $$
  select jsonb_build_object('order_id', p_order, 'transactions', jsonb_build_array(jsonb_build_object(
    'transaction_id', p_id, 'status', p_status, 'amount', p_amount, 'currency', p_currency, 'method', 'upi', 'at', '2026-11-01T10:00:00Z'
  )))
$$;

create function pg_temp.back(p_order text, p_id text, p_refund text, p_amount numeric, p_status text default 'succeeded', p_own uuid default null) returns jsonb language sql as $$
  select jsonb_build_object('order_id', p_order, 'refunds', jsonb_build_array(jsonb_build_object(
    'refund_id', p_refund, 'own_id', p_own, 'transaction_id', p_id, 'status', p_status, 'amount', p_amount, 'currency', 'INR', 'at', '2026-11-02T10:00:00Z'
  )))
$$;

create function pg_temp.money(p_id uuid, out status text, out paid numeric, out back numeric) language sql as $$
  select p.status, p.paid_amount, p.refund_amount from public.payments p where p.id = p_id
$$;

grant execute on function pg_temp.money(uuid) to public;

-- Told in any order, told again

update public.payments set payment_gateway = 'razorpay', order_id = 'order_A' where id = (select online from given);

select is(private.payment_apply_event('razorpay', pg_temp.back('order_A', 'pay_1', 'rfnd_1', 100)) ->> 'status', 'pending', 'what went back of money nobody told of yet is waited for');

select is(private.payment_apply_event('razorpay', pg_temp.paid('order_A', 'pay_0', 'failed')) ->> 'status', 'failed', 'an attempt fails');

select is(private.payment_apply_event('razorpay', pg_temp.paid('order_A', 'pay_1', 'authorized')) ->> 'status', 'processing', 'another is authorized');

select is(private.payment_apply_event('razorpay', pg_temp.paid('order_A', 'pay_1')) ->> 'status', 'partially_refunded', 'and captured: what went back counts now');

select is(pg_temp.money(online), row('partially_refunded'::text, 1000.00, 100.00), 'each once') from given;

select private.payment_apply_event('razorpay', e)
from unnest(array[pg_temp.paid('order_A', 'pay_1'), pg_temp.paid('order_A', 'pay_1', 'authorized'), pg_temp.paid('order_A', 'pay_1', 'failed'), pg_temp.back('order_A', 'pay_1', 'rfnd_1', 100, 'processing')]) e;

select is(pg_temp.money(online), row('partially_refunded'::text, 1000.00, 100.00), 'told again, and late, it is the same') from given;

select is((select paid_at from public.payments p, given where p.id = online), '2026-11-01 10:00Z', 'it was paid when the gateway says');

select is((select count(*) from public.refunds r, given where r.payment_id = online), 1::bigint, 'one refund is one row');

select is(private.payment_apply_event('razorpay', pg_temp.paid('order_of_others', 'pay_9')), '{"is_known": false}', 'orders of others are none of ours');

select throws_ok(
  format('select private.payment_apply_event(''razorpay'', %L)', pg_temp.back('order_A', 'pay_1', 'rfnd_x', 900.01)), '23514', null,
  'a gateway that gives back more than it took is not believed'
);

-- Quicker than our own answer

select tests.authenticate_as((select counselor from people));

select private.payment_order_begin(jsonb_build_object('payment_id', early, 'gateway', 'razorpay'), 'key-0004') from given;

select tests.clear_authentication();

select is(
  private.payment_apply_event('razorpay', pg_temp.paid('order_E', 'pay_E') || jsonb_build_object('payment_id', early)) ->> 'status', 'completed',
  'a gateway may be quicker than the answer to our asking'
) from given;

select is((select order_id from public.payments p, given where p.id = early), 'order_E', 'and the order is known then');

select is((select next_check_at from private.payment_orders o, given where o.payment_id = early), null, 'nor is the gateway asked about what was paid');

select is(
  tests.refusal(format('select private.payment_apply_event(''razorpay'', %L)', pg_temp.paid('order_A', 'pay_E'))), 'PT409 payment_event_conflict: pay_E',
  'an attempt belongs to one payment'
);

select private.payment_apply_event('razorpay', pg_temp.paid('order_E', 'pay_E2'));

select is(pg_temp.money(early), row('completed'::text, 2000.00, 0.00), 'who pays twice has paid twice') from given;

select is((select count(*) from public.notifications n, people, given where n.user_id = admin and n.title = 'Paid Twice' and n.metadata ->> 'payment_id' = early::text), 1::bigint, 'and who may refund is told');

-- Another currency

select tests.authenticate_as((select counselor from people));

insert into kept select 'usd', private.payment_order_begin(jsonb_build_object('student_id', student, 'amount', 10, 'currency', 'usd', 'gateway', 'stripe'), 'key-0005') from given;

select tests.clear_authentication();

select private.payment_order_attach((value ->> 'payment_id')::uuid, 'pi_1') from kept where name = 'usd';

select private.payment_apply_event('stripe', pg_temp.paid('pi_1', 'ch_1', 'captured', 10, 'INR'));

select is((select pg_temp.money((value ->> 'payment_id')::uuid) from kept where name = 'usd'), row('pending'::text, 0.00, 0.00), 'ten rupees are not ten dollars');

-- Paid in cash

select tests.authenticate_as((select counselor from people));

select is(
  tests.refusal(format('select public.payment_record(%L, ''cash'')', (select cash from given))), '42501 permission_denied: payments.record', 'not everybody takes cash'
);

select tests.authenticate_as((select manager from people));

select is(
  tests.refusal(format('select public.payment_record(%L, ''shells'')', (select cash from given))), 'PT422 argument_invalid: p_method: cash, cheque, bank_transfer, card, upi or other',
  'nor everything'
);

select is((select public.payment_record(cash, 'cheque', '000123', '2026-11-03T10:00Z') - 'payment_id' from given),
  '{"status": "completed", "paid_at": "2026-11-03T10:00:00+00:00", "amount": 1000.00, "currency": "INR"}'::jsonb, 'a cheque is recorded');

select lives_ok('select public.payment_record(cash, ''cheque'', ''000123'') from given', 'recorded again');

select is(pg_temp.money(cash), row('completed'::text, 1000.00, 0.00), 'it is paid once') from given;

select is(
  tests.refusal(format('select public.payment_record(%L, ''cash'')', (select online from given))), 'PT409 payment_is_not_open: partially_refunded', 'what was paid is not paid again'
);

select is(tests.refusal(format('select public.payment_cancel(%L)', (select cash from given))), 'PT409 payment_is_not_open: completed', 'nor cancelled');

select tests.authenticate_as((select stranger from people));

select is(tests.refusal(format('select public.payment_cancel(%L)', (select cash from given))), 'PT404 not_found: payment', 'least of all by those who do not see it');

select tests.clear_authentication();

-- Cancelled, and paid all the same

insert into public.payments (id, student_id, amount, payment_gateway) select dollars, student, 5, 'razorpay' from given;

update public.payments set order_id = 'order_D' where id = (select dollars from given);

select tests.authenticate_as((select counselor from people));

select is((select public.payment_cancel(dollars) ->> 'status' from given), 'cancelled', 'a payment is cancelled');

select tests.clear_authentication();

select is(private.payment_apply_event('razorpay', pg_temp.paid('order_D', 'pay_D', 'failed', 5)) ->> 'status', 'cancelled', 'and stays so');

select is(private.payment_apply_event('razorpay', pg_temp.paid('order_D', 'pay_D', 'authorized', 5)) ->> 'status', 'cancelled', 'whatever a bank allows');

select is(private.payment_apply_event('razorpay', pg_temp.paid('order_D', 'pay_D', 'captured', 5)) ->> 'status', 'completed', 'unless somebody pays it');

-- What is told

select set_eq(
  $$select a.title from public.activities a, given where a.lead_id = lead and a.type = 'payment'$$,
  array['Payment Failed', 'Payment Received', 'Payment Refunded', 'Paid Twice', 'Payment Cancelled'], 'the lead''s timeline tells of it'
);

select is(
  (select count(*) from public.notifications n, people, given where n.user_id = counselor and n.title = 'Payment Received' and n.metadata ->> 'payment_id' = cash::text), 1::bigint,
  'and so is the counselor, once'
);

select * from finish();

rollback;

-- Refunds: held back before the gateway is asked, made once, and never more than came.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('counselor', 'Events A') as counselor, tests.create_user('manager', 'Events A') as manager,
  tests.create_user('counselor', 'Events B') as stranger, tests.create_user('admin') as admin;

create temp table given on commit drop as
select gen_random_uuid() as lead, gen_random_uuid() as student, gen_random_uuid() as online, gen_random_uuid() as cash;

create temp table kept (name text primary key, value jsonb) on commit drop;

grant select on people, given to public;

grant select, insert on kept to public;

alter table public.leads disable trigger route_new_lead;

insert into public.leads (id, name, assigned_to) select lead, 'Asha Nair', counselor from given, people;

insert into public.students (id, lead_id, name) select student, lead, 'Asha Nair' from given;

insert into public.payments (id, student_id, amount) select p, student, 1000 from given, unnest(array[online, cash]) p;

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

update public.payments set payment_gateway = 'razorpay', order_id = 'order_A' where id = (select online from given);

select private.payment_apply_event('razorpay', e) from unnest(array[pg_temp.paid('order_A', 'pay_1'), pg_temp.back('order_A', 'pay_1', 'rfnd_1', 100)]) e;

-- Asked for

select tests.authenticate_as((select manager from people));

select is(
  tests.refusal(format('select private.payment_refund_begin(%L, 1, null, ''refund-1'')', (select online from given))), '42501 permission_denied: payments.refund',
  'who may ask for money may not give it back'
);

select tests.authenticate_as((select admin from people));

insert into kept select 'refund', private.payment_refund_begin(online, 400, ' Left  early ', 'refund-1') from given;

select is((select value - 'refund_id' - 'payment_id' from kept where name = 'refund'),
  '{"gateway": "razorpay", "order_id": "order_A", "transaction_id": "pay_1", "amount": "400.00", "currency": "INR", "status": "requested", "payment_status": "partially_refunded", "refunded": "100.00"}'::jsonb,
  'a refund is noted before the gateway is asked');

select is(
  (select private.payment_refund_begin(online, 400, null, 'refund-1') ->> 'refund_id' from given), (select value ->> 'refund_id' from kept where name = 'refund'),
  'asked again with the same key it is the same'
);

select is(
  tests.refusal(format('select private.payment_refund_begin(%L, 500.01, null, ''refund-2'')', (select online from given))), 'PT409 refund_too_large: 500.00',
  'what may yet go back is not left any more'
);

select is(
  tests.refusal(format('select private.payment_refund_begin(%L, 0, null, ''refund-2'')', (select online from given))), 'PT409 refund_too_large: 500.00', 'nor is nothing a refund'
);

select tests.clear_authentication();

select is(
  tests.refusal(format(
    'insert into public.refunds (payment_id, amount, currency, gateway, transaction_id) values (%L, 500.01, ''INR'', ''razorpay'', ''pay_1'')', (select online from given)
  )), 'PT409 refund_too_large: 500.00', 'whoever writes it'
);

select is(
  (select count(*) from private.jobs j, kept where name = 'refund' and j.kind = 'payments.refund' and j.payload ->> 'refund_id' = value ->> 'refund_id'), 1::bigint,
  'a job comes to the end of it if nobody else does'
);

select private.payment_apply_event('razorpay', pg_temp.back('order_A', 'pay_1', 'rfnd_2', 400, 'succeeded', (value ->> 'refund_id')::uuid)) from kept where name = 'refund';

select is(pg_temp.money(online), row('partially_refunded'::text, 1000.00, 500.00), 'the gateway''s word on it is about the same refund') from given;

select is((select refund_reason from public.payments p, given where p.id = online), 'Left early', 'and the payment says why');

select private.payment_apply_event('razorpay', pg_temp.back('order_A', 'pay_1', 'rfnd_2', 400, 'failed'));

select is(pg_temp.money(online), row('partially_refunded'::text, 1000.00, 100.00), 'a refund that fails in the end leaves the money') from given;

select tests.authenticate_as((select admin from people));

insert into kept select 'rest', private.payment_refund_begin(online, null, null, 'refund-3') from given;

select is((select value ->> 'amount' from kept where name = 'rest'), '900.00', 'no amount is all that is left');

select tests.clear_authentication();

select private.refund_failed((value ->> 'refund_id')::uuid, 'refused') from kept where name = 'rest';

select is((select row(r.status, r.failure) from public.refunds r, kept where name = 'rest' and r.id = (value ->> 'refund_id')::uuid), row('failed'::text, 'refused'::text), 'what the gateway refuses has failed');

-- Of cash

insert into private.payment_transactions (gateway, transaction_id, payment_id, status, amount, currency, captured_at)
select 'offline', cash::text, cash, 'captured', 1000, 'INR', now() from given;

select private.payment_settle(cash) from given;

select tests.authenticate_as((select admin from people));

select is((select private.payment_refund_begin(cash, 1000, 'Course cancelled', 'refund-4') ->> 'status' from given), 'succeeded', 'cash goes back by hand');

select tests.clear_authentication();

select is(pg_temp.money(cash), row('refunded'::text, 1000.00, 1000.00), 'at once') from given;

-- Who sees them

select tests.authenticate_as((select counselor from people));

select is((select count(*) from public.refunds r, given where r.payment_id = online), 3::bigint, 'who sees the payment sees what went back');

select tests.authenticate_as((select stranger from people));

select is_empty('select r.id from public.refunds r, given where r.payment_id = online', 'and nobody else');

select tests.clear_authentication();

select set_eq(
  $$select a.title from public.activities a, given where a.lead_id = lead and a.type = 'payment'$$, array['Payment Received', 'Payment Refunded', 'Refund Failed'],
  'the lead''s timeline tells of it'
);

select is(
  (select count(*) from public.notifications n, people, given where n.user_id = admin and n.title = 'Refund Failed' and n.metadata ->> 'payment_id' = online::text), 1::bigint,
  'and who can put right what failed is told'
);

select * from finish();

rollback;

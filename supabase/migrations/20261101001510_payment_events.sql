-- Payment events: how a payment comes to be paid.
--
-- Whoever tells of money, a webhook, a browser that comes back, a comparison with the gateway or a person who
-- took cash, tells it to payment_apply_event(). What is told is kept by the gateway's own ids and only moves
-- forward, and the payment is computed from all that is known: told twice, in any order, or again after a crash,
-- the same events end in the same state. What was captured is never refused, whatever the payment was before.

-- Tables

create table private.payment_transactions (
  gateway text not null,
  transaction_id text not null,
  payment_id uuid not null references public.payments (id) on delete restrict,
  status text not null,
  amount numeric(14, 2) not null,
  currency text not null,
  method text,
  captured_at timestamptz,
  failure text,
  response jsonb not null default '{}',
  created_at timestamptz not null default now(),
  primary key (gateway, transaction_id),
  constraint payment_transactions_gateway_is_known check (gateway in ('razorpay', 'stripe', 'offline')),
  constraint payment_transactions_id_is_short check (length(transaction_id) between 1 and 200),
  constraint payment_transactions_status_is_known check (status in ('created', 'failed', 'authorized', 'voided', 'captured')),
  constraint payment_transactions_amount_is_not_negative check (amount >= 0),
  constraint payment_transactions_captured_at_tells_when check ((status = 'captured') = (captured_at is not null)),
  constraint payment_transactions_response_is_small check (jsonb_typeof(response) = 'object' and pg_column_size(response) <= 8192)
);

comment on table private.payment_transactions is 'Every attempt to pay, by the id that the gateway gives it: whoever tells of it however often, it is one row. An offline payment has one, under the id of the payment.';

comment on column private.payment_transactions.status is 'created, failed, authorized, voided (never captured, given back) or captured, in this order; it only moves forward. Failed comes before authorized, because a bank may still say yes.';

comment on column private.payment_transactions.amount is 'What the gateway says was paid, in units of the currency.';

comment on column private.payment_transactions.captured_at is 'The earliest time at which anybody told of the capture.';

create index payment_transactions_of_payment on private.payment_transactions (payment_id);

alter table private.payment_transactions enable row level security;

revoke all on private.payment_transactions from public, anon, authenticated, service_role;

-- Functions

create function private.payment_settle(p_payment_id uuid) returns public.payments
language plpgsql volatile security definer set search_path = '' as $$
declare
  payment public.payments;
  paid numeric;
  refunded numeric;
  full_at timestamptz;
  is_open boolean;
  best private.payment_transactions;
begin
  payment := private.lock_payment(p_payment_id);

  select coalesce(sum(t.amount), 0), min(t.captured_at) filter (where t.so_far >= payment.amount) into paid, full_at
  from (
    select x.amount, x.captured_at, sum(x.amount) over (order by x.captured_at, x.transaction_id) as so_far
    from private.payment_transactions x
    where x.payment_id = p_payment_id and x.status = 'captured' and x.currency = payment.currency
  ) t;

  -- Of money that nobody has told of yet nothing can have gone back: it counts when the capture is told.
  select coalesce(sum(r.amount), 0) into refunded
  from public.refunds r
  join private.payment_transactions t on t.gateway = r.gateway and t.transaction_id = r.transaction_id
  where r.payment_id = p_payment_id and r.status = 'succeeded' and t.status = 'captured' and r.currency = payment.currency and t.currency = payment.currency;

  select t.* into best
  from private.payment_transactions t
  where t.payment_id = p_payment_id
  order by array_position(array['captured', 'authorized', 'voided', 'failed', 'created'], t.status), t.captured_at desc nulls last, t.transaction_id desc
  limit 1;

  update public.payments p
  set paid_amount = paid,
    refund_amount = refunded,
    paid_at = full_at,
    status = case
      when full_at is not null and refunded = 0 then 'completed'
      when full_at is not null and refunded < paid then 'partially_refunded'
      when full_at is not null then 'refunded'
      -- What is cancelled is paid only if somebody takes the money, and nobody here does.
      when paid > 0 or (best.status = 'authorized' and p.status <> 'cancelled') then 'processing'
      when best.status in ('failed', 'voided') and p.status <> 'cancelled' then 'failed'
      else p.status
    end,
    refund_reason = (select r.reason from public.refunds r where r.payment_id = p_payment_id and r.reason is not null order by r.created_at desc, r.id desc limit 1),
    gateway_transaction_id = best.transaction_id,
    payment_method = coalesce(best.method, p.payment_method),
    -- Of somebody who was erased nothing is learned again.
    gateway_response = case when p.lead_id is null and p.student_id is null then '{}' else coalesce(best.response, '{}') end
  where p.id = p_payment_id
  returning * into payment;

  is_open := payment.paid_at is null
    or exists (select from public.refunds r where r.payment_id = p_payment_id and r.status in ('requested', 'processing'));

  update private.payment_orders o
  set next_check_at = case when is_open then coalesce(o.next_check_at, now() + interval '15 minutes') end
  where o.payment_id = p_payment_id;

  return payment;
end
$$;

comment on function private.payment_settle(uuid) is 'Computes a payment from its transactions and refunds: the only writer of status, of what was paid and of what went back.';

create function private.payment_of_event(p_gateway text, p_event jsonb) returns uuid
language plpgsql stable security definer set search_path = '' as $$
declare
  told_order constant text := p_event ->> 'order_id';
  target uuid;
begin
  select p.id into target from public.payments p where p.payment_gateway = p_gateway and p.order_id = told_order;

  if target is null and told_order is null then
    select t.payment_id into target
    from private.payment_transactions t
    where t.gateway = p_gateway
      and t.transaction_id = coalesce(p_event -> 'transactions' -> 0 ->> 'transaction_id', p_event -> 'refunds' -> 0 ->> 'transaction_id');
  end if;

  -- The gateway may be quicker than the answer to our asking for the order, or have made two where one answer was
  -- lost. Only we can make orders, so what an order says of ours is true.
  if target is null and told_order is not null and p_event ->> 'payment_id' ~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' then
    select p.id into target
    from public.payments p
    join private.payment_orders o on o.payment_id = p.id
    where p.id = (p_event ->> 'payment_id')::uuid and p.payment_gateway = p_gateway;
  end if;

  return target;
end
$$;

comment on function private.payment_of_event(text, jsonb) is 'Which payment a gateway talks of: by its order, by an attempt that is known, or by the id that we gave the order.';

create function private.payment_apply_event(p_gateway text, p_event jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  target uuid := private.payment_of_event(p_gateway, p_event);
  payment public.payments;
  told record;
  known uuid;
begin
  if target is null then
    return jsonb_build_object('is_known', false);
  end if;

  -- One event of a payment at a time.
  payment := private.lock_payment(target);

  if payment.order_id is null and p_event ->> 'order_id' is not null then
    update public.payments p set order_id = p_event ->> 'order_id' where p.id = target;
  end if;

  for told in
    select t.*
    from jsonb_to_recordset(coalesce(p_event -> 'transactions', '[]')) as t (
      transaction_id text, status text, amount numeric, currency text, method text, at timestamptz, failure text, response jsonb
    )
    order by t.transaction_id
  loop
    insert into private.payment_transactions as t (gateway, transaction_id, payment_id, status, amount, currency, method, captured_at, failure, response)
    values (
      p_gateway, told.transaction_id, target, told.status, told.amount, told.currency, told.method,
      case when told.status = 'captured' then coalesce(told.at, now()) end, left(told.failure, 500), coalesce(told.response, '{}')
    )
    on conflict (gateway, transaction_id) do update
    set status = excluded.status, amount = excluded.amount, currency = excluded.currency, method = coalesce(excluded.method, t.method),
      captured_at = least(t.captured_at, excluded.captured_at), failure = excluded.failure, response = excluded.response
    where t.payment_id = excluded.payment_id
      and array_position(array['created', 'failed', 'authorized', 'voided', 'captured'], excluded.status)
        >= array_position(array['created', 'failed', 'authorized', 'voided', 'captured'], t.status);

    select t.payment_id into known from private.payment_transactions t where t.gateway = p_gateway and t.transaction_id = told.transaction_id;

    if known <> target then
      perform private.fail('payment_event_conflict', told.transaction_id);
    end if;
  end loop;

  for told in
    select r.*
    from jsonb_to_recordset(coalesce(p_event -> 'refunds', '[]')) as r (
      refund_id text, own_id uuid, transaction_id text, status text, amount numeric, currency text, at timestamptz, failure text
    )
    order by r.refund_id
  loop
    select r.id into known
    from public.refunds r
    where r.payment_id = target and r.gateway = p_gateway
      and (r.gateway_refund_id = told.refund_id or (r.id = told.own_id and r.gateway_refund_id is null and r.amount = told.amount))
    order by r.gateway_refund_id nulls last
    limit 1;

    if known is null then
      insert into public.refunds (payment_id, amount, currency, reason, status, gateway, transaction_id, gateway_refund_id, failure, processed_at)
      values (
        target, told.amount, told.currency, 'Made at the gateway', told.status, p_gateway, told.transaction_id, told.refund_id, left(told.failure, 500),
        case when told.status in ('succeeded', 'failed') then coalesce(told.at, now()) end
      );
    else
      update public.refunds r
      set status = told.status, gateway_refund_id = told.refund_id, failure = left(told.failure, 500),
        processed_at = case when told.status in ('succeeded', 'failed') then coalesce(told.at, now()) end
      where r.id = known
        and (r.gateway_refund_id is null
          or array_position(array['requested', 'processing', 'succeeded', 'failed'], told.status)
            > array_position(array['requested', 'processing', 'succeeded', 'failed'], r.status));
    end if;
  end loop;

  payment := private.payment_settle(target);

  if p_gateway <> 'offline' and exists (
    select from private.payment_transactions t where t.payment_id = target and t.status = 'captured' and t.currency <> payment.currency
  ) then
    insert into public.integration_logs (integration_name, activity_type, description, status, response_data, user_id)
    values (p_gateway, 'payment_in_another_currency', 'A payment was captured in a currency that was not asked for.', 'warning', jsonb_build_object('payment_id', target), null);
  end if;

  return jsonb_build_object('is_known', true, 'payment_id', target, 'status', payment.status);
end
$$;

comment on function private.payment_apply_event(text, jsonb) is 'Applies what a gateway says of one order: {order_id, payment_id (ours, if it says so), transactions: [{transaction_id, status, amount, currency, method, at, failure, response}], refunds: [{refund_id, own_id, transaction_id, status, amount, currency, at, failure}]}, amounts in units of the currency. Answers {is_known, payment_id, status}; an order that is not ours is no error. Error: payment_event_conflict.';

-- RPCs

create function private.payment_record(p_payment_id uuid, p_method text, p_reference text, p_received_at timestamptz) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  payment public.payments := private.payment_in_reach(p_payment_id, 'payments.record');
begin
  if p_method is null or p_method not in ('cash', 'cheque', 'bank_transfer', 'card', 'upi', 'other') then
    perform private.fail('argument_invalid', 'p_method: cash, cheque, bank_transfer, card, upi or other');
  end if;

  if p_received_at > now() + interval '1 day' then
    perform private.fail('argument_invalid', 'p_received_at is in the future');
  end if;

  -- Recorded already, and asked again.
  if not exists (select from private.payment_transactions t where t.gateway = 'offline' and t.transaction_id = p_payment_id::text) then
    if payment.status not in ('pending', 'failed') then
      perform private.fail('payment_is_not_open', payment.status);
    end if;

    insert into private.payment_transactions (gateway, transaction_id, payment_id, status, amount, currency, method, captured_at, response)
    values (
      'offline', p_payment_id::text, p_payment_id, 'captured', payment.amount, payment.currency, p_method, coalesce(p_received_at, now()),
      jsonb_strip_nulls(jsonb_build_object('reference', left(nullif(btrim(p_reference), ''), 100), 'recorded_by', private.gate_own()))
    );
  end if;

  payment := private.payment_settle(p_payment_id);

  return jsonb_build_object('payment_id', payment.id, 'status', payment.status, 'paid_at', payment.paid_at, 'amount', payment.amount, 'currency', payment.currency);
end
$$;

comment on function private.payment_record(uuid, text, text, timestamptz) is 'Body of public.payment_record().';

create function public.payment_record(p_payment_id uuid, p_method text, p_reference text default null, p_received_at timestamptz default now()) returns jsonb
language sql volatile security invoker set search_path = '' as $$
  select private.payment_record(p_payment_id, p_method, p_reference, p_received_at)
$$;

comment on function public.payment_record(uuid, text, text, timestamptz) is 'Records that a payment was received without a gateway, in full: {payment_id, status, paid_at, amount, currency}. p_method: cash, cheque, bank_transfer, card, upi or other; p_reference: the number of the cheque or transfer. Asked twice it is recorded once. Needs payments.record. Errors: permission_denied, not_found, payment_is_not_open, argument_invalid.';

create function private.payment_cancel(p_payment_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  payment public.payments := private.payment_in_reach(p_payment_id, 'payments.create');
begin
  if payment.status not in ('pending', 'failed', 'cancelled') or payment.paid_amount > 0 then
    perform private.fail('payment_is_not_open', payment.status);
  end if;

  update public.payments p set status = 'cancelled' where p.id = p_payment_id and p.status <> 'cancelled';

  return jsonb_build_object('payment_id', p_payment_id, 'status', 'cancelled');
end
$$;

comment on function private.payment_cancel(uuid) is 'Body of public.payment_cancel().';

create function public.payment_cancel(p_payment_id uuid) returns jsonb
language sql volatile security invoker set search_path = '' as $$
  select private.payment_cancel(p_payment_id)
$$;

comment on function public.payment_cancel(uuid) is 'Cancels a payment that nobody has paid: {payment_id, status}. If the gateway captures it all the same, it is completed: money is never refused. Needs payments.create. Errors: permission_denied, not_found, payment_is_not_open.';

-- Triggers

create function private.tell_of_payment() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  told record;
begin
  for told in
    select e.title, concat_ws(' ', new.currency, e.amount) as money, e.is_good, e.is_for_many
    from (values
      ('Payment Received', new.amount, true, false, old.paid_at is null and new.paid_at is not null),
      ('Payment Failed', new.amount, false, false, new.status = 'failed' and old.status <> 'failed'),
      ('Payment Cancelled', new.amount, null, false, new.status = 'cancelled' and old.status <> 'cancelled'),
      ('Paid Twice', new.paid_amount - new.amount, false, true, new.paid_amount > old.paid_amount and new.paid_amount > new.amount),
      ('Payment Refunded', new.refund_amount - old.refund_amount, true, false, new.refund_amount > old.refund_amount),
      ('Refund Failed', old.refund_amount - new.refund_amount, false, true, new.refund_amount < old.refund_amount)
    ) e (title, amount, is_good, is_for_many, is_so)
    where e.is_so
  loop
    perform private.record_activity(
      'payment', told.title, told.money, p_lead_id => new.lead_id, p_student_id => new.student_id, p_source_id => new.id,
      p_metadata => jsonb_build_object('payment_id', new.id, 'status', new.status, 'fee_type', new.fee_type)
    );

    perform private.notify(
      p.id, told.title, told.money, case when told.is_good then 'success' else 'warning' end, case when told.is_good then 'normal' else 'high' end,
      p_lead_id => new.lead_id, p_student_id => new.student_id, p_metadata => jsonb_build_object('event', 'payment', 'payment_id', new.id)
    )
    from public.profiles p
    where told.is_good is not null and p.is_active and (
      p.id = new.assigned_to
      -- What somebody has to put right is told to who can.
      or (told.is_for_many and exists (
        select from public.role_permissions rp join public.roles r on r.id = rp.role_id
        where rp.role_id = p.role_id and rp.permission = 'payments.refund' and r.data_scope = 'all'
      ))
    );
  end loop;

  return null;
end
$$;

comment on function private.tell_of_payment() is 'Puts on the timelines of student and lead, and tells whom they belong to, that money came, failed to come, went back or came twice.';

create trigger tell_of_payment after update of status, paid_amount, refund_amount on public.payments
  for each row execute function private.tell_of_payment();

create function private.forget_transactions() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  update private.payment_transactions t set response = '{}', failure = null where t.payment_id = new.id;

  return null;
end
$$;

comment on function private.forget_transactions() is 'With the person go the words about them.';

create trigger forget_transactions after update of lead_id, student_id on public.payments
  for each row when (new.lead_id is null and new.student_id is null) execute function private.forget_transactions();

-- Grants

revoke all on function
  private.payment_settle(uuid),
  private.payment_of_event(text, jsonb),
  private.payment_apply_event(text, jsonb),
  private.payment_record(uuid, text, text, timestamptz),
  public.payment_record(uuid, text, text, timestamptz),
  private.payment_cancel(uuid),
  public.payment_cancel(uuid),
  private.tell_of_payment(),
  private.forget_transactions()
  from public, anon, authenticated, service_role;

grant execute on function
  private.payment_apply_event(text, jsonb)
  to service_role;

grant execute on function
  private.payment_record(uuid, text, text, timestamptz),
  public.payment_record(uuid, text, text, timestamptz),
  private.payment_cancel(uuid),
  public.payment_cancel(uuid)
  to authenticated;

-- This module's errors

insert into public.error_codes (code, sqlstate, message, hint) values
  ('payment_event_conflict', 'PT409', 'The gateway says that this attempt belongs to another payment.', null);

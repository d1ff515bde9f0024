-- Payment orders: one order of a gateway for one payment, and what became of it asked for in case nobody tells.
--
-- One request at a time asks the gateway, and after an answer that was lost the next one looks there first for the
-- order that may have been made.

-- Tables

create table private.payment_orders (
  payment_id uuid primary key references public.payments (id) on delete restrict,
  asked_at timestamptz,
  claimed_until timestamptz,
  next_check_at timestamptz
);

comment on table private.payment_orders is 'Payments for which a gateway was asked for an order: who is asking right now, and when the gateway is to be asked what became of it.';

comment on column private.payment_orders.asked_at is 'When an order was asked for first: from then on there may be one whose answer was lost.';

comment on column private.payment_orders.claimed_until is 'Until then one request asks the gateway, and others wait.';

comment on column private.payment_orders.next_check_at is 'When to ask the gateway, in case its webhook never comes. Null when there is nothing to learn.';

create index payment_orders_to_check on private.payment_orders (next_check_at) where next_check_at is not null;

alter table private.payment_orders enable row level security;

revoke all on private.payment_orders from public, anon, authenticated, service_role;

-- Functions

create function private.payment_order_begin(p_request jsonb, p_key text) returns jsonb
language plpgsql volatile security invoker set search_path = '' as $$
declare
  payment public.payments;
begin
  if p_request ? 'payment_id' then
    select * into payment from public.payments p where p.id = (p_request ->> 'payment_id')::uuid;
  else
    insert into public.payments (
      student_id, lead_id, amount, currency, payment_method, payment_gateway, fee_type, academic_year, semester, due_date, description, notes, installment_id,
      idempotency_key
    )
    select r.student_id, r.lead_id, r.amount, coalesce(r.currency, ''), p_request ->> 'gateway', p_request ->> 'gateway', r.fee_type, r.academic_year,
      r.semester, r.due_date, r.description, r.notes, r.installment_id, p_key
    from jsonb_populate_record(null::public.payments, p_request) r
    on conflict (created_by, idempotency_key) where idempotency_key is not null do nothing
    returning * into payment;

    if payment.id is null then
      select * into payment from public.payments p where p.created_by = private.gate_own() and p.idempotency_key = p_key;
    end if;
  end if;

  if payment.id is null then
    perform private.fail('not_found', 'payment');
  end if;

  if payment.amount is distinct from coalesce((p_request ->> 'amount')::numeric, payment.amount)
    or payment.currency is distinct from coalesce(upper(p_request ->> 'currency'), payment.currency)
    or payment.student_id is distinct from coalesce((p_request ->> 'student_id')::uuid, payment.student_id)
    or (payment.student_id is null and payment.lead_id is distinct from coalesce((p_request ->> 'lead_id')::uuid, payment.lead_id))
    or (payment.payment_gateway is distinct from p_request ->> 'gateway' and payment.order_id is not null) then
    perform private.fail('idempotency_conflict', payment.id::text);
  end if;

  return private.payment_order_claim(payment.id, p_request ->> 'gateway');
end
$$;

comment on function private.payment_order_begin(jsonb, text) is 'The payment that an order is asked for, with the rights of the caller: the one named by payment_id, the one asked for with the same key, or a new one; claimed, so that one order is made of it. Errors: not_found, idempotency_conflict, and those of payment_order_claim().';

create function private.payment_order_claim(p_payment_id uuid, p_gateway text) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  payment public.payments := private.payment_in_reach(p_payment_id, 'payments.create');
  claim private.payment_orders;
begin
  if payment.status not in ('pending', 'failed') then
    perform private.fail('payment_is_not_open', payment.status);
  end if;

  if payment.order_id is null then
    if payment.payment_gateway is distinct from p_gateway then
      update public.payments p set payment_gateway = p_gateway, payment_method = coalesce(p.payment_method, p_gateway) where p.id = p_payment_id
      returning * into payment;
    end if;

    select * into claim from private.payment_orders o where o.payment_id = p_payment_id;

    if claim.claimed_until > clock_timestamp() then
      perform private.fail('payment_order_in_progress', p_payment_id::text);
    end if;

    insert into private.payment_orders as o (payment_id, asked_at, claimed_until, next_check_at)
    values (p_payment_id, clock_timestamp(), clock_timestamp() + interval '30 seconds', now() + interval '15 minutes')
    on conflict (payment_id) do update set claimed_until = excluded.claimed_until, next_check_at = coalesce(o.next_check_at, excluded.next_check_at);
  end if;

  return jsonb_build_object(
    'payment_id', payment.id, 'order_id', payment.order_id, 'gateway', payment.payment_gateway, 'amount', payment.amount::text, 'currency', payment.currency,
    'description', payment.description, 'was_asked', claim.asked_at is not null
  );
end
$$;

comment on function private.payment_order_claim(uuid, text) is 'Claims a payment that the caller sees for thirty seconds, to ask its gateway for an order: {payment_id, order_id (if there is one), gateway, amount, currency, description, was_asked}. After was_asked the gateway may have an order whose answer was lost: look there first. Errors: permission_denied, not_found, payment_is_not_open, payment_order_in_progress.';

create function private.payment_order_attach(p_payment_id uuid, p_order_id text) returns text
language plpgsql volatile security definer set search_path = '' as $$
declare
  attached text;
begin
  update public.payments p set order_id = coalesce(p.order_id, p_order_id) where p.id = p_payment_id returning p.order_id into attached;

  update private.payment_orders o set claimed_until = null where o.payment_id = p_payment_id;

  return attached;
end
$$;

comment on function private.payment_order_attach(uuid, text) is 'Notes the order that the gateway made, unless there is one already; answers the one that counts.';

create function private.payment_order_release(p_payment_id uuid, p_has_none boolean default false) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  if p_has_none then
    delete from private.payment_orders o where o.payment_id = p_payment_id;

    return;
  end if;

  update private.payment_orders o set claimed_until = null where o.payment_id = p_payment_id;
end
$$;

comment on function private.payment_order_release(uuid, boolean) is 'Lets others ask for the order: the gateway refused this time. If it certainly has none, the payment is as if nobody had asked.';

create function private.payment_order_of(p_payment_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  payment public.payments := private.payment_in_reach(p_payment_id, 'payments.create');
begin
  if payment.order_id is null then
    perform private.fail('payment_has_no_order', p_payment_id::text);
  end if;

  return jsonb_build_object(
    'payment_id', payment.id, 'gateway', payment.payment_gateway, 'order_id', payment.order_id,
    'is_wanted', payment.status <> 'cancelled' and payment.paid_at is null
  );
end
$$;

comment on function private.payment_order_of(uuid) is 'The order of a payment that the caller sees: {payment_id, gateway, order_id, is_wanted (it is still to be paid)}. Errors: permission_denied, not_found, payment_has_no_order.';

create function private.payment_checks_due(p_limit integer default 50) returns table (payment_id uuid, gateway text, order_id text, is_wanted boolean)
language plpgsql volatile security definer set search_path = '' as $$
begin
  return query
  with due as (
    select o.payment_id
    from private.payment_orders o
    where o.next_check_at <= now()
    order by o.next_check_at
    limit p_limit
    for update skip locked
  ), moved as (
    -- Ever more rarely: after a month the gateway has said all it will say.
    update private.payment_orders o
    set next_check_at = case
      when o.asked_at > now() - interval '30 days' then now() + least(greatest((now() - o.asked_at) / 2, interval '15 minutes'), interval '1 day')
    end
    from due d
    where o.payment_id = d.payment_id
    returning o.payment_id
  )
  select p.id, p.payment_gateway, p.order_id, p.status <> 'cancelled' and p.paid_at is null
  from moved m
  join public.payments p on p.id = m.payment_id
  where p.payment_gateway is not null;
end
$$;

comment on function private.payment_checks_due(integer) is 'Payments whose gateway is to be asked now, because its webhook may never have come; the next time of each is moved on.';

-- Grants

grant insert (idempotency_key) on public.payments to authenticated, service_role;

revoke all on function
  private.payment_order_begin(jsonb, text),
  private.payment_order_claim(uuid, text),
  private.payment_order_attach(uuid, text),
  private.payment_order_release(uuid, boolean),
  private.payment_order_of(uuid),
  private.payment_checks_due(integer)
  from public, anon, authenticated, service_role;

grant execute on function
  private.payment_order_attach(uuid, text),
  private.payment_order_release(uuid, boolean),
  private.payment_checks_due(integer)
  to service_role;

grant execute on function
  private.payment_order_begin(jsonb, text),
  private.payment_order_claim(uuid, text),
  private.payment_order_of(uuid)
  to authenticated;

-- The schedule and this module's errors

insert into private.job_schedules (name, cron, kind, priority) values
  ('payments.reconcile', '*/5 * * * *', 'payments.reconcile', 0);

insert into public.error_codes (code, sqlstate, message, hint) values
  ('payment_has_no_order', 'PT409', 'No gateway was asked for this payment.', 'Create an order first.'),
  ('payment_order_in_progress', 'PT409', 'An order for this payment is being made.', 'Ask again in a few seconds, with the same key.'),
  ('idempotency_conflict', 'PT409', 'This key was used for another request.', 'Send the same body again, or a new key.');

-- Refunds: money that goes back.
--
-- A refund is noted, and what it takes is held back, before the gateway is asked: outside of the transaction, under
-- the id of the refund, so that asking again makes no second one. What became of it the gateway tells, as it tells
-- of payments. No more goes back than came, those refunds counted of which nobody knows yet.

-- Tables

create table public.refunds (
  id uuid primary key default private.uuid_v7(),
  payment_id uuid not null references public.payments (id) on delete restrict,
  created_at timestamptz not null default now(),
  amount numeric(14, 2) not null,
  currency text not null,
  reason text,
  status text not null default 'requested',
  gateway text not null,
  transaction_id text not null,
  gateway_refund_id text,
  failure text,
  processed_at timestamptz,
  idempotency_key text,
  requested_by uuid references public.profiles (id) on delete set null,
  updated_at timestamptz not null default now(),
  constraint refunds_amount_is_positive check (amount > 0),
  constraint refunds_currency_is_iso_4217 check (currency ~ '^[A-Z]{3}$'),
  constraint refunds_gateway_is_known check (gateway in ('razorpay', 'stripe', 'offline')),
  constraint refunds_status_is_known check (status in ('requested', 'processing', 'succeeded', 'failed')),
  constraint refunds_processed_at_tells_when check ((status in ('succeeded', 'failed')) = (processed_at is not null)),
  constraint refunds_texts_are_short check (
    length(reason) <= 500 and length(failure) <= 500 and length(transaction_id) <= 200 and length(gateway_refund_id) <= 200
    and length(idempotency_key) between 8 and 200
  ),
  constraint refunds_idempotency_key_is_used_once unique (payment_id, idempotency_key),
  constraint refunds_gateway_refund_is_one_row unique (gateway, gateway_refund_id)
);

comment on table public.refunds is 'Money that goes back, asked for here or at the gateway. Seen where the payment is. Written by payment_refund_begin() and by what the gateway says.';

comment on column public.refunds.status is 'requested (the gateway has not answered), processing, succeeded or failed, in this order; it only moves forward. A refund that succeeded can still fail.';

comment on column public.refunds.transaction_id is 'The attempt whose money goes back.';

comment on column public.refunds.idempotency_key is 'What a client calls its request: asked again with it, the same refund is answered.';

create index refunds_of_requester on public.refunds (requested_by) where requested_by is not null;

-- Policies

alter table public.refunds enable row level security;

create policy refunds_read on public.refunds for select to authenticated
  using ((select p.id from public.payments p where p.id = refunds.payment_id) is not null);

comment on policy refunds_read on public.refunds is 'Where the payment is visible. Read by it.';

-- Functions

create function private.payment_refund_begin(p_payment_id uuid, p_amount numeric, p_reason text, p_key text) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  payment public.payments := private.payment_in_reach(p_payment_id, 'payments.refund');
  refund public.refunds;
  source record;
begin
  select * into refund from public.refunds r where r.payment_id = p_payment_id and r.idempotency_key = p_key;

  if refund.id is not null and refund.amount is distinct from coalesce(p_amount, refund.amount) then
    perform private.fail('idempotency_conflict', refund.id::text);
  end if;

  if refund.id is null then
    if payment.paid_at is null then
      perform private.fail('refund_too_large', '0');
    end if;

    -- Each attempt gives back its own money only.
    select t.gateway, t.transaction_id, t.amount - coalesce(sum(r.amount), 0) as left_over into source
    from private.payment_transactions t
    left join public.refunds r on r.gateway = t.gateway and r.transaction_id = t.transaction_id and r.status <> 'failed'
    where t.payment_id = p_payment_id and t.status = 'captured' and t.currency = payment.currency
    group by t.gateway, t.transaction_id
    order by left_over desc, t.transaction_id
    limit 1;

    p_amount := coalesce(p_amount, source.left_over);

    if p_amount > 0 then
      perform private.check_amount(p_amount, payment.currency);
    end if;

    if p_amount is null or p_amount <= 0 or p_amount > source.left_over then
      perform private.fail('refund_too_large', greatest(source.left_over, 0)::text);
    end if;

    insert into public.refunds (payment_id, amount, currency, reason, gateway, transaction_id, idempotency_key, requested_by)
    values (p_payment_id, p_amount, payment.currency, nullif(private.squeeze(p_reason, 500), ''), source.gateway, source.transaction_id, p_key, private.gate_own())
    returning * into refund;

    if refund.gateway = 'offline' then
      -- Who records it hands the money back.
      update public.refunds r set status = 'succeeded', processed_at = now() where r.id = refund.id returning * into refund;

      perform private.payment_settle(p_payment_id);
    else
      update private.payment_orders o set next_check_at = least(o.next_check_at, now() + interval '15 minutes') where o.payment_id = p_payment_id;

      -- If whoever asked does not come to the end, the worker does.
      perform private.enqueue(
        'payments.refund', jsonb_build_object('refund_id', refund.id), now() + interval '1 minute', p_dedupe_key => refund.id::text,
        p_provider => (select p.name from private.job_providers p where p.name = refund.gateway)
      );
    end if;
  end if;

  return private.refund_to_make(refund.id);
end
$$;

comment on function private.payment_refund_begin(uuid, numeric, text, text) is 'Notes a refund that is to be made, all that is left for a null amount; the gateway is asked afterwards, by who began it or by the job payments.refund. Asked again with the same key it is the same refund. Errors: permission_denied, not_found, refund_too_large, amount_invalid, idempotency_conflict.';

create function private.refund_to_make(p_refund_id uuid) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  return (
    select jsonb_build_object(
      'refund_id', r.id, 'payment_id', r.payment_id, 'gateway', r.gateway, 'order_id', p.order_id, 'transaction_id', r.transaction_id,
      'amount', r.amount::text, 'currency', r.currency, 'status', r.status, 'payment_status', p.status, 'refunded', p.refund_amount::text
    )
    from public.refunds r
    join public.payments p on p.id = r.payment_id
    where r.id = p_refund_id
  );
end
$$;

comment on function private.refund_to_make(uuid) is 'What is needed to ask a gateway for a refund.';

create function private.refund_failed(p_refund_id uuid, p_failure text) returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
  payment uuid;
begin
  update public.refunds r
  set status = 'failed', failure = left(p_failure, 500), processed_at = now()
  where r.id = p_refund_id and r.status = 'requested'
  returning r.payment_id into payment;

  if payment is not null then
    perform private.payment_settle(payment);
  end if;
end
$$;

comment on function private.refund_failed(uuid, text) is 'The gateway refused the refund for good: what it held may be refunded again.';

-- Triggers

create function private.guard_refund() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  payment public.payments;
  taken numeric;
begin
  if tg_op = 'INSERT' and new.status = 'requested' then
    -- Whoever refunds the same payment waits here.
    payment := private.lock_payment(new.payment_id);

    select coalesce(sum(r.amount), 0) into taken from public.refunds r where r.payment_id = new.payment_id and r.status <> 'failed';

    if payment.paid_at is null or taken + new.amount > payment.paid_amount then
      perform private.fail('refund_too_large', greatest(coalesce(payment.paid_amount, 0) - taken, 0)::text);
    end if;
  elsif tg_op = 'UPDATE' and (new.payment_id, new.amount, new.currency) is distinct from (old.payment_id, old.amount, old.currency) then
    perform private.fail('payment_is_fixed', 'refund');
  end if;

  return new;
end
$$;

comment on function private.guard_refund() is 'No more goes back than came, those refunds counted that may yet succeed. Error: refund_too_large.';

create trigger guard_refund before insert or update on public.refunds
  for each row execute function private.guard_refund();

create function private.forget_refunds() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  update public.refunds r set reason = null, failure = null where r.payment_id = new.id;

  return null;
end
$$;

comment on function private.forget_refunds() is 'With the person go the words about them.';

create trigger forget_refunds after update of lead_id, student_id on public.payments
  for each row when (new.lead_id is null and new.student_id is null) execute function private.forget_refunds();

create trigger touch_updated_at before update on public.refunds for each row execute function private.touch_updated_at();

create trigger audit after insert or update or delete on public.refunds
  for each row execute function private.audit_row('reason', 'failure');

-- Grants

revoke all on public.refunds from anon, authenticated, service_role;

grant select on public.refunds to authenticated, service_role;

revoke all on function
  private.guard_refund(),
  private.payment_refund_begin(uuid, numeric, text, text),
  private.refund_to_make(uuid),
  private.refund_failed(uuid, text),
  private.forget_refunds()
  from public, anon, authenticated, service_role;

grant execute on function private.payment_refund_begin(uuid, numeric, text, text) to authenticated;

grant execute on function private.refund_to_make(uuid), private.refund_failed(uuid, text) to service_role;

-- This module's error

insert into public.error_codes (code, sqlstate, message, hint) values
  ('refund_too_large', 'PT409', 'More cannot go back than came.', 'Details say how much is left.');

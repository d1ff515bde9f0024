-- Webhook deliveries: outside systems are told what happened, soon after it was committed.
--
-- The sweep of each minute reads the timeline, as every reader of it does, and writes a delivery for each webhook
-- that wants the event; a job per webhook sends them one after the other, so that an endpoint that hangs holds up
-- nothing but itself. A delivery says which rows, not what they hold: whoever wants more asks with rights of their
-- own. Signed as Standard Webhooks says, at least once, in the order of the timeline; one that fails is sent
-- again later and then comes after younger ones, so receivers go by its id and timestamp.

-- Tables

create table public.webhook_deliveries (
  id uuid primary key default private.uuid_v7(),
  webhook_id uuid not null references public.webhooks (id) on delete cascade,
  event_id uuid not null,
  event text not null,
  payload jsonb not null,
  status text not null default 'pending',
  attempts integer not null default 0,
  next_at timestamptz default now(),
  last_attempt_at timestamptz,
  response_code integer,
  error text,
  duration_ms integer,
  delivered_at timestamptz,
  created_at timestamptz not null default now(),
  constraint webhook_deliveries_tell_an_event_once unique (webhook_id, event_id),
  constraint webhook_deliveries_status_is_known check (status in ('pending', 'delivered', 'failed')),
  constraint webhook_deliveries_that_ended_wait_for_nothing check ((status = 'pending') = (next_at is not null)),
  constraint webhook_deliveries_delivered_at_tells_when check ((status = 'delivered') = (delivered_at is not null)),
  constraint webhook_deliveries_attempts_are_counted check (attempts >= 0)
) with (fillfactor = 80);

comment on table public.webhook_deliveries is 'What was, is or will be sent to a webhook. Page with order("id", {ascending: false}). Kept for webhooks.delivery_days.';

comment on column public.webhook_deliveries.event_id is 'The row of the timeline; of a test an id of its own. The receiver gets the delivery''s id as webhook-id, the same at every attempt.';

comment on column public.webhook_deliveries.payload is 'What is sent: {type, timestamp, data}, ids and stages, no personal data.';

comment on column public.webhook_deliveries.next_at is 'When it is sent next; while an attempt runs, when it is taken as lost.';

comment on column public.webhook_deliveries.response_code is 'HTTP status of the last answer; null if there was none, see error.';

create index webhook_deliveries_due on public.webhook_deliveries (webhook_id, next_at, id) where next_at is not null;

create index webhook_deliveries_newest on public.webhook_deliveries (webhook_id, id desc);

create index webhook_deliveries_by_status on public.webhook_deliveries (status, id desc);

insert into private.timeline_readers (name) values ('webhooks');

-- Policies

alter table public.webhook_deliveries enable row level security;

create policy webhook_deliveries_read on public.webhook_deliveries for select to authenticated
  using ((select private.has_permission('integrations.read')) or (select private.has_permission('integrations.manage')));

comment on policy webhook_deliveries_read on public.webhook_deliveries is 'integrations.read or integrations.manage.';

-- Functions: what is told

create function private.webhook_wants(p_events text[], p_event text) returns boolean
language sql immutable parallel safe set search_path = '' as $$
  select p_events && array['*', split_part(p_event, '.', 1) || '.*', p_event]
$$;

comment on function private.webhook_wants(text[], text) is 'Whether a webhook with these events is told of this one.';

create function private.webhook_payload(p_activity public.activities) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return jsonb_build_object(
    'type', p_activity.entity_type || '.' || p_activity.type,
    'timestamp', to_char(p_activity.occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    'data', jsonb_strip_nulls(jsonb_build_object(
      'id', p_activity.id, 'entity_type', p_activity.entity_type, 'entity_id', p_activity.entity_id,
      'actor_id', p_activity.actor_id, 'source_id', p_activity.source_id,
      -- Stages and ids of people who work here. What else a kind of activity notes may be about somebody.
      'from', case when p_activity.type in ('status_change', 'assigned') then p_activity.metadata -> 'from' end,
      'to', case when p_activity.type in ('status_change', 'assigned') then p_activity.metadata -> 'to' end
    ))
  );
end
$$;

comment on function private.webhook_payload(public.activities) is 'What an outside system is told of a row of the timeline.';

-- Functions: the sweep

create function private.webhooks_enqueue(p_webhook_id uuid default null) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  -- Once: an index is not asked for what may change from row to row.
  moment constant timestamptz := clock_timestamp();
begin
  return (
    select count(private.enqueue('webhook.deliver', jsonb_build_object('webhook_id', w.id), p_dedupe_key => w.id::text, p_max_attempts => 3))
    from public.webhooks w
    where w.is_active and (p_webhook_id is null or w.id = p_webhook_id)
      and exists (select from public.webhook_deliveries d where d.webhook_id = w.id and d.next_at <= moment)
  );
end
$$;

comment on function private.webhooks_enqueue(uuid) is 'Queues the sending to each webhook, or to this one, that has something due; how many.';

create function private.webhooks_sweep(p_limit integer default 500, p_until timestamptz default null) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  since constant timestamptz := (select min(w.active_since) from public.webhooks w where w.is_active);
  read uuid[];
begin
  if since is null then
    return 0;
  end if;

  -- A minute back, for ids that were made before their transaction ended.
  select t.activities into read from private.take_timeline('webhooks', since - interval '1 minute', p_limit, p_until) t;

  insert into public.webhook_deliveries (webhook_id, event_id, event, payload)
  select e.webhook_id, e.id, e.payload ->> 'type', e.payload
  from (
    select w.id as webhook_id, a.id, private.webhook_payload(a) as payload
    from public.activities a
    join public.webhooks w on w.is_active and private.webhook_wants(w.events, a.entity_type || '.' || a.type)
    where a.id = any (read) and a.id >= private.uuid_v7_since(w.active_since)
    order by a.id
  ) e
  on conflict (webhook_id, event_id) do nothing;

  return cardinality(read);
end
$$;

comment on function private.webhooks_sweep(integer, timestamptz) is 'Reads on in the timeline, at most p_limit rows, and writes the deliveries of what they tell; how many rows were read.';

create procedure private.webhooks_catch_up(p_sweeps integer default 200)
language plpgsql as $$
begin
  -- No search_path clause: a procedure that has one may not commit. Every name is qualified.
  for sweep in 1 .. p_sweeps loop
    exit when private.webhooks_sweep() = 0;

    commit;
  end loop;

  perform private.webhooks_enqueue();
end
$$;

comment on procedure private.webhooks_catch_up(integer) is 'Run every minute: sweeps, each in a transaction of its own, until nothing is left, then queues the sending.';

-- Functions: sending, for the worker

create function private.webhook_next(p_webhook_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  moment constant timestamptz := clock_timestamp();
  webhook public.webhooks;
  delivery public.webhook_deliveries;
begin
  select * into webhook from public.webhooks w where w.id = p_webhook_id and w.is_active;

  if webhook.id is null then
    return null;
  end if;

  update public.webhook_deliveries d
  -- Whoever sends says soon what came of it, or is taken as lost.
  set attempts = d.attempts + 1, last_attempt_at = moment, next_at = moment + interval '2 minutes'
  where d.id = (
    select x.id
    from public.webhook_deliveries x
    where x.webhook_id = p_webhook_id and x.next_at <= moment
    order by x.next_at, x.id
    limit 1
    for update skip locked
  )
  returning * into delivery;

  if delivery.id is null then
    return null;
  end if;

  return jsonb_build_object(
    'id', delivery.id, 'attempt', delivery.attempts, 'url', webhook.endpoint_url, 'body', delivery.payload::text,
    'secrets', array_remove(array[
      private.webhook_secret(webhook.id), case when webhook.previous_secret_until > now() then private.webhook_secret(webhook.id, ':previous') end
    ], null)
  );
end
$$;

comment on function private.webhook_next(uuid) is 'Takes the next delivery that is due at an active webhook: {id, attempt, url, body, secrets}, or null.';

create function private.webhook_switch_off(p_webhook_id uuid, p_reason text) returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
  webhook public.webhooks;
begin
  update public.webhooks w
  set is_active = false, disabled_at = now(), disabled_reason = p_reason
  where w.id = p_webhook_id and w.is_active
  returning * into webhook;

  if webhook.id is null then
    return;
  end if;

  insert into public.integration_logs (integration_name, activity_type, description, status, response_data, user_id)
  values ('webhooks', 'switched_off', 'A webhook was switched off: ' || p_reason, 'failure', jsonb_build_object('webhook_id', webhook.id), null);

  perform private.notify(
    p.id, 'A webhook was switched off',
    split_part(webhook.endpoint_url, '/', 3) || case p_reason when 'gone' then ' says that it is gone.' else ' has failed for too long.' end,
    'error', 'high', p_action_url => '/settings/webhooks/' || webhook.id,
    p_metadata => jsonb_build_object('event', 'webhook_switched_off', 'webhook_id', webhook.id, 'reason', p_reason)
  )
  from public.profiles p
  join public.role_permissions rp on rp.role_id = p.role_id and rp.permission = 'integrations.manage'
  where p.is_active;
end
$$;

comment on function private.webhook_switch_off(uuid, text) is 'Switches a webhook off and tells everybody who may switch it on. What waits for it stays, and is sent once it is on again.';

create function private.webhook_settle(
  p_id uuid,
  p_attempt integer,
  p_response_code integer,
  p_error text,
  p_duration_ms integer,
  p_retry_after interval default null
) returns text
language plpgsql volatile security definer set search_path = '' as $$
declare
  waits constant interval[] := '{1 minute, 5 minutes, 30 minutes, 2 hours, 5 hours, 10 hours, 14 hours, 20 hours, 24 hours}';
  patience constant interval := make_interval(hours => (private.setting('webhooks.disable_after_hours'))::integer);
  is_delivered constant boolean := coalesce(p_response_code between 200 and 299, false);
  outcome text;
  webhook public.webhooks;
begin
  update public.webhook_deliveries d
  set status = case when is_delivered then 'delivered' when p_response_code = 410 or d.attempts > cardinality(waits) then 'failed' else 'pending' end,
    delivered_at = case when is_delivered then clock_timestamp() end,
    -- Not all at once when an endpoint comes back.
    next_at = case
      when not is_delivered and p_response_code is distinct from 410 and d.attempts <= cardinality(waits)
        then clock_timestamp() + greatest(
          waits[d.attempts] * (1 + random() * 0.1),
          -- least() would ignore the null of an answer that names no time.
          case when p_retry_after is not null then least(p_retry_after, interval '1 day') end
        )
    end,
    response_code = p_response_code, error = left(private.redact_text(p_error), 500), duration_ms = p_duration_ms
  where d.id = p_id and d.attempts = p_attempt and d.status = 'pending'
  returning d.status, d.webhook_id into outcome, webhook.id;

  if outcome is null then
    return 'lost';
  end if;

  update public.webhooks w
  set last_success_at = case when is_delivered then now() else w.last_success_at end,
    failing_since = case when not is_delivered then coalesce(w.failing_since, now()) end
  where w.id = webhook.id
    -- Once a minute is enough while all is well.
    and not (is_delivered and w.failing_since is null and coalesce(w.last_success_at > now() - interval '1 minute', false))
  returning * into webhook;

  if p_response_code = 410 then
    perform private.webhook_switch_off(webhook.id, 'gone');
  elsif webhook.failing_since < now() - patience then
    perform private.webhook_switch_off(webhook.id, 'failing');
  end if;

  return outcome;
end
$$;

comment on function private.webhook_settle(uuid, integer, integer, text, integer, interval) is 'What came of an attempt: delivered by 2xx, else pending until the next, or failed after the tenth. An answer of 410, or webhooks.disable_after_hours without a success, switches the webhook off. lost if another attempt was begun.';

create function private.webhooks_prune(p_limit integer default 20000) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  days constant integer := (private.setting('webhooks.delivery_days'))::integer;
  pruned integer;
begin
  delete from public.webhook_deliveries d
  where days > 0 and d.id = any (array(
    select x.id from public.webhook_deliveries x where x.id < private.uuid_v7_since(now() - make_interval(days => days)) order by x.id limit p_limit
  ));

  get diagnostics pruned = row_count;

  delete from vault.secrets v
  using public.webhooks w
  where v.name = 'webhook:' || w.id || ':previous' and coalesce(w.previous_secret_until, '-infinity') < now();

  return pruned;
end
$$;

comment on function private.webhooks_prune(integer) is 'Deletes deliveries that were kept long enough, and secrets that sign no more.';

-- RPCs

create function private.webhook_send(p_webhook_id uuid, p_delivery_id uuid, p_since timestamptz, p_until timestamptz) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  webhook public.webhooks;
  delivery uuid;
  again integer := 1;
begin
  perform private.require_permission('integrations.manage');

  select * into webhook
  from public.webhooks w
  where w.id = coalesce(p_webhook_id, (select d.webhook_id from public.webhook_deliveries d where d.id = p_delivery_id));

  if webhook.id is null then
    perform private.fail('webhook_not_found', coalesce(p_webhook_id, p_delivery_id)::text);
  elsif not webhook.is_active then
    perform private.fail('webhook_inactive', webhook.id::text);
  end if;

  if p_delivery_id is not null or p_since is not null then
    update public.webhook_deliveries d
    set status = 'pending', attempts = 0, next_at = clock_timestamp(), delivered_at = null
    where d.webhook_id = webhook.id
      and (
        d.id = p_delivery_id
        or d.id = any (array(
          select x.id
          from public.webhook_deliveries x
          where x.webhook_id = webhook.id and x.id >= private.uuid_v7_since(p_since) and x.id < private.uuid_v7_since(p_until) and x.status <> 'pending'
          order by x.id desc
          limit 10000
        ))
      );

    get diagnostics again = row_count;
  else
    insert into public.webhook_deliveries (webhook_id, event_id, event, payload)
    values (
      webhook.id, private.uuid_v7(), 'webhook.test',
      jsonb_build_object('type', 'webhook.test', 'timestamp', to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'data', jsonb_build_object('webhook_id', webhook.id))
    )
    returning id into delivery;
  end if;

  perform private.webhooks_enqueue(webhook.id);

  return jsonb_strip_nulls(jsonb_build_object('webhook_id', webhook.id, 'delivery_id', coalesce(p_delivery_id, delivery), 'count', again));
end
$$;

comment on function private.webhook_send(uuid, uuid, timestamptz, timestamptz) is 'Body of webhook_test(), webhook_redeliver() and webhook_replay().';

create function public.webhook_test(p_id uuid) returns jsonb
language sql volatile security invoker set search_path = '' as $$
  select private.webhook_send(p_id, null, null, null);
$$;

comment on function public.webhook_test(uuid) is 'Sends webhook.test to a webhook: {webhook_id, delivery_id, count}. What came of it is in webhook_deliveries. Needs integrations.manage. Errors: webhook_not_found, webhook_inactive.';

create function public.webhook_redeliver(p_delivery_id uuid) returns jsonb
language sql volatile security invoker set search_path = '' as $$
  select private.webhook_send(null, p_delivery_id, null, null);
$$;

comment on function public.webhook_redeliver(uuid) is 'Sends a delivery again, with the same id and contents: {webhook_id, delivery_id, count}. Needs integrations.manage. Errors: webhook_not_found, webhook_inactive.';

create function public.webhook_replay(p_webhook_id uuid, p_since timestamptz, p_until timestamptz default now()) returns jsonb
language sql volatile security invoker set search_path = '' as $$
  select private.webhook_send(p_webhook_id, null, coalesce(p_since, 'epoch'), p_until);
$$;

comment on function public.webhook_replay(uuid, timestamptz, timestamptz) is 'Sends again what was delivered or given up of a time, the newest 10,000: {webhook_id, count}. Needs integrations.manage. Errors: webhook_not_found, webhook_inactive.';

-- Schedule

select cron.schedule('intake-webhooks', '* * * * *', 'call private.webhooks_catch_up()');

select cron.schedule('intake-webhooks-prune', '37 * * * *', 'select private.webhooks_prune()');

-- Grants

revoke all on public.webhook_deliveries from anon, authenticated, service_role;

grant select on public.webhook_deliveries to authenticated;

grant select, insert, update, delete on public.webhook_deliveries to service_role;

revoke all on function
  private.webhook_wants(text[], text),
  private.webhook_payload(public.activities),
  private.webhooks_enqueue(uuid),
  private.webhooks_sweep(integer, timestamptz),
  private.webhook_next(uuid),
  private.webhook_switch_off(uuid, text),
  private.webhook_settle(uuid, integer, integer, text, integer, interval),
  private.webhooks_prune(integer),
  private.webhook_send(uuid, uuid, timestamptz, timestamptz),
  public.webhook_test(uuid),
  public.webhook_redeliver(uuid),
  public.webhook_replay(uuid, timestamptz, timestamptz)
  from public, anon, authenticated, service_role;

revoke all on procedure private.webhooks_catch_up(integer) from public, anon, authenticated, service_role;

grant execute on function
  private.webhook_send(uuid, uuid, timestamptz, timestamptz),
  public.webhook_test(uuid),
  public.webhook_redeliver(uuid),
  public.webhook_replay(uuid, timestamptz, timestamptz)
  to authenticated;

grant execute on function
  private.webhooks_enqueue(uuid),
  private.webhook_next(uuid),
  private.webhook_settle(uuid, integer, integer, text, integer, interval)
  to service_role;

-- This module's error and settings

insert into public.error_codes (code, sqlstate, message, hint) values
  ('webhook_inactive', 'PT409', 'The webhook is switched off.', 'Make it active first: update({is_active: true}).');

select
  private.define_setting('webhooks.disable_after_hours', '120', 'integer', 'Hours without a success after which a webhook is switched off', 1, 8760),
  private.define_setting('webhooks.delivery_days', '30', 'integer', 'Days that deliveries of webhooks are kept; 0 keeps them for ever', 0, 3650);

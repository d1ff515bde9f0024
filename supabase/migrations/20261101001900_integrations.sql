-- Integrations: outside systems, what they told us, and what became of it.
--
-- A provider's delivery is written to the inbox first and answered at once; a job then does the work,
-- so a crash, a duplicate or a delivery out of order ends in the same state. Credentials are in Vault
-- and only named here. Logs are cleaned of secrets by trigger, whoever writes them.

-- Tables

create table public.integrations (
  type text primary key,
  name text not null,
  status text not null default 'disconnected',
  config jsonb not null default '{}',
  credentials_secret text,
  last_sync timestamptz,
  last_error text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint integrations_type_is_a_short_key check (type ~ '^[a-z][a-z0-9_]{1,39}$'),
  constraint integrations_name_is_given check (btrim(name) <> '' and length(name) <= 100),
  constraint integrations_status_is_known check (status in ('connected', 'disconnected', 'error')),
  constraint integrations_config_is_an_object check (jsonb_typeof(config) = 'object')
);

insert into public.integrations (type, name) values
  ('facebook', 'Meta Lead Ads'),
  ('whatsapp', 'WhatsApp Business'),
  ('sendgrid', 'SendGrid'),
  ('twilio', 'Twilio'),
  ('razorpay', 'Razorpay'),
  ('stripe', 'Stripe'),
  ('google_sheets', 'Google Sheets');

create table public.integration_logs (
  id uuid primary key default private.uuid_v7(),
  integration_name text not null,
  activity_type text not null,
  description text,
  status text not null,
  request_data jsonb not null default '{}',
  response_data jsonb not null default '{}',
  execution_time integer,
  records_processed integer not null default 0,
  user_id uuid default auth.uid() references public.profiles (id) on delete set null,
  request_id text default private.request_id(),
  created_at timestamptz not null default now(),
  constraint integration_logs_names_are_short check (
    length(integration_name) between 1 and 100 and length(activity_type) between 1 and 100
  ),
  constraint integration_logs_description_is_short check (length(description) <= 2000),
  constraint integration_logs_status_is_known check (status in ('success', 'failure', 'warning', 'info')),
  constraint integration_logs_data_is_small check (
    pg_column_size(request_data) <= 65536 and pg_column_size(response_data) <= 65536
  ),
  constraint integration_logs_figures_are_not_negative check (execution_time >= 0 and records_processed >= 0)
);

create table private.webhook_inbox (
  id uuid primary key default private.uuid_v7(),
  provider text not null,
  event_id text not null,
  raw bytea not null,
  headers jsonb not null default '{}',
  state text not null default 'received',
  attempts integer not null default 0,
  error text,
  job_id uuid,
  received_at timestamptz not null default now(),
  finished_at timestamptz,
  constraint webhook_inbox_takes_an_event_once unique (provider, event_id),
  constraint webhook_inbox_event_id_is_short check (length(event_id) between 1 and 255),
  constraint webhook_inbox_raw_is_small check (octet_length(raw) <= 1048576),
  constraint webhook_inbox_state_is_known check (state in ('received', 'processing', 'processed', 'dead', 'ignored'))
) with (fillfactor = 85);

create table private.webhook_rejections (
  provider text not null,
  reason text not null,
  hour timestamptz not null,
  count bigint not null default 0,
  primary key (provider, reason, hour)
);

-- Indexes

create index integration_logs_newest on public.integration_logs (integration_name, created_at desc);

create index integration_logs_by_status on public.integration_logs (status, created_at desc);

create index integration_logs_of_user on public.integration_logs (user_id) where user_id is not null;

create index webhook_inbox_unfinished on private.webhook_inbox (state, id desc)
  where state in ('received', 'processing', 'dead');

-- Policies

alter table public.integrations enable row level security;

alter table public.integration_logs enable row level security;

alter table private.webhook_inbox enable row level security;

alter table private.webhook_rejections enable row level security;

create policy integrations_read on public.integrations for select to authenticated
  using ((select private.has_permission('integrations.read')) or (select private.has_permission('integrations.manage')));

create policy integrations_change on public.integrations for update to authenticated
  using ((select private.has_permission('integrations.manage')))
  with check ((select private.has_permission('integrations.manage')));

create policy integration_logs_read on public.integration_logs for select to authenticated
  using ((select private.has_permission('integrations.read')) or (select private.has_permission('integrations.manage')));

create policy integration_logs_add on public.integration_logs for insert to authenticated
  with check ((select private.has_permission('integrations.manage')));

-- Secrets never reach a log

create function private.redact_text(p_text text) returns text
language plpgsql immutable parallel safe set search_path = '' as $$
begin
  return regexp_replace(
    regexp_replace(
      p_text,
      '((?:access_token|refresh_token|client_secret|appsecret_proof|api_key|apikey|secret|password|token|signature)["'']?\s*[=:]\s*["'']?)[^&\s"'',}]+',
      '\1[redacted]', 'gi'),
    '\m(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]+', '\1 [redacted]', 'gi');
end
$$;

create function private.redact(p_value jsonb) returns jsonb
language plpgsql immutable parallel safe set search_path = '' as $$
begin
  return case jsonb_typeof(p_value)
    when 'object' then (
      select coalesce(jsonb_object_agg(e.key, case
        when e.key ~* '(token|secret|password|passwd|authorization|api[-_]?key|apikey|signature|credential|cookie|appsecret_proof|private[-_]?key)'
          and jsonb_typeof(e.value) <> 'null' then to_jsonb('[redacted]'::text)
        else private.redact(e.value)
      end), '{}')
      from jsonb_each(p_value) e
    )
    when 'array' then (
      select coalesce(jsonb_agg(private.redact(e.value) order by e.position), '[]')
      from jsonb_array_elements(p_value) with ordinality as e (value, position)
    )
    when 'string' then to_jsonb(private.redact_text(p_value #>> '{}'))
    else p_value
  end;
end
$$;

create function private.redact_integration_log() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  new.description := private.redact_text(new.description);
  new.request_data := private.redact(coalesce(new.request_data, '{}'));
  new.response_data := private.redact(coalesce(new.response_data, '{}'));

  return new;
end
$$;

create trigger redact_integration_log before insert or update on public.integration_logs
  for each row execute function private.redact_integration_log();

create trigger touch_updated_at before update on public.integrations
  for each row execute function private.touch_updated_at();

create trigger audit after insert or update or delete on public.integrations
  for each row execute function private.audit_row('last_sync', 'updated_at');

-- Inbox

create function private.inbox_receive(
  p_provider text,
  p_event_id text,
  p_raw bytea,
  p_headers jsonb default '{}',
  p_is_ignored boolean default false
) returns boolean
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_id uuid;
begin
  insert into private.webhook_inbox (provider, event_id, raw, headers, state, finished_at)
  values (
    p_provider, p_event_id, p_raw, coalesce(p_headers, '{}'),
    case when p_is_ignored then 'ignored' else 'received' end,
    case when p_is_ignored then now() end
  )
  on conflict (provider, event_id) do nothing
  returning id into v_id;

  if v_id is not null and not p_is_ignored then
    perform private.inbox_enqueue(v_id, p_provider);
  end if;

  return v_id is not null;
end
$$;

create function private.inbox_enqueue(p_id uuid, p_provider text) returns uuid
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_job_id uuid;
begin
  v_job_id := private.enqueue(
    'inbox.' || p_provider,
    jsonb_build_object('inbox_id', p_id),
    p_dedupe_key => p_id::text,
    p_provider => (select p.name from private.job_providers p where p.name = p_provider),
    p_max_attempts => 12
  );

  update private.webhook_inbox set job_id = v_job_id where id = p_id;

  return v_job_id;
end
$$;

create function private.inbox_open(p_id uuid)
returns table (provider text, event_id text, raw bytea, headers jsonb, received_at timestamptz)
language plpgsql volatile security definer set search_path = '' as $$
begin
  return query
    update private.webhook_inbox i
    set state = 'processing', attempts = i.attempts + 1
    where i.id = p_id and i.state in ('received', 'processing')
    returning i.provider, i.event_id, i.raw, i.headers, i.received_at;
end
$$;

create function private.inbox_close(p_id uuid, p_state text default 'processed', p_error text default null)
returns boolean
language plpgsql volatile security definer set search_path = '' as $$
begin
  update private.webhook_inbox
  set state = p_state, error = left(p_error, 2000), finished_at = now()
  where id = p_id;

  return found;
end
$$;

create function private.inbox_dies_with_its_job() returns trigger
language plpgsql volatile security definer set search_path = '' as $$
begin
  update private.webhook_inbox
  set state = 'dead', error = new.last_error, finished_at = now()
  where id = (new.payload ->> 'inbox_id')::uuid and state in ('received', 'processing');

  if found then
    insert into public.integration_logs (integration_name, activity_type, description, status, response_data, user_id)
    select case i.provider when 'meta' then 'facebook_leads' else i.provider end, 'delivery_given_up', new.last_error,
      'failure', jsonb_build_object('event_id', i.event_id, 'attempts', new.attempts), null
    from private.webhook_inbox i
    where i.id = (new.payload ->> 'inbox_id')::uuid;
  end if;

  return null;
end
$$;

create trigger inbox_dies_with_its_job after insert or update on private.jobs_dead
  for each row when (new.kind like 'inbox.%') execute function private.inbox_dies_with_its_job();

create function private.inbox_revives_with_its_job() returns trigger
language plpgsql volatile security definer set search_path = '' as $$
begin
  update private.webhook_inbox
  set state = 'received', error = null, finished_at = null
  where id = (old.payload ->> 'inbox_id')::uuid and job_id = old.id and state = 'dead';

  return null;
end
$$;

create trigger inbox_revives_with_its_job after delete on private.jobs_dead
  for each row when (old.kind like 'inbox.%') execute function private.inbox_revives_with_its_job();

create function private.count_rejection(p_provider text, p_reason text, p_count bigint default 1) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  insert into private.webhook_rejections as r (provider, reason, hour, count)
  values (left(p_provider, 40), left(p_reason, 40), date_trunc('hour', now()), greatest(p_count, 0))
  on conflict (provider, reason, hour) do update set count = r.count + excluded.count;
end
$$;

create function private.integrations_prune(p_keep interval default interval '90 days') returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_events integer;
  v_logs integer;
begin
  -- Providers repeat a delivery for days, not for months: what is older counts once all the same.
  delete from private.webhook_inbox
  where id = any (array(
    select i.id from private.webhook_inbox i
    where i.state in ('processed', 'ignored') and i.received_at < now() - p_keep
    order by i.id limit 20000
  ));

  get diagnostics v_events = row_count;

  delete from public.integration_logs
  where id = any (array(
    select l.id from public.integration_logs l where l.created_at < now() - p_keep order by l.id limit 20000
  ));

  get diagnostics v_logs = row_count;

  delete from private.webhook_rejections where hour < now() - p_keep;

  return v_events + v_logs;
end
$$;

create function private.integration_failed(p_type text, p_error text) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  update public.integrations
  set status = 'error', last_error = left(private.redact_text(p_error), 500)
  where type = p_type;
end
$$;

-- RPCs

create view public.integrations_status with (security_invoker = true) as
select i.type, i.name, i.status, i.config, i.last_sync, i.last_error, i.credentials_secret is not null as has_credentials
from public.integrations i;

create function private.list_inbox(p_provider text, p_state text, p_limit integer, p_before uuid)
returns table (
  id uuid, provider text, event_id text, state text, attempts integer, error text, job_id uuid,
  size integer, received_at timestamptz, finished_at timestamptz
)
language plpgsql stable security definer set search_path = '' as $$
begin
  if not private.has_permission('integrations.read') then
    perform private.require_permission('integrations.manage');
  end if;

  return query
    select i.id, i.provider, i.event_id, i.state, i.attempts, i.error, i.job_id,
      octet_length(i.raw), i.received_at, i.finished_at
    from private.webhook_inbox i
    where (p_provider is null or i.provider = p_provider)
      and (p_state is null or i.state = p_state)
      and (p_before is null or i.id < p_before)
    order by i.id desc
    limit least(greatest(coalesce(p_limit, 50), 1), 200);
end
$$;

create function public.inbox_list(
  p_provider text default null,
  p_state text default null,
  p_limit integer default 50,
  p_before uuid default null
) returns table (
  id uuid, provider text, event_id text, state text, attempts integer, error text, job_id uuid,
  size integer, received_at timestamptz, finished_at timestamptz
)
language sql stable security invoker set search_path = '' as $$
  select * from private.list_inbox(p_provider, p_state, p_limit, p_before)
$$;

create function private.read_inbox(p_id uuid) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_event jsonb;
begin
  perform private.require_permission('integrations.manage');

  select jsonb_build_object(
    'id', i.id, 'provider', i.provider, 'event_id', i.event_id, 'state', i.state, 'attempts', i.attempts,
    'error', i.error, 'job_id', i.job_id, 'received_at', i.received_at, 'finished_at', i.finished_at,
    'headers', private.redact(i.headers), 'body_base64', encode(i.raw, 'base64')
  ) into v_event
  from private.webhook_inbox i
  where i.id = p_id;

  if v_event is null then
    perform private.fail('event_not_found', p_id::text);
  end if;

  return v_event;
end
$$;

create function public.inbox_get(p_id uuid) returns jsonb
language sql stable security invoker set search_path = '' as $$
  select private.read_inbox(p_id)
$$;

create function private.replay_inbox(p_id uuid) returns uuid
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_event private.webhook_inbox;
begin
  perform private.require_permission('integrations.manage');

  select * into v_event from private.webhook_inbox where id = p_id for update;

  if not found then
    perform private.fail('event_not_found', p_id::text);
  end if;

  -- The dead job of an earlier attempt has no more to say.
  delete from private.jobs_dead where id = v_event.job_id;

  update private.webhook_inbox set state = 'received', error = null, finished_at = null where id = p_id;

  return private.inbox_enqueue(p_id, v_event.provider);
end
$$;

create function public.inbox_replay(p_id uuid) returns uuid
language sql volatile security invoker set search_path = '' as $$
  select private.replay_inbox(p_id)
$$;

create function private.list_rejections(p_since timestamptz)
returns table (provider text, reason text, hour timestamptz, count bigint)
language plpgsql stable security definer set search_path = '' as $$
begin
  if not private.has_permission('integrations.read') then
    perform private.require_permission('integrations.manage');
  end if;

  return query
    select r.provider, r.reason, r.hour, r.count
    from private.webhook_rejections r
    where r.hour >= p_since
    order by r.hour desc, r.provider, r.reason
    limit 1000;
end
$$;

create function public.inbox_rejections(p_since timestamptz default now() - interval '7 days')
returns table (provider text, reason text, hour timestamptz, count bigint)
language sql stable security invoker set search_path = '' as $$
  select * from private.list_rejections(p_since)
$$;

create function private.disconnect_integration(p_type text) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_secret text;
begin
  perform private.require_permission('integrations.manage');

  select i.credentials_secret into v_secret from public.integrations i where i.type = p_type for update;

  if not found then
    perform private.fail('integration_not_found', left(p_type, 80));
  end if;

  delete from vault.secrets where name = v_secret;

  update public.integrations
  set status = 'disconnected', credentials_secret = null, last_error = null
  where type = p_type;

  return jsonb_build_object('type', p_type, 'status', 'disconnected');
end
$$;

create function public.integration_disconnect(p_type text) returns jsonb
language sql volatile security invoker set search_path = '' as $$
  select private.disconnect_integration(p_type)
$$;

create function private.require_integration(p_type text) returns void
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require_permission('integrations.manage');

  if not exists (select from public.integrations i where i.type = p_type) then
    perform private.fail('integration_not_found', left(p_type, 80));
  end if;
end
$$;

create function private.integration_connect(p_type text, p_credentials jsonb, p_config jsonb default null) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_name constant text := 'integration_' || p_type;
  v_secret_id uuid;
begin
  if not exists (select from public.integrations i where i.type = p_type) then
    perform private.fail('integration_not_found', left(p_type, 80));
  end if;

  if jsonb_typeof(p_credentials) is distinct from 'object' then
    perform private.fail('argument_invalid', 'credentials must be an object');
  end if;

  select s.id into v_secret_id from vault.decrypted_secrets s where s.name = v_name;

  if v_secret_id is null then
    perform vault.create_secret(p_credentials::text, v_name, 'Credentials of an integration');
  else
    perform vault.update_secret(v_secret_id, p_credentials::text);
  end if;

  update public.integrations
  set status = 'connected', credentials_secret = v_name, config = coalesce(p_config, config), last_error = null
  where type = p_type;

  insert into public.integration_logs (integration_name, activity_type, description, status)
  values (p_type, 'connect', 'Connected', 'success');

  return jsonb_build_object('type', p_type, 'status', 'connected');
end
$$;

create function private.integration_credentials(p_type text) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  return (
    select s.decrypted_secret::jsonb
    from public.integrations i
    join vault.decrypted_secrets s on s.name = i.credentials_secret
    where i.type = p_type
  );
end
$$;

insert into private.job_schedules (name, cron, kind, priority) values
  ('integrations.prune', '41 2 * * *', 'integrations.prune', -1);

insert into public.error_codes (code, sqlstate, message, hint) values
  ('event_not_found', 'PT404', 'There is no such event in the inbox.', null),
  ('integration_not_found', 'PT404', 'There is no such integration.', 'See integrations_status for the types.');

-- Grants

revoke all on public.integrations, public.integration_logs, public.integrations_status from anon, authenticated, service_role;

revoke all on private.webhook_inbox, private.webhook_rejections from public, anon, authenticated, service_role;

grant select (type, name, status, config, credentials_secret, last_sync, last_error, created_at, updated_at)
  on public.integrations to authenticated;

grant update (name, config) on public.integrations to authenticated;

grant select on public.integrations_status to authenticated, service_role;

grant select on public.integration_logs to authenticated;

grant insert (
  integration_name, activity_type, description, status, request_data, response_data, execution_time, records_processed
) on public.integration_logs to authenticated;

grant select, insert, update, delete on public.integrations, public.integration_logs to service_role;

revoke all on function
  private.redact_text(text),
  private.redact(jsonb),
  private.redact_integration_log(),
  private.inbox_receive(text, text, bytea, jsonb, boolean),
  private.inbox_enqueue(uuid, text),
  private.inbox_open(uuid),
  private.inbox_close(uuid, text, text),
  private.inbox_dies_with_its_job(),
  private.inbox_revives_with_its_job(),
  private.count_rejection(text, text, bigint),
  private.integrations_prune(interval),
  private.integration_failed(text, text),
  private.list_inbox(text, text, integer, uuid),
  private.read_inbox(uuid),
  private.replay_inbox(uuid),
  private.list_rejections(timestamptz),
  private.disconnect_integration(text),
  private.require_integration(text),
  private.integration_connect(text, jsonb, jsonb),
  private.integration_credentials(text),
  public.inbox_list(text, text, integer, uuid),
  public.inbox_get(uuid),
  public.inbox_replay(uuid),
  public.inbox_rejections(timestamptz),
  public.integration_disconnect(text)
  from public, anon, authenticated, service_role;

grant execute on function
  private.inbox_receive(text, text, bytea, jsonb, boolean),
  private.inbox_open(uuid),
  private.inbox_close(uuid, text, text),
  private.count_rejection(text, text, bigint),
  private.integrations_prune(interval),
  private.integration_failed(text, text),
  private.integration_connect(text, jsonb, jsonb),
  private.integration_credentials(text)
  to service_role;

grant execute on function
  private.list_inbox(text, text, integer, uuid),
  private.read_inbox(uuid),
  private.replay_inbox(uuid),
  private.list_rejections(timestamptz),
  private.disconnect_integration(text),
  private.require_integration(text),
  public.inbox_list(text, text, integer, uuid),
  public.inbox_get(uuid),
  public.inbox_replay(uuid),
  public.inbox_rejections(timestamptz),
  public.integration_disconnect(text)
  to authenticated;

-- Comments

comment on table public.integrations is 'Outside systems and how they stand. Credentials are in Vault under the name in credentials_secret.';

comment on column public.integrations.config is 'Settings that are no secret, such as page_ids of Meta.';

comment on column public.integrations.credentials_secret is 'Name of the Vault secret; never the secret.';

comment on table public.integration_logs is 'What happened with outside systems. Tokens and passwords are replaced by [redacted] when a row is written.';

comment on column public.integration_logs.execution_time is 'Milliseconds.';

comment on table private.webhook_inbox is 'Deliveries of providers as they came, one row per event, before anything is made of them.';

comment on column private.webhook_inbox.event_id is 'What makes the event one event, for Meta leads leadgen:<id>.';

comment on column private.webhook_inbox.raw is 'The bytes received; of a delivery with several changes, the envelope with this change only.';

comment on table private.webhook_rejections is 'How many deliveries were refused, by hour. They are counted, not kept.';

comment on view public.integrations_status is 'Type, name, status, configuration and last sync of each integration. Answers D3-039.';

comment on policy integrations_read on public.integrations is 'integrations.read or integrations.manage.';

comment on policy integrations_change on public.integrations is 'Name and configuration, with integrations.manage.';

comment on policy integration_logs_read on public.integration_logs is 'integrations.read or integrations.manage.';

comment on policy integration_logs_add on public.integration_logs is 'integrations.manage; nobody changes or removes a row.';

comment on function private.redact_text(text) is 'Replaces tokens, passwords and signatures in a text.';

comment on function private.redact(jsonb) is 'Replaces secrets anywhere in a document, by the name of the key or by the look of the text.';

comment on function private.redact_integration_log() is 'Keeps secrets out of the log, whoever writes.';

comment on function private.inbox_receive(text, text, bytea, jsonb, boolean) is 'Stores an event and queues its processing in one transaction. True only for the first delivery of it.';

comment on function private.inbox_enqueue(uuid, text) is 'Queues the processing of an event.';

comment on function private.inbox_open(uuid) is 'Hands an event to the worker; no row when it is finished already.';

comment on function private.inbox_close(uuid, text, text) is 'Ends an event as processed, ignored or dead.';

comment on function private.inbox_dies_with_its_job() is 'An event whose job was given up is dead.';

comment on function private.inbox_revives_with_its_job() is 'An event whose dead job is taken up again is open.';

comment on function private.count_rejection(text, text, bigint) is 'Counts deliveries that were refused.';

comment on function private.integrations_prune(interval) is 'Deletes finished events, their log and old counts, at most 20,000 of each at a time.';

comment on function private.integration_failed(text, text) is 'Shows an integration as failing.';

comment on function private.list_inbox(text, text, integer, uuid) is 'Body of inbox_list.';

comment on function private.read_inbox(uuid) is 'Body of inbox_get.';

comment on function private.replay_inbox(uuid) is 'Body of inbox_replay.';

comment on function private.list_rejections(timestamptz) is 'Body of inbox_rejections.';

comment on function private.disconnect_integration(text) is 'Body of integration_disconnect.';

comment on function private.require_integration(text) is 'Refuses who may not manage integrations, and a type that there is not.';

comment on function private.integration_connect(text, jsonb, jsonb) is 'Stores credentials that were tested in Vault and shows the integration as connected. For edge functions only.';

comment on function private.integration_credentials(text) is 'Credentials of an integration, for edge functions only.';

comment on function public.inbox_list(text, text, integer, uuid) is 'Events received from providers, newest first, without their bodies. Needs integrations.read.';

comment on function public.inbox_get(uuid) is 'One event with its body in base64. Needs integrations.manage.';

comment on function public.inbox_replay(uuid) is 'Processes an event again; what it did already is not done twice. Needs integrations.manage.';

comment on function public.inbox_rejections(timestamptz) is 'How many deliveries were refused, by hour and reason. Needs integrations.read.';

comment on function public.integration_disconnect(text) is 'Forgets the credentials of an integration. Needs integrations.manage. Answers D3-041.';

-- Rate limits: nobody writes faster than a person or a form can.
--
-- PostgREST calls private.pre_request() at the start of every transaction. Reads, and calls of stable
-- functions, run read only and pass at once. A write takes one hit from the caller's bucket: per person, or
-- per network address without a token. Service keys pass.
--
-- What it is not: a hit is part of the request's transaction, so a request that fails gives it back, and
-- only accepted writes are counted. Edge functions take hits in a transaction of their own, before the work:
-- private.function_rate_limit_take(), per function and network.
--
-- An address is believed only from the header that the network edge writes over whatever the client sent. On a
-- hosted project that is Cloudflare's cf-connecting-ip. Behind another proxy, name its header in the setting
-- security.rate_limit.address_header: with the default, anybody could claim any address there.

-- Tables

create unlogged table private.rate_limits (
  bucket text not null,
  slot smallint not null,
  window_start timestamptz not null,
  hits integer not null,
  constraint rate_limits_pkey primary key (bucket, slot),
  constraint rate_limits_hits_is_positive check (hits > 0)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

comment on table private.rate_limits is 'Hits per bucket in its current window. Unlogged: after a crash everybody starts anew, which is harmless and cheap.';

comment on column private.rate_limits.slot is 'Requests of one caller that run side by side count in different rows, so that they do not wait for one another.';

create index rate_limits_by_window on private.rate_limits (window_start);

alter table private.rate_limits enable row level security;

-- Functions

create function private.rate_limit_take(p_bucket text, p_limit integer, p_window interval default '1 minute') returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  seconds double precision := greatest(extract(epoch from p_window), 1);
  started timestamptz := to_timestamp(floor(extract(epoch from clock_timestamp()) / seconds) * seconds);
  taken bigint;
begin
  if p_bucket is null or p_bucket = '' or p_limit is null then
    perform private.fail('argument_invalid', 'p_bucket, p_limit');
  end if;

  select coalesce(sum(r.hits), 0) into taken
  from private.rate_limits r
  where r.bucket = p_bucket and r.window_start = started;

  if taken >= p_limit then
    return greatest(1, ceil(extract(epoch from started) + seconds - extract(epoch from clock_timestamp())))::integer;
  end if;

  insert into private.rate_limits as r (bucket, slot, window_start, hits)
  values (p_bucket, pg_backend_pid() % 16, started, 1)
  on conflict (bucket, slot) do update
  set hits = case when r.window_start = excluded.window_start then r.hits + 1 else 1 end,
    window_start = excluded.window_start;

  return 0;
end
$$;

comment on function private.rate_limit_take(text, integer, interval) is 'Takes one hit from a bucket: 0 if it was there, else the seconds until the window ends. Windows are aligned to the clock. Requests in flight do not see one another''s hit, so a burst may exceed the limit by the number of connections.';

create function private.client_network() returns text
language plpgsql stable set search_path = '' as $$
declare
  address inet;
begin
  -- X-Forwarded-For begins with whatever the client claims. The header named by the setting is one that the
  -- network edge writes itself: Cloudflare's cf-connecting-ip in front of a hosted project.
  address := split_part(private.request_header(private.setting('security.rate_limit.address_header') #>> '{}'), '/', 1)::inet;

  -- One subscriber holds a whole /64 of IPv6.
  return host(network(set_masklen(address, case family(address) when 6 then 64 else 32 end)));
exception when invalid_text_representation or invalid_parameter_value then
  return null;
end
$$;

comment on function private.client_network() is 'Where the request comes from, as the network edge says; null if it does not say. IPv6 by /64.';

create function private.pre_request() returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
  claims jsonb;
  bucket text;
  quota integer;
  wait integer;
  refusal public.error_codes;
begin
  if current_setting('transaction_read_only') = 'on' then
    return;
  end if;

  claims := nullif(current_setting('request.jwt.claims', true), '')::jsonb;

  if claims ->> 'role' = 'service_role' then
    return;
  end if;

  if exists (select from public.impersonations i where i.session_id = (claims ->> 'session_id')::uuid) then
    perform private.fail('impersonation_is_read_only');
  end if;

  if claims ->> 'sub' is not null then
    bucket := 'user:' || (claims ->> 'sub');
    quota := (private.setting('security.rate_limit.user_writes_per_minute'))::integer;
  else
    -- Without an address to tell callers apart they share one bucket.
    bucket := 'address:' || coalesce(private.client_network(), 'unknown');
    quota := (private.setting('security.rate_limit.anonymous_writes_per_minute'))::integer;
  end if;

  if coalesce(quota, 0) = 0 then
    return;
  end if;

  wait := private.rate_limit_take(bucket, quota);

  if wait > 0 then
    select * into refusal from public.error_codes e where e.code = 'rate_limited';

    -- PostgREST takes the whole answer from here, which is the only way to send Retry-After.
    raise exception using
      errcode = 'PGRST',
      message = json_build_object(
        'code', refusal.sqlstate,
        'message', refusal.message,
        'details', format('%s: %s writes per minute', refusal.code, quota),
        'hint', format('Retry after %s seconds.', wait)
      )::text,
      detail = json_build_object('status', 429, 'headers', json_build_object('Retry-After', wait::text))::text;
  end if;
end
$$;

comment on function private.pre_request() is 'Called by PostgREST before every request: limits writes, and refuses those of an impersonation (impersonation_is_read_only, 403). Answers 429 with code PT429, details rate_limited and a Retry-After header.';

create function private.function_rate_limit_take(p_function text, p_headers jsonb) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  quota integer;
begin
  quota := coalesce(
    private.setting('security.rate_limit.' || p_function || '_per_minute'),
    private.setting('security.rate_limit.functions_per_minute')
  )::integer;

  if coalesce(quota, 0) = 0 then
    return 0;
  end if;

  perform set_config('request.headers', coalesce(p_headers, '{}')::text, true);

  return private.rate_limit_take('function:' || p_function || ':' || coalesce(private.client_network(), 'unknown'), quota);
end
$$;

comment on function private.function_rate_limit_take(text, jsonb) is 'For edge functions: takes one hit of the network that the request''s headers name: 0, or the seconds to wait. The limit is security.rate_limit.<function>_per_minute where there is such a setting, else functions_per_minute.';

create function private.rate_limits_purge() returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  purged integer;
begin
  delete from private.rate_limits r where r.window_start < now() - interval '1 day';
  get diagnostics purged = row_count;

  return purged;
end
$$;

comment on function private.rate_limits_purge() is 'Forgets buckets nobody used for a day.';

-- Schedule

select cron.schedule('intake-rate-limits-purge', '11 * * * *', 'select private.rate_limits_purge()');

-- Grants

revoke all on private.rate_limits from anon, authenticated, service_role;

revoke all on function private.rate_limit_take(text, integer, interval) from public, anon, authenticated, service_role;

grant execute on function private.rate_limit_take(text, integer, interval) to service_role;

revoke all on function private.client_network() from public, anon, authenticated, service_role;

revoke all on function private.pre_request() from public, anon, authenticated, service_role;

grant execute on function private.pre_request() to anon, authenticated, service_role;

revoke all on function private.function_rate_limit_take(text, jsonb) from public, anon, authenticated, service_role;

grant execute on function private.function_rate_limit_take(text, jsonb) to service_role;

revoke all on function private.rate_limits_purge() from public, anon, authenticated, service_role;

-- This module's errors and settings

insert into public.error_codes (code, sqlstate, message, hint) values
  ('rate_limited', 'PT429', 'Too many requests.', 'Wait as long as Retry-After says.');

select
  private.define_setting('security.rate_limit.user_writes_per_minute', '600', 'integer', 'Writes a signed-in person may make in a minute; 0 is no limit', 0, 100000),
  private.define_setting('security.rate_limit.anonymous_writes_per_minute', '120', 'integer', 'Writes one network may make in a minute without signing in; 0 is no limit', 0, 100000),
  private.define_setting('security.rate_limit.functions_per_minute', '600', 'integer', 'Calls of one edge function from one network in a minute; 0 is no limit', 0, 1000000),
  private.define_setting('security.rate_limit.admin_per_minute', '120', 'integer', 'Calls of the function admin from one network in a minute; 0 is no limit', 0, 1000000),
  private.define_setting('security.rate_limit.webhooks_per_minute', '30000', 'integer', 'Deliveries from one network in a minute; 0 is no limit. Providers deliver from few networks and in bursts', 0, 1000000),
  private.define_setting('security.rate_limit.address_header', '"cf-connecting-ip"', 'text', 'Request header in which the network edge names the client''s address; never one a client can send through', 1, 100);

-- PostgREST reads this from the role it connects as. Supabase lets postgres set it; a plain server needs its
-- superuser for that, and is told so rather than left without a database.
do $$
begin
  alter role authenticator set pgrst.db_pre_request to 'private.pre_request';
exception when insufficient_privilege then
  raise warning 'The Data API does not limit writes yet: run "alter role authenticator set pgrst.db_pre_request to ''private.pre_request''" as superuser.';
end
$$;

notify pgrst, 'reload config';

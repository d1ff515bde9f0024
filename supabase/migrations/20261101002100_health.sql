-- Health: whether the backend answers, and, for administrators, how it fares and has fared.

-- Tables

create table public.system_metrics (
  metric_type text not null,
  recorded_at timestamptz not null default now(),
  value double precision not null,
  constraint system_metrics_pkey primary key (metric_type, recorded_at),
  constraint system_metrics_type_is_snake_case check (metric_type ~ '^[a-z][a-z0-9_]{0,62}$')
);

comment on table public.system_metrics is 'Measurements of the system, taken every five minutes by private.record_metrics(). Read as a series with health_metrics().';

comment on column public.system_metrics.metric_type is 'database_bytes, connections, cache_hit_ratio, jobs_due, jobs_dead, jobs_oldest_due_seconds, inbox_unfinished or agents_online.';

create index system_metrics_by_time on public.system_metrics using brin (recorded_at);

-- Policies

alter table public.system_metrics enable row level security;

create policy system_metrics_read on public.system_metrics for select to authenticated
  using ((select private.has_permission('health.read')));

comment on policy system_metrics_read on public.system_metrics is 'With health.read; written by schedule.';

-- Functions

create function private.version() returns text
language plpgsql immutable parallel safe set search_path = '' as $$
begin
  return '0.1.0';
end
$$;

comment on function private.version() is 'Release of the schema; the same as in package.json.';

create function private.connections() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  return (
    select jsonb_build_object(
      'total', count(*),
      'active', count(*) filter (where a.state = 'active'),
      'idle', count(*) filter (where a.state = 'idle'),
      'idle_in_transaction', count(*) filter (where a.state like 'idle in transaction%'),
      'max', current_setting('max_connections')::integer,
      'longest_transaction_seconds', coalesce(extract(epoch from max(clock_timestamp() - a.xact_start))::integer, 0)
    )
    from pg_catalog.pg_stat_activity a
    where a.datname = current_database() and a.pid <> pg_backend_pid()
  );
end
$$;

comment on function private.connections() is 'Connections to this database by state, the caller''s own not counted.';

create function private.slow_statements() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  statements jsonb;
begin
  select coalesce(jsonb_agg(to_jsonb(s) order by s.total_ms desc), '[]') into statements
  from (
    select left(p.query, 200) as statement, p.calls, round(p.mean_exec_time::numeric, 2) as mean_ms, round(p.total_exec_time::numeric) as total_ms
    from extensions.pg_stat_statements p
    join pg_catalog.pg_database d on d.oid = p.dbid and d.datname = current_database()
    order by p.total_exec_time desc
    limit 5
  ) s;

  return statements;
exception when undefined_table or object_not_in_prerequisite_state or insufficient_privilege then
  return null;
end
$$;

comment on function private.slow_statements() is 'The five statements that took most time, constants left out; null where the server does not count them.';

create function private.cron_runs() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'name', j.jobname,
      'schedule', j.schedule,
      'is_active', j.active,
      'last_status', r.status,
      'last_run_at', r.start_time,
      'last_message', case when r.status = 'failed' then left(r.return_message, 200) end
    ) order by j.jobname), '[]')
    from cron.job j
    left join lateral (
      select d.status, d.start_time, d.return_message
      from cron.job_run_details d
      where d.jobid = j.jobid and d.status in ('succeeded', 'failed')
      order by d.runid desc
      limit 1
    ) r on true
  );
end
$$;

comment on function private.cron_runs() is 'Each schedule with its last finished run.';

create function private.inbox_state() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  return (
    select jsonb_build_object(
      'received', count(*) filter (where i.state = 'received'),
      'processing', count(*) filter (where i.state = 'processing'),
      'dead', count(*) filter (where i.state = 'dead'),
      'oldest_unfinished_seconds', coalesce(extract(epoch from now() - min(i.received_at) filter (where i.state in ('received', 'processing')))::integer, 0)
    )
    from private.webhook_inbox i
    where i.state in ('received', 'processing', 'dead')
  );
end
$$;

comment on function private.inbox_state() is 'Provider deliveries that are not done with, by state.';

create function private.cache_hit_ratio() returns numeric
language plpgsql stable security definer set search_path = '' as $$
begin
  return (
    select round(d.blks_hit::numeric / nullif(d.blks_hit + d.blks_read, 0), 4)
    from pg_catalog.pg_stat_database d
    where d.datname = current_database()
  );
end
$$;

comment on function private.cache_hit_ratio() is 'Share of blocks found in memory since statistics were reset.';

create function private.admin_health() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  connections jsonb;
  jobs jsonb;
  cron jsonb;
  inbox jsonb;
  warnings text[];
begin
  perform private.require_permission('health.read');

  connections := private.connections();
  jobs := (select to_jsonb(q) from private.queue_health() q);
  cron := private.cron_runs();
  inbox := private.inbox_state();

  warnings := array_remove(array[
    case when (connections ->> 'total')::numeric > 0.8 * (connections ->> 'max')::numeric then 'connections_are_scarce' end,
    case when (connections ->> 'longest_transaction_seconds')::integer > 300 then 'transaction_is_long' end,
    case when (jobs ->> 'oldest_due_seconds')::integer > 300 then 'jobs_are_late' end,
    case when (jobs ->> 'dead')::integer > 0 then 'jobs_are_dead' end,
    case when (inbox ->> 'dead')::integer > 0 then 'deliveries_are_dead' end,
    case when jsonb_path_exists(cron, '$[*] ? (@.is_active == true && @.last_status == "failed")') then 'schedules_fail' end
  ], null);

  return jsonb_build_object(
    'status', case when warnings = '{}' then 'ok' else 'degraded' end,
    'warnings', to_jsonb(warnings),
    'time', clock_timestamp(),
    'server', jsonb_build_object(
      'version', private.version(),
      'postgres_version', current_setting('server_version'),
      'started_at', pg_postmaster_start_time(),
      'uptime_seconds', extract(epoch from clock_timestamp() - pg_postmaster_start_time())::bigint
    ),
    'database', jsonb_build_object(
      'size_bytes', pg_database_size(current_database()),
      'connections', connections
    ),
    'jobs', jobs,
    'cron', cron,
    'inbox', inbox,
    'agents', private.agents_by_status(),
    'performance', (
      select jsonb_build_object(
        'cache_hit_ratio', private.cache_hit_ratio(),
        'commits', d.xact_commit,
        'rollbacks', d.xact_rollback,
        'deadlocks', d.deadlocks,
        'temporary_bytes', d.temp_bytes,
        'slow_statements', private.slow_statements()
      )
      from pg_catalog.pg_stat_database d
      where d.datname = current_database()
    )
  );
end
$$;

comment on function private.admin_health() is 'Body of public.admin_health().';

create function private.record_metrics() returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
  jobs record;
begin
  select * into jobs from private.queue_health();

  insert into public.system_metrics (metric_type, value)
  select m.metric_type, m.value
  from (values
    ('database_bytes', pg_database_size(current_database())::double precision),
    ('connections', (private.connections() ->> 'total')::double precision),
    ('cache_hit_ratio', private.cache_hit_ratio()::double precision),
    ('jobs_due', jobs.due::double precision),
    ('jobs_dead', jobs.dead::double precision),
    ('jobs_oldest_due_seconds', jobs.oldest_due_seconds::double precision),
    ('inbox_unfinished', (select count(*) from private.webhook_inbox i where i.state in ('received', 'processing'))::double precision),
    ('agents_online', (private.agents_by_status() ->> 'online')::double precision)
  ) m (metric_type, value)
  where m.value is not null
  on conflict (metric_type, recorded_at) do nothing;

  delete from public.system_metrics s
  where s.recorded_at < now() - make_interval(days => (private.setting('health.metrics_days'))::integer);
end
$$;

comment on function private.record_metrics() is 'Takes one measurement of each kind and forgets those older than health.metrics_days.';

-- RPCs

create function public.health() returns jsonb
language plpgsql stable security invoker set search_path = '' as $$
begin
  return jsonb_build_object('status', 'ok', 'version', private.version(), 'time', clock_timestamp());
end
$$;

comment on function public.health() is 'Whether the database answers: {status, version, time}. For everybody; says nothing of the business. Call with {get: true}. Answers D3-050, D4-062.';

create function public.admin_health() returns jsonb
language plpgsql stable security invoker set search_path = '' as $$
begin
  return private.admin_health();
end
$$;

comment on function public.admin_health() is 'State of the system: {status, warnings, time, server, database, jobs, cron, inbox, agents, performance}; status is degraded when a warning is named. agents counts active people by status. Needs health.read. Answers D3-046.';

create function public.health_metrics(p_metric text default null, p_range text default '24h') returns jsonb
language plpgsql stable security invoker set search_path = '' as $$
declare
  since interval;
begin
  perform private.require_permission('health.read');

  since := case p_range when '1h' then '1 hour' when '24h' then '1 day' when '7d' then '7 days' when '30d' then '30 days' end;

  if since is null then
    perform private.fail('argument_invalid', 'p_range is 1h, 24h, 7d or 30d');
  end if;

  return jsonb_build_object(
    'time_range', p_range,
    'metrics', coalesce((
      select jsonb_object_agg(m.metric_type, m.points)
      from (
        select b.metric_type, jsonb_agg(jsonb_build_object('recorded_at', b.bucket, 'value', b.value) order by b.bucket) as points
        from (
          -- At most 288 points a series, whatever the range.
          select s.metric_type, date_bin(greatest(since / 288, interval '1 second'), s.recorded_at, now() - since) as bucket, avg(s.value) as value
          from public.system_metrics s
          where s.recorded_at >= now() - since and (p_metric is null or s.metric_type = p_metric)
          group by 1, 2
        ) b
        group by b.metric_type
      ) m
    ), '{}')
  );
end
$$;

comment on function public.health_metrics(text, text) is 'Measurements of the last 1h, 24h, 7d or 30d, one kind or all: {time_range, metrics: {<metric>: [{recorded_at, value}]}}. Needs health.read. Errors: permission_denied, argument_invalid. Answers D3-047.';

-- Schedule

select cron.schedule('intake-record-metrics', '*/5 * * * *', 'select private.record_metrics()');

-- Grants

revoke all on public.system_metrics from anon, authenticated, service_role;

grant select on public.system_metrics to authenticated;

grant select, insert, update, delete on public.system_metrics to service_role;

revoke all on function private.version() from public, anon, authenticated, service_role;

grant execute on function private.version() to anon, authenticated, service_role;

revoke all on function private.connections() from public, anon, authenticated, service_role;

revoke all on function private.slow_statements() from public, anon, authenticated, service_role;

revoke all on function private.cron_runs() from public, anon, authenticated, service_role;

revoke all on function private.inbox_state() from public, anon, authenticated, service_role;

revoke all on function private.cache_hit_ratio() from public, anon, authenticated, service_role;

revoke all on function private.admin_health() from public, anon, authenticated, service_role;

grant execute on function private.admin_health() to authenticated;

revoke all on function private.record_metrics() from public, anon, authenticated, service_role;

revoke all on function public.health() from public, anon, authenticated, service_role;

grant execute on function public.health() to anon, authenticated, service_role;

revoke all on function public.admin_health() from public, anon, authenticated, service_role;

grant execute on function public.admin_health() to authenticated;

revoke all on function public.health_metrics(text, text) from public, anon, authenticated, service_role;

grant execute on function public.health_metrics(text, text) to authenticated;

-- This module's permission and settings

insert into public.permissions (key, description) values
  ('health.read', 'See how the system fares');

select private.define_setting('health.metrics_days', '30', 'integer', 'Days that measurements are kept', 1, 400);

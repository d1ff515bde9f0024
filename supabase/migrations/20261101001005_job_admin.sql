-- Job administration: how administrators look at the queue, start a job again and take one out.
--
-- The queue itself is the module jobs. Whoever has jobs.manage sees waiting, finished and dead jobs as one list;
-- the figures of the queue are asked for by the module health too.

-- Functions

create function private.list_jobs(p_state text, p_kind text, p_limit integer, p_before uuid)
returns table (
  id uuid, kind text, state text, payload jsonb, provider text, priority smallint, attempts integer,
  max_attempts integer, run_at timestamptz, last_error text, request_id text, created_at timestamptz, ended_at timestamptz
)
language plpgsql stable security definer set search_path = ''
as $$
begin
  perform private.require_permission('jobs.manage');

  return query
    select * from (
      select j.id, j.kind,
        case
          when j.lease is not null and j.run_at > now() then 'running'
          when j.run_at > now() and j.attempts > 0 then 'retrying'
          when j.run_at > now() then 'scheduled'
          else 'queued'
        end as state,
        j.payload, j.provider, j.priority, j.attempts, j.max_attempts, j.run_at, j.last_error, j.request_id,
        j.created_at, null::timestamptz
      from private.jobs j
      union all
      select d.id, d.kind, 'dead', d.payload, d.provider, d.priority, d.attempts, d.max_attempts, null,
        d.last_error, d.request_id, d.created_at, d.died_at
      from private.jobs_dead d
      union all
      select a.id, a.kind, a.outcome, a.payload, a.provider, 0::smallint, a.attempts, null, null,
        null, a.request_id, a.created_at, a.finished_at
      from private.jobs_archive a
    ) all_jobs
    where (p_state is null or all_jobs.state = p_state)
      and (p_kind is null or all_jobs.kind = p_kind)
      and (p_before is null or all_jobs.id < p_before)
    order by all_jobs.id desc
    limit least(greatest(coalesce(p_limit, 50), 1), 200);
end
$$;

create function public.jobs_list(
  p_state text default null,
  p_kind text default null,
  p_limit integer default 50,
  p_before uuid default null
) returns table (
  id uuid, kind text, state text, payload jsonb, provider text, priority smallint, attempts integer,
  max_attempts integer, run_at timestamptz, last_error text, request_id text, created_at timestamptz, ended_at timestamptz
)
language sql stable security invoker set search_path = ''
as $$
  select * from private.list_jobs(p_state, p_kind, p_limit, p_before)
$$;

create function private.queue_health() returns table (
  due integer, oldest_due_seconds integer, running integer, waiting integer, dead integer, is_draining boolean
)
language plpgsql stable security definer set search_path = ''
as $$
begin
  return query
    select
      (select count(*)::integer from (
        select from private.jobs j where j.run_at <= now() limit 10001
      ) d),
      (select coalesce(max(extract(epoch from now() - first.run_at)), 0)::integer
        from private.job_providers p
        cross join (values (1), (0), (-1)) as c (priority)
        cross join lateral (
          select j.run_at from private.jobs j
          where j.provider = p.name and j.priority = c.priority and j.run_at <= now()
          order by j.run_at limit 1
        ) first),
      (select count(*)::integer from private.jobs j where j.lease is not null and j.run_at > now()),
      (select count(*)::integer from (
        select from private.jobs j where j.lease is null and j.run_at > now() limit 10001
      ) w),
      (select count(*)::integer from (select from private.jobs_dead limit 10001) x),
      private.drainer_is_live();
end
$$;

create function private.jobs_summary() returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
begin
  perform private.require_permission('jobs.manage');
  return (select to_jsonb(h) from private.queue_health() h);
end
$$;

create function public.jobs_stats() returns jsonb
language sql stable security invoker set search_path = ''
as $$
  select private.jobs_summary()
$$;

create function private.retry_job(p_id uuid) returns uuid
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_is_running boolean;
begin
  perform private.require_permission('jobs.manage');

  select j.lease is not null and j.run_at > now() into v_is_running
  from private.jobs j where j.id = p_id for update;

  if v_is_running then
    perform private.fail('job_is_running');
  elsif found then
    update private.jobs set run_at = now() where id = p_id;
    perform private.kick_worker();
    return p_id;
  end if;

  with risen as (
    delete from private.jobs_dead where id = p_id returning *
  )
  insert into private.jobs (id, kind, payload, provider, priority, max_attempts, dedupe_key, last_error, request_id, created_at)
  select id, kind, payload, provider, priority, max_attempts, dedupe_key, last_error, request_id, created_at
  from risen;

  if not found then
    perform private.fail('job_not_found', p_id::text);
  end if;

  return p_id;
exception when unique_violation then
  perform private.fail('job_is_queued_again', p_id::text);
  return null;
end
$$;

create function public.job_retry(p_id uuid) returns uuid
language sql volatile security invoker set search_path = ''
as $$
  select private.retry_job(p_id)
$$;

create function private.cancel_job_by_admin(p_id uuid) returns uuid
language plpgsql volatile security definer set search_path = ''
as $$
begin
  perform private.require_permission('jobs.manage');

  with gone as (
    delete from private.jobs where id = p_id
    returning id, kind, payload, provider, attempts, request_id, created_at
  ), buried as (
    delete from private.jobs_dead where id = p_id
    returning id, kind, payload, provider, attempts, request_id, created_at
  )
  insert into private.jobs_archive (id, kind, payload, provider, attempts, outcome, request_id, created_at)
  select id, kind, payload, provider, attempts, 'cancelled', request_id, created_at from gone
  union all
  select id, kind, payload, provider, attempts, 'cancelled', request_id, created_at from buried;

  if not found then
    perform private.fail('job_not_found', p_id::text);
  end if;

  return p_id;
end
$$;

create function public.job_cancel(p_id uuid) returns uuid
language sql volatile security invoker set search_path = ''
as $$
  select private.cancel_job_by_admin(p_id)
$$;

-- Grants

revoke all on function
  private.list_jobs(text, text, integer, uuid),
  private.queue_health(),
  private.jobs_summary(),
  private.retry_job(uuid),
  private.cancel_job_by_admin(uuid)
  from public, anon, authenticated, service_role;

grant execute on function private.queue_health() to service_role;

grant execute on function
  private.list_jobs(text, text, integer, uuid),
  private.jobs_summary(),
  private.retry_job(uuid),
  private.cancel_job_by_admin(uuid)
  to authenticated;

revoke all on function
  public.jobs_list(text, text, integer, uuid),
  public.jobs_stats(),
  public.job_retry(uuid),
  public.job_cancel(uuid)
  from public, anon, authenticated, service_role;

grant execute on function
  public.jobs_list(text, text, integer, uuid),
  public.jobs_stats(),
  public.job_retry(uuid),
  public.job_cancel(uuid)
  to authenticated;

-- Comments

comment on function private.list_jobs(text, text, integer, uuid) is 'Body of jobs_list.';

comment on function private.jobs_summary() is 'Body of jobs_stats.';

comment on function private.queue_health() is 'Depth and age of the queue, counts capped at 10,001.';

comment on function private.retry_job(uuid) is 'Body of job_retry.';

comment on function private.cancel_job_by_admin(uuid) is 'Body of job_cancel.';

comment on function public.jobs_list(text, text, integer, uuid) is
  'Jobs, newest first: queued, scheduled, retrying, running, done, cancelled, dead. Needs jobs.manage.';

comment on function public.jobs_stats() is 'Depth and age of the queue. Needs jobs.manage.';

comment on function public.job_retry(uuid) is 'Runs a dead or waiting job now, a dead one with all its attempts. Needs jobs.manage.';

comment on function public.job_cancel(uuid) is
  'Takes a job out of the queue. One that runs is not stopped, but its result is refused. Needs jobs.manage.';

-- This module's errors

insert into public.error_codes (code, sqlstate, message, hint) values
  ('job_not_found', 'PT404', 'There is no such job.', 'It may have finished: finished jobs are kept for 14 days.'),
  ('job_is_running', 'PT409', 'The job is being worked on.', 'Wait for its lease to end, or cancel it.'),
  ('job_is_queued_again', 'PT409', 'A newer job for the same thing is already queued.', null);

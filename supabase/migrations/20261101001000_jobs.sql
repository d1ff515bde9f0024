-- Background work: a transactional queue that neither loses a job nor lets a late worker acknowledge
-- one that has passed to another.
--
-- A job is enqueued in the transaction that needs it. `run_at` is also the visibility timeout: a claim
-- moves it to the end of the lease, so the job of a worker that died becomes due again by itself and
-- no reaper is needed. Every acknowledgement names the lease it was given; no row means that the lease
-- was lost and the work must be discarded. Only the database's clock decides.
--
-- How a worker is called, and that one drains at a time, is in the module worker; what is enqueued by
-- the clock in schedules; how administrators look at the queue and act on it in job_admin.

-- Tables

create table private.job_providers (
  name text primary key,
  rate_per_second numeric,
  burst integer not null default 1,
  tokens double precision not null default 1,
  refilled_at timestamptz not null default now(),
  paused_until timestamptz,
  constraint rate_is_positive check (rate_per_second > 0),
  constraint burst_is_positive check (burst > 0)
);

insert into private.job_providers (name, rate_per_second, burst, tokens) values
  ('none', null, 1, 1),
  ('meta', 20, 40, 40),
  ('whatsapp', 40, 80, 80),
  ('sendgrid', 50, 100, 100),
  ('twilio', 10, 20, 20),
  ('razorpay', 10, 20, 20),
  ('stripe', 20, 40, 40),
  ('google', 5, 10, 10);

create table private.jobs (
  id uuid primary key default private.uuid_v7(),
  kind text not null,
  payload jsonb not null default '{}',
  provider text not null default 'none',
  priority smallint not null default 0,
  run_at timestamptz not null default now(),
  attempts integer not null default 0,
  max_attempts integer not null default 20,
  lease uuid,
  dedupe_key text,
  last_error text,
  request_id text,
  created_at timestamptz not null default now(),
  constraint jobs_provider_is_known foreign key (provider) references private.job_providers (name)
    on update cascade on delete restrict,
  constraint kind_is_dotted_name check (kind ~ '^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$'),
  constraint payload_is_object check (jsonb_typeof(payload) = 'object'),
  constraint priority_is_a_class check (priority in (-1, 0, 1)),
  constraint attempts_are_counted check (attempts >= 0),
  constraint max_attempts_is_positive check (max_attempts > 0)
)
with (
  fillfactor = 70,
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 5000,
  autovacuum_vacuum_cost_delay = 0,
  autovacuum_analyze_scale_factor = 0,
  autovacuum_analyze_threshold = 5000
);

create table private.jobs_archive (
  id uuid primary key,
  kind text not null,
  payload jsonb not null,
  provider text not null,
  attempts integer not null,
  outcome text not null,
  request_id text,
  created_at timestamptz not null,
  finished_at timestamptz not null default now(),
  constraint outcome_is_known check (outcome in ('done', 'cancelled'))
)
with (autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 50000);

create table private.jobs_dead (
  id uuid primary key,
  kind text not null,
  payload jsonb not null,
  provider text not null,
  priority smallint not null,
  attempts integer not null,
  max_attempts integer not null,
  dedupe_key text,
  last_error text,
  request_id text,
  created_at timestamptz not null,
  died_at timestamptz not null default now()
);

-- Indexes

-- The only index a claim reads: each provider and priority class is one ordered range, so a backlog
-- of one never makes the claim of another walk past it.
create index jobs_claim_order on private.jobs (provider, priority, run_at);

create unique index jobs_are_unique_by_dedupe_key on private.jobs (kind, dedupe_key)
  where dedupe_key is not null;

create index jobs_archive_finished on private.jobs_archive using brin (finished_at);

create index jobs_dead_newest on private.jobs_dead (died_at desc, id desc);

-- Nothing here is reachable through the API: functions, here and in job_admin, are the only way in.

alter table private.job_providers enable row level security;

alter table private.jobs enable row level security;

alter table private.jobs_archive enable row level security;

alter table private.jobs_dead enable row level security;

revoke all on private.job_providers, private.jobs, private.jobs_archive, private.jobs_dead
  from public, anon, authenticated, service_role;

-- Enqueue

create function private.enqueue(
  p_kind text,
  p_payload jsonb default '{}',
  p_run_at timestamptz default now(),
  p_dedupe_key text default null,
  p_priority smallint default 0::smallint,
  p_provider text default null,
  p_max_attempts integer default 20
) returns uuid
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_id uuid;
begin
  loop
    insert into private.jobs (kind, payload, run_at, dedupe_key, priority, provider, max_attempts, request_id)
    values (
      p_kind,
      coalesce(p_payload, '{}'),
      coalesce(p_run_at, now()),
      p_dedupe_key,
      sign(coalesce(p_priority, 0)::integer)::smallint,
      coalesce(p_provider, 'none'),
      coalesce(p_max_attempts, 20),
      private.request_id()
    )
    on conflict (kind, dedupe_key) where dedupe_key is not null do nothing
    returning id into v_id;

    exit when v_id is not null;

    select j.id into v_id
    from private.jobs j
    where j.kind = p_kind and j.dedupe_key = p_dedupe_key;

    -- Finished between the two statements: there is room again.
    exit when v_id is not null;
  end loop;

  return v_id;
end
$$;

-- Claim

create function private.bury_jobs(p_ids uuid[], p_error text) returns integer
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_count integer;
begin
  with gone as (
    delete from private.jobs where id = any (p_ids) returning *
  )
  insert into private.jobs_dead
    (id, kind, payload, provider, priority, attempts, max_attempts, dedupe_key, last_error, request_id, created_at)
  select id, kind, payload, provider, priority, attempts, max_attempts, dedupe_key,
    left(coalesce(p_error, last_error), 2000), request_id, created_at
  from gone
  on conflict (id) do update set
    attempts = excluded.attempts,
    last_error = excluded.last_error,
    died_at = now();

  get diagnostics v_count = row_count;
  return v_count;
end
$$;

create function private.claim_jobs(
  p_limit integer default 10,
  p_lease interval default interval '60 seconds',
  p_kinds text[] default null
) returns table (
  id uuid,
  kind text,
  payload jsonb,
  provider text,
  attempts integer,
  max_attempts integer,
  lease uuid,
  leased_until timestamptz,
  request_id text
)
language plpgsql volatile security definer set search_path = ''
-- One plan for good: ordered ranges of jobs_claim_order. A planner that is free to choose looks at
-- statistics that are always old here, and at each claim anew: it costs a third, or a seq scan.
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
#variable_conflict use_column
declare
  v_lanes text[];
  v_caps integer[];
  v_limited text[];
  v_ids uuid[];
  v_spent uuid[];
  v_limit integer := greatest(least(p_limit, 1000), 0);
begin
  -- A provider's lane is open while it is not paused and its bucket holds a whole token. Bucket rows
  -- are locked only where work waits, and skipped when another claim holds them: claims never queue.
  with buckets as (
    select p.name,
      floor(least(p.burst,
        p.tokens + greatest(extract(epoch from now() - p.refilled_at), 0) * p.rate_per_second))::integer as cap
    from private.job_providers p
    where p.rate_per_second is not null
      and coalesce(p.paused_until, '-infinity') <= now()
      and exists (
        select from private.jobs j
        where j.provider = p.name and j.priority in (1, 0, -1) and j.run_at <= now()
      )
    for update of p skip locked
  ), open_lanes as (
    select b.name, b.cap from buckets b where b.cap >= 1
    union all
    select p.name, null
    from private.job_providers p
    where p.rate_per_second is null and coalesce(p.paused_until, '-infinity') <= now()
  ), shuffled as (
    select l.name, l.cap, row_number() over (order by random()) as turn from open_lanes l
  ), classes (priority) as (
    values (1), (0), (-1)
  )
  select array_agg(s.name order by c.priority desc, s.turn),
    array_agg(s.cap order by c.priority desc, s.turn),
    coalesce(array_agg(s.name) filter (where s.cap is not null and c.priority = 0), '{}')
  into v_lanes, v_caps, v_limited
  from shuffled s cross join classes c;

  if v_lanes is null then
    return;
  end if;

  select array_agg(q.id) filter (where not q.is_spent),
    array_agg(q.id) filter (where q.is_spent)
  into v_ids, v_spent
  from (
    select p.id, p.is_spent, p.cap, row_number() over (partition by p.provider order by p.turn) as nth
    from (
      select j.id, j.is_spent, l.provider, l.cap, l.turn
      from unnest(v_lanes, v_caps) with ordinality as l (provider, cap, turn)
      cross join lateral (
        select w.id, w.attempts >= w.max_attempts as is_spent
        from private.jobs w
        where w.provider = l.provider
          and w.priority = 1 - (l.turn - 1) / (cardinality(v_lanes) / 3)
          and w.run_at <= now()
          and (p_kinds is null or w.kind = any (p_kinds))
        order by w.run_at
        limit least(v_limit, l.cap)
        for update skip locked
      ) j
      limit v_limit
    ) p
  ) q
  where q.cap is null or q.nth <= q.cap;

  if v_spent is not null then
    perform private.bury_jobs(v_spent, null);
  end if;

  if v_ids is null then
    return;
  end if;

  if v_limited <> '{}' then
    update private.job_providers p
    set tokens = least(p.burst,
          p.tokens + greatest(extract(epoch from now() - p.refilled_at), 0) * p.rate_per_second) - u.used,
      refilled_at = greatest(p.refilled_at, now())
    from (
      select j.provider, count(*) as used from private.jobs j where j.id = any (v_ids) group by j.provider
    ) u
    where p.name = u.provider and p.name = any (v_limited);
  end if;

  return query
    update private.jobs j
    set lease = gen_random_uuid(), attempts = j.attempts + 1, run_at = now() + p_lease
    where j.id = any (v_ids)
    returning j.id, j.kind, j.payload, j.provider, j.attempts, j.max_attempts, j.lease, j.run_at, j.request_id;
end
$$;

-- Acknowledge: each needs the job and the lease it was claimed with

create function private.complete_job(p_id uuid, p_lease uuid) returns boolean
language plpgsql volatile security definer set search_path = ''
as $$
begin
  with done as (
    delete from private.jobs where id = p_id and lease = p_lease returning *
  )
  insert into private.jobs_archive (id, kind, payload, provider, attempts, outcome, request_id, created_at)
  select id, kind, payload, provider, attempts, 'done', request_id, created_at from done;

  return found;
end
$$;

create function private.complete_jobs(p_ids uuid[], p_leases uuid[]) returns integer
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_count integer;
begin
  with done as (
    delete from private.jobs j
    using unnest(p_ids, p_leases) as held (id, lease)
    where j.id = held.id and j.lease = held.lease
    returning j.*
  )
  insert into private.jobs_archive (id, kind, payload, provider, attempts, outcome, request_id, created_at)
  select id, kind, payload, provider, attempts, 'done', request_id, created_at from done;

  get diagnostics v_count = row_count;
  return v_count;
end
$$;

create function private.job_backoff(
  p_attempts integer,
  p_base interval default interval '5 seconds',
  p_cap interval default interval '1 hour'
) returns interval
language sql volatile set search_path = ''
as $$
  select random() * least(p_cap, p_base * power(2, least(greatest(p_attempts - 1, 0), 20)))
$$;

create function private.fail_job(
  p_id uuid,
  p_lease uuid,
  p_error text,
  p_retry_after interval default null,
  p_is_permanent boolean default false,
  p_pause_provider boolean default false
) returns text
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_job private.jobs;
begin
  select * into v_job from private.jobs where id = p_id and lease = p_lease for update;

  if not found then
    return 'lost';
  end if;

  if p_pause_provider and p_retry_after is not null and v_job.provider <> 'none' and not p_is_permanent then
    update private.job_providers
    set paused_until = greatest(paused_until, now() + least(p_retry_after, interval '1 hour'))
    where name = v_job.provider;

    -- The service is not to be had, which is no fault of this job: the attempt is given back.
    update private.jobs
    set lease = null,
      attempts = greatest(attempts - 1, 0),
      last_error = left(p_error, 2000),
      run_at = now() + least(p_retry_after, interval '1 hour') + random() * interval '5 seconds'
    where id = p_id;

    return 'retry';
  end if;

  if p_is_permanent or v_job.attempts >= v_job.max_attempts then
    perform private.bury_jobs(array[p_id], p_error);
    return 'dead';
  end if;

  update private.jobs
  set lease = null,
    last_error = left(p_error, 2000),
    run_at = now() + greatest(
      private.job_backoff(v_job.attempts),
      -- least() would ignore the null of a failure that names no time.
      case when p_retry_after is not null then least(p_retry_after, interval '1 day') end
    )
  where id = p_id;

  return 'retry';
end
$$;

create function private.extend_job(p_id uuid, p_lease uuid, p_for interval default interval '60 seconds')
returns boolean
language plpgsql volatile security definer set search_path = ''
as $$
begin
  update private.jobs set run_at = now() + p_for where id = p_id and lease = p_lease;
  return found;
end
$$;

create function private.snooze_job(p_id uuid, p_lease uuid, p_for interval default interval '0')
returns boolean
language plpgsql volatile security definer set search_path = ''
as $$
begin
  update private.jobs
  set run_at = now() + p_for, attempts = greatest(attempts - 1, 0), lease = null
  where id = p_id and lease = p_lease;

  return found;
end
$$;

create function private.cancel_job(p_id uuid, p_lease uuid) returns boolean
language plpgsql volatile security definer set search_path = ''
as $$
begin
  with gone as (
    delete from private.jobs where id = p_id and lease = p_lease returning *
  )
  insert into private.jobs_archive (id, kind, payload, provider, attempts, outcome, request_id, created_at)
  select id, kind, payload, provider, attempts, 'cancelled', request_id, created_at from gone;

  return found;
end
$$;

create function private.jobs_prune(p_keep interval default interval '14 days') returns integer
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_count integer;
begin
  delete from private.jobs_archive
  where id = any (array(
    select a.id from private.jobs_archive a where a.finished_at < now() - p_keep limit 20000
  ));

  get diagnostics v_count = row_count;
  return v_count;
end
$$;

revoke all on function
  private.enqueue(text, jsonb, timestamptz, text, smallint, text, integer),
  private.bury_jobs(uuid[], text),
  private.claim_jobs(integer, interval, text[]),
  private.complete_job(uuid, uuid),
  private.complete_jobs(uuid[], uuid[]),
  private.job_backoff(integer, interval, interval),
  private.fail_job(uuid, uuid, text, interval, boolean, boolean),
  private.extend_job(uuid, uuid, interval),
  private.snooze_job(uuid, uuid, interval),
  private.cancel_job(uuid, uuid),
  private.jobs_prune(interval)
  from public, anon, authenticated, service_role;

grant execute on function
  private.enqueue(text, jsonb, timestamptz, text, smallint, text, integer),
  private.claim_jobs(integer, interval, text[]),
  private.complete_job(uuid, uuid),
  private.complete_jobs(uuid[], uuid[]),
  private.fail_job(uuid, uuid, text, interval, boolean, boolean),
  private.extend_job(uuid, uuid, interval),
  private.snooze_job(uuid, uuid, interval),
  private.cancel_job(uuid, uuid),
  private.jobs_prune(interval)
  to service_role;

-- Comments

comment on table private.jobs is 'Work that waits or runs. A row leaves for jobs_archive when done and for jobs_dead when given up.';

comment on column private.jobs.run_at is 'When the job is due; while leased, when the lease ends.';

comment on column private.jobs.lease is 'Fencing token of the latest claim. Acknowledgements with an older one change nothing.';

comment on column private.jobs.payload is 'Ids, not copies of personal data: payloads outlive the rows they are about.';

comment on column private.jobs.priority is '1 before 0 before -1.';

comment on column private.jobs.dedupe_key is 'At most one live job per kind and key.';

comment on table private.jobs_archive is 'Finished and cancelled jobs, kept 14 days.';

comment on table private.jobs_dead is 'Dead letters: out of attempts, or failed for good. Retried or cancelled by an administrator.';

comment on table private.job_providers is 'One token bucket per outside service; a null rate is unlimited. Claims take the tokens.';

comment on column private.job_providers.paused_until is 'Set when the service asked to be left alone (Retry-After).';

comment on function private.enqueue(text, jsonb, timestamptz, text, smallint, text, integer) is
  'Adds a job in the caller''s transaction; with a dedupe key, returns the live job that is already there.';

comment on function private.claim_jobs(integer, interval, text[]) is
  'Leases due jobs, urgent first, within each provider''s token bucket. Jobs out of attempts die here without running.';

comment on function private.bury_jobs(uuid[], text) is 'Moves jobs to the dead letters.';

comment on function private.complete_job(uuid, uuid) is 'Archives a finished job. False: the lease was lost, discard the work.';

comment on function private.complete_jobs(uuid[], uuid[]) is 'Archives finished jobs; returns how many leases still held.';

comment on function private.job_backoff(integer, interval, interval) is 'Exponential backoff with full jitter.';

comment on function private.fail_job(uuid, uuid, text, interval, boolean, boolean) is
  'retry, dead or lost. A Retry-After is honoured; one that pauses the provider spends no attempt; a permanent error goes straight to the dead letters.';

comment on function private.extend_job(uuid, uuid, interval) is 'Heartbeat. False: the lease was lost.';

comment on function private.snooze_job(uuid, uuid, interval) is 'Hands a job back without spending an attempt.';

comment on function private.cancel_job(uuid, uuid) is 'For a handler that finds its job pointless.';

comment on function private.jobs_prune(interval) is 'Deletes old archived jobs, at most 20,000 at a time.';

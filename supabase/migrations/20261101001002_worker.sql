-- Worker: how the function that drains the queue is called, and that one of them drains at a time.
--
-- Work that is enqueued calls it at once, and so does private.tick(), which pg_cron runs every minute.
-- pg_net is a hint and nothing more: its queue is lost in a crash, and the next tick then does what the
-- lost request would have done.

-- Tables

create table private.job_drainer (
  is_only boolean primary key default true,
  lease uuid,
  lease_until timestamptz,
  constraint one_drainer check (is_only)
);

comment on table private.job_drainer is 'Lease of the one worker that drains the queue.';

insert into private.job_drainer default values;

-- Apart from the drainer's row, so that a long transaction that kicked never holds up the drainer.
create table private.job_kick (
  is_only boolean primary key default true,
  kicked_at timestamptz not null default '-infinity',
  constraint one_kick check (is_only)
);

comment on table private.job_kick is 'When the worker was last called, to call it at most every five seconds.';

insert into private.job_kick default values;

alter table private.job_drainer enable row level security;

alter table private.job_kick enable row level security;

-- Functions

create function private.jobs_due(p_within interval default interval '0') returns boolean
language plpgsql stable security definer set search_path = ''
as $$
begin
  return exists (
    select from private.job_providers p
    where coalesce(p.paused_until, '-infinity') <= now() + p_within
      and exists (
        select from private.jobs j
        where j.provider = p.name and j.priority in (1, 0, -1) and j.run_at <= now() + p_within
      )
  );
end
$$;

comment on function private.jobs_due(interval) is 'Whether a job is due, or will be within that time, at a provider that is not paused.';

create function private.drainer_is_live() returns boolean
language plpgsql stable security definer set search_path = ''
as $$
begin
  return exists (select from private.job_drainer where lease is not null and lease_until > now());
end
$$;

comment on function private.drainer_is_live() is 'Whether some worker drains right now.';

create function private.kick_worker(p_is_tick boolean default false) returns boolean
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_url text;
  v_secret text;
begin
  -- One kick in five seconds is enough, and a writer never waits for another's kick.
  update private.job_kick
  set kicked_at = clock_timestamp()
  where is_only = any (array(
    select k.is_only from private.job_kick k
    where k.kicked_at < clock_timestamp() - interval '5 seconds'
    for update skip locked
  ));

  if not found and (
    not p_is_tick
    or (select kicked_at from private.job_kick) > clock_timestamp() - interval '5 seconds'
  ) then
    return false;
  end if;

  if to_regclass('vault.decrypted_secrets') is null then
    return false;
  end if;

  execute $vault$
    select max(decrypted_secret) filter (where name = 'functions_url'),
      max(decrypted_secret) filter (where name = 'worker_secret')
    from vault.decrypted_secrets
    where name in ('functions_url', 'worker_secret')
  $vault$ into v_url, v_secret;

  if coalesce(v_url, '') = '' or coalesce(v_secret, '') = '' then
    return false;
  end if;

  -- A narrow secret of its own: the tables of pg_net keep request headers.
  perform net.http_post(
    url => rtrim(v_url, '/') || '/worker',
    body => '{}'::jsonb,
    headers => jsonb_build_object('content-type', 'application/json', 'x-worker-secret', v_secret)
  );

  return true;
exception when others then
  -- The business transaction must not fail because a hint could not be given.
  raise warning 'the worker was not kicked: %', sqlerrm;
  return false;
end
$$;

comment on function private.kick_worker(boolean) is
  'Posts to the worker function, at most every five seconds. Without the two Vault secrets it does nothing.';

create function private.drainer_acquire(p_for interval default interval '30 seconds') returns uuid
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_lease uuid;
begin
  update private.job_drainer
  set lease = gen_random_uuid(), lease_until = now() + p_for
  where lease is null or lease_until <= now()
  returning lease into v_lease;

  return v_lease;
end
$$;

comment on function private.drainer_acquire(interval) is 'The drainer''s lease, or null while another holds it.';

create function private.drainer_renew(p_lease uuid, p_for interval default interval '30 seconds')
returns boolean
language plpgsql volatile security definer set search_path = ''
as $$
begin
  update private.job_drainer set lease_until = now() + p_for where lease = p_lease;
  return found;
end
$$;

comment on function private.drainer_renew(uuid, interval) is 'False: the drainer''s lease was lost, stop.';

create function private.drainer_release(p_lease uuid) returns boolean
language plpgsql volatile security definer set search_path = ''
as $$
begin
  update private.job_drainer set lease = null, lease_until = null where lease = p_lease;

  if not found then
    return false;
  end if;

  -- The kick that brought this drainer is spent: the next job may kick again at once.
  update private.job_kick set kicked_at = '-infinity'
  where is_only = any (array(select k.is_only from private.job_kick k for update skip locked));

  if private.jobs_due() then
    perform private.kick_worker();
  end if;

  return true;
end
$$;

comment on function private.drainer_release(uuid) is 'Ends draining, and calls the worker again if work is left.';

-- Triggers

create function private.kick_on_enqueue() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
begin
  if exists (select from new_jobs where run_at <= now()) and not private.drainer_is_live() then
    perform private.kick_worker();
  end if;

  return null;
end
$$;

comment on function private.kick_on_enqueue() is 'Calls the worker when work arrives and none drains.';

create trigger kick_worker
  after insert on private.jobs
  referencing new table as new_jobs
  for each statement execute function private.kick_on_enqueue();

-- Grants

revoke all on private.job_drainer, private.job_kick from public, anon, authenticated, service_role;

revoke all on function
  private.drainer_acquire(interval),
  private.drainer_renew(uuid, interval),
  private.drainer_release(uuid),
  private.drainer_is_live(),
  private.jobs_due(interval),
  private.kick_worker(boolean),
  private.kick_on_enqueue()
  from public, anon, authenticated, service_role;

grant execute on function
  private.drainer_acquire(interval),
  private.drainer_renew(uuid, interval),
  private.drainer_release(uuid),
  private.jobs_due(interval)
  to service_role;

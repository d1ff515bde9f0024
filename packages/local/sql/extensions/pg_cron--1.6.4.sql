-- Stand-in for pg_cron: the same tables and functions; the local stack plays the background worker.

create schema cron;

create sequence cron.jobid_seq;

create sequence cron.runid_seq;

create table cron.job (
  jobid bigint primary key default nextval('cron.jobid_seq'),
  schedule text not null,
  command text not null,
  nodename text not null default 'localhost',
  nodeport integer not null default inet_server_port(),
  database text not null default current_database(),
  username text not null default current_user,
  active boolean not null default true,
  jobname text,
  constraint jobname_username_uniq unique (jobname, username)
);

create table cron.job_run_details (
  jobid bigint,
  runid bigint primary key default nextval('cron.runid_seq'),
  job_pid integer,
  database text,
  username text,
  command text,
  status text,
  return_message text,
  start_time timestamptz,
  end_time timestamptz
);

alter table cron.job enable row level security;

alter table cron.job_run_details enable row level security;

create policy cron_job_policy on cron.job using (username = current_user);

create policy cron_job_run_details_policy on cron.job_run_details using (username = current_user);

-- The real functions are C and know who called them; here the invoker passes its name to a definer.
create function cron._save(
  p_caller text, p_jobname text, p_schedule text, p_command text, p_database text, p_username text,
  p_active boolean
) returns bigint
language plpgsql security definer set search_path = ''
as $$
declare
  v_jobid bigint;
begin
  if not pg_catalog.pg_has_role(session_user, p_caller, 'member')
    or (p_username <> p_caller and not pg_catalog.pg_has_role(p_caller, 'pg_write_all_data', 'usage')) then
    raise exception 'must be superuser to create a job for another role' using errcode = '42501';
  end if;
  perform cron._check_schedule(p_schedule);
  insert into cron.job (jobname, schedule, command, database, username, active)
  values (p_jobname, p_schedule, p_command, p_database, p_username, p_active)
  on conflict on constraint jobname_username_uniq do update
    set schedule = excluded.schedule, command = excluded.command, database = excluded.database,
        active = excluded.active
  returning jobid into v_jobid;
  notify pg_cron_changed;
  return v_jobid;
end;
$$;

create function cron._check_schedule(p_schedule text) returns void
language plpgsql immutable set search_path = ''
as $$
declare
  v_fields text[] := pg_catalog.regexp_split_to_array(pg_catalog.btrim(p_schedule), '\s+');
begin
  if p_schedule ~* '^\s*([1-9]|[1-5][0-9])\s+seconds?\s*$' or p_schedule ~* '^@(yearly|annually|monthly|weekly|daily|midnight|hourly)$' then
    return;
  end if;
  if pg_catalog.cardinality(v_fields) <> 5
    or exists (select 1 from pg_catalog.unnest(v_fields) f where f !~* '^[0-9a-z*/,$-]+$') then
    raise exception 'invalid schedule: %', p_schedule
      using errcode = '22023', hint = 'Use cron format (e.g. 5 4 * * *), or interval format ''[1-59] seconds''';
  end if;
end;
$$;

create function cron.schedule(schedule text, command text) returns bigint
language sql
as $$
  select cron._save(current_user, null, schedule, command, current_database(), current_user, true)
$$;

create function cron.schedule(job_name text, schedule text, command text) returns bigint
language sql
as $$
  select cron._save(current_user, job_name, schedule, command, current_database(), current_user, true)
$$;

create function cron.schedule_in_database(
  job_name text, schedule text, command text, database text, username text default null,
  active boolean default true
) returns bigint
language sql
as $$
  select cron._save(
    current_user, job_name, schedule, command, database, coalesce(username, current_user), active
  )
$$;

create function cron._remove(p_caller text, p_jobid bigint) returns boolean
language plpgsql security definer set search_path = ''
as $$
begin
  delete from cron.job
  where jobid = p_jobid and username = p_caller
    and pg_catalog.pg_has_role(session_user, p_caller, 'member');
  if not found then
    raise exception 'could not find valid entry for job ''%''', p_jobid using errcode = 'XX000';
  end if;
  notify pg_cron_changed;
  return true;
end;
$$;

create function cron.unschedule(job_id bigint) returns boolean
language sql
as $$
  select cron._remove(current_user, job_id)
$$;

create function cron.unschedule(job_name text) returns boolean
language plpgsql
as $$
declare
  v_jobid bigint := (select jobid from cron.job where jobname = job_name and username = current_user);
begin
  if v_jobid is null then
    raise exception 'could not find valid entry for job ''%''', job_name using errcode = 'XX000';
  end if;
  return cron._remove(current_user, v_jobid);
end;
$$;

create function cron._alter(
  p_caller text, p_jobid bigint, p_schedule text, p_command text, p_database text, p_username text,
  p_active boolean
) returns void
language plpgsql security definer set search_path = ''
as $$
begin
  if p_schedule is not null then
    perform cron._check_schedule(p_schedule);
  end if;
  update cron.job set
    schedule = coalesce(p_schedule, schedule),
    command = coalesce(p_command, command),
    database = coalesce(p_database, database),
    username = coalesce(p_username, username),
    active = coalesce(p_active, active)
  where jobid = p_jobid and username = p_caller
    and pg_catalog.pg_has_role(session_user, p_caller, 'member')
    and coalesce(p_username, p_caller) = p_caller;
  if not found then
    raise exception 'Job % does not exist or you don''t own it', p_jobid using errcode = '42501';
  end if;
  notify pg_cron_changed;
end;
$$;

create function cron.alter_job(
  job_id bigint, schedule text default null, command text default null, database text default null,
  username text default null, active boolean default null
) returns void
language sql
as $$
  select cron._alter(current_user, job_id, schedule, command, database, username, active)
$$;

grant usage on schema cron to postgres with grant option;

grant select on cron.job to postgres with grant option;

grant select, delete on cron.job_run_details to postgres with grant option;

select pg_catalog.pg_extension_config_dump('cron.job', '');

select pg_catalog.pg_extension_config_dump('cron.jobid_seq', '');

select pg_catalog.pg_extension_config_dump('cron.runid_seq', '');

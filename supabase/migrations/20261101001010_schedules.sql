-- Schedules: what is to be done again and again, by cron expression or by interval.
--
-- pg_cron calls private.tick() every minute. It enqueues every schedule whose slot has come, once per slot
-- whoever else ticks, makes up once for minutes that were missed, and calls the worker if work waits.

-- Tables

create table private.job_schedules (
  name text primary key,
  cron text,
  every interval,
  time_zone text not null default 'UTC',
  kind text not null,
  payload jsonb not null default '{}',
  provider text not null default 'none',
  priority smallint not null default 0,
  is_enabled boolean not null default true,
  checked_until timestamptz not null default date_trunc('minute', now()),
  last_run timestamptz,
  last_slot timestamp,
  last_error text,
  constraint schedules_provider_is_known foreign key (provider) references private.job_providers (name)
    on update cascade on delete restrict,
  constraint schedule_is_cron_or_interval check (num_nonnulls(cron, every) = 1),
  constraint interval_is_a_minute_or_more check (every >= interval '1 minute')
);

-- Nothing here is reachable through the API

alter table private.job_schedules enable row level security;

revoke all on private.job_schedules from public, anon, authenticated, service_role;

-- Functions

create function private.cron_field_matches(p_field text, p_value integer, p_min integer, p_max integer)
returns boolean
language plpgsql immutable set search_path = ''
as $$
declare
  v_part text;
  v_match text[];
  v_from integer;
  v_to integer;
  v_step integer;
  v_is_match boolean := false;
begin
  foreach v_part in array string_to_array(p_field, ',') loop
    v_match := regexp_match(v_part, '^(?:(\*)|(\d{1,2})(?:-(\d{1,2}))?)(?:/(\d{1,2}))?$');

    if v_match is null then
      perform private.fail('invalid_schedule', format('"%s" is not a cron field', p_field));
    end if;

    v_step := coalesce(v_match[4]::integer, 1);
    v_from := case when v_match[1] = '*' then p_min else v_match[2]::integer end;
    v_to := case
      when v_match[1] = '*' then p_max
      when v_match[3] is not null then v_match[3]::integer
      when v_match[4] is not null then p_max
      else v_from
    end;

    if v_step = 0 or v_from < p_min or v_to > p_max or v_from > v_to then
      perform private.fail('invalid_schedule', format('"%s" is outside %s-%s', p_field, p_min, p_max));
    end if;

    v_is_match := v_is_match or (p_value between v_from and v_to and (p_value - v_from) % v_step = 0);
  end loop;

  return v_is_match;
end
$$;

create function private.cron_matches(p_cron text, p_at timestamp) returns boolean
language plpgsql immutable set search_path = ''
as $$
declare
  v_fields text[] := regexp_split_to_array(btrim(p_cron), '\s+');
  v_minute boolean;
  v_hour boolean;
  v_day boolean;
  v_month boolean;
  v_weekday boolean;
begin
  if cardinality(v_fields) <> 5 then
    perform private.fail('invalid_schedule', format('"%s" does not have five fields', p_cron));
  end if;

  -- Every field is evaluated so that a bad one is refused when it is written.
  v_minute := private.cron_field_matches(v_fields[1], extract(minute from p_at)::integer, 0, 59);
  v_hour := private.cron_field_matches(v_fields[2], extract(hour from p_at)::integer, 0, 23);
  v_day := private.cron_field_matches(v_fields[3], extract(day from p_at)::integer, 1, 31);
  v_month := private.cron_field_matches(v_fields[4], extract(month from p_at)::integer, 1, 12);
  v_weekday := private.cron_field_matches(v_fields[5], extract(dow from p_at)::integer, 0, 7)
    or (extract(dow from p_at) = 0 and private.cron_field_matches(v_fields[5], 7, 0, 7));

  -- As in cron: a day of the month and a day of the week, when both are named, are alternatives.
  return v_minute and v_hour and v_month and case
    when v_fields[3] like '*%' or v_fields[5] like '*%' then v_day and v_weekday
    else v_day or v_weekday
  end;
end
$$;

alter table private.job_schedules
  add constraint cron_is_readable check (cron is null or private.cron_matches(cron, timestamp '2026-01-01') is not null);

create function private.enqueue_due_schedules(p_now timestamptz default now()) returns integer
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_schedule private.job_schedules;
  v_slot timestamp;
  v_count integer := 0;
begin
  for v_schedule in
    select * from private.job_schedules where is_enabled order by name for update skip locked
  loop
    begin
      v_slot := null;

      if v_schedule.every is not null then
        v_slot := date_bin(v_schedule.every, p_now, timestamptz 'epoch') at time zone 'UTC';
      else
        -- The newest slot since the last look, so that a tick missed in an outage is made up once.
        -- A schedule bound to an hour is compared by wall clock: the hour that a change of clocks
        -- repeats must not run it twice.
        select max(case when split_part(v_schedule.cron, ' ', 2) like '*%' then m.at at time zone 'UTC' else m.wall end)
        into v_slot
        from (
          select g.at, g.at at time zone v_schedule.time_zone as wall
          from generate_series(
            greatest(v_schedule.checked_until + interval '1 minute', date_trunc('minute', p_now) - interval '26 hours'),
            p_now,
            interval '1 minute'
          ) as g (at)
        ) m
        where private.cron_matches(v_schedule.cron, m.wall);
      end if;

      if v_slot > coalesce(v_schedule.last_slot, '-infinity') then
        perform private.enqueue(
          v_schedule.kind,
          v_schedule.payload || jsonb_build_object('schedule', v_schedule.name),
          p_dedupe_key => v_schedule.name || ':' || to_char(v_slot, 'YYYY-MM-DD"T"HH24:MI'),
          p_priority => v_schedule.priority,
          p_provider => v_schedule.provider
        );
        v_count := v_count + 1;
      end if;

      update private.job_schedules
      set checked_until = greatest(checked_until, date_trunc('minute', p_now)),
        last_slot = greatest(last_slot, v_slot),
        last_run = case when v_slot > coalesce(v_schedule.last_slot, '-infinity') then p_now else last_run end,
        last_error = null
      where name = v_schedule.name;
    exception when others then
      -- One broken schedule must not stop the others.
      update private.job_schedules set last_error = left(sqlerrm, 500) where name = v_schedule.name;
    end;
  end loop;

  return v_count;
end
$$;

-- What this module does again and again

insert into private.job_schedules (name, cron, kind) values ('jobs.prune', '17 * * * *', 'jobs.prune');

create function private.tick() returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  v_enqueued integer := private.enqueue_due_schedules();
  v_is_kicked boolean := false;
begin
  if private.jobs_due() and not private.drainer_is_live() then
    v_is_kicked := private.kick_worker(p_is_tick => true);
  end if;

  return jsonb_build_object('enqueued', v_enqueued, 'kicked', v_is_kicked);
end
$$;

select cron.schedule('intake-tick', '* * * * *', 'select private.tick()');

select cron.schedule('intake-cron-history', '23 3 * * *',
  $$delete from cron.job_run_details where end_time < now() - interval '3 days'$$);

insert into public.error_codes (code, sqlstate, message, hint) values
  ('invalid_schedule', 'PT422', 'The schedule cannot be read.', 'Five cron fields: minute hour day month weekday.');

-- Grants

revoke all on function
  private.cron_field_matches(text, integer, integer, integer),
  private.cron_matches(text, timestamp),
  private.enqueue_due_schedules(timestamptz),
  private.tick()
  from public, anon, authenticated, service_role;

-- Comments

comment on table private.job_schedules is 'What tick() enqueues, by five-field cron expression or by interval.';

comment on column private.job_schedules.time_zone is 'Zone in which the cron expression is read.';

comment on column private.job_schedules.checked_until is 'Minute up to which the expression was evaluated.';

comment on column private.job_schedules.last_slot is 'Newest slot enqueued; an older or equal one never runs again.';

comment on function private.cron_field_matches(text, integer, integer, integer) is 'One cron field: *, lists, ranges, steps.';

comment on function private.cron_matches(text, timestamp) is 'Whether a five-field cron expression names this minute.';

comment on function private.enqueue_due_schedules(timestamptz) is 'Enqueues every schedule whose slot has come, once per slot.';

comment on function private.tick() is 'Called by pg_cron every minute: enqueues schedules and calls the worker if work waits.';

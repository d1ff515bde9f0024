-- Health: everybody learns whether it answers, administrators how it fares, nobody else more.
begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('admin') as admin, tests.create_user('manager', 'Healthy team') as manager;

grant select on people to public;

select tests.authenticate_as_anon();

select results_eq(
  'select k from jsonb_object_keys(public.health()) k order by k',
  $$values ('status'), ('time'), ('version')$$, 'the public check says status, time and version and no more');

select is(public.health() ->> 'status', 'ok', 'it is well');

select throws_ok('select public.admin_health()', '42501', null, 'details are not for everybody');

select throws_ok('select public.health_metrics()', '42501', null, 'nor is their history');

select throws_ok('select 1 from public.system_metrics', '42501', null, 'nor its table');

select tests.authenticate_as((select manager from people));

select throws_ok('select public.admin_health()', '42501', null, 'nor for managers');

select throws_ok('select public.health_metrics()', '42501', null, 'who see no history');

select is_empty('select 1 from public.system_metrics', 'and no measurement');

select tests.clear_authentication();

delete from public.system_metrics;

select lives_ok('select private.record_metrics()', 'measurements are taken');

insert into public.system_metrics (metric_type, recorded_at, value)
select 'connections', now() - make_interval(mins => m), 10 from generate_series(5, 1435, 5) m;

insert into public.system_metrics (metric_type, recorded_at, value) values ('connections', now() - interval '10 days', 99), ('connections', now() - interval '2 years', 1);

select tests.authenticate_as((select admin from people));

select set_eq(
  'select k from jsonb_object_keys(public.admin_health()) k',
  $$values ('status'), ('warnings'), ('time'), ('server'), ('database'), ('jobs'), ('cron'), ('inbox'), ('agents'), ('performance')$$,
  'an administrator sees server, database, jobs, schedules, inbox, agents and performance');

select ok((public.admin_health() -> 'database' ->> 'size_bytes')::bigint > 0, 'among them the size of the database');

select ok((public.admin_health() -> 'database' -> 'connections' ->> 'max')::integer > 0, 'its connections');

select is(public.admin_health() -> 'jobs' -> 'dead', '0', 'and its dead jobs');

select ok(
  exists (select from jsonb_array_elements(public.admin_health() -> 'cron') c where c ->> 'name' = 'intake-record-metrics'),
  'schedules are named');

select set_eq(
  $$select k from jsonb_object_keys(public.health_metrics() -> 'metrics') k$$,
  $$values ('database_bytes'), ('connections'), ('cache_hit_ratio'), ('jobs_due'), ('jobs_dead'), ('jobs_oldest_due_seconds'), ('inbox_unfinished'), ('agents_online')$$,
  'every kind of measurement has a series');

select ok(
  jsonb_array_length(public.health_metrics('connections', '24h') -> 'metrics' -> 'connections') between 200 and 289,
  'a series has no more points than a chart');

select results_eq(
  $$select jsonb_array_length(public.health_metrics('connections', r) -> 'metrics' -> 'connections') > 0,
    exists (select from jsonb_array_elements(public.health_metrics('connections', r) -> 'metrics' -> 'connections') p where p -> 'value' = '99')
    from unnest(array['7d', '30d']) r$$,
  $$values (true, false), (true, true)$$, 'a range holds what lies in it');

select throws_ok($$select public.health_metrics('connections', '1 year')$$, 'PT422', null, 'ranges are those of the documentation');

select throws_ok('insert into public.system_metrics (metric_type, value) values (''connections'', 1)', '42501', null, 'nobody invents a measurement');

select tests.clear_authentication();

-- A dead job and a failed schedule are told.

insert into private.jobs_dead (id, kind, payload, provider, priority, attempts, max_attempts, created_at)
values (gen_random_uuid(), 'test.broken', '{}', 'none', 0, 20, 20, now());

select tests.authenticate_as((select admin from people));

select is(public.admin_health() ->> 'status', 'degraded', 'a dead job degrades the status');

select ok(public.admin_health() -> 'warnings' ? 'jobs_are_dead', 'and is named');

select tests.clear_authentication();

select private.record_metrics();

select is_empty($$select 1 from public.system_metrics where recorded_at < now() - interval '31 days'$$, 'old measurements are forgotten');

select * from finish();

rollback;

-- Analytics: the figures against numbers worked out by hand, for each role, with days that begin when
-- they begin for the organisation.

begin;

select no_plan();

-- Only the leads of this file count.
update public.leads set deleted_at = now() where deleted_at is null;

update public.system_settings set value = '"Asia/Kolkata"' where key = 'organization.timezone';

create temp table people on commit drop as
select tests.create_user('admin') as admin, tests.create_user('manager', 'Analytics A') as manager, tests.create_user('counselor', 'Analytics A') as one,
  tests.create_user('counselor', 'Analytics A') as two, tests.create_user('counselor', 'Analytics B') as other, tests.create_user('admin', null, false) as inactive;

grant select on people to public;

-- Ten leads: 4 of one's, 3 of two's, 3 of the other's. Reached: 10 new, 8 contacted, 4 qualified, 3 proposal, 2 enrolled.
create temp table plan (name text, owner text, source text, value numeric, day timestamptz, reached text, ends text) on commit drop;

insert into plan values
  ('A1', 'one', 'Website', 1000, '2026-03-01 00:00+05:30', 'enrolled', 'enrolled'),
  ('A2', 'one', 'Website', 2000, '2026-03-01 23:59:59.999999+05:30', 'proposal', 'lost'),
  ('A3', 'one', 'Facebook Ad', 4000, '2026-03-02 00:00+05:30', 'contacted', 'contacted'),
  ('A4', 'one', 'Facebook Ad', 8000, '2026-03-03 12:00+05:30', 'new', 'new'),
  ('A5', 'two', 'Website', 16000, '2026-03-03 12:00+05:30', 'qualified', 'qualified'),
  ('A6', 'two', 'Walk-in', 32000, '2026-03-04 12:00+05:30', 'contacted', 'lost'),
  ('A7', 'two', 'Walk-in', 64000, '2026-03-04 12:00+05:30', 'contacted', 'closed'),
  ('A8', 'other', 'Website', 128000, '2026-02-28 23:59:59.999999+05:30', 'enrolled', 'closed'),
  ('A9', 'other', 'Walk-in', 256000, '2026-03-05 12:00+05:30', 'contacted', 'contacted'),
  ('A10', 'other', 'Walk-in', 512000, '2026-03-05 12:00+05:30', 'new', 'new'),
  ('Deleted', 'one', 'Website', 1024000, '2026-03-03 12:00+05:30', 'new', 'new');

insert into public.leads (name, assigned_to, source, value, created_at)
select p.name, case p.owner when 'one' then one when 'two' then two else other end, p.source, p.value, p.day from plan p, people;

update public.leads l set status = p.reached from plan p where p.name = l.name;

update public.leads l set status = p.ends from plan p where p.name = l.name and p.ends <> p.reached;

update public.leads set deleted_at = now() where name = 'Deleted';

create function pg_temp.funnel(p_call text default '') returns text language plpgsql as $$
declare
  answer text;
begin
  execute format('select string_agg(concat_ws('' '', stage, count, percentage, drop_off_rate), ''; '') from public.analytics_funnel(%s)', p_call) into answer;
  return answer;
end
$$;

create function pg_temp.kpis(p_call text default '') returns text language plpgsql as $$
declare
  answer jsonb;
begin
  execute format('select public.analytics_kpis(%s)', p_call) into answer;
  return concat_ws(' ', answer ->> 'total_leads', answer ->> 'enrollments', answer ->> 'conversion_rate', answer ->> 'active_pipeline', answer ->> 'active_pipeline_value');
end
$$;

grant execute on function pg_temp.funnel(text), pg_temp.kpis(text) to public;

-- An administrator counts everything

select tests.authenticate_as((select admin from people));

select results_eq(
  'select k from jsonb_object_keys(public.analytics_kpis()) k order by k',
  $$values ('active_pipeline'), ('active_pipeline_value'), ('conversion_rate'), ('currency'), ('enrollments'), ('total_leads')$$,
  'the figures have their documented keys');

-- 2 of 10 enrolled; open: A3, A4, A5, A9, A10 = 4000 + 8000 + 16000 + 256000 + 512000
select is(pg_temp.kpis(), '10 2 20.0 5 796000.00', 'the figures of all leads');

select is(
  pg_temp.funnel(), 'new 10 100.0 0; contacted 8 80.0 20.0; qualified 4 40.0 50.0; proposal 3 30.0 25.0; enrolled 2 20.0 33.3',
  'the funnel counts who ever reached a stage, per cent of the first stage, and what was lost since the stage before');

select results_eq(
  'select stage, stage_conversion_rate, drop_off_rate, is_bottleneck, team_percentage from public.analytics_funnel_detail()',
  $$values ('new', null, 0::numeric, false, 100.0), ('contacted', 80.0, 20.0, false, 80.0), ('qualified', 50.0, 50.0, true, 40.0), ('proposal', 75.0, 25.0, false, 30.0), ('enrolled', 66.7, 33.3, false, 20.0)$$,
  'the largest drop is the bottleneck');

select results_eq(
  format('select stage, count, percentage, is_bottleneck, team_percentage from public.analytics_funnel_detail(p_agent_id => %L)', one),
  $$values ('new', 4::bigint, 100.0, false, 100.0), ('contacted', 3::bigint, 75.0, false, 80.0), ('qualified', 2::bigint, 50.0, false, 40.0), ('proposal', 2::bigint, 50.0, false, 30.0), ('enrolled', 1::bigint, 25.0, true, 20.0)$$,
  'the funnel of one agent beside everybody''s') from people;

select is(
  public.analytics_overview() #> '{by_source}',
  '[{"source": "Walk-in", "count": 4}, {"source": "Website", "count": 4}, {"source": "Facebook Ad", "count": 2}]', 'the overview counts by source, the largest first, then by name');

select is(
  public.analytics_overview() #> '{by_stage,2}', '{"stage": "qualified", "count": 4, "percentage": 40.0}', 'and by stage');

select is(
  public.analytics_overview() - 'by_source' - 'by_stage', public.analytics_kpis(), 'beside the figures themselves');

select is(public.analytics_overview(p_agent_id => two) ->> 'total_leads', '3', 'for one agent if asked') from people;

select results_eq(
  'select * from public.analytics_conversion_by_source()',
  $$values ('Walk-in', 4::bigint, 0::bigint, 0.0), ('Website', 4, 2, 50.0), ('Facebook Ad', 2, 0, 0.0)$$,
  'of each source: leads, enrolled and the rate, an enrolment that was closed since included');

select results_eq(
  format('select * from public.analytics_conversion_by_source(''2026-03-01'', ''2026-03-03'', %L)', one),
  $$values ('Facebook Ad', 2::bigint, 0::bigint, 0.0), ('Website', 2, 1, 50.0)$$,
  'of one agent and a period') from people;

select is_empty($$select * from public.analytics_conversion_by_source('2030-01-01')$$, 'a source without leads is none');

select throws_ok('select public.analytics_conversion_by_source(''2026-03-02'', ''2026-03-01'')', 'PT422', null, 'a period ends after it begins');

-- Filters

select is(pg_temp.kpis(given), wanted, format('the figures with %s', given))
from (values
  ('p_source => ''Website''', '4 2 50.0 1 16000.00'), ('p_source => ''website''', '0 0 0 0 0'), ('p_status => ''Lost''', '2 0 0.0 0 0'), ('p_status => ''closed''', '2 1 50.0 0 0'),
  ('null, null', '10 2 20.0 5 796000.00'), ('''2026-03-01'', null', '9 1 11.1 5 796000.00'), ('null, ''2026-02-28''', '1 1 100.0 0 0'),
  ('''2026-03-01'', ''2026-03-01''', '2 1 50.0 0 0'), ('''2026-03-02'', ''2026-03-02''', '1 0 0.0 1 4000.00'), ('''2030-01-01'', ''2030-12-31''', '0 0 0 0 0'),
  ('p_date_from => ''-infinity'', p_date_to => ''infinity''', '10 2 20.0 5 796000.00'), ('p_source => ''x'''' or true --''', '0 0 0 0 0')
) t (given, wanted);

select is(pg_temp.kpis(format('p_assigned_to => %L', two)), '3 0 0.0 1 16000.00', 'the figures of one person') from people;

select is(
  pg_temp.funnel('p_source => ''Facebook Ad'''), 'new 2 100.0 0; contacted 1 50.0 50.0; qualified 0 0.0 100.0; proposal 0 0.0 0; enrolled 0 0.0 0',
  'an empty stage loses nobody further');

select is(
  pg_temp.funnel('''2030-01-01'', ''2030-12-31'''), 'new 0 0 0; contacted 0 0 0; qualified 0 0 0; proposal 0 0 0; enrolled 0 0 0', 'a period without leads has zeros, no division by them');

select is((select count(*) from public.analytics_funnel_detail('2030-01-01') where is_bottleneck), 0::bigint, 'and no bottleneck');

select throws_ok('select public.analytics_kpis(''2026-03-02'', ''2026-03-01'')', 'PT422', null, 'a period that ends before it begins is refused');

select throws_ok('select public.analytics_overview(''2026-03-02'', ''2026-03-01'')', 'PT422', null, 'in the overview too');

select throws_ok('select public.analytics_funnel(''2026-03-02'', ''2026-03-01'')', 'PT422', null, 'and in the funnel');

-- The others count what they see

select tests.authenticate_as((select manager from people));

-- A1 to A7: 1 of 7 enrolled; open: A3, A4, A5
select is(pg_temp.kpis(), '7 1 14.3 3 28000.00', 'a manager counts the team');

select is(pg_temp.funnel(), 'new 7 100.0 0; contacted 6 85.7 14.3; qualified 3 42.9 50.0; proposal 2 28.6 33.3; enrolled 1 14.3 50.0', 'also in the funnel');

select set_eq('select stage from public.analytics_funnel_detail() where is_bottleneck', array['qualified', 'enrolled'], 'two equal drops are both the bottleneck');

select is(pg_temp.kpis(format('p_assigned_to => %L', other)), '0 0 0 0 0', 'and nobody of another team, though asked by name') from people;

select tests.authenticate_as((select one from people));

select is(pg_temp.kpis(), '4 1 25.0 2 12000.00', 'a counselor counts their own');

select is((select sum((s ->> 'count')::int) from jsonb_array_elements(public.analytics_overview() -> 'by_source') s), 4::bigint, 'also by source');

select is(pg_temp.kpis(format('p_assigned_to => %L', two)), '0 0 0 0 0', 'and no colleague''s') from people;

select results_eq(
  'select percentage, team_percentage from public.analytics_funnel_detail() where stage = ''contacted''', 'values (75.0, 75.0)', 'the figures beside theirs are of what they see');

select tests.authenticate_as((select inactive from people));

select is(pg_temp.kpis(), '0 0 0 0 0', 'somebody inactive counts nothing');

select is_empty('select * from public.analytics_funnel() where count > 0', 'also in the funnel');

select tests.authenticate_as_anon();

select throws_ok(format('select public.%s()', fn), '42501', null, format('anon may not call %s', fn)) from unnest(array['analytics_kpis', 'analytics_conversion_by_source', 'analytics_funnel', 'analytics_funnel_detail', 'analytics_overview']) fn;

-- A day begins at midnight of the organisation

select tests.authenticate_as((select admin from people));

select is(pg_temp.kpis('''2026-03-01'', ''2026-03-01''') , '2 1 50.0 0 0', 'in Kolkata 1 March holds both its first and its last moment');

select is(pg_temp.kpis('''2026-02-28'', ''2026-02-28'''), '1 1 100.0 0 0', 'and 28 February its last');

select tests.clear_authentication();

update public.system_settings set value = '"UTC"' where key = 'organization.timezone';

select tests.authenticate_as((select admin from people));

select is(pg_temp.kpis('''2026-03-01'', ''2026-03-01'''), '2 0 0.0 1 4000.00', 'in UTC 1 March is another day: A2 and A3');

select tests.clear_authentication();

update public.system_settings set value = '"America/New_York"' where key = 'organization.timezone';

-- 8 March 2026 has 23 hours there, 1 November 2026 has 25.
update public.leads l set created_at = d.at
from (values ('A1', timestamptz '2026-03-08 04:59:59+00'), ('A2', '2026-03-08 05:00:00+00'), ('A3', '2026-03-09 03:59:59+00'), ('A4', '2026-03-09 04:00:00+00'),
  ('A5', '2026-11-01 03:59:59+00'), ('A6', '2026-11-01 04:00:00+00'), ('A7', '2026-11-02 04:59:59+00'), ('A8', '2026-11-02 05:00:00+00')) d (name, at)
where l.name = d.name;

select tests.authenticate_as((select admin from people));

select is((public.analytics_kpis(day::date, day::date) ->> 'total_leads')::int, wanted, format('in New York %s holds %s', day, wanted))
from (values ('2026-03-07', 1), ('2026-03-08', 2), ('2026-03-09', 1), ('2026-10-31', 1), ('2026-11-01', 2), ('2026-11-02', 1)) t (day, wanted);

-- The pipeline is the organisation's own

select tests.clear_authentication();

update public.pipeline_stages set position = position + 1 where position >= 4;

insert into public.pipeline_stages (key, name, position) values ('visited', 'Visited', 4);

select tests.authenticate_as((select admin from people));

select is(
  pg_temp.funnel(), 'new 10 100.0 0; contacted 8 80.0 20.0; qualified 4 40.0 50.0; visited 3 30.0 25.0; proposal 3 30.0 0.0; enrolled 2 20.0 33.3',
  'a stage put between two counts who went past it, and nobody''s enrolment is lost');

select is(pg_temp.kpis(), '10 2 20.0 5 796000.00', 'nor in the figures');

select tests.clear_authentication();

update public.pipeline_stages set is_won = false where is_won;

select tests.authenticate_as((select admin from people));

select is(pg_temp.kpis(), '10 0 0.0 5 796000.00', 'a pipeline without a won stage has no enrolments');

-- The leads are read once, not once for each stage

select tests.clear_authentication();

select alike(pg_get_functiondef('public.analytics_funnel(date,date,text,uuid)'::regprocedure), '%with reached as materialized (%', 'the funnel reads the leads once, and not again for each stage');

select * from finish();

rollback;

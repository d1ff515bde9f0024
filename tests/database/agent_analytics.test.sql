-- Agent analytics: the figures against numbers worked out by hand from the fixture below, for each role,
-- on days that begin when they begin for the organisation.

begin;

select no_plan();

-- Only the leads and calls of this file count.
update public.leads set deleted_at = now() where deleted_at is null;

update public.calls set deleted_at = now() where deleted_at is null;

update public.teams set is_auto_assigned = false;

update public.system_settings s set value = d.value::jsonb
from (values ('organization.timezone', '"Asia/Kolkata"'), ('analytics.successful_outcomes', '["connected", "interested", "callback"]'), ('analytics.score_weight_success', '40'),
  ('analytics.score_weight_completion', '20'), ('analytics.score_weight_conversion', '40'), ('analytics.score_target_conversion', '20')) d (key, value)
where s.key = d.key;

create temp table people on commit drop as
select tests.create_user('admin') as admin, tests.create_user('manager', 'Figures A') as manager, tests.create_user('counselor', 'Figures A', p_full_name => 'One') as one,
  tests.create_user('counselor', 'Figures A', p_full_name => 'Two') as two, tests.create_user('counselor', 'Figures A', p_full_name => 'Three') as three,
  tests.create_user('counselor', 'Figures B', p_full_name => 'Other') as other, tests.create_user('manager', 'Figures B') as other_manager,
  tests.create_user('admin', null, false) as inactive;

create temp table person on commit drop as
select key as name, value::uuid as id from people, jsonb_each_text(to_jsonb(people));

grant select on people, person to public;

create temp table lead_plan (name text, owner text, day timestamptz, reached text, ends text) on commit drop;

insert into lead_plan values
  ('L1', 'one', '2025-03-01 00:00+05:30', 'enrolled', 'enrolled'), ('L2', 'one', '2025-03-02 12:00+05:30', 'contacted', 'contacted'),
  ('L3', 'one', '2025-03-31 23:59:59+05:30', 'enrolled', 'closed'), ('L4', 'one', '2025-04-01 00:00+05:30', 'new', 'new'),
  ('L5', 'two', '2025-03-03 12:00+05:30', 'enrolled', 'enrolled'), ('L6', 'two', '2025-03-04 12:00+05:30', 'new', 'new'),
  ('L7', 'other', '2025-03-03 12:00+05:30', 'enrolled', 'enrolled');

create function pg_temp.make_leads() returns void language plpgsql as $$
begin
  insert into public.leads (name, assigned_to, created_at) select p.name, w.id, p.day from lead_plan p join person w on w.name = p.owner;

  update public.leads l set status = p.reached from lead_plan p where p.name = l.name and l.deleted_at is null;

  update public.leads l set status = p.ends from lead_plan p where p.name = l.name and p.ends <> p.reached and l.deleted_at is null;

  truncate lead_plan;
end
$$;

create function pg_temp.lead(p_name text) returns uuid language sql as $$ select l.id from public.leads l where l.name = p_name and l.deleted_at is null $$;

select pg_temp.make_leads();

create function pg_temp.call(p_agent text, p_lead text, p_at timestamptz, p_status text, p_outcome text default null, p_seconds integer default null) returns void language sql as $$
  insert into public.calls (agent_id, lead_id, status, outcome, started_at, scheduled_at, duration)
  select w.id, pg_temp.lead(p_lead), p_status, p_outcome, case when p_status in ('completed', 'missed') then p_at end,
    case when p_status in ('scheduled', 'cancelled') then p_at end, p_seconds
  from person w where w.name = p_agent
$$;

select
  pg_temp.call('one', 'L1', '2025-03-01 10:00+05:30', 'completed', 'interested', 120),
  pg_temp.call('one', 'L2', '2025-03-01 10:30+05:30', 'completed', 'not_interested', 60),
  pg_temp.call('one', 'L2', '2025-03-01 23:59:59+05:30', 'completed', 'connected', 30),
  pg_temp.call('one', 'L2', '2025-03-02 00:00+05:30', 'missed', 'no_answer'),
  pg_temp.call('one', 'L1', '2025-03-02 11:00+05:30', 'cancelled'),
  pg_temp.call('one', null, '2025-03-03 09:00+05:30', 'completed', null, 90),
  pg_temp.call('one', 'L1', '2025-03-05 15:00+05:30', 'scheduled'),
  pg_temp.call('two', 'L5', '2025-03-01 10:15+05:30', 'completed', 'callback', 300),
  pg_temp.call('two', 'L6', '2025-03-04 10:00+05:30', 'missed', 'busy'),
  pg_temp.call('other', 'L7', '2025-03-01 10:00+05:30', 'completed', 'interested', 600),
  pg_temp.call('one', 'L1', '2025-03-01 10:00+05:30', 'completed', 'interested', 999);

update public.calls set deleted_at = now() where duration = 999;

create temp table campaign on commit drop as select gen_random_uuid() as id;

insert into public.campaigns (id, name) select id, 'March' from campaign;

insert into public.communications (user_id, lead_id, type, status, sent_at, scheduled_at, campaign_id)
select one, pg_temp.lead('L1'), 'email', m.status, m.sent_at, m.scheduled_at, m.campaign_id
from people, (values
  ('sent', timestamptz '2025-03-31 23:59:59+05:30', null::timestamptz, null::uuid),
  ('sent', '2025-04-01 00:00+05:30', null, null),
  ('sent', '2025-03-02 12:00+05:30', null, (select id from campaign)),
  ('scheduled', null, '2025-03-02 12:00+05:30', null),
  ('bounced', '2025-03-02 12:00+05:30', null, null)
) m (status, sent_at, scheduled_at, campaign_id);

insert into public.notes (author_id, user_id, lead_id, content, is_private, created_at)
select one, one, pg_temp.lead('L1'), 'x', n.is_private, n.at
from people, (values (false, timestamptz '2025-03-01 00:00+05:30'), (true, '2025-03-10 12:00+05:30'), (false, '2025-02-28 23:59:59+05:30')) n (is_private, at);

-- One person. One has in March: leads L1, L2, L3, of which L1 and L3 enrolled; four calls completed, one
-- missed, one cancelled, one to come; two of them successful. 2/5 = 40 %, 4/6 = 66.7 %, 2/3 = 66.7 %.
-- Score: (40 * 40 + 20 * 66.667 + 40 * min(100, 66.667 / 20 * 100)) / 100 = 69.3.

select tests.authenticate_as((select manager from people));

select is(
  public.agent_stats((select one from people), '2025-03-01', '2025-03-31') - 'agent_id',
  '{"full_name": "One", "from": "2025-03-01", "to": "2025-03-31", "interactions": 6, "total_leads": 3, "active_leads": 1, "enrollments": 2, "lead_conversion_rate": 66.7,
    "total_calls": 7, "completed_calls": 4, "missed_calls": 1, "successful_calls": 2, "call_success_rate": 40.0, "call_completion_rate": 66.7,
    "call_duration": 300, "average_call_duration": 75, "performance_score": 69.3}',
  'the figures of one person, as the manager of their team sees them');

select is(public.agent_stats((select one from people)) ->> 'total_leads', '4', 'without days, of all time');

select is(public.agent_stats((select one from people)) ->> 'interactions', '8', 'interactions too');

select is(public.agent_stats((select one from people), '2025-03-01', '2025-03-01') ->> 'total_calls', '3', 'a day ends when the next begins');

select is(
  public.agent_stats((select three from people)) - array['agent_id', 'full_name', 'from', 'to'],
  '{"interactions": 0, "total_leads": 0, "active_leads": 0, "enrollments": 0, "lead_conversion_rate": 0, "total_calls": 0, "completed_calls": 0, "missed_calls": 0,
    "successful_calls": 0, "call_success_rate": 0, "call_completion_rate": 0, "call_duration": 0, "average_call_duration": 0, "performance_score": null}',
  'of nothing every rate is 0, and there is no score');

select tests.authenticate_as((select one from people));

select is(public.agent_stats(null, '2025-03-01', '2025-03-31') ->> 'interactions', '7', 'somebody''s own figures have their private notes');

select is(public.agent_stats() ->> 'agent_id', (select one::text from people), 'the caller is meant if nobody is named');

-- Counselors

create function pg_temp.counselors(p_from date default null, p_to date default null) returns text language sql as $$
  select string_agg(concat_ws(' ', c.counselor, c.leads, c.interactions, c.enrollments, c.conversion_rate), '; ')
  from public.analytics_counselor_performance(p_from, p_to) c
  where c.counselor in ('One', 'Two', 'Three', 'Other')
$$;

grant execute on function pg_temp.counselors(date, date) to public;

select tests.authenticate_as((select manager from people));

select is(pg_temp.counselors('2025-03-01', '2025-03-31'), 'One 3 6 2 66.7; Two 2 1 1 50.0; Three 0 0 0 0', 'a manager sees the counselors of the team, the most enrolments first');

select is_empty('select 1 from public.analytics_counselor_performance() c where c.counselor_id = (select manager from people)', 'who is no counselor and did nothing is not among them');

select is(pg_temp.counselors('2025-03-02', '2025-03-02'), 'One 1 0 0 0.0; Three 0 0 0 0; Two 0 0 0 0', 'on a day');

select tests.authenticate_as((select admin from people));

select is(pg_temp.counselors('2025-03-01', '2025-03-31'), 'One 3 6 2 66.7; Two 2 1 1 50.0; Other 1 1 1 100.0; Three 0 0 0 0', 'an administrator sees everybody');

select tests.authenticate_as((select one from people));

select is(pg_temp.counselors('2025-03-01', '2025-03-31'), 'One 3 7 2 66.7', 'a counselor sees themselves and nobody else');

select tests.authenticate_as((select inactive from people));

select is_empty('select 1 from public.analytics_counselor_performance()', 'somebody inactive sees nobody');

-- Calls

select tests.authenticate_as((select admin from people));

create function pg_temp.calls(p_call text) returns jsonb language plpgsql as $$
declare
  answer jsonb;
begin
  execute format('select public.analytics_calls(%s)', p_call) into answer;
  return answer;
end
$$;

grant execute on function pg_temp.calls(text) to public;

-- Of ten: six completed, two missed, one cancelled; 4/8 successful, 6/9 completed. Leads called: L1, L2, L5, L6, L7.
select is(
  pg_temp.calls($$'2025-03-01', '2025-03-05'$$) - array['outcomes', 'status', 'durations', 'daily', 'hourly'],
  '{"from": "2025-03-01", "to": "2025-03-05", "group": "day", "total_calls": 10, "completed_calls": 6, "missed_calls": 2, "successful_calls": 4,
    "success_rate": 50.0, "completion_rate": 66.7, "leads_called": 5, "leads_converted": 3, "conversion_rate": 60.0}',
  'the calls of five days');

select is(
  pg_temp.calls($$'2025-03-01', '2025-03-05'$$) -> 'outcomes',
  '[{"outcome": null, "count": 3, "percentage": 30.0}, {"outcome": "interested", "count": 2, "percentage": 20.0}, {"outcome": "busy", "count": 1, "percentage": 10.0},
    {"outcome": "callback", "count": 1, "percentage": 10.0}, {"outcome": "connected", "count": 1, "percentage": 10.0}, {"outcome": "no_answer", "count": 1, "percentage": 10.0},
    {"outcome": "not_interested", "count": 1, "percentage": 10.0}]',
  'by outcome');

select is(
  pg_temp.calls($$'2025-03-01', '2025-03-05'$$) -> 'status',
  '[{"status": "scheduled", "count": 1, "percentage": 10.0}, {"status": "in_progress", "count": 0, "percentage": 0}, {"status": "completed", "count": 6, "percentage": 60.0},
    {"status": "missed", "count": 2, "percentage": 20.0}, {"status": "cancelled", "count": 1, "percentage": 10.0}]',
  'by status');

select is(pg_temp.calls($$'2025-03-01', '2025-03-05'$$) -> 'durations', '{"total": 1200, "average": 200, "shortest": 30, "longest": 600}', 'how long they took');

select is(
  pg_temp.calls($$'2025-03-01', '2025-03-06'$$) -> 'daily',
  '[{"date": "2025-03-01", "total": 5, "completed": 5, "missed": 0, "successful": 4, "duration": 1110, "success_rate": 80.0},
    {"date": "2025-03-02", "total": 2, "completed": 0, "missed": 1, "successful": 0, "duration": 0, "success_rate": 0.0},
    {"date": "2025-03-03", "total": 1, "completed": 1, "missed": 0, "successful": 0, "duration": 90, "success_rate": 0.0},
    {"date": "2025-03-04", "total": 1, "completed": 0, "missed": 1, "successful": 0, "duration": 0, "success_rate": 0.0},
    {"date": "2025-03-05", "total": 1, "completed": 0, "missed": 0, "successful": 0, "duration": 0, "success_rate": 0},
    {"date": "2025-03-06", "total": 0, "completed": 0, "missed": 0, "successful": 0, "duration": 0, "success_rate": 0}]',
  'day by day, days without any too');

select is(
  (select string_agg(concat_ws(' ', h ->> 'hour', h ->> 'total', h ->> 'successful'), '; ') from jsonb_array_elements(pg_temp.calls($$'2025-03-01', '2025-03-05'$$) -> 'hourly') h where h ->> 'total' <> '0'),
  '0 1 0; 9 1 0; 10 5 3; 11 1 0; 15 1 0; 23 1 1', 'and by the hour of the day');

select is(jsonb_array_length(pg_temp.calls($$'2025-03-01', '2025-03-05'$$) -> 'hourly'), 24, 'of which there are twenty-four');

select is(
  (select string_agg(concat_ws(' ', d ->> 'date', d ->> 'total'), '; ' order by d ->> 'date') from jsonb_array_elements(pg_temp.calls(given) -> 'daily') d), wanted, format('by %s', given))
from (values
  ($$'2025-03-01', '2025-03-05', p_group => 'week'$$, '2025-02-24 7; 2025-03-03 3'),
  ($$'2025-03-01', '2025-04-05', p_group => 'month'$$, '2025-03-01 10; 2025-04-01 0')
) t (given, wanted);

select is((pg_temp.calls($$'2025-03-01', '2025-03-31', $$ || given) ->> 'total_calls')::integer, wanted, format('filtered by %s', given))
from (
  select format('%L', two) as given, 2 as wanted from people
  union all values ($$p_outcome => 'Interested'$$, 2), ($$p_outcome => 'not interested'$$, 1), ($$p_status => 'missed'$$, 2), ($$p_status => 'In Progress'$$, 0), ($$p_outcome => 'x'' or true --'$$, 0)
) t;

select is(
  pg_temp.calls($$'2025-05-01', '2025-05-02'$$) - array['from', 'to', 'group', 'status', 'daily', 'hourly'],
  '{"total_calls": 0, "completed_calls": 0, "missed_calls": 0, "successful_calls": 0, "success_rate": 0, "completion_rate": 0, "leads_called": 0, "leads_converted": 0,
    "conversion_rate": 0, "outcomes": [], "durations": {"total": 0, "average": 0, "shortest": 0, "longest": 0}}', 'of no calls every rate is 0');

select is(
  (select jsonb_array_length(c -> 'daily') || ' ' || (c ->> 'to') from public.analytics_calls() c), '30 ' || (now() at time zone 'Asia/Kolkata')::date, 'without days, the last thirty');

select throws_ok(format('select public.analytics_calls(%s)', given), 'PT422', null, format('%s is refused', given))
from unnest(array[$$'2025-03-02', '2025-03-01'$$, $$'2000-01-01', '2025-03-01'$$, $$'-infinity', '2025-03-01'$$, $$'2025-03-01', 'infinity'$$, $$p_group => 'hour'$$, $$p_group => null$$]) given;

select tests.authenticate_as(id), is((pg_temp.calls($$'2025-03-01', '2025-03-31'$$) ->> 'total_calls')::integer, wanted, format('%s sees %s calls', who, wanted))
from (
  select 'the manager' as who, manager as id, 9 as wanted from people union all select 'one', one, 7 from people union all select 'two', two, 2 from people
  union all select 'the other manager', other_manager, 1 from people union all select 'somebody inactive', inactive, 0 from people
) t;

-- A lead that went to somebody else takes its call along, and the caller keeps sight of it.
select tests.clear_authentication();

update public.leads set assigned_to = (select two from people) where id = pg_temp.lead('L1');

select tests.authenticate_as((select one from people));

select is(
  (select concat_ws(' ', c ->> 'total_calls', c ->> 'leads_called', c ->> 'leads_converted') from pg_temp.calls($$'2025-03-01', '2025-03-31'$$) c), '7 1 0',
  'calls one made stay one''s own; of leads only those one still sees are counted');

-- Performance over the last days. Three has, in the last ten: three leads of which one enrolled, two calls
-- completed of which one was successful, one missed. 1/3, 2/3, and 33.3 % of a target of 20 %: 100.
-- (40 * 33.333 + 20 * 66.667 + 40 * 100) / 100 = 66.7. In the ten before: five leads, none enrolled, one call,
-- successful: (40 * 100 + 20 * 100 + 40 * 0) / 100 = 60.

select tests.clear_authentication();

create function pg_temp.ago(p_days integer) returns timestamptz language sql as $$ select ((now() at time zone 'Asia/Kolkata')::date - p_days)::timestamp at time zone 'Asia/Kolkata' $$;

insert into lead_plan
select v.name, 'three', pg_temp.ago(v.days), v.reached, v.reached
from (values ('P1', 1, 'enrolled'), ('P2', 1, 'contacted'), ('P3', 9, 'new'), ('Q0', 20, 'enrolled')) v (name, days, reached)
union all select 'Q' || n, 'three', pg_temp.ago(10), 'new', 'new' from generate_series(1, 5) n;

select pg_temp.make_leads();

select
  pg_temp.call('three', 'P1', pg_temp.ago(0), 'completed', 'interested', 60), pg_temp.call('three', 'P2', pg_temp.ago(0), 'completed', 'voicemail', 30),
  pg_temp.call('three', 'P3', pg_temp.ago(9), 'missed', 'no_answer'), pg_temp.call('three', 'Q1', pg_temp.ago(10), 'completed', 'interested', 100),
  pg_temp.call('three', 'Q0', pg_temp.ago(20), 'completed', 'interested', 100);

select tests.authenticate_as((select manager from people));

create temp table performance on commit drop as select public.analytics_agent_performance((select three from people), 10) as p;

grant select on performance to public;

select is(
  p - array['agent_id', 'full_name', 'daily', 'from', 'to'],
  '{"total_leads": 3, "active_leads": 2, "enrollments": 1, "lead_conversion_rate": 33.3, "total_calls": 3, "completed_calls": 2, "missed_calls": 1, "successful_calls": 1,
    "call_success_rate": 33.3, "call_completion_rate": 66.7, "call_duration": 90, "average_call_duration": 45, "performance_score": 66.7,
    "trend": {"direction": "up", "change": 6.7, "previous_score": 60.0}}', 'the figures of ten days, against the ten before') from performance;

select is(jsonb_array_length(p -> 'daily'), 10, 'every day has its line') from performance;

select is(p #> '{daily,0}' ->> 'date', p ->> 'from', 'from the first') from performance;

select is(p #> '{daily,9}' ->> 'date', (now() at time zone 'Asia/Kolkata')::date::text, 'to today') from performance;

select is((p #> array['daily', day]) - 'date', wanted::jsonb, format('day %s', day))
from performance, (values
  ('0', '{"leads": 1, "enrollments": 0, "lead_conversion_rate": 0.0, "calls": 1, "completed_calls": 0, "successful_calls": 0, "call_success_rate": 0.0, "performance_score": 0.0}'),
  ('1', '{"leads": 0, "enrollments": 0, "lead_conversion_rate": 0, "calls": 0, "completed_calls": 0, "successful_calls": 0, "call_success_rate": 0, "performance_score": null}'),
  ('8', '{"leads": 2, "enrollments": 1, "lead_conversion_rate": 50.0, "calls": 0, "completed_calls": 0, "successful_calls": 0, "call_success_rate": 0, "performance_score": 100.0}'),
  ('9', '{"leads": 0, "enrollments": 0, "lead_conversion_rate": 0, "calls": 2, "completed_calls": 2, "successful_calls": 1, "call_success_rate": 50.0, "performance_score": 66.7}')
) t (day, wanted);

-- Today alone: 50 and 100, no lead: (40 * 50 + 20 * 100) / 60 = 66.7; yesterday a lead in two enrolled: 100.
select is(public.analytics_agent_performance((select three from people), 1) -> 'trend', '{"direction": "down", "change": -33.3, "previous_score": 100.0}', 'a part without a figure is left out with its weight; worse than before is down');

select is(public.analytics_agent_performance((select two from people), 5) -> 'trend', '{"direction": null, "change": null, "previous_score": null}', 'without figures there is no trend');

select is(jsonb_array_length(public.analytics_agent_performance((select three from people)) -> 'daily'), 30, 'thirty days, if not said otherwise');

select throws_ok(format('select public.analytics_agent_performance(%L, %s)', three, days), 'PT422', null, format('%s days are refused', days)) from people, unnest(array['0', '367', 'null']) days;

select throws_ok(format('select public.agent_stats(%L, ''2025-03-02'', ''2025-03-01'')', one), 'PT422', null, 'so is a period that ends before it begins') from people;

select throws_ok('select * from public.analytics_counselor_performance(''2025-03-02'', ''2025-03-01'')', 'PT422', null, 'for counselors too');

-- Settings

select tests.clear_authentication();

create function pg_temp.score() returns numeric language sql as $$ select (public.analytics_agent_performance((select three from people), 10) ->> 'performance_score')::numeric $$;

grant execute on function pg_temp.score() to public;

create function pg_temp.score_with(p_key text, p_value jsonb) returns numeric language plpgsql as $$
declare
  score numeric;
begin
  perform tests.clear_authentication();
  update public.system_settings set value = p_value where key = p_key;
  perform tests.authenticate_as((select three from people));
  score := pg_temp.score();
  perform tests.clear_authentication();
  return score;
end
$$;

-- A target of 50: (40 * 33.333 + 20 * 66.667 + 40 * 66.667) / 100 = 53.3. With voicemail a success 2/3: 66.7. Then weights go one by one.
select is(pg_temp.score_with(key, value::jsonb), wanted, format('the score with %s %s', key, value))
from (values
  ('analytics.score_target_conversion', '50', 53.3), ('analytics.successful_outcomes', '["interested", "voicemail"]', 66.7), ('analytics.score_weight_conversion', '0', 66.7),
  ('analytics.score_target_conversion', '20', 66.7), ('analytics.score_weight_conversion', '60', 83.3), ('analytics.score_weight_success', '0', 91.7),
  ('analytics.score_weight_completion', '0', 100.0), ('analytics.score_weight_conversion', '0', null)
) t (key, value, wanted);

select throws_ok($$update public.system_settings set value = '["shouted"]' where key = 'analytics.successful_outcomes'$$, 'PT422', null, 'an outcome that is none makes no success');

-- Whose figures one may see

create function pg_temp.refused(p_asker uuid, p_call text) returns text language plpgsql as $$
declare
  state text;
begin
  perform tests.authenticate_as(p_asker);
  execute p_call;
  return 'answered';
exception when others then
  get stacked diagnostics state = returned_sqlstate;
  return state;
end
$$;

select is(pg_temp.refused(asker, format('select public.%s(%L)', fn, target)), 'PT404', format('%s asks %s of %s in vain', who, fn, whose))
from unnest(array['agent_stats', 'analytics_agent_performance']) fn, (
  select 'a counselor' as who, one as asker, two as target, 'a colleague' as whose from people
  union all select 'a counselor', one, manager, 'their manager' from people
  union all select 'the manager', manager, other, 'somebody of another team' from people
  union all select 'somebody inactive', inactive, one, 'anybody' from people
  union all select 'an administrator', admin, gen_random_uuid(), 'nobody' from people
) t;

select tests.authenticate_as((select inactive from people));

select throws_ok('select public.agent_stats()', 'PT404', null, 'somebody inactive has no figures');

select tests.authenticate_as_anon();

select throws_ok(format('select public.%s()', fn), '42501', null, format('anon may not call %s', fn))
from unnest(array['agent_stats', 'analytics_agent_performance', 'analytics_counselor_performance', 'analytics_calls']) fn;

-- A day begins at midnight of the organisation

select tests.clear_authentication();

update public.system_settings set value = '"UTC"' where key = 'organization.timezone';

select tests.authenticate_as((select admin from people));

select is(pg_temp.calls($$'2025-03-01', '2025-03-01'$$) ->> 'total_calls', '6', 'in UTC the first minute of 2 March in Kolkata belongs to the first');

select is(pg_temp.calls($$'2025-03-02', '2025-03-02'$$) ->> 'total_calls', '1', 'and is not counted twice');

-- They are read by their indexes

select tests.clear_authentication();

insert into public.calls (agent_id, status, outcome, started_at, duration)
select case when n % 20 = 0 then one else other end, 'completed', 'connected', now() - make_interval(hours => n), 60 from people, generate_series(1, 4000) n;

analyze public.calls;

create function pg_temp.plan(p_query text) returns text language plpgsql as $$
declare
  line text;
  lines text := '';
begin
  for line in execute 'explain ' || p_query loop
    lines := lines || line || E'\n';
  end loop;

  return lines;
end
$$;

grant execute on function pg_temp.plan(text) to public;

select tests.authenticate_as(id), alike(pg_temp.plan(format(
    $$select from public.calls c where c.deleted_at is null and %s c.occurred_at >= now() - interval '5 days'$$, condition
  )), '%' || index || '%', format('%s reads %s', who, index))
from (
  select 'an administrator' as who, admin as id, '' as condition, 'calls_by_time' as index from people
  union all select 'somebody who asks for one person', manager, format('c.agent_id = any (array[%L]::uuid[]) and', one), 'calls_of_agent_by_time' from people
) t;

select * from finish();

rollback;

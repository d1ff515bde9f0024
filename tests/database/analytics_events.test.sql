-- Analytics events: in one's own name, from where the request came, seen in scope, and never without an index.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('admin') as admin, tests.create_user('manager', 'Events A') as manager, tests.create_user('counselor', 'Events A') as one,
  tests.create_user('counselor', 'Events A') as two, tests.create_user('counselor', 'Events B') as other;

create temp table given on commit drop as select gen_random_uuid() as lead, gen_random_uuid() as foreign_lead;

grant select on people, given to public;

insert into public.leads (id, name, source, value, assigned_to) select lead, 'Tracked', 'Website', 50000, one from people, given;

insert into public.leads (id, name, assigned_to) select foreign_lead, 'Foreign', other from people, given;

-- Who, from where, with what

select tests.authenticate_as((select one from people));

select set_config('request.headers', '{"cf-connecting-ip": "203.0.113.9", "x-forwarded-for": "192.0.2.1", "user-agent": "Browser/1"}', true);

insert into public.analytics_events (event_type, event_name, lead_id, value, duration, ip_address, user_agent, properties, campaign)
select ' Page_View ', 'Looked', lead, 12.5, 30, '192.0.2.77', 'Forged', '{"course": "cardiology"}', 'launch' from given;

select results_eq(
  $$select e.event_type, e.user_id, host(e.ip_address), e.user_agent, e.value, e.currency, e.created_at = now()
    from public.analytics_events e where e.lead_id = (select lead from given)$$,
  $$select 'page_view', one, '203.0.113.9', 'Browser/1', 12.50, 'INR', true from people$$,
  'the person, the time, the address and the browser are the request''s, whatever the body says');

select throws_ok(
  $$insert into public.analytics_events (event_type, user_id) select 'page_view', two from people$$,
  '42501', null, 'nobody tracks in the name of somebody else');

select throws_ok(
  $$insert into public.analytics_events (event_type, lead_id) select 'page_view', foreign_lead from given$$,
  '42501', null, 'nor about a lead they do not see');

select throws_ok($$insert into public.analytics_events (event_type, created_at) values ('page_view', now())$$, '42501', null, 'nor at another time');

select throws_ok($$update public.analytics_events set value = 1$$, '42501', null, 'what was tracked stays');

select throws_ok($$delete from public.analytics_events$$, '42501', null, 'and is not taken back');

select throws_ok(
  format($$insert into public.analytics_events (event_type, properties) values ('x', jsonb_build_object('a', %L))$$, (select string_agg(md5(n::text), '') from generate_series(1, 300) n)),
  '23514', null, 'properties are small');

select throws_ok($$insert into public.analytics_events (event_type, event_data) values ('x', '[]')$$, '23514', null, 'and an object');

select throws_ok($$insert into public.analytics_events (event_type) values ('Lead converted!')$$, '23514', null, 'a type is a word');

select throws_ok($$insert into public.analytics_events (event_type, duration) values ('x', -1)$$, '23514', null, 'no duration is negative');

select throws_ok($$insert into public.analytics_events (event_type, value, currency) values ('x', 1, 'rupees')$$, '23514', null, 'a currency is a code');

-- Who sees it

select tests.authenticate_as((select two from people));

insert into public.analytics_events (event_type, campaign) values ('page_view', 'launch');

select results_eq('select count(*) from public.analytics_events e join people p on e.user_id in (p.one, p.two)', array[1::bigint], 'a counselor sees their own');

select tests.authenticate_as((select manager from people));

select results_eq('select count(*) from public.analytics_events e join people p on e.user_id in (p.one, p.two)', array[2::bigint], 'a manager those of the team');

select tests.authenticate_as((select other from people));

select results_eq('select count(*) from public.analytics_events e join people p on e.user_id in (p.one, p.two)', array[0::bigint], 'nobody else');

select tests.authenticate_as((select admin from people));

select results_eq('select count(*) from public.analytics_events e join people p on e.user_id in (p.one, p.two)', array[2::bigint], 'scope all sees everything');

-- Conversions are tracked by themselves

select tests.authenticate_as((select one from people));

insert into public.students (name, lead_id, course) select 'Tracked', lead, 'cardiology' from given;

insert into public.students (name) values ('Of no lead');

select results_eq(
  $$select e.event_name, e.user_id, s.lead_id, e.source, e.category, e.value, e.currency, e.event_data, e.properties
    from public.analytics_events e join public.students s on s.id = e.student_id where e.event_type = 'lead_conversion'$$,
  $$select 'Lead Converted to Student', one, lead, 'Website', 'conversion', 50000.00, 'INR', '{"source": "Website"}'::jsonb,
    '{"course": "cardiology", "conversion_value": 50000.00}'::jsonb from people, given$$,
  'a lead that becomes a student is the event lead_conversion, a student of no lead is none');

-- In numbers

insert into public.analytics_events (event_type, value, currency, campaign) values ('page_view', 10, 'usd', 'launch'), ('page_view', 7.5, 'inr', 'launch'), ('click', null, null, null);

create function pg_temp.totals(p_call text) returns text language plpgsql as $$
declare
  answer text;
begin
  execute format('select string_agg(concat_ws('' '', coalesce(key, ''-''), events, people, conversions, value, currency, average_duration), ''; '') from public.analytics_event_totals(%s)', p_call) into answer;
  return answer;
end
$$;

grant execute on function pg_temp.totals(text) to public;

select is(pg_temp.totals(''), 'page_view 3 1 0 20.00 INR 30; click 1 1 0 0 INR; lead_conversion 1 1 1 50000.00 INR', 'by type, in one currency');

select is(pg_temp.totals($$'campaign'$$), 'launch 3 1 0 20.00 INR 30; - 2 1 1 50000.00 INR', 'by campaign');

select is(pg_temp.totals($$'campaign', p_event_type => 'Click'$$), '- 1 1 0 0 INR', 'of one type');

select is(pg_temp.totals($$'user_id', p_campaign => 'launch'$$), (select one || ' 3 1 0 20.00 INR 30' from people), 'of one campaign');

select is(pg_temp.totals($$'day', p_from => '2020-01-01', p_to => '2020-01-02'$$), null, 'of other days there is nothing');

select throws_ok($$select public.analytics_event_totals('ip_address')$$, 'PT422', null, 'by nothing else');

select throws_ok($$select public.analytics_event_totals(p_from => '2020-01-01', p_to => '2021-01-02')$$, 'PT422', null, 'and of a year at most');

select tests.authenticate_as((select manager from people));

select is(pg_temp.totals($$'event_type', p_event_type => 'page_view'$$), 'page_view 4 2 0 20.00 INR 30', 'a manager counts the team');

select tests.authenticate_as((select other from people));

select is(pg_temp.totals(''), null, 'and nobody what they do not see');

-- They are read by their indexes

select tests.clear_authentication();

insert into public.analytics_events (user_id, event_type, created_at)
select case when n % 20 = 0 then one else other end, case when n % 10 = 0 then 'rare' else 'page_view' end, now() - make_interval(hours => n)
from people, generate_series(1, 6000) n;

analyze public.analytics_events;

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

select tests.authenticate_as(id), ok(plan like '%' || index || '%' and plan not like '%Seq Scan on analytics_events%' and plan not like '%Sort%', format('%s reads %s in order', who, index))
from (
  select 'an administrator' as who, admin as id, '' as condition, 'analytics_events_newest' as index from people
  union all select 'an administrator of some days', admin, $$and e.created_at >= now() - interval '5 days'$$, 'analytics_events_newest' from people
  union all select 'somebody who asks for a type', admin, $$and e.event_type = 'rare'$$, 'analytics_events_of_type' from people
  union all select 'somebody who asks for a person', manager, format('and e.user_id = %L', one), 'analytics_events_of_user' from people
  union all select 'a counselor', one, format('and e.user_id = %L', one), 'analytics_events_of_user' from people
) t
cross join lateral (
  select tests.authenticate_as(t.id), pg_temp.plan(format('select * from public.analytics_events e where true %s order by e.created_at desc, e.id desc limit 50', t.condition)) as plan
) p;

-- They go in time

select tests.clear_authentication();

update public.system_settings set value = '0' where key like 'retention.%';

select is(private.retention_purge(), '{}', '0 keeps them for ever');

update public.system_settings set value = '200' where key = 'retention.analytics_event_days';

select is((private.retention_purge() ->> 'analytics_events')::integer, 6000 - 200 * 24, 'what is older than the setting goes');

select is(private.retention_purge(), '{}', 'and nothing else');

select * from finish();

rollback;

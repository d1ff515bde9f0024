-- Dashboards: figures and changes against numbers worked out by hand, for each role, with days that begin when
-- they begin for the organisation, money of one currency, nothing divided by nothing, and plans that hold at volume.

begin;

select no_plan();

-- Only the rows of this file count.
update public.leads set deleted_at = now() where deleted_at is null;

update public.students set deleted_at = now() where deleted_at is null;

update public.communications set deleted_at = now() where deleted_at is null;

update public.calls set deleted_at = now() where deleted_at is null;

update public.payments set paid_at = '2001-01-01' where paid_at is not null;

delete from public.analytics_events;

update public.system_settings set value = '"Asia/Kolkata"' where key = 'organization.timezone';

update public.system_settings set value = '"INR"' where key = 'organization.currency';

create temp table people on commit drop as
select tests.create_user('admin') as admin, tests.create_user('manager', 'Dash A') as manager, tests.create_user('counselor', 'Dash A') as one,
  tests.create_user('counselor', 'Dash A') as two, tests.create_user('counselor', 'Dash B') as other, tests.create_user('counselor', 'Dash B', false) as gone;

grant select on people to public;

-- Monday 10 to Sunday 16 March 2025, and the week before.
create temp table plan (name text, owner text, source text, day timestamptz, reached text, paid numeric, currency text, paid_at timestamptz) on commit drop;

insert into plan values
  ('D1', 'one', 'Google', '2025-03-10 00:00+05:30', 'enrolled', 4000, 'INR', '2025-03-10 00:00+05:30'),
  ('D2', 'one', 'Google', '2025-03-11 12:00+05:30', 'contacted', null, null, null),
  ('D3', 'one', 'Meta', '2025-03-16 23:59:59.999999+05:30', 'new', 500, 'USD', '2025-03-12 12:00+05:30'),
  ('D4', 'two', 'Google', '2025-03-12 12:00+05:30', 'enrolled', 3000, 'INR', '2025-03-16 23:59:59.999999+05:30'),
  ('D5', 'other', 'Meta', '2025-03-12 12:00+05:30', 'lost', 1000, 'INR', '2025-03-12 12:00+05:30'),
  ('D6', 'one', 'Meta', '2025-03-09 23:59:59.999999+05:30', 'enrolled', 5000, 'INR', '2025-03-09 23:59:59.999999+05:30'),
  ('D7', 'two', 'Walk-in', '2025-03-03 00:00+05:30', 'contacted', null, null, null),
  ('D8', 'two', 'Walk-in', '2025-03-02 23:59:59.999999+05:30', 'enrolled', 9000, 'INR', '2025-03-02 23:59:59.999999+05:30');

insert into public.leads (name, assigned_to, source, created_at)
select p.name, case p.owner when 'one' then one when 'two' then two else other end, p.source, p.day from plan p, people;

update public.leads l set status = p.reached from plan p where p.name = l.name;

insert into public.payments (lead_id, amount, currency)
select l.id, p.paid, p.currency from plan p join public.leads l on l.name = p.name where p.paid is not null;

update public.payments x set status = 'completed', paid_amount = x.amount, paid_at = p.paid_at
from plan p join public.leads l on l.name = p.name where l.id = x.lead_id;

-- Half of D4's money went back; a payment that was only asked for is none.
update public.payments x set status = 'partially_refunded', refund_amount = 1500 from public.leads l where l.id = x.lead_id and l.name = 'D4';

insert into public.payments (lead_id, amount, currency) select l.id, 70000, 'INR' from public.leads l where l.name = 'D2';

insert into public.communications (lead_id, user_id, type, status, sent_at, clicked_at, deleted_at)
select l.id, l.assigned_to, m.type, 'delivered', m.at, m.clicked_at, m.deleted_at
from public.leads l
join (values
  ('D1', 'email', timestamptz '2025-03-10 09:00+05:30', timestamptz '2025-03-10 10:00+05:30', null::timestamptz),
  ('D5', 'email', '2025-03-12 09:00+05:30', '2025-03-12 10:00+05:30', null),
  ('D1', 'email', '2025-03-10 09:00+05:30', '2025-03-10 10:00+05:30', now()),
  ('D6', 'sms', '2025-03-09 09:00+05:30', '2025-03-09 10:00+05:30', null)
) m (name, type, at, clicked_at, deleted_at) on m.name = l.name;

insert into public.analytics_events (user_id, event_type, created_at)
select x.who, x.type, x.at
from people, lateral (values (one, 'link_click', timestamptz '2025-03-16 09:00+05:30'), (one, 'page_view', '2025-03-16 09:00+05:30'), (other, 'link_click', '2025-03-05 09:00+05:30')) x (who, type, at);

create function pg_temp.stats(p_start date, p_end date) returns text language sql as $$
  select string_agg(concat_ws(' ', k, round((s -> k ->> 'value')::numeric, 1), s -> k ->> 'change', s -> k ->> 'trend'), '; ' order by n)
  from public.dashboard_stats(p_start, p_end) s, unnest(array['revenue', 'active_leads', 'conversion_rate', 'link_clicks']) with ordinality u (k, n)
$$;

grant execute on function pg_temp.stats(date, date) to public;

-- Four figures and what they were the week before

select tests.authenticate_as((select admin from people));

-- 4000 + 1500 + 1000 against 5000; open D2, D3 against D7; 2 of 5 won against 1 of 2; 2 messages and an event against 1 and 1.
select is(
  pg_temp.stats('2025-03-10', '2025-03-16'), 'revenue 6500.0 30.0 up; active_leads 2.0 100.0 up; conversion_rate 40.0 -20.0 down; link_clicks 3.0 50.0 up',
  'all figures of a week against the week before');

select results_eq(
  $$select k, array(select jsonb_object_keys(v) order by 1) from jsonb_each(public.dashboard_stats('2025-03-10', '2025-03-16')) e (k, v) order by k$$,
  $$values ('active_leads', '{change,trend,value}'::text[]), ('conversion_rate', '{change,trend,value}'), ('link_clicks', '{change,trend,value}'), ('revenue', '{change,trend,value}')$$,
  'each with its documented keys');

select is(pg_temp.stats('2025-03-09', '2025-03-09'), 'revenue 5000.0 100 up; active_leads 0.0 0 up; conversion_rate 100.0 100 up; link_clicks 1.0 100 up', 'what came of nothing is 100 percent more');

select is(pg_temp.stats('2020-01-01', '2020-01-31'), 'revenue 0.0 0 up; active_leads 0.0 0 up; conversion_rate 0.0 0 up; link_clicks 0.0 0 up', 'an empty period has zeros');

select is(pg_temp.stats('2025-03-17', '2025-03-23'), 'revenue 0.0 -100.0 down; active_leads 0.0 -100.0 down; conversion_rate 0.0 -100.0 down; link_clicks 0.0 -100.0 down', 'and what ended fell by all');

select throws_ok($$select public.dashboard_stats('2025-03-02', '2025-03-01')$$, 'PT422', null, 'a period ends after it begins');

select throws_ok($$select public.dashboard_stats('-infinity', '2025-03-01')$$, 'PT422', null, 'and begins somewhere');

select is((public.dashboard_stats() #>> '{revenue,value}')::numeric, 0::numeric, 'without days it is the last thirty');

-- Charts

select results_eq(
  $$select * from public.dashboard_chart_revenue('2025-03-10', '2025-03-16')$$,
  $$values ('Mon', 4000.00), ('Tue', 0), ('Wed', 1000.00), ('Thu', 0), ('Fri', 0), ('Sat', 0), ('Sun', 1500.00)$$,
  'revenue per weekday, in one currency, less refunds, days without any as nothing');

select results_eq(
  $$select date, value from public.dashboard_chart_revenue('2025-03-09', '2025-03-16') limit 2$$,
  $$values ('2025-03-09', 5000.00), ('2025-03-10', 4000.00)$$,
  'and per day when there are more than seven');

select results_eq('select count(*), min(date) < max(date) from public.dashboard_chart_revenue()', 'values (30::bigint, true)', 'thirty, unless said otherwise');

select throws_ok($$select public.dashboard_chart_revenue('2020-01-01', '2021-01-02')$$, 'PT422', null, 'and a year at most');

select results_eq(
  $$select * from public.dashboard_chart_sources('2025-03-10', '2025-03-16')$$, $$values ('Google', 3::bigint), ('Meta', 2::bigint)$$,
  'leads per source, the largest first');

select is_empty($$select * from public.dashboard_chart_sources('2020-01-01', '2020-01-02')$$, 'of nothing there is none');

-- Volume

select results_eq(
  $$select * from public.analytics_lead_volume('2025-03-09', '2025-03-13')$$,
  $$values ('2025-03-09'::date, 1::bigint), ('2025-03-10', 1), ('2025-03-11', 1), ('2025-03-12', 2), ('2025-03-13', 0)$$,
  'leads per day, days without any as nothing');

select results_eq(
  $$select * from public.analytics_lead_volume('2025-03-01', '2025-03-24', ' Week ')$$,
  $$values ('2025-02-24'::date, 1::bigint), ('2025-03-03', 2), ('2025-03-10', 5), ('2025-03-17', 0), ('2025-03-24', 0)$$,
  'per week from Monday');

select results_eq(
  $$select * from public.analytics_lead_volume('2025-02-10', '2025-03-15', 'month')$$,
  $$values ('2025-02-01'::date, 0::bigint), ('2025-03-01', 7)$$, 'per month, of what lies within the period');

select is((select count(*) from public.analytics_lead_volume()), 30::bigint, 'thirty days, unless said otherwise');

select throws_ok($$select public.analytics_lead_volume(p_granularity => 'hour')$$, 'PT422', null, 'by nothing smaller');

select throws_ok($$select public.analytics_lead_volume('2020-01-01', '2025-01-01')$$, 'PT422', null, 'and not for ever');

-- The others count what they see

select tests.authenticate_as((select manager from people));

select is(
  pg_temp.stats('2025-03-10', '2025-03-16'), 'revenue 5500.0 10.0 up; active_leads 2.0 100.0 up; conversion_rate 50.0 0.0 up; link_clicks 2.0 100.0 up',
  'a manager counts the team');

select is((select sum(value) from public.dashboard_chart_revenue('2025-03-10', '2025-03-16')), 5500.00, 'also its revenue');

select is((select sum(value) from public.dashboard_chart_sources('2025-03-10', '2025-03-16')), 4::numeric, 'its sources');

select is((select sum(count) from public.analytics_lead_volume('2025-03-10', '2025-03-16')), 4::numeric, 'and its volume');

select tests.authenticate_as((select one from people));

select is(
  pg_temp.stats('2025-03-10', '2025-03-16'), 'revenue 4000.0 -20.0 down; active_leads 2.0 100 up; conversion_rate 33.3 -66.7 down; link_clicks 2.0 100.0 up',
  'a counselor their own');

select is((select sum(value) from public.dashboard_chart_revenue('2025-03-10', '2025-03-16')), 4000.00, 'also in the chart');

select tests.authenticate_as((select gone from people));

select is(
  (select sum(count) from public.analytics_lead_volume('2025-03-10', '2025-03-16')) + (select sum(value) from public.dashboard_chart_revenue('2025-03-10', '2025-03-16'))
    + (public.dashboard_stats('2025-03-10', '2025-03-16') #>> '{link_clicks,value}')::numeric,
  0::numeric, 'somebody inactive counts nothing');

-- A day begins at midnight of the organisation

select tests.clear_authentication();

update public.system_settings set value = '"UTC"' where key = 'organization.timezone';

select tests.authenticate_as((select admin from people));

select results_eq(
  $$select * from public.dashboard_chart_revenue('2025-03-09', '2025-03-10')$$, $$values ('Sun', 9000.00), ('Mon', 0)$$,
  'in UTC the first minute of Monday in Kolkata belongs to Sunday');

select results_eq(
  $$select * from public.analytics_lead_volume('2025-03-09', '2025-03-10')$$, $$values ('2025-03-09'::date, 2::bigint), ('2025-03-10', 0)$$, 'of leads too');

select tests.clear_authentication();

update public.system_settings set value = '"Asia/Kolkata"' where key = 'organization.timezone';

-- The overview: the last days until today

update public.leads l set created_at = now() - make_interval(days => d.ago)
from (values ('D1', 0), ('D2', 1), ('D3', 6), ('D4', 6), ('D5', 5), ('D6', 7), ('D7', 13), ('D8', 14)) d (name, ago)
where l.name = d.name;

update public.payments x set paid_at = l.created_at from public.leads l where l.id = x.lead_id and x.paid_at is not null;

insert into public.students (name, lead_id, enrolled_at) select l.name, l.id, l.created_at from public.leads l where l.name in ('D1', 'D4', 'D6', 'D8');

insert into public.communications (lead_id, user_id, type, status, sent_at, scheduled_at)
select l.id, l.assigned_to, m.type, m.status, case when m.status <> 'queued' then l.created_at end, now()
from public.leads l
join (values ('D1', 'email', 'sent'), ('D1', 'sms', 'delivered'), ('D2', 'email', 'read'), ('D5', 'whatsapp', 'received'), ('D2', 'email', 'failed'), ('D2', 'email', 'queued'),
  ('D3', 'meeting', 'completed'), ('D6', 'email', 'sent')) m (name, type, status) on m.name = l.name;

insert into public.calls (lead_id, agent_id, status, outcome, started_at, duration)
select l.id, l.assigned_to, c.status, c.outcome, l.created_at, c.duration
from public.leads l
join (values ('D1', 'completed', 'connected', 60), ('D1', 'missed', 'no_answer', 0), ('D4', 'completed', 'connected', 60), ('D7', 'completed', 'connected', 60)) c (name, status, outcome, duration) on c.name = l.name;

select tests.authenticate_as((select admin from people));

-- 5 leads against 2 (D6, D7); 2 students against 1 (D6); 40 percent against 50; 6500 against 5000.
select is(
  public.dashboard_overview('7d') #- '{overview,activeUsers}',
  '{
    "overview": {"totalLeads": 5, "totalStudents": 2, "conversionRate": 40.0, "revenue": 6500.00},
    "trends": {"leadsChange": 150.0, "studentsChange": 100.0, "conversionChange": -20.0, "revenueChange": 30.0},
    "leadSources": [{"source": "Google", "count": 3, "percentage": 60.0}, {"source": "Meta", "count": 2, "percentage": 40.0}],
    "conversionFunnel": [
      {"stage": "New", "count": 5, "percentage": 100.0}, {"stage": "Contacted", "count": 3, "percentage": 60.0}, {"stage": "Qualified", "count": 2, "percentage": 40.0},
      {"stage": "Proposal", "count": 2, "percentage": 40.0}, {"stage": "Enrolled", "count": 2, "percentage": 40.0}
    ],
    "communicationStats": {"total": 6, "email": 2, "sms": 1, "whatsapp": 1, "phone": 2}
  }'::jsonb,
  'the overview of a week in its documented keys, worked out by hand');

select is(public.dashboard_overview('1w'), public.dashboard_overview('7d'), 'a week is seven days');

select is((public.dashboard_overview() #>> '{overview,totalLeads}')::int, 8, 'thirty days, unless said otherwise');

select is(public.dashboard_overview('14d') #>> '{trends,leadsChange}', '600.0', 'seven against D8');

select throws_ok(format('select public.dashboard_overview(%L)', r), 'PT422', null, format('%s is no range', r)) from unnest(array['0d', '367d', '2y', 'week', '-7d', '', '7']) r;

select throws_ok('select public.dashboard_overview(null)', 'PT422', null, 'nor is nothing');

select tests.authenticate_as((select one from people));

select is(
  public.dashboard_overview('7d') - 'conversionFunnel' #- '{overview,activeUsers}',
  '{
    "overview": {"totalLeads": 3, "totalStudents": 1, "conversionRate": 33.3, "revenue": 4000.00},
    "trends": {"leadsChange": 200.0, "studentsChange": 0.0, "conversionChange": -66.7, "revenueChange": -20.0},
    "leadSources": [{"source": "Google", "count": 2, "percentage": 66.7}, {"source": "Meta", "count": 1, "percentage": 33.3}],
    "communicationStats": {"total": 4, "email": 2, "sms": 1, "whatsapp": 0, "phone": 1}
  }'::jsonb,
  'a counselor''s overview is of their own');

-- Active are those who signed in, went on, or gave a sign of life

select tests.clear_authentication();

delete from auth.sessions s using people p where s.user_id in (p.two, p.other);

update auth.users u set last_sign_in_at = null from people p where u.id in (p.one, p.two, p.other);

insert into public.agent_presence (user_id, status_changed_at, last_seen_at) select two, now(), now() - interval '8 days' from people
on conflict (user_id) do update set last_seen_at = excluded.last_seen_at;

select tests.authenticate_as((select manager from people));

select is(public.dashboard_overview('7d') #>> '{overview,activeUsers}', '2', 'the manager and one of the team were here within a week');

select is(public.dashboard_overview('9d') #>> '{overview,activeUsers}', '3', 'another before');

-- By GET, and only then, one's own browser may keep it

select set_config('response.headers', '', true), set_config('request.method', 'POST', true);

select lives_ok('select public.dashboard_overview(''7d'')', 'asked by POST');

select is(current_setting('response.headers', true), '', 'nothing is kept');

select set_config('request.method', 'GET', true);

select lives_ok('select public.analytics_kpis()', 'asked by GET');

select is(
  current_setting('response.headers', true)::jsonb, '[{"Cache-Control": "private, max-age=300"}, {"Vary": "Authorization"}]'::jsonb,
  'for five minutes, by that browser, for that token');

-- They are read by their indexes

select tests.clear_authentication();

alter table public.communications disable trigger user;

alter table public.students disable trigger user;

alter table public.payments disable trigger user;

insert into public.communications (user_id, type, status, sent_at, clicked_at)
select case when n % 20 = 0 then one else other end, 'email', 'sent', now() - make_interval(hours => n), case when n % 50 = 0 then now() - make_interval(hours => n) end
from people, generate_series(1, 6000) n;

insert into public.students (name, assigned_to, enrolled_at) select 'Volume ' || n, other, now() - make_interval(hours => n) from people, generate_series(1, 1500) n;

insert into public.payments (assigned_to, amount, currency, status, paid_amount, paid_at)
select other, 1, 'INR', 'completed', 1, now() - make_interval(hours => n) from people, generate_series(1, 1500) n;

analyze public.communications, public.students, public.payments;

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

select tests.authenticate_as((select admin from people));

select alike(pg_temp.plan(query), '%' || index || '%', format('%s of a few days by %s', what, index))
from (values
  ('messages', 'communications_by_time', $$select m.type, count(*) from public.communications m where m.deleted_at is null and m.sent_at >= now() - interval '3 days' group by 1$$),
  ('clicks', 'communications_clicked', $$select count(*) from public.communications m where m.deleted_at is null and m.clicked_at >= now() - interval '3 days'$$),
  ('students', 'students_by_enrolment', $$select count(*) from public.students s where s.deleted_at is null and s.enrolled_at >= now() - interval '3 days'$$),
  ('revenue', 'payments_by_paid_at', $$select sum(p.paid_amount - p.refund_amount) from public.payments p where p.paid_at >= now() - interval '3 days' and p.currency = 'INR'$$)
) t (what, index, query);

select * from finish();

rollback;

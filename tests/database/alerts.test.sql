-- Alerts: what is told of whom, to whom, in which order, page by page; and which leads are at risk and why.

begin;

select no_plan();

-- Only the people and the leads of this file count.
update public.leads set deleted_at = now() where deleted_at is null;

update public.tasks set deleted_at = now() where deleted_at is null;

delete from private.jobs_dead;

update public.integrations set status = 'disconnected';

update public.sla_policies set is_active = false;

delete from public.lead_risks;

create temp table people on commit drop as
select tests.create_user('admin') as admin, tests.create_user('manager', 'Alerts A') as manager, tests.create_user('counselor', 'Alerts A') as counselor,
  tests.create_user('counselor', 'Alerts B') as stranger;

create temp table given on commit drop as
select gen_random_uuid() as breached, gen_random_uuid() as stale, gen_random_uuid() as old, gen_random_uuid() as fresh, gen_random_uuid() as lost, gen_random_uuid() as theirs;

grant select on people, given to public;

alter table public.leads disable trigger route_new_lead;

create function pg_temp.number(p_id uuid) returns text language sql as $$ select l.lead_id from public.leads l where l.id = p_id $$;

create function pg_temp.refresh() returns integer language sql as $$ select private.refresh_risks(array(select l.id from public.leads l)) $$;

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

grant execute on function pg_temp.number(uuid), pg_temp.plan(text) to public;

insert into public.leads (id, name, assigned_to, created_at, last_interaction_at, status)
select i.id, i.name, i.owner, now() - i.age, now() - i.quiet, i.status
from given g, people p, lateral (values
  (g.breached, 'Breached', p.counselor, interval '1 day', null::interval, 'new'),
  (g.stale, 'Stale', p.counselor, interval '40 days', interval '20 days', 'new'),
  (g.old, 'Old', p.counselor, interval '100 days', interval '1 day', 'new'),
  (g.fresh, 'Fresh', p.counselor, interval '1 day', interval '1 hour', 'new'),
  (g.lost, 'Lost', p.counselor, interval '200 days', interval '100 days', 'lost'),
  (g.theirs, 'Theirs', p.stranger, interval '30 days', null, 'new')
) i (id, name, owner, age, quiet, status);

insert into public.sla_policies (name, kind, source, target_minutes, is_in_business_hours) values ('Within an hour', 'first_response', 'Alerts', 60, false);

insert into public.sla_timers (lead_id, lead_owner_id, team_id, policy_id, kind, started_at, due_at, breached_at)
select l.id, l.assigned_to, l.team_id, p.id, p.kind, l.created_at, l.created_at + interval '1 hour', l.created_at + interval '1 hour'
from given g join public.leads l on l.id = g.breached join public.sla_policies p on p.name = 'Within an hour';

select results_eq($$select k.lead_id, k.severity::integer from public.lead_risks k$$, $$select breached, 3 from given$$, 'a breach puts its lead at risk at once');

insert into public.tasks (title, lead_id, assigned_to, due_date) select 'Send the brochure', g.fresh, p.counselor, now() - interval '2 hours' from given g, people p;

insert into public.tasks (title, assigned_to, due_date) select 'Tidy up', p.counselor, now() - interval '3 days' from people p;

insert into public.tasks (title, assigned_to, due_date, status) select 'Done or not', p.counselor, now() - interval '3 days', s from people p, unnest(array['done', 'cancelled']) s;

insert into public.tasks (title, assigned_to, due_date) select 'Later', p.counselor, now() + interval '3 days' from people p;

update public.integrations set status = 'error', last_error = 'Token expired' where type = 'facebook';

insert into private.jobs_dead (id, kind, payload, provider, priority, attempts, max_attempts, last_error, created_at)
values (gen_random_uuid(), 'test.alert', '{}', 'none', 0, 3, 3, 'Gave up', now());

select cmp_ok(pg_temp.refresh(), '>', 0, 'leads at risk are found');

select is(pg_temp.refresh(), 0, 'finding them again changes nothing');

-- Alerts

select tests.authenticate_as((select counselor from people));

create temp table mine on commit drop as select row_number() over () as place, a.* from public.analytics_alerts() a;

select results_eq(
  $$select type, severity, title, description, link, created_at from mine order by place$$,
  $$select * from (values
    ('overdue_task', 'medium', 'Overdue task', 'Send the brochure', '/tasks/' || (select id from public.tasks where title = 'Send the brochure'), now() - interval '2 hours'),
    ('sla_breach', 'high', 'First response overdue', (select pg_temp.number(breached) from given) || ', Within an hour', '/leads/' || (select pg_temp.number(breached) from given), now() - interval '23 hours'),
    ('overdue_task', 'medium', 'Overdue task', 'Tidy up', '/tasks/' || (select id from public.tasks where title = 'Tidy up'), now() - interval '3 days'),
    ('stale_lead', 'medium', 'Stale lead', (select pg_temp.number(stale) from given) || ', no interaction since ' || ((now() - interval '20 days') at time zone private.organization_timezone())::date, '/leads/' || (select pg_temp.number(stale) from given), now() - interval '6 days')
  ) v$$,
  'a counselor is told of breaches, overdue tasks and stale leads of their own, newest first');

select tests.authenticate_as((select manager from people));

select set_eq($$select type, description from public.analytics_alerts()$$, $$select type, description from mine$$, 'their manager of the same');

select is_empty($$select from private.dead_job_alerts('infinity', 10)$$, 'what reads dead jobs asks by itself who is calling');

select tests.authenticate_as((select admin from people));

select is((select array_agg(distinct a.type order by a.type) from public.analytics_alerts() a), array['dead_job', 'failed_integration', 'overdue_task', 'sla_breach', 'stale_lead'], 'scope all of integrations and jobs too');

select results_eq($$select severity, title, description, link from public.analytics_alerts() where type = 'failed_integration'$$, $$values ('critical', 'Integration failed', 'Meta Lead Ads, Token expired', '/settings/integrations/facebook')$$, 'with what went wrong');

select results_eq($$select severity, title, description from public.analytics_alerts() where type = 'dead_job'$$, $$values ('high', 'Job failed', 'test.alert, Gave up')$$, 'and where');

select tests.authenticate_as((select stranger from people));

select results_eq($$select type, description from public.analytics_alerts()$$, $$select 'stale_lead', pg_temp.number(theirs) || ', nobody has spoken with this person yet' from given$$, 'a stranger of their own alone');

select tests.authenticate_as((select admin from people));

create function pg_temp.paged(p_limit integer) returns setof text language plpgsql as $$
declare
  page jsonb;
  last jsonb;
begin
  -- A list that never ends fails instead.
  for n in 1 .. 20 loop
    select jsonb_agg(to_jsonb(a)) into page from public.analytics_alerts(p_limit, last) a;

    exit when page is null;

    return query select e ->> 'link' || (e ->> 'title') from jsonb_array_elements(page) e;

    last := page -> -1;
  end loop;
end
$$;

select results_eq('select * from pg_temp.paged(1)', $$select link || title from public.analytics_alerts()$$, 'one by one the pages are the list');

select results_eq('select * from pg_temp.paged(3)', $$select link || title from public.analytics_alerts()$$, 'and three by three');

select throws_ok($$select public.analytics_alerts(201)$$, 'PT422', null, 'a page has an end');

select throws_ok($$select public.analytics_alerts(10, '{"created_at": "never"}')$$, 'PT422', null, 'and begins after an alert');

select tests.clear_authentication();

update public.system_settings set value = '"low"' where key = 'alerts.severity.sla_breach';

select tests.authenticate_as((select counselor from people));

select is((select severity from public.analytics_alerts() where type = 'sla_breach'), 'low', 'severities are settings');

-- At risk

select tests.clear_authentication();

update public.system_settings set value = '"critical"' where key = 'alerts.severity.sla_breach';

select is((select count(*) from public.lead_risks where not is_outdated), 0::bigint, 'a changed setting counts for those at risk already');

do $$ begin perform private.risk_sweep(); end $$;

select is((select count(*) from public.lead_risks where is_outdated), 0::bigint, 'when the sweep has been round');

select tests.authenticate_as((select counselor from people));

select results_eq(
  $$select name, severity, reasons, link = '/leads/' || lead_id from public.leads_at_risk()$$,
  $$values ('Breached', 'critical', array['sla'], true), ('Fresh', 'medium', array['overdue_tasks'], true), ('Stale', 'medium', array['inactivity'], true), ('Old', 'low', array['age'], true)$$,
  'leads at risk come gravest first, then newest, with their reasons; closed ones are not among them');

select results_eq(
  $$select b.name from public.leads_at_risk(2) a, public.leads_at_risk(2, jsonb_build_object('severity', a.severity, 'since', a.since, 'id', a.id)) b where a.name = 'Fresh'$$,
  $$values ('Stale'), ('Old')$$, 'the next page is after the last row');

select throws_ok($$select public.leads_at_risk(10, '{"severity": "some"}')$$, 'PT422', null, 'which must be one');

select tests.authenticate_as((select stranger from people));

select results_eq($$select name from public.leads_at_risk()$$, $$values ('Theirs')$$, 'a stranger sees their own');

select is_empty($$select from public.lead_risks k join given g on k.lead_id = g.stale$$, 'also in the table');

select tests.clear_authentication();

update public.tasks set completed = true where title = 'Send the brochure';

select is_empty($$select from public.lead_risks k join given g on k.lead_id = g.fresh$$, 'a task that is done is no reason any more, at once');

update public.tasks set due_date = now() - interval '1 hour', lead_id = g.fresh from given g where title = 'Later';

select isnt_empty($$select from public.lead_risks k join given g on k.lead_id = g.fresh where k.tasks_since is not null$$, 'one that is moved into the past is, at once');

update public.sla_timers t set met_at = now() from given g where t.lead_id = g.breached;

select is_empty($$select from public.lead_risks k join given g on k.lead_id = g.breached$$, 'nor is a breach once it is answered');

update public.leads l set last_interaction_at = now() from given g where l.id = g.stale;

select tests.authenticate_as((select counselor from people));

select is_empty($$select from public.analytics_alerts() where type = 'stale_lead'$$, 'a lead that somebody spoke with is not stale, before the sweep comes');

select tests.clear_authentication();

-- What touches no timer and no task asks nothing: each lead that is given to somebody does that

create function pg_temp.settings_read() returns bigint language sql as $$
  select sum(t.seq_scan + coalesce(t.idx_scan, 0))::bigint from pg_stat_xact_all_tables t where t.relid = 'public.system_settings'::regclass
$$;

create temp table read_before on commit drop as select pg_temp.settings_read() as scans;

update public.sla_timers set team_id = null where false;

update public.tasks set team_id = null where false;

select is(pg_temp.settings_read(), (select scans from read_before), 'an update of no timer and no task looks at no risk');

-- The sweep finds what time brings

update private.timeline_readers set read_until = private.uuid_v7_since(now() - interval '30 days') where name like 'risks.%';

delete from public.lead_risks;

update public.system_settings set value = '14' where key = 'alerts.stale_after_days';

insert into public.activities (id, lead_id, type, title) select private.uuid_v7_since(now() - interval '14 days 1 hour'), theirs, 'call', 'Long ago' from given;

do $$ begin perform private.risk_sweep(); end $$;

select results_eq($$select k.lead_id, k.quiet_since is not null from public.lead_risks k$$, $$select theirs, true from given$$, 'what was written so many days ago leads to who has been quiet since');

update public.leads set deleted_at = now() from given g where leads.id = g.theirs;

do $$ begin perform private.refresh_risks(array(select theirs from given)); end $$;

select is_empty('select from public.lead_risks', 'a deleted lead is at no risk');

update public.leads set deleted_at = null from given g where leads.id = g.theirs;

select isnt_empty('select from public.lead_risks k, given g where k.lead_id = g.theirs and k.quiet_since is not null', 'one that is restored is again, at once');

update public.system_settings set value = '365' where key = 'alerts.stale_after_days';

do $$ begin perform private.risk_sweep(); end $$;

select is_empty('select from public.lead_risks where quiet_since is not null', 'where more days count it has not been quiet long enough');

update public.system_settings set value = '14' where key = 'alerts.stale_after_days';

do $$ begin perform private.risk_sweep(); end $$;

select isnt_empty('select from public.lead_risks k, given g where k.lead_id = g.theirs and k.quiet_since is not null', 'and it is not forgotten for the day when it has');

update private.risk_clock set tasks_until = now() - interval '1 day';

insert into public.tasks (title, lead_id, assigned_to, due_date) select 'Came due', g.old, p.counselor, now() - interval '1 minute' from given g, people p;

do $$ begin perform private.risk_sweep(); end $$;

select isnt_empty($$select from public.lead_risks k join given g on k.lead_id = g.old where k.tasks_since is not null$$, 'a task that came due is found');

select is((select tasks_until from private.risk_clock), now() - interval '1 minute', 'and looked at once');

update public.leads l set status = 'lost' from given g where l.id = g.old;

do $$ begin perform pg_temp.refresh(); end $$;

select is_empty($$select from public.lead_risks k join given g on k.lead_id = g.old$$, 'a closed lead is at no risk');

-- By index

set local enable_seqscan = off;

set local enable_sort = off;

select matches(pg_temp.plan($$select from public.lead_risks k where k.lead_owner_id = '00000000-0000-7000-8000-000000000000'::uuid and (k.severity, k.since, k.lead_id) < (5, now(), '00000000-0000-7000-8000-000000000000'::uuid) order by k.severity desc, k.since desc, k.lead_id desc limit 10$$), 'lead_risks_gravest_of_owner', 'leads at risk of an owner have an index');

select matches(pg_temp.plan($$select from public.tasks t where t.due_date <= now() and t.deleted_at is null and t.status not in ('done', 'cancelled') order by t.due_date desc limit 10$$), 'tasks_open ', 'overdue tasks have one');

select matches(pg_temp.plan($$select from public.sla_timers t where t.team_id = '00000000-0000-7000-8000-000000000000'::uuid and t.breached_at is not null and t.met_at is null and t.cancelled_at is null and t.breached_at <= now() order by t.breached_at desc limit 10$$), 'sla_timers_breached_of_team', 'breaches of a team have one');

select * from finish();

rollback;

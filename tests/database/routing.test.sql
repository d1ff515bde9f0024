-- Routing: leads without an owner go round, within the caps, to whom the rules name; every decision is
-- written down; people assign by hand within their reach.

begin;

select no_plan();

-- Only the people and the leads of this file count.
update public.leads set deleted_at = now() where assigned_to is null;

update public.teams set is_auto_assigned = false;

update public.assignment_rules set is_active = false;

update public.system_settings set value = '0' where key = 'routing.max_open_leads';

create temp table people on commit drop as
select tests.create_user('admin') as admin, tests.create_user('manager', 'Routing A') as manager,
  tests.create_user('counselor', 'Routing A') as one, tests.create_user('counselor', 'Routing A') as two, tests.create_user('counselor', 'Routing A') as three,
  tests.create_user('counselor', 'Routing B') as other, tests.create_user('manager', 'Routing B') as other_manager,
  tests.create_user('counselor', 'Routing A', false) as inactive;

create temp table teams on commit drop as
select (select id from public.teams where name = 'Routing A') as a, (select id from public.teams where name = 'Routing B') as b;

update public.teams set is_auto_assigned = false where id = (select b from teams);

grant select on people, teams to public;

create function pg_temp.add(p_name text, p_source text default 'Manual', p_course text default null, p_territory text default null, p_team uuid default null) returns uuid language plpgsql as $$
declare
  made uuid;
begin
  insert into public.leads (name, source, course, territory, team_id) values (p_name, p_source, p_course, p_territory, p_team) returning id into made;
  return (select l.assigned_to from public.leads l where l.id = made);
end
$$;

create function pg_temp.lead(p_name text) returns uuid language sql as $$ select l.id from public.leads l where l.name = p_name $$;

grant execute on function pg_temp.lead(text) to public;

-- Turns

create temp table turns on commit drop as select n, pg_temp.add('Turn ' || n) as owner from generate_series(1, 9) n;

select is((select count(distinct owner) from turns where n <= 3), 3::bigint, 'three leads go to three people');

select set_eq('select owner from turns', 'select unnest(array[one, two, three]) from people', 'who are the active members, not their manager, the inactive or another team');

select is((select count(*) from turns a join turns b on b.n = a.n + 3 where a.owner = b.owner), 6::bigint, 'the turns go round in one order');

select is_empty('select owner from turns group by owner having count(*) <> 3', 'each gets as many as the others');

select results_eq(
  $$select a.method, a.reason, a.from_user_id, a.assigned_by, a.team_id from public.lead_assignments a where a.lead_id = pg_temp.lead('Turn 1')$$,
  $$select 'automatic', 'Next in turn', null::uuid, null::uuid, a from teams$$,
  'an automatic assignment says why');

select is((select team_id from public.leads where name = 'Turn 1'), (select a from teams), 'the lead has the team of its owner');

-- Somebody inactive is passed over, and comes back

update public.profiles set is_active = false where id = (select one from people);

create temp table without_one on commit drop as select pg_temp.add('Without ' || n) as owner from generate_series(1, 4) n;

select set_eq('select owner from without_one', 'select unnest(array[two, three]) from people', 'somebody inactive is passed over');

update public.profiles set is_active = true where id = (select one from people);

select is(pg_temp.add('Back again'), (select one from people), 'who comes back waited longest, and is next');

-- Caps

update public.profiles set max_open_leads = (select count(*) from public.leads l where l.assigned_to = profiles.id and not exists (select from public.pipeline_stages s where s.key = l.status and s.is_closed)) + 1
where id in (select unnest(array[one, two]) from people);

create temp table capped on commit drop as select pg_temp.add('Capped ' || n) as owner from generate_series(1, 6) n;

select results_eq(
  $$select count(*) filter (where owner = one), count(*) filter (where owner = two), count(*) filter (where owner = three) from capped, people$$, 'values (1::bigint, 1::bigint, 4::bigint)',
  'who has reached their cap gets no more, the others do');

update public.profiles set max_open_leads = 1 where id = (select three from people);

select is(pg_temp.add('Waiting 1'), null, 'when everybody has reached theirs, a lead waits');

select is(pg_temp.add('Waiting 2'), null, 'and the next one too');

select results_eq(
  $$select to_user_id, method, reason from public.lead_assignments where lead_id = pg_temp.lead('Waiting 1')$$,
  $$values (null::uuid, 'automatic', 'No rule matches, and no automatically assigned team has an active member under the cap.')$$,
  'that nobody can take it is written down');

select is(private.assign_waiting_leads(), 0, 'while nobody is free, the sweep gives nothing away');

select is((select count(*) from public.lead_assignments where lead_id = pg_temp.lead('Waiting 1')), 1::bigint, 'and says nothing twice');

update public.leads l set status = 'lost' from people where l.name like 'Capped %' and l.assigned_to = people.one;

select is(private.assign_waiting_leads(), 1, 'when a lead is closed, the sweep finds the place that came free');

select results_eq($$select name, assigned_to from public.leads where name like 'Waiting %' and assigned_to is not null$$, $$select 'Waiting 1', one from people$$, 'and gives it to who waited longest');

update public.profiles set max_open_leads = null where id = (select two from people);

do $$ begin perform private.assign_waiting_leads(); end $$;

select is((select count(*) from public.leads where name like 'Waiting %' and assigned_to is null), 0::bigint, 'without a cap the rest is given away');

select is(
  (select count(*) from public.lead_assignments where lead_id in (select id from public.leads where name like 'Waiting %') and to_user_id is not null and method = 'automatic'), 2::bigint,
  'which is written down too');

update public.profiles set max_open_leads = null where id in (select unnest(array[one, three]) from people);

update public.system_settings set value = '1' where key = 'routing.max_open_leads';

select is(pg_temp.add('Default cap'), null, 'the organisation''s cap holds for who has none of their own');

update public.profiles set max_open_leads = 1000 where id = (select one from people);

select is(pg_temp.add('Own cap'), (select one from people), 'a person''s own cap comes before it');

update public.profiles set max_open_leads = null where id = (select one from people);

update public.system_settings set value = '0' where key = 'routing.max_open_leads';

do $$ begin perform private.assign_waiting_leads(); end $$;

-- Order of the sweep

update public.profiles set is_active = false where id in (select unnest(array[one, two, three]) from people);

do $$ begin perform pg_temp.add('Older'); perform pg_temp.add('Newer'); end $$;

update public.leads set created_at = now() - interval '1 day' where name = 'Older';

update public.profiles set is_active = true where id in (select unnest(array[one, two, three]) from people);

select is(private.assign_waiting_leads(1), 1, 'the sweep takes as many as it is told');

select results_eq(
  $$select name from public.leads where name in ('Older', 'Newer') and assigned_to is null$$, $$values ('Newer')$$, 'the oldest first');

do $$ begin perform private.assign_waiting_leads(); end $$;

update public.leads set assigned_to = null where name = 'Older';

select is(private.assign_waiting_leads(), 0, 'what was taken away from everybody by hand stays so');

-- Leads that need nobody

insert into public.leads (name, assigned_to) select 'Owned', other from people;

select is((select assigned_to from public.leads where name = 'Owned'), (select other from people), 'a lead that has an owner keeps it');

select is_empty($$select from public.lead_assignments where lead_id = pg_temp.lead('Owned')$$, 'and no decision is written down');

insert into public.leads (name, deleted_at) values ('Deleted', now());

select is((select assigned_to from public.leads where name = 'Deleted'), null, 'a deleted lead is given to nobody');

select is(pg_temp.add('For team B', p_team => (select b from teams)), (select other from people), 'a lead of a team goes to that team, though it takes no turns by itself');

-- Rules

insert into public.assignment_rules (name, position, source, course, territory, team_id, is_active)
select 'Switched off', 1, null, null, null, b, false from teams
union all select 'Ads for MBBS', 2, 'facebook ad', 'MBBS', null, b, true from teams
union all select 'West', 3, null, null, 'west', b, true from teams
union all select 'Ads', 4, 'Facebook Ad', null, null, a, true from teams;

select is(pg_temp.add('Rule 1', 'FACEBOOK AD', 'mbbs') = other, true, 'a rule matches all its conditions, whatever the case') from people;

select is((select reason from public.lead_assignments where lead_id = pg_temp.lead('Rule 1')), 'Rule "Ads for MBBS": next in turn', 'and is named as the reason');

select is(pg_temp.add('Rule 2', 'Facebook Ad', 'Nursing') = other, false, 'a rule of which one condition fails does not match') from people;

select is((select reason from public.lead_assignments where lead_id = pg_temp.lead('Rule 2')), 'Rule "Ads": next in turn', 'the next that matches does');

select is(pg_temp.add('Rule 3', 'Facebook Ad', 'Nursing', 'West') = other, true, 'the first by position counts') from people;

select is(pg_temp.add('Rule 4', 'Website') = any (array[one, two, three]), true, 'without a rule the automatically assigned teams take turns') from people;

update public.profiles set is_active = false where id = (select other from people);

select is(pg_temp.add('Rule 5', 'Facebook Ad', 'MBBS'), null, 'when the team of the rule has nobody, the lead waits for that team');

select results_eq(
  $$select l.team_id, a.reason from public.leads l join public.lead_assignments a on a.lead_id = l.id where l.name = 'Rule 5'$$,
  $$select b, 'No active member of the team is under the cap.' from teams$$, 'so that its manager sees it');

update public.profiles set is_active = true where id = (select other from people);

delete from public.assignment_rules where name in ('Switched off', 'Ads for MBBS', 'West', 'Ads');

-- Who changes the rules

select tests.authenticate_as((select manager from people));

select throws_ok(format('insert into public.assignment_rules (name, position, team_id) values (''Mine'', 50, %L)', a), '42501', null, 'a manager makes no rule') from teams;

select tests.authenticate_as((select admin from people));

select lives_ok(format('insert into public.assignment_rules (name, position, team_id) values (''Rule'', 50, %L)', a), 'an administrator does') from teams;

select tests.authenticate_as((select one from people));

select isnt_empty('select from public.assignment_rules', 'everybody may read them');

select is_empty($$update public.assignment_rules set is_active = false returning id$$, 'a counselor changes none');

select is_empty('delete from public.assignment_rules returning id', 'and deletes none');

select tests.authenticate_as_anon();

select throws_ok('select * from public.assignment_rules', '42501', null, 'anon reads none');

select throws_ok('select * from public.lead_assignments', '42501', null, 'nor the decisions');

select throws_ok('select public.lead_assign(array[gen_random_uuid()], null)', '42501', null, 'and assigns nothing');

select tests.clear_authentication();

delete from public.assignment_rules where name = 'Rule';

-- By hand

insert into public.leads (name, assigned_to) select 'Hand ' || n, case n when 1 then one when 2 then two when 3 then other end from people, generate_series(1, 3) n;

select tests.authenticate_as((select one from people));

select results_eq(
  $$select * from tests.refused(format('select public.lead_assign(array[%L]::uuid[], %L)', pg_temp.lead('Hand 1'), (select two from people)))$$,
  $$values ('42501', 'permission_denied: leads.assign')$$, 'a counselor assigns nothing, not even their own');

select tests.authenticate_as((select manager from people));

create temp table answers on commit drop as
select public.lead_assign(array[tests_lead.one, tests_lead.two, tests_lead.one, '6f1f2a52-0000-4000-8000-0000000000ff'], people.three, 'Holidays') as answer
from (select pg_temp.lead('Hand 1') as one, pg_temp.lead('Hand 2') as two) tests_lead, people;

grant select on answers to public;

select is((select answer - 'batch_id' from answers), '{"assigned": 2, "unchanged": 0, "not_found": ["6f1f2a52-0000-4000-8000-0000000000ff"]}', 'a manager assigns leads of the team in one call, and is told what there was not');

select results_eq(
  $$select a.method, a.reason, a.batch_id, a.assigned_by, a.from_user_id, a.to_user_id from public.lead_assignments a where a.lead_id = pg_temp.lead('Hand 1')$$,
  $$select 'manual', 'Holidays', (answer ->> 'batch_id')::uuid, manager, one, three from answers, people$$,
  'every one is written down with who, why and the batch');

select is(
  public.lead_assign(array[pg_temp.lead('Hand 1')], three) - 'batch_id', '{"assigned": 0, "unchanged": 1, "not_found": []}'::jsonb, 'what does not change is not counted as assigned') from people;

select is((select count(*) from public.lead_assignments where lead_id = pg_temp.lead('Hand 1')), 1::bigint, 'and leaves no row');

select tests.clear_authentication();

create temp table foreign_lead on commit drop as select pg_temp.lead('Hand 3') as id;

grant select on foreign_lead to public;

select tests.authenticate_as((select manager from people));

select is(
  public.lead_assign(array[foreign_lead.id], three) - 'batch_id', jsonb_build_object('assigned', 0, 'unchanged', 0, 'not_found', array[foreign_lead.id]),
  'a lead of another team is not found') from foreign_lead, people;

select results_eq(
  format('select * from tests.refused(%L)', format('select public.lead_assign(array[%L]::uuid[], %L)', pg_temp.lead('Hand 1'), who)),
  format('values (''PT422'', %L)', 'assignee_unavailable: ' || who), format('a manager cannot give a lead to %s', what))
from people, lateral (values (other, 'somebody of another team'), (inactive, 'somebody inactive'), (admin, 'somebody outside the team'), ('6f1f2a52-0000-4000-8000-0000000000ff', 'nobody there is')) t (who, what);

select is((public.lead_assign(array[pg_temp.lead('Hand 2')], null) ->> 'assigned'), '1', 'a manager takes a lead from its owner');

select results_eq($$select assigned_to, team_id from public.leads where name = 'Hand 2'$$, 'select null::uuid, a from teams', 'it stays with the team');

select throws_ok(
  format('select public.lead_assign(array(select gen_random_uuid() from generate_series(1, %s)), null)', n), 'PT422', null, format('%s ids in one call are refused', n)) from unnest(array[0, 1001]) n;

select throws_ok('select public.lead_assign(null, null)', 'PT422', null, 'so are none at all');

select is(jsonb_array_length(public.lead_assign(array(select gen_random_uuid() from generate_series(1, 1000)), null) -> 'not_found'), 1000, 'a thousand are taken');

select lives_ok(format('select public.lead_assign(array[%L]::uuid[], %L, repeat(''x'', 5000))', pg_temp.lead('Hand 2'), one), 'a long reason is cut, not refused') from people;

select is((select max(length(reason)) from public.lead_assignments where lead_id = pg_temp.lead('Hand 2')), 1000, 'to a thousand letters');

select tests.authenticate_as((select admin from people));

select is((public.lead_assign(array[foreign_lead.id], one) ->> 'assigned'), '1', 'an administrator assigns across teams') from foreign_lead, people;

select is((select team_id from public.leads where name = 'Hand 3'), (select a from teams), 'and the team follows the owner');

select throws_ok(format('insert into public.lead_assignments (lead_id, method) values (%L, ''manual'')', pg_temp.lead('Hand 1')), '42501', null, 'nobody writes a decision by hand');

select throws_ok('update public.lead_assignments set reason = null', '42501', null, 'or changes one');

select throws_ok('delete from public.lead_assignments', '42501', null, 'or forgets one');

select tests.authenticate_as((select other_manager from people));

select is_empty('select from public.lead_assignments a where a.lead_id = (select id from foreign_lead)', 'decisions are seen where the lead is, by nobody else');

select tests.authenticate_as((select inactive from people));

select is_empty('select from public.lead_assignments', 'and not by somebody inactive');

select tests.clear_authentication();

select isnt_empty($$select from cron.job where jobname = 'assign-waiting-leads' and schedule = '*/5 * * * *'$$, 'the sweep runs every five minutes');

select is(has_function_privilege(role, fn, 'execute'), false, format('%s does not call %s', role, fn))
from unnest(array['anon', 'authenticated', 'service_role']) role, unnest(array['private.assign_leads(uuid[])', 'private.assign_waiting_leads(integer)', 'private.open_leads_of(uuid, integer)']) fn;

-- Who is there, where that counts

select tests.clear_authentication();

update public.teams set is_auto_assigned = (name = 'Routing Here');

update public.assignment_rules set is_active = false;

create temp table shift on commit drop as
select tests.create_user('counselor', 'Routing Here') as at_desk, tests.create_user('counselor', 'Routing Here') as on_phone,
  tests.create_user('counselor', 'Routing Here') as at_lunch, tests.create_user('counselor', 'Routing Here') as gone;

update public.profiles p
set availability = case p.id when s.at_desk then 'available' when s.on_phone then 'busy' when s.at_lunch then 'away' else 'available' end
from shift s where p.id in (s.at_desk, s.on_phone, s.at_lunch, s.gone);

update public.agent_presence s set last_seen_at = now() - case when s.user_id = shift.gone then interval '2 days' else interval '0' end from shift;

create temp table as_ever on commit drop as select pg_temp.add('Shift ' || n) as owner from generate_series(1, 4) n;

select set_eq('select owner from as_ever', 'select unnest(array[at_desk, on_phone, at_lunch, gone]) from shift', 'without the setting nobody asks who is there');

update public.system_settings set value = 'true' where key = 'routing.respects_availability';

create temp table present on commit drop as select pg_temp.add('Present ' || n) as owner from generate_series(1, 4) n;

select set_eq('select owner from present', 'select unnest(array[at_desk, on_phone]) from shift', 'with it, who is away or was not seen of late is passed over; who is busy is not');

update public.profiles p set availability = 'offline' from shift s where p.id in (s.at_desk, s.on_phone);

select is(pg_temp.add('Night'), null, 'when nobody is there, a lead waits');

select results_eq(
  $$select to_user_id, reason like '%Who is away or offline was passed over.' from public.lead_assignments where lead_id = pg_temp.lead('Night')$$,
  'values (null::uuid, true)', 'and it is written down that this may be why');

update public.profiles p set availability = 'available' from shift s where p.id = s.at_lunch;

do $$ begin perform private.assign_waiting_leads(); end $$;

select is((select assigned_to from public.leads where name = 'Night'), (select at_lunch from shift), 'until somebody is back');

select * from finish();

rollback;

-- SLA: which policy counts, when a timer begins, is met, breached and escalated, who is told, and that a timer
-- is seen where its lead is.

begin;

select no_plan();

delete from public.business_hours;

delete from public.holidays;

update public.sla_policies set is_active = false;

create temp table people on commit drop as
select tests.create_user('admin') as admin, tests.create_user('manager', 'SLA A') as manager, tests.create_user('counselor', 'SLA A') as counselor,
  tests.create_user('counselor', 'SLA B') as stranger, tests.create_user('manager', 'SLA B') as other_manager,
  tests.create_user('counselor', 'SLA A', false) as inactive;

create temp table given on commit drop as
select now() - interval '10 hours' as start, gen_random_uuid() as plain, gen_random_uuid() as answered, gen_random_uuid() as late,
  gen_random_uuid() as waiting, gen_random_uuid() as closed, gen_random_uuid() as follow, gen_random_uuid() as before;

grant select on people, given to public;

alter table public.leads disable trigger route_new_lead;

create function pg_temp.ids(variadic p_names text[]) returns uuid[] language sql as $$
  select array_agg(e.value::uuid) from given g cross join jsonb_each_text(to_jsonb(g)) e where e.key = any (p_names);
$$;

create function pg_temp.id(p_name text) returns uuid language sql as $$ select (pg_temp.ids(p_name))[1] $$;

create function pg_temp.at(p_minutes integer) returns timestamptz language sql as $$ select g.start + make_interval(mins => p_minutes) from given g $$;

create function pg_temp.told(p_event text) returns bigint language sql as $$
  select count(*) from public.notifications n
  where n.metadata ->> 'event' = 'sla_' || p_event and n.lead_id = any (pg_temp.ids('plain', 'answered', 'late', 'waiting', 'closed', 'before'));
$$;

grant execute on function pg_temp.ids(text[]), pg_temp.id(text), pg_temp.at(integer) to public;

-- Without a policy

-- Locked, so that the schedule passes it over meanwhile.
create temp table reader_before on commit drop as select * from private.timeline_readers where name = 'sla' for update;

select is(private.sla_sweep(), 0, 'without a policy the sweep finds nothing to do');

select results_eq(
  $$select * from private.timeline_readers where name = 'sla'$$, 'select * from reader_before', 'and does not read the timeline');

-- Policies

select tests.authenticate_as((select manager from people));

select throws_ok($$insert into public.sla_policies (name, kind, target_minutes) values ('Mine', 'first_response', 60)$$, '42501', null, 'a policy needs sla.manage');

select tests.authenticate_as((select admin from people));

insert into public.sla_policies (name, kind, stage, source, target_minutes, is_in_business_hours, warn_before_minutes, escalate_after_minutes) values
  ('Any', 'first_response', null, null, 60, false, 15, 30),
  ('Website', 'first_response', null, 'Website', 50, false, null, null),
  ('New', 'first_response', 'new', null, 40, false, null, null),
  ('New from the website', 'first_response', 'new', 'WEBSITE', 30, false, null, null),
  ('Step', 'follow_up', null, null, 120, false, null, null);

select throws_ok($$insert into public.sla_policies (name, kind, stage, source, target_minutes) values ('Twice', 'first_response', 'new', 'website', 5)$$, '23505', null, 'no two active policies have the same conditions');

select lives_ok($$insert into public.sla_policies (name, kind, stage, source, target_minutes, is_active) values ('Draft', 'first_response', 'new', 'website', 5, false)$$, 'an inactive one may');

select throws_ok($$insert into public.sla_policies (name, kind, target_minutes, warn_before_minutes, source) values ('X', 'follow_up', 5, 5, 'x')$$, '23514', null, 'a warning comes after the beginning');

select throws_ok($$insert into public.sla_policies (name, kind, target_minutes, source) values ('X', 'follow_up', 5, 'Website ')$$, '23514', null, 'a source that no lead can have is refused');

select throws_ok($$insert into public.sla_policies (name, kind, target_minutes) values ('X', 'sometime', 5)$$, '23514', null, 'there are two kinds');

select tests.clear_authentication();

select isnt_empty($$select from public.audit_logs where resource = 'sla_policies' and user_id = (select admin from people)$$, 'policies are audited');

update public.sla_policies p set active_since = g.start - interval '1 hour' from given g where p.is_active;

-- Which one counts

create temp table chosen (name text, id uuid default gen_random_uuid(), status text, source text) on commit drop;

insert into chosen (name, status, source) values ('New from the website', 'new', 'website'), ('New', 'new', 'Google'), ('Website', 'contacted', 'Website'), ('Any', 'contacted', 'Google');

insert into public.leads (id, name, source, status, created_at, status_changed_at) select c.id, 'Chosen', c.source, c.status, g.start, g.start from chosen c, given g;

do $$ begin perform private.sla_apply(array(select id from chosen), (select start from given)); end $$;

select results_eq(
  $$select c.name, p.name, t.due_at - t.started_at from chosen c join public.sla_timers t on t.lead_id = c.id join public.sla_policies p on p.id = t.policy_id order by 1$$,
  $$values ('Any', 'Any', interval '60 minutes'), ('New', 'New', '40 minutes'), ('New from the website', 'New from the website', '30 minutes'), ('Website', 'Website', '50 minutes')$$,
  'the policy with most conditions counts, the stage before the source');

delete from public.leads l using chosen c where l.id = c.id;

select is_empty($$select from public.sla_timers t join chosen c on c.id = t.lead_id$$, 'a lead that is erased takes its timers along');

update public.sla_policies set is_active = false where name in ('New', 'Website', 'New from the website');

-- First response

insert into public.leads (id, name, assigned_to, team_id, created_at, status_changed_at)
select i.id, 'SLA lead', case when i.id <> g.waiting then p.counselor end, (select id from public.teams where name = 'SLA A'), b.moment, b.moment
from given g, people p, unnest(array[g.plain, g.answered, g.late, g.waiting, g.closed, g.before]) i (id),
  lateral (select g.start - case when i.id = g.before then interval '2 hours' else '0' end as moment) b;

select is(private.sla_apply(pg_temp.ids('plain', 'answered', 'late', 'waiting', 'closed', 'before'), pg_temp.at(10)), 0, 'a lead that is new gets timers, and nobody is told');

select results_eq(
  $$select t.kind, t.started_at, t.warn_at, t.due_at, t.escalate_at, t.next_at, t.lead_owner_id, p.name, num_nonnulls(t.met_at, t.breached_at, t.cancelled_at) from public.sla_timers t join public.sla_policies p on p.id = t.policy_id where t.lead_id = pg_temp.id('plain')$$,
  $$select 'first_response', start, pg_temp.at(45), pg_temp.at(60), pg_temp.at(90), pg_temp.at(45), counselor, 'Any', 0 from given, people$$,
  'it begins when the lead did, whenever the sweep comes');

select is_empty($$select from public.sla_timers where lead_id = pg_temp.id('before')$$, 'a lead from before the policy is not timed');

select is(private.sla_apply(pg_temp.ids('plain'), pg_temp.at(44)), 0, 'nothing happens before its time');

insert into public.communications (lead_id, type, direction, sent_at) values (pg_temp.id('answered'), 'email', 'inbound', pg_temp.at(5));

insert into public.communications (lead_id, type, user_id, sent_at, provider) select pg_temp.id('answered'), 'email', null, pg_temp.at(6), 'sendgrid';

with made as (insert into public.campaigns (name) values ('Answered') returning id)
insert into public.communications (lead_id, type, user_id, sent_at, campaign_id) select pg_temp.id('answered'), 'email', counselor, pg_temp.at(7), made.id from people, made;

insert into public.calls (lead_id, agent_id, outcome, started_at, duration, status) select pg_temp.id('answered'), counselor, 'no_answer', pg_temp.at(8), 0, 'completed' from people;

do $$ begin perform private.sla_apply(pg_temp.ids('answered'), pg_temp.at(20)); end $$;

select is((select met_at from public.sla_timers where lead_id = pg_temp.id('answered') and kind = 'first_response'), null,
  'what came in, what a machine or a campaign sent, and a call that nobody answered, are no response');

insert into public.calls (lead_id, agent_id, outcome, started_at, duration) select pg_temp.id('answered'), counselor, 'connected', pg_temp.at(30), 120 from people;

insert into public.communications (lead_id, type, user_id, sent_at) select pg_temp.id('answered'), 'whatsapp', counselor, pg_temp.at(25) from people;

select is(private.sla_apply(pg_temp.ids('plain', 'waiting', 'late', 'answered', 'closed'), pg_temp.at(45)), 4, 'at the time of the warning those who wait are warned of');

select results_eq($$select met_at, breached_at, next_at from public.sla_timers where lead_id = pg_temp.id('answered') and kind = 'first_response'$$,
  $$values (pg_temp.at(25), null::timestamptz, null::timestamptz)$$, 'the first message or call of a person meets it, at its own time');

select results_eq($$select n.title, n.message, n.type, n.priority, n.action_url, n.user_id from public.notifications n where n.lead_id = pg_temp.id('plain') and n.type = 'alert'$$,
  $$select 'First response due soon', l.lead_id || ': Any.', 'alert', 'normal', '/leads/' || l.lead_id, p.counselor from people p, public.leads l where l.id = pg_temp.id('plain')$$,
  'the owner is told, and the text names the lead by its number');

select set_eq($$select n.user_id from public.notifications n where n.lead_id = pg_temp.id('waiting') and n.type = 'alert'$$, 'select manager from people', 'of a lead without an owner the team''s managers are');

select is(private.sla_apply(pg_temp.ids('plain'), pg_temp.at(46)), 0, 'once');

update public.leads l set status = 'lost' from given g where l.id = g.closed;

update public.leads l set status_changed_at = pg_temp.at(50) from given g where l.id = g.closed;

select is(private.sla_apply(pg_temp.ids('plain', 'waiting', 'late', 'closed'), pg_temp.at(61)), 3, 'when it is due it is breached');

select results_eq($$select breached_at, next_at, escalated_at from public.sla_timers where lead_id = pg_temp.id('plain')$$, $$values (pg_temp.at(60), pg_temp.at(90), null::timestamptz)$$, 'at the time that was promised');

select results_eq($$select cancelled_at is not null, met_at, breached_at from public.sla_timers where lead_id = pg_temp.id('closed') and kind = 'first_response'$$, $$values (true, null::timestamptz, null::timestamptz)$$, 'a lead that was closed owes no answer');

select is(private.sla_apply(pg_temp.ids('plain', 'waiting'), pg_temp.at(70)), 0, 'a breach is told once');

select is(pg_temp.told('breached'), 3::bigint, 'to one person each');

insert into public.communications (lead_id, type, user_id, sent_at) select pg_temp.id('late'), 'email', counselor, pg_temp.at(80) from people;

select is(private.sla_apply(pg_temp.ids('plain', 'waiting', 'late'), pg_temp.at(95)), 2, 'what was answered late is not escalated, the others are');

select results_eq($$select met_at, breached_at, escalated_at from public.sla_timers where lead_id = pg_temp.id('late') and kind = 'first_response'$$, $$values (pg_temp.at(80), pg_temp.at(60), null::timestamptz)$$, 'and its breach stays on record');

select results_eq($$select escalated_at, next_at from public.sla_timers where lead_id = pg_temp.id('plain')$$, $$values (pg_temp.at(95), null::timestamptz)$$, 'an escalation is the last');

select results_eq($$select n.user_id, n.priority from public.notifications n where n.lead_id = pg_temp.id('plain') and n.metadata ->> 'event' = 'sla_escalated'$$, $$select manager, 'urgent' from people$$, 'it goes to the managers of the team');

select isnt_empty($$select from public.activities where lead_id = pg_temp.id('plain') and type = 'escalated'$$, 'and onto the timeline');

-- Found late

insert into public.leads (name, assigned_to, created_at) select 'Late sweep', counselor, start from people, given;

insert into public.communications (lead_id, type, user_id, sent_at) select l.id, 'email', p.counselor, pg_temp.at(75) from public.leads l, people p where l.name = 'Late sweep';

select is(private.sla_apply(array(select id from public.leads where name = 'Late sweep'), pg_temp.at(200)), 0, 'of what is over when the sweep comes nobody is told');

select results_eq($$select met_at, breached_at from public.sla_timers t join public.leads l on l.id = t.lead_id where l.name = 'Late sweep' and t.kind = 'first_response'$$, $$values (pg_temp.at(75), pg_temp.at(60))$$, 'but the record is what it would have been');

insert into public.leads (name, assigned_to, created_at, status_changed_at) select 'Seen before', counselor, start, start from people, given;

do $$ begin perform private.sla_apply(array(select id from public.leads where name = 'Seen before'), pg_temp.at(1)); end $$;

insert into public.communications (lead_id, type, user_id, sent_at) select l.id, 'email', p.counselor, pg_temp.at(75) from public.leads l, people p where l.name = 'Seen before';

select is(private.sla_apply(array(select id from public.leads where name = 'Seen before'), pg_temp.at(190)), 0, 'also where the timer was there before');

select results_eq($$select met_at, breached_at from public.sla_timers t join public.leads l on l.id = t.lead_id where l.name = 'Seen before' and t.kind = 'first_response'$$, $$values (pg_temp.at(75), pg_temp.at(60))$$, 'with the same record');

-- Who is told when nobody is there

update public.profiles set is_active = false where id = (select counselor from people);

select set_eq($$select * from private.sla_audience((select counselor from people), (select id from public.teams where name = 'SLA A'), false)$$, 'select manager from people', 'for somebody inactive their managers stand in');

select ok((select admin from people) in (select * from private.sla_audience(null, null, true)), 'and without a team whoever sees everything');

update public.profiles set is_active = true where id = (select counselor from people);

create temp table crowd on commit drop as select gen_random_uuid() as id from generate_series(1, 14);

insert into public.leads (id, name, assigned_to, created_at) select c.id, 'Crowd', p.stranger, g.start from crowd c, people p, given g;

select is(private.sla_apply(array(select id from crowd), pg_temp.at(61)), 14, 'many at once are breached');

select results_eq($$select count(*) filter (where n.metadata ->> 'event' = 'sla_breached'), max(n.title) filter (where n.metadata ->> 'event' = 'sla_summary') from public.notifications n where n.user_id = (select stranger from people) and n.type = 'alert'$$,
  $$values (10::bigint, '4 more leads overdue')$$, 'and told of one by one up to ten');

create temp table wave on commit drop as select gen_random_uuid() as id, n % 2 as part from generate_series(1, 30) n;

insert into public.leads (id, name, assigned_to, created_at) select w.id, 'Wave', p.other_manager, g.start from wave w, people p, given g;

select set_config('intake.sla_run', now()::text, true);

select is(private.sla_apply(array(select id from wave where part = w), pg_temp.at(61)), 15, 'sweeps of one run find more') from generate_series(0, 1) w;

select results_eq($$select n.metadata ->> 'event', count(*), max(n.title) filter (where n.metadata ->> 'event' = 'sla_summary') from public.notifications n where n.user_id = (select other_manager from people) and n.type = 'alert' group by 1$$,
  $$values ('sla_breached', 10::bigint, null), ('sla_summary', 1, '20 more leads overdue')$$, 'and tell of it as one');

select set_config('intake.sla_run', '', true);

-- Follow-up

insert into public.leads (id, name, assigned_to, created_at, status_changed_at) select g.follow, 'Followed', p.counselor, g.start, g.start from given g, people p;

do $$ begin perform private.sla_apply(pg_temp.ids('follow'), pg_temp.at(1)); end $$;

select is_empty($$select from public.sla_timers where lead_id = pg_temp.id('follow') and kind = 'follow_up'$$, 'a follow-up begins with the first interaction');

insert into public.communications (lead_id, type, user_id, sent_at) select pg_temp.id('follow'), 'email', counselor, pg_temp.at(10) from people;

do $$ begin perform private.sla_apply(pg_temp.ids('follow'), pg_temp.at(11)); end $$;

insert into public.communications (lead_id, type, direction, sent_at) values (pg_temp.id('follow'), 'email', 'inbound', pg_temp.at(100)), (pg_temp.id('follow'), 'email', 'inbound', pg_temp.at(105));

do $$ begin perform private.sla_apply(pg_temp.ids('follow'), pg_temp.at(110)); end $$;

select results_eq($$select started_at, due_at, met_at, breached_at from public.sla_timers where lead_id = pg_temp.id('follow') and kind = 'follow_up' order by 1$$,
  $$values (pg_temp.at(10), pg_temp.at(130), pg_temp.at(100), null::timestamptz), (pg_temp.at(105), pg_temp.at(225), null, null)$$, 'each interaction meets it and begins the next');

select is(private.sla_apply(pg_temp.ids('follow'), pg_temp.at(230)), 1, 'without one it is breached');

update public.leads l set status = 'contacted' where l.id = pg_temp.id('follow');

do $$ begin perform private.sla_apply(pg_temp.ids('follow')); end $$;

select results_eq($$select t.breached_at, t.met_at = h.changed_at from public.sla_timers t join public.lead_history h on h.lead_id = t.lead_id where t.lead_id = pg_temp.id('follow') and t.started_at = pg_temp.at(105)$$,
  $$values (pg_temp.at(225), true)$$, 'a change of stage meets it too');

select is((select t.started_at from public.sla_timers t where t.lead_id = pg_temp.id('follow') and t.met_at is null and t.kind = 'follow_up'), (select status_changed_at from public.leads where id = pg_temp.id('follow')), 'and begins the next');

update public.leads l set status = 'lost' where l.id = pg_temp.id('follow');

do $$ begin perform private.sla_apply(pg_temp.ids('follow')); end $$;

select is_empty($$select from public.sla_timers where lead_id = pg_temp.id('follow') and met_at is null and cancelled_at is null$$, 'a closed lead has none');

select is((select count(*) from public.sla_timers where lead_id = pg_temp.id('follow') and kind = 'follow_up' and cancelled_at is not null), 0::bigint, 'to close it was the last step');

-- Deleted, withdrawn

update public.leads l set deleted_at = pg_temp.at(85) where l.id = pg_temp.id('waiting');

do $$ begin perform private.sla_apply(pg_temp.ids('waiting')); end $$;

select results_eq($$select cancelled_at, breached_at from public.sla_timers where lead_id = pg_temp.id('waiting')$$, $$values (pg_temp.at(85), pg_temp.at(60))$$, 'a deleted lead is timed no more');

update public.sla_policies set is_active = false where name = 'Any';

do $$ begin perform private.sla_apply(pg_temp.ids('plain')); end $$;

select isnt((select cancelled_at from public.sla_timers where lead_id = pg_temp.id('plain')), null, 'nor one whose policy was withdrawn');

update public.sla_policies set is_active = true where name = 'Any';

select is((select active_since from public.sla_policies where name = 'Any'), now(), 'a policy made active again begins anew');

select throws_ok($$delete from public.sla_policies where name = 'Any'$$, '23503', null, 'what has timed something is not deleted');

update public.sla_policies set is_active = false where name = 'Any';

select results_eq($$select p.name, t.breached_at from public.sla_timers t join public.sla_policies p on p.id = t.policy_id where t.lead_id = pg_temp.id('plain')$$, $$values ('Any', pg_temp.at(60))$$, 'what it found stays on record, and who promised it');

insert into public.sla_policies (name, kind, source, target_minutes) values ('Never', 'follow_up', 'Never', 60);

select lives_ok($$delete from public.sla_policies where name = 'Never'$$, 'what has timed nothing is');

-- Merge

update public.sla_policies set is_active = true where name = 'New';

update public.sla_policies p set active_since = g.start from given g where p.name = 'New';

create temp table merging on commit drop as select gen_random_uuid() as target, gen_random_uuid() as source;

grant select on merging to public;

insert into public.leads (id, name, assigned_to, created_at, status_changed_at) select i, 'Merging', p.counselor, g.start, g.start from merging m, people p, given g, unnest(array[m.target, m.source]) i;

do $$ begin perform private.sla_apply((select array[target, source] from merging), pg_temp.at(1)); end $$;

create temp table timers_before on commit drop as select t.* from public.sla_timers t join merging m on t.lead_id in (m.target, m.source);

select tests.authenticate_as((select manager from people));

create temp table merged on commit drop as select public.merge_leads(m.target, array[m.source]) ->> 'merge_id' as id from merging m;

select tests.clear_authentication();

select results_eq($$select count(*), count(t.cancelled_at) from public.sla_timers t join merging m on t.lead_id = m.target$$, 'values (2::bigint, 1::bigint)', 'a merge moves the timers of the source, and they are over');

select is_empty($$select from public.sla_timers t join merging m on t.lead_id = m.source$$, 'none stays behind');

select tests.authenticate_as((select manager from people));

select is((select public.unmerge(id::uuid) -> 'changed_since' from merged), '[]'::jsonb, 'nobody has touched them when it is undone');

select tests.clear_authentication();

select results_eq($$select t::text from public.sla_timers t join merging m on t.lead_id in (m.target, m.source) order by t.id$$, $$select t::text from timers_before t order by t.id$$, 'and they run on as they did');

-- Sight

select tests.authenticate_as((select counselor from people));

select isnt_empty($$select from public.sla_timers where lead_id = pg_temp.id('late')$$, 'the owner of the lead sees its timers');

select throws_ok($$update public.sla_timers set due_at = now()$$, '42501', null, 'and changes none');

select tests.authenticate_as((select stranger from people));

select is_empty($$select from public.sla_timers where lead_id = pg_temp.id('late')$$, 'a stranger does not');

select tests.clear_authentication();

update public.leads l set assigned_to = p.stranger from people p where l.id = pg_temp.id('late');

select is((select lead_owner_id from public.sla_timers where lead_id = pg_temp.id('late') and kind = 'first_response'), (select stranger from people), 'the copies follow the lead');

select tests.authenticate_as((select stranger from people));

select isnt_empty($$select from public.sla_timers where lead_id = pg_temp.id('late')$$, 'and so does sight');

select tests.clear_authentication();

-- Withdrawn when it is overdue already

update public.sla_policies set is_active = false;

insert into public.sla_policies (name, kind, source, target_minutes, is_in_business_hours, active_since) values
  ('Off', 'first_response', 'Off', 5, false, now() - interval '1 day');

insert into public.leads (name, source, assigned_to, created_at) select 'Off', 'Off', p.counselor, now() - interval '1 hour' from people p;

do $$ begin perform private.sla_apply(array(select id from public.leads where source = 'Off')); end $$;

update public.sla_policies set is_active = false where name = 'Off';

do $$ begin perform private.sla_sweep(); end $$;

select is((select count(*) from public.sla_timers t join public.leads l on l.id = t.lead_id where l.source = 'Off' and t.breached_at is not null and t.cancelled_at is not null), 1::bigint,
  'what was overdue when its policy was withdrawn is overdue no longer');

select is_empty($$select from public.lead_risks k join public.leads l on l.id = k.lead_id where l.source = 'Off'$$, 'nor is its lead at risk for it');

select is(private.sla_withdrawn(10), '{}', 'and no sweep looks at it again');

update public.sla_policies set is_active = true where name = 'Step';

-- By index

set local enable_seqscan = off;

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

select matches(pg_temp.plan('select lead_id from public.sla_timers t where t.next_at <= now() order by t.next_at limit 10'), 'sla_timers_to_look_at', 'what is due has an index');

select matches(
  pg_temp.plan($$select y.ctid from public.sla_timers y where kind = 'follow_up' and coalesce(met_at, cancelled_at) < now() order by coalesce(met_at, cancelled_at) limit 10$$),
  'sla_timers_of_steps_ended', 'and what is kept no longer');

select matches(pg_temp.plan($$select id from public.activities a where a.id > '0190f3d6-0000-7000-0000-000000000000' and a.id < '0190f3d7-0000-7000-0000-000000000000' order by a.id limit 10$$), 'activities_pkey', 'what changed is read by the timeline''s own key');

select * from finish();

rollback;

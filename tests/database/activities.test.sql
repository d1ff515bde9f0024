-- Activities: the timeline says what happened to a lead, who did it, and only to those who see the lead.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('admin', null, true, 'Ada Admin') as admin, tests.create_user('manager', 'Activities A', true, 'Mala Manager') as manager,
  tests.create_user('counselor', 'Activities A', true, 'Chetan') as counselor, tests.create_user('counselor', 'Activities A', true, 'Divya') as colleague,
  tests.create_user('counselor', 'Activities A', false) as inactive;

create temp table given on commit drop as select gen_random_uuid() as lead, gen_random_uuid() as outside;

grant select on people, given to public;

alter table public.leads disable trigger route_new_lead;

select tests.authenticate_as((select counselor from people));

insert into public.leads (id, name, source) select lead, 'Timeline Lead', 'Walk-in' from given;

select results_eq(
  'select type, title, description, actor_id, entity_type, entity_id, metadata from public.activities where lead_id = (select lead from given)',
  $$select 'created', 'Lead Created', 'Source: Walk-in', counselor, 'lead', lead, '{}'::jsonb from people, given$$,
  'a new lead begins its timeline');

do $$ begin perform public.lead_set_status((select lead from given)::text, 'contacted'); end $$;

select results_eq(
  $$select title, description, actor_id, metadata from public.activities where lead_id = (select lead from given) and type = 'status_change'$$,
  $$select 'Status Changed', 'New to Contacted', counselor, '{"from": "new", "to": "contacted"}'::jsonb from people$$,
  'a change of stage is on it, by name and by key');

update public.leads set job_title = 'Physician', status = 'contacted' where id = (select lead from given);

select is((select count(*) from public.activities where lead_id = (select lead from given)), 2::bigint, 'a change of another field is not');

select tests.authenticate_as((select manager from people));

do $$ begin perform public.lead_assign(array(select lead from given), (select colleague from people)); end $$;

select results_eq(
  $$select title, description, actor_id, metadata from public.activities where lead_id = (select lead from given) and type = 'assigned'$$,
  $$select 'Lead Assigned', 'Divya', manager, jsonb_build_object('from', counselor, 'to', colleague) from people$$,
  'an assignment is on it, with who did it');

do $$ begin perform public.lead_assign(array(select lead from given), null); end $$;

select is(
  (select title from public.activities where lead_id = (select lead from given) and type = 'assigned' and metadata ->> 'to' is null), 'Lead Unassigned',
  'and so is that nobody has it any more');

-- Who sees it

select isnt_empty('select from public.activities where lead_id = (select lead from given)', 'a manager sees the timeline of the team''s lead');

select tests.authenticate_as((select counselor from people));

select is_empty('select from public.activities where lead_id = (select lead from given)', 'who lost the lead lost its timeline');

select tests.authenticate_as((select inactive from people));

select is_empty('select from public.activities', 'an inactive person sees none');

select tests.authenticate_as_anon();

select throws_ok('select * from public.activities', '42501', null, 'anon may not ask');

select tests.authenticate_as((select admin from people));

select isnt_empty('select from public.activities where lead_id = (select lead from given)', 'an administrator sees it');

select throws_ok($$insert into public.activities (lead_id, type, title) select lead, 'created', 'Forged' from given$$, '42501', null, 'nobody writes on it, not even an administrator');

select throws_ok($$update public.activities set title = 'Rewritten'$$, '42501', null, 'rewrites it');

select throws_ok('delete from public.activities', '42501', null, 'or cuts it short');

-- Who did it is read from the database, not from the token

select tests.clear_authentication();

select tests.set_claims('service_role', jsonb_build_object('role', 'service_role', 'sub', admin)) from people;

insert into public.leads (id, name) select outside, 'Outside Lead' from given;

select is((select actor_id from public.activities where lead_id = (select outside from given)), null, 'a token without a session is no actor');

select tests.clear_authentication();

delete from public.leads where id = (select outside from given);

select is_empty('select from public.activities where entity_id = (select outside from given)', 'a lead that is erased takes its timeline along');

select throws_ok(
  format('insert into public.activities (lead_id, contact_id, type, title) select %s, %s, %L, %L from given', lead, contact, kind, title), state, null,
  format('the timeline does not take %s', what))
from (values
  ('null', 'null', 'created', 'Title', '23502', 'what happened to nothing'), ('lead', 'outside', 'created', 'Title', '23514', 'two different things at once'),
  ('lead', 'null', 'abducted', 'Title', '23514', 'an unknown event'), ('lead', 'null', 'created', '', '23514', 'a blank title')
) t (lead, contact, kind, title, state, what);

-- How modules write on it

create temp table noted on commit drop as select gen_random_uuid() as source;

do $$
begin
  perform private.record_activity(
    'call', '  Call   Logged ', repeat('x', 3000), (select lead from given), p_source_id => (select source from noted),
    p_occurred_at => now() - interval '1 day', p_actor_id => (select counselor from people)
  );
end
$$;

select results_eq(
  'select title, length(description), actor_id, occurred_at from public.activities where source_id = (select source from noted)',
  $$select 'Call Logged', 2000, counselor, now() - interval '1 day' from people$$,
  'a module writes a row: on one line, cut to its length, with the time at which it happened');

do $$ begin perform private.retract_activity((select source from noted)); end $$;

select is_empty('select from public.activities where source_id = (select source from noted)', 'and takes it back when what it told about is gone');

-- What is deleted for good, as from Studio

create temp table typed on commit drop as select gen_random_uuid() as lead, gen_random_uuid() as note, gen_random_uuid() as task, gen_random_uuid() as call, gen_random_uuid() as message;

insert into public.leads (id, name, assigned_to) select lead, 'Typed', counselor from typed, people;

insert into public.notes (id, lead_id, content) select note, lead, 'Secret' from typed;

insert into public.tasks (id, lead_id, title) select task, lead, 'Secret' from typed;

insert into public.calls (id, lead_id, duration) select call, lead, 60 from typed;

insert into public.communications (id, lead_id, type, content) select message, lead, 'meeting', 'Secret' from typed;

select is((select count(*) from public.activities a, typed t where a.lead_id = t.lead and a.source_id in (t.note, t.task, t.call, t.message)), 4::bigint, 'notes, tasks, calls and messages are told about');

delete from public.notes n using typed t where n.id = t.note;

delete from public.tasks k using typed t where k.id = t.task;

delete from public.calls c using typed t where c.id = t.call;

delete from public.communications m using typed t where m.id = t.message;

select is_empty('select from public.activities a, typed t where a.lead_id = t.lead and a.source_id is not null', 'until they are deleted, from wherever');

-- When somebody last spoke with a person

create function pg_temp.touch(p_at timestamptz) returns timestamptz language plpgsql as $$
begin
  perform private.touch_lead((select lead from given), p_at);
  return (select last_interaction_at from public.leads where id = (select lead from given));
end
$$;

select is(pg_temp.touch(now() - interval '2 days'), now() - interval '2 days', 'an interaction moves last_interaction_at');

select is(pg_temp.touch(now() - interval '3 days'), now() - interval '2 days', 'an older one that is logged later does not move it back');

select cmp_ok(pg_temp.touch(now() + interval '1 week'), '<=', clock_timestamp(), 'and what is yet to come has not happened');

select is_empty(
  $$select i.indexrelid::regclass
    from pg_index i
    join pg_attribute a on a.attrelid = i.indrelid and a.attname = 'last_interaction_at'
    where i.indrelid = 'public.leads'::regclass
      and (a.attnum = any (i.indkey) or pg_get_indexdef(i.indexrelid) ~ 'last_interaction_at')$$,
  'no index has it, so that the update stays heap-only');

-- Page by page

do $$
begin
  for n in 1..7 loop
    -- Two of each second, so that the time alone does not order them.
    perform private.record_activity('page_visit', 'Page ' || n, p_lead_id => (select lead from given), p_occurred_at => now() + make_interval(secs => n / 2), p_actor_id => null);
  end loop;
end
$$;

create function pg_temp.pages(p_size integer) returns text[] language plpgsql as $$
declare
  page public.timeline[];
  titles text[] := '{}';
  before jsonb;
begin
  loop
    page := array(select t from public.lead_timeline((select l.lead_id from public.leads l, given g where l.id = g.lead), p_size, before) t);
    exit when cardinality(page) = 0;
    titles := titles || array(select p.id::text from unnest(page) p);
    before := jsonb_build_object('timestamp', page[cardinality(page)]."timestamp", 'id', page[cardinality(page)].id);
  end loop;

  return titles;
end
$$;

grant execute on function pg_temp.pages(integer) to public;

select tests.authenticate_as((select manager from people));

select is(pg_temp.pages(2), pg_temp.pages(200), 'pages of two are the whole timeline, in order, nothing twice');

select is(cardinality(pg_temp.pages(3)), (select count(*)::int from public.activities where lead_id = (select lead from given)), 'every row of it');

select throws_ok(format('select public.lead_timeline(%L, %s, %L)', (select lead from given), size, cursor), 'PT422', null, format('a page is not %s', what))
from (values (0, null, 'empty'), (201, null, 'endless'), (10, '{"id": "x"}', 'after nothing'), (10, '{"id": "x", "timestamp": "y"}', 'after what is no row')) t (size, cursor, what);

select throws_ok('select public.lead_timeline(''LEAD-000'')', 'PT404', null, 'a lead that is not there has no timeline');

select tests.clear_authentication();

-- However long it is, it is read by its index, and the lead by its id

insert into public.activities (lead_id, type, title, occurred_at) select lead, 'page_visit', 'Page', now() - make_interval(mins => n) from given, generate_series(1, 2000) n;

analyze public.activities;

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

select tests.authenticate_as((select manager from people));

select unalike(
  pg_temp.plan(format('select * from public.timeline where entity_id = %L order by "timestamp" desc, id desc limit 50', lead)), '%hashed SubPlan%',
  'a long timeline does not make the planner read every lead') from given;

select alike(
  pg_temp.plan(format('select * from public.timeline where entity_id = %L order by "timestamp" desc, id desc limit 50', lead)), '%Index Scan using activities_of_entity%',
  '[D2-041] its page is read in order from its index') from given;

select tests.clear_authentication();

delete from public.activities where title = 'Page';

-- The CRM list counts it

select tests.authenticate_as((select manager from people));

select results_eq(
  $$select "firstName", status, "leadOwner", "createdBy", "activitiesCount" from public.leads_crm where id = (select lead from given)$$, $$values ('Timeline', 'Contacted', null, 'Chetan', 11::bigint)$$,
  'the CRM list names the stage, the owner and the creator, and counts the timeline');

select * from finish();

rollback;

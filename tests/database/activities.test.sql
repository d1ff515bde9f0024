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

select throws_ok($$insert into public.activities (entity_id, lead_id, type, title) select lead, lead, 'created', 'Forged' from given$$, '42501', null, 'nobody writes on it, not even an administrator');

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
  format('insert into public.activities (entity_type, entity_id, lead_id, type, title) select %L, %s, %s, %L, %L from given', entity, id, lead, kind, title), '23514', null,
  format('the timeline does not take %s', what))
from (values
  ('galaxy', 'lead', 'lead', 'created', 'Title', 'an unknown kind of thing'), ('lead', 'lead', 'null', 'created', 'Title', 'a lead without its id'), ('lead', 'outside', 'lead', 'created', 'Title', 'two different leads at once'),
  ('lead', 'lead', 'lead', 'abducted', 'Title', 'an unknown event'), ('lead', 'lead', 'lead', 'created', '', 'a blank title')
) t (entity, id, lead, kind, title, what);

-- The CRM list counts it

select tests.authenticate_as((select manager from people));

select results_eq(
  $$select "firstName", status, "leadOwner", "createdBy", "activitiesCount" from public.leads_crm where id = (select lead from given)$$, $$values ('Timeline', 'Contacted', null, 'Chetan', 4::bigint)$$,
  'the CRM list names the stage, the owner and the creator, and counts the timeline');

select * from finish();

rollback;

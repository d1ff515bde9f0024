-- Automation templates: each of the four does what its name says, and can be changed when it is taken over.

begin;

select no_plan();

alter table public.leads disable trigger route_new_lead;

create temp table people on commit drop as
select tests.create_user('admin') as admin, tests.create_user('manager', 'Templates A') as manager, tests.create_user('counselor', 'Templates A') as owner;

create temp table given on commit drop as select gen_random_uuid() as lead;

grant select on people, given to public;

update public.automation_workflows set is_enabled = false;

select is_empty($$select t.name, f from public.automation_templates t cross join lateral (
  select private.automation_condition_fault(t.trigger_conditions) as f union all select private.automation_action_fault(a) from jsonb_array_elements(t.actions) a) x where f is not null$$, 'every template can be carried out');

select tests.authenticate_as((select admin from people));

create temp table made on commit drop as
select (w).* from (select public.automation_from_template(t.name) as w from public.automation_templates t order by t.position offset 0) x;

grant select on made to public;

select results_eq('select name, trigger_type, is_live from made order by name', $$values ('Lead Qualification', 'call_succeeded', true), ('Missed Call Follow-up', 'call_missed', true), ('New Lead Follow-up', 'lead_created', true), ('Overdue Reminder Alert', 'task_overdue', true)$$, 'a workflow is made of each, and runs');

select results_eq($$select name, status, priority, trigger_conditions from public.automation_from_template(' new-lead-follow-up', '{"name": "Mine", "status": "draft", "priority": 3, "trigger_conditions": {"source": "Website"}}')$$,
  $$values ('Mine', 'draft', 3::smallint, '{"source": "Website"}'::jsonb)$$, 'by its slug, and with changes');

select throws_ok($$select public.automation_from_template('Nothing')$$, 'PT404', null, 'of a template that is there');

select throws_ok($$select public.automation_from_template('Lead Qualification', '{"trigger_type": "manual"}')$$, 'PT422', null, 'changes have their names');

select throws_ok($$select public.automation_from_template('Lead Qualification', '{"is_enabled": "perhaps"}')$$, 'PT422', null, 'and their types');

select throws_ok($$select public.automation_from_template('Lead Qualification', '{"actions": [{"type": "x"}]}')$$, 'PT422', null, 'and are checked like any');

select tests.authenticate_as((select manager from people));

select throws_ok($$select public.automation_from_template('Lead Qualification')$$, '42501', null, 'making one needs automation.manage');

select tests.clear_authentication();

-- What they do

update public.automation_workflows w set active_since = now() - interval '1 day' from made m where m.id = w.id;

update private.automation_clock set read_until = now() - interval '1 day';

update private.timeline_readers set read_until = private.uuid_v7_since(clock_timestamp()), fence = null, fence_xid = null where name = 'automation';

insert into public.leads (id, name, assigned_to) select lead, 'Templated', owner from given, people;

insert into public.calls (lead_id, agent_id, type, outcome, started_at, duration) select lead, owner, 'outbound', 'no_answer', now() - interval '1 minute', 0 from given, people;

insert into public.calls (lead_id, agent_id, type, outcome, started_at, duration) select lead, owner, 'outbound', (private.successful_outcomes())[1], now() - interval '2 minutes', 60 from given, people;

insert into public.tasks (lead_id, title, due_date, assigned_to) select lead, 'Overdue', now() - interval '1 hour', owner from given, people;

update private.timeline_readers set fence = private.uuid_v7_since(clock_timestamp()), fence_xid = '3' where name = 'automation';

do $$ begin perform private.automation_sweep(); end $$;

select results_eq($$select r.title, r.agent_id, r.remind_at - now() from public.reminders r where r.lead_id = (select lead from given)$$, $$select 'Contact new lead ' || l.lead_id, p.owner, interval '1 hour' from people p, given g join public.leads l on l.id = g.lead$$, '[D4-075] New Lead Follow-up makes a reminder');

select results_eq($$select c.agent_id, c.scheduled_at - now() from public.calls c where c.lead_id = (select lead from given) and c.status = 'scheduled'$$, $$select owner, interval '1 hour' from people$$, '[D4-076] Missed Call Follow-up schedules another call');

select is((select status from public.leads where id = (select lead from given)), 'qualified', '[D4-077] Lead Qualification moves the lead after a call that went well');

select results_eq($$select n.user_id from public.notifications n where n.lead_id = (select lead from given) and n.title = 'Task overdue'$$, 'select owner from people', '[D4-078] Overdue Reminder Alert tells whose task it is');

select * from finish();

rollback;

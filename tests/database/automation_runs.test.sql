-- Automation runs: which events begin which workflows, once; that steps come in order and after their delay, are
-- tried again and recorded, stop with their workflow, and set off nothing endlessly; who sees what was done.

begin;

select no_plan();

alter table public.leads disable trigger route_new_lead;

create temp table people on commit drop as
select tests.create_user('admin') as admin, tests.create_user('manager', 'Runs A') as manager, tests.create_user('counselor', 'Runs A') as owner,
  tests.create_user('manager', 'Runs B') as stranger;

create temp table given on commit drop as select gen_random_uuid() as lead, gen_random_uuid() as other, clock_timestamp() as start;

grant select on people, given to public;

update public.automation_workflows set is_enabled = false;

-- Locked, so that the schedule passes it over meanwhile. This transaction is running: its own fence would not open.
insert into public.automation_workflows (name, trigger_type, trigger_conditions, actions, active_since, priority)
select w.name, w.trigger_type, w.conditions::jsonb, w.actions::jsonb, now() - interval '1 hour', w.priority
from (values
  ('Greet', 'lead_created', '{"source": "Runs"}', '[{"type": "create_task", "title": "First of {{lead_number}}"}, {"type": "create_reminder", "delay": 3600, "title": "Second"}, {"type": "create_reminder", "delay": 60, "title": "Third"}]', 2),
  ('Sooner', 'lead_created', '{"source": "Runs"}', '[{"type": "send_notification", "title": "New", "to": "owner"}]', 1),
  ('Others', 'lead_created', '{"source": "Nowhere"}', '[{"type": "create_task", "title": "Never"}]', 1),
  ('Ping', 'lead_status_changed', '{"field": "status", "op": "changed", "value": "contacted"}', '[{"type": "update_lead_status", "status": "qualified"}]', 1),
  ('Pong', 'lead_status_changed', '{"field": "status", "op": "changed", "value": "qualified"}', '[{"type": "update_lead_status", "status": "contacted"}]', 1)
) w (name, trigger_type, conditions, actions, priority);

create function pg_temp.sweep(p_seconds integer default 0) returns void language plpgsql as $$
declare
  done integer;
begin
  for n in 1 .. 5 loop
    update private.timeline_readers set fence = private.uuid_v7_since(clock_timestamp()), fence_xid = '3' where name = 'automation';

    done := private.automation_sweep(100, clock_timestamp() + make_interval(secs => p_seconds));
  end loop;
end
$$;

create function pg_temp.steps(p_workflow text, p_lead uuid) returns table (place smallint, status text, attempts smallint, error text) language sql as $$
  select s.position, s.status, s.attempts, s.error
  from public.automation_run_steps s
  join public.automation_runs r on r.id = s.run_id
  join public.automation_workflows w on w.id = r.workflow_id
  where w.name = p_workflow and r.lead_id = p_lead
  order by r.id, s.position;
$$;

create function pg_temp.runs(p_workflow text, p_lead uuid) returns bigint language sql as $$
  select count(*) from public.automation_runs r join public.automation_workflows w on w.id = r.workflow_id where w.name = p_workflow and r.lead_id = p_lead;
$$;

-- An event

update private.timeline_readers set read_until = private.uuid_v7_since(clock_timestamp()), fence = null, fence_xid = null where name = 'automation';

insert into public.leads (id, name, source, assigned_to) select lead, 'Run for', 'Runs', owner from given, people;

insert into public.leads (id, name, source, assigned_to) select other, 'Another', 'Elsewhere', owner from given, people;

select pg_temp.sweep();

select results_eq(
  $$select w.name, r.status, r.trigger_type, r.lead_owner_id, r.chain from public.automation_runs r join public.automation_workflows w on w.id = r.workflow_id where r.lead_id in (select unnest(array[lead, other]) from given) order by r.id$$,
  $$select w.name, case w.name when 'Greet' then 'running' else 'done' end, 'lead_created', p.owner, array[w.id] from people p, public.automation_workflows w where w.name in ('Greet', 'Sooner') order by w.priority$$,
  'an event begins the workflows whose conditions hold, in the order of their priority'
);

select results_eq($$select * from pg_temp.steps('Greet', (select lead from given))$$, $$values (1::smallint, 'done', 1::smallint, null::text), (2::smallint, 'pending', 0::smallint, null), (3::smallint, 'pending', 0::smallint, null)$$, 'what has no delay is done at once');

select results_eq(
  $$select t.title, t.assigned_to, t.created_by from public.tasks t join public.automation_run_steps s on s.id = t.id where t.lead_id = (select lead from given)$$,
  $$select 'First of ' || l.lead_id, p.owner, null::uuid from people p, given g join public.leads l on l.id = g.lead$$,
  'what a step makes bears its id, and nobody in particular made it'
);

select results_eq($$select user_id from public.notifications where metadata ->> 'event' = 'automation' and lead_id = (select lead from given)$$, 'select owner from people', 'a notification reaches whom it names');

select isnt_empty($$select from public.audit_logs a join public.automation_runs r on r.id::text = a.request_id where a.resource = 'tasks' and a.actor_role = 'automation' and a.user_id is null and r.lead_id = (select lead from given)$$, 'the audit trail says automation, and names the run');

select isnt_empty($$select from public.activities a join public.automation_runs r on r.id::text = a.metadata ->> 'automation_run' where a.type = 'task_created' and a.lead_id = (select lead from given)$$, 'so does the timeline');

select is(current_setting('intake.automation', true), '', 'and nothing else of this transaction is its doing');

-- Once

update private.timeline_readers set read_until = private.uuid_v7_since((select start from given)) where name = 'automation';

select pg_temp.sweep();

select results_eq($$select pg_temp.runs('Greet', lead), pg_temp.runs('Sooner', lead), pg_temp.runs('Others', lead) from given$$, 'values (1::bigint, 1::bigint, 0::bigint)', 'what is read again begins nothing again');

select is((select count(*) from public.tasks where lead_id = (select lead from given)), 1::bigint, 'and nothing is done twice');

-- Delays

select pg_temp.sweep(120);

select results_eq($$select status from pg_temp.steps('Greet', (select lead from given))$$, $$values ('done'), ('pending'), ('pending')$$, 'a step never comes before the one before it');

select pg_temp.sweep(3700);

select results_eq($$select status from pg_temp.steps('Greet', (select lead from given))$$, $$values ('done'), ('done'), ('done')$$, 'and each after its delay');

select results_eq($$select title from public.reminders where lead_id = (select lead from given) order by id$$, $$values ('Second'), ('Third')$$, 'in their order');

select results_eq($$select r.status, r.next_at, r.finished_at is not null from public.automation_runs r join public.automation_workflows w on w.id = r.workflow_id where w.name = 'Greet'$$, $$values ('done', null::timestamptz, true)$$, 'then the run has ended');

-- Loops

update public.leads set status = 'contacted' where id = (select lead from given);

select pg_temp.sweep();

select results_eq($$select pg_temp.runs('Ping', lead), pg_temp.runs('Pong', lead), (select status from public.leads l where l.id = lead) from given$$, $$values (1::bigint, 1::bigint, 'contacted')$$,
  'workflows that set off one another do so once around');

select results_eq($$select h.reason, h.changed_by from public.lead_history h where h.lead_id = (select lead from given) and h.to_status = 'qualified'$$, $$values ('Automation: Ping', null::uuid)$$, 'the history says which it was');

insert into public.automation_workflows (name, trigger_type, trigger_conditions, actions, active_since) values ('Echo', 'task_created', '{}', '[{"type": "create_task", "title": "Echo"}]', now() - interval '1 hour');

insert into public.tasks (lead_id, title, assigned_to) select lead, 'Cry', owner from given, people;

select pg_temp.sweep();

select is(pg_temp.runs('Echo', lead), 1::bigint, 'what a workflow makes does not set it off again') from given;

update public.system_settings set value = '2' where key = 'automation.max_runs_per_lead';

insert into public.tasks (lead_id, title, assigned_to) select lead, 'Cry ' || n, owner from given, people, generate_series(1, 5) n;

select pg_temp.sweep();

select is(pg_temp.runs('Echo', lead), 2::bigint, 'and for one lead it runs so often a day, whatever happens') from given;

update public.system_settings set value = '20' where key = 'automation.max_runs_per_lead';

-- What fails

insert into public.automation_workflows (name, trigger_type, actions, active_since) values
  ('Broken', 'note_created', '[{"type": "update_lead_status", "status": "new"}, {"type": "create_task", "title": "After all"}]', now() - interval '1 hour');

update public.leads set status = 'enrolled' where id = (select lead from given);

insert into public.notes (lead_id, content) select lead, 'Break' from given;

select pg_temp.sweep();

select results_eq($$select * from pg_temp.steps('Broken', (select lead from given))$$, $$values (1::smallint, 'pending', 1::smallint, 'transition_forbidden'), (2::smallint, 'pending', 0::smallint, null::text)$$, 'the pipeline''s rules hold for workflows; what fails waits for another attempt');

select pg_temp.sweep(301);

select results_eq($$select status, attempts from pg_temp.steps('Broken', (select lead from given))$$, $$values ('pending', 2::smallint), ('pending', 0::smallint)$$, 'and another');

select pg_temp.sweep(2000);

select results_eq($$select * from pg_temp.steps('Broken', (select lead from given))$$, $$values (1::smallint, 'failed', 3::smallint, 'transition_forbidden'), (2::smallint, 'done', 1::smallint, null::text)$$, 'then it is recorded, and the others go on');

select is((select r.status from public.automation_runs r join public.automation_workflows w on w.id = r.workflow_id where w.name = 'Broken'), 'failed', 'the run says so');

-- What is stopped

insert into public.automation_workflows (name, trigger_type, actions, active_since) values ('Late', 'note_created', '[{"type": "create_task", "delay": 60, "title": "Late"}]', now() - interval '1 hour');

insert into public.notes (lead_id, content) select other, 'Wait' from given;

select pg_temp.sweep();

select is((select status from pg_temp.steps('Late', other)), 'pending', 'what waits') from given;

update public.automation_workflows set is_enabled = false where name = 'Late';

select results_eq($$select s.status, r.status, r.next_at from given g, pg_temp.steps('Late', g.other) s, public.automation_runs r join public.automation_workflows w on w.id = r.workflow_id where w.name = 'Late'$$, $$values ('cancelled', 'cancelled', null::timestamptz)$$, 'stops with its workflow');

update public.automation_workflows set is_enabled = true where name = 'Late';

select pg_temp.sweep(120);

select is_empty($$select from public.tasks where title = 'Late'$$, 'and does not come back when it is enabled again');

insert into public.automation_runs (workflow_id, lead_id, trigger_type, event_key, chain, next_at, created_at) select w.id, g.other, 'note_created', 'race', array[w.id], now(), now() - interval '1 minute' from public.automation_workflows w, given g where w.name = 'Late';

insert into public.automation_run_steps (run_id, position, action, run_at) select r.id, 1, '{"type": "create_task", "title": "Late"}', now() from public.automation_runs r where r.event_key = 'race';

select pg_temp.sweep();

select is((select status from public.automation_runs where event_key = 'race'), 'cancelled', 'nor does a run that began while it was stopped');

insert into public.notes (lead_id, content) select other, 'Gone' from given;

select pg_temp.sweep();

update public.leads set deleted_at = now() where id = (select other from given);

select pg_temp.sweep(120);

select is_empty($$select from public.tasks where title = 'Late'$$, 'nothing is done with a lead that was deleted');

update public.leads set deleted_at = null where id = (select other from given);

-- What is overdue

insert into public.automation_workflows (name, trigger_type, actions, active_since) values
  ('Task overdue', 'task_overdue', '[{"type": "send_notification", "title": "Overdue", "to": "person"}, {"type": "create_follow_up"}]', now() - interval '1 day'),
  ('Reminder overdue', 'reminder_overdue', '[{"type": "send_notification", "title": "Forgotten", "to": "person"}]', now() - interval '1 day');

update private.automation_clock set read_until = now() - interval '5 hours';

insert into public.tasks (lead_id, title, due_date, assigned_to, status)
select case when t.title = 'Of none' then null else g.other end, t.title, now() - t.ago, case when t.title = 'Of none' then p.stranger else p.manager end, t.status
from given g, people p, (values ('Overdue', interval '1 hour', 'todo'), ('Of none', interval '2 hours', 'todo'), ('Done', interval '1 hour', 'done'), ('Yet to come', interval '-1 hour', 'todo')) t (title, ago, status);

insert into public.reminders (lead_id, title, remind_at, agent_id) select other, r.title, now() - r.ago, owner from given, people, (values ('Long past', interval '2 hours'), ('Just past', interval '2 minutes')) r (title, ago);

select pg_temp.sweep();

select set_eq($$select n.user_id, n.title from public.notifications n where n.title in ('Overdue', 'Forgotten')$$, $$select manager, 'Overdue' from people union all select stranger, 'Overdue' from people union all select owner, 'Forgotten' from people$$, 'a task or reminder that is over while it is open is an event of whose it is');

select results_eq($$select s.status, s.result ->> 'skipped' from public.automation_run_steps s join public.automation_runs r on r.id = s.run_id where r.trigger_type = 'task_overdue' and r.lead_id is null and s.position = 2$$, $$values ('skipped', 'there_is_no_lead')$$, 'what needs a lead is skipped where there is none');

update private.automation_clock set read_until = now() - interval '5 hours';

select pg_temp.sweep();

select is((select count(*) from public.automation_runs where trigger_type = 'task_overdue'), 2::bigint, 'once');

insert into public.automation_workflows (name, trigger_type, trigger_conditions, actions, active_since)
values ('Of a priority', 'task_overdue', '{"event.priority": ["low", "medium", "high"]}', '[{"type": "send_notification", "title": "Of a priority", "to": "person"}]', now() - interval '1 day');

update private.automation_clock set read_until = now() - interval '5 hours';

select pg_temp.sweep();

select set_eq(
  $$select n.user_id from public.notifications n where n.title = 'Of a priority'$$, 'select unnest(array[manager, stranger]) from people', 'a condition on the event holds with a lead and without'
);

-- Who sees what was done

select tests.authenticate_as((select manager from people));

select isnt_empty('select from public.automation_runs where lead_id = (select lead from given)', 'a manager sees the runs of the team''s leads');

select isnt_empty('select from public.automation_run_steps s join public.automation_runs r on r.id = s.run_id where r.lead_id = (select lead from given)', 'and their steps');

select throws_ok('delete from public.automation_runs', '42501', null, 'and changes nothing of them');

select tests.authenticate_as((select stranger from people));

select is_empty('select from public.automation_runs where lead_id is not null', 'another team''s does not');

select tests.authenticate_as((select owner from people));

select is_empty('select from public.automation_runs', 'without automation.read nobody does');

select tests.clear_authentication();

-- Moved and forgotten

update public.leads set assigned_to = (select stranger from people) where id = (select other from given);

select results_eq($$select distinct r.lead_owner_id, r.team_id from public.automation_runs r where r.lead_id = (select other from given)$$, $$select stranger, (select id from public.teams where name = 'Runs B') from people$$, 'runs follow their lead');

update public.automation_runs set finished_at = now() - interval '91 days' where lead_id = (select lead from given) and status = 'done';

select cmp_ok(private.automation_purge(), '>=', 3, 'what ended long ago is purged');

select is_empty($$select from public.automation_runs where lead_id = (select lead from given) and status = 'done'$$, 'with its steps');

-- By index

set local enable_seqscan = off;

create function pg_temp.plan(p_query text) returns text language plpgsql as $$
declare
  line text;
  lines text := '';
begin
  for line in execute 'explain (costs off) ' || p_query loop
    lines := lines || line || E'\n';
  end loop;

  return lines;
end
$$;

select matches(pg_temp.plan('select id from public.automation_runs r where r.next_at <= now() order by r.next_at, r.id limit 10'), 'automation_runs_to_look_at', 'what is due has an index');

select matches(pg_temp.plan($$select id from public.reminders x where x.remind_at > now() and x.remind_at <= now() and x.deleted_at is null and x.status = 'pending' order by x.remind_at limit 10$$), 'reminders_pending', 'so has what is overdue');

select matches(pg_temp.plan('select * from public.automation_runs r where r.workflow_id = ''0190f3d6-0000-7000-0000-000000000000'' order by r.id desc limit 10'), 'automation_runs_of_workflow', 'and the list of a workflow''s runs');

select * from finish();

rollback;

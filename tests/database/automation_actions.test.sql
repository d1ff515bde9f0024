-- Automation actions: what each of them does with a lead, and what it does not do where there is nothing to do.

begin;

select no_plan();

alter table public.leads disable trigger route_new_lead;

create temp table people on commit drop as
select tests.create_user('admin') as admin, tests.create_user('manager', 'Actions A') as manager, tests.create_user('counselor', 'Actions A') as owner,
  tests.create_user('counselor', 'Actions A') as other, tests.create_user('counselor', 'Actions A') as expert, tests.create_user('counselor', 'Actions A', false) as gone;

create temp table given on commit drop as select gen_random_uuid() as lead, gen_random_uuid() as plain, (select id from public.teams where name = 'Actions A') as team;

grant select on people, given to public;

insert into public.leads (id, name, email, phone, assigned_to, source, course) select lead, 'Asha \1 Rao', 'asha.actions@example.test', '+919812345670', owner, 'Actions', 'MBBS' from given, people;

insert into public.leads (id, name, team_id, source, course) select plain, 'Without', team, 'Actions', 'MBBS' from given;

update public.profiles p set full_name = 'Owner' from people where p.id = owner;

create function pg_temp.perform(p_action text, p_lead uuid default null, p_event jsonb default '{}', p_step uuid default gen_random_uuid()) returns jsonb language sql as $$
  select private.automation_perform(p_step, p_action::jsonb, l, p_event, 'Test') from public.leads l where l.id = coalesce(p_lead, (select lead from given));
$$;

-- Texts

select is(private.automation_text('{{name}}, {{ first_name }} of {{lead_number}}: {{source}} {{course}} {{status}} {{counselor}}', l), format('Asha \1 Rao, Asha of %s: Actions MBBS New Owner', l.lead_id), 'texts are filled in, whatever they hold')
from public.leads l where l.id = (select lead from given);

-- Messages

insert into public.message_templates (name, channel, subject, content) values ('actions_welcome', 'email', 'Welcome', 'Hello {{name}}');

create temp table sent on commit drop as
select m.id, pg_temp.perform(m.action, p_step => m.id) as did
from (values
  (gen_random_uuid(), '{"type": "send_email", "subject": "Welcome {{first_name}}", "message": "Hello"}'),
  (gen_random_uuid(), '{"type": "send_email", "template": "actions_welcome", "purpose": "marketing"}'), (gen_random_uuid(), '{"type": "send_sms", "message": "Thank you"}'), (gen_random_uuid(), '{"type": "send_whatsapp", "message": "Hi"}')
) m (id, action);

select set_eq(
  $$select c.type, c.direction, c.status, c.recipient, c.subject, c.content, c.channel_specific_data ->> 'purpose', (select t.name from public.message_templates t where t.id = c.template_id), c.sent_by, c.lead_owner_id from public.communications c join sent s on s.id = c.id$$,
  $$select m.type, 'outbound' as direction, 'queued' as status, m.recipient, m.subject, m.content, m.purpose, m.template, null::uuid as sent_by, p.owner from people p, (values
    ('email', 'asha.actions@example.test', 'Welcome Asha', 'Hello', null, null), ('email', 'asha.actions@example.test', null, null, 'marketing', 'actions_welcome'),
    ('sms', '+919812345670', null, 'Thank you', null, null), ('whatsapp', '+919812345670', null, 'Hi', null, null)) m (type, recipient, subject, content, purpose, template)$$,
  'a message is a row that waits to be sent, by nobody in particular'
);

select throws_ok($$select pg_temp.perform('{"type": "send_email", "template": "actions_nothing"}')$$, 'PT404', null, 'of a template that is there');

select is(pg_temp.perform('{"type": "send_sms", "message": "x"}', (select plain from given)), '{"skipped": "lead_has_no_address"}', 'without an address there is nothing to send');

-- Assignment

select is(pg_temp.perform('{"type": "assign_counselor", "criteria": "round_robin"}'), '{"skipped": "lead_has_an_owner"}', 'who has a lead keeps it');

update public.profiles p set preferences = '{"specializations": ["mbbs "]}' from people where p.id = expert;

select is(pg_temp.perform('{"type": "assign_counselor", "criteria": "specialization"}', (select plain from given)) ->> 'assigned_to', expert::text, 'specialization looks for who names the course') from people;

select results_eq($$select a.method, a.reason, a.assigned_by from public.lead_assignments a where a.lead_id = (select plain from given) order by a.id desc limit 1$$, $$values ('automatic', 'Automation: Test', null::uuid)$$, 'and it is said why');

select is(pg_temp.perform('{"type": "assign_counselor", "criteria": "least_loaded", "reassign": true}', (select plain from given)) ->> 'assigned_to', other::text, 'least_loaded who has fewest open leads, of others than the owner') from people;

select ok(private.automation_pick(l, 'round_robin', l.team_id) = owner, 'round_robin whose turn it is') from public.leads l, people where l.id = (select plain from given);

update public.profiles p set max_open_leads = 1 from people where p.id in (owner, expert);

insert into public.leads (name, assigned_to) select 'Load', expert from people;

select is(pg_temp.perform('{"type": "assign_counselor", "criteria": "round_robin", "reassign": true}', (select plain from given)), '{"skipped": "nobody_can_take_it"}', 'caps hold, and who is not active takes nothing');

select is(pg_temp.perform(format('{"type": "assign_lead", "user_id": "%s"}', owner), (select plain from given)) ->> 'assigned_to', owner::text, 'assign_lead gives it to one person') from people;

select is(pg_temp.perform(format('{"type": "assign_lead", "user_id": "%s"}', owner), (select plain from given)), '{"skipped": "is_theirs_already"}', 'once') from people;

select throws_ok(format($$select pg_temp.perform('{"type": "assign_lead", "user_id": "%s"}', (select plain from given))$$, gone), 'PT422', null, 'not to somebody who left') from people;

-- Stages

select is(pg_temp.perform('{"type": "update_lead_status", "status": "Qualified"}'), '{"from": "new", "to": "qualified"}', 'a stage is changed');

select is(pg_temp.perform('{"type": "update_lead_status", "status": "qualified"}'), '{"skipped": "is_there_already"}', 'once');

update public.leads set status = 'enrolled' where id = (select lead from given);

select throws_ok($$select pg_temp.perform('{"type": "update_lead_status", "status": "new"}')$$, 'PT422', null, 'by the moves of the pipeline');

-- Work

create temp table made on commit drop as
select m.id, pg_temp.perform(m.action, p_step => m.id, p_event => jsonb_build_object('person_id', p.other)) as did
from people p, (values
  (gen_random_uuid(), '{"type": "create_reminder", "title": "Remind {{lead_number}}", "due_in": 60}'),
  (gen_random_uuid(), '{"type": "create_task", "title": "Task", "priority": "high", "assign_to": "person"}'),
  (gen_random_uuid(), '{"type": "create_follow_up", "assign_to": "managers", "follow_up_type": "task"}'),
  (gen_random_uuid(), '{"type": "create_follow_up", "title": "Again", "due_in": 3600}')
) m (id, action);

select results_eq($$select r.title, r.agent_id, r.remind_at from public.reminders r join made m on m.id = r.id$$, $$select 'Remind ' || l.lead_id, p.owner, now() + interval '1 minute' from people p, given g join public.leads l on l.id = g.lead$$, 'a reminder, in due_in seconds, of the owner');

select set_eq($$select t.title, t.assigned_to, t.priority, t.due_date from public.tasks t join made m on m.id = t.id$$,
  $$select 'Task' as title, p.other, 'high' as priority, now() + interval '1 day' as due from people p union all select 'Follow up with ' || l.lead_id, p.manager, 'medium', now() + interval '1 day' from people p, given g join public.leads l on l.id = g.lead$$,
  'tasks, for whose event it was or for the managers');

select results_eq($$select c.status, c.agent_id, c.scheduled_at, c.notes from public.calls c join made m on m.id = c.id$$, $$select 'scheduled', owner, now() + interval '1 hour', 'Again' from people$$, 'a call that is planned');

-- Notifications

select is(pg_temp.perform('{"type": "send_notification", "title": "Hear {{lead_number}}", "message": "m", "to": "managers", "priority": "urgent", "notification_type": "warning"}'), '{"notified": 1}', 'people are told');

select results_eq($$select n.user_id, n.title, n.message, n.type, n.priority, n.action_url from public.notifications n where n.lead_id = (select lead from given) and n.metadata ->> 'event' = 'automation'$$,
  $$select p.manager, 'Hear ' || l.lead_id, 'm', 'warning', 'urgent', '/leads/' || l.lead_id from people p, given g join public.leads l on l.id = g.lead$$, 'whom and as the action says');

select is(array(select a from private.automation_people('person', l, (select other from people)) a), array(select other from people), 'person is whose event it was') from public.leads l where l.id = (select lead from given);

select is(array(select a from private.automation_people('person', l, (select gone from people)) a), array(select owner from people), 'or the owner, if that one left') from public.leads l where l.id = (select lead from given);

select ok((select admin from people) in (select private.automation_people('administrators', l, null)), 'administrators are those') from public.leads l where l.id = (select lead from given);

select is(array(select a from private.automation_people((select other::text from people), l, null) a), array(select other from people), 'and one by id') from public.leads l where l.id = (select lead from given);

select is(array(select a from private.automation_people((select gone::text from people), l, null) a), '{}'::uuid[], 'unless that one left') from public.leads l where l.id = (select lead from given);

-- Without a lead

select is(private.automation_perform(gen_random_uuid(), '{"type": "update_lead_status", "status": "lost"}', null, '{}', 'Test'), '{"skipped": "there_is_no_lead"}', 'what needs a lead is skipped without one');

select is(private.automation_perform(gen_random_uuid(), '{"type": "send_notification", "title": "x", "to": "person"}', null, jsonb_build_object('person_id', other), 'Test'), '{"notified": 1}', 'people are told all the same') from people;

select * from finish();

rollback;

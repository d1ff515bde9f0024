-- Automation: which conditions and actions a workflow may have, what conditions say, who may write workflows, and
-- since when one runs.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('admin') as admin, tests.create_user('manager', 'Automation A') as manager, tests.create_user('counselor', 'Automation A') as counselor;

grant select on people to public;

-- Conditions that can be asked

create function pg_temp.fault(p_condition text) returns text language sql as $$ select private.automation_condition_fault(p_condition::jsonb) $$;

select is(pg_temp.fault(c), null, c || ' can be asked') from unnest(array[
  '{}', '{"source": "facebook", "qualification": "MBBS"}', '{"source": ["Website", "Referral"]}', '{"custom.city": "Pune"}',
  '{"all": [{"field": "score", "op": "gte", "value": 50}, {"any": [{"field": "tags", "op": "contains", "value": "hot"}, {"not": {"field": "email", "op": "is_set"}}]}]}',
  '{"field": "status", "op": "changed"}', '{"field": "status", "op": "changed", "value": "qualified"}',
  '{"field": "created_at", "op": "older_than", "value": "3 days"}', '{"field": "last_interaction_at", "op": "lt", "value": "2026-11-21T09:00:00Z"}'
]) c;

select is(pg_temp.fault(c.condition), c.fault, c.condition || ' cannot') from (values
  ('[]', 'a condition is an object'),
  ('{"password": "x"}', 'unknown field password'),
  ('{"field": "score", "op": "like", "value": 1}', 'score takes eq, neq, in, not_in, gt, gte, lt, lte, is_set, is_not_set'),
  ('{"field": "score", "op": "gt", "value": "50"}', 'score is compared with a number'),
  ('{"source": 5}', 'source is compared with a string'),
  ('{"field": "score", "op": "gt"}', 'score is compared with a number'),
  ('{"field": "course", "op": "changed"}', 'changed is known of status and assigned_to'),
  ('{"field": "created_at", "op": "older_than", "value": "3 days; drop table"}', 'older_than takes a time such as "3 days"'),
  ('{"event.title": "Fees"}', 'unknown field event.title'),
  ('{"field": "created_at", "op": "older_than", "value": "999999 weeks"}', 'older_than takes a time such as "3 days"'),
  ('{"field": "created_at", "op": "gt", "value": "2026-02-30"}', 'created_at is compared with a moment such as 2026-11-21T09:00:00Z'),
  ('{"field": "email", "op": "is_set", "value": "x"}', 'is_set takes no value'),
  ('{"field": "source", "op": "in", "value": []}', 'in of source takes a list of 1 to 100 strings'),
  ('{"all": [], "any": []}', 'all and any stand alone'),
  ('{"all": []}', 'all and any take a list of 1 to 30 conditions'),
  ('{"not": {}, "source": "x"}', 'not stands alone'),
  ('{"field": "source", "op": "eq", "value": "x", "sql": "1"}', 'a comparison has field, op and value'),
  ('{"not": {"not": {"not": {"not": {"not": {"not": {}}}}}}}', 'conditions are nested deeper than 6')
) c (condition, fault);

-- What they say

select is(private.automation_matches(c.condition::jsonb, '{
  "source": "Facebook", "qualification": "MBBS", "score": 50, "email": null, "tags": ["Hot", "vip"], "status": "qualified", "created_at": "2020-01-01T00:00:00Z",
  "custom.city": "Pune", "event.name": "lead_status_changed", "event.from": "new", "event.to": "qualified", "event.duration": 90
}'), c.holds, c.condition || case when c.holds then ' holds' else ' does not' end) from (values
  ('{}', true), ('{"source": "facebook", "qualification": "mbbs"}', true), ('{"source": "facebook", "qualification": "BDS"}', false), ('{"source": ["google", "facebook"]}', true),
  ('{"field": "score", "op": "eq", "value": 50.0}', true), ('{"field": "score", "op": "gt", "value": 50}', false), ('{"field": "score", "op": "gte", "value": 50}', true),
  ('{"field": "score", "op": "lt", "value": 100}', true), ('{"field": "score", "op": "lte", "value": 49}', false), ('{"field": "score", "op": "neq", "value": 9}', true),
  ('{"field": "score", "op": "in", "value": [1, 50]}', true), ('{"field": "score", "op": "not_in", "value": [1, 50]}', false), ('{"field": "event.duration", "op": "gt", "value": 9}', true),
  ('{"field": "email", "op": "is_set"}', false), ('{"field": "email", "op": "is_not_set"}', true), ('{"field": "email", "op": "eq", "value": "x"}', false), ('{"field": "email", "op": "neq", "value": "x"}', true),
  ('{"field": "email", "op": "contains", "value": ""}', false), ('{"field": "source", "op": "contains", "value": "BOOK"}', true), ('{"field": "source", "op": "starts_with", "value": "face%"}', false),
  ('{"field": "source", "op": "not_in", "value": ["facebook"]}', false), ('{"field": "tags", "op": "contains", "value": "hot"}', true), ('{"field": "tags", "op": "contains", "value": "ho"}', false),
  ('{"field": "status", "op": "changed"}', true), ('{"field": "status", "op": "changed", "value": "Qualified"}', true), ('{"field": "status", "op": "changed", "value": "lost"}', false), ('{"field": "assigned_to", "op": "changed"}', false),
  ('{"field": "created_at", "op": "older_than", "value": "3 days"}', true), ('{"field": "created_at", "op": "newer_than", "value": "3 days"}', false), ('{"field": "created_at", "op": "lt", "value": "2021-01-01"}', true),
  ('{"custom.city": "pune"}', true), ('{"custom.town": "pune"}', false), ('{"not": {"source": "google"}}', true),
  ('{"all": [{"source": "facebook"}, {"any": [{"score": 1}, {"not": {"status": "lost"}}]}]}', true), ('{"all": [{"source": "facebook"}, {"score": 1}]}', false)
) c (condition, holds);

select ok(
  (select private.automation_matches('{"all": [{"name": "Facts"}, {"custom.city": "Pune"}, {"field": "event.to", "op": "eq", "value": "lost"}]}', private.automation_facts(l, '{"to": "lost"}'))
   from (select (r).* from (select jsonb_populate_record(null::public.leads, '{"name": "Facts", "custom_fields": {"city": "Pune"}}') as r) x) l),
  'conditions are asked of the lead, its custom fields and the event'
);

-- Actions that can be carried out

create function pg_temp.action_fault(p_action text) returns text language sql as $$ select private.automation_action_fault(p_action::jsonb) $$;

select is(pg_temp.action_fault(a), null, a || ' can be carried out') from unnest(array[
  '{"type": "send_email", "delay": 0, "template": "welcome"}', '{"type": "send_sms", "delay": 3600, "message": "Thank you for interest, {{ first_name }}"}',
  '{"type": "assign_counselor", "delay": 7200, "criteria": "specialization"}', '{"type": "send_whatsapp", "message": "Hello"}',
  '{"type": "create_reminder", "title": "Call {{lead_number}}", "due_in": 60, "assign_to": "owner"}', '{"type": "update_lead_status", "status": "Qualified"}',
  '{"type": "create_follow_up"}', '{"type": "send_notification", "title": "x", "to": "managers", "priority": "urgent"}'
]) a;

select is(pg_temp.action_fault(a.action), a.fault, a.action || ' cannot') from (values
  ('"x"', 'an action is an object'), ('{"type": "run_sql"}', 'unknown type run_sql'), ('{}', 'unknown type '),
  ('{"type": "send_email", "delay": -1, "template": "x"}', 'send_email.delay is to be seconds, at most a year'),
  ('{"type": "send_email", "delay": "0", "template": "x"}', 'send_email.delay is to be seconds, at most a year'),
  ('{"type": "send_email", "subject": "x"}', 'send_email takes a template, or subject and message'),
  ('{"type": "send_sms"}', 'send_sms takes a template or a message'),
  ('{"type": "send_sms", "message": "{{password}}"}', 'send_sms.message is to be a text with no other variables than lead_number, name, first_name, email, phone, source, course, status, counselor, organization'),
  ('{"type": "send_sms", "message": "x", "sql": "y"}', 'send_sms.sql is to be not there'),
  ('{"type": "assign_counselor", "criteria": "best"}', 'assign_counselor.criteria is to be round_robin, least_loaded or specialization'),
  ('{"type": "assign_lead"}', 'assign_lead takes a user_id, criteria or a team_id'), ('{"type": "assign_lead", "user_id": "x"}', 'assign_lead.user_id is to be an active person'),
  ('{"type": "update_lead_status"}', 'update_lead_status takes a status'), ('{"type": "update_lead_status", "status": "nowhere"}', 'update_lead_status.status is to be a stage'),
  ('{"type": "create_task"}', 'create_task takes a title'), ('{"type": "create_task", "title": "x", "priority": "urgent"}', 'create_task.priority is to be low, medium or high')
) a (action, fault);

-- Who may write workflows

select tests.authenticate_as((select admin from people));

create temp table made on commit drop as
with w as (
  insert into public.automation_workflows (name, trigger_type, trigger_conditions, actions)
  values (' Greet ', 'Lead_Created', '{"source": "facebook"}', '[{"type": "send_sms", "message": "Hello"}]')
  returning *
)
select * from w;

grant select on made to public;

select results_eq('select name, trigger_type, status, is_enabled, priority, is_live, created_by, version from made', $$select 'Greet', 'lead_created', 'active', true, 1::smallint, true, admin, 1::bigint from people$$, 'an administrator makes a workflow, and it runs');

select throws_ok($$insert into public.automation_workflows (name, trigger_type, trigger_conditions, actions) values ('X', 'lead_created', '{"nothing": 1}', '[{"type": "send_sms", "message": "x"}]')$$,
  'PT422', null, 'a condition that cannot be asked is refused');

select throws_ok($$update public.automation_workflows set actions = '[{"type": "send_sms"}]' where id = (select id from made)$$, 'PT422', null, 'an action that cannot be carried out is refused');

select throws_ok($$update public.automation_workflows set actions = '{}' where id = (select id from made)$$, 'PT422', null, 'actions are a list');

select throws_ok($$insert into public.automation_workflows (name, trigger_type, actions) values ('X', 'sometime', '[{"type": "send_sms", "message": "x"}]')$$, '23514', null, 'a trigger that is not known is refused');

select throws_ok($$insert into public.automation_workflows (name, trigger_type) values ('X', 'lead_created')$$, '23514', null, 'what runs does something');

select lives_ok($$insert into public.automation_workflows (name, trigger_type, status) values ('X', 'lead_created', 'draft')$$, 'a draft need not');

select throws_ok($$update public.automation_workflows set active_since = now()$$, '42501', null, 'since when it runs is not the client''s to say');

select tests.authenticate_as((select manager from people));

select isnt_empty('select from public.automation_workflows where id = (select id from made)', 'a manager reads it');

select is_empty($$update public.automation_workflows set is_enabled = false where id = (select id from made) returning id$$, 'and cannot change it');

select throws_ok($$insert into public.automation_workflows (name, trigger_type, status) values ('X', 'lead_created', 'draft')$$, '42501', null, 'nor make one');

select tests.authenticate_as((select counselor from people));

select is_empty('select from public.automation_workflows', 'a counselor sees none');

-- Since when it runs

select tests.clear_authentication();

update public.automation_workflows set active_since = now() - interval '1 day' where id = (select id from made);

update public.automation_workflows set name = 'Greet them', priority = 2 where id = (select id from made);

select is((select active_since from public.automation_workflows where id = (select id from made)), now() - interval '1 day', 'what changes of it leaves that alone');

update public.automation_workflows set is_enabled = false where id = (select id from made);

update public.automation_workflows set status = 'paused' where id = (select id from made);

update public.automation_workflows set is_enabled = true where id = (select id from made);

select ok((select not is_live and active_since < now() from public.automation_workflows where id = (select id from made)), 'it runs when it is active and enabled');

update public.automation_workflows set status = 'active' where id = (select id from made);

select ok((select is_live and active_since >= now() from public.automation_workflows where id = (select id from made)), 'and from then on');

select tests.authenticate_as((select admin from people));

select public.soft_delete('automation_workflows', (select id from made));

select is_empty('select from public.automation_workflows where id = (select id from made)', 'what is deleted is in nobody''s sight');

select tests.clear_authentication();

select results_eq('select is_live, deleted_by from public.automation_workflows where id = (select id from made)', 'select false, admin from people', 'and does not run');

select isnt_empty($$select from public.audit_logs where resource = 'automation_workflows' and user_id = (select admin from people)$$, 'who changed what is audited');

select * from finish();

rollback;

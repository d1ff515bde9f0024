-- Automation control: a workflow is executed by hand for a lead within reach, and a test of one does nothing.

begin;

select no_plan();

alter table public.leads disable trigger route_new_lead;

create temp table people on commit drop as
select tests.create_user('admin') as admin, tests.create_user('manager', 'Control A') as manager, tests.create_user('counselor', 'Control A') as owner;

create temp table given on commit drop as select gen_random_uuid() as lead, gen_random_uuid() as outside, gen_random_uuid() as workflow;

grant select on people, given to public;

insert into public.leads (id, name, source, assigned_to) select lead, 'Controlled', 'Control', owner from given, people;

insert into public.leads (id, name, source) select outside, 'Outside', 'Control' from given;

insert into public.automation_workflows (id, name, trigger_type, trigger_conditions, actions)
select workflow, 'Control', 'lead_created', '{"source": "Nowhere"}',
  format('[{"type": "create_task", "title": "Do"}, {"type": "update_lead_status", "status": "enrolled", "delay": 60}, {"type": "update_lead_status", "status": "new"}, {"type": "assign_lead", "user_id": "%s"}]', owner)::jsonb
from given, people;

create function pg_temp.error(p_statement text) returns text language plpgsql as $$
declare
  detail text;
begin
  execute p_statement;

  return 'none';
exception when others then
  get stacked diagnostics detail = pg_exception_detail;

  return split_part(detail, ':', 1);
end
$$;

grant execute on function pg_temp.error(text) to public;

-- A test

select tests.authenticate_as((select manager from people));

create temp table tested on commit drop as select public.automation_test(workflow, jsonb_build_object('lead_id', lead, 'lead', '{"source": "nowhere"}'::jsonb)) as answer from given;

grant select on tested to public;

select is((select answer -> 'matched' from tested), 'true', 'it says whether the conditions hold, of the lead as the sample says it is');

select is((select answer #> '{conditions,0}' from tested), '{"field": "source", "op": "eq", "value": "Nowhere", "actual": "nowhere", "matched": true}', 'and of each why');

select results_eq($$select a ->> 'type', (a -> 'delay')::integer, a -> 'would' ->> 'to', a -> 'would' ->> 'skipped', a ->> 'error' from tested, jsonb_array_elements(answer -> 'actions') a$$,
  $$values ('create_task', 0, null, null, null), ('update_lead_status', 60, 'enrolled', null, null), ('update_lead_status', 0, null, 'is_there_already', null), ('assign_lead', 0, null, 'is_theirs_already', null)$$, 'and of each action what it would do');

select is(public.automation_test(workflow, jsonb_build_object('lead_id', lead)) -> 'matched', 'false', 'of the lead as it is') from given;

select is(public.automation_test(workflow) #> '{actions,0,would}', 'null', 'without a lead nothing is known of that') from given;

select is(auth.uid(), (select manager from people), 'who asked is who they were');

select is(pg_temp.error(format('select public.automation_test(%L, %L)', workflow, jsonb_build_object('lead_id', outside))), 'lead_not_found', 'a lead out of reach is not tried') from given;

select is(pg_temp.error(format('select public.automation_test(%L, %L)', workflow, '{"sql": 1}')), 'argument_invalid', 'a sample has a shape') from given;

select is(pg_temp.error('select public.automation_test(gen_random_uuid())'), 'automation_workflow_not_found', 'nor a workflow that is not there');

select tests.clear_authentication();

select is_empty($$select from public.tasks t where t.lead_id = (select lead from given)$$, 'nothing was made');

select is((select status from public.leads where id = (select lead from given)), 'new', 'nothing was changed');

select is_empty($$select from public.automation_runs where lead_id = (select lead from given)$$, 'and it is no run');

select is_empty($$select from public.activities where lead_id = (select lead from given) and type <> 'created'$$, 'the timeline says nothing of it');

-- By hand

select tests.authenticate_as((select manager from people));

select is(pg_temp.error(format('select public.automation_execute(%L, %L)', workflow, jsonb_build_object('lead_id', lead))), 'permission_denied', 'executing needs automation.manage') from given;

select tests.authenticate_as((select admin from people));

create temp table executed on commit drop as select public.automation_execute(workflow, jsonb_build_object('lead_id', (select l.lead_id from public.leads l where l.id = lead))) as answer from given;

grant select on executed to public;

select results_eq($$select (answer ->> 'lead_id')::uuid, answer ->> 'status', jsonb_array_length(answer -> 'steps'), answer #>> '{steps,0,type}' from executed$$, $$select lead, 'running', 4, 'create_task' from given$$, 'a run begins, whatever the conditions say');

select is(pg_temp.error(format('select public.automation_execute(%L, %L)', workflow, '{}')), 'argument_invalid', 'it is of a lead') from given;

update public.automation_workflows set status = 'paused' where id = (select workflow from given);

select is(pg_temp.error(format('select public.automation_execute(%L, %L)', workflow, jsonb_build_object('lead_id', lead))), 'automation_workflow_is_off', 'what does not run is not executed') from given;

select tests.clear_authentication();

select results_eq($$select r.started_by, r.status from public.automation_runs r join executed e on r.id = (e.answer ->> 'run_id')::uuid$$, $$select admin, 'cancelled' from people$$, 'and what was pending is cancelled');

select * from finish();

rollback;

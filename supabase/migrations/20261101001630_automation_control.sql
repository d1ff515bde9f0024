-- Automation control: executing a workflow by hand, and asking what it would do.

-- Functions

create function private.automation_execute(p_workflow_id uuid, p_lead_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  workflow public.automation_workflows;
  run public.automation_runs;
begin
  perform private.require_permission('automation.manage');

  select * into workflow from public.automation_workflows w where w.id = p_workflow_id and w.deleted_at is null;

  if workflow.id is null then
    perform private.fail('automation_workflow_not_found', p_workflow_id::text);
  elsif not workflow.is_live then
    perform private.fail('automation_workflow_is_off', workflow.name);
  end if;

  perform private.require_lead_in_scope(p_lead_id);

  insert into public.automation_runs (workflow_id, lead_id, lead_owner_id, team_id, trigger_type, event_key, event, chain, next_at, started_by)
  select workflow.id, l.id, l.assigned_to, l.team_id, 'manual', 'manual ' || private.uuid_v7(), jsonb_build_object('actor_id', private.gate_own()), array[workflow.id], now(), private.gate_own()
  from public.leads l
  where l.id = p_lead_id
  returning * into run;

  insert into public.automation_run_steps (run_id, position, action, run_at)
  select run.id, a.position, a.action, run.created_at + make_interval(secs => coalesce((a.action ->> 'delay')::integer, 0))
  from jsonb_array_elements(workflow.actions) with ordinality a (action, position);

  return jsonb_build_object('run_id', run.id, 'workflow_id', workflow.id, 'lead_id', run.lead_id, 'status', run.status, 'steps', (
    select jsonb_agg(jsonb_build_object('id', s.id, 'position', s.position, 'type', s.action ->> 'type', 'run_at', s.run_at, 'status', s.status) order by s.position)
    from public.automation_run_steps s
    where s.run_id = run.id
  ));
end
$$;

comment on function private.automation_execute(uuid, uuid) is 'Body of public.automation_execute().';

create function public.automation_execute(p_workflow_id uuid, p_trigger_data jsonb) returns jsonb
language plpgsql volatile security invoker set search_path = '' as $$
begin
  if p_trigger_data ->> 'lead_id' is null then
    perform private.fail('argument_invalid', 'p_trigger_data is {"lead_id": …}');
  end if;

  return private.automation_execute(p_workflow_id, private.find_lead(p_trigger_data ->> 'lead_id'));
end
$$;

comment on function public.automation_execute(uuid, jsonb) is 'Executes a workflow for a lead, p_trigger_data {"lead_id": id or number}, without asking its conditions: {run_id, workflow_id, lead_id, status, steps[]}. The sweep of the next minute begins with the first action. Needs automation.manage. Errors: permission_denied, automation_workflow_not_found, automation_workflow_is_off, lead_not_found, argument_invalid. Answers D0-039.';

create function private.automation_rehearse(p_workflow_id uuid, p_lead_id uuid, p_sample jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  workflow public.automation_workflows;
  lead public.leads;
  event constant jsonb := coalesce(p_sample -> 'event', '{}');
  facts jsonb;
  planned jsonb := '[]';
  action jsonb;
  position integer := 0;
  did jsonb;
  code text;
  said text;
begin
  perform private.require_permission('automation.read');

  select * into workflow from public.automation_workflows w where w.id = p_workflow_id and w.deleted_at is null;

  if workflow.id is null then
    perform private.fail('automation_workflow_not_found', p_workflow_id::text);
  end if;

  if p_lead_id is not null then
    perform private.require_lead_in_scope(p_lead_id);

    select * into lead from public.leads l where l.id = p_lead_id;
  end if;

  facts := coalesce(private.automation_facts(lead, event || jsonb_build_object('name', workflow.trigger_type)), '{}') || coalesce(p_sample -> 'lead', '{}');

  for action in select a from jsonb_array_elements(workflow.actions) a loop
    position := position + 1;
    did := null;
    code := null;

    if p_lead_id is not null then
      -- Really done, as nobody in particular, and taken back: so what is said is what would be.
      begin
        perform set_config('request.jwt.claims', '', true);
        perform set_config('request.jwt.claim.sub', '', true);

        did := private.automation_perform(private.uuid_v7(), action, lead, event, workflow.name);

        raise exception using errcode = 'IN001';
      exception
        when sqlstate 'IN001' then
          null;
        when others then
          get stacked diagnostics code = returned_sqlstate, said = pg_exception_detail;

          code := case when code like 'PT%' or said ~ '^[a-z_]+(:|$)' then split_part(said, ':', 1) else code end;
      end;
    end if;

    planned := planned || jsonb_build_object('position', position, 'type', action ->> 'type', 'delay', coalesce((action ->> 'delay')::integer, 0), 'action', action, 'would', did, 'error', code);
  end loop;

  return jsonb_build_object(
    'workflow_id', workflow.id, 'is_live', workflow.is_live, 'matched', private.automation_matches(workflow.trigger_conditions, facts),
    'conditions', private.automation_explain(workflow.trigger_conditions, facts), 'actions', planned
  );
end
$$;

comment on function private.automation_rehearse(uuid, uuid, jsonb) is 'Body of public.automation_test(): each action is done in a subtransaction that is rolled back.';

create function public.automation_test(p_id uuid, p_sample jsonb default '{}') returns jsonb
language plpgsql volatile security invoker set search_path = '' as $$
begin
  if p_sample is null or jsonb_typeof(p_sample) <> 'object' or p_sample - array['lead_id', 'lead', 'event'] <> '{}'
    or coalesce(jsonb_typeof(p_sample -> 'lead'), 'object') <> 'object' or coalesce(jsonb_typeof(p_sample -> 'event'), 'object') <> 'object' then
    perform private.fail('argument_invalid', 'p_sample is {"lead_id": …, "lead": {…}, "event": {…}}');
  end if;

  return private.automation_rehearse(p_id, case when p_sample ->> 'lead_id' is not null then private.find_lead(p_sample ->> 'lead_id') end, p_sample);
end
$$;

comment on function public.automation_test(uuid, jsonb) is 'What a workflow would do, nothing of which is done: {workflow_id, is_live, matched, conditions[{field, op, value, actual, matched}], actions[{position, type, delay, action, would, error}]}. p_sample names a lead, {"lead_id": id or number}, or says what one is like, {"lead": {…}}, and what happened, {"event": {…}}; would and error are known of a lead that exists. Needs automation.read. Errors: permission_denied, automation_workflow_not_found, lead_not_found, argument_invalid. Answers D4-061.';

-- Grants

revoke all on function private.automation_execute(uuid, uuid), private.automation_rehearse(uuid, uuid, jsonb) from public, anon, authenticated, service_role;

grant execute on function private.automation_execute(uuid, uuid), private.automation_rehearse(uuid, uuid, jsonb) to authenticated;

revoke all on function public.automation_execute(uuid, jsonb) from public, anon, authenticated, service_role;

grant execute on function public.automation_execute(uuid, jsonb) to authenticated;

revoke all on function public.automation_test(uuid, jsonb) from public, anon, authenticated, service_role;

grant execute on function public.automation_test(uuid, jsonb) to authenticated;

-- This module's errors

insert into public.error_codes (code, sqlstate, message, hint) values
  ('automation_workflow_not_found', 'PT404', 'There is no such workflow.', null),
  ('automation_workflow_is_off', 'PT409', 'The workflow does not run.', 'Set its status to active and is_enabled to true.');

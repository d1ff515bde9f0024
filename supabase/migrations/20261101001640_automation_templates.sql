-- Automation templates: workflows to begin with, ready to be taken over as they are or with changes.

-- Tables

create table public.automation_templates (
  name text primary key,
  slug text not null generated always as (lower(replace(name, ' ', '-'))) stored,
  description text not null,
  trigger_type text not null,
  trigger_conditions jsonb not null default '{}',
  actions jsonb not null,
  position smallint not null,
  constraint automation_templates_name_is_a_line check (btrim(name) <> '' and length(name) <= 120),
  constraint automation_templates_position_is_unique unique (position)
);

-- Partial, so that a change of the row locks out nobody who refers to it.
create unique index automation_templates_slug_is_unique on public.automation_templates (slug) where slug is not null;

comment on table public.automation_templates is 'Workflows to begin with, for automation_from_template(). List: select().order("position").';

comment on column public.automation_templates.slug is 'The name as it stands in an address, for example new-lead-follow-up.';

-- Policies

alter table public.automation_templates enable row level security;

create policy automation_templates_read on public.automation_templates for select to authenticated
  using ((select private.has_permission('automation.read')));

comment on policy automation_templates_read on public.automation_templates is 'Needs automation.read.';

-- RPCs

create function public.automation_from_template(p_template_name text, p_overrides jsonb default '{}') returns public.automation_workflows
language plpgsql volatile security invoker set search_path = '' as $$
declare
  template public.automation_templates;
  made public.automation_workflows;
begin
  select * into template from public.automation_templates t where t.slug = lower(replace(btrim(p_template_name), ' ', '-'));

  if template.name is null then
    perform private.fail('automation_template_not_found', left(p_template_name, 80));
  end if;

  if p_overrides is null or jsonb_typeof(p_overrides) <> 'object'
    or p_overrides - array['name', 'description', 'trigger_conditions', 'actions', 'status', 'is_enabled', 'priority'] <> '{}' then
    perform private.fail('argument_invalid', 'p_overrides takes name, description, trigger_conditions, actions, status, is_enabled and priority');
  end if;

  insert into public.automation_workflows (name, description, trigger_type, trigger_conditions, actions, status, is_enabled, priority)
  values (
    coalesce(p_overrides ->> 'name', template.name), coalesce(p_overrides ->> 'description', template.description), template.trigger_type,
    coalesce(p_overrides -> 'trigger_conditions', template.trigger_conditions), coalesce(p_overrides -> 'actions', template.actions),
    coalesce(p_overrides ->> 'status', 'active'), coalesce((p_overrides ->> 'is_enabled')::boolean, true), coalesce((p_overrides ->> 'priority')::smallint, 1::smallint)
  )
  returning * into made;

  return made;
exception
  when data_exception then
    perform private.fail('argument_invalid', 'p_overrides');

    return null;
end
$$;

comment on function public.automation_from_template(text, jsonb) is 'Makes a workflow from a template, by its name or slug, with what p_overrides {name, description, trigger_conditions, actions, status, is_enabled, priority} says otherwise, and returns it. Needs automation.manage. Errors: automation_template_not_found, argument_invalid, automation_condition_invalid, automation_action_invalid. Answers D4-060.';

-- Grants

revoke all on public.automation_templates from anon, authenticated, service_role;

grant select on public.automation_templates to authenticated;

grant select, insert, update, delete on public.automation_templates to service_role;

revoke all on function public.automation_from_template(text, jsonb) from public, anon, authenticated, service_role;

grant execute on function public.automation_from_template(text, jsonb) to authenticated;

-- The four that the documents name, and this module's error

insert into public.automation_templates (position, name, description, trigger_type, trigger_conditions, actions) values
  (
    1, 'New Lead Follow-up', 'Reminds the owner of each new lead to get in touch within the hour, and to follow up the day after.', 'lead_created', '{}',
    '[{"type": "create_reminder", "delay": 0, "due_in": 3600, "title": "Contact new lead {{lead_number}}", "assign_to": "owner"},
      {"type": "create_follow_up", "delay": 0, "due_in": 86400, "follow_up_type": "task", "title": "Follow up with {{lead_number}}", "assign_to": "owner"}]'
  ),
  (
    2, 'Missed Call Follow-up', 'Schedules another call an hour after one that nobody answered, and tells whose call it was.', 'call_missed', '{}',
    '[{"type": "create_follow_up", "delay": 0, "due_in": 3600, "follow_up_type": "call", "title": "Call {{lead_number}} again", "assign_to": "person"},
      {"type": "send_notification", "delay": 0, "to": "person", "title": "Call again scheduled", "message": "Nobody answered {{lead_number}}: try again in an hour.", "notification_type": "call"}]'
  ),
  (
    3, 'Lead Qualification', 'Moves a lead to qualified after a call that went well.', 'call_succeeded', '{"field": "status", "op": "in", "value": ["new", "contacted"]}',
    '[{"type": "update_lead_status", "delay": 0, "status": "qualified", "reason": "A call went well"}]'
  ),
  (
    4, 'Overdue Reminder Alert', 'Tells whoever has a task when it is overdue.', 'task_overdue', '{}',
    '[{"type": "send_notification", "delay": 0, "to": "person", "title": "Task overdue", "message": "A task of yours is overdue.", "priority": "high", "notification_type": "alert"}]'
  );

insert into public.error_codes (code, sqlstate, message, hint) values
  ('automation_template_not_found', 'PT404', 'There is no such template.', 'Read the names from automation_templates.');

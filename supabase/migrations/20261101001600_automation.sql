-- Automation: what is to be done by itself when something happens to a lead.
--
-- A workflow says upon which event, under which conditions and in which order actions are done. Conditions and
-- actions are data, checked when they are written: a field, an operator or a key that is not known is refused, and
-- nothing of them ever becomes SQL. What carries workflows out is in automation_runs.

-- Tables

create table public.automation_workflows (
  id uuid primary key default private.uuid_v7(),
  name text not null,
  description text not null default '',
  trigger_type text not null,
  trigger_conditions jsonb not null default '{}',
  actions jsonb not null default '[]',
  status text not null default 'active',
  is_enabled boolean not null default true,
  priority smallint not null default 1,
  active_since timestamptz not null default now(),
  is_live boolean not null generated always as (status = 'active' and is_enabled and deleted_at is null) stored,
  created_by uuid references public.profiles (id) on delete set null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  version bigint not null default 1,
  deleted_at timestamptz,
  deleted_by uuid,
  constraint automation_workflows_name_is_a_line check (btrim(name) <> '' and length(name) <= 120),
  constraint automation_workflows_description_is_short check (length(description) <= 2000),
  constraint automation_workflows_trigger_type_is_known check (trigger_type in (
    'lead_created', 'lead_enquired', 'lead_status_changed', 'lead_assigned', 'lead_converted', 'deal_stage_changed',
    'call_completed', 'call_succeeded', 'call_missed', 'message_received', 'email_opened', 'email_clicked', 'page_visited',
    'note_created', 'task_created', 'task_completed', 'document', 'payment', 'task_overdue', 'reminder_overdue', 'manual'
  )),
  constraint automation_workflows_status_is_known check (status in ('draft', 'active', 'paused')),
  constraint automation_workflows_priority_is_1_to_100 check (priority between 1 and 100),
  constraint automation_workflows_conditions_are_small check (pg_column_size(trigger_conditions) <= 16384),
  constraint automation_workflows_actions_are_few check (jsonb_typeof(actions) = 'array' and jsonb_array_length(actions) <= 20 and pg_column_size(actions) <= 65536),
  constraint automation_workflows_that_run_do_something check (status <> 'active' or jsonb_array_length(actions) > 0),
  constraint automation_workflows_deleted_by_needs_deleted_at check (deleted_by is null or deleted_at is not null)
);

comment on table public.automation_workflows is 'What is done by itself: upon trigger_type, if trigger_conditions hold, actions one after the other. List: select().eq("status", "active").';

comment on column public.automation_workflows.trigger_type is 'What begins it. call_succeeded: a call with an outcome of analytics.successful_outcomes; task_overdue, reminder_overdue: its time is over and it is open; manual: automation_execute() alone.';

comment on column public.automation_workflows.trigger_conditions is 'Fields and what they are to be, {"source": "facebook"}, or a tree: {"all": […]}, {"any": […]}, {"not": …} of {"field": "score", "op": "gte", "value": 50}. {} is always. Texts are compared whatever the case.';

comment on column public.automation_workflows.actions is 'What is done, in this order: [{"type": "send_sms", "delay": 3600, …}]. delay counts in seconds from the event; an action never comes before the one before it has ended.';

comment on column public.automation_workflows.status is 'draft, active or paused. It runs while it is active and is_enabled; otherwise what was pending is cancelled.';

comment on column public.automation_workflows.priority is 'Of several that one event begins, 1 is the first.';

comment on column public.automation_workflows.active_since is 'Set by trigger whenever it begins to run: what happened before begins nothing.';

comment on column public.automation_workflows.is_live is 'Whether it runs.';

comment on column public.automation_workflows.deleted_at is 'Soft deletion: the row is in nobody''s sight, its runs stay.';

comment on column public.automation_workflows.deleted_by is 'Who deleted it; null for the system. No foreign key: it is remembered beyond the account.';

create index automation_workflows_live on public.automation_workflows (trigger_type, priority, id) where is_live;

create index automation_workflows_of_creator on public.automation_workflows (created_by) where created_by is not null;

create index automation_workflows_deleted on public.automation_workflows (deleted_at, id) where deleted_at is not null;

-- Policies

alter table public.automation_workflows enable row level security;

create policy automation_workflows_read on public.automation_workflows for select to authenticated
  using (deleted_at is null and (select private.has_permission('automation.read')));

comment on policy automation_workflows_read on public.automation_workflows is 'Needs automation.read.';

create policy automation_workflows_create on public.automation_workflows for insert to authenticated
  with check (deleted_at is null and (select private.has_permission('automation.manage')));

comment on policy automation_workflows_create on public.automation_workflows is 'Needs automation.manage: a workflow acts with the rights of the organisation.';

create policy automation_workflows_change on public.automation_workflows for update to authenticated
  using (deleted_at is null and (select private.has_permission('automation.manage')))
  with check (deleted_at is null and (select private.has_permission('automation.manage')));

comment on policy automation_workflows_change on public.automation_workflows is 'Needs automation.manage.';

-- Functions: conditions

create function private.automation_field_kind(p_field text) returns text
language plpgsql immutable parallel safe set search_path = '' as $$
begin
  return case
    when p_field in (
      'name', 'first_name', 'last_name', 'salutation', 'email', 'phone', 'organization', 'website', 'job_title', 'industry', 'gender', 'no_of_employees',
      'territory', 'qualification', 'course', 'source', 'status', 'currency', 'assigned_to', 'team_id', 'created_by',
      'event.from', 'event.to', 'event.status', 'event.outcome', 'event.type', 'event.channel', 'event.direction', 'event.priority', 'event.actor_id'
    ) then 'text'
    when p_field in ('score', 'value', 'annual_revenue', 'experience', 'enquiries_count', 'event.duration') then 'number'
    when p_field in ('created_at', 'updated_at', 'status_changed_at', 'last_interaction_at', 'last_enquiry_at', 'event.occurred_at', 'event.due_date') then 'time'
    when p_field = 'tags' then 'list'
    when p_field ~ '^custom\.[^.]{1,100}$' then 'text'
  end;
end
$$;

comment on function private.automation_field_kind(text) is 'text, number, time or list: what kind of field a condition may name, null if there is none: columns of the lead, event.* of what happened, custom.* of custom_fields.';

create function private.automation_operators(p_kind text) returns text[]
language plpgsql immutable parallel safe set search_path = '' as $$
begin
  return case p_kind
    when 'text' then array['eq', 'neq', 'in', 'not_in', 'contains', 'starts_with', 'is_set', 'is_not_set', 'changed']
    when 'number' then array['eq', 'neq', 'in', 'not_in', 'gt', 'gte', 'lt', 'lte', 'is_set', 'is_not_set']
    when 'time' then array['gt', 'gte', 'lt', 'lte', 'older_than', 'newer_than', 'is_set', 'is_not_set']
    when 'list' then array['contains', 'is_set', 'is_not_set']
  end;
end
$$;

comment on function private.automation_operators(text) is 'What may be asked of a field of a kind.';

create function private.is_time(p_value text) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return p_value ~ '^\d{4}-\d{2}-\d{2}' and p_value::timestamptz is not null;
exception when others then
  return false;
end
$$;

comment on function private.is_time(text) is 'Whether this is a date or moment in ISO 8601.';

create function private.automation_leaf_fault(p_field text, p_operator text, p_value jsonb) returns text
language plpgsql stable set search_path = '' as $$
declare
  kind constant text := private.automation_field_kind(p_field);
  expected constant text := case kind when 'number' then 'number' else 'string' end;
  plain constant text := p_value #>> '{}';
begin
  if kind is null then
    return 'unknown field ' || coalesce(left(p_field, 80), '');
  elsif p_operator is null or p_operator <> all (private.automation_operators(kind)) then
    return format('%s takes %s', p_field, array_to_string(private.automation_operators(kind), ', '));
  elsif p_operator = 'changed' and p_field not in ('status', 'assigned_to') then
    return 'changed is known of status and assigned_to';
  elsif p_operator in ('is_set', 'is_not_set') then
    return case when p_value is not null then p_operator || ' takes no value' end;
  elsif p_operator in ('in', 'not_in') then
    if jsonb_typeof(p_value) is distinct from 'array' or jsonb_array_length(p_value) not between 1 and 100
      or exists (select from jsonb_array_elements(p_value) v where jsonb_typeof(v) <> expected) then
      return format('%s of %s takes a list of 1 to 100 %ss', p_operator, p_field, expected);
    end if;
  elsif p_operator in ('older_than', 'newer_than') then
    -- No farther than a timestamp reaches: what fails when it is asked would stop the sweep for everybody.
    if plain is null or plain !~ '^([1-9]\d{0,5} (minute|hour|day)|[1-9]\d{0,4} week)s?$' then
      return p_operator || ' takes a time such as "3 days"';
    end if;
  elsif p_operator = 'changed' and p_value is null then
    return null;
  elsif jsonb_typeof(p_value) is distinct from expected or length(plain) > 500 then
    return format('%s is compared with a %s', p_field, expected);
  elsif kind = 'time' and not private.is_time(plain) then
    return p_field || ' is compared with a moment such as 2026-11-21T09:00:00Z';
  end if;

  return null;
end
$$;

comment on function private.automation_leaf_fault(text, text, jsonb) is 'What is wrong with one comparison, null if nothing.';

create function private.automation_condition_fault(p_condition jsonb, p_depth integer default 1) returns text
language plpgsql stable set search_path = '' as $$
declare
  branches jsonb;
  fault text;
begin
  if jsonb_typeof(p_condition) is distinct from 'object' then
    return 'a condition is an object';
  elsif p_depth > 6 then
    return 'conditions are nested deeper than 6';
  end if;

  if p_condition ?| array['all', 'any'] then
    branches := coalesce(p_condition -> 'all', p_condition -> 'any');

    if (select count(*) from jsonb_object_keys(p_condition)) > 1 then
      return 'all and any stand alone';
    elsif jsonb_typeof(branches) <> 'array' or jsonb_array_length(branches) not between 1 and 30 then
      return 'all and any take a list of 1 to 30 conditions';
    end if;

    select f into fault
    from jsonb_array_elements(branches) b
    cross join lateral (select private.automation_condition_fault(b, p_depth + 1) as f) x
    where f is not null
    limit 1;

    return fault;
  elsif p_condition ? 'not' then
    return case when (select count(*) from jsonb_object_keys(p_condition)) > 1 then 'not stands alone' else private.automation_condition_fault(p_condition -> 'not', p_depth + 1) end;
  elsif p_condition ? 'field' then
    if p_condition - array['field', 'op', 'value'] <> '{}' then
      return 'a comparison has field, op and value';
    end if;

    return private.automation_leaf_fault(p_condition ->> 'field', p_condition ->> 'op', p_condition -> 'value');
  end if;

  select f into fault
  from jsonb_each(p_condition) e
  cross join lateral (
    select private.automation_leaf_fault(e.key, case jsonb_typeof(e.value) when 'array' then 'in' else 'eq' end, e.value) as f
  ) x
  where f is not null
  limit 1;

  return fault;
end
$$;

comment on function private.automation_condition_fault(jsonb, integer) is 'What is wrong with a condition, null if nothing.';

create function private.automation_leaf(p_field text, p_operator text, p_value jsonb, p_facts jsonb) returns boolean
language plpgsql stable set search_path = '' as $$
declare
  kind constant text := private.automation_field_kind(p_field);
  fact constant jsonb := nullif(p_facts -> p_field, 'null');
  plain constant text := lower(btrim(fact #>> '{}'));
  wanted constant text := lower(btrim(p_value #>> '{}'));
  is_there constant boolean := fact is not null and plain <> '' and plain <> '[]';
begin
  if p_operator = 'is_set' then
    return is_there;
  elsif p_operator = 'is_not_set' then
    return not is_there;
  elsif p_operator = 'changed' then
    return p_facts ->> 'event.from' is distinct from p_facts ->> 'event.to'
      and p_facts ->> 'event.name' = case p_field when 'status' then 'lead_status_changed' else 'lead_assigned' end
      and (p_value is null or lower(p_facts ->> 'event.to') = wanted);
  elsif not is_there then
    return p_operator in ('neq', 'not_in');
  elsif kind = 'list' then
    return exists (select from jsonb_array_elements_text(fact) t where lower(btrim(t)) = wanted);
  elsif kind = 'time' then
    return case p_operator
      when 'older_than' then plain::timestamptz < now() - wanted::interval
      when 'newer_than' then plain::timestamptz >= now() - wanted::interval
      when 'gt' then plain::timestamptz > wanted::timestamptz
      when 'gte' then plain::timestamptz >= wanted::timestamptz
      when 'lt' then plain::timestamptz < wanted::timestamptz
      when 'lte' then plain::timestamptz <= wanted::timestamptz
    end;
  elsif kind = 'number' then
    return case p_operator
      when 'eq' then plain::numeric = wanted::numeric
      when 'neq' then plain::numeric <> wanted::numeric
      when 'in' then exists (select from jsonb_array_elements_text(p_value) v where v::numeric = plain::numeric)
      when 'not_in' then not exists (select from jsonb_array_elements_text(p_value) v where v::numeric = plain::numeric)
      when 'gt' then plain::numeric > wanted::numeric
      when 'gte' then plain::numeric >= wanted::numeric
      when 'lt' then plain::numeric < wanted::numeric
      when 'lte' then plain::numeric <= wanted::numeric
    end;
  end if;

  return case p_operator
    when 'eq' then plain = wanted
    when 'neq' then plain <> wanted
    when 'in' then exists (select from jsonb_array_elements_text(p_value) v where lower(btrim(v)) = plain)
    when 'not_in' then not exists (select from jsonb_array_elements_text(p_value) v where lower(btrim(v)) = plain)
    when 'contains' then position(wanted in plain) > 0
    when 'starts_with' then starts_with(plain, wanted)
  end;
end
$$;

comment on function private.automation_leaf(text, text, jsonb, jsonb) is 'Whether one comparison holds of facts. What is not set equals nothing and differs from everything.';

create function private.automation_matches(p_condition jsonb, p_facts jsonb) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  if p_condition ? 'all' then
    return (select bool_and(private.automation_matches(b, p_facts)) from jsonb_array_elements(p_condition -> 'all') b);
  elsif p_condition ? 'any' then
    return (select bool_or(private.automation_matches(b, p_facts)) from jsonb_array_elements(p_condition -> 'any') b);
  elsif p_condition ? 'not' then
    return not private.automation_matches(p_condition -> 'not', p_facts);
  elsif p_condition ? 'field' then
    return private.automation_leaf(p_condition ->> 'field', p_condition ->> 'op', p_condition -> 'value', p_facts);
  end if;

  return coalesce((
    select bool_and(private.automation_leaf(e.key, case jsonb_typeof(e.value) when 'array' then 'in' else 'eq' end, e.value, p_facts))
    from jsonb_each(p_condition) e
  ), true);
end
$$;

comment on function private.automation_matches(jsonb, jsonb) is 'Whether a condition, which was checked when it was written, holds of facts.';

create function private.automation_facts(p_lead public.leads, p_event jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return coalesce(to_jsonb(p_lead), '{}')
    || coalesce((select jsonb_object_agg('custom.' || c.key, c.value) from jsonb_each(p_lead.custom_fields) c where jsonb_typeof(c.value) in ('string', 'number', 'boolean')), '{}')
    || coalesce((select jsonb_object_agg('event.' || e.key, e.value) from jsonb_each(p_event) e), '{}');
end
$$;

comment on function private.automation_facts(public.leads, jsonb) is 'What conditions are asked of: the lead as it is, its custom fields, and the event.';

create function private.automation_explain(p_condition jsonb, p_facts jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  if p_condition ?| array['all', 'any'] then
    return (
      select coalesce(jsonb_agg(l), '[]')
      from jsonb_array_elements(coalesce(p_condition -> 'all', p_condition -> 'any')) b
      cross join lateral jsonb_array_elements(private.automation_explain(b, p_facts)) l
    );
  elsif p_condition ? 'not' then
    return private.automation_explain(p_condition -> 'not', p_facts);
  end if;

  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'field', c.field, 'op', c.op, 'value', c.value, 'actual', p_facts -> c.field, 'matched', private.automation_leaf(c.field, c.op, c.value, p_facts)
    )), '[]')
    from (
      select p_condition ->> 'field' as field, p_condition ->> 'op' as op, p_condition -> 'value' as value
      where p_condition ? 'field'
      union all
      select e.key, case jsonb_typeof(e.value) when 'array' then 'in' else 'eq' end, e.value
      from jsonb_each(p_condition) e
      where not p_condition ? 'field'
    ) c
  );
end
$$;

comment on function private.automation_explain(jsonb, jsonb) is 'Each comparison of a condition by itself: [{field, op, value, actual, matched}].';

-- Functions: actions

create function private.automation_action_fault(p_action jsonb) returns text
language plpgsql stable security definer set search_path = '' as $$
declare
  kind constant text := p_action ->> 'type';
  people constant text[] := array['owner', 'person', 'managers'];
  variables constant text[] := array['lead_number', 'name', 'first_name', 'email', 'phone', 'source', 'course', 'status', 'counselor', 'organization'];
  -- Of each key what it holds.
  keys constant jsonb := case
    when kind = 'send_email' then '{"template": "name", "subject": "text", "message": "text", "purpose": "purpose"}'
    when kind in ('send_sms', 'send_whatsapp') then '{"template": "name", "message": "text", "purpose": "purpose"}'
    when kind = 'assign_counselor' then '{"criteria": "criteria", "team_id": "team", "reassign": "boolean"}'
    when kind = 'assign_lead' then '{"user_id": "user", "criteria": "criteria", "team_id": "team", "reassign": "boolean"}'
    when kind = 'create_reminder' then '{"title": "text", "description": "text", "due_in": "seconds", "assign_to": "person"}'
    when kind = 'create_task' then '{"title": "text", "description": "text", "due_in": "seconds", "assign_to": "person", "priority": "task_priority"}'
    when kind = 'create_follow_up' then '{"title": "text", "description": "text", "due_in": "seconds", "assign_to": "person", "priority": "task_priority", "follow_up_type": "follow_up"}'
    when kind = 'update_lead_status' then '{"status": "stage", "reason": "text"}'
    when kind = 'send_notification' then '{"title": "text", "message": "text", "to": "audience", "priority": "priority", "notification_type": "notification_type"}'
  end;
  held record;
  fault text;
begin
  if jsonb_typeof(p_action) is distinct from 'object' then
    return 'an action is an object';
  elsif keys is null then
    return 'unknown type ' || coalesce(left(kind, 80), '');
  end if;

  for held in
    select e.key, e.value, e.value #>> '{}' as plain, jsonb_typeof(e.value) as is_a, case e.key when 'delay' then 'seconds' else keys ->> e.key end as holds
    from jsonb_each(p_action) e
    where e.key <> 'type'
  loop
    fault := case held.holds
      when 'seconds' then case when held.is_a <> 'number' or held.plain !~ '^\d{1,8}$' or held.plain::integer > 31536000 then 'seconds, at most a year' end
      when 'boolean' then case when held.is_a <> 'boolean' then 'true or false' end
      when 'text' then case
        when held.is_a <> 'string' or btrim(held.plain) = '' or length(held.plain) > 10000 then 'a text'
        when not private.variables_in(held.plain) <@ variables then 'a text with no other variables than ' || array_to_string(variables, ', ')
      end
      when 'name' then case when held.is_a <> 'string' or btrim(held.plain) = '' or length(held.plain) > 120 then 'a name' end
      when 'purpose' then case when held.plain is distinct from 'marketing' then 'marketing' end
      when 'criteria' then case when held.plain is null or held.plain <> all (array['round_robin', 'least_loaded', 'specialization']) then 'round_robin, least_loaded or specialization' end
      when 'stage' then case when not exists (select from public.pipeline_stages s where s.key = lower(btrim(held.plain))) then 'a stage' end
      when 'team' then case when not exists (select from public.teams t where t.id::text = held.plain) then 'a team' end
      when 'user' then case when not exists (select from public.profiles p where p.id::text = held.plain and p.is_active) then 'an active person' end
      when 'person' then case when held.plain is null or held.plain <> all (people) and not exists (select from public.profiles p where p.id::text = held.plain and p.is_active) then 'owner, person, managers or an active person' end
      when 'audience' then case when held.plain is null or held.plain <> all (people || 'administrators'::text) and not exists (select from public.profiles p where p.id::text = held.plain and p.is_active) then 'owner, person, managers, administrators or an active person' end
      when 'follow_up' then case when held.plain is null or held.plain not in ('call', 'task') then 'call or task' end
      when 'task_priority' then case when held.plain is null or held.plain not in ('low', 'medium', 'high') then 'low, medium or high' end
      when 'priority' then case when held.plain is null or held.plain not in ('low', 'normal', 'high', 'urgent') then 'low, normal, high or urgent' end
      when 'notification_type' then case when held.plain is null or held.plain not in ('info', 'success', 'warning', 'error', 'reminder', 'call', 'lead', 'system', 'alert') then 'a type of notification' end
      else 'not there'
    end;

    if fault is not null then
      return format('%s.%s is to be %s', kind, left(held.key, 40), fault);
    end if;
  end loop;

  return case
    when kind = 'send_email' and not p_action ? 'template' and not p_action ?& array['subject', 'message'] then 'send_email takes a template, or subject and message'
    when kind in ('send_sms', 'send_whatsapp') and not p_action ?| array['template', 'message'] then kind || ' takes a template or a message'
    when kind = 'assign_lead' and not p_action ?| array['user_id', 'criteria', 'team_id'] then 'assign_lead takes a user_id, criteria or a team_id'
    when kind in ('create_reminder', 'create_task', 'send_notification') and not p_action ? 'title' then kind || ' takes a title'
    when kind = 'update_lead_status' and not p_action ? 'status' then 'update_lead_status takes a status'
    when length(p_action ->> 'title') > 200 or length(p_action ->> 'subject') > 300 then 'a title is short'
  end;
end
$$;

comment on function private.automation_action_fault(jsonb) is 'What is wrong with an action, null if nothing.';

-- Triggers

create function private.check_automation_workflow() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  was_live boolean := false;
  is_live constant boolean := new.status = 'active' and new.is_enabled and new.deleted_at is null;
  fault text;
begin
  if tg_op = 'INSERT' then
    if auth.uid() is not null then
      new.created_by := private.gate_own();
    end if;
  else
    was_live := old.is_live;
    new.version := old.version + 1;
    new.updated_at := clock_timestamp();
  end if;

  new.name := btrim(new.name);
  new.status := lower(btrim(new.status));
  new.trigger_type := lower(btrim(new.trigger_type));

  if tg_op = 'INSERT' or new.trigger_conditions is distinct from old.trigger_conditions then
    fault := private.automation_condition_fault(new.trigger_conditions);

    if fault is not null then
      perform private.fail('automation_condition_invalid', fault);
    end if;
  end if;

  if tg_op = 'INSERT' or new.actions is distinct from old.actions then
    if jsonb_typeof(new.actions) is distinct from 'array' then
      perform private.fail('automation_action_invalid', 'actions are a list');
    end if;

    select f into fault from jsonb_array_elements(new.actions) a cross join lateral (select private.automation_action_fault(a) as f) x where f is not null limit 1;

    if fault is not null then
      perform private.fail('automation_action_invalid', fault);
    end if;
  end if;

  if tg_op = 'UPDATE' and is_live and not was_live then
    new.active_since := clock_timestamp();
  end if;

  return new;
end
$$;

comment on function private.check_automation_workflow() is 'Refuses conditions and actions that could not be carried out, and remembers since when a workflow runs.';

create trigger check_automation_workflow before insert or update on public.automation_workflows
  for each row execute function private.check_automation_workflow();

create trigger mark_deleted before update of deleted_at on public.automation_workflows
  for each row when (old.deleted_at is distinct from new.deleted_at) execute function private.mark_deleted();

create trigger audit after insert or update or delete on public.automation_workflows
  for each row execute function private.audit_row();

-- Grants

revoke all on public.automation_workflows from anon, authenticated, service_role;

grant select,
  insert (id, name, description, trigger_type, trigger_conditions, actions, status, is_enabled, priority),
  update (name, description, trigger_type, trigger_conditions, actions, status, is_enabled, priority)
  on public.automation_workflows to authenticated;

grant select, insert, update, delete on public.automation_workflows to service_role;

revoke all on function
  private.automation_field_kind(text),
  private.automation_operators(text),
  private.is_time(text),
  private.automation_leaf_fault(text, text, jsonb),
  private.automation_condition_fault(jsonb, integer),
  private.automation_leaf(text, text, jsonb, jsonb),
  private.automation_matches(jsonb, jsonb),
  private.automation_facts(public.leads, jsonb),
  private.automation_explain(jsonb, jsonb),
  private.automation_action_fault(jsonb),
  private.check_automation_workflow()
  from public, anon, authenticated, service_role;

-- Its permissions, how its rows are deleted, and its errors

insert into public.permissions (key, description) values
  ('automation.read', 'See workflows and what they did'),
  ('automation.manage', 'Make, change and execute workflows, which act for the organisation');

insert into public.role_permissions (role_id, permission)
select r.id, 'automation.read' from public.roles r where r.key = 'manager';

insert into private.soft_deletable (table_name, label, holders, holder_tables, people, makers, permission) values
  ('automation_workflows', 'name', '{}', '{}', '{created_by}', '{}', 'automation.manage');

insert into public.error_codes (code, sqlstate, message, hint) values
  ('automation_condition_invalid', 'PT422', 'The conditions of the workflow cannot be asked.', 'See the comment on trigger_conditions.'),
  ('automation_action_invalid', 'PT422', 'An action of the workflow cannot be carried out.', 'See docs/automation.md for what each action takes.');

-- Automation actions: what each action of a workflow does.
--
-- Each is one or a few writes in the transaction of its step, by the rules that hold for everybody: the pipeline's
-- moves, the caps of routing, who can be told. What is to be sent is a row of communications, which sends itself.

-- Functions

create function private.automation_text(p_text text, p_lead public.leads) returns text
language plpgsql stable security definer set search_path = '' as $$
begin
  return private.fill_template(p_text, '{"lead_number": "", "name": "", "first_name": "", "email": "", "phone": "", "counselor": ""}' || private.lead_variables(p_lead.id) || jsonb_build_object(
    'source', coalesce(p_lead.source, ''), 'course', coalesce(p_lead.course, ''),
    'status', coalesce((select s.name from public.pipeline_stages s where s.key = p_lead.status), '')
  ));
end
$$;

comment on function private.automation_text(text, public.leads) is 'A text of an action with its variables filled in: those of templates, and source, course and status.';

create function private.automation_people(p_who text, p_lead public.leads, p_person uuid) returns setof uuid
language plpgsql stable security definer set search_path = '' as $$
begin
  if p_who = 'person' and exists (select from public.profiles p where p.id = p_person and p.is_active) then
    return next p_person;
  elsif coalesce(p_who, 'owner') in ('owner', 'managers', 'person') then
    return query select a from private.sla_audience(p_lead.assigned_to, p_lead.team_id, p_who is not distinct from 'managers') a;
  elsif p_who = 'administrators' then
    return query select p.id from public.profiles p join public.roles r on r.id = p.role_id where r.key = 'admin' and p.is_active;
  else
    return query select p.id from public.profiles p where p.id = p_who::uuid and p.is_active;
  end if;
end
$$;

comment on function private.automation_people(text, public.leads, uuid) is 'The active people that an action names: owner (the managers where there is none), managers (scope all where there is none), person (whose task, reminder or call it is, else the owner), administrators, or one by id.';

create function private.automation_pick(p_lead public.leads, p_criteria text, p_team uuid) returns uuid
language plpgsql volatile security definer set search_path = '' as $$
declare
  cap constant integer := nullif((private.setting('routing.max_open_leads') #>> '{}')::integer, 0);
  at_work_only constant boolean := (private.setting('routing.respects_availability'))::boolean;
  wanted constant text[] := array(select lower(w) from unnest(array[p_lead.course, p_lead.qualification, p_lead.territory, p_lead.industry]) w where w is not null);
begin
  return (
    select m.user_id
    from public.team_members m
    join public.teams t on t.id = m.team_id
    join public.profiles p on p.id = m.user_id and p.is_active
    left join private.assignment_turns turn on turn.user_id = m.user_id
    where not m.is_manager
      and (m.team_id = p_team or (p_team is null and t.is_auto_assigned))
      and m.user_id is distinct from p_lead.assigned_to
      and (not at_work_only or private.is_at_work(m.user_id))
      and (coalesce(p.max_open_leads, cap) is null or private.open_leads_of(p.id, coalesce(p.max_open_leads, cap)) < coalesce(p.max_open_leads, cap))
    order by
      case when p_criteria = 'specialization' then not (
        lower(p.department) = any (wanted)
        or exists (
          select
          from jsonb_array_elements_text(case jsonb_typeof(p.preferences -> 'specializations') when 'array' then p.preferences -> 'specializations' else '[]' end) s
          where lower(btrim(s)) = any (wanted)
        )
      ) end,
      case when p_criteria = 'least_loaded' then private.open_leads_of(p.id, 10000) end,
      turn.turn nulls first,
      m.user_id
    limit 1
  );
end
$$;

comment on function private.automation_pick(public.leads, text, uuid) is 'Who is to have a lead, of the active members under the cap: round_robin, whose turn it is; least_loaded, who has fewest open leads; specialization, whose department or preferences.specializations name its course, qualification, territory or industry, and of these whose turn it is.';

create function private.automation_assign(p_action jsonb, p_lead public.leads, p_reason text) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  chosen uuid := (p_action ->> 'user_id')::uuid;
begin
  if p_lead.assigned_to is not null and not coalesce((p_action ->> 'reassign')::boolean, chosen is not null) then
    return jsonb_build_object('skipped', 'lead_has_an_owner');
  end if;

  if chosen is null then
    -- One decision at a time, as in routing.
    perform private.lock_turns();

    chosen := private.automation_pick(p_lead, coalesce(p_action ->> 'criteria', 'round_robin'), coalesce((p_action ->> 'team_id')::uuid, p_lead.team_id));
  end if;

  if chosen is null then
    return jsonb_build_object('skipped', 'nobody_can_take_it');
  elsif chosen = p_lead.assigned_to then
    return jsonb_build_object('skipped', 'is_theirs_already');
  end if;

  perform set_config('intake.assignment', jsonb_build_object('method', 'automatic', 'reason', p_reason)::text, true);

  update public.leads l set assigned_to = chosen where l.id = p_lead.id;

  perform set_config('intake.assignment', '', true);

  if not p_action ? 'user_id' then
    insert into private.assignment_turns as t (user_id, turn)
    values (chosen, nextval('private.assignment_turn'))
    on conflict (user_id) do update set turn = excluded.turn;
  end if;

  return jsonb_build_object('assigned_to', chosen);
end
$$;

comment on function private.automation_assign(jsonb, public.leads, text) is 'Gives a lead to somebody, as assign_counselor and assign_lead say; one that has an owner only if told to.';

create function private.automation_perform(p_step_id uuid, p_action jsonb, p_lead public.leads, p_event jsonb, p_workflow text) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  kind constant text := p_action ->> 'type';
  channel constant text := substring(kind from '^send_(email|sms|whatsapp)$');
  title constant text := private.automation_text(p_action ->> 'title', p_lead);
  description constant text := coalesce(private.automation_text(p_action ->> 'description', p_lead), '');
  due constant timestamptz := now() + make_interval(secs => coalesce((p_action ->> 'due_in')::integer, case kind when 'create_reminder' then 0 else 86400 end));
  reason constant text := 'Automation: ' || p_workflow;
  recipient text;
  person uuid;
  stage text;
  told uuid[];
begin
  if p_lead.id is null and kind not in ('send_notification', 'create_task', 'create_reminder') then
    return jsonb_build_object('skipped', 'there_is_no_lead');
  end if;

  if channel is not null then
    recipient := case channel when 'email' then p_lead.email else p_lead.phone end;

    if recipient is null then
      return jsonb_build_object('skipped', 'lead_has_no_address');
    end if;

    -- Of a template the words are found when it is sent.
    insert into public.communications (id, lead_id, type, direction, status, recipient, subject, content, template_id, channel_specific_data)
    values (
      p_step_id, p_lead.id, channel, 'outbound', 'queued', recipient, regexp_replace(private.automation_text(p_action ->> 'subject', p_lead), '[\r\n]+', ' ', 'g'),
      private.automation_text(p_action ->> 'message', p_lead),
      case when p_action ? 'template' then (private.find_template(p_action ->> 'template', channel)).id end,
      jsonb_strip_nulls(jsonb_build_object('automation', p_workflow, 'purpose', p_action -> 'purpose'))
    );

    return jsonb_build_object('communication_id', p_step_id);
  elsif kind in ('assign_counselor', 'assign_lead') then
    return private.automation_assign(p_action, p_lead, reason);
  elsif kind = 'update_lead_status' then
    stage := lower(btrim(p_action ->> 'status'));

    if stage = p_lead.status then
      return jsonb_build_object('skipped', 'is_there_already');
    end if;

    perform set_config('intake.reason', coalesce(private.automation_text(p_action ->> 'reason', p_lead), reason), true);

    update public.leads l set status = stage where l.id = p_lead.id;

    perform set_config('intake.reason', '', true);

    return jsonb_build_object('from', p_lead.status, 'to', stage);
  elsif kind = 'send_notification' then
    select coalesce(array_agg(n.id), '{}') into told
    from private.automation_people(p_action ->> 'to', p_lead, (p_event ->> 'person_id')::uuid) a (user_id)
    cross join lateral private.notify(
      a.user_id, title, coalesce(private.automation_text(p_action ->> 'message', p_lead), ''), coalesce(p_action ->> 'notification_type', 'alert'),
      coalesce(p_action ->> 'priority', 'normal'), p_lead.id, '/leads/' || p_lead.lead_id,
      p_metadata => jsonb_build_object('event', 'automation', 'step_id', p_step_id, 'lead_number', p_lead.lead_id)
    ) n (id)
    where n.id is not null;

    return case when told = '{}' then jsonb_build_object('skipped', 'nobody_to_tell') else jsonb_build_object('notified', cardinality(told)) end;
  end if;

  select a into person from private.automation_people(p_action ->> 'assign_to', p_lead, (p_event ->> 'person_id')::uuid) a limit 1;

  if person is null then
    return jsonb_build_object('skipped', 'nobody_to_do_it');
  end if;

  if kind = 'create_reminder' then
    insert into public.reminders (id, lead_id, agent_id, title, description, remind_at)
    values (p_step_id, p_lead.id, person, title, description, due);

    return jsonb_build_object('reminder_id', p_step_id, 'agent_id', person, 'remind_at', due);
  elsif kind = 'create_follow_up' and coalesce(p_action ->> 'follow_up_type', 'call') = 'call' then
    insert into public.calls (id, lead_id, agent_id, type, status, scheduled_at, notes)
    values (p_step_id, p_lead.id, person, 'outbound', 'scheduled', due, nullif(concat_ws(E'\n', title, nullif(description, '')), ''));

    return jsonb_build_object('call_id', p_step_id, 'agent_id', person, 'scheduled_at', due);
  end if;

  insert into public.tasks (id, lead_id, assigned_to, title, description, due_date, priority, status)
  values (p_step_id, p_lead.id, person, coalesce(title, 'Follow up with ' || p_lead.lead_id), description, due, coalesce(p_action ->> 'priority', 'medium'), 'todo');

  return jsonb_build_object('task_id', p_step_id, 'assigned_to', person, 'due_date', due);
end
$$;

comment on function private.automation_perform(uuid, jsonb, public.leads, jsonb, text) is 'Does one action upon an event, with a lead that the caller holds: what it did, or {skipped: why}. What it makes bears the id of the step.';

-- Grants

revoke all on function
  private.automation_text(text, public.leads),
  private.automation_people(text, public.leads, uuid),
  private.automation_pick(public.leads, text, uuid),
  private.automation_assign(jsonb, public.leads, text),
  private.automation_perform(uuid, jsonb, public.leads, jsonb, text)
  from public, anon, authenticated, service_role;

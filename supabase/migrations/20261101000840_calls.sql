-- Calls: who telephoned with whom, when, for how long and to what end.
--
-- A call is planned, started and ended, or logged when it is over. The database measures it: whoever
-- starts and ends it sends no duration, unless the device was offline and says it late. What has ended stays
-- ended. Calls of a lead are seen where the lead is, and by the person who made them.

-- Tables

create table public.calls (
  id uuid primary key default private.uuid_v7(),
  agent_id uuid references public.profiles (id) on delete set null,
  lead_owner_id uuid references public.profiles (id) on delete set null,
  team_id uuid references public.teams (id) on delete set null,
  created_at timestamptz not null default now(),
  deleted_at timestamptz,
  deleted_by uuid,
  lead_id uuid references public.leads (id) on delete cascade,
  type text not null default 'outbound',
  status text not null default '',
  outcome text,
  from_name text,
  to_name text,
  phone text,
  scheduled_at timestamptz,
  started_at timestamptz,
  ended_at timestamptz,
  duration integer,
  occurred_at timestamptz not null generated always as (coalesce(started_at, scheduled_at, created_at)) stored,
  notes text,
  logged_by uuid references public.profiles (id) on delete set null,
  updated_at timestamptz not null default now(),
  version bigint not null default 1,
  constraint calls_type_is_known check (type in ('outbound', 'inbound')),
  constraint calls_status_is_known check (status in ('scheduled', 'in_progress', 'completed', 'missed', 'cancelled')),
  constraint calls_outcome_is_known check (outcome in ('connected', 'interested', 'not_interested', 'callback', 'no_answer', 'busy', 'voicemail', 'wrong_number', 'other')),
  constraint calls_phone_is_e164 check (phone ~ '^\+[1-9][0-9]{7,14}$'),
  constraint calls_texts_are_short check (length(from_name) <= 300 and length(to_name) <= 300 and length(notes) <= 10000),
  constraint calls_duration_is_not_negative check (duration >= 0),
  constraint calls_end_after_they_start check (ended_at >= started_at),
  constraint calls_times_follow_the_status check (
    case status
      when 'scheduled' then num_nonnulls(started_at, ended_at, duration) = 0
      when 'in_progress' then started_at is not null and num_nonnulls(ended_at, duration) = 0
      when 'completed' then num_nonnulls(started_at, ended_at, duration) = 3
      when 'missed' then started_at is not null and ended_at is not null and duration is not null
      else true
    end
  ),
  constraint calls_deleted_by_needs_deleted_at check (deleted_by is null or deleted_at is not null)
) with (fillfactor = 85);

comment on table public.calls is 'Telephone calls. Seen by the person who made them, where their lead is, and by scope all. List: select().eq("agent_id", me).order("occurred_at", {ascending: false}).';

comment on column public.calls.agent_id is 'Whose call it is; the caller unless another is named.';

comment on column public.calls.lead_owner_id is 'The lead''s owner, copied by trigger.';

comment on column public.calls.team_id is 'The lead''s team, or without a lead the person''s, copied by trigger.';

comment on column public.calls.type is 'outbound or inbound; "Outbound Call" is taken too.';

comment on column public.calls.status is 'scheduled, in_progress, completed, missed or cancelled. Left empty: completed if a duration or an end is given, else scheduled. The last three are final.';

comment on column public.calls.outcome is 'What came of it; no_answer and busy end a call as missed.';

comment on column public.calls.phone is 'The other side''s number in E.164; the lead''s if empty.';

comment on column public.calls.duration is 'Seconds from started_at to ended_at, by trigger. Of a call logged afterwards, or ended while the device was offline, it may be given, a day at most, and then places the end; of one that was never started, without it and an end nothing is known of its length, which is 0.';

comment on column public.calls.occurred_at is 'When it was made, or else is to be made, or else was entered. A column, because an expression has no index under row level security.';

comment on column public.calls.logged_by is 'Who entered it; null when a system did.';

comment on column public.calls.deleted_at is 'Soft deletion: the row is in nobody''s sight.';

comment on column public.calls.deleted_by is 'Who deleted it; null for the system. No foreign key: it is remembered beyond the account.';

create index calls_of_lead on public.calls (lead_id, created_at desc) where lead_id is not null;

create index calls_of_agent on public.calls (agent_id, created_at desc) where deleted_at is null;

create index calls_of_lead_owner on public.calls (lead_owner_id, created_at desc) where deleted_at is null;

create index calls_of_team on public.calls (team_id, created_at desc) where deleted_at is null;

create index calls_of_logger on public.calls (logged_by) where logged_by is not null;

create index calls_deleted on public.calls (deleted_at, id) where deleted_at is not null;

-- Policies

alter table public.calls enable row level security;

create policy calls_read on public.calls for select to authenticated
  using (
    deleted_at is null
    and (
      (select private.gate_all()) is not null
      or lead_owner_id = (select private.gate_own())
      or agent_id = (select private.gate_own())
      or team_id = any ((select private.gate_team())::uuid[])
    )
  );

comment on policy calls_read on public.calls is 'Where the lead is visible, and to the person who made the call. List queries should filter by agent_id, team_id or lead_id themselves, so that the indexes serve.';

create policy calls_create on public.calls for insert to authenticated
  with check (
    deleted_at is null
    and (
      (select private.gate_all()) is not null
      or lead_owner_id = (select private.gate_own())
      or (lead_id is null and agent_id = (select private.gate_own()))
      or team_id = any ((select private.gate_team())::uuid[])
    )
  );

comment on policy calls_create on public.calls is 'With a lead one sees, or without one one''s own.';

create policy calls_change on public.calls for update to authenticated
  using (
    deleted_at is null
    and (
      (select private.gate_all()) is not null
      or lead_owner_id = (select private.gate_own())
      or agent_id = (select private.gate_own())
      or team_id = any ((select private.gate_team())::uuid[])
    )
  )
  with check (
    deleted_at is null
    and (
      (select private.gate_all()) is not null
      or lead_owner_id = (select private.gate_own())
      or agent_id = (select private.gate_own())
      or team_id = any ((select private.gate_team())::uuid[])
    )
  );

comment on policy calls_change on public.calls is 'Whoever sees it, before and after. Times are told with the change of status that they belong to, or measured.';

-- Triggers

create function private.check_call() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  is_new constant boolean := tg_op = 'INSERT';
  was public.calls;
  at timestamptz := clock_timestamp();
  told constant integer := new.duration;
  is_told boolean := is_new;
  -- Nothing of it was measured here.
  is_logged boolean := is_new;
begin
  if private.is_restoring() then
    return new;
  end if;

  if is_new then
    if auth.uid() is not null then
      new.logged_by := private.gate_own();
    end if;
  else
    was := old;
    is_told := (new.started_at, new.ended_at, new.duration) is distinct from (was.started_at, was.ended_at, was.duration);
    is_logged := was.status = 'scheduled';
    new.version := old.version + 1;
    new.updated_at := at;
  end if;

  if new.lead_id is not null and new.lead_id is distinct from was.lead_id and auth.uid() is not null then
    perform private.require_lead_in_scope(new.lead_id);
  end if;

  new.agent_id := private.person_for_work(new.agent_id, was.agent_id, new.lead_id, is_new);

  new.type := replace(lower(btrim(new.type)), ' call', '');
  new.status := replace(lower(btrim(coalesce(new.status, ''))), ' ', '_');
  new.outcome := nullif(replace(lower(btrim(new.outcome)), ' ', '_'), '');

  if is_new or new.phone is distinct from was.phone then
    new.phone := private.normalize_phone(new.phone);

    if new.phone is null and is_new then
      new.phone := (select l.phone from public.leads l where l.id = new.lead_id);
    end if;
  end if;

  if new.status = '' then
    new.status := case when not is_new then was.status when num_nonnulls(new.duration, new.ended_at) > 0 then 'completed' else 'scheduled' end;
  end if;

  -- Nobody spoke: whatever it is called, it was missed.
  if new.status = 'completed' and new.outcome in ('no_answer', 'busy') then
    new.status := 'missed';
  end if;

  -- The clock of a device may be ahead a little.
  if is_told and greatest(new.started_at, new.ended_at) > at + interval '5 minutes' then
    perform private.fail('argument_invalid', 'started_at or ended_at is yet to come; one that is planned has scheduled_at');
  end if;

  if not is_new and new.status <> was.status and not (
    was.status = 'scheduled' or (was.status = 'in_progress' and new.status in ('completed', 'missed', 'cancelled'))
  ) then
    perform private.fail(
      case when was.status = 'in_progress' then 'call_in_progress' else 'call_has_ended' end, was.status || ' to ' || new.status
    );
  end if;

  -- Once it is measured it stays so, whatever the device says later.
  if not is_new and is_told and auth.uid() is not null and (new.status = was.status or new.started_at <> was.started_at) then
    perform private.fail('call_is_measured', was.status);
  end if;

  case new.status
    when 'scheduled' then
      new.started_at := null;
      new.ended_at := null;
      new.duration := null;
    when 'in_progress' then
      new.started_at := coalesce(new.started_at, at);
      new.ended_at := null;
      new.duration := null;
    when 'cancelled' then
      new.ended_at := case when new.started_at is not null then coalesce(new.ended_at, greatest(at, new.started_at)) end;
      new.duration := null;
    else
      if is_new or new.status is distinct from was.status then
        -- Two of the three say the third; times are believed before a duration. What was logged with neither was not measured.
        new.duration := coalesce(new.duration, case when new.status = 'missed' or (is_logged and new.ended_at is null) then 0 end);

        -- What would last until later was told by when it ended.
        if new.started_at is null or (is_logged and new.ended_at is null and new.started_at > at - make_interval(secs => new.duration)) then
          new.started_at := coalesce(new.ended_at, at) - make_interval(secs => coalesce(new.duration, 0));
        end if;

        if new.ended_at is null then
          new.ended_at := case
            when is_logged then new.started_at + make_interval(secs => new.duration)
            else greatest(least(at, new.started_at + make_interval(secs => told)), new.started_at)
          end;
        end if;
      end if;

      -- An end before the start is for the constraint to name.
      new.duration := greatest(floor(extract(epoch from new.ended_at - new.started_at)), 0);

      if is_told and new.duration > 86400 then
        perform private.fail('argument_invalid', 'duration is in seconds, a day at most');
      end if;
  end case;

  return new;
end
$$;

comment on function private.check_call() is 'Normalises words and the number, holds the order scheduled, in_progress, ended, and measures. Runs before copy_lead_scope, which needs the agent.';

create trigger check_call before insert or update on public.calls
  for each row execute function private.check_call();

create trigger copy_lead_scope before insert or update of lead_id, agent_id on public.calls
  for each row execute function private.copy_lead_scope('agent_id');

create function private.record_call() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  is_missed constant boolean := new.status = 'missed';
  told constant text := concat_ws(', ',
    case new.type when 'inbound' then 'Inbound call' else 'Outbound call' end,
    case when not is_missed then new.duration / 60 || ':' || lpad((new.duration % 60)::text, 2, '0') end,
    replace(new.outcome, '_', ' ')
  );
  facts constant jsonb := jsonb_build_object('type', new.type, 'status', new.status, 'outcome', new.outcome, 'duration', new.duration);
begin
  if new.deleted_at is not null or new.lead_id is null then
    perform private.retract_activity(new.id);

    return null;
  end if;

  -- There already: corrected, and on the timeline of the lead that it is of now.
  if tg_op = 'UPDATE' and old.status = new.status and old.deleted_at is null and old.lead_id is not null then
    update public.activities a
    set lead_id = new.lead_id, description = told, metadata = a.metadata || facts
    where a.source_id = new.id and (a.lead_id, a.description, a.metadata) is distinct from (new.lead_id, told, a.metadata || facts);

    if not is_missed and new.lead_id <> old.lead_id and not private.is_restoring() then
      perform private.touch_lead(new.lead_id, new.ended_at);
    end if;

    return null;
  end if;

  perform private.record_activity(
    'call', case when is_missed then 'Missed Call' else 'Call Logged' end, told,
    p_lead_id => new.lead_id, p_source_id => new.id, p_occurred_at => new.started_at, p_actor_id => new.agent_id, p_metadata => facts
  );

  if not is_missed then
    perform private.touch_lead(new.lead_id, new.ended_at);
  end if;

  return null;
end
$$;

comment on function private.record_call() is 'Puts a call that is over on its lead''s timeline and moves last_interaction_at. What is corrected is so there too, one that goes to another lead takes it along, a deleted one comes off.';

create trigger record_call after insert on public.calls
  for each row when (new.lead_id is not null and new.status in ('completed', 'missed') and new.deleted_at is null)
  execute function private.record_call();

create trigger record_call_of_change after update on public.calls
  for each row when (
    (old.lead_id is not null or new.lead_id is not null) and new.status in ('completed', 'missed')
    and (old.status, old.deleted_at, old.lead_id, old.type, old.outcome) is distinct from (new.status, new.deleted_at, new.lead_id, new.type, new.outcome)
  )
  execute function private.record_call();

create function private.notify_missed_call() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  person constant uuid := coalesce(new.agent_id, new.lead_owner_id);
begin
  if person is distinct from auth.uid() then
    perform private.notify(
      person, 'Missed call',
      coalesce((select l.lead_id from public.leads l where l.id = new.lead_id), 'Somebody') || ' called and nobody answered.', 'call', 'high', new.lead_id,
      p_metadata => jsonb_build_object('event', 'call_missed', 'call_id', new.id)
    );
  end if;

  return null;
end
$$;

comment on function private.notify_missed_call() is 'Tells whose call it was that somebody called and nobody answered, whether or not it is known who.';

create trigger notify_missed_call after insert on public.calls
  for each row when (new.type = 'inbound' and new.status = 'missed' and new.deleted_at is null)
  execute function private.notify_missed_call();

create trigger notify_missed_call_of_change after update on public.calls
  for each row when (new.type = 'inbound' and new.status = 'missed' and old.status <> 'missed' and new.deleted_at is null)
  execute function private.notify_missed_call();

create trigger retract_deleted after delete on public.calls
  for each row execute function private.retract_deleted();

create trigger mark_deleted before update of deleted_at on public.calls
  for each row when (old.deleted_at is distinct from new.deleted_at) execute function private.mark_deleted();

create trigger audit after insert or update or delete on public.calls
  for each row execute function private.audit_row('phone', 'notes');

-- RPCs

create function public.call_start(p_call_id uuid) returns public.calls
language plpgsql volatile security invoker set search_path = '' as $$
declare
  found_call public.calls;
begin
  update public.calls c set status = 'in_progress' where c.id = p_call_id and c.status = 'scheduled' returning * into found_call;

  if found_call.id is null then
    select * into found_call from public.calls c where c.id = p_call_id;

    perform private.fail(
      case when found_call.id is null then 'call_not_found' when found_call.status = 'in_progress' then 'call_in_progress' else 'call_has_ended' end,
      p_call_id::text
    );
  end if;

  return found_call;
end
$$;

comment on function public.call_start(uuid) is 'Starts a scheduled call now, and returns it. Errors: call_not_found, call_in_progress, call_has_ended. Answers D4-006.';

create function public.call_end(p_call_id uuid, p_outcome text default null, p_notes text default null, p_duration integer default null)
returns public.calls
language plpgsql volatile security invoker set search_path = '' as $$
declare
  found_call public.calls;
begin
  update public.calls c
  set status = 'completed', outcome = coalesce(p_outcome, c.outcome), notes = coalesce(p_notes, c.notes), duration = p_duration
  where c.id = p_call_id and c.status = 'in_progress'
  returning * into found_call;

  if found_call.id is null then
    select * into found_call from public.calls c where c.id = p_call_id;

    perform private.fail(
      case when found_call.id is null then 'call_not_found' when found_call.status = 'scheduled' then 'call_not_started' else 'call_has_ended' end,
      p_call_id::text
    );
  end if;

  return found_call;
end
$$;

comment on function public.call_end(uuid, text, text, integer) is 'Ends a call in progress now, once, with its outcome; the duration is measured, unless a device that was offline says by p_duration how many seconds it lasted. Returns the call. Errors: call_not_found, call_not_started, call_has_ended. Answers D2-025, D4-007.';

-- Views

create view public.calls_crm with (security_invoker = true) as
select
  c.id,
  l.lead_id,
  case c.type when 'inbound' then 'Inbound Call' else 'Outbound Call' end as type,
  coalesce(c.duration, 0) as duration,
  coalesce(c.from_name, case c.type when 'outbound' then agent.full_name else l.name end) as "from",
  coalesce(c.to_name, case c.type when 'outbound' then l.name else agent.full_name end) as "to",
  c.phone,
  coalesce(c.started_at, c.scheduled_at, c.created_at) as "timestamp",
  c.status,
  logger.full_name as "loggedBy",
  c.outcome,
  c.lead_id as lead_uuid,
  c.agent_id
from public.calls c
left join public.leads l on l.id = c.lead_id
left join public.profiles agent on agent.id = c.agent_id
left join public.profiles logger on logger.id = c.logged_by
where c.deleted_at is null;

comment on view public.calls_crm is 'Calls in the columns of the CRM document: lead_id is the number (LEAD-001), type is in words, persons are named, duration is in seconds. lead_uuid and agent_id are there to filter by. Answers D2-009, D2-020.';

-- Grants

revoke all on public.calls, public.calls_crm from anon, authenticated, service_role;

grant select on public.calls, public.calls_crm to authenticated;

grant insert (id, lead_id, agent_id, type, status, outcome, from_name, to_name, phone, scheduled_at, started_at, ended_at, duration, notes) on public.calls to authenticated;

grant update (lead_id, agent_id, type, status, outcome, from_name, to_name, phone, scheduled_at, started_at, ended_at, duration, notes) on public.calls to authenticated;

grant select, insert, update, delete on public.calls to service_role;

grant select on public.calls_crm to service_role;

revoke all on function private.check_call() from public, anon, authenticated, service_role;

revoke all on function private.record_call() from public, anon, authenticated, service_role;

revoke all on function private.notify_missed_call() from public, anon, authenticated, service_role;

revoke all on function public.call_start(uuid) from public, anon, authenticated, service_role;

grant execute on function public.call_start(uuid) to authenticated;

revoke all on function public.call_end(uuid, text, text, integer) from public, anon, authenticated, service_role;

grant execute on function public.call_end(uuid, text, text, integer) to authenticated;

-- How its rows are deleted

insert into private.soft_deletable (table_name, label, holders, holder_tables, people, makers, permission) values
  ('calls', 'phone', '{lead_id}', '{leads}', '{agent_id,lead_owner_id}', '{agent_id,logged_by}', 'leads.delete');

-- This module's errors

insert into public.error_codes (code, sqlstate, message, hint) values
  ('call_not_found', 'PT404', 'There is no such call, or it is not yours to see.', null),
  ('call_not_started', 'PT409', 'The call has not been started.', 'Start it with call_start(), or set its status to completed.'),
  ('call_in_progress', 'PT409', 'The call is in progress.', 'End it with call_end().'),
  ('call_is_measured', 'PT409', 'The times of a call are told when it starts or ends, and stay.', 'Send started_at, ended_at or duration together with the status that they belong to.'),
  ('call_has_ended', 'PT409', 'The call has ended, and stays as it ended.', 'Log another call.');

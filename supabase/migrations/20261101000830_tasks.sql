-- Tasks: what somebody has to do, by when, for a lead, for a campaign or for nothing in particular.
--
-- A task of a lead is seen where its lead is, and by the person it is assigned to. The two ways in which
-- the documents say that it is done, `completed` and `status`, are kept in step, and so are the two ways
-- in which they say what it is about, `related_to_type` with `related_to_id` and the typed keys. A task
-- with a rule of recurrence makes the one after it when it is completed, exactly once.

-- Tables

create table public.tasks (
  id uuid primary key default private.uuid_v7(),
  assigned_to uuid references public.profiles (id) on delete set null,
  lead_owner_id uuid references public.profiles (id) on delete set null,
  team_id uuid references public.teams (id) on delete set null,
  due_date timestamptz,
  deleted_at timestamptz,
  deleted_by uuid,
  lead_id uuid references public.leads (id) on delete cascade,
  campaign_id uuid,
  related_to_type text not null default '',
  related_to_id uuid,
  title text not null,
  description text not null default '',
  status text not null default '',
  priority text not null default 'medium',
  completed boolean not null default false,
  completed_at timestamptz,
  completed_by uuid references public.profiles (id) on delete set null,
  recurrence text,
  recurrence_start timestamptz,
  occurrence integer not null default 1,
  previous_id uuid references public.tasks (id) on delete set null,
  created_by uuid references public.profiles (id) on delete set null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  version bigint not null default 1,
  constraint tasks_title_is_a_line check (btrim(title) <> '' and length(title) <= 300),
  constraint tasks_description_is_short check (length(description) <= 10000),
  constraint tasks_status_is_known check (status in ('backlog', 'todo', 'in_progress', 'done', 'cancelled')),
  constraint tasks_priority_is_known check (priority in ('low', 'medium', 'high')),
  constraint tasks_are_completed_when_done check (completed = (status = 'done') and completed = (completed_at is not null)),
  constraint tasks_related_to_type_is_known check (related_to_type in ('lead', 'campaign', 'general')),
  constraint tasks_relate_to_what_they_name check (
    case related_to_type
      when 'lead' then lead_id is not null and related_to_id = lead_id and campaign_id is null
      when 'campaign' then campaign_id is not null and related_to_id = campaign_id and lead_id is null
      else num_nonnulls(lead_id, campaign_id, related_to_id) = 0
    end
  ),
  constraint tasks_recurrence_is_a_rule check (recurrence is null or private.is_recurrence(recurrence)),
  constraint tasks_that_recur_are_due check (recurrence is null or (due_date is not null and recurrence_start is not null)),
  constraint tasks_are_followed_once unique (previous_id),
  constraint tasks_deleted_by_needs_deleted_at check (deleted_by is null or deleted_at is not null)
) with (fillfactor = 85);

comment on table public.tasks is 'What is to be done. Seen by the person it is assigned to, where its lead is, and by scope all. List: select().eq("assigned_to", me).lte("due_date", until).';

comment on column public.tasks.assigned_to is 'Who is to do it; the caller unless another is named. A task without a lead is this person''s.';

comment on column public.tasks.lead_owner_id is 'The lead''s owner, copied by trigger.';

comment on column public.tasks.team_id is 'The lead''s team, or without a lead the person''s, copied by trigger.';

comment on column public.tasks.related_to_type is 'lead, campaign or general; follows lead_id and campaign_id, and they follow it.';

comment on column public.tasks.related_to_id is 'The lead or campaign, whichever key is set.';

comment on column public.tasks.status is 'backlog, todo, in_progress, done or cancelled, in any case when written. Moves with completed.';

comment on column public.tasks.completed is 'Whether status is done. Writing either moves both; a task opened again is to do.';

comment on column public.tasks.completed_at is 'Set by trigger with completed.';

comment on column public.tasks.completed_by is 'Who completed it; null when the system did.';

comment on column public.tasks.recurrence is 'When it comes again: FREQ=DAILY|WEEKLY|MONTHLY with INTERVAL, COUNT or UNTIL as in iCalendar. Needs a due date. A new rule begins a new series there.';

comment on column public.tasks.recurrence_start is 'Where the series begins, by trigger: moving a later task of the series moves that one alone.';

comment on column public.tasks.occurrence is 'Which of the series it is, from 1.';

comment on column public.tasks.previous_id is 'The task whose completion made this one.';

comment on column public.tasks.created_by is 'Who entered it; null when the system did.';

comment on column public.tasks.deleted_at is 'Soft deletion: the row is in nobody''s sight.';

comment on column public.tasks.deleted_by is 'Who deleted it; null for the system. No foreign key: it is remembered beyond the account.';

create index tasks_of_lead on public.tasks (lead_id, due_date) where lead_id is not null;

create index tasks_of_assignee on public.tasks (assigned_to, due_date) where deleted_at is null;

create index tasks_of_lead_owner on public.tasks (lead_owner_id, due_date) where deleted_at is null;

create index tasks_of_team on public.tasks (team_id, due_date) where deleted_at is null;

create index tasks_of_campaign on public.tasks (campaign_id) where campaign_id is not null;

create index tasks_of_creator on public.tasks (created_by) where created_by is not null;

create index tasks_of_completer on public.tasks (completed_by) where completed_by is not null;

create index tasks_deleted on public.tasks (deleted_at, id) where deleted_at is not null;

-- Policies

alter table public.tasks enable row level security;

create policy tasks_read on public.tasks for select to authenticated
  using (
    deleted_at is null
    and (
      (select private.gate_all()) is not null
      or lead_owner_id = (select private.gate_own())
      or assigned_to = (select private.gate_own())
      or team_id = any ((select private.gate_team())::uuid[])
    )
  );

comment on policy tasks_read on public.tasks is 'Where the lead is visible, and to the person it is assigned to. List queries should filter by assigned_to, team_id or lead_id themselves, so that the indexes serve.';

create policy tasks_create on public.tasks for insert to authenticated
  with check (
    deleted_at is null
    and (
      (select private.gate_all()) is not null
      or lead_owner_id = (select private.gate_own())
      or (lead_id is null and assigned_to = (select private.gate_own()))
      or team_id = any ((select private.gate_team())::uuid[])
    )
  );

comment on policy tasks_create on public.tasks is 'For a lead one sees, or for oneself; the trigger decides whom else it may be given to.';

create policy tasks_change on public.tasks for update to authenticated
  using (
    deleted_at is null
    and (
      (select private.gate_all()) is not null
      or lead_owner_id = (select private.gate_own())
      or assigned_to = (select private.gate_own())
      or team_id = any ((select private.gate_team())::uuid[])
    )
  )
  with check (
    deleted_at is null
    and (
      (select private.gate_all()) is not null
      or lead_owner_id = (select private.gate_own())
      or assigned_to = (select private.gate_own())
      or team_id = any ((select private.gate_team())::uuid[])
    )
  );

comment on policy tasks_change on public.tasks is 'Whoever sees it, before and after. Moving it to another lead or person is checked by trigger, deleting it is soft_delete().';

-- Functions

create function private.require_lead_in_scope(p_lead_id uuid) returns void
language plpgsql stable security definer set search_path = '' as $$
begin
  if not exists (
    select
    from public.leads l
    where l.id = p_lead_id
      and l.deleted_at is null
      and (private.gate_all() is not null or l.assigned_to = private.gate_own() or l.team_id = any (private.gate_team()))
  ) then
    perform private.fail('lead_not_found', p_lead_id::text);
  end if;
end
$$;

comment on function private.require_lead_in_scope(uuid) is 'Raises lead_not_found unless the caller sees this lead: for what is put onto a lead by its id.';

create function private.person_for_work(p_wanted uuid, p_before uuid, p_lead_id uuid, p_is_new boolean) returns uuid
language plpgsql stable security definer set search_path = '' as $$
begin
  -- Whether one may have it oneself is for the policy to say.
  if p_is_new and (p_wanted is null or p_wanted = auth.uid()) then
    return coalesce(private.gate_own(), (select l.assigned_to from public.leads l where l.id = p_lead_id));
  end if;

  if auth.uid() is not null and p_wanted is not null and p_wanted is distinct from p_before and not private.may_assign_to(p_wanted) then
    perform private.fail('assignee_unavailable', p_wanted::text);
  end if;

  return p_wanted;
end
$$;

comment on function private.person_for_work(uuid, uuid, uuid, boolean) is 'Whose a task, call or reminder is: whom the caller named, if they may give that person work, else the caller, else the lead''s owner.';

create function private.still_here(p_person uuid, p_otherwise uuid) returns uuid
language plpgsql stable security definer set search_path = '' as $$
begin
  return coalesce((select p.id from public.profiles p where p.id = p_person and p.is_active), p_otherwise, p_person);
end
$$;

comment on function private.still_here(uuid, uuid) is 'Whose work that comes by itself is: the person''s, or another''s once they have left.';

-- Triggers

create function private.check_task() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  is_new constant boolean := tg_op = 'INSERT';
  -- Made by follow_task() after one that was checked; no client writes previous_id.
  is_next constant boolean := is_new and new.previous_id is not null;
  was public.tasks;
  -- What the pair asks for, as far as it was written.
  asked_type text;
  asked_id uuid;
begin
  if private.is_restoring() then
    return new;
  end if;

  if is_new then
    if auth.uid() is not null and not is_next then
      new.created_by := private.gate_own();
    end if;
  else
    was := old;
    new.version := old.version + 1;
    new.updated_at := clock_timestamp();
  end if;

  -- What it is about: the typed key that was written wins, else the pair that was.
  new.related_to_type := lower(btrim(new.related_to_type));
  asked_type := case when new.related_to_type is distinct from was.related_to_type then nullif(new.related_to_type, '') end;
  asked_id := case when new.related_to_id is distinct from was.related_to_id then new.related_to_id end;

  if is_new or (new.related_to_type, new.related_to_id) is distinct from (was.related_to_type, was.related_to_id) then
    if new.related_to_type = 'lead' and (is_new or new.lead_id is not distinct from was.lead_id) then
      new.lead_id := coalesce(new.related_to_id, new.lead_id);
      new.campaign_id := null;
    elsif new.related_to_type = 'campaign' and (is_new or new.campaign_id is not distinct from was.campaign_id) then
      new.campaign_id := coalesce(new.related_to_id, new.campaign_id);
      new.lead_id := null;
    elsif new.related_to_type = 'general' and not is_new then
      new.lead_id := null;
      new.campaign_id := null;
    end if;
  end if;

  new.related_to_type := case when new.lead_id is not null then 'lead' when new.campaign_id is not null then 'campaign' else 'general' end;
  new.related_to_id := coalesce(new.lead_id, new.campaign_id);

  -- Half a pair, or a kind that is none: better refused than forgotten.
  if (asked_type <> 'general' and asked_type <> new.related_to_type) or (asked_id is not null and asked_id is distinct from new.related_to_id) then
    perform private.fail('argument_invalid', 'related_to_type is lead or campaign with its related_to_id, or general without');
  end if;

  if not is_next then
    if new.lead_id is not null and new.lead_id is distinct from was.lead_id and auth.uid() is not null then
      perform private.require_lead_in_scope(new.lead_id);
    end if;

    new.assigned_to := private.person_for_work(new.assigned_to, was.assigned_to, new.lead_id, is_new);
  end if;

  -- Words, in the document's spelling or ours.
  new.title := btrim(new.title);
  new.priority := lower(btrim(new.priority));
  new.status := replace(lower(btrim(coalesce(new.status, ''))), ' ', '_');
  new.status := case new.status when 'completed' then 'done' when 'canceled' then 'cancelled' when 'to_do' then 'todo' else new.status end;

  -- Done, said in either way; whichever was written last wins.
  if new.status = '' then
    new.status := case when new.completed then 'done' else 'backlog' end;
  elsif is_new then
    if new.completed and new.status <> 'done' then
      perform private.fail('argument_invalid', 'completed and status contradict each other');
    end if;
  elsif new.status = was.status and new.completed is distinct from was.completed then
    new.status := case when new.completed then 'done' else 'todo' end;
  end if;

  new.completed := new.status = 'done';
  new.completed_at := case when new.completed then coalesce(was.completed_at, clock_timestamp()) end;
  new.completed_by := case when not new.completed then null when was.completed then was.completed_by else private.gate_own() end;

  -- The series it belongs to.
  if is_new or new.recurrence is distinct from was.recurrence then
    new.recurrence := private.normalize_recurrence(new.recurrence);
  end if;

  if new.recurrence is null then
    new.recurrence_start := null;
  elsif new.due_date is null then
    perform private.fail('recurrence_invalid', 'a task that recurs needs a due_date');
  elsif new.recurrence is distinct from was.recurrence and not is_next then
    new.recurrence_start := new.due_date;
    new.occurrence := 1;
  elsif not is_new and new.occurrence = 1 and new.due_date is distinct from was.due_date then
    new.recurrence_start := new.due_date;
  end if;

  return new;
end
$$;

comment on function private.check_task() is 'Keeps in step what the documents say in two ways, normalises words, and fills what is not the client''s to say. Runs before copy_lead_scope, which needs the lead.';

create trigger check_task before insert or update on public.tasks
  for each row execute function private.check_task();

create trigger copy_lead_scope
  before insert or update of lead_id, assigned_to, related_to_type, related_to_id, campaign_id on public.tasks
  for each row execute function private.copy_lead_scope('assigned_to');

create function private.follow_task() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  following record;
begin
  select n.occurrence, n.occurs_at into following
  from private.next_occurrence(new.recurrence, new.recurrence_start, new.occurrence, greatest(new.due_date, new.completed_at)) n;

  if following.occurs_at is not null then
    insert into public.tasks (
      assigned_to, lead_id, campaign_id, title, description, priority, due_date,
      recurrence, recurrence_start, occurrence, previous_id, created_by
    ) values (
      private.still_here(new.assigned_to, coalesce(new.lead_owner_id, new.completed_by)),
      new.lead_id, new.campaign_id, new.title, new.description, new.priority, following.occurs_at,
      new.recurrence, new.recurrence_start, following.occurrence, new.id, new.created_by
    )
    on conflict on constraint tasks_are_followed_once do nothing;
  end if;

  return null;
end
$$;

comment on function private.follow_task() is 'Makes the next task of a series when one is completed; those missed meanwhile are left out. It is the same person''s, or once they have left the lead''s owner''s, else whose who completed this one. The key on previous_id lets there be one, however often it is completed.';

create trigger follow_task after insert or update of status, completed on public.tasks
  for each row when (new.completed and new.recurrence is not null and new.deleted_at is null)
  execute function private.follow_task();

create function private.record_task() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if tg_op = 'UPDATE' and (new.deleted_at is not null or new.lead_id is null) then
    perform private.retract_activity(new.id);

    return null;
  end if;

  if tg_op = 'INSERT' or old.deleted_at is not null or old.lead_id is null then
    perform private.record_activity(
      'task_created', 'Task Created', new.title, p_lead_id => new.lead_id, p_source_id => new.id,
      p_metadata => jsonb_build_object('due_date', new.due_date, 'assigned_to', new.assigned_to),
      p_occurred_at => new.created_at, p_actor_id => new.created_by
    );
  else
    update public.activities a
    set lead_id = new.lead_id, description = new.title
    where a.source_id = new.id and (a.lead_id, a.description) is distinct from (new.lead_id, new.title);
  end if;

  if new.completed and (tg_op = 'INSERT' or old.deleted_at is not null or old.lead_id is null or not old.completed) then
    perform private.record_activity(
      'task_completed', 'Task Completed', new.title, p_lead_id => new.lead_id, p_source_id => new.id, p_occurred_at => new.completed_at,
      p_actor_id => new.completed_by
    );
  end if;

  return null;
end
$$;

comment on function private.record_task() is 'Puts a task, and that it was done, on its lead''s timeline, under the title it has now; one that goes to another lead takes that along, a deleted one comes off.';

create trigger record_task after insert on public.tasks
  for each row when (new.lead_id is not null and new.deleted_at is null)
  execute function private.record_task();

create trigger record_task_of_change after update on public.tasks
  for each row when (
    (old.lead_id is not null or new.lead_id is not null)
    and (old.completed, old.deleted_at, old.lead_id, old.title) is distinct from (new.completed, new.deleted_at, new.lead_id, new.title)
  )
  execute function private.record_task();

create function private.notify_task() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform private.notify(
    new.assigned_to, 'New task',
    coalesce('A task of ' || (select l.lead_id from public.leads l where l.id = new.lead_id), 'A task') || ' is now yours.',
    'info', case new.priority when 'high' then 'high' else 'normal' end, new.lead_id,
    p_metadata => jsonb_build_object('event', 'task_assigned', 'task_id', new.id)
  );

  return null;
end
$$;

comment on function private.notify_task() is 'Tells a person of a task that somebody else gave them.';

create trigger notify_task_assignee after insert on public.tasks
  for each row when (new.assigned_to is not null and new.assigned_to is distinct from new.created_by and new.previous_id is null and not new.completed)
  execute function private.notify_task();

create trigger notify_task_assignee_of_change after update of assigned_to on public.tasks
  for each row when (new.assigned_to is not null and new.assigned_to is distinct from old.assigned_to and new.assigned_to is distinct from auth.uid() and new.deleted_at is null)
  execute function private.notify_task();

create trigger retract_deleted after delete on public.tasks
  for each row execute function private.retract_deleted();

create trigger mark_deleted before update of deleted_at on public.tasks
  for each row when (old.deleted_at is distinct from new.deleted_at) execute function private.mark_deleted();

create trigger audit after insert or update or delete on public.tasks
  for each row execute function private.audit_row();

-- Views

create view public.tasks_crm with (security_invoker = true) as
select
  t.id,
  l.lead_id,
  t.title,
  t.description,
  case t.status when 'backlog' then 'Backlog' when 'todo' then 'Todo' when 'in_progress' then 'In Progress' when 'done' then 'Done' else 'Cancelled' end as status,
  assignee.full_name as "assignedTo",
  t.due_date as "dueDate",
  initcap(t.priority) as priority,
  t.created_at as "createdAt",
  creator.full_name as "createdBy",
  t.lead_id as lead_uuid,
  t.assigned_to
from public.tasks t
left join public.leads l on l.id = t.lead_id
left join public.profiles assignee on assignee.id = t.assigned_to
left join public.profiles creator on creator.id = t.created_by
where t.deleted_at is null;

comment on view public.tasks_crm is 'Tasks in the columns of the CRM document: lead_id is the number (LEAD-001), status and priority are words for people, persons are named. lead_uuid and assigned_to are there to filter by. Answers D2-011, D2-021.';

-- Grants

revoke all on public.tasks, public.tasks_crm from anon, authenticated, service_role;

grant select on public.tasks, public.tasks_crm to authenticated;

grant insert (id, lead_id, campaign_id, related_to_type, related_to_id, title, description, status, priority, completed, due_date, assigned_to, recurrence) on public.tasks to authenticated;

grant update (lead_id, campaign_id, related_to_type, related_to_id, title, description, status, priority, completed, due_date, assigned_to, recurrence) on public.tasks to authenticated;

grant select, insert, update, delete on public.tasks to service_role;

grant select on public.tasks_crm to service_role;

revoke all on function private.require_lead_in_scope(uuid) from public, anon, authenticated, service_role;

revoke all on function private.person_for_work(uuid, uuid, uuid, boolean) from public, anon, authenticated, service_role;

revoke all on function private.still_here(uuid, uuid) from public, anon, authenticated, service_role;

revoke all on function private.check_task() from public, anon, authenticated, service_role;

revoke all on function private.follow_task() from public, anon, authenticated, service_role;

revoke all on function private.record_task() from public, anon, authenticated, service_role;

revoke all on function private.notify_task() from public, anon, authenticated, service_role;

-- How its rows are deleted

insert into private.soft_deletable (table_name, label, holders, holder_tables, people, makers, permission) values
  ('tasks', 'title', '{lead_id}', '{leads}', '{assigned_to,lead_owner_id}', '{assigned_to,created_by}', 'leads.delete');

-- Reminders: what a person wants to be told, and when.
--
-- A reminder is of a lead or of nothing in particular (internal), made by hand or by a note's
-- `reminder_at`. Every minute the scheduler notifies of those that have come due, each exactly once
-- however many schedulers run: the row is locked, marked and notified of in one transaction. One that
-- recurs makes the one after it when it comes due, or when it is completed before.

-- Tables

create table public.reminders (
  id uuid primary key default private.uuid_v7(),
  agent_id uuid not null default auth.uid() references public.profiles (id) on delete cascade,
  lead_owner_id uuid references public.profiles (id) on delete set null,
  team_id uuid references public.teams (id) on delete set null,
  remind_at timestamptz not null,
  deleted_at timestamptz,
  deleted_by uuid,
  lead_id uuid references public.leads (id) on delete cascade,
  note_id uuid references public.notes (id) on delete cascade,
  title text not null,
  description text not null default '',
  status text not null default 'pending',
  completed_at timestamptz,
  notified_at timestamptz,
  recurrence text,
  recurrence_start timestamptz,
  occurrence integer not null default 1,
  previous_id uuid references public.reminders (id) on delete set null,
  created_by uuid references public.profiles (id) on delete set null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  version bigint not null default 1,
  constraint reminders_title_is_a_line check (btrim(title) <> '' and length(title) <= 300),
  constraint reminders_description_is_short check (length(description) <= 10000),
  constraint reminders_status_is_known check (status in ('pending', 'completed', 'cancelled')),
  constraint reminders_completed_at_tells_when check ((status = 'completed') = (completed_at is not null)),
  constraint reminders_recurrence_is_a_rule check (recurrence is null or (private.is_recurrence(recurrence) and recurrence_start is not null)),
  constraint reminders_are_followed_once unique (previous_id),
  constraint reminders_of_a_note_are_one unique (note_id),
  constraint reminders_deleted_by_needs_deleted_at check (deleted_by is null or deleted_at is not null)
) with (fillfactor = 85);

comment on table public.reminders is 'What people are reminded of. Seen by the person reminded, where its lead is, and by scope all. List: select().eq("agent_id", me).eq("status", "pending").order("remind_at").';

comment on column public.reminders.agent_id is 'Who is reminded; the caller unless another is named.';

comment on column public.reminders.lead_owner_id is 'The lead''s owner, copied by trigger.';

comment on column public.reminders.team_id is 'The lead''s team, or without a lead the person''s, copied by trigger.';

comment on column public.reminders.lead_id is 'Null for an internal reminder, and for one of a private note.';

comment on column public.reminders.note_id is 'The note whose reminder_at made it, and moves and removes it.';

comment on column public.reminders.status is 'pending, completed or cancelled; overdue is what is pending and past.';

comment on column public.reminders.notified_at is 'When the scheduler notified of it. Moving remind_at lets it notify again.';

comment on column public.reminders.recurrence is 'When it comes again: FREQ=DAILY|WEEKLY|MONTHLY with INTERVAL, COUNT or UNTIL as in iCalendar. A new rule begins a new series at remind_at.';

comment on column public.reminders.recurrence_start is 'Where the series begins, by trigger: moving a later reminder of the series moves that one alone.';

comment on column public.reminders.occurrence is 'Which of the series it is, from 1.';

comment on column public.reminders.previous_id is 'The reminder of the series that this one follows.';

comment on column public.reminders.deleted_at is 'Soft deletion: the row is in nobody''s sight.';

comment on column public.reminders.deleted_by is 'Who deleted it; null for the system. No foreign key: it is remembered beyond the account.';

create index reminders_of_agent on public.reminders (agent_id, remind_at) where deleted_at is null;

create index reminders_of_lead on public.reminders (lead_id, remind_at) where lead_id is not null;

create index reminders_of_lead_owner on public.reminders (lead_owner_id, remind_at) where deleted_at is null;

create index reminders_of_team on public.reminders (team_id, remind_at) where deleted_at is null;

create index reminders_of_creator on public.reminders (created_by) where created_by is not null;

create index reminders_deleted on public.reminders (deleted_at, id) where deleted_at is not null;

create index reminders_to_notify_of on public.reminders (remind_at)
  where status = 'pending' and notified_at is null and deleted_at is null;

-- Policies

alter table public.reminders enable row level security;

create policy reminders_read on public.reminders for select to authenticated
  using (
    deleted_at is null
    and (
      (select private.gate_all()) is not null
      or lead_owner_id = (select private.gate_own())
      or agent_id = (select private.gate_own())
      or team_id = any ((select private.gate_team())::uuid[])
    )
  );

comment on policy reminders_read on public.reminders is 'Where the lead is visible, and to the person reminded. List queries should filter by agent_id, team_id or lead_id themselves, so that the indexes serve.';

create policy reminders_create on public.reminders for insert to authenticated
  with check (
    deleted_at is null
    and (
      (select private.gate_all()) is not null
      or lead_owner_id = (select private.gate_own())
      or (lead_id is null and agent_id = (select private.gate_own()))
      or team_id = any ((select private.gate_team())::uuid[])
    )
  );

comment on policy reminders_create on public.reminders is 'Of a lead one sees, or of none for oneself; the trigger decides who else may be reminded.';

create policy reminders_change on public.reminders for update to authenticated
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

comment on policy reminders_change on public.reminders is 'Whoever sees it, before and after.';

-- Functions

create function private.remind(p_limit integer default 1000) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  reminded integer;
begin
  with due as materialized (
    select r.id
    from public.reminders r
    where r.status = 'pending' and r.notified_at is null and r.deleted_at is null and r.remind_at <= now()
    order by r.remind_at
    limit p_limit
    for update skip locked
  ), marked as (
    update public.reminders r
    set notified_at = clock_timestamp()
    from due d
    where r.id = d.id
    returning r.id, private.still_here(r.agent_id, r.lead_owner_id) as person, r.lead_id, r.title
  ), told as (
    select private.notify(
      m.person, 'Reminder', m.title, 'reminder', 'high', m.lead_id,
      p_metadata => jsonb_build_object('event', 'reminder_due', 'reminder_id', m.id, 'lead_number', l.lead_id)
    ) as notification
    from marked m
    left join public.leads l on l.id = m.lead_id
  )
  select count(*) into reminded from told t where t.notification is not null;

  return reminded;
end
$$;

comment on function private.remind(integer) is 'Notifies of every reminder that has come due (the lead''s owner, once the person reminded has left), and answers how many. A row that another run holds is left to it, and what a run marked it has notified of, or neither has happened.';

-- Triggers

create function private.check_reminder() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  is_new constant boolean := tg_op = 'INSERT';
  -- Made by follow_reminder() after one that was checked; no client writes previous_id.
  is_next constant boolean := is_new and new.previous_id is not null;
  was public.reminders;
begin
  if private.is_restoring() then
    return new;
  end if;

  if is_new then
    if auth.uid() is not null and not is_next then
      new.created_by := private.gate_own();
    end if;

    -- What was long past when it was made, as in an import, is overdue and no news.
    if new.remind_at < now() - interval '1 hour' then
      new.notified_at := coalesce(new.notified_at, clock_timestamp());
    end if;
  else
    was := old;
    new.version := old.version + 1;
    new.updated_at := clock_timestamp();

    if new.remind_at is distinct from was.remind_at then
      new.notified_at := null;
    end if;
  end if;

  if not is_next then
    if new.lead_id is not null and new.lead_id is distinct from was.lead_id and auth.uid() is not null then
      perform private.require_lead_in_scope(new.lead_id);
    end if;

    new.agent_id := private.person_for_work(new.agent_id, was.agent_id, new.lead_id, is_new);
  end if;

  new.title := btrim(new.title);
  new.status := lower(btrim(new.status));
  new.completed_at := case when new.status = 'completed' then coalesce(was.completed_at, clock_timestamp()) end;

  if is_new or new.recurrence is distinct from was.recurrence then
    new.recurrence := private.normalize_recurrence(new.recurrence);
  end if;

  if new.recurrence is null then
    new.recurrence_start := null;
  elsif new.recurrence is distinct from was.recurrence and not is_next then
    new.recurrence_start := new.remind_at;
    new.occurrence := 1;
  elsif not is_new and new.occurrence = 1 and new.remind_at is distinct from was.remind_at then
    new.recurrence_start := new.remind_at;
  end if;

  return new;
end
$$;

comment on function private.check_reminder() is 'Normalises, and fills what is not the client''s to say. Runs before copy_lead_scope, which needs the agent.';

create trigger check_reminder before insert or update on public.reminders
  for each row execute function private.check_reminder();

create trigger copy_lead_scope before insert or update of lead_id, agent_id on public.reminders
  for each row execute function private.copy_lead_scope('agent_id');

create function private.follow_reminder() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  following record;
begin
  select n.occurrence, n.occurs_at into following
  from private.next_occurrence(new.recurrence, new.recurrence_start, new.occurrence, greatest(new.remind_at, now())) n;

  if following.occurs_at is not null then
    insert into public.reminders (agent_id, lead_id, title, description, remind_at, recurrence, recurrence_start, occurrence, previous_id, created_by)
    values (
      private.still_here(new.agent_id, new.lead_owner_id), new.lead_id, new.title, new.description, following.occurs_at, new.recurrence, new.recurrence_start, following.occurrence,
      new.id, new.created_by
    )
    on conflict on constraint reminders_are_followed_once do nothing;
  end if;

  return null;
end
$$;

comment on function private.follow_reminder() is 'Makes the next reminder of a series when one comes due or is completed, whichever is first; those missed meanwhile are left out. It is the same person''s, or once they have left the lead''s owner''s. The key on previous_id lets there be one.';

create trigger follow_reminder after insert or update of status, notified_at on public.reminders
  for each row when (new.recurrence is not null and new.deleted_at is null and (new.status = 'completed' or (new.status = 'pending' and new.notified_at is not null)))
  execute function private.follow_reminder();

create function private.remind_of_note() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  about constant text := case when new.is_private then 'A private note' else coalesce(new.title, private.squeeze(new.content, 200)) end;
  -- Whoever sees the lead sees its reminders, so that of a private note is not the lead's.
  of_lead constant uuid := case when not new.is_private then new.lead_id end;
  person uuid;
begin
  -- With its note it goes and comes back.
  if new.deleted_at is not null then
    return null;
  end if;

  if new.reminder_at is null then
    delete from public.reminders r where r.note_id = new.id;

    return null;
  end if;

  if tg_op = 'UPDATE' then
    update public.reminders r
    set title = about, lead_id = of_lead, remind_at = new.reminder_at,
      deleted_at = case when new.reminder_at is not distinct from old.reminder_at then r.deleted_at end,
      status = case when r.remind_at = new.reminder_at then r.status else 'pending' end
    where r.note_id = new.id;

    if found then
      return null;
    end if;
  end if;

  person := coalesce(new.author_id, new.user_id, (select l.assigned_to from public.leads l where l.id = new.lead_id));

  if person is not null then
    insert into public.reminders (agent_id, lead_id, note_id, title, remind_at, created_by)
    values (person, of_lead, new.id, about, new.reminder_at, person);
  end if;

  return null;
end
$$;

comment on function private.remind_of_note() is 'Keeps the reminder of a note where its reminder_at is: makes, moves and removes it. That of a private note says nothing of it.';

create trigger remind_of_note after insert on public.notes
  for each row when (new.reminder_at is not null)
  execute function private.remind_of_note();

create trigger remind_of_changed_note after update on public.notes
  for each row when (
    (old.reminder_at is not null or new.reminder_at is not null)
    and (old.reminder_at, old.deleted_at, old.is_private, old.title, old.content, old.lead_id)
      is distinct from (new.reminder_at, new.deleted_at, new.is_private, new.title, new.content, new.lead_id)
  )
  execute function private.remind_of_note();

create trigger mark_deleted before update of deleted_at on public.reminders
  for each row when (old.deleted_at is distinct from new.deleted_at) execute function private.mark_deleted();

create trigger audit after insert or update or delete on public.reminders
  for each row execute function private.audit_row('title', 'description');

-- RPCs

create function public.reminders_due_soon(p_agent_id uuid default null, p_within interval default '1 hour') returns setof public.reminders
language plpgsql stable security invoker set search_path = '' as $$
begin
  if p_within is null or p_within <= interval '0' or p_within > interval '366 days' then
    perform private.fail('argument_invalid', 'p_within is more than nothing and at most 366 days');
  end if;

  return query
  select r.*
  from public.reminders r
  where r.agent_id = coalesce(p_agent_id, private.gate_own())
    and r.status = 'pending'
    and r.deleted_at is null
    and r.remind_at > now()
    and r.remind_at <= now() + p_within
  order by r.remind_at, r.id;
end
$$;

comment on function public.reminders_due_soon(uuid, interval) is 'The pending reminders of a person (the caller by default) that come due within p_within, next first. Error: argument_invalid. Answers D4-019.';

create function public.reminder_complete(p_id uuid) returns public.reminders
language plpgsql volatile security invoker set search_path = '' as $$
declare
  found_reminder public.reminders;
begin
  update public.reminders r set status = 'completed' where r.id = p_id and r.status = 'pending' returning * into found_reminder;

  if found_reminder.id is null then
    select * into found_reminder from public.reminders r where r.id = p_id;

    if found_reminder.id is null then
      perform private.fail('reminder_not_found', p_id::text);
    elsif found_reminder.status <> 'completed' then
      perform private.fail('reminder_is_cancelled', p_id::text);
    end if;
  end if;

  return found_reminder;
end
$$;

comment on function public.reminder_complete(uuid) is 'Completes a reminder and returns it; completing it again changes nothing. Errors: reminder_not_found, reminder_is_cancelled. Answers D4-015.';

-- Views

create view public.lead_reminders with (security_invoker = true) as
select
  r.id, r.lead_id, r.agent_id, r.title, r.description, r.remind_at, r.status, r.completed_at, r.notified_at, r.note_id,
  r.recurrence, r.occurrence, r.created_by, r.created_at, r.updated_at
from public.reminders r
where r.lead_id is not null and r.deleted_at is null;

comment on view public.lead_reminders is 'The reminders of leads. Answers D4-067.';

create view public.reminders_overdue with (security_invoker = true) as
select
  r.id, r.lead_id, r.agent_id, r.title, r.description, r.remind_at, r.status, r.notified_at, r.note_id,
  r.recurrence, r.occurrence, r.created_by, r.created_at, r.updated_at
from public.reminders r
where r.status = 'pending' and r.remind_at <= now() and r.deleted_at is null;

comment on view public.reminders_overdue is 'Reminders that are pending and past. Filter by agent_id. Answers D4-018.';

-- Schedule

select cron.schedule('intake-remind', '* * * * *', 'select private.remind()');

-- Grants

revoke all on public.reminders, public.lead_reminders, public.reminders_overdue from anon, authenticated, service_role;

grant select on public.reminders, public.lead_reminders, public.reminders_overdue to authenticated;

grant insert (id, lead_id, agent_id, title, description, remind_at, status, recurrence) on public.reminders to authenticated;

grant update (lead_id, agent_id, title, description, remind_at, status, recurrence) on public.reminders to authenticated;

grant select, insert, update, delete on public.reminders to service_role;

grant select on public.lead_reminders, public.reminders_overdue to service_role;

revoke all on function private.remind(integer) from public, anon, authenticated, service_role;

revoke all on function private.check_reminder() from public, anon, authenticated, service_role;

revoke all on function private.follow_reminder() from public, anon, authenticated, service_role;

revoke all on function private.remind_of_note() from public, anon, authenticated, service_role;

revoke all on function public.reminders_due_soon(uuid, interval) from public, anon, authenticated, service_role;

grant execute on function public.reminders_due_soon(uuid, interval) to authenticated;

revoke all on function public.reminder_complete(uuid) from public, anon, authenticated, service_role;

grant execute on function public.reminder_complete(uuid) to authenticated;

-- How its rows are deleted

insert into private.soft_deletable (table_name, label, holders, holder_tables, people, makers, permission) values
  ('reminders', 'title', '{note_id,lead_id}', '{notes,leads}', '{agent_id,lead_owner_id}', '{agent_id,created_by}', 'leads.delete');

-- This module's errors

insert into public.error_codes (code, sqlstate, message, hint) values
  ('reminder_not_found', 'PT404', 'There is no such reminder, or it is not yours to see.', null),
  ('reminder_is_cancelled', 'PT409', 'The reminder was cancelled.', 'Set its status to pending first.');

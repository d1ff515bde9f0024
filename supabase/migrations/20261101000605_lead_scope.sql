-- Lead scope: what follows a lead is seen by whoever sees the lead.
--
-- A table whose rows are listed on their own (tasks, calls, reminders, communications) carries copies of
-- its lead's owner and team in lead_owner_id and team_id, so that its policy needs no join. The copies
-- are made when a row is written and kept when the lead moves.
--
-- Contacts, students and deals belong to somebody of their own: in assigned_to and team_id to whom their lead
-- belongs to; without a lead, as organizations always do, to a person, by default whoever entered them.

-- Functions

create function private.copy_lead_scope() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  lead_deleted_at timestamptz;
begin
  if new.lead_id is null then
    -- Without a lead a row belongs to its person, whose column the trigger names.
    new.lead_owner_id := null;
    new.team_id := private.team_of((to_jsonb(new) ->> tg_argv[0])::uuid);

    return new;
  end if;

  -- Whoever moves the lead waits for this row, or this row for them: neither misses the other.
  select l.assigned_to, l.team_id, l.deleted_at into new.lead_owner_id, new.team_id, lead_deleted_at
  from public.leads l
  where l.id = new.lead_id
  for no key update;

  if not found then
    perform private.fail('lead_not_found', new.lead_id::text);
  end if;

  -- What comes to a deleted lead comes back with it. For a person the policies refuse it.
  if new.deleted_at is null and lead_deleted_at is not null and not private.is_restoring() then
    new.deleted_at := lead_deleted_at;
  end if;

  return new;
end
$$;

comment on function private.copy_lead_scope() is 'BEFORE trigger of a table that follows leads: fills lead_owner_id and team_id from the lead (deleted_at too, where that is deleted), or team_id from the person whose column is its argument. Attach as: create trigger copy_lead_scope before insert or update of lead_id, <person> on … for each row execute function private.copy_lead_scope(''<person>'').';

create function private.propagate_lead_scope() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  child regclass;
begin
  for child in
    select owner.attrelid::regclass
    from pg_catalog.pg_attribute owner
    join pg_catalog.pg_attribute lead on lead.attrelid = owner.attrelid and lead.attname = 'lead_id' and not lead.attisdropped
    join pg_catalog.pg_class c on c.oid = owner.attrelid and c.relkind in ('r', 'p')
    where owner.attname = 'lead_owner_id' and not owner.attisdropped and c.relnamespace = 'public'::regnamespace
    order by c.relname
  loop
    execute format(
      'update %s set lead_owner_id = $1, team_id = $2 where lead_id = $3 and (lead_owner_id, team_id) is distinct from ($1, $2)', child
    ) using new.assigned_to, new.team_id, new.id;
  end loop;

  return null;
end
$$;

comment on function private.propagate_lead_scope() is 'Keeps the copies of a lead''s owner and team in every table of public that has lead_owner_id.';

create function private.team_of_assignee(p_user_id uuid) returns uuid
language plpgsql stable security definer set search_path = '' as $$
begin
  if auth.uid() is not null and not private.may_assign_to(p_user_id) then
    perform private.fail('permission_denied', 'assigned_to');
  end if;

  if not exists (select from public.profiles p where p.id = p_user_id and p.is_active) then
    perform private.fail('assignee_unavailable', p_user_id::text);
  end if;

  return private.team_of(p_user_id);
end
$$;

comment on function private.team_of_assignee(uuid) is 'The team of a person to whom the caller may give work. Errors: permission_denied, assignee_unavailable.';

create function private.follow_lead() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  -- An organization hangs on none.
  lead constant uuid := to_jsonb(new) ->> 'lead_id';
  deleted timestamptz;
begin
  if tg_op = 'INSERT' and auth.uid() is not null then
    new.created_by := private.gate_own();
  end if;

  if lead is not null then
    -- Whoever moves the lead waits for this row, or this row for them: neither misses the other.
    select l.assigned_to, l.team_id, l.deleted_at into new.assigned_to, new.team_id, deleted
    from public.leads l
    where l.id = lead
    for no key update;

    if not found or (deleted is not null and (tg_op = 'INSERT' or lead is distinct from old.lead_id)) then
      perform private.fail('lead_not_found', lead::text);
    end if;

    return new;
  end if;

  if tg_op = 'INSERT' then
    if auth.uid() is not null then
      new.assigned_to := coalesce(new.assigned_to, new.created_by);
    end if;

    if new.assigned_to is not null then
      new.team_id := private.team_of_assignee(new.assigned_to);
    end if;
  elsif new.assigned_to is distinct from old.assigned_to then
    new.team_id := case when new.assigned_to is not null then private.team_of_assignee(new.assigned_to) end;
  end if;

  return new;
end
$$;

comment on function private.follow_lead() is 'What hangs on a lead belongs to whom the lead belongs to; without one to a person, by default to whoever enters it, and to their team.';

create function private.propagate_lead_to_people() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  update public.contacts c
  set assigned_to = new.assigned_to, team_id = new.team_id
  where c.lead_id = new.id and (c.assigned_to, c.team_id) is distinct from (new.assigned_to, new.team_id);

  update public.students s
  set assigned_to = new.assigned_to, team_id = new.team_id
  where s.lead_id = new.id and (s.assigned_to, s.team_id) is distinct from (new.assigned_to, new.team_id);

  update public.deals d
  set assigned_to = new.assigned_to, team_id = new.team_id
  where d.lead_id = new.id and (d.assigned_to, d.team_id) is distinct from (new.assigned_to, new.team_id);

  update public.payments p
  set assigned_to = new.assigned_to, team_id = new.team_id
  where p.lead_id = new.id and (p.assigned_to, p.team_id) is distinct from (new.assigned_to, new.team_id);

  return null;
end
$$;

comment on function private.propagate_lead_to_people() is 'Contacts, students, deals and payments of a lead go where it goes.';

-- Triggers

create trigger propagate_lead_scope after update of assigned_to, team_id on public.leads
  for each row when ((old.assigned_to, old.team_id) is distinct from (new.assigned_to, new.team_id))
  execute function private.propagate_lead_scope();

create trigger propagate_lead_to_people after update of assigned_to, team_id on public.leads
  for each row when ((old.assigned_to, old.team_id) is distinct from (new.assigned_to, new.team_id))
  execute function private.propagate_lead_to_people();

-- Grants

revoke all on function private.copy_lead_scope() from public, anon, authenticated, service_role;

revoke all on function private.propagate_lead_scope() from public, anon, authenticated, service_role;

revoke all on function private.team_of_assignee(uuid) from public, anon, authenticated, service_role;

revoke all on function private.follow_lead() from public, anon, authenticated, service_role;

revoke all on function private.propagate_lead_to_people() from public, anon, authenticated, service_role;

-- Lead scope: what follows a lead is seen by whoever sees the lead.
--
-- A table whose rows are listed on their own (tasks, calls, reminders, communications) carries copies of
-- its lead's owner and team in lead_owner_id and team_id, so that its policy needs no join. The copies
-- are made when a row is written and kept when the lead moves.
--
-- Contacts, students and deals belong to somebody of their own: in assigned_to and team_id to whom their lead
-- belongs to; without a lead, as organizations always do, to a person, by default whoever entered them.

-- Functions

create function private.refuse_missing(p_code text, p_detail text) returns void
language plpgsql stable security definer set search_path = '' as $$
begin
  if auth.uid() is null or private.gate_all() is not null then
    perform private.fail(p_code, p_detail);
  end if;
end
$$;

comment on function private.refuse_missing(text, text) is 'Refuses what should hang on something that is not there, unless the caller is somebody who does not see everything: the row then belongs to nobody, and the policy refuses it in the words it has for what is another''s, so that none can tell which of the two it is.';

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
    perform private.refuse_missing('lead_not_found', new.lead_id::text);
  end if;

  -- What comes to a deleted lead comes back with it. For a person the policies refuse it.
  if new.deleted_at is null and lead_deleted_at is not null and not private.is_restoring() then
    new.deleted_at := lead_deleted_at;
  end if;

  return new;
end
$$;

comment on function private.copy_lead_scope() is 'BEFORE trigger of a table that follows leads: fills lead_owner_id and team_id from the lead (deleted_at too, where that is deleted), or team_id from the person whose column is its argument. Attach as: create trigger copy_lead_scope before insert or update of lead_id, <person> on … for each row execute function private.copy_lead_scope(''<person>'').';

-- What is planned for one lead is planned for a hundred.
create function private.propagate_lead_scope() returns trigger
language plpgsql security definer set search_path = '' set plan_cache_mode = force_generic_plan as $$
declare
  noted text := coalesce(current_setting('intake.moved_leads', true), '');
  -- Rises with every change of the catalogue that this transaction makes; nobody else points a new key at leads that it holds.
  changes constant text := pg_stat_get_xact_tuples_inserted('pg_catalog.pg_trigger'::regclass) + pg_stat_get_xact_tuples_deleted('pg_catalog.pg_trigger'::regclass)
    + pg_stat_get_xact_tuples_inserted('pg_catalog.pg_attribute'::regclass) + pg_stat_get_xact_tuples_updated('pg_catalog.pg_attribute'::regclass);
  known text := current_setting('intake.lead_children', true);
  children oid[];
  child oid;
  moved record;
begin
  if tg_level = 'ROW' then
    noted := concat_ws(',', nullif(noted, ''), new.id);

    -- A hundred go together, the rest when the statement ends.
    if length(noted) < 3700 then
      perform set_config('intake.moved_leads', noted, true);

      return null;
    end if;
  elsif noted = '' then
    return null;
  end if;

  -- First, because what follows may move leads too.
  perform set_config('intake.moved_leads', '', true);

  if split_part(known, ' ', 1) = changes then
    children := split_part(known, ' ', 2)::oid[];
  else
    -- By way of the keys that point at leads, which an index finds.
    select array_agg(c.oid order by c.relname) into children
    from pg_catalog.pg_class c
    where c.oid in (select t.tgconstrrelid from pg_catalog.pg_trigger t where t.tgrelid = 'public.leads'::regclass)
      and c.relnamespace = 'public'::regnamespace and not c.relispartition
      and exists (select from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attname = 'lead_id')
      and exists (select from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attname = 'lead_owner_id');

    perform set_config('intake.lead_children', concat_ws(' ', changes, children), true);
  end if;

  for moved in
    select l.assigned_to, l.team_id, array_agg(l.id) as ids
    from public.leads l
    where l.id = any (string_to_array(noted, ',')::uuid[])
    group by l.assigned_to, l.team_id
  loop
    foreach child in array children loop
      execute format(
        'update %s set lead_owner_id = $1, team_id = $2 where lead_id = any ($3) and (lead_owner_id, team_id) is distinct from ($1, $2)', child::regclass
      ) using moved.assigned_to, moved.team_id, moved.ids;
    end loop;

    update public.contacts c
    set assigned_to = moved.assigned_to, team_id = moved.team_id
    where c.lead_id = any (moved.ids) and (c.assigned_to, c.team_id) is distinct from (moved.assigned_to, moved.team_id);

    update public.students s
    set assigned_to = moved.assigned_to, team_id = moved.team_id
    where s.lead_id = any (moved.ids) and (s.assigned_to, s.team_id) is distinct from (moved.assigned_to, moved.team_id);

    update public.deals d
    set assigned_to = moved.assigned_to, team_id = moved.team_id
    where d.lead_id = any (moved.ids) and (d.assigned_to, d.team_id) is distinct from (moved.assigned_to, moved.team_id);

    update public.payments p
    set assigned_to = moved.assigned_to, team_id = moved.team_id
    where p.lead_id = any (moved.ids) and (p.assigned_to, p.team_id) is distinct from (moved.assigned_to, moved.team_id);
  end loop;

  return null;
end
$$;

comment on function private.propagate_lead_scope() is 'Keeps the copies of a lead''s owner and team in every table of public that has lead_owner_id and a key to leads, and takes contacts, students, deals and payments where their lead goes. Row by row it notes the leads, at the end of the statement, or after a hundred of them, it moves what hangs on them.';

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
      perform private.refuse_missing('lead_not_found', lead::text);

      new.assigned_to := null;
      new.team_id := null;
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

-- Triggers

create trigger propagate_lead_scope after update of assigned_to, team_id on public.leads
  for each row when ((old.assigned_to, old.team_id) is distinct from (new.assigned_to, new.team_id))
  execute function private.propagate_lead_scope();

-- Without transition tables, which would allow no columns and so be kept for every update of a lead.
create trigger propagate_lead_scopes after update of assigned_to, team_id on public.leads
  for each statement execute function private.propagate_lead_scope();

-- Grants

revoke all on function private.refuse_missing(text, text) from public, anon, authenticated, service_role;

revoke all on function private.copy_lead_scope() from public, anon, authenticated, service_role;

revoke all on function private.propagate_lead_scope() from public, anon, authenticated, service_role;

revoke all on function private.team_of_assignee(uuid) from public, anon, authenticated, service_role;

revoke all on function private.follow_lead() from public, anon, authenticated, service_role;

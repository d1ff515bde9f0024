-- Lead scope: what follows a lead is seen by whoever sees the lead.
--
-- A table whose rows are listed on their own (tasks, calls, reminders, communications) carries copies of
-- its lead's owner and team in lead_owner_id and team_id, so that its policy needs no join. The copies
-- are made when a row is written and kept when the lead moves.

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

-- Triggers

create trigger propagate_lead_scope after update of assigned_to, team_id on public.leads
  for each row when ((old.assigned_to, old.team_id) is distinct from (new.assigned_to, new.team_id))
  execute function private.propagate_lead_scope();

-- Grants

revoke all on function private.copy_lead_scope() from public, anon, authenticated, service_role;

revoke all on function private.propagate_lead_scope() from public, anon, authenticated, service_role;

-- Live: an open browser is told that something changed, and reads it again with its own rights.
--
-- The event `changed` carries {table, id, lead_id} and nothing else. It goes to lead:<id> of whom the row is about, and
-- to the list it stands in: team:<team id>, or, of what belongs to no team, user:<owner id>, or else the team of
-- nobody (team:00000000-0000-0000-0000-000000000000), to which scope all may listen. Of many rows in one
-- transaction the first twenty are told one by one, then once for each list that more changed: id and lead_id are
-- null. What happens to a lead itself is told from its timeline and from prepare_lead(): leads have no trigger for it.

-- Functions

create function private.announce(p_table text, p_id uuid, p_lead_id uuid, p_team_id uuid, p_owner_id uuid) returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
  told constant integer := coalesce(nullif(current_setting('intake.announced', true), '')::integer, 0);
  list constant text := case when p_team_id is null and p_owner_id is not null then 'user:' || p_owner_id
    else 'team:' || coalesce(p_team_id, '00000000-0000-0000-0000-000000000000') end;
  many constant text := format('intake.announced_%s_%s', p_table, replace(split_part(list, ':', 2), '-', ''));
begin
  -- realtime.send turns what goes wrong into a warning: no write fails because nobody could be called.
  if told < 20 and not private.is_importing() then
    perform set_config('intake.announced', (told + 1)::text, true);

    perform realtime.send(jsonb_build_object('table', p_table, 'id', p_id, 'lead_id', p_lead_id), 'changed', t.topic, true)
    from unnest(array[list, 'lead:' || p_lead_id]) t (topic)
    where t.topic is not null;
  elsif coalesce(current_setting(many, true), '') = '' then
    perform set_config(many, 'told', true);

    perform realtime.send(jsonb_build_object('table', p_table, 'id', null, 'lead_id', null), 'changed', list, true);
  end if;
end
$$;

comment on function private.announce(text, uuid, uuid, uuid, uuid) is 'Tells whoever listens that a row changed: the one way in which changes are announced.';

-- Triggers

create function private.announce_changes() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  is_timeline constant boolean := tg_table_name = 'activities';
  room integer;
  changed record;
begin
  -- A deletion asks every table that refers to the row, and mostly there is nothing to set null.
  if not exists (select from affected) then
    return null;
  end if;

  -- Of an import only the lists count.
  if is_timeline and private.is_importing() then
    for changed in
      select distinct l.team_id, case when l.team_id is null then l.assigned_to end as owner_id
      from affected a
      -- Lead by lead, here and below: a join planned for many rows, and kept, would read every lead for one.
      cross join lateral (select x.team_id, x.assigned_to from public.leads x where x.id = a.lead_id offset 0) l
    loop
      perform private.announce('leads', null, null, changed.team_id, changed.owner_id);
    end loop;

    return null;
  end if;

  -- How many are still told one by one; of the others only the lists they stand in count.
  room := case when private.is_importing() then 0 else 20 - coalesce(nullif(current_setting('intake.announced', true), '')::integer, 0) end;

  for changed in
    select distinct
      case when r.n <= room then r.id end as id, case when r.n <= room then r.lead_id end as lead_id, r.team_id,
      case when r.n <= room or r.team_id is null then r.owner_id end as owner_id
    from (
      select dense_rank() over (order by t.id) as n, t.*
      from (
        select
          case when is_timeline then l.id else (a.row ->> 'id')::uuid end as id,
          (a.row ->> 'lead_id')::uuid as lead_id,
          coalesce(l.team_id, (a.row ->> 'team_id')::uuid) as team_id,
          coalesce(l.assigned_to, (a.row ->> 'assigned_to')::uuid, (a.row ->> 'agent_id')::uuid, (a.row ->> 'user_id')::uuid, (a.row ->> 'created_by')::uuid) as owner_id
        from (select to_jsonb(x) as row from affected x offset 0) a
        left join lateral (select x.id, x.team_id, x.assigned_to from public.leads x where x.id = (a.row ->> 'lead_id')::uuid offset 0) l on true
        -- What a row of another table did to a timeline is told by that table.
        where not is_timeline
          or (l.id is not null and (a.row ->> 'source_id' is null or a.row ->> 'type' in ('merged', 'unmerged', 'escalated')))
      ) t
    ) r
    order by 1 nulls last
  loop
    perform private.announce(case when is_timeline then 'leads' else tg_table_name end, changed.id, changed.lead_id, changed.team_id, changed.owner_id);
  end loop;

  return null;
end
$$;

comment on function private.announce_changes() is 'Statement trigger that announces rows that were written. Attach as: create trigger announce_created after insert on … referencing new table as affected for each statement execute function private.announce_changes(); and announce_changed after update.';

do $$
declare
  told text;
begin
  foreach told in array array[
    'tasks', 'calls', 'reminders', 'notes', 'communications', 'contacts', 'organizations', 'students', 'deals', 'payments', 'documents', 'campaigns', 'activities'
  ] loop
    execute format('create trigger announce_created after insert on public.%I referencing new table as affected for each statement execute function private.announce_changes()', told);

    -- What is on the timeline stays as it was written.
    continue when told = 'activities';

    execute format('create trigger announce_changed after update on public.%I referencing new table as affected for each statement execute function private.announce_changes()', told);
  end loop;
end
$$;

-- Grants

revoke all on function private.announce(text, uuid, uuid, uuid, uuid), private.announce_changes() from public, anon, authenticated, service_role;

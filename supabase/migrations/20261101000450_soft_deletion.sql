-- Soft deletion: what is deleted is out of everybody's sight, and can be brought back.
--
-- One way for every table that has `deleted_at`: it says here on what its rows hang and whose they are. Its
-- trigger mark_deleted says by whom a row was deleted, whoever writes; take_along, on what other rows hang on,
-- lets these go and come back with it. They bear its time, so that what was deleted before stays deleted.

-- Tables

create table private.soft_deletable (
  table_name text primary key,
  label text not null,
  holders text[] not null default '{}',
  holder_tables text[] not null default '{}',
  people text[] not null default '{}',
  makers text[] not null default '{}',
  permission text not null default 'leads.delete' references public.permissions (key) on update cascade on delete restrict,
  constraint soft_deletable_holders_are_pairs check (cardinality(holders) = cardinality(holder_tables))
);

comment on table private.soft_deletable is 'Tables of public that soft_delete() and restore() work on: every one that has deleted_at. Such a table has deleted_by, the triggers mark_deleted and (if others hang on it) take_along, and an index on (deleted_at, id) of what is deleted.';

comment on column private.soft_deletable.label is 'The column that says to people which row it is.';

comment on column private.soft_deletable.holders is 'Foreign keys to what a row hangs on. The first that is set counts: with it the row goes and comes back.';

comment on column private.soft_deletable.holder_tables is 'The tables that holders point at, in the same order: here, because the catalogue is slow to ask once per row.';

comment on column private.soft_deletable.people is 'Columns that name people who see the row. Besides them its team''s managers do, and a table without team_id is seen where what it hangs on is seen.';

comment on column private.soft_deletable.makers is 'Columns that name people who may delete the row without the permission.';

comment on column private.soft_deletable.permission is 'What deleting anybody''s row needs, and restoring one that somebody else deleted.';

alter table private.soft_deletable enable row level security;

revoke all on private.soft_deletable from public, anon, authenticated, service_role;

-- Triggers

create function private.mark_deleted() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if not private.is_restoring() then
    new.deleted_by := case when new.deleted_at is not null then private.gate_own() end;
  end if;

  return new;
end
$$;

comment on function private.mark_deleted() is 'Says who deleted a row, null for the system. Attach as: create trigger mark_deleted before update of deleted_at on … for each row when (old.deleted_at is distinct from new.deleted_at) execute function private.mark_deleted().';

create function private.holders_of(p_table text) returns table (holder_column text, holder_table text, others text)
language plpgsql stable security definer set search_path = '' as $$
begin
  return query
  select h.holder, h.of_table, coalesce((select string_agg(format('x.%I is null', b), ' and ') from unnest(s.holders[:h.place::integer - 1]) b), 'true')
  from private.soft_deletable s
  cross join unnest(s.holders, s.holder_tables) with ordinality h (holder, of_table, place)
  where s.table_name = p_table
  order by h.place;
end
$$;

comment on function private.holders_of(text) is 'What rows of a table hang on, in the order in which it counts, with the condition under which it does.';

create function private.take_along() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  held record;
begin
  for held in
    select s.table_name, h.holder_column, h.others
    from private.soft_deletable s
    cross join lateral private.holders_of(s.table_name) h
    where s.holder_tables @> array[tg_table_name::text] and h.holder_table = tg_table_name
    order by s.table_name
  loop
    execute format(
      'update public.%I x set deleted_at = $1 where x.%I = $2 and x.deleted_at is not distinct from $3 and %s',
      held.table_name, held.holder_column, held.others
    ) using new.deleted_at, new.id, old.deleted_at;
  end loop;

  return null;
end
$$;

comment on function private.take_along() is 'What hangs on a row goes with it, and comes back with it unless it was deleted before. Attach as: create trigger take_along after update of deleted_at on … for each row when (old.deleted_at is distinct from new.deleted_at) execute function private.take_along().';

-- Functions

create function private.in_reach(p_table text, p_row jsonb) returns boolean
language plpgsql stable security definer set search_path = '' as $$
declare
  caller uuid := private.gate_own();
  holder record;
  held_by jsonb;
begin
  if caller is null or ((p_row ->> 'is_private')::boolean and (p_row ->> 'author_id')::uuid is distinct from caller) then
    return false;
  end if;

  -- As documents_read says.
  if (p_row ->> 'access_level' <> 'standard' or (p_row ->> 'is_confidential')::boolean) and (p_row ->> 'uploaded_by')::uuid is distinct from caller
    and not (private.has_permission('documents.confidential') and (p_row ->> 'access_level' <> 'private' or private.gate_all() is not null)) then
    return false;
  end if;

  if private.gate_all() is not null
    or (p_row ->> 'team_id')::uuid = any (private.gate_team())
    or exists (
      select from private.soft_deletable s cross join unnest(s.people) p
      where s.table_name = p_table and (p_row ->> p)::uuid = caller
    ) then
    return true;
  end if;

  if p_row ? 'team_id' then
    return false;
  end if;

  for holder in select h.holder_column, h.holder_table from private.holders_of(p_table) h loop
    execute format('select to_jsonb(x) from public.%I x where x.id = $1', holder.holder_table)
      into held_by using (p_row ->> holder.holder_column)::uuid;

    if held_by is not null and private.in_reach(holder.holder_table, held_by) then
      return true;
    end if;
  end loop;

  return false;
end
$$;

comment on function private.in_reach(text, jsonb) is 'Whether the caller would see this row if it and what it hangs on were not deleted. One that is_private is its author''s alone; a document is as hidden as its access level says.';

create function private.deletable_row(p_table text, p_id uuid, p_is_deleted boolean, out entry private.soft_deletable, out target jsonb, out is_makers boolean)
language plpgsql stable security definer set search_path = '' as $$
begin
  select * into entry from private.soft_deletable s where s.table_name = p_table;

  if entry.table_name is null then
    perform private.fail('argument_invalid', 'p_table');
  end if;

  execute format('select to_jsonb(x) from public.%I x where x.id = $1 and (x.deleted_at is not null) = $2', p_table)
    into target using p_id, p_is_deleted;

  if target is null or target ->> 'merged_into' is not null or not private.in_reach(p_table, target) then
    perform private.fail('not_found', p_table);
  end if;

  is_makers := exists (select from unnest(entry.makers) m where (target ->> m)::uuid = private.gate_own());
end
$$;

comment on function private.deletable_row(text, uuid, boolean) is 'A row within the caller''s reach that is, or is not, deleted, and whether it is one they may delete without a permission. Errors: argument_invalid, not_found.';

create function private.soft_delete(p_table text, p_id uuid) returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
  found_row record := private.deletable_row(p_table, p_id, false);
begin
  if not found_row.is_makers then
    perform private.require_permission((found_row.entry).permission);
  end if;

  execute format('update public.%I x set deleted_at = clock_timestamp() where x.id = $1 and x.deleted_at is null', p_table) using p_id;
end
$$;

comment on function private.soft_delete(text, uuid) is 'Body of public.soft_delete().';

create function private.restore(p_table text, p_id uuid) returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
  found_row record := private.deletable_row(p_table, p_id, true);
  holder record;
  holder_id uuid;
  holder_deleted_at timestamptz;
  code text;
begin
  for holder in select h.holder_column, h.holder_table from private.holders_of(p_table) h loop
    holder_id := (found_row.target ->> holder.holder_column)::uuid;

    if holder_id is not null then
      -- Whoever deletes what it hangs on waits for this row, or this row for them: neither misses the other.
      execute format('select x.deleted_at from public.%I x where x.id = $1 for no key update', holder.holder_table)
        into holder_deleted_at using holder_id;

      if holder_deleted_at is not null then
        perform private.fail('parent_deleted', holder.holder_table || ' ' || holder_id);
      end if;

      exit;
    end if;
  end loop;

  if not found_row.is_makers or (found_row.target ->> 'deleted_by')::uuid is distinct from private.gate_own() then
    perform private.require_permission((found_row.entry).permission);
  end if;

  begin
    execute format('update public.%I x set deleted_at = null where x.id = $1', p_table) using p_id;
  exception
    when unique_violation then
      perform private.fail('restore_conflict', p_table);
    when sqlstate 'PT409' then
      -- The code alone: what stands in the way may be nobody's to see.
      get stacked diagnostics code = pg_exception_detail;
      perform private.fail(split_part(code, ':', 1));
  end;
end
$$;

comment on function private.restore(text, uuid) is 'Body of public.restore().';

create function private.deleted_rows(p_table text, p_limit integer, p_before jsonb)
returns table (table_name text, id uuid, label text, deleted_at timestamptz, deleted_by uuid, deleted_by_name text)
language plpgsql stable security definer set search_path = '' as $$
declare
  before_time timestamptz := 'infinity';
  before_id uuid := 'ffffffff-ffff-ffff-ffff-ffffffffffff';
  parts text;
begin
  perform private.require_permission('leads.delete');

  if private.gate_all() is null then
    perform private.fail('permission_denied', 'scope all');
  end if;

  if p_limit is null or p_limit not between 1 and 200
    or (p_table is not null and not exists (select from private.soft_deletable s where s.table_name = p_table)) then
    perform private.fail('argument_invalid', 'p_limit is 1 to 200, p_table a table that has deleted_at');
  end if;

  if p_before is not null then
    begin
      before_time := p_before ->> 'deleted_at';
      before_id := p_before ->> 'id';
    exception when data_exception then
      before_id := null;
    end;

    if before_time is null or before_id is null then
      perform private.fail('argument_invalid', 'p_before is the last row of the page before, or its {deleted_at, id}');
    end if;
  end if;

  -- The newest of each table by its own index. What went with something else comes back with that, and a lead
  -- that was merged by unmerge().
  select string_agg(format(
    '(select %1$L::text as name, x.id, left(coalesce(x.%2$I::text, ''''), 200) as label, x.deleted_at, x.deleted_by
      from public.%1$I x
      where x.deleted_at is not null and (x.deleted_at, x.id) < ($1, $2)%3$s
      order by x.deleted_at desc, x.id desc
      limit $3)',
    s.table_name, s.label,
    concat(
      (
        select string_agg(format(' and not exists (select from public.%I p where p.id = x.%I and p.deleted_at = x.deleted_at)', h.holder_table, h.holder_column), '')
        from private.holders_of(s.table_name) h
      ),
      (
        select string_agg(case a.attname when 'is_private' then ' and (not x.is_private or x.author_id = $4)' else ' and x.merged_into is null' end, '')
        from pg_catalog.pg_attribute a
        where a.attrelid = to_regclass('public.' || s.table_name) and a.attname in ('is_private', 'merged_into') and not a.attisdropped
      )
    )
  ), ' union all ') into parts
  from private.soft_deletable s
  where p_table is null or s.table_name = p_table;

  return query execute format(
    'select d.name, d.id, d.label, d.deleted_at, d.deleted_by, nullif(p.full_name, '''')
     from (select * from (%s) a order by a.deleted_at desc, a.id desc limit $3) d
     left join public.profiles p on p.id = d.deleted_by
     order by d.deleted_at desc, d.id desc', parts
  ) using before_time, before_id, p_limit, private.gate_own();
end
$$;

comment on function private.deleted_rows(text, integer, jsonb) is 'Body of public.deleted_rows().';

-- RPCs

create function public.soft_delete(p_table text, p_id uuid) returns void
language sql volatile security invoker set search_path = '' as $$
  select private.soft_delete(p_table, p_id);
$$;

comment on function public.soft_delete(text, uuid) is 'Takes a row, with what hangs on it, out of everybody''s sight: one''s own (a task or reminder given to or made by oneself, a call one made or logged, a note one wrote, a contact, organization, student or deal one entered), or with leads.delete any that one sees; communications with communications.delete, campaigns with campaigns.manage. restore() brings it back. Errors: not_found, permission_denied, argument_invalid. Answers D0-014, D0-036, D0-082, D3-009, D4-005, D4-014.';

create function public.restore(p_table text, p_id uuid) returns void
language sql volatile security invoker set search_path = '' as $$
  select private.restore(p_table, p_id);
$$;

comment on function public.restore(text, uuid) is 'Brings a deleted row back with what went with it: for who deleted their own, and with the permission that deleting needs any within reach. Errors: not_found, permission_denied, argument_invalid, parent_deleted, restore_conflict, person_known (leads), contact_known (contacts). Answers D0-082.';

create function public.deleted_rows(p_table text default null, p_limit integer default 50, p_before jsonb default null)
returns table (table_name text, id uuid, label text, deleted_at timestamptz, deleted_by uuid, deleted_by_name text)
language plpgsql stable security invoker set search_path = '' as $$
begin
  return query select * from private.deleted_rows(p_table, p_limit, p_before);
end
$$;

comment on function public.deleted_rows(text, integer, jsonb) is 'What is deleted and can be restored, of one table or of all, newest first, up to 200 a page: table_name, id, label, deleted_at, deleted_by, deleted_by_name. The next page is before the last row of this one: p_before => that row. Needs leads.delete and scope all; private notes of others are not among them. Errors: permission_denied, argument_invalid. Answers D0-082.';

-- Grants

revoke all on function
  private.mark_deleted(),
  private.holders_of(text),
  private.take_along(),
  private.in_reach(text, jsonb),
  private.deletable_row(text, uuid, boolean),
  private.soft_delete(text, uuid),
  private.restore(text, uuid),
  private.deleted_rows(text, integer, jsonb),
  public.soft_delete(text, uuid),
  public.restore(text, uuid),
  public.deleted_rows(text, integer, jsonb)
  from public, anon, authenticated, service_role;

grant execute on function
  private.soft_delete(text, uuid),
  private.restore(text, uuid),
  private.deleted_rows(text, integer, jsonb),
  public.soft_delete(text, uuid),
  public.restore(text, uuid),
  public.deleted_rows(text, integer, jsonb)
  to authenticated;

-- This module's errors

insert into public.error_codes (code, sqlstate, message, hint) values
  ('parent_deleted', 'PT409', 'What this hangs on is deleted.', 'Restore that first: details name it.'),
  ('restore_conflict', 'PT409', 'Something else has taken the place of this row.', 'Change or delete that first.');

-- The steps of an import: what the worker calls, from the file to the end of a phase.
--
-- Chunks are worked off side by side, so nothing in one may depend on another: the dry run compares the rows of a
-- file with each other when all were read, and the commit writes first whom nobody knows, who are all different
-- people, and then one by one, in the file's order, the rows of those who are known by then. Undo goes the way back.

-- The file

create function private.import_open(p_import_id uuid) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  return (
    select to_jsonb(i) || jsonb_build_object('offset_bytes', s.offset_bytes)
    from public.imports i
    join private.import_state s on s.import_id = i.id
    where i.id = p_import_id
  );
end
$$;

comment on function private.import_open(uuid) is 'An import as the worker needs it, null if there is none.';

create function private.import_fail(p_import_id uuid, p_code text, p_detail text) returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
  import public.imports;
begin
  update public.imports i
  set status = case i.status when 'reading' then 'failed' when 'checking' then 'read' when 'committing' then 'stopped' else 'committed' end,
    failure = p_code,
    failure_detail = left(p_detail, 300)
  where i.id = p_import_id and i.status in ('reading', 'checking', 'committing', 'undoing')
  returning * into import;

  if import.id is not null then
    perform private.import_announce(import);
  end if;
end
$$;

comment on function private.import_fail(uuid, text, text) is 'Ends the phase that runs, with a code of the catalogue: a file that cannot be read is the end, the others can be begun again.';

create function private.import_stage(
  p_import_id uuid, p_offset bigint, p_next_offset bigint, p_columns text[], p_encoding text, p_delimiter text, p_rows jsonb, p_is_last boolean
) returns boolean
language plpgsql volatile security definer set search_path = '' as $$
declare
  import public.imports;
  known constant text[] := private.import_fields();
begin
  perform from private.import_state s where s.import_id = p_import_id and s.offset_bytes = p_offset for update;

  select * into import from public.imports i where i.id = p_import_id and i.status = 'reading' for update;

  -- Another worker was here: its rows count.
  if import.id is null or not exists (select from private.import_state s where s.import_id = p_import_id and s.offset_bytes = p_offset) then
    return false;
  end if;

  insert into private.import_rows (import_id, row_no, cells, decision, code, detail)
  select p_import_id, import.rows_total + r.n, array(select jsonb_array_elements_text(r.value -> 'cells')),
    case when r.value ->> 'code' is not null then 'invalid' end, r.value ->> 'code', r.value ->> 'detail'
  from jsonb_array_elements(p_rows) with ordinality r (value, n);

  update private.import_state s set offset_bytes = p_next_offset where s.import_id = p_import_id;

  update public.imports i
  set rows_total = i.rows_total + jsonb_array_length(p_rows),
    columns = p_columns,
    encoding = p_encoding,
    delimiter = p_delimiter,
    status = case when p_is_last then 'read' else i.status end,
    suggested_mapping = case when p_is_last then coalesce((
      select jsonb_object_agg(f.header, f.field)
      from (
        select distinct on (v.field) h.header, v.field
        from unnest(p_columns) with ordinality h (header, place)
        cross join lateral (select regexp_replace(lower(btrim(regexp_replace(h.header, '([a-z])([A-Z])', '\1_\2', 'g'))), '[^a-z0-9]+', '_', 'g') as plain) n
        cross join lateral (
          select case
            when n.plain = any (known) then n.plain
            when n.plain in ('full_name', 'lead_name', 'student_name') then 'name'
            when n.plain in ('mobile', 'mobile_no', 'phone_number', 'mobile_number', 'contact_number', 'whatsapp') then 'phone'
            when n.plain in ('e_mail', 'email_address', 'email_id', 'mail') then 'email'
            when n.plain in ('company', 'organisation') then 'organization'
            when n.plain in ('lead_source') then 'source'
            when n.plain in ('stage', 'lead_status') then 'status'
            when n.plain in ('owner', 'lead_owner', 'counselor', 'assignee') then 'assigned_to'
            when n.plain in ('city', 'location', 'state') then 'territory'
          end as field
        ) v
        where v.field is not null and (select count(*) from unnest(p_columns) c where c = h.header) = 1
        order by v.field, h.place
      ) f
    ), '{}') else i.suggested_mapping end
  where i.id = p_import_id
  returning * into import;

  perform private.import_announce(import);

  return true;
end
$$;

comment on function private.import_stage(uuid, bigint, bigint, text[], text, text, jsonb, boolean) is 'Keeps the rows between two places of the file, once: false if that part was kept already.';

-- The phases

create function private.import_chunk_size() returns integer
language sql immutable parallel safe set search_path = '' as $$
  select 1000
$$;

comment on function private.import_chunk_size() is 'Rows that are written in one transaction.';

create function private.import_singles_size() returns integer
language sql immutable parallel safe set search_path = '' as $$
  select 250
$$;

comment on function private.import_singles_size() is 'Rows that are written one by one in one transaction: slower by far, and nobody''s patience is longer for that.';

create function private.import_take(p_import_id uuid, p_status text, out part text, out chunk integer)
language plpgsql volatile security definer set search_path = '' as $$
begin
  -- What goes one by one comes last in a commit and first in an undo.
  if p_status <> 'undoing' or not exists (select from private.import_chunks c where c.import_id = p_import_id and c.singles > 0) then
    select 'chunk', c.chunk into part, chunk
    from private.import_chunks c
    where c.import_id = p_import_id and not c.is_done
    order by c.chunk
    limit 1
    for update skip locked;

    if found then
      return;
    end if;

    -- Others have the last ones: what comes then begins when they are done.
    perform from private.import_chunks c where c.import_id = p_import_id and not c.is_done for update;
  end if;

  -- From here on nobody works beside.
  perform from public.imports i where i.id = p_import_id and i.status = p_status for update;

  if not found or (p_status <> 'undoing' and exists (select from private.import_chunks c where c.import_id = p_import_id and not c.is_done)) then
    return;
  end if;

  select 'singles', c.chunk into part, chunk
  from private.import_chunks c
  where c.import_id = p_import_id and c.singles > 0
  order by case p_status when 'undoing' then -c.chunk else c.chunk end
  limit 1;

  if not found and not exists (select from private.import_chunks c where c.import_id = p_import_id and not c.is_done) then
    part := 'end';
  end if;
end
$$;

comment on function private.import_take(uuid, text) is 'What is to be done next of a phase, locked until the transaction ends: a chunk, the rows of a chunk that go one by one, or the end. Null, if somebody else was here meanwhile: ask again.';

create function private.import_step(p_import_id uuid) returns jsonb
-- A plan that was kept while the tables were empty would read them whole for every row they grow by.
language plpgsql volatile security definer set search_path = '' set enable_seqscan = off as $$
declare
  import public.imports;
  next record;
  owner_claims jsonb;
  service_claims text := current_setting('request.jwt.claims', true);
  size constant integer := private.import_chunk_size();
  size_of_singles constant integer := private.import_singles_size();
  first_row integer;
  last_row integer;
  totals jsonb;
  due integer := 0;
  left_over integer := 0;
begin
  select * into import from public.imports i where i.id = p_import_id;

  if import.id is null or import.status not in ('checking', 'committing', 'undoing') then
    return jsonb_build_object('status', import.status, 'is_over', true);
  end if;

  select * into next from private.import_take(p_import_id, import.status);

  if next.part is null then
    return jsonb_build_object('status', import.status, 'is_over', false);
  end if;

  select s.claims into owner_claims from private.import_state s where s.import_id = p_import_id;

  -- From here on it is the owner who writes, with what they may do now.
  perform set_config('request.jwt.claims', owner_claims::text, true);

  if not (private.has_permission('leads.import') and private.has_permission('leads.create')) then
    perform set_config('request.jwt.claims', service_claims, true);

    perform private.import_fail(p_import_id, 'permission_denied', 'leads.import, leads.create');

    return jsonb_build_object('status', 'stopped', 'is_over', true);
  end if;

  first_row := (next.chunk - 1) * size + 1;
  last_row := next.chunk * size;

  case next.part
    when 'chunk' then
      case import.status
        when 'checking' then
          totals := private.import_check_chunk(import, first_row, last_row);
        when 'committing' then
          select c.totals, c.singles into totals, due from private.import_commit_chunk(import, first_row, last_row) c;
        else
          totals := private.import_undo_chunk(import, next.chunk, first_row, last_row);
      end case;

      update private.import_chunks c
      set is_done = true, singles = due, last_id = case import.status when 'committing' then private.uuid_v7() else c.last_id end
      where c.import_id = p_import_id and c.chunk = next.chunk;
    when 'singles' then
      totals := case import.status
        when 'committing' then private.import_commit_singles(import, first_row, last_row)
        else private.import_undo_singles(import, first_row, last_row)
      end;

      update private.import_chunks c
      set singles = greatest(c.singles - size_of_singles, 0)
      where c.import_id = p_import_id and c.chunk = next.chunk
      returning c.singles into left_over;
    else
      if import.status = 'checking' then
        totals := private.import_find_duplicates(p_import_id);
      elsif import.status = 'committing' then
        perform private.import_tell_owners(import);
      else
        delete from public.notifications n
        where n.metadata ->> 'import_id' = p_import_id::text and n.created_at >= import.created_at;
      end if;

      perform private.enqueue('import.report', jsonb_build_object('import_id', p_import_id), p_dedupe_key => p_import_id::text);
  end case;

  update public.imports i
  set chunks_done = i.chunks_done + case when next.part = 'end' or left_over > 0 then 0 else 1 end,
    chunks_total = i.chunks_total + case when due > 0 then 1 else 0 end,
    counts = case when i.status = 'checking' then private.add_counts(i.counts, totals) else i.counts end,
    results = case when i.status = 'checking' then i.results else private.add_counts(i.results, totals) end,
    status = case when next.part <> 'end' then i.status else case i.status when 'checking' then 'checked' when 'committing' then 'committed' else 'undone' end end,
    committed_at = case when next.part = 'end' and i.status = 'committing' then now() else i.committed_at end,
    undone_at = case when next.part = 'end' and i.status = 'undoing' then now() else i.undone_at end
  where i.id = p_import_id and i.status = import.status
  returning * into import;

  -- It was stopped while this went on: then this was not.
  if import.id is null then
    perform private.fail('import_state');
  end if;

  perform private.import_announce(import);

  perform set_config('request.jwt.claims', service_claims, true);

  return jsonb_build_object('status', import.status, 'is_over', next.part = 'end');
end
$$;

comment on function private.import_step(uuid) is 'Does the next part of the phase that runs, in the owner''s name: {status, is_over}. Several may call it at once: each does another part.';

create function private.add_counts(p_left jsonb, p_right jsonb) returns jsonb
language plpgsql immutable parallel safe set search_path = '' as $$
begin
  return (
    select coalesce(jsonb_object_agg(c.key, c.total), '{}')
    from (
      select e.key, sum(e.value::bigint) as total
      from (select * from jsonb_each_text(p_left) union all select * from jsonb_each_text(coalesce(p_right, '{}'))) e
      group by e.key
      having sum(e.value::bigint) <> 0
    ) c
  );
end
$$;

comment on function private.add_counts(jsonb, jsonb) is 'Two objects of counts, added key by key; what comes to nothing is left out.';

create function private.import_problems(p_import_id uuid, p_after integer default 0, p_limit integer default 200000)
returns table (row_no integer, code text, field text, message text)
language plpgsql stable security definer set search_path = '' as $$
begin
  return query
  select r.row_no, r.code, r.detail, coalesce(e.message, r.code)
  from private.import_rows r
  left join public.error_codes e on e.code = r.code
  where r.import_id = p_import_id and r.code is not null and r.row_no > p_after
  order by r.row_no
  limit p_limit;
end
$$;

comment on function private.import_problems(uuid, integer, integer) is 'The rows of the error file.';

create function private.import_reported(p_import_id uuid, p_path text) returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
  import public.imports;
begin
  update public.imports i set error_path = p_path where i.id = p_import_id returning * into import;

  if import.id is not null then
    perform private.import_announce(import);
  end if;
end
$$;

comment on function private.import_reported(uuid, text) is 'Says where the error file lies; null, if there is nothing wrong any more.';

-- Grants

revoke all on function
  private.import_open(uuid),
  private.import_fail(uuid, text, text),
  private.import_stage(uuid, bigint, bigint, text[], text, text, jsonb, boolean),
  private.import_chunk_size(),
  private.import_singles_size(),
  private.import_take(uuid, text),
  private.import_step(uuid),
  private.add_counts(jsonb, jsonb),
  private.import_problems(uuid, integer, integer),
  private.import_reported(uuid, text)
  from public, anon, authenticated, service_role;

grant execute on function
  private.import_open(uuid),
  private.import_fail(uuid, text, text),
  private.import_stage(uuid, bigint, bigint, text[], text, text, jsonb, boolean),
  private.import_step(uuid),
  private.import_problems(uuid, integer, integer),
  private.import_reported(uuid, text)
  to service_role;

-- Imports: a file of people becomes leads, and can be taken back.
--
-- The file lies in the private bucket `imports` under its owner's id. The worker reads it into staged rows,
-- the owner says which column is which field, a dry run decides about every row, and the commit writes chunk
-- by chunk: each is one transaction that is done or not, so that a worker killed halfway leaves no half of a
-- row, and the next one goes on. Undo erases what nobody touched since and names the rest.

-- Tables

create table public.imports (
  id uuid primary key default private.uuid_v7(),
  created_by uuid not null references public.profiles (id) on delete cascade,
  storage_path text not null,
  file_name text not null,
  format text not null,
  has_header boolean not null default true,
  size_bytes bigint not null,
  encoding text,
  delimiter text,
  status text not null default 'reading',
  failure text,
  failure_detail text,
  columns text[] not null default '{}',
  suggested_mapping jsonb not null default '{}',
  mapping jsonb,
  defaults jsonb not null default '{}',
  rows_total integer not null default 0,
  chunks_total integer not null default 0,
  chunks_done integer not null default 0,
  counts jsonb not null default '{}',
  results jsonb not null default '{}',
  error_path text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  committed_at timestamptz,
  undone_at timestamptz,
  constraint imports_format_is_known check (format in ('csv', 'json')),
  constraint imports_status_is_known check (status in (
    'reading', 'read', 'checking', 'checked', 'committing', 'committed', 'stopped', 'undoing', 'undone', 'failed'
  )),
  constraint imports_delimiter_is_known check (delimiter in (',', ';', '|', E'\t')),
  constraint imports_chunks_are_counted check (chunks_done between 0 and chunks_total)
);

comment on table public.imports is 'Imports of leads, from the upload to the undo. Seen by who started them and by scope all; changed by the import_* RPCs.';

comment on column public.imports.storage_path is 'The file in the bucket imports: <user id>/….';

comment on column public.imports.status is 'reading, read (mapping is due), checking, checked (the dry run is done), committing, committed, stopped (a commit that can go on), undoing, undone, failed.';

comment on column public.imports.failure is 'Code of the error catalogue, if status is failed or stopped.';

comment on column public.imports.columns is 'Headers of the file, or "Column 1", "Column 2", … without one.';

comment on column public.imports.suggested_mapping is 'Columns whose headers say which field they are.';

comment on column public.imports.mapping is 'Column to field.';

comment on column public.imports.defaults is 'Values of fields that a row leaves empty.';

comment on column public.imports.chunks_total is 'Steps of the phase that runs; one more for each chunk in which rows turn out to be due one by one. Of reading it is not known before the end.';

comment on column public.imports.chunks_done is 'Steps of the phase that are done.';

comment on column public.imports.counts is 'The dry run in numbers: {new, enquiry, duplicate, known, invalid}.';

comment on column public.imports.results is 'What was written and taken back: {created, enquiries, skipped, failed, erased, withdrawn, kept}.';

comment on column public.imports.error_path is 'The error file in the bucket imports: row, code, message. Null, if nothing was wrong in the last phase.';

create index imports_of_person on public.imports (created_by, created_at desc);

create table public.import_mappings (
  id uuid primary key default private.uuid_v7(),
  created_by uuid not null default auth.uid() references public.profiles (id) on delete cascade,
  name text not null,
  mapping jsonb not null,
  defaults jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint import_mappings_name_is_short check (btrim(name) <> '' and length(name) <= 120),
  constraint import_mappings_name_is_unique unique (created_by, name),
  constraint import_mappings_are_objects check (jsonb_typeof(mapping) = 'object' and jsonb_typeof(defaults) = 'object')
);

comment on table public.import_mappings is 'Mappings that people keep for the next file of the same kind. Everybody has their own.';

create table private.import_state (
  import_id uuid primary key references public.imports (id) on delete cascade,
  claims jsonb not null,
  offset_bytes bigint not null default 0,
  plan_columns integer[] not null default '{}',
  plan_fields text[] not null default '{}'
);

comment on table private.import_state is 'What an import needs to go on: for whom, how far the file is read, and the mapping as positions.';

comment on column private.import_state.claims is 'The token of who started the running phase. Whether account and session still live is asked at every chunk.';

create table private.import_rows (
  import_id uuid not null references public.imports (id) on delete cascade,
  row_no integer not null,
  duplicate_of integer,
  target_id uuid,
  version_after bigint,
  email text,
  phone text,
  external_id text,
  decision text,
  outcome text,
  code text,
  detail text,
  first_id uuid,
  last_id uuid,
  cells text[] not null,
  fields jsonb,
  before jsonb,
  constraint import_rows_pkey primary key (import_id, row_no),
  constraint import_rows_decision_is_known check (decision in ('new', 'enquiry', 'duplicate', 'known', 'invalid')),
  constraint import_rows_outcome_is_known check (outcome in ('created', 'enquiry', 'skipped', 'failed', 'erased', 'withdrawn', 'kept'))
) with (fillfactor = 60);

comment on table private.import_rows is 'The rows of a file with what was decided and done about each. Logged, because they are what an undo goes by.';

comment on column private.import_rows.row_no is 'Place in the file; the first row after the header is 1.';

comment on column private.import_rows.target_id is 'The lead it made or belongs to, or the id that its own will have. No foreign key: the row does not follow a lead, it remembers.';

comment on column private.import_rows.email is 'The e-mail that is the person, null where one address may be several.';

comment on column private.import_rows.external_id is 'What makes a row count once: its own external id, or a digest of its fields.';

comment on column private.import_rows.before is 'The known lead as it was before this row.';

comment on column private.import_rows.version_after is 'Version of the lead as this import left it.';

comment on column private.import_rows.first_id is 'An id made before the row was written by itself, which is a time; null of rows that were written with their chunk.';

comment on column private.import_rows.last_id is 'An id made after it: younger rows of the lead are somebody''s work.';

create table private.import_chunks (
  import_id uuid not null references public.imports (id) on delete cascade,
  chunk integer not null,
  is_done boolean not null default false,
  singles integer not null default 0,
  last_id uuid,
  constraint import_chunks_pkey primary key (import_id, chunk)
);

comment on table private.import_chunks is 'A thousand rows each of the phase that runs: who works on a chunk holds its lock, and others take the next.';

comment on column private.import_chunks.singles is 'Rows of it that are due one by one, in the file''s order, when no chunk is under way.';

comment on column private.import_chunks.last_id is 'An id made when the commit had written the chunk, which is a time: younger rows of its leads are somebody''s work.';

insert into storage.buckets (id, name, public, file_size_limit, allowed_mime_types) values (
  'imports', 'imports', false, 20971520,
  array['text/csv', 'text/plain', 'application/csv', 'application/json', 'application/vnd.ms-excel', 'application/octet-stream', 'text/tab-separated-values']
);

-- Policies

alter table public.imports enable row level security;

alter table public.import_mappings enable row level security;

alter table private.import_state enable row level security;

alter table private.import_rows enable row level security;

alter table private.import_chunks enable row level security;

create policy imports_read on public.imports for select to authenticated
  using (created_by = (select private.gate_own()) or (select private.gate_all()) is not null);

comment on policy imports_read on public.imports is 'One''s own; scope all: every import.';

create policy import_mappings_read on public.import_mappings for select to authenticated
  using (created_by = (select private.gate_own()));

comment on policy import_mappings_read on public.import_mappings is 'One''s own.';

create policy import_mappings_delete on public.import_mappings for delete to authenticated
  using (created_by = (select private.gate_own()));

comment on policy import_mappings_delete on public.import_mappings is 'One''s own; import_map() writes them.';

create policy intake_imports_read on storage.objects for select to authenticated
  using (bucket_id = 'imports' and split_part(name, '/', 1) = (select private.gate_own())::text);

create policy intake_imports_create on storage.objects for insert to authenticated
  with check (
    bucket_id = 'imports'
    and split_part(name, '/', 1) = (select private.gate_own())::text
    and (select private.has_permission('leads.import'))
  );

create policy intake_imports_delete on storage.objects for delete to authenticated
  using (bucket_id = 'imports' and split_part(name, '/', 1) = (select private.gate_own())::text);

create trigger touch_updated_at before update on public.imports for each row execute function private.touch_updated_at();

create trigger touch_updated_at before update on public.import_mappings for each row execute function private.touch_updated_at();

create trigger audit after insert or delete on public.imports for each row execute function private.audit_row();

-- What every part needs

create function private.import_fields() returns text[]
language sql immutable parallel safe set search_path = '' as $$
  select array[
    'salutation', 'first_name', 'last_name', 'name', 'email', 'phone', 'organization', 'website', 'job_title', 'industry', 'gender',
    'no_of_employees', 'annual_revenue', 'territory', 'qualification', 'experience', 'course', 'source', 'status', 'value', 'currency',
    'tags', 'assigned_to', 'external_id'
  ]
$$;

comment on function private.import_fields() is 'Fields that a column can be; besides them custom_fields.<key>.';

create function private.import_announce(p_import public.imports) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform realtime.send(
    jsonb_build_object(
      'id', p_import.id, 'status', p_import.status, 'rows_total', p_import.rows_total, 'chunks_done', p_import.chunks_done,
      'chunks_total', p_import.chunks_total, 'counts', p_import.counts, 'results', p_import.results
    ),
    'import_progress', 'user:' || p_import.created_by, true
  );
end
$$;

comment on function private.import_announce(public.imports) is 'Tells the owner''s open browsers how far an import is: ids and counts only.';

-- What clients call

create function private.import_of_caller(p_import_id uuid) returns public.imports
language plpgsql volatile security definer set search_path = '' as $$
declare
  import public.imports;
begin
  perform private.require_permission('leads.import');

  select * into import
  from public.imports i
  where i.id = p_import_id and (i.created_by = private.gate_own() or private.gate_all() is not null)
  for update;

  if import.id is null then
    perform private.fail('not_found', 'import');
  end if;

  return import;
end
$$;

comment on function private.import_of_caller(uuid) is 'An import the caller may go on with, locked; error not_found otherwise.';

create function private.import_start(p_storage_path text, p_format text, p_has_header boolean, p_delimiter text) returns public.imports
language plpgsql volatile security definer set search_path = '' as $$
declare
  import public.imports;
  caller uuid := private.gate_own();
  bytes bigint;
  kind text := lower(coalesce(nullif(btrim(p_format), ''), case when p_storage_path ~* '\.(json|ndjson|jsonl)$' then 'json' else 'csv' end));
begin
  perform private.require_permission('leads.import');

  perform private.require_permission('leads.create');

  if kind not in ('csv', 'json') then
    perform private.fail('argument_invalid', 'p_format is csv or json');
  end if;

  if p_delimiter is not null and p_delimiter not in (',', ';', '|', E'\t') then
    perform private.fail('argument_invalid', 'p_delimiter is a comma, semicolon, bar or tab');
  end if;

  select coalesce((o.metadata ->> 'size')::bigint, (o.metadata ->> 'contentLength')::bigint, 0) into bytes
  from storage.objects o
  where o.bucket_id = 'imports' and o.name = p_storage_path and split_part(o.name, '/', 1) = caller::text;

  if bytes is null then
    perform private.fail('import_file_missing', left(p_storage_path, 200));
  end if;

  if bytes > (select b.file_size_limit from storage.buckets b where b.id = 'imports') then
    perform private.fail('import_too_large', bytes::text);
  end if;

  insert into public.imports (created_by, storage_path, file_name, format, has_header, size_bytes, delimiter)
  values (caller, p_storage_path, regexp_replace(p_storage_path, '^.*/', ''), kind, coalesce(p_has_header, true), bytes, p_delimiter)
  returning * into import;

  insert into private.import_state (import_id, claims)
  values (import.id, jsonb_build_object('sub', caller, 'role', 'authenticated', 'session_id', private.session_id()));

  perform private.enqueue('import.read', jsonb_build_object('import_id', import.id), p_dedupe_key => import.id::text, p_max_attempts => 8);

  return import;
end
$$;

comment on function private.import_start(text, text, boolean, text) is 'Body of public.import_start().';

create function private.import_begin(p_import public.imports, p_status text) returns public.imports
language plpgsql volatile security definer set search_path = '' as $$
declare
  import public.imports;
  size constant integer := private.import_chunk_size();
begin
  update private.import_state s
  set claims = jsonb_build_object('sub', private.gate_own(), 'role', 'authenticated', 'session_id', private.session_id())
  where s.import_id = p_import.id;

  if p_status = 'checking' then
    delete from private.import_chunks c where c.import_id = p_import.id;

    insert into private.import_chunks (import_id, chunk)
    select p_import.id, n from generate_series(1, ceil(p_import.rows_total::numeric / size)::integer) n;
  elsif p_status = 'undoing' then
    -- A stopped commit has its last chunks still before it; those have nothing to take back.
    update private.import_chunks c
    set is_done = c.last_id is null,
      singles = (
        select count(*)
        from private.import_rows r
        where r.import_id = c.import_id and r.row_no between (c.chunk - 1) * size + 1 and c.chunk * size and r.outcome = 'enquiry'
      )
    where c.import_id = p_import.id;
  elsif p_import.status <> 'stopped' then
    update private.import_chunks c set is_done = false where c.import_id = p_import.id;
  end if;

  update public.imports i
  set status = p_status,
    failure = null,
    failure_detail = null,
    counts = case p_status when 'checking' then '{}' else i.counts end,
    results = case p_status when 'checking' then '{}' else i.results end,
    chunks_total = case when i.status = 'stopped' and p_status = 'committing' then i.chunks_total else c.due end,
    chunks_done = case when i.status = 'stopped' and p_status = 'committing' then i.chunks_done else 0 end
  from (
    select count(*) filter (where not x.is_done) + count(*) filter (where x.singles > 0) as due
    from private.import_chunks x
    where x.import_id = p_import.id
  ) c
  where i.id = p_import.id
  returning i.* into import;

  perform private.enqueue('import.run', jsonb_build_object('import_id', import.id), p_dedupe_key => import.id::text, p_max_attempts => 8);

  return import;
end
$$;

comment on function private.import_begin(public.imports, text) is 'Starts a phase in the caller''s name.';

create function private.import_map(p_import_id uuid, p_mapping jsonb, p_defaults jsonb, p_save_as text) returns public.imports
language plpgsql volatile security definer set search_path = '' as $$
declare
  import public.imports := private.import_of_caller(p_import_id);
  fallback jsonb := coalesce(p_defaults, '{}');
  known constant text[] := private.import_fields();
  pair record;
  place integer;
  places integer[] := '{}';
  fields text[] := '{}';
  kept jsonb := '{}';
begin
  if import.status not in ('read', 'checked') then
    perform private.fail('import_state', import.status);
  end if;

  if jsonb_typeof(p_mapping) is distinct from 'object' and jsonb_typeof(p_mapping) is distinct from 'array' or jsonb_typeof(fallback) <> 'object' then
    perform private.fail('argument_invalid', 'p_mapping is {column: field} or [{column, field}], p_defaults {field: value}');
  end if;

  for pair in
    select m.key as header, m.value as field
    from jsonb_each_text(case when jsonb_typeof(p_mapping) = 'object' then p_mapping else '{}' end) m
    union all
    select m ->> 'column', m ->> 'field'
    from jsonb_array_elements(case when jsonb_typeof(p_mapping) = 'array' then p_mapping else '[]' end) m
  loop
    continue when nullif(pair.field, '') is null;

    if pair.field <> all (known) and pair.field !~ '^custom_fields\.[^.].{0,99}$' then
      perform private.fail('import_field_unknown', left(pair.field, 120));
    end if;

    if (select count(*) from unnest(import.columns) c where c = pair.header) > 1 then
      perform private.fail('import_column_ambiguous', left(pair.header, 120));
    end if;

    -- By its header, or by its place as in "#3".
    place := coalesce(
      array_position(import.columns, pair.header),
      case when pair.header ~ '^#[0-9]{1,4}$' and substr(pair.header, 2)::integer between 1 and cardinality(import.columns) then substr(pair.header, 2)::integer end
    );

    if place is null then
      perform private.fail('import_column_unknown', left(pair.header, 120));
    end if;

    if place = any (places) then
      perform private.fail('import_column_mapped_twice', left(pair.header, 120));
    end if;

    if pair.field = any (fields) then
      perform private.fail('import_field_mapped_twice', left(pair.field, 120));
    end if;

    places := places || place;
    fields := fields || pair.field;
    kept := kept || jsonb_build_object(pair.header, pair.field);
  end loop;

  if cardinality(fields) = 0 then
    perform private.fail('argument_invalid', 'p_mapping names no field');
  end if;

  for pair in select d.key as field, d.value as value from jsonb_each(fallback) d loop
    if pair.field <> all (array_remove(known, 'external_id')) and pair.field !~ '^custom_fields\.[^.].{0,99}$' then
      perform private.fail('import_field_unknown', left(pair.field, 120));
    end if;

    if jsonb_typeof(pair.value) not in ('string', 'number') then
      perform private.fail('argument_invalid', 'p_defaults: ' || left(pair.field, 120));
    end if;

    -- A field no column has: its cell is always empty.
    if pair.field <> all (fields) then
      places := places || 0;
      fields := fields || pair.field;
    end if;
  end loop;

  update private.import_state s set plan_columns = places, plan_fields = fields where s.import_id = p_import_id;

  update public.imports i
  set mapping = kept, defaults = fallback, status = 'read'
  where i.id = p_import_id
  returning * into import;

  if nullif(btrim(p_save_as), '') is not null then
    insert into public.import_mappings as m (created_by, name, mapping, defaults)
    values (private.gate_own(), btrim(p_save_as), kept, fallback)
    on conflict (created_by, name) do update set mapping = excluded.mapping, defaults = excluded.defaults;
  end if;

  return import;
end
$$;

comment on function private.import_map(uuid, jsonb, jsonb, text) is 'Body of public.import_map().';

create function private.import_advance(p_import_id uuid, p_to text) returns public.imports
language plpgsql volatile security definer set search_path = '' as $$
declare
  import public.imports := private.import_of_caller(p_import_id);
begin
  if p_to = 'checking' and (import.status not in ('read', 'checked') or import.mapping is null)
    or p_to = 'committing' and import.status not in ('checked', 'stopped')
    or p_to = 'undoing' and import.status not in ('committed', 'stopped') then
    perform private.fail('import_state', import.status);
  end if;

  return private.import_begin(import, p_to);
end
$$;

comment on function private.import_advance(uuid, text) is 'Body of import_dry_run, import_commit and import_undo.';

create function private.import_report(p_import_id uuid, p_decision text, p_after integer, p_limit integer)
returns table (row_no integer, decision text, outcome text, code text, field text, message text, duplicate_of integer, lead_id uuid, lead_number text, cells text[])
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require_permission('leads.import');

  if not exists (select from public.imports i where i.id = p_import_id and (i.created_by = private.gate_own() or private.gate_all() is not null)) then
    perform private.fail('not_found', 'import');
  end if;

  if p_limit is null or p_limit not between 1 and 1000 then
    perform private.fail('argument_invalid', 'p_limit is 1 to 1000');
  end if;

  return query
  select r.row_no, r.decision, r.outcome, r.code, r.detail, e.message, r.duplicate_of, l.id, l.lead_id, r.cells
  from private.import_rows r
  left join public.error_codes e on e.code = r.code
  -- Whose lead it is, is for those to know who may see it.
  left join public.leads l on l.id = r.target_id and l.deleted_at is null
    and (private.gate_all() is not null or l.team_id = any (private.gate_team()) or l.assigned_to = private.gate_own())
  where r.import_id = p_import_id and r.row_no > coalesce(p_after, 0)
    and (p_decision is null or r.decision = p_decision or r.outcome = p_decision)
  order by r.row_no
  limit p_limit;
end
$$;

comment on function private.import_report(uuid, text, integer, integer) is 'Body of public.import_report().';

create function public.import_start(p_storage_path text, p_format text default null, p_has_header boolean default true, p_delimiter text default null) returns public.imports
language sql volatile security invoker set search_path = '' as $$
  select private.import_start(p_storage_path, p_format, p_has_header, p_delimiter);
$$;

comment on function public.import_start(text, text, boolean, text) is 'Starts an import of the caller''s file in the bucket imports (<own id>/…), csv or json (by the name, if not said), with or without a row of headers. Answers the import; its columns follow when its status is read. Needs leads.import. Errors: permission_denied, import_file_missing, import_too_large, argument_invalid. Answers D2-034.';

create function public.import_map(p_import_id uuid, p_mapping jsonb, p_defaults jsonb default '{}', p_save_as text default null) returns public.imports
language sql volatile security invoker set search_path = '' as $$
  select private.import_map(p_import_id, p_mapping, p_defaults, p_save_as);
$$;

comment on function public.import_map(uuid, jsonb, jsonb, text) is 'Says which column is which field: {"Mobile No": "phone"} or [{column, field}], columns by header or place (#3), fields as in leads, custom_fields.<key>, or external_id; with values for what a row leaves empty, and a name to keep the mapping under. Needs leads.import. Errors: import_column_unknown, import_column_ambiguous, import_column_mapped_twice, import_field_mapped_twice, import_field_unknown, import_state, not_found. Answers D2-034.';

create function public.import_dry_run(p_import_id uuid) returns public.imports
language sql volatile security invoker set search_path = '' as $$
  select private.import_advance(p_import_id, 'checking');
$$;

comment on function public.import_dry_run(uuid) is 'Reads every row under the mapping and decides about it, writing nothing else: new, enquiry (of a known lead), duplicate (of an earlier row), known (imported before), invalid. The counts stand in the import when its status is checked. Needs leads.import. Errors: import_state, not_found. Answers D2-034.';

create function public.import_commit(p_import_id uuid) returns public.imports
language sql volatile security invoker set search_path = '' as $$
  select private.import_advance(p_import_id, 'committing');
$$;

comment on function public.import_commit(uuid) is 'Writes the rows that the dry run found good, a thousand per transaction and two transactions side by side, in the caller''s name: first whom nobody knows, then in the file''s order the enquiries of known people; also goes on with an import that was stopped. Needs leads.import and leads.create. Errors: import_state, not_found. Answers D2-034.';

create function public.import_undo(p_import_id uuid) returns public.imports
language sql volatile security invoker set search_path = '' as $$
  select private.import_advance(p_import_id, 'undoing');
$$;

comment on function public.import_undo(uuid) is 'Takes a whole import back: leads that nobody touched since are erased, enquiries of known leads withdrawn and those leads put back; what was touched stays and is named by import_report(p_decision => ''kept''). Needs leads.import. Errors: import_state, not_found.';

create function public.import_report(p_import_id uuid, p_decision text default null, p_after integer default 0, p_limit integer default 100)
returns table (row_no integer, decision text, outcome text, code text, field text, message text, duplicate_of integer, lead_id uuid, lead_number text, cells text[])
language sql stable security invoker set search_path = '' as $$
  select * from private.import_report(p_import_id, p_decision, p_after, p_limit);
$$;

comment on function public.import_report(uuid, text, integer, integer) is 'The rows of an import with what was decided (p_decision: new, enquiry, duplicate, known, invalid) or done (created, enquiry, skipped, failed, erased, withdrawn, kept) about each, in the file''s order, after row p_after; lead_id only of leads the caller may see. Needs leads.import. Errors: not_found, argument_invalid. Answers D2-034.';

-- Grants

revoke all on public.imports, public.import_mappings from anon, authenticated, service_role;

revoke all on private.import_state, private.import_rows, private.import_chunks from public, anon, authenticated, service_role;

grant select on public.imports to authenticated;

grant select, delete on public.import_mappings to authenticated;

grant select, insert, update, delete on public.imports, public.import_mappings to service_role;

revoke all on function
  private.import_fields(),
  private.import_announce(public.imports),
  private.import_of_caller(uuid),
  private.import_start(text, text, boolean, text),
  private.import_begin(public.imports, text),
  private.import_map(uuid, jsonb, jsonb, text),
  private.import_advance(uuid, text),
  private.import_report(uuid, text, integer, integer)
  from public, anon, authenticated, service_role;

grant execute on function
  private.import_start(text, text, boolean, text),
  private.import_map(uuid, jsonb, jsonb, text),
  private.import_advance(uuid, text),
  private.import_report(uuid, text, integer, integer)
  to authenticated;

revoke all on function
  public.import_start(text, text, boolean, text),
  public.import_map(uuid, jsonb, jsonb, text),
  public.import_dry_run(uuid),
  public.import_commit(uuid),
  public.import_undo(uuid),
  public.import_report(uuid, text, integer, integer)
  from public, anon, authenticated, service_role;

grant execute on function
  public.import_start(text, text, boolean, text),
  public.import_map(uuid, jsonb, jsonb, text),
  public.import_dry_run(uuid),
  public.import_commit(uuid),
  public.import_undo(uuid),
  public.import_report(uuid, text, integer, integer)
  to authenticated;

-- This module's errors

insert into public.error_codes (code, sqlstate, message, hint) values
  ('import_file_missing', 'PT404', 'There is no such file of yours in the bucket imports.', 'Upload it to <your user id>/<name> first.'),
  ('import_too_large', 'PT413', 'The file is larger than imports may be.', 'Split it: 20 MiB and 100,000 rows are the most.'),
  ('import_too_many_rows', 'PT413', 'The file has more than 100,000 rows.', 'Split it.'),
  ('import_file_empty', 'PT422', 'The file has no rows.', 'The first row is taken as headers unless p_has_header is false.'),
  ('import_file_unreadable', 'PT422', 'The file cannot be read as what it is said to be.', 'Save it as CSV in UTF-8, or send a JSON list of objects.'),
  ('import_interrupted', 'PT503', 'The import was interrupted too often.', 'Begin the step again; what is done stays done.'),
  ('import_header_missing', 'PT422', 'The first row does not look like headers.', 'Start again with p_has_header => false, or add a row of headers.'),
  ('import_state', 'PT409', 'The import is not at this step.', 'Its status says where it is.'),
  ('import_column_unknown', 'PT422', 'The file has no such column.', 'The columns stand in the import.'),
  ('import_column_ambiguous', 'PT422', 'Several columns have this header.', 'Name the column by its place, as in #3.'),
  ('import_column_mapped_twice', 'PT422', 'A column can be one field only.', null),
  ('import_field_mapped_twice', 'PT422', 'A field can come from one column only.', null),
  ('import_field_unknown', 'PT422', 'Leads have no such field to import.', 'Use a column of leads, or custom_fields.<key>.'),
  ('row_ragged', 'PT422', 'The row has more or fewer cells than there are columns.', 'Look for a missing or a superfluous delimiter or quote.'),
  ('row_not_an_object', 'PT422', 'The row is not a JSON object.', null),
  ('row_empty', 'PT422', 'The row says nothing about anybody.', null),
  ('row_nameless', 'PT422', 'The row has neither a name nor an e-mail address nor a phone number.', null),
  ('row_refused', 'PT422', 'The database refused the row.', 'The constraint is named in details.'),
  ('quote_unclosed', 'PT422', 'A quoted cell does not end as it should.', 'Double the quotes within a quoted cell.'),
  ('encoding_invalid', 'PT422', 'The row has bytes that are no text in the file''s encoding.', 'Save the file in UTF-8.'),
  ('number_invalid', 'PT422', 'This is not a number.', 'Send digits with at most one point.'),
  ('currency_invalid', 'PT422', 'This is not the code of a currency.', 'Send a code such as INR.'),
  ('value_too_long', 'PT422', 'The value is too long for its field.', null),
  ('lead_touched', 'PT409', 'Somebody has worked on the lead since it was imported.', 'It stays; delete it by hand if it should go.');

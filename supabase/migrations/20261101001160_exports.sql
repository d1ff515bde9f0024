-- Exports: any list the caller may see, as a CSV file.
--
-- The job reads as the person who asked: their role, their row level security, their account and session
-- as they are while it runs, never the sight of a service key. What could be a formula is neutralised, the
-- file lies in the private bucket `exports` until it expires, and every export is in the audit trail.

-- Tables

create table private.export_lists (
  list text primary key,
  relation text not null,
  permission text references public.permissions (key) on update cascade on delete restrict,
  constraint export_lists_relation_is_qualified check (relation ~ '^public\.[a-z_]+$')
);

comment on table private.export_lists is 'Which lists can be exported, and the permission each needs besides sight of its rows. A module''s table that is not there cannot be exported.';

insert into private.export_lists (list, relation, permission) values
  ('leads', 'public.leads', 'leads.export'),
  ('contacts', 'public.contacts', 'leads.export'),
  ('organizations', 'public.organizations', 'leads.export'),
  ('students', 'public.students', 'leads.export'),
  ('deals', 'public.deals', 'leads.export'),
  ('tasks', 'public.tasks', null),
  ('calls', 'public.calls', null),
  ('notes', 'public.notes', null),
  ('reminders', 'public.reminders', null),
  ('communications', 'public.communications', null),
  ('payments', 'public.payments', 'leads.export'),
  ('documents', 'public.documents', 'leads.export'),
  ('campaigns', 'public.campaigns', null),
  ('analytics_events', 'public.analytics_events', null),
  ('integration_logs', 'public.integration_logs', null),
  ('notifications', 'public.notifications', null);

create table public.exports (
  id uuid primary key default private.uuid_v7(),
  created_by uuid not null references public.profiles (id) on delete cascade,
  list text not null references private.export_lists (list) on update cascade on delete restrict,
  filters jsonb not null default '{}',
  columns text[] not null,
  status text not null default 'running',
  failure text,
  row_count integer not null default 0,
  size_bytes bigint,
  storage_path text,
  expires_at timestamptz,
  created_at timestamptz not null default now(),
  finished_at timestamptz,
  constraint exports_status_is_known check (status in ('running', 'done', 'failed', 'expired')),
  constraint exports_that_are_done_have_a_file check ((status = 'done') <= (storage_path is not null and expires_at is not null)),
  constraint exports_path_is_unique unique (storage_path)
);

comment on table public.exports is 'Exports and their files. Everybody sees their own; made by export_start().';

comment on column public.exports.filters is 'Column to value, values, null, or {gte, gt, lte, lt, neq}, of which neq null is any value; of a column that holds several a value that it holds, or values of which it holds one.';

comment on column public.exports.storage_path is 'The file in the bucket exports, to be signed with createSignedUrl().';

comment on column public.exports.expires_at is 'From then on the file cannot be read; it is removed.';

create index exports_of_person on public.exports (created_by, created_at desc);

create table private.export_claims (
  export_id uuid primary key references public.exports (id) on delete cascade,
  claims jsonb not null
);

comment on table private.export_claims is 'The token of who asked. Whether account and session still live is asked at every page.';

insert into storage.buckets (id, name, public, file_size_limit, allowed_mime_types) values ('exports', 'exports', false, 20971520, array['text/csv']);

-- Policies

alter table private.export_lists enable row level security;

alter table private.export_claims enable row level security;

alter table public.exports enable row level security;

create policy exports_read on public.exports for select to authenticated
  using (created_by = (select private.gate_own()));

comment on policy exports_read on public.exports is 'One''s own.';

create policy intake_exports_read on storage.objects for select to authenticated
  using (
    bucket_id = 'exports'
    and exists (
      select from public.exports e
      where e.storage_path = objects.name and e.created_by = (select private.gate_own()) and e.expires_at > now()
    )
  );

-- Functions

create function private.csv_cell(p_text text) returns text
language plpgsql immutable parallel safe set search_path = '' as $$
declare
  -- A spreadsheet would run it: an apostrophe says that it is text. Some begin a cell after each semicolon.
  cell text := case when p_text ~ '(^|;)[=+@\t\r\n-]' then regexp_replace(p_text, '(^|;)(?=[=+@\t\r\n-])', '\1''', 'g') else p_text end;
begin
  return case when cell ~ '[",\r\n]|^\s|\s$' then '"' || replace(cell, '"', '""') || '"' else coalesce(cell, '') end;
end
$$;

comment on function private.csv_cell(text) is 'A text as a CSV cell that no spreadsheet takes for a formula.';

create function private.export_columns(p_relation text) returns text[]
language plpgsql stable set search_path = '' as $$
begin
  return (
    select array_agg(a.attname::text order by a.attnum)
    from pg_catalog.pg_attribute a
    where a.attrelid = to_regclass(p_relation) and a.attnum > 0 and not a.attisdropped
      and has_column_privilege('authenticated', a.attrelid, a.attnum, 'select')
  );
end
$$;

comment on function private.export_columns(text) is 'Columns of a list that people may read.';

create function private.csv_expression(p_column text, p_kind text) returns text
language plpgsql immutable parallel safe set search_path = '' as $$
begin
  return case
    when p_kind in ('timestamptz', 'date') then format('coalesce(to_jsonb(%s) #>> ''{}'', '''')', p_column)
    when p_kind in ('int2', 'int4', 'int8', 'numeric', 'bool', 'uuid') then format('coalesce(%s::text, '''')', p_column)
    when p_kind = '_text' then format('private.csv_cell(array_to_string(%s, '';''))', p_column)
    else format('private.csv_cell(%s::text)', p_column)
  end;
end
$$;

comment on function private.csv_expression(text, text) is 'SQL of a column of this type as a CSV cell.';

create function private.filter_condition(p_kinds jsonb, p_filters jsonb) returns text
language plpgsql stable set search_path = '' as $$
declare
  filter record;
  bound record;
  kind text;
  wanted text[];
  parts text[] := '{}';
begin
  for filter in select f.key, f.value from jsonb_each(p_filters) f loop
    kind := p_kinds ->> filter.key;

    if kind is null then
      perform private.fail('export_column_unknown', left(filter.key, 120));
    end if;

    case jsonb_typeof(filter.value)
      when 'null' then
        parts := parts || format('t.%I is null', filter.key);
      when 'array' then
        wanted := array(select e.value from jsonb_array_elements_text(filter.value) e (value) where e.value is not null);

        parts := parts || case
          when kind like '%[]' then format('t.%I && %L::%s', filter.key, wanted, kind)
          when filter.value @> 'null' then format('(t.%1$I = any (%2$L::%3$s[]) or t.%1$I is null)', filter.key, wanted, kind)
          else format('t.%I = any (%L::%s[])', filter.key, wanted, kind)
        end;
      when 'object' then
        for bound in select b.key, b.value from jsonb_each_text(filter.value) b loop
          -- Compared with null, nothing would ever match.
          if bound.key not in ('gte', 'gt', 'lte', 'lt', 'neq') or (bound.value is null and bound.key <> 'neq') then
            perform private.fail('export_filter_invalid', left(bound.key, 120));
          end if;

          parts := parts || case when bound.value is null then format('t.%I is not null', filter.key) else format(
            't.%I %s %L::%s', filter.key, case bound.key when 'gte' then '>=' when 'gt' then '>' when 'lte' then '<=' when 'lt' then '<' else '<>' end, bound.value, kind
          ) end;
        end loop;
      else
        parts := parts || case
          when kind like '%[]' then format('t.%I @> %L::%s', filter.key, array[filter.value #>> '{}'], kind)
          else format('t.%I = %L::%s', filter.key, filter.value #>> '{}', kind)
        end;
    end case;
  end loop;

  return coalesce(nullif(array_to_string(parts, ' and '), ''), 'true');
end
$$;

comment on function private.filter_condition(jsonb, jsonb) is 'Filters over the columns of t, whose types p_kinds names, as a WHERE clause. Errors: export_column_unknown, export_filter_invalid.';

create function private.export_condition(p_relation text, p_filters jsonb) returns text
language plpgsql stable set search_path = '' as $$
begin
  return private.filter_condition((
    select jsonb_object_agg(a.attname, format_type(a.atttypid, a.atttypmod))
    from pg_catalog.pg_attribute a
    where a.attrelid = to_regclass(p_relation) and a.attname = any (private.export_columns(p_relation))
  ), p_filters);
end
$$;

comment on function private.export_condition(text, jsonb) is 'Filters of an export as a WHERE clause. Errors: export_column_unknown, export_filter_invalid.';

create function private.export_allowed(p_list text) returns void
language plpgsql stable security definer set search_path = '' as $$
declare
  needed text;
begin
  select l.permission into needed from private.export_lists l where l.list = p_list;

  if private.gate_own() is null or (needed is not null and not private.has_permission(needed)) then
    perform private.fail('permission_denied', coalesce(needed, 'export'));
  end if;
end
$$;

comment on function private.export_allowed(text) is 'Error permission_denied unless the caller is active and may export this list.';

create function private.export_start(p_list text, p_filters jsonb, p_columns text[]) returns public.exports
language plpgsql volatile security definer set search_path = '' as $$
declare
  target text;
  known text[];
  wrong text;
  made public.exports;
begin
  perform private.export_allowed(p_list);

  select l.relation into target from private.export_lists l where l.list = p_list and to_regclass(l.relation) is not null;

  if target is null then
    perform private.fail('export_list_unknown', left(p_list, 80));
  end if;

  if jsonb_typeof(coalesce(p_filters, '{}')) <> 'object' then
    perform private.fail('export_filter_invalid', 'p_filters is an object');
  end if;

  known := private.export_columns(target);

  select c into wrong from unnest(p_columns) c where c <> all (known) or c is null limit 1;

  if wrong is not null or cardinality(p_columns) = 0 then
    perform private.fail('export_column_unknown', left(wrong, 120));
  end if;

  -- A value that is none of its column's kind is said now, not by the job.
  begin
    execute format('select from %s t where %s limit 0', target, private.export_condition(target, coalesce(p_filters, '{}')));
  exception when data_exception or undefined_function or datatype_mismatch then
    perform private.fail('export_filter_invalid', sqlerrm);
  end;

  insert into public.exports (created_by, list, filters, columns)
  values (private.gate_own(), p_list, coalesce(p_filters, '{}'), coalesce(p_columns, known))
  returning * into made;

  insert into private.export_claims (export_id, claims)
  values (made.id, jsonb_build_object('sub', made.created_by, 'role', 'authenticated', 'session_id', private.session_id()));

  perform private.enqueue('export.run', jsonb_build_object('export_id', made.id), p_dedupe_key => made.id::text, p_max_attempts => 5);

  return made;
end
$$;

comment on function private.export_start(text, jsonb, text[]) is 'Body of public.export_start().';

create function public.export_start(p_list text, p_filters jsonb default '{}', p_columns text[] default null) returns public.exports
language sql volatile security invoker set search_path = '' as $$
  select private.export_start(p_list, p_filters, p_columns);
$$;

comment on function public.export_start(text, jsonb, text[]) is 'Exports a list (leads, contacts, organizations, students, deals, tasks, calls, notes, reminders, communications, payments, documents, campaigns, analytics_events, integration_logs, notifications) as CSV: of the rows the caller sees, those that the filters match ({"status": "new"}, {"status": ["new", "contacted"]}, {"created_at": {"gte": "2026-11-01"}}, {"tags": "vip"}, {"deal_id": {"neq": null}}), in the columns named or all. Answers the export; its file can be signed when its status is done. People''s data needs leads.export. Errors: permission_denied, export_list_unknown, export_column_unknown, export_filter_invalid. Answers D2-034, D4-099.';

create function private.export_open(p_export_id uuid) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  return (
    select to_jsonb(e) || jsonb_build_object('claims', c.claims)
    from public.exports e
    join private.export_claims c on c.export_id = e.id
    where e.id = p_export_id
  );
end
$$;

comment on function private.export_open(uuid) is 'An export as the worker needs it, null if there is none.';

create function private.export_page(p_export_id uuid, p_after uuid default null, p_limit integer default 5000)
returns table (csv text, last_id uuid, row_count integer)
language plpgsql stable security invoker set search_path = '' as $$
declare
  wanted public.exports;
  target text;
  cells text;
begin
  select * into wanted from public.exports e where e.id = p_export_id;

  perform private.export_allowed(wanted.list);

  target := private.export_relation(wanted.list);

  select string_agg(private.csv_expression(format('t.%I', c.name), k.typname), ' || '','' || ' order by c.place) into cells
  from unnest(wanted.columns) with ordinality c (name, place)
  join pg_catalog.pg_attribute a on a.attrelid = to_regclass(target) and a.attname = c.name
  join pg_catalog.pg_type k on k.oid = a.atttypid;

  return query execute format(
    'select string_agg(p.line || E''\r\n'', '''' order by p.id), (array_agg(p.id order by p.id desc))[1], count(*)::integer
     from (select t.id, %s as line from %s t where %s and %s and ($1 is null or t.id > $1) order by t.id limit $2) p',
    cells, target, private.export_condition(target, wanted.filters),
    -- The policies protect; this lets the planner use the owner and team indexes.
    case wanted.list when 'leads' then private.scope_filter('t') else 'true' end
  ) using p_after, p_limit;
end
$$;

comment on function private.export_page(uuid, uuid, integer) is 'The next rows of an export as CSV lines, under the caller''s row level security.';

create function private.export_relation(p_list text) returns text
language plpgsql stable security definer set search_path = '' as $$
begin
  return (select l.relation from private.export_lists l where l.list = p_list);
end
$$;

comment on function private.export_relation(text) is 'The table of a list.';

create function private.export_announce(p_export public.exports) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform realtime.send(
    jsonb_build_object('id', p_export.id, 'status', p_export.status, 'row_count', p_export.row_count),
    'export_progress', 'user:' || p_export.created_by, true
  );
end
$$;

comment on function private.export_announce(public.exports) is 'Tells the owner''s open browsers that an export ended: ids and counts only.';

create function private.export_finish(p_export_id uuid, p_path text, p_rows integer, p_bytes bigint) returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
  made public.exports;
  service_claims text := current_setting('request.jwt.claims', true);
begin
  update public.exports e
  set status = 'done', storage_path = p_path, row_count = p_rows, size_bytes = p_bytes, finished_at = now(),
    expires_at = coalesce(e.expires_at, now() + make_interval(hours => (private.setting('exports.keep_hours'))::integer))
  where e.id = p_export_id and e.status = 'running'
  returning * into made;

  if made.id is null then
    return;
  end if;

  -- In the name of who has the data now.
  perform set_config('request.jwt.claims', (select c.claims::text from private.export_claims c where c.export_id = p_export_id), true);

  perform private.audit('export', made.list, made.id::text, null, jsonb_build_object('filters', made.filters, 'columns', to_jsonb(made.columns), 'rows', p_rows));

  perform set_config('request.jwt.claims', service_claims, true);

  perform private.enqueue('export.expire', jsonb_build_object('export_id', made.id), made.expires_at, made.id::text);

  perform private.export_announce(made);
end
$$;

comment on function private.export_finish(uuid, text, integer, bigint) is 'The file is there: says so, writes the audit trail, and plans its end.';

create function private.export_fail(p_export_id uuid, p_code text) returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
  made public.exports;
begin
  update public.exports e
  set status = 'failed', failure = p_code, finished_at = now()
  where e.id = p_export_id and e.status = 'running'
  returning * into made;

  if made.id is not null then
    perform private.export_announce(made);
  end if;
end
$$;

comment on function private.export_fail(uuid, text) is 'Ends an export with a code of the catalogue.';

create function private.export_expired(p_export_id uuid) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  update public.exports e set status = 'expired', storage_path = null where e.id = p_export_id and e.status = 'done';
end
$$;

comment on function private.export_expired(uuid) is 'The file is gone.';

-- Grants

revoke all on public.exports from anon, authenticated, service_role;

revoke all on private.export_lists, private.export_claims from public, anon, authenticated, service_role;

grant select on public.exports to authenticated;

grant select, insert, update, delete on public.exports to service_role;

revoke all on function
  private.csv_cell(text),
  private.csv_expression(text, text),
  private.filter_condition(jsonb, jsonb),
  private.export_columns(text),
  private.export_condition(text, jsonb),
  private.export_allowed(text),
  private.export_start(text, jsonb, text[]),
  private.export_open(uuid),
  private.export_page(uuid, uuid, integer),
  private.export_relation(text),
  private.export_announce(public.exports),
  private.export_finish(uuid, text, integer, bigint),
  private.export_fail(uuid, text),
  private.export_expired(uuid),
  public.export_start(text, jsonb, text[])
  from public, anon, authenticated, service_role;

grant execute on function
  private.csv_cell(text),
  private.csv_expression(text, text),
  private.filter_condition(jsonb, jsonb),
  private.export_columns(text),
  private.export_condition(text, jsonb),
  private.export_allowed(text),
  private.export_start(text, jsonb, text[]),
  private.export_page(uuid, uuid, integer),
  private.export_relation(text),
  public.export_start(text, jsonb, text[])
  to authenticated;

grant execute on function
  private.export_open(uuid),
  private.export_finish(uuid, text, integer, bigint),
  private.export_fail(uuid, text),
  private.export_expired(uuid)
  to service_role;

-- This module's errors and setting

insert into public.error_codes (code, sqlstate, message, hint) values
  ('export_list_unknown', 'PT404', 'There is no such list to export.', 'leads, contacts, organizations, students, deals, tasks, calls, notes, reminders, communications, payments, documents, campaigns, analytics_events, integration_logs or notifications.'),
  ('export_column_unknown', 'PT422', 'The list has no such column.', 'Name columns as the table has them.'),
  ('export_filter_invalid', 'PT422', 'A filter is not as it should be.', 'Send {column: value}, {column: [values]}, {column: null} or {column: {gte, gt, lte, lt, neq}}.'),
  ('export_too_large', 'PT413', 'The list is too long for one file.', 'Narrow it by filters: 100,000 rows and 20 MiB are the most.'),
  ('export_interrupted', 'PT503', 'The export was interrupted too often.', 'Start it again.');

select private.define_setting('exports.keep_hours', '24', 'integer', 'Hours that the file of an export can be read', 1, 720);

-- Report runs: a report as a file, once and by itself or by a schedule.
--
-- A job evaluates the report in one statement, so that the file is of one moment, with the rights its owner
-- has at that moment: for this the transaction signs the owner in with a session that ends within it and
-- that nobody else ever sees. The rows then wait in chunks; the file is made of them and can be made again
-- without asking anew. It lies in the private bucket `reports`, for its owner alone, until it expires.

-- Tables

create table public.report_runs (
  id uuid primary key default private.uuid_v7(),
  report_id uuid references public.reports (id) on delete set null,
  created_by uuid not null references public.profiles (id) on delete cascade,
  name text not null,
  format text not null default 'csv',
  status text not null default 'queued',
  failure text,
  row_count integer not null default 0,
  size_bytes bigint,
  storage_path text,
  download_url text generated always as (case when storage_path is not null then '/functions/v1/reports/runs/' || id || '/file' end) stored,
  expires_at timestamptz,
  created_at timestamptz not null default now(),
  finished_at timestamptz,
  constraint report_runs_format_is_known check (format in ('csv', 'json')),
  constraint report_runs_status_is_known check (status in ('queued', 'running', 'done', 'failed', 'expired')),
  constraint report_runs_that_are_done_have_a_file check ((status = 'done') <= (storage_path is not null and expires_at is not null)),
  constraint report_runs_path_is_unique unique (storage_path)
);

comment on table public.report_runs is 'The history of reports as files. Everybody sees their own; made by report_export() and by schedules. List: select().eq("report_id", id).order("created_at", {ascending: false}).range(from, to).';

comment on column public.report_runs.created_by is 'With whose rights it ran, and whose file it is.';

comment on column public.report_runs.name is 'What the report was called.';

comment on column public.report_runs.failure is 'Code of the catalogue.';

comment on column public.report_runs.storage_path is 'The file in the bucket reports, which createSignedUrl() signs for its owner.';

comment on column public.report_runs.download_url is 'To be put after the project''s URL and called with the access token: leads to the file.';

comment on column public.report_runs.expires_at is 'From then on the file cannot be read; it is removed.';

create index report_runs_of_person on public.report_runs (created_by, created_at desc);

create index report_runs_of_report on public.report_runs (report_id, created_at desc) where report_id is not null;

create index report_runs_ended on public.report_runs (finished_at) where status in ('failed', 'expired');

create index report_runs_open on public.report_runs (created_by) where status in ('queued', 'running');

create table private.report_chunks (
  run_id uuid references public.report_runs (id) on delete cascade,
  chunk integer,
  body text not null,
  primary key (run_id, chunk)
);

comment on table private.report_chunks is 'The text of a run''s file between its evaluation and its end, in order, a thousand rows to a chunk.';

insert into storage.buckets (id, name, public, file_size_limit, allowed_mime_types)
values ('reports', 'reports', false, 20971520, array['text/csv', 'application/json']);

-- Policies

alter table public.report_runs enable row level security;

alter table private.report_chunks enable row level security;

create policy report_runs_read on public.report_runs for select to authenticated
  using ((select private.has_permission('reports.view')) and created_by = (select private.gate_own()));

comment on policy report_runs_read on public.report_runs is 'One''s own, with reports.view.';

create policy intake_reports_read on storage.objects for select to authenticated
  using (
    bucket_id = 'reports'
    and (select private.has_permission('reports.export'))
    and exists (
      select from public.report_runs r
      where r.storage_path = objects.name and r.created_by = (select private.gate_own()) and r.expires_at > now()
    )
  );

-- Functions

create function private.report_request(p_report_id uuid, p_owner_id uuid, p_format text) returns public.report_runs
language plpgsql volatile security definer set search_path = '' as $$
declare
  made public.report_runs;
begin
  insert into public.report_runs (report_id, created_by, name, format)
  select r.id, p_owner_id, r.name, p_format from public.reports r where r.id = p_report_id
  returning * into made;

  perform private.audit('export', 'reports', p_report_id::text, null, jsonb_build_object('run', made.id, 'format', p_format, 'owner', p_owner_id));

  perform private.enqueue('report.run', jsonb_build_object('run_id', made.id), p_dedupe_key => made.id::text, p_max_attempts => 5);

  return made;
end
$$;

comment on function private.report_request(uuid, uuid, text) is 'Writes down a run, says so in the audit trail, and has it made. Who may, is for the caller to know.';

create function private.report_export(p_report_id uuid, p_format text) returns public.report_runs
language plpgsql volatile security definer set search_path = '' as $$
declare
  owner uuid := private.gate_own();
begin
  perform private.require_permission('reports.export');

  if p_format in ('pdf', 'xlsx', 'sheets') then
    perform private.fail('report_format_unavailable', p_format);
  elsif p_format is null or p_format not in ('csv', 'json') then
    perform private.fail('argument_invalid', 'p_format is csv or json');
  end if;

  -- One person's exports at a time are counted one after the other.
  perform from public.profiles p where p.id = owner for no key update;

  if (select count(*) from public.report_runs r where r.created_by = owner and r.status in ('queued', 'running')) >= 10 then
    perform private.fail('report_busy');
  end if;

  return private.report_request(p_report_id, owner, p_format);
end
$$;

comment on function private.report_export(uuid, text) is 'Body of public.report_export(), which has looked whether the caller sees the report.';

create function public.report_export(p_report_id uuid, p_format text default 'csv') returns public.report_runs
language plpgsql volatile security invoker set search_path = '' as $$
begin
  perform private.require_permission('reports.view');

  if not exists (select from public.reports r where r.id = p_report_id) then
    perform private.fail('not_found', 'report');
  end if;

  return private.report_export(p_report_id, lower(p_format));
end
$$;

comment on function public.report_export(uuid, text) is 'Has a report written as csv or json: 100,000 rows and 20 MiB at most, with the rights the caller has when it runs. Answers the run; when its status is done (report_progress on user:<id>), download_url leads to the file until expires_at. The function reports waits for that. Needs reports.view and reports.export, and the file of a list the permission its rows need. Errors: permission_denied, not_found, argument_invalid, report_format_unavailable, report_busy.';

create function private.report_sign_in(p_person uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  session_id uuid := gen_random_uuid();
begin
  insert into auth.sessions (id, user_id, created_at, updated_at) values (session_id, p_person, now(), now());

  return jsonb_build_object('sub', p_person, 'role', 'authenticated', 'session_id', session_id);
end
$$;

comment on function private.report_sign_in(uuid) is 'Claims of a session for the rest of the transaction, which ends it with report_store(). Of who is not active the gates let nothing through.';

create function private.report_store(p_run_id uuid, p_session_id uuid, p_bodies text[], p_rows integer) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  delete from auth.sessions s where s.id = p_session_id;

  insert into private.report_chunks (run_id, chunk, body)
  select p_run_id, b.chunk, b.body from unnest(p_bodies) with ordinality b (body, chunk);

  update public.report_runs r set status = 'running', row_count = p_rows where r.id = p_run_id;
end
$$;

comment on function private.report_store(uuid, uuid, text[], integer) is 'Keeps what was read, and ends the session it was read with.';

create function private.report_evaluate(p_run_id uuid) returns void
language plpgsql volatile security invoker set search_path = '' as $$
declare
  service_claims text := current_setting('request.jwt.claims', true);
  service_role text := current_setting('role', true);
  most_rows constant integer := 100000;
  most_bytes constant integer := 20 * 1024 * 1024;
  run public.report_runs;
  report public.reports;
  claims jsonb;
  plan jsonb;
  line text;
  opening text;
  between text := '';
  ending text := '';
  bodies text[];
  found_rows integer;
begin
  select * into run from public.report_runs r where r.id = p_run_id for update;

  if run.status is distinct from 'queued' then
    return;
  end if;

  claims := private.report_sign_in(run.created_by);

  perform set_config('request.jwt.claims', claims::text, true), set_config('role', 'authenticated', true);

  perform private.require_permission('reports.view'), private.require_permission('reports.export');

  select * into report from public.reports r where r.id = run.report_id;

  if report.id is null then
    perform private.fail('not_found', 'report');
  end if;

  plan := private.report_plan(report);

  if plan ->> 'permission' is not null then
    perform private.require_permission(plan ->> 'permission');
  end if;

  if run.format = 'csv' then
    select string_agg(c.name, ',' order by c.place) || E'\r\n',
      string_agg(private.csv_expression(format('t.%I', c.name), c.kind), ' || '','' || ' order by c.place) || ' || E''\r\n'''
    into opening, line
    from rows from (jsonb_to_recordset(plan -> 'columns') as (name text, kind text)) with ordinality c (name, kind, place);
  else
    opening := format('{"name": %s, "generated_at": %s, "columns": %s, "rows": [', to_json(run.name), to_json(now()), plan -> 'columns');
    line := 'row_to_json(t)::text';
    between := E',\n';
    ending := ']}';
  end if;

  execute format(
    'select coalesce(array_agg(c.body order by c.chunk), ''{}''), coalesce(sum(c.lines), 0)::integer
     from (
       select (p.place - 1) / 1000 as chunk, string_agg(case when p.place > 1 then %1$L else '''' end || p.line, '''' order by p.place) as body, count(*) as lines
       from (select row_number() over () as place, %2$s as line from (%3$s%4$s limit %5$s) t) p
       group by 1
     ) c',
    between, line, plan ->> 'query', plan ->> 'order', most_rows + 1
  ) into bodies, found_rows;

  bodies := opening || bodies || ending;

  if found_rows > most_rows or (select sum(octet_length(b)) from unnest(bodies) b) > most_bytes then
    perform private.fail('export_too_large');
  end if;

  perform set_config('role', service_role, true), set_config('request.jwt.claims', coalesce(service_claims, ''), true);

  perform private.report_store(run.id, (claims ->> 'session_id')::uuid, bodies, found_rows);
end
$$;

comment on function private.report_evaluate(uuid) is 'Reads a run''s report once, as its owner and with what they may see now, and keeps the rows in chunks. Errors: permission_denied, not_found, report_invalid, export_too_large; whoever calls it ends the run with them.';

create function private.report_open(p_run_id uuid) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  return (
    select to_jsonb(r) || jsonb_build_object(
      'chunks', (select count(*) from private.report_chunks c where c.run_id = r.id)
    )
    from public.report_runs r
    where r.id = p_run_id
  );
end
$$;

comment on function private.report_open(uuid) is 'A run as the worker needs it, with how many chunks wait; null if there is none.';

create function private.report_chunk(p_run_id uuid, p_chunk integer) returns text
language plpgsql stable security definer set search_path = '' as $$
begin
  return (select c.body from private.report_chunks c where c.run_id = p_run_id and c.chunk = p_chunk);
end
$$;

comment on function private.report_chunk(uuid, integer) is 'One chunk of a run, from 1.';

create function private.report_announce(p_run public.report_runs) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform realtime.send(
    jsonb_build_object('id', p_run.id, 'report_id', p_run.report_id, 'status', p_run.status, 'row_count', p_run.row_count),
    'report_progress', 'user:' || p_run.created_by, true
  );
end
$$;

comment on function private.report_announce(public.report_runs) is 'Tells the owner''s open browsers that a run ended: ids and counts only.';

create function private.report_finish(p_run_id uuid, p_path text, p_bytes bigint) returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
  made public.report_runs;
begin
  update public.report_runs r
  set status = 'done', storage_path = p_path, size_bytes = p_bytes, finished_at = now(),
    expires_at = coalesce(r.expires_at, now() + make_interval(hours => (private.setting('reports.keep_hours'))::integer))
  where r.id = p_run_id and r.status = 'running'
  returning * into made;

  -- Ended meanwhile, or gone with its owner: the file goes too.
  perform private.enqueue('report.expire', jsonb_build_object('run_id', p_run_id, 'path', p_path), coalesce(made.expires_at, now()), p_run_id::text);

  delete from private.report_chunks c where c.run_id = p_run_id;

  if made.id is not null then
    perform private.report_announce(made);
  end if;
end
$$;

comment on function private.report_finish(uuid, text, bigint) is 'The file is there: says so, and plans its end.';

create function private.report_fail(p_run_id uuid, p_code text) returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
  made public.report_runs;
begin
  update public.report_runs r
  set status = 'failed', failure = p_code, finished_at = now()
  where r.id = p_run_id and r.status in ('queued', 'running')
  returning * into made;

  delete from private.report_chunks c where c.run_id = p_run_id;

  if made.id is not null then
    perform private.report_announce(made);
  end if;
end
$$;

comment on function private.report_fail(uuid, text) is 'Ends a run with a code of the catalogue.';

create function private.report_expired(p_run_id uuid) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  update public.report_runs r set status = 'expired', storage_path = null where r.id = p_run_id and r.status = 'done';
end
$$;

comment on function private.report_expired(uuid) is 'The file is gone.';

create function private.erase_from_reports(p_emails text[], p_phones text[]) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  patterns text[] := array(select private.like_pattern(v) from unnest(p_emails || p_phones) v);
  ids jsonb;
begin
  -- Whom a file lists is not known: every one that is there, or is being written, ends now.
  update private.jobs j
  set run_at = now()
  from public.report_runs r
  where r.status = 'done' and j.kind = 'report.expire' and j.dedupe_key = r.id::text and j.lease is null;

  update public.report_runs r set expires_at = now() where r.status = 'running' or (r.status = 'done' and r.expires_at > now());

  delete from private.report_chunks;

  with asked_for as (
    update public.reports r set filters = '{}' where lower(r.filters::text) like any (patterns) returning r.id
  )
  select jsonb_agg(a.id) into ids from asked_for a;

  return case when ids is null then '{}' else jsonb_build_object('reports', ids) end;
end
$$;

comment on function private.erase_from_reports(text[], text[]) is 'Lets every file of a report expire, and takes a person''s address out of definitions; answers of which: {reports: [ids]}.';

-- Grants

revoke all on public.report_runs from anon, authenticated, service_role;

revoke all on private.report_chunks from public, anon, authenticated, service_role;

grant select on public.report_runs to authenticated;

grant select, insert, update, delete on public.report_runs to service_role;

revoke all on function
  private.report_request(uuid, uuid, text),
  private.report_export(uuid, text),
  public.report_export(uuid, text),
  private.report_sign_in(uuid),
  private.report_store(uuid, uuid, text[], integer),
  private.report_evaluate(uuid),
  private.report_open(uuid),
  private.report_chunk(uuid, integer),
  private.report_announce(public.report_runs),
  private.report_finish(uuid, text, bigint),
  private.report_fail(uuid, text),
  private.report_expired(uuid),
  private.erase_from_reports(text[], text[])
  from public, anon, authenticated, service_role;

grant execute on function
  private.report_export(uuid, text),
  public.report_export(uuid, text)
  to authenticated;

grant execute on function
  private.report_sign_in(uuid),
  private.report_store(uuid, uuid, text[], integer),
  private.report_evaluate(uuid),
  private.report_open(uuid),
  private.report_chunk(uuid, integer),
  private.report_finish(uuid, text, bigint),
  private.report_fail(uuid, text),
  private.report_expired(uuid)
  to service_role;

-- This module's permission, errors and setting

insert into public.permissions (key, description) values
  ('reports.export', 'Have reports written as files, now and by schedule');

insert into public.role_permissions (role_id, permission)
select r.id, 'reports.export' from public.roles r where r.key = 'manager';

insert into public.error_codes (code, sqlstate, message, hint) values
  ('report_format_unavailable', 'PT422', 'Reports are not written in this format.', 'Send csv or json; spreadsheets open csv.'),
  ('report_busy', 'PT429', 'Ten of your reports are being written already.', 'Wait for one of them.'),
  ('report_too_slow', 'PT422', 'The report takes too long.', 'Narrow it by dates and filters, or group it.');

select private.define_setting('reports.keep_hours', '24', 'integer', 'Hours that the file of a report can be read', 1, 720);

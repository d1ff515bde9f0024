-- Audit: who changed what, when, in whose name, from what to what.
--
-- One row per changed row, with the changed columns before and after, written by trigger in the transaction
-- of the change: a write that fails leaves no trace, and a write that succeeds cannot avoid one. Nobody
-- changes or deletes an entry, not even a service key. What was erased for good keeps its entries as facts (who,
-- when, which row, which columns), and loses what they said: see private.audit_erase(). Partitions by
-- month lie in the private schema, so that nothing but the table with its policy is ever exposed; old ones are
-- dropped whole.

-- Tables

create table public.audit_logs (
  id uuid not null default private.uuid_v7(),
  created_at timestamptz not null default now(),
  user_id uuid,
  impersonator_id uuid,
  actor_role text not null,
  session_id uuid,
  request_id text,
  action text not null,
  resource text not null,
  record_id text,
  before jsonb,
  after jsonb,
  constraint audit_logs_pkey primary key (id, created_at),
  -- Lengths beside the patterns: bounds within one cost more than the rest of the row.
  constraint audit_logs_action_is_snake_case check (action ~ '^[a-z][a-z0-9_]*$' and length(action) <= 63),
  constraint audit_logs_resource_is_a_name check (resource ~ '^[a-z][a-z0-9_.]*$' and length(resource) <= 127)
) partition by range (created_at);

comment on table public.audit_logs is 'The audit trail, append only. Entries about a row that was erased for good, or purged after its retention, stay as facts; their values read "[erased]". Read with audit.read; search with audit_search().';

comment on column public.audit_logs.created_at is 'When the transaction of the change began.';

comment on column public.audit_logs.user_id is 'Who did it; null for a provider, a job or a person at the database. No foreign key: the trail outlives the account.';

comment on column public.audit_logs.impersonator_id is 'The administrator who acted as user_id, if one did.';

comment on column public.audit_logs.actor_role is 'authenticated, service_role, automation, or the database role outside of the API.';

comment on column public.audit_logs.session_id is 'The Auth session of the caller''s token.';

comment on column public.audit_logs.request_id is 'Id of the request, to find it in the logs of the API; of automation, the id of the run.';

comment on column public.audit_logs.action is 'insert, update or delete; other verbs, such as export or erase, for what is no change of a row.';

comment on column public.audit_logs.resource is 'The table, or what else was acted on.';

comment on column public.audit_logs.record_id is 'Primary key of the row; of several columns joined by a colon.';

comment on column public.audit_logs.before is 'Changed columns before; the whole row of a delete; null of an insert.';

comment on column public.audit_logs.after is 'Changed columns after; the whole row of an insert; null of a delete.';

create index audit_logs_newest on public.audit_logs (created_at desc, id desc);

create index audit_logs_of_record on public.audit_logs (resource, record_id, created_at desc);

-- A row that people delete for good is still its lead's when the lead is erased.
create index audit_logs_of_lead on public.audit_logs ((coalesce(after, before) ->> 'lead_id')) where resource = 'lead_identities';

create index audit_logs_of_user on public.audit_logs (user_id, created_at desc) where user_id is not null;

create table private.audit_logs_other partition of public.audit_logs default;

comment on table private.audit_logs_other is 'Entries of a month whose partition was not made in time: none, as long as the daily schedule runs.';

alter table private.audit_logs_other enable row level security;

revoke all on private.audit_logs_other from anon, authenticated, service_role;

-- Policies

alter table public.audit_logs enable row level security;

create policy audit_logs_read on public.audit_logs for select to authenticated
  using ((select private.has_permission('audit.read')));

comment on policy audit_logs_read on public.audit_logs is 'The only policy: entries are written by trigger, and changed by nobody.';

-- Triggers

create function private.blanked(p_values jsonb) returns jsonb
language sql immutable parallel safe set search_path = '' as $$
  select case when p_values is not null then coalesce((select jsonb_object_agg(k, '[erased]') from jsonb_object_keys(p_values) k), '{}') end
$$;

comment on function private.blanked(jsonb) is 'Which columns an entry tells of, without what it told.';

create function private.refuse_audit_change() returns trigger
language plpgsql set search_path = '' as $$
begin
  -- Within audit_erase() an entry loses its contents, and nothing else of it moves.
  if tg_op = 'UPDATE' and current_setting('intake.erasing', true) = 'on'
    and to_jsonb(new) = to_jsonb(old) || jsonb_build_object('before', private.blanked(old.before), 'after', private.blanked(old.after)) then
    return new;
  end if;

  perform private.fail('audit_is_append_only', tg_op);
  return null;
end
$$;

comment on function private.refuse_audit_change() is 'The trail stays what it was, whoever asks; contents alone go, by audit_erase().';

create trigger refuse_change
  before update or delete on public.audit_logs
  for each row execute function private.refuse_audit_change();

create trigger refuse_truncate
  before truncate on public.audit_logs
  for each statement execute function private.refuse_audit_change();

create trigger refuse_truncate
  before truncate on private.audit_logs_other
  for each statement execute function private.refuse_audit_change();

-- Functions

create function private.audit(p_action text, p_resource text, p_record_id text, p_before jsonb default null, p_after jsonb default null) returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
  -- Read here rather than through helpers: this runs once per changed row.
  claims jsonb := nullif(current_setting('request.jwt.claims', true), '')::jsonb;
  headers jsonb := nullif(current_setting('request.headers', true), '')::jsonb;
  run text := nullif(current_setting('intake.automation', true), '');
begin
  insert into public.audit_logs (user_id, impersonator_id, actor_role, session_id, request_id, action, resource, record_id, before, after)
  values (
    (claims ->> 'sub')::uuid,
    (claims -> 'act' ->> 'sub')::uuid,
    coalesce(claims ->> 'role', case when run is not null then 'automation' end, session_user),
    (claims ->> 'session_id')::uuid,
    left(coalesce(headers ->> 'x-request-id', headers ->> 'sb-request-id', run), 100),
    p_action,
    p_resource,
    p_record_id,
    p_before,
    p_after
  );
end
$$;

comment on function private.audit(text, text, text, jsonb, jsonb) is 'Writes one entry in the caller''s name; by itself for what no row trigger sees, such as an export.';

create function private.audit_erase(p_resource text, p_record_id text, p_records jsonb, p_moments timestamptz[] default '{}') returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  record_ids record;
  changed integer;
  entries integer := 0;
begin
  perform set_config('intake.erasing', 'on', true);

  for record_ids in select r.key as resource, array(select jsonb_array_elements_text(r.value)) as ids from jsonb_each(p_records) r loop
    update public.audit_logs a
    set before = private.blanked(a.before), after = private.blanked(a.after)
    where a.resource = record_ids.resource and a.record_id = any (record_ids.ids);

    get diagnostics changed = row_count;

    entries := entries + changed;
  end loop;

  update public.audit_logs a
  set before = private.blanked(a.before), after = private.blanked(a.after)
  where a.created_at = any (p_moments);

  perform set_config('intake.erasing', '', true);

  perform private.audit('erase', p_resource, p_record_id, null, jsonb_build_object(
    'entries', entries, 'rows', (select jsonb_object_agg(r.key, jsonb_array_length(r.value)) from jsonb_each(p_records) r)
  ));

  return entries;
end
$$;

comment on function private.audit_erase(text, text, jsonb, timestamptz[]) is 'Takes the contents out of every entry about the records named, {table: [ids]}, and out of those written at certain moments, and writes an entry that it did. The only way in which an entry changes: who did what to which row, and when, stays.';

create function private.record_key(p_table regclass, p_row jsonb) returns text
language plpgsql stable set search_path = '' as $$
begin
  return (
    select string_agg(p_row ->> a.attname, ':' order by k.place)
    from pg_catalog.pg_index i
    cross join unnest(i.indkey::smallint[]) with ordinality k (attnum, place)
    join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
    where i.indrelid = p_table and i.indisprimary
  );
end
$$;

comment on function private.record_key(regclass, jsonb) is 'Primary key of a row as text, its columns joined by a colon.';

create function private.audit_row() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  -- What every write moves says nothing.
  noise constant text[] := array['updated_at', 'version'];
  old_row jsonb := case when tg_op <> 'INSERT' then to_jsonb(old) - noise end;
  new_row jsonb := case when tg_op <> 'DELETE' then to_jsonb(new) - noise end;
  key text;
  hidden text;
begin
  if tg_op = 'UPDATE' and old_row = new_row then
    return null;
  end if;

  key := coalesce(coalesce(new_row, old_row) ->> 'id', private.record_key(tg_relid, coalesce(new_row, old_row)));

  if tg_op = 'UPDATE' then
    select jsonb_object_agg(c.key, old_row -> c.key), jsonb_object_agg(c.key, c.value)
    into old_row, new_row
    from jsonb_each(new_row) c
    where c.value is distinct from old_row -> c.key;
  else
    old_row := jsonb_strip_nulls(old_row);
    new_row := jsonb_strip_nulls(new_row);
  end if;

  if tg_nargs > 0 then
    foreach hidden in array tg_argv loop
      if old_row -> hidden <> 'null' then
        old_row := jsonb_set(old_row, array[hidden], '"[redacted]"');
      end if;

      if new_row -> hidden <> 'null' then
        new_row := jsonb_set(new_row, array[hidden], '"[redacted]"');
      end if;
    end loop;
  end if;

  perform private.audit(lower(tg_op), tg_table_name, key, old_row, new_row);

  return null;
end
$$;

create function private.audit_rows() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  -- Read once per statement: many rows cost little more than themselves.
  claims jsonb := nullif(current_setting('request.jwt.claims', true), '')::jsonb;
  headers jsonb := nullif(current_setting('request.headers', true), '')::jsonb;
  run text := nullif(current_setting('intake.automation', true), '');
  actor uuid := claims ->> 'sub';
  impersonator uuid := claims -> 'act' ->> 'sub';
  actor_role text := coalesce(claims ->> 'role', case when run is not null then 'automation' end, session_user);
  session uuid := claims ->> 'session_id';
  request text := left(coalesce(headers ->> 'x-request-id', headers ->> 'sb-request-id', run), 100);
begin
  insert into public.audit_logs (user_id, impersonator_id, actor_role, session_id, request_id, action, resource, record_id, before, after)
  select actor, impersonator, actor_role, session, request, lower(tg_op), tg_table_name, r.id::text,
    case when tg_op = 'DELETE' then r.contents end, case when tg_op = 'INSERT' then r.contents end
  from (select a.id, jsonb_strip_nulls(to_jsonb(a)) - array['updated_at', 'version'] as contents from affected a) r;

  return null;
end
$$;

comment on function private.audit_rows() is 'Statement trigger that writes what audit_row() writes of inserts and deletes, for tables of which many rows come and go at once and whose key is id. Attach as: create trigger audit_created after insert on … referencing new table as affected for each statement execute function private.audit_rows(); audit_deleted after delete with the old table; and audit_row() for update.';

comment on function private.audit_row() is 'Row trigger that writes the audit trail. Its arguments are columns whose change is told but whose values are not. Attach as: create trigger audit after insert or update or delete on … for each row execute function private.audit_row(''column'', …).';

create function private.audit_maintain(p_months_ahead integer default 3) returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
  this_month date := date_trunc('month', now() at time zone 'UTC')::date;
  keep_months integer := (private.setting('audit.retention_months'))::integer;
  month date;
  part record;
begin
  for month in select generate_series(this_month, this_month + make_interval(months => p_months_ahead), interval '1 month')::date loop
    continue when to_regclass(format('private.audit_logs_%s', to_char(month, 'YYYY_MM'))) is not null;

    if exists (
      select from private.audit_logs_other o
      where o.created_at >= month::timestamp at time zone 'UTC'
        and o.created_at < (month + interval '1 month') at time zone 'UTC'
    ) then
      raise warning 'audit_logs: entries of % stay in the default partition', month;
      continue;
    end if;

    execute format(
      'create table private.audit_logs_%s partition of public.audit_logs for values from (%L) to (%L)',
      to_char(month, 'YYYY_MM'), month::text || ' 00:00:00+00', (month + interval '1 month')::date::text || ' 00:00:00+00'
    );

    execute format('alter table private.audit_logs_%s enable row level security', to_char(month, 'YYYY_MM'));

    execute format('revoke all on private.audit_logs_%s from anon, authenticated, service_role', to_char(month, 'YYYY_MM'));

    execute format(
      'create trigger refuse_truncate before truncate on private.audit_logs_%s for each statement execute function private.refuse_audit_change()',
      to_char(month, 'YYYY_MM')
    );
  end loop;

  if keep_months > 0 then
    for part in
      select c.relname
      from pg_catalog.pg_inherits i
      join pg_catalog.pg_class c on c.oid = i.inhrelid
      where i.inhparent = 'public.audit_logs'::regclass
        and c.relname ~ '^audit_logs_\d{4}_\d{2}$'
        and to_date(right(c.relname, 7), 'YYYY_MM') < this_month - make_interval(months => keep_months)
    loop
      perform private.audit('expire', 'audit_logs', part.relname);

      execute format('drop table private.%I', part.relname);
    end loop;
  end if;
end
$$;

comment on function private.audit_maintain(integer) is 'Makes the partitions of this month and the next ones, and drops those older than audit.retention_months. Run daily.';

-- RPCs

create function public.audit_search(
  p_date_from timestamptz default null,
  p_date_to timestamptz default null,
  p_user_id uuid default null,
  p_action text default null,
  p_resource text default null,
  p_search text default null,
  p_limit integer default 50,
  p_offset integer default 0
) returns jsonb
language plpgsql stable security invoker set search_path = '' as $$
declare
  page_size integer := least(greatest(coalesce(p_limit, 50), 1), 200);
  skipped integer := greatest(coalesce(p_offset, 0), 0);
  pattern text := '%' || replace(replace(replace(nullif(btrim(p_search), ''), '\', '\\'), '%', '\%'), '_', '\_') || '%';
  condition text := concat_ws(' and ',
    'true',
    case when p_date_from is not null then 'a.created_at >= $1' end,
    case when p_date_to is not null then 'a.created_at < $2' end,
    case when p_user_id is not null then 'a.user_id = $3' end,
    case when p_action is not null then 'a.action = lower($4)' end,
    case when p_resource is not null then 'a.resource = lower($5)' end,
    case when pattern is not null then '(a.record_id ilike $6 or a.resource ilike $6 or a.before::text ilike $6 or a.after::text ilike $6)' end
  );
  entries jsonb;
  total bigint;
begin
  perform private.require_permission('audit.read');

  -- Only the conditions asked for, so that each search is planned for what it is.
  execute format(
    'select coalesce(jsonb_agg(to_jsonb(x) order by x.created_at desc, x.id desc), ''[]'')
     from (
       select a.id, a.created_at, a.user_id, p.full_name as user_name, a.impersonator_id, a.actor_role, a.session_id, a.request_id,
         a.action, a.resource, a.record_id, a.before, a.after
       from (select * from public.audit_logs a where %s order by a.created_at desc, a.id desc limit $7 offset $8) a
       left join public.profiles p on p.id = a.user_id
     ) x', condition)
  into entries
  using p_date_from, p_date_to, p_user_id, p_action, p_resource, pattern, page_size, skipped;

  execute format('select count(*) from public.audit_logs a where %s', condition)
  into total
  using p_date_from, p_date_to, p_user_id, p_action, p_resource, pattern;

  return jsonb_build_object('logs', entries, 'total', total, 'page', skipped / page_size + 1, 'limit', page_size);
end
$$;

comment on function public.audit_search(timestamptz, timestamptz, uuid, text, text, text, integer, integer) is 'Searches the audit trail, newest first: {logs, total, page, limit}. From p_date_from up to, not including, p_date_to; p_search looks into record, resource and values; at most 200 per page. Needs audit.read. Answers D3-048; a single entry (D3-049) is from("audit_logs").select().eq("id", id).single().';

-- Schedule

select cron.schedule('intake-audit-maintain', '7 20 * * *', 'select private.audit_maintain()');

-- Grants

revoke all on public.audit_logs from anon, authenticated, service_role;

grant select on public.audit_logs to authenticated, service_role;

revoke all on function private.refuse_audit_change() from public, anon, authenticated, service_role;

revoke all on function private.audit(text, text, text, jsonb, jsonb) from public, anon, authenticated, service_role;

revoke all on function private.blanked(jsonb) from public, anon, authenticated, service_role;

revoke all on function private.audit_erase(text, text, jsonb, timestamptz[]) from public, anon, authenticated, service_role;

revoke all on function private.record_key(regclass, jsonb) from public, anon, authenticated, service_role;

revoke all on function private.audit_row() from public, anon, authenticated, service_role;

revoke all on function private.audit_rows() from public, anon, authenticated, service_role;

revoke all on function private.audit_maintain(integer) from public, anon, authenticated, service_role;

revoke all on function public.audit_search(timestamptz, timestamptz, uuid, text, text, text, integer, integer) from public, anon, authenticated, service_role;

grant execute on function public.audit_search(timestamptz, timestamptz, uuid, text, text, text, integer, integer) to authenticated;

-- This module's errors and settings, its first partitions, and the earlier modules' tables

insert into public.error_codes (code, sqlstate, message, hint) values
  ('audit_is_append_only', '42501', 'The audit trail cannot be changed.', 'Old months are dropped whole, after audit.retention_months.');

select
  private.define_setting('audit.retention_months', '84', 'integer', 'Months that audit entries are kept; 0 keeps them for ever', 0, 1200),
  private.audit_maintain();

create trigger audit after insert or update or delete on public.system_settings for each row execute function private.audit_row();

create trigger audit after insert or update or delete on public.profiles for each row execute function private.audit_row();

create trigger audit after insert or update or delete on public.roles for each row execute function private.audit_row();

create trigger audit after insert or update or delete on public.permissions for each row execute function private.audit_row();

create trigger audit after insert or update or delete on public.role_permissions for each row execute function private.audit_row();

create trigger audit after insert or update or delete on public.teams for each row execute function private.audit_row();

create trigger audit after insert or update or delete on public.team_members for each row execute function private.audit_row();

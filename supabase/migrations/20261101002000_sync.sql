-- Sync: a phone keeps its person's own work, works without a connection, and agrees with the server afterwards.
--
-- What is pulled is what is assigned to the caller: their leads, tasks, calls and reminders. The cursor is a
-- transaction watermark, not a time: every row version carries the transaction that wrote it (xmin), and what
-- had not ended when the cursor was made is sent again, so that no late commit is ever missed, at no cost to any
-- write. What left the caller's sight leaves no trace to send; instead the last page carries digests of what
-- there is, sixteen to a type, and the client asks for the ids of those that differ (sync_ids). That also heals
-- whatever else went wrong on the device. What is done on a device is in the module sync_push. See docs/sync.md.

-- Tables

create table public.sync_clients (
  id uuid primary key,
  user_id uuid not null references public.profiles (id) on delete cascade,
  device text not null default '',
  generation integer not null default 1,
  pending integer not null default 0,
  last_sync_at timestamptz,
  last_push_at timestamptz,
  created_at timestamptz not null default now(),
  constraint sync_clients_device_is_short check (length(device) <= 200),
  constraint sync_clients_pending_is_not_negative check (pending >= 0)
);

comment on table public.sync_clients is 'Devices that keep their person''s work, one row for each installation. Written by sync_push() and sync_report().';

comment on column public.sync_clients.id is 'Made by the device, once.';

comment on column public.sync_clients.generation is 'Rises with sync_force(): the cursors of the device are void, and it begins anew.';

comment on column public.sync_clients.pending is 'How many changes waited on the device when it last reported.';

create index sync_clients_of_user on public.sync_clients (user_id);

create table public.sync_log (
  id uuid primary key default private.uuid_v7(),
  agent_id uuid not null references public.profiles (id) on delete cascade,
  client_id uuid not null references public.sync_clients (id) on delete cascade,
  type text not null,
  status text not null,
  started_at timestamptz not null,
  finished_at timestamptz not null default now(),
  counts jsonb not null default '{}',
  error text,
  constraint sync_log_type_is_known check (type in ('incremental', 'full', 'selective', 'push')),
  constraint sync_log_status_is_known check (status in ('success', 'partial', 'failed')),
  constraint sync_log_counts_are_small check (jsonb_typeof(counts) = 'object' and pg_column_size(counts) <= 2048),
  constraint sync_log_error_is_short check (length(error) <= 500)
);

comment on table public.sync_log is 'Each synchronisation and what came of it. Kept for retention.sync_days. Answers D4-042, D4-083.';

comment on column public.sync_log.counts is 'How many rows were pulled of each type, or how many operations ended how.';

create index sync_log_of_agent on public.sync_log (agent_id, finished_at desc, id desc);

create index sync_log_by_time on public.sync_log (finished_at);

create index sync_log_of_client on public.sync_log (client_id);

-- Functions

create function private.sync_kind(p_type text, out owner text, out writable text[], out free_text text[])
language plpgsql immutable parallel safe set search_path = '' as $$
begin
  case p_type
    when 'leads' then
      owner := 'assigned_to';
      writable := '{salutation,first_name,last_name,name,email,phone,organization,website,job_title,industry,gender,no_of_employees,annual_revenue,territory,qualification,experience,course,source,status,value,currency,tags,custom_fields}';
      free_text := '{}';
    when 'tasks' then
      owner := 'assigned_to';
      writable := '{lead_id,title,description,status,priority,completed,due_date,recurrence}';
      free_text := '{description}';
    when 'calls' then
      owner := 'agent_id';
      writable := '{lead_id,type,status,outcome,from_name,to_name,phone,scheduled_at,started_at,ended_at,duration,notes}';
      free_text := '{notes}';
    when 'reminders' then
      owner := 'agent_id';
      writable := '{lead_id,title,description,remind_at,status,recurrence}';
      free_text := '{description}';
    else
      perform private.fail('argument_invalid', 'a type is leads, tasks, calls or reminders');
  end case;
end
$$;

comment on function private.sync_kind(text) is 'Of a type: the column that says whose a row is, the columns a device may write (the grants and policies of the table hold besides), and those in which the device''s words win over the server''s.';

create function private.sync_epoch(p_client_id uuid) returns text
language plpgsql stable security definer set search_path = '' as $$
begin
  return concat_ws('.',
    (select s.system_identifier from pg_control_system() s),
    (select c.timeline_id from pg_control_checkpoint() c),
    (select d.oid from pg_catalog.pg_database d where d.datname = current_database()),
    coalesce((select c.generation from public.sync_clients c where c.id = p_client_id and c.user_id = private.gate_own()), 1)
  );
end
$$;

comment on function private.sync_epoch(uuid) is 'In what a cursor counts: transactions of this server, on this timeline, in this database, since the device was last forced to begin anew. A cursor of another epoch says nothing.';

create function private.sync_seen(p_client_id uuid, p_device text, p_type text, p_status text, p_started_at timestamptz, p_counts jsonb, p_pending integer, p_error text) returns uuid
language plpgsql volatile security definer set search_path = '' as $$
declare
  caller uuid := private.gate_own();
  made uuid;
begin
  if caller is null then
    perform private.fail('account_inactive');
  end if;

  insert into public.sync_clients as c (id, user_id, device, pending, last_sync_at, last_push_at)
  values (p_client_id, caller, coalesce(left(p_device, 200), ''), coalesce(p_pending, 0), case when p_type <> 'push' and p_status <> 'failed' then now() end, case when p_type = 'push' then now() end)
  on conflict (id) do update
  set device = coalesce(left(p_device, 200), c.device), pending = coalesce(p_pending, c.pending),
    last_sync_at = coalesce(excluded.last_sync_at, c.last_sync_at), last_push_at = coalesce(excluded.last_push_at, c.last_push_at)
  where c.user_id = caller;

  -- A device that changes hands is another device.
  if not found then
    perform private.fail('sync_client_unknown', p_client_id::text);
  end if;

  insert into public.sync_log (agent_id, client_id, type, status, started_at, counts, error)
  values (caller, p_client_id, p_type, p_status, least(coalesce(p_started_at, now()), now()), coalesce(p_counts, '{}'), left(p_error, 500))
  returning id into made;

  return made;
end
$$;

comment on function private.sync_seen(uuid, text, text, text, timestamptz, jsonb, integer, text) is 'Writes down that a device of the caller pushed or pulled, and what came of it.';

create function private.sync_row(p_type text, p_row jsonb) returns jsonb
language sql immutable parallel safe set search_path = '' as $$
  select p_row - case p_type when 'leads' then '{search_text,email_slot,phone_slot,deleted_at,deleted_by,merged_into}'::text[] else '{deleted_at,deleted_by}'::text[] end
$$;

comment on function private.sync_row(text, jsonb) is 'A row as devices keep it.';

-- RPCs

create function public.sync_pull(p_types text[] default null, p_cursor text default null, p_limit integer default 500, p_client_id uuid default null) returns jsonb
language plpgsql stable security invoker set search_path = '' as $$
declare
  caller uuid := private.gate_own();
  types text[] := coalesce(p_types, '{leads,tasks,calls,reminders}');
  epoch text := private.sync_epoch(p_client_id);
  -- One snapshot for all: what had not ended when it was taken is sent again next time.
  oldest bigint := pg_snapshot_xmin(pg_current_snapshot())::text::bigint;
  newest bigint := pg_snapshot_xmax(pg_current_snapshot())::text::bigint;
  given jsonb;
  is_full boolean;
  since bigint;
  place text;
  after uuid;
  watermark bigint;
  kind record;
  part jsonb;
  changes jsonb := '{}';
  digests jsonb := '{}';
  room integer := p_limit;
begin
  if caller is null then
    perform private.fail('account_inactive');
  end if;

  if p_limit is null or p_limit not between 1 and 2000 or cardinality(types) = 0 then
    perform private.fail('argument_invalid', 'p_limit is 1 to 2000, p_types names at least one');
  end if;

  begin
    given := convert_from(decode(p_cursor, 'base64'), 'utf8')::jsonb;
    since := (given ->> 'since')::bigint;
    watermark := coalesce((given ->> 'watermark')::bigint, oldest);
    place := given ->> 'type';
    after := (given ->> 'after')::uuid;
  exception when data_exception then
    perform private.fail('argument_invalid', 'p_cursor is none of ours');
  end;

  -- A cursor of other types, of another epoch, of the future or of two billion transactions ago: from the start.
  if given is null or given ->> 'epoch' <> epoch or given -> 'types' <> to_jsonb(types)
    or greatest(since, watermark) > oldest or newest - since >= 2147483648 then
    since := null;
    watermark := oldest;
    place := null;
    after := null;
  end if;

  is_full := since is null;

  for i in coalesce(array_position(types, place), 1) .. cardinality(types) loop
    kind := private.sync_kind(types[i]);

    execute format($query$
      select coalesce(jsonb_agg(private.sync_row(%1$L, to_jsonb(r)) order by r.id), '[]')
      from (
        select t.*
        from public.%1$I t
        where t.%2$I = $1
          and ($3 is null or (($2 - t.xmin::text::bigint) & 4294967295) <= $2 - $3)
          and ($4 is null or t.id > $4)
        order by t.id
        limit $5
      ) r
    $query$, types[i], kind.owner)
    into part using caller, newest, since, case when types[i] = place then after end, room;

    changes := changes || jsonb_build_object(types[i], part);
    room := room - jsonb_array_length(part);

    if room = 0 then
      return jsonb_build_object(
        'changes', changes, 'has_more', true, 'full', is_full, 'server_time', now(),
        'cursor', encode(convert_to(jsonb_build_object(
          'epoch', epoch, 'types', types, 'since', since, 'watermark', watermark, 'type', types[i], 'after', part -> -1 ->> 'id'
        )::text, 'utf8'), 'base64')
      );
    end if;
  end loop;

  for i in 1 .. cardinality(types) loop
    kind := private.sync_kind(types[i]);

    execute format($query$
      select coalesce(jsonb_object_agg(b.bucket, b.digest), '{}')
      from (
        select right(t.id::text, 1) as bucket,
          jsonb_build_array(count(*), bit_xor(('x' || right(t.id::text, 8))::bit(32)::bigint # ((t.version * 2654435761) & 4294967295))) as digest
        from public.%I t
        where t.%I = $1
        group by 1
      ) b
    $query$, types[i], kind.owner)
    into part using caller;

    digests := digests || jsonb_build_object(types[i], part);
  end loop;

  return jsonb_build_object(
    'changes', changes, 'has_more', false, 'full', is_full, 'server_time', now(), 'digests', digests,
    'cursor', encode(convert_to(jsonb_build_object('epoch', epoch, 'types', types, 'since', watermark)::text, 'utf8'), 'base64')
  );
end
$$;

comment on function public.sync_pull(text[], text, integer, uuid) is 'What changed of the caller''s own work since the cursor, p_limit rows at most (1 to 2000): {changes{type: rows[]}, has_more, full, cursor, server_time}, and with the last page digests{type: {bucket: [count, digest]}}. p_types (leads, tasks, calls, reminders; all) are those of the cursor; without a cursor, or with one that says nothing any more, everything comes again and full is true. A row may come twice, none is missed. Errors: account_inactive, argument_invalid. Answers D4-008, D4-016, D4-028, D4-040, D4-085.';

create function public.sync_full(p_types text[] default null, p_limit integer default 500, p_client_id uuid default null) returns jsonb
language sql stable security invoker set search_path = '' as $$
  select public.sync_pull(p_types, null, p_limit, p_client_id);
$$;

comment on function public.sync_full(text[], integer, uuid) is 'The first page of everything: sync_pull() without a cursor; go on with its cursor. Answers D4-039.';

create function public.sync_ids(p_type text, p_buckets text[] default null) returns jsonb
language plpgsql stable security invoker set search_path = '' as $$
declare
  kind record := private.sync_kind(p_type);
  ids jsonb;
begin
  execute format(
    'select coalesce(jsonb_object_agg(t.id, t.version), ''{}'') from public.%I t where t.%I = $1 and ($2 is null or right(t.id::text, 1) = any ($2))', p_type, kind.owner
  ) into ids using private.gate_own(), p_buckets;

  return ids;
end
$$;

comment on function public.sync_ids(text, text[]) is 'Ids and versions of the caller''s rows of a type, of all or of the buckets named (the last digit of an id): {id: version}. What a device has besides is gone, what it lacks or has in another version is in sync_rows(). Error argument_invalid.';

create function public.sync_rows(p_type text, p_ids uuid[]) returns jsonb
language plpgsql stable security invoker set search_path = '' as $$
declare
  kind record := private.sync_kind(p_type);
  rows jsonb;
begin
  if cardinality(p_ids) > 500 then
    perform private.fail('argument_invalid', 'p_ids takes at most 500');
  end if;

  execute format('select coalesce(jsonb_agg(private.sync_row(%1$L, to_jsonb(t)) order by t.id), ''[]'') from public.%1$I t where t.%2$I = $1 and t.id = any ($2)', p_type, kind.owner)
  into rows using private.gate_own(), p_ids;

  return rows;
end
$$;

comment on function public.sync_rows(text, uuid[]) is 'Rows of the caller''s by their ids (500 at most), as sync_pull() gives them. Error argument_invalid.';

create function public.sync_report(
  p_client_id uuid, p_type text, p_status text, p_started_at timestamptz default null, p_counts jsonb default null, p_pending integer default null, p_device text default null, p_error text default null
) returns uuid
language sql volatile security invoker set search_path = '' as $$
  select private.sync_seen(p_client_id, p_device, p_type, p_status, p_started_at, p_counts, p_pending, p_error);
$$;

comment on function public.sync_report(uuid, text, text, timestamptz, jsonb, integer, text, text) is 'A device says how a synchronisation ended: type incremental, full, selective or push, status success, partial or failed, how many rows of each type, and how many changes still wait. Returns the entry''s id in sync_log. Errors: account_inactive, sync_client_unknown.';

create function private.sync_devices(p_agent_id uuid) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  agent uuid := private.require_agent(p_agent_id);
begin
  return (
    select jsonb_build_object(
      'agent_id', agent,
      'last_sync_at', max(c.last_sync_at),
      'last_push_at', max(c.last_push_at),
      'pending', coalesce(sum(c.pending), 0),
      'conflicts', (select count(*) from public.sync_conflicts x where x.user_id = agent and x.resolved_at is null),
      'clients', coalesce(jsonb_agg(jsonb_build_object(
        'client_id', c.id, 'device', c.device, 'pending', c.pending, 'last_sync_at', c.last_sync_at, 'last_push_at', c.last_push_at
      ) order by c.last_sync_at desc nulls last, c.id) filter (where c.id is not null), '[]'),
      'server_time', now()
    )
    from (select 1) one
    left join public.sync_clients c on c.user_id = agent
  );
end
$$;

comment on function private.sync_devices(uuid) is 'Body of public.sync_status().';

create function public.sync_status(p_agent_id uuid default null) returns jsonb
language sql stable security invoker set search_path = '' as $$
  select private.sync_devices(p_agent_id);
$$;

comment on function public.sync_status(uuid) is 'How the devices of an agent stand, one''s own by default: {agent_id, last_sync_at, last_push_at, pending, conflicts, clients[{client_id, device, pending, last_sync_at, last_push_at}], server_time}. Error not_found. Answers D4-041.';

create function public.sync_last(p_agent_id uuid default null) returns timestamptz
language sql stable security invoker set search_path = '' as $$
  select (private.sync_devices(p_agent_id) ->> 'last_sync_at')::timestamptz;
$$;

comment on function public.sync_last(uuid) is 'When an agent''s device last finished a synchronisation, one''s own by default; null if none did. Error not_found. Answers D4-038.';

create function private.sync_force(p_agent_id uuid) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  agent uuid := private.require_agent(p_agent_id);
  devices integer;
begin
  update public.sync_clients c set generation = c.generation + 1 where c.user_id = agent;

  get diagnostics devices = row_count;

  perform realtime.send('{}', 'resync', 'user:' || agent, true);

  return devices;
end
$$;

comment on function private.sync_force(uuid) is 'Body of public.sync_force().';

create function public.sync_force(p_agent_id uuid default null) returns integer
language sql volatile security invoker set search_path = '' as $$
  select private.sync_force(p_agent_id);
$$;

comment on function public.sync_force(uuid) is 'Makes every device of an agent begin anew, one''s own by default: their cursors are void, and those that listen hear resync on user:<id>. Returns how many there are. Error not_found. Answers D4-043.';

-- Policies

alter table public.sync_clients enable row level security;

alter table public.sync_log enable row level security;

create policy sync_clients_read on public.sync_clients for select to authenticated
  using (user_id = any ((select private.agents_in_reach())::uuid[]));

comment on policy sync_clients_read on public.sync_clients is 'One''s own, and those of whose figures one may see.';

create policy sync_log_read on public.sync_log for select to authenticated
  using (agent_id = any ((select private.agents_in_reach())::uuid[]));

comment on policy sync_log_read on public.sync_log is 'One''s own, and of those whose figures one may see.';

-- Grants

revoke all on public.sync_clients, public.sync_log from anon, authenticated, service_role;

grant select on public.sync_clients, public.sync_log to authenticated;

grant select, insert, update, delete on public.sync_clients, public.sync_log to service_role;

revoke all on function private.sync_kind(text) from public, anon, authenticated, service_role;

grant execute on function private.sync_kind(text) to authenticated;

revoke all on function private.sync_epoch(uuid) from public, anon, authenticated, service_role;

grant execute on function private.sync_epoch(uuid) to authenticated;

revoke all on function private.sync_seen(uuid, text, text, text, timestamptz, jsonb, integer, text) from public, anon, authenticated, service_role;

grant execute on function private.sync_seen(uuid, text, text, text, timestamptz, jsonb, integer, text) to authenticated;

revoke all on function private.sync_row(text, jsonb) from public, anon, authenticated, service_role;

grant execute on function private.sync_row(text, jsonb) to authenticated;

revoke all on function private.sync_devices(uuid) from public, anon, authenticated, service_role;

grant execute on function private.sync_devices(uuid) to authenticated;

revoke all on function private.sync_force(uuid) from public, anon, authenticated, service_role;

grant execute on function private.sync_force(uuid) to authenticated;

revoke all on function public.sync_pull(text[], text, integer, uuid) from public, anon, authenticated, service_role;

grant execute on function public.sync_pull(text[], text, integer, uuid) to authenticated;

revoke all on function public.sync_full(text[], integer, uuid) from public, anon, authenticated, service_role;

grant execute on function public.sync_full(text[], integer, uuid) to authenticated;

revoke all on function public.sync_ids(text, text[]) from public, anon, authenticated, service_role;

grant execute on function public.sync_ids(text, text[]) to authenticated;

revoke all on function public.sync_rows(text, uuid[]) from public, anon, authenticated, service_role;

grant execute on function public.sync_rows(text, uuid[]) to authenticated;

revoke all on function public.sync_report(uuid, text, text, timestamptz, jsonb, integer, text, text) from public, anon, authenticated, service_role;

grant execute on function public.sync_report(uuid, text, text, timestamptz, jsonb, integer, text, text) to authenticated;

revoke all on function public.sync_status(uuid) from public, anon, authenticated, service_role;

grant execute on function public.sync_status(uuid) to authenticated;

revoke all on function public.sync_last(uuid) from public, anon, authenticated, service_role;

grant execute on function public.sync_last(uuid) to authenticated;

revoke all on function public.sync_force(uuid) from public, anon, authenticated, service_role;

grant execute on function public.sync_force(uuid) to authenticated;

-- This module's errors

insert into public.error_codes (code, sqlstate, message, hint) values
  ('sync_client_unknown', 'PT404', 'This device is not yours.', 'Make a new client_id when somebody else signs in.');

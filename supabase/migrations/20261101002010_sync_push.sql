-- Sync push: what was done on a device reaches the server, each operation once and alone.
--
-- It is done with the caller's own rights. A field that was changed in both places keeps the server's value, in
-- free text the device's; both values stay in sync_conflicts. What became of an operation is remembered by the id
-- the device gave it, so that one sent again, because the answer was lost, is answered and not done again.

-- Tables

create table public.sync_conflicts (
  id uuid primary key default private.uuid_v7(),
  user_id uuid not null references public.profiles (id) on delete cascade,
  type text not null,
  row_id uuid not null,
  lead_id uuid references public.leads (id) on delete cascade,
  field text not null,
  base jsonb,
  mine jsonb,
  theirs jsonb,
  resolution text not null,
  created_at timestamptz not null default now(),
  resolved_at timestamptz,
  constraint sync_conflicts_type_is_known check (type in ('leads', 'tasks', 'calls', 'reminders')),
  constraint sync_conflicts_resolution_is_known check (resolution in ('client', 'server'))
);

comment on table public.sync_conflicts is 'Fields that were changed on a device and on the server since they last agreed: both values, so that neither is lost. One''s own; resolved_at says that one looked.';

comment on column public.sync_conflicts.mine is 'What the device wrote.';

comment on column public.sync_conflicts.theirs is 'What stood on the server.';

comment on column public.sync_conflicts.resolution is 'Whose value stands: the device''s in free text, the server''s otherwise.';

create index sync_conflicts_of_user on public.sync_conflicts (user_id, created_at desc, id desc);

create index sync_conflicts_of_lead on public.sync_conflicts (lead_id) where lead_id is not null;

create index sync_conflicts_by_time on public.sync_conflicts (created_at);

create table private.sync_ops (
  user_id uuid not null references public.profiles (id) on delete cascade,
  client_id uuid not null,
  op_id uuid not null,
  verdict jsonb,
  created_at timestamptz not null default now(),
  constraint sync_ops_pkey primary key (user_id, client_id, op_id)
);

comment on table private.sync_ops is 'What became of each operation a device sent, so that one sent twice is done once. Without values: those are in the rows.';

create index sync_ops_by_time on private.sync_ops (created_at);

alter table private.sync_ops enable row level security;

-- Functions

create function private.sync_op_begin(p_client_id uuid, p_op_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  caller uuid := private.gate_own();
  known jsonb;
begin
  -- The same operation sent twice at once waits here for the first.
  insert into private.sync_ops (user_id, client_id, op_id) values (caller, p_client_id, p_op_id) on conflict do nothing;

  if not found then
    select o.verdict into known from private.sync_ops o where o.user_id = caller and o.client_id = p_client_id and o.op_id = p_op_id;
  end if;

  return known;
end
$$;

comment on function private.sync_op_begin(uuid, uuid) is 'What became of an operation that was sent before; null of a new one, which counts as sent from here on.';

create function private.sync_op_end(p_client_id uuid, p_op_id uuid, p_verdict jsonb) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  update private.sync_ops o
  set verdict = (p_verdict - '{row,conflicts,message}'::text[])
    || case when p_verdict ? 'details' then jsonb_build_object('details', split_part(p_verdict ->> 'details', ':', 1)) else '{}' end
  where o.user_id = private.gate_own() and o.client_id = p_client_id and o.op_id = p_op_id;
end
$$;

comment on function private.sync_op_end(uuid, uuid, jsonb) is 'Remembers what became of an operation; of a refusal which it was, not the words, which may hold values.';

create function private.sync_conflict(p_type text, p_row_id uuid, p_lead_id uuid, p_field text, p_base jsonb, p_mine jsonb, p_theirs jsonb, p_resolution text) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
begin
  insert into public.sync_conflicts (user_id, type, row_id, lead_id, field, base, mine, theirs, resolution)
  values (private.gate_own(), p_type, p_row_id, p_lead_id, p_field, p_base, p_mine, p_theirs, p_resolution);

  return jsonb_build_object('field', p_field, 'mine', p_mine, 'theirs', p_theirs, 'resolution', p_resolution);
end
$$;

comment on function private.sync_conflict(text, uuid, uuid, text, jsonb, jsonb, jsonb, text) is 'Keeps both values of a field that two changed.';

create function private.sync_apply(p_op jsonb) returns jsonb
language plpgsql volatile security invoker set search_path = '' as $$
declare
  type text := p_op ->> 'type';
  row_id uuid := (p_op ->> 'id')::uuid;
  fields jsonb := coalesce(p_op -> 'fields', '{}');
  base jsonb := coalesce(p_op -> 'base', '{}');
  kind record := private.sync_kind(p_op ->> 'type');
  unknown text := (select string_agg(k, ', ') from jsonb_object_keys(fields) k where k <> all (kind.writable));
  current jsonb;
  field text;
  columns text[] := '{}';
  conflicts jsonb := '[]';
  resolution text;
begin
  if unknown is not null then
    perform private.fail('argument_invalid', 'fields: ' || unknown);
  end if;

  if p_op ->> 'action' = 'delete' then
    perform public.soft_delete(type, row_id);

    return jsonb_build_object('status', 'applied');
  end if;

  -- In the forms of the columns, so that one moment written in two ways is one value.
  execute format('select to_jsonb(jsonb_populate_record(null::public.%1$I, $1)), to_jsonb(jsonb_populate_record(null::public.%1$I, $2))', type)
  into fields, base using fields, base;

  select coalesce(jsonb_object_agg(f.key, f.value), '{}') into fields from jsonb_each(fields) f where p_op -> 'fields' ? f.key;

  if p_op ->> 'action' = 'insert' then
    columns := array(select jsonb_object_keys(fields));

    execute format(
      'insert into public.%1$I (id%2$s) select $1%2$s from jsonb_populate_record(null::public.%1$I, $2)',
      type, (select string_agg(format(', %I', c), '') from unnest(columns) c)
    ) using row_id, fields;
  elsif p_op ->> 'action' = 'update' then
    execute format('select to_jsonb(t) from public.%I t where t.id = $1 for update', type) into current using row_id;

    if current is null then
      perform private.fail('not_found', type);
    end if;

    for field in select jsonb_object_keys(fields) loop
      continue when current -> field = fields -> field;

      if p_op ? 'base_version' and (p_op ->> 'base_version')::bigint is distinct from (current ->> 'version')::bigint
        and not (p_op -> 'base' ? field and base -> field = current -> field) then
        resolution := case when field = any (kind.free_text) then 'client' else 'server' end;

        conflicts := conflicts || private.sync_conflict(
          type, row_id, case type when 'leads' then row_id else (current ->> 'lead_id')::uuid end, field, base -> field, fields -> field, current -> field, resolution
        );

        continue when resolution = 'server';
      end if;

      columns := columns || field;
    end loop;

    if cardinality(columns) > 0 then
      execute format(
        'update public.%1$I t set (%2$s) = (select %2$s from jsonb_populate_record(null::public.%1$I, $2)) where t.id = $1',
        type, (select string_agg(format('%I', c), ', ') from unnest(columns) c)
      ) using row_id, fields;
    end if;
  else
    perform private.fail('argument_invalid', 'an action is insert, update or delete');
  end if;

  execute format('select to_jsonb(t) from public.%I t where t.id = $1', type) into current using row_id;

  return jsonb_build_object(
    -- A person known already gets an enquiry instead of a second lead.
    'status', case when conflicts @> '[{"resolution": "server"}]' then 'conflict' when current is null then 'recorded' else 'applied' end,
    'version', current -> 'version',
    'row', private.sync_row(type, current),
    'conflicts', conflicts
  );
end
$$;

comment on function private.sync_apply(jsonb) is 'Does one operation with the caller''s own rights: grants, policies and triggers hold as for any other write.';

-- RPCs

create function public.sync_push(p_client_id uuid, p_ops jsonb, p_device text default null) returns jsonb
language plpgsql volatile security invoker set search_path = '' as $$
declare
  op jsonb;
  op_id uuid;
  verdict jsonb;
  verdicts jsonb := '[]';
  state text;
  message text;
  detail text;
  started timestamptz := clock_timestamp();
begin
  if private.gate_own() is null then
    perform private.fail('account_inactive');
  end if;

  if p_client_id is null or jsonb_typeof(p_ops) is distinct from 'array' or jsonb_array_length(p_ops) > 200 then
    perform private.fail('argument_invalid', 'p_client_id is an id, p_ops an array of at most 200');
  end if;

  for op in select o from jsonb_array_elements(p_ops) o loop
    begin
      op_id := (op ->> 'op_id')::uuid;
    exception when invalid_text_representation then
      op_id := null;
    end;

    if op_id is null then
      perform private.fail('argument_invalid', 'every op has an op_id');
    end if;

    verdict := private.sync_op_begin(p_client_id, op_id);

    if verdict is not null then
      verdicts := verdicts || (verdict || jsonb_build_object('op_id', op_id, 'duplicate', true));
      continue;
    end if;

    -- What fails takes only itself back.
    begin
      verdict := private.sync_apply(op);
    exception
      -- Of the moment, not of the operation: all of it is sent again.
      when transaction_rollback or lock_not_available or insufficient_resources or system_error then
        raise;
      when others then
        get stacked diagnostics state = returned_sqlstate, message = message_text, detail = pg_exception_detail;

        verdict := jsonb_build_object('status', 'rejected', 'code', state, 'message', message, 'details', coalesce(nullif(detail, ''), state));
    end;

    perform private.sync_op_end(p_client_id, op_id, verdict);

    verdicts := verdicts || (verdict || jsonb_build_object('op_id', op_id, 'duplicate', false));
  end loop;

  perform private.sync_seen(
    p_client_id, p_device, 'push',
    case when verdicts @> '[{"status": "rejected"}]' or verdicts @> '[{"status": "conflict"}]' then 'partial' else 'success' end,
    started,
    (select coalesce(jsonb_object_agg(s.status, s.n), '{}') from (select v ->> 'status' as status, count(*) as n from jsonb_array_elements(verdicts) v group by 1) s),
    null, null
  );

  return jsonb_build_object('results', verdicts, 'server_time', now());
end
$$;

comment on function public.sync_push(uuid, jsonb, text) is 'What was done on a device, in its order, 200 at most: [{op_id, type, action (insert, update, delete), id (made by the device), fields{}, base_version, base{} (the values before; without base_version nothing is compared)}]. Each is done once, however often it is sent, with the caller''s own rights, and alone: {results[{op_id, status, duplicate, version, row, conflicts[{field, mine, theirs, resolution}], code, message, details}], server_time}. status is applied, recorded (an enquiry of a person known already), conflict (another changed the same field: the server''s value stands, both are in sync_conflicts), or rejected. Errors: account_inactive, argument_invalid, sync_client_unknown. Answers D4-009, D4-017, D4-029, D4-081, D4-082.';

-- Policies

alter table public.sync_conflicts enable row level security;

create policy sync_conflicts_read on public.sync_conflicts for select to authenticated
  using (user_id = (select private.gate_own()));

comment on policy sync_conflicts_read on public.sync_conflicts is 'One''s own alone: the rows may since be somebody else''s.';

create policy sync_conflicts_change on public.sync_conflicts for update to authenticated
  using (user_id = (select private.gate_own()))
  with check (user_id = (select private.gate_own()));

comment on policy sync_conflicts_change on public.sync_conflicts is 'One''s own, in resolved_at.';

-- Grants

revoke all on public.sync_conflicts from anon, authenticated, service_role;

grant select on public.sync_conflicts to authenticated;

grant update (resolved_at) on public.sync_conflicts to authenticated;

grant select, insert, update, delete on public.sync_conflicts to service_role;

revoke all on private.sync_ops from anon, authenticated, service_role;

revoke all on function private.sync_op_begin(uuid, uuid) from public, anon, authenticated, service_role;

grant execute on function private.sync_op_begin(uuid, uuid) to authenticated;

revoke all on function private.sync_op_end(uuid, uuid, jsonb) from public, anon, authenticated, service_role;

grant execute on function private.sync_op_end(uuid, uuid, jsonb) to authenticated;

revoke all on function private.sync_conflict(text, uuid, uuid, text, jsonb, jsonb, jsonb, text) from public, anon, authenticated, service_role;

grant execute on function private.sync_conflict(text, uuid, uuid, text, jsonb, jsonb, jsonb, text) to authenticated;

revoke all on function private.sync_apply(jsonb) from public, anon, authenticated, service_role;

grant execute on function private.sync_apply(jsonb) to authenticated;

revoke all on function public.sync_push(uuid, jsonb, text) from public, anon, authenticated, service_role;

grant execute on function public.sync_push(uuid, jsonb, text) to authenticated;

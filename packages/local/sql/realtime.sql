-- The database side of Supabase Realtime: the table whose policies authorise private channels and
-- whose inserts are broadcast, and the functions that write to it. Run by the bootstrap as the
-- superuser; names, columns, defaults, owners and grants are the platform's.
--
-- The platform partitions realtime.messages by day and drops old days; here the table is whole and
-- the local server deletes old rows, which no query can tell apart.

create schema if not exists realtime;

grant usage on schema realtime to anon, authenticated, service_role;

grant usage on schema realtime to postgres with grant option;

grant create, usage on schema realtime to supabase_realtime_admin with grant option;

create table if not exists realtime.messages (
  topic text not null,
  extension text not null,
  payload jsonb,
  event text,
  private boolean default false,
  updated_at timestamp without time zone not null default now(),
  inserted_at timestamp without time zone not null default now(),
  id uuid not null default gen_random_uuid(),
  binary_payload bytea,
  constraint messages_pkey primary key (id, inserted_at),
  constraint messages_payload_exclusive check (payload is null or binary_payload is null)
);

create index if not exists messages_inserted_at_topic_index
  on realtime.messages (inserted_at desc, topic)
  where extension = 'broadcast' and private is true;

alter table realtime.messages owner to supabase_realtime_admin;

alter table realtime.messages enable row level security;

grant all on realtime.messages to postgres;

grant select, insert, update on realtime.messages to anon, authenticated, service_role;

create or replace function realtime.topic()
returns text
language sql
stable
as $$
  select nullif(current_setting('realtime.topic', true), '')::text;
$$;

alter function realtime.topic() owner to supabase_realtime_admin;

-- Runs with the rights of its caller, as on the platform: a trigger that broadcasts on behalf of
-- end users must itself be security definer. A message that cannot be stored is a warning, never
-- an error in the caller's transaction.
create or replace function realtime.send(
  payload jsonb,
  event text,
  topic text,
  private boolean default true
)
returns void
language plpgsql
as $$
declare
  message_id uuid;
begin
  begin
    message_id := gen_random_uuid();

    if not payload ? 'id' then
      payload := jsonb_set(payload, '{id}', to_jsonb(message_id));
    end if;

    perform set_config('realtime.topic', topic, true);

    insert into realtime.messages (id, payload, event, topic, private, extension)
    values (message_id, payload, event, topic, private, 'broadcast');
  exception
    when others then
      raise warning 'WarnSendingBroadcastMessage: %', sqlerrm;
  end;
end;
$$;

alter function realtime.send(jsonb, text, text, boolean) owner to supabase_realtime_admin;

create or replace function realtime.send_binary(
  payload bytea,
  event text,
  topic text,
  private boolean default true
)
returns void
language plpgsql
as $$
begin
  begin
    perform set_config('realtime.topic', topic, true);

    insert into realtime.messages (binary_payload, event, topic, private, extension)
    values (payload, event, topic, private, 'broadcast');
  exception
    when others then
      raise warning 'WarnSendingBroadcastMessage: %', sqlerrm;
  end;
end;
$$;

alter function realtime.send_binary(bytea, text, text, boolean) owner to supabase_realtime_admin;

create or replace function realtime.broadcast_changes(
  topic_name text,
  event_name text,
  operation text,
  table_name text,
  table_schema text,
  new record,
  old record,
  level text default 'ROW'
)
returns void
language plpgsql
as $$
begin
  if level = 'STATEMENT' then
    raise exception 'function can only be triggered for each row, not for each statement';
  end if;

  if operation not in ('INSERT', 'UPDATE', 'DELETE') then
    raise exception 'Unexpected operation type: %', operation;
  end if;

  perform realtime.send(
    jsonb_build_object(
      'old_record', old,
      'record', new,
      'operation', operation,
      'table', table_name,
      'schema', table_schema
    ),
    event_name,
    topic_name
  );
exception
  when others then
    raise exception 'Failed to process the row: %', sqlerrm;
end;
$$;

alter function realtime.broadcast_changes(text, text, text, text, text, record, record, text)
  owner to supabase_realtime_admin;

grant execute on all functions in schema realtime to postgres, anon, authenticated, service_role;

-- On the platform an extension lets postgres manage the policies of a table it does not own. Plain
-- Postgres has only membership in the owner for that; the bootstrap's event trigger refuses what
-- else membership would allow.
do $$
begin
  if current_setting('server_version_num')::int >= 160000 then
    execute 'grant supabase_realtime_admin to postgres with inherit true, set false';
  else
    execute 'grant supabase_realtime_admin to postgres';
  end if;
end;
$$;

do $$
begin
  if not exists (select from pg_publication where pubname = 'supabase_realtime') then
    create publication supabase_realtime;
  end if;

  -- Owned by postgres, so that a migration can add its tables.
  alter publication supabase_realtime owner to postgres;

  if not exists (
    select from pg_publication where pubname = 'supabase_realtime_messages_publication'
  ) then
    create publication supabase_realtime_messages_publication
      for table realtime.messages with (publish = 'insert');
  end if;
end;
$$;

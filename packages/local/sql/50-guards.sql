-- What hosted enforces with its own C extension: the platform's schemas belong to the platform, except
-- for policies and triggers on their tables. And PostgREST's watch for schema changes.

create function extensions.refuse_platform_ddl() returns event_trigger
language plpgsql set search_path = ''
as $$
declare
  v_managed constant text[] := array['auth', 'storage', 'realtime', 'vault', 'cron', 'net', '_realtime'];
  v_command record;
begin
  if (select rolsuper from pg_catalog.pg_roles where rolname = current_user) then
    return;
  end if;
  for v_command in select * from pg_catalog.pg_event_trigger_ddl_commands()
  loop
    if not v_command.in_extension
      and (v_command.schema_name = any (v_managed)
        or (v_command.command_tag = 'COMMENT'
          and v_command.object_identity ~ ' on (auth|storage|realtime|vault|cron|net)\.'))
      and v_command.command_tag not in ('CREATE POLICY', 'ALTER POLICY', 'CREATE TRIGGER', 'GRANT', 'REVOKE')
    then
      raise exception 'must be owner of %', v_command.object_identity using errcode = '42501';
    end if;
  end loop;
end;
$$;

create function extensions.refuse_platform_drop() returns event_trigger
language plpgsql set search_path = ''
as $$
declare
  v_managed constant text[] := array['auth', 'storage', 'realtime', 'vault', '_realtime'];
  v_object record;
begin
  if (select rolsuper from pg_catalog.pg_roles where rolname = current_user) then
    return;
  end if;
  for v_object in select * from pg_catalog.pg_event_trigger_dropped_objects()
  loop
    if v_object.original and v_object.schema_name = any (v_managed)
      and v_object.object_type not in ('policy', 'trigger') then
      raise exception 'must be owner of %', v_object.object_identity using errcode = '42501';
    end if;
  end loop;
end;
$$;

create event trigger refuse_platform_ddl on ddl_command_end
  execute function extensions.refuse_platform_ddl();

create event trigger refuse_platform_drop on sql_drop
  execute function extensions.refuse_platform_drop();

create function extensions.pgrst_ddl_watch() returns event_trigger
language plpgsql set search_path = ''
as $$
begin
  if exists (
    select 1 from pg_catalog.pg_event_trigger_ddl_commands() c
    where coalesce(c.schema_name, '') not in ('pg_temp', 'auth', 'realtime', 'storage')
  ) then
    notify pgrst, 'reload schema';
  end if;
end;
$$;

create function extensions.pgrst_drop_watch() returns event_trigger
language plpgsql set search_path = ''
as $$
begin
  if exists (select 1 from pg_catalog.pg_event_trigger_dropped_objects() o where not o.is_temporary) then
    notify pgrst, 'reload schema';
  end if;
end;
$$;

create event trigger pgrst_ddl_watch on ddl_command_end execute function extensions.pgrst_ddl_watch();

create event trigger pgrst_drop_watch on sql_drop execute function extensions.pgrst_drop_watch();

revoke all on function
  extensions.refuse_platform_ddl, extensions.refuse_platform_drop, extensions.pgrst_ddl_watch,
  extensions.pgrst_drop_watch
  from public;

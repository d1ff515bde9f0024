-- Runs after the tables of the storage server were made: owners and rights as on hosted.

do $$
declare
  v_name text;
begin
  for v_name in select oid::regclass from pg_class where relnamespace = 'storage'::regnamespace and relkind = 'r'
  loop
    execute format('alter table %s owner to supabase_storage_admin', v_name);
  end loop;
  for v_name in select oid::regprocedure from pg_proc where pronamespace = 'storage'::regnamespace
  loop
    execute format('alter function %s owner to supabase_storage_admin', v_name);
  end loop;
end;
$$;

grant usage on schema storage to postgres with grant option;

grant usage on schema storage to supabase_storage_admin, anon, authenticated, service_role;

grant all on storage.buckets, storage.objects to postgres with grant option;

grant all on storage.buckets, storage.objects to anon, authenticated, service_role;

-- Policies need the owner's rights here. What else those would allow, the guards refuse.
grant supabase_storage_admin to postgres with inherit true, set false;

-- What has leaked other people's data on other people's projects, looked for in the whole catalogue, so
-- that an object made tomorrow is covered today. Each is one query that must find nothing.

begin;

select plan(21);

-- S1: a table without row level security is open to whoever holds a grant

select is_empty(
  $$select c.oid::regclass from pg_class c
    where c.relnamespace in ('public'::regnamespace, 'private'::regnamespace) and c.relkind in ('r', 'p') and not c.relrowsecurity$$,
  'every table has row level security'
);

select is_empty(
  $$select c.oid::regclass from pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
      and (has_table_privilege('authenticated', c.oid, 'select') or has_any_column_privilege('authenticated', c.oid, 'select'))
      and not exists (select from pg_policy p where p.polrelid = c.oid and p.polcmd = 'r')$$,
  'every table that people may read has a policy that says which rows'
);

select is_empty(
  $$select c.oid::regclass, r.role, v.verb
    from pg_class c
    cross join unnest(array['anon', 'authenticated', 'service_role']) r (role)
    cross join unnest(array['truncate', 'references', 'trigger']) v (verb)
    where c.relnamespace in ('public'::regnamespace, 'private'::regnamespace) and c.relkind in ('r', 'p', 'v', 'm', 'f')
      and has_table_privilege(r.role, c.oid, v.verb)$$,
  'no API role may truncate, reference or put triggers on a table'
);

select is_empty(
  $$select c.oid::regclass, r.role
    from pg_class c
    cross join unnest(array['anon', 'authenticated', 'service_role']) r (role)
    where c.relnamespace = 'private'::regnamespace and (
      (c.relkind in ('r', 'p', 'v', 'm', 'f') and (
        has_table_privilege(r.role, c.oid, 'select, insert, update, delete')
        or has_any_column_privilege(r.role, c.oid, 'select, insert, update')
      ))
      or (c.relkind = 'S' and has_sequence_privilege(r.role, c.oid, 'usage, select, update'))
    )$$,
  'no API role reaches a relation of the private schema, not even the secret key'
);

select is_empty(
  $$select p.polname, p.polrelid::regclass from pg_policy p
    where p.polrelid in (select c.oid from pg_class c where c.relnamespace = 'public'::regnamespace)
      and p.polcmd <> 'r'
      and coalesce(pg_get_expr(p.polqual, p.polrelid), 'true') = 'true'
      and coalesce(pg_get_expr(p.polwithcheck, p.polrelid), 'true') = 'true'$$,
  'no policy lets everybody write'
);

select is_empty(
  $$select p.polname, p.polrelid::regclass from pg_policy p
    where p.polrelid in (select c.oid from pg_class c where c.relnamespace in ('public'::regnamespace, 'private'::regnamespace))
      and p.polcmd = '*'$$,
  'every policy is for one command'
);

select is_empty(
  $$select p.polname, p.polrelid::regclass from pg_policy p
    where p.polrelid in (select c.oid from pg_class c where c.relnamespace = 'public'::regnamespace)
      and p.polcmd = 'w' and (p.polqual is null or p.polwithcheck is null)$$,
  'every update policy says both which rows and what they may become'
);

select is_empty(
  $$select p.polname, p.polrelid::regclass from pg_policy p
    where p.polrelid in (select c.oid from pg_class c where c.relnamespace = 'public'::regnamespace)
      and p.polroles = '{0}'$$,
  'no policy is for PUBLIC, which would include roles of tomorrow'
);

-- S2: views and copies that bypass the policies of what they show

select is_empty(
  $$select c.oid::regclass from pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relkind = 'v'
      and not coalesce(c.reloptions @> '{security_invoker=true}', false)$$,
  'every exposed view asks with the rights of the caller'
);

select is_empty(
  $$select c.oid::regclass from pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('m', 'f')$$,
  'no materialized view and no foreign table is exposed: neither knows policies'
);

-- S3, S4: functions that run as their owner

select is_empty(
  $$select p.oid::regprocedure from pg_proc p
    where p.prosecdef and p.pronamespace = 'public'::regnamespace$$,
  'no function of the exposed schema runs with the rights of its owner'
);

select is_empty(
  $$select p.oid::regprocedure from pg_proc p
    where p.pronamespace in ('public'::regnamespace, 'private'::regnamespace)
      and not coalesce(p.proconfig @> array['search_path=""'], false)
      -- A procedure with a clause of its own may not commit, and a body that was bound when it was created looks nothing
      -- up; as its caller either can do no more than they.
      and (p.prokind <> 'p' and p.prosqlbody is null or p.prosecdef)$$,
  'every function has an empty search_path or a body that was bound, so that nobody can put an object in its way'
);

select is_empty(
  $$select p.oid::regprocedure from pg_proc p
    cross join aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
    where p.pronamespace in ('public'::regnamespace, 'private'::regnamespace) and a.grantee = 0$$,
  'no function may be executed by PUBLIC'
);

-- S5, S12: what a token says is what it said when it was issued, and metadata is what a person writes

select is_empty(
  $$select p.policyname, p.tablename from pg_policies p
    where coalesce(p.qual, '') || ' ' || coalesce(p.with_check, '') ~* '(user_metadata|app_metadata|auth\.jwt|auth\.role|auth\.email|current_setting)'
      and p.schemaname in ('public', 'private', 'storage', 'realtime')$$,
  'no policy believes a claim of the token'
);

select is_empty(
  $$select p.oid::regprocedure from pg_proc p
    where p.pronamespace in ('public'::regnamespace, 'private'::regnamespace)
      and p.prosrc ~* '(user_metadata|app_metadata)'
      and p.oid not in (select t.tgfoid from pg_trigger t where t.tgrelid = 'auth.users'::regclass)$$,
  'no function reads metadata, but the one that names a new account'
);

select is_empty(
  $$select p.policyname, p.tablename from pg_policies p
    where coalesce(p.qual, '') || ' ' || coalesce(p.with_check, '') ~ 'auth\.uid\(\)'
      and p.schemaname in ('public', 'private', 'storage', 'realtime')$$,
  'no policy asks who the token names instead of who may pass'
);

select is_empty(
  $$select p.policyname, p.tablename from pg_policies p
    where coalesce(p.qual, '') || ' ' || coalesce(p.with_check, '') ~ '(?<!SELECT )(?<!SELECT \()private\.[a-z_]+\('
      and p.schemaname in ('public', 'private', 'storage', 'realtime')$$,
  'every helper in a policy is asked once per statement, never once per row'
);

-- S15: queues, schedules, secrets

select is_empty(
  $$select c.oid::regclass, r.role
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace and n.nspname in ('net', 'cron', 'vault', 'auth', 'supabase_migrations')
    cross join unnest(array['anon', 'authenticated']) r (role)
    where c.relkind in ('r', 'p', 'v', 'm')
      and has_schema_privilege(r.role, n.oid, 'usage')
      and has_table_privilege(r.role, c.oid, 'select, insert, update, delete')$$,
  'people read neither outgoing requests nor schedules, secrets, accounts or sessions'
);

select is_empty(
  $$select p.oid::regprocedure, r.role
    from pg_proc p
    join pg_namespace n on n.oid = p.pronamespace and n.nspname in ('cron', 'vault')
    cross join unnest(array['anon', 'authenticated']) r (role)
    where has_schema_privilege(r.role, n.oid, 'usage') and has_function_privilege(r.role, p.oid, 'execute')$$,
  'people call nothing that schedules or decrypts'
);

select is_empty(
  $$select a.attrelid::regclass, a.attname
    from pg_attribute a
    join pg_class c on c.oid = a.attrelid and c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v')
    where a.attnum > 0 and not a.attisdropped
      and a.attname ~ '(^|_)(password|token|api_key|private_key|key_hash|access_token|refresh_token)$'
      and has_column_privilege('authenticated', c.oid, a.attnum, 'select')$$,
  'no column that people can read holds a credential'
);

select is(
  (select count(*)::int from pg_publication_tables t where t.pubname = 'supabase_realtime' and t.schemaname = 'private'),
  0,
  'nothing private is published to Realtime'
);

select * from finish();

rollback;

-- The platform's roles, as a hosted project has them. `supabase_admin` is the only superuser; people
-- and migrations work as `postgres`, which is not one.

create role anon nologin;

create role authenticated nologin;

create role service_role nologin bypassrls;

create role postgres login nosuperuser createdb createrole replication bypassrls;

create role authenticator login noinherit;

create role supabase_auth_admin login noinherit createrole;

create role supabase_storage_admin login noinherit;

create role supabase_realtime_admin nologin noinherit;

create role supabase_functions_admin login noinherit createrole;

create role supabase_replication_admin login replication;

create role supabase_read_only_user login bypassrls;

create role dashboard_user nologin createdb createrole replication;

grant anon, authenticated, service_role to authenticator;

grant anon, authenticated, service_role to supabase_storage_admin;

-- The admin option lets `postgres` set parameters on these roles, as in
-- `alter role authenticator set pgrst.db_pre_request = '…'`.
grant anon, authenticated, service_role, authenticator to postgres with admin option;

grant pg_monitor, pg_read_all_data, pg_signal_backend to postgres;

grant pg_read_all_data to supabase_read_only_user;

-- Parameters that hosted lets `postgres` set on a role or the database: PostgREST's, and a few of the
-- server's.
grant set on parameter
  pgrst.db_schemas, pgrst.db_pre_request, pgrst.db_extra_search_path, pgrst.db_max_rows,
  pgrst.db_aggregates_enabled, pgrst.db_plan_enabled, pgrst.db_tx_end, pgrst.db_root_spec,
  pgrst.openapi_mode, pgrst.jwt_aud, pgrst.server_cors_allowed_origins, pgrst.server_timing_enabled,
  session_replication_role, track_io_timing, log_min_duration_statement, safeupdate.enabled
  to postgres;

alter role anon set statement_timeout = '3s';

alter role authenticated set statement_timeout = '8s';

alter role authenticator set statement_timeout = '8s';

alter role authenticator set lock_timeout = '8s';

alter role supabase_admin set search_path = public, extensions;

alter role postgres set search_path = "$user", public, extensions;

alter role supabase_auth_admin set search_path = auth;

alter role supabase_storage_admin set search_path = storage;

alter database postgres owner to postgres;

alter database postgres set search_path = "$user", public, extensions;

alter database postgres set timezone = 'UTC';

create schema extensions;

grant usage on schema extensions to anon, authenticated, service_role;

grant all on schema extensions to postgres, dashboard_user;

create extension pgcrypto with schema extensions;

create extension "uuid-ossp" with schema extensions;

create extension pg_stat_statements with schema extensions;

create extension supabase_vault;

grant all on all routines in schema extensions to postgres with grant option;

grant all on all tables in schema extensions to postgres with grant option;

grant usage on schema public to postgres, anon, authenticated, service_role;

-- Empty until a migration adds tables to it.
create publication supabase_realtime;

alter publication supabase_realtime owner to postgres;

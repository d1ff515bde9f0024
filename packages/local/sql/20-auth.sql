-- Runs after the tables of the auth server were made: brings `auth` to what a hosted project has.

alter table auth.users
  add column instance_id uuid,
  add column is_super_admin boolean,
  alter column phone set default null,
  alter column confirmation_token set default '',
  alter column recovery_token set default '',
  alter column email_change_token_new set default '',
  alter column email_change set default '',
  alter column phone_change set default '',
  alter column phone_change_token set default '',
  alter column email_change_token_current set default '',
  alter column reauthentication_token set default '';

create index users_instance_id_idx on auth.users (instance_id);

create index users_instance_id_email_idx on auth.users (instance_id, lower(email));

alter table auth.sessions
  add column oauth_client_id uuid;

create index sessions_not_after_idx on auth.sessions (not_after desc);

alter table auth.refresh_tokens add column instance_id uuid;

alter table auth.audit_log_entries add column instance_id uuid;

alter table auth.identities alter column id set default gen_random_uuid();

create table auth.mfa_factors (
  id uuid primary key,
  user_id uuid not null references auth.users (id) on delete cascade,
  friendly_name text,
  factor_type text not null,
  status text not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  secret text,
  phone text,
  last_challenged_at timestamptz unique
);

create table auth.mfa_amr_claims (
  id uuid primary key,
  session_id uuid not null references auth.sessions (id) on delete cascade,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  authentication_method text not null,
  constraint mfa_amr_claims_session_id_authentication_method_pkey unique (session_id, authentication_method)
);

create table auth.one_time_tokens (
  id uuid primary key,
  user_id uuid not null references auth.users (id) on delete cascade,
  token_type text not null,
  token_hash text not null,
  relates_to text not null,
  created_at timestamp not null default now(),
  updated_at timestamp not null default now()
);

create or replace function auth.uid() returns uuid
language sql stable
as $$
  select coalesce(
    nullif(current_setting('request.jwt.claim.sub', true), ''),
    (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')
  )::uuid
$$;

create or replace function auth.role() returns text
language sql stable
as $$
  select coalesce(
    nullif(current_setting('request.jwt.claim.role', true), ''),
    (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role')
  )::text
$$;

create or replace function auth.email() returns text
language sql stable
as $$
  select coalesce(
    nullif(current_setting('request.jwt.claim.email', true), ''),
    (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'email')
  )::text
$$;

create or replace function auth.jwt() returns jsonb
language sql stable
as $$
  select coalesce(
    nullif(current_setting('request.jwt.claim', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')
  )::jsonb
$$;

do $$
declare
  v_object regclass;
begin
  for v_object in
    select oid::regclass from pg_class where relnamespace = 'auth'::regnamespace and relkind in ('r', 'S')
  loop
    execute format('alter table %s owner to supabase_auth_admin', v_object);
    execute format('alter table %s enable row level security', v_object);
  end loop;
end;
$$;

alter function auth.uid() owner to supabase_auth_admin;

alter function auth.role() owner to supabase_auth_admin;

alter function auth.email() owner to supabase_auth_admin;

alter function auth.jwt() owner to supabase_auth_admin;

grant all on schema auth to supabase_auth_admin;

grant usage on schema auth to postgres, anon, authenticated, service_role;

grant all on all tables in schema auth to postgres with grant option;

grant execute on all functions in schema auth to postgres, dashboard_user;

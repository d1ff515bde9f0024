-- Helpers of the pgTAP files: people, sessions and who is asking.
--
-- Committed on purpose, in a schema that only a test database has; the files that use them roll back.
-- It prints TAP itself, so that `supabase test db`, which runs files in order of their names, can run it.

begin;

create extension if not exists pgtap with schema extensions;

-- The default privileges of a project may keep functions from the roles that assertions run as.
do $$
declare
  signature regprocedure;
begin
  for signature in
    select d.objid
    from pg_depend d
    join pg_extension e on e.oid = d.refobjid and e.extname = 'pgtap'
    join pg_proc p on p.oid = d.objid
    where d.classid = 'pg_proc'::regclass and d.deptype = 'e' and not has_function_privilege('anon', d.objid, 'execute')
  loop
    execute format('grant execute on routine %s to anon, authenticated, service_role', signature);
  end loop;
end
$$;

drop schema if exists tests cascade;

create schema tests;

comment on schema tests is 'Helpers of the test suite. Never part of a project.';

grant usage on schema tests to anon, authenticated, service_role;

create function tests.create_team(p_name text) returns uuid
language sql volatile set search_path = '' as $$
  insert into public.teams (name) values (p_name)
  on conflict ((lower(name))) do update set name = excluded.name
  returning id;
$$;

comment on function tests.create_team(text) is 'The team of that name, made if there is none.';

create function tests.create_user(
  p_role text default 'counselor',
  p_team text default null,
  p_is_active boolean default true,
  p_full_name text default null
) returns uuid
language plpgsql volatile set search_path = '' as $$
declare
  user_id uuid := gen_random_uuid();
begin
  insert into auth.users (
    id, instance_id, aud, role, email, encrypted_password, email_confirmed_at,
    raw_app_meta_data, raw_user_meta_data, created_at, updated_at
  ) values (
    user_id, '00000000-0000-0000-0000-000000000000', 'authenticated', 'authenticated',
    user_id || '@example.test', '', now(),
    '{"provider": "email", "providers": ["email"]}',
    jsonb_build_object('full_name', coalesce(p_full_name, p_role || ' ' || left(user_id::text, 8))),
    now(), now()
  );

  update public.profiles p
  set is_active = p_is_active, role_id = (select r.id from public.roles r where r.key = p_role)
  where p.id = user_id;

  if p_team is not null then
    insert into public.team_members (team_id, user_id, is_manager)
    values (tests.create_team(p_team), user_id, p_role = 'manager');
  end if;

  return user_id;
end
$$;

comment on function tests.create_user(text, text, boolean, text) is 'An active person in that role; a manager manages the team named, anybody else is in it.';

create function tests.create_session(p_user_id uuid) returns uuid
language plpgsql volatile security definer set search_path = '' as $$
declare
  session_id uuid := gen_random_uuid();
begin
  insert into auth.sessions (id, user_id, created_at, updated_at, aal)
  values (session_id, p_user_id, now(), now(), 'aal1');

  return session_id;
end
$$;

comment on function tests.create_session(uuid) is 'A live Auth session of that person.';

create function tests.set_claims(p_role text, p_claims jsonb) returns void
language plpgsql volatile set search_path = '' as $$
begin
  perform set_config('request.jwt.claims', coalesce(p_claims::text, ''), true);
  perform set_config('role', p_role, true);
end
$$;

comment on function tests.set_claims(text, jsonb) is 'Makes the rest of the transaction what a request with that token would be.';

create function tests.authenticate_as(p_user_id uuid, p_session_id uuid default null) returns void
language plpgsql volatile set search_path = '' as $$
begin
  perform tests.set_claims('authenticated', jsonb_build_object(
    'sub', p_user_id,
    'role', 'authenticated',
    'aud', 'authenticated',
    'session_id', coalesce(p_session_id, tests.create_session(p_user_id))
  ));
end
$$;

comment on function tests.authenticate_as(uuid, uuid) is 'Signs that person in for the rest of the transaction, with a new session unless one is given.';

create function tests.authenticate_as_anon() returns void
language sql volatile set search_path = '' as $$
  select tests.set_claims('anon', '{"role": "anon"}');
$$;

comment on function tests.authenticate_as_anon() is 'A request with the publishable key and no token.';

create function tests.authenticate_as_service() returns void
language sql volatile set search_path = '' as $$
  select tests.set_claims('service_role', '{"role": "service_role"}');
$$;

comment on function tests.authenticate_as_service() is 'A request with the secret key.';

create function tests.clear_authentication() returns void
language sql volatile set search_path = '' as $$
  select tests.set_claims('none', null);
$$;

comment on function tests.clear_authentication() is 'Back to the role that runs the tests.';

create function tests.refused(p_call text, out state text, out details text)
language plpgsql volatile as $$
begin
  execute p_call;
exception when others then
  get stacked diagnostics state = returned_sqlstate, details = pg_exception_detail;
end
$$;

comment on function tests.refused(text) is 'How a statement is refused: its SQLSTATE and its details, each null if it is not, and then it has done what it does.';

create function tests.refusal(p_call text) returns text
language sql volatile as $$
  select state || ' ' || details from tests.refused(p_call);
$$;

comment on function tests.refusal(text) is 'The same in one text.';

grant execute on all functions in schema tests to anon, authenticated, service_role;

commit;

begin;

select extensions.plan(1);

select extensions.has_schema('tests');

select * from extensions.finish();

rollback;

-- Access control: who counts as signed in, what each scope reaches, and how access is given and taken.

begin;

select no_plan();

-- Whoever the project already has must not change an answer about the last administrator.
create temp table people on commit drop as
select
  tests.create_user('admin', null, true, 'Ada Admin') as admin,
  tests.create_user('manager', 'Identity A', true, 'Mala Manager') as manager,
  tests.create_user('counselor', 'Identity A', true, 'Chetan Counselor') as counselor,
  tests.create_user('counselor', 'Identity A') as colleague,
  tests.create_user('counselor', 'Identity B') as stranger,
  tests.create_user('manager', null) as idle_manager,
  tests.create_user('counselor', 'Identity A', false) as inactive;

update public.profiles p set is_active = false
from people where p.id <> people.admin and p.role_id = (select r.id from public.roles r where r.key = 'admin');

grant select on people to public;

create temp table sessions on commit drop as select tests.create_session(counselor) as live from people;

grant select on sessions to public;

-- Gates: every way of not being somebody, for a person of each scope

select is(
  has_function_privilege('anon', fn, 'execute'), false, format('anon may not call %s', fn))
from unnest(array['private.gate_own()', 'private.gate_all()', 'private.gate_team()', 'private.gate_colleagues()', 'private.has_permission(text)', 'public.me()']) fn;

create function pg_temp.gates(out own boolean, out everything boolean, out team boolean, out colleagues boolean, out may_create boolean) language sql as $$
  select private.gate_own() is not null, private.gate_all() is not null, private.gate_team() is not null,
    private.gate_colleagues() is not null, private.has_permission('leads.create');
$$;

create function pg_temp.gates_for(p_claims jsonb) returns text language plpgsql as $$
declare
  open text;
begin
  perform tests.set_claims('authenticated', p_claims);
  select concat_ws(' ', case when g.own then 'own' end, case when g.everything then 'all' end, case when g.team then 'team' end,
    case when g.colleagues then 'colleagues' end, case when g.may_create then 'leads.create' end) into open from pg_temp.gates() g;
  perform tests.clear_authentication();
  return open;
end
$$;

grant execute on function pg_temp.gates() to public;

select is(pg_temp.gates_for('{}'), '', 'a token that names nobody opens nothing');

select is(pg_temp.gates_for('{"sub": "6f1f2a52-0000-4000-8000-0000000000ff", "session_id": "6f1f2a52-0000-4000-8000-0000000000fe"}'), '', 'an account that does not exist opens nothing');

create temp table guises on commit drop as
select p.who, p.id, p.opens, tests.create_session(p.id) as live, tests.create_session(p.id) as revoked, tests.create_session(p.id) as expired, tests.create_session(p.id) as bounded
from people, lateral (values
  ('an administrator', admin, 'own all leads.create'), ('a manager', manager, 'own team colleagues leads.create'), ('a counselor', counselor, 'own colleagues leads.create')
) p (who, id, opens);

update auth.sessions s set not_after = now() - interval '1 second' from guises g where s.id = g.expired;

update auth.sessions s set not_after = now() + interval '1 hour' from guises g where s.id = g.bounded;

delete from auth.sessions s using guises g where s.id = g.revoked;

select is(pg_temp.gates_for(jsonb_build_object('sub', g.id, 'session_id', g.live)), g.opens, format('%s with a live session opens %s', g.who, g.opens)) from guises g;

select is(pg_temp.gates_for(jsonb_build_object('sub', g.id, 'session_id', g.bounded)), g.opens, format('%s with a session before its end does so too', g.who)) from guises g;

select is(pg_temp.gates_for(jsonb_build_object('sub', g.id)), '', format('%s without a session opens nothing', g.who)) from guises g;

select is(pg_temp.gates_for(jsonb_build_object('sub', g.id, 'session_id', g.revoked)), '', format('%s with a session that was ended opens nothing', g.who)) from guises g;

select is(pg_temp.gates_for(jsonb_build_object('sub', g.id, 'session_id', g.expired)), '', format('%s with a session past its end opens nothing', g.who)) from guises g;

select is(pg_temp.gates_for(jsonb_build_object('sub', g.id, 'session_id', other.live)), '', format('%s with the session of %s opens nothing', g.who, other.who))
from guises g join guises other on other.id <> g.id;

select is(pg_temp.gates_for(jsonb_build_object('sub', id, 'session_id', tests.create_session(id))), '', 'an inactive profile opens nothing, though it may be a role of any scope')
from (select tests.create_user(role, 'Identity B', false) as id from unnest(array['admin', 'manager', 'counselor']) role) t;

select is(pg_temp.gates_for(jsonb_build_object('sub', idle_manager, 'session_id', tests.create_session(idle_manager))), 'own leads.create', 'a manager of no team opens no team') from people;

select tests.authenticate_as((select admin from people));

select results_eq(
  'select private.gate_own(), private.gate_all()', 'select admin, admin from people', 'the gates answer with the caller''s id');

select is(
  (select count(*) from public.permissions p where not private.has_permission(p.key)), 0::bigint,
  'an administrator holds every permission, also those that modules add');

-- What each scope sees

create function pg_temp.profiles_seen() returns bigint language sql as $$
  select count(*) from public.profiles p, people
  where p.id in (people.admin, people.manager, people.counselor, people.colleague, people.stranger, people.idle_manager, people.inactive);
$$;

grant execute on function pg_temp.profiles_seen() to public;

select is(pg_temp.profiles_seen(), 7::bigint, 'an administrator sees everybody');

select tests.authenticate_as((select manager from people));

select is(pg_temp.profiles_seen(), 4::bigint, 'a manager sees the people of their team');

select tests.authenticate_as((select idle_manager from people));

select is(pg_temp.profiles_seen(), 1::bigint, 'a manager of no team sees themselves');

select tests.authenticate_as((select counselor from people), (select live from sessions));

select is(pg_temp.profiles_seen(), 4::bigint, 'a counselor sees the people of their team');

select results_eq(
  'select distinct m.team_id from public.team_members m', $$select id from public.teams where name = 'Identity A'$$,
  'and who is in it, of no other team');

select isnt_empty('select key from public.roles', 'anybody signed in reads the roles');

select isnt_empty('select name from public.teams', 'and the teams');

select results_eq(
  'select full_name, role, status from public.user_profiles, people where user_id = people.counselor', $$values ('Chetan Counselor', 'counselor', 'active')$$,
  'user_profiles shows the role by its key and the state by name');

select is((select count(*) from public.user_profiles), (select count(*) from public.profiles), 'and no more people than profiles does');

select tests.authenticate_as((select inactive from people));

select is_empty('select id from public.profiles', 'an inactive person does not even see their own profile');

select is_empty('select key from public.roles', 'nor the roles');

select tests.authenticate_as_anon();

select throws_ok(format('select * from public.%I', name), '42501', null, format('anon may not read %s', name))
from unnest(array['profiles', 'user_profiles', 'roles', 'permissions', 'role_permissions', 'teams', 'team_members']) name;

-- me()

select throws_ok('select public.me()', '42501', null, 'anon is nobody');

select tests.authenticate_as((select inactive from people));

select throws_ok('select public.me()', '42501', 'This account is not active.', 'an inactive person is told so');

select tests.authenticate_as((select counselor from people), (select live from sessions));

select results_eq(
  $$select k from jsonb_object_keys(public.me()) k order by k$$,
  $$values ('availability'), ('data_scope'), ('email'), ('full_name'), ('id'), ('permissions'), ('role'), ('teams'), ('timezone')$$,
  'me() answers with its documented keys');

select is(
  public.me() - '{id,email,teams}'::text[],
  '{"full_name": "Chetan Counselor", "role": "counselor", "data_scope": "own", "timezone": "Asia/Kolkata", "availability": "offline"}'::jsonb
    || (select jsonb_build_object('permissions', jsonb_agg(rp.permission order by rp.permission)) from public.role_permissions rp join public.roles r on r.id = rp.role_id and r.key = 'counselor'),
  'me() names role, scope, the organisation''s time zone and the permissions');

select is((public.me() #> '{teams,0}') - 'id', '{"name": "Identity A", "is_manager": false}'::jsonb, 'me() names the teams');

update public.profiles set timezone = 'Europe/Berlin' where id = (select counselor from people);

select is(public.me() ->> 'timezone', 'Europe/Berlin', 'one''s own time zone comes before the organisation''s');

-- Access takes effect on the next statement

select tests.authenticate_as((select manager from people));

select isnt(private.gate_team(), null, 'a manager has a team');

select tests.clear_authentication();

update public.profiles set role_id = (select r.id from public.roles r where r.key = 'counselor') where id = (select manager from people);

select tests.authenticate_as((select manager from people), s.id) from auth.sessions s, people where s.user_id = people.manager;

select is(private.gate_team(), null, 'once demoted, the same token opens no team');

select is(private.has_permission('leads.assign'), false, 'nor does it hold the permission any more');

select tests.clear_authentication();

update public.profiles set role_id = (select r.id from public.roles r where r.key = 'manager') where id = (select manager from people);

update public.team_members set is_manager = false where user_id = (select manager from people);

select tests.authenticate_as((select manager from people), s.id) from auth.sessions s, people where s.user_id = people.manager;

select is(private.gate_team(), null, 'a person of scope team manages only the teams that say so');

select tests.clear_authentication();

update public.team_members set is_manager = true where user_id = (select manager from people);

-- user_set_access

select tests.authenticate_as((select counselor from people), (select live from sessions));

select results_eq(
  format('select * from tests.refused(%L)', format('select public.user_set_access(%L, %L)', counselor, 'admin')), $$values ('42501', 'permission_denied: users.manage')$$,
  'a counselor does not make themselves an administrator') from people;

select tests.authenticate_as((select manager from people));

select throws_ok(format('select public.user_set_access(%L, %L)', counselor, 'manager'), '42501', null, 'a manager promotes nobody') from people;

select throws_ok(format('select public.user_set_access(%L, null, false)', counselor), '42501', null, 'nor deactivates anybody') from people;

select tests.clear_authentication();

insert into public.roles (key, name, data_scope) values ('hr', 'Human resources', 'all'), ('hr_team', 'Team resources', 'team');

insert into public.role_permissions (role_id, permission)
select r.id, p
from public.roles r, (
  select 'users.manage' union select rp.permission from public.role_permissions rp join public.roles c on c.id = rp.role_id and c.key = 'counselor'
) held (p)
where r.key in ('hr', 'hr_team');

create temp table officers on commit drop as select tests.create_user('hr') as officer, tests.create_user('hr_team', null) as team_officer;

grant select on officers to public;

select tests.authenticate_as((select officer from officers));

select lives_ok(format('select public.user_set_access(%L, null, true)', inactive), 'a role with users.manage activates a counselor') from people;

select throws_ok(format('select public.user_set_access(%L, %L)', inactive, 'admin'), '42501', null, 'but gives nobody more than it holds itself') from people;

select throws_ok(format('select public.user_set_access(%L, %L)', officer, 'admin'), '42501', null, 'also not its own holder') from officers;

select throws_ok(format('select public.user_set_access(%L, null, false)', admin), '42501', null, 'and takes nothing from somebody who holds more') from people;

select throws_ok(format('select public.user_set_access(%L, %L)', admin, 'counselor'), '42501', null, 'not by a lesser role either') from people;

select tests.authenticate_as((select team_officer from officers));

select throws_ok(format('select public.user_set_access(%L, null, false)', counselor), '42501', null, 'a role that does not see everybody gives and takes no access') from people;

select tests.authenticate_as((select admin from people));

select throws_ok(format('select public.user_set_access(%L, %L)', counselor, 'emperor'), 'PT422', 'There is no such role.', 'a role that does not exist is refused') from people;

select throws_ok($$select public.user_set_access(gen_random_uuid(), 'manager')$$, 'PT404', null, 'so is a person who does not exist');

select lives_ok(format('select public.user_set_access(%L, %L)', stranger, 'MANAGER'), 'an administrator promotes, whatever the case of the key') from people;

select is((select role from public.user_profiles, people where user_id = stranger), 'manager', 'and the role is that one');

select lives_ok(format('select public.user_set_access(%L, null, false)', counselor), 'an administrator deactivates') from people;

select tests.clear_authentication();

select is((select count(*) from auth.sessions s, people where s.user_id = counselor), 0::bigint, 'and the person''s sessions are over');

select tests.authenticate_as((select counselor from people), (select live from sessions));

select is_empty('select id from public.profiles', 'so that the token in their hands opens nothing');

-- The last administrator

select tests.authenticate_as((select admin from people));

select throws_ok(format('select public.user_set_access(%L, %L)', admin, 'manager'), 'PT409', null, 'the last administrator does not demote themselves') from people;

select throws_ok(format('select public.user_set_access(%L, null, false)', admin), 'PT409', null, 'nor deactivate themselves') from people;

-- may_assign_to

select tests.authenticate_as((select manager from people));

select is(private.may_assign_to(colleague), true, 'a manager may give work to members') from people;

select is(private.may_assign_to(manager), true, 'to themselves') from people;

select is(private.may_assign_to(stranger), false, 'to nobody of another team') from people;

select is(private.may_assign_to(counselor), false, 'and not to somebody inactive') from people;

select tests.authenticate_as((select colleague from people));

select is(private.may_assign_to(colleague), true, 'a counselor may keep work') from people;

select is(private.may_assign_to(manager), false, 'and give it to nobody') from people;

select tests.authenticate_as((select admin from people));

select is(private.may_assign_to(stranger), true, 'an administrator may give work to anybody') from people;

select is(private.may_assign_to(counselor), false, 'who is active') from people;

select * from finish();

rollback;

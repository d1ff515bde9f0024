-- Identity: who counts as signed in, what each scope reaches, and how access is given and taken.

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

create temp table version_before on commit drop as select p.version from public.profiles p, people where p.id = people.counselor;

update public.profiles p set is_active = false
from people where p.id <> people.admin and p.role_id = (select r.id from public.roles r where r.key = 'admin');

grant select on people, version_before to public;

create temp table sessions on commit drop as select tests.create_session(counselor) as live from people;

grant select on sessions to public;

-- New accounts

insert into auth.users (id, instance_id, aud, role, email, raw_user_meta_data)
values ('6f1f2a52-0000-4000-8000-00000000000a', '00000000-0000-0000-0000-000000000000', 'authenticated', 'authenticated', 'New.Person@Example.Test',
  '{"full_name": "New Person", "role": "admin", "is_active": true}');

select results_eq(
  $$select p.full_name, p.email, r.key, p.is_active from public.profiles p join public.roles r on r.id = p.role_id where p.id = '6f1f2a52-0000-4000-8000-00000000000a'$$,
  $$values ('New Person', 'new.person@example.test', 'counselor', false)$$,
  'a new account is an inactive counselor, whatever its metadata claims');

update auth.users set email = 'renamed@example.test', raw_user_meta_data = '{"role": "admin"}' where id = '6f1f2a52-0000-4000-8000-00000000000a';

select is((select p.email from public.profiles p where p.id = '6f1f2a52-0000-4000-8000-00000000000a'), 'renamed@example.test', 'the profile follows the address of the account');

insert into auth.users (id, instance_id, aud, role, email, raw_user_meta_data)
values ('6f1f2a52-0000-4000-8000-00000000000b', '00000000-0000-0000-0000-000000000000', 'authenticated', 'authenticated', 'long@example.test', jsonb_build_object('full_name', repeat('n', 500)));

select is((select length(p.full_name) from public.profiles p where p.id = '6f1f2a52-0000-4000-8000-00000000000b'), 200, 'a long name does not stop a registration');

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

-- One's own profile

select lives_ok(
  $$update public.profiles set phone = '98765 43210', department = 'Admissions', designation = 'Counselor', avatar_url = 'https://example.test/a.png',
    preferences = '{"notifications": {"email": true, "sms": false}}', timezone = 'Europe/Berlin', availability = 'available', full_name = 'Chetan C.'
    where id = (select counselor from people)$$,
  'a person keeps their own profile');

select results_eq(
  'select phone, timezone, p.version - b.version from public.profiles p, version_before b where id = (select counselor from people)', $$values ('+919876543210', 'Europe/Berlin', 1::bigint)$$,
  'the phone is normalised and the version rises');

select is(public.me() ->> 'timezone', 'Europe/Berlin', 'one''s own time zone comes before the organisation''s');

select throws_ok(format('update public.profiles set %I = %s where id = (select counselor from people)', name, value), '42501', null, format('a person cannot set their own %s', name))
from (values
  ('role_id', '(select id from public.roles where key = ''admin'')'), ('is_active', 'true'), ('max_open_leads', '1'), ('email', '''x@example.test'''),
  ('id', 'gen_random_uuid()'), ('version', '1'), ('created_at', 'now()')
) t (name, value);

select throws_ok($$update public.profiles set phone = 'none' where id = (select counselor from people)$$, 'PT422', 'This is not a phone number.', 'a phone that is none is refused');

select throws_ok($$update public.profiles set timezone = 'Mars/Olympus' where id = (select counselor from people)$$, 'PT422', 'There is no such time zone.', 'a time zone that is none is refused');

select throws_ok($$update public.profiles set availability = 'asleep' where id = (select counselor from people)$$, '23514', null, 'an availability that is none is refused');

select throws_ok($$update public.profiles set preferences = '[]' where id = (select counselor from people)$$, '23514', null, 'preferences that are no object are refused');

select throws_ok(
  $$update public.profiles set preferences = (select jsonb_object_agg(n, md5(n::text)) from generate_series(1, 2000) n) where id = (select counselor from people)$$,
  '23514', null, 'preferences without measure are refused');

select is_empty($$update public.profiles set full_name = 'Taken over' where id = (select colleague from people) returning id$$, 'a person does not change a colleague''s profile');

select throws_ok($$delete from public.profiles where id = (select counselor from people)$$, '42501', null, 'nobody deletes a profile');

select throws_ok($$insert into public.profiles (id, email, role_id) select gen_random_uuid(), 'x@example.test', id from public.roles limit 1$$, '42501', null, 'nobody inserts one');

select throws_ok($$update public.user_profiles set full_name = 'By the view' where id = (select counselor from people)$$, '55000', null, 'user_profiles is for reading');

select throws_ok(format('insert into public.%s', statement), '42501', null, format('a counselor cannot insert into %s', split_part(statement, ' ', 1)))
from unnest(array[
  'role_permissions (role_id, permission) select role_id, ''users.manage'' from public.profiles where id = (select counselor from people)',
  'roles (key, name, data_scope) values (''mine'', ''Mine'', ''all'')',
  'permissions (key, description) values (''mine.all'', ''Mine'')',
  'teams (name) values (''Mine'')',
  'team_members (team_id, user_id, is_manager) select t.id, counselor, true from public.teams t, people where t.name = ''Identity B'''
]) statement;

select is_empty($$update public.team_members set is_manager = true where user_id = (select counselor from people) returning user_id$$, 'a counselor does not make themselves the manager of their team');

select is_empty($$delete from public.team_members returning user_id$$, 'nor removes anybody from it');

select is_empty($$update public.teams set name = 'Renamed' returning id$$, 'nor renames a team');

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

select tests.clear_authentication();

select throws_ok($$update public.profiles set is_active = false where id = (select admin from people)$$, 'PT409', null, 'not in Studio either');

select throws_ok($$delete from public.profiles where id = (select admin from people)$$, 'PT409', null, 'the last administrator''s profile is not deleted');

select throws_ok($$delete from auth.users where id = (select admin from people)$$, 'PT409', null, 'nor their account');

create temp table successor on commit drop as select tests.create_user('admin') as id;

select lives_ok($$update public.profiles set is_active = false where id = (select admin from people)$$, 'with a second administrator the first may go');

update public.profiles set is_active = true where id = (select admin from people);

-- Roles and permissions

select throws_ok(format('delete from public.roles where key = %L', key), 'PT409', null, format('%s cannot be deleted', key)) from unnest(array['admin', 'manager', 'counselor']) key;

select throws_ok($$update public.roles set key = 'boss' where key = 'manager'$$, 'PT409', null, 'a built-in role keeps its key');

select throws_ok($$update public.roles set data_scope = 'all' where key = 'counselor'$$, 'PT409', null, 'and its scope');

select throws_ok($$update public.roles set is_system = false where key = 'admin'$$, 'PT409', null, 'and stays built in');

select lives_ok($$update public.roles set name = 'Lead counselor' where key = 'counselor'$$, 'its name may change');

select throws_ok($$delete from public.roles where key = 'hr'$$, 'PT409', null, 'a role somebody has is not deleted');

insert into public.roles (key, name, data_scope) values ('unused', 'Unused', 'own');

select lives_ok($$delete from public.roles where key = 'unused'$$, 'a role nobody has is');

select throws_ok($$insert into public.roles (key, name, data_scope) values ('wide', 'Wide', 'galaxy')$$, '23514', null, 'a scope is own, team or all');

select throws_ok(
  $$delete from public.role_permissions where permission = 'users.manage' and role_id = (select id from public.roles where key = 'admin')$$, 'PT409', null,
  'the role admin loses no permission');

insert into public.permissions (key, description) values ('identity.tested', 'Made by a test');

select isnt_empty(
  $$select from public.role_permissions rp join public.roles r on r.id = rp.role_id where r.key = 'admin' and rp.permission = 'identity.tested'$$,
  'a permission added later is held by admin at once');

select lives_ok($$delete from public.permissions where key = 'identity.tested'$$, 'and goes with its module');

-- Teams

select tests.authenticate_as((select admin from people));

select lives_ok($$insert into public.teams (name) values ('Identity C')$$, 'an administrator makes a team');

select throws_ok($$insert into public.teams (name) values ('identity c')$$, '23505', null, 'names of teams differ by more than case');

select throws_ok($$insert into public.teams (name) values ('  ')$$, '23514', null, 'and are not blank');

select throws_ok(
  $$insert into public.team_members (team_id, user_id) select t.id, colleague from public.teams t, people where t.name = 'Identity C'$$, '23505', null,
  'a person works in one team');

select lives_ok(
  $$insert into public.team_members (team_id, user_id, is_manager) select t.id, manager, true from public.teams t, people where t.name = 'Identity C'$$,
  'and manages as many as need be');

select tests.authenticate_as((select manager from people));

select is(cardinality(private.gate_team()), 2, 'who then sees both');

select throws_ok($$insert into public.teams (name) values ('Identity D')$$, '42501', null, 'a manager makes no team');

select tests.clear_authentication();

select is(
  private.team_of(manager, t.id), t.id, format('what a manager of several teams keeps in %s stays there', t.name))
from people, public.teams t where t.name in ('Identity A', 'Identity C');

select is(private.team_of(colleague), (select id from public.teams where name = 'Identity A'), 'a member''s records belong to the team they work in') from people;

select is(private.team_of(colleague, (select id from public.teams where name = 'Identity C')), (select id from public.teams where name = 'Identity A'), 'a team they are not in is no preference') from people;

select is(private.team_of(idle_manager), null, 'who is in no team has none') from people;

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

-- Identity: what a new account is, what people keep of their own, and what roles and teams hold.

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

-- One's own profile

select tests.authenticate_as((select counselor from people), (select live from sessions));

select lives_ok(
  $$update public.profiles set phone = '98765 43210', department = 'Admissions', designation = 'Counselor', avatar_url = 'https://example.test/a.png',
    preferences = '{"notifications": {"email": true, "sms": false}}', timezone = 'Europe/Berlin', availability = 'available', full_name = 'Chetan C.'
    where id = (select counselor from people)$$,
  'a person keeps their own profile');

select results_eq(
  'select phone, timezone, p.version - b.version from public.profiles p, version_before b where id = (select counselor from people)', $$values ('+919876543210', 'Europe/Berlin', 1::bigint)$$,
  'the phone is normalised and the version rises');

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

select tests.clear_authentication();

-- The last administrator

select throws_ok($$update public.profiles set is_active = false where id = (select admin from people)$$, 'PT409', null, 'the last administrator is not deactivated, in Studio either');

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

insert into public.roles (key, name, data_scope) values ('hr', 'Human resources', 'all');

select isnt(tests.create_user('hr'), null, 'a role is given');

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

select * from finish();

rollback;

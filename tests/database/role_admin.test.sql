-- Administration of roles: making, changing and deleting them, and that nobody hands out more than they hold.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('admin') as admin, tests.create_user('manager', 'Roles A') as manager, tests.create_user('counselor') as counselor;

grant select on people to public;

create temp table made (role jsonb) on commit drop;

grant all on made to public;

select tests.authenticate_as((select manager from people));

select throws_ok($$select public.role_upsert('Senior')$$, '42501', null, 'a manager makes no role');

select tests.authenticate_as((select admin from people));

insert into made select public.role_upsert('Senior Counselor', 'Helps the others', array['leads.create', 'leads.assign'], 'team');

select is(
  (select role - 'id' from made),
  '{"key": "senior_counselor", "name": "Senior Counselor", "description": "Helps the others", "data_scope": "team", "is_system": false, "permissions": ["leads.assign", "leads.create"]}',
  'a role is made, its key from its name');

select results_eq(
  $$select name, description, permissions, is_system from public.roles_with_permissions where id = (select (role ->> 'id')::uuid from made)$$,
  $$values ('Senior Counselor', 'Helps the others', '["leads.assign", "leads.create"]'::jsonb, false)$$, 'and listed');

select is(public.role_upsert(p_permissions => '{leads.create}', p_id => (role ->> 'id')::uuid) -> 'permissions', '["leads.create"]', 'a list replaces the list') from made;

select is(public.role_upsert(p_name => 'Elder', p_id => (role ->> 'id')::uuid) ->> 'description', 'Helps the others', 'what is not said stays') from made;

select is(public.role_upsert(p_permissions => '{}', p_id => (role ->> 'id')::uuid) -> 'permissions', '[]', 'an empty list takes all') from made;

select throws_ok($$select public.role_upsert('Senior  counselor!')$$, 'PT409', null, 'two names of one key are one role');

select is(public.role_upsert('सलाहकार') ->> 'name', 'सलाहकार', 'a name may be of any script');

select isnt(public.role_upsert('प्रबंधक') ->> 'key', (select key from public.roles where name = 'सलाहकार'), 'and two such names are two roles');

select throws_ok($$select public.role_upsert('  ')$$, 'PT422', null, 'a name is due');

select throws_ok($$select public.role_upsert('X', null, array['leads.teleport'])$$, 'PT422', 'There is no such permission.', 'a permission that there is not');

select throws_ok($$select public.role_upsert('X', null, null, 'galaxy')$$, 'PT422', null, 'a scope that there is not');

select throws_ok($$select public.role_upsert('X', p_id => gen_random_uuid())$$, 'PT422', null, 'a role that there is not');

select throws_ok($$select public.role_upsert(p_permissions => '{}', p_id => (select id from public.roles where key = 'admin'))$$, 'PT409', null, 'admin keeps every permission');

select throws_ok($$select public.role_upsert(p_data_scope => 'all', p_id => (select id from public.roles where key = 'counselor'))$$, 'PT409', null, 'a built-in role keeps its scope');

select lives_ok($$select public.role_upsert(p_permissions => '{leads.create}', p_id => (select id from public.roles where key = 'counselor'))$$, 'but its permissions can change');

select is_empty($$select 1 from public.roles where name = 'X'$$, 'and what was refused left nothing');

select throws_ok($$delete from public.roles where key = 'counselor'$$, 'PT409', 'Built-in roles cannot be changed in this way.', 'a built-in role is not deleted');

-- Deleting, and a role in use

select tests.clear_authentication();

update public.profiles set role_id = (select (role ->> 'id')::uuid from made) where id = (select counselor from people);

select tests.authenticate_as((select admin from people));

select throws_ok($$delete from public.roles where key = 'senior_counselor'$$, 'PT409', 'Somebody still has this role.', 'nor one that somebody has');

select lives_ok(format('select public.user_set_access(%L, %L)', (select counselor from people), 'counselor'), 'they get another');

delete from public.roles where key = 'senior_counselor';

select is_empty($$select 1 from public.roles where key = 'senior_counselor'$$, 'then it goes');

-- Somebody who manages roles but holds little

select tests.clear_authentication();

insert into public.roles (key, name, data_scope) values ('keeper', 'Keeper', 'all'), ('near', 'Near', 'team');

insert into public.role_permissions (role_id, permission)
select r.id, p.key from public.roles r, public.permissions p where r.key in ('keeper', 'near') and p.key in ('roles.manage', 'leads.create');

create temp table keepers on commit drop as select tests.create_user('keeper') as keeper, tests.create_user('near') as near;

grant select on keepers to public;

select tests.authenticate_as((select keeper from keepers));

select throws_ok($$select public.role_upsert('Y', null, array['users.manage'])$$, '42501', null, 'nobody gives what they do not hold');

select throws_ok($$select public.role_upsert(p_permissions => '{}', p_id => (select id from public.roles where key = 'manager'))$$, '42501', null, 'nor takes it');

select is(public.role_upsert('Y', null, array['leads.create']) ->> 'data_scope', 'own', 'what they hold they may give; the scope is own unless said');

select tests.authenticate_as((select near from keepers));

select throws_ok($$select public.role_upsert('Z')$$, '42501', null, 'with less than scope all nobody makes roles');

delete from public.roles where name = 'Y';

select isnt_empty($$select 1 from public.roles where name = 'Y'$$, 'nor deletes them');

select * from finish();

rollback;

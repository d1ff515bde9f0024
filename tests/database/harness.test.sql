-- The helpers themselves: people, sessions and roles of the other files.

begin;

select plan(4);

create temp table people on commit drop as
select tests.create_user('counselor', 'Harness A') as own, tests.create_user('manager', 'Harness A') as boss, tests.create_user('admin') as admin;

grant select on people to public;

select tests.authenticate_as((select own from people));

select is((public.me() ->> 'role'), 'counselor', 'a counselor is signed in');

select tests.clear_authentication();

select tests.authenticate_as((select boss from people));

select is((select count(*)::int from public.profiles), 2, 'a manager sees the team');

select tests.clear_authentication();

select tests.authenticate_as_anon();

select throws_ok('select public.me()', '42501', null, 'anon is refused');

select tests.clear_authentication();

select is(current_user::text, 'postgres', 'back');

select * from finish();

rollback;

-- Organizations: normalised on every path, and seen by whom they belong to.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('manager', 'Organizations A') as manager, tests.create_user('counselor', 'Organizations A') as counselor,
  tests.create_user('counselor', 'Organizations A') as colleague;

create temp table given on commit drop as
select gen_random_uuid() as organization, (select id from public.teams where name = 'Organizations A') as team;

grant select on people, given to public;

insert into public.organizations (id, name, assigned_to, email, phone) select g.organization, '  Lake   Shore ', p.colleague, ' Info@Lake.TEST ', '0484 402 1234' from given g, people p;

select is(
  (select row(o.name, o.email, o.phone, o.team_id) from public.organizations o, given g where o.id = g.organization),
  (select row('Lake Shore'::text, 'info@lake.test'::text, '+914844021234'::text, g.team) from given g), 'names, e-mail, phone and team are the same on every path'
);

select tests.authenticate_as((select counselor from people));

select is((select count(*)::int from public.organizations), 0, 'a colleague''s organization is not to be seen');

select tests.authenticate_as((select manager from people));

select is((select count(*)::int from public.organizations), 1, 'a manager sees the team''s');

select tests.clear_authentication();

select * from finish();

rollback;

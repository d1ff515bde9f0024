-- Administration of people: the list, changes, and letting somebody go.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('admin', p_full_name => 'Zz Admin') as admin, tests.create_user('manager', 'Users A', p_full_name => 'Zz Manager') as manager,
  tests.create_user('counselor', 'Users A', p_full_name => 'Zz Leaving 100%') as leaving, tests.create_user('counselor', 'Users A', p_full_name => 'Zz Staying') as staying,
  tests.create_user('counselor', p_is_active => false, p_full_name => 'Zz Inactive') as inactive;

grant select on people to public;

insert into public.leads (name, assigned_to, status)
select 'Lead ' || s.key, p.leaving, s.key from people p, lateral (select key from public.pipeline_stages order by is_closed, position) s;

create temp table stages on commit drop as
select count(*) filter (where not is_closed)::integer as open, count(*)::integer as total from public.pipeline_stages;

grant select on stages to public;

-- The list

select tests.authenticate_as((select manager from people));

select throws_ok('select public.admin_list_users()', '42501', null, 'a manager has no list of everybody');

select tests.authenticate_as((select admin from people));

select is((select public.admin_list_users('zz ') - 'users'), '{"total": 5, "page": 1, "limit": 50}', 'the answer has the keys of the document');

select results_eq(
  $$select u ->> 'full_name', u ->> 'role', u ->> 'status', u -> 'teams' -> 0 ->> 'name' from jsonb_array_elements(public.admin_list_users('ZZ', p_status => 'active') -> 'users') u$$,
  $$values ('Zz Admin', 'admin', 'active', null), ('Zz Leaving 100%', 'counselor', 'active', 'Users A'), ('Zz Manager', 'manager', 'active', 'Users A'), ('Zz Staying', 'counselor', 'active', 'Users A')$$,
  'by name, in any case');

select is((public.admin_list_users('100%') ->> 'total')::integer, 1, 'a wildcard is a letter');

select is((public.admin_list_users('zz', 'Manager') ->> 'total')::integer, 1, 'by role');

select is((public.admin_list_users('zz', p_status => 'inactive') ->> 'total')::integer, 1, 'by status');

select results_eq(
  $$select a ->> 'page', a ->> 'total', a -> 'users' -> 0 ->> 'full_name', jsonb_array_length(a -> 'users') from public.admin_list_users('zz', p_limit => 2, p_offset => 4) a$$,
  $$values ('3', '5', 'Zz Staying', 1)$$, 'in pages');

select throws_ok(format('select public.admin_list_users(p_limit => %s, p_offset => %s, p_status => %L)', l, o, s), 'PT422', null, 'refused')
from (values (0, 0, 'active'), (201, 0, 'active'), (10, -1, 'active'), (10, 0, 'asleep')) t (l, o, s);

-- Changes

select is(private.user_update_check(leaving, 'New@Example.test', 'manager'), jsonb_build_object('email', leaving || '@example.test', 'new_email', 'new@example.test'), 'a change is looked at first') from people;

select is(private.user_update_check(leaving, upper(leaving || '@example.test'), null) ->> 'new_email', null, 'the same address is no change') from people;

select throws_ok(format('select private.user_update_check(%L, %L, %L)', leaving, email, role), state, null, 'refused: ' || what)
from people, lateral (values (staying || '@example.test', null, 'PT409', 'an address that is taken'), ('x', null, 'PT422', 'one that is none'), (null, 'king', 'PT422', 'a role that is none')) t (email, role, state, what);

select is(
  private.user_update(staying, 'Zz Stays', '98765 43210', 'manager', null),
  jsonb_build_object('id', staying, 'full_name', 'Zz Stays', 'email', staying || '@example.test', 'phone', '+919876543210', 'role', 'manager', 'status', 'active'),
  'what is said changes, what is not stays') from people;

select is(private.user_update(staying, null, null, 'counselor', null) ->> 'full_name', 'Zz Stays', 'and nothing else') from people;

-- Deactivation reaches Auth

select is(private.user_update(staying, null, null, null, false) ->> 'status', 'inactive', 'somebody is made inactive') from people;

select tests.clear_authentication();

select ok((select banned_until > now() + interval '99 years' from auth.users where id = (select staying from people)), 'Auth lets them in no more');

select tests.authenticate_as((select admin from people));

select lives_ok(format('select public.user_set_access(%L, p_role => %L)', (select staying from people), 'counselor'), 'a role alone changes nothing of that');

select tests.clear_authentication();

select ok((select banned_until > now() from auth.users where id = (select staying from people)), 'still not');

select tests.authenticate_as((select admin from people));

select lives_ok(format('select public.user_set_access(%L, p_is_active => true)', (select staying from people)), 'made active again');

select tests.clear_authentication();

select is((select banned_until from auth.users where id = (select staying from people)), null, 'they may sign in');

-- Leaving

insert into public.tasks (title, assigned_to) select 'Alone', leaving from people;

insert into public.leads (name, assigned_to) select 'Of a colleague', staying from people;

insert into public.tasks (title, assigned_to, lead_id)
select 'Helping ' || l.name, p.leaving, l.id from people p join public.leads l on l.name in ('Of a colleague', 'Lead ' || (select key from public.pipeline_stages where not is_closed order by position limit 1));

insert into public.reminders (title, agent_id, lead_id, remind_at)
select 'Remember ' || l.name, p.leaving, l.id, now() + interval '1 day' from people p join public.leads l on l.name = 'Of a colleague';

insert into public.reminders (title, agent_id, remind_at) select 'Remember alone', leaving, now() + interval '1 day' from people;

insert into public.calls (agent_id, type, scheduled_at, notes) select leaving, 'outbound', now() + interval '1 day', 'Scheduled call' from people;

select tests.authenticate_as((select admin from people));

select throws_ok(format('select private.user_leave_check(%L, null)', (select leaving from people)), 'PT409', 'This person still has open leads.', 'not with open leads and nobody to take them');

select throws_ok(format('select private.user_leave_check(%L, %L)', (select admin from people), (select staying from people)), 'PT409', 'Nobody deletes themselves.', 'not oneself');

select throws_ok(format('select private.user_leave_check(%L, %L)', leaving, heir), 'PT422', null, 'not to somebody who cannot take over')
from people, lateral (values (leaving), (inactive), (gen_random_uuid())) t (heir);

select throws_ok(format('select private.user_leave(%L, null)', (select leaving from people)), 'PT409', null, 'the last step looks as well');

select is(private.user_hand_over(leaving, staying), (select open from stages), 'the open leads are handed over') from people;

select is(private.user_hand_over(leaving, staying), 0, 'all of them') from people;

select lives_ok(format('select private.user_leave(%L, %L)', leaving, staying), 'then they go') from people;

select results_eq(
  $$select assigned_to, count(*)::integer from public.leads where name like 'Lead %' and assigned_to in (select unnest(array[leaving, staying]) from people) group by 1 order by 2 desc$$,
  $$select p.staying, s.open from people p, stages s union all select p.leaving, s.total - s.open from people p, stages s order by 2 desc$$,
  'closed leads stay whose they were');

select is((select assigned_to from public.tasks where title = 'Alone'), (select staying from people), 'open tasks go along');

select is_empty($$select title from public.tasks where title ~ '^Helping' and assigned_to is distinct from (select staying from people)$$, 'whosever lead they are about');

select is_empty($$select title from public.reminders where title ~ '^Remember' and agent_id <> (select staying from people)$$, 'and so does what they wanted to be reminded of');

select is((select agent_id from public.calls where notes = 'Scheduled call'), (select staying from people), 'and the calls they had arranged');

select is_empty('select 1 from public.team_members where user_id = (select leaving from people)', 'they are in no team');

select is((select full_name from public.profiles where id = (select leaving from people)), 'Zz Leaving 100%', 'their name stays');

-- As Auth does in the end

select tests.clear_authentication();

update auth.users set deleted_at = now() where id = (select leaving from people);

select tests.authenticate_as((select admin from people));

select is((public.admin_list_users('100%') ->> 'total')::integer, 0, 'then the list has them no more');

select throws_ok(format('select public.user_set_access(%L, p_is_active => true)', (select leaving from people)), 'PT404', null, 'and nobody makes them active again');

select throws_ok(format('select private.user_update(%L, %L, null, null, null)', (select leaving from people), 'X'), 'PT404', null, 'or changes them');

select * from finish();

rollback;

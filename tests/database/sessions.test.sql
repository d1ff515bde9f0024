-- Sessions: who sees where whom is signed in, and ends it.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('admin') as admin, tests.create_user('manager', 'Sessions A') as manager, tests.create_user('counselor', 'Sessions A') as one, tests.create_user('counselor') as inactive_one;

create temp table sessions on commit drop as
select tests.create_session(admin) as admin, tests.create_session(manager) as manager, tests.create_session(one) as first, tests.create_session(one) as second, tests.create_session(one) as over from people;

update auth.sessions set user_agent = 'Phone', ip = '203.0.113.9', refreshed_at = (now() at time zone 'utc') + interval '1 minute' where id = (select second from sessions);

update auth.sessions set not_after = now() - interval '1 minute' where id = (select over from sessions);

grant select on people, sessions to public;

select tests.authenticate_as((select one from people), (select first from sessions));

select results_eq(
  'select id, is_current, user_agent, ip from public.list_sessions()',
  $$select second, false, 'Phone'::text, '203.0.113.9'::inet from sessions union all select first, true, null, null from sessions$$,
  'one''s own sessions that live, last used first');

select results_eq('select last_active_at from public.list_sessions() where id = (select second from sessions)', $$values (now() + interval '1 minute')$$, 'with a zone to the time');

select set_eq('select id from public.user_sessions', 'select unnest(array[first, second]) from sessions', 'the view says the same');

select throws_ok(format('select public.list_sessions(%L)', (select manager from people)), '42501', null, 'not another''s');

select throws_ok(format('select public.revoke_session(%L)', (select manager from sessions)), 'PT404', null, 'which cannot be ended');

select lives_ok(format('select public.revoke_session(%L)', (select second from sessions)), 'one''s own can');

select set_eq('select id from public.user_sessions', 'select first from sessions', 'and is gone');

select tests.authenticate_as((select manager from people), (select manager from sessions));

select is_empty('select 1 from public.user_sessions where user_id <> private.gate_own()', 'a manager sees their own as well');

select tests.authenticate_as((select admin from people), (select admin from sessions));

select set_eq(format('select id from public.list_sessions(%L)', (select one from people)), 'select first from sessions', 'an admin sees another''s');

select lives_ok(format('select public.revoke_session(%L)', (select first from sessions)), 'and ends it');

select results_eq(
  $$select record_id, after ->> 'user_id' from public.audit_logs where action = 'revoke' and user_id = private.gate_own()$$,
  'select s.first::text, p.one::text from sessions s, people p', 'which is in the audit trail');

select tests.authenticate_as((select one from people), (select first from sessions));

select throws_ok('select public.list_sessions()', '42501', null, 'the token of an ended session opens nothing');

select is_empty('select 1 from public.user_sessions', 'nor does the view');

-- Somebody with users.manage but not with every permission of the other

select tests.clear_authentication();

insert into public.roles (key, name, data_scope) values ('desk', 'Desk', 'all');

insert into public.role_permissions (role_id, permission) select id, 'users.manage' from public.roles where key = 'desk';

create temp table desk on commit drop as select tests.create_user('desk') as id;

grant select on desk to public;

select tests.authenticate_as((select id from desk));

select throws_ok(format('select public.revoke_session(%L)', (select admin from sessions)), '42501', null, 'nobody ends the session of somebody who may more');

-- Without scope all

select tests.clear_authentication();

insert into public.roles (key, name, data_scope) values ('team_administrator', 'Team administrator', 'team');

insert into public.role_permissions (role_id, permission) select id, 'users.manage' from public.roles where key = 'team_administrator';

update public.profiles set role_id = (select id from public.roles where key = 'team_administrator') where id = (select manager from people);

select tests.authenticate_as((select manager from people));

select is_empty('select 1 from public.user_sessions where user_id <> private.gate_own()', 'who administers people without scope all sees no sessions of others');

select throws_ok(format('select public.list_sessions(%L)', (select admin from people)), '42501', null, 'nor asks for them');

select tests.clear_authentication();

select * from finish();

rollback;

-- Agents: what somebody says of themselves, when they were last seen, who meets whom on agents:<team id>,
-- and who may make a new person.

begin;

select no_plan();

update public.system_settings set value = '10' where key = 'agents.stale_minutes';

create temp table people on commit drop as
select tests.create_user('admin') as admin, tests.create_user('manager', 'Agents A') as manager, tests.create_user('counselor', 'Agents A', p_full_name => 'Asha One') as one,
  tests.create_user('counselor', 'Agents A') as two, tests.create_user('counselor', 'Agents B') as other, tests.create_user('manager', 'Agents B') as other_manager,
  tests.create_user('counselor', 'Agents A', false) as inactive;

create temp table teams on commit drop as
select (select id from public.teams where name = 'Agents A') as a, (select id from public.teams where name = 'Agents B') as b;

grant select on people, teams to public;

-- As in any one of the private tables: who, seen how long ago.
create function pg_temp.seen(p_user_id uuid, p_ago interval) returns void language sql as $$
  insert into public.agent_presence (user_id, last_seen_at) values (p_user_id, now() - p_ago)
  on conflict (user_id) do update set last_seen_at = excluded.last_seen_at;
$$;

-- The list

select tests.authenticate_as((select one from people));

select set_eq(
  'select id from public.agents', 'select unnest(array[one, two, manager, inactive]) from people',
  'a counselor sees the people of the team, its manager among them');

select results_eq(
  $$select full_name, role, team_name, status, availability, is_active, last_seen_at, status_changed_at from public.agents where id = (select one from people)$$,
  $$values ('Asha One', 'counselor', 'Agents A', 'offline', 'offline', true, null::timestamptz, null::timestamptz)$$,
  'with role, team and status; who never said anything is offline');

select is((select team_id from public.agents where id = (select manager from people)), (select a from teams), 'a manager has the team they manage');

select tests.authenticate_as((select admin from people));

select is((select count(*) from public.agents a, people p where a.id in (p.one, p.two, p.other, p.manager, p.admin, p.inactive)), 6::bigint, 'scope all sees everybody');

select tests.authenticate_as((select inactive from people));

select is_empty('select 1 from public.agents', 'somebody inactive sees nobody');

select is_empty('select 1 from public.agent_presence', 'nor when anybody was seen');

-- Status

select tests.authenticate_as((select one from people));

select is((public.agent_set_status(given)).status, wanted, format('%s is %s', given, wanted))
from (values ('available', 'available'), ('busy', 'busy'), (' Away ', 'away'), ('offline', 'offline'), ('online', 'available')) t (given, wanted);

select is((select availability from public.profiles where id = (select one from people)), 'available', 'online is kept as available');

select throws_ok(format('select public.agent_set_status(%L)', given), 'PT422', null, format('%s is no status', coalesce(given, 'nothing'))) from unnest(array['asleep', '', null]) given;

select ok((select a.status_changed_at >= now() and a.last_seen_at >= now() from public.agents a where a.id = (select one from people)), 'when it changed is kept, and is a sign of life');

select throws_ok($$insert into public.agent_presence (user_id) values ((select two from people))$$, '42501', null, 'nobody writes down another''s presence');

select throws_ok($$update public.agent_presence set last_seen_at = now()$$, '42501', null, 'nor their own');

select lives_ok($$update public.profiles set availability = 'busy' where id = (select one from people)$$, 'a profile may be changed by itself');

select is((select status from public.agents where id = (select one from people)), 'busy', 'with the same effect');

select tests.authenticate_as((select inactive from people));

select throws_ok($$select public.agent_set_status('available')$$, '42501', null, 'somebody inactive has no status');

select throws_ok('select public.agent_heartbeat()', '42501', null, 'and gives no sign of life');

select tests.authenticate_as_anon();

select throws_ok($$select public.agent_set_status('available')$$, '42501', null, 'nor has anybody who is not signed in');

-- What colleagues hear

select tests.clear_authentication();

select results_eq(
  $$select distinct event, extension, private, payload - 'id' from realtime.messages where topic = 'agents:' || (select a from teams)$$,
  $$select 'agent_status_changed', 'broadcast', true, jsonb_build_object('user_id', one) from people$$,
  'a change is told on the topic of the team, with an id and nothing else');

select is((select count(*) from realtime.messages where topic = 'agents:' || (select a from teams)), 6::bigint, 'once for each: five through the function, one through the profile');

select is_empty($$select 1 from realtime.messages where topic = 'agents:' || (select b from teams)$$, 'other teams hear nothing');

update public.profiles set availability = 'away' where id = (select two from people);

select results_eq(
  $$select status_changed_at is not null, last_seen_at from public.agent_presence where user_id = (select two from people)$$,
  'values (true, null::timestamptz)', 'what another writes for somebody is no sign of life');

-- Signs of life

create function pg_temp.place(p_user_id uuid) returns text language sql as $$ select ctid::text from public.agent_presence where user_id = p_user_id $$;

select pg_temp.seen(one, interval '59 seconds') from people;

create temp table before on commit drop as select pg_temp.place(one) as place from people;

select tests.authenticate_as((select one from people));

select is(public.agent_heartbeat() ->> 'status', 'busy', 'a heartbeat answers the status');

select tests.clear_authentication();

select is(pg_temp.place((select one from people)), (select place from before), 'within a minute nothing is written');

select pg_temp.seen(one, interval '61 seconds') from people;

select tests.authenticate_as((select one from people));

select ok((public.agent_heartbeat() ->> 'last_seen_at')::timestamptz >= now(), 'after a minute the time is');

select tests.authenticate_as((select other from people));

select ok((public.agent_heartbeat() ->> 'last_seen_at')::timestamptz >= now(), 'the first sign of somebody is written');

select is(public.agent_heartbeat() ->> 'status', 'offline', 'and does not say that they can be had');

select tests.clear_authentication();

select pg_temp.seen(one, ago) from people, (values (interval '9 minutes 59 seconds')) t (ago);

update public.profiles set availability = 'available' where id = (select one from people);

select is((select status from public.agents where id = (select one from people)), 'available', 'somebody seen within the minutes of the setting is what they say');

select pg_temp.seen(one, interval '10 minutes 1 second') from people;

select results_eq($$select status, availability from public.agents where id = (select one from people)$$, $$values ('offline', 'available')$$, 'after that they are offline, whatever they said');

select is(private.is_at_work(one), false, 'and not at work') from people;

update public.system_settings set value = '0' where key = 'agents.stale_minutes';

select is((select status from public.agents where id = (select one from people)), 'available', 'with 0 minutes what they said is believed');

update public.system_settings set value = '10' where key = 'agents.stale_minutes';

select tests.authenticate_as((select one from people));

select is(public.agent_heartbeat() ->> 'status', 'available', 'who comes back is what they said before');

select tests.clear_authentication();

select is(private.is_at_work((select one from people)), true, 'who is available is at work');

update public.profiles set is_active = false where id = (select one from people);

select is((select status from public.agents where id = (select one from people)), 'offline', 'whose account is closed is offline');

update public.profiles set is_active = true where id = (select one from people);

select results_eq(
  $$select (s ->> 'online')::int - (s ->> 'available')::int - (s ->> 'busy')::int - (s ->> 'away')::int, (s ->> 'total')::int - (s ->> 'online')::int - (s ->> 'offline')::int from private.agents_by_status() s$$,
  'values (0, 0)', 'the count adds up');

create temp table counted on commit drop as select private.agents_by_status() as s;

update public.profiles set availability = 'away' where id = (select one from people);

select is(
  (select (n.s ->> 'away')::int - (c.s ->> 'away')::int || ' ' || ((n.s ->> 'available')::int - (c.s ->> 'available')::int) from private.agents_by_status() n (s), counted c),
  '1 -1', 'and counts by status');

-- Who meets whom

create function pg_temp.topic(p_topic text) returns void language sql as $$ select set_config('realtime.topic', p_topic, true) $$;

create function pg_temp.appears(p_extension text) returns boolean language plpgsql as $$
begin
  insert into realtime.messages (topic, extension, event, payload, private) values (realtime.topic(), p_extension, 'x', '{}', true);
  return true;
exception when insufficient_privilege then
  return false;
end
$$;

create function pg_temp.sees(p_extension text) returns boolean language sql as $$
  select exists (select from realtime.messages m where m.topic = realtime.topic() and m.extension = p_extension)
$$;

grant execute on function pg_temp.topic(text), pg_temp.appears(text), pg_temp.sees(text) to public;

insert into realtime.messages (topic, extension, event, payload, private)
select 'agents:' || a, extension, 'x', '{}', true from teams, unnest(array['presence', 'broadcast']) extension;

create temp table meeting on commit drop as
select 'admin' as who, admin as id, true as may from people union all select 'the manager', manager, true from people union all select 'a member', two, true from people
union all select 'a member of another team', other, false from people union all select 'its manager', other_manager, false from people union all select 'somebody inactive', inactive, false from people;

grant select on meeting to public;

create function pg_temp.meets(p_id uuid) returns text language plpgsql as $$
declare
  answer text;
begin
  perform tests.authenticate_as(p_id);
  perform pg_temp.topic('agents:' || a) from teams;
  answer := concat_ws(' ', pg_temp.sees('presence'), pg_temp.sees('broadcast'), pg_temp.appears('presence'), pg_temp.appears('broadcast'));
  perform tests.clear_authentication();
  return answer;
end
$$;

select is(pg_temp.meets(id), case when may then 't t t f' else 'f f f f' end, format('%s %s', who, case when may then 'sees who is there and appears, and sends no event' else 'does neither' end)) from meeting;

select tests.authenticate_as((select two from people));

select pg_temp.topic('team:' || a) from teams;

select is(pg_temp.appears('presence'), false, 'on other topics nobody appears');

select tests.clear_authentication();

-- A new person

select tests.authenticate_as((select admin from people));

select is(private.user_create_check(' New.Person@Example.TEST ', 'Counselor', (select a from teams)), 'new.person@example.test', 'an administrator may make a person; the address is brought to its form');

select throws_ok(format('select private.user_create_check(%L, %L, %L)', email, role, team), state, null, what)
from (
  select 'nowhere' as email, 'counselor' as role, null::uuid as team, 'PT422' as state, 'not with an address that is none' as what
  union all select ' ', 'counselor', null, 'PT422', 'nor without one'
  union all select 'n@example.test', 'king', null, 'PT422', 'nor in a role that there is not'
  union all select 'n@example.test', 'counselor', gen_random_uuid(), 'PT404', 'nor in such a team'
  union all select upper(p.email), 'counselor', null, 'PT409', 'nor with somebody else''s address' from public.profiles p, people where p.id = people.two
) t;

select tests.clear_authentication();

-- Somebody with users.manage, but not with every permission.
insert into public.roles (key, name, data_scope) values ('people_office', 'People office', 'all');

insert into public.role_permissions (role_id, permission)
select r.id, p
from public.roles r, (
  select 'users.manage' union select rp.permission from public.role_permissions rp join public.roles c on c.id = rp.role_id and c.key = 'counselor'
) held (p)
where r.key = 'people_office';

update public.profiles set role_id = (select id from public.roles where key = 'people_office') where id = (select two from people);

select tests.authenticate_as((select two from people));

select lives_ok($$select private.user_create_check('n@example.test', 'counselor', null)$$, 'who holds all that a counselor holds may make one');

select throws_ok($$select private.user_create_check('n@example.test', 'admin', null)$$, '42501', null, 'but nobody with more than they have');

select throws_ok(format($$select private.user_create_check('n@example.test', 'counselor', %L)$$, a), '42501', null, 'and gives no place in a team without teams.manage') from teams;

select tests.authenticate_as(id) from (select manager as id from people) t;

select throws_ok($$select private.user_create_check('n@example.test', 'counselor', null)$$, '42501', null, 'a manager makes nobody');

select tests.clear_authentication();

create temp table made on commit drop as select tests.create_user('counselor', null, false) as id;

grant select on made to public;

select tests.authenticate_as((select manager from people));

select throws_ok($$select private.user_admit((select id from made), 'counselor', true, null, null, null, null, null)$$, '42501', null, 'nor lets anybody in');

select tests.authenticate_as((select admin from people));

select lives_ok($$select private.user_admit((select id from made), 'manager', true, '98765 43210', 'Admissions', null, (select a from teams), true)$$, 'an administrator does');

select results_eq(
  $$select role, is_active, phone, department, team_id from public.agents where id = (select id from made)$$,
  $$select 'manager', true, '+919876543210', 'Admissions', a from teams$$, 'with role, state, details and team');

select is((select is_manager from public.team_members where user_id = (select id from made)), true, 'as its manager, if so wanted');

select results_eq(
  $$select user_id, after from public.audit_logs where resource = 'users' and record_id = (select id::text from made)$$,
  $$select admin, jsonb_build_object('role', 'manager', 'is_active', true, 'team_id', a) from people, teams$$, 'the trail says who made whom');

select * from finish();

rollback;

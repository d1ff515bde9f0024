-- Sync: what a device is given, and who sees how it went.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('admin') as admin, tests.create_user('manager', 'Sync A') as manager, tests.create_user('counselor', 'Sync A') as one, tests.create_user('counselor', 'Sync A') as two,
  tests.create_user('counselor', 'Sync B') as other, tests.create_user('counselor', null, false) as inactive;

create temp table devices on commit drop as select gen_random_uuid() as phone, gen_random_uuid() as tablet, gen_random_uuid() as others;

create temp table leads on commit drop as select gen_random_uuid() as a, gen_random_uuid() as b, gen_random_uuid() as others;

grant select on people, devices, leads to public;

insert into public.leads (id, name, assigned_to)
select l.id, 'Sync lead', l.owner from leads x, people p, lateral (values (x.a, p.one), (x.b, p.one), (x.others, p.other)) l (id, owner);

insert into public.tasks (title, assigned_to, lead_id) select 'Sync task', one, a from people, leads;

create temp table kept (name text primary key, value jsonb) on commit drop;

grant all on kept to public;

-- Pulling

select tests.authenticate_as((select inactive from people));

select throws_ok('select public.sync_pull()', '42501', null, 'somebody inactive pulls nothing');

select tests.authenticate_as((select one from people));

insert into kept select 'first', public.sync_pull();

select is((select value - '{changes,cursor,digests,server_time}'::text[] from kept where name = 'first'), '{"full": true, "has_more": false}', 'without a cursor everything comes');

select results_eq(
  $$select k, jsonb_array_length(v) from kept, jsonb_each(value -> 'changes') c (k, v) where name = 'first' order by k$$,
  $$values ('calls', 0), ('leads', 2), ('reminders', 0), ('tasks', 1)$$, 'of one''s own, by type');

select ok(not (value -> 'changes' -> 'leads' -> 0 ?| '{search_text,deleted_at,email_slot}'), 'without what no device needs') from kept where name = 'first';

select is(
  public.sync_pull(p_cursor => value ->> 'cursor') -> 'full', 'false', 'a cursor goes on') from kept where name = 'first';

-- All of it is one transaction here, which has not ended: it comes again, and would be missed otherwise.
select is(jsonb_array_length(public.sync_pull(p_cursor => value ->> 'cursor') -> 'changes' -> 'leads'), 2, 'what has not ended comes again') from kept where name = 'first';

select is(
  public.sync_pull(p_cursor => replace(encode(convert_to(jsonb_set(convert_from(decode(value ->> 'cursor', 'base64'), 'utf8')::jsonb, '{epoch}', '"another"')::text, 'utf8'), 'base64'), E'\n', '')) -> 'full',
  'true', 'a cursor of another server begins anew') from kept where name = 'first';

select is(public.sync_pull('{leads}', value ->> 'cursor') -> 'full', 'true', 'so does one of other types') from kept where name = 'first';

select is(public.sync_pull('{leads}') -> 'changes' -> 'tasks', null, 'a type alone comes alone');

select throws_ok(format('select public.sync_pull(%L, %L, %L)', types, cursor, size), 'PT422', null, 'refused')
from (values ('{leads,secrets}'::text[], null, 10), ('{}', null, 10), (null, 'x', 10), (null, null, 0), (null, null, 2001)) t (types, cursor, size);

-- Pages

insert into kept select 'page', public.sync_pull(p_limit => 2);

select results_eq(
  $$select value -> 'has_more', jsonb_array_length(value -> 'changes' -> 'leads'), value ? 'digests' from kept where name = 'page'$$,
  $$values ('true'::jsonb, 2, false)$$, 'a page is as long as was asked');

insert into kept select 'last', public.sync_pull(p_cursor => value ->> 'cursor', p_limit => 2) from kept where name = 'page';

select results_eq(
  $$select value -> 'has_more', jsonb_array_length(value -> 'changes' -> 'leads'), jsonb_array_length(value -> 'changes' -> 'tasks'), value ? 'digests' from kept where name = 'last'$$,
  $$values ('false'::jsonb, 0, 1, true)$$, 'and its cursor gives the next');

-- Digests, as a device computes them

select is(
  (select value -> 'digests' -> 'leads' from kept where name = 'first'),
  (select jsonb_object_agg(b, jsonb_build_array(n, x)) from (
     select right(id::text, 1) as b, count(*) as n, bit_xor(('x' || right(id::text, 8))::bit(32)::bigint # ((version * 2654435761) & 4294967295)) as x
     from public.leads where assigned_to = (select one from people) group by 1
   ) d),
  'digests are of ids and versions');

select is(public.sync_ids('leads'), (select jsonb_object_agg(id, version) from public.leads where assigned_to = (select one from people)), 'ids of a type');

select is(public.sync_ids('leads', array[right((select a from leads)::text, 1)]) ? (select a::text from leads), true, 'or of a bucket');

select is(public.sync_ids('leads', '{}'), '{}', 'of none are none');

select is(jsonb_array_length(public.sync_rows('leads', array[(select a from leads), (select others from leads)])), 1, 'rows of others stay theirs');

-- What left one's sight

select tests.clear_authentication();

insert into public.sync_conflicts (user_id, type, row_id, field, resolution) select one, 'tasks', gen_random_uuid(), 'title', 'server' from people;

update public.leads set assigned_to = (select two from people) where id = (select b from leads);

select tests.authenticate_as((select one from people));

select is(public.sync_ids('leads') ? (select b::text from leads), false, 'a lead given to another is not among the ids');

select is(jsonb_path_exists(public.sync_pull() -> 'changes' -> 'leads', '$[*] ? (@.id == $id)', jsonb_build_object('id', (select b from leads))), false, 'nor ever pulled');

-- Status, force, whose device

select isnt(public.sync_report((select phone from devices), 'incremental', 'success', p_counts => '{"leads": 2}', p_pending => 3, p_device => 'Phone'), null, 'a device reports');

select is(public.sync_status() - '{server_time,last_push_at,last_sync_at,clients}'::text[], jsonb_build_object('agent_id', one, 'pending', 3, 'conflicts', 1), 'how it stands') from people;

select is(public.sync_last(), now(), 'when it was');

select is(public.sync_report((select phone from devices), 'full', 'failed', p_error => repeat('x', 600)) is not null, true, 'a failure is written down as well');

select is(public.sync_last(), now(), 'and is no synchronisation');

select throws_ok(format('select public.sync_status(%L)', (select other from people)), 'PT404', null, 'not of others');

insert into kept select 'mine', public.sync_pull(p_client_id => (select phone from devices));

select is(public.sync_pull(p_cursor => value ->> 'cursor', p_client_id => (select phone from devices)) -> 'full', 'false', 'a device goes on') from kept where name = 'mine';

select tests.authenticate_as((select manager from people));

select is(public.sync_force((select one from people)), 1, 'a manager makes the devices of the team begin anew');

select isnt_empty('select 1 from public.sync_log', 'and sees their log');

select is_empty('select 1 from public.sync_conflicts', 'not their conflicts');

select throws_ok(format('select public.sync_force(%L)', (select other from people)), 'PT404', null, 'not those of other teams');

select tests.authenticate_as((select one from people));

select is(public.sync_pull(p_cursor => value ->> 'cursor', p_client_id => (select phone from devices)) -> 'full', 'true', 'then it does') from kept where name = 'mine';

select tests.authenticate_as((select other from people));

select throws_ok(format('select public.sync_report(%L, %L, %L)', (select phone from devices), 'full', 'success'), 'PT404', null, 'nobody reports for the device of another');

select is_empty('select 1 from public.sync_log', 'nor sees their log');

select tests.clear_authentication();

select is((select count(*) from realtime.messages where topic = 'user:' || (select one from people) and event = 'resync'), 1::bigint, 'who listens hears resync');

-- A device that nobody knows yet

select tests.authenticate_as((select one from people));

insert into kept select 'new', public.sync_pull(p_client_id => (select tablet from devices));

select isnt(public.sync_report((select tablet from devices), 'full', 'success', p_device => repeat('x', 300)), null, 'a long name of a device is cut');

select is(public.sync_pull(p_cursor => value ->> 'cursor', p_client_id => (select tablet from devices)) -> 'full', 'false', 'the first report of a device voids no cursor') from kept where name = 'new';

select * from finish();

rollback;

-- Sync: what a device is given, what becomes of what it sends, and who sees how it went.

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

create function pg_temp.op(p_type text, p_action text, p_id uuid, p_fields jsonb default '{}', p_more jsonb default '{}') returns jsonb language sql as $$
  select jsonb_build_object('op_id', gen_random_uuid(), 'type', p_type, 'action', p_action, 'id', p_id, 'fields', p_fields) || p_more;
$$;

create function pg_temp.push(p_op jsonb) returns jsonb language sql as $$
  select public.sync_push((select phone from devices), jsonb_build_array(p_op)) -> 'results' -> 0;
$$;

grant execute on function pg_temp.op(text, text, uuid, jsonb, jsonb), pg_temp.push(jsonb) to public;

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

-- Pushing

select is(
  pg_temp.push(pg_temp.op('tasks', 'insert', '00000000-0000-4000-8000-0000000a0001', '{"title": "Made offline", "due_date": "2026-12-01T10:00:00Z"}')) - '{op_id,row}'::text[],
  '{"status": "applied", "version": 1, "duplicate": false, "conflicts": []}', 'a row is made with the id of the device');

select is((select assigned_to from public.tasks where id = '00000000-0000-4000-8000-0000000a0001'), (select one from people), 'and is one''s own');

insert into kept select 'op', pg_temp.op('tasks', 'update', '00000000-0000-4000-8000-0000000a0001', '{"title": "Again"}', '{"base_version": 1}');

select is(pg_temp.push(value) ->> 'status', 'applied', 'a change') from kept where name = 'op';

select is(pg_temp.push(value) - '{op_id}'::text[], '{"status": "applied", "version": 2, "duplicate": true}', 'sent again is not done again') from kept where name = 'op';

select is((select version from public.tasks where id = '00000000-0000-4000-8000-0000000a0001'), 2::bigint, 'truly');

select is(
  (select jsonb_agg(r ->> 'status' order by o) from jsonb_array_elements(public.sync_push((select phone from devices), jsonb_build_array(
    pg_temp.op('tasks', 'update', '00000000-0000-4000-8000-0000000a0001', '{"priority": "sky"}', '{"base_version": 2}'),
    pg_temp.op('tasks', 'update', '00000000-0000-4000-8000-0000000a0001', '{"priority": "high"}', '{"base": {"priority": "medium"}}'),
    pg_temp.op('tasks', 'update', gen_random_uuid(), '{"priority": "high"}'),
    pg_temp.op('tasks', 'update', '00000000-0000-4000-8000-0000000a0001', '{"created_by": null}'),
    pg_temp.op('tasks', 'forget', '00000000-0000-4000-8000-0000000a0001'),
    pg_temp.op('secrets', 'delete', '00000000-0000-4000-8000-0000000a0001'),
    pg_temp.op('leads', 'update', (select others from leads), '{"name": "Mine"}'),
    pg_temp.op('leads', 'update', (select a from leads), '{"status": "no_such_stage"}', '{"base_version": 1}')
  )) -> 'results') with ordinality t (r, o)),
  '["rejected", "applied", "rejected", "rejected", "rejected", "rejected", "rejected", "rejected"]', 'each alone: what is refused takes nothing else along');

select results_eq(
  $$select type, status, counts from public.sync_log where agent_id = (select one from people) order by finished_at desc, id desc limit 1$$,
  $$values ('push', 'partial', '{"applied": 1, "rejected": 7}'::jsonb)$$, 'and is in the log');

select throws_ok(format('select public.sync_push(%L, %L)', client, ops), 'PT422', null, 'no push at all')
from (values (null::uuid, '[]'), (gen_random_uuid(), '{}'), (gen_random_uuid(), '[{"type": "tasks"}]'), (gen_random_uuid(), '[{"op_id": "x"}]')) t (client, ops);

-- A person known already

select is(pg_temp.push(pg_temp.op('leads', 'insert', '00000000-0000-4000-8000-0000000a0002', '{"name": "Known", "email": "sync.known@example.test"}')) ->> 'status', 'applied', 'a lead is made');

select is(pg_temp.push(pg_temp.op('leads', 'insert', '00000000-0000-4000-8000-0000000a0003', '{"name": "Known", "email": "sync.known@example.test"}')) ->> 'status', 'recorded', 'of a person known already the enquiry is recorded');

-- Conflicts

select tests.clear_authentication();

update public.tasks set title = 'Office', description = 'Office' where id = '00000000-0000-4000-8000-0000000a0001';

select tests.authenticate_as((select one from people));

select is(
  pg_temp.push(pg_temp.op('tasks', 'update', '00000000-0000-4000-8000-0000000a0001', '{"title": "Phone", "description": "Phone", "priority": "low"}',
    '{"base_version": 2, "base": {"title": "Again", "description": "", "priority": "high"}}')) - '{op_id,row}'::text[],
  '{"status": "conflict", "version": 5, "duplicate": false, "conflicts": [
     {"field": "title", "mine": "Phone", "theirs": "Office", "resolution": "server"}, {"field": "description", "mine": "Phone", "theirs": "Office", "resolution": "client"}]}',
  'where two changed one field the server stands, in free text the device; fields that only one changed are merged');

select results_eq(
  $$select title, description, priority from public.tasks where id = '00000000-0000-4000-8000-0000000a0001'$$, $$values ('Office', 'Phone', 'low')$$, 'that is how it stands');

select results_eq(
  $$select field, base, mine, theirs, resolution from public.sync_conflicts order by field$$,
  $$values ('description', '""'::jsonb, '"Phone"'::jsonb, '"Office"'::jsonb, 'client'), ('title', '"Again"', '"Phone"', '"Office"', 'server')$$, 'and both values are kept');

select lives_ok($$update public.sync_conflicts set resolved_at = now() where field = 'title'$$, 'one says that one looked');

select throws_ok($$update public.sync_conflicts set mine = null$$, '42501', null, 'and changes nothing else');

select is(
  pg_temp.push(pg_temp.op('tasks', 'update', '00000000-0000-4000-8000-0000000a0001', '{"title": "Office", "due_date": "2026-12-01T15:30:00+05:30"}', '{"base_version": 1}')) ->> 'status',
  'applied', 'the same value is no conflict, in whatever form it is written');

-- Deleting

select is(pg_temp.push(pg_temp.op('tasks', 'delete', '00000000-0000-4000-8000-0000000a0001')) ->> 'status', 'applied', 'a row is deleted');

select is(public.sync_ids('tasks') ? '00000000-0000-4000-8000-0000000a0001', false, 'and no longer there');

-- What left one's sight

select tests.clear_authentication();

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

select throws_ok(format('select public.sync_push(%L, %L)', (select phone from devices), '[]'), 'PT404', null, 'nobody pushes with the device of another');

select throws_ok(format('select public.sync_report(%L, %L, %L)', (select phone from devices), 'full', 'success'), 'PT404', null, 'nor reports');

select is_empty('select 1 from public.sync_log', 'nor sees their log');

select tests.clear_authentication();

select is((select count(*) from realtime.messages where topic = 'user:' || (select one from people) and event = 'resync'), 1::bigint, 'who listens hears resync');

select is_empty($$select 1 from private.sync_ops where verdict ? 'row' or verdict ? 'conflicts'$$, 'what is remembered of operations holds no values');

-- A device that nobody knows yet, a push that meets a fault of the server, and what is remembered of refusals

select tests.authenticate_as((select one from people));

insert into kept select 'new', public.sync_pull(p_client_id => (select tablet from devices));

select isnt(public.sync_report((select tablet from devices), 'full', 'success', p_device => repeat('x', 300)), null, 'a long name of a device is cut');

select is(public.sync_pull(p_cursor => value ->> 'cursor', p_client_id => (select tablet from devices)) -> 'full', 'false', 'the first report of a device voids no cursor') from kept where name = 'new';

select lives_ok(format('select public.sync_push(%L, %L, %L)', (select phone from devices), '[]', repeat('x', 300)), 'nor does a long name stop a push');

insert into kept select 'refused', pg_temp.op('tasks', 'insert', gen_random_uuid(), '{"title": "Call Asha", "due_date": "Asha said tomorrow"}');

select matches(pg_temp.push(value) ->> 'message', 'Asha', 'a refusal says why') from kept where name = 'refused';

select is(pg_temp.push(value) - '{op_id}'::text[], '{"status": "rejected", "code": "22007", "details": "22007", "duplicate": true}', 'asked again, it says which it was') from kept where name = 'refused';

select tests.clear_authentication();

select is_empty($$select 1 from private.sync_ops where verdict::text ~ 'Asha|no_such_stage'$$, 'which is nothing of what was written');

create function pg_temp.full_disk() returns trigger language plpgsql as $$ begin raise exception 'no space left' using errcode = '53100'; end $$;

create trigger full_disk before insert on public.tasks for each row when (new.title = 'Full disk') execute function pg_temp.full_disk();

select tests.authenticate_as((select one from people));

select throws_ok(format('select public.sync_push(%L, %L)', (select phone from devices), jsonb_build_array(pg_temp.op('tasks', 'insert', gen_random_uuid(), '{"title": "Full disk"}'))),
  '53100', null, 'what is the server''s fault is no refusal: the device sends it again');

select * from finish();

rollback;

-- Sync push: what becomes of what a device sends, once and alone, with its person's own rights.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('counselor', 'Sync A') as one, tests.create_user('counselor', 'Sync B') as other;

create temp table devices on commit drop as select gen_random_uuid() as phone;

create temp table leads on commit drop as select gen_random_uuid() as a, gen_random_uuid() as others;

grant select on people, devices, leads to public;

insert into public.leads (id, name, assigned_to)
select l.id, 'Sync lead', l.owner from leads x, people p, lateral (values (x.a, p.one), (x.others, p.other)) l (id, owner);

create function pg_temp.op(p_type text, p_action text, p_id uuid, p_fields jsonb default '{}', p_more jsonb default '{}') returns jsonb language sql as $$
  select jsonb_build_object('op_id', gen_random_uuid(), 'type', p_type, 'action', p_action, 'id', p_id, 'fields', p_fields) || p_more;
$$;

create function pg_temp.push(p_op jsonb) returns jsonb language sql as $$
  select public.sync_push((select phone from devices), jsonb_build_array(p_op)) -> 'results' -> 0;
$$;

grant execute on function pg_temp.op(text, text, uuid, jsonb, jsonb), pg_temp.push(jsonb) to public;

create temp table kept (name text primary key, value jsonb) on commit drop;

grant all on kept to public;

select tests.authenticate_as((select one from people));

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

select tests.clear_authentication();

select is_empty($$select 1 from private.sync_ops where verdict ? 'row' or verdict ? 'conflicts'$$, 'what is remembered of operations holds no values');

-- Whose device, and what it is called

select tests.authenticate_as((select other from people));

select throws_ok(format('select public.sync_push(%L, %L)', (select phone from devices), '[]'), 'PT404', null, 'nobody pushes with the device of another');

select tests.authenticate_as((select one from people));

select lives_ok(format('select public.sync_push(%L, %L, %L)', (select phone from devices), '[]', repeat('x', 300)), 'a long name of a device stops no push');

-- A fault of the server, and what is remembered of refusals

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

-- Batches: bulk changes remember each lead before and after; an undo reverts what nobody changed since and
-- names the rest; a deleted lead takes along what is listed on its own and brings back just that.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('admin') as admin, tests.create_user('manager', 'Batch A') as manager,
  tests.create_user('counselor', 'Batch A') as one, tests.create_user('counselor', 'Batch A') as two,
  tests.create_user('manager', 'Batch B') as other_manager, tests.create_user('counselor', 'Batch B') as other;

grant select on people to public;

create temp table leads on commit drop as
with made as (
  insert into public.leads (name, email, status, assigned_to)
  select 'Batch ' || n, 'batch' || n || '@example.test', 'new', case when n <= 3 then people.one else people.other end
  from generate_series(1, 4) n, people
  returning id, name
)
select id, right(name, 1)::integer as n from made;

grant select on leads to public;

create function pg_temp.ids(variadic p_n integer[]) returns uuid[] language sql as $$ select array_agg(l.id order by l.n) from leads l where l.n = any (p_n) $$;

create function pg_temp.refusal(p_call text) returns text language sql as $$ select split_part(tests.refusal(p_call), ':', 1) $$;

grant execute on function pg_temp.refusal(text), pg_temp.ids(integer[]) to public;

create temp table answers (name text primary key, answer jsonb) on commit drop;

grant select, insert on answers to public;

insert into public.tasks (title, lead_id, assigned_to, due_date)
select 'Kept ' || n, l.id, people.one, now() from leads l, people where n = 1;

insert into public.tasks (title, lead_id, assigned_to, due_date, deleted_at)
select 'Gone before', l.id, people.one, now(), now() - interval '1 day' from leads l, people where n = 1;

-- Deleting

select tests.authenticate_as((select one from people));

select is(pg_temp.refusal(format('select public.lead_delete(%L)', (pg_temp.ids(1))[1])), '42501 permission_denied', 'a counselor deletes no lead');

select tests.authenticate_as((select other_manager from people));

select is(pg_temp.refusal(format('select public.lead_delete(%L)', (pg_temp.ids(1))[1])), 'PT404 lead_not_found', 'nor does a manager one of another team');

select tests.authenticate_as((select manager from people));

insert into answers select 'delete', public.lead_delete((pg_temp.ids(1))[1]::text);

select is((select answer ->> 'message' from answers where name = 'delete'), 'Lead deleted successfully', 'a manager deletes one of theirs');

select is_empty('select from public.leads where id = (pg_temp.ids(1))[1]', 'it is out of sight');

select is_empty('select from public.tasks where lead_id = (pg_temp.ids(1))[1]', 'and so are its tasks');

select is_empty('select from public.lead_history where lead_id = (pg_temp.ids(1))[1]', 'and its history');

select is(public.lead_restore((pg_temp.ids(1))[1]::text) ->> 'message', 'Lead restored successfully', 'it comes back');

select results_eq('select title from public.tasks where lead_id = (pg_temp.ids(1))[1]', array['Kept 1'], 'with what was deleted together with it, and only that');

select is(
  public.batch_undo((select (answer ->> 'batch_id')::uuid from answers where name = 'delete')) -> 'kept' -> 0 ->> 'code', 'changed_since',
  'undoing a deletion that was restored leaves the lead alone'
);

-- A person who enquired again while their lead was deleted

insert into answers select 'delete 3', public.lead_bulk_delete(pg_temp.ids(3));

select tests.clear_authentication();

insert into public.leads (name, email, assigned_to) select 'Batch 3 again', 'batch3@example.test', one from people;

select tests.authenticate_as((select manager from people));

select is(pg_temp.refusal(format('select public.lead_restore(%L)', (pg_temp.ids(3))[1])), 'PT409 person_known', 'a lead is not restored beside a live one of the same person');

select is(
  public.batch_undo((select (answer ->> 'batch_id')::uuid from answers where name = 'delete 3')) -> 'kept' -> 0 ->> 'code', 'person_known',
  'nor by an undo, which says so'
);

-- Stages

insert into answers select 'status', public.lead_bulk_status(pg_temp.ids(1, 2, 4), 'contacted', 'Called all');

select is((select answer - 'batch_id' - 'not_found' from answers where name = 'status'), '{"changed": 2, "unchanged": 0, "refused": []}', 'a batch moves what its caller sees');

select is((select answer -> 'not_found' from answers where name = 'status'), to_jsonb(pg_temp.ids(4)), 'and says what it did not find');

select is((select count(*) from public.lead_history where lead_id = any (pg_temp.ids(1, 2)) and reason = 'Called all'), 2::bigint, 'with the reason in the history');

update public.leads set status = 'qualified' where id = (pg_temp.ids(2))[1];

insert into answers select 'undo', public.batch_undo((select (answer ->> 'batch_id')::uuid from answers where name = 'status'));

select is((select (answer ->> 'reverted')::int from answers where name = 'undo'), 1, 'an undo reverts what nobody changed');

select is(
  (select b.kept from public.batches b, answers a where a.name = 'status' and b.id = (a.answer ->> 'batch_id')::uuid),
  (select answer -> 'kept' from answers where name = 'undo'), 'what it left may be read again');

select is(
  (select answer -> 'kept' from answers where name = 'undo'), jsonb_build_array(jsonb_build_object('id', (pg_temp.ids(2))[1], 'code', 'changed_since')),
  'and names the rest'
);

select results_eq('select status from public.leads where id = any (pg_temp.ids(1, 2)) order by name', array['new', 'qualified'], 'each is where it belongs');

select is(
  pg_temp.refusal(format('select public.batch_undo(%L)', (select answer ->> 'batch_id' from answers where name = 'status'))), 'PT409 batch_is_undone',
  'a batch is undone once'
);

select is(pg_temp.refusal(format('select public.lead_bulk_status(%L, %L)', pg_temp.ids(1), 'nowhere')), 'PT422 stage_unknown', 'an unknown stage is refused');

update public.leads set status = 'enrolled' where id = (pg_temp.ids(2))[1];

select is(
  public.lead_bulk_status(pg_temp.ids(1, 2), 'new') - 'batch_id',
  jsonb_build_object('changed', 0, 'unchanged', 1, 'not_found', '[]'::jsonb, 'refused', jsonb_build_array(jsonb_build_object('id', (pg_temp.ids(2))[1], 'code', 'transition_forbidden'))),
  'a move that the pipeline forbids is refused for its lead alone'
);

-- Tags

update public.leads set tags = array['b', 'a'] where id = (pg_temp.ids(1))[1];

insert into answers select 'tags', public.lead_bulk_tag(pg_temp.ids(1, 2), array['new', 'a'], array['b']);

select results_eq('select tags from public.leads where id = any (pg_temp.ids(1, 2)) order by name', $$ values (array['a', 'new']), (array['a', 'new']) $$, 'tags are added and removed, in order');

select is((public.batch_undo((select (answer ->> 'batch_id')::uuid from answers where name = 'tags')) ->> 'reverted')::int, 2, 'and undone');

select results_eq('select tags from public.leads where id = any (pg_temp.ids(1, 2)) order by name', $$ values (array['b', 'a']), ('{}'::text[]) $$, 'exactly');

select is(pg_temp.refusal(format('select public.lead_bulk_tag(%L, array[%L], array[%L])', pg_temp.ids(1), 'x', 'x')), 'PT422 argument_invalid', 'a tag is not added and removed at once');

select is(pg_temp.refusal(format('select public.lead_bulk_tag(%L, array[%L])', pg_temp.ids(1), repeat('x', 101))), 'PT422 argument_invalid', 'a tag is a word or two');

-- Assignment

insert into answers select 'assign', public.lead_assign(pg_temp.ids(1, 2), (select two from people), 'Holiday');

select is((public.batch_undo((select (answer ->> 'batch_id')::uuid from answers where name = 'assign')) ->> 'reverted')::int, 2, 'an assignment is undone');

select is((select count(*) from public.leads where id = any (pg_temp.ids(1, 2)) and assigned_to = (select one from people)), 2::bigint, 'to whom they had belonged');

-- Somebody else's batch

select tests.authenticate_as((select other_manager from people));

select is(
  pg_temp.refusal(format('select public.batch_undo(%L)', (select answer ->> 'batch_id' from answers where name = 'assign'))), 'PT404 not_found',
  'nobody undoes the batch of somebody else'
);

select * from finish();

rollback;

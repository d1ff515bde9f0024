-- Imports: what is staged, decided, written in chunks and taken back; each chunk once, in the owner's name.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('manager', 'Imports A', true) as manager, tests.create_user('counselor', 'Imports A', true, 'Chetan') as counselor,
  tests.create_user('counselor', 'Imports B', true) as stranger;

create temp table sessions on commit drop as select tests.create_session(manager) as manager from people;

grant select on people, sessions to public;

alter table public.leads disable trigger route_new_lead;

insert into public.leads (name, email, status, assigned_to) select 'Lost One', 'lost@imports.test', 'lost', counselor from people;

insert into storage.objects (bucket_id, name, metadata)
select 'imports', manager || '/' || n.name, jsonb_build_object('size', n.size)
from people, (values ('people.csv', 300), ('large.csv', 104857600), ('other.csv', 10)) n (name, size);

create function pg_temp.as_manager() returns void language sql as $$
  select tests.set_claims('authenticated', jsonb_build_object('sub', p.manager, 'role', 'authenticated', 'session_id', s.manager)) from people p, sessions s;
$$;

create function pg_temp.as_service() returns void language sql as $$
  select tests.authenticate_as_service();
$$;

grant execute on function pg_temp.as_manager(), pg_temp.as_service() to public;

-- Start

select pg_temp.as_manager();

select throws_ok(format('select public.import_start(%L)', manager || '/large.csv'), 'PT413', null, 'a file of 100 MB is refused before anybody reads it') from people;

select throws_ok(format('select public.import_start(%L)', stranger || '/x.csv'), 'PT404', null, 'and so is a file that is not there, or not one''s own') from people;

select throws_ok(format('select public.import_start(%L, %L)', manager || '/people.csv', 'xlsx'), 'PT422', null, 'and a format nobody reads') from people;

create temp table started on commit drop as
select id from people, lateral public.import_start(manager || '/people.csv', 'csv');

grant select on started to public;

select results_eq(
  'select status, format, file_name from public.imports where id = (select id from started)', $$values ('reading', 'csv', 'people.csv')$$,
  'an import begins with reading');

-- Staging

select pg_temp.as_service();

select ok(
  private.import_stage(id, 0, 100, '{Name,E-mail,Mobile,Lead Owner,Rank}', 'utf-8', ',', jsonb_build_array(
    jsonb_build_object('cells', '["Asha Nair", "ASHA@imports.test", "098765 43210", "", "7"]'::jsonb),
    jsonb_build_object('cells', '["Lost One", "lost@imports.test", "", "", ""]'::jsonb),
    jsonb_build_object('cells', '["Ravi", "ravi@imports.test", "", "'' OR 1=1", ""]'::jsonb)
  ), false), 'a part of the file is kept') from started;

select ok(not private.import_stage(id, 0, 100, '{Name}', 'utf-8', ',', '[{"cells": ["x"]}]', false), 'and kept once') from started;

select ok(
  private.import_stage(id, 100, 200, '{Name,E-mail,Mobile,Lead Owner,Rank}', 'utf-8', ',', jsonb_build_array(
    jsonb_build_object('cells', '["Asha again", "asha@imports.test", "", "", ""]'::jsonb),
    jsonb_build_object('cells', '["Short"]'::jsonb, 'code', 'row_ragged', 'detail', '1 cells, 5 columns'),
    jsonb_build_object('cells', '["", "", "", "", ""]'::jsonb)
  ), true), 'the rest as well') from started;

select results_eq(
  'select status, rows_total, suggested_mapping from public.imports where id = (select id from started)',
  $$values ('read', 6, '{"Name": "name", "E-mail": "email", "Mobile": "phone", "Lead Owner": "assigned_to"}'::jsonb)$$,
  'the headers say which fields they are');

-- Mapping

select pg_temp.as_manager();

select throws_ok(format('select public.import_dry_run(%L)', id), 'PT409', null, 'nothing is tried without a mapping') from started;

select throws_ok(format('select public.import_map(%L, %L)', id, mapping), 'PT422', null, format('no mapping: %s', mapping))
from started, unnest(array[
  '{}', '{"Nobody": "name"}', '{"Name": "id"}', '{"Name": "lead_no"}', '{"Name": "email", "E-mail": "email"}',
  '[{"column": "Name", "field": "name"}, {"column": "#1", "field": "course"}]', '{"#9": "name"}', '{"Name": "custom_fields."}'
]) mapping;

select lives_ok(
  format('select public.import_map(%L, %L, %L, %L)', id, '{"Name": "name", "E-mail": "email", "Mobile": "phone", "Lead Owner": "assigned_to", "Rank": "custom_fields.rank"}',
    jsonb_build_object('source', 'Imports test', 'assigned_to', counselor), 'Fair'), 'a mapping that can be meant') from started, people;

select results_eq('select name from public.import_mappings', $$values ('Fair')$$, 'is kept by its name');

-- Dry run

select lives_ok(format('select public.import_dry_run(%L)', id), 'the dry run begins') from started;

select pg_temp.as_service();

select is(private.import_step(id), '{"status": "checking", "is_over": false}'::jsonb, 'the only chunk is done') from started;

select is(private.import_step(id), '{"status": "checked", "is_over": true}'::jsonb, 'and the file compared with itself') from started;

select is((select counts from public.imports where id = (select id from started)), '{"new": 1, "enquiry": 1, "duplicate": 1, "invalid": 3}'::jsonb, 'and every row decided about');

select pg_temp.as_manager();

select results_eq(
  'select row_no, decision, code, field, duplicate_of, lead_id is not null from public.import_report((select id from started))',
  $$values (1, 'new', null, null, null::integer, false), (2, 'enquiry', null, null, null, true), (3, 'invalid', 'assignee_unavailable', 'assigned_to', null, false),
    (4, 'duplicate', null, null, 1, false), (5, 'invalid', 'row_ragged', '1 cells, 5 columns', null, false), (6, 'invalid', 'row_empty', null, null, false)$$,
  'the report says why, row by row');

select tests.clear_authentication();

select is((select count(*) from public.leads where source = 'Imports test'), 0::bigint, 'a dry run writes no lead');

-- Commit

select pg_temp.as_manager();

select lives_ok(format('select public.import_commit(%L)', id), 'the commit begins') from started;

select throws_ok(format('select public.import_commit(%L)', id), 'PT409', null, 'once') from started;

select tests.clear_authentication();

delete from auth.sessions where id = (select manager from sessions);

select pg_temp.as_service();

select is(private.import_step(id), '{"status": "stopped", "is_over": true}'::jsonb, 'whoever signed out writes nothing more') from started;

select results_eq('select status, failure, chunks_done from public.imports where id = (select id from started)', $$values ('stopped', 'permission_denied', 0)$$, 'the import waits for them');

select tests.clear_authentication();

update sessions set manager = tests.create_session((select manager from people));

select pg_temp.as_manager();

select lives_ok(format('select public.import_commit(%L)', id), 'who comes back goes on') from started;

select pg_temp.as_service();

select is(private.import_step(id), '{"status": "committing", "is_over": false}'::jsonb, 'the only chunk is written') from started;

select results_eq(
  'select results, chunks_done, chunks_total from public.imports where id = (select id from started)', $$values ('{"created": 1}'::jsonb, 1, 2)$$,
  'and whoever is known waits for the end');

select is(private.import_step(id), '{"status": "committing", "is_over": false}'::jsonb, 'where they go one by one') from started;

select is(private.import_step(id), '{"status": "committed", "is_over": true}'::jsonb, 'and then it is over') from started;

select is(private.import_step(id), '{"status": "committed", "is_over": true}'::jsonb, 'and not again') from started;

select results_eq(
  'select results, chunks_done, chunks_total from public.imports where id = (select id from started)', $$values ('{"created": 1, "enquiries": 2}'::jsonb, 2, 2)$$,
  'every row counts once');

select tests.clear_authentication();

select results_eq(
  $$select name, email, phone, custom_fields, assigned_to, created_by, enquiries_count from public.leads where source = 'Imports test'$$,
  $$select 'Asha Nair', 'asha@imports.test', '+919876543210', '{"rank": "7"}'::jsonb, counselor, manager, 2 from people$$,
  'a row is a lead in the importer''s name, and the same person again an enquiry');

select results_eq(
  $$select status, enquiries_count from public.leads where email = 'lost@imports.test'$$, $$values ('new', 2)$$, 'a lost lead that asks again is open again');

select results_eq(
  $$select title, metadata ->> 'event' from public.notifications, people where user_id = counselor and metadata ->> 'import_id' = (select id::text from started)$$,
  $$values ('2 imported leads are yours', 'leads_imported')$$, 'the owner hears once');

select is(
  (select count(*) from public.notifications, people where user_id = counselor and metadata ->> 'event' in ('lead_assigned', 'leads_assigned', 'lead_enquired_again')), 1::bigint,
  'and not of every lead: the one is of the lead they had before');

select is((select jsonb_object_keys(payload) from private.jobs where kind = 'import.report' and payload ->> 'import_id' = (select id::text from started)), 'import_id', 'the error file is asked for');

-- Undo

update public.leads set course = 'MBBS' where email = 'asha@imports.test';

-- Nobody answered them in time: nobody worked on them either.
select private.record_activity('escalated', 'Escalated to Managers', null, p_lead_id => l.id, p_actor_id => null) from public.leads l where l.source = 'Imports test';

select is(private.import_touched(array(select id from public.leads where source = 'Imports test'), (select last_id from private.import_rows where import_id = (select id from started) and last_id is not null order by last_id desc limit 1)), '{}',
  'a lead of which only lateness was told is untouched');

select pg_temp.as_manager();

select lives_ok(format('select public.import_undo(%L)', id), 'the undo begins') from started;

select pg_temp.as_service();

select is(private.import_step(id), '{"status": "undoing", "is_over": false}'::jsonb, 'with what went one by one') from started;

select is(private.import_step(id), '{"status": "undoing", "is_over": false}'::jsonb, 'the chunk after it') from started;

select is(private.import_step(id), '{"status": "undone", "is_over": true}'::jsonb, 'and ends') from started;

select tests.clear_authentication();

select results_eq($$select status, enquiries_count from public.leads where email = 'lost@imports.test'$$, $$values ('lost', 1)$$, 'the known lead is as it was');

select is((select count(*) from public.lead_history h join public.leads l on l.id = h.lead_id where l.email = 'lost@imports.test'), 0::bigint, 'its history too');

select is((select count(*) from public.leads where source = 'Imports test'), 1::bigint, 'a lead somebody touched since stays');

select pg_temp.as_manager();

select results_eq(
  $$select row_no, code from public.import_report((select id from started), 'kept')$$, $$values (1, 'lead_touched'), (4, 'lead_touched')$$, 'and is named');

select * from finish();

rollback;

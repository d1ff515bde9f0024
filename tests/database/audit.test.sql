-- Audit: every change leaves one entry with before and after, a failed one none, and nobody rewrites it.
begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('admin', null, true, 'Ada Admin') as admin, tests.create_user('manager', 'Audited team') as manager,
  tests.create_user('counselor', 'Audited team') as counselor;

grant select on people to public;

-- A table of its own, so that the tests know each column.
create table public.audited (id integer primary key, name text, secret text, note text, version integer default 1, updated_at timestamptz default now());

create table public.audited_pair (a text, b integer, name text, primary key (a, b));

create trigger audit after insert or update or delete on public.audited
  for each row execute function private.audit_row('secret');

create trigger audit after insert or update or delete on public.audited_pair for each row execute function private.audit_row();

grant select, insert, update, delete on public.audited to authenticated;

create function pg_temp.trail(p_resource text) returns setof public.audit_logs language sql as $$
  select * from public.audit_logs a where a.resource = p_resource order by a.created_at, a.id;
$$;

grant execute on all functions in schema pg_temp to public;

-- What is written

select set_config('request.headers', '{"x-request-id": "req-77"}', true);

select tests.authenticate_as((select counselor from people), 'a0000000-0000-4000-8000-000000000001');

insert into public.audited (id, name, secret) values (1, 'Asha', 'hunter2');

select tests.clear_authentication();

select results_eq(
  $$select action, record_id, before, after, user_id, actor_role, session_id, request_id, impersonator_id from pg_temp.trail('audited')$$,
  $$select 'insert', '1', null::jsonb, '{"id": 1, "name": "Asha", "secret": "[redacted]"}'::jsonb, counselor, 'authenticated',
      'a0000000-0000-4000-8000-000000000001'::uuid, 'req-77', null::uuid from people$$,
  'an insert leaves the row, who did it, in which session and request, and no redacted value');

update public.audited set name = 'Asha Rao', version = 2, updated_at = clock_timestamp() where id = 1;

select results_eq(
  $$select before, after, user_id, actor_role from pg_temp.trail('audited') where action = 'update'$$,
  $$values ('{"name": "Asha"}'::jsonb, '{"name": "Asha Rao"}'::jsonb, null::uuid, session_user::text collate "default")$$,
  'an update leaves the changed columns alone, and outside of the API the database role');

update public.audited set name = 'Asha Rao', version = 3, updated_at = clock_timestamp() where id = 1;

select is(
  (select count(*)::integer from pg_temp.trail('audited') where action = 'update'), 1, 'a write that changes nothing leaves nothing');

update public.audited set secret = 'correct horse', note = 'x' where id = 1;

select results_eq(
  $$select before, after from pg_temp.trail('audited') where after ? 'secret' and action = 'update'$$,
  $$values ('{"secret": "[redacted]", "note": null}'::jsonb, '{"secret": "[redacted]", "note": "x"}'::jsonb)$$,
  'that a redacted column changed is told, its values are not');

update public.audited set secret = null where id = 1;

select results_eq(
  $$select before, after from pg_temp.trail('audited') where after -> 'secret' = 'null'$$,
  $$values ('{"secret": "[redacted]"}'::jsonb, '{"secret": null}'::jsonb)$$,
  'that it was emptied is told');

delete from public.audited where id = 1;

select results_eq(
  $$select before, after from pg_temp.trail('audited') where action = 'delete'$$,
  $$values ('{"id": 1, "name": "Asha Rao", "note": "x"}'::jsonb, null::jsonb)$$,
  'a delete leaves the row that was');

insert into public.audited_pair (a, b, name) values ('x', 7, 'Pair');

select is((select record_id from pg_temp.trail('audited_pair')), 'x:7', 'a key of several columns is joined by a colon');

select is(
  (select count(*)::integer from public.audit_logs a where a.before::text || a.after::text ~ 'hunter2|correct horse'), 0,
  'a redacted value is nowhere in the trail');

select tests.set_claims('authenticated', (
  select jsonb_build_object('sub', counselor, 'role', 'authenticated', 'act', jsonb_build_object('sub', admin)) from people
));

insert into public.audited (id, name) values (2, 'Impersonated');

select tests.clear_authentication();

select results_eq(
  $$select user_id, impersonator_id from pg_temp.trail('audited') where record_id = '2'$$,
  $$select counselor, admin from people$$, 'an impersonated change names both');

-- What is not written

savepoint before_failure;

insert into public.audited (id, name) values (3, 'Rolled back');

rollback to before_failure;

select throws_ok($$insert into public.audited (id, name) values (4, 'New'), (2, 'Duplicate')$$, '23505', null, 'a statement fails');

select is_empty(
  $$select 1 from pg_temp.trail('audited') where record_id in ('3', '4')$$, 'what failed or was rolled back leaves no entry');

-- The modules before this one

select is_empty(
  $$select t from unnest(array['system_settings', 'profiles', 'roles', 'permissions', 'role_permissions', 'teams', 'team_members']) t
    where not exists (
      select from pg_trigger g join pg_proc p on p.oid = g.tgfoid
      where g.tgrelid = ('public.' || t)::regclass and p.proname = 'audit_row'
    )$$, 'settings, people, roles and teams are audited');

select tests.authenticate_as((select admin from people));

update public.system_settings set value = '"EUR"' where key = 'organization.currency';

insert into public.system_settings (key, value) values ('mail.api_key', '"SG.audited-secret-0001"');

select results_eq(
  $$select record_id, before -> 'value', after -> 'value' from public.audit_logs
    where resource = 'system_settings' and user_id = (select admin from people) and action = 'update'$$,
  $$values ('organization.currency', '"INR"'::jsonb, '"EUR"'::jsonb)$$, 'a setting''s change shows both values');

select is_empty(
  $$select 1 from public.audit_logs a where a.after::text like '%audited-secret%'$$, 'a secret setting shows its mask here too');

-- Reading

select isnt_empty(
  $$select 1 from public.audit_logs where id = (select id from public.audit_logs where resource = 'audited' limit 1)$$,
  'an administrator reads a single entry');

select tests.authenticate_as((select manager from people));

select is_empty('select id from public.audit_logs', 'a manager reads none');

select throws_ok('select public.audit_search()', '42501', null, 'and may not search');

select tests.authenticate_as_anon();

select throws_ok('select id from public.audit_logs', '42501', null, 'nobody reads the trail without signing in');

select throws_ok('select public.audit_search()', '42501', null, 'or searches it');

select tests.authenticate_as((select admin from people));

select results_eq(
  $$select k from jsonb_object_keys(public.audit_search()) k order by k$$,
  $$values ('limit'), ('logs'), ('page'), ('total')$$, 'a search answers logs, total, page and limit');

select is(
  (select array_agg(l ->> 'record_id') from jsonb_array_elements(public.audit_search(p_resource => 'audited', p_action => 'delete') -> 'logs') l),
  array['1'], 'it filters by table and action');

select is(
  (public.audit_search(p_user_id => (select counselor from people), p_resource => 'audited') ->> 'total')::integer, 2, 'by person');

select is((public.audit_search(p_search => 'asha RAO') ->> 'total')::integer, 2, 'by text in the values, in either case');

select is((public.audit_search(p_search => '100%') ->> 'total')::integer, 0, 'where a percent sign is a percent sign');

select is((public.audit_search(p_date_from => now() + interval '1 minute') ->> 'total')::integer, 0, 'from a time');

select is(
  (public.audit_search(p_date_to => now(), p_resource => 'audited') ->> 'total')::integer, 0, 'up to, not including, another');

select is(
  public.audit_search(p_resource => 'audited', p_limit => 2, p_offset => 2) - 'logs',
  (select jsonb_build_object('total', count(*), 'page', 2, 'limit', 2) from public.audit_logs where resource = 'audited'),
  'pages are counted from one');

select is(
  jsonb_array_length(public.audit_search(p_resource => 'audited', p_limit => 2, p_offset => 2) -> 'logs'), 2, 'and hold as many as asked');

select is((public.audit_search(p_limit => 100000) ->> 'limit')::integer, 200, 'up to two hundred');

select is(
  (select l ->> 'user_name' from jsonb_array_elements(public.audit_search(p_resource => 'system_settings', p_action => 'update') -> 'logs') l limit 1),
  'Ada Admin', 'an entry names the person');

select is(
  (select array_agg(l ->> 'id') from jsonb_array_elements(public.audit_search(p_limit => 5) -> 'logs') l),
  (select array_agg(t.id::text) from (select a.id from public.audit_logs a order by a.created_at desc, a.id desc limit 5) t),
  'newest first');

-- Append only

select throws_ok(
  $$insert into public.audit_logs (actor_role, action, resource) values ('x', 'insert', 'x')$$, '42501', null, 'an administrator writes no entry');

select throws_ok($$update public.audit_logs set after = null$$, '42501', null, 'changes none');

select throws_ok($$delete from public.audit_logs$$, '42501', null, 'and deletes none');

select tests.authenticate_as_service();

select isnt_empty('select id from public.audit_logs limit 1', 'a service reads the trail');

select throws_ok(
  $$insert into public.audit_logs (actor_role, action, resource) values ('x', 'insert', 'x')$$, '42501', null, 'but writes no entry');

select throws_ok($$update public.audit_logs set after = null$$, '42501', null, 'changes none');

select throws_ok($$delete from public.audit_logs$$, '42501', null, 'deletes none');

select throws_ok($$truncate public.audit_logs$$, '42501', null, 'and does not empty it');

select tests.clear_authentication();

select throws_ok($$update public.audit_logs set after = null$$, '42501', null, 'not even the owner changes an entry');

select throws_ok($$delete from public.audit_logs$$, '42501', null, 'or deletes one');

select throws_ok($$truncate public.audit_logs$$, '42501', null, 'or empties the trail');

select throws_ok(
  format('truncate private.audit_logs_%s', to_char(now() at time zone 'UTC', 'YYYY_MM')), '42501', null, 'or one month of it');

select throws_ok(
  format('delete from private.audit_logs_%s', to_char(now() at time zone 'UTC', 'YYYY_MM')), '42501', null, 'or deletes from it');

-- Partitions

create function pg_temp.months() returns text[] language sql as $$
  select array_agg(c.relname::text order by c.relname)
  from pg_inherits i join pg_class c on c.oid = i.inhrelid
  where i.inhparent = 'public.audit_logs'::regclass;
$$;

select is(cardinality(pg_temp.months()), 5, 'this month, the next three and the rest each have a partition');

select is_empty(
  $$select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'public.audit_logs'::regclass and (not c.relrowsecurity or c.relnamespace = 'public'::regnamespace
      or has_table_privilege('authenticated', c.oid, 'select') or has_table_privilege('service_role', c.oid, 'select'))$$,
  'partitions are reached through the table alone');

select is((select count(*)::integer from private.audit_logs_other), 0, 'entries of today lie in the partition of the month');

select private.audit_maintain(6);

select is(cardinality(pg_temp.months()), 8, 'more months are made ahead');

select lives_ok('select private.audit_maintain(6)', 'and made once');

select throws_ok(
  format('truncate private.audit_logs_%s', to_char(now() at time zone 'UTC' + interval '6 months', 'YYYY_MM')), '42501', null,
  'a new month is protected as the others are');

create table private.audit_logs_2001_01 partition of public.audit_logs for values from ('2001-01-01 00:00:00+00') to ('2001-02-01 00:00:00+00');

select private.audit_maintain();

select is(to_regclass('private.audit_logs_2001_01'), null, 'a month beyond the retention is dropped');

select results_eq(
  $$select record_id from public.audit_logs where action = 'expire'$$, $$values ('audit_logs_2001_01')$$, 'which is itself in the trail');

create table private.audit_logs_2001_01 partition of public.audit_logs for values from ('2001-01-01 00:00:00+00') to ('2001-02-01 00:00:00+00');

update public.system_settings set value = '0' where key = 'audit.retention_months';

select private.audit_maintain();

select isnt(to_regclass('private.audit_logs_2001_01'), null, 'a retention of zero keeps everything');

-- Of many rows at once

create table public.audited_many (like public.audited including all);

create trigger audit_created after insert on public.audited_many
  referencing new table as affected for each statement execute function private.audit_rows();

create trigger audit_deleted after delete on public.audited_many
  referencing old table as affected for each statement execute function private.audit_rows();

grant select, insert, delete on public.audited_many to authenticated;

select tests.authenticate_as((select counselor from people), 'a0000000-0000-4000-8000-000000000001');

select set_config('intake.automation', 'run-7', true);

insert into public.audited (id, name) values (21, 'Many'), (22, null);

delete from public.audited where id > 20;

insert into public.audited_many (id, name) values (21, 'Many'), (22, null);

delete from public.audited_many where id > 20;

select set_config('intake.automation', '', true);

select tests.clear_authentication();

select results_eq(
  $$select action, record_id, before, after, user_id, actor_role, session_id, request_id, impersonator_id from pg_temp.trail('audited_many') order by action, record_id$$,
  $$select action, record_id, before, after, user_id, actor_role, session_id, request_id, impersonator_id from pg_temp.trail('audited') where record_id > '20' order by action, record_id$$,
  'a trigger for the statement leaves what one for each row leaves');

select is((select count(*) from pg_temp.trail('audited_many')), 4::bigint, 'of every row');

select * from finish();

rollback;

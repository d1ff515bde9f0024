-- Report runs: read once as their owner with what the owner may at that moment, written from what was read.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('manager', 'Runs A', true) as manager, tests.create_user('counselor', 'Runs A') as counselor, tests.create_user('admin') as admin;

grant select on people to public;

alter table public.leads disable trigger route_new_lead;

insert into public.leads (name, source, assigned_to)
select v.name, 'Runs', case v.own when 1 then p.manager else p.admin end
from people p, (values ('=1+1', 1), ('Bala, "B"', 1), ('Chand', 0)) v (name, own);

-- A report of each kind, and a run of each format.
select tests.authenticate_as((select manager from people));

create temp table made on commit drop as
select (public.report_build('{"name": "List", "fields": ["name", "score"], "filters": {"source": "Runs"}, "sorting": ["name"]}') ->> 'report_id')::uuid as list,
  (public.report_build('{"name": "Figures", "grouping": ["source"], "filters": {"source": "Runs"}, "aggregations": ["count"]}') ->> 'report_id')::uuid as figures;

grant select on made to public;

create temp table runs on commit drop as
select (public.report_export(list)).id as csv, (public.report_export(list, 'JSON')).id as json, (public.report_export(figures)).id as figures from made;

grant select on runs to public;

select throws_ok('select public.report_export(list, ''pdf'') from made', 'PT422', 'Reports are not written in this format.', 'a format there is not has a code of its own');

select throws_ok('select public.report_export(list, ''xml'') from made', 'PT422', 'An argument is missing or not of the expected kind.', 'and one nobody knows is none');

select throws_ok('select public.report_export(gen_random_uuid())', 'PT404', null, 'what is not there is not written');

select tests.authenticate_as((select counselor from people));

select throws_ok('select public.report_export(list) from made', '42501', null, 'nor for who may not see reports');

select tests.clear_authentication();

select is((select count(*)::int from private.jobs j, runs r where j.kind = 'report.run' and j.dedupe_key in (r.csv::text, r.json::text, r.figures::text)), 3, 'each run has a job');

select is(
  (select (a.user_id, a.after ->> 'format')::text from public.audit_logs a, runs r where a.action = 'export' and a.after ->> 'run' = r.json::text),
  (select format('(%s,json)', manager) from people), 'and is in the audit trail'
);

-- Evaluated in the service's name, as the worker does, with nobody signed in.
delete from auth.sessions where user_id = (select manager from people);

set local role service_role;

select private.report_evaluate(csv), private.report_evaluate(json), private.report_evaluate(figures) from runs;

select is(current_user::text, 'service_role', 'whoever evaluates is themselves again afterwards');

reset role;

create function pg_temp.text_of(p_run uuid) returns text language sql as $$
  select string_agg(c.body, '' order by c.chunk) from private.report_chunks c where c.run_id = p_run;
$$;

select is(pg_temp.text_of(csv), E'name,score\r\n''=1+1,0\r\n"Bala, ""B""",0\r\n', 'a CSV file of what the owner sees, formulas neutralised') from runs;

select is(pg_temp.text_of(json)::jsonb - 'generated_at',
  '{"name": "List", "columns": [{"name": "name", "kind": "text"}, {"name": "score", "kind": "int4"}], "rows": [{"name": "=1+1", "score": 0}, {"name": "Bala, \"B\"", "score": 0}]}',
  'a JSON file of the same') from runs;

select is(pg_temp.text_of(figures), E'source,count\r\nRuns,2\r\n', 'and figures') from runs;

select is((select row_count from public.report_runs r where r.id = runs.csv), 2, 'a run says how many rows it has') from runs;

select is_empty('select from auth.sessions s, people p where s.user_id = p.manager', 'and nobody is signed in by it');

-- Again, when the worker died in between

set local role service_role;

select private.report_evaluate(csv) from runs;

reset role;

select is((select count(*)::int from private.report_chunks c, runs where c.run_id = runs.csv), 3, 'what was read is not read again');

select private.report_finish(csv, 'x/report.csv', 9) from runs;

select is((select (status, download_url)::text from public.report_runs r where r.id = runs.csv), format('(done,/functions/v1/reports/runs/%s/file)', runs.csv), 'a run that is done has a link') from runs;

select ok((select expires_at between now() + interval '23 hours' and now() + interval '25 hours' from public.report_runs r, runs where r.id = runs.csv), 'that ends');

select ok(exists (select from private.jobs j, runs r where j.kind = 'report.expire' and j.payload ->> 'path' = 'x/report.csv' and j.run_at > now() + interval '23 hours'), 'with its file');

select is_empty('select from private.report_chunks c, runs where c.run_id = runs.csv', 'and nothing of it waits');

-- What changed since it was asked for

create function pg_temp.run_of(p_report uuid) returns uuid language sql as $$
  insert into public.report_runs (report_id, created_by, name) select p_report, manager, 'x' from people returning id;
$$;

create function pg_temp.refused(p_run uuid, p_state text, p_what text) returns text language plpgsql as $$
begin
  set local role service_role;
  perform private.report_evaluate(p_run);
  reset role;

  return fail(p_what);
exception when others then
  reset role;

  return is(sqlstate, p_state, p_what);
end
$$;

grant execute on function pg_temp.refused(uuid, text, text) to public;

update public.leads set assigned_to = (select admin from people) where source = 'Runs' and name like 'Bala%';

create temp table later on commit drop as select pg_temp.run_of(list) as id from made;

grant select on later to public;

set local role service_role;

select private.report_evaluate(id) from later;

reset role;

select is((select row_count from public.report_runs r, later where r.id = later.id), 1, 'a run sees what its owner sees when it runs, not when it was asked for');

delete from public.role_permissions where permission = 'leads.export' and role_id = (select id from public.roles where key = 'manager');

select pg_temp.refused(pg_temp.run_of(list), '42501', 'a list of leads needs leads.export') from made;

create temp table counted on commit drop as select pg_temp.run_of(figures) as id from made;

grant select on counted to public;

set local role service_role;

select lives_ok('select private.report_evaluate(id) from counted', 'figures do not');

reset role;

delete from public.role_permissions where permission = 'reports.export' and role_id = (select id from public.roles where key = 'manager');

select pg_temp.refused(pg_temp.run_of(figures), '42501', 'who may export no more has nothing written') from made;

update public.profiles set is_active = false where id = (select manager from people);

insert into public.role_permissions (role_id, permission) select id, 'reports.export' from public.roles where key = 'manager';

select pg_temp.refused(pg_temp.run_of(figures), '42501', 'nor who works here no more') from made;

-- Erasure

update public.profiles set is_active = true where id = (select manager from people);

update public.reports set filters = '{"email": "zerlinda@runs.test"}' where id = (select list from made);

select private.erase_from_reports('{zerlinda@runs.test}', '{}');

select ok((select r.expires_at <= now() from public.report_runs r, runs where r.id = runs.csv), 'erasing somebody ends every file');

select ok((select j.run_at <= now() from private.jobs j, runs r where j.kind = 'report.expire' and j.dedupe_key = r.csv::text), 'at once');

select is_empty('select from private.report_chunks', 'takes what is being written');

select is((select filters from public.reports r, made where r.id = made.list), '{}', 'and their address out of definitions');

select private.report_finish(json, 'y/report.json', 9) from runs;

select ok((select r.expires_at <= now() from public.report_runs r, runs where r.id = runs.json), 'a file that was being written ends when it is done');

-- Ends

select private.report_expired(csv), private.report_fail(figures, 'report_too_slow') from runs;

select results_eq(
  $$select r.status, r.failure, r.download_url from public.report_runs r, runs where r.id in (runs.csv, runs.figures) order by r.status$$,
  $$values ('expired', null::text, null::text), ('failed', 'report_too_slow', null)$$, 'a run that is over has no link'
);

select * from finish();

rollback;

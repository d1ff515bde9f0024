-- Reports: definitions that compile to what they say and to nothing else, over what their reader sees.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('manager', 'Reports A', true) as manager, tests.create_user('counselor', 'Reports A') as counselor,
  tests.create_user('manager', 'Reports B', true) as stranger, tests.create_user('admin') as admin;

grant select on people to public;

alter table public.leads disable trigger route_new_lead;

insert into public.leads (name, source, status, value, currency, assigned_to, created_at)
select v.name, v.source, v.status, v.value, v.currency, case v.own when 1 then p.manager when 2 then p.counselor else p.stranger end, v.at::timestamptz
from people p, (values
  ('Asha', 'Reports web', 'new', 100, 'INR', 1, '2026-03-31 18:29:59+00'),
  ('Bala', 'Reports web', 'enrolled', 200, 'INR', 2, '2026-03-31 18:30:00+00'),
  ('Chand', 'Reports walk', 'new', 50, 'USD', 2, '2026-04-10 12:00:00+00'),
  ('Dev', 'Reports web', 'new', 900, 'INR', 3, '2026-04-10 12:00:00+00')
) v (name, source, status, value, currency, own, at);

create function pg_temp.build(p jsonb) returns jsonb language sql as $$
  select public.report_build('{"name": "Test", "filters": {"source": ["Reports web", "Reports walk"]}}' || p);
$$;

create function pg_temp.refused(p jsonb, p_detail text) returns text language plpgsql as $$
declare
  said text;
begin
  perform pg_temp.build(p);

  return fail(p::text || ' is refused');
exception when others then
  get stacked diagnostics said = pg_exception_detail;

  return is(sqlstate || ' ' || said, 'PT422 ' || p_detail, p::text);
end
$$;

grant execute on function pg_temp.build(jsonb), pg_temp.refused(jsonb, text) to public;

select tests.authenticate_as((select manager from people));

-- Lists

select is(
  pg_temp.build('{"fields": ["name", "value"], "sorting": ["-value"]}') - 'report_id',
  '{"row_count": 3, "preview_data": [{"name": "Bala", "value": 200.00, "currency": "INR"}, {"name": "Asha", "value": 100.00, "currency": "INR"}, {"name": "Chand", "value": 50.00, "currency": "USD"}]}',
  'a list holds what its reader sees, in its order, and amounts with their currency'
);

select is(
  jsonb_path_query_array(pg_temp.build('{"fields": ["name"], "date_range": {"from": "2026-04-01", "to": "2026-04-01"}}'), '$.preview_data[*].name'),
  '["Bala"]', 'days are those of the organisation''s time zone'
);

select is(
  jsonb_path_query_array(pg_temp.build('{"fields": ["name"], "filters": {"source": "Reports web", "value": {"gte": 150}}}'), '$.preview_data[*].name'),
  '["Bala"]', 'filters are values and bounds'
);

-- Figures

select is(
  pg_temp.build('{"grouping": ["source"], "aggregations": ["count", "enrollments", "conversion_rate"]}') -> 'preview_data',
  '[{"source": "Reports walk", "count": 1, "enrollments": 0, "conversion_rate": 0.0}, {"source": "Reports web", "count": 2, "enrollments": 1, "conversion_rate": 50.0}]',
  'figures by a dimension'
);

select is(
  pg_temp.build('{"aggregations": [{"function": "sum", "field": "value", "name": "total"}, {"function": "avg", "field": "value"}], "sorting": ["-total"]}') -> 'preview_data',
  '[{"currency": "INR", "total": 300.00, "avg_value": 150.00}, {"currency": "USD", "total": 50.00, "avg_value": 50.00}]',
  'money is never added up over currencies'
);

select is(
  pg_temp.build('{"grouping": [{"field": "created_at", "by": "month"}], "aggregations": ["count"]}') -> 'preview_data',
  '[{"created_at_month": "2026-03-01", "count": 1}, {"created_at_month": "2026-04-01", "count": 2}]',
  'months are those of the organisation''s time zone'
);

select is(
  pg_temp.build('{"aggregations": [{"function": "count_distinct", "field": "source", "name": "sources"}, {"function": "max", "field": "score"}]}') -> 'row_count',
  '1', 'figures of everything are one row'
);

-- What is refused

select pg_temp.refused('{"fields": ["search_text"]}', 'report_invalid: fields: search_text');

select pg_temp.refused('{"fields": ["name from auth.users --"]}', 'report_invalid: fields: name from auth.users --');

select pg_temp.refused('{"fields": []}', 'report_invalid: fields: name at least one, or an aggregation');

select pg_temp.refused('{"fields": ["name", "name"]}', 'report_invalid: twice: name');

select pg_temp.refused('{"dataset": "profiles", "fields": ["id"]}', 'report_invalid: dataset: profiles');

select pg_temp.refused('{"grouping": ["email"], "aggregations": ["count"]}', 'report_invalid: grouping: email');

select pg_temp.refused('{"grouping": ["created_at"], "aggregations": ["count"]}', 'report_invalid: grouping: created_at by day, week, month, quarter or year');

select pg_temp.refused('{"grouping": [{"field": "source", "by": "month"}], "aggregations": ["count"]}', 'report_invalid: grouping: source is no date');

select pg_temp.refused('{"grouping": ["source"], "fields": ["name"], "aggregations": ["count"]}', 'report_invalid: fields: figures are shown with what they are grouped by');

select pg_temp.refused('{"aggregations": ["pg_sleep"]}', 'report_invalid: aggregations: "pg_sleep"');

select pg_temp.refused('{"aggregations": [{"function": "sum", "field": "name"}]}', 'report_invalid: aggregations: {"field": "name", "function": "sum"}');

select pg_temp.refused('{"aggregations": [{"function": "count", "name": "a\" b"}]}', 'report_invalid: aggregations: {"name": "a\" b", "function": "count"}');

select pg_temp.refused('{"fields": ["name"], "sorting": ["1"]}', 'report_invalid: sorting: "1"');

select pg_temp.refused('{"fields": ["name"], "sorting": [{"field": "name", "direction": "desc; drop"}]}', 'report_invalid: sorting: {"field": "name", "direction": "desc; drop"}');

select pg_temp.refused('{"fields": ["name"], "filters": {"deleted_at": null}}', 'export_column_unknown: deleted_at');

select pg_temp.refused('{"fields": ["name"], "filters": {"name": {"like": "x"}}}', 'export_filter_invalid: like');

select pg_temp.refused('{"fields": ["name"], "filters": {"created_at": "soon"}}', 'report_invalid: invalid input syntax for type timestamp with time zone: "soon"');

select pg_temp.refused('{"fields": ["name"], "date_range": {"period": "ever"}}', 'report_invalid: date_range: no such period');

select pg_temp.refused('{"fields": ["name"], "date_range": {"from": "2026-02-30"}}', 'report_invalid: date_range: from and to are days such as 2026-04-01');

select pg_temp.refused('{"fields": ["name"], "date_range": {"from": "2026-02-02", "to": "2026-02-01"}}', 'report_invalid: date_range: from is after to');

select pg_temp.refused('{"fields": "name"}', 'report_invalid: lists are arrays, filters and date_range objects');

select pg_temp.refused('{"field": ["name"]}', 'argument_invalid: unknown fields of p: field');

select is(
  pg_temp.build('{"fields": ["name"], "filters": {"name": "x'' or true --"}}') -> 'row_count', '0', 'a value stays a value'
);

select throws_ok(
  $$insert into public.reports (name, dataset, fields) values ('x', 'leads', '["nothing"]')$$, 'PT422', null, 'a table write is held to the same rules'
);

-- Pages

create temp table made on commit drop as
select (pg_temp.build('{"fields": ["name"], "sorting": ["name"], "is_shared": true}') ->> 'report_id')::uuid as list,
  (pg_temp.build('{"grouping": ["source"], "aggregations": ["count"], "is_shared": true}') ->> 'report_id')::uuid as figures;

grant select on made to public;

select is(public.report_run(list, 1, 1) -> 'data', '[{"name": "Bala"}]', 'a page is a page') from made;

select is(public.report_run(list, 1, 1) -> 'row_count', '3', 'and says how many rows there are') from made;

select is(public.report_run(list) -> 'columns', '[{"kind": "text", "name": "name"}]', 'and which columns') from made;

select throws_ok('select public.report_run(list, 1001) from made', 'PT422', null, 'of 1000 rows at most');

-- Who sees what

select tests.authenticate_as((select stranger from people));

select is(public.report_run(list) -> 'data', '[{"name": "Dev"}]', 'a shared report shows its reader their own part') from made;

update public.reports r set name = 'Taken' from made m where r.id = m.list;

select is((select name from public.reports r, made m where r.id = m.list), 'Test', 'and is changed by its owner alone');

select tests.authenticate_as((select counselor from people));

select throws_ok('select public.report_run(list) from made', '42501', null, 'without reports.view there is none');

select is_empty('select from public.reports', 'nor a definition to be read');

-- What is kept

select tests.authenticate_as((select manager from people));

select is(public.report_run(figures, 10, 0, 3600) -> 'data', '[{"count": 1, "source": "Reports walk"}, {"count": 2, "source": "Reports web"}]', 'figures') from made;

select public.report_run(list, 10, 0, 3600) from made;

select tests.clear_authentication();

update public.leads set deleted_at = now() where name = 'Chand' and source = 'Reports walk';

select is((select count(*)::int from private.report_cache c, made m where c.report_id in (m.list, m.figures)), 1, 'are kept, lists are not');

select tests.authenticate_as((select manager from people));

select is(public.report_run(figures, 10, 0, 3600) -> 'row_count', '2', 'and answered again to who accepts that') from made;

select is(public.report_run(figures) -> 'row_count', '1', 'and fresh to who does not') from made;

select tests.authenticate_as((select stranger from people));

select is(public.report_run(figures, 10, 0, 3600) -> 'data', '[{"count": 1, "source": "Reports web"}]', 'nobody is answered with another''s figures') from made;

select tests.clear_authentication();

delete from public.team_members where user_id = (select manager from people);

select tests.authenticate_as((select manager from people));

select is(public.report_run(figures, 10, 0, 3600) -> 'data', '[{"count": 1, "source": "Reports web"}]', 'nor with their own of when they saw more') from made;

select tests.clear_authentication();

update private.report_cache set made_at = now() - interval '61 minutes';

select tests.authenticate_as((select stranger from people));

select is(private.report_cached(r, private.report_plan(r), 10, 0, 86400) -> 'answer', 'null', 'after an hour they are made anew')
from public.reports r, made m where r.id = m.figures;

-- Two people of whom role, scope and teams are the same

select tests.clear_authentication();

delete from public.team_members where user_id = (select stranger from people);

insert into public.tasks (title, assigned_to) select 'Of the manager', manager from people;

select tests.authenticate_as((select manager from people));

create temp table alike on commit drop as
select (public.report_build('{"name": "Alike", "dataset": "tasks", "aggregations": ["count"], "is_shared": true}') ->> 'report_id')::uuid as report;

grant select on alike to public;

select is(public.report_run(report, 10, 0, 3600) -> 'data', '[{"count": 1}]', 'one''s own figures') from alike;

select tests.authenticate_as((select stranger from people));

select is(public.report_run(report, 10, 0, 3600) -> 'data', '[{"count": 0}]', 'are kept for oneself alone') from alike;

-- Every template and every column

select tests.authenticate_as((select admin from people));

select lives_ok(format('select public.report_run(%L)', r.id), r.name || ' runs') from public.reports r where r.is_template;

select tests.clear_authentication();

select ok(private.report_plan(r) is not null, 'all columns of ' || d.dataset)
from private.report_datasets d
cross join lateral (
  select x.* from jsonb_populate_record(null::public.reports, jsonb_build_object(
    'dataset', d.dataset, 'grouping', '[]'::jsonb, 'aggregations', '[]'::jsonb, 'sorting', '[]'::jsonb, 'filters', '{}'::jsonb, 'date_range', '{}'::jsonb,
    'fields', (select jsonb_agg(c.name) from private.report_columns c where c.dataset = d.dataset)
  )) x
) r;

select lives_ok(format(
  'insert into public.reports (name, dataset, fields, created_by) select ''All'', %L, %L, admin from people', d.dataset,
  (select jsonb_agg(c.name) from private.report_columns c where c.dataset = d.dataset)
), 'the columns of ' || d.dataset || ' are there, of the kind they say') from private.report_datasets d where to_regclass(d.relation) is not null;

select lives_ok(format(
  'insert into public.reports (name, dataset, aggregations, created_by) select ''All'', %L, %L, admin from people', m.dataset, jsonb_build_array(m.name)
), m.dataset || ' has ' || m.name) from private.report_measures m;

select is_empty(
  $$select c.dataset, c.name from private.report_columns c where c.is_dimension and c.name in ('name', 'email', 'phone', 'recipient', 'subject', 'title', 'id')$$,
  'nothing that names a person outside is a dimension, so figures name none'
);

select * from finish();

rollback;

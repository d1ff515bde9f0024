-- Exports: cells no spreadsheet runs, filters that are only filters, pages under the caller's own sight.

begin;

select no_plan();

select is(private.csv_cell(given), wanted, format('%L is %L', given, wanted))
from (values
  ('=1+1', '''=1+1'), ('+91 98', '''+91 98'), ('-1', '''-1'), ('@x', '''@x'), (null, ''), ('a,b', '"a,b"'), ('a;=1+1;+2', 'a;''=1+1;''+2'), ('a; -b', 'a; -b'),
  ('say "x"', '"say ""x"""'), (E'a\nb', E'"a\nb"'), ('plain', 'plain'), (' lead', '" lead"')
) c (given, wanted);

select ok(private.csv_cell(E'\t=1') like '%''%', 'a tab before a formula does not hide it');

select is(private.export_condition('public.leads', '{"name": "x'' or true --"}'), 't.name = ''x'''' or true --''::text', 'a value stays a value');

select is(private.export_condition('public.leads', '{"status": ["new", "lost"]}'), 't.status = any (''{new,lost}''::text[])', 'several are any of them');

select is(private.export_condition('public.leads', '{}'), 'true', 'no filter is no filter');

select is(
  private.export_condition('public.leads', '{"deal_id": {"neq": null}}'), 't.deal_id is not null', 'not null is any, not nothing');

select is(
  private.export_condition('public.leads', '{"industry": ["Health", null]}'), '(t.industry = any (''{Health}''::text[]) or t.industry is null)',
  'null among several is one of them');

select is(
  private.export_condition('public.leads', '{"tags": "vip"}'), 't.tags @> ''{vip}''::text[]', 'a value of a column that holds several is one that it holds');

select is(
  private.export_condition('public.leads', '{"tags": ["vip", "hot"]}'), 't.tags && ''{vip,hot}''::text[]', 'several are those of which it holds one');

select throws_ok(
  $$select private.export_condition('public.leads', '{"created_at": {"gte": null}}')$$, 'PT422', null, 'a bound that is null is refused');

select is_empty(
  $$select l.list from private.export_lists l where to_regclass(l.relation) is null or 'id' <> all (private.export_columns(l.relation))$$,
  'every list is a table that people may read, page by page of its ids');

select throws_ok($$select private.export_condition('public.leads', '{"x; drop table y": 1}')$$, 'PT422', null, 'a column that is none is refused');

select throws_ok($$select private.export_condition('public.leads', '{"name": {"like": "x"}}')$$, 'PT422', null, 'and so is a bound that is none');

select ok(not 'payload' = any (private.export_columns('public.lead_enquiries')), 'columns that people may not read are not for export');

create temp table people on commit drop as
select tests.create_user('manager', 'Exports A', true) as manager, tests.create_user('counselor', 'Exports B', true) as stranger;

grant select on people to public;

alter table public.leads disable trigger route_new_lead;

insert into public.leads (name, source, assigned_to)
select v.name, 'Exports test', case v.own when 1 then manager else stranger end from people, (values ('One', 1), ('Two', 1), ('Other', 0)) v (name, own);

select tests.authenticate_as((select manager from people));

create temp table made on commit drop as select id from public.export_start('leads', '{"source": "Exports test"}', '{name}');

select results_eq(
  'select csv, row_count from private.export_page((select id from made), null, 1)', $$values (E'One\r\n', 1)$$, 'pages hold what they are asked for');

select results_eq(
  'select csv, row_count from private.export_page((select id from made))', $$values (E'One\r\nTwo\r\n', 2)$$, 'and only rows the person sees');

select tests.clear_authentication();

delete from public.role_permissions where permission = 'leads.export' and role_id = (select id from public.roles where key = 'manager');

select tests.authenticate_as((select manager from people));

select throws_ok('select * from private.export_page((select id from made))', '42501', null, 'a permission that is gone is gone for what runs, too');

select * from finish();

rollback;

-- Reports: what people ask of their data, saved as a definition and never as a query.
--
-- A definition names columns and figures of a fixed list of datasets; it is compiled here, value by value
-- quoted, and runs under the row level security of whoever asks: a shared report shows everybody their own
-- part. Days and months are those of the organisation's time zone. Amounts are never added up over
-- currencies: a report that adds money up has a row per currency, asked for or not.

-- Tables

create table public.reports (
  id uuid primary key default private.uuid_v7(),
  name text not null,
  description text not null default '',
  dataset text not null default 'leads' references private.report_datasets (dataset) on update cascade on delete restrict,
  fields jsonb not null default '[]',
  filters jsonb not null default '{}',
  grouping jsonb not null default '[]',
  sorting jsonb not null default '[]',
  aggregations jsonb not null default '[]',
  date_range jsonb not null default '{}',
  is_template boolean not null default false,
  is_shared boolean not null default false,
  is_pinned boolean not null default false,
  created_by uuid references public.profiles (id) on delete cascade,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  version bigint not null default 1,
  constraint reports_name_is_a_line check (btrim(name) <> '' and length(name) <= 200),
  constraint reports_description_is_short check (length(description) <= 2000),
  constraint reports_definition_has_its_shape check (
    jsonb_typeof(fields) = 'array' and jsonb_typeof(grouping) = 'array' and jsonb_typeof(sorting) = 'array' and jsonb_typeof(aggregations) = 'array'
    and jsonb_typeof(filters) = 'object' and jsonb_typeof(date_range) = 'object'
  ),
  constraint reports_definition_is_small check (
    pg_column_size(fields) + pg_column_size(filters) + pg_column_size(grouping) + pg_column_size(sorting) + pg_column_size(aggregations) + pg_column_size(date_range) <= 16384
  ),
  constraint reports_belong_to_somebody_unless_templates check (is_template = (created_by is null))
);

comment on table public.reports is 'Report definitions. Templates, what is shared, and one''s own; whoever opens one sees their own data. report_build() saves and previews, report_run() reads, report_export() writes a file.';

comment on column public.reports.dataset is 'leads, students, deals, tasks, calls or communications; report_datasets() tells their columns and figures.';

comment on column public.reports.fields is 'Names of the columns of a list: ["name", "status"]. Of grouped figures those of grouping, or none.';

comment on column public.reports.filters is 'Column to value, values, null, or {gte, gt, lte, lt, neq}: {"status": ["new", "contacted"], "score": {"gte": 50}}.';

comment on column public.reports.grouping is 'Dimensions: ["source"], and a date by day, week, month, quarter or year: [{"field": "created_at", "by": "month"}].';

comment on column public.reports.sorting is '["-count", "source"] or [{"field": "count", "direction": "desc"}], over columns of the dataset or, of figures, of the result.';

comment on column public.reports.aggregations is '["count", "conversion_rate", {"function": "sum", "field": "value", "name": "total"}].';

comment on column public.reports.date_range is '{"from": "2026-04-01", "to": "2026-06-30"}, both included, or {"period": "last_30_days"}: today, yesterday, last_7_days, last_30_days, last_90_days, this_week, last_week, this_month, last_month, this_year.';

comment on column public.reports.is_template is 'Comes with Intake and is for everybody who may see reports.';

comment on column public.reports.is_shared is 'Others who may see reports may read the definition, its filters included. Never anybody''s data.';

comment on column public.reports.is_pinned is 'Is on its owner''s dashboard.';

comment on column public.reports.version is 'Rises with every change.';

create index reports_of_person on public.reports (created_by, created_at desc);

create index reports_for_everybody on public.reports (created_at desc) where is_template or is_shared;

create table private.report_cache (
  report_id uuid not null references public.reports (id) on delete cascade,
  user_id uuid not null references public.profiles (id) on delete cascade,
  asked text not null,
  answer jsonb not null,
  made_at timestamptz not null default now(),
  primary key (report_id, user_id, asked)
);

comment on table private.report_cache is 'Figures as they were for one person, for an hour at most. Lists are never kept, so no row of anybody''s is.';

comment on column private.report_cache.asked is 'Digest of the definition''s version, the person''s role, scope and teams, the day, and the page: what may change what they would see.';

create index report_cache_by_age on private.report_cache (made_at);

create index report_cache_of_person on private.report_cache (user_id);

-- Policies

alter table private.report_cache enable row level security;

alter table public.reports enable row level security;

create policy reports_read on public.reports for select to authenticated
  using (
    (select private.has_permission('reports.view'))
    and (
      is_template
      or is_shared
      or created_by = (select private.gate_own())
      or (select private.gate_all()) is not null
    )
  );

comment on policy reports_read on public.reports is 'With reports.view: templates, what is shared, and one''s own; for scope all every definition.';

create policy reports_create on public.reports for insert to authenticated
  with check ((select private.has_permission('reports.view')) and created_by = (select private.gate_own()) and not is_template);

comment on policy reports_create on public.reports is 'One''s own, with reports.view.';

create policy reports_change on public.reports for update to authenticated
  using ((select private.has_permission('reports.view')) and created_by = (select private.gate_own()))
  with check ((select private.has_permission('reports.view')) and created_by = (select private.gate_own()));

comment on policy reports_change on public.reports is 'One''s own, while one has reports.view.';

create policy reports_delete on public.reports for delete to authenticated
  using ((select private.has_permission('reports.view')) and created_by = (select private.gate_own()));

comment on policy reports_delete on public.reports is 'One''s own; its schedules end with it, its history stays.';

-- Functions: the compiler

create function private.report_period(p_range jsonb, p_today date, out first_day date, out last_day date)
language plpgsql immutable set search_path = '' as $$
declare
  week date := date_trunc('week', p_today::timestamp);
  month date := date_trunc('month', p_today::timestamp);
  unknown text := (select min(k) from jsonb_object_keys(p_range) k where k not in ('from', 'to', 'period'));
begin
  if unknown is not null or (p_range ? 'period' and (p_range ? 'from' or p_range ? 'to')) then
    perform private.fail('report_invalid', left('date_range: ' || coalesce(unknown, 'a period or from and to'), 120));
  end if;

  if not p_range ? 'period' then
    begin
      first_day := p_range ->> 'from';
      last_day := p_range ->> 'to';
    exception when data_exception then
      perform private.fail('report_invalid', 'date_range: from and to are days such as 2026-04-01');
    end;

    if first_day > last_day or not coalesce(isfinite(first_day), true) or not coalesce(isfinite(last_day), true) then
      perform private.fail('report_invalid', 'date_range: from is after to');
    end if;

    return;
  end if;

  last_day := p_today;

  case p_range ->> 'period'
    when 'today' then first_day := p_today;
    when 'yesterday' then first_day := p_today - 1; last_day := p_today - 1;
    when 'last_7_days' then first_day := p_today - 6;
    when 'last_30_days' then first_day := p_today - 29;
    when 'last_90_days' then first_day := p_today - 89;
    when 'this_week' then first_day := week;
    when 'last_week' then first_day := week - 7; last_day := week - 1;
    when 'this_month' then first_day := month;
    when 'last_month' then first_day := month - interval '1 month'; last_day := month - 1;
    when 'this_year' then first_day := date_trunc('year', p_today::timestamp);
    else perform private.fail('report_invalid', 'date_range: no such period');
  end case;
end
$$;

comment on function private.report_period(jsonb, date) is 'First and last day of a date_range as of today; null for no limit. Error report_invalid.';

create function private.report_part(p_item jsonb, p_key text, p_known text[]) returns jsonb
language plpgsql immutable set search_path = '' as $$
declare
  part jsonb := case jsonb_typeof(p_item) when 'string' then jsonb_build_object(p_key, p_item) else p_item end;
begin
  if jsonb_typeof(part) <> 'object' or coalesce(jsonb_typeof(part -> p_key), '') <> 'string'
    or exists (select from jsonb_each(part) e where e.key <> all (p_known) or jsonb_typeof(e.value) <> 'string') then
    perform private.fail('report_invalid', left('not understood: ' || p_item::text, 200));
  end if;

  return part;
end
$$;

comment on function private.report_part(jsonb, text, text[]) is 'An item of a definition, which may be written short as a text, as an object of texts. Error report_invalid.';

create function private.report_plan(p_report public.reports) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  of_set private.report_datasets;
  known private.report_columns;
  zone text := private.organization_timezone();
  is_figures boolean := p_report.grouping <> '[]' or p_report.aggregations <> '[]';
  item jsonb;
  part jsonb;
  cell text;
  kind text;
  label text;
  is_money boolean := false;
  is_by_currency boolean := false;
  groups text[] := '{}';
  labels text[] := '{}';
  cells text[] := '{}';
  kinds text[] := '{}';
  orders text[] := '{}';
  conditions text[];
  days record;
begin
  select * into of_set from private.report_datasets d where d.dataset = p_report.dataset and to_regclass(d.relation) is not null;

  if of_set.dataset is null then
    perform private.fail('report_invalid', left('dataset: ' || p_report.dataset, 120));
  end if;

  if jsonb_array_length(p_report.fields) > 30 or jsonb_array_length(p_report.grouping) > 4 or jsonb_array_length(p_report.aggregations) > 10
    or jsonb_array_length(p_report.sorting) > 5 then
    perform private.fail('report_invalid', 'at most 30 fields, 4 groupings, 10 aggregations and 5 sortings');
  end if;

  -- What is grouped by, or listed.
  for item in select i.value from jsonb_array_elements(case when is_figures then p_report.grouping else p_report.fields end) i loop
    part := private.report_part(item, 'field', case when is_figures then '{field,by}'::text[] else '{field}'::text[] end);

    select * into known from private.report_columns c where c.dataset = of_set.dataset and c.name = part ->> 'field';

    if known.name is null or (is_figures and not known.is_dimension) then
      perform private.fail('report_invalid', left(case when is_figures then 'grouping: ' else 'fields: ' end || (part ->> 'field'), 120));
    end if;

    cell := format('t.%I', known.name);
    label := known.name;
    kind := known.kind;

    if is_figures and known.kind in ('timestamptz', 'date') then
      if coalesce(part ->> 'by', '') not in ('day', 'week', 'month', 'quarter', 'year') then
        perform private.fail('report_invalid', left('grouping: ' || known.name || ' by day, week, month, quarter or year', 120));
      end if;

      cell := format('date_trunc(%L, %s)::date', part ->> 'by', case known.kind when 'date' then cell || '::timestamp' else format('%s at time zone %L', cell, zone) end);
      label := known.name || '_' || (part ->> 'by');
      kind := 'date';
    elsif part ? 'by' then
      perform private.fail('report_invalid', left('grouping: ' || known.name || ' is no date', 120));
    end if;

    if label = any (labels) then
      perform private.fail('report_invalid', left('twice: ' || label, 120));
    end if;

    is_money := is_money or known.is_money;
    cells := cells || cell;
    labels := labels || label;
    kinds := kinds || kind;
  end loop;

  groups := cells;

  for item in select i.value from jsonb_array_elements(p_report.aggregations) i loop
    part := private.report_part(item, 'function', '{function,field,name}');
    cell := null;

    select c.* into known from private.report_columns c where c.dataset = of_set.dataset and c.name = part ->> 'field';

    if part ? 'field' and known.name is not null then
      kind := case when part ->> 'function' = 'count_distinct' then 'int4' when part ->> 'function' in ('min', 'max') then known.kind else 'numeric' end;
      cell := case
        when part ->> 'function' = 'count_distinct' then format('count(distinct t.%I)', known.name)
        when part ->> 'function' = 'sum' and known.kind in ('int4', 'numeric') then format('coalesce(sum(t.%I), 0)', known.name)
        when part ->> 'function' = 'avg' and known.kind in ('int4', 'numeric') then format('round(avg(t.%I), 2)', known.name)
        when part ->> 'function' in ('min', 'max') and known.kind in ('int4', 'numeric', 'date', 'timestamptz') then format('%s(t.%I)', part ->> 'function', known.name)
      end;
      is_money := is_money or (known.is_money and part ->> 'function' <> 'count_distinct');
    elsif not part ? 'field' then
      select m.kind, m.expression into kind, cell
      from private.report_measures m
      where m.dataset = of_set.dataset and m.name = part ->> 'function';

      if part ->> 'function' = 'count' then
        kind := 'int4';
        cell := 'count(*)';
      end if;
    end if;

    label := coalesce(part ->> 'name', concat_ws('_', part ->> 'function', part ->> 'field'));

    if cell is null or label !~ '^[a-z][a-z0-9_]{0,60}$' or label = any (labels) then
      perform private.fail('report_invalid', left('aggregations: ' || item::text, 200));
    end if;

    cells := cells || cell;
    labels := labels || label;
    kinds := kinds || kind;
  end loop;

  if cells = '{}' then
    perform private.fail('report_invalid', 'fields: name at least one, or an aggregation');
  end if;

  if is_figures and exists (select from jsonb_array_elements(p_report.fields) f where coalesce(f #>> '{}', '') <> all (labels)) then
    perform private.fail('report_invalid', 'fields: figures are shown with what they are grouped by');
  end if;

  -- An amount says in which currency it is.
  if is_money and not 'currency' = any (labels) then
    cells := array['t.currency'] || cells;
    labels := array['currency'] || labels;
    kinds := array['text'] || kinds;
    groups := array['t.currency'] || groups;
  end if;

  for item in select i.value from jsonb_array_elements(p_report.sorting) i loop
    part := private.report_part(item, 'field', '{field,direction}');
    label := ltrim(part ->> 'field', '-');

    if is_figures then
      cell := case when label = any (labels) then format('%I', label) end;
    else
      cell := (select format('t.%I', c.name) from private.report_columns c where c.dataset = of_set.dataset and c.name = label);
    end if;

    if cell is null or coalesce(part ->> 'direction', 'asc') not in ('asc', 'desc') then
      perform private.fail('report_invalid', left('sorting: ' || item::text, 120));
    end if;

    orders := orders || (cell || case when part ->> 'direction' = 'desc' or part ->> 'field' like '-%' then ' desc nulls last' else ' asc nulls last' end);
  end loop;

  -- Every row has one place, so that pages neither repeat nor lose one.
  orders := orders || case
    when is_figures then array(select format('%I', l) from unnest(labels[1:cardinality(groups)]) l)
    when orders = '{}' then array[format('t.%I desc', of_set.date_column), 't.id desc']
    else array['t.id']
  end;

  select * into days from private.report_period(p_report.date_range, (now() at time zone zone)::date);

  conditions := array[
    private.filter_condition((select jsonb_object_agg(c.name, c.kind) from private.report_columns c where c.dataset = of_set.dataset), p_report.filters),
    case when of_set.is_scoped then private.scope_filter('t') end,
    case when days.first_day is not null then format('t.%I >= %L::timestamptz', of_set.date_column, private.day_start(days.first_day)) end,
    case when days.last_day is not null then format('t.%I < %L::timestamptz', of_set.date_column, private.day_start(days.last_day + 1)) end
  ];

  return jsonb_build_object(
    'is_figures', is_figures,
    'permission', case when not is_figures then of_set.permission end,
    'columns', (select jsonb_agg(jsonb_build_object('name', l.label, 'kind', l.kind) order by l.place) from unnest(labels, kinds) with ordinality l (label, kind, place)),
    'query', format(
      'select %s from (%s) t where %s%s',
      (select string_agg(format('%s as %I', c.cell, c.label), ', ' order by c.place) from unnest(cells, labels) with ordinality c (cell, label, place)),
      of_set.source, array_to_string(conditions, ' and '),
      case when is_figures and groups <> '{}' then ' group by ' || array_to_string(groups, ', ') else '' end
    ),
    'order', coalesce(' order by ' || nullif(array_to_string(orders, ', '), ''), '')
  );
end
$$;

comment on function private.report_plan(public.reports) is 'A definition compiled for the caller: {query, order, columns[{name, kind}], is_figures, permission}. Of a definition nothing reaches the query but names found in the lists above and quoted values. Errors: report_invalid, export_column_unknown, export_filter_invalid.';

create function private.report_page(p_plan jsonb, p_limit integer, p_offset integer, out data jsonb, out row_count bigint)
language plpgsql stable security invoker set search_path = '' as $$
begin
  if coalesce(p_limit not between 0 and 1000 or p_offset not between 0 and 100000, true) then
    perform private.fail('argument_invalid', 'p_limit is 0 to 1000, p_offset 0 to 100000');
  end if;

  execute format(
    case when (p_plan ->> 'is_figures')::boolean
      -- Figures are made once, for the page and for the count.
      then 'with n as materialized (%1$s)
        select (select coalesce(jsonb_agg(to_jsonb(q)), ''[]'') from (select * from n%2$s limit %3$s offset %4$s) q), (select count(*) from n)'
      else 'select (select coalesce(jsonb_agg(to_jsonb(q)), ''[]'') from (%1$s%2$s limit %3$s offset %4$s) q), (select count(*) from (%1$s) n)'
    end,
    p_plan ->> 'query', p_plan ->> 'order', p_limit, p_offset
  ) into data, row_count;
end
$$;

comment on function private.report_page(jsonb, integer, integer) is 'A page of a compiled report, and how many rows it has in all, under the caller''s row level security and statement timeout.';

create function private.report_cached(p_report public.reports, p_plan jsonb, p_limit integer, p_offset integer, p_max_age integer) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  key text;
begin
  if not (p_plan ->> 'is_figures')::boolean or coalesce(p_max_age, 0) <= 0 then
    return null;
  end if;

  select md5(concat_ws('|', p_report.version, c.role_id, c.data_scope, (select string_agg(t::text, ',' order by t) from unnest(c.teams) t), p_plan ->> 'query', p_plan ->> 'order', p_limit, p_offset))
  into key
  from private.caller c;

  if key is null then
    return null;
  end if;

  return jsonb_build_object('key', key, 'answer', (
    select k.answer
    from private.report_cache k
    where k.report_id = p_report.id and k.user_id = private.gate_own() and k.asked = key and k.made_at > now() - make_interval(secs => least(p_max_age, 3600))
  ));
end
$$;

comment on function private.report_cached(public.reports, jsonb, integer, integer, integer) is 'What the caller was answered when they asked the same with the same rights: {key, answer}; null for lists and for who wants it fresh.';

create function private.report_cache_keep(p_report_id uuid, p_key text, p_answer jsonb) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  -- In one's own name alone: nobody else ever reads it.
  insert into private.report_cache as k (report_id, user_id, asked, answer)
  select p_report_id, c.id, p_key, p_answer from private.caller c where pg_column_size(p_answer) <= 262144
  on conflict (report_id, user_id, asked) do update set answer = excluded.answer, made_at = now();
end
$$;

comment on function private.report_cache_keep(uuid, text, jsonb) is 'Keeps figures for the caller.';

-- Triggers

create function private.prepare_report() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if tg_op = 'INSERT' and auth.uid() is not null then
    new.created_by := private.gate_own();
  end if;

  -- What cannot run is not saved, whoever writes it.
  begin
    execute (private.report_plan(new) ->> 'query') || ' limit 0';
  exception when data_exception or undefined_function or datatype_mismatch then
    perform private.fail('report_invalid', left(sqlerrm, 200));
  end;

  return new;
end
$$;

comment on function private.prepare_report() is 'Names whose it is, and refuses a definition that does not compile or compares a column with what is none of its kind.';

create trigger prepare_report
  before insert or update of dataset, fields, filters, grouping, sorting, aggregations, date_range, created_by on public.reports
  for each row execute function private.prepare_report();

create trigger touch_version before update on public.reports for each row execute function private.touch_version();

create trigger audit after insert or update or delete on public.reports for each row execute function private.audit_row();

-- RPCs

create function public.report_templates() returns table (id uuid, name text, description text, fields jsonb, filters jsonb)
language plpgsql stable security invoker set search_path = '' as $$
begin
  perform private.require_permission('reports.view');

  return query
  select r.id, r.name, r.description, r.fields || (
    select coalesce(jsonb_agg(c -> 'name'), '[]')
    from jsonb_array_elements(private.report_plan(r) -> 'columns') c
    where not r.fields ? (c ->> 'name')
  ), r.filters
  from public.reports r
  where r.is_template
  order by r.name;
end
$$;

comment on function public.report_templates() is 'The reports that come with Intake: {id, name, description, fields, filters}, fields being the columns of the result. Run one with report_run(), or build your own from its row in reports. Needs reports.view. Answers D3-021.';

create function public.report_run(p_report_id uuid, p_limit integer default 100, p_offset integer default 0, p_max_age integer default 0) returns jsonb
language plpgsql volatile security invoker set search_path = '' as $$
declare
  report public.reports;
  plan jsonb;
  cached jsonb;
  answer jsonb;
  page record;
begin
  perform private.require_permission('reports.view');

  select * into report from public.reports r where r.id = p_report_id;

  if report.id is null then
    perform private.fail('not_found', 'report');
  end if;

  plan := private.report_plan(report);
  cached := private.report_cached(report, plan, p_limit, p_offset, p_max_age);

  if jsonb_typeof(cached -> 'answer') = 'object' then
    return cached -> 'answer';
  end if;

  select * into page from private.report_page(plan, p_limit, p_offset);

  answer := jsonb_build_object(
    'report_id', report.id, 'name', report.name, 'columns', plan -> 'columns', 'data', page.data, 'row_count', page.row_count, 'limit', p_limit, 'offset', p_offset,
    'generated_at', now()
  );

  if cached is not null then
    perform private.report_cache_keep(report.id, cached ->> 'key', answer);
  end if;

  return answer;
end
$$;

comment on function public.report_run(uuid, integer, integer, integer) is 'A page of a report over what the caller sees: {report_id, name, columns[{name, kind}], data[], row_count, limit, offset, generated_at}; row_count is of the whole report. With p_max_age (seconds, 3600 at most) figures may be that old, if the caller asked for the same with the same rights before; lists are always fresh. Needs reports.view. Errors: permission_denied, not_found, argument_invalid.';

create function public.report_build(p jsonb) returns jsonb
language plpgsql volatile security invoker set search_path = '' as $$
declare
  made public.reports;
  page record;
begin
  perform private.require_permission('reports.view');

  perform private.refuse_unknown_fields('p', p, '{name,description,dataset,fields,filters,grouping,sorting,aggregations,date_range,is_shared,is_pinned}');

  if exists (select from jsonb_each(p) e where jsonb_typeof(e.value) <> case
    when e.key in ('fields', 'grouping', 'sorting', 'aggregations') then 'array'
    when e.key in ('filters', 'date_range') then 'object'
    when e.key in ('is_shared', 'is_pinned') then 'boolean'
    else 'string'
  end) then
    perform private.fail('report_invalid', 'lists are arrays, filters and date_range objects');
  end if;

  insert into public.reports (name, description, dataset, fields, filters, grouping, sorting, aggregations, date_range, is_shared, is_pinned)
  values (
    coalesce(p ->> 'name', ''), coalesce(p ->> 'description', ''), coalesce(p ->> 'dataset', 'leads'), coalesce(p -> 'fields', '[]'), coalesce(p -> 'filters', '{}'),
    coalesce(p -> 'grouping', '[]'), coalesce(p -> 'sorting', '[]'), coalesce(p -> 'aggregations', '[]'), coalesce(p -> 'date_range', '{}'),
    coalesce((p ->> 'is_shared')::boolean, false), coalesce((p ->> 'is_pinned')::boolean, false)
  )
  returning * into made;

  select * into page from private.report_page(private.report_plan(made), 20, 0);

  return jsonb_build_object('report_id', made.id, 'preview_data', page.data, 'row_count', page.row_count);
end
$$;

comment on function public.report_build(jsonb) is 'Saves {name, fields, filters, grouping, sorting, aggregations} and also {description, dataset, date_range, is_shared, is_pinned}, all as reports has them, and answers {report_id, preview_data (20 rows at most), row_count} over what the caller sees. Further pages: report_run(). Needs reports.view. Errors: permission_denied, argument_invalid, report_invalid, export_column_unknown, export_filter_invalid. Answers D3-022.';

create function public.report_dashboard(p_max_age integer default 0) returns jsonb
language plpgsql volatile security invoker set search_path = '' as $$
begin
  perform private.require_permission('reports.view');

  return jsonb_build_object(
    'kpis', public.analytics_kpis(),
    'reports', (
      with mine as (
        select r.id, r.is_template, r.created_at from public.reports r where r.is_pinned and r.created_by = private.gate_own() order by r.created_at limit 8
      ), shown as (
        select m.id, m.created_at from mine m
        union all
        (select r.id, r.created_at from public.reports r where r.is_template and r.is_pinned and not exists (select from mine) order by r.name limit 8)
      )
      select coalesce(jsonb_agg(public.report_run(s.id, 10, 0, p_max_age) order by s.created_at, s.id), '[]') from shown s
    )
  );
end
$$;

comment on function public.report_dashboard(integer) is 'The reporting dashboard in one call: {kpis (analytics_kpis()), reports[] (report_run() of the caller''s pinned reports, 10 rows of 8 reports at most; of the pinned templates while nothing is pinned)}. Needs reports.view. Answers D2-038.';

-- Grants

revoke all on public.reports from anon, authenticated, service_role;

revoke all on private.report_cache from public, anon, authenticated, service_role;

grant select, delete,
  insert (name, description, dataset, fields, filters, grouping, sorting, aggregations, date_range, is_shared, is_pinned),
  update (name, description, dataset, fields, filters, grouping, sorting, aggregations, date_range, is_shared, is_pinned)
  on public.reports to authenticated;

grant select, insert, update, delete on public.reports to service_role;

revoke all on function
  private.report_period(jsonb, date),
  private.report_part(jsonb, text, text[]),
  private.report_plan(public.reports),
  private.report_page(jsonb, integer, integer),
  private.report_cached(public.reports, jsonb, integer, integer, integer),
  private.report_cache_keep(uuid, text, jsonb),
  private.prepare_report(),
  public.report_templates(),
  public.report_run(uuid, integer, integer, integer),
  public.report_build(jsonb),
  public.report_dashboard(integer)
  from public, anon, authenticated, service_role;

grant execute on function
  private.report_plan(public.reports),
  private.report_page(jsonb, integer, integer),
  private.report_cached(public.reports, jsonb, integer, integer, integer),
  private.report_cache_keep(uuid, text, jsonb),
  public.report_templates(),
  public.report_run(uuid, integer, integer, integer),
  public.report_build(jsonb),
  public.report_dashboard(integer)
  to authenticated;

-- This module's errors

insert into public.error_codes (code, sqlstate, message, hint) values
  ('report_invalid', 'PT422', 'The definition of the report cannot be read.', 'report_datasets() tells which columns and figures there are, the comments on the table reports how to write them.');

-- The templates

insert into public.reports (name, description, dataset, fields, filters, grouping, sorting, aggregations, date_range, is_template, is_pinned) values
  ('Leads by source', 'Where enquiries come from, and how many of them enrol.', 'leads', '["source"]', '{}', '["source"]', '["-count"]', '["count", "enrollments", "conversion_rate"]', '{"period": "last_90_days"}', true, true),
  ('Pipeline by stage', 'Open and closed leads per stage, with what they are worth.', 'leads', '["status"]', '{}', '["status", "currency"]', '["-count"]', '["count", {"function": "sum", "field": "value", "name": "value"}]', '{}', true, true),
  ('Counselor workload', 'Leads and enrolments per counselor.', 'leads', '["owner"]', '{}', '["owner"]', '["-count"]', '["count", "contacted", "enrollments", "conversion_rate"]', '{}', true, true),
  ('New leads per month', 'How many leads came in each month of the year.', 'leads', '[]', '{}', '[{"field": "created_at", "by": "month"}]', '[]', '["count", "enrollments"]', '{"period": "this_year"}', true, false),
  ('Leads without an interaction', 'Leads of the last month that nobody has dealt with yet.', 'leads', '["lead_id", "name", "email", "phone", "source", "status", "owner", "created_at"]', '{"last_interaction_at": null}', '[]', '["created_at"]', '[]', '{"period": "last_30_days"}', true, false),
  ('Calls by counselor', 'Calls made and missed per counselor this month.', 'calls', '["owner"]', '{}', '["owner"]', '["-count"]', '["count", "completed", "missed", "completion_rate"]', '{"period": "this_month"}', true, false),
  ('Tasks by counselor', 'What is done, open and overdue per counselor.', 'tasks', '["owner"]', '{}', '["owner"]', '["-overdue"]', '["count", "done", "overdue", "completion_rate"]', '{}', true, false);

-- Report datasets: what can be reported on, column by column and figure by figure.
--
-- Rows of these tables are written by migrations alone. A dataset is a query that row level security applies
-- to like any other; what is not listed here, no report can show, filter, group or sort by.

-- Tables

create table private.report_datasets (
  dataset text primary key,
  label text not null,
  relation text not null,
  source text not null,
  date_column text not null,
  is_scoped boolean not null default false,
  permission text references public.permissions (key) on update cascade on delete restrict
);

comment on table private.report_datasets is 'What can be reported on. A dataset whose table a module has yet to bring is not there.';

comment on column private.report_datasets.source is 'The query of the dataset, which the compiler calls t. Written by migrations alone.';

comment on column private.report_datasets.date_column is 'What date_range is about, and what a list is sorted by if nothing else is asked for.';

comment on column private.report_datasets.is_scoped is 'Whether assigned_to and team_id say all that its policy says, so that their indexes may serve.';

comment on column private.report_datasets.permission is 'What the file of a list needs besides reports.export.';

create table private.report_columns (
  dataset text not null references private.report_datasets (dataset) on update cascade on delete cascade,
  name text not null,
  kind text not null,
  is_dimension boolean not null default false,
  is_money boolean not null default false,
  position smallint not null,
  primary key (dataset, name),
  constraint report_columns_kind_is_known check (kind in ('text', 'int4', 'numeric', 'bool', 'date', 'timestamptz', 'uuid'))
);

comment on table private.report_columns is 'The columns of a dataset. What is not here cannot be shown, filtered, grouped or sorted by.';

comment on column private.report_columns.is_dimension is 'Can be grouped by. Never what names or reaches a person outside: figures hold none.';

create table private.report_measures (
  dataset text not null references private.report_datasets (dataset) on update cascade on delete cascade,
  name text not null,
  expression text not null,
  kind text not null,
  formula text not null,
  primary key (dataset, name)
);

comment on table private.report_measures is 'Figures of a dataset with a formula of their own, besides count, sum, avg, min, max and count_distinct.';

comment on column private.report_measures.formula is 'How the figure is made, for people.';

-- Policies

alter table private.report_datasets enable row level security;

alter table private.report_columns enable row level security;

alter table private.report_measures enable row level security;

-- RPCs

create function private.report_datasets() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require_permission('reports.view');

  return (
    select jsonb_agg(jsonb_build_object(
      'dataset', d.dataset,
      'label', d.label,
      'date_column', d.date_column,
      'columns', (
        select jsonb_agg(jsonb_build_object('name', c.name, 'kind', c.kind, 'is_dimension', c.is_dimension, 'is_money', c.is_money) order by c.position)
        from private.report_columns c
        where c.dataset = d.dataset
      ),
      'measures', (
        select coalesce(jsonb_agg(jsonb_build_object('name', m.name, 'formula', m.formula) order by m.name), '[]')
        from private.report_measures m
        where m.dataset = d.dataset
      )
    ) order by d.dataset)
    from private.report_datasets d
    where to_regclass(d.relation) is not null
  );
end
$$;

comment on function private.report_datasets() is 'Body of public.report_datasets().';

create function public.report_datasets() returns jsonb
language sql stable security invoker set search_path = '' as $$
  select private.report_datasets();
$$;

comment on function public.report_datasets() is 'What a report can be made of: [{dataset, label, date_column, columns[{name, kind, is_dimension, is_money}], measures[{name, formula}]}]. Needs reports.view.';

-- Grants

revoke all on private.report_datasets, private.report_columns, private.report_measures from public, anon, authenticated, service_role;

revoke all on function
  private.report_datasets(),
  public.report_datasets()
  from public, anon, authenticated, service_role;

grant execute on function
  private.report_datasets(),
  public.report_datasets()
  to authenticated;

-- The datasets

insert into private.report_datasets (dataset, label, relation, date_column, is_scoped, permission, source) values
  ('leads', 'Leads', 'public.leads', 'created_at', true, 'leads.export',
    'select l.id, l.lead_id, l.name, l.email, l.phone, l.organization, l.course, l.qualification, l.territory, l.source, l.status, l.score::int4 as score, l.value, l.currency, l.enquiries_count, l.max_stage,
      o.full_name as owner, m.name as team, l.assigned_to, l.team_id, l.created_at, l.status_changed_at, l.last_interaction_at
    from public.leads l left join public.profiles o on o.id = l.assigned_to left join public.teams m on m.id = l.team_id
    where l.deleted_at is null'),
  ('students', 'Students', 'public.students', 'created_at', false, 'leads.export',
    'select s.id, s.student_number, s.name, s.email, s.phone, s.course, s.qualification, s.academic_year, s.semester, s.status,
      o.full_name as owner, m.name as team, s.assigned_to, s.team_id, s.enrolled_at, s.created_at
    from public.students s left join public.profiles o on o.id = s.assigned_to left join public.teams m on m.id = s.team_id
    where s.deleted_at is null'),
  ('deals', 'Deals', 'public.deals', 'created_at', false, 'leads.export',
    'select d.id, d.name, d.stage, d.status, d.value, d.currency, d.expected_close_date, d.closed_at,
      o.full_name as owner, m.name as team, d.assigned_to, d.team_id, d.created_at
    from public.deals d left join public.profiles o on o.id = d.assigned_to left join public.teams m on m.id = d.team_id
    where d.deleted_at is null'),
  ('tasks', 'Tasks', 'public.tasks', 'created_at', false, null,
    'select k.id, k.title, k.status, k.priority, k.completed, k.due_date, k.completed_at,
      o.full_name as owner, m.name as team, k.assigned_to, k.team_id, k.created_at
    from public.tasks k left join public.profiles o on o.id = k.assigned_to left join public.teams m on m.id = k.team_id
    where k.deleted_at is null'),
  ('calls', 'Calls', 'public.calls', 'occurred_at', false, 'leads.export',
    'select c.id, c.type, c.status, c.outcome, c.from_name, c.to_name, c.phone, c.duration, c.occurred_at,
      o.full_name as owner, m.name as team, c.agent_id as assigned_to, c.team_id, c.created_at
    from public.calls c left join public.profiles o on o.id = c.agent_id left join public.teams m on m.id = c.team_id
    where c.deleted_at is null'),
  ('communications', 'Communications', 'public.communications', 'created_at', false, 'leads.export',
    'select c.id, c.type, c.direction, c.status, c.subject, c.recipient, c.opened, c.sent_at,
      o.full_name as owner, m.name as team, c.user_id as assigned_to, c.team_id, c.created_at
    from public.communications c left join public.profiles o on o.id = c.user_id left join public.teams m on m.id = c.team_id
    where c.deleted_at is null');

insert into private.report_columns (dataset, name, kind, is_dimension, is_money, position)
select c.dataset, c.name, c.kind, c.is_dimension, c.name = 'value', row_number() over (partition by c.dataset)
from (
  select v.dataset, split_part(n.word, ':', 1) as name, coalesce(nullif(split_part(n.word, ':', 2), ''), 'text') as kind, v.is_dimension
  from (values
    ('leads', false, 'id:uuid lead_id name email phone organization score:int4 value:numeric enquiries_count:int4'),
    ('leads', true, 'source status course qualification territory currency owner team assigned_to:uuid team_id:uuid created_at:timestamptz status_changed_at:timestamptz last_interaction_at:timestamptz'),
    ('students', false, 'id:uuid student_number name email phone'),
    ('students', true, 'course qualification academic_year semester status owner team assigned_to:uuid team_id:uuid enrolled_at:timestamptz created_at:timestamptz'),
    ('deals', false, 'id:uuid name value:numeric'),
    ('deals', true, 'stage status currency owner team assigned_to:uuid team_id:uuid expected_close_date:date closed_at:timestamptz created_at:timestamptz'),
    ('tasks', false, 'id:uuid title'),
    ('tasks', true, 'status priority completed:bool owner team assigned_to:uuid team_id:uuid due_date:timestamptz completed_at:timestamptz created_at:timestamptz'),
    ('calls', false, 'id:uuid from_name to_name phone duration:int4'),
    ('calls', true, 'type status outcome owner team assigned_to:uuid team_id:uuid occurred_at:timestamptz created_at:timestamptz'),
    ('communications', false, 'id:uuid subject recipient'),
    ('communications', true, 'type direction status opened:bool owner team assigned_to:uuid team_id:uuid sent_at:timestamptz created_at:timestamptz')
  ) v (dataset, is_dimension, words)
  cross join lateral regexp_split_to_table(v.words, ' ') n (word)
) c;

insert into private.report_measures (dataset, name, expression, kind, formula) values
  ('leads', 'enrollments', 'count(*) filter (where t.max_stage >= (select private.won_position()))', 'int4', 'Leads that ever reached a won stage.'),
  ('leads', 'conversion_rate', 'private.percent(count(*) filter (where t.max_stage >= (select private.won_position())), count(*))', 'numeric', 'Enrollments per lead, in percent with one decimal.'),
  ('leads', 'contacted', 'count(*) filter (where t.last_interaction_at is not null)', 'int4', 'Leads anybody dealt with.'),
  ('deals', 'won', 'count(*) filter (where t.status = ''won'')', 'int4', 'Deals that were won.'),
  ('deals', 'win_rate', 'private.percent(count(*) filter (where t.status = ''won''), count(*) filter (where t.status in (''won'', ''lost'')))', 'numeric', 'Won deals per deal that was closed, in percent with one decimal.'),
  ('tasks', 'done', 'count(*) filter (where t.completed)', 'int4', 'Tasks that are done.'),
  ('tasks', 'overdue', 'count(*) filter (where t.due_date < now() and t.status not in (''done'', ''cancelled''))', 'int4', 'Open tasks whose time has passed.'),
  ('tasks', 'completion_rate', 'private.percent(count(*) filter (where t.completed), count(*) filter (where t.status <> ''cancelled''))', 'numeric', 'Done per task that was not cancelled, in percent with one decimal.'),
  ('calls', 'completed', 'count(*) filter (where t.status = ''completed'')', 'int4', 'Calls that took place.'),
  ('calls', 'missed', 'count(*) filter (where t.status = ''missed'')', 'int4', 'Calls that were missed.'),
  ('calls', 'completion_rate', 'private.percent(count(*) filter (where t.status = ''completed''), count(*) filter (where t.status in (''completed'', ''missed'', ''cancelled'')))', 'numeric', 'Completed per call that came to an end, in percent with one decimal.'),
  ('communications', 'delivered', 'count(*) filter (where t.status in (''delivered'', ''read''))', 'int4', 'Messages that arrived.'),
  ('communications', 'open_rate', 'private.percent(count(*) filter (where t.opened), count(*) filter (where t.status in (''sent'', ''delivered'', ''read'')))', 'numeric', 'Opened per message that went out, in percent with one decimal.');

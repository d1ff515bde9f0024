-- Alerts: what somebody should look at now, and which leads are about to be lost.
--
-- analytics_alerts() merges five kinds of things, each read newest first by its own index and with the caller's
-- rights. What only passes with time, such as a lead that nobody speaks with, no index of leads can know without
-- slowing down every interaction: the sweep of each minute reads the timeline as it is written, and once more
-- as it becomes old, and keeps a row in lead_risks for each lead that is at risk.

-- Tables

create table public.lead_risks (
  lead_id uuid primary key references public.leads (id) on delete cascade,
  lead_owner_id uuid references public.profiles (id) on delete set null,
  team_id uuid references public.teams (id) on delete set null,
  severity smallint not null,
  sla_since timestamptz,
  tasks_since timestamptz,
  quiet_since timestamptz,
  old_since timestamptz,
  since timestamptz not null generated always as (least(sla_since, tasks_since, quiet_since, old_since)) stored,
  is_outdated boolean not null default false,
  constraint lead_risks_severity_is_1_to_4 check (severity between 1 and 4)
) with (fillfactor = 85);

comment on table public.lead_risks is 'Open leads at risk, and since when for which reason. Visible where the lead is; written by the sweep alone. Read through leads_at_risk().';

comment on column public.lead_risks.lead_owner_id is 'The lead''s owner, copied.';

comment on column public.lead_risks.team_id is 'The lead''s team, copied.';

comment on column public.lead_risks.severity is 'That of the gravest reason: 1 low, 2 medium, 3 high, 4 critical.';

comment on column public.lead_risks.sla_since is 'When the time of an SLA timer that runs was over.';

comment on column public.lead_risks.tasks_since is 'When the first of its open tasks was due.';

comment on column public.lead_risks.quiet_since is 'When alerts.stale_after_days had passed without an interaction.';

comment on column public.lead_risks.old_since is 'When it had been open for alerts.old_after_days.';

comment on column public.lead_risks.is_outdated is 'A setting changed: the sweep looks at it again.';

create index lead_risks_gravest on public.lead_risks (severity desc, since desc, lead_id desc);

create index lead_risks_gravest_of_owner on public.lead_risks (lead_owner_id, severity desc, since desc, lead_id desc);

create index lead_risks_gravest_of_team on public.lead_risks (team_id, severity desc, since desc, lead_id desc);

create index lead_risks_quiet on public.lead_risks (quiet_since desc) where quiet_since is not null;

create index lead_risks_quiet_of_owner on public.lead_risks (lead_owner_id, quiet_since desc) where quiet_since is not null;

create index lead_risks_quiet_of_team on public.lead_risks (team_id, quiet_since desc) where quiet_since is not null;

create index lead_risks_outdated on public.lead_risks (lead_id) where is_outdated;

create index tasks_open on public.tasks (due_date desc) where deleted_at is null and status not in ('done', 'cancelled');

create index tasks_open_of_assignee on public.tasks (assigned_to, due_date desc) where deleted_at is null and status not in ('done', 'cancelled');

create index tasks_open_of_lead_owner on public.tasks (lead_owner_id, due_date desc) where deleted_at is null and status not in ('done', 'cancelled');

create index tasks_open_of_team on public.tasks (team_id, due_date desc) where deleted_at is null and status not in ('done', 'cancelled');

create table private.risk_clock (
  is_only boolean primary key default true,
  tasks_until timestamptz not null default now(),
  constraint risk_clock_is_one check (is_only)
);

comment on table private.risk_clock is 'Until when the sweep has looked at tasks that came due.';

insert into private.risk_clock default values;

insert into private.timeline_readers (name) values ('risks'), ('risks.quiet'), ('risks.old');

-- Policies

alter table public.lead_risks enable row level security;

alter table private.risk_clock enable row level security;

create policy lead_risks_read on public.lead_risks for select to authenticated
  using ((select l.id from public.leads l where l.id = lead_risks.lead_id) is not null);

comment on policy lead_risks_read on public.lead_risks is 'Where the lead is visible. Lists should filter by lead_owner_id or team_id, so that the indexes serve.';

-- Functions

create function private.severities() returns text[]
language sql immutable parallel safe set search_path = '' as $$
  select array['low', 'medium', 'high', 'critical'];
$$;

comment on function private.severities() is 'From the mildest to the gravest.';

create function private.alert_severity(p_type text) returns text
language plpgsql stable parallel safe set search_path = '' as $$
begin
  return coalesce(private.setting('alerts.severity.' || p_type) #>> '{}', 'medium');
end
$$;

comment on function private.alert_severity(text) is 'How grave alerts of a type are, by the settings alerts.severity.*.';

-- By index whatever the statistics say: called while a sweep fills the tables that it reads.
create function private.refresh_risks(p_leads uuid[]) returns integer
language plpgsql volatile security definer set search_path = '' set enable_seqscan = off as $$
declare
  rank_of_sla constant integer := array_position(private.severities(), private.alert_severity('sla_breach'));
  rank_of_tasks constant integer := array_position(private.severities(), private.alert_severity('overdue_task'));
  rank_of_quiet constant integer := array_position(private.severities(), private.alert_severity('stale_lead'));
  rank_of_old constant integer := array_position(private.severities(), private.alert_severity('old_lead'));
  stale_after constant interval := make_interval(hours => 24 * (private.setting('alerts.stale_after_days'))::integer);
  old_after constant interval := make_interval(hours => 24 * (private.setting('alerts.old_after_days'))::integer);
  changed integer;
begin
  with now_is as materialized (
    select l.id, l.assigned_to, l.team_id, r.*
    from public.leads l
    join public.pipeline_stages s on s.key = l.status and not s.is_closed
    cross join lateral (
      select
        (select min(t.breached_at) from public.sla_timers t where t.lead_id = l.id and t.breached_at is not null and t.met_at is null and t.cancelled_at is null) as sla,
        (select min(t.due_date) from public.tasks t where t.lead_id = l.id and t.due_date <= now() and t.deleted_at is null and t.status not in ('done', 'cancelled')) as tasks,
        case when coalesce(l.last_interaction_at, l.created_at) + stale_after <= now() then coalesce(l.last_interaction_at, l.created_at) + stale_after end as quiet,
        case when l.created_at + old_after <= now() then l.created_at + old_after end as old
    ) r
    where l.id = any (p_leads) and l.deleted_at is null and num_nonnulls(r.sla, r.tasks, r.quiet, r.old) > 0
  ), gone as (
    delete from public.lead_risks k
    where k.lead_id = any (p_leads) and not exists (select from now_is n where n.id = k.lead_id)
    returning k.lead_id
  ), kept as (
    insert into public.lead_risks as k (lead_id, lead_owner_id, team_id, severity, sla_since, tasks_since, quiet_since, old_since)
    select n.id, n.assigned_to, n.team_id,
      greatest(
        case when n.sla is not null then rank_of_sla end, case when n.tasks is not null then rank_of_tasks end,
        case when n.quiet is not null then rank_of_quiet end, case when n.old is not null then rank_of_old end
      ),
      n.sla, n.tasks, n.quiet, n.old
    from now_is n
    order by n.id
    on conflict (lead_id) do update
    set (lead_owner_id, team_id, severity, sla_since, tasks_since, quiet_since, old_since, is_outdated)
      = (excluded.lead_owner_id, excluded.team_id, excluded.severity, excluded.sla_since, excluded.tasks_since, excluded.quiet_since, excluded.old_since, false)
    where (k.lead_owner_id, k.team_id, k.severity, k.sla_since, k.tasks_since, k.quiet_since, k.old_since, k.is_outdated)
      is distinct from (excluded.lead_owner_id, excluded.team_id, excluded.severity, excluded.sla_since, excluded.tasks_since, excluded.quiet_since, excluded.old_since, false)
    returning k.lead_id
  )
  select (select count(*) from gone) + (select count(*) from kept) into changed;

  return changed;
end
$$;

comment on function private.refresh_risks(uuid[]) is 'Brings lead_risks to what these leads, their timers and tasks say now. Doing it again changes nothing. Answers how many rows changed.';

create function private.risk_sweep(p_limit integer default 2000) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  days integer;
  tasks_from timestamptz;
  tasks_to timestamptz := now();
  due uuid[];
  locked uuid[];
  changed integer;
begin
  changed := private.refresh_risks(private.take_changed_leads('risks', 'epoch', p_limit));

  -- What was written so many days ago is about leads that may have been quiet, or open, for as long.
  days := (private.setting('alerts.stale_after_days'))::integer;
  changed := changed + private.refresh_risks(private.take_changed_leads('risks.quiet', 'epoch', p_limit, now() - make_interval(hours => 24 * days)));

  days := (private.setting('alerts.old_after_days'))::integer;
  changed := changed + private.refresh_risks(private.take_changed_leads('risks.old', 'epoch', p_limit, now() - make_interval(hours => 24 * days)));

  -- Tasks that came due. What is entered when it is due already, or closed, is on the timeline.
  select c.tasks_until into tasks_from from private.risk_clock c for update skip locked;

  if tasks_from is not null then
    select array_agg(distinct t.lead_id), max(t.due_date) into due, tasks_to
    from (
      select t.lead_id, t.due_date
      from public.tasks t
      where t.due_date > tasks_from and t.due_date <= now() and t.deleted_at is null and t.status not in ('done', 'cancelled')
      order by t.due_date
      fetch first p_limit rows with ties
    ) t;

    locked := private.lock_leads(due);
    changed := changed + private.refresh_risks(locked);

    if tasks_to is not null and not exists (select from unnest(due) d where d is not null and d <> all (locked)) then
      update private.risk_clock c set tasks_until = tasks_to;
    end if;
  end if;

  return changed + private.refresh_risks(private.lock_leads(array(select k.lead_id from public.lead_risks k where k.is_outdated limit p_limit)));
end
$$;

comment on function private.risk_sweep(integer) is 'Run every minute: looks at leads that changed, that have been quiet or open for as long as the settings say, and whose tasks came due, at most p_limit of each. Answers how many rows changed.';

create function private.scope_branches(p_alias text, p_people text[]) returns text[]
language plpgsql stable set search_path = '' as $$
declare
  own uuid := private.gate_own();
begin
  return case
    when own is null then '{}'
    when private.gate_all() is not null then array['true']
    else array(select format('%I.%I = %L::uuid', p_alias, p, own) from unnest(p_people) p)
      || array(select format('%I.team_id = %L::uuid', p_alias, t) from unnest(private.gate_team()) t)
  end;
end
$$;

comment on function private.scope_branches(text, text[]) is 'The caller''s scope as WHERE clauses of which each has an ordered index: what any of them finds is the caller''s. The policies protect; this is for speed.';

create function private.dead_job_alerts(p_until timestamptz, p_limit integer) returns table (id uuid, kind text, last_error text, died_at timestamptz)
language plpgsql stable security definer set search_path = '' as $$
begin
  return query
  select d.id, d.kind, d.last_error, d.died_at
  from private.jobs_dead d
  where d.died_at <= p_until and private.gate_all() is not null and private.has_permission('jobs.manage')
  order by d.died_at desc, d.id desc
  fetch first p_limit rows with ties;
end
$$;

comment on function private.dead_job_alerts(timestamptz, integer) is 'The newest dead jobs, for scope all with jobs.manage; nothing for others.';

-- Triggers

create function private.risks_of_timers() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  -- Nothing for what touches none: each lead that is assigned comes by here.
  if exists (select from affected a where a.breached_at is not null) then
    perform private.refresh_risks(array(select distinct a.lead_id from affected a where a.breached_at is not null));
  end if;

  return null;
end
$$;

comment on function private.risks_of_timers() is 'A lead is at risk from when the sweep finds a breach, and no longer when it is met.';

create trigger risks_of_new_timers after insert on public.sla_timers
  referencing new table as affected
  for each statement execute function private.risks_of_timers();

create trigger risks_of_changed_timers after update on public.sla_timers
  referencing new table as affected
  for each statement execute function private.risks_of_timers();

create function private.risks_of_tasks() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if not exists (select from after) then
    return null;
  end if;

  perform private.refresh_risks(array(
    select k.lead_id
    from public.lead_risks k
    where k.tasks_since is not null and k.lead_id in (select b.lead_id from before b union select a.lead_id from after a)
    union
    select a.lead_id
    from after a
    where a.lead_id is not null and a.due_date <= now() and a.deleted_at is null and a.status not in ('done', 'cancelled')
  ));

  return null;
end
$$;

comment on function private.risks_of_tasks() is 'A task that is done, put off or deleted is a reason no longer, and one moved into the past is one, at once.';

create trigger risks_of_tasks after update on public.tasks
  referencing old table as before new table as after
  for each statement execute function private.risks_of_tasks();

create function private.risks_of_restored() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform private.refresh_risks(array[new.id]);

  return null;
end
$$;

comment on function private.risks_of_restored() is 'A lead that comes back, from deletion or out of a merge, is at risk as before: nothing on the timeline tells the sweep.';

create trigger risks_of_restored after update of deleted_at on public.leads
  for each row when (old.deleted_at is not null and new.deleted_at is null)
  execute function private.risks_of_restored();

create function private.outdate_risks() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  update public.lead_risks k set is_outdated = true where not k.is_outdated;

  -- What was old enough before is to be read again once it is as old as it has to be now.
  if new.key in ('alerts.stale_after_days', 'alerts.old_after_days') then
    update private.timeline_readers r
    set read_until = least(r.read_until, private.uuid_v7_since(now() - make_interval(hours => 24 * (new.value)::integer)))
    where r.name = case new.key when 'alerts.stale_after_days' then 'risks.quiet' else 'risks.old' end;
  end if;

  return null;
end
$$;

comment on function private.outdate_risks() is 'A changed setting counts for leads that are at risk already, as soon as the sweep has been round, and for the others when their time comes.';

create trigger outdate_risks after update on public.system_settings
  for each row when (new.key like 'alerts.%' and new.value is distinct from old.value)
  execute function private.outdate_risks();

-- RPCs

create function public.analytics_alerts(p_limit integer default 50, p_before jsonb default null)
returns table (type text, severity text, title text, description text, link text, created_at timestamptz)
language plpgsql stable security invoker set search_path = '' as $$
declare
  -- Each is read newest first by its own index; %s is one branch of the caller's scope.
  of_timers constant text := $query$
    (select 'sla_breach' as type, case t.kind when 'first_response' then 'First response overdue' else 'Follow-up overdue' end as title,
      l.lead_id || ', ' || p.name as description, '/leads/' || l.lead_id as link, t.breached_at as created_at
    from public.sla_timers t
    join public.leads l on l.id = t.lead_id
    join public.sla_policies p on p.id = t.policy_id and p.is_active
    where t.breached_at is not null and t.met_at is null and t.cancelled_at is null and t.breached_at <= $1 and %s
      and (t.breached_at, 'sla_breach', '/leads/' || l.lead_id, case t.kind when 'first_response' then 'First response overdue' else 'Follow-up overdue' end) < ($1, $2, $3, $4)
    order by 5 desc, 4 desc, 2 desc
    limit $5)
  $query$;
  of_leads constant text := $query$
    (select 'stale_lead', 'Stale lead',
      l.lead_id || ', ' || case when l.last_interaction_at is null then 'nobody has spoken with this person yet' else 'no interaction since ' || (l.last_interaction_at at time zone $6)::date end,
      '/leads/' || l.lead_id, k.quiet_since
    from public.lead_risks k
    join public.leads l on l.id = k.lead_id
    where k.quiet_since is not null and k.quiet_since <= $1 and %s
      -- The sweep is a minute behind. Not an equality, of which the planner would expect one row, and join by hash.
      and coalesce(l.last_interaction_at, l.created_at) + $7 <= k.quiet_since
      and (k.quiet_since, 'stale_lead', '/leads/' || l.lead_id, 'Stale lead') < ($1, $2, $3, $4)
    order by 5 desc, 4 desc, 2 desc
    limit $5)
  $query$;
  of_tasks constant text := $query$
    (select 'overdue_task', 'Overdue task', t.title, '/tasks/' || t.id, t.due_date
    from public.tasks t
    where t.due_date <= least($1, now()) and t.deleted_at is null and t.status not in ('done', 'cancelled') and %s
      and (t.due_date, 'overdue_task', '/tasks/' || t.id, 'Overdue task') < ($1, $2, $3, $4)
    order by 5 desc, 4 desc, 2 desc
    limit $5)
  $query$;
  of_integrations constant text := $query$
    (select 'failed_integration', 'Integration failed', concat_ws(', ', i.name, left(i.last_error, 200)), '/settings/integrations/' || i.type, i.updated_at
    from public.integrations i
    where i.status = 'error' and i.updated_at <= $1
      and (i.updated_at, 'failed_integration', '/settings/integrations/' || i.type, 'Integration failed') < ($1, $2, $3, $4))
    union all
    (select 'dead_job', 'Job failed', concat_ws(', ', d.kind, left(d.last_error, 200)), '/settings/jobs/' || d.id, d.died_at
    from private.dead_job_alerts($1, $5) d
    where (d.died_at, 'dead_job', '/settings/jobs/' || d.id, 'Job failed') < ($1, $2, $3, $4))
  $query$;
  parts text;
  before_time timestamptz := 'infinity';
begin
  if p_limit is null or p_limit not between 1 and 200 then
    perform private.fail('argument_invalid', 'p_limit is 1 to 200');
  end if;

  if p_before is not null then
    begin
      before_time := p_before ->> 'created_at';
    exception when data_exception then
      before_time := null;
    end;

    if before_time is null or p_before ->> 'type' is null or p_before ->> 'link' is null or p_before ->> 'title' is null then
      perform private.fail('argument_invalid', 'p_before is the last row of the page before, or its {created_at, type, link, title}');
    end if;
  end if;

  select string_agg(b.part, ' union ') into parts
  from (
    select format(of_timers, s) from unnest(private.scope_branches('t', '{lead_owner_id}')) s
    union all select format(of_leads, s) from unnest(private.scope_branches('k', '{lead_owner_id}')) s
    union all select format(of_tasks, s) from unnest(private.scope_branches('t', '{assigned_to,lead_owner_id}')) s
    union all select of_integrations where private.gate_all() is not null
  ) b (part);

  if parts is null then
    return;
  end if;

  return query execute format(
    'select a.type, private.alert_severity(a.type), a.title, a.description, a.link, a.created_at
     from (%s order by created_at desc, type desc, link desc, title desc limit $5) a
     order by a.created_at desc, a.type desc, a.link desc, a.title desc', parts
  ) using before_time, coalesce(p_before ->> 'type', ''), coalesce(p_before ->> 'link', ''), coalesce(p_before ->> 'title', ''), p_limit,
    private.organization_timezone(), make_interval(hours => 24 * (private.setting('alerts.stale_after_days'))::integer);
end
$$;

comment on function public.analytics_alerts(integer, jsonb) is 'What needs somebody''s attention, of what the caller may see, newest first: {type, severity, title, description, link, created_at}. type is sla_breach, stale_lead, overdue_task and, for scope all, failed_integration (with integrations.read) and dead_job (with jobs.manage); severity is low, medium, high or critical, by the settings alerts.severity.*. Up to 200 a page; the next page is before the last row of this one: p_before => that row. Error: argument_invalid. Answers D3-020.';

create function public.leads_at_risk(p_limit integer default 50, p_before jsonb default null)
returns table (id uuid, lead_id text, name text, assigned_to uuid, team_id uuid, severity text, reasons text[], since timestamptz, link text)
language plpgsql stable security invoker set search_path = '' as $$
declare
  part constant text := $query$
    (select k.*
    from public.lead_risks k
    where %s and (k.severity, k.since, k.lead_id) < ($1, $2, $3)
    order by k.severity desc, k.since desc, k.lead_id desc
    limit $4)
  $query$;
  parts text;
  before_rank smallint := 5;
  before_time timestamptz := 'infinity';
  before_id uuid := 'ffffffff-ffff-ffff-ffff-ffffffffffff';
begin
  if p_limit is null or p_limit not between 1 and 200 then
    perform private.fail('argument_invalid', 'p_limit is 1 to 200');
  end if;

  if p_before is not null then
    begin
      before_rank := array_position(private.severities(), p_before ->> 'severity');
      before_time := p_before ->> 'since';
      before_id := p_before ->> 'id';
    exception when data_exception then
      before_id := null;
    end;

    if before_rank is null or before_time is null or before_id is null then
      perform private.fail('argument_invalid', 'p_before is the last row of the page before, or its {severity, since, id}');
    end if;
  end if;

  select string_agg(format(part, s), ' union ') into parts from unnest(private.scope_branches('k', '{lead_owner_id}')) s;

  if parts is null then
    return;
  end if;

  return query execute format(
    'select l.id, l.lead_id, l.name, l.assigned_to, l.team_id, (private.severities())[k.severity],
       array_remove(array[
         case when k.sla_since is not null then ''sla'' end, case when k.tasks_since is not null then ''overdue_tasks'' end,
         case when k.quiet_since is not null then ''inactivity'' end, case when k.old_since is not null then ''age'' end
       ], null),
       k.since, ''/leads/'' || l.lead_id
     from (select * from (%s) b order by b.severity desc, b.since desc, b.lead_id desc limit $4) k
     join public.leads l on l.id = k.lead_id
     order by k.severity desc, k.since desc, k.lead_id desc', parts
  ) using before_rank, before_time, before_id, p_limit;
end
$$;

comment on function public.leads_at_risk(integer, jsonb) is 'Open leads at risk, of those the caller may see, gravest first, then newest: {id, lead_id, name, assigned_to, team_id, severity, reasons[], since, link}. Reasons: sla (a timer is over), overdue_tasks, inactivity (no interaction for alerts.stale_after_days), age (open for alerts.old_after_days); severity is that of the gravest, by the settings alerts.severity.*. A minute or two behind. Up to 200 a page; the next page is before the last row of this one: p_before => that row. Error: argument_invalid. Answers D3-065.';

-- Schedule

select cron.schedule('intake-risks', '* * * * *', 'select private.risk_sweep()');

-- Grants

revoke all on public.lead_risks from anon, authenticated, service_role;

revoke all on private.risk_clock from anon, authenticated, service_role;

grant select on public.lead_risks to authenticated;

grant select, insert, update, delete on public.lead_risks to service_role;

revoke all on function
  private.severities(),
  private.alert_severity(text),
  private.refresh_risks(uuid[]),
  private.risk_sweep(integer),
  private.scope_branches(text, text[]),
  private.dead_job_alerts(timestamptz, integer),
  private.risks_of_timers(),
  private.risks_of_tasks(),
  private.risks_of_restored(),
  private.outdate_risks(),
  public.analytics_alerts(integer, jsonb),
  public.leads_at_risk(integer, jsonb)
  from public, anon, authenticated, service_role;

grant execute on function
  private.severities(),
  private.alert_severity(text),
  private.scope_branches(text, text[]),
  private.dead_job_alerts(timestamptz, integer),
  public.analytics_alerts(integer, jsonb),
  public.leads_at_risk(integer, jsonb)
  to authenticated;

-- This module's settings

select
  private.define_setting('alerts.stale_after_days', '14', 'integer', 'Days without an interaction after which an open lead is stale', 1, 365),
  private.define_setting('alerts.old_after_days', '90', 'integer', 'Days after which a lead that is still open is at risk for its age', 1, 3650),
  private.define_setting('alerts.severity.sla_breach', '"high"', 'choice', 'How grave an SLA breach is', null, null, private.severities()),
  private.define_setting('alerts.severity.stale_lead', '"medium"', 'choice', 'How grave it is that nobody spoke with a lead for alerts.stale_after_days', null, null, private.severities()),
  private.define_setting('alerts.severity.old_lead', '"low"', 'choice', 'How grave it is that a lead has been open for alerts.old_after_days', null, null, private.severities()),
  private.define_setting('alerts.severity.overdue_task', '"medium"', 'choice', 'How grave an overdue task is', null, null, private.severities()),
  private.define_setting('alerts.severity.failed_integration', '"critical"', 'choice', 'How grave a failed integration is', null, null, private.severities()),
  private.define_setting('alerts.severity.dead_job', '"high"', 'choice', 'How grave a background job that was given up is', null, null, private.severities());

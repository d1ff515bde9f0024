-- SLA: how soon a new lead is answered and how long an open one may lie, who is told when that fails.
--
-- A policy promises a first response, or the next step, within so many minutes. The sweep of each minute learns
-- from the timeline which leads changed, and brings their timers to what the leads themselves say: a timer's times
-- are the lead's, whenever the sweep comes. It takes leads that nobody holds, so that two sweeps never meet on one.
-- Without a policy nothing is read or written.

-- Tables

create table public.sla_policies (
  id uuid primary key default private.uuid_v7(),
  name text not null,
  kind text not null,
  stage text references public.pipeline_stages (key) on update cascade on delete restrict,
  source text,
  target_minutes integer not null,
  is_in_business_hours boolean not null default true,
  warn_before_minutes integer,
  escalate_after_minutes integer,
  is_active boolean not null default true,
  active_since timestamptz not null default now(),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint sla_policies_name_is_a_line check (btrim(name) <> '' and length(name) <= 120),
  constraint sla_policies_kind_is_known check (kind in ('first_response', 'follow_up')),
  constraint sla_policies_source_is_a_short_name check (source <> '' and source = btrim(source) and length(source) <= 100),
  constraint sla_policies_target_is_up_to_a_year check (target_minutes between 1 and 525600),
  constraint sla_policies_warn_before_they_are_due check (warn_before_minutes between 1 and target_minutes - 1),
  constraint sla_policies_escalate_within_a_year check (escalate_after_minutes between 0 and 525600)
);

comment on table public.sla_policies is 'How soon something is to happen with a lead. Of the active policies of a kind that match a lead, the one with most conditions counts, the stage before the source. Times what begins after it became active; a timer keeps the terms under which it began.';

comment on column public.sla_policies.kind is 'first_response: from the lead''s making to the first outgoing interaction of a person. follow_up: from each interaction or change of stage to the next one.';

comment on column public.sla_policies.stage is 'Matches leads in this stage; null matches any.';

comment on column public.sla_policies.source is 'Matches leads.source, whatever the case; null matches any.';

comment on column public.sla_policies.is_in_business_hours is 'Whether only business_hours count, or every minute.';

comment on column public.sla_policies.warn_before_minutes is 'How long before the time is over its owner is told; null is never.';

comment on column public.sla_policies.escalate_after_minutes is 'How long after the time was over the managers of the team are told; null is never.';

comment on column public.sla_policies.active_since is 'Set by trigger whenever the policy is made active.';

create unique index sla_policies_are_unambiguous on public.sla_policies (kind, coalesce(stage, ''), lower(coalesce(source, ''))) where is_active;

create index sla_policies_of_stage on public.sla_policies (stage) where stage is not null;

create table public.sla_timers (
  id uuid primary key default private.uuid_v7(),
  lead_id uuid not null references public.leads (id) on delete cascade,
  lead_owner_id uuid references public.profiles (id) on delete set null,
  team_id uuid references public.teams (id) on delete set null,
  policy_id uuid not null references public.sla_policies (id) on delete restrict,
  kind text not null,
  started_at timestamptz not null,
  warn_at timestamptz,
  due_at timestamptz not null,
  escalate_at timestamptz,
  next_at timestamptz,
  warned_at timestamptz,
  met_at timestamptz,
  breached_at timestamptz,
  escalated_at timestamptz,
  cancelled_at timestamptz,
  created_at timestamptz not null default now(),
  constraint sla_timers_kind_is_known check (kind in ('first_response', 'follow_up')),
  constraint sla_timers_are_due_after_they_start check (due_at > started_at),
  constraint sla_timers_end_once check (num_nonnulls(met_at, cancelled_at) <= 1 and least(met_at, cancelled_at) >= started_at),
  constraint sla_timers_are_breached_when_due check (breached_at = due_at),
  constraint sla_timers_met_late_are_breached check (met_at is null or met_at <= due_at or breached_at is not null),
  constraint sla_timers_escalate_a_breach check (escalated_at is null or breached_at is not null),
  constraint sla_timers_that_ended_wait_for_nothing check (next_at is null or num_nonnulls(met_at, cancelled_at) = 0)
) with (fillfactor = 85);

comment on table public.sla_timers is 'What was promised of a lead, from when until when, and what became of it. Visible where the lead is; written by the sweep alone. Follow-ups that ended are kept for retention.sla_timer_days.';

comment on column public.sla_timers.lead_owner_id is 'The lead''s owner, copied.';

comment on column public.sla_timers.team_id is 'The lead''s team, copied.';

comment on column public.sla_timers.started_at is 'The lead''s own time: its making, or its last interaction or change of stage.';

comment on column public.sla_timers.next_at is 'When the sweep looks at it next: warning, due, escalation. Null if nothing more is to come.';

comment on column public.sla_timers.warned_at is 'When the owner was told that it will soon be due.';

comment on column public.sla_timers.met_at is 'When what was promised happened, in time or late.';

comment on column public.sla_timers.breached_at is 'due_at, if nothing had happened by then.';

comment on column public.sla_timers.escalated_at is 'When the managers were told.';

comment on column public.sla_timers.cancelled_at is 'When there was nothing left to promise: the lead was closed, deleted or merged into another, or the policy was withdrawn.';

create unique index sla_timers_run_once on public.sla_timers (lead_id, kind) where met_at is null and cancelled_at is null;

create index sla_timers_of_lead on public.sla_timers (lead_id, kind, started_at);

create index sla_timers_to_look_at on public.sla_timers (next_at) where next_at is not null;

create index sla_timers_of_policy on public.sla_timers (policy_id);

create index sla_timers_running_of_policy on public.sla_timers (policy_id) where met_at is null and cancelled_at is null;

create index sla_timers_of_steps_ended on public.sla_timers (coalesce(met_at, cancelled_at)) where kind = 'follow_up' and coalesce(met_at, cancelled_at) is not null;

create index sla_timers_breached on public.sla_timers (breached_at desc)
  where breached_at is not null and met_at is null and cancelled_at is null;

create index sla_timers_breached_of_owner on public.sla_timers (lead_owner_id, breached_at desc)
  where breached_at is not null and met_at is null and cancelled_at is null;

create index sla_timers_breached_of_team on public.sla_timers (team_id, breached_at desc)
  where breached_at is not null and met_at is null and cancelled_at is null;

insert into private.timeline_readers (name) values ('sla');

-- Policies

alter table public.sla_policies enable row level security;

alter table public.sla_timers enable row level security;

create policy sla_policies_read on public.sla_policies for select to authenticated
  using ((select private.gate_own()) is not null);

comment on policy sla_policies_read on public.sla_policies is 'Every active person may know what is promised.';

create policy sla_policies_create on public.sla_policies for insert to authenticated
  with check ((select private.has_permission('sla.manage')));

comment on policy sla_policies_create on public.sla_policies is 'Needs sla.manage.';

create policy sla_policies_change on public.sla_policies for update to authenticated
  using ((select private.has_permission('sla.manage')))
  with check ((select private.has_permission('sla.manage')));

comment on policy sla_policies_change on public.sla_policies is 'Needs sla.manage.';

create policy sla_policies_delete on public.sla_policies for delete to authenticated
  using ((select private.has_permission('sla.manage')));

comment on policy sla_policies_delete on public.sla_policies is 'Needs sla.manage. One that has timed something stays, as what was promised; made inactive, it withdraws what runs.';

-- A scalar, because an EXISTS may be hashed over every visible lead.
create policy sla_timers_read on public.sla_timers for select to authenticated
  using ((select l.id from public.leads l where l.id = sla_timers.lead_id) is not null);

comment on policy sla_timers_read on public.sla_timers is 'Where the lead is visible. Lists should filter by lead_id, lead_owner_id or team_id, so that the indexes serve.';

-- Triggers

create function private.begin_sla_policy() returns trigger
language plpgsql set search_path = '' as $$
begin
  new.active_since := now();

  return new;
end
$$;

comment on function private.begin_sla_policy() is 'A policy made active again promises nothing for the time in between.';

create trigger begin_sla_policy before update of is_active on public.sla_policies
  for each row when (new.is_active and not old.is_active) execute function private.begin_sla_policy();

create trigger touch_updated_at before update on public.sla_policies for each row execute function private.touch_updated_at();

create trigger audit after insert or update or delete on public.sla_policies for each row execute function private.audit_row();

create function private.move_sla_timer() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  -- Back at its own lead it runs on as it did.
  if private.is_restoring() then
    return new;
  end if;

  select l.assigned_to, l.team_id into new.lead_owner_id, new.team_id from public.leads l where l.id = new.lead_id;

  if new.met_at is null and new.cancelled_at is null then
    new.cancelled_at := greatest(now(), new.started_at);
    new.next_at := null;
  end if;

  return new;
end
$$;

comment on function private.move_sla_timer() is 'A timer that a merge moves is over: the lead that stays has timers of its own.';

create trigger move_sla_timer before update of lead_id on public.sla_timers
  for each row when (old.lead_id is distinct from new.lead_id) execute function private.move_sla_timer();

-- Functions: what a lead says of itself

create function private.first_reply(p_lead_id uuid, p_since timestamptz) returns timestamptz
language plpgsql stable security definer set search_path = '' as $$
declare
  replied timestamptz;
begin
  replied := least(
    (
      select min(c.sent_at)
      from public.communications c
      where c.lead_id = p_lead_id and c.direction = 'outbound' and c.sent_by is not null and c.campaign_id is null
        and c.status not in ('failed', 'bounced', 'cancelled') and c.deleted_at is null
    ),
    (
      select min(c.started_at)
      from public.calls c
      where c.lead_id = p_lead_id and c.type = 'outbound' and c.status = 'completed' and c.deleted_at is null
    )
  );

  -- Somebody who was known before was answered before.
  return case when replied is not null then greatest(replied, p_since) end;
end
$$;

comment on function private.first_reply(uuid, timestamptz) is 'When a person first wrote to a lead or called and spoke with it, not before p_since; null if nobody has. Campaigns do not count, nor calls that nobody answered.';

create function private.first_step(p_lead_id uuid, p_after timestamptz) returns timestamptz
language plpgsql stable security definer set search_path = '' as $$
begin
  return least(
    (select min(c.sent_at) from public.communications c where c.lead_id = p_lead_id and c.sent_at > p_after and c.deleted_at is null),
    (select min(c.ended_at) from public.calls c where c.lead_id = p_lead_id and c.ended_at > p_after and c.status = 'completed' and c.deleted_at is null),
    (select min(h.changed_at) from public.lead_history h where h.lead_id = p_lead_id and h.changed_at > p_after),
    -- Whatever else moved these.
    (select case when l.last_interaction_at > p_after then l.last_interaction_at end from public.leads l where l.id = p_lead_id),
    (select case when l.status_changed_at > p_after then l.status_changed_at end from public.leads l where l.id = p_lead_id)
  );
end
$$;

comment on function private.first_step(uuid, timestamptz) is 'The first interaction with a lead, or change of its stage, after a moment.';

create function private.sla_time(p_from timestamptz, p_minutes integer, p_is_in_business_hours boolean) returns timestamptz
language plpgsql stable security definer set search_path = '' as $$
begin
  return case when p_is_in_business_hours then private.business_add(p_from, p_minutes) else p_from + make_interval(mins => p_minutes) end;
end
$$;

comment on function private.sla_time(timestamptz, integer, boolean) is 'When so many minutes have passed, of working time or of all.';

create function private.sla_audience(p_owner uuid, p_team uuid, p_is_escalation boolean) returns setof uuid
language plpgsql stable security definer set search_path = '' as $$
begin
  return query
  select p.id from public.profiles p where p.id = p_owner and p.is_active and not p_is_escalation;

  if found then
    return;
  end if;

  return query
  select p.id
  from public.team_members m
  join public.profiles p on p.id = m.user_id and p.is_active
  where m.team_id = p_team and m.is_manager;

  if found then
    return;
  end if;

  return query
  select p.id
  from public.profiles p
  join public.roles r on r.id = p.role_id and r.data_scope = 'all'
  where p.is_active;
end
$$;

comment on function private.sla_audience(uuid, uuid, boolean) is 'Who is told of a timer: its lead''s owner; without an active one, or of an escalation, the managers of the team; without these, scope all.';

create function private.sla_tell(p_events jsonb) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  one_by_one constant integer := 10;
  -- When the sweeps of this minute began: they tell as one.
  run constant timestamptz := nullif(current_setting('intake.sla_run', true), '');
  told integer;
begin
  with events as materialized (
    select e.*, t.user_id, b.summary_id, b.told + row_number() over events_of_person as place,
      b.told + count(*) over (partition by t.user_id, e.event) - one_by_one + b.summed as more,
      case e.event when 'warned' then 'due soon' when 'breached' then 'overdue' else 'escalated' end as is_what
    from jsonb_to_recordset(p_events) e (id uuid, event text, kind text, lead_id uuid, number text, policy text, owner uuid, team uuid, due_at timestamptz)
    cross join lateral private.sla_audience(e.owner, e.team, e.event = 'escalated') t (user_id)
    cross join lateral (
      select count(*) filter (where n.metadata ->> 'event' = 'sla_' || e.event) as told, max(n.id::text) filter (where s.is_summary)::uuid as summary_id,
        coalesce(max((n.metadata ->> 'lead_count')::integer) filter (where s.is_summary), 0) as summed
      from public.notifications n
      cross join lateral (select n.metadata ->> 'event' = 'sla_summary' and n.metadata ->> 'about' = e.event and not n.is_read as is_summary) s
      where n.user_id = t.user_id and n.created_at >= run
    ) b
    window events_of_person as (partition by t.user_id, e.event order by e.due_at, e.id)
  ), summed as (
    update public.notifications n
    set title = format('%s more leads %s', e.more, e.is_what), metadata = n.metadata || jsonb_build_object('lead_count', e.more)
    from events e
    where e.place = one_by_one + 1 and n.id = e.summary_id
  ), sent as (
    select private.notify(
      e.user_id, case e.kind when 'first_response' then 'First response ' else 'Follow-up ' end || e.is_what,
      format('%s: %s.', e.number, e.policy), 'alert',
      case e.event when 'warned' then 'normal' when 'breached' then 'high' else 'urgent' end,
      e.lead_id, '/leads/' || e.number,
      p_metadata => jsonb_build_object('event', 'sla_' || e.event, 'timer_id', e.id, 'lead_number', e.number, 'due_at', e.due_at)
    ) as id
    from events e
    where e.place <= one_by_one
    union all
    select private.notify(
      e.user_id, format('%s more leads %s', e.more, e.is_what), 'Open the alerts to see them.', 'alert', 'high',
      p_metadata => jsonb_build_object('event', 'sla_summary', 'about', e.event, 'lead_count', e.more)
    )
    from events e
    where e.place = one_by_one + 1 and e.summary_id is null
  )
  select count(*) into told from sent s where s.id is not null;

  return told;
end
$$;

comment on function private.sla_tell(jsonb) is 'Notifies of what happened to timers: the first ten of a kind to one person one by one, the rest in one, whichever sweep of a run finds them.';

-- Functions: the sweep

-- By index whatever the statistics say: it reads what it writes.
create function private.sla_apply(p_leads uuid[], p_now timestamptz default now()) returns integer
language plpgsql volatile security definer set search_path = '' set enable_seqscan = off as $$
declare
  events jsonb;
begin
  -- What is over.
  update public.sla_timers t
  set met_at = e.met_at,
    cancelled_at = case when e.met_at is null then e.cancelled_at end,
    breached_at = coalesce(t.breached_at, case when coalesce(e.met_at, e.closed_at) > t.due_at then t.due_at end),
    next_at = null
  from (
    select o.id, o.closed_at, coalesce(o.closed_at, case when o.is_withdrawn then greatest(p_now, o.started_at) end) as cancelled_at,
      -- To close a lead is a step too, but no answer.
      case when o.done_at <= o.closed_at or o.closed_at is null or (o.kind = 'follow_up' and not o.is_deleted) then o.done_at end as met_at
    from (
      select t.id, t.kind, t.started_at, p.id is null as is_withdrawn, l.deleted_at is not null as is_deleted,
        case
          when l.deleted_at is not null then greatest(l.deleted_at, t.started_at)
          when s.is_closed then greatest(l.status_changed_at, t.started_at)
        end as closed_at,
        case
          when t.kind = 'first_response' then private.first_reply(l.id, t.started_at)
          when greatest(l.last_interaction_at, l.status_changed_at) > t.started_at then private.first_step(l.id, t.started_at)
        end as done_at
      from public.sla_timers t
      join public.leads l on l.id = t.lead_id
      join public.pipeline_stages s on s.key = l.status
      left join public.sla_policies p on p.id = t.policy_id and p.is_active
      where t.lead_id = any (p_leads) and t.met_at is null and t.cancelled_at is null
    ) o
  ) e
  where t.id = e.id and coalesce(e.met_at, e.cancelled_at) is not null;

  -- What begins. Each moment is worked out once: the leads of an import begin together.
  with begun as materialized (
    select l.id as lead_id, l.assigned_to, l.team_id, k.kind, b.started_at, p.id as policy_id, p.target_minutes, p.is_in_business_hours,
      p.target_minutes - p.warn_before_minutes as warn_minutes, p.target_minutes + p.escalate_after_minutes as escalate_minutes,
      case k.kind when 'first_response' then private.first_reply(l.id, l.created_at) end as met_at
    from public.leads l
    join public.pipeline_stages s on s.key = l.status and not s.is_closed
    cross join (values ('first_response'), ('follow_up')) k (kind)
    cross join lateral (
      select case
        when k.kind = 'first_response' then l.created_at
        when l.last_interaction_at is not null or l.status_changed_at > l.created_at then greatest(l.last_interaction_at, l.status_changed_at)
      end as started_at
    ) b
    cross join lateral (
      select p.*
      from public.sla_policies p
      where p.is_active and p.kind = k.kind and p.active_since <= b.started_at
        and (p.stage is null or p.stage = l.status)
        and (p.source is null or lower(p.source) = lower(l.source))
      order by num_nonnulls(p.stage, p.source) desc, p.stage is null, p.id
      limit 1
    ) p
    where l.id = any (p_leads)
      and l.deleted_at is null
      and not exists (
        select from public.sla_timers t
        where t.lead_id = l.id and t.kind = k.kind
          and case k.kind
            when 'first_response' then t.started_at = b.started_at
            else t.cancelled_at is null and (t.met_at is null or t.started_at >= b.started_at)
          end
      )
  ), moments as materialized (
    select w.*, private.sla_time(w.started_at, w.minutes, w.is_in_business_hours) as moment
    from (
      select distinct b.started_at, b.is_in_business_hours, m.minutes
      from begun b
      cross join lateral (values (b.target_minutes), (b.warn_minutes), (b.escalate_minutes)) m (minutes)
      where m.minutes is not null
    ) w
  )
  insert into public.sla_timers (lead_id, lead_owner_id, team_id, policy_id, kind, started_at, warn_at, due_at, escalate_at, next_at, met_at, breached_at)
  select b.lead_id, b.assigned_to, b.team_id, b.policy_id, b.kind, b.started_at, warn.moment, due.moment, escalate.moment,
    case when b.met_at is null then least(warn.moment, due.moment) end, b.met_at, case when b.met_at > due.moment then due.moment end
  from begun b
  join moments due on (due.started_at, due.is_in_business_hours, due.minutes) = (b.started_at, b.is_in_business_hours, b.target_minutes)
  left join moments warn on (warn.started_at, warn.is_in_business_hours, warn.minutes) = (b.started_at, b.is_in_business_hours, b.warn_minutes)
  left join moments escalate on (escalate.started_at, escalate.is_in_business_hours, escalate.minutes) = (b.started_at, b.is_in_business_hours, b.escalate_minutes)
  on conflict (lead_id, kind) where met_at is null and cancelled_at is null do nothing;

  -- What is due: each step is taken by whoever moves next_at on.
  with due as (
    select t.id, t.kind, t.lead_id, l.lead_id as number, p.name as policy, l.assigned_to as owner, l.team_id as team, t.due_at,
      t.warned_at is null and p_now < t.due_at as is_warned,
      t.breached_at is null and p_now >= t.due_at as is_breached,
      t.escalated_at is null and p_now >= t.escalate_at as is_escalated
    from public.sla_timers t
    join public.leads l on l.id = t.lead_id
    join public.sla_policies p on p.id = t.policy_id
    where t.lead_id = any (p_leads) and t.next_at <= p_now
  ), moved as (
    update public.sla_timers t
    set warned_at = case when d.is_warned then p_now else t.warned_at end,
      breached_at = case when d.is_breached then t.due_at else t.breached_at end,
      escalated_at = case when d.is_escalated then p_now else t.escalated_at end,
      next_at = case when p_now < t.due_at then t.due_at when p_now < t.escalate_at then t.escalate_at end
    from due d
    where t.id = d.id and t.next_at <= p_now
    returning t.id
  )
  select jsonb_agg(to_jsonb(d) || jsonb_build_object('event', e.event)) into events
  from due d
  join moved m on m.id = d.id
  cross join lateral (values ('warned', d.is_warned), ('breached', d.is_breached), ('escalated', d.is_escalated)) e (event, is_so)
  where e.is_so;

  if events is null then
    return 0;
  end if;

  perform private.record_activity(
    'escalated', 'Escalated to Managers', e ->> 'policy', p_lead_id => (e ->> 'lead_id')::uuid, p_source_id => (e ->> 'id')::uuid,
    p_metadata => jsonb_build_object('kind', e -> 'kind', 'due_at', e -> 'due_at'), p_actor_id => null
  )
  from jsonb_array_elements(events) e
  where e ->> 'event' = 'escalated';

  perform private.sla_tell(events);

  return jsonb_array_length(events);
end
$$;

comment on function private.sla_apply(uuid[], timestamptz) is 'Brings the timers of leads, which the caller has locked, to what the leads say: ends, begins, warns, breaches, escalates. Doing it again changes nothing. Answers how many warnings, breaches and escalations there were.';

create function private.sla_withdrawn(p_limit integer) returns uuid[]
language plpgsql stable security definer set search_path = '' as $$
begin
  return array(
    select distinct t.lead_id
    from public.sla_policies p
    cross join lateral (
      select x.lead_id from public.sla_timers x where x.policy_id = p.id and x.met_at is null and x.cancelled_at is null limit p_limit
    ) t
    where not p.is_active
    limit p_limit
  );
end
$$;

comment on function private.sla_withdrawn(integer) is 'Leads with a timer that runs although its policy was made inactive.';

create function private.sla_sweep(p_limit integer default 200, p_now timestamptz default now()) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  since constant timestamptz := (select min(p.active_since) from public.sla_policies p where p.is_active);
  done integer := 0;
begin
  if since is not null then
    done := private.sla_apply(private.take_changed_leads('sla', since - interval '1 minute', p_limit), p_now);
  end if;

  done := done + private.sla_apply(private.lock_leads(array(
    select t.lead_id from public.sla_timers t where t.next_at <= p_now order by t.next_at limit p_limit
  )), p_now);

  -- Overdue already, they would wait for nothing and be overdue for ever.
  return done + private.sla_apply(private.lock_leads(private.sla_withdrawn(p_limit)), p_now);
end
$$;

comment on function private.sla_sweep(integer, timestamptz) is 'The timers of leads that changed, those whose time has come, and those whose policy was withdrawn, at most p_limit of each. A lead that somebody holds waits for the next sweep.';

create procedure private.sla_catch_up(p_sweeps integer default 50)
language plpgsql as $$
begin
  -- No search_path clause: a procedure that has one may not commit. Every name is qualified.
  perform set_config('intake.sla_run', now()::text, false);

  for sweep in 1 .. p_sweeps loop
    perform private.sla_sweep();

    commit;

    exit when not exists (select from public.sla_timers t where t.next_at <= now())
      and private.sla_withdrawn(1) = '{}'
      and not exists (
        select from private.timeline_readers r join public.activities a on a.id > r.read_until and a.id < r.fence where r.name = 'sla'
      );
  end loop;

  perform set_config('intake.sla_run', '', false);
end
$$;

comment on procedure private.sla_catch_up(integer) is 'Run every minute: sweeps, each in a transaction of its own so that no lead is held for long, until nothing is left or p_sweeps were done.';

-- Schedule

select cron.schedule('intake-sla', '* * * * *', 'call private.sla_catch_up()');

-- Grants

revoke all on public.sla_policies, public.sla_timers from anon, authenticated, service_role;

grant select on public.sla_policies, public.sla_timers to authenticated;

grant delete,
  insert (name, kind, stage, source, target_minutes, is_in_business_hours, warn_before_minutes, escalate_after_minutes, is_active),
  update (name, kind, stage, source, target_minutes, is_in_business_hours, warn_before_minutes, escalate_after_minutes, is_active)
  on public.sla_policies to authenticated;

grant select, insert, update, delete on public.sla_policies, public.sla_timers to service_role;

revoke all on function
  private.begin_sla_policy(),
  private.move_sla_timer(),
  private.first_reply(uuid, timestamptz),
  private.first_step(uuid, timestamptz),
  private.sla_time(timestamptz, integer, boolean),
  private.sla_audience(uuid, uuid, boolean),
  private.sla_tell(jsonb),
  private.sla_apply(uuid[], timestamptz),
  private.sla_withdrawn(integer),
  private.sla_sweep(integer, timestamptz)
  from public, anon, authenticated, service_role;

revoke all on procedure private.sla_catch_up(integer) from public, anon, authenticated, service_role;

-- This module's permission

insert into public.permissions (key, description) values
  ('sla.manage', 'Change what is promised of leads, and when it counts as late');

-- Routing: who gets which lead, and why.
--
-- A lead that arrives without an owner is given to the next member in turn of the team its rule names,
-- within a cap per person. People with leads.assign assign by hand, one or many at a time. Every decision,
-- also the decision that nobody can take a lead, leaves a row that says why.

-- Tables

create table public.assignment_rules (
  id uuid primary key default private.uuid_v7(),
  name text not null,
  position smallint not null,
  source text,
  course text,
  territory text,
  team_id uuid not null references public.teams (id) on delete cascade,
  is_active boolean not null default true,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint assignment_rules_name_is_not_blank check (btrim(name) <> '' and length(name) <= 120),
  constraint assignment_rules_position_is_unique unique (position) deferrable initially deferred
);

comment on table public.assignment_rules is 'Which team a lead without an owner goes to: the first active rule, by position, whose conditions all match. Without one, members of all automatically assigned teams take turns.';

comment on column public.assignment_rules.source is 'Matches leads.source, whatever the case; null matches any.';

create index assignment_rules_by_team on public.assignment_rules (team_id);

create table public.lead_assignments (
  id uuid primary key default private.uuid_v7(),
  lead_id uuid not null references public.leads (id) on delete cascade,
  from_user_id uuid references public.profiles (id) on delete set null,
  to_user_id uuid references public.profiles (id) on delete set null,
  team_id uuid references public.teams (id) on delete set null,
  method text not null,
  reason text,
  batch_id uuid,
  assigned_by uuid references public.profiles (id) on delete set null,
  assigned_at timestamptz not null default now(),
  constraint lead_assignments_method_is_known check (method in ('manual', 'automatic')),
  constraint lead_assignments_reason_is_short check (length(reason) <= 1000)
);

comment on table public.lead_assignments is 'Why a lead went where it went, or why automatic assignment found nobody (to_user_id null). Visible where its lead is; read by lead.';

comment on column public.lead_assignments.batch_id is 'The same for every lead of one lead_assign() call.';

create index lead_assignments_of_lead on public.lead_assignments (lead_id, assigned_at desc);

create index leads_waiting on public.leads (created_at, id) where assigned_to is null and deleted_at is null;

comment on index public.leads_waiting is 'Leads without an owner, oldest first, for the sweep.';

create sequence private.assignment_turn;

create table private.assignment_turns (
  user_id uuid primary key references public.profiles (id) on delete cascade,
  turn bigint not null
);

comment on table private.assignment_turns is 'When each person last had their turn of automatic assignment; the smallest is next.';

-- Policies

alter table public.assignment_rules enable row level security;

alter table public.lead_assignments enable row level security;

alter table private.assignment_turns enable row level security;

create policy assignment_rules_read on public.assignment_rules for select to authenticated
  using ((select private.gate_own()) is not null);

comment on policy assignment_rules_read on public.assignment_rules is 'Every active person may know where leads go.';

create policy assignment_rules_create on public.assignment_rules for insert to authenticated
  with check ((select private.has_permission('routing.manage')));

comment on policy assignment_rules_create on public.assignment_rules is 'Needs routing.manage.';

create policy assignment_rules_change on public.assignment_rules for update to authenticated
  using ((select private.has_permission('routing.manage')))
  with check ((select private.has_permission('routing.manage')));

comment on policy assignment_rules_change on public.assignment_rules is 'Needs routing.manage.';

create policy assignment_rules_delete on public.assignment_rules for delete to authenticated
  using ((select private.has_permission('routing.manage')));

comment on policy assignment_rules_delete on public.assignment_rules is 'Needs routing.manage.';

create policy lead_assignments_read on public.lead_assignments for select to authenticated
  using ((select l.id from public.leads l where l.id = lead_assignments.lead_id) is not null);

comment on policy lead_assignments_read on public.lead_assignments is 'Where the lead is visible. Always read by lead_id.';

-- Functions

create function private.open_leads_of(p_user_id uuid, p_limit integer) returns integer
language plpgsql stable security definer set search_path = '' as $$
begin
  return (
    select count(*)::integer
    from (
      select
      from public.leads l
      join public.pipeline_stages s on s.key = l.status and not s.is_closed
      where l.assigned_to = p_user_id and l.deleted_at is null
      limit p_limit
    ) counted
  );
end
$$;

comment on function private.open_leads_of(uuid, integer) is 'How many open leads a person has, counted no further than p_limit.';

create function private.lock_turns() returns void
language plpgsql volatile set search_path = '' as $$
begin
  perform pg_advisory_xact_lock(hashtextextended('intake routing', 0));
end
$$;

comment on function private.lock_turns() is 'Lets one transaction at a time decide who takes a lead. Before any lead is locked or written, so that nobody who has the turns waits for whoever wants them.';

create function private.take_turns(
  p_teams uuid[], p_sources text[], p_courses text[], p_territories text[],
  out takers uuid[], out teams uuid[], out rules text[]
)
language plpgsql volatile security definer set search_path = '' as $$
declare
  default_cap integer := nullif((private.setting('routing.max_open_leads') #>> '{}')::integer, 0);
  at_work_only boolean := (private.setting('routing.respects_availability'))::boolean;
  -- Who may take leads, once for each team they are in: whose turn it is, and how many more they may have.
  member_users uuid[];
  member_teams uuid[];
  are_automatic boolean[];
  turns bigint[];
  rooms integer[];
  waiting record;
  member integer;
  entry integer;
  turn bigint;
begin
  takers := '{}';
  teams := '{}';
  rules := '{}';

  -- One decision at a time, so that turns are fair and caps hold under concurrency.
  perform private.lock_turns();

  select array_agg(m.user_id order by m.user_id, m.team_id), array_agg(m.team_id order by m.user_id, m.team_id),
    array_agg(t.is_auto_assigned order by m.user_id, m.team_id), array_agg(coalesce(w.turn, 0) order by m.user_id, m.team_id),
    array_agg(c.cap - private.open_leads_of(m.user_id, c.cap) order by m.user_id, m.team_id)
  into member_users, member_teams, are_automatic, turns, rooms
  from public.team_members m
  join public.teams t on t.id = m.team_id
  join public.profiles p on p.id = m.user_id and p.is_active
  left join private.assignment_turns w on w.user_id = m.user_id
  cross join lateral (select coalesce(p.max_open_leads, default_cap) as cap) c
  where not m.is_manager and (not at_work_only or private.is_at_work(m.user_id));

  for waiting in
    select coalesce(l.team_id, r.team_id) as team_id, r.name as rule
    from unnest(p_teams, p_sources, p_courses, p_territories) with ordinality l (team_id, source, course, territory, n)
    left join lateral (
      select r.team_id, r.name
      from public.assignment_rules r
      where l.team_id is null
        and r.is_active
        and (r.source is null or lower(r.source) = lower(l.source))
        and (r.course is null or lower(r.course) = lower(l.course))
        and (r.territory is null or lower(r.territory) = lower(l.territory))
      order by r.position
      limit 1
    ) r on true
    order by l.n
  loop
    select e.n into member
    from unnest(member_teams, are_automatic, turns, rooms) with ordinality e (team_id, is_automatic, turn, room, n)
    where (e.team_id = waiting.team_id or (waiting.team_id is null and e.is_automatic)) and (e.room is null or e.room > 0)
    order by e.turn, e.n
    limit 1;

    takers := takers || member_users[member];
    teams := teams || coalesce(member_teams[member], waiting.team_id);
    rules := rules || waiting.rule;

    continue when member is null;

    turn := nextval('private.assignment_turn');
    entry := member;

    -- Theirs in every team, which are beside one another.
    while member_users[entry - 1] = member_users[member] loop
      entry := entry - 1;
    end loop;

    while member_users[entry] = member_users[member] loop
      turns[entry] := turn;
      rooms[entry] := rooms[entry] - 1;
      entry := entry + 1;
    end loop;
  end loop;

  insert into private.assignment_turns as t (user_id, turn)
  select distinct e.user_id, e.turn
  from unnest(member_users, turns) e (user_id, turn)
  where e.user_id = any (takers)
  on conflict (user_id) do update set turn = excluded.turn;
end
$$;

comment on function private.take_turns(uuid[], text[], text[], text[]) is 'Who takes leads of these teams, sources, courses and territories, in this order: for each the taker, null where nobody can, the team, and the rule by which it has it, if it had none. Holds the turns until the end of the transaction.';

create function private.routing_reason(p_rule text) returns text
language plpgsql immutable parallel safe set search_path = '' as $$
begin
  return case when p_rule is null then 'Next in turn' else format('Rule "%s": next in turn', p_rule) end;
end
$$;

comment on function private.routing_reason(text) is 'Why somebody was given a lead by turn.';

create function private.record_turns(p_leads uuid[], p_takers uuid[], p_teams uuid[], p_rules text[]) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  insert into public.lead_assignments (lead_id, to_user_id, team_id, method, reason, assigned_by)
  select d.lead_id, d.taker, d.team_id, 'automatic', private.routing_reason(d.rule), private.gate_own()
  from unnest(p_leads, p_takers, p_teams, p_rules) d (lead_id, taker, team_id, rule)
  where d.taker is not null;
end
$$;

comment on function private.record_turns(uuid[], uuid[], uuid[], text[]) is 'Writes lead_assignments of leads that were written with their taker: no update tells of those.';

create function private.assign_leads(p_leads uuid[]) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  at_work_only boolean := (private.setting('routing.respects_availability'))::boolean;
  waiting record;
  turns record;
  given record;
begin
  -- Before the leads, as whoever writes new ones does.
  perform private.lock_turns();

  perform from public.leads l where l.id = any (p_leads) order by l.id for no key update;

  select array_agg(l.id order by l.created_at, l.lead_no) as leads, array_agg(l.team_id order by l.created_at, l.lead_no) as teams,
    array_agg(l.source order by l.created_at, l.lead_no) as sources, array_agg(l.course order by l.created_at, l.lead_no) as courses,
    array_agg(l.territory order by l.created_at, l.lead_no) as territories
  into waiting
  from public.leads l
  where l.id = any (p_leads) and l.assigned_to is null and l.deleted_at is null;

  select * into turns from private.take_turns(waiting.teams, waiting.sources, waiting.courses, waiting.territories);

  -- As few updates as there are reasons.
  for given in
    select d.rule, array_agg(d.lead_id) as leads, array_agg(d.taker) as takers, array_agg(d.team_id) as teams
    from unnest(waiting.leads, turns.takers, turns.teams, turns.rules) d (lead_id, taker, team_id, rule)
    where d.taker is not null
    group by d.rule
  loop
    perform set_config('intake.assignment', jsonb_build_object('method', 'automatic', 'reason', private.routing_reason(given.rule))::text, true);

    update public.leads l
    set assigned_to = d.taker, team_id = d.team_id
    from unnest(given.leads, given.takers, given.teams) d (lead_id, taker, team_id)
    where l.id = d.lead_id;

    perform set_config('intake.assignment', '', true);
  end loop;

  update public.leads l
  set team_id = d.team_id
  from unnest(waiting.leads, turns.takers, turns.teams) d (lead_id, taker, team_id)
  where d.taker is null and l.id = d.lead_id and l.team_id is distinct from d.team_id;

  -- Said once; the sweep tries again in silence.
  insert into public.lead_assignments (lead_id, team_id, method, reason)
  select d.lead_id, d.team_id, 'automatic', case
    when d.team_id is null then 'No rule matches, and no automatically assigned team has an active member under the cap.'
    else 'No active member of the team is under the cap.'
  end || case when at_work_only then ' Who is away or offline was passed over.' else '' end
  from unnest(waiting.leads, turns.takers, turns.teams) d (lead_id, taker, team_id)
  where d.taker is null
    and not exists (select from public.lead_assignments a where a.lead_id = d.lead_id and a.to_user_id is null and a.method = 'automatic');

  return cardinality(array_remove(turns.takers, null));
end
$$;

comment on function private.assign_leads(uuid[]) is 'Gives those of these leads that have no owner to the next people in turn, the oldest first, or records why nobody can take them. Returns how many have an owner now.';

create function private.assign_waiting_leads(p_limit integer default 500) returns integer
language plpgsql volatile security definer set search_path = '' as $$
begin
  return private.assign_leads(array(
    select l.id
    from public.leads l
    join public.pipeline_stages s on s.key = l.status and not s.is_closed
    where l.assigned_to is null
      and l.deleted_at is null
      -- Who took it away from everybody by hand meant it.
      and not coalesce((
        select a.method = 'manual'
        from public.lead_assignments a
        where a.lead_id = l.id
        order by a.assigned_at desc, a.id desc
        limit 1
      ), false)
    order by l.created_at, l.id
    limit p_limit
  ));
end
$$;

comment on function private.assign_waiting_leads(integer) is 'Tries leads without an owner again, oldest first, for when capacity has come free. Run every five minutes.';

create function private.lead_assign(p_lead_ids uuid[], p_user_id uuid, p_reason text) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  batch uuid := private.uuid_v7();
  reachable uuid[];
  assigned integer;
begin
  perform private.require_permission('leads.assign');

  if coalesce(cardinality(p_lead_ids), 0) not between 1 and 1000 then
    perform private.fail('argument_invalid', 'p_lead_ids takes 1 to 1000 ids');
  end if;

  if p_user_id is not null and not private.may_assign_to(p_user_id) then
    perform private.fail('assignee_unavailable', p_user_id::text);
  end if;

  -- In one order, so that two overlapping batches wait instead of deadlocking.
  select array_agg(t.id) into reachable
  from (
    select l.id
    from public.leads l
    where l.id = any (p_lead_ids)
      and l.deleted_at is null
      and (private.gate_all() is not null or l.team_id = any (private.gate_team()) or l.assigned_to = private.gate_own())
    order by l.id
    for no key update
  ) t;

  perform set_config('intake.assignment', jsonb_build_object('method', 'manual', 'reason', p_reason, 'batch_id', batch)::text, true);

  perform private.batch_begin(batch, 'assign', reachable);

  update public.leads l
  set assigned_to = p_user_id
  where l.id = any (reachable) and l.assigned_to is distinct from p_user_id;

  get diagnostics assigned = row_count;

  perform private.batch_end(batch);

  perform set_config('intake.assignment', '', true);

  return jsonb_build_object(
    'batch_id', batch,
    'assigned', assigned,
    'unchanged', coalesce(cardinality(reachable), 0) - assigned,
    'not_found', coalesce((select jsonb_agg(distinct i) from unnest(p_lead_ids) i where i <> all (coalesce(reachable, '{}'))), '[]')
  );
end
$$;

comment on function private.lead_assign(uuid[], uuid, text) is 'Body of public.lead_assign().';

create function public.lead_assign(p_lead_ids uuid[], p_user_id uuid, p_reason text default null) returns jsonb
language sql volatile security invoker set search_path = '' as $$
  select private.lead_assign(p_lead_ids, p_user_id, p_reason);
$$;

comment on function public.lead_assign(uuid[], uuid, text) is 'Assigns 1 to 1000 leads to a person (null: to nobody), with a reason. p_user_id has no default: who forgets it must not unassign. Answers {batch_id, assigned, unchanged, not_found[]}; ids the caller may not see count as not found. Needs leads.assign. Errors: permission_denied, argument_invalid, assignee_unavailable. Answers D3-005, D3-060, D4-026.';

-- Triggers

create function private.record_lead_assignment() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  decision jsonb := nullif(current_setting('intake.assignment', true), '')::jsonb;
begin
  insert into public.lead_assignments (lead_id, from_user_id, to_user_id, team_id, method, reason, batch_id, assigned_by)
  values (
    new.id, old.assigned_to, new.assigned_to, new.team_id, coalesce(decision ->> 'method', 'manual'),
    left(decision ->> 'reason', 1000), (decision ->> 'batch_id')::uuid, private.gate_own()
  );

  return null;
end
$$;

comment on function private.record_lead_assignment() is 'Writes lead_assignments, whoever reassigns.';

create trigger record_lead_assignment after update of assigned_to on public.leads
  for each row when (old.assigned_to is distinct from new.assigned_to) execute function private.record_lead_assignment();

create function private.route_new_lead() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if exists (select from created c where c.assigned_to is null and c.deleted_at is null) then
    perform private.assign_leads(array(select c.id from created c where c.assigned_to is null and c.deleted_at is null));
  end if;

  return null;
end
$$;

comment on function private.route_new_lead() is 'Automatic assignment of leads that came without an owner, when all else of them is written.';

create function private.await_turn() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform private.lock_turns();

  return new;
end
$$;

comment on function private.await_turn() is 'Whoever writes a lead that is to be assigned waits for the turns before the lead is there, not after: an import that has the turns may meet the same person.';

create trigger reserve_turn before insert on public.leads
  for each row when (new.assigned_to is null and new.deleted_at is null)
  execute function private.await_turn();

create trigger route_new_lead after insert on public.leads
  referencing new table as created
  for each statement execute function private.route_new_lead();

create trigger touch_updated_at before update on public.assignment_rules for each row execute function private.touch_updated_at();

create trigger audit after insert or update or delete on public.assignment_rules for each row execute function private.audit_row();

-- Schedule

select cron.schedule('assign-waiting-leads', '*/5 * * * *', 'select private.assign_waiting_leads()');

-- Grants

revoke all on public.assignment_rules, public.lead_assignments from anon, authenticated, service_role;

revoke all on private.assignment_turns from anon, authenticated, service_role;

grant select, delete on public.assignment_rules to authenticated;

grant insert (name, position, source, course, territory, team_id, is_active), update (name, position, source, course, territory, team_id, is_active) on public.assignment_rules to authenticated;

grant select on public.lead_assignments to authenticated;

grant select, insert, update, delete on public.assignment_rules, public.lead_assignments to service_role;

revoke all on function private.open_leads_of(uuid, integer) from public, anon, authenticated, service_role;

revoke all on function private.lock_turns() from public, anon, authenticated, service_role;

revoke all on function private.take_turns(uuid[], text[], text[], text[]) from public, anon, authenticated, service_role;

revoke all on function private.record_turns(uuid[], uuid[], uuid[], text[]) from public, anon, authenticated, service_role;

revoke all on function private.routing_reason(text) from public, anon, authenticated, service_role;

revoke all on function private.assign_leads(uuid[]) from public, anon, authenticated, service_role;

revoke all on function private.assign_waiting_leads(integer) from public, anon, authenticated, service_role;

revoke all on function private.lead_assign(uuid[], uuid, text) from public, anon, authenticated, service_role;

grant execute on function private.lead_assign(uuid[], uuid, text) to authenticated;

revoke all on function public.lead_assign(uuid[], uuid, text) from public, anon, authenticated, service_role;

grant execute on function public.lead_assign(uuid[], uuid, text) to authenticated;

revoke all on function private.record_lead_assignment() from public, anon, authenticated, service_role;

revoke all on function private.await_turn() from public, anon, authenticated, service_role;

revoke all on function private.route_new_lead() from public, anon, authenticated, service_role;

-- This module's permission and settings

insert into public.permissions (key, description) values
  ('routing.manage', 'Change the rules of automatic assignment');

select
  private.define_setting('routing.max_open_leads', '0', 'integer', 'How many open leads automatic assignment leaves with a person whose profile says nothing; 0 is no limit', 0, 100000),
  private.define_setting('routing.respects_availability', 'false', 'boolean', 'Whether automatic assignment passes over who is away, offline or not seen of late');

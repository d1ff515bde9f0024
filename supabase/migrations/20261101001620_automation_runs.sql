-- Automation runs: what workflows did, do and will do.
--
-- The sweep of each minute reads the timeline after commit, and the tasks and reminders whose time is over, and
-- begins a run for each event and workflow that go together: once, by a key. The actions of a run are its steps,
-- copied when it begins. A step is done in the transaction that marks it done, so that neither a sweep that
-- overlaps nor one that dies does it twice, and what it makes bears the step's own id. Delays are times in rows.
--
-- Workflows act for the organisation, as nobody in particular: the audit trail says automation and names the run,
-- the timeline names it too. What a run caused does not begin the workflows again that led to it.

-- Tables

create table public.automation_runs (
  id uuid primary key default private.uuid_v7(),
  workflow_id uuid not null references public.automation_workflows (id) on delete cascade,
  lead_id uuid references public.leads (id) on delete cascade,
  lead_owner_id uuid references public.profiles (id) on delete set null,
  team_id uuid references public.teams (id) on delete set null,
  trigger_type text not null,
  event_key text not null,
  event jsonb not null default '{}',
  chain uuid[] not null,
  status text not null default 'running',
  next_at timestamptz,
  started_by uuid references public.profiles (id) on delete set null,
  created_at timestamptz not null default now(),
  finished_at timestamptz,
  constraint automation_runs_are_once_per_event unique (workflow_id, event_key),
  constraint automation_runs_status_is_known check (status in ('running', 'done', 'failed', 'cancelled')),
  constraint automation_runs_wait_while_they_run check ((status = 'running') = (next_at is not null) and (status = 'running') = (finished_at is null))
) with (fillfactor = 85);

comment on table public.automation_runs is 'What a workflow did about an event. Seen with automation.read by the lead''s managers and scope all; written by the sweep. List: select("*, automation_run_steps(*)").eq("workflow_id", id).order("id", {ascending: false}).';

comment on column public.automation_runs.lead_id is 'The lead it is about; null for a task or reminder that is of none.';

comment on column public.automation_runs.lead_owner_id is 'The lead''s owner, copied.';

comment on column public.automation_runs.team_id is 'The lead''s team, copied; without a lead the person''s.';

comment on column public.automation_runs.event_key is 'The event, named so that one begins one run: a row of the timeline, a task or reminder and when it was due, or an execution by hand.';

comment on column public.automation_runs.event is 'What conditions could ask of the event as event.*.';

comment on column public.automation_runs.chain is 'The workflows that led here, this one last: none of them begins again by what this run causes.';

comment on column public.automation_runs.status is 'running; done; failed: at least one step was; cancelled: the workflow was stopped or the lead deleted before the end.';

comment on column public.automation_runs.next_at is 'When the sweep looks at it next.';

comment on column public.automation_runs.started_by is 'Who executed it by hand.';

create index automation_runs_of_workflow on public.automation_runs (workflow_id, id desc);

create index automation_runs_of_workflow_and_lead on public.automation_runs (workflow_id, lead_id, created_at);

create index automation_runs_of_lead on public.automation_runs (lead_id, id desc) where lead_id is not null;

create index automation_runs_of_owner on public.automation_runs (lead_owner_id, id desc) where lead_owner_id is not null;

create index automation_runs_of_team on public.automation_runs (team_id, id desc) where team_id is not null;

create index automation_runs_of_starter on public.automation_runs (started_by) where started_by is not null;

create index automation_runs_to_look_at on public.automation_runs (next_at, id) where next_at is not null;

create index automation_runs_running on public.automation_runs (workflow_id) where status = 'running';

create index automation_runs_finished on public.automation_runs (finished_at) where finished_at is not null;

create index reminders_pending on public.reminders (remind_at) where status = 'pending' and deleted_at is null;

create table public.automation_run_steps (
  id uuid primary key default private.uuid_v7(),
  run_id uuid not null references public.automation_runs (id) on delete cascade,
  position smallint not null,
  action jsonb not null,
  run_at timestamptz not null,
  status text not null default 'pending',
  attempts smallint not null default 0,
  error text,
  result jsonb not null default '{}',
  finished_at timestamptz,
  constraint automation_run_steps_have_an_order unique (run_id, position),
  constraint automation_run_steps_status_is_known check (status in ('pending', 'done', 'skipped', 'failed', 'cancelled')),
  constraint automation_run_steps_that_ended_say_when check ((status = 'pending') = (finished_at is null)),
  constraint automation_run_steps_error_is_short check (length(error) <= 500)
) with (fillfactor = 85);

comment on table public.automation_run_steps is 'The actions of a run, as they were when it began, and what became of each. Seen where the run is.';

comment on column public.automation_run_steps.id is 'What the step makes (a task, reminder, call or message) bears the same.';

comment on column public.automation_run_steps.run_at is 'When it is due: the event and its delay, later after a failed attempt.';

comment on column public.automation_run_steps.status is 'pending, done, skipped (there was nothing to do: result.reason says why), failed (after automation.max_attempts) or cancelled.';

comment on column public.automation_run_steps.error is 'What the last failed attempt met: a stable code, or the database''s.';

comment on column public.automation_run_steps.result is 'What it did: ids and keys, nothing of the person.';

create table private.automation_clock (
  kind text primary key,
  read_until timestamptz not null default now(),
  constraint automation_clock_kind_is_known check (kind in ('task_overdue', 'reminder_overdue'))
);

comment on table private.automation_clock is 'Until when the sweep has looked at what is overdue.';

insert into private.automation_clock (kind) values ('task_overdue'), ('reminder_overdue');

insert into private.timeline_readers (name) values ('automation');

-- Policies

alter table public.automation_runs enable row level security;

alter table public.automation_run_steps enable row level security;

alter table private.automation_clock enable row level security;

create policy automation_runs_read on public.automation_runs for select to authenticated
  using (
    (select private.has_permission('automation.read'))
    and (
      (select private.gate_all()) is not null
      or lead_owner_id = (select private.gate_own())
      or team_id = any ((select private.gate_team())::uuid[])
    )
  );

comment on policy automation_runs_read on public.automation_runs is 'Needs automation.read and sight of the lead. List queries should filter by workflow_id, team_id or lead_id, so that the indexes serve.';

create policy automation_run_steps_read on public.automation_run_steps for select to authenticated
  using ((select r.id from public.automation_runs r where r.id = automation_run_steps.run_id) is not null);

comment on policy automation_run_steps_read on public.automation_run_steps is 'Where the run is visible. Always read by run_id.';

-- Functions: what happened

create function private.automation_triggers_of(p_activity public.activities) returns text[]
language plpgsql stable set search_path = '' as $$
declare
  about constant jsonb := p_activity.metadata;
begin
  return case p_activity.type
    when 'created' then array['lead_created']
    when 'enquiry' then array['lead_enquired']
    when 'status_change' then array[case when about ? 'deal_id' then 'deal_stage_changed' else 'lead_status_changed' end]
    when 'assigned' then array['lead_assigned']
    when 'converted' then array['lead_converted']
    when 'call' then case
      when about ->> 'status' = 'missed' then array['call_missed']
      when about ->> 'outcome' = any (private.successful_outcomes()) then array['call_completed', 'call_succeeded']
      else array['call_completed']
    end
    when 'message' then case when about ->> 'direction' = 'inbound' then array['message_received'] end
    when 'email_opened' then array['email_opened']
    when 'email_clicked' then array['email_clicked']
    when 'page_visit' then array['page_visited']
    when 'note_created' then array['note_created']
    when 'task_created' then array['task_created']
    when 'task_completed' then array['task_completed']
    when 'document' then array['document']
    when 'payment' then array['payment']
  end;
end
$$;

comment on function private.automation_triggers_of(public.activities) is 'Which triggers a row of the timeline is; null if none.';

create function private.automation_begin(p_events jsonb, p_now timestamptz) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  longest constant integer := (private.setting('automation.max_chain'))::integer;
  most constant integer := (private.setting('automation.max_runs_per_lead'))::integer;
  begun integer;
begin
  with events as materialized (
    -- What another run caused: by the mark it left on the timeline or, where nobody acted, by what it made.
    select e.*, coalesce((select r.chain from public.automation_runs r where r.id = coalesce(
      e.run_id, case when e.event ->> 'actor_id' is null then (select s.run_id from public.automation_run_steps s where s.id = e.source_id) end
    )), '{}') as chain
    from jsonb_to_recordset(p_events) e (key text, name text, lead_id uuid, event jsonb, source_id uuid, run_id uuid, happened_at timestamptz)
  ), met as materialized (
    select w.id as workflow_id, w.priority, l.id as lead_id, l.assigned_to, e.key, e.name, e.event, e.chain,
      case when l.id is null then private.team_of((e.event ->> 'person_id')::uuid) else l.team_id end as team_id,
      row_number() over (partition by w.id, coalesce(e.lead_id, e.source_id) order by e.happened_at, e.key) as nth
    from events e
    join public.automation_workflows w on w.trigger_type = e.name and w.is_live and w.active_since <= e.happened_at
    left join public.leads l on l.id = e.lead_id and l.deleted_at is null
    where (e.lead_id is null) = (l.id is null)
      and w.id <> all (e.chain)
      and cardinality(e.chain) < longest
      and private.automation_matches(w.trigger_conditions, private.automation_facts(l, e.event || jsonb_build_object('name', e.name)))
  ), runs as (
    insert into public.automation_runs (workflow_id, lead_id, lead_owner_id, team_id, trigger_type, event_key, event, chain, next_at, created_at)
    select m.workflow_id, m.lead_id, m.assigned_to, m.team_id, m.name, m.key, m.event, m.chain || m.workflow_id, p_now, p_now
    from met m
    where m.nth + (
      select count(*)
      from public.automation_runs r
      where r.workflow_id = m.workflow_id and r.lead_id = m.lead_id and r.created_at > p_now - interval '1 day'
    ) <= most
    order by m.priority, m.workflow_id, m.key
    on conflict on constraint automation_runs_are_once_per_event do nothing
    returning id, workflow_id
  ), steps as (
    insert into public.automation_run_steps (run_id, position, action, run_at)
    select r.id, a.position, a.action, p_now + make_interval(secs => coalesce((a.action ->> 'delay')::integer, 0))
    from runs r
    join public.automation_workflows w on w.id = r.workflow_id
    cross join lateral jsonb_array_elements(w.actions) with ordinality a (action, position)
  )
  select count(*) into begun from runs;

  return begun;
end
$$;

comment on function private.automation_begin(jsonb, timestamptz) is 'Begins the runs of events, [{key, name, lead_id, event, source_id, run_id, happened_at}], whose workflow runs and whose conditions hold of the lead now: one per event and workflow, none of a workflow that led to the event, no more than automation.max_runs_per_lead a day.';

create function private.automation_events(p_activities uuid[]) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'key', a.id, 'name', t.name, 'lead_id', a.lead_id, 'source_id', a.source_id, 'run_id', a.metadata ->> 'automation_run',
      'happened_at', private.uuid_v7_time(a.id),
      'event', jsonb_strip_nulls(jsonb_build_object(
        'from', a.metadata -> 'from', 'to', a.metadata -> 'to', 'status', a.metadata -> 'status', 'outcome', a.metadata -> 'outcome',
        'type', a.metadata -> 'type', 'channel', a.metadata -> 'channel', 'direction', a.metadata -> 'direction', 'duration', a.metadata -> 'duration',
        'due_date', a.metadata -> 'due_date', 'actor_id', a.actor_id, 'person_id', coalesce(a.metadata -> 'assigned_to', to_jsonb(a.actor_id)),
        'occurred_at', a.occurred_at, 'activity_id', a.id
      ))
    )), '[]')
    from public.activities a
    cross join lateral unnest(private.automation_triggers_of(a)) t (name)
    where a.id = any (p_activities)
      and a.lead_id is not null
      and exists (select from public.automation_workflows w where w.trigger_type = t.name and w.is_live)
  );
end
$$;

comment on function private.automation_events(uuid[]) is 'Rows of the timeline as events for automation_begin(), as far as a workflow waits for them.';

create function private.automation_read(p_limit integer, p_now timestamptz) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  since constant timestamptz := (
    select min(w.active_since) from public.automation_workflows w where w.is_live and w.trigger_type not in ('task_overdue', 'reminder_overdue', 'manual')
  );
begin
  if since is null then
    return 0;
  end if;

  return private.automation_begin(
    private.automation_events((select r.activities from private.take_timeline('automation', since - interval '1 minute', p_limit) r)), p_now
  );
end
$$;

comment on function private.automation_read(integer, timestamptz) is 'Reads on in the timeline and begins the runs of what happened. Without a workflow nothing is read.';

create function private.automation_overdue(p_kind text, p_limit integer, p_now timestamptz) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  since constant timestamptz := (select min(w.active_since) from public.automation_workflows w where w.is_live and w.trigger_type = p_kind);
  -- Whoever enters what is due at once has ended by then.
  until constant timestamptz := p_now - case p_kind
    when 'task_overdue' then interval '1 minute'
    else make_interval(mins => (private.setting('automation.reminder_overdue_minutes'))::integer)
  end;
  clock timestamptz;
  reached timestamptz;
  events jsonb;
begin
  if since is null then
    return 0;
  end if;

  select greatest(c.read_until, since) into clock from private.automation_clock c where c.kind = p_kind for update skip locked;

  if clock is null or clock >= until then
    return 0;
  end if;

  if p_kind = 'task_overdue' then
    select jsonb_agg(jsonb_build_object(
      'key', format('task %s %s', t.id, extract(epoch from t.due_date)), 'name', p_kind, 'lead_id', t.lead_id, 'source_id', t.id, 'happened_at', t.due_date,
      'event', jsonb_build_object('task_id', t.id, 'person_id', t.assigned_to, 'due_date', t.due_date, 'priority', t.priority)
    )), max(t.due_date)
    into events, reached
    from (
      select x.*
      from public.tasks x
      where x.due_date > clock and x.due_date <= until and x.deleted_at is null and x.status not in ('done', 'cancelled')
      order by x.due_date
      fetch first p_limit rows with ties
    ) t;
  else
    select jsonb_agg(jsonb_build_object(
      'key', format('reminder %s %s', t.id, extract(epoch from t.remind_at)), 'name', p_kind, 'lead_id', t.lead_id, 'source_id', t.id, 'happened_at', t.remind_at,
      'event', jsonb_build_object('reminder_id', t.id, 'person_id', t.agent_id, 'due_date', t.remind_at)
    )), max(t.remind_at)
    into events, reached
    from (
      select x.*
      from public.reminders x
      where x.remind_at > clock and x.remind_at <= until and x.deleted_at is null and x.status = 'pending'
      order by x.remind_at
      fetch first p_limit rows with ties
    ) t;
  end if;

  update private.automation_clock c set read_until = case when jsonb_array_length(events) >= p_limit then reached else until end where c.kind = p_kind;

  return private.automation_begin(coalesce(events, '[]'), p_now);
end
$$;

comment on function private.automation_overdue(text, integer, timestamptz) is 'Begins the runs of tasks or reminders whose time is over while they are open.';

-- Functions: the sweep

create function private.automation_carry_on(p_run_id uuid, p_now timestamptz) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  most constant integer := (private.setting('automation.max_attempts'))::integer;
  run public.automation_runs;
  workflow public.automation_workflows;
  lead public.leads;
  step public.automation_run_steps;
  did jsonb;
  code text;
  said text;
  next timestamptz;
  performed integer := 0;
begin
  select * into run from public.automation_runs r where r.id = p_run_id and r.next_at <= p_now for update skip locked;

  if run.id is null then
    return 0;
  end if;

  select * into workflow from public.automation_workflows w where w.id = run.workflow_id;

  select * into lead from public.leads l where l.id = run.lead_id for no key update skip locked;

  if lead.id is null and run.lead_id is not null then
    -- Somebody works on it: in a while again, behind others.
    update public.automation_runs r set next_at = p_now + interval '10 seconds' where r.id = run.id;

    return 0;
  end if;

  if lead.deleted_at is not null or not workflow.is_live or workflow.active_since > run.created_at then
    update public.automation_run_steps s set status = 'cancelled', finished_at = p_now where s.run_id = run.id and s.status = 'pending';

    update public.automation_runs r set status = 'cancelled', next_at = null, finished_at = p_now where r.id = run.id;

    return 0;
  end if;

  perform set_config('intake.automation', run.id::text, true);

  loop
    select * into step from public.automation_run_steps s where s.run_id = run.id and s.status = 'pending' order by s.position limit 1;

    exit when step.id is null or step.run_at > p_now;

    begin
      did := private.automation_perform(step.id, step.action, lead, run.event, workflow.name);

      update public.automation_run_steps s
      set status = case when did ? 'skipped' then 'skipped' else 'done' end, attempts = step.attempts + 1, error = null, result = did, finished_at = p_now
      where s.id = step.id;

      performed := performed + 1;
    exception
      when lock_not_available or deadlock_detected or serialization_failure then
        -- People come first: no attempt of the step's.
        update public.automation_run_steps s set run_at = p_now + interval '10 seconds' where s.id = step.id;
      when others then
        get stacked diagnostics code = returned_sqlstate, said = pg_exception_detail;

        update public.automation_run_steps s
        set attempts = step.attempts + 1,
          error = left(case when code like 'PT%' or said ~ '^[a-z_]+(:|$)' then split_part(said, ':', 1) else code end, 500),
          status = case when step.attempts + 1 >= most then 'failed' else 'pending' end,
          finished_at = case when step.attempts + 1 >= most then p_now end,
          run_at = case when step.attempts + 1 >= most then s.run_at else p_now + make_interval(mins => 5 * (step.attempts + 1)) end
        where s.id = step.id;
    end;

    -- As the action left it.
    select * into lead from public.leads l where l.id = run.lead_id;
  end loop;

  perform set_config('intake.automation', '', true);

  select min(s.run_at) into next
  from (select x.run_at from public.automation_run_steps x where x.run_id = run.id and x.status = 'pending' order by x.position limit 1) s;

  update public.automation_runs r
  set next_at = next,
    finished_at = case when next is null then p_now end,
    status = case
      when next is not null then 'running'
      when exists (select from public.automation_run_steps s where s.run_id = run.id and s.status = 'failed') then 'failed'
      else 'done'
    end
  where r.id = run.id;

  return performed;
end
$$;

comment on function private.automation_carry_on(uuid, timestamptz) is 'Does the steps of a run that are due, in order, each in a subtransaction: one that fails is tried again after 5 and 10 minutes, then recorded, and the next ones go on. A run or lead that somebody holds waits. Answers how many steps ended.';

-- Its sweeps never wait long for people, so that a deadlock is never theirs to pay.
create function private.automation_sweep(p_limit integer default 100, p_now timestamptz default now()) returns integer
language plpgsql volatile security definer set search_path = '' set lock_timeout = '500ms' set enable_seqscan = off as $$
declare
  done integer;
  run uuid;
begin
  done := private.automation_read(p_limit * 10, p_now)
    + private.automation_overdue('task_overdue', p_limit * 10, p_now)
    + private.automation_overdue('reminder_overdue', p_limit * 10, p_now);

  for run in
    select r.id from public.automation_runs r where r.next_at <= p_now order by r.next_at, r.id limit p_limit
  loop
    done := done + private.automation_carry_on(run, p_now);
  end loop;

  return done;
end
$$;

comment on function private.automation_sweep(integer, timestamptz) is 'Begins the runs of what happened, and carries on those that are due. Answers how many runs began and steps ended. May overlap with itself.';

create procedure private.automation_catch_up(p_sweeps integer default 50)
language plpgsql as $$
declare
  done integer;
begin
  -- No search_path clause: a procedure that has one may not commit. Every name is qualified.
  for sweep in 1 .. p_sweeps loop
    done := private.automation_sweep();

    commit;

    exit when done = 0 and not exists (
      select from private.timeline_readers r join public.activities a on a.id > r.read_until and a.id < r.fence
      where r.name = 'automation' and exists (select from public.automation_workflows w where w.is_live)
    );
  end loop;
end
$$;

comment on procedure private.automation_catch_up(integer) is 'Run every minute: sweeps, each in a transaction of its own so that no lead is held for long, until nothing is left or p_sweeps were done.';

create function private.automation_purge(p_limit integer default 10000) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  before constant timestamptz := private.retention_cutoff('automation.retention_days');
  purged integer;
begin
  delete from public.automation_runs r
  where r.id = any (array(select x.id from public.automation_runs x where x.finished_at < before order by x.finished_at limit p_limit));

  get diagnostics purged = row_count;

  return purged;
end
$$;

comment on function private.automation_purge(integer) is 'Deletes runs that ended longer ago than automation.retention_days. Run hourly.';

-- Triggers

create function private.stop_automation_runs() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  with stopped as (
    update public.automation_runs r
    set status = 'cancelled', next_at = null, finished_at = clock_timestamp()
    where r.workflow_id = new.id and r.status = 'running'
    returning r.id
  )
  update public.automation_run_steps s
  set status = 'cancelled', finished_at = clock_timestamp()
  from stopped r
  where s.run_id = r.id and s.status = 'pending';

  return null;
end
$$;

comment on function private.stop_automation_runs() is 'A workflow that is stopped does nothing more. A run that a sweep begins at this moment is cancelled when it is looked at.';

create function private.move_automation_run() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  -- Back at its own lead it is as it was.
  if not private.is_restoring() then
    select l.assigned_to, l.team_id into new.lead_owner_id, new.team_id from public.leads l where l.id = new.lead_id;
  end if;

  return new;
end
$$;

comment on function private.move_automation_run() is 'A run that a merge moves goes on with the lead that stays.';

create trigger move_automation_run before update of lead_id on public.automation_runs
  for each row when (old.lead_id is distinct from new.lead_id) execute function private.move_automation_run();

create trigger stop_automation_runs after update on public.automation_workflows
  for each row when (old.is_live and not new.is_live) execute function private.stop_automation_runs();

-- Schedule

select cron.schedule('intake-automation', '* * * * *', 'call private.automation_catch_up()');

select cron.schedule('intake-automation-purge', '37 * * * *', 'select private.automation_purge()');

-- Grants

revoke all on public.automation_runs, public.automation_run_steps from anon, authenticated, service_role;

revoke all on private.automation_clock from anon, authenticated, service_role;

grant select on public.automation_runs, public.automation_run_steps to authenticated;

grant select, insert, update, delete on public.automation_runs, public.automation_run_steps to service_role;

revoke all on function
  private.automation_triggers_of(public.activities),
  private.automation_begin(jsonb, timestamptz),
  private.automation_events(uuid[]),
  private.automation_read(integer, timestamptz),
  private.automation_overdue(text, integer, timestamptz),
  private.automation_carry_on(uuid, timestamptz),
  private.automation_sweep(integer, timestamptz),
  private.automation_purge(integer),
  private.stop_automation_runs(),
  private.move_automation_run()
  from public, anon, authenticated, service_role;

revoke all on procedure private.automation_catch_up(integer) from public, anon, authenticated, service_role;

-- This module's settings

select
  private.define_setting('automation.max_attempts', '3', 'integer', 'How often an action of a workflow is tried before it counts as failed', 1, 10),
  private.define_setting('automation.max_chain', '5', 'integer', 'How many workflows may set off one another', 1, 20),
  private.define_setting('automation.max_runs_per_lead', '20', 'integer', 'How often one workflow may run for one lead within a day', 1, 1000),
  private.define_setting('automation.reminder_overdue_minutes', '60', 'integer', 'Minutes after its time that an open reminder counts as overdue for workflows', 0, 10080),
  private.define_setting('automation.retention_days', '90', 'integer', 'Days that the runs of workflows are kept after they ended; 0 keeps them for ever', 0, 3650);

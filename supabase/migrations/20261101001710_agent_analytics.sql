-- Agent analytics: how people do, and what comes of telephone calls.
--
-- Every function that answers is SECURITY INVOKER, so that row level security decides what is counted; a
-- person's figures are for themselves, for the managers of their team and for scope all. Days are those of
-- the organisation's time zone. A call counts on the day it was made, or is to be made. A lead counts on
-- the day it came, and as an enrolment if it ever reached a won stage, as in analytics_kpis(). What the
-- figures mean, and how the score is made, is written in docs/analytics.md.

-- Indexes: by when a call or a message took place, which is not when it was entered

create index calls_by_time on public.calls (occurred_at) where deleted_at is null;

create index calls_of_agent_by_time on public.calls (agent_id, occurred_at) where deleted_at is null;

create index calls_of_team_by_time on public.calls (team_id, occurred_at) where deleted_at is null;

create index communications_of_person_by_time on public.communications (user_id, sent_at) where deleted_at is null and campaign_id is null;

-- Functions

create function private.percent(p_part numeric, p_whole numeric) returns numeric
language sql immutable parallel safe set search_path = '' as $$
  select coalesce(round(100.0 * p_part / nullif(p_whole, 0), 1), 0);
$$;

comment on function private.percent(numeric, numeric) is 'A rate in percent with one decimal; 0 of nothing.';

create function private.successful_outcomes() returns text[]
language plpgsql stable security definer set search_path = '' as $$
begin
  return array(select jsonb_array_elements_text(private.setting('analytics.successful_outcomes')));
end
$$;

comment on function private.successful_outcomes() is 'Outcomes that make a completed call a successful one: the setting analytics.successful_outcomes.';

create function private.won_position() returns smallint
language plpgsql stable security definer set search_path = '' as $$
begin
  return (select min(s.position) from public.pipeline_stages s where s.is_won);
end
$$;

comment on function private.won_position() is 'A lead whose max_stage is this or more was won once; null without a won stage.';

create function private.agents_in_reach() returns uuid[]
language plpgsql stable security definer set search_path = '' as $$
begin
  if private.gate_all() is not null then
    return array(select p.id from public.profiles p);
  end if;

  return array(
    select m.user_id from public.team_members m where m.team_id = any (private.gate_team())
    union
    select g.own from private.gate_own() g (own) where g.own is not null
  );
end
$$;

comment on function private.agents_in_reach() is 'Whose figures the caller may see: everybody''s for scope all, those of the teams they manage for scope team, and their own.';

create function private.require_agent(p_agent_id uuid) returns uuid
language plpgsql stable set search_path = '' as $$
declare
  agent uuid := coalesce(p_agent_id, private.gate_own());
begin
  if agent is null or agent <> all (private.agents_in_reach()) then
    perform private.fail('not_found', 'agent');
  end if;

  return agent;
end
$$;

comment on function private.require_agent(uuid) is 'The agent named, or the caller. Raises not_found unless the caller may see their figures.';

create function private.day_start(p_day date) returns timestamptz
language plpgsql stable set search_path = '' as $$
begin
  return p_day::timestamp at time zone private.organization_timezone();
end
$$;

comment on function private.day_start(date) is 'When this day begins for the organisation.';

create function private.check_period(p_from date, p_to date, p_most_days integer default null) returns void
language plpgsql stable set search_path = '' as $$
begin
  if p_from > p_to then
    perform private.fail('argument_invalid', 'p_from is after p_to');
  end if;

  if p_most_days is not null and (not isfinite(p_from) or not isfinite(p_to) or p_to - p_from >= p_most_days) then
    perform private.fail('argument_invalid', 'a period is at most ' || p_most_days || ' days');
  end if;
end
$$;

comment on function private.check_period(date, date, integer) is 'Raises argument_invalid for a period that ends before it begins, or is too long.';

create function private.call_days(p_agent_ids uuid[], p_from date, p_to date)
returns table (agent_id uuid, day date, total bigint, completed bigint, missed bigint, cancelled bigint, successful bigint, seconds bigint)
language plpgsql stable security invoker set search_path = '' as $$
declare
  zone constant text := private.organization_timezone();
  good constant text[] := private.successful_outcomes();
  -- Not in the query, which might ask once per row.
  since constant timestamptz := private.day_start(coalesce(p_from, '-infinity'));
  until constant timestamptz := private.day_start(coalesce(p_to + 1, 'infinity'));
begin
  return query
  select
    c.agent_id,
    (c.occurred_at at time zone zone)::date,
    count(*),
    count(*) filter (where c.status = 'completed'),
    count(*) filter (where c.status = 'missed'),
    count(*) filter (where c.status = 'cancelled'),
    count(*) filter (where c.status = 'completed' and c.outcome = any (good)),
    coalesce(sum(c.duration) filter (where c.status = 'completed'), 0)::bigint
  from public.calls c
  where c.deleted_at is null
    and c.agent_id = any (p_agent_ids)
    and c.occurred_at >= since
    and c.occurred_at < until
  group by 1, 2;
end
$$;

comment on function private.call_days(uuid[], date, date) is 'Calls of these people per day that had any, both days included, null for no limit: in all, by how they ended, successful ones, and seconds spoken.';

create function private.interactions_of(p_agent_ids uuid[], p_from date, p_to date) returns table (agent_id uuid, interactions bigint)
language plpgsql stable security invoker set search_path = '' as $$
declare
  since constant timestamptz := private.day_start(coalesce(p_from, '-infinity'));
  until constant timestamptz := private.day_start(coalesce(p_to + 1, 'infinity'));
begin
  return query
  select i.person, count(*)
  from (
    select c.agent_id as person
    from public.calls c
    where c.deleted_at is null and c.agent_id = any (p_agent_ids) and c.status = 'completed'
      and c.occurred_at >= since and c.occurred_at < until
    union all
    select m.user_id
    from public.communications m
    where m.deleted_at is null and m.user_id = any (p_agent_ids) and m.sent_at >= since and m.sent_at < until
      and m.campaign_id is null and m.status in ('sent', 'delivered', 'read', 'received', 'completed')
    union all
    select n.author_id
    from public.notes n
    where n.deleted_at is null and n.author_id = any (p_agent_ids) and n.created_at >= since and n.created_at < until
  ) i
  group by i.person;
end
$$;

comment on function private.interactions_of(uuid[], date, date) is 'How often these people dealt with somebody: calls completed, messages and meetings that happened, notes. What a campaign sent is nobody''s own.';

create function private.performance_score(
  p_leads numeric,
  p_enrollments numeric,
  p_completed numeric,
  p_missed numeric,
  p_cancelled numeric,
  p_successful numeric
) returns numeric
language plpgsql stable security definer set search_path = '' as $$
begin
  return (
    select round(sum(part.weight * part.points) / nullif(sum(part.weight), 0), 1)
    from (values
      ((private.setting('analytics.score_weight_success'))::numeric, 100 * p_successful / nullif(p_completed + p_missed, 0)),
      ((private.setting('analytics.score_weight_completion'))::numeric, 100 * p_completed / nullif(p_completed + p_missed + p_cancelled, 0)),
      (
        (private.setting('analytics.score_weight_conversion'))::numeric,
        -- Not least() alone: of nothing and 100 it makes 100.
        case when p_leads > 0 then least(100, 100 * (100 * p_enrollments / p_leads) / (private.setting('analytics.score_target_conversion'))::numeric) end
      )
    ) part (weight, points)
    where part.points is not null
  );
end
$$;

comment on function private.performance_score(numeric, numeric, numeric, numeric, numeric, numeric) is 'The performance score, 0 to 100: the weighted mean of call success (successful per completed or missed call), call completion (completed per call that came to an end) and lead conversion (enrolments per lead, in percent of analytics.score_target_conversion, at most 100). Weights are the settings analytics.score_weight_*. A part without calls or leads is left out with its weight; null when none is left.';

create function private.agent_totals(p_agent_id uuid, p_from date, p_to date) returns jsonb
language plpgsql stable security invoker set search_path = '' as $$
declare
  leads constant jsonb := public.analytics_kpis(p_from, p_to, null, null, p_agent_id);
  calls record;
begin
  select
    coalesce(sum(d.total), 0) as total, coalesce(sum(d.completed), 0) as completed, coalesce(sum(d.missed), 0) as missed,
    coalesce(sum(d.cancelled), 0) as cancelled, coalesce(sum(d.successful), 0) as successful, coalesce(sum(d.seconds), 0) as seconds
  into calls
  from private.call_days(array[p_agent_id], p_from, p_to) d;

  return jsonb_build_object(
    'total_leads', leads -> 'total_leads',
    'active_leads', leads -> 'active_pipeline',
    'enrollments', leads -> 'enrollments',
    'lead_conversion_rate', leads -> 'conversion_rate',
    'total_calls', calls.total,
    'completed_calls', calls.completed,
    'missed_calls', calls.missed,
    'successful_calls', calls.successful,
    'call_success_rate', private.percent(calls.successful, calls.completed + calls.missed),
    'call_completion_rate', private.percent(calls.completed, calls.completed + calls.missed + calls.cancelled),
    'call_duration', calls.seconds,
    'average_call_duration', coalesce(round(calls.seconds / nullif(calls.completed, 0)), 0),
    'performance_score', private.performance_score(
      (leads ->> 'total_leads')::numeric, (leads ->> 'enrollments')::numeric, calls.completed, calls.missed, calls.cancelled, calls.successful
    )
  );
end
$$;

comment on function private.agent_totals(uuid, date, date) is 'The figures of one person that agent_stats() and analytics_agent_performance() have in common.';

-- RPCs

create function public.agent_stats(p_agent_id uuid default null, p_from date default null, p_to date default null) returns jsonb
language plpgsql stable security invoker set search_path = '' as $$
declare
  agent constant uuid := private.require_agent(p_agent_id);
begin
  perform private.check_period(p_from, p_to);

  return jsonb_build_object(
    'agent_id', agent,
    'full_name', (select p.full_name from public.profiles p where p.id = agent),
    'from', p_from,
    'to', p_to,
    'interactions', coalesce((select i.interactions from private.interactions_of(array[agent], p_from, p_to) i), 0)
  ) || private.agent_totals(agent, p_from, p_to);
end
$$;

comment on function public.agent_stats(uuid, date, date) is 'Figures of one person (the caller, unless another is named) from one day to another, both included, null for no limit: {agent_id, full_name, from, to, interactions, total_leads, active_leads, enrollments, lead_conversion_rate, total_calls, completed_calls, missed_calls, successful_calls, call_success_rate, call_completion_rate, call_duration, average_call_duration (seconds), performance_score}. Rates are percent, 0 of nothing; the score is null of nothing. Errors: not_found, argument_invalid. Answers D4-037.';

create function public.analytics_agent_performance(p_agent_id uuid default null, p_days integer default 30) returns jsonb
language plpgsql stable security invoker set search_path = '' as $$
declare
  agent constant uuid := private.require_agent(p_agent_id);
  zone constant text := private.organization_timezone();
  won constant smallint := private.won_position();
  last_day constant date := (now() at time zone zone)::date;
  first_day date;
  since timestamptz;
  until constant timestamptz := private.day_start(last_day + 1);
  totals jsonb;
  score_before numeric;
  change numeric;
  daily jsonb;
begin
  if p_days is null or p_days not between 1 and 366 then
    perform private.fail('argument_invalid', 'p_days is 1 to 366');
  end if;

  first_day := last_day - p_days + 1;
  since := private.day_start(first_day);
  totals := private.agent_totals(agent, first_day, last_day);
  score_before := (private.agent_totals(agent, first_day - p_days, first_day - 1) ->> 'performance_score')::numeric;
  change := (totals ->> 'performance_score')::numeric - score_before;

  select jsonb_agg(jsonb_build_object(
    'date', d.day,
    'leads', coalesce(l.leads, 0),
    'enrollments', coalesce(l.enrollments, 0),
    'lead_conversion_rate', private.percent(l.enrollments, l.leads),
    'calls', coalesce(c.total, 0),
    'completed_calls', coalesce(c.completed, 0),
    'successful_calls', coalesce(c.successful, 0),
    'call_success_rate', private.percent(c.successful, c.completed + c.missed),
    'performance_score', private.performance_score(l.leads, l.enrollments, c.completed, c.missed, c.cancelled, c.successful)
  ) order by d.day)
  into daily
  from (select last_day - n as day from generate_series(0, p_days - 1) n) d
  left join private.call_days(array[agent], first_day, last_day) c on c.day = d.day
  left join (
    select (x.created_at at time zone zone)::date as day, count(*) as leads, count(*) filter (where x.max_stage >= won) as enrollments
    from public.leads x
    where x.assigned_to = agent and x.deleted_at is null
      and x.created_at >= since and x.created_at < until
    group by 1
  ) l on l.day = d.day;

  return jsonb_build_object(
    'agent_id', agent,
    'full_name', (select p.full_name from public.profiles p where p.id = agent),
    'from', first_day,
    'to', last_day
  ) || totals || jsonb_build_object(
    'daily', daily,
    'trend', jsonb_build_object(
      'direction', case when change >= 1 then 'up' when change <= -1 then 'down' when change is not null then 'steady' end,
      'change', change,
      'previous_score', score_before
    )
  );
end
$$;

comment on function public.analytics_agent_performance(uuid, integer) is 'How one person (the caller, unless another is named) does over the last p_days days, today included: the figures of agent_stats() but interactions, daily[{date, leads, enrollments, lead_conversion_rate, calls, completed_calls, successful_calls, call_success_rate, performance_score}] with every day, and trend{direction, change, previous_score} against as many days before: up or down from one point on, else steady; null where either score is. The score is that of private.performance_score(). Errors: not_found, argument_invalid. Answers D4-045.';

create function public.analytics_counselor_performance(p_date_from date default null, p_date_to date default null)
returns table (counselor_id uuid, counselor text, leads bigint, interactions bigint, enrollments bigint, conversion_rate numeric)
language plpgsql stable security invoker set search_path = '' as $$
declare
  people constant uuid[] := private.agents_in_reach();
begin
  -- lead_filter() refuses a period that ends before it begins.
  return query execute format($query$
    with counted as (
      select l.assigned_to as person, count(*) as leads, count(*) filter (where l.max_stage >= $4) as enrollments
      from public.leads l
      where %s and l.assigned_to is not null
      group by l.assigned_to
    )
    select p.id, p.full_name, coalesce(c.leads, 0), coalesce(i.interactions, 0), coalesce(c.enrollments, 0), private.percent(c.enrollments, c.leads)
    from public.profiles p
    join public.roles r on r.id = p.role_id
    left join counted c on c.person = p.id
    left join private.interactions_of($1, $2, $3) i on i.agent_id = p.id
    where p.id = any ($1) and ((p.is_active and r.key = 'counselor') or c.person is not null or i.agent_id is not null)
    order by 5 desc, 3 desc, p.full_name, p.id
  $query$, private.lead_filter('l', p_date_from, p_date_to, null, null, null))
  using people, p_date_from, p_date_to, private.won_position();
end
$$;

comment on function public.analytics_counselor_performance(date, date) is 'Per counselor whose figures the caller may see: leads that came on these days, interactions (calls completed, messages and meetings that happened, notes), enrollments (of those leads) and conversion_rate (enrolments per lead in percent), the most enrolments first. Active counselors stand here without any, other people who had some. Answers D3-019.';

create function public.analytics_calls(
  p_from date default null,
  p_to date default null,
  p_agent_id uuid default null,
  p_outcome text default null,
  p_status text default null,
  p_group text default 'day'
) returns jsonb
language plpgsql stable security invoker set search_path = '' as $$
declare
  zone constant text := private.organization_timezone();
  own constant uuid := private.gate_own();
  teams constant uuid[] := private.gate_team();
  last_day constant date := coalesce(p_to, greatest((now() at time zone zone)::date, p_from));
  first_day constant date := coalesce(p_from, last_day - 29);
  condition text;
  answer jsonb;
begin
  perform private.check_period(first_day, last_day, 3660);

  if p_group is null or p_group not in ('day', 'week', 'month') then
    perform private.fail('argument_invalid', 'p_group is day, week or month');
  end if;

  condition := concat_ws(' and ',
    'c.deleted_at is null',
    format('c.occurred_at >= %L::timestamptz', private.day_start(first_day)),
    format('c.occurred_at < %L::timestamptz', private.day_start(last_day + 1)),
    -- The policies protect; this lets the planner use the index of whose calls they are.
    case
      when private.gate_all() is not null then null
      when teams is not null then format('(c.team_id = any (%1$L::uuid[]) or c.lead_owner_id = %2$L::uuid or c.agent_id = %2$L::uuid)', teams, own)
      when own is not null then format('(c.lead_owner_id = %1$L::uuid or c.agent_id = %1$L::uuid)', own)
      else 'false'
    end,
    case when p_agent_id is not null then format('c.agent_id = %L::uuid', p_agent_id) end,
    case when p_outcome is not null then format('c.outcome = %L', replace(lower(btrim(p_outcome)), ' ', '_')) end,
    case when p_status is not null then format('c.status = %L', replace(lower(btrim(p_status)), ' ', '_')) end
  );

  -- The calls are read once and folded into few cells, of which every part of the answer is a sum.
  execute format($query$
    with cells as materialized (
      select
        date_trunc($2, day.local)::date as bucket, extract(hour from day.local)::integer as hour, c.status, c.outcome,
        c.status = 'completed' and coalesce(c.outcome = any ($3), false) as is_successful,
        count(*) as calls, sum(c.duration) as seconds, min(c.duration) as shortest, max(c.duration) as longest
      from public.calls c
      cross join lateral (select c.occurred_at at time zone $1 as local) day
      where %1$s
      group by 1, 2, 3, 4, 5
    ),
    spoken as (
      select
        sum(x.calls) as total, sum(x.calls) filter (where x.status = 'completed') as completed, sum(x.calls) filter (where x.status = 'missed') as missed,
        sum(x.calls) filter (where x.status in ('completed', 'missed', 'cancelled')) as ended, sum(x.calls) filter (where x.is_successful) as successful,
        sum(x.seconds) filter (where x.status = 'completed') as seconds, min(x.shortest) filter (where x.status = 'completed') as shortest,
        max(x.longest) filter (where x.status = 'completed') as longest
      from cells x
    ),
    called as (
      select count(*) as leads, count(*) filter (where l.max_stage >= $4) as converted
      from (select distinct c.lead_id from public.calls c where %1$s and c.lead_id is not null) d
      join public.leads l on l.id = d.lead_id
    )
    select jsonb_build_object(
      'total_calls', coalesce(s.total, 0),
      'completed_calls', coalesce(s.completed, 0),
      'missed_calls', coalesce(s.missed, 0),
      'successful_calls', coalesce(s.successful, 0),
      'success_rate', private.percent(s.successful, coalesce(s.completed, 0) + coalesce(s.missed, 0)),
      'completion_rate', private.percent(s.completed, s.ended),
      'leads_called', called.leads,
      'leads_converted', called.converted,
      'conversion_rate', private.percent(called.converted, called.leads),
      'outcomes', (
        select coalesce(jsonb_agg(jsonb_build_object('outcome', o.outcome, 'count', o.calls, 'percentage', private.percent(o.calls, s.total)) order by o.calls desc, o.outcome), '[]')
        from (select x.outcome, sum(x.calls) as calls from cells x group by x.outcome) o
      ),
      'status', (
        select jsonb_agg(jsonb_build_object('status', t.status, 'count', coalesce(x.calls, 0), 'percentage', private.percent(x.calls, s.total)) order by t.place)
        from unnest(array['scheduled', 'in_progress', 'completed', 'missed', 'cancelled']) with ordinality t (status, place)
        left join (select y.status, sum(y.calls) as calls from cells y group by y.status) x on x.status = t.status
      ),
      'durations', jsonb_build_object(
        'total', coalesce(s.seconds, 0),
        'average', coalesce(round(s.seconds / nullif(s.completed, 0)), 0),
        'shortest', coalesce(s.shortest, 0),
        'longest', coalesce(s.longest, 0)
      ),
      'daily', (
        select jsonb_agg(jsonb_build_object(
          'date', b.bucket::date, 'total', coalesce(x.total, 0), 'completed', coalesce(x.completed, 0), 'missed', coalesce(x.missed, 0),
          'successful', coalesce(x.successful, 0), 'duration', coalesce(x.seconds, 0),
          'success_rate', private.percent(x.successful, coalesce(x.completed, 0) + coalesce(x.missed, 0))
        ) order by b.bucket)
        from generate_series(date_trunc($2, $5::timestamp), $6::timestamp, ('1 ' || $2)::interval) b (bucket)
        left join (
          select
            y.bucket, sum(y.calls) as total, sum(y.calls) filter (where y.status = 'completed') as completed, sum(y.calls) filter (where y.status = 'missed') as missed,
            sum(y.calls) filter (where y.is_successful) as successful, sum(y.seconds) filter (where y.status = 'completed') as seconds
          from cells y
          group by y.bucket
        ) x on x.bucket = b.bucket::date
      ),
      'hourly', (
        select jsonb_agg(jsonb_build_object('hour', h.hour, 'total', coalesce(x.total, 0), 'successful', coalesce(x.successful, 0)) order by h.hour)
        from generate_series(0, 23) h (hour)
        left join (
          select y.hour, sum(y.calls) as total, sum(y.calls) filter (where y.is_successful) as successful from cells y group by y.hour
        ) x on x.hour = h.hour
      )
    )
    from spoken s, called
  $query$, condition)
  into answer
  using zone, p_group, private.successful_outcomes(), private.won_position(), first_day, last_day;

  return jsonb_build_object('from', first_day, 'to', last_day, 'group', p_group) || answer;
end
$$;

comment on function public.analytics_calls(date, date, uuid, text, text, text) is 'Calls that the caller may see, made or to be made from p_from to p_to (the last 30 days if left out), filtered by agent, outcome and status: {from, to, group, total_calls, completed_calls, missed_calls, successful_calls, success_rate, completion_rate, leads_called, leads_converted, conversion_rate, outcomes[{outcome,count,percentage}], status[{status,count,percentage}], durations{total,average,shortest,longest} of completed calls in seconds, daily[{date,total,completed,missed,successful,duration,success_rate}] by day, week or month (p_group), hourly[{hour,total,successful}]}. success_rate: successful per completed or missed call; completion_rate: completed per call that came to an end; conversion_rate: leads called that ever reached a won stage. Rates are percent, 0 of nothing. Error argument_invalid. Answers D4-046.';

-- Grants

revoke all on function private.percent(numeric, numeric) from public, anon, authenticated, service_role;

grant execute on function private.percent(numeric, numeric) to authenticated, service_role;

revoke all on function private.successful_outcomes() from public, anon, authenticated, service_role;

grant execute on function private.successful_outcomes() to authenticated;

revoke all on function private.won_position() from public, anon, authenticated, service_role;

grant execute on function private.won_position() to authenticated;

revoke all on function private.agents_in_reach() from public, anon, authenticated, service_role;

grant execute on function private.agents_in_reach() to authenticated;

revoke all on function private.require_agent(uuid) from public, anon, authenticated, service_role;

grant execute on function private.require_agent(uuid) to authenticated;

revoke all on function private.day_start(date) from public, anon, authenticated, service_role;

grant execute on function private.day_start(date) to authenticated;

revoke all on function private.check_period(date, date, integer) from public, anon, authenticated, service_role;

grant execute on function private.check_period(date, date, integer) to authenticated;

revoke all on function private.call_days(uuid[], date, date) from public, anon, authenticated, service_role;

grant execute on function private.call_days(uuid[], date, date) to authenticated;

revoke all on function private.interactions_of(uuid[], date, date) from public, anon, authenticated, service_role;

grant execute on function private.interactions_of(uuid[], date, date) to authenticated;

revoke all on function private.performance_score(numeric, numeric, numeric, numeric, numeric, numeric) from public, anon, authenticated, service_role;

grant execute on function private.performance_score(numeric, numeric, numeric, numeric, numeric, numeric) to authenticated;

revoke all on function private.agent_totals(uuid, date, date) from public, anon, authenticated, service_role;

grant execute on function private.agent_totals(uuid, date, date) to authenticated;

revoke all on function public.agent_stats(uuid, date, date) from public, anon, authenticated, service_role;

grant execute on function public.agent_stats(uuid, date, date) to authenticated;

revoke all on function public.analytics_agent_performance(uuid, integer) from public, anon, authenticated, service_role;

grant execute on function public.analytics_agent_performance(uuid, integer) to authenticated;

revoke all on function public.analytics_counselor_performance(date, date) from public, anon, authenticated, service_role;

grant execute on function public.analytics_counselor_performance(date, date) to authenticated;

revoke all on function public.analytics_calls(date, date, uuid, text, text, text) from public, anon, authenticated, service_role;

grant execute on function public.analytics_calls(date, date, uuid, text, text, text) to authenticated;

-- This module's settings

select
  private.define_setting('analytics.successful_outcomes', '["connected", "interested", "callback"]', 'list', 'Outcomes that make a completed call a successful one', 1, 9,
    array['connected', 'interested', 'not_interested', 'callback', 'no_answer', 'busy', 'voicemail', 'wrong_number', 'other']),
  private.define_setting('analytics.score_weight_success', '40', 'number', 'Weight of call success in the performance score', 0, 100),
  private.define_setting('analytics.score_weight_completion', '20', 'number', 'Weight of call completion in the performance score', 0, 100),
  private.define_setting('analytics.score_weight_conversion', '40', 'number', 'Weight of lead conversion in the performance score', 0, 100),
  private.define_setting('analytics.score_target_conversion', '20', 'number', 'Percent of leads enrolled that counts as 100 points in the performance score', 1, 100);

-- Dashboards: the figures of a period beside those of the period before, and what is drawn of them.
--
-- Every function is SECURITY INVOKER and adds the caller's scope, as in the module analytics. Days are the
-- organisation's. Money counts in the organisation's currency alone: what is in another is left out, not converted.

-- Indexes: by when something took place

create index communications_by_time on public.communications (sent_at) include (type, status, user_id, lead_owner_id, team_id) where deleted_at is null;

create index communications_clicked on public.communications (clicked_at) include (user_id, lead_owner_id, team_id) where clicked_at is not null and deleted_at is null;

create index students_by_enrolment on public.students (enrolled_at) include (assigned_to, team_id) where deleted_at is null;

-- Functions

create function private.change(p_now numeric, p_before numeric) returns numeric
language sql immutable parallel safe set search_path = '' as $$
  select case when p_before = 0 then 100 * sign(p_now) else round(100 * (p_now - p_before) / abs(p_before), 1) end;
$$;

comment on function private.change(numeric, numeric) is 'By how many percent a figure changed: 0 if both are nothing, 100 if there was nothing before.';

create function private.trend(p_now numeric, p_before numeric) returns jsonb
language sql immutable parallel safe set search_path = '' as $$
  select jsonb_build_object('value', p_now, 'change', private.change(p_now, p_before), 'trend', case when p_now >= p_before then 'up' else 'down' end);
$$;

comment on function private.trend(numeric, numeric) is 'A figure beside that of the period before: {value, change, trend}; what stayed the same is up.';

create function private.dashboard_period(p_start date, p_end date, p_most_days integer default 1100, out first_day date, out last_day date, out days integer)
language plpgsql stable set search_path = '' as $$
begin
  last_day := coalesce(p_end, (now() at time zone private.organization_timezone())::date);
  first_day := coalesce(p_start, last_day - 29);

  perform private.check_period(first_day, last_day, p_most_days);

  days := last_day - first_day + 1;
end
$$;

comment on function private.dashboard_period(date, date, integer) is 'The days asked for, both included; the thirty until today, or until the last day named, where they are left out.';

create function private.range_days(p_range text) returns integer
language plpgsql stable set search_path = '' as $$
declare
  parts constant text[] := regexp_match(lower(btrim(p_range)), '^([1-9][0-9]{0,2})([dwmy])$');
  days constant integer := parts[1]::integer * case parts[2] when 'd' then 1 when 'w' then 7 when 'm' then 30 when 'y' then 365 end;
begin
  if days is null or days > 366 then
    perform private.fail('argument_invalid', 'p_range is a number of d, w, m or y, as in 30d, and at most 366 days');
  end if;

  return days;
end
$$;

comment on function private.range_days(text) is 'Days of a range such as 7d, 30d, 12w, 3m (of thirty days) or 1y.';

create function private.scope_of(p_alias text, p_people text[]) returns text
language plpgsql stable set search_path = '' as $$
begin
  return coalesce('(' || nullif(array_to_string(private.scope_branches(p_alias, p_people), ' or '), '') || ')', 'false');
end
$$;

comment on function private.scope_of(text, text[]) is 'The caller''s scope as one WHERE clause, of a table whose people have these columns.';

create function private.revenue_days(p_from date, p_to date) returns table (day date, amount numeric)
language plpgsql stable security invoker set search_path = '' as $$
begin
  return query execute format($query$
    select (p.paid_at at time zone $1)::date, sum(p.paid_amount - p.refund_amount)
    from public.payments p
    where p.paid_at >= $2 and p.paid_at < $3 and p.currency = $4 and %s
    group by 1
  $query$, private.scope_filter('p'))
  using private.organization_timezone(), private.day_start(p_from), private.day_start(p_to + 1), private.setting('organization.currency') #>> '{}';
end
$$;

comment on function private.revenue_days(date, date) is 'What was paid on each of these days, less what went back of it, in the organisation''s currency.';

create function private.revenue_split(p_from date, p_first date, p_to date, out before numeric, out now numeric)
language sql stable security invoker set search_path = '' as $$
  select coalesce(sum(r.amount) filter (where r.day < p_first), 0), coalesce(sum(r.amount) filter (where r.day >= p_first), 0)
  from private.revenue_days(p_from, p_to) r;
$$;

comment on function private.revenue_split(date, date, date) is 'What was paid before a day, and from it on.';

create function private.active_people(p_since timestamptz) returns bigint
language plpgsql stable security definer set search_path = '' as $$
begin
  return (
    select count(*)
    from public.profiles p
    join auth.users u on u.id = p.id
    left join public.agent_presence a on a.user_id = p.id
    where p.is_active and p.id = any (private.agents_in_reach())
      and (
        a.last_seen_at >= p_since
        or u.last_sign_in_at >= p_since
        or exists (select from auth.sessions s where s.user_id = p.id and coalesce(s.updated_at, s.created_at) >= p_since)
      )
  );
end
$$;

comment on function private.active_people(timestamptz) is 'How many of the people whose figures the caller may see signed in, went on with a session or gave a sign of life since then.';

create function private.link_clicks(p_from date, p_first date, p_to date, out before bigint, out now bigint)
language plpgsql stable security invoker set search_path = '' as $$
begin
  execute format($query$
    select count(*) filter (where c.at < $2), count(*) filter (where c.at >= $2)
    from (
      select m.clicked_at as at from public.communications m where m.deleted_at is null and m.clicked_at >= $1 and m.clicked_at < $3 and %s
      union all
      select e.created_at from public.analytics_events e where e.event_type = 'link_click' and e.created_at >= $1 and e.created_at < $3 and %s
    ) c
  $query$, private.scope_of('m', array['user_id', 'lead_owner_id']), private.scope_of('e', array['user_id']))
  using private.day_start(p_from), private.day_start(p_first), private.day_start(p_to + 1)
  into before, now;
end
$$;

comment on function private.link_clicks(date, date, date) is 'Messages whose links were followed, and events link_click, before a day and from it on.';

create function private.communication_counts(p_from date, p_to date) returns jsonb
language plpgsql stable security invoker set search_path = '' as $$
declare
  counts jsonb;
begin
  execute format($query$
    select jsonb_build_object(
      'total', coalesce(sum(t.n), 0), 'email', coalesce(sum(t.n) filter (where t.type = 'email'), 0), 'sms', coalesce(sum(t.n) filter (where t.type = 'sms'), 0),
      'whatsapp', coalesce(sum(t.n) filter (where t.type = 'whatsapp'), 0), 'phone', coalesce(sum(t.n) filter (where t.type = 'call'), 0)
    )
    from (
      select m.type, count(*) as n
      from public.communications m
      where m.deleted_at is null and m.sent_at >= $1 and m.sent_at < $2 and m.type in ('email', 'sms', 'whatsapp', 'call')
        and m.status in ('sent', 'delivered', 'read', 'received', 'completed') and %s
      group by m.type
      union all
      select 'call', count(*) from public.calls c
      where c.deleted_at is null and c.occurred_at >= $1 and c.occurred_at < $2 and c.status = 'completed' and %s
    ) t
  $query$, private.scope_of('m', array['user_id', 'lead_owner_id']), private.scope_of('c', array['agent_id', 'lead_owner_id']))
  using private.day_start(p_from), private.day_start(p_to + 1)
  into counts;

  return counts;
end
$$;

comment on function private.communication_counts(date, date) is 'E-mails, SMS and WhatsApp messages that were sent or received on these days, telephone calls that were completed, and all four together.';

-- RPCs

create function public.dashboard_overview(p_range text default '30d') returns jsonb
language plpgsql stable security invoker set search_path = '' as $$
declare
  days constant integer := private.range_days(p_range);
  last_day constant date := (now() at time zone private.organization_timezone())::date;
  first_day constant date := last_day - days + 1;
  since constant timestamptz := private.day_start(first_day);
  leads record;
  students record;
  revenue record;
  sources jsonb;
begin
  perform private.may_cache(300);

  execute format($query$
    select count(*) filter (where l.created_at >= $1) as now, count(*) filter (where l.created_at < $1) as before from public.leads l where %s
  $query$, private.lead_filter('l', first_day - days, last_day, null, null, null)) into leads using since;

  execute format($query$
    select count(*) filter (where s.enrolled_at >= $1) as now, count(*) filter (where s.enrolled_at < $1) as before
    from public.students s
    where s.deleted_at is null and s.enrolled_at >= $2 and s.enrolled_at < $3 and %s
  $query$, private.scope_filter('s')) into students using since, private.day_start(first_day - days), private.day_start(last_day + 1);

  execute format($query$
    select coalesce(jsonb_agg(jsonb_build_object('source', s.source, 'count', s.n, 'percentage', private.percent(s.n, $1)) order by s.n desc, s.source), '[]')
    from (select l.source, count(*) as n from public.leads l where %s group by l.source order by 2 desc, 1 limit 20) s
  $query$, private.lead_filter('l', first_day, last_day, null, null, null)) into sources using leads.now;

  select r.before, r.now into revenue from private.revenue_split(first_day - days, first_day, last_day) r;

  return jsonb_build_object(
    'overview', jsonb_build_object(
      'totalLeads', leads.now,
      'totalStudents', students.now,
      'conversionRate', private.percent(students.now, leads.now),
      'revenue', revenue.now,
      'activeUsers', private.active_people(since)
    ),
    'trends', jsonb_build_object(
      'leadsChange', private.change(leads.now, leads.before),
      'studentsChange', private.change(students.now, students.before),
      'conversionChange', private.change(private.percent(students.now, leads.now), private.percent(students.before, leads.before)),
      'revenueChange', private.change(revenue.now, revenue.before)
    ),
    'leadSources', sources,
    'conversionFunnel', (
      select coalesce(jsonb_agg(jsonb_build_object('stage', s.name, 'count', f.count, 'percentage', f.percentage) order by s.position), '[]')
      from public.analytics_funnel(first_day, last_day) f
      join public.pipeline_stages s on s.key = f.stage
    ),
    'communicationStats', private.communication_counts(first_day, last_day)
  );
end
$$;

comment on function public.dashboard_overview(text) is 'The dashboard of the last p_range (7d, 30d, 12w, 3m, 1y; at most 366 days), today included: {overview{totalLeads, totalStudents, conversionRate, revenue, activeUsers}, trends{leadsChange, studentsChange, conversionChange, revenueChange}, leadSources[{source, count, percentage}] (the 20 largest), conversionFunnel[{stage, count, percentage}], communicationStats{total, email, sms, whatsapp, phone}}. conversionRate is students enrolled per lead that came, in percent; revenue is in organization.currency; changes are percent of as many days before, 100 where there was nothing. Called by GET it may be kept for five minutes. Errors: argument_invalid. Answers D0-003, D0-054.';

create function public.dashboard_stats(p_start date default null, p_end date default null) returns jsonb
language plpgsql stable security invoker set search_path = '' as $$
declare
  period record;
  leads record;
  revenue record;
  clicks record;
begin
  perform private.may_cache(300);

  select * into period from private.dashboard_period(p_start, p_end) d;

  execute format($query$
    select
      count(*) filter (where l.created_at >= $1) as now,
      count(*) filter (where l.created_at >= $1 and l.status = any ($2)) as active,
      count(*) filter (where l.created_at >= $1 and l.max_stage >= $3) as won,
      count(*) filter (where l.created_at < $1) as before,
      count(*) filter (where l.created_at < $1 and l.status = any ($2)) as active_before,
      count(*) filter (where l.created_at < $1 and l.max_stage >= $3) as won_before
    from public.leads l
    where %s
  $query$, private.lead_filter('l', period.first_day - period.days, period.last_day, null, null, null))
  into leads
  using private.day_start(period.first_day), array(select s.key from public.pipeline_stages s where not s.is_closed), private.won_position();

  select r.before, r.now into revenue from private.revenue_split(period.first_day - period.days, period.first_day, period.last_day) r;

  select c.before, c.now into clicks from private.link_clicks(period.first_day - period.days, period.first_day, period.last_day) c;

  return jsonb_build_object(
    'revenue', private.trend(revenue.now, revenue.before),
    'active_leads', private.trend(leads.active, leads.active_before),
    'conversion_rate', private.trend(private.percent(leads.won, leads.now), private.percent(leads.won_before, leads.before)),
    'link_clicks', private.trend(clicks.now, clicks.before)
  );
end
$$;

comment on function public.dashboard_stats(date, date) is 'Four figures of these days (both included; the last thirty unless said otherwise), each {value, change, trend: up or down} against as many days before: revenue (in organization.currency), active_leads (leads that came and are open), conversion_rate (leads that came and ever reached a won stage, in percent), link_clicks (links followed in messages, and events link_click). change is percent, 100 where there was nothing before; unchanged is up. Called by GET it may be kept for five minutes. Errors: argument_invalid. Answers D1-001, D1-025.';

create function public.dashboard_chart_revenue(p_start date default null, p_end date default null) returns table (date text, value numeric)
language plpgsql stable security invoker set search_path = '' as $$
declare
  period record;
begin
  perform private.may_cache(300);

  select * into period from private.dashboard_period(p_start, p_end, 366) d;

  return query
  select to_char(d.day, case when period.days <= 7 then 'Dy' else 'YYYY-MM-DD' end), coalesce(r.amount, 0)
  from (select period.first_day + n as day from generate_series(0, period.days - 1) n) d
  left join private.revenue_days(period.first_day, period.last_day) r on r.day = d.day
  order by d.day;
end
$$;

comment on function public.dashboard_chart_revenue(date, date) is 'Revenue of each of these days (both included, at most 366; the last thirty unless said otherwise), days without any as 0: {date, value}. Of seven days or fewer date is the weekday (Mon), else the day (2026-01-31). In organization.currency. Errors: argument_invalid. Answers D1-002.';

create function public.dashboard_chart_sources(p_start date default null, p_end date default null) returns table (name text, value bigint)
language plpgsql stable security invoker set search_path = '' as $$
declare
  period record;
begin
  perform private.may_cache(300);

  select * into period from private.dashboard_period(p_start, p_end) d;

  return query execute format(
    'select l.source, count(*) from public.leads l where %s group by l.source order by 2 desc, 1 limit 20',
    private.lead_filter('l', period.first_day, period.last_day, null, null, null)
  );
end
$$;

comment on function public.dashboard_chart_sources(date, date) is 'How many leads of these days (both included; the last thirty unless said otherwise) came from each source, the 20 largest first: {name, value}. Errors: argument_invalid. Answers D1-003.';

create function public.analytics_lead_volume(p_date_from date default null, p_date_to date default null, p_granularity text default 'day')
returns table (date date, count bigint)
language plpgsql stable security invoker set search_path = '' as $$
declare
  unit constant text := lower(btrim(p_granularity));
  period record;
begin
  perform private.may_cache(300);

  if unit is null or unit not in ('day', 'week', 'month') then
    perform private.fail('argument_invalid', 'p_granularity is day, week or month');
  end if;

  select * into period from private.dashboard_period(p_date_from, p_date_to, case unit when 'day' then 1100 else 7320 end) d;

  return query execute format($query$
    select b.bucket, coalesce(sum(v.n), 0)::bigint
    from (select g::date as bucket from generate_series(date_trunc($1, $2::timestamp), $3::timestamp, ('1 ' || $1)::interval) g) b
    left join (
      select (l.created_at at time zone $4)::date as day, count(*) as n from public.leads l where %s group by 1
    ) v on v.day >= b.bucket and v.day < b.bucket + ('1 ' || $1)::interval
    group by b.bucket
    order by b.bucket
  $query$, private.lead_filter('l', period.first_day, period.last_day, null, null, null))
  using unit, period.first_day, period.last_day, private.organization_timezone();
end
$$;

comment on function public.analytics_lead_volume(date, date, text) is 'How many leads came per day, week (from Monday) or month between these days (both included; the last thirty unless said otherwise), those without any as 0: {date, count}, date being the first day of each. A week or month that the period cuts counts what lies within. At most 1100 days, or 7320 by week or month. Errors: argument_invalid. Answers D3-016.';

-- Grants

revoke all on function
  private.change(numeric, numeric),
  private.trend(numeric, numeric),
  private.dashboard_period(date, date, integer),
  private.range_days(text),
  private.scope_of(text, text[]),
  private.revenue_days(date, date),
  private.revenue_split(date, date, date),
  private.active_people(timestamptz),
  private.link_clicks(date, date, date),
  private.communication_counts(date, date),
  public.dashboard_overview(text),
  public.dashboard_stats(date, date),
  public.dashboard_chart_revenue(date, date),
  public.dashboard_chart_sources(date, date),
  public.analytics_lead_volume(date, date, text)
  from public, anon, authenticated, service_role;

grant execute on function
  private.change(numeric, numeric),
  private.trend(numeric, numeric),
  private.dashboard_period(date, date, integer),
  private.range_days(text),
  private.scope_of(text, text[]),
  private.revenue_days(date, date),
  private.revenue_split(date, date, date),
  private.active_people(timestamptz),
  private.link_clicks(date, date, date),
  private.communication_counts(date, date),
  public.dashboard_overview(text),
  public.dashboard_stats(date, date),
  public.dashboard_chart_revenue(date, date),
  public.dashboard_chart_sources(date, date),
  public.analytics_lead_volume(date, date, text)
  to authenticated;

-- Analytics: figures over the leads the caller may see, in day buckets of the organisation's time zone.
--
-- Every function is SECURITY INVOKER, so that row level security decides what is counted, and adds the
-- caller's scope to its query, so that the owner and team indexes serve. Every figure is computed when it is asked for.
-- A client that needs none fresher than five minutes calls by GET (rpc(name, arguments, { get: true })): that
-- person's own browser may then keep the answer, and nothing else may.

-- Functions

create function private.organization_timezone() returns text
language plpgsql stable security definer parallel safe set search_path = '' as $$
begin
  return coalesce(private.setting('organization.timezone') #>> '{}', 'UTC');
end
$$;

comment on function private.organization_timezone() is 'IANA name of the time zone in which days begin.';

create function private.may_cache(p_seconds integer) returns void
language plpgsql stable set search_path = '' as $$
begin
  if current_setting('request.method', true) = 'GET' then
    perform set_config('response.headers', format('[{"Cache-Control": "private, max-age=%s"}, {"Vary": "Authorization"}]', p_seconds), true);
  end if;
end
$$;

comment on function private.may_cache(integer) is 'Lets the browser of whoever asked by GET keep the answer this long, and no cache that others share. What another token asks is another answer.';

create function private.lead_filter(p_alias text, p_date_from date, p_date_to date, p_source text, p_status text, p_assigned_to uuid) returns text
language plpgsql stable set search_path = '' as $$
declare
  zone text := private.organization_timezone();
begin
  if p_date_from > p_date_to then
    perform private.fail('argument_invalid', 'p_date_from is after p_date_to');
  end if;

  return concat_ws(' and ',
    format('%I.deleted_at is null', p_alias),
    private.scope_filter(p_alias),
    case when p_date_from is not null then format('%I.created_at >= %L::timestamptz', p_alias, p_date_from::timestamp at time zone zone) end,
    case when p_date_to is not null then format('%I.created_at < %L::timestamptz', p_alias, (p_date_to + 1)::timestamp at time zone zone) end,
    case when p_source is not null then format('%I.source = %L', p_alias, p_source) end,
    case when p_status is not null then format('%I.status = %L', p_alias, lower(p_status)) end,
    case when p_assigned_to is not null then format('%I.assigned_to = %L::uuid', p_alias, p_assigned_to) end
  );
end
$$;

comment on function private.lead_filter(text, date, date, text, text, uuid) is 'WHERE clause of the leads the caller may see that were created on these days (both included) and match the other arguments; null matches all.';

create function public.analytics_kpis(
  p_date_from date default null,
  p_date_to date default null,
  p_source text default null,
  p_status text default null,
  p_assigned_to uuid default null
) returns jsonb
language plpgsql stable security invoker set search_path = '' as $$
declare
  figures jsonb;
begin
  perform private.may_cache(300);

  execute format($query$
    select jsonb_build_object(
      'total_leads', count(*),
      'enrollments', count(*) filter (where l.max_stage >= won.position),
      'conversion_rate', coalesce(round(100.0 * count(*) filter (where l.max_stage >= won.position) / nullif(count(*), 0), 1), 0),
      'active_pipeline', count(*) filter (where l.status = any (won.open_stages)),
      'active_pipeline_value', coalesce(sum(l.value) filter (where l.status = any (won.open_stages) and l.currency = $1), 0),
      'currency', $1
    )
    from public.leads l
    cross join (
      select min(s.position) filter (where s.is_won) as position, array_agg(s.key) filter (where not s.is_closed) as open_stages
      from public.pipeline_stages s
    ) won
    where %s
  $query$, private.lead_filter('l', p_date_from, p_date_to, p_source, p_status, p_assigned_to))
  into figures using private.setting('organization.currency') #>> '{}';

  return figures;
end
$$;

comment on function public.analytics_kpis(date, date, text, text, uuid) is '{total_leads, enrollments, conversion_rate, active_pipeline, active_pipeline_value, currency} of the leads created on these days. An enrolment is a lead that ever reached a won stage; conversion_rate is enrolments per lead in percent; active_pipeline counts open leads, active_pipeline_value adds up the values of those in the organisation''s currency. Answers D3-015.';

create function public.analytics_overview(p_from date default null, p_to date default null, p_agent_id uuid default null) returns jsonb
language plpgsql stable security invoker set search_path = '' as $$
declare
  by_source jsonb;
begin
  execute format($query$
    select coalesce(jsonb_agg(jsonb_build_object('source', s.source, 'count', s.leads) order by s.leads desc, s.source), '[]')
    from (select l.source, count(*) as leads from public.leads l where %s group by l.source order by 2 desc, 1 limit 20) s
  $query$, private.lead_filter('l', p_from, p_to, null, null, p_agent_id)) into by_source;

  return public.analytics_kpis(p_from, p_to, null, null, p_agent_id) || jsonb_build_object(
    'by_source', by_source,
    'by_stage', (
      select coalesce(jsonb_agg(jsonb_build_object('stage', f.stage, 'count', f.count, 'percentage', f.percentage)), '[]')
      from public.analytics_funnel(p_from, p_to, null, p_agent_id) f
    )
  );
end
$$;

comment on function public.analytics_overview(date, date, uuid) is 'analytics_kpis() of a period, for one agent or all the caller may see, with by_source[{source,count}] (the 20 largest) and by_stage[{stage,count,percentage}]. Answers D4-044.';

create function public.analytics_funnel(
  p_date_from date default null,
  p_date_to date default null,
  p_source text default null,
  p_agent_id uuid default null
) returns table (stage text, count bigint, percentage numeric, drop_off_rate numeric)
language plpgsql stable security invoker set search_path = '' as $$
begin
  perform private.may_cache(300);

  return query execute format($query$
    with reached as materialized (
      select l.max_stage, count(*) as leads from public.leads l where %s group by l.max_stage
    ), funnel as (
      select s.key, s.position, (select coalesce(sum(r.leads), 0) from reached r where r.max_stage >= s.position)::bigint as leads
      from public.pipeline_stages s
      where s.is_won or not s.is_closed
    )
    select
      f.key,
      f.leads,
      coalesce(round(100.0 * f.leads / nullif(first_value(f.leads) over by_position, 0), 1), 0),
      coalesce(round(100.0 * (lag(f.leads) over by_position - f.leads) / nullif(lag(f.leads) over by_position, 0), 1), 0)
    from funnel f
    window by_position as (order by f.position)
    order by f.position
  $query$, private.lead_filter('l', p_date_from, p_date_to, p_source, null, p_agent_id));
end
$$;

comment on function public.analytics_funnel(date, date, text, uuid) is 'Per funnel stage: how many of the leads created on these days ever reached it, that as a percentage of the first stage, and the percentage lost since the stage before. Answers D0-053, D3-017.';

create function public.analytics_funnel_detail(
  p_date_from date default null,
  p_date_to date default null,
  p_source text default null,
  p_agent_id uuid default null
) returns table (stage text, count bigint, percentage numeric, stage_conversion_rate numeric, drop_off_rate numeric, is_bottleneck boolean, team_percentage numeric)
language plpgsql stable security invoker set search_path = '' as $$
begin
  return query
  select
    mine.stage,
    mine.count,
    mine.percentage,
    case when mine.n = 1 or coalesce(mine.before, 0) = 0 then null else round(100.0 * mine.count / mine.before, 1) end,
    mine.drop_off_rate,
    mine.n > 1 and mine.drop_off_rate > 0 and mine.drop_off_rate = max(mine.drop_off_rate) over (),
    everyone.percentage
  from (
    select f.*, row_number() over () as n, lag(f.count) over () as before
    from public.analytics_funnel(p_date_from, p_date_to, p_source, p_agent_id) f
  ) mine
  join public.analytics_funnel(p_date_from, p_date_to, p_source, null) everyone on everyone.stage = mine.stage
  order by mine.n;
end
$$;

comment on function public.analytics_funnel_detail(date, date, text, uuid) is 'analytics_funnel() of one agent with stage_conversion_rate (percent of the stage before), is_bottleneck (the largest drop) and team_percentage (the same funnel over everything the caller may see). Answers D4-047.';

create function public.analytics_conversion_by_source(p_date_from date default null, p_date_to date default null, p_agent_id uuid default null)
returns table (source text, total_leads bigint, enrolled bigint, conversion_rate numeric)
language plpgsql stable security invoker set search_path = '' as $$
begin
  perform private.may_cache(300);

  return query execute format($query$
    select l.source, count(*), count(*) filter (where l.max_stage >= won.position),
      round(100.0 * count(*) filter (where l.max_stage >= won.position) / count(*), 1)
    from public.leads l
    cross join (select min(s.position) filter (where s.is_won) as position from public.pipeline_stages s) won
    where %s
    group by l.source
    order by 2 desc, 1
  $query$, private.lead_filter('l', p_date_from, p_date_to, null, null, p_agent_id));
end
$$;

comment on function public.analytics_conversion_by_source(date, date, uuid) is 'Per source, the largest first: how many leads created on these days came from it, how many of them ever reached a won stage, and that in percent. A lead counts for the source of its first enquiry. Answers D0-053, D3-018.';

-- Grants

revoke all on function private.organization_timezone() from public, anon, authenticated, service_role;

grant execute on function private.organization_timezone() to authenticated, service_role;

revoke all on function private.may_cache(integer) from public, anon, authenticated, service_role;

grant execute on function private.may_cache(integer) to authenticated;

revoke all on function private.lead_filter(text, date, date, text, text, uuid) from public, anon, authenticated, service_role;

grant execute on function private.lead_filter(text, date, date, text, text, uuid) to authenticated;

revoke all on function public.analytics_kpis(date, date, text, text, uuid) from public, anon, authenticated, service_role;

grant execute on function public.analytics_kpis(date, date, text, text, uuid) to authenticated;

revoke all on function public.analytics_overview(date, date, uuid) from public, anon, authenticated, service_role;

grant execute on function public.analytics_overview(date, date, uuid) to authenticated;

revoke all on function public.analytics_funnel(date, date, text, uuid) from public, anon, authenticated, service_role;

grant execute on function public.analytics_funnel(date, date, text, uuid) to authenticated;

revoke all on function public.analytics_conversion_by_source(date, date, uuid) from public, anon, authenticated, service_role;

grant execute on function public.analytics_conversion_by_source(date, date, uuid) to authenticated;

revoke all on function public.analytics_funnel_detail(date, date, text, uuid) from public, anon, authenticated, service_role;

grant execute on function public.analytics_funnel_detail(date, date, text, uuid) to authenticated;

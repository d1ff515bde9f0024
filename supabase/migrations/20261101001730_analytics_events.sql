-- Analytics events: what people and campaigns did, as it happened.
--
-- A log: rows are inserted, never changed, and go after retention.analytics_event_days. Who did it, from where and
-- with what is for the database to say, not for the body. An event is seen by whoever caused it, by the
-- managers of the team it belongs to and by scope all; that is decided when it happens and stays so.

-- Tables

create table public.analytics_events (
  id uuid primary key default private.uuid_v7(),
  -- First and of fixed width, because a policy reads them of every row that a scan meets.
  user_id uuid default auth.uid() references public.profiles (id) on delete set null,
  team_id uuid references public.teams (id) on delete set null,
  created_at timestamptz not null default now(),
  lead_id uuid references public.leads (id) on delete cascade,
  student_id uuid references public.students (id) on delete cascade,
  event_type text not null,
  event_name text,
  description text,
  category text,
  source text,
  medium text,
  campaign text,
  duration integer,
  value numeric(14,2),
  currency text,
  event_data jsonb not null default '{}',
  properties jsonb not null default '{}',
  session_id text,
  ip_address inet,
  user_agent text,
  constraint analytics_events_type_is_snake_case check (event_type ~ '^[a-z][a-z0-9_]*$' and length(event_type) <= 63),
  constraint analytics_events_texts_are_short check (
    length(event_name) <= 200 and length(description) <= 2000 and length(category) <= 100 and length(source) <= 200
    and length(medium) <= 100 and length(campaign) <= 200 and length(session_id) <= 200 and length(user_agent) <= 500
  ),
  constraint analytics_events_duration_is_not_negative check (duration >= 0),
  constraint analytics_events_value_has_a_currency check ((value is null) = (currency is null)),
  constraint analytics_events_currency_is_iso check (currency ~ '^[A-Z]{3}$'),
  constraint analytics_events_data_is_a_small_object check (jsonb_typeof(event_data) = 'object' and pg_column_size(event_data) <= 8192),
  constraint analytics_events_properties_are_a_small_object check (jsonb_typeof(properties) = 'object' and pg_column_size(properties) <= 8192)
);

comment on table public.analytics_events is 'What people and campaigns did, append only. List: select().eq("event_type", …).gte("created_at", …).order("created_at", {ascending: false}). A student who comes of a lead makes the event lead_conversion by itself. Answers D0-001, D0-002.';

comment on column public.analytics_events.user_id is 'Who did it: the caller. Null for the system.';

comment on column public.analytics_events.team_id is 'Whose managers see it: the team of the lead at that time, without a lead that of the person.';

comment on column public.analytics_events.event_type is 'What happened, for example lead_conversion or page_view.';

comment on column public.analytics_events.event_name is 'The same for people, for example Lead Converted to Student.';

comment on column public.analytics_events.duration is 'Seconds.';

comment on column public.analytics_events.value is 'What it was worth, in currency.';

comment on column public.analytics_events.currency is 'ISO code; that of the organisation where it is left out.';

comment on column public.analytics_events.session_id is 'The visit as the application counts it; no session of Auth.';

comment on column public.analytics_events.ip_address is 'Where the request came from, as the network edge says; IPv6 by /64. What a body says is not kept.';

comment on column public.analytics_events.user_agent is 'The header of the request. What a body says is not kept.';

create index analytics_events_newest on public.analytics_events (created_at desc, id desc) include (user_id, team_id);

create index analytics_events_of_type on public.analytics_events (event_type, created_at desc, id desc) include (user_id, team_id);

create index analytics_events_of_user on public.analytics_events (user_id, created_at desc, id desc) include (team_id);

create index analytics_events_of_team on public.analytics_events (team_id, created_at desc, id desc) include (user_id);

create index analytics_events_of_lead on public.analytics_events (lead_id, created_at desc) where lead_id is not null;

create index analytics_events_of_student on public.analytics_events (student_id, created_at desc) where student_id is not null;

-- Policies

alter table public.analytics_events enable row level security;

create policy analytics_events_read on public.analytics_events for select to authenticated
  using (
    (select private.gate_all()) is not null
    or team_id = (select (private.gate_team())[1])
    or user_id = (select private.gate_own())
    or team_id = any ((select (private.gate_team())[2:])::uuid[])
  );

comment on policy analytics_events_read on public.analytics_events is 'Scope all: every event. Scope team: those of managed teams. Everybody: their own. List queries should filter by user_id or team_id themselves, so that the indexes serve.';

create policy analytics_events_create on public.analytics_events for insert to authenticated
  with check (
    user_id = (select private.gate_own())
    and (lead_id is null or exists (select from public.leads l where l.id = analytics_events.lead_id))
    and (student_id is null or exists (select from public.students s where s.id = analytics_events.student_id))
  );

comment on policy analytics_events_create on public.analytics_events is 'In one''s own name, about leads and students one may see.';

-- Triggers

create function private.complete_analytics_event() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if auth.uid() is not null then
    new.created_at := now();
    new.ip_address := private.client_network();
    new.user_agent := left(private.request_header('user-agent'), 500);
  end if;

  new.event_type := lower(btrim(new.event_type));

  if new.lead_id is null and new.student_id is not null then
    select s.lead_id, s.team_id into new.lead_id, new.team_id from public.students s where s.id = new.student_id;
  end if;

  if new.lead_id is not null then
    select l.team_id into new.team_id from public.leads l where l.id = new.lead_id;
  elsif new.student_id is null then
    new.team_id := private.team_of(new.user_id);
  end if;

  if new.value is not null then
    new.currency := coalesce(nullif(upper(new.currency), ''), private.setting('organization.currency') #>> '{}');
  else
    new.currency := null;
  end if;

  return new;
end
$$;

comment on function private.complete_analytics_event() is 'Fills what is not the client''s to say: when, from where, with what, and whose team''s it is.';

create trigger complete_analytics_event before insert on public.analytics_events
  for each row execute function private.complete_analytics_event();

create function private.track_conversions() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into public.analytics_events (
    user_id, lead_id, student_id, event_type, event_name, category, source, value, currency, event_data, properties
  )
  select private.gate_own(), l.id, s.id, 'lead_conversion', 'Lead Converted to Student', 'conversion', l.source, l.value, l.currency,
    jsonb_build_object('source', l.source), jsonb_strip_nulls(jsonb_build_object('conversion_value', l.value, 'course', coalesce(s.course, l.course)))
  from enrolled s
  join public.leads l on l.id = s.lead_id;

  return null;
end
$$;

comment on function private.track_conversions() is 'Every student who comes of a lead is the event lead_conversion, whoever enrols them.';

create trigger track_conversions after insert on public.students
  referencing new table as enrolled
  for each statement execute function private.track_conversions();

-- RPCs

create function public.analytics_event_totals(
  p_by text default 'event_type',
  p_from date default null,
  p_to date default null,
  p_event_type text default null,
  p_user_id uuid default null,
  p_campaign text default null
) returns table (key text, events bigint, people bigint, conversions bigint, value numeric, currency text, average_duration numeric)
language plpgsql stable security invoker set search_path = '' as $$
declare
  last_day constant date := coalesce(p_to, (now() at time zone private.organization_timezone())::date);
  first_day constant date := coalesce(p_from, last_day - 29);
begin
  perform private.check_period(first_day, last_day, 366);

  if p_by is null or p_by not in ('event_type', 'category', 'source', 'medium', 'campaign', 'user_id', 'day') then
    perform private.fail('argument_invalid', 'p_by is event_type, category, source, medium, campaign, user_id or day');
  end if;

  return query execute format($query$
    select g.key, g.events, g.people, g.conversions, g.value, $1, g.average_duration
    from (
      select %1$s as key, count(*) as events, count(distinct e.user_id) as people,
        count(*) filter (where e.event_type = 'lead_conversion') as conversions,
        coalesce(sum(e.value) filter (where e.currency = $1), 0) as value, round(avg(e.duration)) as average_duration
      from public.analytics_events e
      where e.created_at >= $2 and e.created_at < $3
        and (%2$s)
        and ($4 is null or e.event_type = $4) and ($5 is null or e.user_id = $5) and ($6 is null or e.campaign = $6)
      group by 1
    ) g
    order by case when $7 then g.key end, g.events desc, g.key
    limit 366
  $query$,
    case p_by when 'day' then format('(e.created_at at time zone %L)::date::text', private.organization_timezone()) else format('e.%I::text', p_by) end,
    coalesce(nullif(array_to_string(private.scope_branches('e', array['user_id']), ' or '), ''), 'false')
  )
  using private.setting('organization.currency') #>> '{}', private.day_start(first_day), private.day_start(last_day + 1),
    lower(p_event_type), p_user_id, p_campaign, p_by = 'day';
end
$$;

comment on function public.analytics_event_totals(text, date, date, text, uuid, text) is 'Events of these days (both included; the last thirty unless said otherwise, at most 366) by p_by: event_type, category, source, medium, campaign, user_id or day. Each {key, events, people, conversions (of type lead_conversion), value, currency, average_duration}, the most events first, days in order; key is null of what names none. value adds up what is in the organisation''s currency; other currencies are left out, not converted. Errors: argument_invalid. Answers D0-051, D0-052.';

-- Grants

revoke all on public.analytics_events from anon, authenticated, service_role;

grant select, insert (
  id, user_id, lead_id, student_id, event_type, event_name, description, category, source, medium, campaign, duration, value, currency,
  event_data, properties, session_id, ip_address, user_agent
) on public.analytics_events to authenticated;

grant select, insert, update, delete on public.analytics_events to service_role;

revoke all on function
  private.complete_analytics_event(),
  private.track_conversions(),
  public.analytics_event_totals(text, date, date, text, uuid, text)
  from public, anon, authenticated, service_role;

grant execute on function public.analytics_event_totals(text, date, date, text, uuid, text) to authenticated;

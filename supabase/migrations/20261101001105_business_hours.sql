-- Business hours: when the organisation works, and how much of its working time lies between two moments.
--
-- Hours are rows of weekday, opening and closing on the organisation's clock (organization.timezone), holidays
-- are days. A moment is open when that clock then shows an open time, so that an hour which a change of clocks
-- repeats counts twice and one that it leaves out not at all. Without any hours every moment is open.

-- Tables

create table public.business_hours (
  id uuid primary key default private.uuid_v7(),
  weekday smallint not null,
  opens text not null,
  closes text not null,
  -- Computed before any check: of what is no time or comes to an end before it begins it is empty, so that the checks may say so.
  week_minutes int4range not null generated always as (case
    when opens ~ '^[0-9]{2}:[0-9]{2}$' and closes ~ '^[0-9]{2}:[0-9]{2}$' and opens < closes then int4range(
      (weekday - 1) * 1440 + left(opens, 2)::integer * 60 + right(opens, 2)::integer,
      (weekday - 1) * 1440 + left(closes, 2)::integer * 60 + right(closes, 2)::integer
    )
    else 'empty'
  end) stored,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint business_hours_weekday_is_1_to_7 check (weekday between 1 and 7),
  constraint business_hours_opens_is_a_time check (opens ~ '^([01][0-9]|2[0-3]):[0-5][0-9]$'),
  constraint business_hours_closes_is_a_time check (closes ~ '^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$'),
  -- Asked after those above, whose names come first.
  constraint business_hours_reach_past_their_opening check (opens < closes),
  constraint business_hours_do_not_overlap exclude using gist (week_minutes with &&)
);

comment on table public.business_hours is 'When the organisation works, on its own clock: any number of rows for a weekday, none for a day off. Without a row at all it works round the clock, holidays included. Hours past midnight are two rows.';

comment on column public.business_hours.weekday is '1 is Monday, 7 is Sunday.';

comment on column public.business_hours.opens is 'Such as 09:30.';

comment on column public.business_hours.closes is 'Such as 18:00, which itself is closed; 24:00 is the end of the day.';

comment on column public.business_hours.week_minutes is 'The same in minutes since Monday 00:00.';

create table public.holidays (
  day date primary key,
  name text not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint holidays_name_is_a_line check (btrim(name) <> '' and length(name) <= 120)
);

comment on table public.holidays is 'Days on which nobody works, whatever business_hours say.';

-- Policies

alter table public.business_hours enable row level security;

alter table public.holidays enable row level security;

create policy business_hours_read on public.business_hours for select to authenticated
  using ((select private.gate_own()) is not null);

comment on policy business_hours_read on public.business_hours is 'Every active person may know when work is done.';

create policy business_hours_create on public.business_hours for insert to authenticated
  with check ((select private.has_permission('settings.manage')));

comment on policy business_hours_create on public.business_hours is 'Needs settings.manage.';

create policy business_hours_change on public.business_hours for update to authenticated
  using ((select private.has_permission('settings.manage')))
  with check ((select private.has_permission('settings.manage')));

comment on policy business_hours_change on public.business_hours is 'Needs settings.manage.';

create policy business_hours_delete on public.business_hours for delete to authenticated
  using ((select private.has_permission('settings.manage')));

comment on policy business_hours_delete on public.business_hours is 'Needs settings.manage.';

create policy holidays_read on public.holidays for select to authenticated
  using ((select private.gate_own()) is not null);

comment on policy holidays_read on public.holidays is 'Every active person may know when no work is done.';

create policy holidays_create on public.holidays for insert to authenticated
  with check ((select private.has_permission('settings.manage')));

comment on policy holidays_create on public.holidays is 'Needs settings.manage.';

create policy holidays_change on public.holidays for update to authenticated
  using ((select private.has_permission('settings.manage')))
  with check ((select private.has_permission('settings.manage')));

comment on policy holidays_change on public.holidays is 'Needs settings.manage.';

create policy holidays_delete on public.holidays for delete to authenticated
  using ((select private.has_permission('settings.manage')));

comment on policy holidays_delete on public.holidays is 'Needs settings.manage.';

-- Triggers

create trigger touch_updated_at before update on public.business_hours for each row execute function private.touch_updated_at();

create trigger touch_updated_at before update on public.holidays for each row execute function private.touch_updated_at();

create trigger audit after insert or update or delete on public.business_hours for each row execute function private.audit_row();

create trigger audit after insert or update or delete on public.holidays for each row execute function private.audit_row();

-- Functions

create function private.zone_shift(p_zone text, p_at timestamptz) returns interval
language plpgsql stable parallel safe set search_path = '' as $$
begin
  return (p_at at time zone p_zone) - (p_at at time zone 'UTC');
end
$$;

comment on function private.zone_shift(text, timestamptz) is 'By how much the clock of a zone is ahead of UTC at a moment.';

create function private.zone_change(p_zone text, p_from timestamptz, p_to timestamptz) returns timestamptz
language plpgsql stable parallel safe set search_path = '' as $$
declare
  before timestamptz := p_from;
  after timestamptz := p_to;
  middle timestamptz;
begin
  -- Both ends are whole seconds, and so is every half.
  while after - before > interval '1 second' loop
    middle := before + date_trunc('second', (after - before) / 2);

    if private.zone_shift(p_zone, middle) = private.zone_shift(p_zone, p_from) then
      before := middle;
    else
      after := middle;
    end if;
  end loop;

  return after;
end
$$;

comment on function private.zone_change(text, timestamptz, timestamptz) is 'The first moment of the new time between two moments before and after one change of clocks, by halving.';

create function private.business_spans(p_from timestamptz, p_to timestamptz) returns table (opens_at timestamptz, closes_at timestamptz)
language plpgsql stable security definer set search_path = '' as $$
declare
  zone text := coalesce(private.setting('organization.timezone') #>> '{}', 'UTC');
begin
  if not exists (select from public.business_hours) then
    return query select p_from, p_to where p_from < p_to;

    return;
  end if;

  -- Between two changes of clocks the zone is ahead of UTC by the same, so that hours become moments by
  -- subtraction; where a change falls into hours, each side takes its part.
  return query
  with days as (
    select d.midnight, private.zone_shift(zone, d.midnight) as shift
    from generate_series(date_trunc('day', p_from, 'UTC'), date_trunc('day', p_to, 'UTC') + interval '24 hours', interval '24 hours') d (midnight)
  ), compared as (
    select d.midnight, d.shift, lag(d.midnight) over (order by d.midnight) as midnight_before, lag(d.shift) over (order by d.midnight) as shift_before
    from days d
  ), stretches as (
    select s.begins, coalesce(lead(s.begins) over (order by s.begins), 'infinity') as ends, s.shift
    from (
      select case when c.shift_before is null then c.midnight else private.zone_change(zone, c.midnight_before, c.midnight) end as begins, c.shift
      from compared c
      where c.shift is distinct from c.shift_before
    ) s
  ), clipped as (
    select greatest(s.begins, p_from) as begins, least(s.ends, p_to) as ends, s.shift
    from stretches s
    where s.ends > p_from and s.begins < p_to
  )
  select greatest(c.begins, h.opens), least(c.ends, h.closes)
  from clipped c
  cross join lateral generate_series(
    date_trunc('day', c.begins at time zone 'UTC' + c.shift), date_trunc('day', c.ends at time zone 'UTC' + c.shift), interval '1 day'
  ) d (day)
  cross join lateral (
    select
      (d.day + make_interval(mins => lower(b.week_minutes) - (b.weekday - 1) * 1440)) at time zone 'UTC' - c.shift as opens,
      (d.day + make_interval(mins => upper(b.week_minutes) - (b.weekday - 1) * 1440)) at time zone 'UTC' - c.shift as closes
    from public.business_hours b
    where b.weekday = extract(isodow from d.day)
  ) h
  where greatest(c.begins, h.opens) < least(c.ends, h.closes)
    and not exists (select from public.holidays o where o.day = d.day::date)
  order by 1;
end
$$;

comment on function private.business_spans(timestamptz, timestamptz) is 'The stretches of working time between two moments, in order.';

create function private.business_minutes(p_from timestamptz, p_to timestamptz) returns numeric
language plpgsql stable security definer set search_path = '' as $$
begin
  return (
    select coalesce(sum(extract(epoch from s.closes_at - s.opens_at)), 0) / 60
    from private.business_spans(p_from, p_to) s
  );
end
$$;

comment on function private.business_minutes(timestamptz, timestamptz) is 'Minutes of working time between two moments; 0 if the second is not after the first.';

create function private.business_add(p_from timestamptz, p_minutes integer) returns timestamptz
language plpgsql stable security definer set search_path = '' as $$
declare
  wanted constant interval := make_interval(mins => p_minutes);
  -- Longer than it takes without holidays; with them it may take another round.
  days integer := 3 + 7 * p_minutes / (select sum(upper(b.week_minutes) - lower(b.week_minutes)) from public.business_hours b);
  moment timestamptz;
begin
  if p_minutes <= 0 then
    return p_from;
  elsif days is null then
    return p_from + wanted;
  end if;

  -- As far as hours can lie apart; then they never come.
  while moment is null and days < 36500 loop
    select s.closes_at - (s.passed - wanted) into moment
    from (
      select w.closes_at, sum(w.closes_at - w.opens_at) over (order by w.opens_at) as passed
      from private.business_spans(p_from, p_from + make_interval(hours => 24 * days)) w
    ) s
    where s.passed >= wanted
    order by s.closes_at
    limit 1;

    days := days * 3;
  end loop;

  return coalesce(moment, 'infinity');
end
$$;

comment on function private.business_add(timestamptz, integer) is 'The first moment by which so many minutes of working time have passed since another. Infinity if they never do.';

-- Grants

revoke all on public.business_hours, public.holidays from anon, authenticated, service_role;

grant select, delete on public.business_hours, public.holidays to authenticated;

grant insert (weekday, opens, closes), update (weekday, opens, closes) on public.business_hours to authenticated;

grant insert (day, name), update (day, name) on public.holidays to authenticated;

grant select, insert, update, delete on public.business_hours, public.holidays to service_role;

revoke all on function
  private.zone_shift(text, timestamptz),
  private.zone_change(text, timestamptz, timestamptz),
  private.business_spans(timestamptz, timestamptz),
  private.business_minutes(timestamptz, timestamptz),
  private.business_add(timestamptz, integer)
  from public, anon, authenticated, service_role;

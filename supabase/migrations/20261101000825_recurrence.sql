-- Recurrence: the rules by which a task or a reminder comes again.
--
-- A rule is a short text, the part of iCalendar's RRULE that people need: every so many days, weeks or
-- months, for ever, until a day, or so many times. Times of day are those of the organisation's zone, so
-- that nine o'clock stays nine o'clock over a change of the clocks. Every date is counted from the start
-- of its series and never from the date before, so that what begins on the 31st comes on the last day of
-- a shorter month and on the 31st again after it.

-- Functions

create function private.normalize_recurrence(p_rule text) returns text
language plpgsql stable set search_path = '' as $$
declare
  wanted text := regexp_replace(upper(regexp_replace(p_rule, '\s', '', 'g')), '^RRULE:', '');
  part text;
  name text;
  given text;
  frequency text;
  every integer := 1;
  ends text := '';
begin
  if coalesce(wanted, '') = '' then
    return null;
  end if;

  foreach part in array string_to_array(trim(trailing ';' from left(wanted, 200)), ';') loop
    name := split_part(part, '=', 1);
    given := substr(part, length(name) + 2);

    if name = 'FREQ' and frequency is null and given in ('DAILY', 'WEEKLY', 'MONTHLY') then
      frequency := given;
    elsif name = 'INTERVAL' and given ~ '^[1-9][0-9]{0,2}$' then
      every := given;
    elsif name = 'COUNT' and ends = '' and given ~ '^[1-9][0-9]{0,3}$' then
      ends := ';COUNT=' || given;
    elsif name = 'UNTIL' and ends = '' and given ~ '^[0-9]{8}(T[0-9]{6}Z)?$' then
      begin
        perform given::timestamp;
        ends := ';UNTIL=' || given;
      exception when data_exception then
        perform private.fail('recurrence_invalid', left(part, 80));
      end;
    else
      perform private.fail('recurrence_invalid', left(part, 80));
    end if;
  end loop;

  if frequency is null then
    perform private.fail('recurrence_invalid', 'FREQ');
  end if;

  return 'FREQ=' || frequency || case when every > 1 then ';INTERVAL=' || every else '' end || ends;
end
$$;

comment on function private.normalize_recurrence(text) is 'A rule in one spelling: FREQ=DAILY|WEEKLY|MONTHLY, then INTERVAL (up to 999), then COUNT (up to 9999) or UNTIL (a day, inclusive, or a moment in UTC). Null for an empty one, error recurrence_invalid for any other.';

create function private.is_recurrence(p_rule text) returns boolean
language plpgsql immutable parallel safe set search_path = '' as $$
begin
  return p_rule ~ '^FREQ=(DAILY|WEEKLY|MONTHLY)(;INTERVAL=[1-9][0-9]{0,2})?(;COUNT=[1-9][0-9]{0,3}|;UNTIL=[0-9]{8}(T[0-9]{6}Z)?)?$';
end
$$;

comment on function private.is_recurrence(text) is 'Whether a rule is in the spelling of normalize_recurrence(); for constraints.';

create function private.next_occurrence(
  p_rule text,
  p_start timestamptz,
  p_occurrence integer,
  p_after timestamptz,
  p_zone text default null,
  out occurrence integer,
  out occurs_at timestamptz
)
language plpgsql stable security definer set search_path = '' as $$
declare
  zone text := coalesce(p_zone, private.setting('organization.timezone') #>> '{}', 'UTC');
  frequency text := substring(p_rule from 'FREQ=([A-Z]+)');
  every integer := coalesce(substring(p_rule from 'INTERVAL=([0-9]+)')::integer, 1);
  most integer := substring(p_rule from 'COUNT=([0-9]+)')::integer;
  until text := substring(p_rule from 'UNTIL=([0-9TZ]+)');
  last_moment timestamptz;
  start_wall timestamp := p_start at time zone zone;
  after_wall timestamp := p_after at time zone zone;
  step interval;
  passed integer;
begin
  if p_rule is null or p_start is null then
    return;
  end if;

  step := case frequency
    when 'DAILY' then make_interval(days => every)
    when 'WEEKLY' then make_interval(days => 7 * every)
    else make_interval(months => every)
  end;

  -- How many steps lie between, less one for the hour of the day, and then walk: two steps at most.
  passed := case
    when frequency = 'MONTHLY' then
      ((extract(year from after_wall) - extract(year from start_wall)) * 12 + extract(month from after_wall) - extract(month from start_wall))::integer / every
    else (after_wall::date - start_wall::date) / (every * case frequency when 'WEEKLY' then 7 else 1 end)
  end - 1;

  passed := greatest(passed, p_occurrence);

  loop
    occurs_at := (start_wall + step * passed) at time zone zone;

    exit when occurs_at > p_after;

    passed := passed + 1;
  end loop;

  occurrence := passed + 1;

  last_moment := case length(until)
    when 8 then (until::date + 1)::timestamp at time zone zone - interval '1 microsecond'
    else until::timestamp at time zone 'UTC'
  end;

  if occurrence > most or occurs_at > last_moment then
    occurrence := null;
    occurs_at := null;
  end if;
end
$$;

comment on function private.next_occurrence(text, timestamptz, integer, timestamptz, text) is 'Number and time of the first occurrence of a series that comes after both p_occurrence (the first is 1) and p_after; nulls when the series is over. Occurrences that were missed are left out and count towards COUNT. In the organisation''s time zone unless another is named.';

-- Grants

revoke all on function private.normalize_recurrence(text) from public, anon, authenticated, service_role;

revoke all on function private.is_recurrence(text) from public, anon, authenticated, service_role;

grant execute on function private.is_recurrence(text) to authenticated, service_role;

revoke all on function private.next_occurrence(text, timestamptz, integer, timestamptz, text) from public, anon, authenticated, service_role;

-- This module's errors

insert into public.error_codes (code, sqlstate, message, hint) values
  ('recurrence_invalid', 'PT422', 'This rule of recurrence cannot be read.', 'Send FREQ=DAILY, WEEKLY or MONTHLY, then INTERVAL, COUNT or UNTIL if wanted: FREQ=WEEKLY;INTERVAL=2;COUNT=10.');

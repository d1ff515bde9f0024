-- Report schedules: a report again and again, by the clock of the organisation, told of by e-mail.
--
-- The run has the rights its owner has when it runs, and the file is the owner's. The e-mail holds a link and
-- no data: who works here opens the report and sees what they may see themselves; an address outside, which
-- the setting reports.allowed_recipients must name, gets a link of its own to the owner's file, for as long as
-- the file is there, the owner may export and the address is allowed.

-- Tables

create table public.scheduled_reports (
  id uuid primary key default private.uuid_v7(),
  report_id uuid not null references public.reports (id) on delete cascade,
  created_by uuid not null references public.profiles (id) on delete cascade,
  frequency text not null,
  "time" text,
  day smallint,
  recipients text[] not null,
  format text not null default 'csv',
  status text not null default 'active',
  stopped_because text,
  next_run timestamptz,
  last_run timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  version bigint not null default 1,
  constraint scheduled_reports_frequency_is_known check (
    frequency in ('daily', 'weekdays', 'weekly', 'monthly') or frequency ~ '^[0-9]{1,2}( [0-9*,/-]{1,60}){4}$'
  ),
  constraint scheduled_reports_time_is_of_a_day check ("time" ~ '^([01][0-9]|2[0-3]):[0-5][0-9]$'),
  constraint scheduled_reports_have_a_time_or_a_cron check (("time" is null) = (frequency like '% %')),
  constraint scheduled_reports_day_fits_frequency check (
    day is null or (frequency = 'weekly' and day between 0 and 6) or (frequency = 'monthly' and day between 1 and 31)
  ),
  constraint scheduled_reports_recipients_are_few check (cardinality(recipients) between 1 and 50 and pg_column_size(recipients) <= 16384),
  constraint scheduled_reports_format_is_known check (format in ('csv', 'json')),
  constraint scheduled_reports_status_is_known check (status in ('active', 'paused')),
  constraint scheduled_reports_run_while_active check ((status = 'active') = (next_run is not null))
);

comment on table public.scheduled_reports is 'When which report is written and to whom it is told. One''s own; for scope all everybody''s. Pause with update({status: "paused"}), end with delete().';

comment on column public.scheduled_reports.created_by is 'With whose rights it runs.';

comment on column public.scheduled_reports.frequency is 'daily, weekdays, weekly, monthly, or five cron fields (minute hour day month weekday) of which the minute is one number: "0 9 1,15 * *".';

comment on column public.scheduled_reports."time" is 'HH:MM in the organisation''s time zone; none with cron fields.';

comment on column public.scheduled_reports.day is 'Of weekly 0 (Sunday) to 6, else Monday; of monthly 1 to 31 or the last day of a shorter month, else the first.';

comment on column public.scheduled_reports.recipients is 'Addresses of people here who may see reports, or allowed by the setting reports.allowed_recipients.';

comment on column public.scheduled_reports.stopped_because is 'Why it was paused by itself: owner_inactive, or owner_may_not (see and export reports).';

comment on column public.scheduled_reports.next_run is 'Computed. A time that the change of clocks skips is the same moment by the clock before; one that comes twice counts once.';

comment on column public.scheduled_reports.version is 'Rises with every change.';

create index scheduled_reports_due on public.scheduled_reports (next_run) where status = 'active';

create index scheduled_reports_of_person on public.scheduled_reports (created_by, created_at desc);

create index scheduled_reports_of_report on public.scheduled_reports (report_id);

create index scheduled_reports_by_recipient on public.scheduled_reports using gin (recipients);

alter table public.report_runs
  -- squawk-ignore adding-foreign-key-constraint
  add column schedule_id uuid references public.scheduled_reports (id) on delete set null,
  add column slot timestamptz;

create unique index report_runs_are_one_per_slot on public.report_runs (schedule_id, slot);

comment on column public.report_runs.schedule_id is 'The schedule that made it; null for who asked for it.';

comment on column public.report_runs.slot is 'The time of the schedule that it is for.';

create table private.report_links (
  token_hash text primary key,
  run_id uuid not null references public.report_runs (id) on delete cascade,
  recipient text not null,
  constraint report_links_hash_is_sha256 check (token_hash ~ '^[0-9a-f]{64}$')
);

comment on table private.report_links is 'Which link sent to an address outside opens which file. Of the token only the SHA-256.';

create index report_links_of_run on private.report_links (run_id);

-- Functions

create function private.next_report_run(p_frequency text, p_time text, p_day integer, p_zone text, p_after timestamptz) returns timestamptz
language plpgsql stable set search_path = '' as $$
declare
  is_cron boolean := p_frequency like '% %';
  fields text[] := string_to_array(p_frequency, ' ');
  minute integer;
  hours integer[];
  today date;
  moment timestamptz;
begin
  if is_cron then
    -- Refuses what cannot be read.
    perform private.cron_matches(p_frequency, p_after at time zone p_zone);

    if fields[1] !~ '^[0-9]+$' then
      perform private.fail('report_schedule_invalid', 'the minute is one number');
    end if;

    minute := fields[1];
    hours := array(select h from generate_series(0, 23) h where private.cron_field_matches(fields[2], h, 0, 23) order by h);
  else
    minute := split_part(p_time, ':', 2);
    hours := array[split_part(p_time, ':', 1)::integer];
  end if;

  -- From the day before: clocks that are put back over midnight bring it back.
  for passed in -1 .. 1500 loop
    today := (p_after at time zone p_zone)::date + passed;

    if (case
      when is_cron then private.cron_matches('* * ' || array_to_string(fields[3:5], ' '), today::timestamp)
      when p_frequency = 'weekdays' then extract(isodow from today) < 6
      when p_frequency = 'weekly' then extract(dow from today) = coalesce(p_day, 1)
      when p_frequency = 'monthly' then
        extract(day from today) = least(coalesce(p_day, 1), extract(day from date_trunc('month', today::timestamp) + interval '1 month -1 day'))
      else true
    end) then
      for place in 1 .. cardinality(hours) loop
        moment := (today + make_interval(hours => hours[place], mins => minute)) at time zone p_zone;

        if moment > p_after then
          return moment;
        end if;
      end loop;
    end if;
  end loop;

  perform private.fail('report_schedule_invalid', 'it would never run');

  return null;
end
$$;

comment on function private.next_report_run(text, text, integer, text, timestamptz) is 'The first moment after p_after at which the clocks of the zone show what the schedule says. Errors: invalid_schedule, report_schedule_invalid.';

create function private.report_recipient_kind(p_address text) returns text
language plpgsql stable security definer set search_path = '' as $$
begin
  return case
    when exists (
      select
      from public.profiles p
      join public.role_permissions rp on rp.role_id = p.role_id and rp.permission = 'reports.view'
      where p.email = p_address and p.is_active
    ) then 'colleague'
    when (private.setting('reports.allowed_recipients')) ?| array[p_address, '@' || split_part(p_address, '@', 2)] then 'outside'
  end;
end
$$;

comment on function private.report_recipient_kind(text) is 'colleague: works here and may see reports. outside: allowed by the setting. Null: gets nothing.';

create function private.gate_reports() returns uuid[]
language plpgsql stable security definer parallel safe set search_path = '' as $$
begin
  return (
    select array_agg(s.report_id)
    from public.profiles p
    join public.scheduled_reports s on s.recipients @> array[p.email]
    where p.id = private.gate_own()
  );
end
$$;

comment on function private.gate_reports() is 'Reports that are sent to the caller, else null.';

create function private.report_link_open(p_token_hash text, p_headers jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  run public.report_runs;
  wait integer;
begin
  select r.* into run
  from private.report_links l
  join public.report_runs r on r.id = l.run_id and r.status = 'done' and r.expires_at > now()
  join public.profiles p on p.id = r.created_by and p.is_active
  join public.role_permissions rp on rp.role_id = p.role_id and rp.permission = 'reports.export'
  where l.token_hash = p_token_hash and private.report_recipient_kind(l.recipient) = 'outside';

  if run.id is null then
    -- Guessing is limited by where it comes from.
    perform set_config('request.headers', coalesce(p_headers, '{}')::text, true);

    wait := private.rate_limit_take('report-miss:' || coalesce(private.client_network(), 'unknown'), 30);

    return jsonb_build_object('found', false, 'retry_after', wait);
  end if;

  return jsonb_build_object('found', true, 'retry_after', 0, 'path', run.storage_path);
end
$$;

comment on function private.report_link_open(text, jsonb) is 'For the edge function: {found, retry_after, path} of the link with this hash. found is false for one that is unknown or over, whose owner may export no more, and whose address is allowed no more, alike.';

create function private.report_tick(p_limit integer default 100, p_now timestamptz default now()) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  due public.scheduled_reports;
  run public.report_runs;
  made integer := 0;
  stopped text;
begin
  delete from private.report_cache c where c.made_at < p_now - interval '1 hour';

  for due in
    select s.* from public.scheduled_reports s
    where s.status = 'active' and s.next_run <= p_now
    order by s.next_run
    limit p_limit
    for update skip locked
  loop
    select case when not p.is_active then 'owner_inactive' when count(rp.permission) < 2 then 'owner_may_not' end into stopped
    from public.profiles p
    left join public.role_permissions rp on rp.role_id = p.role_id and rp.permission in ('reports.view', 'reports.export')
    where p.id = due.created_by
    group by p.id;

    if stopped is not null then
      update public.scheduled_reports s set status = 'paused', stopped_because = stopped where s.id = due.id;

      continue;
    end if;

    run := private.report_request(due.report_id, due.created_by, due.format);

    update public.report_runs r set schedule_id = due.id, slot = due.next_run where r.id = run.id;

    -- What an outage left out is made up once.
    update public.scheduled_reports s
    set last_run = p_now, next_run = private.next_report_run(s.frequency, s.time, s.day, private.organization_timezone(), p_now)
    where s.id = due.id;

    made := made + 1;
  end loop;

  return made;
end
$$;

comment on function private.report_tick(integer, timestamptz) is 'Run every minute: has every schedule whose time has come run, once whoever else ticks, and pauses those of people who work here no more, or may not any more. Answers how many run.';

-- Triggers

create function private.prepare_scheduled_report() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  refused text;
begin
  if tg_op = 'INSERT' and auth.uid() is not null then
    new.created_by := private.gate_own();
  end if;

  new.frequency := regexp_replace(lower(btrim(new.frequency)), '\s+', ' ', 'g');

  if coalesce(new.format in ('pdf', 'xlsx', 'sheets'), false) then
    perform private.fail('report_format_unavailable', new.format);
  end if;

  if tg_op = 'INSERT' or new.recipients is distinct from old.recipients then
    new.recipients := array(select distinct private.normalize_email(r) from unnest(new.recipients) r where r is not null order by 1);

    select r into refused from unnest(new.recipients) r where private.report_recipient_kind(r) is null limit 1;

    if refused is not null then
      perform private.fail('report_recipient_refused', refused);
    end if;
  end if;

  if new.status = 'paused' then
    new.next_run := null;

    return new;
  end if;

  new.stopped_because := null;

  if new.frequency not like '% %' and coalesce(new.time !~ '^([01][0-9]|2[0-3]):[0-5][0-9]$', true) then
    perform private.fail('report_schedule_invalid', 'time');
  end if;

  if tg_op = 'INSERT' or (new.frequency, new.time, new.day, new.status) is distinct from (old.frequency, old.time, old.day, old.status) then
    new.next_run := private.next_report_run(new.frequency, new.time, new.day, private.organization_timezone(), now());
  end if;

  return new;
end
$$;

comment on function private.prepare_scheduled_report() is 'Names whose it is, refuses recipients who may not, and computes when it runs next.';

create trigger prepare_scheduled_report
  before insert or update of frequency, "time", day, recipients, format, status on public.scheduled_reports
  for each row execute function private.prepare_scheduled_report();

create trigger touch_version before update on public.scheduled_reports for each row execute function private.touch_version();

create trigger audit after insert or delete on public.scheduled_reports for each row execute function private.audit_row();

create trigger audit_change after update of frequency, "time", day, recipients, format, status on public.scheduled_reports for each row execute function private.audit_row();

create function private.reschedule_reports() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  update public.scheduled_reports s
  set next_run = private.next_report_run(s.frequency, s.time, s.day, private.organization_timezone(), now())
  where s.status = 'active' and s.next_run > now();

  return null;
end
$$;

comment on function private.reschedule_reports() is 'Nine o''clock is nine o''clock of the organisation''s zone, also when it moves.';

create trigger reschedule_reports
  after update of value on public.system_settings
  for each row when (new.key = 'organization.timezone' and old.value is distinct from new.value)
  execute function private.reschedule_reports();

create function private.send_report() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  schedule public.scheduled_reports;
  website text := rtrim(private.setting('organization.website') #>> '{}', '/');
  functions_url text;
  recipient text;
  token text;
  link text;
begin
  select * into schedule from public.scheduled_reports s where s.id = new.schedule_id;

  select max(v.decrypted_secret) into functions_url from vault.decrypted_secrets v where v.name = 'functions_url';

  foreach recipient in array coalesce(schedule.recipients, '{}') loop
    link := null;

    case private.report_recipient_kind(recipient)
      when 'colleague' then
        link := website || '/reports/' || new.report_id || '?run=' || new.id;
      when 'outside' then
        if functions_url is not null then
          token := replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '');
          link := rtrim(functions_url, '/') || '/reports/files/' || token;

          insert into private.report_links (token_hash, run_id, recipient)
          values (encode(sha256(convert_to(token, 'UTF8')), 'hex'), new.id, recipient);
        end if;
      else
        null;
    end case;

    if link is not null then
      insert into public.communications (type, direction, status, user_id, sent_by, recipient, subject, content, channel_specific_data)
      values (
        'email', 'outbound', 'queued', new.created_by, new.created_by, recipient, new.name,
        format(E'The report "%s" of %s is ready:\n\n%s\n', new.name, to_char(new.finished_at at time zone private.organization_timezone(), 'YYYY-MM-DD HH24:MI'), link),
        jsonb_build_object('report_id', new.report_id, 'report_run_id', new.id)
      );
    end if;
  end loop;

  return null;
end
$$;

comment on function private.send_report() is 'Tells the recipients who may still have it, with a link and no data: to the report for who works here, to the file for addresses outside.';

create trigger send_report
  after update of status on public.report_runs
  for each row when (new.status = 'done' and old.status <> 'done' and new.schedule_id is not null)
  execute function private.send_report();

-- Policies

alter table public.scheduled_reports enable row level security;

alter table private.report_links enable row level security;

create policy scheduled_reports_read on public.scheduled_reports for select to authenticated
  using (
    (select private.has_permission('reports.view'))
    and (created_by = (select private.gate_own()) or (select private.gate_all()) is not null)
  );

comment on policy scheduled_reports_read on public.scheduled_reports is 'One''s own; for scope all everybody''s.';

create policy scheduled_reports_create on public.scheduled_reports for insert to authenticated
  with check (
    (select private.has_permission('reports.export'))
    and created_by = (select private.gate_own())
    and exists (select from public.reports r where r.id = scheduled_reports.report_id)
  );

comment on policy scheduled_reports_create on public.scheduled_reports is 'With reports.export, of a report one sees, in one''s own name.';

create policy scheduled_reports_change on public.scheduled_reports for update to authenticated
  using (
    (select private.has_permission('reports.export'))
    and (created_by = (select private.gate_own()) or (select private.gate_all()) is not null)
  )
  with check (
    (select private.has_permission('reports.export'))
    and (created_by = (select private.gate_own()) or (select private.gate_all()) is not null)
  );

comment on policy scheduled_reports_change on public.scheduled_reports is 'With reports.export: one''s own, for scope all everybody''s.';

create policy scheduled_reports_delete on public.scheduled_reports for delete to authenticated
  using (
    (select private.has_permission('reports.view'))
    and (created_by = (select private.gate_own()) or (select private.gate_all()) is not null)
  );

comment on policy scheduled_reports_delete on public.scheduled_reports is 'One''s own, for scope all everybody''s; what was written stays in the history.';

alter policy reports_read on public.reports using (
  (select private.has_permission('reports.view'))
  and (
    is_template
    or is_shared
    or created_by = (select private.gate_own())
    or (select private.gate_all()) is not null
    or id = any ((select private.gate_reports())::uuid[])
  )
);

comment on policy reports_read on public.reports is 'With reports.view: templates, what is shared, what is sent to one by schedule, and one''s own; for scope all every definition.';

-- RPCs

create function public.report_schedule(
  p_report_id uuid,
  p_frequency text,
  p_time text default null,
  p_recipients text[] default null,
  p_format text default 'csv',
  p_day integer default null
) returns jsonb
language plpgsql volatile security invoker set search_path = '' as $$
declare
  made public.scheduled_reports;
begin
  perform private.require_permission('reports.view');

  perform private.require_permission('reports.export');

  if not exists (select from public.reports r where r.id = p_report_id) then
    perform private.fail('not_found', 'report');
  end if;

  begin
    insert into public.scheduled_reports (report_id, frequency, "time", day, recipients, format)
    values (
      p_report_id, p_frequency, p_time, p_day,
      coalesce(p_recipients, array(select p.email from public.profiles p where p.id = (select private.gate_own()))), lower(p_format)
    )
    returning * into made;
  exception when check_violation or not_null_violation or numeric_value_out_of_range then
    perform private.fail('report_schedule_invalid', 'frequency, time, day, recipients or format');
  end;

  return jsonb_build_object('schedule_id', made.id, 'next_run', made.next_run);
end
$$;

comment on function public.report_schedule(uuid, text, text, text[], text, integer) is 'Has a report written daily, on weekdays, weekly or monthly at p_time (HH:MM of the organisation), or by five cron fields, and told to p_recipients (oneself if left out) by e-mail. Answers {schedule_id, next_run}. Needs reports.view and reports.export. Errors: permission_denied, not_found, report_schedule_invalid, invalid_schedule, report_recipient_refused, report_format_unavailable. Answers D3-024.';

-- Schedule

select cron.schedule('intake-reports', '* * * * *', 'select private.report_tick()');

-- Grants

revoke all on public.scheduled_reports from anon, authenticated, service_role;

revoke all on private.report_links from public, anon, authenticated, service_role;

grant select, delete,
  insert (report_id, frequency, "time", day, recipients, format, status),
  update (frequency, "time", day, recipients, format, status)
  on public.scheduled_reports to authenticated;

grant select, insert, update, delete on public.scheduled_reports to service_role;

revoke all on function
  private.next_report_run(text, text, integer, text, timestamptz),
  private.report_recipient_kind(text),
  private.gate_reports(),
  private.report_link_open(text, jsonb),
  private.report_tick(integer, timestamptz),
  private.prepare_scheduled_report(),
  private.reschedule_reports(),
  private.send_report(),
  public.report_schedule(uuid, text, text, text[], text, integer)
  from public, anon, authenticated, service_role;

grant execute on function private.gate_reports() to authenticated, service_role;

grant execute on function public.report_schedule(uuid, text, text, text[], text, integer) to authenticated;

grant execute on function private.report_link_open(text, jsonb) to service_role;

-- This module's errors and setting

insert into public.error_codes (code, sqlstate, message, hint) values
  ('report_schedule_invalid', 'PT422', 'The schedule of the report cannot be read.', 'Send daily, weekdays, weekly or monthly with a time such as 09:00, or five cron fields such as 0 9 * * 1-5.'),
  ('report_recipient_refused', 'PT422', 'The report cannot be sent to this address.', 'Name people here who may see reports, or have the address added to reports.allowed_recipients.');

select private.define_setting('reports.allowed_recipients', '[]', 'list', 'Addresses, or @domains, outside the organisation that scheduled reports may be sent to', 0, 100);

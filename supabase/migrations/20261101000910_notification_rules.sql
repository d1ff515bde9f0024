-- Notification rules: which event reaches whom over which channel.
--
-- Every module tells people through private.notify(), with the name of the event in the metadata; here it is decided
-- what becomes of that. A person's own rule comes before their role's, that before everybody's; without one they are
-- told in the application and nowhere else. What goes by e-mail, SMS or WhatsApp waits in an outbox until it may be
-- sent; each minute the sweep makes messages of it, one to a person and channel.

-- Tables

create table public.notification_events (
  key text primary key,
  name text not null,
  description text not null default '',
  position smallint not null,
  constraint notification_events_key_is_snake_case check (key ~ '^[a-z][a-z0-9_]{1,62}$'),
  constraint notification_events_name_is_a_line check (btrim(name) <> '' and length(name) <= 120)
);

comment on table public.notification_events is 'What people are told of by itself, for a page of settings. List: select().order("position").';

comment on column public.notification_events.key is 'What notifications.metadata has as event.';

create table public.notification_rules (
  id uuid primary key default private.uuid_v7(),
  event text not null references public.notification_events (key) on update cascade on delete cascade,
  channel text not null,
  role_id uuid references public.roles (id) on delete cascade,
  user_id uuid references public.profiles (id) on delete cascade,
  is_enabled boolean not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint notification_rules_channel_is_known check (channel in ('in_app', 'email', 'sms', 'whatsapp')),
  constraint notification_rules_are_of_one_person_or_role check (num_nonnulls(role_id, user_id) <= 1)
);

comment on table public.notification_rules is 'Whether an event reaches a person, a role or everybody over a channel. Of several the person''s own counts, then their role''s. Without one: in_app alone.';

comment on column public.notification_rules.role_id is 'For everybody in this role.';

comment on column public.notification_rules.user_id is 'For this person. With neither it is for everybody.';

create unique index notification_rules_are_unambiguous on public.notification_rules
  (event, channel, coalesce(user_id, '00000000-0000-0000-0000-000000000000'), coalesce(role_id, '00000000-0000-0000-0000-000000000000'));

create index notification_rules_of_person on public.notification_rules (user_id) where user_id is not null;

create index notification_rules_of_role on public.notification_rules (role_id) where role_id is not null;

create table public.notification_preferences (
  user_id uuid primary key default auth.uid() references public.profiles (id) on delete cascade,
  muted_until timestamptz,
  quiet_from_hour smallint,
  quiet_to_hour smallint,
  digest_hour smallint,
  updated_at timestamptz not null default now(),
  constraint notification_preferences_hours_are_of_a_day check (
    quiet_from_hour between 0 and 23 and quiet_to_hour between 0 and 23 and digest_hour between 0 and 23
  ),
  constraint notification_preferences_quiet_hours_begin_and_end check ((quiet_from_hour is null) = (quiet_to_hour is null) and quiet_from_hour <> quiet_to_hour)
);

comment on table public.notification_preferences is 'When a person wants to be told. Write: upsert({user_id, …}, {onConflict: "user_id"}).';

comment on column public.notification_preferences.muted_until is 'Until then only what is urgent is told, over any channel.';

comment on column public.notification_preferences.quiet_from_hour is 'From this hour, of the person''s own time zone, until quiet_to_hour nothing but what is urgent leaves the application; it is sent afterwards.';

comment on column public.notification_preferences.digest_hour is 'At this hour of the day what leaves the application is sent, together; null is at once.';

create table private.notification_outbox (
  id uuid primary key default private.uuid_v7(),
  user_id uuid not null references public.profiles (id) on delete cascade,
  channel text not null,
  title text not null,
  message text not null,
  event text not null,
  metadata jsonb not null,
  lead_id uuid references public.leads (id) on delete cascade,
  send_at timestamptz not null
);

comment on table private.notification_outbox is 'What is to reach people outside of the application, until it is due.';

comment on column private.notification_outbox.lead_id is 'Whom it is about: it goes when they are erased.';

create index notification_outbox_due on private.notification_outbox (send_at);

create index notification_outbox_of_person on private.notification_outbox (user_id, channel, send_at);

create index notification_outbox_of_lead on private.notification_outbox (lead_id) where lead_id is not null;

insert into private.timeline_readers (name) values ('notifications');

-- Policies

alter table public.notification_events enable row level security;

alter table public.notification_rules enable row level security;

alter table public.notification_preferences enable row level security;

alter table private.notification_outbox enable row level security;

create policy notification_events_read on public.notification_events for select to authenticated
  using ((select private.gate_own()) is not null);

comment on policy notification_events_read on public.notification_events is 'Every active person.';

create policy notification_rules_read on public.notification_rules for select to authenticated
  using (
    user_id = (select private.gate_own())
    or (user_id is null and (select private.gate_own()) is not null)
    or (select private.has_permission('notifications.manage'))
  );

comment on policy notification_rules_read on public.notification_rules is 'One''s own and those for all; with notifications.manage everybody''s.';

create policy notification_rules_create on public.notification_rules for insert to authenticated
  with check (user_id = (select private.gate_own()) or (select private.has_permission('notifications.manage')));

comment on policy notification_rules_create on public.notification_rules is 'For oneself; for others and for all with notifications.manage.';

create policy notification_rules_change on public.notification_rules for update to authenticated
  using (user_id = (select private.gate_own()) or (select private.has_permission('notifications.manage')))
  with check (user_id = (select private.gate_own()) or (select private.has_permission('notifications.manage')));

comment on policy notification_rules_change on public.notification_rules is 'One''s own; with notifications.manage any.';

create policy notification_rules_delete on public.notification_rules for delete to authenticated
  using (user_id = (select private.gate_own()) or (select private.has_permission('notifications.manage')));

comment on policy notification_rules_delete on public.notification_rules is 'One''s own; with notifications.manage any.';

create policy notification_preferences_read on public.notification_preferences for select to authenticated
  using (user_id = (select private.gate_own()));

comment on policy notification_preferences_read on public.notification_preferences is 'One''s own.';

create policy notification_preferences_create on public.notification_preferences for insert to authenticated
  with check (user_id = (select private.gate_own()));

comment on policy notification_preferences_create on public.notification_preferences is 'One''s own.';

create policy notification_preferences_change on public.notification_preferences for update to authenticated
  using (user_id = (select private.gate_own()))
  with check (user_id = (select private.gate_own()));

comment on policy notification_preferences_change on public.notification_preferences is 'One''s own.';

-- Functions

create function private.quiet_hours_end(p_at timestamptz, p_zone text, p_from integer, p_to integer) returns timestamptz
language plpgsql stable set search_path = '' as $$
declare
  here timestamp := p_at at time zone p_zone;
  hour integer := extract(hour from here);
  is_quiet boolean := case when p_from <= p_to then hour >= p_from and hour < p_to else hour >= p_from or hour < p_to end;
begin
  return case when is_quiet then
    (date_trunc('day', here) + make_interval(days => case when p_from > p_to and hour >= p_from then 1 else 0 end, hours => p_to)) at time zone p_zone
  end;
end
$$;

comment on function private.quiet_hours_end(timestamptz, text, integer, integer) is 'When the quiet hours end that a moment falls into, by the clock of a zone; null outside of them.';

create function private.notification_channels(p_user_id uuid, p_event text, p_priority text, out is_in_app boolean, out others text[], out send_at timestamptz)
language plpgsql stable security definer set search_path = '' as $$
declare
  told record;
  wish public.notification_preferences;
  zone text;
begin
  select coalesce(bool_or(r.is_enabled) filter (where r.channel = 'in_app'), true) as is_in_app,
    coalesce(array_agg(r.channel order by r.channel) filter (where r.is_enabled and r.channel <> 'in_app'), '{}') as others
  into told
  from (
    select distinct on (x.channel) x.channel, x.is_enabled
    from public.notification_rules x
    where x.event = p_event
      and (x.user_id = p_user_id or (x.user_id is null and (x.role_id is null or x.role_id = (select p.role_id from public.profiles p where p.id = p_user_id))))
    order by x.channel, x.user_id is null, x.role_id is null
  ) r;

  is_in_app := told.is_in_app;
  others := told.others;
  send_at := now();

  select * into wish from public.notification_preferences w where w.user_id = p_user_id;

  if wish.user_id is null or p_priority = 'urgent' then
    return;
  end if;

  if wish.muted_until > now() then
    is_in_app := false;
    others := '{}';

    return;
  end if;

  if others <> '{}' then
    zone := coalesce((select p.timezone from public.profiles p where p.id = p_user_id), private.setting('organization.timezone') #>> '{}');

    if wish.digest_hour is not null then
      send_at := (date_trunc('day', now() at time zone zone) + make_interval(hours => wish.digest_hour)) at time zone zone;

      if send_at < now() then
        send_at := (date_trunc('day', now() at time zone zone) + make_interval(days => 1, hours => wish.digest_hour)) at time zone zone;
      end if;
    end if;

    if wish.quiet_from_hour is not null then
      send_at := coalesce(private.quiet_hours_end(send_at, zone, wish.quiet_from_hour, wish.quiet_to_hour), send_at);
    end if;
  end if;
end
$$;

comment on function private.notification_channels(uuid, text, text) is 'Whether an event reaches a person in the application, over which other channels, and from when on over these.';

create function private.notification_send(p_limit integer default 1000) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  sent integer;
begin
  with due as (
    delete from private.notification_outbox o
    where o.id = any (array(select x.id from private.notification_outbox x where x.send_at <= now() order by x.send_at, x.id limit p_limit for update skip locked))
    returning o.*
  ), told as (
    select d.user_id, d.channel, count(*) as events, min(d.title) as title, string_agg(concat_ws(': ', d.title, nullif(d.message, '')), E'\n' order by d.id) as content,
      jsonb_agg(distinct d.event) as names, jsonb_agg(distinct d.lead_id) filter (where d.lead_id is not null) as leads
    from due d
    group by d.user_id, d.channel
  )
  insert into public.communications (type, direction, status, recipient, subject, content, template_id, channel_specific_data)
  select t.channel, 'outbound', 'queued', case t.channel when 'email' then p.email else p.phone end,
    case when t.channel = 'email' then s.subject end,
    case when m.id is null then left(t.content, case t.channel when 'email' then 20000 else 480 end) end, m.id,
    jsonb_build_object('notification', t.names, 'variables', jsonb_build_object('title', s.subject, 'message', left(t.content, 1000)))
      || case when t.leads is null then '{}' else jsonb_build_object('leads', t.leads) end
  from told t
  cross join lateral (select case when t.events = 1 then t.title else t.events || ' notifications' end as subject) s
  join public.profiles p on p.id = t.user_id and p.is_active
  left join lateral (
    select x.id from public.message_templates x where x.name = 'notification' and x.channel = t.channel and x.is_active order by x.locale <> 'en', x.locale limit 1
  ) m on true
  where case t.channel when 'email' then p.email else p.phone end is not null
    and coalesce((p.preferences -> 'notifications' ->> t.channel) <> 'false', true)
    -- Of its own accord WhatsApp takes approved templates alone.
    and (t.channel <> 'whatsapp' or m.id is not null);

  get diagnostics sent = row_count;

  return sent;
end
$$;

comment on function private.notification_send(integer) is 'Run every minute: makes messages of what is due outside of the application, all to one person over one channel in one; by the template "notification" of the channel, with title and message, if there is one. Who left, has no address, or switched the channel off in preferences.notifications gets none.';

create function private.notification_sweep(p_limit integer default 1000) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  read uuid[];
  told integer := 0;
begin
  -- An import writes more of the timeline in a minute than one reading takes.
  for reading in 1 .. 100 loop
    select r.activities into read from private.take_timeline('notifications', now() - interval '1 hour', p_limit) r;

    with changed as materialized (
      select distinct on (a.lead_id) a.id, a.lead_id, a.description, a.metadata, l.lead_id as number, l.assigned_to
      from public.activities a
      join public.leads l on l.id = a.lead_id and l.deleted_at is null
      where a.id = any (read)
        and a.type = 'status_change'
        and not a.metadata ? 'deal_id'
        and l.assigned_to is distinct from a.actor_id
        and not a.metadata ? 'automation_run'
      order by a.lead_id, a.id desc
    )
    select told + count(n.id) into told
    from changed c
    cross join lateral private.notify(
      c.assigned_to, 'Lead status changed', c.number || ': ' || c.description || '.', 'lead', 'normal', c.lead_id, '/leads/' || c.number,
      p_metadata => jsonb_build_object('event', 'lead_status_changed', 'lead_number', c.number, 'from', c.metadata -> 'from', 'to', c.metadata -> 'to')
    ) n (id);

    exit when cardinality(read) < p_limit;
  end loop;

  return told;
end
$$;

comment on function private.notification_sweep(integer) is 'Run every minute: tells the owners of leads whose stage somebody else changed, of each lead the last change. Read from the timeline, so that no write waits for it.';

-- Triggers

create trigger touch_updated_at before update on public.notification_rules for each row execute function private.touch_updated_at();

create trigger touch_updated_at before update on public.notification_preferences for each row execute function private.touch_updated_at();

create trigger audit after insert or update or delete on public.notification_rules for each row execute function private.audit_row();

-- Schedule

select cron.schedule('intake-notification-sweep', '* * * * *', 'select private.notification_sweep()');

select cron.schedule('intake-notification-send', '* * * * *', 'select private.notification_send()');

-- Grants

revoke all on public.notification_events, public.notification_rules, public.notification_preferences from anon, authenticated, service_role;

revoke all on private.notification_outbox from anon, authenticated, service_role;

grant select on public.notification_events to authenticated;

grant select, delete, insert (id, event, channel, role_id, user_id, is_enabled), update (is_enabled) on public.notification_rules to authenticated;

grant select, insert (user_id, muted_until, quiet_from_hour, quiet_to_hour, digest_hour), update (user_id, muted_until, quiet_from_hour, quiet_to_hour, digest_hour)
  on public.notification_preferences to authenticated;

grant select, insert, update, delete on public.notification_events, public.notification_rules, public.notification_preferences to service_role;

revoke all on function
  private.quiet_hours_end(timestamptz, text, integer, integer),
  private.notification_channels(uuid, text, text),
  private.notification_send(integer),
  private.notification_sweep(integer)
  from public, anon, authenticated, service_role;

-- What people are told of, and this module's permission

insert into public.notification_events (position, key, name, description) values
  (1, 'lead_assigned', 'Lead assigned', 'A lead was given to them'),
  (2, 'leads_assigned', 'Many leads assigned', 'Of many leads given to them at once, those beyond the first'),
  (3, 'leads_imported', 'Leads imported', 'Leads of an import are theirs'),
  (4, 'lead_enquired_again', 'Lead enquired again', 'A lead of theirs enquired again'),
  (5, 'lead_status_changed', 'Lead status changed', 'Somebody else changed the stage of a lead of theirs'),
  (6, 'task_assigned', 'Task assigned', 'Somebody gave them a task'),
  (7, 'reminder_due', 'Reminder due', 'A reminder of theirs is due'),
  (8, 'call_missed', 'Missed call', 'A lead called and nobody answered'),
  (9, 'message_received', 'Message received', 'A lead of theirs wrote'),
  (10, 'sla_warned', 'Answer soon due', 'A lead of theirs is to be answered soon'),
  (11, 'sla_breached', 'Answer overdue', 'A lead of theirs was not answered in time'),
  (12, 'sla_escalated', 'Escalation', 'A lead of their team was not answered in time'),
  (13, 'sla_summary', 'More of these', 'Of many such leads, those beyond the first'),
  (14, 'document_verified', 'Document verified', 'A document was verified'),
  (15, 'document_rejected', 'Document rejected', 'A document was rejected'),
  (16, 'document_refused', 'Document refused', 'A file could not be taken'),
  (17, 'payment', 'Payment', 'A payment of a lead or student of theirs came in, failed or was refunded'),
  (18, 'import_finished', 'Import finished', 'An import of theirs ended'),
  (19, 'automation', 'Workflow', 'A workflow tells them something'),
  (20, 'webhook_switched_off', 'Webhook switched off', 'An outside system could not be told any more');

insert into public.permissions (key, description) values
  ('notifications.manage', 'Decide which events reach whom over which channel');

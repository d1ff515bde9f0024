-- Notifications: what a person is told inside the application, and how it reaches an open browser.
--
-- A notification is a row its receiver reads, marks and deletes under RLS. Realtime carries only ids, on the
-- private topic user:<id>: the client fetches the row, so that access is decided when it is read. The policies
-- at the end say who may listen to which topic.

-- Tables

create table public.notifications (
  id uuid primary key default private.uuid_v7(),
  user_id uuid not null default auth.uid() references public.profiles (id) on delete cascade,
  title text not null,
  message text not null default '',
  type text not null default 'info',
  priority text not null default 'normal',
  lead_id uuid references public.leads (id) on delete cascade,
  student_id uuid references public.students (id) on delete cascade,
  action_url text,
  action_label text,
  metadata jsonb not null default '{}',
  is_read boolean not null default false,
  read_at timestamptz,
  expires_at timestamptz,
  sender_id uuid references public.profiles (id) on delete set null,
  created_at timestamptz not null default now(),
  constraint notifications_title_is_a_line check (btrim(title) <> '' and length(title) <= 200),
  constraint notifications_message_is_short check (length(message) <= 4000),
  constraint notifications_type_is_known check (type in ('info', 'success', 'warning', 'error', 'reminder', 'call', 'lead', 'system', 'alert')),
  constraint notifications_priority_is_known check (priority in ('low', 'normal', 'high', 'urgent')),
  constraint notifications_action_url_is_a_link check (length(action_url) <= 2048 and action_url ~ '^(/([^/\\]|$)|https?://)'),
  constraint notifications_action_label_is_short check (length(action_label) <= 80),
  constraint notifications_metadata_is_a_small_object check (jsonb_typeof(metadata) = 'object' and pg_column_size(metadata) <= 16384),
  constraint notifications_read_at_tells_when check (is_read = (read_at is not null)),
  constraint notifications_expire_after_they_begin check (expires_at > created_at)
) with (fillfactor = 90);

comment on table public.notifications is 'What a person is told. Each sees their own, until it expires. List: select().eq("is_read", false).order("created_at", {ascending: false}).';

comment on column public.notifications.type is 'How it looks (info, success, warning, error) or what it is about (reminder, call, lead, system, alert).';

comment on column public.notifications.priority is 'low, normal, high or urgent; medium is taken as normal.';

comment on column public.notifications.lead_id is 'The lead it is about. Texts name a lead by its number alone, so that nothing personal stays with somebody who lost access.';

comment on column public.notifications.action_url is 'Where it leads: a path of the frontend, or a web address.';

comment on column public.notifications.read_at is 'Set by trigger with is_read.';

comment on column public.notifications.expires_at is 'Nobody sees it from then on; purged a day later.';

comment on column public.notifications.sender_id is 'Who caused it; null when nobody in particular did.';

create index notifications_of_user on public.notifications (user_id, created_at desc, id desc);

create index notifications_unread on public.notifications (user_id, created_at desc) where not is_read;

create index notifications_of_lead on public.notifications (lead_id) where lead_id is not null;

create index notifications_of_student on public.notifications (student_id) where student_id is not null;

create index notifications_expiring on public.notifications (expires_at) where expires_at is not null;

create index notifications_of_sender on public.notifications (sender_id) where sender_id is not null;

-- Policies

alter table public.notifications enable row level security;

create policy notifications_read on public.notifications for select to authenticated
  using (user_id = (select private.gate_own()) and (expires_at is null or expires_at > now()));

comment on policy notifications_read on public.notifications is 'One''s own, not expired. An administrator reads nobody else''s either.';

create policy notifications_create on public.notifications for insert to authenticated
  with check (
    user_id = (select private.gate_own())
    and (lead_id is null or exists (select from public.leads l where l.id = notifications.lead_id))
    and (student_id is null or exists (select from public.students s where s.id = notifications.student_id))
  );

comment on policy notifications_create on public.notifications is 'For oneself; others are notified by notify().';

create policy notifications_change on public.notifications for update to authenticated
  using (user_id = (select private.gate_own()) and (expires_at is null or expires_at > now()))
  with check (user_id = (select private.gate_own()));

comment on policy notifications_change on public.notifications is 'One''s own, and of those the one column granted: is_read.';

create policy notifications_delete on public.notifications for delete to authenticated
  using (user_id = (select private.gate_own()));

comment on policy notifications_delete on public.notifications is 'One''s own.';

-- Functions

create function private.notify(
  p_user_id uuid,
  p_title text,
  p_message text,
  p_type text default 'info',
  p_priority text default 'normal',
  p_lead_id uuid default null,
  p_action_url text default null,
  p_action_label text default null,
  p_metadata jsonb default '{}',
  p_expires_at timestamptz default null,
  p_student_id uuid default null
) returns uuid
language plpgsql volatile security definer set search_path = '' as $$
declare
  event constant text := p_metadata ->> 'event';
  told record;
  made uuid;
begin
  if event is not null then
    select * into told from private.notification_channels(p_user_id, event, p_priority);

    if told.others <> '{}' then
      insert into private.notification_outbox (user_id, channel, title, message, event, metadata, lead_id, send_at)
      -- How many more there are is known at commit.
      select p_user_id, c, case event when 'leads_assigned' then 'More leads assigned' else left(p_title, 200) end, coalesce(p_message, ''), event, p_metadata, p_lead_id, told.send_at
      from unnest(told.others) c
      where exists (select from public.profiles p where p.id = p_user_id and p.is_active);
    end if;

    if not told.is_in_app then
      return null;
    end if;
  end if;

  insert into public.notifications (user_id, title, message, type, priority, lead_id, student_id, action_url, action_label, metadata, expires_at, sender_id)
  select p.id, p_title, coalesce(p_message, ''), coalesce(p_type, 'info'), coalesce(p_priority, 'normal'), p_lead_id, p_student_id,
    p_action_url, p_action_label, coalesce(p_metadata, '{}'), p_expires_at, (select s.id from public.profiles s where s.id = auth.uid())
  from public.profiles p
  where p.id = p_user_id and p.is_active
  returning id into made;

  return made;
end
$$;

comment on function private.notify(uuid, text, text, text, text, uuid, text, text, jsonb, timestamptz, uuid) is 'Notifies an active person, null if there is none: for triggers, jobs and services, which have decided already that it is due. If p_metadata names an event, notification_rules decide over which channels; null too if not in the application.';

create function private.notify_many(
  p_user_ids uuid[],
  p_title text,
  p_message text,
  p_type text,
  p_priority text,
  p_lead_id uuid,
  p_student_id uuid,
  p_action_url text,
  p_action_label text,
  p_metadata jsonb,
  p_expires_at timestamptz
) returns uuid[]
language plpgsql volatile security definer set search_path = '' as $$
declare
  caller uuid := private.gate_own();
  made uuid[];
begin
  if p_user_ids is null then
    perform private.require_permission('notifications.broadcast');
  elsif p_user_ids is distinct from array[caller] then
    perform private.require_permission('notifications.send');
  end if;

  if cardinality(p_user_ids) not between 1 and 1000 then
    perform private.fail('argument_invalid', 'p_user_ids takes 1 to 1000 ids');
  end if;

  with sent as (
    insert into public.notifications (user_id, title, message, type, priority, lead_id, student_id, action_url, action_label, metadata, expires_at, sender_id)
    select p.id, p_title, coalesce(p_message, ''), coalesce(p_type, 'info'), coalesce(p_priority, 'normal'), p_lead_id, p_student_id,
      p_action_url, p_action_label, coalesce(p_metadata, '{}'), p_expires_at, caller
    from public.profiles p
    where p.is_active
      and (p_user_ids is null or p.id = any (p_user_ids))
      and (
        p.id = caller
        or (select private.gate_all()) is not null
        or exists (select from public.team_members m where m.user_id = p.id and m.team_id = any ((select private.gate_team())::uuid[]))
      )
    order by p.id
    returning id
  )
  select coalesce(array_agg(s.id), '{}') into made from sent s;

  return made;
end
$$;

comment on function private.notify_many(uuid[], text, text, text, text, uuid, uuid, text, text, jsonb, timestamptz) is 'Body of notify, notify_broadcast and notify_system: notifies those of the people named (null: of all) who are active and within the caller''s reach.';

create function private.notifications_purge() returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  keep_days integer := (private.setting('notifications.retention_days'))::integer;
  purged integer;
begin
  delete from public.notifications n
  where n.expires_at < now() - interval '1 day'
    or (keep_days > 0 and n.created_at < now() - make_interval(days => keep_days));

  get diagnostics purged = row_count;

  return purged;
end
$$;

comment on function private.notifications_purge() is 'Deletes what expired and what is older than notifications.retention_days. Run daily.';

create function private.topic_id(p_kind text) returns uuid
language plpgsql stable set search_path = '' as $$
declare
  topic text := realtime.topic();
begin
  if topic ~ ('^' || p_kind || ':[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$') then
    return split_part(topic, ':', 2)::uuid;
  end if;

  return null;
end
$$;

comment on function private.topic_id(text) is 'The id in the topic being joined if it is of this kind, as in user:<id>, else null.';

-- Triggers

create function private.prepare_notification() returns trigger
language plpgsql set search_path = '' as $$
begin
  if tg_op = 'INSERT' then
    new.title := btrim(new.title);
    new.type := lower(btrim(new.type));
    new.priority := case lower(btrim(new.priority)) when 'medium' then 'normal' else lower(btrim(new.priority)) end;
  end if;

  new.read_at := case when new.is_read then coalesce(new.read_at, clock_timestamp()) end;

  return new;
end
$$;

comment on function private.prepare_notification() is 'Takes medium for normal, and keeps read_at.';

-- Our own writers say it as it is kept: they need not be corrected.
create trigger prepare_notification
  before insert on public.notifications
  for each row when (
    new.title <> btrim(new.title) or new.type <> lower(btrim(new.type)) or new.priority is null
    or new.priority not in ('low', 'normal', 'high', 'urgent') or new.is_read or new.read_at is not null
  )
  execute function private.prepare_notification();

create trigger prepare_notification_in_change
  before update on public.notifications
  for each row execute function private.prepare_notification();

create function private.announce_notifications() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  -- realtime.send turns what goes wrong into a warning: no write fails because nobody could be called.
  if tg_op = 'INSERT' then
    perform realtime.send(jsonb_build_object('id', n.id, 'lead_id', n.lead_id), 'notification_created', 'user:' || n.user_id, true)
    from affected n;
  else
    -- One message per person, however many rows: the client counts again.
    perform realtime.send(jsonb_build_object('user_id', n.user_id), 'notifications_changed', 'user:' || n.user_id, true)
    from (select distinct a.user_id from affected a) n;
  end if;

  return null;
end
$$;

comment on function private.announce_notifications() is 'Sends ids to user:<id>: notification_created per row; notifications_changed when rows were read or deleted, so that every tab counts alike.';

create trigger announce_created
  after insert on public.notifications
  referencing new table as affected
  for each statement execute function private.announce_notifications();

create trigger announce_changed
  after update on public.notifications
  referencing new table as affected
  for each statement execute function private.announce_notifications();

create trigger announce_deleted
  after delete on public.notifications
  referencing old table as affected
  for each statement execute function private.announce_notifications();

create function private.notify_assignee() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  counter text := 'intake.assigned_' || replace(new.assigned_to::text, '-', '');
  -- Leads given to this person in this transaction, and how many of them were told one by one.
  counted integer[] := coalesce(nullif(current_setting(counter, true), '')::integer[], '{0,0}');
begin
  if new.assigned_to = auth.uid() or private.is_importing() then
    return null;
  end if;

  if counted[1] = counted[2] then
    if counted[1] < (private.setting('notifications.assignment_threshold'))::integer then
      perform private.notify(
        new.assigned_to, 'New lead assigned', new.lead_id || ' is now yours.', 'lead', 'normal', new.id,
        p_metadata => jsonb_build_object('event', 'lead_assigned', 'lead_number', new.lead_id)
      );

      counted[2] := counted[2] + 1;
    else
      perform private.notify(
        new.assigned_to, private.assigned_title(1), 'Open your lead list to see them.', 'lead', 'normal',
        p_metadata => '{"event": "leads_assigned", "lead_count": 1}'
      );
    end if;
  end if;

  perform set_config(counter, array[counted[1] + 1, counted[2]]::text, true);

  return null;
end
$$;

comment on function private.notify_assignee() is 'Tells a person of the leads they were given, not of those they took themselves: one by one up to notifications.assignment_threshold in a transaction, the rest in one. The count is kept in the transaction, so that neither one large statement nor many small ones cost more than their rows.';

create function private.assigned_title(p_count integer) returns text
language plpgsql immutable set search_path = '' as $$
begin
  return format('%s more %s assigned', p_count, case p_count when 1 then 'lead' else 'leads' end);
end
$$;

comment on function private.assigned_title(integer) is 'Title of the summary of many assignments.';

create function private.finish_assignment_summary() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  counted integer[] := nullif(current_setting('intake.assigned_' || replace(new.user_id::text, '-', ''), true), '')::integer[];
  uncounted integer := counted[1] - counted[2];
begin
  if uncounted is distinct from (new.metadata ->> 'lead_count')::integer then
    update public.notifications n
    set title = private.assigned_title(uncounted), metadata = n.metadata || jsonb_build_object('lead_count', uncounted)
    where n.id = new.id and uncounted is not null;
  end if;

  return null;
end
$$;

comment on function private.finish_assignment_summary() is 'At commit, when all assignments of the transaction are known, the summary says how many.';

create constraint trigger finish_assignment_summary
  after insert on public.notifications
  deferrable initially deferred
  for each row when (new.metadata @> '{"event": "leads_assigned"}')
  execute function private.finish_assignment_summary();

create trigger notify_assignees_of_new after insert on public.leads
  -- Of an import each owner hears once, at its end.
  for each row when (new.assigned_to is not null and new.deleted_at is null and coalesce(current_setting('intake.importing', true), '') = '')
  execute function private.notify_assignee();

create trigger notify_assignees_of_changed after update of assigned_to on public.leads
  for each row when (new.assigned_to is not null and new.assigned_to is distinct from old.assigned_to and new.deleted_at is null)
  execute function private.notify_assignee();

-- RPCs

create function public.notify(
  p_user_id uuid,
  p_title text,
  p_message text,
  p_type text default 'info',
  p_priority text default 'normal',
  p_lead_id uuid default null,
  p_student_id uuid default null,
  p_action_url text default null,
  p_action_label text default null,
  p_metadata jsonb default '{}',
  p_expires_at timestamptz default null
) returns uuid
language plpgsql volatile security invoker set search_path = '' as $$
declare
  made uuid;
begin
  if current_user = 'service_role' then
    made := private.notify(p_user_id, p_title, p_message, p_type, p_priority, p_lead_id, p_action_url, p_action_label, p_metadata, p_expires_at, p_student_id);
  else
    if p_lead_id is not null then
      perform private.find_lead(p_lead_id::text);
    end if;

    if p_user_id is null then
      perform private.fail('argument_invalid', 'p_user_id');
    end if;

    made := (private.notify_many(array[p_user_id], p_title, p_message, p_type, p_priority, p_lead_id, p_student_id, p_action_url, p_action_label, p_metadata, p_expires_at))[1];
  end if;

  if made is null then
    perform private.fail('notification_out_of_reach', p_user_id::text);
  end if;

  return made;
end
$$;

comment on function public.notify(uuid, text, text, text, text, uuid, uuid, text, text, jsonb, timestamptz) is 'Notifies a person and returns the notification''s id. Oneself always; others with notifications.send, within reach: the members of teams one manages, everybody for scope all. Errors: permission_denied, notification_out_of_reach, lead_not_found. Answers D0-029, D4-049.';

create function public.notify_broadcast(
  p_user_ids uuid[],
  p_title text,
  p_message text,
  p_type text default 'info',
  p_priority text default 'normal',
  p_action_url text default null,
  p_action_label text default null,
  p_metadata jsonb default '{}',
  p_expires_at timestamptz default null
) returns jsonb
language plpgsql volatile security invoker set search_path = '' as $$
declare
  wanted uuid[] := (select array_agg(distinct u) from unnest(p_user_ids) u where u is not null);
  sent integer;
begin
  if wanted is null then
    perform private.fail('argument_invalid', 'p_user_ids');
  end if;

  sent := cardinality(private.notify_many(wanted, p_title, p_message, p_type, p_priority, null, null, p_action_url, p_action_label, p_metadata, p_expires_at));

  return jsonb_build_object('sent', sent, 'skipped', cardinality(wanted) - sent);
end
$$;

comment on function public.notify_broadcast(uuid[], text, text, text, text, text, text, jsonb, timestamptz) is 'Notifies 1 to 1000 people at once: {sent, skipped}. Whoever is unknown, inactive or out of reach is skipped. Needs notifications.send. Errors: permission_denied, argument_invalid. Answers D0-032.';

create function public.notify_system(
  p_title text,
  p_message text,
  p_type text default 'system',
  p_priority text default 'normal',
  p_action_url text default null,
  p_action_label text default null,
  p_metadata jsonb default '{}',
  p_expires_at timestamptz default null
) returns jsonb
language plpgsql volatile security invoker set search_path = '' as $$
begin
  return jsonb_build_object('sent', cardinality(private.notify_many(
    null, p_title, p_message, coalesce(p_type, 'system'), p_priority, null, null, p_action_url, p_action_label, p_metadata, p_expires_at
  )));
end
$$;

comment on function public.notify_system(text, text, text, text, text, text, jsonb, timestamptz) is 'Notifies every active person within reach, which for an administrator is everybody: {sent}. Needs notifications.broadcast. Answers D4-054.';

create function public.notifications_read_all() returns integer
language plpgsql volatile security invoker set search_path = '' as $$
declare
  marked integer;
begin
  update public.notifications n set is_read = true where n.user_id = auth.uid() and not n.is_read;

  get diagnostics marked = row_count;

  return marked;
end
$$;

comment on function public.notifications_read_all() is 'Marks all of the caller''s notifications as read and returns how many. Answers D4-051.';

create function public.notification_stats() returns jsonb
language plpgsql stable security invoker set search_path = '' as $$
begin
  return (
    with mine as (
      select n.type, n.priority, n.is_read from public.notifications n where n.user_id = auth.uid()
    )
    select jsonb_build_object(
      'total', (select count(*) from mine),
      'unread', (select count(*) from mine where not is_read),
      'by_type', (
        select jsonb_object_agg(t.type, (select count(*) from mine m where m.type = t.type))
        from unnest(array['info', 'success', 'warning', 'error', 'reminder', 'call', 'lead', 'system', 'alert']) t (type)
      ),
      'by_priority', (
        select jsonb_object_agg(p.priority, (select count(*) from mine m where m.priority = p.priority))
        from unnest(array['low', 'normal', 'high', 'urgent']) p (priority)
      )
    )
  );
end
$$;

comment on function public.notification_stats() is 'The caller''s notifications in numbers: {total, unread, by_type, by_priority}, every type and priority named. Answers D4-053.';

-- Realtime: who may listen. Nobody may send: there is no insert policy.

create policy intake_listen on realtime.messages for select to authenticated
  using (
    extension = 'broadcast'
    and (
      (select private.topic_id('user')) = (select private.gate_own())
      or ((select private.topic_id('team')) is not null and (select private.gate_all()) is not null)
      or exists (
        select from public.team_members m
        where m.team_id = (select private.topic_id('team')) and m.user_id = (select private.gate_own())
      )
      or exists (select from public.leads l where l.id = (select private.topic_id('lead')))
    )
  );

-- Schedule

select cron.schedule('intake-notifications-purge', '41 20 * * *', 'select private.notifications_purge()');

-- Grants

revoke all on public.notifications from anon, authenticated, service_role;

grant select, delete,
  insert (id, user_id, title, message, type, priority, lead_id, student_id, action_url, action_label, metadata, expires_at),
  update (is_read)
  on public.notifications to authenticated;

grant select, insert, update, delete on public.notifications to service_role;

revoke all on function private.notify(uuid, text, text, text, text, uuid, text, text, jsonb, timestamptz, uuid) from public, anon, authenticated, service_role;

grant execute on function private.notify(uuid, text, text, text, text, uuid, text, text, jsonb, timestamptz, uuid) to service_role;

revoke all on function private.notify_many(uuid[], text, text, text, text, uuid, uuid, text, text, jsonb, timestamptz) from public, anon, authenticated, service_role;

grant execute on function private.notify_many(uuid[], text, text, text, text, uuid, uuid, text, text, jsonb, timestamptz) to authenticated;

revoke all on function private.notifications_purge() from public, anon, authenticated, service_role;

revoke all on function private.topic_id(text) from public, anon, authenticated, service_role;

grant execute on function private.topic_id(text) to authenticated;

revoke all on function private.prepare_notification() from public, anon, authenticated, service_role;

revoke all on function private.announce_notifications() from public, anon, authenticated, service_role;

revoke all on function private.notify_assignee() from public, anon, authenticated, service_role;

revoke all on function private.assigned_title(integer) from public, anon, authenticated, service_role;

revoke all on function private.finish_assignment_summary() from public, anon, authenticated, service_role;

revoke all on function public.notify(uuid, text, text, text, text, uuid, uuid, text, text, jsonb, timestamptz) from public, anon, authenticated, service_role;

grant execute on function public.notify(uuid, text, text, text, text, uuid, uuid, text, text, jsonb, timestamptz) to authenticated, service_role;

revoke all on function public.notify_broadcast(uuid[], text, text, text, text, text, text, jsonb, timestamptz) from public, anon, authenticated, service_role;

grant execute on function public.notify_broadcast(uuid[], text, text, text, text, text, text, jsonb, timestamptz) to authenticated;

revoke all on function public.notify_system(text, text, text, text, text, text, jsonb, timestamptz) from public, anon, authenticated, service_role;

grant execute on function public.notify_system(text, text, text, text, text, text, jsonb, timestamptz) to authenticated;

revoke all on function public.notifications_read_all() from public, anon, authenticated, service_role;

grant execute on function public.notifications_read_all() to authenticated;

revoke all on function public.notification_stats() from public, anon, authenticated, service_role;

grant execute on function public.notification_stats() to authenticated;

-- This module's errors and settings

insert into public.error_codes (code, sqlstate, message, hint) values
  ('notification_out_of_reach', '42501', 'This person cannot be notified by you.', 'Choose an active member of a team you manage.');

select
  private.define_setting('notifications.retention_days', '180', 'integer', 'Days that notifications are kept; 0 keeps them until they expire', 0, 3650),
  private.define_setting('notifications.assignment_threshold', '5', 'integer', 'Leads given to somebody at once are told one by one up to this many, the rest in one notification', 1, 100);

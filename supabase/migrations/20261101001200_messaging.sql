-- Messaging: one row per message, call or meeting with a person, whatever the channel.
--
-- It is told here what happened, by hand or by whoever sends and receives for us. A message that is to be sent
-- is a row too: outbound, queued or scheduled, written inside the database; a job then sends it. A communication
-- of a lead, or of a contact or student of one, is seen where the lead is and by the person it belongs to.

-- Tables

create table public.communications (
  id uuid primary key default private.uuid_v7(),
  -- First and of fixed width, because a policy reads them of every row that a scan meets.
  user_id uuid references public.profiles (id) on delete set null,
  lead_owner_id uuid references public.profiles (id) on delete set null,
  team_id uuid references public.teams (id) on delete set null,
  created_at timestamptz not null default now(),
  deleted_at timestamptz,
  deleted_by uuid,
  lead_id uuid references public.leads (id) on delete cascade,
  contact_id uuid references public.contacts (id) on delete cascade,
  student_id uuid references public.students (id) on delete cascade,
  campaign_id uuid,
  template_id uuid,
  thread_id uuid,
  type text not null,
  direction text not null default 'outbound',
  status text not null default '',
  subject text,
  content text,
  sender text,
  recipient text,
  cc text[],
  bcc text[],
  attachments text[] not null default '{}',
  channel_specific_data jsonb not null default '{}',
  scheduled_at timestamptz,
  sent_at timestamptz,
  delivered_at timestamptz,
  opened boolean not null default false,
  read_at timestamptz,
  clicked_at timestamptz,
  dispatched_at timestamptz,
  failed_at timestamptz,
  error text,
  sent_by uuid references public.profiles (id) on delete set null,
  provider text,
  provider_message_id text,
  updated_at timestamptz not null default now(),
  version bigint not null default 1,
  constraint communications_type_is_known check (type in ('email', 'sms', 'whatsapp', 'call', 'meeting', 'letter', 'chat')),
  constraint communications_direction_is_known check (direction in ('inbound', 'outbound')),
  constraint communications_status_is_known check (
    status in ('scheduled', 'queued', 'sending', 'sent', 'delivered', 'read', 'received', 'completed', 'failed', 'bounced', 'cancelled')
  ),
  constraint communications_that_happened_say_when check (
    status in ('scheduled', 'queued', 'sending', 'failed', 'cancelled') or sent_at is not null
  ),
  constraint communications_that_wait_say_until_when check (status <> 'scheduled' or scheduled_at is not null),
  constraint communications_texts_are_short check (
    length(subject) <= 998 and length(content) <= 200000 and length(sender) <= 320 and length(recipient) <= 320
    and length(provider) <= 60 and length(provider_message_id) <= 300 and length(error) <= 500
  ),
  constraint communications_copies_are_few check (
    cardinality(cc) <= 100 and cardinality(bcc) <= 100 and cardinality(attachments) <= 50
    and pg_column_size(cc) <= 32768 and pg_column_size(bcc) <= 32768 and pg_column_size(attachments) <= 32768
  ),
  constraint communications_channel_data_is_a_small_object check (
    jsonb_typeof(channel_specific_data) = 'object' and pg_column_size(channel_specific_data) <= 65536
  ),
  constraint communications_deleted_by_needs_deleted_at check (deleted_by is null or deleted_at is not null)
) with (fillfactor = 90);

comment on table public.communications is 'Messages, calls and meetings with people, one row each. Seen where the lead is, and by the person they belong to. What a client inserts is logged, not sent. What the database itself inserts outbound as queued or scheduled (email, sms, whatsapp) is sent by a job. List: select().eq("lead_id", id).order("created_at", {ascending: false}).';

comment on column public.communications.user_id is 'Whose it is on our side: who wrote, spoke or is written to. The caller, for what is logged by hand.';

comment on column public.communications.lead_owner_id is 'The lead''s owner, copied by trigger.';

comment on column public.communications.team_id is 'The lead''s team, or without a lead the person''s, copied by trigger.';

comment on column public.communications.lead_id is 'The lead, taken from the contact or student if only one of these is named.';

comment on column public.communications.type is 'email, sms, whatsapp, call, meeting, letter or chat.';

comment on column public.communications.direction is 'outbound (from us) or inbound.';

comment on column public.communications.status is 'scheduled, queued, sending, sent, delivered, read; received (inbound); completed (calls, meetings); failed, bounced, cancelled. Only ever moves forward. Derived if left out.';

comment on column public.communications.attachments is 'Names of the files that went with it.';

comment on column public.communications.channel_specific_data is 'What one channel alone knows, for example {"email_template": "follow-up-v2"} or {"duration": 180}.';

comment on column public.communications.sent_at is 'When it happened: when it was sent, received or held.';

comment on column public.communications.read_at is 'When it was first read; of an e-mail, opened.';

comment on column public.communications.clicked_at is 'When a link in it was first followed.';

comment on column public.communications.dispatched_at is 'When the call to the provider began that carries it now; null again once the provider refused it for the time being.';

comment on column public.communications.failed_at is 'When it failed or bounced, by the newest report.';

comment on column public.communications.error is 'Why, as a stable code, at times followed by a colon and what the provider said. outcome_unknown while sending: the provider was called and never answered, so it is not sent again by itself.';

comment on column public.communications.template_id is 'The template it was made from.';

comment on column public.communications.sent_by is 'Who sent it; null for what came in.';

comment on column public.communications.thread_id is 'What belongs to one conversation bears the same. Found by itself for messages.';

comment on column public.communications.provider is 'Who carried it or will; null for what was logged by hand, which alone its author may correct.';

comment on column public.communications.deleted_at is 'Soft deletion: the row is in nobody''s sight.';

comment on column public.communications.deleted_by is 'Who deleted it; null for the system. No foreign key: it is remembered beyond the account.';

comment on column public.communications.version is 'Rises with every change.';

create index communications_of_lead on public.communications (lead_id, created_at desc) where lead_id is not null;

create index communications_of_contact on public.communications (contact_id, created_at desc) where contact_id is not null;

create index communications_of_student on public.communications (student_id, created_at desc) where student_id is not null;

create index communications_of_person on public.communications (user_id, created_at desc) where deleted_at is null;

create index communications_of_lead_owner on public.communications (lead_owner_id, created_at desc) where deleted_at is null;

create index communications_of_team on public.communications (team_id, created_at desc) where deleted_at is null;

create index communications_of_sender on public.communications (sent_by) where sent_by is not null;

create index communications_of_thread on public.communications (thread_id, created_at) where thread_id is not null;

create index communications_planned_of_person on public.communications (user_id, scheduled_at)
  where status = 'scheduled' and type in ('call', 'meeting') and deleted_at is null;

create index communications_deleted on public.communications (deleted_at, id) where deleted_at is not null;

create unique index communications_have_one_provider_message on public.communications (provider, provider_message_id) where provider_message_id is not null;

create table private.communication_moves (
  from_status text not null,
  to_status text not null,
  primary key (from_status, to_status)
);

comment on table private.communication_moves is 'Where a communication''s status may go: forward. A status without a row here is the end.';

insert into private.communication_moves (from_status, to_status) values
  ('scheduled', 'queued'), ('scheduled', 'sending'), ('scheduled', 'sent'), ('scheduled', 'completed'), ('scheduled', 'failed'), ('scheduled', 'cancelled'),
  ('queued', 'sending'), ('queued', 'sent'), ('queued', 'delivered'), ('queued', 'read'), ('queued', 'failed'), ('queued', 'bounced'), ('queued', 'cancelled'),
  ('sending', 'sent'), ('sending', 'delivered'), ('sending', 'read'), ('sending', 'failed'), ('sending', 'bounced'), ('sending', 'cancelled'),
  ('sent', 'delivered'), ('sent', 'read'), ('sent', 'failed'), ('sent', 'bounced'),
  -- A report of failure gives way to proof of the contrary, in whichever order they come.
  ('failed', 'delivered'), ('failed', 'read'), ('failed', 'bounced'),
  ('delivered', 'read'), ('delivered', 'bounced'), ('bounced', 'read');

-- Policies

alter table public.communications enable row level security;

alter table private.communication_moves enable row level security;

create policy communications_read on public.communications for select to authenticated
  using (
    deleted_at is null
    and (
      (select private.gate_all()) is not null
      or lead_owner_id = (select private.gate_own())
      or user_id = (select private.gate_own())
      or team_id = any ((select private.gate_team())::uuid[])
    )
  );

comment on policy communications_read on public.communications is 'Where the lead is visible, and to the person they belong to. List queries should filter by user_id, team_id or lead_id themselves, so that the indexes serve.';

create policy communications_create on public.communications for insert to authenticated
  with check (
    deleted_at is null
    and user_id = (select private.gate_own())
    and (sent_by is null or sent_by = (select private.gate_own()))
    and (select private.has_permission('leads.update'))
    and (
      lead_id is null
      or (select private.gate_all()) is not null
      or lead_owner_id = (select private.gate_own())
      or team_id = any ((select private.gate_team())::uuid[])
    )
    and (contact_id is null or exists (select from public.contacts c where c.id = communications.contact_id))
    and (student_id is null or exists (select from public.students s where s.id = communications.student_id))
  );

comment on policy communications_create on public.communications is 'In one''s own name, with people one may see.';

create policy communications_change on public.communications for update to authenticated
  using (
    deleted_at is null
    and provider is null
    and user_id = (select private.gate_own())
    and (
      lead_id is null
      or (select private.gate_all()) is not null
      or lead_owner_id = (select private.gate_own())
      or team_id = any ((select private.gate_team())::uuid[])
    )
  )
  with check (deleted_at is null and provider is null and user_id = (select private.gate_own()));

comment on policy communications_change on public.communications is 'What one logged oneself, while one still sees the lead. What a provider carried is for the provider to report on.';

-- Triggers

create function private.message_provider(p_type text) returns text
language plpgsql immutable set search_path = '' as $$
begin
  return case p_type when 'email' then 'sendgrid' when 'sms' then 'twilio' when 'whatsapp' then 'whatsapp' end;
end
$$;

comment on function private.message_provider(text) is 'Whose bucket of the queue carries messages of this type; null for what nobody sends for us.';

create function private.thread_of(p_type text, p_lead_id uuid, p_address text, p_subject text) returns uuid
language plpgsql immutable set search_path = '' as $$
begin
  -- With the marks of a UUID of one's own making (version 8).
  return overlay(overlay(md5(concat_ws('|', 'thread', p_type, coalesce(p_lead_id::text, lower(p_address)), case p_type
    when 'email' then lower(btrim(regexp_replace(coalesce(p_subject, ''), '^(\s*(re|fw|fwd|aw|sv)\s*:)+', '', 'i')))
  end)) placing '8' from 13 for 1) placing 'a' from 17 for 1)::uuid;
end
$$;

comment on function private.thread_of(text, uuid, text, text) is 'The conversation of a message: the channel with the lead, or with an address that is no lead''s; of e-mails those on one subject.';

create function private.complete_communication() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  address text;
begin
  new.type := lower(btrim(new.type));
  new.direction := lower(btrim(new.direction));
  new.status := lower(btrim(coalesce(new.status, '')));
  new.opened := new.opened or new.read_at is not null;

  if tg_op = 'INSERT' then
    if auth.uid() is not null then
      -- A token alone names nobody: the database does.
      new.user_id := coalesce(new.user_id, private.gate_own());
    end if;

    if new.direction = 'outbound' then
      new.sent_by := coalesce(new.sent_by, new.user_id);
    end if;

    new.lead_id := coalesce(
      new.lead_id,
      (select c.lead_id from public.contacts c where c.id = new.contact_id),
      (select s.lead_id from public.students s where s.id = new.student_id)
    );

    if new.type in ('email', 'sms', 'whatsapp', 'chat') then
      address := case new.direction when 'inbound' then new.sender else new.recipient end;

      if new.lead_id is not null or address is not null then
        new.thread_id := coalesce(new.thread_id, private.thread_of(new.type, new.lead_id, address, new.subject));
      end if;
    end if;

    if new.status = '' then
      -- A status cannot come from a client, so what a client puts off has none.
      if auth.uid() is not null and new.scheduled_at > clock_timestamp() and new.type not in ('call', 'meeting') then
        perform private.fail('argument_invalid', 'only calls and meetings are scheduled by hand');
      end if;

      new.status := case
        when new.scheduled_at > clock_timestamp() then 'scheduled'
        when new.type in ('call', 'meeting') then 'completed'
        when new.direction = 'inbound' then 'received'
        else 'sent'
      end;
    end if;

    if new.direction = 'outbound' and new.status in ('scheduled', 'queued') then
      -- From now on it is for the provider to report on.
      new.provider := coalesce(new.provider, private.message_provider(new.type));
    end if;
  else
    if new.status <> old.status then
      if not exists (select from private.communication_moves m where m.from_status = old.status and m.to_status = new.status) then
        perform private.fail('communication_status_refused', old.status || ' to ' || new.status);
      end if;
    end if;

    new.opened := new.opened or old.opened;
  end if;

  if new.status = 'read' then
    new.opened := true;
    new.read_at := coalesce(new.read_at, clock_timestamp());
  end if;

  if new.status in ('delivered', 'read') then
    new.delivered_at := coalesce(new.delivered_at, new.read_at, clock_timestamp());
  end if;

  if new.status not in ('scheduled', 'queued', 'sending', 'failed', 'cancelled') then
    new.sent_at := coalesce(new.sent_at, least(new.scheduled_at, clock_timestamp()), clock_timestamp());
  end if;

  if new.sent_at > clock_timestamp() + interval '5 minutes' then
    perform private.fail('argument_invalid', 'sent_at is yet to come');
  end if;

  return new;
end
$$;

comment on function private.complete_communication() is 'Names whose it is, finds its lead, derives its status and times, and lets the status move forward only. Runs before copy_lead_scope, which needs the lead.';

create trigger complete_communication
  before insert or update on public.communications
  for each row execute function private.complete_communication();

create trigger copy_lead_scope
  before insert or update of lead_id, contact_id, student_id, user_id on public.communications
  for each row execute function private.copy_lead_scope('user_id');

create function private.queue_messages() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into private.jobs (kind, payload, run_at, dedupe_key, priority, provider, request_id)
  select 'send_message', jsonb_build_object('communication_id', n.id), coalesce(n.scheduled_at, now()), n.id::text,
    -- A campaign's thousands wait behind what somebody wrote just now.
    case when n.campaign_id is null then 0 else -1 end, private.message_provider(n.type), private.request_id()
  from new_communications n
  where n.direction = 'outbound' and n.status in ('queued', 'scheduled') and n.deleted_at is null and private.message_provider(n.type) is not null
  on conflict (kind, dedupe_key) where dedupe_key is not null do nothing;

  return null;
end
$$;

comment on function private.queue_messages() is 'Whoever wants something sent inserts it outbound as queued or scheduled, and does nothing else: its job is enqueued in the same transaction, and due when it is.';

create trigger queue_messages after insert on public.communications
  referencing new table as new_communications
  for each statement execute function private.queue_messages();

create trigger touch_version before update on public.communications for each row execute function private.touch_version();

create function private.communication_title(p_type text, p_direction text) returns text
language plpgsql immutable set search_path = '' as $$
begin
  return case p_type
    when 'call' then 'Call Logged'
    when 'meeting' then 'Meeting Held'
    else case p_type when 'sms' then 'SMS' when 'whatsapp' then 'WhatsApp' else initcap(p_type) end
      || case p_direction when 'inbound' then ' Received' else ' Sent' end
  end;
end
$$;

comment on function private.communication_title(text, text) is 'What the timeline calls it, for example Email Sent.';

create function private.record_communication() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  told text := coalesce(nullif(new.subject, ''), left(new.content, 200));
  is_first boolean := tg_op = 'INSERT';
begin
  if not is_first then
    is_first := old.sent_at is null or old.deleted_at is not null;
  end if;

  if new.deleted_at is not null or new.sent_at is null then
    perform private.retract_activity(new.id);

    return null;
  end if;

  if is_first then
    perform private.record_activity(
      case when new.type in ('call', 'meeting') then new.type when new.type = 'email' and new.direction = 'outbound' then 'email_sent' else 'message' end,
      private.communication_title(new.type, new.direction), told,
      p_lead_id => new.lead_id, p_contact_id => new.contact_id, p_student_id => new.student_id,
      p_metadata => jsonb_build_object('channel', new.type, 'direction', new.direction), p_source_id => new.id,
      p_occurred_at => new.sent_at, p_actor_id => new.sent_by
    );

    perform private.touch_lead(new.lead_id, new.sent_at);

    perform private.touch_contact(new.contact_id, new.sent_at);
  else
    update public.activities a
    set description = nullif(left(told, 2000), '')
    where a.source_id = new.id and a.type <> 'email_opened' and a.description is distinct from nullif(left(told, 2000), '');
  end if;

  if new.opened and new.type = 'email' and new.direction = 'outbound' and (is_first or not old.opened) then
    perform private.record_activity(
      'email_opened', 'Opened Email', told,
      p_lead_id => new.lead_id, p_contact_id => new.contact_id, p_student_id => new.student_id, p_source_id => new.id,
      p_occurred_at => coalesce(new.read_at, clock_timestamp()), p_actor_id => null
    );
  end if;

  return null;
end
$$;

comment on function private.record_communication() is 'Puts on the timeline that it happened, once, and that an e-mail was opened; takes it off when it is deleted.';

create trigger record_communication after insert on public.communications
  for each row when (new.sent_at is not null and new.deleted_at is null)
  execute function private.record_communication();

create trigger record_communication_of_change after update on public.communications
  for each row when (
    (old.subject, old.content, old.sent_at, old.opened, old.deleted_at) is distinct from (new.subject, new.content, new.sent_at, new.opened, new.deleted_at)
  )
  execute function private.record_communication();

create trigger retract_deleted after delete on public.communications
  for each row execute function private.retract_deleted();

create trigger mark_deleted before update of deleted_at on public.communications
  for each row when (old.deleted_at is distinct from new.deleted_at) execute function private.mark_deleted();

create trigger audit after insert or update or delete on public.communications
  for each row execute function private.audit_row('subject', 'content', 'channel_specific_data');

-- Views

create view public.lead_emails with (security_invoker = true) as
select
  c.id,
  l.lead_id,
  c.sender as "from",
  c.recipient as "to",
  c.cc,
  c.bcc,
  c.subject,
  c.content as body,
  coalesce(c.sent_at, c.scheduled_at, c.created_at) as "timestamp",
  c.status,
  nullif(p.full_name, '') as "sentBy"
from public.communications c
join public.leads l on l.id = c.lead_id
left join public.profiles p on p.id = c.sent_by
where c.type = 'email' and c.deleted_at is null;

comment on view public.lead_emails is 'E-mails of leads in the keys of the CRM document: lead_id is the number such as LEAD-001, sentBy a name. Answers D2-007, D2-019.';

-- Grants

revoke all on public.communications, public.lead_emails from anon, authenticated, service_role;

revoke all on private.communication_moves from anon, authenticated, service_role;

grant select,
  insert (
    id, lead_id, contact_id, student_id, campaign_id, user_id, sent_by, thread_id, type, direction, subject, content, sender, recipient, cc, bcc,
    attachments, channel_specific_data, scheduled_at, sent_at
  ),
  update (subject, content, status, delivered_at, opened, read_at, channel_specific_data)
  on public.communications to authenticated;

grant select, insert, update, delete on public.communications to service_role;

grant select on public.lead_emails to authenticated, service_role;

revoke all on function private.complete_communication() from public, anon, authenticated, service_role;

revoke all on function private.message_provider(text) from public, anon, authenticated, service_role;

revoke all on function private.thread_of(text, uuid, text, text) from public, anon, authenticated, service_role;

revoke all on function private.queue_messages() from public, anon, authenticated, service_role;

revoke all on function private.communication_title(text, text) from public, anon, authenticated, service_role;

revoke all on function private.record_communication() from public, anon, authenticated, service_role;

-- Its permission, and how its rows are deleted

insert into public.permissions (key, description) values
  ('communications.delete', 'Delete and restore communications');

insert into private.soft_deletable (table_name, label, holders, holder_tables, people, makers, permission) values
  ('communications', 'subject', '{lead_id,contact_id,student_id}', '{leads,contacts,students}', '{user_id,lead_owner_id}', '{}', 'communications.delete');

-- This module's errors

insert into public.error_codes (code, sqlstate, message, hint) values
  ('communication_status_refused', 'PT409', 'The status of a communication only moves forward.', 'See the comment on its column status.');

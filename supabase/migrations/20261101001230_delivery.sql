-- Delivery: how a message goes out, and what is heard of it afterwards.
--
-- It is committed that the provider is about to be called before it is called. None of the providers takes a key
-- that would make a second call harmless, so a message whose call never ended is not sent again by itself: it
-- stays in sending with the error outcome_unknown, until the provider reports on it by our own id. Reports come
-- late, twice and in any order, and whatever the order they end in one state: the status is the furthest one that
-- was reported, each time the earliest, and the error the newest.

-- Tables

create table private.message_ranks (
  status text primary key,
  rank smallint not null,
  constraint message_ranks_are_an_order unique (rank)
);

comment on table private.message_ranks is 'How far a status is. Of what a provider reports the furthest counts: proof of delivery outweighs a report of failure, and who read it outweighs a bounce.';

insert into private.message_ranks (status, rank) values
  ('scheduled', 0), ('queued', 1), ('sending', 2), ('sent', 3), ('failed', 4), ('delivered', 5), ('bounced', 6), ('read', 7);

alter table private.message_ranks enable row level security;

revoke all on private.message_ranks from public, anon, authenticated, service_role;

-- What whoever sends for us asks and tells

create function private.is_marketing(p_message public.communications) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return p_message.campaign_id is not null or p_message.channel_specific_data ->> 'purpose' is not distinct from 'marketing';
end
$$;

comment on function private.is_marketing(public.communications) is 'Whether a message is advertising: a campaign''s, or marked {"purpose": "marketing"}.';

create function private.message_gate(p_message public.communications) returns table (verdict text, reason text, until timestamptz)
language plpgsql stable security invoker set search_path = '' as $$
begin
  return query
  select g.verdict, g.reason, g.until
  from unnest(p_message.recipient || coalesce(p_message.cc, '{}') || coalesce(p_message.bcc, '{}')) a (address)
  cross join lateral private.contact_gate(
    p_message.type, a.address, case when private.is_marketing(p_message) then 'marketing' else 'all' end, clock_timestamp()
  ) g
  order by g.verdict = 'allow', g.verdict = 'defer'
  limit 1;
end
$$;

comment on function private.message_gate(public.communications) is 'Whether all whom a message names, copies too, may be written to now: the strictest answer of contact_gate.';

create function private.whatsapp_window_is_open(p_thread_id uuid) returns boolean
language plpgsql stable security definer set search_path = '' as $$
begin
  return exists (
    select from public.communications c
    where c.thread_id = p_thread_id and c.direction = 'inbound' and c.created_at > now() - interval '24 hours'
  );
end
$$;

comment on function private.whatsapp_window_is_open(uuid) is 'Whether the person wrote within 24 hours. Only then does WhatsApp take words of our own; otherwise an approved template.';

create function private.message_fail(p_id uuid, p_error text) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  update public.communications c
  set status = 'failed', error = left(private.redact_text(p_error), 500), failed_at = clock_timestamp()
  where c.id = p_id and c.status in ('scheduled', 'queued', 'sending');
end
$$;

comment on function private.message_fail(uuid, text) is 'A message that was not sent and will not be, and why.';

create function private.message_begin(p_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  message public.communications;
  template public.message_templates;
  rendered jsonb;
  gate record;
  campaign_status text;
begin
  select c.* into message from public.communications c where c.id = p_id for update;

  if message.status = 'sending' and message.dispatched_at is not null then
    update public.communications c set error = 'outcome_unknown' where c.id = p_id;

    return jsonb_build_object('verdict', 'unknown');
  end if;

  if message.id is null or message.status not in ('scheduled', 'queued', 'sending') then
    return jsonb_build_object('verdict', 'done');
  end if;

  select k.status into campaign_status
  from public.campaign_recipients r
  join public.campaigns k on k.id = r.campaign_id
  where r.communication_id = p_id;

  if message.deleted_at is not null or campaign_status = 'cancelled' then
    update public.communications c set status = 'cancelled' where c.id = p_id;

    return jsonb_build_object('verdict', 'done');
  end if;

  -- Resuming makes it due at once.
  if campaign_status = 'paused' then
    return jsonb_build_object('verdict', 'defer', 'until', clock_timestamp() + interval '1 hour');
  end if;

  if message.scheduled_at > clock_timestamp() then
    return jsonb_build_object('verdict', 'defer', 'until', message.scheduled_at);
  end if;

  begin
    message.recipient := private.message_address(message.type, message.recipient);
  exception when sqlstate 'PT422' then
    message.recipient := null;
  end;

  if message.recipient is null then
    perform private.message_fail(p_id, 'recipient_missing');

    return jsonb_build_object('verdict', 'done');
  end if;

  select * into gate from private.message_gate(message);

  if gate.verdict = 'defer' then
    return jsonb_build_object('verdict', 'defer', 'until', gate.until);
  elsif gate.verdict = 'deny' then
    perform private.message_fail(p_id, 'contact_refused: ' || gate.reason);

    return jsonb_build_object('verdict', 'done');
  end if;

  if message.template_id is not null and message.content is null then
    select t.* into template from public.message_templates t where t.id = message.template_id;

    rendered := private.render_template(
      template, private.lead_variables(message.lead_id) || coalesce(message.channel_specific_data -> 'variables', '{}')
    );

    if rendered -> 'missing' <> '[]' then
      perform private.message_fail(p_id, 'template_variable_missing: ' || (rendered ->> 'missing'));

      return jsonb_build_object('verdict', 'done');
    end if;

    message.subject := coalesce(message.subject, rendered ->> 'subject');
    message.content := rendered ->> 'content';
    message.channel_specific_data := message.channel_specific_data
      || private.template_data(template, private.lead_variables(message.lead_id) || coalesce(message.channel_specific_data -> 'variables', '{}'));
  end if;

  if nullif(btrim(message.content), '') is null or (message.type = 'email' and nullif(btrim(message.subject), '') is null) then
    perform private.message_fail(p_id, 'message_is_empty');

    return jsonb_build_object('verdict', 'done');
  end if;

  if message.type = 'whatsapp' and not message.channel_specific_data ? 'template' and not private.whatsapp_window_is_open(message.thread_id) then
    perform private.message_fail(p_id, 'whatsapp_window_closed');

    return jsonb_build_object('verdict', 'done');
  end if;

  update public.communications c
  set status = 'sending', dispatched_at = clock_timestamp(), recipient = message.recipient, subject = message.subject, content = message.content,
    channel_specific_data = message.channel_specific_data
  where c.id = p_id
  returning * into message;

  return jsonb_build_object('verdict', 'send', 'message', jsonb_build_object(
    'id', message.id, 'type', message.type, 'recipient', message.recipient, 'sender', message.sender, 'cc', message.cc, 'bcc', message.bcc,
    'subject', message.subject, 'content', message.content, 'data', message.channel_specific_data,
    'is_marketing', private.is_marketing(message),
    'reply_to', (
      select c.provider_message_id from public.communications c
      where c.thread_id = message.thread_id and c.direction = 'inbound' and c.provider_message_id is not null
      order by c.created_at desc limit 1
    ),
    'from_name', private.setting('organization.name') #>> '{}',
    'files', (
      select coalesce(jsonb_agg(jsonb_build_object('path', a.path, 'name', a.file_name, 'mime_type', a.mime_type, 'size', a.size_bytes) order by a.id), '[]')
      from public.communication_attachments a
      where a.communication_id = message.id
    )
  ));
end
$$;

comment on function private.message_begin(uuid) is 'Asked by the worker before it calls a provider: {verdict, message, until}. send: it is committed now that the call begins. defer: not before until. unknown: an earlier call never ended, so it is not made again. done: there is nothing to send, and if something was wrong the message says what.';

create function private.message_defer(p_id uuid, p_until timestamptz) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform private.enqueue(
    'send_message', jsonb_build_object('communication_id', c.id), p_until, c.id::text,
    case when c.campaign_id is null then 0 else -1 end::smallint, private.message_provider(c.type)
  )
  from public.communications c
  where c.id = p_id;
end
$$;

comment on function private.message_defer(uuid, timestamptz) is 'Sends a message later: quiet hours are no failure and spend no attempt.';

create function private.message_put_back(p_id uuid) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  update public.communications c set dispatched_at = null where c.id = p_id and c.status = 'sending';
end
$$;

comment on function private.message_put_back(uuid) is 'The provider said, and left no doubt, that it did not take the message now: it may be tried again.';

create function private.message_sent(p_id uuid, p_provider text, p_message_id text) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  -- A report may have been faster.
  update public.communications c
  set status = case when c.status in ('scheduled', 'queued', 'sending') then 'sent' else c.status end,
    provider = p_provider, provider_message_id = coalesce(c.provider_message_id, p_message_id), error = nullif(c.error, 'outcome_unknown')
  where c.id = p_id;
end
$$;

comment on function private.message_sent(uuid, text, text) is 'The provider took it. Told at once and whoever holds the job by now, because it is a fact.';

create function private.message_report(p_provider text, p_reports jsonb) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  report record;
  message public.communications;
  found_id uuid;
  happened timestamptz;
  known integer := 0;
begin
  for report in
    select r.*
    from jsonb_to_recordset(p_reports) r (
      id text, message_id text, status text, at timestamptz, error text, is_click boolean, withdrawn text, source text, recipient text
    )
    -- In one order, so that two deliveries about the same messages wait for each other and never deadlock.
    order by r.id, r.message_id
  loop
    found_id := case
      when report.id ~ '^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$' then report.id::uuid
      else (select c.id from public.communications c where c.provider = p_provider and c.provider_message_id = report.message_id)
    end;

    select c.* into message
    from public.communications c
    where c.id = found_id and c.provider = p_provider and c.direction = 'outbound'
    for update;

    continue when message.id is null;

    known := known + 1;
    happened := least(coalesce(report.at, clock_timestamp()), clock_timestamp());

    if report.status is not null and message.status <> 'cancelled' then
      update public.communications c
      set
        status = (select k.status from private.message_ranks k where k.status in (message.status, report.status) order by k.rank desc limit 1),
        provider_message_id = coalesce(c.provider_message_id, report.message_id),
        sent_at = case when report.status = 'failed' then c.sent_at else least(c.sent_at, happened) end,
        delivered_at = case when report.status in ('delivered', 'read') then least(c.delivered_at, happened) else c.delivered_at end,
        read_at = case when report.status = 'read' then least(c.read_at, happened) else c.read_at end,
        clicked_at = case when report.is_click then least(c.clicked_at, happened) else c.clicked_at end,
        failed_at = case when report.status in ('failed', 'bounced') then greatest(c.failed_at, happened) else c.failed_at end,
        error = case
          when report.status in ('failed', 'bounced')
            and (c.failed_at is null or (happened, coalesce(left(report.error, 500), '')) > (c.failed_at, coalesce(c.error, '')))
            then left(report.error, 500)
          else nullif(c.error, 'outcome_unknown')
        end
      where c.id = message.id;
    end if;

    if report.withdrawn is not null then
      perform private.consent_record(
        message.type, coalesce(report.recipient, message.recipient), 'withdrawn', report.withdrawn, report.source, message.lead_id, message.id::text
      );
    end if;
  end loop;

  return known;
end
$$;

comment on function private.message_report(text, jsonb) is 'Applies what a provider reports: [{id (ours), message_id, status, at, error, is_click, withdrawn (marketing or all), source, recipient}]. Any order and any repetition end in the same state. Answers how many were about messages of ours.';

create function private.inbox_heard(p_id uuid) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform private.inbox_close(p_id);

  update private.webhook_inbox i set raw = '' where i.id = p_id;
end
$$;

comment on function private.inbox_heard(uuid) is 'Ends a delivery about messages and forgets its words and addresses: they stand with the messages now, where an erasure finds them, and a replay cannot bring them back.';

create function private.message_dies_with_its_job() returns trigger
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform private.message_fail((new.payload ->> 'communication_id')::uuid, 'given_up');

  return null;
end
$$;

comment on function private.message_dies_with_its_job() is 'A message whose job was given up has failed.';

create trigger message_dies_with_its_job after insert or update on private.jobs_dead
  for each row when (new.kind = 'send_message') execute function private.message_dies_with_its_job();

-- What people ask for

create function private.template_data(p_template public.message_templates, p_values jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return case
    when p_template.provider_template is not null then jsonb_build_object('template', jsonb_build_object(
      'name', p_template.provider_template, 'language', replace(p_template.locale, '-', '_'),
      'parameters', (select coalesce(jsonb_agg(coalesce(p_values ->> v, '') order by n), '[]') from unnest(p_template.variables) with ordinality u (v, n))
    ))
    when p_template.format = 'html' then '{"format": "html"}'
    else '{}'
  end;
end
$$;

comment on function private.template_data(public.message_templates, jsonb) is 'What a message must know of its template: that it is HTML, or WhatsApp''s own name of it with the values of its parameters.';

create function private.send_message(p_message public.communications, p_template text, p_variables jsonb, p_files text[]) returns public.communications
language plpgsql volatile security definer set search_path = '' as $$
declare
  message public.communications := p_message;
  caller uuid := private.gate_own();
  own_address text := (select p.email from public.profiles p where p.id = caller);
  house_address text := nullif(private.setting('messaging.email_from') #>> '{}', '');
  template public.message_templates;
  rendered jsonb;
  given jsonb;
  gate record;
begin
  perform private.require_permission('communications.send');

  if private.message_provider(message.type) is null then
    perform private.fail('argument_invalid', 'p_type is email, sms or whatsapp');
  end if;

  if message.lead_id is not null and not exists (
    select from public.leads l
    where l.id = message.lead_id and l.deleted_at is null
      and (private.gate_all() is not null or l.team_id = any (private.gate_team()) or l.assigned_to = caller)
  ) then
    perform private.fail('lead_not_found', message.lead_id::text);
  end if;

  -- Whoever sees a contact or student writes to them, also with what is known of their lead.
  message.lead_id := coalesce(
    message.lead_id,
    (select c.lead_id from public.contacts c where c.id = message.contact_id),
    (select s.lead_id from public.students s where s.id = message.student_id)
  );

  message.recipient := private.message_address(message.type, coalesce(
    nullif(btrim(message.recipient), ''),
    (select case message.type when 'email' then c.email else c.phone end from public.contacts c where c.id = message.contact_id),
    (select case message.type when 'email' then s.email else s.phone end from public.students s where s.id = message.student_id),
    (select case message.type when 'email' then l.email else l.phone end from public.leads l where l.id = message.lead_id)
  ));

  if message.recipient is null then
    perform private.fail('recipient_missing', message.type);
  end if;

  if message.type = 'email' then
    message.sender := coalesce(private.normalize_email(message.sender), house_address);
    message.cc := (select array_agg(private.normalize_email(a)) from unnest(message.cc) a);
    message.bcc := (select array_agg(private.normalize_email(a)) from unnest(message.bcc) a);

    -- Nobody writes in the name of a colleague.
    if message.sender is distinct from house_address and message.sender is distinct from own_address then
      perform private.fail('sender_refused', message.sender);
    end if;
  elsif message.sender is not null or message.cc is not null or message.bcc is not null then
    perform private.fail('argument_invalid', 'p_sender, p_cc and p_bcc are of e-mail');
  end if;

  select * into gate from private.message_gate(message);

  if gate.verdict = 'deny' then
    perform private.fail('contact_refused', gate.reason);
  end if;

  if p_template is not null and nullif(btrim(message.content), '') is null then
    template := private.find_template(p_template, message.type);
    given := private.lead_variables(message.lead_id) || p_variables;
    rendered := private.render_template(template, given);

    if rendered -> 'missing' <> '[]' then
      perform private.fail('template_variable_missing', rendered ->> 'missing');
    end if;

    message.template_id := template.id;
    message.subject := coalesce(message.subject, rendered ->> 'subject');
    message.content := rendered ->> 'content';
    message.channel_specific_data := message.channel_specific_data || private.template_data(template, given);
  end if;

  if nullif(btrim(message.content), '') is null or (message.type = 'email' and coalesce(btrim(message.subject), '') = '') then
    perform private.fail('argument_invalid', case when message.type = 'email' then 'p_subject and p_content, or p_template' else 'p_content or p_template' end);
  end if;

  message.subject := regexp_replace(message.subject, '[\r\n]+', ' ', 'g');

  if message.type <> 'email' and cardinality(p_files) > 0 then
    perform private.fail('argument_invalid', 'p_attachments are of e-mail');
  end if;

  insert into public.communications (
    id, lead_id, contact_id, student_id, campaign_id, template_id, thread_id, user_id, sent_by, type, direction, status, subject, content, sender,
    recipient, cc, bcc, attachments, channel_specific_data, scheduled_at
  )
  values (
    private.uuid_v7(), message.lead_id, message.contact_id, message.student_id, message.campaign_id, message.template_id, message.thread_id, caller, caller,
    message.type, 'outbound', case when message.scheduled_at > clock_timestamp() then 'scheduled' else 'queued' end, message.subject, message.content,
    message.sender, message.recipient, message.cc, message.bcc, '{}', message.channel_specific_data, message.scheduled_at
  )
  returning * into message;

  if message.type = 'whatsapp' and message.status = 'queued' and not message.channel_specific_data ? 'template'
    and not private.whatsapp_window_is_open(message.thread_id) then
    perform private.fail('whatsapp_window_closed');
  end if;

  if cardinality(p_files) > 0 then
    perform private.attach_files(message.id, p_files);

    select c.* into message from public.communications c where c.id = message.id;
  end if;

  return message;
end
$$;

comment on function private.send_message(public.communications, text, jsonb, text[]) is 'Body of communication_send, which has found lead, contact, student and campaign as the caller.';

create function public.communication_send(
  p_type text,
  p_lead_id text default null,
  p_recipient text default null,
  p_subject text default null,
  p_content text default null,
  p_template text default null,
  p_variables jsonb default '{}',
  p_scheduled_at timestamptz default null,
  p_sender text default null,
  p_cc text[] default null,
  p_bcc text[] default null,
  p_attachments text[] default '{}',
  p_contact_id uuid default null,
  p_student_id uuid default null,
  p_campaign_id uuid default null,
  p_thread_id uuid default null,
  p_channel_specific_data jsonb default '{}'
) returns public.communications
language plpgsql volatile security invoker set search_path = '' as $$
declare
  message public.communications;
  unseen text;
begin
  unseen := case
    when p_contact_id is not null and not exists (select from public.contacts c where c.id = p_contact_id) then 'p_contact_id'
    when p_student_id is not null and not exists (select from public.students s where s.id = p_student_id) then 'p_student_id'
    when p_campaign_id is not null and not exists (select from public.campaigns c where c.id = p_campaign_id) then 'p_campaign_id'
    when p_thread_id is not null and not exists (select from public.communications c where c.thread_id = p_thread_id) then 'p_thread_id'
  end;

  if unseen is not null then
    perform private.fail('not_found', unseen);
  end if;

  if jsonb_typeof(p_variables) is distinct from 'object' or jsonb_typeof(p_channel_specific_data) is distinct from 'object' then
    perform private.fail('argument_invalid', 'p_variables and p_channel_specific_data are objects');
  end if;

  message.type := lower(btrim(p_type));
  message.lead_id := case when p_lead_id is not null then private.find_lead(p_lead_id) end;
  message.contact_id := p_contact_id;
  message.student_id := p_student_id;
  message.campaign_id := p_campaign_id;
  message.thread_id := p_thread_id;
  message.recipient := p_recipient;
  message.sender := nullif(btrim(p_sender), '');
  message.cc := nullif(p_cc, '{}');
  message.bcc := nullif(p_bcc, '{}');
  message.subject := p_subject;
  message.content := p_content;
  message.scheduled_at := p_scheduled_at;
  -- What a template says of itself is not for the client to say.
  message.channel_specific_data := p_channel_specific_data - 'template';

  return private.send_message(message, coalesce(p_template, p_channel_specific_data ->> 'email_template'), p_variables, coalesce(p_attachments, '{}'));
end
$$;

comment on function public.communication_send(text, text, text, text, text, text, jsonb, timestamptz, text, text[], text[], text[], uuid, uuid, uuid, uuid, jsonb) is 'Sends an e-mail, SMS or WhatsApp message, now or at p_scheduled_at: to p_recipient, or where the contact, student or lead (id or number) can be reached. The words are p_content, or p_template (id or name; also channel_specific_data.email_template) filled with the lead''s variables and p_variables. p_sender is one''s own address or the organisation''s; p_attachments are files of the caller in the bucket messages (outbox/<own id>/…). Answers the communication, queued or scheduled; its status then follows the provider''s reports. Errors: permission_denied, lead_not_found, not_found, recipient_missing, email_invalid, phone_invalid, sender_refused, contact_refused, template_not_found, template_variable_missing, whatsapp_window_closed, attachment_missing, argument_invalid. Answers D0-011.';

create function public.lead_send_email(
  p_lead_id text,
  p_subject text,
  p_body text,
  p_to text default null,
  p_from text default null,
  p_cc text[] default null,
  p_bcc text[] default null
) returns setof public.lead_emails
language plpgsql volatile security invoker set search_path = '' as $$
declare
  sent public.communications;
begin
  sent := public.communication_send(
    'email', p_lead_id, p_recipient => p_to, p_subject => p_subject, p_content => p_body, p_sender => p_from, p_cc => p_cc, p_bcc => p_bcc
  );

  return query select e.* from public.lead_emails e where e.id = sent.id;
end
$$;

comment on function public.lead_send_email(text, text, text, text, text, text[], text[]) is 'Sends an e-mail to a lead, by id or number. Answers the row of lead_emails. Errors: those of communication_send. Answers D2-008.';

create function private.cancel_message(p_id uuid) returns public.communications
language plpgsql volatile security definer set search_path = '' as $$
declare
  message public.communications;
begin
  perform private.require_permission('communications.send');

  select c.* into message
  from public.communications c
  where c.id = p_id and c.deleted_at is null
    and (
      private.gate_all() is not null or c.user_id = private.gate_own() or c.lead_owner_id = private.gate_own() or c.team_id = any (private.gate_team())
    )
  for update;

  if message.id is null then
    perform private.fail('not_found', p_id::text);
  end if;

  if message.direction <> 'outbound' or message.status not in ('scheduled', 'queued') then
    perform private.fail('communication_status_refused', message.status || ' to cancelled');
  end if;

  update public.communications c set status = 'cancelled' where c.id = p_id returning * into message;

  return message;
end
$$;

comment on function private.cancel_message(uuid) is 'Body of communication_cancel.';

create function public.communication_cancel(p_id uuid) returns public.communications
language plpgsql volatile security invoker set search_path = '' as $$
begin
  return private.cancel_message(p_id);
end
$$;

comment on function public.communication_cancel(uuid) is 'Takes back a message that is scheduled or queued; its job then finds nothing to send. Errors: not_found, communication_status_refused, permission_denied.';

-- Grants

revoke all on function
  private.is_marketing(public.communications),
  private.message_gate(public.communications),
  private.whatsapp_window_is_open(uuid),
  private.message_fail(uuid, text),
  private.message_begin(uuid),
  private.message_defer(uuid, timestamptz),
  private.message_put_back(uuid),
  private.message_sent(uuid, text, text),
  private.message_report(text, jsonb),
  private.inbox_heard(uuid),
  private.message_dies_with_its_job(),
  private.template_data(public.message_templates, jsonb),
  private.send_message(public.communications, text, jsonb, text[]),
  private.cancel_message(uuid),
  public.communication_send(text, text, text, text, text, text, jsonb, timestamptz, text, text[], text[], text[], uuid, uuid, uuid, uuid, jsonb),
  public.lead_send_email(text, text, text, text, text, text[], text[]),
  public.communication_cancel(uuid)
  from public, anon, authenticated, service_role;

grant execute on function
  private.message_fail(uuid, text),
  private.message_begin(uuid),
  private.message_defer(uuid, timestamptz),
  private.message_put_back(uuid),
  private.message_sent(uuid, text, text),
  private.message_report(text, jsonb),
  private.inbox_heard(uuid)
  to service_role;

grant execute on function
  private.send_message(public.communications, text, jsonb, text[]),
  private.cancel_message(uuid),
  public.communication_send(text, text, text, text, text, text, jsonb, timestamptz, text, text[], text[], text[], uuid, uuid, uuid, uuid, jsonb),
  public.lead_send_email(text, text, text, text, text, text[], text[]),
  public.communication_cancel(uuid)
  to authenticated;

-- This module's permission, setting and errors

insert into public.permissions (key, description) values
  ('communications.send', 'Send e-mails, SMS and WhatsApp messages');

insert into public.role_permissions (role_id, permission)
select r.id, 'communications.send' from public.roles r where r.key in ('manager', 'counselor');

select private.define_setting('messaging.email_from', '""', 'text', 'Address of the organisation that e-mails come from; empty for the one given with the credentials', 0, 254);

insert into public.error_codes (code, sqlstate, message, hint) values
  ('contact_refused', 'PT409', 'This person must not be written to on this channel.', 'Details say why: opted_out, address_unreachable, consent_missing or not_a_test_recipient.'),
  ('sender_refused', 'PT422', 'This is not an address you may write from.', 'Use your own address, or leave it out.'),
  ('template_variable_missing', 'PT422', 'The template names variables that nobody gave.', 'Details name them; give them in p_variables.'),
  ('whatsapp_window_closed', 'PT409', 'The person has not written within 24 hours.', 'WhatsApp then takes an approved template alone: give p_template.');

-- Sending: what people ask to be sent to others, now or later, and take back.
--
-- What cannot be sent is refused here, while whoever asks can mend it: nobody known to write to, a person who must
-- not be written to, a template that lacks a variable. The module delivery asks again when the message leaves.

-- Functions

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

-- RPCs

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

create function public.communication_cancel(p_id uuid) returns public.communications
language plpgsql volatile security invoker set search_path = '' as $$
begin
  return private.cancel_message(p_id);
end
$$;

comment on function public.communication_cancel(uuid) is 'Takes back a message that is scheduled or queued; its job then finds nothing to send. Errors: not_found, communication_status_refused, permission_denied.';

-- Grants

revoke all on function
  private.template_data(public.message_templates, jsonb),
  private.send_message(public.communications, text, jsonb, text[]),
  private.cancel_message(uuid),
  public.communication_send(text, text, text, text, text, text, jsonb, timestamptz, text, text[], text[], text[], uuid, uuid, uuid, uuid, jsonb),
  public.lead_send_email(text, text, text, text, text, text[], text[]),
  public.communication_cancel(uuid)
  from public, anon, authenticated, service_role;

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

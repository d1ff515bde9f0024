-- Sending: what is asked for goes where the person can be reached, and what cannot go is refused by a code.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('counselor', 'Delivery A', true) as counselor, tests.create_user('counselor', 'Delivery B', true) as stranger;

create temp table given on commit drop as select gen_random_uuid() as lead, gen_random_uuid() as mute, gen_random_uuid() as contact;

grant select on people, given to public;

alter table public.leads disable trigger route_new_lead;

insert into public.leads (id, name, email, phone, assigned_to) select lead, 'Delivered Lead', 'delivery@example.com', '+919811200001', counselor from given, people;

insert into public.leads (id, name, assigned_to) select mute, 'Mute Lead', counselor from given, people;

insert into public.contacts (id, lead_id, name, email) select contact, lead, 'Father', 'father.delivery@example.com' from given;

update public.system_settings set value = '"Intake"' where key = 'organization.name';

select tests.authenticate_as((select counselor from people));

create temp table sent on commit drop as
select c.* from given, public.communication_send('Email', lead::text, p_subject => E'Hello\r\nBcc: x', p_content => 'World') c;

grant select on sent to public;

select results_eq(
  'select status, direction, provider, recipient, subject, user_id, sent_by, sent_at, thread_id is not null from sent',
  $$select 'queued', 'outbound', 'sendgrid', 'delivery@example.com', 'Hello Bcc: x', counselor, counselor, null::timestamptz, true from people$$,
  'a message to a lead goes where the lead can be reached, and waits for its job');

select results_eq(
  $$select t.recipient, t.subject, t.content, m.name from given, public.communication_send('email', p_contact_id => contact, p_template => 'welcome') t join public.message_templates m on m.id = t.template_id$$,
  $$select 'father.delivery@example.com', 'Welcome to Intake', E'Dear Delivered Lead,\n\nThank you for your interest in Intake. We will be in touch with you shortly.\n\nYour enquiry has the number ' || lead_id || '.', 'welcome' from public.leads where id = (select lead from given)$$,
  'one from a template is in its words');

select results_eq(
  $$select status, scheduled_at from given, public.communication_send('sms', lead::text, p_content => 'Later', p_scheduled_at => now() + interval '1 hour') t$$,
  $$values ('scheduled', now() + interval '1 hour')$$, 'one for later is scheduled');

select results_eq(
  format('select state, details from tests.refused(%L)', format('select public.communication_send(%s)', args)), format('values (%L, %L)', state, details), what)
from given, lateral (values
  (format('%L, %L, p_content => %L', 'sms', mute, 'x'), 'PT422', 'recipient_missing: sms', 'nobody knows a number of the lead'),
  (format('%L, p_recipient => %L, p_content => %L', 'sms', 'call me', 'x'), 'PT422', 'phone_invalid', 'that is no number'),
  (format('%L, p_recipient => %L, p_subject => %L, p_content => %L', 'email', 'x@', 'x', 'x'), 'PT422', 'email_invalid', 'nor that an address'),
  (format('%L, %L, p_content => %L', 'letter', lead, 'x'), 'PT422', 'argument_invalid: p_type is email, sms or whatsapp', 'letters are not sent by us'),
  (format('%L, %L, p_content => %L', 'email', lead, 'x'), 'PT422', 'argument_invalid: p_subject and p_content, or p_template', 'an e-mail has a subject'),
  (format('%L, %L, p_subject => %L, p_content => %L, p_sender => %L', 'email', lead, 'x', 'x', 'boss@example.com'), 'PT422', 'sender_refused: boss@example.com', 'nobody writes as another'),
  (format('%L, %L, p_template => %L', 'email', lead, 'nothing'), 'PT404', 'template_not_found: nothing', 'there is no such template'),
  (format('%L, p_recipient => %L, p_template => %L', 'email', 'x@example.com', 'welcome'), 'PT422', 'template_variable_missing: ["name", "lead_number"]', 'a template without its variables is not sent'),
  (format('%L, %L, p_content => %L', 'whatsapp', lead, 'x'), 'PT409', 'whatsapp_window_closed', 'words of our own wait for the person to write'),
  (format('%L, %L, p_content => %L, p_attachments => %L', 'sms', lead, 'x', '{a}'), 'PT422', 'argument_invalid: p_attachments are of e-mail', 'files go by e-mail'),
  (format('%L, %L, p_subject => %L, p_content => %L, p_attachments => %L', 'email', lead, 'x', 'x', '{outbox/other/a.pdf}'), 'PT422', 'attachment_missing: outbox/other/a.pdf', 'and are one''s own')
) t (args, state, details, what);

select tests.clear_authentication();

select private.consent_record('sms', '+919811200001', 'withdrawn', 'all', 'keyword');

select tests.authenticate_as((select counselor from people));

select results_eq(
  (select format('select state, details from tests.refused(%L)', format('select public.communication_send(%L, %L, p_content => %L)', 'sms', lead, 'x')) from given),
  $$values ('PT409', 'contact_refused: opted_out')$$, 'who opted out is not written to');

select tests.authenticate_as((select stranger from people));

select results_eq(
  (select format('select state, details from tests.refused(%L)', format('select public.communication_send(%L, %L, p_content => %L)', 'sms', lead, 'x')) from given),
  (select format('values (%L, %L)', 'PT404', 'lead_not_found: ' || lead) from given), 'nor a lead that one does not see');

select results_eq(
  (select format('select state, details from tests.refused(%L)', format('select public.communication_cancel(%L)', id)) from sent),
  (select format('values (%L, %L)', 'PT404', 'not_found: ' || id) from sent), 'nobody cancels what they do not see');

select tests.authenticate_as((select counselor from people));

select is((select c.status from sent, public.communication_cancel(sent.id) c), 'cancelled', 'who sent it takes it back');

select results_eq(
  (select format('select state, details from tests.refused(%L)', format('select public.communication_cancel(%L)', id)) from sent),
  $$values ('PT409', 'communication_status_refused: cancelled to cancelled')$$, 'once');

select is_empty($$update public.communications set status = 'sent' where id in (select c.id from public.communications c where c.status = 'queued') returning id$$,
  'what is queued is not the client''s to report on');

-- Copies

select tests.clear_authentication();

select private.consent_record('email', 'out.delivery@example.com', 'withdrawn', 'all', 'unsubscribe');

select tests.authenticate_as((select counselor from people));

select results_eq(
  (select format('select state, details from tests.refused(%L)', format('select public.communication_send(%L, %L, p_subject => %L, p_content => %L, '||field||' => %L)', 'email', lead, 's', 'x', '{Out.Delivery@example.com}')) from given),
  $$values ('PT409', 'contact_refused: opted_out')$$, 'who opted out gets no copy either: ' || field)
from (values ('p_cc'), ('p_bcc')) f (field);

select tests.clear_authentication();

select * from finish();

rollback;

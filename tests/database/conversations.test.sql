-- Conversations: what comes in finds its lead and its thread, is never lost and never there twice.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('admin', null, true) as admin, tests.create_user('counselor', 'Conversations A', true) as counselor,
  tests.create_user('counselor', 'Conversations B', true) as stranger;

create temp table given on commit drop as select gen_random_uuid() as lead;

grant select on people, given to public;

alter table public.leads disable trigger route_new_lead;

insert into public.leads (id, name, email, phone, assigned_to) select lead, 'Talking Lead', 'talking@example.com', '+919811300001', counselor from given, people;

create temp table heard on commit drop as
select private.message_receive('whatsapp', 'whatsapp', 'wamid.conv.1', '+91 98113 00001', '911', null, 'Hello, fees?', '2026-01-01 10:00Z') as id;

grant select on heard to public;

select results_eq(
  'select c.lead_id, c.user_id, c.direction, c.status, c.sender, c.content, c.sent_at from public.communications c, heard h where c.id = h.id',
  $$select lead, counselor, 'inbound', 'received', '+919811300001', 'Hello, fees?', '2026-01-01 10:00Z'::timestamptz from given, people$$,
  'who writes is found by the number, however it is written');

select is(private.message_receive('whatsapp', 'whatsapp', 'wamid.conv.1', '+91 98113 00001', '911', null, 'Hello, fees?'), (select id from heard), 'what is delivered again is there already');

select isnt_empty($$select from public.activities a, heard h where a.source_id = h.id and a.title = 'WhatsApp Received'$$, 'the timeline tells of it');

select isnt_empty($$select from public.notifications n, heard h, people p where n.user_id = p.counselor and n.metadata ->> 'communication_id' = h.id::text$$, 'and the lead''s owner is told');

-- Threads

select tests.authenticate_as((select counselor from people));

select is(
  (select c.thread_id from given, public.communication_send('whatsapp', lead::text, p_content => 'They are 5000') c),
  (select c.thread_id from public.communications c, heard h where c.id = h.id), 'the answer is in the same thread, and may be in our own words');

create temp table mails on commit drop as
select c.id, c.thread_id from given, public.communication_send('email', lead::text, p_subject => 'Fees', p_content => 'x') c;

grant select on mails to public;

select tests.clear_authentication();

create function pg_temp.received(p_channel text, p_id text, p_from text, p_subject text default null, p_references text default null) returns public.communications language plpgsql as $$
declare
  made uuid := private.message_receive(case p_channel when 'email' then 'sendgrid' else 'twilio' end, p_channel, p_id, p_from, 'us', p_subject, 'x', p_references => p_references);
begin
  return (select c from public.communications c where c.id = made);
end
$$;

select is((pg_temp.received('email', subject, sender, subject, refs)).thread_id = (select thread_id from mails), expected, what)
from (
  values
    ('Re: Fees', 'Talking@example.com', null::text, true, 'a reply on the subject is in its thread'),
    ('RE: re:  fees', 'talking@example.com', null, true, 'however it is marked'),
    ('Something else', 'talking@example.com', null, false, 'another subject is another thread'),
    ('Changed subject', 'talking@example.com', (select '<old@x> <' || id || '@intake>' from mails), true, 'unless it replies to our message'),
    ('From my other address', 'elsewhere@example.com', (select '<' || id || '@intake>' from mails), true, 'then from any address')
) t (subject, sender, refs, expected, what);

select isnt(
  (pg_temp.received('sms', 'SMconv1', '+919811300001')).thread_id,
  (select c.thread_id from public.communications c, heard h where c.id = h.id), 'each channel has its own');

-- Nobody known

create temp table stranger_wrote on commit drop as select private.message_receive('twilio', 'sms', 'SMconv2', '+919811399999', '911', null, 'Who are you?') as id;

grant select on stranger_wrote to public;

select results_eq('select c.lead_id, c.user_id, c.thread_id is not null from public.communications c, stranger_wrote w where c.id = w.id', 'values (null::uuid, null::uuid, true)', 'a message of nobody known is kept');

select is((pg_temp.received('sms', 'SMconv3', 'AX-BANK')).sender, 'AX-BANK', 'even from what is no number');

select tests.authenticate_as((select admin from people));

select results_eq(
  'select c.address, c.snippet, c.last_direction, c.messages from public.conversations c, stranger_wrote w where c.last_message_id = w.id', $$values ('+919811399999', 'Who are you?', 'inbound', 1::bigint)$$,
  'whoever sees all sees it');

select tests.authenticate_as((select counselor from people));

select is_empty('select from public.communications c, stranger_wrote w where c.id = w.id', 'others do not');

select results_eq(
  $$select c.type, c.last_direction, c.messages from public.conversations c, given g where c.lead_id = g.lead and c.type = 'whatsapp'$$, $$values ('whatsapp', 'outbound', 2::bigint)$$,
  'a conversation is its newest message and how many there are');

select tests.authenticate_as((select stranger from people));

select is_empty('select from public.conversations c, given g where c.lead_id = g.lead', 'and is seen where the lead is');

-- Words that are consents

select tests.clear_authentication();

select private.message_receive('twilio', 'sms', 'SMconv4', '+919811300001', '911', null, ' Stop. ');

select is((select g.reason from private.contact_gate('sms', '+919811300001', 'all') g), 'opted_out', 'who says STOP is not written to');

select private.message_receive('whatsapp', 'whatsapp', 'wamid.conv.5', '+91 98113 00001', '911', null, 'बंद करें');

select is((select g.reason from private.contact_gate('whatsapp', '+919811300001', 'marketing') g), 'opted_out', 'in Hindi too');

select private.message_receive('twilio', 'sms', 'SMconv6', '+919811300001', '911', null, 'START');

select is((select g.verdict from private.contact_gate('sms', '+919811300001', 'all') g), 'allow', 'until they say START');

select private.message_receive('twilio', 'sms', 'SMconv7', '+919811300001', '911', null, 'Stop calling it a fee');

select is((select g.verdict from private.contact_gate('sms', '+919811300001', 'all') g), 'allow', 'a sentence that begins like it is a sentence');

-- Erasure

select tests.authenticate_as((select admin from people));

select lives_ok((select format('select public.lead_delete(%L, p_hard => true)', l.id) from (
  select (public.consent_set(lead::text, 'sms', 'granted')).lead_id as id from given
) l), 'a lead is erased');

select tests.clear_authentication();

insert into public.leads (name, phone) values ('Late Known', '+919811399999');

select tests.authenticate_as((select admin from people));

select lives_ok((select format('select public.lead_delete(%L, p_hard => true)', l.id) from public.leads l where l.phone = '+919811399999'), 'so is who wrote before anybody knew them');

select tests.clear_authentication();

select is_empty($$select from public.communications c where c.sender in ('+919811300001', '+919811399999', 'talking@example.com')$$, 'with all that was said to and fro');

select * from finish();

rollback;

-- Delivery: a message is begun once, what stops it is said, and reports end in one state.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('admin', null, true) as admin, tests.create_user('counselor', 'Delivery A', true) as counselor, tests.create_user('counselor', 'Delivery B', true) as stranger;

create temp table given on commit drop as select gen_random_uuid() as lead, gen_random_uuid() as mute, gen_random_uuid() as contact;

grant select on people, given to public;

alter table public.leads disable trigger route_new_lead;

insert into public.leads (id, name, email, phone, assigned_to) select lead, 'Delivered Lead', 'delivery@example.com', '+919811200001', counselor from given, people;

insert into public.leads (id, name, assigned_to) select mute, 'Mute Lead', counselor from given, people;

insert into public.contacts (id, lead_id, name, email) select contact, lead, 'Father', 'father.delivery@example.com' from given;

create function pg_temp.add(p_type text, p_status text default 'queued', p_recipient text default 'x@example.com', p_fields jsonb default '{}') returns uuid language plpgsql as $$
declare
  made uuid;
begin
  insert into public.communications (lead_id, type, status, recipient, subject, content, template_id, scheduled_at, channel_specific_data)
  select g.lead, p_type, p_status, p_recipient, case p_type when 'email' then 'Subject' end,
    case when p_fields ? 'template' then null else 'Content' end, (p_fields ->> 'template')::uuid, (p_fields ->> 'at')::timestamptz, p_fields - 'template' - 'at'
  from given g
  returning id into made;

  return made;
end
$$;

create function pg_temp.state_of(p_id uuid) returns text language sql as $$
  select concat_ws(' ', c.status, c.error) from public.communications c where c.id = p_id;
$$;

update public.system_settings set value = '"Intake"' where key = 'organization.name';

-- Beginning

select private.consent_record('sms', '+919811200001', 'withdrawn', 'all', 'keyword');

create temp table cancelled on commit drop as select pg_temp.add('email') as id;

update public.communications c set status = 'cancelled' from cancelled where c.id = cancelled.id;

select is((select private.message_begin(id) ->> 'verdict' from cancelled), 'done', 'what was cancelled is not sent');

create temp table begun on commit drop as select pg_temp.add('email', p_recipient => ' Delivery@Example.com ') as id;

select is(
  (select private.message_begin(id) #- '{message,from_name}' from begun),
  (select jsonb_build_object('verdict', 'send', 'message', jsonb_build_object(
    'id', id, 'type', 'email', 'recipient', 'delivery@example.com', 'sender', null, 'cc', null, 'bcc', null, 'subject', 'Subject', 'content', 'Content',
    'data', '{}'::jsonb, 'is_marketing', false, 'reply_to', null, 'files', '[]'::jsonb
  )) from begun),
  'what is queued is, with all that the worker needs');

select results_eq('select c.status, c.dispatched_at is not null, c.recipient from public.communications c, begun b where c.id = b.id', $$values ('sending', true, 'delivery@example.com')$$, 'and that it begins is written down');

select is((select private.message_begin(id) from begun), '{"verdict": "unknown"}', 'what began and never ended does not begin again');

select is((select pg_temp.state_of(id) from begun), 'sending outcome_unknown', 'which is said');

select private.message_put_back(id) from begun;

select is((select private.message_begin(id) ->> 'verdict' from begun), 'send', 'unless the provider said that it did not take it');

select private.message_sent(id, 'sendgrid', 'delivery-1') from begun;

select is((select pg_temp.state_of(id) from begun), 'sent', 'what was taken was sent');

select is((select private.message_begin(id) ->> 'verdict' from begun), 'done', 'and is not sent again');

select isnt_empty($$select a.* from public.activities a, begun b where a.source_id = b.id and a.type = 'email_sent'$$, 'the timeline tells of it');

select is(concat_ws(': ', private.message_begin(id) ->> 'verdict', pg_temp.state_of(id)), expected, what)
from (
  select 1 as n, pg_temp.add('email', p_recipient => 'nowhere') as id, 'done: failed recipient_missing' as expected, 'no address, no message' as what
  union all
  select 2, pg_temp.add('sms', p_recipient => '+919811200001'), 'done: failed contact_refused: opted_out', 'the gate is asked when it leaves'
  union all
  select 3, pg_temp.add('whatsapp', p_recipient => '+919811200009'), 'done: failed whatsapp_window_closed', 'so is the window'
  union all
  select 4, pg_temp.add('email', 'scheduled', p_fields => jsonb_build_object('at', now() + interval '1 day')), 'defer: scheduled', 'what is for tomorrow waits'
  union all
  select 5, pg_temp.add('email', p_fields => jsonb_build_object('template', (select t.id from public.message_templates t where t.name = 'welcome' and t.channel = 'email'))), 'send: sending', 'a template is filled in'
) t;

select isnt_empty($$select from public.communications c where c.subject = 'Subject' and c.content like 'Dear Delivered Lead,%'$$, 'with what it is about');

-- Copies

select private.consent_record('email', 'out.delivery@example.com', 'withdrawn', 'all', 'unsubscribe');

create temp table copied on commit drop as select pg_temp.add('email') as id;

update public.communications c set cc = '{fine@example.com}', bcc = '{out.delivery@example.com}' from copied where c.id = copied.id;

select is((select private.message_begin(id) ->> 'verdict' from copied), 'done', 'of copies, too, the gate is asked when they leave');

select is((select pg_temp.state_of(id) from copied), 'failed contact_refused: opted_out', 'and the message says why it stayed');

create temp table advert on commit drop as select pg_temp.add('email', p_fields => '{"purpose": "marketing"}') as id;

update public.system_settings set value = to_jsonb(extract(hour from clock_timestamp() at time zone 'Asia/Kolkata')::integer) where key = 'messaging.quiet_from_hour';

update public.system_settings set value = to_jsonb((extract(hour from clock_timestamp() at time zone 'Asia/Kolkata')::integer + 2) % 24) where key = 'messaging.quiet_to_hour';

update public.system_settings set value = '"Asia/Kolkata"' where key = 'organization.timezone';

select is((select private.message_begin(id) ->> 'verdict' from advert), 'defer', 'advertising waits in quiet hours');

delete from private.jobs j using advert a where j.dedupe_key = a.id::text;

select private.message_defer(id, now() + interval '3 hours') from advert;

select results_eq($$select j.run_at, j.provider from private.jobs j, advert a where j.dedupe_key = a.id::text$$, $$values (now() + interval '3 hours', 'sendgrid')$$, 'with a job for then');

-- A job that is given up

create temp table lost on commit drop as select pg_temp.add('email') as id;

select private.bury_jobs(array(select j.id from private.jobs j, lost l where j.dedupe_key = l.id::text), 'x');

select is((select pg_temp.state_of(id) from lost), 'failed given_up', 'a message whose job was given up has failed');

-- Reports

create function pg_temp.report(p_id uuid, p_reports text[]) returns text language plpgsql as $$
declare
  one text;
begin
  foreach one in array p_reports loop
    perform private.message_report('sendgrid', jsonb_build_array(jsonb_build_object(
      'id', p_id, 'message_id', 'r-' || p_id, 'status', split_part(one, '@', 1), 'at', ('2026-01-01 10:00Z'::timestamptz + make_interval(mins => split_part(one, '@', 2)::integer)),
      'error', nullif(split_part(one, '@', 3), '')
    )));
  end loop;

  return (
    select concat_ws(' ', c.status, c.error, to_char(c.delivered_at at time zone 'UTC', 'HH24:MI'), to_char(c.read_at at time zone 'UTC', 'HH24:MI'))
    from public.communications c where c.id = p_id
  );
end
$$;

select is(pg_temp.report(pg_temp.add('email'), reports), expected, what)
from (values
  ('{sent@1,delivered@2,read@3}'::text[], 'read 10:02 10:03', 'in order'),
  ('{read@3,sent@1,delivered@2,delivered@2}', 'read 10:02 10:03', 'in another, and twice'),
  ('{sent@1,failed@2@no room}', 'failed no room', 'a failure is the end'),
  ('{failed@2@no room,delivered@3}', 'delivered no room 10:03', 'unless it was delivered all the same'),
  ('{delivered@3,failed@2@no room}', 'delivered no room 10:03', 'whichever came first'),
  ('{bounced@4@no such person,delivered@3}', 'bounced no such person 10:03', 'what was delivered may come back')
) t (reports, expected, what);

select is(private.message_report('twilio', jsonb_build_array(jsonb_build_object('id', (select id from begun), 'status', 'read'))), 0, 'a provider reports on its own messages alone');

select is(private.message_report('sendgrid', '[{"message_id": "delivery-1", "status": "bounced", "error": "550", "withdrawn": "all", "source": "bounce"}, {"id": "nonsense", "status": "read"}]'), 1,
  'a message is known by the provider''s id too, and what is about nobody''s is passed over');

select is((select g.reason from private.contact_gate('email', 'delivery@example.com', 'all') g), 'address_unreachable', 'a bounce closes the address');

-- What a delivery was made of

create temp table heard on commit drop as
select private.inbox_receive('twilio_events', 'delivery test', convert_to('From=%2B919811200001&Body=private', 'UTF8')) as is_new;

select private.inbox_heard(i.id) from private.webhook_inbox i where i.event_id = 'delivery test';

select results_eq(
  $$select i.state, octet_length(i.raw) from private.webhook_inbox i where i.event_id = 'delivery test'$$, $$values ('processed', 0)$$,
  'words and addresses are kept where erasure finds them, and nowhere else'
);

select is(private.inbox_receive('twilio_events', 'delivery test', 'again'), false, 'and what was delivered is known all the same');

select * from finish();

rollback;

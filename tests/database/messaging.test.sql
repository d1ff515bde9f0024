-- Messaging: what is logged is normalised, found by its lead, told once on the timeline, and its status only
-- moves forward.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('admin', null, true, 'Ada Admin') as admin, tests.create_user('manager', 'Messaging A', true, 'Mala Manager') as manager,
  tests.create_user('counselor', 'Messaging A', true, 'Chetan') as counselor, tests.create_user('counselor', 'Messaging A', true, 'Divya') as colleague,
  tests.create_user('counselor', 'Messaging B', true) as stranger;

create temp table given on commit drop as
select gen_random_uuid() as lead, gen_random_uuid() as contact, gen_random_uuid() as email, gen_random_uuid() as meeting, gen_random_uuid() as loose;

grant select on people, given to public;

alter table public.leads disable trigger route_new_lead;

insert into public.leads (id, name, assigned_to) select lead, 'Written Lead', counselor from given, people;

insert into public.contacts (id, lead_id, name) select contact, lead, 'Father of the lead' from given;

create function pg_temp.told(p_source uuid) returns text[] language sql as $$
  select coalesce(array_agg(concat_ws(': ', a.title, a.description) order by a.occurred_at, a.title), '{}') from public.activities a where a.source_id = p_source and a.lead_id is not null;
$$;

grant execute on function pg_temp.told(uuid) to public;

-- Logging

select tests.authenticate_as((select counselor from people));

insert into public.communications (id, lead_id, type, subject, content, sender, recipient, attachments)
select email, lead, 'Email', 'Fellowship Program Follow-up', 'Thank you for your interest', 'counselor@dmhca.edu', 'doctor@hospital.com', '{brochure.pdf}' from given;

select results_eq(
  'select type, direction, status, user_id, sent_by, lead_owner_id, sent_at is not null from public.communications where id = (select email from given)',
  $$select 'email', 'outbound', 'sent', counselor, counselor, counselor, true from people$$,
  'an e-mail that is logged was sent, by whoever logs it, to the lead of its owner');

select is(pg_temp.told((select email from given)), '{"Email Sent: Fellowship Program Follow-up"}', 'the timeline tells of it');

select isnt((select last_interaction_at from public.leads, given where id = lead), null, 'and it moves when somebody last dealt with the lead');

insert into public.communications (id, contact_id, type, content, scheduled_at) select meeting, contact, 'meeting', 'Campus visit', now() + interval '1 day' from given;

select results_eq(
  'select lead_id, lead_owner_id, status, sent_at from public.communications where id = (select meeting from given)',
  $$select lead, counselor, 'scheduled', null::timestamptz from given, people$$,
  'a meeting with a contact is one with their lead, and waits until it is held');

select is(pg_temp.told((select meeting from given)), '{}', 'what is yet to come is not on the timeline');

update public.communications set status = 'completed' where id = (select meeting from given);

select is(pg_temp.told((select meeting from given)), '{"Meeting Held: Campus visit"}', 'until it was held');

select isnt((select last_contacted from public.contacts, given where id = contact), null, 'which is when the contact was last spoken to');

insert into public.communications (id, type, direction, content, sent_at) select loose, 'sms', 'inbound', 'Who are you?', now() - interval '2 days' from given;

select results_eq(
  'select status, user_id, sent_by, team_id is not null, sent_at from public.communications where id = (select loose from given)',
  $$select 'received', counselor, null::uuid, true, now() - interval '2 days' from people$$,
  'what belongs to no lead belongs to the person, and to their team');

select results_eq(
  format('select state, details from tests.refused(%L)', format('insert into public.communications (lead_id, %s) values (%L, %s)', columns, lead, vals)), format('values (%L, %L)', state, details), what)
from given, people, lateral (values
  ('type, user_id', format('%L, %L', 'sms', colleague), '42501', '', 'nobody logs in the name of another'),
  ('type, sent_by', format('%L, %L', 'sms', colleague), '42501', '', 'or as sent by another'),
  ('type, scheduled_at', format('%L, now() + interval %L', 'email', '1 day'), 'PT422', 'argument_invalid: only calls and meetings are scheduled by hand', 'nobody queues a message by logging it'),
  ('type, sent_at', format('%L, now() + interval %L', 'sms', '1 day'), 'PT422', 'argument_invalid: sent_at is yet to come', 'what was sent tomorrow was not'),
  ('type, status', format('%L, %L', 'sms', 'read'), '42501', '', 'the status is not the client''s to begin with'),
  ('type', '''pigeon''', '23514', '', 'an unknown channel is none'),
  ('type, direction', format('%L, %L', 'sms', 'sideways'), '23514', '', 'nor an unknown direction'),
  ('type, channel_specific_data', format('%L, %L', 'sms', '[]'), '23514', '', 'what the channel says is an object')
) t (columns, vals, state, details, what);

-- Who sees it

create function pg_temp.seen() returns text[] language sql as $$
  select coalesce(array_agg(c.type order by c.type), '{}') from public.communications c, given g where c.id in (g.email, g.meeting, g.loose);
$$;

grant execute on function pg_temp.seen() to public;

select is(pg_temp.seen(), '{email,meeting,sms}', 'who logged them sees them');

select tests.authenticate_as((select manager from people));

select is(pg_temp.seen(), '{email,meeting,sms}', 'so does their manager');

select is_empty($$update public.communications set content = 'Changed' returning id$$, 'who does not correct them');

select tests.authenticate_as((select stranger from people));

select is(pg_temp.seen(), '{}', 'somebody of another team sees none');

select results_eq(
  format('select state, details from tests.refused(%L)', format('insert into public.communications (lead_id, type) values (%L, %L)', lead, 'sms')), $$values ('42501', '')$$, 'and logs none with a lead that is not theirs')
from given;

select results_eq(
  format('select state from tests.refused(%L)', format('insert into public.communications (contact_id, type) values (%L, %L)', contact, 'sms')), $$values ('42501')$$, 'nor with its contact')
from given;

select tests.clear_authentication();

update public.leads set assigned_to = (select colleague from people) where id = (select lead from given);

select tests.authenticate_as((select colleague from people));

select is(pg_temp.seen(), '{email,meeting}', 'who takes over the lead takes over what was said');

select tests.authenticate_as((select counselor from people));

select is(pg_temp.seen(), '{email,meeting,sms}', 'who said it still sees their own words');

select is_empty($$update public.communications set content = 'Changed' where lead_id is not null returning id$$, 'but no longer changes them');

-- Forward only

select tests.clear_authentication();

create function pg_temp.move(p_from text, p_to text) returns text language plpgsql as $$
declare
  made uuid;
begin
  insert into public.communications (lead_id, type, status, scheduled_at, user_id)
  select g.lead, 'email', p_from, case p_from when 'scheduled' then now() + interval '1 day' end, p.counselor from given g, people p
  returning id into made;

  update public.communications set status = p_to where id = made;

  return null;
exception when sqlstate 'PT409' then
  return 'refused';
end
$$;

select set_eq(
  $$select f, t
    from unnest(array['scheduled', 'queued', 'sending', 'sent', 'delivered', 'read', 'received', 'completed', 'failed', 'bounced', 'cancelled']) f
    cross join unnest(array['scheduled', 'queued', 'sending', 'sent', 'delivered', 'read', 'received', 'completed', 'failed', 'bounced', 'cancelled']) t
    where f <> t and pg_temp.move(f, t) is null$$,
  'select from_status, to_status from private.communication_moves',
  'exactly the moves of the table are made, whoever writes');

select is_empty(
  $$with recursive reach as (
      select from_status, to_status from private.communication_moves
      union
      select r.from_status, m.to_status from reach r join private.communication_moves m on m.from_status = r.to_status
    )
    select * from reach where from_status = to_status$$,
  'and none leads back');

update public.communications set status = 'delivered' where id = (select email from given);

update public.communications set status = 'read' where id = (select email from given);

select results_eq(
  'select opened, read_at is not null, delivered_at is not null from public.communications where id = (select email from given)', 'values (true, true, true)',
  'what was read was opened and delivered');

select is(pg_temp.told((select email from given)), '{"Email Sent: Fellowship Program Follow-up","Opened Email: Fellowship Program Follow-up"}', 'that it was opened is told once');

update public.communications set opened = false, subject = 'Follow-up' where id = (select email from given);

select is((select opened from public.communications, given where id = email), true, 'what was opened stays so');

select is(pg_temp.told((select email from given)), '{"Email Sent: Follow-up","Opened Email: Fellowship Program Follow-up"}', 'a corrected subject is corrected on the timeline');

update public.communications set deleted_at = now() where id = (select email from given);

select is(pg_temp.told((select email from given)), '{}', 'what is deleted leaves the timeline');

update public.communications set deleted_at = null where id = (select email from given);

select is(cardinality(pg_temp.told((select email from given))), 2, 'and comes back with it');

insert into public.communications (lead_id, type, provider, provider_message_id) select lead, 'sms', 'twilio', 'SM1' from given;

select throws_ok(
  format('insert into public.communications (lead_id, type, provider, provider_message_id) values (%L, %L, %L, %L)', lead, 'sms', 'twilio', 'SM1'), '23505', null,
  'a message of a provider is there once') from given;

-- Sending

select tests.clear_authentication();

create function pg_temp.jobs_of(p_content text) returns setof private.jobs language sql as $$
  select j.* from private.jobs j join public.communications c on j.dedupe_key = c.id::text where j.kind = 'send_message' and c.content = p_content;
$$;

insert into public.communications (type, status, recipient, content, scheduled_at)
select v.type, v.status, '+919876543210', 'Seam ' || v.type || ' ' || v.status, v.at
from (values
  ('sms', 'queued', null::timestamptz),
  ('email', 'scheduled', now() + interval '2 hours'),
  ('call', 'scheduled', now() + interval '2 hours'),
  ('letter', 'queued', null)
) v (type, status, at);

insert into public.communications (type, content) values ('sms', 'Seam logged');

select results_eq(
  $$select j.payload = jsonb_build_object('communication_id', c.id), j.run_at <= now(), j.provider, c.provider, j.priority
    from pg_temp.jobs_of('Seam sms queued') j, public.communications c where c.content = 'Seam sms queued'$$,
  $$values (true, true, 'twilio', 'twilio', 0::smallint)$$, 'what is inserted queued has a job at once, in the lane of its provider');

select results_eq(
  $$select j.run_at from pg_temp.jobs_of('Seam email scheduled') j$$, $$values (now() + interval '2 hours')$$, 'what is scheduled has one that waits');

select is_empty(
  $$select * from pg_temp.jobs_of('Seam call scheduled') union all select * from pg_temp.jobs_of('Seam letter queued') union all select * from pg_temp.jobs_of('Seam logged')$$,
  'calls, letters and what was logged have none');

-- What belongs to a lead goes with it through a merge, and comes back byte for byte

select tests.clear_authentication();

create temp table merged on commit drop as select gen_random_uuid() as target, null::uuid as merge;

grant select, update on merged to public;

insert into public.leads (id, name, assigned_to) select target, 'Target Lead', counselor from merged, people;

create function pg_temp.belongings(p_lead uuid) returns jsonb language sql as $$
  select jsonb_build_object(
    'communications', (select jsonb_agg(to_jsonb(c) order by c.id) from public.communications c where c.lead_id = p_lead),
    'notes', (select jsonb_agg(to_jsonb(n) order by n.id) from public.notes n where n.lead_id = p_lead),
    'timeline', (select jsonb_agg(to_jsonb(a) order by a.id) from public.activities a where a.lead_id = p_lead)
  );
$$;

create temp table before on commit drop as select pg_temp.belongings(lead) as rows from given;

select tests.authenticate_as((select admin from people));

update merged set merge = (public.merge_leads(target, array(select lead from given)) ->> 'merge_id')::uuid;

select tests.clear_authentication();

select is(
  jsonb_array_length(pg_temp.belongings(target) -> 'communications'), (select jsonb_array_length(rows -> 'communications') from before),
  'a merge takes what was said along') from merged;

select results_eq(
  'select distinct c.lead_owner_id from public.communications c, merged m where c.lead_id = m.target', 'select counselor from people', 'and who sees it follows the lead it went to');

select tests.authenticate_as((select admin from people));

do $$ begin perform public.unmerge((select merge from merged)); end $$;

select tests.clear_authentication();

select is(pg_temp.belongings(lead), (select rows from before), 'taken apart, it is what it was, byte for byte') from given;

select * from finish();

rollback;

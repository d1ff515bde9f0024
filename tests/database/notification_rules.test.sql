-- Notification rules: which rule counts, what a person's preferences hold back, and what leaves the application.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('admin') as admin, tests.create_user('manager', 'Rules A') as manager, tests.create_user('counselor', 'Rules A') as owner, tests.create_user('counselor', 'Rules A') as other;

grant select on people to public;

delete from public.notification_rules;

delete from private.notification_outbox;

update public.profiles p set email = 'owner.rules@example.test', phone = '+919812345601', timezone = 'Asia/Kolkata' from people where p.id = owner;

create function pg_temp.channels(p_event text default 'lead_assigned', p_priority text default 'normal') returns text language sql as $$
  select concat_ws(',', case when c.is_in_app then 'in_app' end, nullif(array_to_string(c.others, ','), '')) from people, private.notification_channels(owner, p_event, p_priority) c;
$$;

create function pg_temp.rule(p_event text, p_channel text, p_is_enabled boolean, p_user uuid default null, p_role text default null) returns void language sql as $$
  insert into public.notification_rules (event, channel, is_enabled, user_id, role_id) values (p_event, p_channel, p_is_enabled, p_user, (select id from public.roles where key = p_role));
$$;

create function pg_temp.notify(p_event text default 'lead_assigned', p_title text default 'New lead assigned', p_priority text default 'normal') returns uuid language sql as $$
  select private.notify(owner, p_title, 'LEAD-1 is now yours.', 'lead', p_priority, p_metadata => jsonb_build_object('event', p_event)) from people;
$$;

-- Which rule counts

select is(pg_temp.channels(), 'in_app', 'without a rule an event is told in the application alone');

select pg_temp.rule('lead_assigned', 'in_app', false), pg_temp.rule('lead_assigned', 'email', true);

select is(pg_temp.channels(), 'email', 'everybody''s rule switches a channel off, and another on');

select pg_temp.rule('lead_assigned', 'in_app', true, p_role => 'counselor'), pg_temp.rule('lead_assigned', 'email', false, p_role => 'counselor'), pg_temp.rule('lead_assigned', 'email', true, p_role => 'manager');

select is(pg_temp.channels(), 'in_app', 'that of the person''s role comes before it');

select pg_temp.rule('lead_assigned', 'sms', true, owner), pg_temp.rule('lead_assigned', 'in_app', false, owner), pg_temp.rule('lead_assigned', 'email', true, other) from people;

select is(pg_temp.channels(), 'sms', 'and the person''s own before that');

select is(pg_temp.channels('task_assigned'), 'in_app', 'of other events nothing changes');

select throws_ok($$insert into public.notification_rules (event, channel, is_enabled) values ('lead_assigned', 'email', true)$$, '23505', null, 'there is one rule of an event, a channel and whom it is for');

select throws_ok($$insert into public.notification_rules (event, channel, is_enabled) values ('nothing', 'email', true)$$, '23503', null, 'of an event there is');

-- What becomes of it

select is(pg_temp.notify(), null, 'an event that is switched off is not told in the application');

select results_eq('select o.channel, o.title, o.message, o.event from private.notification_outbox o join people on o.user_id = owner', $$values ('sms', 'New lead assigned', 'LEAD-1 is now yours.', 'lead_assigned')$$, 'and over the others it waits to be sent');

select isnt(private.notify(owner, 'From a person', 'x'), null, 'what is no event is told as ever') from people;

select ok(private.notification_send() > 0, 'it is sent');

select is_empty('select from private.notification_outbox o join people on o.user_id = owner', 'once');

select results_eq(
  $$select c.type, c.direction, c.status, c.subject, c.content, c.user_id, c.sent_by, c.lead_id, c.channel_specific_data -> 'notification' from public.communications c where c.recipient = '+919812345601'$$,
  $$values ('sms', 'outbound', 'queued', null::text, 'New lead assigned: LEAD-1 is now yours.', null::uuid, null::uuid, null::uuid, '["lead_assigned"]'::jsonb)$$,
  'as a message of nobody''s, so that it counts as no conversation'
);

select pg_temp.rule('task_assigned', 'email', true, owner), pg_temp.rule('task_assigned', 'whatsapp', true, owner) from people;

select isnt(pg_temp.notify('task_assigned', 'New task'), null, 'over more channels than one');

select isnt(pg_temp.notify('task_assigned', 'New task'), null, 'as often as it happens');

do $$ begin perform private.notification_send(); end $$;

select results_eq($$select c.type, c.subject, c.content from public.communications c where c.recipient = 'owner.rules@example.test'$$,
  $$values ('email', '2 notifications', E'New task: LEAD-1 is now yours.\nNew task: LEAD-1 is now yours.')$$, 'what is due together is one message');

select is_empty($$select from public.communications c where c.type = 'whatsapp' and c.recipient = '+919812345601'$$, 'WhatsApp needs a template');

insert into public.message_templates (name, channel, content, provider_template) values ('notification', 'whatsapp', '{{title}} {{message}}', 'staff_notification');

select isnt(pg_temp.notify('task_assigned', 'New task'), null, 'with one');

update public.profiles p set preferences = '{"notifications": {"email": false}}' from people where p.id = owner;

do $$ begin perform private.notification_send(); end $$;

select results_eq($$select c.content, t.name, c.channel_specific_data #>> '{variables,title}' from public.communications c join public.message_templates t on t.id = c.template_id where c.recipient = '+919812345601'$$, $$values (null::text, 'notification', 'New task')$$, 'it is sent by it');

select is((select count(*) from public.communications c where c.recipient = 'owner.rules@example.test'), 1::bigint, 'who takes no e-mail gets none');

-- Preferences

insert into public.notification_preferences (user_id, muted_until) select owner, now() + interval '1 hour' from people;

select is(pg_temp.channels('task_assigned'), '', 'while muted nothing is told');

select is(pg_temp.channels('task_assigned', 'urgent'), 'in_app,email,whatsapp', 'but what is urgent');

update public.notification_preferences set muted_until = now() - interval '1 hour';

select is(pg_temp.channels('task_assigned'), 'in_app,email,whatsapp', 'and afterwards all');

update public.notification_preferences set quiet_from_hour = extract(hour from now() at time zone 'Asia/Kolkata'), quiet_to_hour = (extract(hour from now() at time zone 'Asia/Kolkata')::integer + 1) % 24;

select ok((select c.send_at > now() and c.send_at <= now() + interval '1 hour' and c.is_in_app from people, private.notification_channels(owner, 'task_assigned', 'normal') c), 'in quiet hours what leaves the application waits until they end');

select is((select c.send_at from people, private.notification_channels(owner, 'task_assigned', 'urgent') c), now(), 'unless it is urgent');

update public.notification_preferences set quiet_from_hour = null, quiet_to_hour = null, digest_hour = (extract(hour from now() at time zone 'Asia/Kolkata')::integer + 23) % 24;

select ok((select c.send_at > now() + interval '22 hours' and c.send_at <= now() + interval '24 hours' from people, private.notification_channels(owner, 'task_assigned', 'normal') c), 'who wants a digest gets it at its hour');

do $$ begin perform pg_temp.notify('task_assigned', 'New task'); perform private.notification_send(); end $$;

select isnt_empty($$select from private.notification_outbox o join people on o.user_id = owner$$, 'and until then nothing is sent');

select is(private.quiet_hours_end(q.at::timestamptz, 'Asia/Kolkata', q.begins, q.ends), q.expected::timestamptz, q.at || ' from ' || q.begins || ' to ' || q.ends) from (values
  ('2026-11-21T22:30:00+05:30', 22, 7, '2026-11-22T07:00:00+05:30'), ('2026-11-21T06:59:00+05:30', 22, 7, '2026-11-21T07:00:00+05:30'),
  ('2026-11-21T07:00:00+05:30', 22, 7, null), ('2026-11-21T13:30:00+05:30', 13, 14, '2026-11-21T14:00:00+05:30'), ('2026-11-21T14:00:00+05:30', 13, 14, null)
) q (at, begins, ends, expected);

select throws_ok($$update public.notification_preferences set quiet_from_hour = 22$$, '23514', null, 'quiet hours begin and end');

delete from public.notification_preferences;

-- A stage that somebody else changed

alter table public.leads disable trigger route_new_lead;

update private.timeline_readers set read_until = private.uuid_v7_since(clock_timestamp()), fence = null, fence_xid = null where name = 'notifications';

create temp table given on commit drop as select gen_random_uuid() as theirs, gen_random_uuid() as own;

grant select on given to public;

insert into public.leads (id, name, assigned_to) select unnest(array[theirs, own]), 'Ruled', owner from given, people;

select tests.authenticate_as((select manager from people));

update public.leads set status = 'contacted' where id = (select theirs from given);

update public.leads set status = 'qualified' where id = (select theirs from given);

select tests.authenticate_as((select owner from people));

update public.leads set status = 'contacted' where id = (select own from given);

select tests.clear_authentication();

update private.timeline_readers set fence = private.uuid_v7_since(clock_timestamp()), fence_xid = '3' where name = 'notifications';

do $$ begin perform private.notification_sweep(); end $$;

select results_eq($$select n.lead_id, n.title, n.message, n.user_id from public.notifications n where n.metadata ->> 'event' = 'lead_status_changed' and n.lead_id in (select unnest(array[theirs, own]) from given)$$,
  $$select theirs, 'Lead status changed', l.lead_id || ': Contacted to Qualified.', owner from people, given join public.leads l on l.id = theirs$$, 'its owner is told of the last one, and not of their own');

-- Every event that is told by itself

create temp table told on commit drop as select gen_random_uuid() as lead, gen_random_uuid() as paper, gen_random_uuid() as payment;

grant select on told to public;

delete from public.notification_rules;

update public.sla_policies set is_active = false;

insert into public.sla_policies (name, kind, source, target_minutes, is_in_business_hours, active_since) values ('Told', 'first_response', 'Told', 10, false, now() - interval '1 day');

insert into public.leads (id, name, source, assigned_to) select lead, 'Told', 'Told', owner from told, people;

do $$ begin perform private.sla_apply(array[lead], now() + interval '1 hour') from told; end $$;

insert into public.reminders (lead_id, agent_id, title, remind_at) select lead, owner, 'Told', now() - interval '1 minute' from told, people;

do $$ begin perform private.remind(); end $$;

insert into public.calls (lead_id, agent_id, type, status, started_at, duration) select lead, owner, 'inbound', 'missed', now() - interval '1 minute', 0 from told, people;

insert into public.documents (id, lead_id, document_name, document_type) select paper, lead, 'Passport', 'passport' from told;

do $$
declare
  file public.document_versions;
begin
  insert into public.document_versions (document_id, file_name, mime_type, size_bytes)
  select paper, 'scan.pdf', 'application/pdf', 10 from told
  returning * into file;

  insert into storage.objects (bucket_id, name, metadata) values ('documents', file.storage_path, '{"size": 10, "mimetype": "application/pdf"}');

  perform private.document_complete(file.id);
  perform private.document_checked(file.id, 10, repeat('a', 64));
end
$$;

select tests.authenticate_as((select admin from people));

do $$ begin perform public.document_verify(paper, 'verified') from told; end $$;

select tests.clear_authentication();

insert into public.payments (id, lead_id, amount) select payment, lead, 1000 from told;

select tests.authenticate_as((select admin from people));

do $$ begin perform public.payment_record(payment, 'cash') from told; end $$;

update public.leads set status = 'contacted' where id = (select lead from told);

select tests.clear_authentication();

update private.timeline_readers set fence = private.uuid_v7_since(clock_timestamp()), fence_xid = '3' where name = 'notifications';

do $$ begin
  -- However little one reading takes.
  perform private.notification_sweep(2);
  perform private.import_tell_owners(jsonb_populate_record(null::public.imports, jsonb_build_object('id', gen_random_uuid(), 'created_by', owner, 'rows_total', 1, 'results', '{}'::jsonb))) from people;
end $$;

select set_eq(
  $$select distinct n.metadata ->> 'event' from public.notifications n, people, told where n.user_id = owner and (n.lead_id = lead or n.metadata ->> 'event' = 'import_finished')$$,
  array['lead_assigned', 'lead_status_changed', 'sla_breached', 'reminder_due', 'call_missed', 'document_verified', 'payment', 'import_finished'],
  '[D4-071] assignment, a change of stage, a breach, a reminder, a missed call, a document, a payment and an import are told by themselves'
);

-- Who may decide

select pg_temp.rule('lead_assigned', 'email', true);

select tests.authenticate_as((select owner from people));

select lives_ok($$insert into public.notification_rules (event, channel, user_id, is_enabled) select 'payment', 'email', owner, true from people$$, 'a person decides for themselves');

select throws_ok($$insert into public.notification_rules (event, channel, user_id, is_enabled) select 'payment', 'email', other, true from people$$, '42501', null, 'not for others');

select throws_ok($$insert into public.notification_rules (event, channel, is_enabled) values ('payment', 'email', true)$$, '42501', null, 'nor for all');

select is_empty('select from public.notification_rules r join people on r.user_id = other', 'nor sees what others chose');

select isnt_empty('select from public.notification_rules r where r.user_id is null', 'but what is so for all');

select tests.authenticate_as((select admin from people));

select lives_ok($$insert into public.notification_rules (event, channel, is_enabled) values ('payment', 'email', true)$$, 'with notifications.manage one decides for all');

select * from finish();

rollback;

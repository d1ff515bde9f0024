-- Reminders: told of once, again when moved, again when they recur, and kept where their note says.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('manager', 'Reminders A') as manager, tests.create_user('counselor', 'Reminders A') as counselor,
  tests.create_user('counselor', 'Reminders A') as colleague, tests.create_user('counselor', 'Reminders B') as stranger;

create temp table given on commit drop as
select gen_random_uuid() as lead, gen_random_uuid() as reminder, gen_random_uuid() as daily, gen_random_uuid() as note, gen_random_uuid() as secret;

grant select on people, given to public;

alter table public.leads disable trigger route_new_lead;

insert into public.leads (id, name, assigned_to) select lead, 'Reminder Lead', counselor from given, people;

create function pg_temp.told(p_reminder uuid) returns bigint language sql as $$
  select count(*) from public.notifications n where n.metadata ->> 'event' = 'reminder_due' and n.metadata ->> 'reminder_id' = p_reminder::text
$$;

select tests.authenticate_as((select counselor from people));

insert into public.reminders (id, lead_id, title, remind_at) select reminder, lead, ' Ask for marks ', now() - interval '1 minute' from given;

select results_eq(
  'select title, status, agent_id, created_by, lead_owner_id, notified_at from public.reminders where id = (select reminder from given)',
  $$select 'Ask for marks', 'pending', counselor, counselor, counselor, null::timestamptz from people$$, 'a reminder is the caller''s');

select isnt_empty('select from public.reminders_overdue where id = (select reminder from given)', 'a past one is overdue');

select throws_ok($$insert into public.reminders (title, remind_at, agent_id) select 'x', now(), colleague from people$$, 'PT422', null, 'one reminds oneself');

select throws_ok($$update public.reminders set notified_at = now() where id = (select reminder from given)$$, '42501', null, 'only the scheduler says that it has notified');

select tests.clear_authentication();

-- The scheduler

do $$ begin perform private.remind(); end $$;

select results_eq(
  $$select n.user_id, n.title, n.message, n.type, n.lead_id from public.notifications n where n.metadata ->> 'reminder_id' = (select reminder from given)::text$$,
  $$select counselor, 'Reminder', 'Ask for marks', 'reminder', lead from people, given$$, 'it tells the person');

do $$ begin perform private.remind(); perform private.remind(); end $$;

select is(pg_temp.told((select reminder from given)), 1::bigint, 'once');

update public.reminders set title = 'Ask for all marks' where id = (select reminder from given);

do $$ begin perform private.remind(); end $$;

select is(pg_temp.told((select reminder from given)), 1::bigint, 'whatever else of it changes');

update public.reminders set remind_at = now() - interval '30 seconds' where id = (select reminder from given);

do $$ begin perform private.remind(); end $$;

select is(pg_temp.told((select reminder from given)), 2::bigint, 'and again when it was put off');

insert into public.reminders (id, agent_id, title, remind_at, status)
select r.id::uuid, counselor, r.title, now() + r.offset_by, r.status
from people, (values
  ('00000000-0000-7000-8000-00000000aa01', 'Later', interval '1 minute', 'pending'),
  ('00000000-0000-7000-8000-00000000aa02', 'Done', interval '-1 minute', 'completed'),
  ('00000000-0000-7000-8000-00000000aa03', 'Dropped', interval '-1 minute', 'cancelled'),
  ('00000000-0000-7000-8000-00000000aa04', 'Imported', interval '-3 days', 'pending')
) r (id, title, offset_by, status);

update public.reminders set deleted_at = now(), remind_at = now() - interval '1 minute' where id = '00000000-0000-7000-8000-00000000aa04';

do $$ begin perform private.remind(); end $$;

select is(
  (select sum(pg_temp.told(r.id)) from public.reminders r where r.id::text like '00000000-0000-7000-8000-00000000aa0_'), 0::numeric,
  'not of what is later, done, dropped or deleted');

insert into public.reminders (agent_id, title, remind_at) select counselor, 'Long past', now() - interval '3 days' from people;

do $$ begin perform private.remind(); end $$;

select is((select pg_temp.told(id) from public.reminders where title = 'Long past'), 0::bigint, 'what was long past when it was made is overdue, not news');

-- Completing

select tests.authenticate_as((select counselor from people));

select is((public.reminder_complete((select reminder from given))).status, 'completed', 'it is completed');

select is(
  (public.reminder_complete((select reminder from given))).completed_at, (select completed_at from public.reminders where id = (select reminder from given)),
  'once, however often');

select is_empty('select from public.reminders_overdue where id = (select reminder from given)', 'and overdue no more');

select throws_ok($$select public.reminder_complete('00000000-0000-7000-8000-00000000aa03')$$, 'PT409', null, 'a cancelled one is not completed');

-- Due soon

select results_eq(
  'select title from public.reminders_due_soon()', $$values ('Later')$$, 'what comes within the hour is due soon');

select is_empty($$select from public.reminders_due_soon(p_within => '30 seconds')$$, 'and no further than asked');

select throws_ok($$select public.reminders_due_soon(p_within => '-1 hour')$$, 'PT422', null, 'looking back is refused');

-- Recurrence

insert into public.reminders (id, title, remind_at, recurrence) select daily, 'Daily', now() - interval '1 minute', 'FREQ=DAILY;COUNT=2' from given;

select tests.clear_authentication();

do $$ begin perform private.remind(); end $$;

select results_eq(
  'select remind_at, occurrence, status, notified_at, agent_id from public.reminders where previous_id = (select daily from given)',
  $$select now() - interval '1 minute' + interval '1 day', 2, 'pending', null::timestamptz, counselor from people$$, 'coming due makes the next one');

update public.reminders set status = 'completed' where id = (select daily from given);

select is((select count(*) from public.reminders where previous_id = (select daily from given)), 1::bigint, 'completing it then makes no other');

update public.reminders set status = 'completed' where previous_id = (select daily from given);

select is((select count(*) from public.reminders where title = 'Daily'), 2::bigint, 'COUNT ends the series');

-- Of notes

select tests.authenticate_as((select counselor from people));

insert into public.notes (id, lead_id, content, reminder_at) select note, lead, 'Send the brochure', '2999-01-01 10:00+00' from given;

select results_eq(
  'select agent_id, lead_id, title, remind_at, status from public.reminders where note_id = (select note from given)',
  $$select counselor, lead, 'Send the brochure', '2999-01-01 10:00+00'::timestamptz, 'pending' from people, given$$, 'a note makes its reminder');

do $$ begin perform public.reminder_complete((select id from public.reminders where note_id = (select note from given))); end $$;

update public.notes set content = 'Send the new brochure' where id = (select note from given);

select results_eq(
  'select title, status from public.reminders where note_id = (select note from given)', $$values ('Send the new brochure', 'completed')$$,
  'which says what the note says, and stays done');

update public.notes set reminder_at = '2999-02-01 10:00+00' where id = (select note from given);

select results_eq(
  'select remind_at, status from public.reminders where note_id = (select note from given)', $$values ('2999-02-01 10:00+00'::timestamptz, 'pending')$$,
  'moves with it');

update public.notes set reminder_at = null where id = (select note from given);

select is_empty('select from public.reminders where note_id = (select note from given)', 'and goes with it');

insert into public.notes (id, lead_id, title, content, is_private, reminder_at) select secret, lead, 'Secret', 'Cannot pay', true, '2999-01-01 10:00+00' from given;

select tests.clear_authentication();

select results_eq(
  'select agent_id, lead_id, title from public.reminders where note_id = (select secret from given)',
  $$select counselor, null::uuid, 'A private note' from people$$, 'that of a private note says nothing of it, and is not the lead''s');

update public.notes set deleted_at = now() where id = (select secret from given);

select is_empty('select from public.reminders where note_id = (select secret from given) and deleted_at is null', 'a deleted note reminds of nothing');

update public.notes set deleted_at = null where id = (select secret from given);

select isnt_empty('select from public.reminders where note_id = (select secret from given) and deleted_at is null', 'a restored one does again');

-- Who sees it

select tests.authenticate_as((select manager from people));

select isnt_empty('select from public.lead_reminders where id = (select reminder from given)', 'the manager of the team sees it');

select tests.authenticate_as((select stranger from people));

select is_empty('select from public.reminders where id = (select reminder from given)', 'a stranger does not');

select is_empty('select from public.reminders_due_soon((select counselor from people))', 'nor what is due soon for somebody else');

select throws_ok('select public.reminder_complete((select reminder from given))', 'PT404', null, 'and completes nothing');

-- Deleting

select tests.authenticate_as((select stranger from people));

select throws_ok('select public.soft_delete(''reminders'', gen_random_uuid())', 'PT404', null, 'what is not there cannot be deleted');

select throws_ok('select public.soft_delete(''reminders'', (select reminder from given))', 'PT404', null, 'nor what one does not see');

select tests.authenticate_as((select counselor from people));

select lives_ok('select public.soft_delete(''reminders'', (select reminder from given))', 'one''s own can');

select is_empty('select from public.reminders where id = (select reminder from given)', 'and is in nobody''s sight');

select throws_ok('select public.soft_delete(''reminders'', (select reminder from given))', 'PT404', null, 'once');

-- Of who has left

select tests.clear_authentication();

create temp table last on commit drop as select gen_random_uuid() as lead, gen_random_uuid() as reminder, gen_random_uuid() as own;

insert into public.leads (id, name, assigned_to) select l.lead, 'Last Lead', p.counselor from last l, people p;

insert into public.reminders (id, agent_id, lead_id, title, remind_at, recurrence)
select l.reminder, p.colleague, l.lead, 'Call them', now() - interval '1 minute', 'FREQ=DAILY' from last l, people p
union all
select l.own, p.colleague, null, 'Water the plants', now() - interval '1 minute', null from last l, people p;

update public.profiles set is_active = false where id = (select colleague from people);

do $$ begin perform private.remind(); end $$;

select results_eq(
  $$select n.user_id from public.notifications n where n.metadata ->> 'reminder_id' = (select reminder::text from last)$$, 'select counselor from people',
  'of a lead''s reminder its owner is told once who was to be reminded has left');

select results_eq(
  'select r.agent_id from public.reminders r where r.previous_id = (select reminder from last)', 'select counselor from people', 'and has the next one');

select is_empty(
  $$select from public.notifications n where n.metadata ->> 'reminder_id' = (select own::text from last)$$, 'their own reminders are nobody else''s');

select * from finish();

rollback;

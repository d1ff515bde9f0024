-- Calls: the order scheduled, in progress, ended holds whoever writes, and the database measures.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('manager', 'Calls A') as manager, tests.create_user('counselor', 'Calls A', true, 'Chetan') as counselor,
  tests.create_user('counselor', 'Calls A') as colleague, tests.create_user('counselor', 'Calls B') as stranger;

create temp table given on commit drop as
select gen_random_uuid() as lead, gen_random_uuid() as other_lead, gen_random_uuid() as call, gen_random_uuid() as logged;

grant select on people, given to public;

alter table public.leads disable trigger route_new_lead;

insert into public.leads (id, name, phone, assigned_to) select lead, 'Call Lead', '+919811111111', counselor from given, people;

insert into public.leads (id, name, assigned_to) select other_lead, 'Other Lead', stranger from given, people;

select tests.authenticate_as((select counselor from people));

-- Planned, started, ended

insert into public.calls (id, lead_id, type) select call, lead, 'Outbound Call' from given;

select results_eq(
  'select type, status, phone, agent_id, logged_by, lead_owner_id, started_at, duration from public.calls where id = (select call from given)',
  $$select 'outbound', 'scheduled', '+919811111111', counselor, counselor, counselor, null::timestamptz, null::integer from people$$,
  'a call that has not been made is scheduled, to the lead''s number');

select throws_ok('select public.call_end((select call from given))', 'PT409', 'The call has not been started.', 'it cannot end');

select is((public.call_start((select call from given))).status, 'in_progress', 'it starts');

select throws_ok('select public.call_start((select call from given))', 'PT409', 'The call is in progress.', 'once');

select throws_ok(
  $$update public.calls set started_at = now() where id = (select call from given)$$, 'PT409', null, 'nobody says afterwards when');

select tests.clear_authentication();

-- As if it had lasted.
update public.calls set started_at = clock_timestamp() - interval '3 minutes' where id = (select call from given);

select is((select last_interaction_at from public.leads where id = (select lead from given)), null, 'a call that goes on is no interaction yet');

select tests.authenticate_as((select counselor from people));

select results_eq(
  $$select (c).status, (c).duration between 180 and 190, (c).outcome, (c).notes from public.call_end((select call from given), 'Interested', 'Wants a brochure') c$$,
  $$values ('completed', true, 'interested', 'Wants a brochure')$$, 'it ends with its outcome, and is measured');

select throws_ok('select public.call_end((select call from given))', 'PT409', 'The call has ended, and stays as it ended.', 'once');

select throws_ok('select public.call_start((select call from given))', 'PT409', null, 'and does not start again');

select throws_ok($$update public.calls set status = 'in_progress' where id = (select call from given)$$, 'PT409', null, 'not by hand either');

select throws_ok($$update public.calls set duration = 1 where id = (select call from given)$$, 'PT409', null, 'nor does anybody correct what was measured');

update public.calls set outcome = 'callback' where id = (select call from given);

select is((select outcome from public.calls where id = (select call from given)), 'callback', 'the outcome may be corrected');

select is(
  (select last_interaction_at from public.leads where id = (select lead from given)),
  (select ended_at from public.calls where id = (select call from given)), 'the lead was last spoken to when it ended');

select results_eq(
  $$select type, title, description ~ '^Outbound call, 3:0[0-9], callback$', actor_id from public.activities where source_id = (select call from given)$$,
  $$select 'call', 'Call Logged', true, counselor from people$$, 'it is on the timeline once, with the outcome it has now');

-- Logged afterwards

insert into public.calls (id, lead_id, duration, started_at, phone, status)
select logged, lead, 180, '2025-01-20 10:00+00', '98765 43210', 'completed' from given;

select results_eq(
  'select status, ended_at, duration, phone from public.calls where id = (select logged from given)',
  $$values ('completed', '2025-01-20 10:03+00'::timestamptz, 180, '+919876543210')$$, 'a duration says when it ended');

select ok(
  (select last_interaction_at > '2026-01-01' from public.leads where id = (select lead from given)), 'an older call does not move the last interaction back');

insert into public.calls (started_at, ended_at, duration, outcome) values ('2025-01-20 10:00+00', '2025-01-20 10:01:30.9+00', 5000, 'connected');

select is((select duration from public.calls where outcome = 'connected'), 90, 'times are believed before a duration');

select throws_ok(
  $$insert into public.calls (started_at, ended_at) values ('2025-01-20 10:00+00', '2025-01-20 09:59+00')$$, '23514', null, 'no call ends before it starts');

select throws_ok($$insert into public.calls (duration) values (-1)$$, '23514', null, 'none lasts less than nothing');

select throws_ok($$insert into public.calls (phone) values ('12')$$, 'PT422', null, 'a number is a number');

select throws_ok($$insert into public.calls (outcome) values ('sold')$$, '23514', null, 'an outcome is one of the list');

select throws_ok($$insert into public.calls (lead_id) select other_lead from given$$, 'PT404', null, 'nothing is logged on a lead one does not see');

select throws_ok($$insert into public.calls (agent_id) select colleague from people$$, 'PT422', null, 'nor in another''s name');

select throws_ok($$insert into public.calls (logged_by) select colleague from people$$, '42501', null, 'nobody says who logged it');

select throws_ok(
  $$insert into public.calls (started_at, duration) values (now() + interval '1 hour', 60)$$, 'PT422', null, 'no call has ended that is yet to come');

select throws_ok($$insert into public.calls (started_at, duration) values ('infinity', 60)$$, 'PT422', null, 'nor at the end of time');

insert into public.calls (started_at, duration, notes) values (clock_timestamp(), 600, 'Just ended');

select ok(
  (select ended_at <= clock_timestamp() and ended_at - started_at = '600 s' from public.calls where notes = 'Just ended'),
  'one that would last until later has just ended');

select lives_ok(
  $$insert into public.calls (started_at, duration) values (now() + interval '2 minutes', 60)$$, 'the clock of a device may be ahead a little');

select throws_ok(
  $$insert into public.calls (started_at, duration) values ('2020-01-20 10:00+00', 86401)$$, 'PT422', null, 'no call that is logged lasted for days');

insert into public.calls (started_at, status, notes) values ('2025-01-20 11:00+00', 'completed', 'Unmeasured');

select results_eq(
  $$select ended_at, duration from public.calls where notes = 'Unmeasured'$$, $$values ('2025-01-20 11:00+00'::timestamptz, 0)$$,
  'what was logged without its length does not last until it was logged');

-- Ended while the device was offline

insert into public.calls (notes, status) values ('Offline', 'in_progress'), ('Backwards', 'in_progress'), ('Too long', 'in_progress');

insert into public.calls (notes, scheduled_at) values ('Wholly offline', now() - interval '3 hours'), ('Told by its start', now() - interval '3 hours');

select tests.clear_authentication();

update public.calls set started_at = clock_timestamp() - interval '2 hours' where notes in ('Offline', 'Backwards', 'Too long');

select tests.authenticate_as((select counselor from people));

select results_eq(
  $$select (c).duration, (c).ended_at - (c).started_at from public.call_end((select id from public.calls where notes = 'Offline'), 'connected', null, 300) c$$,
  $$values (300, interval '5 minutes')$$, 'a device that was offline says how long it lasted');

select throws_ok(
  $$update public.calls set status = 'completed', ended_at = started_at - interval '1 second' where notes = 'Backwards'$$, '23514', null,
  'not that it ended before it was started here');

select throws_ok(
  $$update public.calls set status = 'completed', started_at = started_at - interval '1 hour' where notes = 'Backwards'$$, 'PT409', null,
  'nor another beginning');

select ok(
  (select (c).ended_at <= clock_timestamp() and (c).duration between 7200 and 7300 from public.call_end((select id from public.calls where notes = 'Too long'), p_duration => 80000) c),
  'nor that it goes on');

update public.calls set status = 'completed', started_at = date_trunc('second', now()) - interval '2 hours', ended_at = date_trunc('second', now()) - interval '110 minutes'
where notes = 'Wholly offline';

select results_eq(
  $$select occurred_at, duration from public.calls where notes = 'Wholly offline'$$, $$values (date_trunc('second', now()) - interval '2 hours', 600)$$,
  'of one that was planned it says both');

update public.calls set status = 'completed', started_at = now() - interval '2 hours' where notes = 'Told by its start';

select is((select duration from public.calls where notes = 'Told by its start'), 0, 'and without an end its length is unknown');

-- Corrected, and put on another lead

select tests.clear_authentication();

create temp table moved on commit drop as select gen_random_uuid() as lead, gen_random_uuid() as call;

grant select on moved to public;

insert into public.leads (id, name, assigned_to) select m.lead, 'Right Lead', p.counselor from moved m, people p;

select tests.authenticate_as((select counselor from people));

insert into public.calls (id, lead_id, started_at, duration) select m.call, g.lead, '2025-02-20 10:00+00', 60 from moved m, given g;

update public.calls set outcome = 'interested' where id = (select call from moved);

select results_eq(
  $$select description, metadata ->> 'outcome' from public.activities where source_id = (select call from moved)$$,
  $$values ('Outbound call, 1:00, interested', 'interested')$$, 'an outcome that is named later is on the timeline');

update public.calls set lead_id = (select lead from moved) where id = (select call from moved);

select results_eq(
  $$select lead_id, occurred_at from public.activities where source_id = (select call from moved)$$,
  $$select lead, '2025-02-20 10:00+00'::timestamptz from moved$$, 'a call that goes to another lead is on that lead''s timeline alone');

select is(
  (select last_interaction_at from public.leads where id = (select lead from moved)), '2025-02-20 10:01+00'::timestamptz, 'who was spoken to then');

update public.calls set lead_id = null where id = (select call from moved);

select is_empty('select from public.activities where source_id = (select call from moved)', 'of no lead, it is on no timeline');

update public.calls set lead_id = (select lead from moved) where id = (select call from moved);

select is((select count(*) from public.activities where source_id = (select call from moved)), 1::bigint, 'and back again once');

-- Missed

select tests.clear_authentication();

update given set call = gen_random_uuid();

select tests.authenticate_as((select counselor from people));

insert into public.calls (id, lead_id, status) select call, lead, 'In Progress' from given;

select is((public.call_end((select call from given), 'no_answer')).status, 'missed', 'a call nobody answers is missed');

select is((select title from public.activities where source_id = (select call from given)), 'Missed Call', 'and is so on the timeline');

select tests.clear_authentication();

select is_empty(
  $$select from public.notifications where metadata ->> 'event' = 'call_missed' and user_id = (select counselor from people)$$, 'whom nobody needs to tell');

insert into public.calls (lead_id, type, status) select lead, 'Inbound', 'Missed' from given;

select results_eq(
  $$select n.message from public.notifications n where n.metadata ->> 'event' = 'call_missed' and n.user_id = (select counselor from people)$$,
  $$select l.lead_id || ' called and nobody answered.' from public.leads l where l.id = (select lead from given)$$,
  'who missed a call is told, by number and not by name');

insert into public.calls (agent_id, type, status, phone) select counselor, 'inbound', 'missed', '+919822222222' from people;

select is(
  (select count(*) from public.notifications where metadata ->> 'event' = 'call_missed' and user_id = (select counselor from people) and message = 'Somebody called and nobody answered.'),
  1::bigint, 'also of a call by nobody who is known');

-- Deleted and restored

update public.calls set deleted_at = now() where id = (select call from given);

select is_empty('select from public.activities where source_id = (select call from given)', 'a deleted call is off the timeline');

update public.calls set deleted_at = null where id = (select call from given);

select is((select count(*) from public.activities where source_id = (select call from given)), 1::bigint, 'a restored one is back');

-- Who sees it

select tests.authenticate_as((select manager from people));

select isnt_empty('select from public.calls where id = (select call from given)', 'the manager of the team sees it');

select tests.authenticate_as((select stranger from people));

select is_empty('select from public.calls where id = (select call from given)', 'a stranger does not');

select throws_ok('select public.call_start((select call from given))', 'PT404', 'There is no such call, or it is not yours to see.', 'and is told no more');

-- Deleting

select tests.authenticate_as((select stranger from people));

select throws_ok('select public.soft_delete(''calls'', gen_random_uuid())', 'PT404', null, 'what is not there cannot be deleted');

select throws_ok('select public.soft_delete(''calls'', (select logged from given))', 'PT404', null, 'nor what one does not see');

select tests.authenticate_as((select counselor from people));

select lives_ok('select public.soft_delete(''calls'', (select logged from given))', 'one''s own can');

select is_empty('select from public.calls where id = (select logged from given)', 'and is in nobody''s sight');

select throws_ok('select public.soft_delete(''calls'', (select logged from given))', 'PT404', null, 'once');

select * from finish();

rollback;

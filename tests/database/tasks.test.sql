-- Tasks: kept in step whoever writes, seen with their lead, given only to whom one may give work, and
-- made again exactly once.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('admin') as admin, tests.create_user('manager', 'Tasks A', true, 'Mala Manager') as manager,
  tests.create_user('counselor', 'Tasks A', true, 'Chetan') as counselor, tests.create_user('counselor', 'Tasks A', true, 'Divya') as colleague,
  tests.create_user('counselor', 'Tasks B') as stranger, tests.create_user('counselor', 'Tasks A', false) as inactive;

create temp table given on commit drop as
select gen_random_uuid() as lead, gen_random_uuid() as other_lead, gen_random_uuid() as task, gen_random_uuid() as campaign;

grant select on people, given to public;

alter table public.leads disable trigger route_new_lead;

insert into public.leads (id, name, assigned_to) select lead, 'Task Lead', counselor from given, people;

insert into public.leads (id, name, assigned_to) select other_lead, 'Other Lead', stranger from given, people;

insert into public.campaigns (id, name) select campaign, 'Task Campaign' from given;

select tests.authenticate_as((select counselor from people));

-- Fields and words

insert into public.tasks (id, lead_id, title, status, priority, due_date) select task, lead, ' Call back ', 'Backlog', 'High', '2026-01-25 14:00+00' from given;

select results_eq(
  'select title, status, priority, completed, completed_at, related_to_type, related_to_id, assigned_to, created_by, lead_owner_id from public.tasks where id = (select task from given)',
  $$select 'Call back', 'backlog', 'high', false, null::timestamptz, 'lead', lead, counselor, counselor, counselor from given, people$$,
  'words are normal, the pair says what the key says, and the caller is assignee and creator');

update public.tasks set completed = true where id = (select task from given);

select results_eq(
  'select status, completed_at is not null from public.tasks where id = (select task from given)', $$values ('done', true)$$,
  'completed sets status and time');

update public.tasks set completed = false where id = (select task from given);

select results_eq(
  'select status, completed_at from public.tasks where id = (select task from given)', $$values ('todo', null::timestamptz)$$,
  'a task opened again is to do');

update public.tasks set status = 'Completed' where id = (select task from given);

select results_eq(
  'select status, completed from public.tasks where id = (select task from given)', $$values ('done', true)$$,
  'and status sets completed');

update public.tasks set status = 'In Progress', completed = true where id = (select task from given);

select results_eq(
  'select status, completed from public.tasks where id = (select task from given)', $$values ('in_progress', false)$$,
  'of two that disagree the one that changed is meant');

select throws_ok($$insert into public.tasks (title, status, completed) values ('x', 'backlog', true)$$, 'PT422', null, 'a new task cannot be both');

select throws_ok($$insert into public.tasks (title, status) values ('x', 'someday')$$, '23514', null, 'an unknown status is refused');

select throws_ok($$insert into public.tasks (title, priority) values ('x', 'urgent')$$, '23514', null, 'an unknown priority is refused');

select throws_ok($$insert into public.tasks (title) values (' ')$$, '23514', null, 'a blank title is refused');

-- What it is about

insert into public.tasks (title, related_to_type, related_to_id) select 'By pair', 'Lead', lead from given;

select is((select lead_id from public.tasks where title = 'By pair'), (select lead from given), 'the pair sets the key');

insert into public.tasks (title, related_to_type, related_to_id) select 'Of a campaign', 'campaign', campaign from given;

select results_eq(
  $$select campaign_id, lead_id from public.tasks where title = 'Of a campaign'$$, 'select campaign, null::uuid from given', 'that of a campaign too');

insert into public.tasks (title) values ('General');

select results_eq(
  $$select related_to_type, related_to_id, assigned_to from public.tasks where title = 'General'$$,
  $$select 'general', null::uuid, counselor from people$$, 'a task of nothing is general, and one''s own');

update public.tasks set related_to_type = 'lead', related_to_id = (select lead from given) where title = 'General';

select results_eq(
  $$select lead_id, lead_owner_id from public.tasks where title = 'General'$$, 'select lead, counselor from given, people',
  'it can become a lead''s, and follows it from then on');

update public.tasks set related_to_type = 'general' where title = 'General';

select results_eq(
  $$select lead_id, related_to_id, lead_owner_id from public.tasks where title = 'General'$$, 'select null::uuid, null::uuid, null::uuid',
  'and general again');

select throws_ok(
  $$insert into public.tasks (title, lead_id, campaign_id) select 'x', lead, campaign from given$$, '23514', null,
  'a task is about one thing');

select throws_ok(
  $$insert into public.tasks (title, related_to_type) values ('x', 'lead')$$, 'PT422', null, 'half a pair is refused, not forgotten');

select throws_ok(
  $$insert into public.tasks (title, related_to_id) select 'x', lead from given$$, 'PT422', null, 'so is the other half');

select throws_ok(
  $$insert into public.tasks (title, related_to_type, related_to_id) select 'x', 'general', lead from given$$, 'PT422', null,
  'nothing in particular has no id');

select throws_ok(
  $$insert into public.tasks (title, related_to_type) values ('x', 'deal')$$, 'PT422', null, 'a kind that is none is refused too');

select throws_ok(
  $$update public.tasks set related_to_type = 'lead' where title = 'General'$$, 'PT422', null, 'afterwards as well');

-- Whom it may be given to

select throws_ok(
  $$insert into public.tasks (title, assigned_to) select 'x', colleague from people$$, 'PT422', 'This person cannot be given leads.',
  'a counselor gives work to nobody else');

select throws_ok(
  $$insert into public.tasks (title, lead_id) select 'x', other_lead from given$$, 'PT404', null,
  'nothing is put onto a lead one does not see');

select throws_ok(
  $$update public.tasks set lead_id = (select other_lead from given) where id = (select task from given)$$, 'PT404', null,
  'nor moved there');

select throws_ok($$insert into public.tasks (title, created_by) select 'x', manager from people$$, '42501', null, 'nobody names another as the maker');

select throws_ok($$delete from public.tasks where id = (select task from given)$$, '42501', null, 'deleting is an RPC');

select tests.authenticate_as((select manager from people));

update public.tasks set assigned_to = (select colleague from people) where id = (select task from given);

select is((select assigned_to from public.tasks where id = (select task from given)), (select colleague from people), 'a manager gives it to a member of the team');

select throws_ok(
  $$update public.tasks set assigned_to = (select stranger from people) where id = (select task from given)$$, 'PT422', null,
  'not to somebody of another team');

select throws_ok(
  $$update public.tasks set assigned_to = (select inactive from people) where id = (select task from given)$$, 'PT422', null,
  'and not to somebody inactive');

select tests.clear_authentication();

select results_eq(
  $$select title, message, metadata ->> 'task_id' from public.notifications where user_id = (select colleague from people) and metadata ->> 'event' = 'task_assigned'$$,
  $$select 'New task', 'A task of ' || l.lead_id || ' is now yours.', g.task::text from given g join public.leads l on l.id = g.lead$$,
  'who is given a task is told, and the text names nobody');

select is_empty(
  $$select from public.notifications where user_id = (select counselor from people) and metadata ->> 'event' = 'task_assigned'$$,
  'who takes a task is not');

-- Who sees it

select tests.authenticate_as((select colleague from people));

select isnt_empty('select from public.tasks where id = (select task from given)', 'the assignee sees the task');

select is_empty('select from public.leads where id = (select lead from given)', 'without seeing its lead');

update public.tasks set status = 'done' where id = (select task from given);

select is((select status from public.tasks where id = (select task from given)), 'done', 'and may complete it');

select tests.authenticate_as((select counselor from people));

select isnt_empty('select from public.tasks where id = (select task from given)', 'the lead''s owner sees it');

select tests.authenticate_as((select stranger from people));

select is_empty('select from public.tasks where id = (select task from given)', 'a stranger does not');

update public.tasks set title = 'Mine' where id = (select task from given);

select tests.clear_authentication();

select is((select title from public.tasks where id = (select task from given)), 'Call back', 'and changes nothing');

update public.leads set assigned_to = (select stranger from people) where id = (select lead from given);

select tests.authenticate_as((select stranger from people));

select isnt_empty('select from public.tasks where id = (select task from given)', 'who is given the lead sees its tasks');

select tests.authenticate_as((select counselor from people));

select is_empty('select from public.tasks where id = (select task from given)', 'who lost it does not');

select tests.clear_authentication();

-- Timeline

select results_eq(
  $$select type, title, description, actor_id from public.activities where source_id = (select task from given) and type = 'task_created'$$,
  $$select 'task_created', 'Task Created', 'Call back', counselor from people$$,
  'a task is on the timeline of its lead');

select is(
  (select count(*) from public.activities where source_id = (select task from given) and type = 'task_completed'), 3::bigint,
  'and so is each time it was done');

update public.tasks set deleted_at = now() where id = (select task from given);

select is_empty('select from public.activities where source_id = (select task from given)', 'a deleted one comes off it');

update public.tasks set deleted_at = null where id = (select task from given);

select tests.authenticate_as((select admin from people));

do $$ begin perform public.soft_delete('tasks', (select task from given)); end $$;

do $$ begin perform public.restore('tasks', (select task from given)); end $$;

select tests.clear_authentication();

select results_eq(
  $$select type, actor_id from public.activities where source_id = (select task from given) order by type$$,
  $$select 'task_completed', colleague from people union all select 'task_created', counselor from people$$,
  'and a restored one is back, done by who did it');

update public.tasks set title = 'Write instead' where id = (select task from given);

select results_eq(
  $$select distinct description from public.activities where source_id = (select task from given)$$, $$values ('Write instead')$$,
  'under another title once it has one');

update public.tasks set lead_id = (select other_lead from given) where id = (select task from given);

select results_eq(
  $$select lead_id, type from public.activities where source_id = (select task from given) order by type$$,
  $$select other_lead, t from given, unnest(array['task_completed', 'task_created']) t order by t$$,
  'one that goes to another lead is on the timeline of that one alone');

update public.tasks set lead_id = null where id = (select task from given);

select is_empty('select from public.activities where source_id = (select task from given)', 'of no lead it is on none');

update public.tasks set lead_id = (select lead from given) where id = (select task from given);

select is((select count(*) from public.activities where source_id = (select task from given)), 2::bigint, 'and back again');

-- Recurrence

create temp table left_behind on commit drop as select gen_random_uuid() as of_lead, gen_random_uuid() as general;

insert into public.tasks (id, title, lead_id, assigned_to, due_date, recurrence)
select of_lead, 'Left', lead, inactive, now(), 'FREQ=DAILY' from left_behind, given, people
union all
select general, 'Left', null, inactive, now(), 'FREQ=DAILY' from left_behind, people;

select tests.authenticate_as((select admin from people));

update public.tasks set completed = true where title = 'Left';

select tests.clear_authentication();

select results_eq(
  $$select t.assigned_to from public.tasks t join left_behind b on t.previous_id in (b.of_lead, b.general) order by t.lead_id nulls last$$,
  $$select lead_owner_id from public.tasks t join left_behind b on t.id = b.of_lead union all select admin from people$$,
  'the next of who has left is the lead''s owner''s, or else whose who did this one');

select tests.authenticate_as((select stranger from people));

create temp table series on commit drop as select gen_random_uuid() as id;

insert into public.tasks (id, title, due_date, recurrence) select id, 'Report', '2999-01-31 09:00+05:30', 'rrule:freq=monthly;count=3' from series;

select results_eq(
  'select recurrence, recurrence_start, occurrence from public.tasks where id = (select id from series)',
  $$values ('FREQ=MONTHLY;COUNT=3', '2999-01-31 09:00+05:30'::timestamptz, 1)$$, 'a rule has one spelling and a beginning');

update public.tasks set completed = true where id = (select id from series);

update public.tasks set completed = false where id = (select id from series);

update public.tasks set completed = true where id = (select id from series);

select results_eq(
  'select title, status, due_date, occurrence, assigned_to, created_by from public.tasks where previous_id = (select id from series)',
  $$select 'Report', 'backlog', '2999-02-28 09:00+05:30'::timestamptz, 2, stranger, stranger from people$$,
  'completing makes the next one, however often it is completed');

update public.tasks set due_date = '2999-03-02 12:00+05:30' where previous_id = (select id from series);

update public.tasks set completed = true where previous_id = (select id from series);

select results_eq(
  'select t.due_date, t.occurrence from public.tasks t join public.tasks p on p.id = t.previous_id where p.previous_id = (select id from series)',
  $$values ('2999-03-31 09:00+05:30'::timestamptz, 3)$$, 'a task that was moved moves that one alone');

update public.tasks t set completed = true from public.tasks p where p.id = t.previous_id and p.previous_id = (select id from series);

select is((select count(*) from public.tasks where title = 'Report' and assigned_to = (select stranger from people)), 3::bigint, 'COUNT ends the series');

insert into public.tasks (id, title, due_date, recurrence, completed) select gen_random_uuid(), 'Daily', now() - interval '10 days', 'FREQ=DAILY', true;

select ok(
  (select due_date > now() and due_date <= now() + interval '1 day' and occurrence = 12 from public.tasks where title = 'Daily' and previous_id is not null),
  'what was missed is left out');

select throws_ok($$insert into public.tasks (title, recurrence) values ('x', 'FREQ=DAILY')$$, 'PT422', null, 'what recurs has a due date');

select throws_ok($$insert into public.tasks (title, due_date, recurrence) values ('x', now(), 'FREQ=YEARLY')$$, 'PT422', null, 'a rule outside of the subset is refused');

select throws_ok($$insert into public.tasks (title, due_date, recurrence) values ('x', now(), 'FREQ=DAILY;UNTIL=20260230')$$, 'PT422', null, 'so is a day that does not exist');

select throws_ok($$insert into public.tasks (title, due_date, recurrence) values ('x', now(), 'FREQ=DAILY;COUNT=2;UNTIL=20260228')$$, 'PT422', null, 'and a rule that ends twice');

select tests.clear_authentication();

-- The assignee does not see the lead, but completes its recurring task all the same.
insert into public.tasks (id, lead_id, title, due_date, recurrence, assigned_to)
select gen_random_uuid(), other_lead, 'Weekly', now(), 'FREQ=WEEKLY', colleague from given, people;

select tests.authenticate_as((select colleague from people));

update public.tasks set completed = true where title = 'Weekly' and lead_id = (select other_lead from given);

select is(
  (select count(*) from public.tasks where title = 'Weekly' and lead_id = (select other_lead from given) and previous_id is not null and not completed), 1::bigint,
  'a series goes on for an assignee who does not see the lead');

-- Deleting

select tests.authenticate_as((select stranger from people));

select throws_ok('select public.soft_delete(''tasks'', gen_random_uuid())', 'PT404', null, 'what is not there cannot be deleted');

select tests.clear_authentication();

insert into public.tasks (id, title, lead_id, assigned_to) select '00000000-0000-7000-8000-00000000bb01', 'Of the manager', lead, manager from given, people;

update public.leads set assigned_to = (select counselor from people) where id = (select lead from given);

select tests.authenticate_as((select counselor from people));

select throws_ok($$select public.soft_delete('tasks', '00000000-0000-7000-8000-00000000bb01')$$, '42501', null, 'another''s needs a permission, even on one''s own lead');

select tests.authenticate_as((select manager from people));

select lives_ok($$select public.soft_delete('tasks', '00000000-0000-7000-8000-00000000bb01')$$, 'one''s own does not');

select is_empty($$select from public.tasks where id = '00000000-0000-7000-8000-00000000bb01'$$, 'and is in nobody''s sight');

select tests.clear_authentication();

select is_empty($$select from public.activities where source_id = '00000000-0000-7000-8000-00000000bb01'$$, 'nor on the timeline');

select * from finish();

rollback;

-- Notifications: each sees, marks and deletes their own; who may notify whom; what assignment tells; who listens.
begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('admin') as admin, tests.create_user('manager', 'North') as manager,
  tests.create_user('counselor', 'North') as counselor, tests.create_user('counselor', 'North') as colleague,
  tests.create_user('counselor', 'South') as stranger, tests.create_user('counselor', 'North', false) as disabled;

grant select on people to public;

create function pg_temp.told(p_user_id uuid) returns bigint language sql as $$
  select count(*) from public.notifications where user_id = p_user_id;
$$;

create function pg_temp.may_listen(p_topic text) returns boolean language plpgsql as $$
begin
  perform set_config('realtime.topic', p_topic, true);
  -- As Realtime asks: is there a row of this topic the caller may read?
  return exists (select from realtime.messages m where m.topic = p_topic);
end
$$;

create temp table made (name text primary key, id uuid) on commit drop;

grant select, insert on made to public;

grant execute on all functions in schema pg_temp to public;

-- One's own

select tests.authenticate_as((select counselor from people));

select lives_ok(
  $$insert into public.notifications (title, message, type, priority, action_url, metadata)
    values (' Call back ', 'At five', 'REMINDER', 'medium', '/leads', '{"urgency": "high"}')$$,
  'a person notifies themselves');

select results_eq(
  'select title, type, priority, is_read, read_at, user_id from public.notifications',
  $$select 'Call back', 'reminder', 'normal', false, null::timestamptz, counselor from people$$,
  'medium counts as normal, and a new notification is unread');

select lives_ok('update public.notifications set is_read = true', 'a person marks their own as read');

select ok((select read_at is not null from public.notifications), 'the time of reading is kept');

select lives_ok('update public.notifications set is_read = false', 'and marks it unread again');

select is((select read_at from public.notifications), null, 'which forgets the time');

select throws_ok($$update public.notifications set title = 'Other'$$, '42501', null, 'nothing else of it can change');

select throws_ok('update public.notifications set read_at = now()', '42501', null, 'the time of reading is not the client''s to say');

select throws_ok(
  $$insert into public.notifications (user_id, title) select colleague, 'Hello' from people$$, '42501', null,
  'nobody writes a notification of somebody else');

select throws_ok(
  $$insert into public.notifications (title, is_read) values ('Hello', true)$$, '42501', null, 'or one that is read already');

select throws_ok($$insert into public.notifications (title) values ('  ')$$, '23514', null, 'a notification has a title');

select throws_ok($$insert into public.notifications (title, type) values ('Hello', 'gossip')$$, '23514', null, 'a type is one of nine');

select throws_ok($$insert into public.notifications (title, priority) values ('Hello', 'most')$$, '23514', null, 'a priority is one of four');

select throws_ok(
  $$insert into public.notifications (title, action_url) values ('Hello', 'javascript:alert(1)')$$, '23514', null, 'a link is a link');

select throws_ok(
  $$insert into public.notifications (title, action_url) values ('Hello', '//elsewhere.test')$$, '23514', null, 'and says where it leads');

select tests.authenticate_as((select colleague from people));

select is_empty('select id from public.notifications', 'a colleague sees none of it');

update public.notifications set is_read = true;

delete from public.notifications;

select tests.authenticate_as((select admin from people));

select is_empty('select id from public.notifications', 'nor does an administrator');

select tests.authenticate_as_anon();

select throws_ok('select id from public.notifications', '42501', null, 'nobody reads notifications without signing in');

select tests.clear_authentication();

select results_eq(
  $$select is_read from public.notifications where user_id = (select counselor from people)$$,
  'values (false)', 'others neither marked nor deleted it');

insert into public.notifications (user_id, title, created_at, expires_at)
select counselor, 'Yesterday''s news', now() - interval '2 days', now() - interval '30 hours' from people;

select tests.authenticate_as((select counselor from people));

select is((select count(*)::integer from public.notifications), 1, 'what has expired is not seen');

select is(public.notifications_read_all(), 1, 'all are read at once, expired ones left alone');

select is(public.notifications_read_all(), 0, 'and only once');

select lives_ok($$delete from public.notifications where title = 'Call back'$$, 'a person deletes their own');

select is((select count(*)::integer from public.notifications), 0, 'and it is gone');

select tests.clear_authentication();

select ok(private.notifications_purge() >= 1, 'what expired a day ago is purged');

-- Notifying others

select tests.authenticate_as((select manager from people));

select isnt(public.notify((select counselor from people), 'Well done', 'Three enrolled', 'success', 'high'), null, 'a manager notifies a member of their team');

select throws_ok(
  $$select public.notify((select stranger from people), 'Hello', '')$$, '42501', null, 'but nobody of another team');

select throws_like(
  $$select public.notify(gen_random_uuid(), 'Hello', '')$$, 'This person cannot be notified by you.', 'an unknown person is answered alike');

select throws_ok($$select public.notify((select disabled from people), 'Hello', '')$$, '42501', null, 'and so is an inactive one');

select throws_ok($$select public.notify(null, 'Hello', '')$$, 'PT422', null, 'somebody must be meant');

select is(
  public.notify_broadcast((select array[counselor, colleague, colleague, stranger, disabled, null] from people), 'Meeting', 'At ten'),
  '{"sent": 2, "skipped": 2}', 'a broadcast reaches each within reach once and skips the rest');

select throws_ok($$select public.notify_broadcast('{}', 'Hello', '')$$, 'PT422', null, 'a broadcast is to somebody');

select throws_ok($$select public.notify_system('Hello', '')$$, '42501', null, 'a manager does not notify everybody');

select tests.authenticate_as((select counselor from people));

select throws_ok($$select public.notify((select colleague from people), 'Hello', '')$$, '42501', null, 'a counselor notifies nobody else');

select isnt(public.notify((select counselor from people), 'Note to self', ''), null, 'but themselves');

select throws_ok(
  $$select public.notify_broadcast((select array[colleague] from people), 'Hello', '')$$, '42501', null, 'and broadcasts to nobody');

select throws_ok(
  $$select private.notify((select colleague from people), 'Hello', '')$$, '42501', null, 'the unchecked way is closed to them');

select results_eq(
  $$select title, sender_id from public.notifications where title in ('Meeting', 'Well done') order by title$$,
  $$select 'Meeting', manager from people union all select 'Well done', manager from people$$,
  'the receiver sees who sent it');

select tests.authenticate_as((select admin from people));

select is(
  (public.notify_system('Maintenance', 'Tonight at ten', p_priority => 'urgent') ->> 'sent')::integer,
  (select count(*)::integer from public.profiles p where p.is_active), 'an administrator notifies every active person');

select isnt(public.notify((select stranger from people), 'Hello', ''), null, 'an administrator reaches everybody');

select tests.authenticate_as((select disabled from people));

select throws_ok(
  $$select public.notify((select disabled from people), 'Hello', '')$$, '42501', null, 'a deactivated person notifies not even themselves');

select tests.authenticate_as_service();

select isnt(public.notify((select stranger from people), 'From a service', ''), null, 'a service notifies whom it has to');

select tests.authenticate_as_anon();

select throws_ok(
  $$select public.notify((select counselor from people), 'Hello', '')$$, '42501', null, 'nobody notifies without signing in');

-- Numbers

select tests.authenticate_as((select counselor from people));

update public.notifications set is_read = true where title = 'Meeting';

select is(
  public.notification_stats(),
  '{"total": 4, "unread": 3,
    "by_type": {"info": 2, "success": 1, "warning": 0, "error": 0, "reminder": 0, "call": 0, "lead": 0, "system": 1, "alert": 0},
    "by_priority": {"low": 0, "normal": 2, "high": 1, "urgent": 1}}',
  'the statistics count the caller''s own, by type and by priority');

select tests.clear_authentication();

-- Assignment

delete from public.notifications;

insert into public.leads (name, assigned_to) select 'Asha Rao', counselor from people;

select results_eq(
  'select user_id, title, type, message from public.notifications',
  $$select counselor, 'New lead assigned', 'lead', l.lead_id || ' is now yours.' from people, public.leads l where l.name = 'Asha Rao'$$,
  'who is given a lead is told, by its number and not by its name');

update public.leads set status = 'contacted' where name = 'Asha Rao';

select is(pg_temp.told((select counselor from people)), 1::bigint, 'a change of something else tells nobody');

update public.leads set assigned_to = (select colleague from people) where name = 'Asha Rao';

select is(pg_temp.told((select colleague from people)), 1::bigint, 'a reassignment tells the new owner');

select is(pg_temp.told((select counselor from people)), 1::bigint, 'and not the old one');

select tests.authenticate_as((select colleague from people));

insert into public.leads (name) values ('Entered by hand');

select tests.clear_authentication();

select is(pg_temp.told((select colleague from people)), 1::bigint, 'nobody is told of what they took themselves');

-- The transaction of a test is one: earlier assignments count, so the bulk goes to fresh people.
create temp table bulk on commit drop as
select tests.create_user('counselor', 'North') as many, tests.create_user('counselor', 'North') as few;

grant select on bulk to public;

insert into public.leads (name, assigned_to)
select 'Bulk ' || i, case when i <= 40 then many else few end from bulk, generate_series(1, 43) i;

set constraints all immediate;

select results_eq(
  $$select n.title, count(*)::integer, max(n.metadata ->> 'lead_count') from public.notifications n join bulk b on n.user_id = b.many group by n.title order by n.title$$,
  $$values ('35 more leads assigned', 1, '35'), ('New lead assigned', 5, null)$$, 'of many leads at once the first are told one by one, the rest in one notification');

select is(pg_temp.told((select few from bulk)), 3::bigint, 'a few are told one by one');

set constraints all deferred;

create temp table waves on commit drop as select tests.create_user('counselor', 'North') as one_by_one;

do $$
begin
  for i in 1 .. 12 loop
    insert into public.leads (name, assigned_to) select 'Wave ' || i, one_by_one from waves;
  end loop;
end
$$;

set constraints all immediate;

select results_eq(
  $$select n.title, count(*)::integer from public.notifications n join waves w on n.user_id = w.one_by_one group by n.title order by n.title$$,
  $$values ('7 more leads assigned', 1), ('New lead assigned', 5)$$,
  'many small statements of one transaction are told no differently');

set constraints all deferred;

delete from public.notifications;

update public.leads set deleted_at = now() where name like 'Bulk %';

update public.leads set assigned_to = (select stranger from people) where name like 'Bulk %';

select is(pg_temp.told((select stranger from people)), 0::bigint, 'deleted leads are told to nobody');

-- Realtime

delete from realtime.messages;

select lives_ok($$select private.notify((select counselor from people), 'Ping', 'Secret text', p_metadata => '{"key": "secret"}')$$, 'a notification is written');

select results_eq(
  $$select m.topic, m.event, m.private, m.extension from realtime.messages m$$,
  $$select 'user:' || counselor, 'notification_created', true, 'broadcast' from people$$,
  'it is announced on the receiver''s private topic');

select results_eq(
  $$select m.payload - 'lead_id' from realtime.messages m$$,
  $$select jsonb_build_object('id', n.id) from public.notifications n where n.title = 'Ping'$$,
  'with its id and no word of its text');

update public.notifications set is_read = true where title = 'Ping';

select is(
  (select count(*)::integer from realtime.messages m where m.event = 'notifications_changed'), 1, 'reading it is announced to the other tabs');

insert into realtime.messages (topic, extension, event, private)
select t, 'broadcast', 'probe', true
from people p,
  lateral (values ('user:' || p.counselor), ('user:' || p.stranger),
    ('team:' || (select id from public.teams where name = 'North')), ('team:' || (select id from public.teams where name = 'South')),
    ('lead:' || (select id from public.leads where name = 'Asha Rao')), ('everybody')) v (t);

insert into made select 'north', id from public.teams where name = 'North';

insert into made select 'south', id from public.teams where name = 'South';

insert into made select 'lead', id from public.leads where name = 'Asha Rao';

select tests.authenticate_as((select counselor from people));

select ok(pg_temp.may_listen('user:' || (select counselor from people)), 'a person listens to their own topic');

select ok(not pg_temp.may_listen('user:' || (select stranger from people)), 'and to nobody else''s');

select ok(pg_temp.may_listen('team:' || (select id from made where name = 'north')), 'a member listens to their team');

select ok(not pg_temp.may_listen('team:' || (select id from made where name = 'south')), 'and to no other');

select ok(not pg_temp.may_listen('lead:' || (select id from made where name = 'lead')), 'nobody listens to a lead they lost');

select ok(not pg_temp.may_listen('everybody'), 'a topic of no known kind is closed');

select throws_ok(
  $$insert into realtime.messages (topic, extension, event, private) select 'user:' || counselor, 'broadcast', 'forged', true from people$$,
  '42501', null, 'a client sends to none of these topics');

select tests.authenticate_as((select colleague from people));

select ok(pg_temp.may_listen('lead:' || (select id from made where name = 'lead')), 'the owner listens to a lead');

select tests.authenticate_as((select manager from people));

select ok(pg_temp.may_listen('lead:' || (select id from made where name = 'lead')), 'and so does the manager of its team');

select ok(pg_temp.may_listen('team:' || (select id from made where name = 'north')), 'who listens to the team');

select tests.authenticate_as((select admin from people));

select ok(pg_temp.may_listen('team:' || (select id from made where name = 'south')), 'an administrator listens to every team');

select ok(not pg_temp.may_listen('user:' || (select counselor from people)), 'but to nobody''s own topic');

select tests.authenticate_as((select disabled from people));

select ok(not pg_temp.may_listen('user:' || (select disabled from people)), 'a deactivated person listens to nothing');

select tests.authenticate_as_anon();

select ok(not pg_temp.may_listen('user:' || (select counselor from people)), 'nobody listens without signing in');

select * from finish();

rollback;

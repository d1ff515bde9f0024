-- Calendar: the link is one person's, kept as a hash, and dead once revoked or its person inactive.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('counselor', 'Calendar A', true, 'Chetan') as counselor, tests.create_user('counselor', 'Calendar A') as colleague;

create temp table links (token text) on commit drop;

grant select on people to public;

grant insert, select on links to public;

create function pg_temp.feed(p_token text) returns jsonb language sql as $$
  select private.calendar_feed(encode(sha256(convert_to(p_token, 'UTF8')), 'hex'))
$$;

select tests.authenticate_as((select counselor from people));

insert into links select public.calendar_link_create() ->> 'token';

insert into public.tasks (title, due_date, status) values
  ('Due', now() + interval '1 day', 'todo'), ('Done', now() + interval '1 day', 'done'), ('Given up', now() + interval '1 day', 'cancelled'),
  ('Undated', null, 'todo'), ('Ancient', now() - interval '1 year', 'todo'), ('Far', now() + interval '2 years', 'todo');

insert into public.reminders (title, description, remind_at, status) values
  ('Ring', 'Nobody''s business', now() + interval '2 days', 'pending'), ('Rung', '', now() + interval '2 days', 'completed');

insert into public.calls (scheduled_at, notes) values (now() + interval '3 days', 'Nobody''s business'), (null, 'Some day');

insert into public.calls (scheduled_at, status) values (now() + interval '3 days', 'cancelled');

insert into public.communications (type, subject, content, scheduled_at) values
  ('meeting', 'Campus visit', 'Nobody''s business', now() + interval '4 days'), ('meeting', null, null, now() + interval '5 days');

insert into public.communications (type, subject) values ('meeting', 'Held');

select throws_ok('select * from private.calendar_links', '42501', null, 'nobody reads the hashes');

select throws_ok($$select private.calendar_feed('x')$$, '42501', null, 'and nobody but the function asks for a feed');

select tests.clear_authentication();

select ok((select length(token) = 64 from links), 'a link is long');

select results_eq(
  $$select i ->> 'kind', i ->> 'title' from links, jsonb_array_elements(pg_temp.feed(token) -> 'items') i$$,
  $$values ('task', 'Due'), ('reminder', 'Ring'), ('call', 'Call'), ('meeting', 'Campus visit'), ('meeting', 'Meeting')$$,
  'it shows what is open and due, and what is planned');

select ok((select pg_temp.feed(token)::text !~ 'business' from links), 'without the descriptions');

select is(pg_temp.feed('guess'), '{"found": false, "retry_after": 0}', 'what is no link finds nothing');

update public.profiles set is_active = false where id = (select counselor from people);

select is(pg_temp.feed(token), '{"found": false, "retry_after": 0}', 'nor does that of an inactive person') from links;

update public.profiles set is_active = true where id = (select counselor from people);

select tests.authenticate_as((select colleague from people));

select is(public.calendar_link_revoke(), false, 'nobody revokes another''s');

select is(public.calendar_link(), null, 'or knows of it');

select tests.authenticate_as((select counselor from people));

select is(public.calendar_link_revoke(), true, 'its person does');

select tests.clear_authentication();

select is(pg_temp.feed(token) -> 'found', 'false', 'and then it is unknown') from links;

select * from finish();

rollback;

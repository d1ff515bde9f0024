-- Notes: written in one's own name, seen where their lead is, private ones by the author alone, and on the
-- timeline for as long as they stand.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('admin', null, true, 'Ada Admin') as admin, tests.create_user('manager', 'Notes A', true, 'Mala Manager') as manager,
  tests.create_user('counselor', 'Notes A', true, 'Chetan') as counselor, tests.create_user('counselor', 'Notes A', true, 'Divya') as colleague,
  tests.create_user('counselor', 'Notes B', true) as stranger;

create temp table given on commit drop as select gen_random_uuid() as lead, gen_random_uuid() as note, gen_random_uuid() as secret;

grant select on people, given to public;

alter table public.leads disable trigger route_new_lead;

insert into public.leads (id, name, assigned_to) select lead, 'Noted Lead', counselor from given, people;

create function pg_temp.seen() returns text[] language sql as $$
  select coalesce(array_agg(n.content order by n.content), '{}') from public.notes n, given g where n.lead_id = g.lead;
$$;

create function pg_temp.told() returns text[] language sql as $$
  select coalesce(array_agg(a.description order by a.description), '{}') from public.activities a, given g where a.entity_id = g.lead and a.type = 'note_created';
$$;

grant execute on function pg_temp.seen(), pg_temp.told() to public;

-- Writing

select tests.authenticate_as((select counselor from people));

insert into public.notes (id, lead_id, title, content, note_type, priority, tags)
select note, lead, '  Call   notes ', '  Wants cardiology ', 'Follow_up', 'Medium', '{cardiology}' from given;

insert into public.notes (id, lead_id, content, is_private) select secret, lead, 'For my eyes', true from given;

select results_eq(
  'select title, content, note_type, priority, author_id, user_id, is_private from public.notes where id = (select note from given)',
  $$select 'Call notes', 'Wants cardiology', 'follow_up', 'normal', counselor, counselor, false from people$$,
  'a note is normalised, and its author is who wrote it');

select results_eq(
  $$select "by", type, title, description, metadata from public.timeline where source_id = (select note from given)$$,
  $$values ('Chetan', 'note_created', 'Note Added', 'Call notes', '{"note_type": "follow_up"}'::jsonb)$$,
  'it is on the timeline');

select is((select last_interaction_at from public.leads, given where id = lead), now(), 'and moves when somebody last dealt with the lead');

select throws_ok(
  format('insert into public.notes (lead_id, author_id, content) values (%L, %L, %L)', lead, colleague, 'Forged'), '42501', null,
  'nobody writes in the name of another') from people, given;

select throws_ok(format('insert into public.notes (content) values (%L)', 'About nothing'), null, null, 'or about nothing');

select throws_ok(
  format('insert into public.notes (lead_id, content, note_type, priority, tags) values (%L, %L, %L, %L, %L)', lead, content, kind, priority, tags), '23514', null,
  format('a note is not taken with %s', what))
from given, (values
  ('   ', 'general', 'normal', '{}', 'nothing in it'), (repeat('x', 20001), 'general', 'normal', '{}', 'a book in it'),
  ('x', 'gossip', 'normal', '{}', 'an unknown type'), ('x', 'general', 'whenever', '{}', 'an unknown priority'),
  ('x', 'general', 'normal', array_fill('tag'::text, array[51])::text, 'too many tags')
) t (content, kind, priority, tags, what);

-- Who sees it

select is(pg_temp.seen(), '{"For my eyes","Wants cardiology"}', 'the author sees both');

select tests.authenticate_as((select manager from people));

select is(pg_temp.seen(), '{"Wants cardiology"}', 'the manager sees the open one');

select is(pg_temp.told(), '{"Call notes"}', 'and finds no trace of the private one on the timeline');

select is_empty($$update public.notes set content = 'Changed' returning id$$, 'and puts no other words into the author''s mouth');

select tests.authenticate_as((select admin from people));

select is(pg_temp.seen(), '{"Wants cardiology"}', 'not even an administrator reads a private note');

select tests.authenticate_as((select stranger from people));

select is(pg_temp.seen(), '{}', 'somebody of another team sees none');

select throws_ok(format('insert into public.notes (lead_id, content) values (%L, %L)', lead, 'x'), '42501', null, 'and writes none') from given;

-- Changing

select tests.authenticate_as((select counselor from people));

update public.notes set title = null, content = 'Wants neurology' where id = (select note from given);

select is(pg_temp.told(), '{"Wants neurology"}', 'the timeline tells what the note says now');

update public.notes set priority = 'high' where id = (select note from given);

select is((select version from public.notes, given where id = note), 3::bigint, 'every change raises the version');

update public.notes set is_private = true where id = (select note from given);

select is(pg_temp.told(), '{}', 'a note that is made private leaves the timeline');

update public.notes set is_private = false where id = (select note from given);

select is(pg_temp.told(), '{"Wants neurology"}', 'and comes back with it');

select tests.clear_authentication();

update public.notes set deleted_at = now() where id = (select note from given);

select is(pg_temp.told(), '{}', 'a deleted note is not on it');

select tests.authenticate_as((select counselor from people));

select is(pg_temp.seen(), '{"For my eyes"}', 'and in nobody''s sight');

select tests.clear_authentication();

update public.notes set deleted_at = null where id = (select note from given);

update public.leads set assigned_to = (select colleague from people) where id = (select lead from given);

select tests.authenticate_as((select counselor from people));

select is(pg_temp.seen(), '{}', 'who lost the lead lost its notes, also their own');

select is_empty($$update public.notes set content = 'Changed' returning id$$, 'and cannot change them');

select tests.authenticate_as((select colleague from people));

select is(pg_temp.seen(), '{"Wants neurology"}', 'whoever has it reads on, but not what was private');

select is(
  (select count(*) from public.audit_logs a where a.resource = 'notes'), 0::bigint, 'a counselor reads no audit trail');

select tests.clear_authentication();

select ok(
  (select bool_and(coalesce(a.after ->> 'content', '[redacted]') = '[redacted]') from public.audit_logs a, given g where a.resource = 'notes' and a.record_id in (g.note::text, g.secret::text)),
  'the audit trail tells of the change, not of the words');

-- Deleting

insert into public.notes (id, lead_id, author_id, content) select '00000000-0000-7000-8000-00000000d001', lead, manager, 'By the manager' from given, people;

select tests.authenticate_as((select colleague from people));

select throws_ok($$select public.soft_delete('notes', '00000000-0000-7000-8000-00000000d001')$$, '42501', null, 'a counselor does not delete the words of another');

select throws_ok(format('select public.soft_delete(''notes'', %L)', secret), 'PT404', null, 'and finds no private note to delete') from given;

select tests.authenticate_as((select manager from people));

select lives_ok($$select public.soft_delete('notes', '00000000-0000-7000-8000-00000000d001')$$, 'the author does');

select is(pg_temp.told(), '{"Wants neurology"}', 'and it leaves the timeline');

select tests.clear_authentication();

-- About contacts and students

create temp table others on commit drop as select gen_random_uuid() as contact, gen_random_uuid() as student, gen_random_uuid() as stranger_contact;

grant select on others to public;

insert into public.contacts (id, name, assigned_to) select contact, 'Noted Contact', counselor from others, people;

insert into public.contacts (id, name, assigned_to) select stranger_contact, 'Hidden Contact', stranger from others, people;

insert into public.students (id, name, assigned_to) select student, 'Noted Student', counselor from others, people;

select tests.authenticate_as((select counselor from people));

insert into public.notes (contact_id, student_id, content) select contact, student, 'Father pays' from others;

select set_eq(
  $$select entity_type, entity_id, title from public.timeline where description = 'Father pays'$$,
  $$select 'contact' as kind, contact as id, 'Note Added' as title from others union all select 'student', student, 'Note Added' from others$$,
  'a note about two is on both timelines');

select isnt((select last_contacted from public.contacts, others where id = contact), null, 'and moves when the contact was last dealt with');

select throws_ok(
  format('insert into public.notes (contact_id, student_id, content) values (%L, %L, %L)', stranger_contact, student, 'x'), '42501', null,
  'each of the two must be one the author sees') from others;

select tests.authenticate_as((select stranger from people));

select is_empty($$select from public.notes where content = 'Father pays'$$, 'whoever sees neither sees no note');

select tests.clear_authentication();

-- Files

insert into storage.objects (bucket_id, name, metadata) select 'attachments', 'notes/' || note || '/letter.pdf', '{"mimetype": "application/pdf", "size": 1234}' from given;

insert into storage.objects (bucket_id, name) select 'attachments', 'notes/' || secret || '/letter.pdf' from given;

insert into storage.objects (bucket_id, name) values ('attachments', 'notes/no-note/letter.pdf'), ('attachments', 'letter.pdf');

insert into public.note_attachments (note_id, path) select note, 'notes/' || note || '/letter.pdf' from given;

select results_eq(
  'select file_name, mime_type, size_bytes from public.note_attachments where note_id = (select note from given)', $$values ('letter.pdf', 'application/pdf', 1234::bigint)$$,
  'what a file is is read from Storage');

select throws_ok(format('insert into public.note_attachments (note_id, path) values (%L, %L)', note, 'notes/' || note || '/none.pdf'), 'PT422', null, 'a file that is not there is none') from given;

select throws_ok(format('insert into public.note_attachments (note_id, path) values (%L, %L)', note, 'notes/' || secret || '/letter.pdf'), '23514', null, 'a file of another note is not this one''s') from given;

select tests.authenticate_as((select manager from people));

select results_eq(
  'select name from storage.objects where bucket_id = ''attachments''', $$select 'notes/' || note || '/letter.pdf' from given$$,
  'a manager reaches the files of what they see, and no others');

select tests.authenticate_as((select colleague from people));

select throws_ok(
  format('insert into storage.objects (bucket_id, name) values (%L, %L)', 'attachments', name), '42501', null, format('nobody puts a file at %s', what))
from (
  select 'notes/' || note || '/more.pdf', 'the note of another' from given
  union all values ('letter.pdf', 'the top of the bucket'), ('notes/no-note/letter.pdf', 'what is no note'), ('notes/' || gen_random_uuid() || '/x.pdf', 'a note that is not there')
) t (name, what);

select tests.clear_authentication();

select results_eq(
  $$select public, file_size_limit, 'text/html' = any (allowed_mime_types), 'image/svg+xml' = any (allowed_mime_types) from storage.buckets where id = 'attachments'$$,
  $$values (false, 26214400::bigint, false, false)$$,
  'the bucket is private, limited in size, and takes nothing that a browser would run');

delete from public.notes where id = (select note from given);

select is_empty('select from public.note_attachments where note_id = (select note from given)', 'an erased note takes its attachments along');

select * from finish();

rollback;

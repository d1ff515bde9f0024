-- Soft deletion: one way for every table; who may, what goes along, what comes back, and what stands in the way.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('admin', null, true, 'Ada Admin') as admin, tests.create_user('manager', 'Gone A') as manager,
  tests.create_user('counselor', 'Gone A') as counselor, tests.create_user('counselor', 'Gone A') as colleague, tests.create_user('manager', 'Gone B') as stranger;

create temp table given on commit drop as
select gen_random_uuid() as lead, gen_random_uuid() as task, gen_random_uuid() as call, gen_random_uuid() as note, gen_random_uuid() as secret,
  gen_random_uuid() as reminder, gen_random_uuid() as contact, gen_random_uuid() as message, gen_random_uuid() as of_contact;

grant select on people, given to public;

create function pg_temp.deletes(p_table text, p_id uuid) returns text language sql as $$
  select tests.refusal(format('select public.soft_delete(%L, %L)', p_table, p_id));
$$;

create function pg_temp.restores(p_table text, p_id uuid) returns text language sql as $$
  select tests.refusal(format('select public.restore(%L, %L)', p_table, p_id));
$$;

-- By hand, as the owner of the database: what is live of that which hangs on the lead.
create function pg_temp.live() returns text[] language sql security definer as $$
  select array_agg(x.name order by x.name) filter (where x.deleted_at is null)
  from given g
  cross join lateral (
    select 'lead' as name, deleted_at from public.leads where id = g.lead
    union all select 'task', deleted_at from public.tasks where id = g.task
    union all select 'call', deleted_at from public.calls where id = g.call
    union all select 'note', deleted_at from public.notes where id = g.note
    union all select 'secret', deleted_at from public.notes where id = g.secret
    union all select 'reminder', deleted_at from public.reminders where id = g.reminder
    union all select 'reminder of secret', deleted_at from public.reminders where note_id = g.secret
    union all select 'contact', deleted_at from public.contacts where id = g.contact
    union all select 'message', deleted_at from public.communications where id = g.message
    union all select 'of contact', deleted_at from public.communications where id = g.of_contact
  ) x;
$$;

grant execute on function pg_temp.deletes(text, uuid), pg_temp.restores(text, uuid), pg_temp.live() to public;

alter table public.leads disable trigger route_new_lead;

insert into public.leads (id, name, email, assigned_to) select lead, 'Gone Lead', 'gone@example.test', counselor from given, people;

insert into public.contacts (id, name, email, assigned_to) select contact, 'Gone Contact', 'contact@example.test', counselor from given, people;

insert into public.tasks (id, title, lead_id, assigned_to) select task, 'Gone task', lead, counselor from given, people;

insert into public.calls (id, lead_id, agent_id, duration) select call, lead, counselor, 60 from given, people;

insert into public.notes (id, lead_id, author_id, content) select note, lead, counselor, 'Gone note' from given, people;

insert into public.notes (id, lead_id, author_id, content, is_private, reminder_at) select secret, lead, counselor, 'Gone secret', true, now() from given, people;

insert into public.reminders (id, lead_id, agent_id, title, remind_at) select reminder, lead, counselor, 'Gone reminder', now() from given, people;

insert into public.communications (id, lead_id, contact_id, user_id, type, content) select message, lead, contact, counselor, 'sms', 'Gone message' from given, people;

insert into public.communications (id, contact_id, user_id, type, content) select of_contact, contact, counselor, 'sms', 'Of the contact' from given, people;

-- Every table

select is_empty(
  $$select c.table_name::text from information_schema.columns c
    join information_schema.tables t on t.table_schema = c.table_schema and t.table_name = c.table_name and t.table_type = 'BASE TABLE'
    where c.table_schema = 'public' and c.column_name = 'deleted_at'
    except select s.table_name from private.soft_deletable s$$,
  'what has deleted_at is deleted and restored in the one way'
);

select is_empty(
  $$select s.table_name from private.soft_deletable s
    where not exists (
      select from pg_trigger g where g.tgrelid = to_regclass('public.' || s.table_name) and g.tgfoid = 'private.mark_deleted'::regproc
    )$$,
  'and says who deleted it'
);

select is_empty(
  $$select distinct h.holder_table from private.soft_deletable s cross join private.holders_of(s.table_name) h
    where not exists (
      select from pg_trigger g where g.tgrelid = to_regclass('public.' || h.holder_table) and g.tgfoid = 'private.take_along'::regproc
    )$$,
  'what others hang on takes them along'
);

select is_empty(
  $$select s.table_name || '.' || h.holder_column from private.soft_deletable s cross join private.holders_of(s.table_name) h
    where not exists (
      select from pg_constraint k
      join pg_attribute a on a.attrelid = k.conrelid and k.conkey = array[a.attnum]
      where k.contype = 'f' and k.conrelid = to_regclass('public.' || s.table_name) and a.attname = h.holder_column
        and k.confrelid = to_regclass('public.' || h.holder_table)
    )$$,
  'what a row hangs on is what its key says'
);

select is_empty(
  $$select s.table_name || '.' || n from private.soft_deletable s cross join unnest(s.people || s.makers || s.label) n
    where not exists (select from pg_attribute a where a.attrelid = to_regclass('public.' || s.table_name) and a.attname = n)$$,
  'the columns named are there'
);

select is_empty(
  $$select s.table_name from private.soft_deletable s
    where not exists (
      select from pg_index i
      where i.indrelid = to_regclass('public.' || s.table_name)
        and pg_get_indexdef(i.indexrelid) ~ '\(deleted_at, id\) WHERE \(deleted_at IS NOT NULL\)$'
    )$$,
  'and an index finds what is deleted'
);

-- Who may

select tests.authenticate_as((select colleague from people));

select is(pg_temp.deletes('tasks', (select task from given)), 'PT404 not_found: tasks', 'what one does not see one does not delete');

select is(pg_temp.deletes('profiles', (select counselor from people)), 'PT422 argument_invalid: p_table', 'nor what is no table for it');

select is(pg_temp.deletes('tasks"; drop table x', gen_random_uuid()), 'PT422 argument_invalid: p_table', 'a name is no way in');

select tests.authenticate_as((select counselor from people));

select is(pg_temp.deletes('communications', (select message from given)), '42501 permission_denied: communications.delete', 'messages are for administrators to delete');

select is(pg_temp.deletes('tasks', (select task from given)), null, 'one''s own task is not');

select is_empty('select from public.tasks where id = (select task from given)', 'it is out of sight');

select is(pg_temp.deletes('tasks', (select task from given)), 'PT404 not_found: tasks', 'and cannot be deleted again');

select is(tests.refusal('select public.deleted_rows()'), '42501 permission_denied: leads.delete', 'a counselor sees no list of it');

select tests.clear_authentication();

select results_eq(
  'select deleted_at is not null, deleted_by from public.tasks where id = (select task from given)', 'select true, counselor from people', 'the row says when and by whom'
);

select is_empty($$select from public.activities where source_id = (select task from given)$$, 'and is off the timeline');

select tests.authenticate_as((select stranger from people));

select is(pg_temp.restores('tasks', (select task from given)), 'PT404 not_found: tasks', 'who would not see it does not restore it');

select tests.authenticate_as((select manager from people));

select is(pg_temp.restores('tasks', (select task from given)), null, 'who may delete anybody''s may restore it');

select tests.clear_authentication();

select results_eq('select deleted_at, deleted_by from public.tasks where id = (select task from given)', 'values (null::timestamptz, null::uuid)', 'nothing of it stays');

select isnt_empty($$select from public.activities where source_id = (select task from given)$$, 'it is on the timeline again');

select tests.authenticate_as((select manager from people));

select is(pg_temp.deletes('tasks', (select task from given)), null, 'what somebody else deleted');

select tests.authenticate_as((select counselor from people));

select is(pg_temp.restores('tasks', (select task from given)), '42501 permission_denied: leads.delete', 'one does not restore, though it is one''s own');

select is(pg_temp.restores('notes', (select note from given)), 'PT404 not_found: notes', 'nor what is not deleted');

select is(pg_temp.deletes('notes', (select note from given)), null, 'a note one wrote');

select is(pg_temp.restores('notes', (select note from given)), null, 'one deletes and restores');

select tests.authenticate_as((select admin from people));

select is(pg_temp.deletes('notes', (select secret from given)), 'PT404 not_found: notes', 'a private note is its author''s alone, even to an administrator');

select is(pg_temp.restores('tasks', (select task from given)), null, 'an administrator restores anybody''s');

-- What goes along

select tests.authenticate_as((select counselor from people));

select is(pg_temp.deletes('calls', (select call from given)), null, 'a call is deleted before its lead');

select tests.authenticate_as((select manager from people));

select is(pg_temp.deletes('leads', (select lead from given)), null, 'a lead goes');

select is(pg_temp.live(), '{contact,of contact}', 'with everything that hangs on it, a private note and its reminder too');

select tests.clear_authentication();

select is(private.remind(), 0, 'nothing reminds of it');

insert into public.calls (lead_id, agent_id, duration, notes) select lead, counselor, 60, 'Late' from given, people;

insert into public.notes (lead_id, content) select lead, 'Late' from given;

insert into public.notes (lead_id, author_id, content, is_private, reminder_at) select lead, counselor, 'Late secret', true, now() from given, people;

select is(private.remind(), 0, 'a private note that comes meanwhile reminds of nothing either');

select is(
  (select count(*)::int from public.leads l, public.calls c, public.notes n, given g
    where l.id = g.lead and c.lead_id = l.id and c.notes = 'Late' and c.deleted_at = l.deleted_at and n.lead_id = l.id and n.content = 'Late' and n.deleted_at = l.deleted_at), 1,
  'what a system adds meanwhile is with it'
);

select tests.authenticate_as((select manager from people));

select is(
  pg_temp.restores('tasks', (select task from given)), 'PT409 parent_deleted: leads ' || (select lead from given), 'a task is not restored without its lead'
);

select is(pg_temp.restores('leads', (select lead from given)), null, 'the lead is');

select is(pg_temp.live(), '{contact,lead,message,note,"of contact",reminder,"reminder of secret",secret,task}', 'with what went with it, and not the call that went before');

select is((select count(*)::int from public.notes where lead_id = (select lead from given) and content = 'Late'), 1, 'and what came meanwhile');

select is(pg_temp.restores('calls', (select call from given)), null, 'the call comes back by itself');

select tests.clear_authentication();

select is(private.remind(), 3, 'what came due meanwhile reminds now');

select is(private.remind(), 0, 'once');

-- A contact

update public.contacts set deleted_at = now() where id = (select contact from given);

select is(pg_temp.live(), '{call,lead,message,note,reminder,"reminder of secret",secret,task}', 'whoever deletes a contact, the message to it goes, unless it is a lead''s');

select is((select deleted_by from public.contacts where id = (select contact from given)), null, 'the database itself is nobody');

insert into public.contacts (name, email, assigned_to) select 'Another', 'contact@example.test', stranger from people;

select tests.authenticate_as((select manager from people));

select is(pg_temp.restores('contacts', (select contact from given)), null, 'one of another team with the same address stands in nobody''s way');

select tests.clear_authentication();

update public.contacts set deleted_at = now() where id = (select contact from given);

select tests.authenticate_as((select colleague from people));

insert into public.contacts (name, email) values ('A third', 'contact@example.test');

select tests.authenticate_as((select manager from people));

select is(pg_temp.restores('contacts', (select contact from given)), 'PT409 contact_known', 'one that the manager sees does: who it is stays untold');

-- The reminder of a note that was done

select tests.clear_authentication();

update public.reminders set status = 'completed' where note_id = (select secret from given);

update public.notes set deleted_at = clock_timestamp() where id = (select secret from given);

update public.notes set deleted_at = null where id = (select secret from given);

select results_eq(
  'select status, notified_at is not null, deleted_at from public.reminders where note_id = (select secret from given)',
  $$values ('completed', true, null::timestamptz)$$, 'a note comes back with its reminder as it was'
);

update public.reminders set deleted_at = clock_timestamp() where note_id = (select secret from given);

update public.notes set content = 'Other words' where id = (select secret from given);

select isnt((select deleted_at from public.reminders where note_id = (select secret from given)), null, 'one that was deleted stays so, whatever is written');

update public.notes set reminder_at = now() + interval '1 day' where id = (select secret from given);

select is((select deleted_at from public.reminders where note_id = (select secret from given)), null, 'until the note is to remind at another time');

-- A merged lead

insert into public.leads (id, name, assigned_to, deleted_at, merged_into)
select '00000000-0000-7000-8000-0000000e0001', 'Merged', counselor, now(), lead from given, people;

select tests.authenticate_as((select admin from people));

select is(pg_temp.restores('leads', '00000000-0000-7000-8000-0000000e0001'), 'PT404 not_found: leads', 'a merged lead comes back by unmerge() alone');

select lives_ok($$insert into public.leads (id, name, assigned_to) select '00000000-0000-7000-8000-0000000e0002', 'Source', counselor from people$$, 'another lead');

select lives_ok($$insert into public.tasks (title, lead_id) values ('Of the source', '00000000-0000-7000-8000-0000000e0002')$$, 'with a task');

create temp table merge on commit drop as
select (public.merge_leads(lead, array['00000000-0000-7000-8000-0000000e0002']::uuid[]) ->> 'merge_id')::uuid as id from given;

select results_eq($$select lead_id from public.tasks where title = 'Of the source'$$, 'select lead from given', 'is merged, and its task is the target''s, live');

select lives_ok('select public.unmerge(id) from merge', 'is taken apart again');

select results_eq($$select lead_id from public.tasks where title = 'Of the source'$$, $$values ('00000000-0000-7000-8000-0000000e0002'::uuid)$$, 'and has its task, live');

-- The list

select is(pg_temp.deletes('leads', (select lead from given)), null, 'a lead is deleted');

select is(pg_temp.deletes('organizations', gen_random_uuid()), 'PT404 not_found: organizations', 'what is not there is not');

select results_eq(
  $$select d.table_name, d.id, d.label, d.deleted_by, d.deleted_by_name from public.deleted_rows(p_limit => 2) d$$,
  $$select 'leads', lead, 'Gone Lead', admin, 'Ada Admin' from given, people union all select 'contacts', contact, 'Gone Contact', null, null from given$$,
  'the list has what can be restored, newest first, and not what hangs on it'
);

select results_eq(
  $$select d.id from public.deleted_rows(p_limit => 1, p_before => (select to_jsonb(f) from public.deleted_rows(p_limit => 1) f)) d$$,
  'select contact from given', 'page by page'
);

select results_eq($$select distinct d.table_name from public.deleted_rows('contacts', 200) d$$, $$values ('contacts')$$, 'or of one table');

select is(tests.refusal($$select public.deleted_rows('profiles')$$), 'PT422 argument_invalid: p_limit is 1 to 200, p_table a table that has deleted_at', 'that is one');

select is(tests.refusal('select public.deleted_rows(p_limit => 201)'), 'PT422 argument_invalid: p_limit is 1 to 200, p_table a table that has deleted_at', 'in pages of a size');

select is(tests.refusal($$select public.deleted_rows(p_before => '{"id": "x"}')$$), 'PT422 argument_invalid: p_before is the last row of the page before, or its {deleted_at, id}', 'and a cursor is one');

select tests.authenticate_as((select manager from people));

select is(tests.refusal('select public.deleted_rows()'), '42501 permission_denied: scope all', 'a manager sees no list of others''');

select * from finish();

rollback;

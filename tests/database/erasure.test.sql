-- Erasure: after it, no column of any table says anything of the person, and the audit trail says what was done.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('admin', null, true, 'Ada Admin') as admin, tests.create_user('manager', 'Erase A') as manager,
  tests.create_user('counselor', 'Erase A') as counselor;

create temp table given on commit drop as
select gen_random_uuid() as lead, gen_random_uuid() as twin, gen_random_uuid() as other, gen_random_uuid() as note, gen_random_uuid() as contact,
  gen_random_uuid() as student, gen_random_uuid() as shared, gen_random_uuid() as import, gen_random_uuid() as unread, gen_random_uuid() as export,
  gen_random_uuid() as file, gen_random_uuid() as being_written;

grant select on people, given to public;

-- Every row of every table, as text: what it holds of the person, in any spelling of the number.
create function pg_temp.remains() returns table (place text, found_rows bigint) language plpgsql as $$
declare
  relation record;
begin
  for relation in
    select c.oid::regclass as name
    from pg_class c
    where c.relnamespace = any (array['public', 'private', 'storage']::regnamespace[]) and c.relkind = 'r'
    order by 1
  loop
    return query execute format(
      'select %L, n.found_rows from (select count(*) as found_rows from %s t where t::text ~* ''zerlinda|quixote|98123.?4567[01]'') n where n.found_rows > 0', relation.name, relation.name
    );
  end loop;
end
$$;

alter table public.leads disable trigger route_new_lead;

-- A person of whom everything is known

insert into public.leads (id, name, email, phone, assigned_to, tags, custom_fields)
select lead, 'Zerlinda Quixote', 'zerlinda@erase.test', '+919812345670', counselor, '{zerlinda}', '{"mother": "Quixote"}' from given, people;

insert into public.leads (id, name, email, phone, assigned_to) select twin, 'Z. Quixote', 'quixote@erase.test', '+919812345671', counselor from given, people;

insert into public.leads (id, name, email, assigned_to) select other, 'Somebody Else', 'else@erase.test', counselor from given, people;

insert into public.lead_identities (lead_id, kind, value, label) select lead, 'email', 'zerlinda.old@erase.test', 'Quixote' from given;

delete from public.lead_identities where value = 'zerlinda.old@erase.test';

insert into public.lead_identities (lead_id, kind, value, label) select lead, 'email', 'zerlinda.new@erase.test', 'Quixote' from given;

select private.record_enquiry(lead, 'Website', 'form', 'quixote-1', '{"name": "Zerlinda"}') from given;

insert into public.contacts (id, lead_id, name, email) select contact, lead, 'Zerlinda Quixote', 'zerlinda@erase.test' from given;

insert into public.students (id, lead_id, name) select student, lead, 'Zerlinda Quixote' from given;

insert into public.deals (lead_id, contact_id, name) select lead, contact, 'Deal of Quixote' from given;

insert into public.payments (student_id, amount, description, notes) select student, 100, 'Fees of Zerlinda', 'Quixote pays' from given;

insert into private.payment_transactions (gateway, transaction_id, payment_id, status, amount, currency, captured_at, response)
select 'offline', p.id::text, p.id, 'captured', 100, 'INR', now(), '{"reference": "Quixote"}' from public.payments p, given where p.student_id = student;

select private.payment_settle(p.id) from public.payments p, given where p.student_id = student;

insert into public.refunds (payment_id, amount, currency, gateway, transaction_id, reason)
select p.id, 10, 'INR', 'offline', p.id::text, 'Zerlinda asked' from public.payments p, given where p.student_id = student;

insert into public.tasks (title, lead_id, assigned_to) select 'Call Zerlinda', lead, counselor from given, people;

insert into public.calls (lead_id, agent_id, duration, to_name, notes) select lead, counselor, 60, 'Zerlinda', 'Quixote said' from given, people;

insert into public.notes (id, lead_id, author_id, title, content, reminder_at) select note, lead, counselor, 'Zerlinda', 'Quixote wants', now() from given, people;

insert into public.notes (contact_id, author_id, content, reminder_at) select contact, counselor, 'Quixote calls back', now() from given, people;

insert into public.notification_rules (event, channel, user_id, is_enabled) select 'reminder_due', 'email', counselor, true from people;

-- Told by e-mail already, and yet to be told.
do $$ begin
  perform private.notify(counselor, 'Reminder', 'Call Zerlinda', p_lead_id => lead, p_metadata => '{"event": "reminder_due"}') from given, people;
  perform private.notification_send();
  perform private.notify(counselor, 'Reminder', 'Call Zerlinda', p_lead_id => lead, p_metadata => '{"event": "reminder_due"}') from given, people;
end $$;

insert into public.communications (lead_id, user_id, type, subject, content, recipient) select lead, counselor, 'email', 'Dear Zerlinda', 'Quixote', 'zerlinda@erase.test' from given, people;

insert into public.communications (id, lead_id, contact_id, user_id, type, content) select shared, other, contact, counselor, 'sms', 'To both' from given, people;

insert into storage.objects (bucket_id, name, metadata) select 'attachments', 'notes/' || note || '/zerlinda.pdf', '{"size": 1}' from given;

insert into public.note_attachments (note_id, path) select note, 'notes/' || note || '/zerlinda.pdf' from given;

update public.leads set status = 'contacted', name = 'Zerlinda M. Quixote' where id = (select lead from given);

select private.remind();

-- Twice an import, once in the middle of one; exports by and of the person

insert into storage.objects (bucket_id, name, metadata) select 'imports', counselor || '/zerlinda.csv', '{"size": 1}' from people;

insert into public.imports (id, created_by, storage_path, file_name, format, size_bytes, status)
select x.id, counselor, counselor || '/' || x.name, 'people.csv', 'csv', 1, x.status
from people, given, lateral (values (import, 'people.csv', 'committed'), (unread, 'other.csv', 'checked')) x (id, name, status);

insert into private.import_rows (import_id, row_no, target_id, email, phone, external_id, decision, outcome, cells, fields, before)
select import, 1, lead, null, null, 'quixote-1', 'enquiry', 'enquiry', '{Zerlinda,98123 45670}'::text[], '{"name": "Zerlinda"}'::jsonb, '{"name": "Quixote"}'::jsonb from given
union all
select import, 2, null, 'zerlinda@erase.test', '+919812345670', null, 'duplicate', 'skipped', '{Zerlinda}', '{"name": "Zerlinda"}', null from given
union all
select import, 3, other, 'else@erase.test', null, null, 'new', 'created', '{Somebody Else}', '{"name": "Somebody Else"}', null from given
union all
select unread, 1, null, null, null, null, null, null, '{Quixote,098123-45670}', null, null from given
union all
select unread, 2, null, null, null, null, null, null, '{Someone,ZERLINDA@erase.test}', null, null from given;

insert into public.exports (id, created_by, list, filters, columns, status, storage_path, expires_at, finished_at)
select export, counselor, 'leads', '{"email": "zerlinda@erase.test"}', '{name}', 'done', 'x.csv', now() + interval '1 day', now() from given, people;

insert into public.exports (id, created_by, list, columns) select being_written, counselor, 'leads', '{name}' from given, people;

select private.audit('export', 'leads', export::text, null, '{"filters": {"email": "zerlinda@erase.test"}}') from given;

select private.enqueue('export.expire', jsonb_build_object('export_id', export), now() + interval '1 day', export::text) from given;

-- Merged, deleted in a batch

select tests.authenticate_as((select admin from people));

select lives_ok(
  'select public.unmerge((public.merge_leads(other, array[lead]) ->> ''merge_id'')::uuid) from given', 'it was merged into somebody else by mistake, and taken apart again'
);

select lives_ok('select public.merge_leads(lead, array[twin]) from given', 'another lead is merged into it');

select lives_ok('select public.lead_bulk_tag(array[lead], array[''quixote'']) from given', 'a batch remembers it');

-- Who may

select tests.authenticate_as((select manager from people));

select is(tests.refusal(format('select public.lead_delete(%L, true)', (select lead from given))), '42501 permission_denied: leads.erase', 'who may delete may not erase');

select tests.authenticate_as((select admin from people));

select is(tests.refusal(format('select public.lead_delete(%L, true)', (select twin from given))), 'PT409 lead_is_merged: ' || (select lead from given), 'a merged lead is erased with the one it was merged into');

select is(tests.refusal('select public.lead_delete(''LEAD-0'', true)'), 'PT404 lead_not_found: LEAD-0', 'one that is not there is not');

select tests.clear_authentication();

select set_has(
  'select place from pg_temp.remains()',
  $$values ('leads'), ('contacts'), ('students'), ('deals'), ('tasks'), ('calls'), ('notes'), ('communications'), ('lead_identities'), ('lead_enquiries'),
    ('activities'), ('note_attachments'), ('notifications'), ('exports'), ('storage.objects'), ('private.import_rows'), ('private.lead_merge_rows'), ('private.batch_leads'),
    ('private.audit_logs_' || to_char(now() at time zone 'UTC', 'YYYY_MM'))$$,
  'the person is everywhere'
);

create temp table trail on commit drop as
select a.id, a.created_at, a.user_id, a.action, a.resource, a.record_id, (select array_agg(k order by k) from jsonb_object_keys(a.after) k) as changed
from public.audit_logs a, given g
where a.resource = 'leads' and a.record_id = g.lead::text;

-- Done

select tests.authenticate_as((select admin from people));

select is(public.lead_delete(lead::text) ->> 'message', 'Lead deleted successfully', 'a lead that was deleted softly') from given;

select is(
  public.lead_delete((select lead from given)::text, p_hard => true) - 'lead_id', jsonb_build_object('message', 'Lead erased for good', 'id', lead, 'batch_id', null), 'is erased too'
) from given;

select tests.clear_authentication();

select results_eq('select place from pg_temp.remains()', $$values ('storage.objects')$$, 'nothing is left but the files');

select results_eq(
  $$select jsonb_object_keys(j.payload) from private.jobs j where j.kind = 'files.remove' order by 1$$, $$values ('import_ids'), ('note_ids')$$,
  'the worker is told ids'
);

select results_eq(
  $$select f.bucket, regexp_replace(f.name, '^.*/', '')
    from private.jobs j
    cross join lateral jsonb_to_record(j.payload) p (note_ids uuid[], import_ids uuid[])
    cross join lateral private.files_to_remove(p.note_ids, p.import_ids, null) f
    where j.kind = 'files.remove'
    order by 1$$,
  $$values ('attachments', 'zerlinda.pdf')$$, 'and finds the files of the notes'
);

select is((select run_at <= now() from private.jobs where kind = 'export.expire' and dedupe_key = (select export::text from given)), true, 'files of exports end now');

select ok((select e.expires_at <= now() and e.filters = '{}' from public.exports e, given g where e.id = g.export), 'and cannot be read any more');

select private.export_finish(being_written, 'y.csv', 1, 9) from given;

select ok((select e.expires_at <= now() from public.exports e, given g where e.id = g.being_written), 'nor can one that was being written');

select is((select run_at <= now() from private.jobs where kind = 'export.expire' and dedupe_key = (select being_written::text from given)), true, 'whose file ends when it is done');

-- What stays

select results_eq(
  $$select a.id, a.created_at, a.user_id, a.action, a.resource, a.record_id, (select array_agg(k order by k) from jsonb_object_keys(a.after) k)
    from public.audit_logs a join trail t using (id) order by a.id$$,
  'select * from trail order by id', 'the trail says who did what and when, as before'
);

select is_empty(
  $$select from public.audit_logs a join trail t on t.record_id = a.record_id and a.resource = 'leads', lateral jsonb_each_text(coalesce(a.before, '{}') || coalesce(a.after, '{}')) v
    where v.value <> '[erased]' and a.action <> 'erase'$$,
  'and not a word of what'
);

select results_eq(
  $$select a.user_id, a.after -> 'rows' ->> 'contacts', (a.after ->> 'entries')::int > 20 from public.audit_logs a, given g where a.action = 'erase' and a.record_id = g.lead::text$$,
  $$select admin, '1', true from people$$, 'that it was erased is an entry itself'
);

select isnt_empty('select from public.communications c, given g where c.id = g.shared and c.contact_id is null', 'a message of another lead stays with that one');

select results_eq(
  'select row_no, cells, outcome, decision from private.import_rows where import_id = (select import from given) order by row_no',
  $$values (1, '{}'::text[], 'erased', 'enquiry'), (2, '{}', 'skipped', 'duplicate'), (3, '{Somebody Else}', 'created', 'new')$$, 'the rows of others are as they were'
);

select results_eq(
  'select row_no, cells, decision, code from private.import_rows where import_id = (select unread from given) order by row_no',
  $$values (1, '{}'::text[], 'invalid', 'row_empty'), (2, '{}', 'invalid', 'row_empty')$$, 'what was not written yet never will be'
);

select is_empty(
  $$select c.child::text || '.' || c.child_column
    from private.lead_children() c
    join pg_constraint k on k.conrelid = c.child and k.confrelid = 'public.leads'::regclass and k.contype = 'f'
    join pg_attribute a on a.attrelid = c.child and a.attname = c.child_column and k.conkey = array[a.attnum]
    where k.confdeltype <> 'c'
      and not exists (select from private.soft_deletable s where to_regclass('public.' || s.table_name) = c.child)
      -- Of payments the money alone stays, of a refusal the hash of the address.
      and c.child not in ('public.payments'::regclass, 'public.consents'::regclass)$$,
  'whatever points at a lead goes with it'
);

-- The trail is changed by nobody else

select is(tests.refusal('update public.audit_logs set before = null'), '42501 audit_is_append_only: UPDATE', 'the owner of the database changes no entry');

select is(
  tests.refusal('update public.audit_logs set before = private.blanked(before), after = private.blanked(after)'), '42501 audit_is_append_only: UPDATE', 'nor empties one'
);

select set_config('intake.erasing', 'on', true);

select is(tests.refusal($$update public.audit_logs set after = '{"status": "new"}'$$), '42501 audit_is_append_only: UPDATE', 'nor writes one anew while an erasure runs');

select is(tests.refusal('update public.audit_logs set user_id = null where user_id is not null'), '42501 audit_is_append_only: UPDATE', 'nor says that somebody else did it');

select is(tests.refusal('delete from public.audit_logs'), '42501 audit_is_append_only: DELETE', 'nor deletes one');

select set_config('intake.erasing', '', true);

select tests.authenticate_as_service();

select is(tests.refusal('select private.audit_erase(''leads'', null, ''{}'')'), '42501 ', 'a service key erases nothing of it');

create function pg_temp.plan(p_query text) returns text language plpgsql as $$
declare
  line text;
  all_of_it text := '';
begin
  perform set_config('enable_seqscan', 'off', true);

  for line in execute 'explain ' || p_query loop
    all_of_it := all_of_it || line || E'\n';
  end loop;

  return all_of_it;
end
$$;

select matches(
  pg_temp.plan($$select x.id from public.communications x where x.channel_specific_data ? 'leads' and x.channel_specific_data -> 'leads' ?| array['a']$$),
  'communications_tell_of_leads', 'what people here were told of somebody is found by index'
);

select * from finish();

rollback;

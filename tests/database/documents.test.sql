-- Documents: seen where their student or lead is and as far as their access level lets, decided on once per file,
-- and moved, deleted and erased with whom they belong to.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('admin', null, true, 'Ada Admin') as admin, tests.create_user('manager', 'Documents A', true, 'Mala Manager') as manager,
  tests.create_user('counselor', 'Documents A', true, 'Chetan') as counselor, tests.create_user('counselor', 'Documents A', true, 'Divya') as colleague,
  tests.create_user('manager', 'Documents B', true) as stranger;

create temp table given on commit drop as
select gen_random_uuid() as lead, gen_random_uuid() as other_lead, gen_random_uuid() as student, gen_random_uuid() as free_student,
  gen_random_uuid() as paper, gen_random_uuid() as of_student, gen_random_uuid() as of_free;

grant select on people, given to public;

-- A file that was uploaded and found good.
create function pg_temp.file_of(p_document uuid, p_by uuid default null) returns integer language plpgsql as $$
declare
  made public.document_versions;
begin
  insert into public.document_versions (document_id, file_name, mime_type, size_bytes, uploaded_by)
  values (p_document, 'scan.pdf', 'application/pdf', 10, p_by) returning * into made;
  insert into storage.objects (bucket_id, name, metadata) values ('documents', made.storage_path, '{"size": 10, "mimetype": "application/pdf"}');
  perform private.document_complete(made.id);
  perform private.document_checked(made.id, 10, repeat('a', 64));
  return made.version_no;
end
$$;

create function pg_temp.told(p_entity uuid) returns text[] language sql as $$
  select coalesce(array_agg(concat_ws(': ', a.title, a.description) order by a.occurred_at, a.id), '{}') from public.activities a where a.entity_id = p_entity and a.type = 'document';
$$;

grant execute on function pg_temp.told(uuid) to public;

alter table public.leads disable trigger route_new_lead;

insert into public.leads (id, name, assigned_to) select lead, 'Paper Lead', counselor from given, people;

insert into public.leads (id, name, assigned_to) select other_lead, 'Other Lead', colleague from given, people;

insert into public.students (id, lead_id, name) select student, lead, 'Paper Student' from given;

insert into public.students (id, name, assigned_to) select free_student, 'Free Student', counselor from given, people;

-- Asking for one

select tests.authenticate_as((select counselor from people));

insert into public.documents (id, lead_id, document_name, document_type, is_required, notes)
select paper, lead, '  Medical   Certificate ', 'Medical Certificate', true, ' ' from given;

insert into public.documents (id, student_id, document_name, document_type) select of_student, student, 'Transcript', 'transcript' from given;

insert into public.documents (id, student_id, document_name, document_type) select of_free, free_student, 'Passport', 'id-card' from given;

select results_eq(
  'select document_name, document_type, status, access_level, is_required, notes, uploaded_by, lead_owner_id, version_no, storage_path from public.documents where id = (select paper from given)',
  $$select 'Medical Certificate', 'medical_certificate', 'pending', 'standard', true, null::text, counselor, counselor, null::integer, null::text from people$$,
  'a document is normalised, pending, and of who entered it and whose lead it is');

select results_eq(
  'select lead_id, lead_owner_id from public.documents where id = (select of_student from given)', 'select lead, counselor from given, people',
  'that of a student has the lead and owner of the student');

select results_eq(
  'select lead_id, lead_owner_id, document_type from public.documents where id = (select of_free from given)', $$select null::uuid, counselor, 'id_card' from people$$,
  'of one without a lead the student''s own');

select is(
  tests.refusal(format('insert into public.documents (student_id, lead_id, document_name, document_type) values (%L, %L, ''x'', ''x'')', student, other_lead)),
  'PT422 argument_invalid: lead_id is not the lead of the student', 'a student''s document is not put on another lead') from given;

select throws_ok(
  format('insert into public.documents (lead_id, document_name, document_type) values (%L, ''x'', ''x'')', other_lead), '42501', null,
  'nor on a lead one does not see') from given;

select throws_ok($$insert into public.documents (document_name, document_type) values ('x', 'x')$$, null, null, 'nor on nobody');

select throws_ok(
  format('insert into public.documents (lead_id, document_name, document_type, access_level) values (%L, %L, %L, %L)', lead, name, kind, level), '23514', null,
  format('a document is not taken with %s', what))
from given, (values
  ('  ', 'x', 'standard', 'no name'), ('x', '!', 'standard', 'a type that is no word'), ('x', 'x', 'secret', 'an unknown access level')
) t (name, kind, level, what);

select throws_ok(
  format('insert into public.documents (lead_id, document_name, document_type, status) values (%L, ''x'', ''x'', ''verified'')', lead), '42501', null,
  'nobody inserts one as verified') from given;

-- Deciding

select is(
  tests.refusal(format('select public.document_verify(%L, ''verified'')', paper)), '42501 permission_denied: documents.verify',
  'a counselor verifies nothing') from given;

select is(
  tests.refusal(format('update public.documents set status = ''verified'' where id = %L', paper)), '42501 permission_denied: documents.verify',
  'nor by changing the row') from given;

select is(
  tests.refusal(format('update public.documents set verification_notes = ''fine'' where id = %L', paper)), '42501 permission_denied: documents.verify',
  'nor says that it was') from given;

select tests.authenticate_as((select manager from people));

select is(tests.refusal(format('select public.document_verify(%L, ''verified'')', paper)), 'PT409 document_has_no_file', 'what has no file cannot be verified') from given;

select tests.clear_authentication();

select is(pg_temp.file_of(paper, counselor), 1, 'the first file is version 1') from given, people;

select tests.authenticate_as((select manager from people));

select is(tests.refusal(format('select public.document_verify(%L, ''verified'', null, 2)', paper)), 'PT409 document_changed: version 1', 'nobody decides on a version they did not look at') from given;

select is(tests.refusal(format('select public.document_verify(%L, ''pending'')', paper)), 'PT422 argument_invalid: p_status is verified or rejected', 'nor on anything but the two') from given;

select results_eq(
  'select d.status, d.verification_notes, d.verified_by, d.verified_at is not null from public.document_verify((select paper from given), '' Verified'', ''Fine'', 1) d',
  $$select 'verified', 'Fine', manager, true from people$$, 'a manager verifies it, in their own name');

select is(
  tests.refusal(format('select public.document_verify(%L, ''rejected'')', paper)), 'PT409 document_status_refused: verified to rejected', 'once') from given;

select is(
  tests.refusal(format('select public.document_verify(%L, ''verified'')', paper)), 'PT409 document_status_refused: verified to verified', 'not even the same') from given;

select is(
  tests.refusal(format('update public.documents set status = ''%s'' where id = %L', wrong, paper)), 'PT409 document_status_refused: verified to ' || wrong,
  format('it does not go to %s', wrong)) from given, (values ('pending'), ('rejected'), ('lost')) w (wrong);

select tests.authenticate_as((select stranger from people));

select is(tests.refusal(format('select public.document_verify(%L, ''rejected'')', of_student)), 'PT404 not_found: documents', 'a manager of others decides on nothing of it') from given;

select tests.clear_authentication();

select is(
  tests.refusal(format('update public.documents set status = ''rejected'' where id = %L', paper)), 'PT409 document_status_refused: verified to rejected',
  'not even in Studio') from given;

select results_eq(
  $$select n.user_id, n.title, n.message, n.type, n.lead_id, n.metadata from public.notifications n where n.metadata ->> 'document_id' = (select paper::text from given)$$,
  $$select counselor, 'Document verified', 'Medical Certificate of ' || l.lead_id || ' was verified.', 'success', lead, jsonb_build_object('event', 'document_verified', 'document_id', paper)
    from people, given join public.leads l on l.id = given.lead$$,
  'the owner, who handed it in, is told once, and of no name');

select is(pg_temp.file_of(paper, counselor), 2, 'another file is version 2') from given, people;

select results_eq(
  'select status, version_no, verified_by, verified_at, verification_notes from public.documents where id = (select paper from given)',
  $$values ('pending', 2, null::uuid, null::timestamptz, null::text)$$, 'and makes it pending again');

select is(pg_temp.told(lead), '{"Document Uploaded: Medical Certificate","Document Verified: Medical Certificate","Document Replaced: Medical Certificate"}', 'the timeline has it all') from given;

select results_eq(
  $$select t."by" from public.timeline t where t.source_id = (select paper from given) order by t."timestamp", t.id$$, $$values ('Chetan'), ('Mala Manager'), ('Chetan')$$, 'and by whom');

-- Who sees it

create function pg_temp.seen() returns text[] language sql as $$
  select coalesce(array_agg(d.document_name order by d.document_name), '{}') from public.documents d, given g where d.lead_id = g.lead or d.student_id = g.free_student;
$$;

grant execute on function pg_temp.seen() to public;

insert into public.documents (lead_id, uploaded_by, document_name, document_type, access_level, is_confidential)
select lead, by, name, 'report', level, confidential
from given, people cross join lateral (values
  (manager, 'A restricted', 'restricted', false), (manager, 'A private', 'private', false), (manager, 'A confidential', 'standard', true),
  (counselor, 'B private', 'private', true), (admin, 'C private', 'private', false)
) d (by, name, level, confidential);

select tests.authenticate_as((select counselor from people));

select is(pg_temp.seen(), '{"B private","Medical Certificate",Passport,Transcript}', 'the owner of the lead sees what is for all, and their own');

select tests.authenticate_as((select manager from people));

select is(pg_temp.seen(), '{"A confidential","A private","A restricted","Medical Certificate",Passport,Transcript}', 'a manager what is restricted or confidential too, but private only their own');

select tests.authenticate_as((select admin from people));

select is(cardinality(pg_temp.seen()), 8, 'an administrator sees all');

select tests.authenticate_as((select colleague from people));

select is(pg_temp.seen(), '{}', 'a colleague who does not see the lead sees none');

select tests.authenticate_as((select stranger from people));

select is(pg_temp.seen(), '{}', 'nor does a manager of others');

select tests.clear_authentication();

delete from public.role_permissions where permission = 'documents.confidential' and role_id = (select id from public.roles where key = 'manager');

select tests.authenticate_as((select manager from people));

select is(pg_temp.seen() @> '{"A restricted"}' and not pg_temp.seen() @> '{"B private"}', true, 'without documents.confidential one keeps one''s own');

select tests.clear_authentication();

insert into public.role_permissions select id, 'documents.confidential' from public.roles where key = 'manager';

select is(
  (select array_agg(distinct a.after ->> 'document_name') from public.audit_logs a where a.resource = 'documents' and a.after ? 'document_name'), '{[redacted]}',
  'the audit trail has no names');

-- Who is told

create temp table hidden on commit drop as
with d as (
  insert into public.documents (lead_id, uploaded_by, document_name, document_type, is_confidential)
  select lead, by, 'Zzz', 'report', true from given, people, unnest(array[manager, admin]) by returning id, uploaded_by
)
select id, uploaded_by from d;

grant select on hidden to public;

select pg_temp.file_of(id, uploaded_by) from hidden;

select tests.authenticate_as((select manager from people));

select public.document_verify(id, 'rejected') from hidden;

select tests.clear_authentication();

select results_eq(
  $$select n.user_id, n.title from public.notifications n, hidden h where n.metadata ->> 'document_id' = h.id::text$$,
  $$select admin, 'Document rejected' from people$$, 'whose lead it is hears nothing of what is confidential, nor who decided of what they handed in themselves');

delete from public.documents where document_name = 'Zzz';

-- Off and on the timeline

select tests.authenticate_as((select counselor from people));

update public.documents set document_name = 'Renamed' where id = (select paper from given);

select is(pg_temp.told(lead), '{"Document Uploaded: Renamed","Document Verified: Renamed","Document Replaced: Renamed"}', 'the timeline knows a document by its name of now') from given;

update public.documents set is_confidential = true where id = (select paper from given);

select is(pg_temp.told(lead), '{}', 'what becomes confidential leaves it') from given;

update public.documents set is_confidential = false where id = (select paper from given);

select is(pg_temp.told(lead), '{"Document Uploaded: Renamed"}', 'and comes back') from given;

-- Deleting

select lives_ok(format('select public.soft_delete(''documents'', %L)', paper), 'who handed it in deletes it') from given;

select is(pg_temp.seen() @> '{Renamed}', false, 'and nobody sees it');

select is(pg_temp.told(lead), '{}', 'nor on the timeline') from given;

select lives_ok(format('select public.restore(''documents'', %L)', paper), 'and brings it back') from given;

select is(pg_temp.told(lead), '{"Document Uploaded: Renamed"}', 'with its place there') from given;

select tests.clear_authentication();

update public.documents set uploaded_by = (select manager from people) where id = (select paper from given);

select tests.authenticate_as((select counselor from people));

select is(
  left(tests.refusal(format('update public.documents set access_level = ''restricted'' where id = %L', paper)), 5), '42501',
  'nobody hides from themselves what another handed in') from given;

select is(tests.refusal(format('select public.soft_delete(''documents'', %L)', paper)), '42501 permission_denied: documents.delete', 'a counselor does not delete what another handed in') from given;

select tests.authenticate_as((select manager from people));

select is(tests.refusal(format('select public.soft_delete(''documents'', %L)', of_student)), null, 'a manager does') from given;

select lives_ok(format('select public.restore(''documents'', %L)', of_student), 'and takes it back') from given;

select tests.clear_authentication();

create temp table kept_from on commit drop as select d.id, d.document_name from public.documents d, given g where d.lead_id = g.lead;

grant select on kept_from to public;

select tests.authenticate_as((select manager from people));

select is(tests.refusal(format('select public.soft_delete(''documents'', %L)', id)), 'PT404 not_found: documents', 'but nothing that is not theirs to see')
from kept_from where document_name = 'C private';

select tests.authenticate_as((select counselor from people));

select is(tests.refusal(format('select public.soft_delete(''documents'', %L)', id)), 'PT404 not_found: documents', 'of which nobody learns that it is there: ' || document_name)
from kept_from where document_name in ('A restricted', 'A private', 'A confidential');

select tests.clear_authentication();

update public.documents d set deleted_at = now() from kept_from k where d.id = k.id and k.document_name = 'C private';

select tests.authenticate_as((select manager from people));

select is(tests.refusal(format('select public.restore(''documents'', %L)', id)), 'PT404 not_found: documents', 'nor do they bring it back')
from kept_from where document_name = 'C private';

select tests.authenticate_as((select admin from people));

select is(tests.refusal(format('select public.restore(''documents'', %L)', id)), null, 'as an administrator does') from kept_from where document_name = 'C private';

select tests.clear_authentication();

-- With whom they belong to

update public.students set assigned_to = (select colleague from people) where id = (select free_student from given);

update public.leads set assigned_to = (select colleague from people) where id = (select lead from given);

select results_eq(
  'select distinct lead_owner_id from public.documents where id in (select unnest(array[paper, of_student, of_free]) from given)', 'select colleague from people',
  'documents go where their student or lead goes');

update public.leads set deleted_at = now() where id = (select lead from given);

select results_eq(
  'select id = (select paper from given), deleted_at is not null from public.documents where id in (select unnest(array[paper, of_student]) from given) order by 1',
  'values (false, false), (true, true)', 'a deleted lead takes along its own, and leaves those of its student');

select lives_ok(
  format('insert into public.documents (student_id, document_name, document_type) values (%L, ''Late'', ''late'')', student), 'which get more') from given;

select is((select deleted_at from public.documents where document_name = 'Late'), null, 'that are there');

update public.leads set deleted_at = null where id = (select lead from given);

update public.students set deleted_at = now() where id = (select student from given);

select isnt((select deleted_at from public.documents where id = (select of_student from given)), null, 'a deleted student takes along theirs');

insert into public.documents (student_id, document_name, document_type) select student, 'Too late', 'late' from given;

select results_eq(
  $$select d.deleted_at from public.documents d where d.document_name = 'Too late'$$, 'select s.deleted_at from public.students s, given where s.id = student',
  'what comes to them then is deleted too');

update public.students set deleted_at = null where id = (select student from given);

select is((select deleted_at from public.documents where id = (select of_student from given)), null, 'and brings them back');

-- Merging

create temp table before on commit drop as select d.* from public.documents d, given g where d.id in (g.paper, g.of_student);

select tests.authenticate_as((select admin from people));

create temp table merged on commit drop as select (public.merge_leads(other_lead, array[lead]) ->> 'merge_id')::uuid as id from given;

select results_eq(
  'select distinct d.lead_id from public.documents d, given g where d.id in (g.paper, g.of_student)', 'select other_lead from given', 'a merge moves the documents of the lead and of its student');

select lives_ok('select public.unmerge(id) from merged', 'taking it apart');

select tests.clear_authentication();

select results_eq(
  'select d.* from public.documents d, given g where d.id in (g.paper, g.of_student) order by d.id', 'select * from before order by id', 'brings them back as they were');

-- Erasing

select tests.authenticate_as((select admin from people));

select lives_ok('select public.lead_delete(lead::text, true) from given', 'the person is erased');

select tests.clear_authentication();

select is_empty('select from public.documents d, given g where d.id in (g.paper, g.of_student)', 'no document of theirs is left');

select results_eq(
  $$select distinct j.payload -> 'document_ids' ? (select paper::text from given) from private.jobs j where j.kind = 'files.remove' and j.payload ? 'document_ids'$$,
  'values (true)', 'and the worker is told to remove the files');

select is(
  (select count(*) from given g, private.files_to_remove(null, null, null, p_document_ids => array[g.paper]) f where f.name like g.paper || '/%'), 2::bigint,
  'which are all of its versions');

select * from finish();

rollback;

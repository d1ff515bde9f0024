-- Document files: promised before they come, counted once they were checked, never overwritten, read by who sees
-- the document, and removed when no version has them.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('admin', null, true, 'Ada Admin') as admin, tests.create_user('manager', 'Files A', true, 'Mala Manager') as manager,
  tests.create_user('counselor', 'Files A', true, 'Chetan') as counselor, tests.create_user('counselor', 'Files A', true, 'Divya') as colleague;

create temp table given on commit drop as select gen_random_uuid() as lead, gen_random_uuid() as secret;

grant select on people, given to public;

create function pg_temp.begins(p_document uuid default null, p_name text default 'scan.pdf', p_type text default 'application/pdf', p_size bigint default 10)
returns jsonb language plpgsql as $$
begin
  return case when p_document is null
    then public.document_begin_upload(p_name, p_type, p_size, p_lead_id => (select lead from given), p_document_type => 'certificate')
    else public.document_begin_upload(p_name, p_type, p_size, p_document)
  end;
end
$$;

create function pg_temp.comes(p_upload jsonb) returns uuid language plpgsql as $$
begin
  insert into storage.objects (bucket_id, name, metadata) values ('documents', p_upload ->> 'path', '{"size": 10, "mimetype": "application/pdf"}');
  return (select v.id from public.document_versions v where v.storage_path = p_upload ->> 'path');
end
$$;

grant execute on function pg_temp.begins(uuid, text, text, bigint), pg_temp.comes(jsonb) to public;

alter table public.leads disable trigger route_new_lead;

insert into public.leads (id, name, assigned_to) select lead, 'Filed Lead', counselor from given, people;

-- Beginning

select results_eq(
  $$select public, file_size_limit, allowed_mime_types && '{text/html,image/svg+xml,application/zip,application/octet-stream}' from storage.buckets where id = 'documents'$$,
  $$values (false, 20971520::bigint, false)$$, 'the bucket is private, limited in size, and takes nothing that runs');

select tests.authenticate_as((select counselor from people));

create temp table first on commit drop as select pg_temp.begins() as upload;

grant select on first to public;

select results_eq(
  $$select upload ->> 'version_no', upload ->> 'bucket', upload ->> 'mime_type', (upload ->> 'path') like (upload ->> 'document_id') || '/%' from first$$,
  $$values ('1', 'documents', 'application/pdf', true)$$, 'an upload is told its path');

select results_eq(
  $$select d.document_name, d.status, d.version_no, v.state, v.uploaded_by
    from first join public.documents d on d.id = (upload ->> 'document_id')::uuid join public.document_versions v on v.document_id = d.id$$,
  $$select 'scan.pdf', 'pending', null::integer, 'uploading', counselor from people$$, 'its document is there, without a file yet');

select is(tests.refusal(call), said, format('what is refused at once: %s', what))
from (values
  ('select pg_temp.begins(p_type => ''application/x-msdownload'')', 'PT415 document_kind_refused: application/x-msdownload', 'a kind that is not taken'),
  ('select pg_temp.begins(p_type => null)', 'PT415 document_kind_refused', 'no kind'),
  ('select pg_temp.begins(p_size => 20971521)', 'PT413 document_too_large: 20971521 of 20971520 bytes', 'too much'),
  ('select pg_temp.begins(p_size => 0)', 'PT422 document_empty', 'nothing'),
  ('select pg_temp.begins(gen_random_uuid())', 'PT404 not_found: documents', 'a version of what is not there')
) t (call, said, what);

select is(
  tests.refusal(format('select public.document_begin_upload(''x'', ''application/pdf'', 1, %L, p_is_confidential => true)', upload ->> 'document_id')),
  'PT422 argument_invalid: p_document_id is a document that has the rest already', 'what would be overheard is refused') from first;

create temp table named on commit drop as
select pg_temp.begins(p_name => t.name) ->> 'path' as path, t.expected, t.what
from (values
  ('../../etc/passwd', 'passwd', 'a path'), ('C:\Users\me\Zeugnis.pdf', 'Zeugnis.pdf', 'a path of Windows'),
  ('प्रमाणपत्र 証明書 é.pdf', 'प्रमाणपत्र 証明書 é.pdf', 'any script'), (E'cafe\u0301.pdf', E'caf\u00e9.pdf', 'letters in pieces'),
  (E'invoice\u202efdp.exe', 'invoicefdp.exe', 'what is written backwards'), (E'a\r\nb\tc.pdf', 'abc.pdf', 'several lines'), ('folder/', 'file', 'nothing')
) t (name, expected, what);

select is(v.file_name, n.expected, format('of %s the name is taken', n.what)) from named n join public.document_versions v on v.storage_path = n.path;

select results_eq(
  $$select bool_and(v.storage_path ~ '^[0-9a-f-]{36}/[0-9a-f-]{36}$') from public.document_versions v, people where v.uploaded_by = counselor$$, $$values (true)$$,
  'and the path has none of it');

select throws_ok(
  format('insert into public.document_versions (document_id, file_name, mime_type, size_bytes, state) values (%L, ''x'', ''application/pdf'', 1, ''ready'')', upload ->> 'document_id'), '42501', null,
  'nobody calls their own file good') from first;

select tests.authenticate_as((select colleague from people));

select throws_ok('select pg_temp.begins()', '42501', null, 'nobody files on a lead they do not see');

select is(tests.refusal(format('select pg_temp.begins(%L)', upload ->> 'document_id')), 'PT404 not_found: documents', 'nor a version of its documents') from first;

select throws_ok(
  format('insert into public.document_versions (document_id, file_name, mime_type, size_bytes) values (%L, ''x'', ''application/pdf'', 1)', upload ->> 'document_id'), '42501', null,
  'not even past the RPC') from first;

-- Uploading

create function pg_temp.puts(p_path text) returns text language sql as $$
  select tests.refusal(format('insert into storage.objects (bucket_id, name) values (''documents'', %L)', p_path));
$$;

grant execute on function pg_temp.puts(text) to public;

select isnt(pg_temp.puts(upload ->> 'path'), null, 'nobody else uploads to it') from first;

select tests.authenticate_as((select manager from people));

select isnt(pg_temp.puts(upload ->> 'path'), null, 'not even who sees the document') from first;

select tests.authenticate_as((select counselor from people));

select isnt(pg_temp.puts(name), null, format('nor who began it to %s', what))
from first cross join lateral (values (upload ->> 'document_id', 'its folder'), ((upload ->> 'path') || '/x', 'a place below'), ('x.pdf', 'the top'), (gen_random_uuid() || '/' || gen_random_uuid(), 'any other')) t (name, what);

select is(
  tests.refusal(format('select public.document_complete_upload(%L, 1)', upload ->> 'document_id')), 'PT422 document_file_missing: ' || (upload ->> 'path'),
  'it is not complete before the file is there') from first;

select tests.clear_authentication();

update public.document_versions v set expires_at = now() from first where v.storage_path = upload ->> 'path';

select tests.authenticate_as((select counselor from people));

select isnt(pg_temp.puts(upload ->> 'path'), null, 'nor is the file taken when its time is over') from first;

select tests.clear_authentication();

update public.document_versions v set expires_at = now() + interval '1 minute' from first where v.storage_path = upload ->> 'path';

select tests.authenticate_as((select counselor from people));

select is(pg_temp.puts(upload ->> 'path'), null, 'the file goes to its path') from first;

select is_empty($$select from storage.objects o, first where o.name = upload ->> 'path'$$, 'where nobody reads it before it was checked');

select results_eq(
  $$select (public.document_complete_upload((upload ->> 'document_id')::uuid, 1)).state from first$$, $$values ('checking')$$, 'then it is complete, and to be checked');

select results_eq(
  $$select (public.document_complete_upload((upload ->> 'document_id')::uuid, 1)).state from first$$, $$values ('checking')$$, 'however often one says so');

select isnt(pg_temp.puts(upload ->> 'path'), null, 'it is not overwritten') from first;

select tests.clear_authentication();

select is(
  (select count(*) from private.jobs j, first, public.document_versions v where v.storage_path = upload ->> 'path' and j.kind = 'document.check' and j.payload = jsonb_build_object('version_id', v.id)), 1::bigint,
  'one job checks it');

select is(
  private.document_to_check((select v.id from public.document_versions v, first where v.storage_path = upload ->> 'path')),
  (select jsonb_build_object('path', upload ->> 'path', 'mime_type', 'application/pdf', 'stored_type', null, 'max_bytes', 20971520) from first), 'which is told what it needs');

-- Found good

create function pg_temp.found(p_upload jsonb, p_fault text default null, p_detail text default null) returns void language sql as $$
  select private.document_checked(v.id, 11, case when p_fault is null then repeat('a', 64) end, p_fault, p_detail) from public.document_versions v where v.storage_path = p_upload ->> 'path';
$$;

select pg_temp.found(upload) from first;

select results_eq(
  $$select d.version_no, d.storage_path = upload ->> 'path', d.file_name, d.mime_type, d.size_bytes, d.status from first join public.documents d on d.id = (upload ->> 'document_id')::uuid$$,
  $$values (1, true, 'scan.pdf', 'application/pdf', 11::bigint, 'pending')$$, 'a good file is the document''s');

select is(private.document_to_check((select v.id from public.document_versions v, first where v.storage_path = upload ->> 'path')), null, 'and checked once');

select pg_temp.found(upload, 'document_empty') from first;

select is((select v.state from public.document_versions v, first where v.storage_path = upload ->> 'path'), 'ready', 'a second verdict changes nothing');

select results_eq(
  $$select m.payload - 'id' from realtime.messages m, people where m.topic = 'user:' || counselor and m.event = 'document_checked'$$,
  $$select jsonb_build_object('document_id', upload ->> 'document_id', 'version_no', 1, 'state', 'ready', 'fault', null) from first$$, 'who uploaded it hears of it, in ids');

-- Versions

select tests.authenticate_as((select counselor from people));

create temp table next on commit drop as
select pg_temp.begins((upload ->> 'document_id')::uuid) as second, pg_temp.begins((upload ->> 'document_id')::uuid) as third, pg_temp.begins((upload ->> 'document_id')::uuid) as fourth from first;

grant select on next to public;

select results_eq('select second ->> ''version_no'', third ->> ''version_no'' from next', $$values ('2', '3')$$, 'versions are numbered');

select tests.clear_authentication();

select pg_temp.comes(upload) from next, lateral unnest(array[second, third, fourth]) upload;

select private.document_complete(v.id) from public.document_versions v, next where v.storage_path in (second ->> 'path', third ->> 'path', fourth ->> 'path');

select pg_temp.found(third) from next;

select pg_temp.found(second) from next;

select is((select d.version_no from first join public.documents d on d.id = (upload ->> 'document_id')::uuid), 3, 'what was begun later counts, whichever was ready first');

select pg_temp.found(fourth, 'document_content_mismatch', 'Said to be a PDF, it is a Windows program.') from next;

select results_eq(
  $$select v.version_no, v.state, v.fault from first join public.document_versions v on v.document_id = (upload ->> 'document_id')::uuid order by v.version_no$$,
  $$values (1, 'ready', null), (2, 'ready', null), (3, 'ready', null), (4, 'refused', 'document_content_mismatch')$$, 'a refused one says why');

select results_eq(
  $$select d.version_no, d.status from first join public.documents d on d.id = (upload ->> 'document_id')::uuid$$, $$values (3, 'pending')$$, 'and leaves the one before in its place');

select results_eq(
  $$select n.title, n.message, n.metadata ->> 'fault' from public.notifications n, people where n.user_id = counselor and n.metadata ->> 'event' = 'document_refused'$$,
  $$select 'Document refused', 'Certificate of ' || l.lead_id || ': The content of the file is not what it was said to be. Said to be a PDF, it is a Windows program.', 'document_content_mismatch'
    from given join public.leads l on l.id = lead$$,
  'who uploaded it is told');

select tests.authenticate_as((select manager from people));

select set_eq(
  $$select o.name from storage.objects o, first where o.name like (upload ->> 'document_id') || '/%'$$,
  $$select unnest(array[upload ->> 'path', second ->> 'path', third ->> 'path']) from first, next$$, 'who sees the document reads every good version, and no other');

select is(
  public.document_open((upload ->> 'document_id')::uuid, 1) - 'checksum' - 'document_id',
  jsonb_build_object('bucket', 'documents', 'path', upload ->> 'path', 'version_no', 1, 'file_name', 'scan.pdf', 'mime_type', 'application/pdf', 'size_bytes', 11), 'an old one is opened by its number') from first;

select is(tests.refusal(format('select public.document_open(%L, 4)', upload ->> 'document_id')), 'PT404 not_found: documents', 'a refused one is not') from first;

select is_empty('select from public.document_openings', 'of what is not confidential nothing is remembered');

select tests.authenticate_as((select colleague from people));

select is_empty($$select from storage.objects where bucket_id = 'documents'$$, 'who does not see it reads none');

select is_empty('select from public.document_versions', 'nor hears of versions');

select is(tests.refusal(format('select public.document_open(%L)', upload ->> 'document_id')), 'PT404 not_found: documents', 'nor opens it') from first;

-- Confidential

select tests.authenticate_as((select counselor from people));

update public.documents d set is_confidential = true from first where d.id = (upload ->> 'document_id')::uuid;

select is_empty($$select from storage.objects where bucket_id = 'documents'$$, 'a confidential file is not even its owner''s to read unseen');

select is(public.document_open((upload ->> 'document_id')::uuid) ->> 'version_no', '3', 'they open it') from first;

select results_eq($$select o.name from storage.objects o where o.bucket_id = 'documents'$$, $$select third ->> 'path' from next$$, 'and read that one version');

select throws_ok(
  format('insert into public.document_openings (document_id, version_no, opened_at) values (%L, 3, now() + interval ''1 year'')', upload ->> 'document_id'), '42501', null,
  'not for longer by their own word') from first;

select tests.authenticate_as((select manager from people));

select is_empty($$select from storage.objects where bucket_id = 'documents'$$, 'who may see it opens it for themselves alone');

select results_eq('select version_no, user_id from public.document_openings', 'select 3, counselor from people', 'and sees who did');

select tests.authenticate_as((select colleague from people));

select throws_ok(
  format('insert into public.document_openings (document_id, version_no) values (%L, 3)', upload ->> 'document_id'), '42501', null, 'nobody opens what they do not see') from first;

select is_empty('select from public.document_openings', 'or learns who did');

select tests.clear_authentication();

update public.document_openings set opened_at = now() - interval '5 minutes';

select tests.authenticate_as((select counselor from people));

select is_empty($$select from storage.objects where bucket_id = 'documents'$$, 'after five minutes it is closed');

select throws_ok('update public.document_openings set user_id = null', '42501', null, 'an entry is not changed');

select throws_ok('delete from public.document_openings', '42501', null, 'nor deleted');

-- Refused at first

create temp table fake on commit drop as select pg_temp.begins() as upload;

select tests.clear_authentication();

select private.document_complete(pg_temp.comes(upload)) from fake;

select pg_temp.found(upload, 'document_content_mismatch', 'Said to be a PDF, it is a Windows program.') from fake;

select results_eq(
  $$select d.status, d.verification_notes, d.verified_by, d.version_no from fake join public.documents d on d.id = (upload ->> 'document_id')::uuid$$,
  $$values ('rejected', 'The content of the file is not what it was said to be. Said to be a PDF, it is a Windows program.', null::uuid, null::integer)$$,
  'a document whose only file is refused is rejected, and says why');

select is((select count(*) from public.notifications n, fake where n.metadata ->> 'document_id' = upload ->> 'document_id'), 1::bigint, 'which is told once');

select results_eq(
  $$select f.name from fake cross join lateral private.files_to_remove(null, null, null, p_document_ids => array[(upload ->> 'document_id')::uuid]) f$$,
  'select upload ->> ''path'' from fake', 'its file is to be removed');

select isnt_empty(
  $$select from private.jobs j, fake where j.kind = 'files.remove' and j.payload -> 'document_ids' ? (upload ->> 'document_id')$$, 'by the worker');

select is_empty($$select f.name from first cross join lateral private.files_to_remove(null, null, null, p_document_ids => array[(upload ->> 'document_id')::uuid]) f where f.name in (upload ->> 'path')$$, 'which leaves good ones');

-- Sweeping

select tests.authenticate_as((select counselor from people));

create temp table swept on commit drop as
select pg_temp.begins() as forgotten, pg_temp.begins() as fresh, pg_temp.begins() as silent, public.document_begin_upload('x.pdf', 'application/pdf', 1, p_lead_id => lead, p_is_required => true) as missing from given;

select tests.clear_authentication();

select pg_temp.comes(silent) from swept;

update public.document_versions v set expires_at = now() - interval '1 second' from swept where v.storage_path in (forgotten ->> 'path', missing ->> 'path');

update public.documents d set created_at = now() - interval '2 days' from swept where d.id in ((forgotten ->> 'document_id')::uuid, (missing ->> 'document_id')::uuid);

select ok(private.documents_sweep() >= 3, 'the sweep finds work');

select results_eq(
  $$select v.state from swept cross join lateral unnest(array[silent, fresh, forgotten, missing]) with ordinality u (upload, place) left join public.document_versions v on v.storage_path = upload ->> 'path' order by place$$,
  $$values ('checking'), ('uploading'), (null), (null)$$, 'a file that is there is complete though nobody said so; what never came has ended, what may come has not');

select results_eq(
  $$select d.is_required from swept join public.documents d on d.id in ((forgotten ->> 'document_id')::uuid, (missing ->> 'document_id')::uuid)$$, $$values (true)$$,
  'a document made for it goes too, unless it is required');

select is_empty($$select from private.document_strays() s, people where s.name in (select v.storage_path from public.document_versions v where v.state <> 'refused')$$, 'no file that a version has is astray');

insert into storage.objects (bucket_id, name) select 'documents', forgotten ->> 'path' from swept;

select isnt_empty($$select from private.document_strays() s, swept where s.name = forgotten ->> 'path'$$, 'one that comes after its version ended is');

select is(
  (select count(*) from pg_policies p where p.schemaname = 'storage' and p.tablename = 'objects' and p.policyname like 'intake_documents_%' and p.cmd in ('UPDATE', 'DELETE', 'ALL')), 0::bigint,
  'no client changes or removes a file');

select * from finish();

rollback;

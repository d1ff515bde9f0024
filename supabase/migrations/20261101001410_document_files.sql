-- Document files: the versions of a document's file, from the promise to upload one until it is removed.
--
-- A file goes to the bucket documents under the path that document_begin_upload() gives, and counts once the
-- worker has looked into it and found what it was said to be. Until then, and when it is refused, the
-- one before it counts. Nothing is ever overwritten, and a path has nothing in it that a person chose.

-- Tables

create table public.document_versions (
  id uuid primary key default private.uuid_v7(),
  document_id uuid not null references public.documents (id) on delete cascade,
  version_no integer not null,
  storage_path text not null generated always as (document_id::text || '/' || id::text) stored,
  file_name text not null,
  mime_type text not null,
  size_bytes bigint not null,
  checksum text,
  state text not null default 'uploading',
  fault text,
  fault_detail text,
  uploaded_by uuid references public.profiles (id) on delete set null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  checked_at timestamptz,
  constraint document_versions_have_a_number_each unique (document_id, version_no),
  constraint document_versions_file_name_is_a_name check (file_name <> '' and length(file_name) <= 255 and file_name !~ '[/\\[:cntrl:]]'),
  constraint document_versions_have_a_size check (size_bytes > 0),
  constraint document_versions_state_is_known check (state in ('uploading', 'checking', 'ready', 'refused')),
  constraint document_versions_checksum_is_sha256 check (checksum ~ '^[0-9a-f]{64}$'),
  constraint document_versions_that_are_ready_have_a_checksum check (state <> 'ready' or checksum is not null),
  constraint document_versions_that_are_refused_say_why check ((state = 'refused') = (fault is not null)),
  constraint document_versions_that_are_checked_say_when check ((state in ('ready', 'refused')) = (checked_at is not null))
);

-- Partial, so that a change of the row locks out nobody who refers to it.
create unique index document_versions_path_is_unique on public.document_versions (storage_path) where storage_path is not null;

comment on table public.document_versions is 'The versions of a document''s file. Of those that are ready the newest counts; the others stay readable. Read by document.';

comment on column public.document_versions.storage_path is 'Where the file is to be uploaded to, and then lies, in the bucket documents.';

comment on column public.document_versions.file_name is 'What the file was called: to show, and to download under.';

comment on column public.document_versions.checksum is 'SHA-256 of the file, in hexadecimal.';

comment on column public.document_versions.state is 'uploading, checking once the file is there, then ready, or refused.';

comment on column public.document_versions.fault is 'Why it was refused: a code of error_codes.';

comment on column public.document_versions.expires_at is 'Until then the file must be uploaded.';

create index document_versions_of_uploader on public.document_versions (uploaded_by) where uploaded_by is not null;

create index document_versions_uploading on public.document_versions (created_at) where state = 'uploading';

create table public.document_openings (
  id uuid primary key default private.uuid_v7(),
  document_id uuid not null,
  version_no integer not null,
  user_id uuid default auth.uid() references public.profiles (id) on delete set null,
  opened_at timestamptz not null default now(),
  constraint document_openings_are_of_a_version foreign key (document_id, version_no)
    references public.document_versions (document_id, version_no) on delete cascade
);

comment on table public.document_openings is 'Who opened which confidential file when. Kept as long as the document; nobody changes or deletes an entry.';

create index document_openings_of_version on public.document_openings (document_id, version_no, user_id, opened_at desc);

create index document_openings_of_person on public.document_openings (user_id) where user_id is not null;

insert into storage.buckets (id, name, public, file_size_limit, allowed_mime_types) values (
  'documents', 'documents', false, 20971520,
  array[
    'application/pdf', 'image/png', 'image/jpeg', 'image/webp', 'image/heic',
    'application/msword', 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
    'application/vnd.ms-excel', 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
    'application/vnd.ms-powerpoint', 'application/vnd.openxmlformats-officedocument.presentationml.presentation'
  ]
);

-- Policies

alter table public.document_versions enable row level security;

alter table public.document_openings enable row level security;

create policy document_versions_read on public.document_versions for select to authenticated
  using ((select d.id from public.documents d where d.id = document_versions.document_id) is not null);

comment on policy document_versions_read on public.document_versions is 'Where the document is visible. Always read by document_id.';

create policy document_versions_create on public.document_versions for insert to authenticated
  with check (
    uploaded_by = (select private.gate_own())
    and (select private.has_permission('leads.update'))
    and (select d.id from public.documents d where d.id = document_versions.document_id) is not null
  );

comment on policy document_versions_create on public.document_versions is 'In one''s own name, of a document that one sees. Needs leads.update.';

create policy document_openings_read on public.document_openings for select to authenticated
  using (
    (user_id = (select private.gate_own()) or (select private.has_permission('documents.confidential')))
    and (select d.id from public.documents d where d.id = document_openings.document_id) is not null
  );

comment on policy document_openings_read on public.document_openings is 'One''s own, and with documents.confidential those of others; of documents that one sees. Always read by document_id.';

create policy document_openings_create on public.document_openings for insert to authenticated
  with check (
    user_id = (select private.gate_own())
    and (select d.id from public.documents d where d.id = document_openings.document_id) is not null
  );

comment on policy document_openings_create on public.document_openings is 'By oneself, of a document that one sees.';

create policy intake_documents_read on storage.objects for select to authenticated
  using (
    bucket_id = 'documents'
    and (
      select v.id
      from public.document_versions v
      join public.documents d on d.id = v.document_id
      where v.storage_path = objects.name and v.state = 'ready'
        and (
          not d.is_confidential
          or exists (
            select from public.document_openings o
            where o.document_id = v.document_id and o.version_no = v.version_no
              and o.user_id = (select private.gate_own()) and o.opened_at > now() - interval '5 minutes'
          )
        )
    ) is not null
  );

create policy intake_documents_create on storage.objects for insert to authenticated
  with check (
    bucket_id = 'documents'
    and (
      select v.id
      from public.document_versions v
      where v.storage_path = objects.name and v.state = 'uploading' and v.uploaded_by = (select private.gate_own()) and v.expires_at > now()
    ) is not null
  );

-- Triggers

create function private.prepare_document_version() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  bucket storage.buckets;
begin
  -- Versions of one document are numbered one after the other.
  perform from public.documents d where d.id = new.document_id and d.deleted_at is null for no key update;

  if not found then
    perform private.refuse_missing('not_found', 'documents');
  end if;

  select * into bucket from storage.buckets b where b.id = 'documents';

  -- The last part of a path, without what would show it as another name than it is.
  new.file_name := coalesce(nullif(left(btrim(regexp_replace(
    regexp_replace(normalize(coalesce(new.file_name, '')), '^.*[/\\]', ''), '[[:cntrl:]\u200e\u200f\u202a-\u202e\u2066-\u2069]', '', 'g'
  )), 255), ''), 'file');
  new.mime_type := lower(btrim(split_part(new.mime_type, ';', 1)));

  if new.mime_type is null or new.mime_type <> all (bucket.allowed_mime_types) then
    perform private.fail('document_kind_refused', left(new.mime_type, 120));
  end if;

  if new.size_bytes > bucket.file_size_limit then
    perform private.fail('document_too_large', new.size_bytes || ' of ' || bucket.file_size_limit || ' bytes');
  end if;

  if new.size_bytes < 1 then
    perform private.fail('document_empty');
  end if;

  select coalesce(max(v.version_no), 0) + 1 into new.version_no from public.document_versions v where v.document_id = new.document_id;

  new.uploaded_by := coalesce(new.uploaded_by, private.gate_own());
  new.expires_at := coalesce(new.expires_at, now() + interval '1 day');

  return new;
end
$$;

comment on function private.prepare_document_version() is 'Numbers the version, takes the name of the file alone, and refuses at once what the bucket would: kind and size.';

create trigger prepare_document_version before insert on public.document_versions
  for each row execute function private.prepare_document_version();

-- Functions

create function private.document_complete(p_version_id uuid) returns boolean
language plpgsql volatile security definer set search_path = '' as $$
begin
  update public.document_versions v
  set state = 'checking'
  where v.id = p_version_id and v.state = 'uploading'
    and exists (select from storage.objects o where o.bucket_id = 'documents' and o.name = v.storage_path);

  if not found then
    return false;
  end if;

  perform private.enqueue('document.check', jsonb_build_object('version_id', p_version_id), p_dedupe_key => p_version_id::text);

  return true;
end
$$;

comment on function private.document_complete(uuid) is 'If the file of a version is there, it goes to be checked. Says no more than what is so, hence asks nobody who they are.';

create function private.document_to_check(p_version_id uuid) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  return (
    select jsonb_build_object('path', v.storage_path, 'mime_type', v.mime_type, 'stored_type', o.metadata ->> 'mimetype', 'max_bytes', b.file_size_limit)
    from public.document_versions v
    join storage.buckets b on b.id = 'documents'
    left join storage.objects o on o.bucket_id = b.id and o.name = v.storage_path
    where v.id = p_version_id and v.state = 'checking'
  );
end
$$;

comment on function private.document_to_check(uuid) is 'What the worker needs to check a file; null if it is not to be checked.';

create function private.document_checked(p_version_id uuid, p_size_bytes bigint, p_checksum text, p_fault text default null, p_detail text default null)
returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
  document public.documents;
  made public.document_versions;
  said text;
begin
  -- The document first, as whoever begins a version does.
  select d.* into document
  from public.documents d
  where d.id = (select v.document_id from public.document_versions v where v.id = p_version_id)
  for no key update;

  update public.document_versions v
  set state = case when p_fault is null then 'ready' else 'refused' end,
    fault = p_fault,
    fault_detail = left(p_detail, 500),
    checksum = p_checksum,
    size_bytes = case when p_size_bytes > 0 then p_size_bytes else v.size_bytes end,
    checked_at = clock_timestamp()
  where v.id = p_version_id and v.state = 'checking'
  returning * into made;

  if made.id is null then
    return;
  end if;

  if p_fault is null then
    -- Never back: what was begun later may have been ready sooner.
    update public.documents d
    set version_no = made.version_no, storage_path = made.storage_path, file_name = made.file_name, mime_type = made.mime_type, size_bytes = made.size_bytes
    where d.id = made.document_id and (d.version_no is null or d.version_no < made.version_no);
  else
    select e.message || coalesce(' ' || p_detail, '') into said from public.error_codes e where e.code = p_fault;

    perform private.enqueue('files.remove', jsonb_build_object('document_ids', jsonb_build_array(made.document_id)));

    if document.version_no is null and document.status = 'pending' then
      update public.documents d set status = 'rejected', verification_notes = said where d.id = made.document_id;
    else
      perform private.notify(
        made.uploaded_by, 'Document refused', private.document_label(document) || ': ' || said, 'warning', 'normal', document.lead_id,
        p_metadata => jsonb_build_object('event', 'document_refused', 'document_id', document.id, 'version_no', made.version_no, 'fault', p_fault),
        p_student_id => document.student_id
      );
    end if;
  end if;

  if made.uploaded_by is not null then
    perform realtime.send(
      jsonb_build_object('document_id', made.document_id, 'version_no', made.version_no, 'state', made.state, 'fault', made.fault),
      'document_checked', 'user:' || made.uploaded_by, true
    );
  end if;
end
$$;

comment on function private.document_checked(uuid, bigint, text, text, text) is 'Ends the check of a file. Good: it counts from now on, and the document is pending. Refused, with a code of the catalogue: it is removed, who handed it in is told, and a document without any other file is rejected.';

create function private.documents_sweep(p_limit integer default 500) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  swept integer;
  gone integer;
begin
  select count(*) into swept
  from (
    select v.id
    from public.document_versions v
    where v.state = 'uploading' and exists (select from storage.objects o where o.bucket_id = 'documents' and o.name = v.storage_path)
    order by v.created_at
    limit p_limit
  ) v
  where private.document_complete(v.id);

  delete from public.document_versions v
  where v.id = any (array(
    select x.id
    from public.document_versions x
    where x.state = 'uploading' and x.expires_at < now()
      and not exists (select from storage.objects o where o.bucket_id = 'documents' and o.name = x.storage_path)
    order by x.created_at
    limit p_limit
    for update skip locked
  ));

  get diagnostics gone = row_count;
  swept := swept + gone;

  -- What is required stays: it is what is missing.
  delete from public.documents d
  where d.id = any (array(
    select x.id
    from public.documents x
    where x.version_no is null and x.status = 'pending' and not x.is_required and x.deleted_at is null
      and x.created_at < now() - interval '1 day'
      and not exists (select from public.document_versions v where v.document_id = x.id)
    order by x.created_at
    limit p_limit
    for update skip locked
  ));

  get diagnostics gone = row_count;

  return swept + gone;
end
$$;

comment on function private.documents_sweep(integer) is 'Completes uploads whose file is there though nobody said so, and ends those that never came, with documents that were made for them alone. Answers how many.';

create function private.document_strays(p_limit integer default 500) returns table (bucket text, name text)
language plpgsql stable security definer set search_path = '' as $$
begin
  return query
  select o.bucket_id, o.name
  from storage.objects o
  where o.bucket_id = 'documents'
    and not exists (select from public.document_versions v where v.storage_path = o.name and v.state <> 'refused')
  limit p_limit;
end
$$;

comment on function private.document_strays(integer) is 'Files of the bucket documents that no version has: what came when its row was gone. Reads the whole bucket: once a night.';

-- RPCs

create function public.document_begin_upload(
  p_file_name text,
  p_mime_type text,
  p_size_bytes bigint,
  p_document_id uuid default null,
  p_document_name text default null,
  p_document_type text default null,
  p_student_id uuid default null,
  p_lead_id uuid default null,
  p_is_required boolean default null,
  p_is_confidential boolean default null,
  p_access_level text default null,
  p_notes text default null
) returns jsonb
language plpgsql volatile security invoker set search_path = '' as $$
declare
  document uuid := p_document_id;
  made public.document_versions;
begin
  if document is not null
    and num_nonnulls(p_document_name, p_document_type, p_student_id, p_lead_id, p_is_required, p_is_confidential, p_access_level, p_notes) > 0 then
    perform private.fail('argument_invalid', 'p_document_id is a document that has the rest already');
  end if;

  if document is null then
    insert into public.documents (student_id, lead_id, document_name, document_type, is_required, is_confidential, access_level, notes)
    values (
      p_student_id, p_lead_id, coalesce(nullif(btrim(p_document_name), ''), p_file_name), coalesce(p_document_type, 'other'),
      coalesce(p_is_required, false), coalesce(p_is_confidential, false), p_access_level, p_notes
    )
    returning id into document;
  elsif not exists (select from public.documents d where d.id = document) then
    perform private.fail('not_found', 'documents');
  end if;

  insert into public.document_versions (document_id, file_name, mime_type, size_bytes)
  values (document, p_file_name, p_mime_type, p_size_bytes)
  returning * into made;

  return jsonb_build_object(
    'document_id', made.document_id, 'version_no', made.version_no, 'bucket', 'documents', 'path', made.storage_path,
    'mime_type', made.mime_type, 'expires_at', made.expires_at
  );
end
$$;

comment on function public.document_begin_upload(text, text, bigint, uuid, text, text, uuid, uuid, boolean, boolean, text, text) is 'Begins to upload a file (its name, type and size) as a new document of a student or lead, or, with p_document_id, as the next version of one. Answers {document_id, version_no, bucket, path, mime_type, expires_at}: upload to that path with that type, directly or by createSignedUploadUrl(), then call document_complete_upload(). PDF, images and office documents up to 20 MiB. Needs leads.update. Errors: argument_invalid, not_found, document_kind_refused, document_too_large, document_empty. Answers D0-016, D0-065, D0-068, D0-069.';

create function public.document_complete_upload(p_document_id uuid, p_version_no integer) returns public.document_versions
language plpgsql volatile security invoker set search_path = '' as $$
declare
  made public.document_versions;
begin
  select * into made from public.document_versions v where v.document_id = p_document_id and v.version_no = p_version_no;

  if made.id is null then
    perform private.fail('not_found', 'document_versions');
  end if;

  if made.state = 'uploading' then
    if not private.document_complete(made.id) then
      perform private.fail('document_file_missing', made.storage_path);
    end if;

    select * into made from public.document_versions v where v.id = made.id;
  end if;

  return made;
end
$$;

comment on function public.document_complete_upload(uuid, integer) is 'Says that the file was uploaded; it goes to be checked. Answers the version; when it is ready or refused, document_checked on user:<id> says so. Errors: not_found, document_file_missing. Answers D0-016.';

create function public.document_open(p_document_id uuid, p_version_no integer default null) returns jsonb
language plpgsql volatile security invoker set search_path = '' as $$
declare
  document public.documents;
  wanted public.document_versions;
begin
  select * into document from public.documents d where d.id = p_document_id;

  select * into wanted
  from public.document_versions v
  where v.document_id = document.id and v.version_no = coalesce(p_version_no, document.version_no) and v.state = 'ready';

  if wanted.id is null then
    perform private.fail('not_found', 'documents');
  end if;

  if document.is_confidential then
    insert into public.document_openings (document_id, version_no) values (wanted.document_id, wanted.version_no);
  end if;

  return jsonb_build_object(
    'document_id', wanted.document_id, 'version_no', wanted.version_no, 'bucket', 'documents', 'path', wanted.storage_path,
    'file_name', wanted.file_name, 'mime_type', wanted.mime_type, 'size_bytes', wanted.size_bytes, 'checksum', wanted.checksum
  );
end
$$;

comment on function public.document_open(uuid, integer) is 'Where the file of a document lies, the current one or an older version: {document_id, version_no, bucket, path, file_name, mime_type, size_bytes, checksum}. That a confidential one was opened is remembered, and lets the caller sign or download it for five minutes. Errors: not_found. Answers D0-067, D0-068.';

-- Schedules

insert into private.job_schedules (name, cron, kind, priority) values
  ('documents.sweep', '*/10 * * * *', 'documents.sweep', -1),
  ('documents.strays', '47 21 * * *', 'documents.strays', -1);

-- Grants

revoke all on public.document_versions, public.document_openings from anon, authenticated, service_role;

grant select, insert (document_id, file_name, mime_type, size_bytes) on public.document_versions to authenticated;

grant select, insert (document_id, version_no) on public.document_openings to authenticated;

grant select, insert, update, delete on public.document_versions, public.document_openings to service_role;

revoke all on function
  private.prepare_document_version(),
  private.document_complete(uuid),
  private.document_to_check(uuid),
  private.document_checked(uuid, bigint, text, text, text),
  private.documents_sweep(integer),
  private.document_strays(integer),
  public.document_begin_upload(text, text, bigint, uuid, text, text, uuid, uuid, boolean, boolean, text, text),
  public.document_complete_upload(uuid, integer),
  public.document_open(uuid, integer)
  from public, anon, authenticated, service_role;

grant execute on function
  private.document_complete(uuid),
  public.document_begin_upload(text, text, bigint, uuid, text, text, uuid, uuid, boolean, boolean, text, text),
  public.document_complete_upload(uuid, integer),
  public.document_open(uuid, integer)
  to authenticated;

grant execute on function
  private.document_to_check(uuid),
  private.document_checked(uuid, bigint, text, text, text),
  private.documents_sweep(integer),
  private.document_strays(integer)
  to service_role;

-- This module's errors

insert into public.error_codes (code, sqlstate, message, hint) values
  ('document_kind_refused', 'PT415', 'Files of this kind are not taken.', 'Send a PDF, a PNG, JPEG, WebP or HEIC image, or a Word, Excel or PowerPoint document.'),
  ('document_too_large', 'PT413', 'The file is too large.', 'Documents may have up to 20 MiB.'),
  ('document_empty', 'PT422', 'The file is empty.', 'Choose another file.'),
  ('document_file_missing', 'PT422', 'There is no file at the path of this version.', 'Upload it to the path that document_begin_upload() gave.'),
  ('document_content_mismatch', 'PT422', 'The content of the file is not what it was said to be.', 'Save it in the format that its name says, or send it as what it is.'),
  ('document_unreadable', 'PT503', 'The file could not be read to check it.', 'Upload it again.');

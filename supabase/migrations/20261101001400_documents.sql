-- Documents: papers of students and leads, asked for, handed in and verified.
--
-- A document is seen where its student is, else where its lead is; one that is restricted, private or
-- confidential by fewer of them. A decision is about the file there is: a new one makes it pending again. Files,
-- their versions and who opened them are in the module document_files.

-- Tables

create table public.documents (
  id uuid primary key default private.uuid_v7(),
  -- First and of fixed width, because a policy reads them of every row that a scan meets.
  lead_owner_id uuid references public.profiles (id) on delete set null,
  team_id uuid references public.teams (id) on delete set null,
  uploaded_by uuid references public.profiles (id) on delete set null,
  created_at timestamptz not null default now(),
  deleted_at timestamptz,
  is_required boolean not null default false,
  is_confidential boolean not null default false,
  deleted_by uuid,
  lead_id uuid references public.leads (id) on delete cascade,
  student_id uuid references public.students (id) on delete cascade,
  access_level text not null default 'standard',
  document_name text not null,
  document_type text not null,
  notes text,
  status text not null default 'pending',
  verification_notes text,
  verified_by uuid references public.profiles (id) on delete set null,
  verified_at timestamptz,
  version_no integer,
  storage_path text,
  file_name text,
  mime_type text,
  size_bytes bigint,
  updated_at timestamptz not null default now(),
  version bigint not null default 1,
  constraint documents_belong_to_somebody check (num_nonnulls(lead_id, student_id) >= 1),
  constraint documents_have_a_name check (btrim(document_name) <> '' and length(document_name) <= 300),
  constraint documents_type_is_a_word check (document_type ~ '^[a-z0-9][a-z0-9_]{0,59}$'),
  constraint documents_access_level_is_known check (access_level in ('standard', 'restricted', 'private')),
  constraint documents_status_is_known check (status in ('pending', 'verified', 'rejected')),
  constraint documents_texts_are_short check (length(notes) <= 4000 and length(verification_notes) <= 4000),
  constraint documents_that_are_verified_have_a_file check (status <> 'verified' or version_no is not null),
  constraint documents_that_are_decided_say_when check ((status = 'pending') = (verified_at is null)),
  constraint documents_that_are_pending_name_nobody check (status <> 'pending' or verified_by is null),
  constraint documents_file_is_known_or_not check (num_nonnulls(version_no, storage_path, file_name, mime_type, size_bytes) in (0, 5)),
  constraint documents_deleted_by_needs_deleted_at check (deleted_by is null or deleted_at is not null)
) with (fillfactor = 90);

comment on table public.documents is 'Papers of students and leads. Made with their file by document_begin_upload(), or inserted without one: what is required and has no version_no is missing. List: select().eq("student_id", id).order("created_at", {ascending: false}).';

comment on column public.documents.lead_owner_id is 'The owner of the student, else of the lead, copied by trigger.';

comment on column public.documents.team_id is 'The team of the student, else of the lead, copied by trigger.';

comment on column public.documents.uploaded_by is 'Who handed it in, or asked for it: always the caller. They see it whatever its access level, as long as they see whose it is.';

comment on column public.documents.is_required is 'It has to be there: without a file it stays, and is what is missing.';

comment on column public.documents.is_confidential is 'Seen as restricted at least, not on the timeline, and its file is read after document_open() alone, which remembers who opened it.';

comment on column public.documents.lead_id is 'The lead; of a student''s document that of the student.';

comment on column public.documents.access_level is 'Who of those who see the student or lead sees it. standard: all. restricted: who handed it in, and who holds documents.confidential. private: who handed it in, and of the others those who see everything.';

comment on column public.documents.document_type is 'What it is, in one word, for example certificate.';

comment on column public.documents.status is 'pending, then verified or rejected; pending again when there is another file.';

comment on column public.documents.verified_by is 'Who decided; null while pending, and for what the system rejected.';

comment on column public.documents.version_no is 'Which version of its file counts; null while there is none.';

comment on column public.documents.storage_path is 'The file in the bucket documents, to be signed with createSignedUrl(); of a confidential one after document_open().';

comment on column public.documents.deleted_at is 'Soft deletion: the row is in nobody''s sight, nor are its files.';

comment on column public.documents.deleted_by is 'Who deleted it; null for the system. No foreign key: it is remembered beyond the account.';

comment on column public.documents.version is 'Rises with every change of the row.';

create index documents_of_lead on public.documents (lead_id, created_at desc) where lead_id is not null;

create index documents_of_student on public.documents (student_id, created_at desc) where student_id is not null;

create index documents_of_owner on public.documents (lead_owner_id, created_at desc) where deleted_at is null;

create index documents_of_team on public.documents (team_id, created_at desc) where deleted_at is null;

create index documents_pending_of_owner on public.documents (lead_owner_id, created_at desc) where status = 'pending' and deleted_at is null;

create index documents_pending_of_team on public.documents (team_id, created_at desc) where status = 'pending' and deleted_at is null;

create index documents_by_status on public.documents (status, created_at desc) where deleted_at is null;

create index documents_newest on public.documents (created_at desc) where deleted_at is null;

create index documents_of_uploader on public.documents (uploaded_by) where uploaded_by is not null;

create index documents_of_verifier on public.documents (verified_by) where verified_by is not null;

create index documents_without_file on public.documents (created_at) where version_no is null and status = 'pending' and not is_required;

create index documents_deleted on public.documents (deleted_at, id) where deleted_at is not null;

-- Policies

alter table public.documents enable row level security;

create policy documents_read on public.documents for select to authenticated
  using (
    deleted_at is null
    and (
      (select private.gate_all()) is not null
      or team_id = (select (private.gate_team())[1])
      or lead_owner_id = (select private.gate_own())
      or team_id = any ((select (private.gate_team())[2:])::uuid[])
    )
    and (
      (access_level = 'standard' and not is_confidential)
      or uploaded_by = (select private.gate_own())
      or ((select private.has_permission('documents.confidential')) and (access_level <> 'private' or (select private.gate_all()) is not null))
    )
  );

comment on policy documents_read on public.documents is 'Where the student or lead is visible, and of those whom the access level lets. List queries should filter by lead_owner_id, team_id, student_id or lead_id themselves, so that the indexes serve.';

create policy documents_create on public.documents for insert to authenticated
  with check (
    deleted_at is null
    and uploaded_by = (select private.gate_own())
    and (select private.has_permission('leads.update'))
    and (
      (select private.gate_all()) is not null
      or team_id = (select (private.gate_team())[1])
      or lead_owner_id = (select private.gate_own())
      or team_id = any ((select (private.gate_team())[2:])::uuid[])
    )
  );

comment on policy documents_create on public.documents is 'In one''s own name, of students and leads one may see. Needs leads.update.';

create policy documents_change on public.documents for update to authenticated
  using (
    deleted_at is null
    and ((select private.has_permission('leads.update')) or (select private.has_permission('documents.verify')))
    and (
      (select private.gate_all()) is not null
      or team_id = (select (private.gate_team())[1])
      or lead_owner_id = (select private.gate_own())
      or team_id = any ((select (private.gate_team())[2:])::uuid[])
    )
    and (
      (access_level = 'standard' and not is_confidential)
      or uploaded_by = (select private.gate_own())
      or ((select private.has_permission('documents.confidential')) and (access_level <> 'private' or (select private.gate_all()) is not null))
    )
  )
  with check (
    deleted_at is null
    and ((select private.has_permission('leads.update')) or (select private.has_permission('documents.verify')))
    and (
      (access_level = 'standard' and not is_confidential)
      or uploaded_by = (select private.gate_own())
      or ((select private.has_permission('documents.confidential')) and (access_level <> 'private' or (select private.gate_all()) is not null))
    )
  );

comment on policy documents_change on public.documents is 'What one sees, and will see. A decision needs documents.verify, which a trigger asks for.';

-- Triggers

create function private.place_document() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  student public.students;
begin
  if new.student_id is null then
    return new;
  end if;

  -- Whoever moves the student waits for this row, or this row for them: neither misses the other.
  select * into student from public.students s where s.id = new.student_id for no key update;

  if student.id is null then
    perform private.refuse_missing('not_found', 'students');
  end if;

  if tg_op = 'INSERT' then
    if new.lead_id is not null and new.lead_id is distinct from student.lead_id then
      perform private.fail('argument_invalid', 'lead_id is not the lead of the student');
    end if;

    new.lead_id := student.lead_id;
  end if;

  new.lead_owner_id := student.assigned_to;
  new.team_id := student.team_id;

  -- What comes to something deleted comes back with it. For a person the policies refuse it.
  if new.deleted_at is null and student.deleted_at is not null and not private.is_restoring() then
    new.deleted_at := student.deleted_at;
  end if;

  return new;
end
$$;

comment on function private.place_document() is 'A student''s document has the lead, owner and team of the student. One of a lead alone is placed by copy_lead_scope().';

create trigger place_document before insert or update of lead_id, student_id on public.documents
  for each row execute function private.place_document();

create trigger copy_lead_scope before insert or update of lead_id on public.documents
  for each row when (new.student_id is null) execute function private.copy_lead_scope('uploaded_by');

create trigger propagate_student_to_documents after update of lead_id, assigned_to, team_id on public.students
  for each row when ((old.lead_id, old.assigned_to, old.team_id) is distinct from (new.lead_id, new.assigned_to, new.team_id))
  execute function private.propagate_student('documents', 'lead_owner_id', 'lead_id');

create function private.prepare_document() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if private.is_restoring() then
    return new;
  end if;

  new.document_name := private.squeeze(new.document_name, 300);
  new.document_type := regexp_replace(lower(btrim(new.document_type)), '[\s-]+', '_', 'g');
  new.access_level := coalesce(nullif(lower(btrim(new.access_level)), ''), 'standard');
  new.status := lower(btrim(new.status));
  new.notes := nullif(btrim(new.notes), '');
  new.verification_notes := nullif(btrim(new.verification_notes), '');

  if tg_op = 'INSERT' then
    -- A token alone names nobody: the database does.
    new.uploaded_by := coalesce(new.uploaded_by, private.gate_own());

    if new.status <> 'pending' then
      perform private.fail('document_status_refused', 'new to ' || left(new.status, 40));
    end if;

    return new;
  end if;

  if new.version_no is distinct from old.version_no then
    new.status := 'pending';
    new.verification_notes := null;
    new.verified_by := null;
    new.verified_at := null;

    return new;
  end if;

  if auth.uid() is not null and (new.status, new.verification_notes) is distinct from (old.status, old.verification_notes) then
    perform private.require_permission('documents.verify');
  end if;

  if new.status <> old.status then
    if old.status <> 'pending' or new.status not in ('verified', 'rejected') then
      perform private.fail('document_status_refused', old.status || ' to ' || left(new.status, 40));
    end if;

    if new.status = 'verified' and new.version_no is null then
      perform private.fail('document_has_no_file');
    end if;

    new.verified_by := private.gate_own();
    new.verified_at := clock_timestamp();
  end if;

  return new;
end
$$;

comment on function private.prepare_document() is 'Normalises, names who handed it in and who decided, and lets the status move from pending to verified or rejected only, back with another file.';

create trigger prepare_document before insert or update on public.documents
  for each row execute function private.prepare_document();

create trigger touch_version before update on public.documents for each row execute function private.touch_version();

create trigger mark_deleted before update of deleted_at on public.documents
  for each row when (old.deleted_at is distinct from new.deleted_at) execute function private.mark_deleted();

create function private.record_document() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  was_open boolean := old.deleted_at is null and old.access_level = 'standard' and not old.is_confidential;
  is_open boolean := new.deleted_at is null and new.access_level = 'standard' and not new.is_confidential;
  what text := case
    when new.version_no is distinct from old.version_no then case when old.version_no is null then 'Uploaded' else 'Replaced' end
    when new.status <> old.status then initcap(new.status)
    when not was_open and new.version_no is not null then 'Uploaded'
  end;
begin
  if not is_open then
    perform private.retract_activity(new.id);

    return null;
  end if;

  if what is not null then
    perform private.record_activity(
      'document', 'Document ' || what, new.document_name, p_lead_id => new.lead_id, p_student_id => new.student_id,
      p_metadata => jsonb_build_object('document_type', new.document_type, 'status', new.status, 'version_no', new.version_no), p_source_id => new.id,
      -- The file was found good by the system, but handed in by somebody.
      p_actor_id => case
        when what in ('Uploaded', 'Replaced') then (select v.uploaded_by from public.document_versions v where v.document_id = new.id and v.version_no = new.version_no)
        else new.verified_by
      end
    );
  end if;

  if new.document_name <> old.document_name then
    update public.activities a set description = new.document_name where a.source_id = new.id;
  end if;

  return null;
end
$$;

comment on function private.record_document() is 'Tells on the timeline of each file and decision, under the name of now: nothing of what is deleted or not for everybody.';

create trigger record_document after update on public.documents
  for each row when (
    (old.version_no, old.status, old.document_name, old.access_level, old.is_confidential, old.deleted_at)
      is distinct from (new.version_no, new.status, new.document_name, new.access_level, new.is_confidential, new.deleted_at)
  )
  execute function private.record_document();

create function private.document_label(p_document public.documents) returns text
language plpgsql stable security definer set search_path = '' as $$
begin
  return format(
    '%s of %s', initcap(replace(p_document.document_type, '_', ' ')),
    coalesce(
      (select s.student_number from public.students s where s.id = p_document.student_id),
      (select l.lead_id from public.leads l where l.id = p_document.lead_id)
    )
  );
end
$$;

comment on function private.document_label(public.documents) is 'What a notification calls a document: its type and whose it is by number, nothing personal.';

create function private.notify_document() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform private.notify(
    p.id, 'Document ' || new.status, private.document_label(new) || ' was ' || new.status || '.',
    case new.status when 'verified' then 'success' else 'warning' end, 'normal', new.lead_id,
    p_metadata => jsonb_build_object('event', 'document_' || new.status, 'document_id', new.id), p_student_id => new.student_id
  )
  from (
    select new.uploaded_by as id
    union
    select v.uploaded_by from public.document_versions v where v.document_id = new.id and v.version_no = new.version_no
    union
    select new.lead_owner_id where new.access_level = 'standard' and not new.is_confidential
  ) p
  where p.id is distinct from new.verified_by;

  return null;
end
$$;

comment on function private.notify_document() is 'Tells who handed it in, and whose student or lead it is unless it is not theirs to see, that somebody else decided.';

create trigger notify_document after update of status on public.documents
  for each row when (old.status is distinct from new.status and new.status <> 'pending' and new.deleted_at is null)
  execute function private.notify_document();

create trigger audit after insert or update or delete on public.documents
  for each row execute function private.audit_row('document_name', 'notes', 'verification_notes', 'file_name');

-- RPCs

create function public.document_verify(p_document_id uuid, p_status text, p_notes text default null, p_version_no integer default null) returns public.documents
language plpgsql volatile security invoker set search_path = '' as $$
declare
  document public.documents;
begin
  perform private.require_permission('documents.verify');

  if p_status is null or lower(btrim(p_status)) not in ('verified', 'rejected') then
    perform private.fail('argument_invalid', 'p_status is verified or rejected');
  end if;

  select * into document from public.documents d where d.id = p_document_id for no key update;

  if document.id is null then
    perform private.fail('not_found', 'documents');
  end if;

  if document.version_no is distinct from coalesce(p_version_no, document.version_no) then
    perform private.fail('document_changed', 'version ' || coalesce(document.version_no::text, 'none'));
  end if;

  if document.status <> 'pending' then
    perform private.fail('document_status_refused', document.status || ' to ' || lower(btrim(p_status)));
  end if;

  update public.documents d
  set status = p_status, verification_notes = p_notes
  where d.id = p_document_id
  returning * into document;

  return document;
end
$$;

comment on function public.document_verify(uuid, text, text, integer) is 'Decides on a pending document: verified or rejected, with notes; verified_by is the caller. p_version_no is the version that was looked at: with it a newer file is not decided on unseen. Answers the document. Needs documents.verify. Errors: permission_denied, argument_invalid, not_found, document_changed, document_status_refused, document_has_no_file. Answers D0-018, D0-066.';

-- Grants

revoke all on public.documents from anon, authenticated, service_role;

grant select,
  insert (id, lead_id, student_id, document_name, document_type, is_required, is_confidential, access_level, notes),
  update (document_name, document_type, is_required, is_confidential, access_level, notes, status, verification_notes)
  on public.documents to authenticated;

grant select, insert, update, delete on public.documents to service_role;

revoke all on function
  private.place_document(),
  private.prepare_document(),
  private.record_document(),
  private.document_label(public.documents),
  private.notify_document(),
  public.document_verify(uuid, text, text, integer)
  from public, anon, authenticated, service_role;

grant execute on function public.document_verify(uuid, text, text, integer) to authenticated;

-- How its rows are deleted, who may do what, and its errors

insert into public.permissions (key, description) values
  ('documents.verify', 'Verify and reject documents'),
  ('documents.confidential', 'See documents that are restricted or confidential'),
  ('documents.delete', 'Delete and restore documents');

insert into public.role_permissions (role_id, permission)
select r.id, p.key
from public.roles r
cross join public.permissions p
where r.key = 'manager' and p.key in ('documents.verify', 'documents.confidential', 'documents.delete');

-- By its type: the name of a confidential one is not everybody's to read.
insert into private.soft_deletable (table_name, label, holders, holder_tables, people, makers, permission) values
  ('documents', 'document_type', '{student_id,lead_id}', '{students,leads}', '{lead_owner_id}', '{uploaded_by}', 'documents.delete');

insert into public.error_codes (code, sqlstate, message, hint) values
  ('document_status_refused', 'PT409', 'A document does not go from this status to that one.', 'Pending is verified or rejected; another file makes it pending again.'),
  ('document_has_no_file', 'PT409', 'The document has no file yet.', 'Upload one first: document_begin_upload().'),
  ('document_changed', 'PT409', 'There is a newer file than the one that was looked at.', 'Read the document again, and decide on that.');

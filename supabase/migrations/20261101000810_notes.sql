-- Notes: what somebody wrote down about a lead, contact or student, and the files beside it.
--
-- A note is seen where the thing it is about is seen; a private one by its author alone. Files lie in the
-- bucket attachments under notes/<note id>/<file name>, and are reachable exactly where their note is.

-- Tables

create table public.notes (
  id uuid primary key default private.uuid_v7(),
  lead_id uuid references public.leads (id) on delete cascade,
  contact_id uuid references public.contacts (id) on delete cascade,
  student_id uuid references public.students (id) on delete cascade,
  author_id uuid references public.profiles (id) on delete set null,
  user_id uuid references public.profiles (id) on delete set null,
  title text,
  content text not null,
  note_type text not null default 'general',
  priority text not null default 'normal',
  is_private boolean not null default false,
  reminder_at timestamptz,
  tags text[] not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  deleted_at timestamptz,
  deleted_by uuid,
  version bigint not null default 1,
  constraint notes_are_about_something check (num_nonnulls(lead_id, contact_id, student_id) >= 1),
  constraint notes_title_is_short check (length(title) <= 200),
  constraint notes_content_is_text check (btrim(content) <> '' and length(content) <= 20000),
  constraint notes_note_type_is_known check (note_type in ('general', 'follow_up', 'important', 'meeting', 'call', 'reminder')),
  constraint notes_priority_is_known check (priority in ('low', 'normal', 'high', 'urgent')),
  constraint notes_tags_are_few check (cardinality(tags) <= 50 and pg_column_size(tags) <= 8192),
  constraint notes_deleted_by_needs_deleted_at check (deleted_by is null or deleted_at is not null)
);

comment on table public.notes is 'What people wrote down about leads, contacts and students. Read by the id of one of these.';

comment on column public.notes.author_id is 'Who wrote it: always the caller. Only they change it.';

comment on column public.notes.user_id is 'Whom it is for, the author if nobody is named. Being named opens nothing to that person.';

comment on column public.notes.note_type is 'general, follow_up, important, meeting, call or reminder.';

comment on column public.notes.priority is 'low, normal, high or urgent; medium is taken as normal.';

comment on column public.notes.is_private is 'Seen by the author alone, and not on the timeline.';

comment on column public.notes.reminder_at is 'When the author wants to be reminded of it.';

comment on column public.notes.deleted_at is 'Soft deletion: the note is in nobody''s sight, nor are its files.';

comment on column public.notes.deleted_by is 'Who deleted it; null for the system. No foreign key: it is remembered beyond the account.';

comment on column public.notes.version is 'Rises with every change.';

create index notes_of_lead on public.notes (lead_id, created_at desc) where lead_id is not null;

create index notes_of_contact on public.notes (contact_id, created_at desc) where contact_id is not null;

create index notes_of_student on public.notes (student_id, created_at desc) where student_id is not null;

create index notes_of_author on public.notes (author_id, created_at desc);

create index notes_for_person on public.notes (user_id, created_at desc);

create index notes_deleted on public.notes (deleted_at, id) where deleted_at is not null;

create table public.note_attachments (
  id uuid primary key default private.uuid_v7(),
  note_id uuid not null references public.notes (id) on delete cascade,
  path text not null,
  file_name text not null default '',
  mime_type text not null default '',
  size_bytes bigint not null default 0,
  created_by uuid references public.profiles (id) on delete set null,
  created_at timestamptz not null default now(),
  constraint note_attachments_path_is_unique unique (path),
  constraint note_attachments_path_is_of_the_note check (path like 'notes/' || note_id || '/_%'),
  constraint note_attachments_file_name_is_short check (length(file_name) between 1 and 255),
  constraint note_attachments_size_is_not_negative check (size_bytes >= 0)
);

comment on table public.note_attachments is 'The files of notes. Upload to the bucket attachments under notes/<note id>/<file name> first, then insert {note_id, path}: the rest is read from Storage. Read by note.';

comment on column public.note_attachments.path is 'Name of the object in the bucket attachments: notes/<note id>/<file name>.';

comment on column public.note_attachments.file_name is 'What to show; the last part of the path if nothing is given.';

create index note_attachments_of_note on public.note_attachments (note_id);

create index note_attachments_by_creator on public.note_attachments (created_by);

insert into storage.buckets (id, name, public, file_size_limit, allowed_mime_types) values (
  'attachments', 'attachments', false, 26214400,
  array[
    'application/pdf', 'image/png', 'image/jpeg', 'image/webp', 'image/gif', 'image/heic', 'text/plain', 'text/csv',
    'application/msword', 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
    'application/vnd.ms-excel', 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
    'application/vnd.ms-powerpoint', 'application/vnd.openxmlformats-officedocument.presentationml.presentation',
    'audio/mpeg', 'audio/mp4', 'audio/ogg', 'video/mp4'
  ]
);

-- Policies

alter table public.notes enable row level security;

alter table public.note_attachments enable row level security;

-- Scalars, because an EXISTS may be hashed: then the notes of one lead would read every lead.
create policy notes_read on public.notes for select to authenticated
  using (
    deleted_at is null
    and (not is_private or author_id = (select private.gate_own()))
    and (
      (select l.id from public.leads l where l.id = notes.lead_id) is not null
      or (select c.id from public.contacts c where c.id = notes.contact_id) is not null
      or (select s.id from public.students s where s.id = notes.student_id) is not null
    )
  );

comment on policy notes_read on public.notes is 'Where the lead, contact or student is visible; a private one by its author, who must still see that too.';

create policy notes_create on public.notes for insert to authenticated
  with check (
    deleted_at is null
    and author_id = (select private.gate_own())
    and (select private.has_permission('leads.update'))
    and (lead_id is null or exists (select from public.leads l where l.id = notes.lead_id))
    and (contact_id is null or exists (select from public.contacts c where c.id = notes.contact_id))
    and (student_id is null or exists (select from public.students s where s.id = notes.student_id))
  );

comment on policy notes_create on public.notes is 'In one''s own name, about what one may see.';

create policy notes_change on public.notes for update to authenticated
  using (
    deleted_at is null
    and author_id = (select private.gate_own())
    and (
      (select l.id from public.leads l where l.id = notes.lead_id) is not null
      or (select c.id from public.contacts c where c.id = notes.contact_id) is not null
      or (select s.id from public.students s where s.id = notes.student_id) is not null
    )
  )
  with check (deleted_at is null and author_id = (select private.gate_own()));

comment on policy notes_change on public.notes is 'One''s own words, about what one may still see.';

create policy note_attachments_read on public.note_attachments for select to authenticated
  using ((select n.id from public.notes n where n.id = note_attachments.note_id) is not null);

comment on policy note_attachments_read on public.note_attachments is 'Where the note is visible. Always read by note_id.';

create policy note_attachments_create on public.note_attachments for insert to authenticated
  with check ((select n.id from public.notes n where n.id = note_attachments.note_id and n.author_id = (select private.gate_own())) is not null);

comment on policy note_attachments_create on public.note_attachments is 'To one''s own note.';

create policy note_attachments_delete on public.note_attachments for delete to authenticated
  using ((select n.id from public.notes n where n.id = note_attachments.note_id and n.author_id = (select private.gate_own())) is not null);

comment on policy note_attachments_delete on public.note_attachments is 'From one''s own note.';

-- The cast is reached by names of the convention alone: anything else belongs to no note.
create policy intake_attachments_of_notes_read on storage.objects for select to authenticated
  using (
    bucket_id = 'attachments'
    and (
      select n.id
      from public.notes n
      where n.id = case when objects.name ~ '^notes/[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}/[^/]+$' then split_part(objects.name, '/', 2)::uuid end
    ) is not null
  );

create policy intake_attachments_of_notes_create on storage.objects for insert to authenticated
  with check (
    bucket_id = 'attachments'
    and (
      select n.id
      from public.notes n
      where n.id = case when objects.name ~ '^notes/[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}/[^/]+$' then split_part(objects.name, '/', 2)::uuid end
        and n.author_id = (select private.gate_own())
    ) is not null
  );

create policy intake_attachments_of_notes_delete on storage.objects for delete to authenticated
  using (
    bucket_id = 'attachments'
    and (
      select n.id
      from public.notes n
      where n.id = case when objects.name ~ '^notes/[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}/[^/]+$' then split_part(objects.name, '/', 2)::uuid end
        and n.author_id = (select private.gate_own())
    ) is not null
  );

-- Triggers

create function private.prepare_note() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if tg_op = 'INSERT' then
    -- A token alone names nobody: the database does.
    new.author_id := coalesce(new.author_id, private.gate_own());
    new.user_id := coalesce(new.user_id, new.author_id);

    -- What comes to something deleted comes back with it. For a person the policies refuse it.
    if new.deleted_at is null and new.lead_id is not null then
      select l.deleted_at into new.deleted_at from public.leads l where l.id = new.lead_id for no key update;
    elsif new.deleted_at is null then
      new.deleted_at := case
        when new.contact_id is not null then (select c.deleted_at from public.contacts c where c.id = new.contact_id)
        else (select t.deleted_at from public.students t where t.id = new.student_id)
      end;
    end if;
  end if;

  new.title := nullif(private.squeeze(new.title, 200), '');
  new.content := btrim(new.content);
  new.note_type := coalesce(nullif(lower(btrim(new.note_type)), ''), 'general');
  new.priority := case lower(btrim(new.priority)) when 'medium' then 'normal' else lower(btrim(new.priority)) end;

  return new;
end
$$;

comment on function private.prepare_note() is 'Names the author, and takes medium for normal.';

create trigger prepare_note
  before insert or update on public.notes
  for each row execute function private.prepare_note();

create trigger touch_version before update on public.notes for each row execute function private.touch_version();

create function private.record_note() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if tg_op = 'UPDATE' then
    perform private.retract_activity(new.id);
  end if;

  if new.is_private or new.deleted_at is not null then
    return null;
  end if;

  perform private.record_activity(
    'note_created', 'Note Added', coalesce(new.title, left(new.content, 200)),
    p_lead_id => new.lead_id, p_contact_id => new.contact_id, p_student_id => new.student_id,
    p_metadata => jsonb_build_object('note_type', new.note_type), p_source_id => new.id,
    p_occurred_at => new.created_at, p_actor_id => new.author_id
  );

  if tg_op = 'INSERT' and new.lead_id is not null then
    perform private.touch_lead(new.lead_id, new.created_at);
  end if;

  if tg_op = 'INSERT' and new.contact_id is not null then
    perform private.touch_contact(new.contact_id, new.created_at);
  end if;

  return null;
end
$$;

comment on function private.record_note() is 'Keeps the timeline at what the note says now: a private or deleted one is not on it.';

create trigger record_note after insert on public.notes
  for each row execute function private.record_note();

create trigger record_note_of_change after update on public.notes
  for each row when (
    (old.title, old.content, old.note_type, old.is_private, old.deleted_at) is distinct from (new.title, new.content, new.note_type, new.is_private, new.deleted_at)
  )
  execute function private.record_note();

create trigger retract_deleted after delete on public.notes
  for each row execute function private.retract_deleted();

create trigger mark_deleted before update of deleted_at on public.notes
  for each row when (old.deleted_at is distinct from new.deleted_at) execute function private.mark_deleted();

create trigger take_along after update of deleted_at on public.notes
  for each row when (old.deleted_at is distinct from new.deleted_at) execute function private.take_along();

create trigger audit after insert or update or delete on public.notes
  for each row execute function private.audit_row('title', 'content');

create function private.prepare_note_attachment() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  facts jsonb;
begin
  select coalesce(o.metadata, '{}') into facts
  from storage.objects o
  where o.bucket_id = 'attachments' and o.name = new.path;

  if not found then
    perform private.fail('attachment_missing', left(new.path, 200));
  end if;

  new.created_by := private.gate_own();
  new.file_name := coalesce(nullif(btrim(new.file_name), ''), substr(new.path, length('notes/' || new.note_id || '/') + 1));
  new.mime_type := left(coalesce(facts ->> 'mimetype', ''), 200);
  new.size_bytes := coalesce((facts ->> 'size')::bigint, 0);

  return new;
end
$$;

comment on function private.prepare_note_attachment() is 'Reads from Storage what the file is, instead of believing it.';

create trigger prepare_note_attachment
  before insert on public.note_attachments
  for each row execute function private.prepare_note_attachment();

-- Views

create view public.lead_notes with (security_invoker = true) as
select
  n.id,
  l.lead_id,
  n.title,
  n.content,
  n.created_at as "createdAt",
  nullif(p.full_name, '') as "createdBy"
from public.notes n
join public.leads l on l.id = n.lead_id
left join public.profiles p on p.id = n.author_id;

comment on view public.lead_notes is 'Notes of leads in the keys of the CRM document: lead_id is the number such as LEAD-001, createdBy a name. Answers D2-014, D2-022.';

-- Grants

revoke all on public.notes, public.note_attachments, public.lead_notes from anon, authenticated, service_role;

grant select,
  insert (id, lead_id, contact_id, student_id, author_id, user_id, title, content, note_type, priority, is_private, reminder_at, tags),
  update (user_id, title, content, note_type, priority, is_private, reminder_at, tags)
  on public.notes to authenticated;

grant select, delete, insert (id, note_id, path, file_name) on public.note_attachments to authenticated;

grant select on public.lead_notes to authenticated, service_role;

grant select, insert, update, delete on public.notes, public.note_attachments to service_role;

revoke all on function private.prepare_note() from public, anon, authenticated, service_role;

revoke all on function private.record_note() from public, anon, authenticated, service_role;

revoke all on function private.prepare_note_attachment() from public, anon, authenticated, service_role;

-- How its rows are deleted

insert into private.soft_deletable (table_name, label, holders, holder_tables, people, makers, permission) values
  ('notes', 'content', '{lead_id,contact_id,student_id}', '{leads,contacts,students}', '{}', '{author_id}', 'leads.delete');

-- This module's errors

insert into public.error_codes (code, sqlstate, message, hint) values
  ('attachment_missing', 'PT422', 'There is no such file in the bucket attachments.', 'Upload it to notes/<note id>/<file name> first.');

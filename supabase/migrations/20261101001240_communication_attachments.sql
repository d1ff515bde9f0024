-- Attachments of communications: the files that went out with a message or came in with one.
--
-- Who sends uploads to outbox/<own id>/… in the bucket messages and names the files when sending. What came in
-- lies under inbound/. Either is read where its communication is; until it is sent, an upload by its owner.

-- Tables

create table public.communication_attachments (
  id uuid primary key default private.uuid_v7(),
  communication_id uuid not null references public.communications (id) on delete cascade,
  path text not null,
  file_name text not null,
  mime_type text not null default '',
  size_bytes bigint not null default 0,
  created_at timestamptz not null default now(),
  constraint communication_attachments_are_there_once unique (path, communication_id),
  constraint communication_attachments_path_is_one_of_ours check (path ~ '^(outbox|inbound)/[^/]+/[^/]+$'),
  constraint communication_attachments_file_name_is_short check (length(file_name) between 1 and 255),
  constraint communication_attachments_size_is_not_negative check (size_bytes >= 0)
);

comment on table public.communication_attachments is 'The files of communications, in the bucket messages. Read by communication; open one with createSignedUrl(path). Written by communication_send() and by what comes in.';

comment on column public.communication_attachments.path is 'Name of the object in the bucket messages: outbox/<user id>/<file name> or inbound/<communication id>/<file name>.';

create index communication_attachments_of_communication on public.communication_attachments (communication_id);

insert into storage.buckets (id, name, public, file_size_limit, allowed_mime_types) values (
  'messages', 'messages', false, 10485760,
  array[
    'application/pdf', 'image/png', 'image/jpeg', 'image/webp', 'image/gif', 'image/heic', 'text/plain', 'text/csv',
    'application/msword', 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
    'application/vnd.ms-excel', 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
    'application/vnd.ms-powerpoint', 'application/vnd.openxmlformats-officedocument.presentationml.presentation',
    'audio/mpeg', 'audio/mp4', 'audio/ogg', 'audio/aac', 'audio/amr', 'video/mp4', 'video/3gpp'
  ]
);

-- Policies

alter table public.communication_attachments enable row level security;

create policy communication_attachments_read on public.communication_attachments for select to authenticated
  using ((select c.id from public.communications c where c.id = communication_attachments.communication_id) is not null);

comment on policy communication_attachments_read on public.communication_attachments is 'Where the communication is visible. Always read by communication_id.';

create policy intake_messages_read on storage.objects for select to authenticated
  using (
    bucket_id = 'messages'
    and (
      (split_part(name, '/', 1) = 'outbox' and split_part(name, '/', 2) = (select private.gate_own())::text)
      or (
        split_part(name, '/', 1) in ('outbox', 'inbound')
        and (select a.id from public.communication_attachments a where a.path = objects.name limit 1) is not null
      )
    )
  );

create policy intake_messages_create on storage.objects for insert to authenticated
  with check (
    bucket_id = 'messages' and split_part(name, '/', 1) = 'outbox' and split_part(name, '/', 2) = (select private.gate_own())::text
    and name ~ '^outbox/[^/]+/[^/]+$' and (select private.has_permission('communications.send'))
  );

-- Functions

create function private.attach_files(p_communication_id uuid, p_paths text[]) returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
  owner text := private.gate_own()::text;
  missing text;
  bytes bigint;
begin
  select p.path into missing
  from unnest(p_paths) p (path)
  where p.path is null or split_part(p.path, '/', 1) <> 'outbox' or split_part(p.path, '/', 2) is distinct from owner
    or not exists (select from storage.objects o where o.bucket_id = 'messages' and o.name = p.path)
  limit 1;

  if found then
    perform private.fail('attachment_missing', left(missing, 200), 'Upload it to outbox/<your user id>/<file name> first.');
  end if;

  insert into public.communication_attachments (communication_id, path, file_name, mime_type, size_bytes)
  select p_communication_id, o.name, split_part(o.name, '/', 3), left(coalesce(o.metadata ->> 'mimetype', ''), 200), coalesce((o.metadata ->> 'size')::bigint, 0)
  from storage.objects o
  where o.bucket_id = 'messages' and o.name = any (p_paths);

  select sum(a.size_bytes) into bytes from public.communication_attachments a where a.communication_id = p_communication_id;

  if bytes > 10485760 then
    perform private.fail('attachments_too_large', bytes::text);
  end if;

  update public.communications c
  set attachments = array(select a.file_name from public.communication_attachments a where a.communication_id = p_communication_id order by a.id)
  where c.id = p_communication_id;
end
$$;

comment on function private.attach_files(uuid, text[]) is 'Puts uploaded files of the caller to a message. Errors: attachment_missing, attachments_too_large.';

create function private.attach_inbound(p_communication_id uuid, p_path text, p_file_name text, p_mime_type text, p_size bigint) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  insert into public.communication_attachments (communication_id, path, file_name, mime_type, size_bytes)
  values (p_communication_id, p_path, left(p_file_name, 255), left(p_mime_type, 200), p_size)
  on conflict (path, communication_id) do nothing;

  update public.communications c
  set attachments = array(select a.file_name from public.communication_attachments a where a.communication_id = p_communication_id order by a.id)
  where c.id = p_communication_id;
end
$$;

comment on function private.attach_inbound(uuid, text, text, text, bigint) is 'Puts a file that the worker stored to the message it came with.';

-- Grants

revoke all on public.communication_attachments from anon, authenticated, service_role;

grant select on public.communication_attachments to authenticated;

grant select, insert, update, delete on public.communication_attachments to service_role;

revoke all on function
  private.attach_files(uuid, text[]),
  private.attach_inbound(uuid, text, text, text, bigint)
  from public, anon, authenticated, service_role;

grant execute on function private.attach_inbound(uuid, text, text, text, bigint) to service_role;

-- This module's error

insert into public.error_codes (code, sqlstate, message, hint) values
  ('attachments_too_large', 'PT422', 'The attachments are larger than 10 MB together.', 'Send a link instead.');

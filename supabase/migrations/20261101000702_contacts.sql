-- Contacts: people one is in touch with, of a lead or of none.
--
-- Whom a contact belongs to is decided in the module lead_scope. E-mail and phone are normalised by the functions
-- that normalise those of leads, and nobody enters a person twice whom they can see. Whoever may create and
-- change leads may create and change these.

-- Tables

create table public.contacts (
  id uuid primary key default private.uuid_v7(),
  -- First and of fixed width, because a policy reads them of every row that a scan meets.
  assigned_to uuid references public.profiles (id) on delete restrict,
  team_id uuid references public.teams (id) on delete restrict,
  created_at timestamptz not null default now(),
  deleted_at timestamptz,
  deleted_by uuid,
  lead_id uuid references public.leads (id) on delete set null,
  organization_id uuid references public.organizations (id) on delete set null,
  name text not null,
  email text,
  phone text,
  role text,
  company text,
  last_contacted timestamptz,
  tags text[] not null default '{}',
  custom_fields jsonb not null default '{}',
  created_by uuid references public.profiles (id) on delete set null,
  updated_at timestamptz not null default now(),
  version bigint not null default 1,
  constraint contacts_have_a_name check (btrim(name) <> '' and length(name) <= 300),
  constraint contacts_email_is_normal check (email = lower(email) and email like '%_@_%' and length(email) <= 254),
  constraint contacts_phone_is_e164 check (phone ~ '^\+[1-9][0-9]{7,14}$'),
  constraint contacts_texts_are_short check (length(role) <= 200 and length(company) <= 300),
  constraint contacts_tags_are_few check (cardinality(tags) <= 50),
  constraint contacts_custom_fields_are_an_object check (jsonb_typeof(custom_fields) = 'object' and pg_column_size(custom_fields) <= 65536),
  constraint contacts_deleted_by_needs_deleted_at check (deleted_by is null or deleted_at is not null)
);

comment on table public.contacts is 'People one is in touch with, of a lead or of none. Of a lead they are seen where the lead is; otherwise by the person they belong to, by the managers of their team, and by scope all. With notes: select("*, notes:notes(*)").';

comment on column public.contacts.assigned_to is 'Whom it belongs to: the owner of its lead, else by default whoever entered it.';

comment on column public.contacts.team_id is 'The team of the lead, else of assigned_to, copied by trigger.';

comment on column public.contacts.lead_id is 'The lead this person has to do with, if any.';

comment on column public.contacts.role is 'What the person is there, for example Father or Dean.';

comment on column public.contacts.company is 'Where the person works, as text; organization_id names the organization''s row.';

comment on column public.contacts.last_contacted is 'When somebody last spoke or wrote with this person. Kept by trigger.';

comment on column public.contacts.deleted_at is 'Soft deletion: the row is in nobody''s sight.';

comment on column public.contacts.deleted_by is 'Who deleted it; null for the system. No foreign key: it is remembered beyond the account.';

comment on column public.contacts.version is 'Rises with every change.';

create index contacts_of_owner on public.contacts (assigned_to, created_at desc, id desc) include (team_id) where deleted_at is null;

create index contacts_of_team on public.contacts (team_id, created_at desc, id desc) include (assigned_to) where deleted_at is null;

create index contacts_newest on public.contacts (created_at desc, id desc) include (assigned_to, team_id) where deleted_at is null;

create index contacts_by_email on public.contacts (email) where email is not null and deleted_at is null;

create index contacts_by_phone on public.contacts (phone) where phone is not null and deleted_at is null;

create index contacts_of_lead on public.contacts (lead_id) where lead_id is not null;

create index contacts_of_organization on public.contacts (organization_id) where organization_id is not null;

create index contacts_of_creator on public.contacts (created_by) where created_by is not null;

create index contacts_deleted on public.contacts (deleted_at, id) where deleted_at is not null;

-- Policies

alter table public.contacts enable row level security;

create policy contacts_read on public.contacts for select to authenticated
  using (
    deleted_at is null
    and (
      (select private.gate_all()) is not null
      or team_id = (select (private.gate_team())[1])
      or assigned_to = (select private.gate_own())
      or team_id = any ((select (private.gate_team())[2:])::uuid[])
    )
  );

comment on policy contacts_read on public.contacts is 'Scope all: every one. Scope team: those of managed teams. Everybody: those that belong to them, or to a lead of theirs.';

create policy contacts_create on public.contacts for insert to authenticated
  with check (
    deleted_at is null
    and (select private.has_permission('leads.create'))
    and (
      (select private.gate_all()) is not null
      or team_id = (select (private.gate_team())[1])
      or assigned_to = (select private.gate_own())
      or team_id = any ((select (private.gate_team())[2:])::uuid[])
    )
  );

comment on policy contacts_create on public.contacts is 'Needs leads.create, and the new contact must be one the caller will see: a lead named must be theirs to see.';

create policy contacts_change on public.contacts for update to authenticated
  using (
    deleted_at is null
    and (select private.has_permission('leads.update'))
    and (
      (select private.gate_all()) is not null
      or team_id = (select (private.gate_team())[1])
      or assigned_to = (select private.gate_own())
      or team_id = any ((select (private.gate_team())[2:])::uuid[])
    )
  )
  with check (
    deleted_at is null
    and (select private.has_permission('leads.update'))
    and (
      (select private.gate_all()) is not null
      or team_id = (select (private.gate_team())[1])
      or assigned_to = (select private.gate_own())
      or team_id = any ((select (private.gate_team())[2:])::uuid[])
    )
  );

comment on policy contacts_change on public.contacts is 'Needs leads.update and sight of the contact, before and after. Team and deletion are no columns of the grant.';

-- Triggers

create trigger follow_lead before insert or update of lead_id, assigned_to, team_id on public.contacts
  for each row execute function private.follow_lead();

create function private.prepare_contact() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  new.name := private.squeeze(new.name, 300);
  new.email := private.normalize_email(new.email);
  new.phone := private.normalize_phone(new.phone);

  -- Contacts and leads do not wait for each other: these locks are taken while a lead is held.
  if new.deleted_at is null then
    perform private.lock_person('contact ' || new.email, 'contact ' || new.phone);
  end if;

  return new;
end
$$;

comment on function private.prepare_contact() is 'Name on one line, e-mail and phone in the one form; writers of the same person take turns.';

create trigger prepare_contact before insert or update of name, email, phone, deleted_at on public.contacts
  for each row execute function private.prepare_contact();

create function private.find_contact(p_email text, p_phone text, p_other_than uuid default null) returns uuid
language plpgsql stable security invoker set search_path = '' as $$
declare
  by_email text := case when coalesce(private.setting('leads.unique_email') <> 'false', true) then p_email end;
  by_phone text := case when coalesce(private.setting('leads.unique_phone') <> 'false', true) then p_phone end;
begin
  return (
    select c.id
    from public.contacts c
    where c.deleted_at is null and (c.email = by_email or c.phone = by_phone) and c.id is distinct from p_other_than
      -- Under the triggers of what is restored for somebody, row level security is not theirs.
      and (
        auth.uid() is null
        or (select private.gate_all()) is not null
        or c.assigned_to = (select private.gate_own())
        or c.team_id = any ((select private.gate_team())::uuid[])
      )
    order by (c.email = by_email) desc nulls last, c.created_at, c.id
    limit 1
  );
end
$$;

comment on function private.find_contact(text, text, uuid) is 'The contact with this e-mail, else this phone, among those that the caller may see; of addresses and numbers that are one person.';

create function private.refuse_known_contact() returns trigger
language plpgsql security invoker set search_path = '' as $$
declare
  known uuid;
begin
  if new.deleted_at is null and coalesce(new.email, new.phone) is not null
    -- What was two before may be changed and come back out of a merge.
    and (tg_op = 'INSERT' or (new.email, new.phone, new.deleted_at) is distinct from (old.email, old.phone, old.deleted_at))
    and not private.is_restoring() then
    known := private.find_contact(new.email, new.phone, new.id);

    if known is not null then
      perform private.fail('contact_known', known::text);
    end if;
  end if;

  return new;
end
$$;

comment on function private.refuse_known_contact() is 'No second contact with the e-mail or phone of one that the writer may see, so that it tells nobody of somebody else''s.';

-- After prepare_contact: triggers fire in the order of their names.
create trigger refuse_known_contact before insert or update of email, phone, deleted_at on public.contacts
  for each row execute function private.refuse_known_contact();

create function private.refuse_unseen_contact() returns trigger
language plpgsql security invoker set search_path = '' as $$
begin
  -- What was named before stays so, whatever becomes of it.
  if new.contact_id is distinct from old.contact_id
    and not exists (select from public.contacts c where c.id = new.contact_id and c.deleted_at is null) then
    perform private.fail('not_found', 'contact');
  end if;

  return new;
end
$$;

comment on function private.refuse_unseen_contact() is 'Only a contact that the writer may see can be named anew.';

create trigger refuse_unseen_organization before insert or update of organization_id on public.contacts
  for each row when (new.organization_id is not null) execute function private.refuse_unseen_organization();

create function private.record_contact_activity() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform private.record_activity('created', 'Contact Created', new.company, p_contact_id => new.id);

  return null;
end
$$;

comment on function private.record_contact_activity() is 'Begins the history of a contact.';

create trigger record_contact_activity after insert on public.contacts
  for each row execute function private.record_contact_activity();

create trigger touch_version before update on public.contacts for each row execute function private.touch_version();

create trigger mark_deleted before update of deleted_at on public.contacts
  for each row when (old.deleted_at is distinct from new.deleted_at) execute function private.mark_deleted();

create trigger take_along after update of deleted_at on public.contacts
  for each row when (old.deleted_at is distinct from new.deleted_at) execute function private.take_along();

create trigger audit after insert or update or delete on public.contacts for each row execute function private.audit_row();

-- Functions

create function private.touch_contact(p_contact_id uuid, p_at timestamptz default now()) returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
  -- A meeting of next week is no contact yet.
  happened timestamptz := least(p_at, clock_timestamp());
begin
  update public.contacts c
  set last_contacted = happened
  where c.id = p_contact_id and (c.last_contacted is null or c.last_contacted < happened);
end
$$;

comment on function private.touch_contact(uuid, timestamptz) is 'Moves last_contacted forward, never back.';

-- Grants

revoke all on public.contacts from anon, authenticated, service_role;

grant select on public.contacts to authenticated;

grant insert (id, assigned_to, lead_id, organization_id, name, email, phone, role, company, tags, custom_fields),
  update (assigned_to, lead_id, organization_id, name, email, phone, role, company, tags, custom_fields)
  on public.contacts to authenticated;

grant select, insert, update, delete on public.contacts to service_role;

revoke all on function private.prepare_contact() from public, anon, authenticated, service_role;

revoke all on function private.find_contact(text, text, uuid) from public, anon, authenticated, service_role;

grant execute on function private.find_contact(text, text, uuid) to authenticated, service_role;

revoke all on function private.refuse_known_contact() from public, anon, authenticated, service_role;

revoke all on function private.refuse_unseen_contact() from public, anon, authenticated, service_role;

revoke all on function private.record_contact_activity() from public, anon, authenticated, service_role;

revoke all on function private.touch_contact(uuid, timestamptz) from public, anon, authenticated, service_role;

-- How its rows are deleted

insert into private.soft_deletable (table_name, label, people, makers, permission) values
  ('contacts', 'name', '{assigned_to}', '{created_by}', 'leads.delete');

-- This module's error

insert into public.error_codes (code, sqlstate, message, hint) values
  ('contact_known', 'PT409', 'There is a contact with this e-mail address or phone number already.', 'Open it: its id is in details.');

-- People: contacts and their organizations, students, and deals.
--
-- What hangs on a lead belongs to whom the lead belongs to: owner and team are copied from it and kept
-- when it moves. What hangs on none belongs to a person, by default to whoever entered it. E-mail and phone
-- are normalised by the functions that normalise those of leads. Whoever may create and change leads may
-- create and change these. How a lead becomes a deal or a student is in the module conversion.

-- Tables

create table public.organizations (
  id uuid primary key default private.uuid_v7(),
  -- First and of fixed width, because a policy reads them of every row that a scan meets.
  assigned_to uuid references public.profiles (id) on delete restrict,
  team_id uuid references public.teams (id) on delete restrict,
  created_at timestamptz not null default now(),
  deleted_at timestamptz,
  deleted_by uuid,
  name text not null,
  website text,
  email text,
  phone text,
  industry text,
  no_of_employees text,
  annual_revenue numeric(16, 2),
  territory text,
  address text,
  custom_fields jsonb not null default '{}',
  created_by uuid references public.profiles (id) on delete set null,
  updated_at timestamptz not null default now(),
  version bigint not null default 1,
  constraint organizations_have_a_name check (btrim(name) <> '' and length(name) <= 300),
  constraint organizations_email_is_normal check (email = lower(email) and email like '%_@_%' and length(email) <= 254),
  constraint organizations_phone_is_e164 check (phone ~ '^\+[1-9][0-9]{7,14}$'),
  constraint organizations_texts_are_short check (
    length(website) <= 2048 and length(industry) <= 200 and length(no_of_employees) <= 40 and length(territory) <= 200 and length(address) <= 2000
  ),
  constraint organizations_annual_revenue_is_not_negative check (annual_revenue >= 0),
  constraint organizations_custom_fields_are_an_object check (jsonb_typeof(custom_fields) = 'object' and pg_column_size(custom_fields) <= 65536),
  constraint organizations_deleted_by_needs_deleted_at check (deleted_by is null or deleted_at is not null)
);

comment on table public.organizations is 'Companies, schools and hospitals that contacts work for and deals are made with. Seen by the person they belong to, by the managers of their team, and by scope all.';

comment on column public.organizations.assigned_to is 'Whom it belongs to; by default whoever entered it.';

comment on column public.organizations.team_id is 'The team of assigned_to, copied by trigger.';

comment on column public.organizations.no_of_employees is 'A range such as 100-500.';

comment on column public.organizations.deleted_at is 'Soft deletion: the row is in nobody''s sight.';

comment on column public.organizations.deleted_by is 'Who deleted it; null for the system. No foreign key: it is remembered beyond the account.';

comment on column public.organizations.version is 'Rises with every change.';

create index organizations_of_owner on public.organizations (assigned_to, created_at desc, id desc) include (team_id) where deleted_at is null;

create index organizations_of_team on public.organizations (team_id, created_at desc, id desc) include (assigned_to) where deleted_at is null;

create index organizations_newest on public.organizations (created_at desc, id desc) include (assigned_to, team_id) where deleted_at is null;

create index organizations_by_name on public.organizations (lower(name)) where deleted_at is null;

create index organizations_of_creator on public.organizations (created_by) where created_by is not null;

create index organizations_deleted on public.organizations (deleted_at, id) where deleted_at is not null;

create table public.contacts (
  id uuid primary key default private.uuid_v7(),
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

create table public.students (
  id uuid primary key default private.uuid_v7(),
  assigned_to uuid references public.profiles (id) on delete restrict,
  team_id uuid references public.teams (id) on delete restrict,
  created_at timestamptz not null default now(),
  deleted_at timestamptz,
  deleted_by uuid,
  lead_id uuid references public.leads (id) on delete set null,
  student_no bigint generated always as identity,
  student_number text not null generated always as ('STU-' || case when student_no < 1000 then lpad(student_no::text, 3, '0') else student_no::text end) stored,
  name text not null default '',
  email text,
  phone text,
  gender text,
  qualification text,
  course text,
  academic_year text,
  semester text,
  status text not null default 'active',
  enrolled_at timestamptz not null default now(),
  custom_fields jsonb not null default '{}',
  created_by uuid references public.profiles (id) on delete set null,
  updated_at timestamptz not null default now(),
  version bigint not null default 1,
  constraint students_have_a_name check (btrim(name) <> '' and length(name) <= 300),
  constraint students_email_is_normal check (email = lower(email) and email like '%_@_%' and length(email) <= 254),
  constraint students_phone_is_e164 check (phone ~ '^\+[1-9][0-9]{7,14}$'),
  constraint students_texts_are_short check (length(gender) <= 40 and length(qualification) <= 200 and length(course) <= 200),
  constraint students_academic_year_is_a_span check (academic_year ~ '^[0-9]{4}(-[0-9]{2}([0-9]{2})?)?$'),
  constraint students_semester_is_short check (btrim(semester) <> '' and length(semester) <= 20),
  constraint students_status_is_known check (status in ('active', 'on_leave', 'graduated', 'withdrawn')),
  constraint students_custom_fields_are_an_object check (jsonb_typeof(custom_fields) = 'object' and pg_column_size(custom_fields) <= 65536),
  constraint students_deleted_by_needs_deleted_at check (deleted_by is null or deleted_at is not null)
);

comment on table public.students is 'Enrolled learners. Of a lead they are seen where the lead is; otherwise by the person they belong to, by the managers of their team, and by scope all.';

comment on column public.students.assigned_to is 'Whom the student belongs to: the owner of the lead, else by default whoever entered them.';

comment on column public.students.team_id is 'The team of the lead, else of assigned_to, copied by trigger.';

comment on column public.students.lead_id is 'The lead that became this student. A parent''s lead can have several students.';

comment on column public.students.student_number is 'The number people use: STU-001, STU-002, … Unique; gaps are possible.';

comment on column public.students.name is 'Taken from the lead where it is left out, as are e-mail, phone, gender, qualification and course.';

comment on column public.students.academic_year is 'For example 2025-26.';

comment on column public.students.semester is 'For example 1.';

comment on column public.students.status is 'active, on_leave, graduated or withdrawn.';

comment on column public.students.deleted_at is 'Soft deletion: the row is in nobody''s sight.';

comment on column public.students.deleted_by is 'Who deleted it; null for the system. No foreign key: it is remembered beyond the account.';

comment on column public.students.version is 'Rises with every change.';

-- Partial for the same reason as leads_lead_id_is_unique.
create unique index students_student_number_is_unique on public.students (student_number) where student_number is not null;

create index students_of_owner on public.students (assigned_to, created_at desc, id desc) include (team_id) where deleted_at is null;

create index students_of_team on public.students (team_id, created_at desc, id desc) include (assigned_to) where deleted_at is null;

create index students_newest on public.students (created_at desc, id desc) include (assigned_to, team_id) where deleted_at is null;

create index students_of_lead on public.students (lead_id) where lead_id is not null;

create index students_by_email on public.students (email) where email is not null and deleted_at is null;

create index students_by_phone on public.students (phone) where phone is not null and deleted_at is null;

create index students_of_creator on public.students (created_by) where created_by is not null;

create index students_deleted on public.students (deleted_at, id) where deleted_at is not null;

create table public.deals (
  id uuid primary key default private.uuid_v7(),
  assigned_to uuid references public.profiles (id) on delete restrict,
  team_id uuid references public.teams (id) on delete restrict,
  created_at timestamptz not null default now(),
  deleted_at timestamptz,
  deleted_by uuid,
  lead_id uuid references public.leads (id) on delete set null,
  organization_id uuid references public.organizations (id) on delete set null,
  contact_id uuid references public.contacts (id) on delete set null,
  name text not null,
  value numeric(14, 2) not null default 0,
  currency text not null default '',
  stage text not null default 'qualification',
  status text not null generated always as (case when stage in ('won', 'lost') then stage else 'open' end) stored,
  expected_close_date date,
  closed_at timestamptz,
  custom_fields jsonb not null default '{}',
  created_by uuid references public.profiles (id) on delete set null,
  updated_at timestamptz not null default now(),
  version bigint not null default 1,
  constraint deals_have_a_name check (btrim(name) <> '' and length(name) <= 300),
  constraint deals_value_is_not_negative check (value >= 0),
  constraint deals_currency_is_iso_4217 check (currency ~ '^[A-Z]{3}$'),
  constraint deals_stage_is_known check (stage in ('qualification', 'proposal', 'negotiation', 'won', 'lost')),
  constraint deals_closed_at_tells_when check ((stage in ('won', 'lost')) = (closed_at is not null)),
  constraint deals_custom_fields_are_an_object check (jsonb_typeof(custom_fields) = 'object' and pg_column_size(custom_fields) <= 65536),
  constraint deals_deleted_by_needs_deleted_at check (deleted_by is null or deleted_at is not null)
);

comment on table public.deals is 'What is negotiated with a lead, a contact or an organization. Of a lead it is seen where the lead is; otherwise by the person it belongs to, by the managers of their team, and by scope all.';

comment on column public.deals.assigned_to is 'Whom the deal belongs to: the owner of the lead, else by default whoever entered it.';

comment on column public.deals.team_id is 'The team of the lead, else of assigned_to, copied by trigger.';

comment on column public.deals.lead_id is 'The lead the deal came from. The deal of its conversion is leads.deal_id.';

comment on column public.deals.currency is 'ISO 4217 code of value; the organisation''s if empty.';

comment on column public.deals.stage is 'qualification, proposal, negotiation, won or lost.';

comment on column public.deals.status is 'open, won or lost, from stage.';

comment on column public.deals.closed_at is 'When it was won or lost. Kept by trigger.';

comment on column public.deals.deleted_at is 'Soft deletion: the row is in nobody''s sight.';

comment on column public.deals.deleted_by is 'Who deleted it; null for the system. No foreign key: it is remembered beyond the account.';

comment on column public.deals.version is 'Rises with every change.';

create index deals_of_owner on public.deals (assigned_to, created_at desc, id desc) include (team_id) where deleted_at is null;

create index deals_of_team on public.deals (team_id, created_at desc, id desc) include (assigned_to) where deleted_at is null;

create index deals_newest on public.deals (created_at desc, id desc) include (assigned_to, team_id) where deleted_at is null;

create index deals_of_lead on public.deals (lead_id) where lead_id is not null;

create index deals_of_organization on public.deals (organization_id) where organization_id is not null;

create index deals_of_contact on public.deals (contact_id) where contact_id is not null;

create index deals_of_creator on public.deals (created_by) where created_by is not null;

create index deals_deleted on public.deals (deleted_at, id) where deleted_at is not null;

-- Policies

alter table public.organizations enable row level security;

alter table public.contacts enable row level security;

alter table public.students enable row level security;

alter table public.deals enable row level security;

create policy organizations_read on public.organizations for select to authenticated
  using (
    deleted_at is null
    and (
      (select private.gate_all()) is not null
      or team_id = (select (private.gate_team())[1])
      or assigned_to = (select private.gate_own())
      or team_id = any ((select (private.gate_team())[2:])::uuid[])
    )
  );

comment on policy organizations_read on public.organizations is 'Scope all: every one. Scope team: those of managed teams. Everybody: those that belong to them.';

create policy organizations_create on public.organizations for insert to authenticated
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

comment on policy organizations_create on public.organizations is 'Needs leads.create, and the new organization must be one the caller will see.';

create policy organizations_change on public.organizations for update to authenticated
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

comment on policy organizations_change on public.organizations is 'Needs leads.update and sight of the organization, before and after. Team and deletion are no columns of the grant.';

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

create policy students_read on public.students for select to authenticated
  using (
    deleted_at is null
    and (
      (select private.gate_all()) is not null
      or team_id = (select (private.gate_team())[1])
      or assigned_to = (select private.gate_own())
      or team_id = any ((select (private.gate_team())[2:])::uuid[])
    )
  );

comment on policy students_read on public.students is 'Scope all: every one. Scope team: those of managed teams. Everybody: those that belong to them, or to a lead of theirs.';

create policy students_create on public.students for insert to authenticated
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

comment on policy students_create on public.students is 'Needs leads.create, and the new student must be one the caller will see: a lead named must be theirs to see.';

create policy students_change on public.students for update to authenticated
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

comment on policy students_change on public.students is 'Needs leads.update and sight of the student, before and after. Team and deletion are no columns of the grant.';

create policy deals_read on public.deals for select to authenticated
  using (
    deleted_at is null
    and (
      (select private.gate_all()) is not null
      or team_id = (select (private.gate_team())[1])
      or assigned_to = (select private.gate_own())
      or team_id = any ((select (private.gate_team())[2:])::uuid[])
    )
  );

comment on policy deals_read on public.deals is 'Scope all: every one. Scope team: those of managed teams. Everybody: those that belong to them, or to a lead of theirs.';

create policy deals_create on public.deals for insert to authenticated
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

comment on policy deals_create on public.deals is 'Needs leads.create, and the new deal must be one the caller will see: a lead named must be theirs to see.';

create policy deals_change on public.deals for update to authenticated
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

comment on policy deals_change on public.deals is 'Needs leads.update and sight of the deal, before and after. Team and deletion are no columns of the grant.';

-- Triggers

create function private.team_of_assignee(p_user_id uuid) returns uuid
language plpgsql stable security definer set search_path = '' as $$
begin
  if auth.uid() is not null and not private.may_assign_to(p_user_id) then
    perform private.fail('permission_denied', 'assigned_to');
  end if;

  if not exists (select from public.profiles p where p.id = p_user_id and p.is_active) then
    perform private.fail('assignee_unavailable', p_user_id::text);
  end if;

  return private.team_of(p_user_id);
end
$$;

comment on function private.team_of_assignee(uuid) is 'The team of a person to whom the caller may give work. Errors: permission_denied, assignee_unavailable.';

create function private.follow_lead() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  -- An organization hangs on none.
  lead constant uuid := to_jsonb(new) ->> 'lead_id';
  deleted timestamptz;
begin
  if tg_op = 'INSERT' and auth.uid() is not null then
    new.created_by := private.gate_own();
  end if;

  if lead is not null then
    -- Whoever moves the lead waits for this row, or this row for them: neither misses the other.
    select l.assigned_to, l.team_id, l.deleted_at into new.assigned_to, new.team_id, deleted
    from public.leads l
    where l.id = lead
    for no key update;

    if not found or (deleted is not null and (tg_op = 'INSERT' or lead is distinct from old.lead_id)) then
      perform private.fail('lead_not_found', lead::text);
    end if;

    return new;
  end if;

  if tg_op = 'INSERT' then
    if auth.uid() is not null then
      new.assigned_to := coalesce(new.assigned_to, new.created_by);
    end if;

    if new.assigned_to is not null then
      new.team_id := private.team_of_assignee(new.assigned_to);
    end if;
  elsif new.assigned_to is distinct from old.assigned_to then
    new.team_id := case when new.assigned_to is not null then private.team_of_assignee(new.assigned_to) end;
  end if;

  return new;
end
$$;

comment on function private.follow_lead() is 'What hangs on a lead belongs to whom the lead belongs to; without one to a person, by default to whoever enters it, and to their team.';

create trigger follow_lead before insert or update of assigned_to, team_id on public.organizations
  for each row execute function private.follow_lead();

create trigger follow_lead before insert or update of lead_id, assigned_to, team_id on public.contacts
  for each row execute function private.follow_lead();

create trigger follow_lead before insert or update of lead_id, assigned_to, team_id on public.students
  for each row execute function private.follow_lead();

create trigger follow_lead before insert or update of lead_id, assigned_to, team_id on public.deals
  for each row execute function private.follow_lead();

create function private.propagate_lead_to_people() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  update public.contacts c
  set assigned_to = new.assigned_to, team_id = new.team_id
  where c.lead_id = new.id and (c.assigned_to, c.team_id) is distinct from (new.assigned_to, new.team_id);

  update public.students s
  set assigned_to = new.assigned_to, team_id = new.team_id
  where s.lead_id = new.id and (s.assigned_to, s.team_id) is distinct from (new.assigned_to, new.team_id);

  update public.deals d
  set assigned_to = new.assigned_to, team_id = new.team_id
  where d.lead_id = new.id and (d.assigned_to, d.team_id) is distinct from (new.assigned_to, new.team_id);

  return null;
end
$$;

comment on function private.propagate_lead_to_people() is 'Contacts, students and deals of a lead go where it goes.';

create trigger propagate_lead_to_people after update of assigned_to, team_id on public.leads
  for each row when ((old.assigned_to, old.team_id) is distinct from (new.assigned_to, new.team_id))
  execute function private.propagate_lead_to_people();

create function private.prepare_organization() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  new.name := private.squeeze(new.name, 300);
  new.email := private.normalize_email(new.email);
  new.phone := private.normalize_phone(new.phone);

  return new;
end
$$;

comment on function private.prepare_organization() is 'Name on one line, e-mail and phone in the one form.';

create trigger prepare_organization before insert or update of name, email, phone on public.organizations
  for each row execute function private.prepare_organization();

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
  if new.deleted_at is null and coalesce(new.email, new.phone) is not null then
    known := private.find_contact(new.email, new.phone, new.id);

    if known is not null then
      perform private.fail('contact_known', known::text);
    end if;
  end if;

  return new;
end
$$;

comment on function private.refuse_known_contact() is 'No second contact with the e-mail or phone of one that the writer may see: with the writer''s rights, so that it tells nobody of somebody else''s.';

-- After prepare_contact: triggers fire in the order of their names.
create trigger refuse_known_contact before insert or update of email, phone, deleted_at on public.contacts
  for each row execute function private.refuse_known_contact();

create function private.prepare_student() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if tg_op = 'INSERT' and new.lead_id is not null then
    select coalesce(nullif(btrim(new.name), ''), nullif(l.name, ''), l.email, l.phone), coalesce(new.email, l.email), coalesce(new.phone, l.phone),
      coalesce(new.gender, l.gender), coalesce(new.qualification, l.qualification), coalesce(new.course, l.course)
    into new.name, new.email, new.phone, new.gender, new.qualification, new.course
    from public.leads l
    where l.id = new.lead_id;
  end if;

  new.name := private.squeeze(new.name, 300);
  new.email := private.normalize_email(new.email);
  new.phone := private.normalize_phone(new.phone);

  return new;
end
$$;

comment on function private.prepare_student() is 'Takes from the lead what was left out; name on one line, e-mail and phone in the one form.';

create trigger prepare_student before insert or update of name, email, phone on public.students
  for each row execute function private.prepare_student();

create function private.prepare_deal() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  new.name := private.squeeze(new.name, 300);
  new.currency := coalesce(nullif(upper(btrim(new.currency)), ''), private.setting('organization.currency') #>> '{}', 'INR');

  if new.stage not in ('won', 'lost') then
    new.closed_at := null;
  elsif tg_op = 'INSERT' or new.stage is distinct from old.stage then
    new.closed_at := clock_timestamp();
  end if;

  return new;
end
$$;

comment on function private.prepare_deal() is 'Name on one line, the organisation''s currency where none is said, and when it was closed.';

create trigger prepare_deal before insert or update of name, currency, stage on public.deals
  for each row execute function private.prepare_deal();

create function private.refuse_unseen_organization() returns trigger
language plpgsql security invoker set search_path = '' as $$
begin
  if not exists (select from public.organizations o where o.id = new.organization_id and o.deleted_at is null) then
    perform private.fail('not_found', 'organization');
  end if;

  return new;
end
$$;

comment on function private.refuse_unseen_organization() is 'Only an organization that the writer may see can be named.';

create function private.refuse_unseen_contact() returns trigger
language plpgsql security invoker set search_path = '' as $$
begin
  if not exists (select from public.contacts c where c.id = new.contact_id and c.deleted_at is null) then
    perform private.fail('not_found', 'contact');
  end if;

  return new;
end
$$;

comment on function private.refuse_unseen_contact() is 'Only a contact that the writer may see can be named.';

create trigger refuse_unseen_organization before insert or update of organization_id on public.contacts
  for each row when (new.organization_id is not null) execute function private.refuse_unseen_organization();

create trigger refuse_unseen_organization before insert or update of organization_id on public.deals
  for each row when (new.organization_id is not null) execute function private.refuse_unseen_organization();

create trigger refuse_unseen_contact before insert or update of contact_id on public.deals
  for each row when (new.contact_id is not null) execute function private.refuse_unseen_contact();

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

create function private.record_student_activity() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if tg_op = 'INSERT' then
    perform private.record_activity('created', 'Student Created', new.course, p_student_id => new.id);
  else
    perform private.record_activity(
      'status_change', 'Student Status Changed', initcap(replace(old.status, '_', ' ')) || ' to ' || initcap(replace(new.status, '_', ' ')),
      p_student_id => new.id, p_metadata => jsonb_build_object('from', old.status, 'to', new.status)
    );
  end if;

  return null;
end
$$;

comment on function private.record_student_activity() is 'Puts what happens to a student on their timeline.';

create trigger record_student_activity after insert on public.students
  for each row execute function private.record_student_activity();

create trigger record_student_activity_of_change after update of status on public.students
  for each row when (old.status is distinct from new.status) execute function private.record_student_activity();

create function private.record_deal_activity() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if tg_op = 'INSERT' then
    perform private.record_activity('created', 'Deal Created', new.name, p_deal_id => new.id);
  else
    perform private.record_activity(
      'status_change', 'Deal Stage Changed', initcap(old.stage) || ' to ' || initcap(new.stage),
      p_lead_id => new.lead_id, p_deal_id => new.id, p_metadata => jsonb_build_object('from', old.stage, 'to', new.stage, 'deal_id', new.id)
    );
  end if;

  return null;
end
$$;

comment on function private.record_deal_activity() is 'Puts what happens to a deal on its timeline, and its stages on the lead''s too.';

create trigger record_deal_activity after insert on public.deals
  for each row execute function private.record_deal_activity();

create trigger record_deal_activity_of_change after update of stage on public.deals
  for each row when (old.stage is distinct from new.stage) execute function private.record_deal_activity();

create trigger touch_version before update on public.organizations for each row execute function private.touch_version();

create trigger touch_version before update on public.contacts for each row execute function private.touch_version();

create trigger touch_version before update on public.students for each row execute function private.touch_version();

create trigger touch_version before update on public.deals for each row execute function private.touch_version();

create trigger mark_deleted before update of deleted_at on public.organizations
  for each row when (old.deleted_at is distinct from new.deleted_at) execute function private.mark_deleted();

create trigger audit after insert or update or delete on public.organizations for each row execute function private.audit_row();

create trigger mark_deleted before update of deleted_at on public.contacts
  for each row when (old.deleted_at is distinct from new.deleted_at) execute function private.mark_deleted();

create trigger take_along after update of deleted_at on public.contacts
  for each row when (old.deleted_at is distinct from new.deleted_at) execute function private.take_along();

create trigger audit after insert or update or delete on public.contacts for each row execute function private.audit_row();

create trigger mark_deleted before update of deleted_at on public.students
  for each row when (old.deleted_at is distinct from new.deleted_at) execute function private.mark_deleted();

create trigger take_along after update of deleted_at on public.students
  for each row when (old.deleted_at is distinct from new.deleted_at) execute function private.take_along();

create trigger audit after insert or update or delete on public.students for each row execute function private.audit_row();

create trigger mark_deleted before update of deleted_at on public.deals
  for each row when (old.deleted_at is distinct from new.deleted_at) execute function private.mark_deleted();

create trigger audit after insert or update or delete on public.deals for each row execute function private.audit_row();

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

revoke all on public.organizations, public.contacts, public.students, public.deals from anon, authenticated, service_role;

grant select on public.organizations, public.contacts, public.students, public.deals to authenticated;

grant insert (id, assigned_to, name, website, email, phone, industry, no_of_employees, annual_revenue, territory, address, custom_fields),
  update (assigned_to, name, website, email, phone, industry, no_of_employees, annual_revenue, territory, address, custom_fields)
  on public.organizations to authenticated;

grant insert (id, assigned_to, lead_id, organization_id, name, email, phone, role, company, tags, custom_fields),
  update (assigned_to, lead_id, organization_id, name, email, phone, role, company, tags, custom_fields)
  on public.contacts to authenticated;

grant insert (id, assigned_to, lead_id, name, email, phone, gender, qualification, course, academic_year, semester, status, enrolled_at, custom_fields),
  update (assigned_to, lead_id, name, email, phone, gender, qualification, course, academic_year, semester, status, enrolled_at, custom_fields)
  on public.students to authenticated;

grant insert (id, assigned_to, lead_id, organization_id, contact_id, name, value, currency, stage, expected_close_date, custom_fields),
  update (assigned_to, organization_id, contact_id, name, value, currency, stage, expected_close_date, custom_fields)
  on public.deals to authenticated;

grant select, insert, update, delete on public.organizations, public.contacts, public.students, public.deals to service_role;

revoke all on function private.team_of_assignee(uuid) from public, anon, authenticated, service_role;

revoke all on function private.follow_lead() from public, anon, authenticated, service_role;

revoke all on function private.propagate_lead_to_people() from public, anon, authenticated, service_role;

revoke all on function private.prepare_organization() from public, anon, authenticated, service_role;

revoke all on function private.prepare_contact() from public, anon, authenticated, service_role;

revoke all on function private.find_contact(text, text, uuid) from public, anon, authenticated, service_role;

grant execute on function private.find_contact(text, text, uuid) to authenticated, service_role;

revoke all on function private.refuse_known_contact() from public, anon, authenticated, service_role;

revoke all on function private.prepare_student() from public, anon, authenticated, service_role;

revoke all on function private.prepare_deal() from public, anon, authenticated, service_role;

revoke all on function private.refuse_unseen_organization() from public, anon, authenticated, service_role;

revoke all on function private.refuse_unseen_contact() from public, anon, authenticated, service_role;

revoke all on function private.record_contact_activity() from public, anon, authenticated, service_role;

revoke all on function private.record_student_activity() from public, anon, authenticated, service_role;

revoke all on function private.record_deal_activity() from public, anon, authenticated, service_role;

revoke all on function private.touch_contact(uuid, timestamptz) from public, anon, authenticated, service_role;

-- How its rows are deleted

insert into private.soft_deletable (table_name, label, people, makers, permission) values
  ('organizations', 'name', '{assigned_to}', '{created_by}', 'leads.delete'),
  ('contacts', 'name', '{assigned_to}', '{created_by}', 'leads.delete'),
  ('students', 'name', '{assigned_to}', '{created_by}', 'leads.delete'),
  ('deals', 'name', '{assigned_to}', '{created_by}', 'leads.delete');

-- This module's error

insert into public.error_codes (code, sqlstate, message, hint) values
  ('contact_known', 'PT409', 'There is a contact with this e-mail address or phone number already.', 'Open it: its id is in details.');

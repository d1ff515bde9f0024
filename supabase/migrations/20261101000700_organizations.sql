-- Organizations: the companies, schools and hospitals that contacts work for and deals are made with.
--
-- One belongs to a person, by default to whoever entered it. Whoever may create and change leads may create
-- and change these.

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

-- Policies

alter table public.organizations enable row level security;

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

-- Triggers

create trigger follow_lead before insert or update of assigned_to, team_id on public.organizations
  for each row execute function private.follow_lead();

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

create function private.refuse_unseen_organization() returns trigger
language plpgsql security invoker set search_path = '' as $$
begin
  -- What was named before stays so, whatever becomes of it.
  if new.organization_id is distinct from old.organization_id
    and not exists (select from public.organizations o where o.id = new.organization_id and o.deleted_at is null) then
    perform private.fail('not_found', 'organization');
  end if;

  return new;
end
$$;

comment on function private.refuse_unseen_organization() is 'Only an organization that the writer may see can be named anew.';

create function private.organizations_called(p_name text) returns setof uuid
language plpgsql stable security definer set search_path = '' as $$
begin
  return query
  select o.id
  from public.organizations o
  where lower(o.name) = lower(private.squeeze(p_name, 300)) and o.deleted_at is null;
end
$$;

comment on function private.organizations_called(text) is 'Ids of the organizations of this name, which row level security then hides or shows: lower() is not leakproof, so under it no index would serve.';

create trigger touch_version before update on public.organizations for each row execute function private.touch_version();

create trigger mark_deleted before update of deleted_at on public.organizations
  for each row when (old.deleted_at is distinct from new.deleted_at) execute function private.mark_deleted();

create trigger audit after insert or update or delete on public.organizations for each row execute function private.audit_row();

-- Grants

revoke all on public.organizations from anon, authenticated, service_role;

grant select on public.organizations to authenticated;

grant insert (id, assigned_to, name, website, email, phone, industry, no_of_employees, annual_revenue, territory, address, custom_fields),
  update (assigned_to, name, website, email, phone, industry, no_of_employees, annual_revenue, territory, address, custom_fields)
  on public.organizations to authenticated;

grant select, insert, update, delete on public.organizations to service_role;

revoke all on function private.prepare_organization() from public, anon, authenticated, service_role;

revoke all on function private.organizations_called(text) from public, anon, authenticated, service_role;

grant execute on function private.organizations_called(text) to authenticated;

revoke all on function private.refuse_unseen_organization() from public, anon, authenticated, service_role;

-- How its rows are deleted

insert into private.soft_deletable (table_name, label, people, makers, permission) values
  ('organizations', 'name', '{assigned_to}', '{created_by}', 'leads.delete');

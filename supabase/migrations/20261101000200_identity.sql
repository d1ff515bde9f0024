-- Identity: who works here, in which team, in which role, with which permissions.
--
-- People sign in with Supabase Auth; an account has a profile, a profile a role, and who works in a team is a
-- member of it. What that lets somebody see and do is in the module access_control, and so are the policies.

-- Tables

create table public.permissions (
  key text primary key,
  description text not null,
  constraint permissions_key_is_subject_dot_verb check (key ~ '^[a-z_]+\.[a-z_]+$')
);

comment on table public.permissions is 'What may be allowed to a role, one row per verb. Modules add their own.';

create table public.roles (
  id uuid primary key default private.uuid_v7(),
  key text not null,
  name text not null,
  description text not null default '',
  data_scope text not null,
  is_system boolean not null default false,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint roles_key_is_unique unique (key),
  constraint roles_key_is_snake_case check (key ~ '^[a-z][a-z0-9_]{1,62}$'),
  constraint roles_name_is_not_blank check (btrim(name) <> ''),
  constraint roles_data_scope_is_known check (data_scope in ('own', 'team', 'all'))
);

comment on table public.roles is 'A role is a data scope plus permissions. admin, manager and counselor are built in; others are rows an admin adds.';

comment on column public.roles.data_scope is 'own: what is assigned to the person. team: that and all of the teams they manage. all: everything.';

comment on column public.roles.is_system is 'Built in: cannot be deleted, and its key and scope cannot change.';

create table public.role_permissions (
  role_id uuid not null references public.roles (id) on delete cascade,
  permission text not null references public.permissions (key) on update cascade on delete cascade,
  primary key (role_id, permission)
);

comment on table public.role_permissions is 'Which role holds which permission. The role admin holds every one by trigger.';

create index role_permissions_by_permission on public.role_permissions (permission);

create table public.teams (
  id uuid primary key default private.uuid_v7(),
  name text not null,
  description text not null default '',
  is_auto_assigned boolean not null default true,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint teams_name_is_not_blank check (btrim(name) <> '' and length(name) <= 120)
);

comment on table public.teams is 'Groups of people whose managers see and distribute the group''s work.';

comment on column public.teams.is_auto_assigned is 'Whether leads that arrive without an owner may be given to this team''s members in turn.';

create unique index teams_name_is_unique on public.teams (lower(name));

create table public.profiles (
  id uuid primary key references auth.users (id) on delete cascade,
  email text not null,
  full_name text not null default '',
  phone text,
  department text,
  designation text,
  avatar_url text,
  preferences jsonb not null default '{}',
  timezone text,
  availability text not null default 'offline',
  role_id uuid not null references public.roles (id) on delete restrict,
  is_active boolean not null default false,
  max_open_leads integer,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  version bigint not null default 1,
  constraint profiles_full_name_is_short check (length(full_name) <= 200),
  constraint profiles_preferences_is_an_object check (jsonb_typeof(preferences) = 'object' and pg_column_size(preferences) <= 16384),
  constraint profiles_availability_is_known check (availability in ('available', 'busy', 'away', 'offline')),
  constraint profiles_max_open_leads_is_positive check (max_open_leads > 0),
  constraint profiles_avatar_url_is_short check (length(avatar_url) <= 2048),
  constraint profiles_department_is_short check (length(department) <= 120),
  constraint profiles_designation_is_short check (length(designation) <= 120)
);

comment on table public.profiles is 'One row per account. An account without an active profile sees nothing.';

comment on column public.profiles.email is 'Kept equal to the account''s address by trigger.';

comment on column public.profiles.preferences is 'The person''s own settings, for example {"notifications": {"email": true, "sms": false}}.';

comment on column public.profiles.timezone is 'IANA name; null means the organisation''s.';

comment on column public.profiles.availability is 'available, busy, away or offline, as the person says.';

comment on column public.profiles.is_active is 'False closes every door at the next statement.';

comment on column public.profiles.max_open_leads is 'How many open leads automatic assignment may leave with this person; null is no limit.';

comment on column public.profiles.version is 'Rises with every change.';

create index profiles_by_role on public.profiles (role_id);

create table public.team_members (
  team_id uuid not null references public.teams (id) on delete cascade,
  user_id uuid not null references public.profiles (id) on delete cascade,
  is_manager boolean not null default false,
  created_at timestamptz not null default now(),
  primary key (team_id, user_id)
);

comment on table public.team_members is 'Who belongs to which team, and who manages it.';

comment on column public.team_members.is_manager is 'The person sees the team''s records if their role''s scope is team, and is told of its escalations.';

create index team_members_by_user on public.team_members (user_id, team_id);

create unique index team_members_work_in_one_team on public.team_members (user_id) where not is_manager;

comment on index public.team_members_work_in_one_team is 'A person works in one team, so a lead of theirs has one team; managing several is fine.';

-- Functions

create function private.team_of(p_user_id uuid, p_preferred_team_id uuid default null) returns uuid
language plpgsql stable security definer set search_path = '' as $$
begin
  return (
    select m.team_id
    from public.team_members m
    where m.user_id = p_user_id
    order by (m.team_id = p_preferred_team_id) desc nulls last, m.is_manager, m.created_at, m.team_id
    limit 1
  );
end
$$;

comment on function private.team_of(uuid, uuid) is 'The team a person''s records belong to: the preferred one if they are in it, else the one they work in, else one they manage.';

-- Rights: the policies are in access_control

alter table public.permissions enable row level security;

alter table public.roles enable row level security;

alter table public.role_permissions enable row level security;

alter table public.teams enable row level security;

alter table public.profiles enable row level security;

alter table public.team_members enable row level security;

-- Triggers

create function private.profile_of_account() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if tg_op = 'INSERT' then
    insert into public.profiles (id, email, full_name, role_id)
    select new.id, coalesce(lower(new.email), ''), left(coalesce(new.raw_user_meta_data ->> 'full_name', ''), 200), r.id
    from public.roles r
    where r.key = 'counselor'
    on conflict (id) do nothing;
  else
    update public.profiles p
    set email = coalesce(lower(new.email), '')
    where p.id = new.id and p.email is distinct from coalesce(lower(new.email), '');
  end if;

  return null;
end
$$;

comment on function private.profile_of_account() is 'Gives each new account an inactive counselor profile and keeps its e-mail. Metadata names the person, never the role.';

create trigger intake_profile_of_account
  after insert or update of email on auth.users
  for each row execute function private.profile_of_account();

create function private.guard_profile() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  admin_role uuid := (select r.id from public.roles r where r.key = 'admin');
begin
  if tg_op <> 'DELETE' then
    if new.phone is not null and (tg_op = 'INSERT' or new.phone is distinct from old.phone) then
      new.phone := private.normalize_phone(new.phone);
    end if;

    if new.timezone is not null and not private.is_timezone(new.timezone) then
      perform private.fail('timezone_unknown', new.timezone);
    end if;
  end if;

  if tg_op <> 'INSERT' and old.is_active and old.role_id = admin_role
    and (tg_op = 'DELETE' or not new.is_active or new.role_id <> admin_role) then
    -- Two administrators demoting each other at once would leave none: they queue here.
    perform from public.roles r where r.id = admin_role for update;

    if not exists (select from public.profiles p where p.role_id = admin_role and p.is_active and p.id <> old.id) then
      perform private.fail('last_admin');
    end if;
  end if;

  if tg_op = 'DELETE' then
    return old;
  end if;

  return new;
end
$$;

comment on function private.guard_profile() is 'Normalises the phone, checks the time zone, and never lets the last active administrator go.';

create trigger guard_profile
  before insert or delete or update of phone, timezone, is_active, role_id on public.profiles
  for each row execute function private.guard_profile();

create function private.guard_role() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if tg_op = 'DELETE' then
    if old.is_system then
      perform private.fail('role_is_built_in', old.key);
    end if;

    if exists (select from public.profiles p where p.role_id = old.id) then
      perform private.fail('role_in_use', old.key);
    end if;

    return old;
  end if;

  if old.is_system and (new.key, new.data_scope, new.is_system) is distinct from (old.key, old.data_scope, old.is_system) then
    perform private.fail('role_is_built_in', old.key);
  end if;

  return new;
end
$$;

comment on function private.guard_role() is 'Built-in roles stay, and so does a role somebody has.';

create trigger guard_role
  before delete or update of key, data_scope, is_system on public.roles
  for each row execute function private.guard_role();

create function private.admin_holds_every_permission() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into public.role_permissions (role_id, permission)
  select r.id, new.key from public.roles r where r.key = 'admin'
  on conflict do nothing;

  return null;
end
$$;

comment on function private.admin_holds_every_permission() is 'A permission nobody holds could never be given away.';

create trigger admin_holds_every_permission
  after insert on public.permissions
  for each row execute function private.admin_holds_every_permission();

create function private.guard_role_permission() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if exists (select from public.roles r where r.id = old.role_id and r.key = 'admin')
    and exists (select from public.permissions p where p.key = old.permission) then
    perform private.fail('role_is_built_in', 'admin');
  end if;

  return case tg_op when 'DELETE' then old else new end;
end
$$;

comment on function private.guard_role_permission() is 'The role admin keeps every permission that exists.';

create trigger guard_role_permission
  before delete or update on public.role_permissions
  for each row execute function private.guard_role_permission();

create trigger touch_updated_at before update on public.roles for each row execute function private.touch_updated_at();

create trigger touch_updated_at before update on public.teams for each row execute function private.touch_updated_at();

create trigger touch_version before update on public.profiles for each row execute function private.touch_version();

-- Views

create view public.user_profiles with (security_invoker = true) as
select
  p.id,
  p.id as user_id,
  p.full_name,
  p.email,
  p.phone,
  p.department,
  p.designation,
  p.avatar_url,
  p.preferences,
  p.timezone,
  r.key as role,
  case when p.is_active then 'active' else 'inactive' end as status,
  p.created_at,
  p.updated_at
from public.profiles p
join public.roles r on r.id = p.role_id;

comment on view public.user_profiles is 'profiles under the name and in the columns of the user profile document, with the role by key. Read only.';

-- Grants

revoke all on public.permissions, public.roles, public.role_permissions, public.teams, public.profiles, public.team_members, public.user_profiles from anon, authenticated, service_role;

grant select on public.permissions, public.roles, public.role_permissions, public.teams, public.profiles, public.team_members, public.user_profiles to authenticated;

grant insert (id, name, description, is_auto_assigned), update (name, description, is_auto_assigned), delete on public.teams to authenticated;

grant update (full_name, phone, department, designation, avatar_url, preferences, timezone, availability) on public.profiles to authenticated;

grant insert (team_id, user_id, is_manager), update (is_manager), delete on public.team_members to authenticated;

grant select, insert, update, delete on public.permissions, public.roles, public.role_permissions, public.teams, public.profiles, public.team_members to service_role;

grant select on public.user_profiles to service_role;

revoke all on function private.team_of(uuid, uuid) from public, anon, authenticated, service_role;

revoke all on function private.profile_of_account() from public, anon, authenticated, service_role;

revoke all on function private.guard_profile() from public, anon, authenticated, service_role;

revoke all on function private.guard_role() from public, anon, authenticated, service_role;

revoke all on function private.admin_holds_every_permission() from public, anon, authenticated, service_role;

revoke all on function private.guard_role_permission() from public, anon, authenticated, service_role;

-- The built-in roles, their permissions, and this module's errors

insert into public.roles (key, name, description, data_scope, is_system) values
  ('admin', 'Admin', 'Sees and manages everything.', 'all', true),
  ('manager', 'Manager', 'Sees and distributes the work of the teams they manage.', 'team', true),
  ('counselor', 'Counselor', 'Works on what is assigned to them.', 'own', true);

insert into public.permissions (key, description) values
  ('leads.create', 'Create leads'),
  ('leads.update', 'Change leads'),
  ('leads.assign', 'Assign leads to people'),
  ('leads.delete', 'Delete and restore leads'),
  ('leads.import', 'Import leads'),
  ('leads.export', 'Export leads'),
  ('pipeline.manage', 'Change the stages of the pipeline'),
  ('teams.manage', 'Create teams and choose their members'),
  ('users.manage', 'Invite, change and deactivate people'),
  ('users.impersonate', 'Look at Intake with the eyes of another person'),
  ('roles.manage', 'Create and change roles'),
  ('settings.read', 'Read all settings'),
  ('settings.manage', 'Change settings'),
  ('audit.read', 'Read the audit log'),
  ('notifications.send', 'Notify other people'),
  ('notifications.broadcast', 'Notify everybody'),
  ('integrations.read', 'Read integrations and their logs'),
  ('integrations.manage', 'Connect and configure integrations'),
  ('jobs.manage', 'See and retry background jobs'),
  ('analytics.view', 'See analytics beyond one''s own'),
  ('reports.view', 'See reports');

insert into public.role_permissions (role_id, permission)
select r.id, p.key
from public.roles r
join public.permissions p on
  (r.key = 'manager' and p.key in ('leads.create', 'leads.update', 'leads.assign', 'leads.delete', 'leads.import', 'leads.export', 'notifications.send', 'analytics.view', 'reports.view'))
  or (r.key = 'counselor' and p.key in ('leads.create', 'leads.update'));

insert into public.error_codes (code, sqlstate, message, hint) values
  ('last_admin', 'PT409', 'The last active administrator cannot be removed, demoted or deactivated.', 'Make somebody else an administrator first.'),
  ('role_is_built_in', 'PT409', 'Built-in roles cannot be changed in this way.', 'Create a role of your own.'),
  ('role_in_use', 'PT409', 'Somebody still has this role.', 'Give them another role first.'),
  ('timezone_unknown', 'PT422', 'There is no such time zone.', 'Send an IANA name such as Asia/Kolkata.');

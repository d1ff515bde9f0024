-- Identity: who works here, in which team, in which role, with which permissions.
--
-- People sign in with Supabase Auth; an account counts only while its profile is active. Role, team,
-- active state and the life of the session are read from these tables by the gates below on every
-- statement, never from the token: a demoted, deactivated or signed-out person loses access at once.

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

create table public.impersonations (
  id uuid primary key default private.uuid_v7(),
  session_id uuid not null,
  user_id uuid not null references public.profiles (id) on delete cascade,
  impersonator_id uuid not null references public.profiles (id) on delete cascade,
  impersonator_session_id uuid not null,
  reason text not null,
  started_at timestamptz not null default now(),
  expires_at timestamptz not null default now() + interval '10 minutes',
  ended_at timestamptz,
  constraint impersonations_are_of_one_session unique (session_id),
  constraint impersonations_are_short check (expires_at <= started_at + interval '10 minutes'),
  constraint impersonations_end_after_they_began check (ended_at >= started_at),
  constraint impersonations_are_of_somebody_else check (user_id <> impersonator_id),
  constraint impersonations_have_a_reason check (btrim(reason) <> '' and length(reason) <= 500)
);

comment on table public.impersonations is 'Who looked at Intake with whose eyes, when and why. While it lasts its session reads what that person may, and writes nothing.';

comment on column public.impersonations.session_id is 'The session of the token. It is over for Auth as soon as the token is made, and lives for ten minutes by this row alone.';

comment on column public.impersonations.impersonator_session_id is 'Where the impersonator signed in: when that ends, so does this.';

create index impersonations_of_user on public.impersonations (user_id, started_at desc);

create index impersonations_by_impersonator on public.impersonations (impersonator_id, started_at desc);

-- Gates: one row read each, null is denied. plpgsql, because SQL bodies are planned anew per statement;
-- parallel safe, because otherwise no query on a protected table could run in parallel.

create function private.is_looked_through(p_user_id uuid) returns boolean
language plpgsql stable security definer parallel safe set search_path = '' as $$
begin
  return exists (
    select
    from public.impersonations i
    join public.profiles a on a.id = i.impersonator_id and a.is_active
    join public.roles r on r.id = a.role_id and r.data_scope = 'all'
    join public.role_permissions rp on rp.role_id = r.id and rp.permission = 'users.impersonate'
    join auth.sessions s on s.id = i.impersonator_session_id and s.user_id = a.id and (s.not_after is null or s.not_after > now())
    where i.session_id = private.session_id() and i.user_id = p_user_id and i.ended_at is null and i.expires_at > now()
      -- As when it began: nobody who may impersonate, or who may more than the impersonator.
      and not exists (
        select
        from public.profiles p
        join public.role_permissions theirs on theirs.role_id = p.role_id
        where p.id = p_user_id
          and (
            theirs.permission = 'users.impersonate'
            or not exists (select from public.role_permissions own where own.role_id = a.role_id and own.permission = theirs.permission)
          )
      )
  );
end
$$;

comment on function private.is_looked_through(uuid) is 'Whether the caller''s session is an impersonation of this person that lasts. A function of its own, because no other session pays for it.';

create view private.caller as
select
  p.id,
  p.role_id,
  r.data_scope,
  (select array_agg(m.team_id) from public.team_members m where m.user_id = p.id and m.is_manager and r.data_scope = 'team') as teams
from public.profiles p
left join public.roles r on r.id = p.role_id
where p.id = auth.uid()
  and p.is_active
  and (
    exists (
      select from auth.sessions s
      where s.id = private.session_id() and s.user_id = p.id and (s.not_after is null or s.not_after > now())
    )
    or private.is_looked_through(p.id)
  );

comment on view private.caller is 'Who is calling, if their profile is active and their session alive, or else an administrator''s who looks with their eyes; no row otherwise; teams are those they manage, if their role''s scope is team. Every gate reads this view, and what a gate does not ask for is not read: hence the left join.';

create function private.gate_own() returns uuid
language plpgsql stable security definer parallel safe set search_path = '' as $$
begin
  return (select c.id from private.caller c);
end
$$;

comment on function private.gate_own() is 'The caller''s id if their profile is active and their session alive, else null.';

create function private.gate_all() returns uuid
language plpgsql stable security definer parallel safe set search_path = '' as $$
begin
  return (select c.id from private.caller c where c.data_scope = 'all');
end
$$;

comment on function private.gate_all() is 'The caller''s id if they pass gate_own and their role''s scope is all, else null.';

create function private.gate_team() returns uuid[]
language plpgsql stable security definer parallel safe set search_path = '' as $$
begin
  return (select c.teams from private.caller c);
end
$$;

comment on function private.gate_team() is 'The teams the caller manages if they pass gate_own and their role''s scope is team, else null.';

create function private.gate_colleagues() returns uuid[]
language plpgsql stable security definer parallel safe set search_path = '' as $$
begin
  return (
    select array_agg(distinct other.user_id)
    from public.team_members mine
    join public.team_members other on other.team_id = mine.team_id
    where mine.user_id = private.gate_own()
  );
end
$$;

comment on function private.gate_colleagues() is 'Everybody who shares a team with the caller, else null.';

create function private.has_permission(p_permission text) returns boolean
language plpgsql stable security definer parallel safe set search_path = '' as $$
begin
  return exists (
    select
    from public.profiles p
    join public.role_permissions rp on rp.role_id = p.role_id and rp.permission = p_permission
    where p.id = private.gate_own()
  );
end
$$;

comment on function private.has_permission(text) is 'Whether the caller passes gate_own and their role holds the permission.';

create function private.require_permission(p_permission text) returns void
language plpgsql stable set search_path = '' as $$
begin
  if not private.has_permission(p_permission) then
    perform private.fail('permission_denied', p_permission);
  end if;
end
$$;

comment on function private.require_permission(text) is 'Raises permission_denied unless the caller holds the permission.';

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

create function private.may_assign_to(p_user_id uuid) returns boolean
language plpgsql stable security definer set search_path = '' as $$
begin
  return exists (
    select
    from public.profiles p
    where p.id = p_user_id
      and p.is_active
      and (
        p.id = private.gate_own()
        or private.gate_all() is not null
        or exists (select from public.team_members m where m.user_id = p.id and m.team_id = any (private.gate_team()))
      )
  );
end
$$;

comment on function private.may_assign_to(uuid) is 'Whether the caller may give work to this person: anybody for scope all, members of managed teams for scope team, oneself otherwise.';

create function private.scope_filter(p_alias text, p_caller private.caller) returns text
language plpgsql immutable set search_path = '' as $$
begin
  return case
    when p_caller.data_scope = 'all' then 'true'
    when p_caller.teams is not null then format('(%1$I.team_id = any (%2$L::uuid[]) or %1$I.assigned_to = %3$L::uuid)', p_alias, p_caller.teams, p_caller.id)
    when p_caller.id is not null then format('%I.assigned_to = %L::uuid', p_alias, p_caller.id)
    else 'false'
  end;
end
$$;

comment on function private.scope_filter(text, private.caller) is 'What a caller may see as a WHERE clause for dynamic SQL.';

create function private.scope_filter(p_alias text) returns text
language plpgsql stable security definer set search_path = '' as $$
declare
  caller private.caller;
begin
  select * into caller from private.caller;

  return private.scope_filter(p_alias, caller);
end
$$;

comment on function private.scope_filter(text) is 'The caller''s scope as a WHERE clause for dynamic SQL. The policies protect; this lets the planner use the owner and team indexes.';

-- Policies

alter table public.permissions enable row level security;

alter table public.roles enable row level security;

alter table public.role_permissions enable row level security;

alter table public.teams enable row level security;

alter table public.profiles enable row level security;

alter table public.team_members enable row level security;

create policy permissions_read on public.permissions for select to authenticated
  using ((select private.gate_own()) is not null);

comment on policy permissions_read on public.permissions is 'Names of permissions, for everybody who works here.';

create policy roles_read on public.roles for select to authenticated
  using ((select private.gate_own()) is not null);

comment on policy roles_read on public.roles is 'Every active person may know the roles.';

create policy role_permissions_read on public.role_permissions for select to authenticated
  using ((select private.gate_own()) is not null);

comment on policy role_permissions_read on public.role_permissions is 'What a role may do is no secret to those who work here.';

create policy teams_read on public.teams for select to authenticated
  using ((select private.gate_own()) is not null);

comment on policy teams_read on public.teams is 'Every active person may know the teams; who is in them is another table.';

create policy teams_create on public.teams for insert to authenticated
  with check ((select private.has_permission('teams.manage')));

comment on policy teams_create on public.teams is 'Needs teams.manage.';

create policy teams_change on public.teams for update to authenticated
  using ((select private.has_permission('teams.manage')))
  with check ((select private.has_permission('teams.manage')));

comment on policy teams_change on public.teams is 'Needs teams.manage.';

create policy teams_delete on public.teams for delete to authenticated
  using ((select private.has_permission('teams.manage')));

comment on policy teams_delete on public.teams is 'Needs teams.manage; a team that leads belong to is kept by its foreign keys.';

create policy profiles_read on public.profiles for select to authenticated
  using (
    (select private.gate_all()) is not null
    or id = any ((select private.gate_colleagues())::uuid[])
    or id = (select private.gate_own())
  );

comment on policy profiles_read on public.profiles is 'Oneself, the people of one''s teams, or everybody for scope all.';

create policy profiles_change_own on public.profiles for update to authenticated
  using (id = (select private.gate_own()))
  with check (id = (select private.gate_own()));

comment on policy profiles_change_own on public.profiles is 'One''s own row, in the columns granted below; role and active state are not among them.';

create policy team_members_read on public.team_members for select to authenticated
  using (
    (select private.gate_all()) is not null
    or user_id = any ((select private.gate_colleagues())::uuid[])
    or user_id = (select private.gate_own())
  );

comment on policy team_members_read on public.team_members is 'The members of one''s own teams, or all for scope all.';

create policy team_members_create on public.team_members for insert to authenticated
  with check ((select private.has_permission('teams.manage')));

comment on policy team_members_create on public.team_members is 'Needs teams.manage: a place in a team is what a manager''s sight is made of.';

create policy team_members_change on public.team_members for update to authenticated
  using ((select private.has_permission('teams.manage')))
  with check ((select private.has_permission('teams.manage')));

comment on policy team_members_change on public.team_members is 'Needs teams.manage, in the one column granted: is_manager.';

create policy team_members_delete on public.team_members for delete to authenticated
  using ((select private.has_permission('teams.manage')));

comment on policy team_members_delete on public.team_members is 'Needs teams.manage.';

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

-- RPCs

create function private.me() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  return (
    select jsonb_build_object(
      'id', p.id,
      'full_name', p.full_name,
      'email', p.email,
      'role', r.key,
      'data_scope', r.data_scope,
      'timezone', coalesce(p.timezone, private.setting('organization.timezone') #>> '{}'),
      'availability', p.availability,
      'permissions', coalesce((select jsonb_agg(rp.permission order by rp.permission) from public.role_permissions rp where rp.role_id = r.id), '[]'),
      'teams', coalesce((
        select jsonb_agg(jsonb_build_object('id', t.id, 'name', t.name, 'is_manager', m.is_manager) order by t.name)
        from public.team_members m join public.teams t on t.id = m.team_id
        where m.user_id = p.id
      ), '[]')
    )
    from public.profiles p
    join public.roles r on r.id = p.role_id
    where p.id = private.gate_own()
  );
end
$$;

comment on function private.me() is 'Body of public.me().';

create function public.me() returns jsonb
language plpgsql stable security invoker set search_path = '' as $$
declare
  person jsonb := private.me();
begin
  if person is null then
    perform private.fail('account_inactive');
  end if;

  return person;
end
$$;

comment on function public.me() is 'Who the caller is: {id, full_name, email, role, data_scope, timezone, availability, permissions[], teams[{id,name,is_manager}]}. Error account_inactive (403) without an active profile and a live session.';

create function private.require_roles_in_reach(p_role_ids uuid[]) returns void
language plpgsql stable security definer set search_path = '' as $$
begin
  if private.gate_all() is null or exists (
    select from public.role_permissions rp
    where rp.role_id = any (p_role_ids)
      and not private.has_permission(rp.permission)
  ) then
    perform private.fail('permission_denied', 'roles.manage');
  end if;
end
$$;

comment on function private.require_roles_in_reach(uuid[]) is 'Nobody hands out, or takes from somebody, more than they hold themselves.';

create function private.user_set_access(p_user_id uuid, p_role text, p_is_active boolean) returns void
language plpgsql security definer set search_path = '' as $$
declare
  target public.profiles;
  wanted public.roles;
begin
  perform private.require_permission('users.manage');

  select * into target from public.profiles p where p.id = p_user_id for update;

  if target.id is null or exists (select from auth.users u where u.id = p_user_id and u.deleted_at is not null) then
    perform private.fail('not_found', 'user');
  end if;

  select * into wanted from public.roles r where r.key = coalesce(lower(p_role), (select t.key from public.roles t where t.id = target.role_id));

  if wanted.id is null then
    perform private.fail('role_unknown', p_role);
  end if;

  perform private.require_roles_in_reach(array[wanted.id, target.role_id]);

  update public.profiles p
  set role_id = wanted.id, is_active = coalesce(p_is_active, p.is_active)
  where p.id = p_user_id;

  if p_is_active is false then
    delete from auth.sessions s where s.user_id = p_user_id;
  end if;

  -- Auth refuses the sign-in too. Somebody not active yet may accept an invitation before they are.
  if p_is_active <> target.is_active then
    update auth.users u set banned_until = case when not p_is_active then now() + interval '100 years' end where u.id = p_user_id;
  end if;
end
$$;

comment on function private.user_set_access(uuid, text, boolean) is 'Body of public.user_set_access().';

create function public.user_set_access(p_user_id uuid, p_role text default null, p_is_active boolean default null) returns void
language sql volatile security invoker set search_path = '' as $$
  select private.user_set_access(p_user_id, p_role, p_is_active);
$$;

comment on function public.user_set_access(uuid, text, boolean) is 'Sets a person''s role (by key) and active state; null leaves it. Deactivating ends their sessions, and Auth lets them sign in no more. Needs users.manage and every permission of both roles. Errors: permission_denied, not_found, role_unknown, last_admin.';

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

revoke all on private.caller from anon, authenticated, service_role;

revoke all on function private.is_looked_through(uuid) from public, anon, authenticated, service_role;

revoke all on function private.gate_own() from public, anon, authenticated, service_role;

grant execute on function private.gate_own() to authenticated, service_role;

revoke all on function private.gate_all() from public, anon, authenticated, service_role;

grant execute on function private.gate_all() to authenticated, service_role;

revoke all on function private.gate_team() from public, anon, authenticated, service_role;

grant execute on function private.gate_team() to authenticated, service_role;

revoke all on function private.gate_colleagues() from public, anon, authenticated, service_role;

grant execute on function private.gate_colleagues() to authenticated, service_role;

revoke all on function private.has_permission(text) from public, anon, authenticated, service_role;

grant execute on function private.has_permission(text) to authenticated, service_role;

revoke all on function private.require_permission(text) from public, anon, authenticated, service_role;

grant execute on function private.require_permission(text) to authenticated, service_role;

revoke all on function private.team_of(uuid, uuid) from public, anon, authenticated, service_role;

revoke all on function private.may_assign_to(uuid) from public, anon, authenticated, service_role;

grant execute on function private.may_assign_to(uuid) to authenticated;

revoke all on function private.scope_filter(text, private.caller) from public, anon, authenticated, service_role;

revoke all on function private.scope_filter(text) from public, anon, authenticated, service_role;

grant execute on function private.scope_filter(text) to authenticated, service_role;

revoke all on function private.profile_of_account() from public, anon, authenticated, service_role;

revoke all on function private.guard_profile() from public, anon, authenticated, service_role;

revoke all on function private.guard_role() from public, anon, authenticated, service_role;

revoke all on function private.admin_holds_every_permission() from public, anon, authenticated, service_role;

revoke all on function private.guard_role_permission() from public, anon, authenticated, service_role;

revoke all on function private.me() from public, anon, authenticated, service_role;

grant execute on function private.me() to authenticated;

revoke all on function public.me() from public, anon, authenticated, service_role;

grant execute on function public.me() to authenticated;

revoke all on function private.require_roles_in_reach(uuid[]) from public, anon, authenticated, service_role;

revoke all on function private.user_set_access(uuid, text, boolean) from public, anon, authenticated, service_role;

grant execute on function private.user_set_access(uuid, text, boolean) to authenticated;

revoke all on function public.user_set_access(uuid, text, boolean) from public, anon, authenticated, service_role;

grant execute on function public.user_set_access(uuid, text, boolean) to authenticated;

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
  ('account_inactive', '42501', 'This account is not active.', 'Ask an administrator to activate it, or sign in again.'),
  ('last_admin', 'PT409', 'The last active administrator cannot be removed, demoted or deactivated.', 'Make somebody else an administrator first.'),
  ('role_is_built_in', 'PT409', 'Built-in roles cannot be changed in this way.', 'Create a role of your own.'),
  ('role_in_use', 'PT409', 'Somebody still has this role.', 'Give them another role first.'),
  ('role_unknown', 'PT422', 'There is no such role.', 'Read the keys from roles.'),
  ('timezone_unknown', 'PT422', 'There is no such time zone.', 'Send an IANA name such as Asia/Kolkata.');

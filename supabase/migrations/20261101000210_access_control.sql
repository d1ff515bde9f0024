-- Access control: who is calling, what they may see and do, and how that is given and taken.
--
-- An account counts only while its profile is active. Role, team, active state and the life of the session
-- are read from the tables of identity by the gates below on every statement, never from the token: a
-- demoted, deactivated or signed-out person loses access at once.

-- Tables

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

-- Grants

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

revoke all on function private.may_assign_to(uuid) from public, anon, authenticated, service_role;

grant execute on function private.may_assign_to(uuid) to authenticated;

revoke all on function private.scope_filter(text, private.caller) from public, anon, authenticated, service_role;

revoke all on function private.scope_filter(text) from public, anon, authenticated, service_role;

grant execute on function private.scope_filter(text) to authenticated, service_role;

revoke all on function private.me() from public, anon, authenticated, service_role;

grant execute on function private.me() to authenticated;

revoke all on function public.me() from public, anon, authenticated, service_role;

grant execute on function public.me() to authenticated;

revoke all on function private.require_roles_in_reach(uuid[]) from public, anon, authenticated, service_role;

revoke all on function private.user_set_access(uuid, text, boolean) from public, anon, authenticated, service_role;

grant execute on function private.user_set_access(uuid, text, boolean) to authenticated;

revoke all on function public.user_set_access(uuid, text, boolean) from public, anon, authenticated, service_role;

grant execute on function public.user_set_access(uuid, text, boolean) to authenticated;

-- This module's errors

insert into public.error_codes (code, sqlstate, message, hint) values
  ('account_inactive', '42501', 'This account is not active.', 'Ask an administrator to activate it, or sign in again.'),
  ('role_unknown', 'PT422', 'There is no such role.', 'Read the keys from roles.');

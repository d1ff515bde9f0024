-- Sessions: where people are signed in, and signing them out at once.
--
-- Auth keeps the sessions; the gates look for the caller's on every statement, so a session that is revoked
-- here is over with the next request, whatever its token says.

-- Functions

create function private.sessions_in_reach() returns table (
  id uuid, user_id uuid, created_at timestamptz, last_active_at timestamptz, expires_at timestamptz, user_agent text, ip inet, is_current boolean
)
language plpgsql stable security definer set search_path = '' as $$
declare
  caller uuid := private.gate_own();
  sees_all boolean := private.gate_all() is not null and private.has_permission('users.manage');
begin
  return query
  select s.id, s.user_id, s.created_at, coalesce(s.refreshed_at at time zone 'utc', s.updated_at, s.created_at), s.not_after, s.user_agent, s.ip, s.id = private.session_id()
  from auth.sessions s
  where (s.not_after is null or s.not_after > now())
    and (s.user_id = caller or sees_all);
end
$$;

comment on function private.sessions_in_reach() is 'The sessions the caller may know of: their own, or everybody''s with users.manage and scope all.';

create function private.revoke_session(p_session_id uuid) returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
  owner uuid := (select s.user_id from private.sessions_in_reach() s where s.id = p_session_id);
begin
  if owner is null then
    perform private.fail('not_found', 'session');
  end if;

  if owner <> private.gate_own() then
    perform private.require_roles_in_reach(array(select p.role_id from public.profiles p where p.id = owner));
  end if;

  delete from auth.sessions s where s.id = p_session_id;

  perform private.audit('revoke', 'sessions', p_session_id::text, null, jsonb_build_object('user_id', owner));
end
$$;

comment on function private.revoke_session(uuid) is 'Body of public.revoke_session().';

-- Views

create view public.user_sessions with (security_invoker = true) as
select * from private.sessions_in_reach();

comment on view public.user_sessions is 'Where one is signed in, or everybody is for holders of users.manage with scope all. Read only: end one with revoke_session(). Answers D0-046.';

comment on column public.user_sessions.last_active_at is 'When its token was last renewed: within an hour of the last request.';

comment on column public.user_sessions.is_current is 'Whether it is the session that asks.';

-- RPCs

create function public.list_sessions(p_user_id uuid default null) returns setof public.user_sessions
language plpgsql stable security invoker set search_path = '' as $$
declare
  caller uuid := private.gate_own();
begin
  if caller is null then
    perform private.fail('account_inactive');
  end if;

  if p_user_id <> caller then
    perform private.require_permission('users.manage');

    if private.gate_all() is null then
      perform private.fail('permission_denied', 'users.manage');
    end if;
  end if;

  return query
  select * from public.user_sessions s
  where s.user_id = coalesce(p_user_id, caller)
  order by s.last_active_at desc, s.id;
end
$$;

comment on function public.list_sessions(uuid) is 'Somebody''s sessions, one''s own by default, last used first: {id, user_id, created_at, last_active_at, expires_at, user_agent, ip, is_current}. Another''s need users.manage and scope all. Errors: account_inactive, permission_denied. Answers D0-046.';

create function public.revoke_session(p_session_id uuid) returns void
language sql volatile security invoker set search_path = '' as $$
  select private.revoke_session(p_session_id);
$$;

comment on function public.revoke_session(uuid) is 'Ends a session at once: one''s own, or with users.manage that of somebody whose every permission the caller holds. Errors: not_found, permission_denied. Answers D0-047.';

-- Grants

revoke all on public.user_sessions from anon, authenticated, service_role;

grant select on public.user_sessions to authenticated;

revoke all on function private.sessions_in_reach() from public, anon, authenticated, service_role;

grant execute on function private.sessions_in_reach() to authenticated;

revoke all on function private.revoke_session(uuid) from public, anon, authenticated, service_role;

grant execute on function private.revoke_session(uuid) to authenticated;

revoke all on function public.list_sessions(uuid) from public, anon, authenticated, service_role;

grant execute on function public.list_sessions(uuid) to authenticated;

revoke all on function public.revoke_session(uuid) from public, anon, authenticated, service_role;

grant execute on function public.revoke_session(uuid) to authenticated;

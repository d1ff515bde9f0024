-- Impersonation: an administrator looks at Intake with somebody's eyes, for ten minutes, and touches nothing.
--
-- The function admin signs in as the person through Auth and hands the access token over; the session itself
-- ends at that moment, so the token changes no password and refreshes nothing, and edge functions, which ask
-- Auth, refuse it. The gates know it by its row of impersonations (see private.caller) while the impersonator
-- is active, allowed, and signed in where they began. Writes are refused: by the Data API in
-- private.pre_request(), by Storage and Realtime through the policies below.

-- Functions

create function private.impersonation_check(p_user_id uuid, p_reason text) returns text
language plpgsql stable security definer set search_path = '' as $$
declare
  target public.profiles;
begin
  perform private.require_permission('users.impersonate');

  if coalesce(btrim(p_reason), '') = '' or length(p_reason) > 500 then
    perform private.fail('argument_invalid', 'reason has 1 to 500 characters');
  end if;

  select p.* into target
  from public.profiles p
  join auth.users u on u.id = p.id and u.deleted_at is null
  where p.id = p_user_id;

  if target.id is null then
    perform private.fail('not_found', 'user');
  end if;

  perform private.require_roles_in_reach(array[target.role_id]);

  if not target.is_active
    or target.id = private.gate_own()
    or exists (select from auth.users u where u.id = target.id and u.email_confirmed_at is null)
    or exists (select from public.role_permissions rp where rp.role_id = target.role_id and rp.permission = 'users.impersonate') then
    perform private.fail('impersonation_refused');
  end if;

  return target.email;
end
$$;

comment on function private.impersonation_check(uuid, text) is 'Whether the caller may look with this person''s eyes: users.impersonate, every permission of their role, and a person who is active, has confirmed their address, is not the caller, and may not impersonate. Returns their address.';

create function private.impersonation_begin(p_user_id uuid, p_session_id uuid, p_reason text) returns timestamptz
language plpgsql volatile security definer set search_path = '' as $$
declare
  made public.impersonations;
begin
  perform private.impersonation_check(p_user_id, p_reason);

  -- It was just made for this; from here on it lives by our row alone.
  delete from auth.sessions s where s.id = p_session_id and s.user_id = p_user_id and s.created_at > now() - interval '1 minute';

  if not found then
    perform private.fail('not_found', 'session');
  end if;

  insert into public.impersonations (session_id, user_id, impersonator_id, impersonator_session_id, reason)
  values (p_session_id, p_user_id, private.gate_own(), private.session_id(), btrim(p_reason))
  returning * into made;

  perform private.audit('impersonate', 'users', p_user_id::text, null, jsonb_build_object('impersonation_id', made.id, 'reason', made.reason, 'expires_at', made.expires_at));

  return made.expires_at;
end
$$;

comment on function private.impersonation_begin(uuid, uuid, text) is 'Turns a session of the person, made a moment ago, into an impersonation by the caller. Returns when it ends.';

create function private.impersonation_end(p_id uuid) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  update public.impersonations i
  set ended_at = clock_timestamp()
  where i.id = p_id
    and i.ended_at is null
    and private.gate_own() in (i.impersonator_id, i.user_id);

  if not found then
    perform private.fail('not_found', 'impersonation');
  end if;
end
$$;

comment on function private.impersonation_end(uuid) is 'Body of public.impersonation_end().';

create function private.is_impersonated() returns boolean
language plpgsql stable security definer set search_path = '' as $$
begin
  return exists (select from public.impersonations i where i.session_id = private.session_id());
end
$$;

comment on function private.is_impersonated() is 'Whether the caller''s token is an impersonation''s, over or not.';

-- RPCs

create function public.impersonation_end(p_id uuid) returns void
language sql volatile security invoker set search_path = '' as $$
  select private.impersonation_end(p_id);
$$;

comment on function public.impersonation_end(uuid) is 'Ends an impersonation before its time, for who began it and for whom it is of. Error not_found.';

-- Policies

alter table public.impersonations enable row level security;

create policy impersonations_read on public.impersonations for select to authenticated
  using (
    (select private.has_permission('users.impersonate'))
    or user_id = (select private.gate_own())
  );

comment on policy impersonations_read on public.impersonations is 'Those who may impersonate see each, and everybody who looked with their eyes.';

create policy impersonation_stores_nothing on storage.objects as restrictive for insert to authenticated
  with check (not (select private.is_impersonated()));

create policy impersonation_removes_nothing on storage.objects as restrictive for delete to authenticated
  using (not (select private.is_impersonated()));

create policy impersonation_says_nothing on realtime.messages as restrictive for insert to authenticated
  with check (not (select private.is_impersonated()));

-- Grants

revoke all on public.impersonations from anon, authenticated, service_role;

grant select (id, user_id, impersonator_id, reason, started_at, expires_at, ended_at) on public.impersonations to authenticated;

grant select, delete on public.impersonations to service_role;

revoke all on function private.impersonation_check(uuid, text) from public, anon, authenticated, service_role;

grant execute on function private.impersonation_check(uuid, text) to authenticated;

revoke all on function private.impersonation_begin(uuid, uuid, text) from public, anon, authenticated, service_role;

grant execute on function private.impersonation_begin(uuid, uuid, text) to authenticated;

revoke all on function private.impersonation_end(uuid) from public, anon, authenticated, service_role;

grant execute on function private.impersonation_end(uuid) to authenticated;

revoke all on function private.is_impersonated() from public, anon, authenticated, service_role;

grant execute on function private.is_impersonated() to authenticated;

revoke all on function public.impersonation_end(uuid) from public, anon, authenticated, service_role;

grant execute on function public.impersonation_end(uuid) to authenticated;

-- This module's errors

insert into public.error_codes (code, sqlstate, message, hint) values
  ('impersonation_is_read_only', '42501', 'An impersonation looks and changes nothing.', 'Sign in with your own account to change something.'),
  ('impersonation_refused', '42501', 'Nobody may look with the eyes of this person.', 'They must be active, have confirmed their address, be somebody else, and hold no right to impersonate.');

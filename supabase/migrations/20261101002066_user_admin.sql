-- Administration of people: finding, changing and letting them go. Making one is in agents; Auth's part of
-- all of it is done by the function admin, in the name and with the rights of the caller.
--
-- Who goes keeps their name, because history is theirs too: the account is emptied in Auth (its address is free
-- again), the profile is inactive for good, and the open work is handed to somebody else first.

-- Functions

create function private.require_user_in_reach(p_user_id uuid) returns public.profiles
language plpgsql stable security definer set search_path = '' as $$
declare
  target public.profiles;
begin
  perform private.require_permission('users.manage');

  select p.* into target
  from public.profiles p
  join auth.users u on u.id = p.id and u.deleted_at is null
  where p.id = p_user_id;

  if target.id is null then
    perform private.fail('not_found', 'user');
  end if;

  perform private.require_roles_in_reach(array[target.role_id]);

  return target;
end
$$;

comment on function private.require_user_in_reach(uuid) is 'A person who still is one, for a caller who holds users.manage and every permission of theirs.';

create function private.admin_list_users(p_search text, p_role text, p_status text, p_limit integer, p_offset integer) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  pattern text := private.like_pattern(lower(btrim(p_search)));
  total bigint;
  users jsonb;
begin
  perform private.require_permission('users.manage');

  if private.gate_all() is null then
    perform private.fail('permission_denied', 'users.manage');
  end if;

  if p_limit is null or p_limit not between 1 and 200 or p_offset is null or p_offset < 0 or p_status not in ('active', 'inactive') or length(p_search) > 200 then
    perform private.fail('argument_invalid', 'p_limit is 1 to 200, p_offset not negative, p_status active or inactive, p_search at most 200 characters');
  end if;

  with found as materialized (
    select p.*, r.key as role, u.last_sign_in_at
    from public.profiles p
    join public.roles r on r.id = p.role_id
    join auth.users u on u.id = p.id and u.deleted_at is null
    where (pattern is null or lower(p.full_name) like pattern or p.email like pattern or p.phone like pattern)
      and (p_role is null or r.key = lower(p_role))
      and (p_status is null or p.is_active = (p_status = 'active'))
  )
  select
    (select count(*) from found),
    coalesce((
      select jsonb_agg(jsonb_build_object(
        'id', f.id, 'full_name', f.full_name, 'email', f.email, 'phone', f.phone, 'role', f.role,
        'status', case when f.is_active then 'active' else 'inactive' end,
        'department', f.department, 'designation', f.designation, 'last_sign_in_at', f.last_sign_in_at, 'created_at', f.created_at,
        'teams', coalesce((
          select jsonb_agg(jsonb_build_object('id', t.id, 'name', t.name, 'is_manager', m.is_manager) order by t.name)
          from public.team_members m join public.teams t on t.id = m.team_id
          where m.user_id = f.id
        ), '[]')
      ) order by lower(f.full_name), f.id)
      from (select * from found order by lower(full_name), id limit p_limit offset p_offset) f
    ), '[]')
  into total, users;

  return jsonb_build_object('users', users, 'total', total, 'page', p_offset / p_limit + 1, 'limit', p_limit);
end
$$;

comment on function private.admin_list_users(text, text, text, integer, integer) is 'Body of public.admin_list_users().';

create function private.user_update_check(p_user_id uuid, p_email text, p_role text) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  target public.profiles := private.require_user_in_reach(p_user_id);
  address text := private.normalize_email(p_email);
  wanted uuid;
begin
  if p_email is not null and address is null then
    perform private.fail('email_invalid');
  end if;

  if exists (select from public.profiles p where p.email = address and p.id <> p_user_id) then
    perform private.fail('user_exists', address);
  end if;

  if p_role is not null then
    select r.id into wanted from public.roles r where r.key = lower(p_role);

    if wanted is null then
      perform private.fail('role_unknown', p_role);
    end if;

    perform private.require_roles_in_reach(array[wanted]);
  end if;

  return jsonb_build_object('email', target.email, 'new_email', nullif(address, target.email));
end
$$;

comment on function private.user_update_check(uuid, text, text) is 'Whether the caller may change this person so, before Auth is told. Returns {email, new_email}: the address now, and the one to have, null if it stays.';

create function private.user_update(p_user_id uuid, p_full_name text, p_phone text, p_role text, p_is_active boolean) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform private.require_user_in_reach(p_user_id);

  if num_nonnulls(p_full_name, p_phone) > 0 then
    update public.profiles p
    set full_name = coalesce(p_full_name, p.full_name), phone = coalesce(p_phone, p.phone)
    where p.id = p_user_id;
  end if;

  if p_role is not null or p_is_active is not null then
    perform private.user_set_access(p_user_id, p_role, p_is_active);
  end if;

  return (
    select jsonb_build_object(
      'id', p.id, 'full_name', p.full_name, 'email', p.email, 'phone', p.phone, 'role', r.key, 'status', case when p.is_active then 'active' else 'inactive' end
    )
    from public.profiles p join public.roles r on r.id = p.role_id
    where p.id = p_user_id
  );
end
$$;

comment on function private.user_update(uuid, text, text, text, boolean) is 'Changes a person; what is null stays. Returns {id, full_name, email, phone, role, status}.';

create function private.open_leads_of(p_user_id uuid) returns setof uuid
language sql stable security definer set search_path = '' as $$
  select l.id
  from public.leads l
  join public.pipeline_stages s on s.key = l.status and not s.is_closed
  where l.assigned_to = p_user_id and l.deleted_at is null;
$$;

comment on function private.open_leads_of(uuid) is 'Leads somebody still has work with.';

create function private.user_leave_check(p_user_id uuid, p_reassign_to uuid) returns void
language plpgsql stable security definer set search_path = '' as $$
declare
  target public.profiles := private.require_user_in_reach(p_user_id);
  open_leads bigint := (select count(*) from private.open_leads_of(p_user_id));
begin
  if target.id = private.gate_own() then
    perform private.fail('user_is_oneself');
  end if;

  if p_reassign_to is null then
    if open_leads > 0 then
      perform private.fail('user_has_leads', open_leads::text);
    end if;
  elsif p_reassign_to = p_user_id or not private.may_assign_to(p_reassign_to) then
    perform private.fail('assignee_unavailable', p_reassign_to::text);
  end if;
end
$$;

comment on function private.user_leave_check(uuid, uuid) is 'Whether the caller may let this person go, and somebody is there to take over what they have.';

create function private.user_hand_over(p_user_id uuid, p_reassign_to uuid) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  batch uuid[] := array(select l from private.open_leads_of(p_user_id) l limit 500);
begin
  perform private.user_leave_check(p_user_id, p_reassign_to);

  if cardinality(batch) > 0 then
    perform private.lead_assign(batch, p_reassign_to, 'Left the organisation');
  end if;

  return cardinality(batch);
end
$$;

comment on function private.user_hand_over(uuid, uuid) is 'Gives up to 500 of a leaving person''s open leads to another. Returns how many: 0 when it is done. Needs leads.assign as well.';

create function private.user_leave(p_user_id uuid, p_reassign_to uuid) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform private.user_leave_check(p_user_id, p_reassign_to);

  perform private.user_set_access(p_user_id, null, false);

  if p_reassign_to is not null then
    update public.tasks t set assigned_to = p_reassign_to where t.assigned_to = p_user_id and t.status not in ('done', 'cancelled') and t.deleted_at is null;

    update public.reminders r set agent_id = p_reassign_to where r.agent_id = p_user_id and r.status = 'pending' and r.deleted_at is null;

    update public.calls c set agent_id = p_reassign_to where c.agent_id = p_user_id and c.status = 'scheduled' and c.deleted_at is null;
  end if;

  delete from public.team_members m where m.user_id = p_user_id;

  update public.profiles p set phone = null, avatar_url = null, preferences = '{}' where p.id = p_user_id;

  perform private.audit('delete', 'users', p_user_id::text, null, jsonb_build_object('reassigned_to', p_reassign_to));
end
$$;

comment on function private.user_leave(uuid, uuid) is 'Takes a person out: sessions, teams, number and picture; their open tasks, pending reminders and scheduled calls go along. Their name stays with what they did. Auth empties the account afterwards.';

-- RPCs

create function public.admin_list_users(
  p_search text default null, p_role text default null, p_status text default null, p_limit integer default 50, p_offset integer default 0
) returns jsonb
language sql stable security invoker set search_path = '' as $$
  select private.admin_list_users(p_search, p_role, p_status, p_limit, p_offset);
$$;

comment on function public.admin_list_users(text, text, text, integer, integer) is 'People by name, e-mail or phone (p_search), role key and status (active, inactive): {users[{id, full_name, email, phone, role, status, department, designation, last_sign_in_at, created_at, teams[]}], total, page, limit}, by name. Needs users.manage and scope all. Errors: permission_denied, argument_invalid. Answers D3-029.';

-- Grants

revoke all on function private.require_user_in_reach(uuid) from public, anon, authenticated, service_role;

revoke all on function private.admin_list_users(text, text, text, integer, integer) from public, anon, authenticated, service_role;

grant execute on function private.admin_list_users(text, text, text, integer, integer) to authenticated;

revoke all on function private.user_update_check(uuid, text, text) from public, anon, authenticated, service_role;

grant execute on function private.user_update_check(uuid, text, text) to authenticated;

revoke all on function private.user_update(uuid, text, text, text, boolean) from public, anon, authenticated, service_role;

grant execute on function private.user_update(uuid, text, text, text, boolean) to authenticated;

revoke all on function private.open_leads_of(uuid) from public, anon, authenticated, service_role;

revoke all on function private.user_leave_check(uuid, uuid) from public, anon, authenticated, service_role;

grant execute on function private.user_leave_check(uuid, uuid) to authenticated;

revoke all on function private.user_hand_over(uuid, uuid) from public, anon, authenticated, service_role;

grant execute on function private.user_hand_over(uuid, uuid) to authenticated;

revoke all on function private.user_leave(uuid, uuid) from public, anon, authenticated, service_role;

grant execute on function private.user_leave(uuid, uuid) to authenticated;

revoke all on function public.admin_list_users(text, text, text, integer, integer) from public, anon, authenticated, service_role;

grant execute on function public.admin_list_users(text, text, text, integer, integer) to authenticated;

-- This module's errors

insert into public.error_codes (code, sqlstate, message, hint) values
  ('user_has_leads', 'PT409', 'This person still has open leads.', 'Name who takes them over in reassign_to, or assign them first.'),
  ('user_is_oneself', 'PT409', 'Nobody deletes themselves.', 'Ask another administrator.');

-- Administration of roles: an organisation's own roles and what each may do.
--
-- Nobody hands out more than they hold: who changes a role holds every permission it has before and after.

-- Functions

create function private.role_upsert(p_id uuid, p_name text, p_description text, p_permissions text[], p_data_scope text) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  role public.roles;
  unknown text := (select string_agg(k, ', ' order by k) from unnest(p_permissions) k where not exists (select from public.permissions p where p.key = k));
begin
  perform private.require_permission('roles.manage');

  if unknown is not null then
    perform private.fail('permission_unknown', unknown);
  end if;

  -- Before anything is written: what the role is to hold, and what it held.
  if exists (select from unnest(p_permissions) k where not private.has_permission(k)) then
    perform private.fail('permission_denied', 'roles.manage');
  end if;

  if p_data_scope not in ('own', 'team', 'all') then
    perform private.fail('argument_invalid', 'p_data_scope is own, team or all');
  end if;

  if length(p_name) > 120 or length(p_description) > 500 then
    perform private.fail('argument_invalid', 'p_name has at most 120 characters, p_description 500');
  end if;

  if p_id is null then
    perform private.require_roles_in_reach('{}');

    if coalesce(btrim(p_name), '') = '' then
      perform private.fail('argument_invalid', 'p_name');
    end if;

    begin
      insert into public.roles (key, name, description, data_scope)
      values (private.role_key(p_name), btrim(p_name), coalesce(p_description, ''), coalesce(p_data_scope, 'own'))
      returning * into role;
    exception when unique_violation then
      perform private.fail('role_exists', p_name);
    end;
  else
    select * into role from public.roles r where r.id = p_id for update;

    if role.id is null then
      perform private.fail('role_unknown', p_id::text);
    end if;

    perform private.require_roles_in_reach(array[p_id]);

    if role.key = 'admin' and p_permissions is not null then
      perform private.fail('role_is_built_in', role.key);
    end if;

    update public.roles r
    set name = coalesce(nullif(btrim(p_name), ''), r.name), description = coalesce(p_description, r.description), data_scope = coalesce(p_data_scope, r.data_scope)
    where r.id = p_id
    returning * into role;
  end if;

  if p_permissions is not null then
    delete from public.role_permissions rp where rp.role_id = role.id and rp.permission <> all (p_permissions);

    insert into public.role_permissions (role_id, permission)
    select role.id, k from unnest(p_permissions) k
    on conflict do nothing;
  end if;

  return jsonb_build_object(
    'id', role.id, 'key', role.key, 'name', role.name, 'description', role.description, 'data_scope', role.data_scope, 'is_system', role.is_system,
    'permissions', (select coalesce(jsonb_agg(rp.permission order by rp.permission), '[]') from public.role_permissions rp where rp.role_id = role.id)
  );
end
$$;

comment on function private.role_upsert(uuid, text, text, text[], text) is 'Body of public.role_upsert().';

create function private.role_key(p_name text) returns text
language plpgsql immutable set search_path = '' as $$
declare
  key text := left(btrim(regexp_replace(lower(p_name), '[^a-z0-9]+', '_', 'g'), '_'), 60);
begin
  return case when key ~ '^[a-z][a-z0-9_]' then key else 'role_' || left(md5(lower(btrim(p_name))), 12) end;
end
$$;

comment on function private.role_key(text) is 'A role''s key from its name: Senior Counselor is senior_counselor; a name without Latin letters gets one of its own.';

-- Views

create view public.roles_with_permissions with (security_invoker = true) as
select r.id, r.key, r.name, r.description, r.data_scope, r.is_system,
  coalesce((select jsonb_agg(rp.permission order by rp.permission) from public.role_permissions rp where rp.role_id = r.id), '[]') as permissions,
  r.created_at, r.updated_at
from public.roles r;

comment on view public.roles_with_permissions is 'Every role and what it may do, in the columns of the roles document. Answers D3-035.';

-- RPCs

create function public.role_upsert(
  p_name text default null, p_description text default null, p_permissions text[] default null, p_data_scope text default null, p_id uuid default null
) returns jsonb
language sql volatile security invoker set search_path = '' as $$
  select private.role_upsert(p_id, p_name, p_description, p_permissions, p_data_scope);
$$;

comment on function public.role_upsert(text, text, text[], text, uuid) is 'Makes a role (p_data_scope own by default), or with p_id changes one: what is null stays, p_permissions replaces the list. Returns {id, key, name, description, data_scope, is_system, permissions[]}. Needs roles.manage, scope all, and every permission given, held before or taken. Errors: permission_denied, permission_unknown, role_unknown, role_exists, role_is_built_in (admin''s permissions; key and scope of the built-in ones), argument_invalid. Answers D3-036, D3-037, D3-056.';

-- Policies

create policy roles_delete on public.roles for delete to authenticated
  using ((select private.has_permission('roles.manage')) and (select private.gate_all()) is not null);

comment on policy roles_delete on public.roles is 'Needs roles.manage and scope all. Built-in roles, and those somebody has, stay by trigger: role_is_built_in, role_in_use. Answers D3-038.';

-- Grants

grant delete on public.roles to authenticated;

revoke all on public.roles_with_permissions from anon, authenticated, service_role;

grant select on public.roles_with_permissions to authenticated, service_role;

revoke all on function private.role_upsert(uuid, text, text, text[], text) from public, anon, authenticated, service_role;

grant execute on function private.role_upsert(uuid, text, text, text[], text) to authenticated;

revoke all on function private.role_key(text) from public, anon, authenticated, service_role;

revoke all on function public.role_upsert(text, text, text[], text, uuid) from public, anon, authenticated, service_role;

grant execute on function public.role_upsert(text, text, text[], text, uuid) to authenticated;

-- This module's errors

insert into public.error_codes (code, sqlstate, message, hint) values
  ('permission_unknown', 'PT422', 'There is no such permission.', 'Read the keys from permissions.'),
  ('role_exists', 'PT409', 'There is a role of this name already.', 'Change that one, or choose another name.');

-- Agents: the people who work here under their fourth name, whether one can have them now, and when they
-- were last seen.
--
-- What somebody says of themselves is profiles.availability. A sign of life stands beside it, in a table of
-- its own, because it comes every minute and is nobody's history: without one for agents.stale_minutes a
-- person counts as offline, whatever they said. Who sits in which team at this moment is Presence on the
-- private topic agents:<team id>. New people are made here too, by the function admin.

-- Tables

create table public.agent_presence (
  user_id uuid primary key references public.profiles (id) on delete cascade,
  status_changed_at timestamptz,
  last_seen_at timestamptz
) with (fillfactor = 50);

comment on table public.agent_presence is 'When each person last changed their availability, and when they were last seen. Read through the view agents.';

comment on column public.agent_presence.status_changed_at is 'When profiles.availability last changed; null if it never did.';

comment on column public.agent_presence.last_seen_at is 'The last sign of life, to the minute: agent_heartbeat() or agent_set_status(). No index has it, so the update stays heap-only.';

-- Functions

create function private.agents_seen_since() returns timestamptz
language plpgsql stable parallel safe set search_path = '' as $$
declare
  minutes integer := (private.setting('agents.stale_minutes'))::integer;
begin
  return case when minutes > 0 then now() - make_interval(mins => minutes) else '-infinity' end;
end
$$;

comment on function private.agents_seen_since() is 'Who was seen last before this counts as offline; -infinity where the setting agents.stale_minutes is 0.';

create function private.is_at_work(p_user_id uuid) returns boolean
language plpgsql stable security definer set search_path = '' as $$
begin
  return exists (
    select
    from public.profiles p
    left join public.agent_presence s on s.user_id = p.id
    where p.id = p_user_id
      and p.is_active
      and p.availability in ('available', 'busy')
      and coalesce(s.last_seen_at, '-infinity') >= private.agents_seen_since()
  );
end
$$;

comment on function private.is_at_work(uuid) is 'Whether somebody is available or busy, and was seen of late. Asked by automatic assignment where routing.respects_availability says so.';

create function private.agents_by_status() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  return (
    select jsonb_build_object(
      'total', count(*),
      'online', count(*) filter (where a.status <> 'offline'),
      'available', count(*) filter (where a.status = 'available'),
      'busy', count(*) filter (where a.status = 'busy'),
      'away', count(*) filter (where a.status = 'away'),
      'offline', count(*) filter (where a.status = 'offline')
    )
    from public.agents a
    where a.is_active
  );
end
$$;

comment on function private.agents_by_status() is 'How many active people are connected, by status: {total, online, available, busy, away, offline}. For admin_health() and the measurements.';

create function private.in_team(p_team_id uuid) returns boolean
language plpgsql stable security definer set search_path = '' as $$
begin
  return p_team_id is not null and (
    private.gate_all() is not null
    or exists (select from public.team_members m where m.team_id = p_team_id and m.user_id = private.gate_own())
  );
end
$$;

comment on function private.in_team(uuid) is 'Whether the caller works in this team, manages it, or has scope all.';

create function private.agent_seen() returns timestamptz
language plpgsql volatile security definer set search_path = '' as $$
declare
  caller uuid := private.gate_own();
  at timestamptz := clock_timestamp();
begin
  if caller is null then
    perform private.fail('account_inactive');
  end if;

  -- Of a minute's signs the first is written: the others read one row and leave it alone.
  update public.agent_presence s
  set last_seen_at = at
  where s.user_id = caller and (s.last_seen_at is null or s.last_seen_at < at - interval '1 minute');

  if not found then
    insert into public.agent_presence (user_id, last_seen_at) values (caller, at) on conflict (user_id) do nothing;
  end if;

  return (select s.last_seen_at from public.agent_presence s where s.user_id = caller);
end
$$;

comment on function private.agent_seen() is 'Writes down that the caller is there, at most once a minute. Returns when it last did.';

-- Creating a person. The Auth server makes the account; these decide before and after.

create function private.user_create_check(p_email text, p_role text, p_team_id uuid) returns text
language plpgsql stable security definer set search_path = '' as $$
declare
  address text;
  wanted uuid;
begin
  perform private.require_permission('users.manage');

  address := private.normalize_email(p_email);

  if address is null then
    perform private.fail('email_invalid');
  end if;

  select r.id into wanted from public.roles r where r.key = lower(p_role);

  if wanted is null then
    perform private.fail('role_unknown', p_role);
  end if;

  perform private.require_roles_in_reach(array[wanted]);

  if p_team_id is not null then
    perform private.require_permission('teams.manage');

    if not exists (select from public.teams t where t.id = p_team_id) then
      perform private.fail('not_found', 'team');
    end if;
  end if;

  if exists (select from public.profiles p where p.email = address) then
    perform private.fail('user_exists', address);
  end if;

  return address;
end
$$;

comment on function private.user_create_check(text, text, uuid) is 'Whether the caller may make this person, before an account is made: users.manage, every permission of the role, teams.manage for a place in a team, an address that nobody has. Returns the address in its normal form.';

create function private.user_admit(
  p_user_id uuid,
  p_role text,
  p_is_active boolean,
  p_phone text,
  p_department text,
  p_designation text,
  p_team_id uuid,
  p_is_manager boolean
) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform private.user_set_access(p_user_id, p_role, p_is_active);

  update public.profiles p
  set phone = p_phone, department = p_department, designation = p_designation
  where p.id = p_user_id and num_nonnulls(p_phone, p_department, p_designation) > 0;

  if p_team_id is not null then
    perform private.require_permission('teams.manage');

    insert into public.team_members (team_id, user_id, is_manager) values (p_team_id, p_user_id, coalesce(p_is_manager, false));
  end if;

  perform private.audit('create', 'users', p_user_id::text, null, jsonb_build_object('role', lower(p_role), 'is_active', p_is_active, 'team_id', p_team_id));
end
$$;

comment on function private.user_admit(uuid, text, boolean, text, text, text, uuid, boolean) is 'Gives an account that was just made its role, its state, its details and its place in a team, in the name and with the rights of the caller.';

-- Policies

alter table public.agent_presence enable row level security;

create policy agent_presence_read on public.agent_presence for select to authenticated
  using (
    (select private.gate_all()) is not null
    or user_id = any ((select private.gate_colleagues())::uuid[])
    or user_id = (select private.gate_own())
  );

comment on policy agent_presence_read on public.agent_presence is 'Where the person''s profile is visible. Nobody writes it but the database.';

-- Realtime: who may listen, and show that they are there. Of events only the database is the sender.

create policy intake_agents_listen on realtime.messages for select to authenticated
  using (extension in ('broadcast', 'presence') and (select private.in_team((select private.topic_id('agents')))));

create policy intake_agents_appear on realtime.messages for insert to authenticated
  with check (extension = 'presence' and (select private.in_team((select private.topic_id('agents')))));

-- Triggers

create function private.record_availability() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  at timestamptz := clock_timestamp();
begin
  insert into public.agent_presence as s (user_id, status_changed_at, last_seen_at)
  values (new.id, at, case when new.id = auth.uid() then at end)
  on conflict (user_id) do update
  set status_changed_at = excluded.status_changed_at, last_seen_at = coalesce(excluded.last_seen_at, s.last_seen_at);

  perform realtime.send(jsonb_build_object('user_id', new.id), 'agent_status_changed', 'agents:' || m.team_id, true)
  from public.team_members m
  where m.user_id = new.id;

  return null;
end
$$;

comment on function private.record_availability() is 'Keeps when somebody''s availability changed, whoever writes it, and sends agent_status_changed with their id to agents:<team id>. Of their own change it is a sign of life too.';

create trigger record_availability after update of availability on public.profiles
  for each row when (old.availability is distinct from new.availability) execute function private.record_availability();

-- Views

create view public.agents with (security_invoker = true) as
select
  p.id,
  p.full_name,
  p.email,
  p.phone,
  r.key as role,
  p.department,
  p.designation,
  p.avatar_url,
  work.team_id,
  work.team_name,
  p.is_active,
  case when p.is_active and coalesce(s.last_seen_at, '-infinity') >= (select private.agents_seen_since()) then p.availability else 'offline' end as status,
  p.availability,
  s.status_changed_at,
  s.last_seen_at,
  p.max_open_leads,
  p.created_at,
  p.updated_at
from public.profiles p
join public.roles r on r.id = p.role_id
left join public.agent_presence s on s.user_id = p.id
left join lateral (
  select m.team_id, t.name as team_name
  from public.team_members m
  join public.teams t on t.id = m.team_id
  where m.user_id = p.id
  order by m.is_manager, m.created_at, m.team_id
  limit 1
) work on true;

comment on view public.agents is 'The people the caller may see, managers and administrators among them, with whether they can be had. Read only: change one''s own row of profiles, set the status with agent_set_status(). Filter by role, status, team_id and is_active. Answers D4-032, D4-033.';

comment on column public.agents.team_id is 'The team they work in, or else the first of those they manage.';

comment on column public.agents.status is 'availability, but offline for somebody who is not active or was not seen for agents.stale_minutes.';

comment on column public.agents.availability is 'available, busy, away or offline, as the person last said.';

-- RPCs

create function public.agent_set_status(p_status text) returns public.agents
language plpgsql volatile security invoker set search_path = '' as $$
declare
  caller uuid := private.gate_own();
  wanted text := lower(btrim(p_status));
  agent public.agents;
begin
  wanted := case wanted when 'online' then 'available' else wanted end;

  if wanted is null or wanted not in ('available', 'busy', 'away', 'offline') then
    perform private.fail('argument_invalid', 'p_status is available (or online), busy, away or offline');
  end if;

  -- Also the one place that refuses somebody without an active account.
  perform private.agent_seen();

  update public.profiles p set availability = wanted where p.id = caller and p.availability <> wanted;

  select * into agent from public.agents a where a.id = caller;

  return agent;
end
$$;

comment on function public.agent_set_status(text) is 'Says whether one can be had: available (or online), busy, away or offline. Returns one''s row of agents; colleagues hear agent_status_changed on agents:<team id>. Errors: argument_invalid, account_inactive. Answers D4-036.';

create function public.agent_heartbeat() returns jsonb
language plpgsql volatile security invoker set search_path = '' as $$
declare
  seen timestamptz := private.agent_seen();
begin
  return (select jsonb_build_object('status', a.status, 'last_seen_at', seen) from public.agents a where a.id = private.gate_own());
end
$$;

comment on function public.agent_heartbeat() is 'Says that one is there; to be called every minute or so while the application is open, and written at most once a minute. Returns {status, last_seen_at}. Error account_inactive. Answers D4-066.';

-- Grants

revoke all on public.agent_presence, public.agents from anon, authenticated, service_role;

grant select on public.agent_presence, public.agents to authenticated;

grant select, insert, update, delete on public.agent_presence to service_role;

grant select on public.agents to service_role;

revoke all on function private.agents_seen_since() from public, anon, authenticated, service_role;

grant execute on function private.agents_seen_since() to authenticated, service_role;

revoke all on function private.is_at_work(uuid) from public, anon, authenticated, service_role;

revoke all on function private.agents_by_status() from public, anon, authenticated, service_role;

revoke all on function private.in_team(uuid) from public, anon, authenticated, service_role;

grant execute on function private.in_team(uuid) to authenticated;

revoke all on function private.agent_seen() from public, anon, authenticated, service_role;

grant execute on function private.agent_seen() to authenticated;

revoke all on function private.user_create_check(text, text, uuid) from public, anon, authenticated, service_role;

grant execute on function private.user_create_check(text, text, uuid) to authenticated;

revoke all on function private.user_admit(uuid, text, boolean, text, text, text, uuid, boolean) from public, anon, authenticated, service_role;

grant execute on function private.user_admit(uuid, text, boolean, text, text, text, uuid, boolean) to authenticated;

revoke all on function private.record_availability() from public, anon, authenticated, service_role;

revoke all on function public.agent_set_status(text) from public, anon, authenticated, service_role;

grant execute on function public.agent_set_status(text) to authenticated;

revoke all on function public.agent_heartbeat() from public, anon, authenticated, service_role;

grant execute on function public.agent_heartbeat() to authenticated;

-- This module's error and setting

insert into public.error_codes (code, sqlstate, message, hint) values
  ('user_exists', 'PT409', 'Somebody has this e-mail address already.', 'Change that person with user_set_access() instead.');

select private.define_setting('agents.stale_minutes', '10', 'integer', 'Minutes without a sign of life after which somebody counts as offline; 0 believes what they said', 0, 1440);

-- Calendar: a person's tasks, reminders, calls and meetings as a feed that calendar programs subscribe to.
--
-- Such a program sends no token of a session, so the link itself is the secret: 244 random bits, kept as
-- a hash, shown once when it is made, gone when it is revoked or replaced. The edge function `calendar`
-- answers it, while the person is active.

-- Tables

create table private.calendar_links (
  user_id uuid primary key references public.profiles (id) on delete cascade,
  token_hash text not null,
  created_at timestamptz not null default now(),
  last_used_at timestamptz,
  constraint calendar_links_are_told_apart unique (token_hash),
  constraint calendar_links_hash_is_sha256 check (token_hash ~ '^[0-9a-f]{64}$')
);

comment on table private.calendar_links is 'One link per person at most. A new one replaces the old.';

comment on column private.calendar_links.token_hash is 'SHA-256 of the token, in hex. A token of this length needs no slow hash.';

comment on column private.calendar_links.last_used_at is 'To the hour.';

-- Policies

alter table private.calendar_links enable row level security;

-- Functions

create function private.calendar_items(p_user_id uuid) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  return (
    select coalesce(jsonb_agg(to_jsonb(i) order by i.starts_at, i.id), '[]')
    from (
      (
        select 'task' as kind, t.id, t.title, l.lead_id as lead_number, t.due_date as starts_at, t.priority = 'high' as is_urgent, t.updated_at, t.version
        from public.tasks t
        left join public.leads l on l.id = t.lead_id
        where t.assigned_to = p_user_id
          and t.deleted_at is null
          and t.status not in ('done', 'cancelled')
          and t.due_date between now() - interval '90 days' and now() + interval '366 days'
        order by t.due_date
        limit 1000
      )
      union all
      (
        select 'reminder', r.id, r.title, l.lead_id, r.remind_at, false, r.updated_at, r.version
        from public.reminders r
        left join public.leads l on l.id = r.lead_id
        where r.agent_id = p_user_id
          and r.deleted_at is null
          and r.status = 'pending'
          and r.remind_at between now() - interval '90 days' and now() + interval '366 days'
        order by r.remind_at
        limit 1000
      )
      union all
      (
        select 'call', c.id, 'Call', l.lead_id, c.scheduled_at, false, c.updated_at, c.version
        from public.calls c
        left join public.leads l on l.id = c.lead_id
        where c.agent_id = p_user_id
          and c.deleted_at is null
          and c.status = 'scheduled'
          and c.scheduled_at is not null
          -- The same while it is scheduled, and has the index.
          and c.occurred_at between now() - interval '90 days' and now() + interval '366 days'
        order by c.occurred_at
        limit 1000
      )
      union all
      (
        select m.type, m.id, coalesce(nullif(m.subject, ''), initcap(m.type)), l.lead_id, m.scheduled_at, false, m.updated_at, m.version
        from public.communications m
        left join public.leads l on l.id = m.lead_id
        where m.user_id = p_user_id
          and m.deleted_at is null
          and m.status = 'scheduled'
          and m.type in ('call', 'meeting')
          and m.scheduled_at between now() - interval '90 days' and now() + interval '366 days'
        order by m.scheduled_at
        limit 1000
      )
    ) i
  );
end
$$;

comment on function private.calendar_items(uuid) is 'What a person has to do from three months back to a year ahead: titles, times and lead numbers. Descriptions and people''s names stay here: a calendar is kept by somebody else.';

create function private.calendar_feed(p_token_hash text, p_headers jsonb default '{}') returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  person public.profiles;
  wait integer;
begin
  select p.* into person
  from private.calendar_links k
  join public.profiles p on p.id = k.user_id and p.is_active
  where k.token_hash = p_token_hash;

  if person.id is null then
    -- Guessing is limited by where it comes from, so that nobody's own link suffers from it.
    perform set_config('request.headers', coalesce(p_headers, '{}')::text, true);

    wait := private.rate_limit_take('calendar-miss:' || coalesce(private.client_network(), 'unknown'), 30);

    return jsonb_build_object('found', false, 'retry_after', wait);
  end if;

  wait := private.rate_limit_take('calendar:' || person.id, 120, interval '1 hour');

  if wait > 0 then
    return jsonb_build_object('found', true, 'retry_after', wait);
  end if;

  update private.calendar_links k
  set last_used_at = now()
  where k.user_id = person.id and (k.last_used_at is null or k.last_used_at < now() - interval '1 hour');

  return jsonb_build_object('found', true, 'retry_after', 0, 'name', person.full_name, 'items', private.calendar_items(person.id));
end
$$;

comment on function private.calendar_feed(text, jsonb) is 'For the edge function: {found, retry_after, name, items[]} of the link with this hash. found is false for an unknown or revoked one and for an inactive person alike. retry_after above 0 is a refusal.';

create function private.calendar_link_create() returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  caller uuid := private.gate_own();
  token text := replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '');
begin
  if caller is null then
    perform private.fail('account_inactive');
  end if;

  insert into private.calendar_links as k (user_id, token_hash)
  values (caller, encode(sha256(convert_to(token, 'UTF8')), 'hex'))
  on conflict (user_id) do update
  set token_hash = excluded.token_hash, created_at = now(), last_used_at = null;

  return jsonb_build_object('token', token, 'path', '/functions/v1/calendar/' || token || '.ics', 'created_at', now());
end
$$;

comment on function private.calendar_link_create() is 'Body of public.calendar_link_create().';

create function private.calendar_link_revoke() returns boolean
language plpgsql volatile security definer set search_path = '' as $$
begin
  delete from private.calendar_links k where k.user_id = private.gate_own();

  return found;
end
$$;

comment on function private.calendar_link_revoke() is 'Body of public.calendar_link_revoke().';

create function private.calendar_link() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  return (
    select jsonb_build_object('created_at', k.created_at, 'last_used_at', k.last_used_at)
    from private.calendar_links k
    where k.user_id = private.gate_own()
  );
end
$$;

comment on function private.calendar_link() is 'Body of public.calendar_link().';

-- RPCs

create function public.calendar_link_create() returns jsonb
language sql volatile security invoker set search_path = '' as $$
  select private.calendar_link_create();
$$;

comment on function public.calendar_link_create() is 'Makes the caller''s calendar link and answers {token, path, created_at}, this once: it is kept as a hash. A link made before stops working. The feed is at the project''s URL followed by path. Answers D4-102.';

create function public.calendar_link_revoke() returns boolean
language sql volatile security invoker set search_path = '' as $$
  select private.calendar_link_revoke();
$$;

comment on function public.calendar_link_revoke() is 'Revokes the caller''s calendar link; whether there was one.';

create function public.calendar_link() returns jsonb
language sql stable security invoker set search_path = '' as $$
  select private.calendar_link();
$$;

comment on function public.calendar_link() is 'Whether the caller has a calendar link: {created_at, last_used_at}, or null. The link itself is not shown again.';

-- Grants

revoke all on private.calendar_links from anon, authenticated, service_role;

revoke all on function private.calendar_items(uuid) from public, anon, authenticated, service_role;

revoke all on function private.calendar_feed(text, jsonb) from public, anon, authenticated, service_role;

grant execute on function private.calendar_feed(text, jsonb) to service_role;

revoke all on function private.calendar_link_create() from public, anon, authenticated, service_role;

grant execute on function private.calendar_link_create() to authenticated;

revoke all on function private.calendar_link_revoke() from public, anon, authenticated, service_role;

grant execute on function private.calendar_link_revoke() to authenticated;

revoke all on function private.calendar_link() from public, anon, authenticated, service_role;

grant execute on function private.calendar_link() to authenticated;

revoke all on function public.calendar_link_create() from public, anon, authenticated, service_role;

grant execute on function public.calendar_link_create() to authenticated;

revoke all on function public.calendar_link_revoke() from public, anon, authenticated, service_role;

grant execute on function public.calendar_link_revoke() to authenticated;

revoke all on function public.calendar_link() from public, anon, authenticated, service_role;

grant execute on function public.calendar_link() to authenticated;

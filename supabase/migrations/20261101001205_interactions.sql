-- Interactions: all that passed between us and a person in one list, logged with one call, and a lead's page in one.
--
-- Nothing is kept here: a call is a row of calls, a note of notes, and the rest of communications.

-- Views

create view public.interactions with (security_invoker = true) as
select
  m.id,
  m.lead_id,
  m.contact_id,
  m.student_id,
  m.type,
  m.direction,
  m.subject,
  m.content,
  m.status,
  null::integer as duration,
  m.user_id,
  nullif(p.full_name, '') as "by",
  coalesce(m.sent_at, m.scheduled_at, m.created_at) as "timestamp"
from public.communications m
left join public.profiles p on p.id = m.user_id
where m.deleted_at is null
union all
select
  c.id, c.lead_id, null, null, 'call', c.type, replace(c.outcome, '_', ' '), c.notes, c.status, c.duration, c.agent_id, nullif(p.full_name, ''),
  coalesce(c.started_at, c.scheduled_at, c.created_at)
from public.calls c
left join public.profiles p on p.id = c.agent_id
where c.deleted_at is null
union all
select
  n.id, n.lead_id, n.contact_id, n.student_id, 'note', null, n.title, n.content, null, null, n.author_id, nullif(p.full_name, ''), n.created_at
from public.notes n
left join public.profiles p on p.id = n.author_id
where n.deleted_at is null;

comment on view public.interactions is 'Calls, meetings, messages and notes in one list: id, lead_id, contact_id, student_id, type (note, or that of a communication), direction, subject (of a call its outcome), content, status, duration of calls in seconds, user_id, by, timestamp. Filter by lead_id. Answers D3-012.';

-- RPCs

create function public.interaction_log(
  p_lead_id text,
  p_type text,
  p_content text default null,
  p_subject text default null,
  p_direction text default 'outbound',
  p_at timestamptz default null,
  p_duration integer default null,
  p_details jsonb default '{}',
  p_id uuid default null
) returns setof public.interactions
language plpgsql volatile security invoker set search_path = '' as $$
declare
  target uuid := private.find_lead(p_lead_id);
  kind text := lower(btrim(p_type));
  made uuid := coalesce(p_id, private.uuid_v7());
begin
  if kind is null or kind not in ('note', 'email', 'sms', 'whatsapp', 'call', 'meeting', 'letter', 'chat') then
    perform private.fail('argument_invalid', 'p_type is note, email, sms, whatsapp, call, meeting, letter or chat');
  end if;

  if p_direction is null or lower(btrim(p_direction)) not in ('inbound', 'outbound') then
    perform private.fail('argument_invalid', 'p_direction is inbound or outbound');
  end if;

  if p_duration < 0 or p_duration > 86400 then
    perform private.fail('argument_invalid', 'p_duration is in seconds');
  end if;

  if kind = 'note' then
    if nullif(btrim(p_content), '') is null then
      perform private.fail('argument_invalid', 'p_content');
    end if;

    insert into public.notes (id, lead_id, title, content) values (made, target, p_subject, p_content)
    on conflict (id) do nothing;
  elsif kind = 'call' then
    insert into public.calls (id, lead_id, type, outcome, notes, scheduled_at, started_at, duration)
    values (
      made, target, lower(btrim(p_direction)), p_details ->> 'outcome', nullif(concat_ws(E'\n', p_subject, p_content), ''),
      case when p_at > now() then p_at end, case when p_at <= now() then p_at end,
      case when p_at > now() then null else coalesce(p_duration, 0) end
    )
    on conflict (id) do nothing;
  else
    insert into public.communications (id, lead_id, type, direction, subject, content, scheduled_at, sent_at, channel_specific_data)
    values (
      made, target, kind, p_direction, p_subject, p_content,
      case when p_at > now() then p_at end, case when p_at <= now() then p_at end,
      coalesce(p_details, '{}') || case when p_duration is null then '{}' else jsonb_build_object('duration', p_duration) end
    )
    on conflict (id) do nothing;
  end if;

  return query select i.* from public.interactions i where i.id = made and i.lead_id = target;

  if not found then
    perform private.fail('argument_invalid', 'p_id is that of something else');
  end if;
end
$$;

comment on function public.interaction_log(text, text, text, text, text, timestamptz, integer, jsonb, uuid) is 'Logs what happened with a lead (by id or number): a note, a message (email, sms, whatsapp, letter, chat), a call or a meeting, at p_at (now if left out; calls and meetings may be yet to come; a note is always of now), p_duration in seconds, p_details {outcome} of a call. With p_id, an id made by the client, it is logged once however often it is sent, as over a bad connection. A call goes to calls, a note to notes, the rest to communications. Sends nothing. Returns the row of interactions. Errors: lead_not_found, argument_invalid. Answers D3-013.';

create function public.lead_360(p_lead_id text) returns jsonb
language plpgsql stable security invoker set search_path = '' as $$
declare
  target uuid := private.find_lead(p_lead_id);
  number text := (select l.lead_id from public.leads l where l.id = target);
begin
  return jsonb_build_object(
    'lead', (
      select to_jsonb(l) || jsonb_build_object('activities', (
        select coalesce(jsonb_agg(jsonb_build_object('type', t.type, 'title', t.title, 'description', t.description, 'by', t."by", 'timestamp', t."timestamp")), '[]')
        from public.lead_timeline(number) t
      ))
      from public.leads_crm l
      where l.id = target
    ),
    'emails', (
      select coalesce(jsonb_agg(e order by e."timestamp" desc), '[]')
      from (select * from public.lead_emails m where m.lead_id = number order by m."timestamp" desc limit 100) e
    ),
    'calls', (
      select coalesce(jsonb_agg(c order by c."timestamp" desc), '[]')
      from (select * from public.calls_crm m where m.lead_uuid = target order by m."timestamp" desc limit 100) c
    ),
    'tasks', (
      select coalesce(jsonb_agg(t order by t."dueDate" nulls last, t."createdAt"), '[]')
      from (select * from public.tasks_crm m where m.lead_uuid = target order by m."dueDate" nulls last, m."createdAt" limit 100) t
    ),
    'notes', (
      select coalesce(jsonb_agg(n order by n."createdAt" desc), '[]')
      from (select * from public.lead_notes m where m.lead_id = number order by m."createdAt" desc limit 100) n
    )
  );
end
$$;

comment on function public.lead_360(text) is 'All that a lead''s page shows in one call, by id or number: {lead (leads_crm with the newest 50 activities), emails, calls, tasks, notes}, up to 100 rows each in the shapes of lead_emails, calls_crm, tasks_crm and lead_notes. Error lead_not_found. Answers D2-026.';

-- Grants

revoke all on public.interactions from anon, authenticated, service_role;

grant select on public.interactions to authenticated, service_role;

revoke all on function public.interaction_log(text, text, text, text, text, timestamptz, integer, jsonb, uuid) from public, anon, authenticated, service_role;

grant execute on function public.interaction_log(text, text, text, text, text, timestamptz, integer, jsonb, uuid) to authenticated;

revoke all on function public.lead_360(text) from public, anon, authenticated, service_role;

grant execute on function public.lead_360(text) to authenticated;

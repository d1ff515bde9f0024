-- Conversations: what is said to and fro with one person on one channel, by e-mail on one subject.
--
-- The thread of a message follows from whom it is with, so that what comes in finds its place without a search; a
-- reply to an e-mail of ours finds it by our id in the header. What nobody is known for is kept all the same.

-- Indexes

create index communications_from_nobody_known on public.communications (sender) where lead_id is null;

create index communications_to_nobody_known on public.communications (recipient) where lead_id is null;

-- Views

create view public.conversations with (security_invoker = true) as
select
  c.thread_id,
  c.type,
  c.lead_id,
  c.contact_id,
  c.student_id,
  c.user_id,
  c.lead_owner_id,
  c.team_id,
  case c.direction when 'inbound' then c.sender else c.recipient end as address,
  c.subject,
  left(c.content, 200) as snippet,
  c.direction as last_direction,
  c.status as last_status,
  c.id as last_message_id,
  c.created_at as last_message_at,
  (select count(*) from public.communications m where m.thread_id = c.thread_id) as messages
from public.communications c
where c.thread_id is not null and c.deleted_at is null
  and not exists (
    select from public.communications n
    where n.thread_id = c.thread_id and n.deleted_at is null and (n.created_at, n.id) > (c.created_at, c.id)
  );

comment on view public.conversations is 'Threads by their newest message, as far as the caller sees it: thread_id, type, lead_id, address (whom it is with), subject, snippet, last_direction (inbound: it is for us to answer), last_status, last_message_at, messages. List: filter by lead_id, lead_owner_id or team_id, order by last_message_at descending. The messages: communications by thread_id. Answers D0-064.';

-- Functions

create function private.message_receive(
  p_provider text,
  p_channel text,
  p_message_id text,
  p_from text,
  p_to text,
  p_subject text,
  p_text text,
  p_at timestamptz default null,
  p_references text default null,
  p_data jsonb default '{}'
) returns uuid
language plpgsql volatile security definer set search_path = '' as $$
declare
  address text;
  target public.leads;
  answered public.communications;
  made uuid;
  word text := lower(regexp_replace(btrim(p_text), '[.!\s]+$', ''));
begin
  begin
    address := private.message_address(p_channel, p_from);
  exception when sqlstate 'PT422' then
    -- A short code or an address that is none: it is kept as it came.
    address := null;
  end;

  -- A reply names what it replies to by the header that we gave it, which holds our id.
  select c.* into answered
  from regexp_matches(p_references, '<([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})@', 'g') with ordinality m (found, n)
  join public.communications c on c.id = m.found[1]::uuid and c.type = p_channel and c.direction = 'outbound' and c.deleted_at is null
  order by m.n desc
  limit 1;

  select l.* into target from public.leads l where l.id = coalesce(
    case when address is not null then private.find_person(case p_channel when 'email' then address end, case when p_channel <> 'email' then address end) end,
    answered.lead_id
  );

  insert into public.communications (
    lead_id, user_id, thread_id, type, direction, status, subject, content, sender, recipient, provider, provider_message_id, sent_at, channel_specific_data
  )
  values (
    target.id, coalesce(target.assigned_to, answered.user_id), case when answered.lead_id is not distinct from target.id then answered.thread_id end,
    p_channel, 'inbound', 'received', left(p_subject, 998), left(p_text, 200000), left(coalesce(address, p_from), 320), left(p_to, 320),
    p_provider, left(p_message_id, 300), least(p_at, clock_timestamp()), p_data
  )
  on conflict (provider, provider_message_id) where provider_message_id is not null do nothing
  returning id into made;

  -- Delivered again.
  if made is null then
    return (select c.id from public.communications c where c.provider = p_provider and c.provider_message_id = left(p_message_id, 300));
  end if;

  if address is not null and p_channel <> 'email' then
    if word = any ('{stop,stopall,unsubscribe,cancel,end,quit,रोकें,बंद,बंद करें}') then
      perform private.consent_record(p_channel, address, 'withdrawn', case p_channel when 'sms' then 'all' else 'marketing' end, 'keyword', target.id, made::text);
    elsif word = any ('{start,unstop,शुरू,शुरू करें}') then
      perform private.consent_record(p_channel, address, 'granted', case p_channel when 'sms' then 'all' else 'marketing' end, 'keyword', target.id, made::text);
    end if;
  end if;

  if target.assigned_to is not null then
    perform private.notify(
      target.assigned_to, private.communication_title(p_channel, 'inbound'), target.lead_id || ' wrote to you.', 'lead', 'normal', target.id,
      p_metadata => jsonb_build_object('event', 'message_received', 'communication_id', made)
    );
  end if;

  return made;
end
$$;

comment on function private.message_receive(text, text, text, text, text, text, text, timestamptz, text, jsonb) is 'Keeps a message that came in, once however often it is delivered: with the lead who has this address, in the thread it answers, and with its owner told. A message of nobody known is kept without a lead, for those to see who see all. STOP and START, in English and Hindi, are consents.';

-- Grants

revoke all on public.conversations from anon, authenticated, service_role;

grant select on public.conversations to authenticated, service_role;

revoke all on function private.message_receive(text, text, text, text, text, text, text, timestamptz, text, jsonb) from public, anon, authenticated, service_role;

grant execute on function private.message_receive(text, text, text, text, text, text, text, timestamptz, text, jsonb) to service_role;

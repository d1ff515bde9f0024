-- Delivery: how a message goes out, and what is heard of it afterwards.
--
-- It is committed that the provider is about to be called before it is called. None of the providers takes a key
-- that would make a second call harmless, so a message whose call never ended is not sent again by itself: it
-- stays in sending with the error outcome_unknown, until the provider reports on it by our own id. Reports come
-- late, twice and in any order, and whatever the order they end in one state: the status is the furthest one that
-- was reported, each time the earliest, and the error the newest.

-- Tables

create table private.message_ranks (
  status text primary key,
  rank smallint not null,
  constraint message_ranks_are_an_order unique (rank)
);

comment on table private.message_ranks is 'How far a status is. Of what a provider reports the furthest counts: proof of delivery outweighs a report of failure, and who read it outweighs a bounce.';

insert into private.message_ranks (status, rank) values
  ('scheduled', 0), ('queued', 1), ('sending', 2), ('sent', 3), ('failed', 4), ('delivered', 5), ('bounced', 6), ('read', 7);

alter table private.message_ranks enable row level security;

revoke all on private.message_ranks from public, anon, authenticated, service_role;

-- Functions

create function private.is_marketing(p_message public.communications) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return p_message.campaign_id is not null or p_message.channel_specific_data ->> 'purpose' is not distinct from 'marketing';
end
$$;

comment on function private.is_marketing(public.communications) is 'Whether a message is advertising: a campaign''s, or marked {"purpose": "marketing"}.';

create function private.message_gate(p_message public.communications) returns table (verdict text, reason text, until timestamptz)
language plpgsql stable security invoker set search_path = '' as $$
begin
  return query
  select g.verdict, g.reason, g.until
  from unnest(p_message.recipient || coalesce(p_message.cc, '{}') || coalesce(p_message.bcc, '{}')) a (address)
  cross join lateral private.contact_gate(
    p_message.type, a.address, case when private.is_marketing(p_message) then 'marketing' else 'all' end, clock_timestamp()
  ) g
  order by g.verdict = 'allow', g.verdict = 'defer'
  limit 1;
end
$$;

comment on function private.message_gate(public.communications) is 'Whether all whom a message names, copies too, may be written to now: the strictest answer of contact_gate.';

create function private.whatsapp_window_is_open(p_thread_id uuid) returns boolean
language plpgsql stable security definer set search_path = '' as $$
begin
  return exists (
    select from public.communications c
    where c.thread_id = p_thread_id and c.direction = 'inbound' and c.created_at > now() - interval '24 hours'
  );
end
$$;

comment on function private.whatsapp_window_is_open(uuid) is 'Whether the person wrote within 24 hours. Only then does WhatsApp take words of our own; otherwise an approved template.';

create function private.message_fail(p_id uuid, p_error text) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  update public.communications c
  set status = 'failed', error = left(private.redact_text(p_error), 500), failed_at = clock_timestamp()
  where c.id = p_id and c.status in ('scheduled', 'queued', 'sending');
end
$$;

comment on function private.message_fail(uuid, text) is 'A message that was not sent and will not be, and why.';

create function private.message_begin(p_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  message public.communications;
  template public.message_templates;
  rendered jsonb;
  gate record;
  campaign_status text;
begin
  select c.* into message from public.communications c where c.id = p_id for update;

  if message.status = 'sending' and message.dispatched_at is not null then
    update public.communications c set error = 'outcome_unknown' where c.id = p_id;

    return jsonb_build_object('verdict', 'unknown');
  end if;

  if message.id is null or message.status not in ('scheduled', 'queued', 'sending') then
    return jsonb_build_object('verdict', 'done');
  end if;

  select k.status into campaign_status
  from public.campaign_recipients r
  join public.campaigns k on k.id = r.campaign_id
  where r.communication_id = p_id;

  if message.deleted_at is not null or campaign_status = 'cancelled' then
    update public.communications c set status = 'cancelled' where c.id = p_id;

    return jsonb_build_object('verdict', 'done');
  end if;

  -- Resuming makes it due at once.
  if campaign_status = 'paused' then
    return jsonb_build_object('verdict', 'defer', 'until', clock_timestamp() + interval '1 hour');
  end if;

  if message.scheduled_at > clock_timestamp() then
    return jsonb_build_object('verdict', 'defer', 'until', message.scheduled_at);
  end if;

  begin
    message.recipient := private.message_address(message.type, message.recipient);
  exception when sqlstate 'PT422' then
    message.recipient := null;
  end;

  if message.recipient is null then
    perform private.message_fail(p_id, 'recipient_missing');

    return jsonb_build_object('verdict', 'done');
  end if;

  select * into gate from private.message_gate(message);

  if gate.verdict = 'defer' then
    return jsonb_build_object('verdict', 'defer', 'until', gate.until);
  elsif gate.verdict = 'deny' then
    perform private.message_fail(p_id, 'contact_refused: ' || gate.reason);

    return jsonb_build_object('verdict', 'done');
  end if;

  if message.template_id is not null and message.content is null then
    select t.* into template from public.message_templates t where t.id = message.template_id;

    rendered := private.render_template(
      template, private.lead_variables(message.lead_id) || coalesce(message.channel_specific_data -> 'variables', '{}')
    );

    if rendered -> 'missing' <> '[]' then
      perform private.message_fail(p_id, 'template_variable_missing: ' || (rendered ->> 'missing'));

      return jsonb_build_object('verdict', 'done');
    end if;

    message.subject := coalesce(message.subject, rendered ->> 'subject');
    message.content := rendered ->> 'content';
    message.channel_specific_data := message.channel_specific_data
      || private.template_data(template, private.lead_variables(message.lead_id) || coalesce(message.channel_specific_data -> 'variables', '{}'));
  end if;

  if nullif(btrim(message.content), '') is null or (message.type = 'email' and nullif(btrim(message.subject), '') is null) then
    perform private.message_fail(p_id, 'message_is_empty');

    return jsonb_build_object('verdict', 'done');
  end if;

  if message.type = 'whatsapp' and not message.channel_specific_data ? 'template' and not private.whatsapp_window_is_open(message.thread_id) then
    perform private.message_fail(p_id, 'whatsapp_window_closed');

    return jsonb_build_object('verdict', 'done');
  end if;

  update public.communications c
  set status = 'sending', dispatched_at = clock_timestamp(), recipient = message.recipient, subject = message.subject, content = message.content,
    channel_specific_data = message.channel_specific_data
  where c.id = p_id
  returning * into message;

  return jsonb_build_object('verdict', 'send', 'message', jsonb_build_object(
    'id', message.id, 'type', message.type, 'recipient', message.recipient, 'sender', message.sender, 'cc', message.cc, 'bcc', message.bcc,
    'subject', message.subject, 'content', message.content, 'data', message.channel_specific_data,
    'is_marketing', private.is_marketing(message),
    'reply_to', (
      select c.provider_message_id from public.communications c
      where c.thread_id = message.thread_id and c.direction = 'inbound' and c.provider_message_id is not null
      order by c.created_at desc limit 1
    ),
    'from_name', private.setting('organization.name') #>> '{}',
    'files', (
      select coalesce(jsonb_agg(jsonb_build_object('path', a.path, 'name', a.file_name, 'mime_type', a.mime_type, 'size', a.size_bytes) order by a.id), '[]')
      from public.communication_attachments a
      where a.communication_id = message.id
    )
  ));
end
$$;

comment on function private.message_begin(uuid) is 'Asked by the worker before it calls a provider: {verdict, message, until}. send: it is committed now that the call begins. defer: not before until. unknown: an earlier call never ended, so it is not made again. done: there is nothing to send, and if something was wrong the message says what.';

create function private.message_defer(p_id uuid, p_until timestamptz) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform private.enqueue(
    'send_message', jsonb_build_object('communication_id', c.id), p_until, c.id::text,
    case when c.campaign_id is null then 0 else -1 end::smallint, private.message_provider(c.type)
  )
  from public.communications c
  where c.id = p_id;
end
$$;

comment on function private.message_defer(uuid, timestamptz) is 'Sends a message later: quiet hours are no failure and spend no attempt.';

create function private.message_put_back(p_id uuid) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  update public.communications c set dispatched_at = null where c.id = p_id and c.status = 'sending';
end
$$;

comment on function private.message_put_back(uuid) is 'The provider said, and left no doubt, that it did not take the message now: it may be tried again.';

create function private.message_sent(p_id uuid, p_provider text, p_message_id text) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  -- A report may have been faster.
  update public.communications c
  set status = case when c.status in ('scheduled', 'queued', 'sending') then 'sent' else c.status end,
    provider = p_provider, provider_message_id = coalesce(c.provider_message_id, p_message_id), error = nullif(c.error, 'outcome_unknown')
  where c.id = p_id;
end
$$;

comment on function private.message_sent(uuid, text, text) is 'The provider took it. Told at once and whoever holds the job by now, because it is a fact.';

create function private.message_report(p_provider text, p_reports jsonb) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  report record;
  message public.communications;
  found_id uuid;
  happened timestamptz;
  known integer := 0;
begin
  for report in
    select r.*
    from jsonb_to_recordset(p_reports) r (
      id text, message_id text, status text, at timestamptz, error text, is_click boolean, withdrawn text, source text, recipient text
    )
    -- In one order, so that two deliveries about the same messages wait for each other and never deadlock.
    order by r.id, r.message_id
  loop
    found_id := case
      when report.id ~ '^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$' then report.id::uuid
      else (select c.id from public.communications c where c.provider = p_provider and c.provider_message_id = report.message_id)
    end;

    select c.* into message
    from public.communications c
    where c.id = found_id and c.provider = p_provider and c.direction = 'outbound'
    for update;

    continue when message.id is null;

    known := known + 1;
    happened := least(coalesce(report.at, clock_timestamp()), clock_timestamp());

    if report.status is not null and message.status <> 'cancelled' then
      update public.communications c
      set
        status = (select k.status from private.message_ranks k where k.status in (message.status, report.status) order by k.rank desc limit 1),
        provider_message_id = coalesce(c.provider_message_id, report.message_id),
        sent_at = case when report.status = 'failed' then c.sent_at else least(c.sent_at, happened) end,
        delivered_at = case when report.status in ('delivered', 'read') then least(c.delivered_at, happened) else c.delivered_at end,
        read_at = case when report.status = 'read' then least(c.read_at, happened) else c.read_at end,
        clicked_at = case when report.is_click then least(c.clicked_at, happened) else c.clicked_at end,
        failed_at = case when report.status in ('failed', 'bounced') then greatest(c.failed_at, happened) else c.failed_at end,
        error = case
          when report.status in ('failed', 'bounced')
            and (c.failed_at is null or (happened, coalesce(left(report.error, 500), '')) > (c.failed_at, coalesce(c.error, '')))
            then left(report.error, 500)
          else nullif(c.error, 'outcome_unknown')
        end
      where c.id = message.id;
    end if;

    if report.withdrawn is not null then
      perform private.consent_record(
        message.type, coalesce(report.recipient, message.recipient), 'withdrawn', report.withdrawn, report.source, message.lead_id, message.id::text
      );
    end if;
  end loop;

  return known;
end
$$;

comment on function private.message_report(text, jsonb) is 'Applies what a provider reports: [{id (ours), message_id, status, at, error, is_click, withdrawn (marketing or all), source, recipient}]. Any order and any repetition end in the same state. Answers how many were about messages of ours.';

create function private.inbox_heard(p_id uuid) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform private.inbox_close(p_id);

  update private.webhook_inbox i set raw = '' where i.id = p_id;
end
$$;

comment on function private.inbox_heard(uuid) is 'Ends a delivery about messages and forgets its words and addresses: they stand with the messages now, where an erasure finds them, and a replay cannot bring them back.';

create function private.message_dies_with_its_job() returns trigger
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform private.message_fail((new.payload ->> 'communication_id')::uuid, 'given_up');

  return null;
end
$$;

comment on function private.message_dies_with_its_job() is 'A message whose job was given up has failed.';

create trigger message_dies_with_its_job after insert or update on private.jobs_dead
  for each row when (new.kind = 'send_message') execute function private.message_dies_with_its_job();

-- Grants

revoke all on function
  private.is_marketing(public.communications),
  private.message_gate(public.communications),
  private.whatsapp_window_is_open(uuid),
  private.message_fail(uuid, text),
  private.message_begin(uuid),
  private.message_defer(uuid, timestamptz),
  private.message_put_back(uuid),
  private.message_sent(uuid, text, text),
  private.message_report(text, jsonb),
  private.inbox_heard(uuid),
  private.message_dies_with_its_job()
  from public, anon, authenticated, service_role;

grant execute on function
  private.message_fail(uuid, text),
  private.message_begin(uuid),
  private.message_defer(uuid, timestamptz),
  private.message_put_back(uuid),
  private.message_sent(uuid, text, text),
  private.message_report(text, jsonb),
  private.inbox_heard(uuid)
  to service_role;

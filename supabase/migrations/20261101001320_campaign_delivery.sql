-- Campaign delivery: how a launched campaign goes out, and how it is stopped.
--
-- Launching is a move of the status, whoever makes it: the audience is frozen and the content prepared in the same
-- transaction. A job then hands over a few hundred recipients at a time. Each chunk writes the messages and what it
-- says of their recipients in one transaction behind the campaign's lock, so that a worker may die at any point and
-- nobody gets it twice. Only so many are handed over ahead that a pause takes hold soon. Sending is messaging's.

-- Tables

create table private.campaign_bodies (
  campaign_id uuid primary key references public.campaigns (id) on delete cascade,
  format text not null,
  content text not null,
  constraint campaign_bodies_format_is_known check (format in ('html', 'text'))
);

comment on table private.campaign_bodies is 'The content of a launched campaign with its links as variables, so that each message gets its own.';

alter table private.campaign_bodies enable row level security;

-- Functions

create function private.prepare_campaign(p_campaign public.campaigns) returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
  body text := coalesce(p_campaign.content, '');
  is_html constant boolean := body ~* '<[a-z][^>]*>';
  link record;
  footer text;
begin
  delete from private.campaign_bodies b where b.campaign_id = p_campaign.id;

  delete from private.campaign_links k where k.campaign_id = p_campaign.id;

  if private.track_base() is not null and 'email' = any (private.campaign_channels(p_campaign.type, p_campaign.channels)) then
    -- The longest first, so that none is found within another; in marks that no content has, until all are.
    body := translate(body, chr(1), '');

    for link in
      select u.url, row_number() over (order by length(u.url) desc, u.url) as position
      from (
        select distinct case when is_html then m.found[1] else rtrim(m.found[1], '.,;:!?)') end as url
        from regexp_matches(body, case when is_html then 'href\s*=\s*"(https?://[^"{}\s]+)"' else '(https?://[^\s"<>{}]+)' end, 'gi') m (found)
      ) u
      order by position
      limit 200
    loop
      insert into private.campaign_links (campaign_id, position, url)
      values (p_campaign.id, link.position, case when is_html then replace(link.url, '&amp;', '&') else link.url end);

      body := case
        when is_html then regexp_replace(body, '([Hh][Rr][Ee][Ff]\s*=\s*")' || regexp_replace(link.url, '([^A-Za-z0-9])', '\\\1', 'g') || '"', '\1' || chr(1) || link.position || chr(1) || '"', 'g')
        else replace(body, link.url, chr(1) || link.position || chr(1))
      end;
    end loop;

    body := regexp_replace(body, chr(1) || '([0-9]+)' || chr(1), '{{link_\1}}', 'g');

    footer := case
      when not is_html then case when body like '%{{unsubscribe_url}}%' then '' else E'\n\n--\nUnsubscribe: {{unsubscribe_url}}' end
      else case when body like '%{{unsubscribe_url}}%' then '' else '<p><a href="{{unsubscribe_url}}">Unsubscribe</a></p>' end
        || '<img src="{{open_url}}" width="1" height="1" alt="">'
    end;

    body := case when body ~* '</body>' then regexp_replace(body, '</body>', replace(footer, '\', '\\') || '</body>', 'i') else body || footer end;
  end if;

  insert into private.campaign_bodies (campaign_id, format, content)
  values (p_campaign.id, case when is_html then 'html' else 'text' end, body);
end
$$;

comment on function private.prepare_campaign(public.campaigns) is 'Makes variables of the links of an e-mail, and adds how to unsubscribe and, to HTML, what tells that it was opened.';

create function private.cancel_recipients(p_campaign_id uuid, p_limit integer default 10000) returns boolean
language plpgsql volatile security definer set search_path = '' as $$
begin
  update public.campaign_recipients r
  set status = 'cancelled'
  where r.campaign_id = p_campaign_id and r.position = any (array(
    select p.position from public.campaign_recipients p
    where p.campaign_id = p_campaign_id and p.status = 'pending'
    order by p.position
    limit p_limit
  ));

  return exists (select from public.campaign_recipients r where r.campaign_id = p_campaign_id and r.status = 'pending');
end
$$;

comment on function private.cancel_recipients(uuid, integer) is 'Cancels as many who wait as one statement has time for; whether some are left.';

create function private.launch_campaign() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  channels constant text[] := private.campaign_channels(new.type, new.channels);
begin
  if old.status = 'draft' and new.status in ('scheduled', 'active') then
    if channels && array['email', 'whatsapp', 'sms'] and nullif(btrim(new.content), '') is null then
      perform private.fail('campaign_incomplete', 'content');
    end if;

    if 'email' = any (channels) and nullif(btrim(new.subject), '') is null then
      perform private.fail('campaign_incomplete', 'subject');
    end if;

    new.recipients_count := private.freeze_audience(new);

    perform private.prepare_campaign(new);
  elsif new.status = 'draft' then
    delete from public.campaign_recipients r where r.campaign_id = new.id;

    new.recipients_count := 0;
  elsif new.status = 'cancelled' then
    if private.cancel_recipients(new.id) then
      perform private.enqueue('campaign.step', jsonb_build_object('campaign_id', new.id), p_dedupe_key => new.id::text);
    end if;

    update public.communications m set status = 'cancelled' where m.campaign_id = new.id and m.status in ('queued', 'scheduled');
  elsif new.status = 'completed' and auth.uid() is not null and exists (
    select from public.campaign_recipients r where r.campaign_id = new.id and r.status in ('pending', 'queued')
  ) then
    perform private.fail('campaign_status_refused', 'somebody has not got it yet');
  end if;

  if new.status = 'active' then
    perform private.enqueue('campaign.step', jsonb_build_object('campaign_id', new.id), p_dedupe_key => new.id::text);
  end if;

  if old.status = 'paused' and new.status = 'active' then
    update private.jobs j set run_at = now()
    from public.campaign_recipients r
    where r.campaign_id = new.id and r.status = 'queued' and j.kind = 'send_message' and j.dedupe_key = r.communication_id::text and j.lease is null and j.run_at > now();
  end if;

  return new;
end
$$;

comment on function private.launch_campaign() is 'What a move of the status does: freezes the audience and prepares the content, undoes that for what becomes a draft again, stops what is cancelled, and starts or resumes sending.';

-- After guard_campaign, by name: that decides whether the move may be.
create trigger launch_campaign before update of status on public.campaigns
  for each row when (old.status <> new.status and new.provider is null) execute function private.launch_campaign();

create function private.campaign_values(p_campaign_id uuid, p_communication_id uuid, p_lead_id uuid, p_student_id uuid, p_base text) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  person jsonb := private.lead_variables(p_lead_id);
begin
  if p_student_id is not null then
    person := person || (
      select jsonb_strip_nulls(jsonb_build_object('name', s.name, 'first_name', split_part(btrim(s.name), ' ', 1), 'email', s.email, 'phone', s.phone))
      from public.students s
      where s.id = p_student_id
    );
  end if;

  if p_base is null then
    return person;
  end if;

  return person || jsonb_build_object(
    'unsubscribe_url', p_base || '/u/' || private.track_token('unsubscribe', p_communication_id),
    'open_url', p_base || '/o/' || private.track_token('open', p_communication_id)
  ) || coalesce((
    select jsonb_object_agg('link_' || k.position, p_base || '/c/' || private.track_token('click', p_communication_id, k.position))
    from private.campaign_links k
    where k.campaign_id = p_campaign_id
  ), '{}');
end
$$;

comment on function private.campaign_values(uuid, uuid, uuid, uuid, text) is 'What the variables of a campaign''s content stand for in one message.';

create function private.campaign_step(p_campaign_id uuid, p_limit integer default 500) returns text
language plpgsql volatile security definer set search_path = '' as $$
declare
  ahead constant integer := 1000;
  campaign public.campaigns;
  body private.campaign_bodies;
  base text := private.track_base();
  waiting integer;
begin
  -- A pause waits for this chunk and no longer; two workers take turns.
  select * into campaign from public.campaigns c where c.id = p_campaign_id for no key update;

  if campaign.status = 'cancelled' and private.cancel_recipients(p_campaign_id) then
    return 'more';
  end if;

  if campaign.id is null or campaign.status <> 'active' or campaign.deleted_at is not null or campaign.provider is not null then
    return 'stopped';
  end if;

  select count(*) into waiting
  from (select from public.campaign_recipients r where r.campaign_id = p_campaign_id and r.status = 'queued' limit ahead) q;

  if waiting >= ahead then
    return 'waiting';
  end if;

  select * into body from private.campaign_bodies b where b.campaign_id = p_campaign_id;

  with taken as (
    select r.position, r.lead_id, r.student_id, r.channel
    from public.campaign_recipients r
    where r.campaign_id = p_campaign_id and r.status = 'pending'
    order by r.position
    limit least(p_limit, ahead)
  ), people as materialized (
    select t.position, t.lead_id, t.student_id, t.channel, s.assigned_to as student_of,
      coalesce(l.name, s.name) as name, l.id is not null as is_lead,
      case t.channel when 'email' then coalesce(l.email, s.email) else coalesce(l.phone, s.phone) end as address,
      private.uuid_v7() as made
    from taken t
    left join public.leads l on l.id = t.lead_id and l.deleted_at is null
    left join public.students s on s.id = t.student_id and s.deleted_at is null
  ), messages as (
    insert into public.communications (id, campaign_id, lead_id, student_id, user_id, type, direction, status, recipient, subject, content, channel_specific_data)
    select p.made, p_campaign_id, p.lead_id, p.student_id, p.student_of, p.channel, 'outbound', 'queued', p.address,
      case p.channel when 'email' then left(private.fill_template(campaign.subject, v.filled, 'line'), 998) end,
      private.fill_template(body.content, v.filled, body.format),
      case when p.channel = 'email' then jsonb_build_object('format', body.format) || case when base is null then '{}' else jsonb_build_object(
        -- Counted here, so nobody else has to.
        'tracking_pixel', false, 'unsubscribe_url', v.filled ->> 'unsubscribe_url'
      ) end else '{}' end
    from people p
    cross join lateral (
      select private.campaign_values(p_campaign_id, p.made, p.lead_id, p.student_id, case p.channel when 'email' then base end) as filled
    ) v
    where p.address is not null and p.channel <> 'phone'
    -- In one order, because each locks its lead.
    order by p.lead_id, p.student_id
    returning id
  ), calls as (
    insert into public.tasks (id, lead_id, assigned_to, title, description, due_date)
    select p.made, p.lead_id, case when not p.is_lead then p.student_of end, left('Call ' || p.name || ': ' || campaign.name, 300),
      left(coalesce(private.fill_template(body.content, private.campaign_values(p_campaign_id, p.made, p.lead_id, p.student_id, null)), ''), 10000),
      now() + interval '1 day'
    from people p
    where p.address is not null and p.channel = 'phone'
    order by p.lead_id, p.student_id
    returning id
  )
  update public.campaign_recipients r
  set status = case when p.address is null then 'skipped' when p.channel = 'phone' then 'sent' else 'queued' end,
    error = case when p.address is null then 'recipient_missing' end,
    communication_id = case when p.address is not null and p.channel <> 'phone' then p.made end,
    task_id = case when p.address is not null and p.channel = 'phone' then p.made end,
    sent_at = case when p.address is not null and p.channel = 'phone' then now() end
  from people p
  where r.campaign_id = p_campaign_id and r.position = p.position;

  if exists (select from public.campaign_recipients r where r.campaign_id = p_campaign_id and r.status = 'pending') then
    return 'more';
  end if;

  if exists (select from public.campaign_recipients r where r.campaign_id = p_campaign_id and r.status = 'queued') then
    return 'sending';
  end if;

  update public.campaigns c set status = 'completed' where c.id = p_campaign_id;

  return 'completed';
end
$$;

comment on function private.campaign_step(uuid, integer) is 'Hands over the next recipients of an active campaign, in one transaction: more (go on), waiting (enough are under way), sending (all are handed over), completed, or stopped (it is not active). Of a cancelled one it cancels who still waits.';

create function private.begin_due_campaigns(p_now timestamptz default now()) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  due record;
  begun integer := 0;
  code text;
begin
  for due in
    select c.id, c.name, c.status, c.created_by
    from public.campaigns c
    where c.deleted_at is null and c.scheduled_at <= p_now and c.provider is null and c.failure is null
      and (c.status = 'scheduled' or (c.status = 'draft' and c.is_automated))
    order by c.scheduled_at, c.id
    limit 20
    for update skip locked
  loop
    begin
      update public.campaigns c set status = 'active' where c.id = due.id;

      begun := begun + 1;
    exception when sqlstate 'PT422' or sqlstate 'PT413' then
      get stacked diagnostics code = pg_exception_detail;

      update public.campaigns c set failure = left(split_part(code, ':', 1), 200) where c.id = due.id;

      perform private.notify(due.created_by, 'Campaign not launched', due.name || ': ' || split_part(code, ':', 1), 'error', 'high', p_metadata => jsonb_build_object('campaign_id', due.id));
    end;
  end loop;

  -- A job that was given up leaves nobody waiting for ever.
  perform private.enqueue('campaign.step', jsonb_build_object('campaign_id', c.id), p_dedupe_key => c.id::text)
  from public.campaigns c
  where c.provider is null and c.deleted_at is null and (
    c.status = 'active'
    or (c.status = 'cancelled' and exists (select from public.campaign_recipients r where r.campaign_id = c.id and r.status = 'pending'))
  );

  return begun;
end
$$;

comment on function private.begin_due_campaigns(timestamptz) is 'Begins what is scheduled and due, launches drafts that launch themselves, and looks that what runs goes on. What cannot be launched says why, to its maker too.';

create function private.campaign_test(p_campaign_id uuid, p_recipient text) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  campaign public.campaigns;
  caller public.profiles;
  channel text;
  address text;
  made uuid := private.uuid_v7();
  filled jsonb;
begin
  perform private.require_permission('campaigns.manage');

  select * into campaign from public.campaigns c where c.id = p_campaign_id and c.deleted_at is null and c.provider is null;

  if campaign.id is null then
    perform private.fail('not_found', 'campaign');
  end if;

  select * into caller from public.profiles p where p.id = private.gate_own();

  channel := case when p_recipient like '%@%' then 'email' else (private.campaign_channels(campaign.type, campaign.channels))[1] end;
  address := case channel when 'email' then private.normalize_email(coalesce(p_recipient, caller.email)) else private.normalize_phone(coalesce(p_recipient, caller.phone)) end;

  if channel = 'phone' or address is null or nullif(btrim(campaign.content), '') is null then
    perform private.fail('campaign_incomplete', case when channel = 'phone' then 'a call cannot be tried' when address is null then 'recipient' else 'content' end);
  end if;

  -- To colleagues alone: a test is no way to write to anybody.
  if not exists (select from public.profiles p where p.is_active and (p.email = address or p.phone = address)) then
    perform private.fail('permission_denied', 'a test goes to people who work here');
  end if;

  if private.rate_limit_take('campaign-test:' || caller.id, 20, interval '1 hour') > 0 then
    perform private.fail('rate_limited', 'campaign test');
  end if;

  filled := jsonb_build_object('name', caller.full_name, 'first_name', split_part(btrim(caller.full_name), ' ', 1), 'email', caller.email, 'organization', private.setting('organization.name') #>> '{}');

  insert into public.communications (id, user_id, type, direction, status, recipient, subject, content, channel_specific_data)
  values (
    made, caller.id, channel, 'outbound', 'queued', address,
    case channel when 'email' then left('[Test] ' || private.fill_template(coalesce(campaign.subject, ''), filled, 'line'), 998) end,
    private.fill_template(campaign.content, filled, case when campaign.content ~* '<[a-z][^>]*>' then 'html' else 'text' end),
    jsonb_build_object('format', case when campaign.content ~* '<[a-z][^>]*>' then 'html' else 'text' end)
  );

  return jsonb_build_object('success', true, 'communication_id', made, 'recipient', address);
end
$$;

comment on function private.campaign_test(uuid, text) is 'Body of public.campaign_test().';

-- RPCs

create function public.campaign_launch(p_campaign_id uuid) returns jsonb
language plpgsql volatile security invoker set search_path = ''
-- PostgREST takes it for the request: the hundreds of thousands that a campaign may have are frozen in one go.
set statement_timeout = '55s' as $$
declare
  campaign public.campaigns;
begin
  update public.campaigns c
  set status = case when c.scheduled_at > now() then 'scheduled' else 'active' end
  where c.id = p_campaign_id and c.status = 'draft'
  returning * into campaign;

  if campaign.id is null then
    select * into campaign from public.campaigns c where c.id = p_campaign_id;

    if campaign.id is null then
      perform private.fail('not_found', 'campaign');
    end if;

    if campaign.status = 'draft' then
      perform private.fail('permission_denied', 'campaigns.manage');
    end if;

    -- Asked twice, it is launched once.
    if campaign.status = 'cancelled' or campaign.provider is not null then
      perform private.fail('campaign_status_refused', campaign.status);
    end if;
  end if;

  return jsonb_build_object(
    'success', true,
    'campaign_id', campaign.id,
    'recipients_count', campaign.recipients_count,
    'scheduled_at', coalesce(campaign.scheduled_at, campaign.started_at)
  );
end
$$;

comment on function public.campaign_launch(uuid) is 'Launches a draft: freezes its audience, and sends at scheduled_at, or now if that has come: {success, campaign_id, recipients_count, scheduled_at}. Asked again, it answers the same. Pause, resume and cancel by writing status: paused, active, cancelled. Errors: not_found, permission_denied, campaign_incomplete, campaign_audience_empty, campaign_audience_too_large, campaign_status_refused. Answers D0-008, D0-056.';

create function public.campaign_test(p_campaign_id uuid, p_recipient text default null) returns jsonb
language sql volatile security invoker set search_path = '' as $$
  select private.campaign_test(p_campaign_id, p_recipient);
$$;

comment on function public.campaign_test(uuid, text) is 'Sends a campaign to the caller, or to a colleague''s address, to see how it looks: {success, communication_id, recipient}. At most 20 an hour. Errors: not_found, permission_denied, campaign_incomplete, email_invalid, phone_invalid, rate_limited.';

-- Schedule

select cron.schedule('intake-campaigns', '* * * * *', 'select private.begin_due_campaigns()');

-- Grants

revoke all on private.campaign_bodies from public, anon, authenticated, service_role;

revoke all on function
  private.prepare_campaign(public.campaigns),
  private.cancel_recipients(uuid, integer),
  private.launch_campaign(),
  private.campaign_values(uuid, uuid, uuid, uuid, text),
  private.campaign_step(uuid, integer),
  private.begin_due_campaigns(timestamptz),
  private.campaign_test(uuid, text),
  public.campaign_launch(uuid),
  public.campaign_test(uuid, text)
  from public, anon, authenticated, service_role;

grant execute on function
  private.campaign_test(uuid, text),
  public.campaign_launch(uuid),
  public.campaign_test(uuid, text)
  to authenticated;

grant execute on function private.campaign_step(uuid, integer) to service_role;

-- This module's error

insert into public.error_codes (code, sqlstate, message, hint) values
  ('campaign_incomplete', 'PT422', 'The campaign lacks what it is to say.', 'Details name it: content, and of an e-mail the subject.');

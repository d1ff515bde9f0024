-- Campaign stats: what became of a campaign, per recipient and in figures.
--
-- Recipients follow their messages by statement, and only forward. Figures of one campaign are counted when they are
-- asked for; those of a list are kept and counted anew each minute while something moves. Who listens on
-- campaign:<id> is told that something moved, at most every two seconds, and asks for the figures.

-- Tables

create table private.campaign_totals (
  campaign_id uuid primary key references public.campaigns (id) on delete cascade,
  total_recipients integer not null default 0,
  sent integer not null default 0,
  delivered integer not null default 0,
  opened integer not null default 0,
  clicked integer not null default 0,
  responded integer not null default 0,
  converted integer not null default 0,
  failed integer not null default 0,
  counted_at timestamptz not null default '-infinity'
);

comment on table private.campaign_totals is 'What campaigns_with_stats shows, as it was at counted_at.';

create table private.campaign_pulse (
  campaign_id uuid primary key references public.campaigns (id) on delete cascade,
  moved_at timestamptz not null default now()
);

comment on table private.campaign_pulse is 'When listeners were last told that something moved. Apart from the totals, so that messages that end together do not wait for each other.';

create index campaign_pulse_newest on private.campaign_pulse (moved_at);

alter table private.campaign_totals enable row level security;

alter table private.campaign_pulse enable row level security;

-- The calls that were made lately, which each minute asks for.
create index tasks_completed on public.tasks (completed_at) where completed_at is not null;

-- Functions

create function private.campaign_pulse(p_campaign_ids uuid[]) returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
  moved uuid;
begin
  insert into private.campaign_pulse (campaign_id, moved_at)
  select i, '-infinity' from unnest(p_campaign_ids) i
  where not exists (select from private.campaign_pulse p where p.campaign_id = i)
  on conflict do nothing;

  for moved in
    update private.campaign_pulse p
    set moved_at = clock_timestamp()
    where p.campaign_id = any (array(
      select q.campaign_id from private.campaign_pulse q
      where q.campaign_id = any (p_campaign_ids) and q.moved_at < clock_timestamp() - interval '2 seconds'
      for update skip locked
    ))
    returning p.campaign_id
  loop
    perform realtime.send(jsonb_build_object('campaign_id', moved), 'campaign_progress', 'campaign:' || moved, true);
  end loop;
end
$$;

comment on function private.campaign_pulse(uuid[]) is 'Tells who listens that something of these campaigns moved, at most every two seconds each: ids only.';

create function private.follow_messages() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  moved uuid[];
begin
  with changed as (
    update public.campaign_recipients r
    set status = case
        when n.status in ('delivered', 'read') then 'delivered'
        when n.status in ('failed', 'bounced') then 'failed'
        when n.status = 'sent' and r.status <> 'delivered' then 'sent'
        when n.status = 'sending' and r.status in ('queued', 'pending') then 'sending'
        when n.status = 'cancelled' then 'cancelled'
        else r.status
      end,
      sent_at = coalesce(r.sent_at, n.sent_at),
      delivered_at = coalesce(r.delivered_at, n.delivered_at),
      opened_at = coalesce(r.opened_at, n.read_at, n.clicked_at),
      clicked_at = coalesce(r.clicked_at, n.clicked_at),
      failed_at = case when n.status in ('failed', 'bounced') then coalesce(n.failed_at, clock_timestamp()) end,
      error = case when n.status in ('failed', 'bounced') then left(coalesce(n.error, n.status), 500) end
    from new_rows n
    join old_rows o on o.id = n.id
    where n.campaign_id is not null
      and r.communication_id = n.id
      and (o.status, o.sent_at, o.delivered_at, o.read_at, o.clicked_at, o.error) is distinct from (n.status, n.sent_at, n.delivered_at, n.read_at, n.clicked_at, n.error)
    returning r.campaign_id
  )
  select array_agg(distinct c.campaign_id) into moved from changed c;

  if moved is not null then
    perform private.campaign_pulse(moved);
  end if;

  return null;
end
$$;

comment on function private.follow_messages() is 'Recipients follow their messages: times are kept once said, and a delivery outweighs a failure reported before.';

create trigger follow_messages after update on public.communications
  referencing old table as old_rows new table as new_rows
  for each statement execute function private.follow_messages();

create function private.note_responses() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  days constant integer := (private.setting('campaigns.response_days'))::integer;
  moved uuid[];
begin
  if not exists (select from new_rows n where n.direction = 'inbound' and n.lead_id is not null) then
    return null;
  end if;

  with changed as (
    update public.campaign_recipients r
    set responded_at = coalesce(w.sent_at, clock_timestamp())
    from (
      select distinct on (n.lead_id) n.lead_id, n.sent_at, (
        select x.campaign_id from public.campaign_recipients x
        where x.lead_id = n.lead_id and x.channel = n.type and x.sent_at <= coalesce(n.sent_at, clock_timestamp())
          and x.sent_at > coalesce(n.sent_at, clock_timestamp()) - make_interval(days => days)
        order by x.sent_at desc
        limit 1
      ) as campaign_id
      from new_rows n
      where n.direction = 'inbound' and n.lead_id is not null and n.type in ('email', 'sms', 'whatsapp')
      order by n.lead_id, n.sent_at
    ) w
    where r.campaign_id = w.campaign_id and r.lead_id = w.lead_id and r.responded_at is null
    returning r.campaign_id
  )
  select array_agg(distinct c.campaign_id) into moved from changed c;

  if moved is not null then
    perform private.campaign_pulse(moved);
  end if;

  return null;
end
$$;

comment on function private.note_responses() is 'What a lead writes answers the newest campaign it got on that channel, for campaigns.response_days.';

create trigger note_responses after insert on public.communications
  referencing new table as new_rows
  for each statement execute function private.note_responses();

create function private.note_conversions(p_limit integer default 5000) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  days constant integer := (private.setting('campaigns.conversion_days'))::integer;
  changed_leads uuid[];
  moved uuid[];
  noted integer;
begin
  changed_leads := (select t.leads from private.take_timeline('campaigns', now() - interval '7 days', p_limit) t);

  with changed as (
    update public.campaign_recipients r
    set converted_at = w.at
    from (
      select h.lead_id, min(h.changed_at) as at, (
        select x.campaign_id from public.campaign_recipients x
        where x.lead_id = h.lead_id and x.sent_at <= min(h.changed_at) and x.sent_at > min(h.changed_at) - make_interval(days => days)
        order by x.sent_at desc
        limit 1
      ) as campaign_id
      from public.lead_history h
      join public.pipeline_stages s on s.key = h.to_status and s.is_won
      where h.lead_id = any (changed_leads)
      group by h.lead_id
    ) w
    where r.campaign_id = w.campaign_id and r.lead_id = w.lead_id and r.converted_at is null
    returning r.campaign_id
  )
  select array_agg(distinct c.campaign_id), count(*) into moved, noted from changed c;

  if moved is not null then
    perform private.campaign_pulse(moved);
  end if;

  return noted;
end
$$;

comment on function private.note_conversions(integer) is 'Leads of which the timeline tells that they were won are conversions of the newest campaign they got, for campaigns.conversion_days. Read after commit, so that nobody who writes leads pays for it.';

create function private.count_campaign(p_campaign_id uuid) returns private.campaign_totals
language plpgsql stable security definer set search_path = '' as $$
declare
  totals private.campaign_totals;
begin
  select p_campaign_id, count(*), count(r.sent_at), count(r.delivered_at), count(r.opened_at), count(r.clicked_at),
    count(r.responded_at), count(r.converted_at), count(*) filter (where r.status = 'failed'), now()
  into totals
  from public.campaign_recipients r
  where r.campaign_id = p_campaign_id;

  return totals;
end
$$;

comment on function private.count_campaign(uuid) is 'The figures of a campaign, counted now.';

create function private.campaigns_sweep() returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  moved record;
  counted integer := 0;
begin
  perform private.note_conversions();

  -- Of phone campaigns: calls that were made.
  update public.campaign_recipients r
  set status = 'delivered', delivered_at = t.completed_at
  from public.tasks t
  join public.campaign_recipients x on x.task_id = t.id
  where t.completed_at > now() - interval '1 day' and r.task_id = t.id and r.delivered_at is null and x.campaign_id = r.campaign_id;

  -- A minute longer than it moved, for what was still under way when it was counted last.
  for moved in
    select p.campaign_id
    from private.campaign_pulse p
    left join private.campaign_totals t on t.campaign_id = p.campaign_id
    where p.moved_at > now() - interval '1 day' and (t.counted_at is null or t.counted_at < p.moved_at + interval '1 minute')
    order by p.campaign_id
  loop
    insert into private.campaign_totals as t
    select c.* from private.count_campaign(moved.campaign_id) c
    on conflict (campaign_id) do update
    set total_recipients = excluded.total_recipients, sent = excluded.sent, delivered = excluded.delivered, opened = excluded.opened,
      clicked = excluded.clicked, responded = excluded.responded, converted = excluded.converted, failed = excluded.failed, counted_at = excluded.counted_at;

    perform realtime.send(jsonb_build_object('campaign_id', moved.campaign_id), 'campaign_progress', 'campaign:' || moved.campaign_id, true);

    counted := counted + 1;
  end loop;

  return counted;
end
$$;

comment on function private.campaigns_sweep() is 'Counts what moved since it was counted, and looks for conversions. Called each minute.';

create function private.campaign_figures(p_campaign_id uuid) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  f private.campaign_totals := private.count_campaign(p_campaign_id);
begin
  perform private.require_permission('campaigns.manage');

  if not exists (select from public.campaigns c where c.id = p_campaign_id and c.deleted_at is null) then
    perform private.fail('not_found', 'campaign');
  end if;

  return jsonb_build_object(
    'total_recipients', f.total_recipients,
    'sent', f.sent,
    'delivered', f.delivered,
    'opened', f.opened,
    'clicked', f.clicked,
    'responded', f.responded,
    'converted', f.converted,
    'failed', f.failed,
    'delivery_rate', private.percent(f.delivered, f.total_recipients),
    'open_rate', private.percent(f.opened, f.delivered),
    'click_rate', private.percent(f.clicked, f.opened),
    'conversion_rate', private.percent(f.converted, f.opened)
  );
end
$$;

comment on function private.campaign_figures(uuid) is 'Body of public.campaign_stats().';

create function private.totals_of_campaigns() returns table (
  campaign_id uuid, total_recipients integer, sent integer, delivered integer, opened integer, clicked integer, responded integer, converted integer,
  failed integer, delivery_rate numeric, open_rate numeric, click_rate numeric, conversion_rate numeric
)
language plpgsql stable security definer rows 100 set search_path = '' as $$
begin
  -- A key of the service asks in nobody's name.
  if auth.uid() is null or private.has_permission('campaigns.manage') then
    return query
    select t.campaign_id, t.total_recipients, t.sent, t.delivered, t.opened, t.clicked, t.responded, t.converted, t.failed,
      private.percent(t.delivered, t.total_recipients), private.percent(t.opened, t.delivered), private.percent(t.clicked, t.opened), private.percent(t.converted, t.opened)
    from private.campaign_totals t;
  end if;
end
$$;

comment on function private.totals_of_campaigns() is 'The kept figures, for who may manage campaigns: for the view campaigns_with_stats.';

-- Views

create view public.campaigns_with_stats with (security_invoker = true) as
select
  c.id,
  c.name,
  c.status,
  c.objective,
  c.spend,
  c.impressions,
  c.clicks,
  c.leads,
  c.cpl,
  c.roas,
  c.cpl as "CPL",
  c.roas as "ROAS",
  c.revenue,
  c.currency,
  c.type,
  c.provider,
  c.scheduled_at,
  c.tags,
  c.created_at,
  coalesce(t.total_recipients, 0) as total_recipients,
  coalesce(t.sent, 0) as sent,
  coalesce(t.delivered, 0) as delivered,
  coalesce(t.opened, 0) as opened,
  coalesce(t.clicked, 0) as clicked,
  coalesce(t.responded, 0) as responded,
  coalesce(t.converted, 0) as converted,
  coalesce(t.failed, 0) as failed,
  coalesce(t.delivery_rate, 0) as delivery_rate,
  coalesce(t.open_rate, 0) as open_rate,
  coalesce(t.click_rate, 0) as click_rate,
  coalesce(t.conversion_rate, 0) as conversion_rate
from public.campaigns c
left join private.totals_of_campaigns() t on t.campaign_id = c.id
where c.deleted_at is null;

comment on view public.campaigns_with_stats is 'Campaigns in the columns of the dashboard document: id, name, status, objective, spend, impressions, clicks, leads, cpl, roas (CPL and ROAS too, as its insights spell them); and what became of sent ones, up to a minute old while something moves. Answers D0-004, D1-011, D1-026.';

-- RPCs

create function public.campaign_stats(p_campaign_id uuid) returns jsonb
language sql stable security invoker set search_path = '' as $$
  select private.campaign_figures(p_campaign_id);
$$;

comment on function public.campaign_stats(uuid) is 'What became of a campaign, counted now: {total_recipients, sent, delivered, opened, clicked, responded, converted, failed, delivery_rate (of all recipients), open_rate (of those delivered), click_rate and conversion_rate (of those opened)}; rates in percent with one decimal, 0 of nothing. Live: join campaign:<id>, ask again at every campaign_progress. Needs campaigns.manage. Errors: not_found, permission_denied. Answers D0-009, D0-057.';

-- Realtime: who may listen

create policy intake_campaigns_listen on realtime.messages for select to authenticated
  using (
    extension = 'broadcast'
    and (select private.topic_id('campaign')) is not null
    and (select private.has_permission('campaigns.manage'))
  );

-- Schedule and settings

select cron.schedule('intake-campaign-figures', '* * * * *', 'select private.campaigns_sweep()');

insert into private.timeline_readers (name) values ('campaigns');

select
  private.define_setting('campaigns.response_days', '14', 'integer', 'Days in which what a lead writes counts as an answer to a campaign', 1, 365),
  private.define_setting('campaigns.conversion_days', '90', 'integer', 'Days in which a lead that is won counts as converted by a campaign', 1, 730);

-- Grants

revoke all on private.campaign_totals, private.campaign_pulse from public, anon, authenticated, service_role;

revoke all on public.campaigns_with_stats from anon, authenticated, service_role;

grant select on public.campaigns_with_stats to authenticated, service_role;

revoke all on function
  private.campaign_pulse(uuid[]),
  private.follow_messages(),
  private.note_responses(),
  private.note_conversions(integer),
  private.count_campaign(uuid),
  private.campaigns_sweep(),
  private.campaign_figures(uuid),
  private.totals_of_campaigns(),
  public.campaign_stats(uuid)
  from public, anon, authenticated, service_role;

grant execute on function
  private.totals_of_campaigns(),
  private.campaign_figures(uuid),
  public.campaign_stats(uuid)
  to authenticated;

grant execute on function private.totals_of_campaigns() to service_role;

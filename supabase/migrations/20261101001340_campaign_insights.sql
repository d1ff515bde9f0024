-- Campaign insights: what campaigns of Meta cost and bring, read every quarter of an hour and kept here.
--
-- Lists are answered from these tables and never from Meta. A day is written as often as it is read, because
-- Meta counts on for weeks; a campaign's figures are the sums of its days.

-- Tables

create table public.campaign_insights_daily (
  campaign_id uuid not null references public.campaigns (id) on delete cascade,
  day date not null,
  currency text not null,
  spend numeric(14, 2) not null default 0,
  revenue numeric(14, 2) not null default 0,
  impressions bigint not null default 0,
  clicks bigint not null default 0,
  leads bigint not null default 0,
  synced_at timestamptz not null default now(),
  primary key (campaign_id, day),
  constraint campaign_insights_currency_is_iso_4217 check (currency ~ '^[A-Z]{3}$'),
  constraint campaign_insights_are_not_negative check (spend >= 0 and revenue >= 0 and impressions >= 0 and clicks >= 0 and leads >= 0)
);

comment on table public.campaign_insights_daily is 'What a campaign of an ad platform did on a day of its account, as last read. Seen by whoever may manage campaigns.';

comment on column public.campaign_insights_daily.day is 'On the clock of the ad account.';

comment on column public.campaign_insights_daily.revenue is 'What purchases were worth that the platform attributes to it.';

comment on column public.campaign_insights_daily.synced_at is 'When it was last read.';

create index campaign_insights_newest on public.campaign_insights_daily (day desc, campaign_id);

-- Policies

alter table public.campaign_insights_daily enable row level security;

create policy campaign_insights_daily_read on public.campaign_insights_daily for select to authenticated
  using ((select private.has_permission('campaigns.manage')));

comment on policy campaign_insights_daily_read on public.campaign_insights_daily is 'Needs campaigns.manage.';

-- Functions

create function private.insights_plan() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  today constant date := (now() at time zone private.organization_timezone())::date;
begin
  return jsonb_build_object(
    'accounts', coalesce((
      select i.config -> 'ad_account_ids'
      from public.integrations i
      where i.type = 'facebook' and jsonb_typeof(i.config -> 'ad_account_ids') = 'array'
    ), '[]'),
    -- Attribution changes days for four weeks; before anything was read, a year is.
    'since', today - case when exists (select from public.campaign_insights_daily) then 28 else 365 end,
    'until', today + 1
  );
end
$$;

comment on function private.insights_plan() is 'What is to be read: {accounts, since, until}.';

create function private.insights_campaigns(p_campaigns jsonb) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  insert into public.campaigns as c (provider, external_id, type, name, objective, status)
  select distinct on (x.id) 'meta', x.id, 'ads', coalesce(nullif(private.squeeze(x.name, 300), ''), x.id),
    initcap(replace(regexp_replace(left(x.objective, 200), '^OUTCOME_', ''), '_', ' ')),
    case
      when x.effective_status in ('ACTIVE', 'IN_PROCESS', 'WITH_ISSUES') then 'active'
      when x.effective_status = 'ARCHIVED' then 'completed'
      when x.effective_status = 'DELETED' then 'cancelled'
      else 'paused'
    end
  from jsonb_to_recordset(p_campaigns) x (id text, name text, objective text, effective_status text)
  order by x.id
  on conflict (provider, external_id) where provider is not null do update
  set name = excluded.name, objective = excluded.objective, status = excluded.status
  where (c.name, c.objective, c.status) is distinct from (excluded.name, excluded.objective, excluded.status);
end
$$;

comment on function private.insights_campaigns(jsonb) is 'Campaigns as Meta names them: made when they are new, named and set as they are there otherwise.';

create function private.action_value(p_actions jsonb, p_types text[]) returns numeric
language plpgsql immutable set search_path = '' as $$
begin
  return coalesce((
    select (a.value ->> 'value')::numeric
    from jsonb_array_elements(case jsonb_typeof(p_actions) when 'array' then p_actions end) a
    where a.value ->> 'action_type' = any (p_types)
    order by array_position(p_types, a.value ->> 'action_type')
    limit 1
  ), 0);
end
$$;

comment on function private.action_value(jsonb, text[]) is 'The first of these kinds that a list of Meta''s actions has: one event stands in it under several.';

create function private.insights_days(p_days jsonb) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  written integer;
begin
  with told as (
    select distinct on (c.id, x.date_start) c.id, x.*
    from jsonb_to_recordset(p_days) x (
      campaign_id text, date_start date, account_currency text, spend numeric, impressions bigint, clicks bigint, actions jsonb, action_values jsonb
    )
    join public.campaigns c on c.provider = 'meta' and c.external_id = x.campaign_id
    order by c.id, x.date_start
  )
  insert into public.campaign_insights_daily as d (campaign_id, day, currency, spend, revenue, impressions, clicks, leads)
  select t.id, t.date_start, coalesce(upper(t.account_currency), private.setting('organization.currency') #>> '{}'), coalesce(t.spend, 0),
    private.action_value(t.action_values, '{omni_purchase,purchase,offsite_conversion.fb_pixel_purchase}'),
    coalesce(t.impressions, 0), coalesce(t.clicks, 0),
    private.action_value(t.actions, '{lead,onsite_conversion.lead_grouped,offsite_conversion.fb_pixel_lead}')::bigint
  from told t
  on conflict (campaign_id, day) do update
  set currency = excluded.currency, spend = excluded.spend, revenue = excluded.revenue, impressions = excluded.impressions,
    clicks = excluded.clicks, leads = excluded.leads, synced_at = now();

  get diagnostics written = row_count;

  update public.campaigns c
  set spend = s.spend, revenue = s.revenue, impressions = s.impressions, clicks = s.clicks, leads = s.leads, currency = s.currency
  from (
    select d.campaign_id, sum(d.spend) as spend, sum(d.revenue) as revenue, sum(d.impressions) as impressions, sum(d.clicks) as clicks,
      sum(d.leads) as leads, (array_agg(d.currency order by d.day desc))[1] as currency
    from public.campaign_insights_daily d
    where d.campaign_id in (
      select k.id from public.campaigns k where k.provider = 'meta' and k.external_id in (select x ->> 'campaign_id' from jsonb_array_elements(p_days) x)
    )
    group by d.campaign_id
  ) s
  where c.id = s.campaign_id
    and (c.spend, c.revenue, c.impressions, c.clicks, c.leads, c.currency) is distinct from (s.spend, s.revenue, s.impressions, s.clicks, s.leads, s.currency);

  return written;
end
$$;

comment on function private.insights_days(jsonb) is 'Days as Meta tells them, and the campaigns'' sums. Told again, nothing is counted twice.';

create function private.insights_done(p_days integer, p_ms integer, p_error text default null) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  insert into public.integration_logs (integration_name, activity_type, description, status, execution_time, records_processed, user_id)
  values (
    'facebook_ads', 'insights_sync', coalesce(left(private.redact_text(p_error), 500), 'Campaigns and what they did'),
    case when p_error is null then 'success' else 'failure' end, greatest(p_ms, 0), p_days, null
  );

  if p_error is null then
    update public.integrations i set last_sync = now(), last_error = null, status = 'connected' where i.type = 'facebook';
  end if;
end
$$;

comment on function private.insights_done(integer, integer, text) is 'A row of the integration log for each run, successful or not.';

-- Views

create view public.campaign_insights with (security_invoker = true) as
select
  c.id,
  c.external_id as campaign_id,
  c.name as campaign_name,
  c.objective,
  c.status,
  d.day as date_start,
  d.day as date_stop,
  d.currency as account_currency,
  d.spend,
  d.impressions,
  d.clicks,
  d.leads,
  d.revenue,
  round(d.spend / nullif(d.leads, 0), 2) as "CPL",
  round(d.revenue / nullif(d.spend, 0), 2) as "ROAS",
  d.synced_at
from public.campaign_insights_daily d
join public.campaigns c on c.id = d.campaign_id
where c.deleted_at is null;

comment on view public.campaign_insights is 'Insights of Meta''s campaigns by day, in Meta''s keys, with CPL (spend / leads) and ROAS (revenue / spend): filter by date_start, campaign_id. Read from here and not from Meta; synced_at says of when. Answers D1-012, D1-026, D1-027.';

-- Schedule

insert into private.job_schedules (name, cron, kind, provider, priority) values
  ('meta.insights', '*/15 * * * *', 'meta.insights', 'meta', -1);

-- Grants

revoke all on public.campaign_insights_daily, public.campaign_insights from anon, authenticated, service_role;

grant select on public.campaign_insights_daily, public.campaign_insights to authenticated;

grant select, insert, update, delete on public.campaign_insights_daily to service_role;

grant select on public.campaign_insights to service_role;

revoke all on function
  private.insights_plan(),
  private.insights_campaigns(jsonb),
  private.action_value(jsonb, text[]),
  private.insights_days(jsonb),
  private.insights_done(integer, integer, text)
  from public, anon, authenticated, service_role;

grant execute on function
  private.insights_plan(),
  private.insights_campaigns(jsonb),
  private.insights_days(jsonb),
  private.insights_done(integer, integer, text)
  to service_role;

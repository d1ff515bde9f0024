-- Campaigns: what is told to many people at once, and what is advertised to them elsewhere.
--
-- A campaign of ours has a channel, a content and an audience, and goes through named states. One of an ad
-- platform (provider) is the platform's: its states and figures are what the platform says. Whom a campaign
-- reaches is in the module campaign_audience, how it is sent in campaign_delivery, how figures of ad platforms come
-- here in campaign_insights.

-- Tables

create table public.campaigns (
  id uuid primary key default private.uuid_v7(),
  created_at timestamptz not null default now(),
  deleted_at timestamptz,
  deleted_by uuid,
  team_id uuid references public.teams (id) on delete set null,
  created_by uuid references public.profiles (id) on delete set null,
  name text not null,
  description text,
  type text not null default 'email',
  status text not null default 'draft',
  channels text[] not null default '{email,whatsapp,sms}',
  target_audience text,
  target_criteria jsonb not null default '{}',
  subject text,
  content text,
  scheduled_at timestamptz,
  is_automated boolean not null default false,
  tags text[] not null default '{}',
  custom_fields jsonb not null default '{}',
  objective text,
  currency text not null default '',
  spend numeric(14, 2) not null default 0,
  revenue numeric(14, 2) not null default 0,
  impressions bigint not null default 0,
  clicks bigint not null default 0,
  leads bigint not null default 0,
  cpl numeric generated always as (round(spend / nullif(leads, 0), 2)) stored,
  roas numeric generated always as (round(revenue / nullif(spend, 0), 2)) stored,
  provider text,
  external_id text,
  recipients_count integer not null default 0,
  failure text,
  started_at timestamptz,
  ended_at timestamptz,
  updated_at timestamptz not null default now(),
  version bigint not null default 1,
  constraint campaigns_have_a_name check (btrim(name) <> '' and length(name) <= 300),
  constraint campaigns_type_is_known check (type in ('email', 'sms', 'whatsapp', 'phone', 'multi_channel', 'ads')),
  constraint campaigns_channels_are_known check (channels <@ array['email', 'whatsapp', 'sms', 'phone'] and cardinality(channels) between 1 and 4),
  constraint campaigns_status_is_known check (status in ('draft', 'scheduled', 'active', 'paused', 'completed', 'cancelled')),
  constraint campaigns_that_wait_say_until_when check (status <> 'scheduled' or scheduled_at is not null),
  constraint campaigns_that_ended_say_when check ((status in ('completed', 'cancelled')) = (ended_at is not null)),
  constraint campaigns_ads_are_a_platforms check ((type = 'ads') = (provider is not null) and (provider is null) = (external_id is null)),
  constraint campaigns_texts_are_short check (
    length(description) <= 10000 and length(target_audience) <= 1000 and length(subject) <= 998 and length(content) <= 200000
    and length(objective) <= 200 and length(provider) <= 60 and length(external_id) <= 300
  ),
  constraint campaigns_criteria_are_a_small_object check (jsonb_typeof(target_criteria) = 'object' and pg_column_size(target_criteria) <= 16384),
  constraint campaigns_tags_are_few check (cardinality(tags) <= 50 and pg_column_size(tags) <= 32768),
  constraint campaigns_custom_fields_are_an_object check (jsonb_typeof(custom_fields) = 'object' and pg_column_size(custom_fields) <= 65536),
  constraint campaigns_currency_is_iso_4217 check (currency ~ '^[A-Z]{3}$'),
  constraint campaigns_figures_are_not_negative check (spend >= 0 and revenue >= 0 and impressions >= 0 and clicks >= 0 and leads >= 0),
  constraint campaigns_deleted_by_needs_deleted_at check (deleted_by is null or deleted_at is not null)
);

comment on table public.campaigns is 'Campaigns of ours and of ad platforms. Seen by whoever may manage campaigns; changed by who made one, the managers of their team and scope all. List: select().eq("status", "active").eq("type", "email").order("created_at", {ascending: false}).limit(50). Answers D0-004, D0-005, D0-006.';

comment on column public.campaigns.team_id is 'The team of who made it.';

comment on column public.campaigns.type is 'email, sms, whatsapp, phone (a call list), multi_channel; ads are those of an ad platform.';

comment on column public.campaigns.status is 'draft, scheduled, active, paused, completed or cancelled. Moves follow private.campaign_moves, whoever writes.';

comment on column public.campaigns.channels is 'Of a multi_channel campaign: each person gets it on the first of these on which they have an address.';

comment on column public.campaigns.target_audience is 'Whom it is for, in words.';

comment on column public.campaigns.target_criteria is 'Whom it is for, as conditions: for example {"qualification": "MBBS", "experience": ">2"}.';

comment on column public.campaigns.scheduled_at is 'When it begins; when it is launched if left out.';

comment on column public.campaigns.is_automated is 'Whether a draft is launched by itself when its time comes.';

comment on column public.campaigns.objective is 'For example Sales.';

comment on column public.campaigns.currency is 'ISO 4217 code of spend and revenue; the organisation''s if empty.';

comment on column public.campaigns.revenue is 'What it brought in: of an ad platform as the platform attributes it, otherwise as entered.';

comment on column public.campaigns.leads is 'Leads it brought: of an ad platform as the platform counts them, otherwise as entered.';

comment on column public.campaigns.cpl is 'Cost per lead: spend / leads; null without leads.';

comment on column public.campaigns.roas is 'Return on ad spend: revenue / spend; null without spend.';

comment on column public.campaigns.provider is 'The ad platform, for example meta; null for our own.';

comment on column public.campaigns.external_id is 'The ad platform''s id.';

comment on column public.campaigns.recipients_count is 'How many it was frozen for when it was launched.';

comment on column public.campaigns.failure is 'Why it could not be launched when its time came, as a stable code.';

comment on column public.campaigns.ended_at is 'When it was completed or cancelled. Kept by trigger.';

comment on column public.campaigns.deleted_at is 'Soft deletion: the row is in nobody''s sight.';

comment on column public.campaigns.deleted_by is 'Who deleted it; null for the system. No foreign key: it is remembered beyond the account.';

comment on column public.campaigns.version is 'Rises with every change.';

create index campaigns_newest on public.campaigns (created_at desc, id desc) where deleted_at is null;

create index campaigns_due on public.campaigns (scheduled_at) where deleted_at is null and status in ('draft', 'scheduled');

create index campaigns_of_team on public.campaigns (team_id) where team_id is not null;

create index campaigns_of_creator on public.campaigns (created_by) where created_by is not null;

create unique index campaigns_of_a_platform_are_unique on public.campaigns (provider, external_id) where provider is not null;

create index campaigns_deleted on public.campaigns (deleted_at, id) where deleted_at is not null;

create table private.campaign_moves (
  from_status text not null,
  to_status text not null,
  primary key (from_status, to_status)
);

comment on table private.campaign_moves is 'Where the status of a campaign of ours may go. completed and cancelled are the end.';

insert into private.campaign_moves (from_status, to_status) values
  ('draft', 'scheduled'), ('draft', 'active'), ('draft', 'cancelled'),
  ('scheduled', 'draft'), ('scheduled', 'active'), ('scheduled', 'cancelled'),
  ('active', 'paused'), ('active', 'completed'), ('active', 'cancelled'),
  ('paused', 'active'), ('paused', 'cancelled');

-- Whatever names a campaign, from modules that came before it

alter table public.tasks
  -- squawk-ignore adding-foreign-key-constraint, constraint-missing-not-valid
  add constraint tasks_campaign_id_fkey foreign key (campaign_id) references public.campaigns (id) on delete set null;

alter table public.communications
  -- squawk-ignore adding-foreign-key-constraint, constraint-missing-not-valid
  add constraint communications_campaign_id_fkey foreign key (campaign_id) references public.campaigns (id) on delete set null;

create index communications_of_campaign on public.communications (campaign_id, created_at desc) where campaign_id is not null;

-- Policies

alter table public.campaigns enable row level security;

alter table private.campaign_moves enable row level security;

create policy campaigns_read on public.campaigns for select to authenticated
  using (deleted_at is null and (select private.has_permission('campaigns.manage')));

comment on policy campaigns_read on public.campaigns is 'Whoever may manage campaigns knows all: they say nothing of a person.';

create policy campaigns_create on public.campaigns for insert to authenticated
  with check (
    deleted_at is null
    and created_by = (select private.gate_own())
    and (select private.has_permission('campaigns.manage'))
  );

comment on policy campaigns_create on public.campaigns is 'Needs campaigns.manage.';

create policy campaigns_change on public.campaigns for update to authenticated
  using (
    deleted_at is null
    and (select private.has_permission('campaigns.manage'))
    and (
      (select private.gate_all()) is not null
      or created_by = (select private.gate_own())
      or team_id = any ((select private.gate_team())::uuid[])
    )
  )
  with check (
    deleted_at is null
    and (select private.has_permission('campaigns.manage'))
    and (
      (select private.gate_all()) is not null
      or created_by = (select private.gate_own())
      or team_id = any ((select private.gate_team())::uuid[])
    )
  );

comment on policy campaigns_change on public.campaigns is 'Needs campaigns.manage, and to have made it, to manage the team of who did, or scope all.';

-- Triggers

create function private.guard_campaign() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  is_person constant boolean := auth.uid() is not null;
begin
  new.name := private.squeeze(new.name, 300);
  new.type := replace(lower(btrim(new.type)), '-', '_');
  new.status := lower(btrim(new.status));
  new.currency := coalesce(nullif(upper(btrim(new.currency)), ''), private.setting('organization.currency') #>> '{}', 'INR');

  if tg_op = 'INSERT' then
    if is_person then
      new.created_by := private.gate_own();

      if new.status <> 'draft' then
        perform private.fail('campaign_status_refused', 'a new campaign is a draft');
      end if;
    end if;

    new.team_id := coalesce(new.team_id, private.team_of(new.created_by));
  else
    if new.deleted_at is not null and old.deleted_at is null and old.status = 'active' then
      perform private.fail('campaign_is_running', new.id::text);
    end if;

    if new.provider is not null and is_person
      and (old.status, old.type, old.spend, old.revenue, old.impressions, old.clicks, old.leads, old.currency)
        is distinct from (new.status, new.type, new.spend, new.revenue, new.impressions, new.clicks, new.leads, new.currency) then
      perform private.fail('campaign_is_a_platforms', new.provider);
    end if;

    if new.provider is null and new.status <> old.status
      and not exists (select from private.campaign_moves m where m.from_status = old.status and m.to_status = new.status) then
      perform private.fail('campaign_status_refused', old.status || ' to ' || new.status);
    end if;

    -- What launches itself reaches whom its maker sees, so nobody who sees less says to whom and what.
    if is_person and old.status = 'draft' and new.status = 'draft' and new.is_automated and private.gate_all() is null
      and new.created_by is distinct from private.gate_own()
      and (old.type, old.channels, old.target_criteria, old.subject, old.content, old.is_automated, old.scheduled_at)
        is distinct from (new.type, new.channels, new.target_criteria, new.subject, new.content, new.is_automated, new.scheduled_at) then
      perform private.fail('permission_denied', 'a campaign that launches itself is changed by its maker');
    end if;

    -- What some have got already, the others get too.
    if old.status <> 'draft' and new.provider is null
      and (old.type, old.channels, old.target_criteria, old.subject, old.content, old.is_automated)
        is distinct from (new.type, new.channels, new.target_criteria, new.subject, new.content, new.is_automated) then
      perform private.fail('campaign_is_launched', new.id::text);
    end if;

    -- What could not be launched may be tried again once something of it is changed.
    if (old.scheduled_at, old.subject, old.content, old.target_criteria, old.channels, old.type)
      is distinct from (new.scheduled_at, new.subject, new.content, new.target_criteria, new.channels, new.type) then
      new.failure := null;
    end if;

    if new.scheduled_at is distinct from old.scheduled_at and old.status not in ('draft', 'scheduled') then
      perform private.fail('campaign_is_launched', new.id::text);
    end if;
  end if;

  if new.status = 'active' then
    new.started_at := coalesce(new.started_at, clock_timestamp());
  end if;

  new.ended_at := case when new.status in ('completed', 'cancelled') then coalesce(new.ended_at, clock_timestamp()) end;

  return new;
end
$$;

comment on function private.guard_campaign() is 'Names whose a campaign is, lets its status move only where it may, keeps a launched one as it was launched and a running one from being deleted, and leaves that of an ad platform to the platform.';

create trigger guard_campaign before insert or update on public.campaigns
  for each row execute function private.guard_campaign();

create trigger touch_version before update on public.campaigns for each row execute function private.touch_version();

create trigger mark_deleted before update of deleted_at on public.campaigns
  for each row when (old.deleted_at is distinct from new.deleted_at) execute function private.mark_deleted();

create trigger audit after insert or delete on public.campaigns for each row execute function private.audit_row();

-- Figures that a platform counts on are no deed of anybody.
create trigger audit_change after update on public.campaigns
  for each row when (
    (old.name, old.description, old.type, old.status, old.target_audience, old.target_criteria, old.subject, old.content, old.scheduled_at, old.is_automated, old.deleted_at)
      is distinct from (new.name, new.description, new.type, new.status, new.target_audience, new.target_criteria, new.subject, new.content, new.scheduled_at, new.is_automated, new.deleted_at)
    or (new.provider is null and (old.spend, old.revenue) is distinct from (new.spend, new.revenue))
  )
  execute function private.audit_row();

-- Grants

revoke all on public.campaigns from anon, authenticated, service_role;

revoke all on private.campaign_moves from public, anon, authenticated, service_role;

grant select,
  insert (
    id, name, description, type, channels, status, target_audience, target_criteria, subject, content, scheduled_at, is_automated, tags, custom_fields,
    objective, currency, spend, revenue, impressions, clicks, leads
  ),
  update (
    name, description, type, channels, status, target_audience, target_criteria, subject, content, scheduled_at, is_automated, tags, custom_fields,
    objective, currency, spend, revenue, impressions, clicks, leads
  )
  on public.campaigns to authenticated;

grant select, insert, update, delete on public.campaigns to service_role;

revoke all on function private.guard_campaign() from public, anon, authenticated, service_role;

-- Its permission, how its rows are deleted, and its errors

insert into public.permissions (key, description) values
  ('campaigns.manage', 'Create, launch and delete campaigns, and see their figures');

insert into public.role_permissions (role_id, permission)
select r.id, 'campaigns.manage' from public.roles r where r.key = 'manager';

insert into private.soft_deletable (table_name, label, people, makers, permission) values
  ('campaigns', 'name', '{created_by}', '{}', 'campaigns.manage');

insert into public.error_codes (code, sqlstate, message, hint) values
  ('campaign_status_refused', 'PT409', 'A campaign''s status cannot go there from where it is.', 'draft, scheduled, active, paused, completed, cancelled: see private.campaign_moves.'),
  ('campaign_is_running', 'PT409', 'A running campaign cannot be deleted.', 'Pause or cancel it first.'),
  ('campaign_is_launched', 'PT409', 'Channel, audience, content and time of a launched campaign stay as they were.', 'Move a scheduled one back to draft, or make another.'),
  ('campaign_is_a_platforms', 'PT409', 'This campaign is an ad platform''s: its status and figures are what the platform says.', 'Change it there.');

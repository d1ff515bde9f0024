-- Deals: what is negotiated with a lead, a contact or an organization.
--
-- Whom a deal belongs to is decided in the module lead_scope. Whoever may create and change leads may create and
-- change these. How a lead becomes a deal is in the module conversion.

-- Tables

create table public.deals (
  id uuid primary key default private.uuid_v7(),
  -- First and of fixed width, because a policy reads them of every row that a scan meets.
  assigned_to uuid references public.profiles (id) on delete restrict,
  team_id uuid references public.teams (id) on delete restrict,
  created_at timestamptz not null default now(),
  deleted_at timestamptz,
  deleted_by uuid,
  lead_id uuid references public.leads (id) on delete set null,
  organization_id uuid references public.organizations (id) on delete set null,
  contact_id uuid references public.contacts (id) on delete set null,
  name text not null,
  value numeric(14, 2) not null default 0,
  currency text not null default '',
  stage text not null default 'qualification',
  status text not null generated always as (case when stage in ('won', 'lost') then stage else 'open' end) stored,
  expected_close_date date,
  closed_at timestamptz,
  custom_fields jsonb not null default '{}',
  created_by uuid references public.profiles (id) on delete set null,
  updated_at timestamptz not null default now(),
  version bigint not null default 1,
  constraint deals_have_a_name check (btrim(name) <> '' and length(name) <= 300),
  constraint deals_value_is_not_negative check (value >= 0),
  constraint deals_currency_is_iso_4217 check (currency ~ '^[A-Z]{3}$'),
  constraint deals_stage_is_known check (stage in ('qualification', 'proposal', 'negotiation', 'won', 'lost')),
  constraint deals_closed_at_tells_when check ((stage in ('won', 'lost')) = (closed_at is not null)),
  constraint deals_custom_fields_are_an_object check (jsonb_typeof(custom_fields) = 'object' and pg_column_size(custom_fields) <= 65536),
  constraint deals_deleted_by_needs_deleted_at check (deleted_by is null or deleted_at is not null)
);

comment on table public.deals is 'What is negotiated with a lead, a contact or an organization. Of a lead it is seen where the lead is; otherwise by the person it belongs to, by the managers of their team, and by scope all.';

comment on column public.deals.assigned_to is 'Whom the deal belongs to: the owner of the lead, else by default whoever entered it.';

comment on column public.deals.team_id is 'The team of the lead, else of assigned_to, copied by trigger.';

comment on column public.deals.lead_id is 'The lead the deal came from. The deal of its conversion is leads.deal_id.';

comment on column public.deals.currency is 'ISO 4217 code of value; the organisation''s if empty.';

comment on column public.deals.stage is 'qualification, proposal, negotiation, won or lost.';

comment on column public.deals.status is 'open, won or lost, from stage.';

comment on column public.deals.closed_at is 'When it was won or lost. Kept by trigger.';

comment on column public.deals.deleted_at is 'Soft deletion: the row is in nobody''s sight.';

comment on column public.deals.deleted_by is 'Who deleted it; null for the system. No foreign key: it is remembered beyond the account.';

comment on column public.deals.version is 'Rises with every change.';

create index deals_of_owner on public.deals (assigned_to, created_at desc, id desc) include (team_id) where deleted_at is null;

create index deals_of_team on public.deals (team_id, created_at desc, id desc) include (assigned_to) where deleted_at is null;

create index deals_newest on public.deals (created_at desc, id desc) include (assigned_to, team_id) where deleted_at is null;

create index deals_of_lead on public.deals (lead_id) where lead_id is not null;

create index deals_of_organization on public.deals (organization_id) where organization_id is not null;

create index deals_of_contact on public.deals (contact_id) where contact_id is not null;

create index deals_of_creator on public.deals (created_by) where created_by is not null;

create index deals_deleted on public.deals (deleted_at, id) where deleted_at is not null;

-- Policies

alter table public.deals enable row level security;

create policy deals_read on public.deals for select to authenticated
  using (
    deleted_at is null
    and (
      (select private.gate_all()) is not null
      or team_id = (select (private.gate_team())[1])
      or assigned_to = (select private.gate_own())
      or team_id = any ((select (private.gate_team())[2:])::uuid[])
    )
  );

comment on policy deals_read on public.deals is 'Scope all: every one. Scope team: those of managed teams. Everybody: those that belong to them, or to a lead of theirs.';

create policy deals_create on public.deals for insert to authenticated
  with check (
    deleted_at is null
    and (select private.has_permission('leads.create'))
    and (
      (select private.gate_all()) is not null
      or team_id = (select (private.gate_team())[1])
      or assigned_to = (select private.gate_own())
      or team_id = any ((select (private.gate_team())[2:])::uuid[])
    )
  );

comment on policy deals_create on public.deals is 'Needs leads.create, and the new deal must be one the caller will see: a lead named must be theirs to see.';

create policy deals_change on public.deals for update to authenticated
  using (
    deleted_at is null
    and (select private.has_permission('leads.update'))
    and (
      (select private.gate_all()) is not null
      or team_id = (select (private.gate_team())[1])
      or assigned_to = (select private.gate_own())
      or team_id = any ((select (private.gate_team())[2:])::uuid[])
    )
  )
  with check (
    deleted_at is null
    and (select private.has_permission('leads.update'))
    and (
      (select private.gate_all()) is not null
      or team_id = (select (private.gate_team())[1])
      or assigned_to = (select private.gate_own())
      or team_id = any ((select (private.gate_team())[2:])::uuid[])
    )
  );

comment on policy deals_change on public.deals is 'Needs leads.update and sight of the deal, before and after. Team and deletion are no columns of the grant.';

-- Triggers

create trigger follow_lead before insert or update of lead_id, assigned_to, team_id on public.deals
  for each row execute function private.follow_lead();

create function private.prepare_deal() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  new.name := private.squeeze(new.name, 300);
  new.currency := coalesce(nullif(upper(btrim(new.currency)), ''), private.setting('organization.currency') #>> '{}', 'INR');

  if new.stage not in ('won', 'lost') then
    new.closed_at := null;
  elsif tg_op = 'INSERT' or new.stage is distinct from old.stage then
    new.closed_at := clock_timestamp();
  end if;

  return new;
end
$$;

comment on function private.prepare_deal() is 'Name on one line, the organisation''s currency where none is said, and when it was closed.';

create trigger prepare_deal before insert or update of name, currency, stage on public.deals
  for each row execute function private.prepare_deal();

create trigger refuse_unseen_organization before insert or update of organization_id on public.deals
  for each row when (new.organization_id is not null) execute function private.refuse_unseen_organization();

create trigger refuse_unseen_contact before insert or update of contact_id on public.deals
  for each row when (new.contact_id is not null) execute function private.refuse_unseen_contact();

create function private.record_deal_activity() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if tg_op = 'INSERT' then
    perform private.record_activity('created', 'Deal Created', new.name, p_deal_id => new.id);
  else
    perform private.record_activity(
      'status_change', 'Deal Stage Changed', initcap(old.stage) || ' to ' || initcap(new.stage),
      p_lead_id => new.lead_id, p_deal_id => new.id, p_metadata => jsonb_build_object('from', old.stage, 'to', new.stage, 'deal_id', new.id)
    );
  end if;

  return null;
end
$$;

comment on function private.record_deal_activity() is 'Puts what happens to a deal on its timeline, and its stages on the lead''s too.';

create trigger record_deal_activity after insert on public.deals
  for each row execute function private.record_deal_activity();

create trigger record_deal_activity_of_change after update of stage on public.deals
  for each row when (old.stage is distinct from new.stage) execute function private.record_deal_activity();

create trigger touch_version before update on public.deals for each row execute function private.touch_version();

create trigger mark_deleted before update of deleted_at on public.deals
  for each row when (old.deleted_at is distinct from new.deleted_at) execute function private.mark_deleted();

create trigger audit after insert or update or delete on public.deals for each row execute function private.audit_row();

-- Grants

revoke all on public.deals from anon, authenticated, service_role;

grant select on public.deals to authenticated;

grant insert (id, assigned_to, lead_id, organization_id, contact_id, name, value, currency, stage, expected_close_date, custom_fields),
  update (assigned_to, organization_id, contact_id, name, value, currency, stage, expected_close_date, custom_fields)
  on public.deals to authenticated;

grant select, insert, update, delete on public.deals to service_role;

revoke all on function private.prepare_deal() from public, anon, authenticated, service_role;

revoke all on function private.record_deal_activity() from public, anon, authenticated, service_role;

-- How its rows are deleted

insert into private.soft_deletable (table_name, label, people, makers, permission) values
  ('deals', 'name', '{assigned_to}', '{created_by}', 'leads.delete');

-- Activities: the timeline. One table, fed by triggers, that says what happened and when.

-- Tables

create table public.activities (
  id uuid primary key default private.uuid_v7(),
  entity_type text not null default 'lead',
  entity_id uuid not null,
  lead_id uuid references public.leads (id) on delete cascade,
  type text not null,
  title text not null,
  description text,
  actor_id uuid references public.profiles (id) on delete set null,
  metadata jsonb not null default '{}',
  occurred_at timestamptz not null default now(),
  constraint activities_entity_type_is_known check (entity_type in ('lead')),
  constraint activities_of_a_lead_name_it check (entity_type <> 'lead' or (lead_id is not null and entity_id = lead_id)),
  constraint activities_type_is_known check (type in ('created', 'status_change', 'assigned')),
  constraint activities_title_is_short check (length(title) between 1 and 200),
  constraint activities_description_is_short check (length(description) <= 2000)
);

comment on table public.activities is 'The timeline: one row per thing that happened, written by triggers. Visible where its lead is; read by lead.';

comment on column public.activities.type is 'created, status_change or assigned; modules add their own kinds.';

comment on column public.activities.actor_id is 'Who did it; null when the system or somebody outside did.';

comment on column public.activities.metadata is 'What the title says, in fields: for example {"from": "new", "to": "contacted"}.';

create index activities_of_lead on public.activities (lead_id, occurred_at desc, id desc);

-- Policies

alter table public.activities enable row level security;

create policy activities_read on public.activities for select to authenticated
  using (exists (select from public.leads l where l.id = activities.lead_id));

comment on policy activities_read on public.activities is 'Where the lead is visible. Always read by lead_id.';

-- Triggers

create function private.record_lead_activity() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  actor uuid;
begin
  if tg_op = 'INSERT' then
    insert into public.activities (entity_id, lead_id, type, title, description, actor_id)
    values (new.id, new.id, 'created', 'Lead Created', 'Source: ' || new.source, new.created_by);

    return null;
  end if;

  -- A token alone names nobody: the database does.
  actor := private.gate_own();

  if new.status is distinct from old.status then
    insert into public.activities (entity_id, lead_id, type, title, description, actor_id, metadata)
    values (
      new.id, new.id, 'status_change', 'Status Changed',
      (select s.name from public.pipeline_stages s where s.key = old.status) || ' to ' || (select s.name from public.pipeline_stages s where s.key = new.status),
      actor, jsonb_build_object('from', old.status, 'to', new.status)
    );
  end if;

  if new.assigned_to is distinct from old.assigned_to then
    insert into public.activities (entity_id, lead_id, type, title, description, actor_id, metadata)
    values (
      new.id, new.id, 'assigned', case when new.assigned_to is null then 'Lead Unassigned' else 'Lead Assigned' end,
      (select nullif(p.full_name, '') from public.profiles p where p.id = new.assigned_to),
      actor, jsonb_build_object('from', old.assigned_to, 'to', new.assigned_to)
    );
  end if;

  return null;
end
$$;

comment on function private.record_lead_activity() is 'Puts what happens to a lead on its timeline.';

create trigger record_lead_activity after insert on public.leads
  for each row execute function private.record_lead_activity();

create trigger record_lead_activity_of_change after update on public.leads
  for each row when (old.status is distinct from new.status or old.assigned_to is distinct from new.assigned_to)
  execute function private.record_lead_activity();

-- Views

create view public.leads_crm with (security_invoker = true) as
select
  l.id,
  l.lead_id,
  l.salutation,
  l.first_name as "firstName",
  l.last_name as "lastName",
  l.email,
  l.phone as mobile,
  l.organization,
  l.website,
  l.job_title as "jobTitle",
  l.industry,
  l.source,
  s.name as status,
  l.gender,
  l.no_of_employees as "noOfEmployees",
  l.annual_revenue as "annualRevenue",
  l.territory,
  owner.full_name as "leadOwner",
  l.created_at as "createdAt",
  creator.full_name as "createdBy",
  l.updated_at as "updatedAt",
  (select count(*) from public.activities a where a.lead_id = l.id) as "activitiesCount",
  l.assigned_to,
  l.team_id
from public.leads l
join public.pipeline_stages s on s.key = l.status
left join public.profiles owner on owner.id = l.assigned_to
left join public.profiles creator on creator.id = l.created_by
where l.deleted_at is null;

comment on view public.leads_crm is 'Leads in the camelCase columns of the CRM document, with the stage by name, the owner by name and activitiesCount. assigned_to and team_id are there to filter by. Answers D2-001, D2-017.';

-- Grants

revoke all on public.activities, public.leads_crm from anon, authenticated, service_role;

grant select on public.activities, public.leads_crm to authenticated;

grant select, insert, update, delete on public.activities to service_role;

grant select on public.leads_crm to service_role;

revoke all on function private.record_lead_activity() from public, anon, authenticated, service_role;

-- Activities: the timeline. One table that says what happened to whom and when, written by the triggers of
-- every module through private.record_activity(), and read in the documents' keys through the view timeline.

-- Tables

create table public.activities (
  id uuid primary key default private.uuid_v7(),
  lead_id uuid references public.leads (id) on delete cascade,
  contact_id uuid references public.contacts (id) on delete cascade,
  student_id uuid references public.students (id) on delete cascade,
  deal_id uuid references public.deals (id) on delete cascade,
  entity_type text not null generated always as (
    case when lead_id is not null then 'lead' when contact_id is not null then 'contact' when student_id is not null then 'student' else 'deal' end
  ) stored,
  entity_id uuid not null generated always as (coalesce(lead_id, contact_id, student_id, deal_id)) stored,
  source_id uuid,
  type text not null,
  title text not null,
  description text,
  actor_id uuid references public.profiles (id) on delete set null,
  metadata jsonb not null default '{}',
  occurred_at timestamptz not null default now(),
  constraint activities_belong_to_one_thing check (num_nonnulls(lead_id, contact_id, student_id, deal_id) = 1),
  constraint activities_type_is_known check (type in (
    'created', 'enquiry', 'status_change', 'assigned', 'converted', 'merged', 'unmerged', 'deleted', 'restored', 'escalated',
    'page_visit', 'email_sent', 'email_opened', 'email_clicked', 'message', 'call', 'meeting',
    'note_created', 'task_created', 'task_completed', 'reminder', 'document', 'payment'
  )),
  constraint activities_title_is_short check (length(title) between 1 and 200),
  constraint activities_description_is_short check (length(description) <= 2000)
);

comment on table public.activities is 'The timeline: one row per thing that happened to a lead, contact, student or deal, written by triggers. Visible where that is; read by its id.';

comment on column public.activities.entity_type is 'lead, contact, student or deal: which of the four keys the row has.';

comment on column public.activities.entity_id is 'The one key that the row has, whatever its kind.';

comment on column public.activities.source_id is 'The note, call, task or message that the row tells about, so that it goes when that does.';

comment on column public.activities.type is 'What kind of thing happened, for example status_change, call or note_created.';

comment on column public.activities.actor_id is 'Who did it; null when the system or somebody outside did.';

comment on column public.activities.metadata is 'What the title says, in fields: for example {"from": "new", "to": "contacted"}; automation_run, where a workflow did it.';

create index activities_of_entity on public.activities (entity_id, occurred_at desc, id desc);

create index activities_of_lead on public.activities (lead_id) where lead_id is not null;

create index activities_of_contact on public.activities (contact_id) where contact_id is not null;

create index activities_of_student on public.activities (student_id) where student_id is not null;

create index activities_of_deal on public.activities (deal_id) where deal_id is not null;

create index activities_of_source on public.activities (source_id) where source_id is not null;

-- Policies

alter table public.activities enable row level security;

-- Scalars, because an EXISTS may be hashed: then a long timeline would read every lead.
create policy activities_read on public.activities for select to authenticated
  using (
    (select l.id from public.leads l where l.id = activities.lead_id) is not null
    or (select c.id from public.contacts c where c.id = activities.contact_id) is not null
    or (select s.id from public.students s where s.id = activities.student_id) is not null
    or (select d.id from public.deals d where d.id = activities.deal_id) is not null
  );

comment on policy activities_read on public.activities is 'Where the lead, contact, student or deal is visible. Always read by its id.';

-- Functions

create function private.record_activity(
  p_type text,
  p_title text,
  p_description text default null,
  p_lead_id uuid default null,
  p_contact_id uuid default null,
  p_student_id uuid default null,
  p_deal_id uuid default null,
  p_metadata jsonb default '{}',
  p_source_id uuid default null,
  p_occurred_at timestamptz default now(),
  -- A token alone names nobody: the database does.
  p_actor_id uuid default private.gate_own()
) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  insert into public.activities (lead_id, contact_id, student_id, deal_id, source_id, type, title, description, actor_id, metadata, occurred_at)
  select k.lead, k.contact, k.student, k.deal, p_source_id, p_type, private.squeeze(p_title, 200),
    nullif(left(p_description, 2000), ''), p_actor_id,
    coalesce(p_metadata, '{}') || case when current_setting('intake.automation', true) <> '' then jsonb_build_object('automation_run', current_setting('intake.automation')) else '{}' end,
    coalesce(p_occurred_at, now())
  from (values
    (p_lead_id, null::uuid, null::uuid, null::uuid), (null, p_contact_id, null, null), (null, null, p_student_id, null), (null, null, null, p_deal_id)
  ) k (lead, contact, student, deal)
  where num_nonnulls(k.lead, k.contact, k.student, k.deal) = 1;
end
$$;

comment on function private.record_activity(text, text, text, uuid, uuid, uuid, uuid, jsonb, uuid, timestamptz, uuid) is 'The one way onto the timeline: a row for each thing named. p_source_id is the note, call, task or message it tells about; the actor is the caller unless another is named, null for the system.';

create function private.retract_activity(p_source_id uuid) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  delete from public.activities a where a.source_id = p_source_id;
end
$$;

comment on function private.retract_activity(uuid) is 'Takes off the timeline what told about this note, call, task or message.';

create function private.touch_lead(p_lead_id uuid, p_at timestamptz default now()) returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
  -- A meeting of next week is no interaction yet.
  happened timestamptz := least(p_at, clock_timestamp());
begin
  update public.leads l
  set last_interaction_at = happened
  where l.id = p_lead_id and (l.last_interaction_at is null or l.last_interaction_at < happened);
end
$$;

comment on function private.touch_lead(uuid, timestamptz) is 'Moves last_interaction_at forward, never back. No index has that column, so the update stays heap-only.';

-- Triggers

create function private.retract_deleted() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform private.retract_activity(old.id);

  return null;
end
$$;

comment on function private.retract_deleted() is 'AFTER DELETE trigger of what the timeline tells about: what is gone for good, as from Studio, is off it too.';

create function private.record_lead_creation() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into public.activities (lead_id, type, title, description, actor_id)
  select c.id, 'created', 'Lead Created', 'Source: ' || c.source, c.created_by
  from created c;

  return null;
end
$$;

comment on function private.record_lead_creation() is 'Begins the timeline of new leads, in one statement however many they are.';

create trigger record_lead_creation after insert on public.leads
  referencing new table as created
  for each statement execute function private.record_lead_creation();

create function private.record_lead_activity() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if new.status is distinct from old.status then
    perform private.record_activity(
      'status_change', 'Status Changed',
      (select s.name from public.pipeline_stages s where s.key = old.status) || ' to ' || (select s.name from public.pipeline_stages s where s.key = new.status),
      p_lead_id => new.id,
      p_metadata => jsonb_build_object('from', old.status, 'to', new.status)
    );
  end if;

  if new.assigned_to is distinct from old.assigned_to then
    perform private.record_activity(
      'assigned', case when new.assigned_to is null then 'Lead Unassigned' else 'Lead Assigned' end,
      (select p.full_name from public.profiles p where p.id = new.assigned_to),
      p_lead_id => new.id,
      p_metadata => jsonb_build_object('from', old.assigned_to, 'to', new.assigned_to)
    );
  end if;

  return null;
end
$$;

comment on function private.record_lead_activity() is 'Puts a change of a lead''s stage or owner on its timeline.';

create trigger record_lead_activity after update on public.leads
  for each row when (old.status is distinct from new.status or old.assigned_to is distinct from new.assigned_to)
  execute function private.record_lead_activity();

-- Views

create view public.timeline with (security_invoker = true) as
select
  a.id,
  a.entity_type,
  a.entity_id,
  a.type,
  a.title,
  a.description,
  nullif(p.full_name, '') as "by",
  a.occurred_at as "timestamp",
  a.actor_id,
  a.source_id,
  a.metadata
from public.activities a
left join public.profiles p on p.id = a.actor_id;

comment on view public.timeline is 'What happened to a lead, contact, student or deal, in the documents'' keys: id, type, title, description, by (a name; null for the system and for people whom the caller cannot see), timestamp. Filter by entity_type and entity_id. Answers D1-007, D1-010, D1-021, D2-023.';

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
  l.converted_to_deal as "convertedToDeal",
  l.deal_id,
  l.assigned_to,
  l.team_id
from public.leads l
join public.pipeline_stages s on s.key = l.status
left join public.profiles owner on owner.id = l.assigned_to
left join public.profiles creator on creator.id = l.created_by
where l.deleted_at is null;

comment on view public.leads_crm is 'Leads in the camelCase columns of the CRM document, with the stage by name, the owner by name, activitiesCount and convertedToDeal. assigned_to and team_id are there to filter by. Answers D2-001, D2-017.';

-- RPCs

create function public.lead_timeline(p_lead_id text, p_limit integer default 50, p_before jsonb default null) returns setof public.timeline
language plpgsql stable security invoker set search_path = '' as $$
declare
  target uuid := private.find_lead(p_lead_id);
  before_time timestamptz := 'infinity';
  before_id uuid := 'ffffffff-ffff-ffff-ffff-ffffffffffff';
begin
  if p_limit not between 1 and 200 then
    perform private.fail('argument_invalid', 'p_limit is 1 to 200');
  end if;

  if p_before is not null then
    begin
      before_time := p_before ->> 'timestamp';
      before_id := p_before ->> 'id';
    exception when data_exception then
      before_id := null;
    end;

    if before_time is null or before_id is null then
      perform private.fail('argument_invalid', 'p_before is the last row of the page before, or its {timestamp, id}');
    end if;
  end if;

  return query
  select t.*
  from public.timeline t
  where t.entity_id = target and (t."timestamp", t.id) < (before_time, before_id)
  order by t."timestamp" desc, t.id desc
  limit coalesce(p_limit, 50);
end
$$;

comment on function public.lead_timeline(text, integer, jsonb) is 'The timeline of a lead (by id or number), newest first: rows of the view timeline. The next page is before the last row of this one: p_before => that row. Errors: lead_not_found, argument_invalid. Answers D3-014.';

-- Grants

revoke all on public.activities, public.timeline, public.leads_crm from anon, authenticated, service_role;

grant select on public.activities, public.timeline, public.leads_crm to authenticated;

grant select, insert, update, delete on public.activities to service_role;

grant select on public.timeline, public.leads_crm to service_role;

revoke all on function private.record_activity(text, text, text, uuid, uuid, uuid, uuid, jsonb, uuid, timestamptz, uuid) from public, anon, authenticated, service_role;

revoke all on function private.retract_activity(uuid) from public, anon, authenticated, service_role;

revoke all on function private.retract_deleted() from public, anon, authenticated, service_role;

revoke all on function private.touch_lead(uuid, timestamptz) from public, anon, authenticated, service_role;

revoke all on function private.record_lead_activity() from public, anon, authenticated, service_role;

revoke all on function private.record_lead_creation() from public, anon, authenticated, service_role;

revoke all on function public.lead_timeline(text, integer, jsonb) from public, anon, authenticated, service_role;

grant execute on function public.lead_timeline(text, integer, jsonb) to authenticated;

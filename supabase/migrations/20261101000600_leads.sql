-- Leads: the people who enquired, who looks after them, and how far they have come.
--
-- Every rule holds whoever writes: names, e-mail, phone and stage are normalised and checked by trigger,
-- the number comes from a sequence, the owner's team is copied onto the lead, and every change of stage
-- leaves a history row. No index covers status, score or last_interaction_at, so that the most frequent
-- updates stay heap-only.

-- Tables

create table public.leads (
  id uuid primary key default private.uuid_v7(),
  -- First and of fixed width, because a policy reads them of every row that a scan meets.
  assigned_to uuid references public.profiles (id) on delete restrict,
  team_id uuid references public.teams (id) on delete restrict,
  created_at timestamptz not null default now(),
  deleted_at timestamptz,
  lead_no bigint generated always as identity,
  lead_id text not null generated always as ('LEAD-' || case when lead_no < 1000 then lpad(lead_no::text, 3, '0') else lead_no::text end) stored,
  salutation text,
  first_name text not null default '',
  last_name text not null default '',
  name text not null default '',
  email text,
  phone text,
  organization text,
  website text,
  job_title text,
  industry text,
  gender text,
  no_of_employees text,
  annual_revenue numeric(16, 2),
  territory text,
  qualification text,
  experience numeric(4, 1),
  course text,
  source text not null default 'Manual',
  status text not null default '' references public.pipeline_stages (key) on update cascade on delete restrict,
  max_stage smallint not null default 0,
  status_changed_at timestamptz not null default now(),
  score smallint not null default 0,
  value numeric(14, 2) not null default 0,
  currency text not null default '',
  tags text[] not null default '{}',
  custom_fields jsonb not null default '{}',
  last_interaction_at timestamptz,
  last_enquiry_at timestamptz not null default now(),
  enquiries_count integer not null default 1,
  email_slot bigint not null default 0,
  phone_slot bigint not null default 0,
  merged_into uuid references public.leads (id) on delete set null,
  created_by uuid references public.profiles (id) on delete set null,
  updated_at timestamptz not null default now(),
  version bigint not null default 1,
  search_text text collate "C" generated always as (lower(name || ' ' || coalesce(email, '') || ' ' || coalesce(phone, '') || ' ' || coalesce(organization, ''))) stored,
  constraint leads_have_a_name_or_an_address check (name <> '' or email is not null or phone is not null),
  constraint leads_name_is_short check (length(name) <= 300 and length(first_name) <= 150 and length(last_name) <= 150),
  constraint leads_email_is_normal check (email = lower(email) and email like '%_@_%' and length(email) <= 254),
  constraint leads_phone_is_e164 check (phone ~ '^\+[1-9][0-9]{7,14}$'),
  constraint leads_texts_are_short check (
    length(salutation) <= 40 and length(organization) <= 300 and length(website) <= 2048 and length(job_title) <= 200
    and length(industry) <= 200 and length(gender) <= 40 and length(no_of_employees) <= 40 and length(territory) <= 200
    and length(qualification) <= 200 and length(course) <= 200
  ),
  constraint leads_source_is_a_short_name check (btrim(source) <> '' and length(source) <= 100),
  constraint leads_experience_is_not_negative check (experience >= 0),
  constraint leads_annual_revenue_is_not_negative check (annual_revenue >= 0),
  constraint leads_score_is_0_to_100 check (score between 0 and 100),
  constraint leads_value_is_not_negative check (value >= 0),
  constraint leads_currency_is_iso_4217 check (currency ~ '^[A-Z]{3}$'),
  constraint leads_tags_are_few check (cardinality(tags) <= 50),
  constraint leads_tags_are_short check (length(array_to_string(tags, '')) <= 5000),
  constraint leads_custom_fields_are_an_object check (jsonb_typeof(custom_fields) = 'object' and pg_column_size(custom_fields) <= 65536)
) with (fillfactor = 85);

comment on table public.leads is 'People who enquired. Seen by the person they are assigned to, by the managers of their team, and by scope all.';

comment on column public.leads.lead_id is 'The number people use: LEAD-001, LEAD-002, … Unique; gaps are possible.';

comment on column public.leads.name is 'Full name. Written alone it is split into first and last name; written in parts it is put together.';

comment on column public.leads.email is 'Lower-case, trimmed.';

comment on column public.leads.phone is 'E.164. National numbers get the organisation''s calling code.';

comment on column public.leads.source is 'Where the enquiry came from, for example Website, Facebook Ad, Walk-in.';

comment on column public.leads.status is 'Key of the stage; the first open one if empty. Input is case-insensitive; moves follow pipeline_transitions.';

comment on column public.leads.max_stage is 'Position of the furthest funnel stage ever reached, for funnels without a walk through history.';

comment on column public.leads.score is '0 to 100.';

comment on column public.leads.value is 'What the lead is worth if won, in currency.';

comment on column public.leads.currency is 'ISO 4217 code of value and annual_revenue; the organisation''s if empty.';

comment on column public.leads.custom_fields is 'Further fields, among them answers of an ad form that no mapping names.';

comment on column public.leads.assigned_to is 'Who looks after the lead. Changed by lead_assign().';

comment on column public.leads.team_id is 'The team of assigned_to, copied by trigger; a lead without an owner can still belong to a team.';

comment on column public.leads.last_interaction_at is 'When somebody last spoke or wrote with this person.';

comment on column public.leads.last_enquiry_at is 'When this person last enquired.';

comment on column public.leads.enquiries_count is 'How often this person enquired, this lead''s making included. The enquiries are in lead_enquiries.';

comment on column public.leads.email_slot is '0 where an e-mail address is one person: then two live leads cannot share it. Otherwise the lead''s own number.';

comment on column public.leads.phone_slot is '0 where a phone number is one person, otherwise the lead''s own number.';

comment on column public.leads.merged_into is 'The lead this one was merged into; such a lead is deleted.';

comment on column public.leads.created_by is 'Who entered it; null when it came from outside.';

comment on column public.leads.deleted_at is 'Soft deletion: the row is in nobody''s sight.';

comment on column public.leads.search_text is 'What search_leads() looks through.';

comment on column public.leads.version is 'Rises with every change.';

-- Partial, so that it is no key a foreign key could point at: an update recomputes the number, and with a
-- key among its columns it would lock out, and deadlock with, everybody who adds something to the lead.
create unique index leads_lead_id_is_unique on public.leads (lead_id) where lead_id is not null;

create index leads_of_owner on public.leads (assigned_to, created_at desc, id desc) include (team_id) where deleted_at is null;

create index leads_of_team on public.leads (team_id, created_at desc, id desc) include (assigned_to) where deleted_at is null;

create index leads_newest on public.leads (created_at desc, id desc) include (assigned_to, team_id) where deleted_at is null;

create unique index leads_email_is_one_person on public.leads (email, email_slot) where email is not null and deleted_at is null;

create unique index leads_phone_is_one_person on public.leads (phone, phone_slot) where phone is not null and deleted_at is null;

create index leads_merged on public.leads (merged_into) where merged_into is not null;

create table public.lead_history (
  id uuid primary key default private.uuid_v7(),
  lead_id uuid not null references public.leads (id) on delete cascade,
  from_status text not null,
  to_status text not null,
  reason text,
  changed_by uuid references public.profiles (id) on delete set null,
  changed_at timestamptz not null default now(),
  constraint lead_history_reason_is_short check (length(reason) <= 1000)
);

comment on table public.lead_history is 'Every change of a lead''s stage, written by trigger. Visible where its lead is; read by lead.';

comment on column public.lead_history.changed_by is 'Null when the system or a provider did it.';

create index lead_history_of_lead on public.lead_history (lead_id, changed_at desc);

-- Policies

alter table public.leads enable row level security;

alter table public.lead_history enable row level security;

create policy leads_read on public.leads for select to authenticated
  using (
    deleted_at is null
    and (
      (select private.gate_all()) is not null
      or team_id = (select (private.gate_team())[1])
      or assigned_to = (select private.gate_own())
      or team_id = any ((select (private.gate_team())[2:])::uuid[])
    )
  );

comment on policy leads_read on public.leads is 'Scope all: every lead. Scope team: those of managed teams. Everybody: those assigned to them. List queries should filter by assigned_to or team_id themselves, so that the indexes serve.';

create policy leads_create on public.leads for insert to authenticated
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

comment on policy leads_create on public.leads is 'Needs leads.create, and the new lead must be one the caller will see.';

create policy leads_change on public.leads for update to authenticated
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

comment on policy leads_change on public.leads is 'Needs leads.update and sight of the lead, before and after. Owner, team and deletion are no columns of the grant: RPCs change them.';

create policy lead_history_read on public.lead_history for select to authenticated
  using ((select l.id from public.leads l where l.id = lead_history.lead_id) is not null);

comment on policy lead_history_read on public.lead_history is 'Where the lead is visible, looked up row by row: of an exists() the planner may hash every visible lead.';

-- Triggers

create function private.prepare_lead() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  caller uuid := auth.uid();
  stage public.pipeline_stages;
begin
  if private.is_restoring() then
    return new;
  end if;

  if tg_op = 'INSERT' then
    if caller is not null then
      -- A token alone names nobody: the database does.
      new.created_by := private.gate_own();

      -- What somebody of scope own enters is theirs; what a manager enters belongs to their team.
      if new.assigned_to is null and new.team_id is null and private.gate_all() is null then
        new.team_id := (private.gate_team())[1];

        if new.team_id is null then
          new.assigned_to := new.created_by;
        end if;
      end if;
    end if;

  else
    new.version := old.version + 1;
    new.updated_at := clock_timestamp();
  end if;

  if tg_op = 'INSERT' or new.currency is distinct from old.currency then
    new.currency := coalesce(nullif(upper(btrim(new.currency)), ''), private.setting('organization.currency') #>> '{}', 'INR');
  end if;

  if tg_op = 'INSERT' or (new.name, new.first_name, new.last_name) is distinct from (old.name, old.first_name, old.last_name) then
    new.first_name := btrim(coalesce(new.first_name, ''));
    new.last_name := btrim(coalesce(new.last_name, ''));
    new.name := btrim(regexp_replace(coalesce(new.name, ''), '\s+', ' ', 'g'));

    if new.name <> '' and (tg_op = 'INSERT' and new.first_name || new.last_name = '' or tg_op = 'UPDATE' and new.name is distinct from old.name) then
      new.first_name := split_part(new.name, ' ', 1);
      new.last_name := btrim(substr(new.name, length(new.first_name) + 1));
    else
      new.name := btrim(new.first_name || ' ' || new.last_name);
    end if;
  end if;

  if tg_op = 'INSERT' or new.email is distinct from old.email then
    new.email := private.normalize_email(new.email);
  end if;

  if tg_op = 'INSERT' or new.phone is distinct from old.phone then
    new.phone := private.normalize_phone(new.phone);
  end if;

  if tg_op = 'INSERT' or new.status is distinct from old.status then
    new.status := coalesce(nullif(lower(btrim(new.status)), ''), private.first_stage());

    select * into stage from public.pipeline_stages s where s.key = new.status;

    if stage.key is null then
      perform private.fail('stage_unknown', left(new.status, 80));
    end if;

    if tg_op = 'UPDATE' and new.status <> old.status then
      if exists (select from public.pipeline_transitions t where t.from_stage = old.status)
        and not exists (select from public.pipeline_transitions t where t.from_stage = old.status and t.to_stage = new.status) then
        perform private.fail('transition_forbidden', old.status || ' to ' || new.status);
      end if;

      new.status_changed_at := clock_timestamp();
    end if;

    if stage.is_won or not stage.is_closed then
      new.max_stage := greatest(new.max_stage, stage.position);
    end if;
  end if;

  if tg_op = 'INSERT' or (new.assigned_to, new.team_id) is distinct from (old.assigned_to, old.team_id) then
    if new.assigned_to is not null then
      select private.team_of(p.id, new.team_id) into new.team_id
      from public.profiles p
      where p.id = new.assigned_to and p.is_active;

      if not found then
        perform private.fail('assignee_unavailable', new.assigned_to::text);
      end if;
    end if;
  end if;

  -- Its stage and its owner are told of from the timeline.
  if tg_op = 'UPDATE' then
    if (new.name, new.salutation, new.email, new.phone, new.organization, new.website, new.job_title, new.industry, new.gender, new.no_of_employees,
        new.annual_revenue, new.territory, new.qualification, new.experience, new.course, new.source, new.value, new.currency, new.tags, new.custom_fields, new.deleted_at)
      is distinct from (old.name, old.salutation, old.email, old.phone, old.organization, old.website, old.job_title, old.industry, old.gender, old.no_of_employees,
        old.annual_revenue, old.territory, old.qualification, old.experience, old.course, old.source, old.value, old.currency, old.tags, old.custom_fields, old.deleted_at) then
      perform private.announce('leads', new.id, new.id, new.team_id, new.assigned_to);
    end if;

    if (new.team_id, case when new.team_id is null then new.assigned_to end) is distinct from (old.team_id, case when old.team_id is null then old.assigned_to end) then
      perform private.announce('leads', old.id, null, old.team_id, old.assigned_to);
    end if;
  end if;

  return new;
end
$$;

comment on function private.prepare_lead() is 'Normalises and checks a lead on every write path, fills what is not the client''s to say, and announces what was edited, also to the list it leaves.';

create trigger prepare_lead before insert on public.leads
  for each row when (current_setting('intake.prepared', true) is distinct from 'on')
  execute function private.prepare_lead();

create trigger prepare_lead_in_change before update on public.leads
  for each row execute function private.prepare_lead();

create function private.record_lead_status() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into public.lead_history (lead_id, from_status, to_status, reason, changed_by)
  values (new.id, old.status, new.status, nullif(left(current_setting('intake.reason', true), 1000), ''), private.gate_own());

  return null;
end
$$;

comment on function private.record_lead_status() is 'Writes lead_history; the reason comes from lead_set_status().';

create trigger record_lead_status after update of status on public.leads
  for each row when (old.status is distinct from new.status) execute function private.record_lead_status();

create function private.follow_stage_positions() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  update public.leads l
  set max_stage = moved.position
  from (
    select o.position as was, n.position
    from stages_before o
    join stages_after n on n.key = o.key and n.position <> o.position
  ) moved
  where l.max_stage = moved.was;

  return null;
end
$$;

comment on function private.follow_stage_positions() is 'Keeps leads.max_stage on the same stage when a stage is put between others or stages are reordered.';

create trigger follow_stage_positions after update on public.pipeline_stages
  referencing old table as stages_before new table as stages_after
  for each statement execute function private.follow_stage_positions();

create trigger audit_created after insert on public.leads
  referencing new table as affected
  for each statement execute function private.audit_rows();

create trigger audit after update on public.leads
  for each row execute function private.audit_row();

create trigger audit_deleted after delete on public.leads
  referencing old table as affected
  for each statement execute function private.audit_rows();

create trigger refuse_truncate before truncate on public.leads
  for each statement execute function private.refuse_truncate();

-- Functions

create function private.find_lead(p_lead text) returns uuid
language plpgsql stable security invoker set search_path = '' as $$
declare
  found_id uuid;
begin
  if p_lead ~ '^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$' then
    select l.id into found_id from public.leads l where l.id = p_lead::uuid and l.deleted_at is null;
  else
    select l.id into found_id from public.leads l where l.lead_id = upper(btrim(p_lead)) and l.deleted_at is null;
  end if;

  if found_id is null then
    perform private.fail('lead_not_found', left(p_lead, 80));
  end if;

  return found_id;
end
$$;

comment on function private.find_lead(text) is 'Id of a lead the caller may see, by id or by number; error lead_not_found otherwise.';

create function public.lead_set_status(p_lead_id text, p_status text, p_reason text default null) returns public.leads
language plpgsql volatile security invoker set search_path = '' as $$
declare
  target uuid := private.find_lead(p_lead_id);
  changed public.leads;
begin
  if nullif(btrim(p_status), '') is null then
    perform private.fail('argument_invalid', 'p_status');
  end if;

  perform set_config('intake.reason', coalesce(p_reason, ''), true);

  update public.leads l set status = p_status where l.id = target returning * into changed;

  perform set_config('intake.reason', '', true);

  if changed.id is null then
    perform private.fail('permission_denied', 'leads.update');
  end if;

  return changed;
end
$$;

comment on function public.lead_set_status(text, text, text) is 'Moves a lead (by id or number such as LEAD-001) to a stage, with a reason for the history. Returns the lead. Errors: lead_not_found, stage_unknown, transition_forbidden, permission_denied. Answers D2-005, D3-011, D4-027.';

create function public.crm_create_lead(p_lead jsonb) returns jsonb
language plpgsql volatile security invoker set search_path = '' as $$
declare
  known constant text[] := array['salutation', 'firstName', 'lastName', 'name', 'email', 'mobile', 'phone', 'organization', 'website', 'jobTitle', 'industry', 'source', 'status', 'gender', 'noOfEmployees', 'annualRevenue', 'territory', 'value', 'qualification', 'experience', 'course'];
  unknown text;
  fields jsonb;
  wrong text;
  made public.leads;
begin
  if jsonb_typeof(p_lead) is distinct from 'object' then
    perform private.fail('argument_invalid', 'p_lead must be an object');
  end if;

  select string_agg(k, ', ' order by k) into unknown from jsonb_object_keys(p_lead) k where k <> all (known);

  if unknown is not null then
    perform private.fail('argument_invalid', 'unknown fields: ' || left(unknown, 200));
  end if;

  -- What a form left empty says nothing.
  select coalesce(jsonb_object_agg(f.key, f.value), '{}') into fields from jsonb_each_text(p_lead) f where btrim(f.value) <> '';

  select string_agg(n, ', ') into wrong
  from unnest(array['annualRevenue', 'value', 'experience']) n
  where fields ->> n !~ '^\s*-?[0-9]+(\.[0-9]+)?\s*$';

  if wrong is not null then
    perform private.fail('argument_invalid', 'no numbers: ' || wrong);
  end if;

  insert into public.leads (
    salutation, first_name, last_name, name, email, phone, organization, website, job_title, industry, source, status,
    gender, no_of_employees, annual_revenue, territory, value, qualification, experience, course
  ) values (
    fields ->> 'salutation', coalesce(fields ->> 'firstName', ''), coalesce(fields ->> 'lastName', ''), coalesce(fields ->> 'name', ''),
    fields ->> 'email', coalesce(fields ->> 'mobile', fields ->> 'phone'), fields ->> 'organization', fields ->> 'website',
    fields ->> 'jobTitle', fields ->> 'industry', coalesce(fields ->> 'source', 'Manual'), fields ->> 'status',
    fields ->> 'gender', fields ->> 'noOfEmployees', (fields ->> 'annualRevenue')::numeric, fields ->> 'territory',
    coalesce((fields ->> 'value')::numeric, 0), fields ->> 'qualification', (fields ->> 'experience')::numeric, fields ->> 'course'
  ) returning * into made;

  if made.id is not null then
    return jsonb_build_object('message', 'Lead created successfully', 'lead_id', made.lead_id, 'id', made.id);
  end if;

  -- The person was known: the enquiry is with their lead, named only to whom it may be.
  select * into made
  from public.leads l
  where l.id = private.find_person(private.normalize_email(fields ->> 'email'), private.normalize_phone(coalesce(fields ->> 'mobile', fields ->> 'phone')));

  return jsonb_build_object('message', 'Enquiry recorded', 'lead_id', made.lead_id, 'id', made.id);
end
$$;

comment on function public.crm_create_lead(jsonb) is 'Creates a lead from camelCase fields (firstName, lastName, email, mobile, organization, jobTitle, …) and answers {message, lead_id, id}. Of a person who has a lead the enquiry is recorded instead: the message says so, and the ids are null unless the caller may see that lead. Errors: argument_invalid, email_invalid, phone_invalid, stage_unknown. Answers D2-003.';

-- Views

create view public.leads_list with (security_invoker = true) as
select
  l.id,
  l.lead_id,
  l.name,
  l.email,
  l.phone,
  l.status,
  l.source,
  l.score,
  (l.last_interaction_at at time zone (select coalesce(private.setting('organization.timezone') #>> '{}', 'UTC')))::date as "lastInteraction",
  l.value,
  l.currency,
  l.assigned_to,
  l.team_id,
  l.created_at
from public.leads l
where l.deleted_at is null;

comment on view public.leads_list is 'Leads in the columns of the lead list: id, name, email, status, source, score, lastInteraction (date, in the organisation''s time zone), value. Answers D1-004.';

-- Grants

revoke all on public.leads, public.lead_history, public.leads_list from anon, authenticated, service_role;

grant select on public.leads, public.lead_history, public.leads_list to authenticated;

grant insert (
  id, salutation, first_name, last_name, name, email, phone, organization, website, job_title, industry, gender, no_of_employees,
  annual_revenue, territory, qualification, experience, course, source, status, value, currency, tags, custom_fields, assigned_to, team_id
) on public.leads to authenticated;

grant update (
  salutation, first_name, last_name, name, email, phone, organization, website, job_title, industry, gender, no_of_employees,
  annual_revenue, territory, qualification, experience, course, source, status, value, currency, tags, custom_fields
) on public.leads to authenticated;

grant select, insert, update, delete on public.leads, public.lead_history to service_role;

grant select on public.leads_list to service_role;

revoke all on function private.prepare_lead() from public, anon, authenticated, service_role;

revoke all on function private.record_lead_status() from public, anon, authenticated, service_role;

revoke all on function private.follow_stage_positions() from public, anon, authenticated, service_role;

revoke all on function private.find_lead(text) from public, anon, authenticated, service_role;

grant execute on function private.find_lead(text) to authenticated;

revoke all on function public.lead_set_status(text, text, text) from public, anon, authenticated, service_role;

grant execute on function public.lead_set_status(text, text, text) to authenticated;

revoke all on function public.crm_create_lead(jsonb) from public, anon, authenticated, service_role;

grant execute on function public.crm_create_lead(jsonb) to authenticated;

-- This module's errors

insert into public.error_codes (code, sqlstate, message, hint) values
  ('lead_not_found', 'PT404', 'There is no such lead, or it is not yours to see.', 'Send the id or the number, such as LEAD-001.'),
  ('assignee_unavailable', 'PT422', 'This person cannot be given leads.', 'Choose an active person within your reach.');

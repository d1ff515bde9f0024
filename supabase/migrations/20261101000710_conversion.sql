-- Conversion: how a lead becomes a deal, and how a lead that was won becomes a student.
--
-- Both happen once, however often and however simultaneously they are asked for: the lead is held while
-- its deal or student is made, and the second caller gets what the first one made. Everything is made
-- with the rights of the caller.

-- Tables

-- Before v1.0 there are no rows to rewrite or to check.
alter table public.leads
  add column converted_at timestamptz,
  -- squawk-ignore adding-field-with-default
  add column converted_to_deal boolean not null generated always as (converted_at is not null) stored,
  -- squawk-ignore adding-foreign-key-constraint
  add column deal_id uuid constraint leads_deal_id_fkey references public.deals (id) on delete set null;

comment on column public.leads.converted_at is 'When lead_convert_to_deal() made a deal of it.';

comment on column public.leads.converted_to_deal is 'Whether it was ever converted.';

comment on column public.leads.deal_id is 'The deal of its conversion.';

create index leads_converted on public.leads (deal_id) where deal_id is not null;

-- Functions

create function private.refuse_unknown_fields(p_argument text, p_fields jsonb, p_known text[]) returns void
language plpgsql stable security invoker set search_path = '' as $$
declare
  unknown text;
begin
  if jsonb_typeof(p_fields) <> 'object' then
    perform private.fail('argument_invalid', p_argument || ' must be an object');
  end if;

  select string_agg(k, ', ' order by k) into unknown from jsonb_object_keys(p_fields) k where k <> all (p_known);

  if unknown is not null then
    perform private.fail('argument_invalid', left('unknown fields of ' || p_argument || ': ' || unknown, 200));
  end if;
end
$$;

comment on function private.refuse_unknown_fields(text, jsonb, text[]) is 'Error argument_invalid for an argument that is no object or has fields nobody would read.';

create function private.lead_to_convert(p_lead text) returns public.leads
language plpgsql volatile security invoker set search_path = '' as $$
declare
  target uuid := private.find_lead(p_lead);
  held public.leads;
begin
  perform private.require_permission('leads.update');

  perform private.require_permission('leads.create');

  -- Not FOR UPDATE: foreign keys of others' new rows need not wait.
  select * into held from public.leads l where l.id = target for no key update;

  if held.id is null then
    perform private.fail('lead_not_found', left(p_lead, 80));
  end if;

  return held;
end
$$;

comment on function private.lead_to_convert(text) is 'The lead, held until the end of the transaction, if the caller may see and change it and make what it becomes. Errors: lead_not_found, permission_denied.';

create function private.organization_of_conversion(p_lead public.leads, p_fields jsonb) returns uuid
language plpgsql volatile security invoker set search_path = '' as $$
declare
  fields jsonb := coalesce(nullif(p_fields, 'null'), case
    when nullif(btrim(p_lead.organization), '') is not null then jsonb_build_object(
      'name', p_lead.organization, 'website', p_lead.website, 'industry', p_lead.industry, 'no_of_employees', p_lead.no_of_employees,
      'annual_revenue', p_lead.annual_revenue, 'territory', p_lead.territory
    )
  end, '{}');
  called constant text := fields ->> 'name';
  found_id uuid;
begin
  perform private.refuse_unknown_fields(
    'p_organization', fields, array['id', 'name', 'website', 'email', 'phone', 'industry', 'no_of_employees', 'annual_revenue', 'territory', 'address']
  );

  if fields = '{}' then
    return null;
  end if;

  if fields ? 'id' then
    select o.id into found_id from public.organizations o where o.id = (fields ->> 'id')::uuid;

    if found_id is null then
      perform private.fail('not_found', 'organization');
    end if;

    return found_id;
  end if;

  -- Two that name the same one take turns: the second finds what the first has made.
  perform pg_advisory_xact_lock(hashtextextended('organization ' || lower(regexp_replace(called, '\s', '', 'g')), 0));

  select o.id into found_id
  from public.organizations o
  where o.id = any (array(select private.organizations_called(called)))
  order by o.assigned_to = p_lead.assigned_to desc nulls last, o.created_at
  limit 1;

  if found_id is null then
    insert into public.organizations (assigned_to, name, website, email, phone, industry, no_of_employees, annual_revenue, territory, address)
    values (
      case when private.may_assign_to(p_lead.assigned_to) then p_lead.assigned_to end,
      fields ->> 'name', fields ->> 'website', fields ->> 'email', fields ->> 'phone', fields ->> 'industry', fields ->> 'no_of_employees',
      (fields ->> 'annual_revenue')::numeric, fields ->> 'territory', fields ->> 'address'
    )
    returning id into found_id;
  end if;

  return found_id;
end
$$;

comment on function private.organization_of_conversion(public.leads, jsonb) is 'The organization of a deal: the one named by id, one of that name that the caller may see, or a new one. Null fields mean the lead''s own, an empty object none.';

create function private.contact_of_conversion(p_lead public.leads, p_fields jsonb, p_organization_id uuid) returns uuid
language plpgsql volatile security invoker set search_path = '' as $$
declare
  fields jsonb := coalesce(nullif(p_fields, 'null'), jsonb_build_object(
    'name', coalesce(nullif(p_lead.name, ''), p_lead.email, p_lead.phone), 'email', p_lead.email, 'phone', p_lead.phone,
    'role', p_lead.job_title, 'company', p_lead.organization
  ));
  found_id uuid;
begin
  perform private.refuse_unknown_fields('p_contact', fields, array['id', 'name', 'email', 'phone', 'role', 'company']);

  if fields = '{}' then
    return null;
  end if;

  if fields ? 'id' then
    select c.id into found_id from public.contacts c where c.id = (fields ->> 'id')::uuid;

    if found_id is null then
      perform private.fail('not_found', 'contact');
    end if;
  else
    found_id := private.find_contact(private.normalize_email(fields ->> 'email'), private.normalize_phone(fields ->> 'phone'));
  end if;

  if found_id is null then
    insert into public.contacts (lead_id, organization_id, name, email, phone, role, company)
    values (p_lead.id, p_organization_id, fields ->> 'name', fields ->> 'email', fields ->> 'phone', fields ->> 'role', fields ->> 'company')
    returning id into found_id;
  else
    -- Somebody else's contact stays theirs.
    update public.contacts c
    set lead_id = p_lead.id, organization_id = coalesce(c.organization_id, p_organization_id)
    where c.id = found_id and c.lead_id is null and c.assigned_to = p_lead.assigned_to;
  end if;

  return found_id;
end
$$;

comment on function private.contact_of_conversion(public.leads, jsonb, uuid) is 'The contact of a deal: the one named by id, one with that e-mail or phone that the caller may see, or a new one. Null fields mean the lead''s own person, an empty object none.';

create function private.mark_converted(p_lead_id uuid, p_deal_id uuid) returns public.leads
language plpgsql volatile security definer set search_path = '' as $$
declare
  marked public.leads;
begin
  perform private.require_permission('leads.update');

  perform set_config('intake.reason', 'Converted to deal', true);

  update public.leads l
  set deal_id = d.id,
    converted_at = clock_timestamp(),
    status = coalesce((
      select qualified.key
      from public.pipeline_stages here
      join public.pipeline_stages qualified on qualified.key = 'qualified'
      where here.key = l.status and not here.is_won and (here.is_closed or here.position < qualified.position)
    ), l.status)
  from public.deals d
  where l.id = p_lead_id
    and d.id = p_deal_id
    and d.lead_id = l.id
    and d.created_by = private.gate_own()
    and l.deleted_at is null
    and (private.gate_all() is not null or l.assigned_to = private.gate_own() or l.team_id = any (private.gate_team()))
  returning l.* into marked;

  perform set_config('intake.reason', '', true);

  if marked.id is null then
    perform private.fail('permission_denied', 'leads.update');
  end if;

  perform private.record_activity(
    'converted', 'Converted to Deal', (select d.name from public.deals d where d.id = p_deal_id),
    p_lead_id => p_lead_id, p_contact_id => (select d.contact_id from public.deals d where d.id = p_deal_id), p_deal_id => p_deal_id,
    p_metadata => jsonb_build_object('deal_id', p_deal_id)
  );

  return marked;
end
$$;

comment on function private.mark_converted(uuid, uuid) is 'Notes on a lead the deal that the caller just made of it, moves it to the stage qualified unless it is further along or won, and tells its timeline.';

-- RPCs

create function public.lead_convert_to_deal(
  p_lead_id text,
  p_organization jsonb default null,
  p_contact jsonb default null,
  p_deal jsonb default null
) returns jsonb
language plpgsql volatile security invoker set search_path = '' as $$
declare
  lead public.leads := private.lead_to_convert(p_lead_id);
  fields jsonb := coalesce(nullif(p_deal, 'null'), '{}');
  deal public.deals;
  organization uuid;
  contact uuid;
  is_new boolean := false;
begin
  select * into deal from public.deals d where d.id = lead.deal_id;

  if deal.id is null then
    perform private.refuse_unknown_fields('p_deal', fields, array['name', 'value', 'currency', 'stage', 'expected_close_date', 'custom_fields']);

    organization := private.organization_of_conversion(lead, p_organization);
    contact := private.contact_of_conversion(lead, p_contact, organization);

    insert into public.deals (lead_id, organization_id, contact_id, name, value, currency, stage, expected_close_date, custom_fields)
    values (
      lead.id, organization, contact,
      coalesce(
        nullif(btrim(fields ->> 'name'), ''), (select o.name from public.organizations o where o.id = organization),
        nullif(lead.name, ''), lead.email, lead.phone
      ),
      coalesce((fields ->> 'value')::numeric, lead.value), coalesce(fields ->> 'currency', lead.currency),
      coalesce(fields ->> 'stage', 'qualification'), (fields ->> 'expected_close_date')::date, coalesce(fields -> 'custom_fields', '{}')
    )
    returning * into deal;

    lead := private.mark_converted(lead.id, deal.id);
    is_new := true;
  end if;

  return jsonb_build_object(
    'message', case when is_new then 'Lead converted to deal' else 'Lead was converted already' end,
    'id', lead.id,
    'lead_id', lead.lead_id,
    'status', lead.status,
    'convertedToDeal', lead.converted_to_deal,
    'converted_at', lead.converted_at,
    'deal_id', deal.id,
    'organization_id', deal.organization_id,
    'contact_id', deal.contact_id,
    'is_new', is_new
  );
end
$$;

comment on function public.lead_convert_to_deal(text, jsonb, jsonb, jsonb) is 'Makes a deal of a lead (by id or number), once: {message, id, lead_id, status, convertedToDeal, converted_at, deal_id, organization_id, contact_id, is_new}; asked again it answers the same deal. p_organization and p_contact: {"id": …} of an existing one, fields of a new one, {} for none, null for what the lead says. p_deal: name, value, currency, stage, expected_close_date, custom_fields. The lead moves to Qualified unless it is further along. Needs leads.update and leads.create. Errors: lead_not_found, not_found, argument_invalid, transition_forbidden, permission_denied. Answers D2-016, D2-024.';

create function public.lead_enroll(p_lead_id text, p_student jsonb default null) returns jsonb
language plpgsql volatile security invoker set search_path = '' as $$
declare
  lead public.leads := private.lead_to_convert(p_lead_id);
  fields jsonb := coalesce(nullif(p_student, 'null'), '{}');
  student public.students;
  is_new boolean := false;
begin
  perform private.refuse_unknown_fields(
    'p_student', fields, array['name', 'email', 'phone', 'gender', 'qualification', 'course', 'academic_year', 'semester', 'custom_fields']
  );

  if not exists (select from public.pipeline_stages s where s.key = lead.status and s.is_won) then
    perform private.fail('lead_not_won', lead.status);
  end if;

  select * into student from public.students s where s.lead_id = lead.id order by s.created_at, s.id limit 1;

  if student.id is null then
    insert into public.students (lead_id, name, email, phone, gender, qualification, course, academic_year, semester, custom_fields)
    values (
      lead.id, coalesce(fields ->> 'name', ''), fields ->> 'email', fields ->> 'phone', fields ->> 'gender', fields ->> 'qualification',
      fields ->> 'course', fields ->> 'academic_year', fields ->> 'semester', coalesce(fields -> 'custom_fields', '{}')
    )
    returning * into student;

    is_new := true;
  end if;

  return jsonb_build_object(
    'message', case when is_new then 'Lead enrolled as student' else 'Lead was enrolled already' end,
    'id', lead.id,
    'lead_id', lead.lead_id,
    'student_id', student.id,
    'student_number', student.student_number,
    'is_new', is_new
  );
end
$$;

comment on function public.lead_enroll(text, jsonb) is 'Makes a student of a lead (by id or number) in a won stage, once: {message, id, lead_id, student_id, student_number, is_new}; asked again it answers the first student. p_student: name, email, phone, gender, qualification, course, academic_year, semester, custom_fields; what is left out comes from the lead. A parent''s further children are inserted into students. Needs leads.update and leads.create. Errors: lead_not_found, lead_not_won, argument_invalid, permission_denied.';

-- Triggers

create function private.record_enrolment() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform private.record_activity(
    'converted', 'Enrolled as Student', new.student_number, p_lead_id => new.lead_id, p_metadata => jsonb_build_object('student_id', new.id)
  );

  return null;
end
$$;

comment on function private.record_enrolment() is 'Puts a lead''s new student on the lead''s timeline.';

create trigger record_enrolment after insert on public.students
  for each row when (new.lead_id is not null) execute function private.record_enrolment();

-- Grants

revoke all on function private.refuse_unknown_fields(text, jsonb, text[]) from public, anon, authenticated, service_role;

grant execute on function private.refuse_unknown_fields(text, jsonb, text[]) to authenticated;

revoke all on function private.lead_to_convert(text) from public, anon, authenticated, service_role;

grant execute on function private.lead_to_convert(text) to authenticated;

revoke all on function private.organization_of_conversion(public.leads, jsonb) from public, anon, authenticated, service_role;

grant execute on function private.organization_of_conversion(public.leads, jsonb) to authenticated;

revoke all on function private.contact_of_conversion(public.leads, jsonb, uuid) from public, anon, authenticated, service_role;

grant execute on function private.contact_of_conversion(public.leads, jsonb, uuid) to authenticated;

revoke all on function private.mark_converted(uuid, uuid) from public, anon, authenticated, service_role;

grant execute on function private.mark_converted(uuid, uuid) to authenticated;

revoke all on function public.lead_convert_to_deal(text, jsonb, jsonb, jsonb) from public, anon, authenticated, service_role;

grant execute on function public.lead_convert_to_deal(text, jsonb, jsonb, jsonb) to authenticated;

revoke all on function public.lead_enroll(text, jsonb) from public, anon, authenticated, service_role;

grant execute on function public.lead_enroll(text, jsonb) to authenticated;

revoke all on function private.record_enrolment() from public, anon, authenticated, service_role;

-- This module's error

insert into public.error_codes (code, sqlstate, message, hint) values
  ('lead_not_won', 'PT409', 'This lead is in no won stage.', 'Move it to a won stage such as enrolled first.');

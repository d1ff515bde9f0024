-- Lead sources: forms of ad platforms and websites, which answer goes where, and how a lead of theirs becomes a lead here.
--
-- A lead arrives by a delivery or is found by comparing a form's leads with ours; both ways end in
-- private.meta_apply_lead(), which counts each lead once.

-- Tables

create table public.lead_source_forms (
  provider text not null,
  form_id text not null,
  page_id text,
  name text,
  is_active boolean not null default true,
  backfill_since timestamptz not null default '-infinity',
  backfill_started_at timestamptz,
  backfill_cursor text,
  last_lead_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (provider, form_id),
  constraint lead_source_forms_provider_is_known check (provider in ('meta')),
  constraint lead_source_forms_ids_are_short check (length(form_id) between 1 and 64 and length(page_id) <= 64)
);

create table public.lead_source_mappings (
  id uuid primary key default private.uuid_v7(),
  provider text not null default 'meta',
  form_id text,
  field text not null,
  target text not null,
  transform text not null default 'trim',
  position integer not null default 0,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint lead_source_mappings_provider_is_known check (provider in ('meta', 'form')),
  constraint lead_source_mappings_field_is_given check (btrim(field) <> '' and length(field) <= 200),
  constraint lead_source_mappings_target_is_known check (
    target in (
      'salutation', 'first_name', 'last_name', 'name', 'email', 'phone', 'organization', 'website', 'job_title',
      'industry', 'gender', 'no_of_employees', 'territory', 'qualification', 'course', 'ignore'
    )
    or target ~ '^custom:[a-z][a-z0-9_]{0,62}$'
  ),
  constraint lead_source_mappings_transform_is_known check (
    transform in ('none', 'trim', 'lower', 'upper', 'title', 'digits')
  )
);

-- Indexes

create unique index lead_source_mappings_are_one_per_form_and_field
  on public.lead_source_mappings (provider, coalesce(form_id, ''), lower(field));

-- Policies

alter table public.lead_source_forms enable row level security;

alter table public.lead_source_mappings enable row level security;

create policy lead_source_forms_read on public.lead_source_forms for select to authenticated
  using ((select private.has_permission('integrations.read')) or (select private.has_permission('integrations.manage')));

create policy lead_source_forms_change on public.lead_source_forms for update to authenticated
  using ((select private.has_permission('integrations.manage')))
  with check ((select private.has_permission('integrations.manage')));

create policy lead_source_mappings_read on public.lead_source_mappings for select to authenticated
  using ((select private.has_permission('integrations.read')) or (select private.has_permission('integrations.manage')));

create policy lead_source_mappings_add on public.lead_source_mappings for insert to authenticated
  with check ((select private.has_permission('integrations.manage')));

create policy lead_source_mappings_change on public.lead_source_mappings for update to authenticated
  using ((select private.has_permission('integrations.manage')))
  with check ((select private.has_permission('integrations.manage')));

create policy lead_source_mappings_remove on public.lead_source_mappings for delete to authenticated
  using ((select private.has_permission('integrations.manage')));

-- Triggers

create trigger touch_updated_at before update on public.lead_source_forms
  for each row execute function private.touch_updated_at();

create trigger touch_updated_at before update on public.lead_source_mappings
  for each row execute function private.touch_updated_at();

create trigger audit after insert or update or delete on public.lead_source_mappings
  for each row execute function private.audit_row('updated_at');

-- Leads from ad forms

create function private.apply_transform(p_value text, p_transform text) returns text
language plpgsql immutable set search_path = '' as $$
begin
  return nullif(case p_transform
    when 'none' then p_value
    when 'lower' then lower(btrim(p_value))
    when 'upper' then upper(btrim(p_value))
    when 'title' then initcap(btrim(p_value))
    when 'digits' then regexp_replace(p_value, '\D', '', 'g')
    else btrim(p_value)
  end, '');
end
$$;

create function private.map_lead_answers(p_provider text, p_form_id text, p_answers jsonb) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_answer record;
  v_fields jsonb := '{}';
  v_custom jsonb := '{}';
  v_unmapped text[] := '{}';
begin
  if jsonb_typeof(p_answers) is distinct from 'array' then
    perform private.fail('argument_invalid', 'field_data must be an array');
  end if;

  for v_answer in
    select a.name, a.value, m.target, private.apply_transform(a.value, coalesce(m.transform, 'trim')) as mapped
    from (
      select e.position, e.answer ->> 'name' as name, (
        select string_agg(v.value, ', ' order by v.place)
        from jsonb_array_elements_text(
          case when jsonb_typeof(e.answer -> 'values') = 'array' then e.answer -> 'values' else '[]' end
        ) with ordinality as v (value, place)
      ) as value
      from jsonb_array_elements(p_answers) with ordinality as e (answer, position)
    ) a
    left join lateral (
      -- The form's own row wins over the default one.
      select l.target, l.transform, l.position
      from public.lead_source_mappings l
      where l.provider = p_provider and lower(l.field) = lower(a.name) and (l.form_id = p_form_id or l.form_id is null)
      order by l.form_id nulls last
      limit 1
    ) m on true
    where coalesce(a.name, '') <> ''
    order by m.position nulls last, a.position
  loop
    if v_answer.mapped is null or v_answer.target = 'ignore' then
      continue;
    elsif v_answer.target is null then
      v_unmapped := v_unmapped || v_answer.name;
      v_custom := v_custom || jsonb_build_object(left(v_answer.name, 100), left(v_answer.mapped, 2000));
    elsif v_answer.target like 'custom:%' then
      v_custom := v_custom || jsonb_build_object(substr(v_answer.target, 8), left(v_answer.mapped, 2000));
    elsif not v_fields ? v_answer.target then
      v_fields := v_fields || jsonb_build_object(v_answer.target, v_answer.mapped);
    else
      -- A second answer for a column that is filled stays as an answer.
      v_custom := v_custom || jsonb_build_object(left(v_answer.name, 100), left(v_answer.mapped, 2000));
    end if;
  end loop;

  return jsonb_build_object('fields', v_fields, 'custom_fields', v_custom, 'unmapped', to_jsonb(v_unmapped));
end
$$;

create function private.meta_apply_lead(p_lead jsonb, p_inbox_id uuid default null, p_origin text default 'webhook')
returns table (id uuid, lead_id text, is_new boolean)
language plpgsql volatile security definer set search_path = '' as $$
#variable_conflict use_column
declare
  v_started timestamptz := clock_timestamp();
  v_leadgen_id text := p_lead ->> 'id';
  v_mapped jsonb;
  v_about jsonb;
  v_result record;
begin
  if coalesce(v_leadgen_id, '') !~ '^[0-9]{1,32}$' then
    perform private.fail('argument_invalid', 'a Meta lead has a numeric id');
  end if;

  v_mapped := private.map_lead_answers('meta', p_lead ->> 'form_id', coalesce(p_lead -> 'field_data', '[]'));

  select coalesce(jsonb_object_agg(k.key, p_lead -> k.key), '{}') into v_about
  from unnest(array['form_id', 'campaign_id', 'campaign_name', 'adset_id', 'adset_name', 'ad_id', 'ad_name', 'platform', 'created_time']) as k (key)
  where nullif(p_lead ->> k.key, '') is not null;

  select i.* into v_result
  from private.ingest_lead(
    'Facebook Ad',
    v_leadgen_id,
    (v_mapped -> 'fields')
      || jsonb_build_object('custom_fields', (v_mapped -> 'custom_fields') || jsonb_build_object('meta', v_about)),
    p_lead
  ) i;

  if p_lead ->> 'form_id' is not null then
    perform private.meta_register_form(p_lead ->> 'form_id', null, null);
  end if;

  if p_inbox_id is not null then
    perform private.inbox_close(p_inbox_id);
  end if;

  -- Once a minute is enough, and no two deliveries wait for each other here.
  update public.integrations t
  set last_sync = now(), last_error = null, status = 'connected'
  where t.type = any (array(
    select s.type from public.integrations s
    where s.type = 'facebook'
      and (coalesce(s.last_sync, '-infinity') < now() - interval '1 minute' or s.status <> 'connected')
    for update skip locked
  ));

  if p_origin = 'webhook' then
    insert into public.integration_logs
      (integration_name, activity_type, description, status, response_data, execution_time, records_processed, user_id)
    values (
      'facebook_leads', 'lead_sync',
      case when v_result.is_new then 'Lead received' else 'Lead was already here' end,
      'success',
      jsonb_build_object(
        'leadgen_id', v_leadgen_id, 'form_id', p_lead ->> 'form_id', 'lead_id', v_result.lead_id,
        'is_new', v_result.is_new, 'unmapped', v_mapped -> 'unmapped'
      ),
      (extract(epoch from clock_timestamp() - v_started) * 1000)::integer,
      1,
      null
    );
  end if;

  return query select v_result.id, v_result.lead_id, v_result.is_new;
end
$$;

create function private.meta_register_form(p_form_id text, p_page_id text, p_name text) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  insert into public.lead_source_forms as f (provider, form_id, page_id, name)
  values ('meta', p_form_id, p_page_id, left(p_name, 300))
  on conflict (provider, form_id) do update
  set page_id = coalesce(excluded.page_id, f.page_id), name = coalesce(excluded.name, f.name)
  where (coalesce(excluded.page_id, f.page_id), coalesce(excluded.name, f.name)) is distinct from (f.page_id, f.name);
end
$$;

create function private.meta_backfill_forms() returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_count integer;
begin
  select count(private.enqueue(
    'meta.backfill_form',
    jsonb_build_object('form_id', f.form_id),
    p_dedupe_key => f.form_id,
    p_priority => (-1)::smallint,
    p_provider => 'meta',
    p_max_attempts => 8
  ))::integer into v_count
  from public.lead_source_forms f
  where f.provider = 'meta' and f.is_active;

  return v_count;
end
$$;

create function private.meta_backfill_open(p_form_id text) returns table (since timestamptz, cursor text)
language plpgsql volatile security definer set search_path = '' as $$
begin
  -- A run that was cut off goes on where it stopped; a new one starts an hour before the last one
  -- started, so that a lead written late on the other side is not missed.
  return query
    update public.lead_source_forms f
    set backfill_started_at = case when f.backfill_cursor is null then now() else f.backfill_started_at end
    where f.provider = 'meta' and f.form_id = p_form_id
    returning f.backfill_since, f.backfill_cursor;
end
$$;

create function private.meta_backfill_page(p_form_id text, p_leads jsonb, p_cursor text) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_lead jsonb;
  v_new integer := 0;
begin
  for v_lead in select e.value from jsonb_array_elements(coalesce(p_leads, '[]')) e loop
    begin
      if (select a.is_new from private.meta_apply_lead(v_lead || jsonb_build_object('form_id', p_form_id), null, 'backfill') a) then
        v_new := v_new + 1;
      end if;
    exception when others then
      -- What passes (deadlock, shutdown, no room) is for the queue to try again with the whole page.
      if sqlstate ~ '^(40|53|55|57|58|XX)' then
        raise;
      end if;

      -- One lead that can never be taken must not hide those after it.
      insert into public.integration_logs (integration_name, activity_type, description, status, response_data, user_id)
      values ('facebook_leads', 'lead_backfill', left(sqlerrm, 500), 'failure',
        jsonb_build_object('leadgen_id', v_lead ->> 'id', 'form_id', p_form_id), null);
    end;
  end loop;

  update public.lead_source_forms f
  set backfill_cursor = p_cursor,
    backfill_since = case when p_cursor is null then f.backfill_started_at - interval '1 hour' else f.backfill_since end,
    last_lead_at = case when v_new > 0 then now() else f.last_lead_at end
  where f.provider = 'meta' and f.form_id = p_form_id;

  if v_new > 0 then
    insert into public.integration_logs (integration_name, activity_type, description, status, response_data, records_processed, user_id)
    values ('facebook_leads', 'lead_backfill', 'Leads found that no delivery had brought', 'warning',
      jsonb_build_object('form_id', p_form_id), v_new, null);
  end if;

  return v_new;
end
$$;

create function private.test_mapping(p_sample jsonb, p_provider text, p_form_id text) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  if not private.has_permission('integrations.read') then
    perform private.require_permission('integrations.manage');
  end if;

  return private.map_lead_answers(
    p_provider,
    coalesce(p_form_id, p_sample ->> 'form_id'),
    case when jsonb_typeof(p_sample) = 'array' then p_sample else p_sample -> 'field_data' end
  );
end
$$;

create function public.lead_source_mapping_test(
  p_sample jsonb,
  p_provider text default 'meta',
  p_form_id text default null
) returns jsonb
language sql stable security invoker set search_path = '' as $$
  select private.test_mapping(p_sample, p_provider, p_form_id)
$$;

-- Defaults

insert into public.lead_source_mappings (field, target, transform, position) values
  ('full_name', 'name', 'trim', 10),
  ('first_name', 'first_name', 'trim', 11),
  ('last_name', 'last_name', 'trim', 12),
  ('email', 'email', 'lower', 20),
  ('work_email', 'email', 'lower', 21),
  ('phone_number', 'phone', 'trim', 30),
  ('work_phone_number', 'phone', 'trim', 31),
  ('company_name', 'organization', 'trim', 40),
  ('job_title', 'job_title', 'trim', 41),
  ('gender', 'gender', 'lower', 50),
  ('city', 'custom:city', 'trim', 60),
  ('state', 'custom:state', 'trim', 61),
  ('country', 'custom:country', 'trim', 62),
  ('zip_code', 'custom:zip_code', 'trim', 63),
  ('date_of_birth', 'custom:date_of_birth', 'trim', 64),
  ('course', 'course', 'trim', 70),
  ('qualification', 'qualification', 'trim', 71);

-- Forms of websites and programs with an API key name the columns themselves, or in one of the usual ways.
insert into public.lead_source_mappings (provider, field, target, transform, position)
select 'form', f.field, f.target, case f.target when 'email' then 'lower' else 'trim' end, f.position
from (
  select c, c, 10 from unnest(array[
    'salutation', 'first_name', 'last_name', 'name', 'email', 'phone', 'organization', 'website', 'job_title',
    'industry', 'gender', 'no_of_employees', 'territory', 'qualification', 'course'
  ]) c
  union all
  values
    ('full_name', 'name', 20), ('firstName', 'first_name', 20), ('lastName', 'last_name', 20), ('mobile', 'phone', 20),
    ('phone_number', 'phone', 21), ('company', 'organization', 20), ('jobTitle', 'job_title', 20)
) f (field, target, position);

insert into private.job_schedules (name, cron, kind, provider, priority) values
  ('meta.backfill', '7 * * * *', 'meta.backfill', 'meta', -1);

-- Grants

revoke all on public.lead_source_forms, public.lead_source_mappings from anon, authenticated, service_role;

grant select on public.lead_source_forms to authenticated;

grant update (is_active) on public.lead_source_forms to authenticated;

grant select, delete on public.lead_source_mappings to authenticated;

grant insert (provider, form_id, field, target, transform, position) on public.lead_source_mappings to authenticated;

grant update (form_id, field, target, transform, position) on public.lead_source_mappings to authenticated;

grant select, insert, update, delete on public.lead_source_forms, public.lead_source_mappings to service_role;

revoke all on function
  private.apply_transform(text, text),
  private.map_lead_answers(text, text, jsonb),
  private.meta_apply_lead(jsonb, uuid, text),
  private.meta_register_form(text, text, text),
  private.meta_backfill_forms(),
  private.meta_backfill_open(text),
  private.meta_backfill_page(text, jsonb, text),
  private.test_mapping(jsonb, text, text),
  public.lead_source_mapping_test(jsonb, text, text)
  from public, anon, authenticated, service_role;

grant execute on function
  private.meta_apply_lead(jsonb, uuid, text),
  private.meta_register_form(text, text, text),
  private.meta_backfill_forms(),
  private.meta_backfill_open(text),
  private.meta_backfill_page(text, jsonb, text)
  to service_role;

grant execute on function
  private.test_mapping(jsonb, text, text),
  public.lead_source_mapping_test(jsonb, text, text)
  to authenticated;

-- Comments

comment on table public.lead_source_forms is 'Lead forms seen so far, and how far their leads have been compared with ours.';

comment on column public.lead_source_forms.backfill_since is 'Leads made before this time have been compared.';

comment on column public.lead_source_forms.backfill_cursor is 'Where a comparison that was cut off goes on.';

comment on table public.lead_source_mappings is 'Which answer of an ad form goes to which field of a lead. A row of the form wins over the default row.';

comment on column public.lead_source_mappings.form_id is 'The form, or null for every form without a row of its own.';

comment on column public.lead_source_mappings.field is 'Name of the question as the provider sends it, upper or lower case.';

comment on column public.lead_source_mappings.target is 'A column of leads, custom:<key> for a custom field, or ignore.';

comment on column public.lead_source_mappings.position is 'Where two answers go to one column, the lower position fills it.';

comment on policy lead_source_forms_read on public.lead_source_forms is 'integrations.read or integrations.manage.';

comment on policy lead_source_forms_change on public.lead_source_forms is 'Switching a form on or off, with integrations.manage.';

comment on policy lead_source_mappings_read on public.lead_source_mappings is 'integrations.read or integrations.manage.';

comment on policy lead_source_mappings_add on public.lead_source_mappings is 'integrations.manage.';

comment on policy lead_source_mappings_change on public.lead_source_mappings is 'integrations.manage.';

comment on policy lead_source_mappings_remove on public.lead_source_mappings is 'integrations.manage.';

comment on function private.apply_transform(text, text) is 'One transform of lead_source_mappings; null when nothing is left.';

comment on function private.map_lead_answers(text, text, jsonb) is 'Answers of an ad form as fields of a lead, custom fields, and the names that no row maps.';

comment on function private.meta_apply_lead(jsonb, uuid, text) is 'Makes a lead of what the Graph API says about one, closes its inbox event and logs it. The same lead counts once.';

comment on function private.meta_register_form(text, text, text) is 'Remembers a form, so that its leads can be compared later.';

comment on function private.meta_backfill_forms() is 'Queues the comparison of every active form.';

comment on function private.meta_backfill_open(text) is 'Where the comparison of a form starts or goes on.';

comment on function private.meta_backfill_page(text, jsonb, text) is 'Takes one page of a form''s leads and keeps the cursor, in one transaction; a null cursor ends the run.';

comment on function private.test_mapping(jsonb, text, text) is 'Body of lead_source_mapping_test.';

comment on function public.lead_source_mapping_test(jsonb, text, text) is
  'What the mapping would make of a sample ({form_id, field_data} or the array alone): fields, custom_fields, unmapped. Needs integrations.read.';

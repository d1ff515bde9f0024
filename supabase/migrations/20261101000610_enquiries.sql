-- Enquiries: one person, one live lead, and every time they ask is kept.
--
-- A person is known by e-mail and phone (leads.email, leads.phone, and further addresses in
-- lead_identities). Whoever writes a lead of a person that has one already, writes an enquiry of that lead:
-- it is re-opened if it was closed without being won, its owner is told, and no second row is made. The
-- answer to such an insert is an empty list, which shows nobody a lead they may not see.

-- Tables

create table public.lead_identities (
  id uuid primary key default private.uuid_v7(),
  lead_id uuid not null references public.leads (id) on delete cascade,
  kind text not null,
  value text not null,
  label text,
  created_at timestamptz not null default now(),
  constraint lead_identities_kind_is_known check (kind in ('email', 'phone')),
  constraint lead_identities_value_is_normal check ((kind = 'email' and value = lower(value) and value like '%_@_%') or (kind = 'phone' and value ~ '^\+[1-9][0-9]{7,14}$')),
  constraint lead_identities_label_is_short check (length(label) <= 40)
);

comment on table public.lead_identities is 'Further e-mail addresses and phone numbers of a lead''s person, besides leads.email and leads.phone. An enquiry from any of them is this person''s.';

comment on column public.lead_identities.label is 'Whose or which, for example Father or Office.';

create index lead_identities_by_value on public.lead_identities (value, kind);

create unique index lead_identities_stand_once on public.lead_identities (lead_id, kind, value);

create table public.lead_enquiries (
  id uuid primary key default private.uuid_v7(),
  lead_id uuid not null references public.leads (id) on delete cascade,
  source text not null,
  channel text not null,
  external_id text,
  asked jsonb not null default '{}',
  payload jsonb not null default '{}',
  created_by uuid references public.profiles (id) on delete set null,
  received_at timestamptz not null default now(),
  constraint lead_enquiries_channel_is_known check (channel in ('form', 'import', 'webhook', 'api', 'hand')),
  constraint lead_enquiries_source_is_a_short_name check (btrim(source) <> '' and length(source) <= 100)
);

comment on table public.lead_enquiries is 'Every time a person asked, the first included. Visible where the lead is; read by lead.';

comment on column public.lead_enquiries.external_id is 'What the outside system calls it: with the source it counts once.';

comment on column public.lead_enquiries.asked is 'What this person said when they asked again, in the fields of a lead. Of the first enquiry that is the lead.';

comment on column public.lead_enquiries.payload is 'What was sent, as it came; for services only.';

create unique index lead_enquiries_count_once on public.lead_enquiries (source, external_id) where external_id is not null;

create index lead_enquiries_of_lead on public.lead_enquiries (lead_id, received_at desc);

-- Policies

alter table public.lead_identities enable row level security;

alter table public.lead_enquiries enable row level security;

create policy lead_identities_read on public.lead_identities for select to authenticated
  using ((select l.id from public.leads l where l.id = lead_identities.lead_id) is not null);

create policy lead_identities_create on public.lead_identities for insert to authenticated
  with check ((select private.has_permission('leads.update')) and exists (select from public.leads l where l.id = lead_identities.lead_id));

create policy lead_identities_delete on public.lead_identities for delete to authenticated
  using ((select private.has_permission('leads.update')) and (select l.id from public.leads l where l.id = lead_identities.lead_id) is not null);

create policy lead_enquiries_read on public.lead_enquiries for select to authenticated
  using ((select l.id from public.leads l where l.id = lead_enquiries.lead_id) is not null);

comment on policy lead_identities_read on public.lead_identities is 'Where the lead is visible. Always read by lead_id.';

comment on policy lead_identities_create on public.lead_identities is 'To a visible lead, with leads.update.';

comment on policy lead_identities_delete on public.lead_identities is 'From a visible lead, with leads.update.';

comment on policy lead_enquiries_read on public.lead_enquiries is 'Where the lead is visible. Always read by lead_id.';

-- Functions

create function private.lock_person(p_email text, p_phone text, p_reference text default null) returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
  taken integer := coalesce(nullif(current_setting('intake.person_locks', true), '')::integer, 0);
  a bigint := hashtextextended('ref ' || p_reference, 0);
  b bigint := hashtextextended('email ' || p_email, 0);
  c bigint := hashtextextended('phone ' || p_phone, 0);
begin
  -- Locks live as long as the transaction and their room is limited: a bulk statement relies on the unique
  -- indexes instead, and fails as a whole, to be tried again, where it meets somebody else's insert.
  if taken >= 250 then
    return;
  end if;

  -- In one order, so that two of the same person wait for each other and never deadlock: the least, the one
  -- between, the greatest. Whoever is missing is passed over by each of them, and a lock may be taken twice.
  perform
    pg_advisory_xact_lock(least(a, b, c)),
    pg_advisory_xact_lock(greatest(least(a, b), least(greatest(a, b), c))),
    pg_advisory_xact_lock(greatest(a, b, c)),
    set_config('intake.person_locks', (taken + 1)::text, true);
end
$$;

comment on function private.lock_person(text, text, text) is 'Writers of the same person, and of the same delivery, take turns until the end of their transactions.';

create function private.find_person(p_email text, p_phone text) returns uuid
-- A plan that was kept while there were few leads would read all of them for every lead that comes: no sequence, no join.
language plpgsql stable security definer set search_path = '' set enable_seqscan = off as $$
begin
  return coalesce(
    (select l.id from public.leads l where l.email = p_email and l.email_slot = 0 and l.deleted_at is null),
    (select l.id from public.leads l where l.phone = p_phone and l.phone_slot = 0 and l.deleted_at is null),
    (
      select i.lead_id
      from public.lead_identities i
      where i.value in (p_email, p_phone)
        and (select l.id from public.leads l where l.id = i.lead_id and l.deleted_at is null) is not null
      order by i.created_at, i.id
      limit 1
    )
  );
end
$$;

comment on function private.find_person(text, text) is 'The live lead that has this e-mail, else this phone, else one of them as a further address; of numbers and addresses that are one person.';

create function private.hold_person(p_email text, p_phone text) returns uuid
language plpgsql volatile security definer set search_path = '' as $$
declare
  known uuid;
begin
  loop
    known := private.find_person(p_email, p_phone);

    exit when known is null;

    perform from public.leads l where l.id = known for no key update;

    -- If it was deleted, merged or changed while this waited for it, somebody else may be the person by now.
    exit when private.find_person(p_email, p_phone) = known;
  end loop;

  return known;
end
$$;

comment on function private.hold_person(text, text) is 'find_person(), and the lead is held until the end of the transaction, so that what is recorded of it stays in sight.';

create function private.record_enquiry(
  p_lead_id uuid,
  p_source text,
  p_channel text,
  p_external_id text,
  p_payload jsonb,
  p_asked jsonb default null
) returns boolean
language plpgsql volatile security definer set search_path = '' as $$
declare
  lead public.leads;
  caller uuid := private.gate_own();
  open_again text;
begin
  insert into public.lead_enquiries (lead_id, source, channel, external_id, asked, payload, created_by)
  values (p_lead_id, p_source, p_channel, p_external_id, coalesce(p_asked, p_payload, '{}'), coalesce(p_payload, '{}'), caller)
  on conflict (source, external_id) where external_id is not null do nothing;

  if not found then
    return false;
  end if;

  select * into lead from public.leads l where l.id = p_lead_id for no key update;

  -- Closed without being won is open again, at the earliest stage the pipeline allows.
  select s.key into open_again
  from public.pipeline_stages here
  join public.pipeline_stages s on not s.is_closed
  where here.key = lead.status
    and here.is_closed
    and not here.is_won
    and (
      not exists (select from public.pipeline_transitions t where t.from_stage = here.key)
      or exists (select from public.pipeline_transitions t where t.from_stage = here.key and t.to_stage = s.key)
    )
  order by s.position
  limit 1;

  perform set_config('intake.reason', case when open_again is null then '' else 'Enquired again' end, true);

  update public.leads l
  set last_enquiry_at = clock_timestamp(), enquiries_count = l.enquiries_count + 1, status = coalesce(open_again, l.status)
  where l.id = p_lead_id;

  perform set_config('intake.reason', '', true);

  perform private.record_activity('enquiry', 'Enquired Again', 'Source: ' || p_source, p_lead_id => p_lead_id);

  -- Of an import each owner hears once, at its end.
  if lead.assigned_to is not null and lead.assigned_to is distinct from caller and not private.is_importing() then
    perform private.notify(
      lead.assigned_to, 'A lead enquired again', lead.lead_id || ' came back by ' || p_source || '.', 'lead', 'high', lead.id,
      p_metadata => jsonb_build_object('event', 'lead_enquired_again', 'lead_number', lead.lead_id)
    );
  end if;

  return true;
end
$$;

comment on function private.record_enquiry(uuid, text, text, text, jsonb, jsonb) is 'Writes an enquiry of a lead with what was sent and what of it people read (all of it, if nothing is named), re-opens it if it was closed without being won, and tells its owner. False if this source and external id were there already.';

-- Triggers

create function private.recognize_person() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  context jsonb;
  known uuid;
  asked jsonb;
begin
  if tg_op = 'INSERT' and new.email is not null or tg_op = 'UPDATE' and new.email is distinct from old.email then
    new.email_slot := case when coalesce((private.setting('leads.unique_email'))::boolean, true) then 0 else new.lead_no end;
  end if;

  if tg_op = 'INSERT' and new.phone is not null or tg_op = 'UPDATE' and new.phone is distinct from old.phone then
    new.phone_slot := case when coalesce((private.setting('leads.unique_phone'))::boolean, true) then 0 else new.lead_no end;
  end if;

  if new.deleted_at is not null or coalesce(new.email, new.phone) is null then
    return new;
  end if;

  if tg_op = 'INSERT' then
    perform private.lock_person(new.email, new.phone);

    known := private.hold_person(case new.email_slot when 0 then new.email end, case new.phone_slot when 0 then new.phone end);

    -- Known as itself, it is what ON CONFLICT is about.
    if known is null or known = new.id then
      return new;
    end if;

    -- The policies have not been asked yet, and will not be: no row comes.
    if auth.uid() is not null then
      perform private.require_permission('leads.create');
    end if;

    -- The Data API takes a write back that answers no row where exactly one is asked for: nobody shall think it kept.
    if current_setting('request.path', true) like '%/leads' and private.request_header('accept') like 'application/vnd.pgrst.object%' then
      perform private.fail('enquiry_answers_no_row');
    end if;

    context := nullif(current_setting('intake.enquiry', true), '')::jsonb;
    asked := jsonb_strip_nulls(jsonb_build_object(
      'name', nullif(new.name, ''), 'email', new.email, 'phone', new.phone, 'organization', new.organization,
      'course', new.course, 'qualification', new.qualification, 'custom_fields', nullif(new.custom_fields, '{}')
    ));

    perform private.record_enquiry(
      known, new.source,
      coalesce(context ->> 'channel', case when auth.uid() is null then 'api' else 'hand' end),
      context ->> 'external_id',
      coalesce(context -> 'payload', asked),
      asked
    );

    return null;
  end if;

  -- Not locked: this lead's row is held already, and an enquiry of the same person may hold the person and
  -- want the row. What comes in between meets the unique indexes.
  if exists (
    select from public.leads l
    where l.id <> new.id and l.deleted_at is null
      and ((l.email = new.email and l.email_slot = new.email_slot) or (l.phone = new.phone and l.phone_slot = new.phone_slot))
  ) then
    perform private.fail('person_known');
  end if;

  return new;
end
$$;

comment on function private.recognize_person() is 'A new lead of a known person becomes an enquiry of theirs; a change that would make two people one is refused.';

create trigger recognize_person before insert on public.leads
  for each row when (current_setting('intake.prepared', true) is distinct from 'on')
  execute function private.recognize_person();

create trigger recognize_person_in_change before update on public.leads
  for each row
  when (
    old.email is distinct from new.email or old.phone is distinct from new.phone
    or (old.deleted_at is not null and new.deleted_at is null)
  )
  execute function private.recognize_person();

create function private.record_first_enquiry() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  context jsonb := nullif(current_setting('intake.enquiry', true), '')::jsonb;
begin
  insert into public.lead_enquiries (lead_id, source, channel, external_id, payload, created_by)
  select
    c.id, c.source, coalesce(context ->> 'channel', case when c.created_by is null then 'api' else 'hand' end),
    context ->> 'external_id', coalesce(context -> 'payload', '{}'), c.created_by
  from created c;

  return null;
end
$$;

comment on function private.record_first_enquiry() is 'The making of a lead is its first enquiry.';

create trigger record_first_enquiry after insert on public.leads
  referencing new table as created
  for each statement when (current_setting('intake.prepared', true) is distinct from 'on')
  execute function private.record_first_enquiry();

create function private.prepare_identity() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  new.value := case new.kind when 'email' then private.normalize_email(new.value) else private.normalize_phone(new.value) end;

  if new.value is null then
    perform private.fail('argument_invalid', 'value');
  end if;

  return new;
end
$$;

comment on function private.prepare_identity() is 'Normalises a further address as the first one is.';

create trigger prepare_identity before insert or update of kind, value on public.lead_identities
  for each row execute function private.prepare_identity();

create trigger audit after insert or update or delete on public.lead_identities
  for each row execute function private.audit_row();

-- Enquiries from outside

create function private.squeeze(p_text text, p_length integer) returns text
language plpgsql immutable parallel safe set search_path = '' as $$
begin
  return btrim(left(btrim(regexp_replace(coalesce(p_text, ''), '\s+', ' ', 'g')), p_length));
end
$$;

comment on function private.squeeze(text, integer) is 'Text on one line, without space around it, cut to a length; empty for null.';

create function private.ingest_lead(p_source text, p_external_id text, p_fields jsonb, p_raw jsonb default '{}', p_channel text default 'webhook')
returns table (id uuid, lead_id text, is_new boolean)
language plpgsql volatile security definer set search_path = '' as $$
declare
  person_email text;
  person_phone text;
  person_name text := private.squeeze(p_fields ->> 'name', 150);
  given_name text := private.squeeze(p_fields ->> 'first_name', 149);
  family_name text := private.squeeze(p_fields ->> 'last_name', 150);
  extra jsonb := case when jsonb_typeof(p_fields -> 'custom_fields') = 'object' then p_fields -> 'custom_fields' else '{}' end;
  target uuid;
  made boolean := false;
  repeated boolean;
  field text;
  -- What identifies nobody where families share it.
  by_email text;
  by_phone text;
  answers_limit constant integer := 65536;
  known constant text[] := array['salutation', 'first_name', 'last_name', 'name', 'email', 'phone', 'organization', 'website', 'job_title', 'industry', 'gender', 'no_of_employees', 'territory', 'qualification', 'course'];
begin
  -- What the person typed is never a reason to lose the person: an address that is none stays as an answer.
  begin
    person_email := private.normalize_email(p_fields ->> 'email');
  exception when sqlstate 'PT422' then
    extra := extra || jsonb_build_object('email', p_fields -> 'email');
  end;

  begin
    person_phone := private.normalize_phone(p_fields ->> 'phone');
  exception when sqlstate 'PT422' then
    extra := extra || jsonb_build_object('phone', p_fields -> 'phone');
  end;

  by_email := case when coalesce((private.setting('leads.unique_email'))::boolean, true) then person_email end;
  by_phone := case when coalesce((private.setting('leads.unique_phone'))::boolean, true) then person_phone end;

  for field in
    select k
    from jsonb_object_keys(p_fields) k
    where k <> all (known || array['source'])
      and (k <> 'custom_fields' or jsonb_typeof(p_fields -> k) not in ('object', 'null'))
  loop
    extra := extra || jsonb_build_object(field, p_fields -> field);
  end loop;

  -- An answer without measure does not fit on the lead; the delivery itself is kept whole below.
  if pg_column_size(extra) > answers_limit then
    select coalesce(jsonb_object_agg(e.key, e.value), '{}') into extra from jsonb_each(extra) e where pg_column_size(e.value) <= 1024;
  end if;

  if pg_column_size(extra) > answers_limit then
    extra := '{}';
  end if;

  perform private.lock_person(person_email, person_phone, p_source || ' ' || p_external_id);

  select e.lead_id into target
  from public.lead_enquiries e
  where e.source = p_source and e.external_id = p_external_id;

  repeated := target is not null;
  target := coalesce(target, private.hold_person(by_email, by_phone));

  if target is null then
    perform set_config('intake.enquiry', jsonb_build_object('channel', p_channel, 'external_id', p_external_id, 'payload', coalesce(p_raw, '{}'))::text, true);

    insert into public.leads (salutation, first_name, last_name, name, email, phone, organization, website, job_title, industry, gender, no_of_employees, territory, qualification, course, source, custom_fields)
    values (
      left(p_fields ->> 'salutation', 40), given_name, family_name,
      case when person_email is null and person_phone is null and person_name || given_name || family_name = '' then 'Unnamed enquiry' else person_name end,
      person_email, person_phone, left(p_fields ->> 'organization', 300), left(p_fields ->> 'website', 2048), left(p_fields ->> 'job_title', 200),
      left(p_fields ->> 'industry', 200), left(p_fields ->> 'gender', 40), left(p_fields ->> 'no_of_employees', 40), left(p_fields ->> 'territory', 200),
      left(p_fields ->> 'qualification', 200), left(p_fields ->> 'course', 200), p_source, extra
    )
    returning leads.id into target;

    perform set_config('intake.enquiry', '', true);

    made := true;
  else
    if not repeated then
      perform private.record_enquiry(target, p_source, p_channel, p_external_id, p_raw, (
        select coalesce(jsonb_object_agg(k, left(p_fields ->> k, 300)), '{}') from unnest(known) k where p_fields ->> k <> ''
      ) || case when extra = '{}' then '{}' else jsonb_build_object('custom_fields', extra) end);
    end if;

    update public.leads l
    set email = coalesce(l.email, case when private.find_person(by_email, null) is null then person_email end),
      phone = coalesce(l.phone, case when private.find_person(null, by_phone) is null then person_phone end),
      organization = coalesce(l.organization, left(p_fields ->> 'organization', 300)),
      job_title = coalesce(l.job_title, left(p_fields ->> 'job_title', 200)),
      qualification = coalesce(l.qualification, left(p_fields ->> 'qualification', 200)),
      course = coalesce(l.course, left(p_fields ->> 'course', 200)),
      custom_fields = case when pg_column_size(extra || l.custom_fields) <= answers_limit then extra || l.custom_fields else l.custom_fields end
    where l.id = target
      and (
        (l.email is null and person_email is not null) or (l.phone is null and person_phone is not null)
        or (l.organization is null and p_fields ->> 'organization' is not null) or (l.job_title is null and p_fields ->> 'job_title' is not null)
        or (l.qualification is null and p_fields ->> 'qualification' is not null) or (l.course is null and p_fields ->> 'course' is not null)
        or extra || l.custom_fields <> l.custom_fields
      );
  end if;

  return query select l.id, l.lead_id, made from public.leads l where l.id = target;
end
$$;

comment on function private.ingest_lead(text, text, jsonb, jsonb, text) is 'Makes a lead of an enquiry from outside, or completes the one that is there: the same source and external id count once, however often and however simultaneously they come, and a known e-mail or phone leads to the lead that has it.';

-- Grants

revoke all on public.lead_identities, public.lead_enquiries from anon, authenticated, service_role;

grant select, delete on public.lead_identities to authenticated;

grant insert (lead_id, kind, value, label) on public.lead_identities to authenticated;

grant select (id, lead_id, source, channel, external_id, asked, created_by, received_at) on public.lead_enquiries to authenticated;

grant select, insert, update, delete on public.lead_identities, public.lead_enquiries to service_role;

revoke all on function private.lock_person(text, text, text) from public, anon, authenticated, service_role;

revoke all on function private.find_person(text, text) from public, anon, authenticated, service_role;

-- An id that row level security then hides or shows.
grant execute on function private.find_person(text, text) to authenticated;

revoke all on function private.hold_person(text, text) from public, anon, authenticated, service_role;

revoke all on function private.record_enquiry(uuid, text, text, text, jsonb, jsonb) from public, anon, authenticated, service_role;

revoke all on function private.recognize_person() from public, anon, authenticated, service_role;

revoke all on function private.record_first_enquiry() from public, anon, authenticated, service_role;

revoke all on function private.prepare_identity() from public, anon, authenticated, service_role;

revoke all on function private.squeeze(text, integer) from public, anon, authenticated, service_role;

revoke all on function private.ingest_lead(text, text, jsonb, jsonb, text) from public, anon, authenticated, service_role;

-- This module's error and setting

insert into public.error_codes (code, sqlstate, message, hint) values
  ('person_known', 'PT409', 'Another lead has this e-mail address or phone number.', 'Merge the two, or add the address as a further one.'),
  ('enquiry_answers_no_row', 'PT409', 'This person has a lead already, and a request for exactly one row cannot record the enquiry.', 'Leave out single(): the enquiry is recorded and the answer is an empty list. Or call crm_create_lead().');

select private.define_setting('leads.unique_phone', 'true', 'boolean', 'Whether a phone number is one person; false where families share one');

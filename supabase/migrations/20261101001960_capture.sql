-- Capture: what the edge function of that name does for programs with an API key, such as the form of a website.
--
-- An enquiry takes the way of every other one from outside: mapped by lead_source_mappings (provider form), one live
-- lead per person. The answer is the same whoever the person is: a reference that is new each time. Nobody learns
-- from it whether somebody was known.

-- Tables

create table public.custom_fields (
  entity text not null default 'lead',
  key text not null,
  label text not null,
  kind text not null default 'text',
  options text[],
  is_required boolean not null default false,
  is_on_forms boolean not null default true,
  position integer not null default 0,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (entity, key),
  constraint custom_fields_entity_is_known check (entity in ('lead')),
  constraint custom_fields_key_is_snake_case check (key ~ '^[a-z][a-z0-9_]{0,62}$'),
  constraint custom_fields_label_is_a_line check (btrim(label) <> '' and length(label) <= 100),
  constraint custom_fields_kind_is_known check (kind in ('text', 'number', 'boolean', 'date', 'choice')),
  constraint custom_fields_choices_are_given check ((kind = 'choice') = (options is not null) and cardinality(options) between 1 and 200),
  constraint custom_fields_required_are_asked check (is_on_forms or not is_required)
);

comment on table public.custom_fields is 'Which custom fields the organisation has, for frontends and forms. capture checks what a form sends against it; keys that are not here are kept as text.';

comment on column public.custom_fields.key is 'The key in leads.custom_fields.';

comment on column public.custom_fields.options is 'What a choice may be.';

comment on column public.custom_fields.is_on_forms is 'Whether forms may ask for it; what is not is refused from them.';

create table private.capture_requests (
  key_id uuid not null references public.api_keys (id) on delete cascade,
  idempotency_key text not null,
  body_hash text not null,
  reference uuid not null,
  created_at timestamptz not null default now(),
  primary key (key_id, idempotency_key),
  constraint capture_requests_key_is_short check (length(idempotency_key) between 1 and 200),
  constraint capture_requests_hash_is_sha256 check (body_hash ~ '^[0-9a-f]{64}$')
);

comment on table private.capture_requests is 'Requests that named an idempotency key, for a week: the same one again is answered as the first and does nothing.';

create index capture_requests_oldest on private.capture_requests (created_at);

-- Policies

alter table public.custom_fields enable row level security;

alter table private.capture_requests enable row level security;

create policy custom_fields_read on public.custom_fields for select to authenticated
  using ((select private.gate_own()) is not null);

comment on policy custom_fields_read on public.custom_fields is 'Every active person: frontends show them.';

create policy custom_fields_create on public.custom_fields for insert to authenticated
  with check ((select private.has_permission('settings.manage')));

comment on policy custom_fields_create on public.custom_fields is 'Needs settings.manage.';

create policy custom_fields_change on public.custom_fields for update to authenticated
  using ((select private.has_permission('settings.manage')))
  with check ((select private.has_permission('settings.manage')));

comment on policy custom_fields_change on public.custom_fields is 'Needs settings.manage.';

create policy custom_fields_delete on public.custom_fields for delete to authenticated
  using ((select private.has_permission('settings.manage')));

comment on policy custom_fields_delete on public.custom_fields is 'Needs settings.manage. What leads hold under the key stays.';

-- Triggers

create trigger touch_updated_at before update on public.custom_fields
  for each row execute function private.touch_updated_at();

create trigger audit after insert or update or delete on public.custom_fields
  for each row execute function private.audit_row();

-- Functions

create function private.custom_field_fits(p_field public.custom_fields, p_value text) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return case p_field.kind
    when 'number' then p_value ~ '^[+-]?[0-9]{1,15}(\.[0-9]{1,6})?$'
    when 'boolean' then lower(p_value) in ('true', 'false', 'yes', 'no', 'on', 'off', '1', '0')
    when 'date' then p_value ~ '^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$'
    when 'choice' then p_value = any (p_field.options)
    else length(p_value) <= 2000
  end;
end
$$;

comment on function private.custom_field_fits(public.custom_fields, text) is 'Whether what a form sent is of the field''s kind.';

create function private.is_reachable(p_email text, p_phone text) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  begin
    if private.normalize_email(p_email) is not null then
      return true;
    end if;
  exception when sqlstate 'PT422' then
    null;
  end;

  return private.normalize_phone(p_phone) is not null;
exception when sqlstate 'PT422' then
  return false;
end
$$;

comment on function private.is_reachable(text, text) is 'Whether at least one of the two is an address or a number.';

create function private.capture_consent(p_lead_id uuid, p_fields jsonb, p_consent jsonb, p_reference uuid) returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
  wanted record;
begin
  for wanted in
    select c.channel, c.address
    from (values ('email', p_fields ->> 'email'), ('sms', p_fields ->> 'phone'), ('whatsapp', p_fields ->> 'phone')) c (channel, address)
    where c.address is not null and coalesce(p_consent -> 'channels' ? c.channel, true)
  loop
    begin
      perform private.consent_record(
        wanted.channel, private.message_address(wanted.channel, wanted.address), 'granted', 'marketing', 'form', p_lead_id, p_reference::text,
        left(p_consent ->> 'notice_version', 60)
      );
    exception when sqlstate 'PT422' then
      -- An address that is none can be written to by nobody.
      null;
    end;
  end loop;
end
$$;

comment on function private.capture_consent(uuid, jsonb, jsonb, uuid) is 'Writes into the ledger of consents what somebody agreed to in a form, with the reference of the enquiry as proof.';

create function private.capture_lead(p_key_id uuid, p_channel text, p_enquiry jsonb, p_idempotency_key text default null, p_body_hash text default null)
returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  reference uuid := private.uuid_v7();
  mapped jsonb;
  custom jsonb;
  earlier private.capture_requests;
  wrong text;
  lead uuid;
begin
  if p_idempotency_key is not null then
    -- Two of the same at once: the second waits here for the end of the first.
    insert into private.capture_requests (key_id, idempotency_key, body_hash, reference)
    values (p_key_id, p_idempotency_key, p_body_hash, reference)
    on conflict do nothing;

    if not found then
      select * into earlier from private.capture_requests r where r.key_id = p_key_id and r.idempotency_key = p_idempotency_key;

      if earlier.body_hash <> p_body_hash then
        perform private.fail('idempotency_key_reused', p_idempotency_key);
      end if;

      return jsonb_build_object('accepted', true, 'reference', earlier.reference);
    end if;
  end if;

  select private.map_lead_answers('form', p_enquiry ->> 'form_id', coalesce(jsonb_agg(jsonb_build_object('name', a.key, 'values', jsonb_build_array(a.value))), '[]'))
  into mapped
  from jsonb_each_text(coalesce(p_enquiry -> 'answers', '{}')) a;

  custom := (mapped -> 'custom_fields') || coalesce(p_enquiry -> 'custom_fields', '{}');

  if not private.is_reachable(mapped -> 'fields' ->> 'email', mapped -> 'fields' ->> 'phone') then
    perform private.fail('contact_missing');
  end if;

  select f.key into wrong
  from public.custom_fields f
  where f.entity = 'lead'
    and case
      when coalesce(custom ->> f.key, '') = '' then f.is_required
      else not f.is_on_forms or not private.custom_field_fits(f, custom ->> f.key)
    end
  order by f.position, f.key
  limit 1;

  if wrong is not null then
    perform private.fail('form_field_invalid', wrong);
  end if;

  select i.id into lead
  from private.ingest_lead(
    coalesce(nullif(private.squeeze(p_enquiry ->> 'source', 100), ''), 'Website'),
    -- What one program calls something is nobody else's.
    p_key_id || ':' || coalesce(p_enquiry ->> 'external_id', reference::text),
    (mapped -> 'fields') || jsonb_build_object('custom_fields', custom),
    jsonb_strip_nulls(p_enquiry || jsonb_build_object('reference', reference, 'api_key_id', p_key_id)),
    p_channel
  ) i;

  -- A box that was not ticked takes back nothing.
  if p_enquiry -> 'consent' = 'true' or p_enquiry -> 'consent' -> 'given' = 'true' then
    perform private.capture_consent(lead, mapped -> 'fields', p_enquiry -> 'consent', reference);
  end if;

  return jsonb_build_object('accepted', true, 'reference', reference);
end
$$;

comment on function private.capture_lead(uuid, text, jsonb, text, text) is 'Takes an enquiry {source, form_id, external_id, answers, custom_fields, consent} that a program sent: {accepted, reference}, whoever it is about. Errors: contact_missing, form_field_invalid, idempotency_key_reused.';

create function private.capture_form() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  return (
    select coalesce(jsonb_agg(
      jsonb_build_object('key', f.key, 'label', f.label, 'kind', f.kind, 'options', f.options, 'is_required', f.is_required)
      order by f.position, f.key
    ), '[]')
    from public.custom_fields f
    where f.entity = 'lead' and f.is_on_forms
  );
end
$$;

comment on function private.capture_form() is 'Which custom fields a form may ask for.';

create function private.capture_requests_purge() returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  purged integer;
begin
  delete from private.capture_requests r where r.created_at < now() - interval '7 days';
  get diagnostics purged = row_count;

  return purged;
end
$$;

comment on function private.capture_requests_purge() is 'Forgets idempotency keys after a week.';

-- Schedule

select cron.schedule('intake-capture-requests-purge', '47 * * * *', 'select private.capture_requests_purge()');

-- Grants

revoke all on public.custom_fields from anon, authenticated, service_role;

revoke all on private.capture_requests from anon, authenticated, service_role;

grant select, delete,
  insert (entity, key, label, kind, options, is_required, is_on_forms, position),
  update (label, kind, options, is_required, is_on_forms, position)
  on public.custom_fields to authenticated;

grant select, insert, update, delete on public.custom_fields to service_role;

revoke all on function
  private.custom_field_fits(public.custom_fields, text),
  private.is_reachable(text, text),
  private.capture_consent(uuid, jsonb, jsonb, uuid),
  private.capture_lead(uuid, text, jsonb, text, text),
  private.capture_form(),
  private.capture_requests_purge()
  from public, anon, authenticated, service_role;

grant execute on function
  private.capture_lead(uuid, text, jsonb, text, text),
  private.capture_form()
  to service_role;

-- This module's errors and setting

insert into public.error_codes (code, sqlstate, message, hint) values
  ('contact_missing', 'PT422', 'Neither an e-mail address nor a phone number can be read.', 'Send email or phone.'),
  ('form_field_invalid', 'PT422', 'A field of the form is missing or not of its kind.', 'See custom_fields, or GET /functions/v1/capture/form.'),
  ('idempotency_key_reused', 'PT409', 'This idempotency key came with another body before.', 'Send a new key for a new request.');

select private.define_setting('security.rate_limit.capture_per_minute', '600', 'integer', 'Calls of the function capture from one network in a minute; 0 is no limit. Each key has a limit besides', 0, 1000000);

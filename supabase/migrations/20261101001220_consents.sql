-- Consents: who may be written to, on which channel and for what, and until when a message has to wait.
--
-- What a person agreed to and took back is a ledger: the newest row of an address and purpose counts, and none
-- is ever changed. An address is kept as its hash alone, so that a refusal outlives the erasure of the person.
-- Every message passes the gate when it is about to leave, whoever wanted it sent.

-- Tables

create table public.consents (
  id uuid primary key default private.uuid_v7(),
  channel text not null,
  address_hash text not null,
  purpose text not null default 'marketing',
  state text not null,
  source text not null default 'manual',
  lead_id uuid references public.leads (id) on delete set null,
  notice_version text,
  language text,
  proof text,
  recorded_by uuid references public.profiles (id) on delete set null,
  created_at timestamptz not null default clock_timestamp(),
  constraint consents_channel_is_known check (channel in ('email', 'sms', 'whatsapp')),
  constraint consents_address_hash_is_one check (address_hash ~ '^[0-9a-f]{64}$'),
  constraint consents_purpose_is_known check (purpose in ('marketing', 'all')),
  constraint consents_state_is_known check (state in ('granted', 'withdrawn')),
  constraint consents_source_is_known check (source in ('manual', 'form', 'import', 'keyword', 'unsubscribe', 'complaint', 'bounce')),
  constraint consents_texts_are_short check (length(notice_version) <= 60 and length(language) <= 10 and length(proof) <= 500)
);

comment on table public.consents is 'What people agreed to and took back, one row each time; the newest of an address and purpose counts. Written by consent_set() and by what providers report. Read by lead.';

comment on column public.consents.address_hash is 'SHA-256 of channel and address. It tells whether an address is meant that one has already, and no more; whoever has all phone numbers could try them.';

comment on column public.consents.purpose is 'marketing (campaigns), or all: then nothing at all is sent.';

comment on column public.consents.source is 'How we know: manual, form, import, keyword (STOP), unsubscribe, complaint or bounce.';

comment on column public.consents.notice_version is 'The notice that the person was shown.';

comment on column public.consents.proof is 'Where it can be looked up, without the person''s data: for example the id of a message.';

create index consents_newest_of_address on public.consents (address_hash, purpose, created_at desc, id desc);

create index consents_of_lead on public.consents (lead_id, created_at desc) where lead_id is not null;

create index consents_by_recorder on public.consents (recorded_by) where recorded_by is not null;

-- Policies

alter table public.consents enable row level security;

create policy consents_read on public.consents for select to authenticated
  using ((select private.gate_all()) is not null or (select l.id from public.leads l where l.id = consents.lead_id) is not null);

comment on policy consents_read on public.consents is 'Where the lead is visible. Always read by lead_id.';

create trigger audit after insert or update or delete on public.consents
  for each row execute function private.audit_row();

-- Functions

create function private.message_address(p_channel text, p_address text) returns text
language plpgsql stable set search_path = '' as $$
begin
  return case p_channel when 'email' then private.normalize_email(p_address) else private.normalize_phone(p_address) end;
end
$$;

comment on function private.message_address(text, text) is 'An address as it is written to on a channel: e-mail, or phone in E.164. Errors: email_invalid, phone_invalid.';

create function private.address_hash(p_channel text, p_address text) returns text
language plpgsql immutable set search_path = '' as $$
begin
  return encode(sha256(convert_to(p_channel || ':' || p_address, 'UTF8')), 'hex');
end
$$;

comment on function private.address_hash(text, text) is 'Under what consents keeps a normal address.';

create function private.consent_record(
  p_channel text,
  p_address text,
  p_state text,
  p_purpose text,
  p_source text,
  p_lead_id uuid default null,
  p_proof text default null,
  p_notice_version text default null,
  p_language text default null
) returns public.consents
language plpgsql volatile security definer set search_path = '' as $$
declare
  hash text := private.address_hash(p_channel, p_address);
  known public.consents;
begin
  -- Two reports of the same take turns, and the second says nothing new.
  perform pg_advisory_xact_lock(hashtextextended('consent ' || hash, 0));

  select c.* into known
  from public.consents c
  where c.address_hash = hash and c.purpose = p_purpose
  order by c.created_at desc, c.id desc
  limit 1;

  if known.state = p_state and p_source in ('keyword', 'unsubscribe', 'complaint', 'bounce') then
    return known;
  end if;

  insert into public.consents (channel, address_hash, purpose, state, source, lead_id, proof, notice_version, language, recorded_by)
  values (p_channel, hash, p_purpose, p_state, p_source, p_lead_id, left(p_proof, 500), p_notice_version, p_language, private.gate_own())
  returning * into known;

  return known;
end
$$;

comment on function private.consent_record(text, text, text, text, text, uuid, text, text, text) is 'Writes a consent or its withdrawal, for an address that is normal. What a provider repeats is written once.';

create function private.quiet_until(p_at timestamptz) returns timestamptz
language plpgsql stable security definer set search_path = '' as $$
begin
  return private.quiet_hours_end(
    p_at, private.setting('organization.timezone') #>> '{}', (private.setting('messaging.quiet_from_hour'))::integer, (private.setting('messaging.quiet_to_hour'))::integer
  );
end
$$;

comment on function private.quiet_until(timestamptz) is 'When the quiet hours end that a moment falls into, null outside of them. The organisation''s clock counts.';

create function private.contact_gate(p_channel text, p_address text, p_purpose text, p_at timestamptz default now())
returns table (verdict text, reason text, until timestamptz)
language plpgsql stable security definer set search_path = '' as $$
declare
  hash text := private.address_hash(p_channel, p_address);
  testers jsonb := private.setting('messaging.test_recipients');
  newest public.consents;
begin
  if jsonb_array_length(testers) > 0 and not testers ? p_address then
    return query select 'deny', 'not_a_test_recipient', null::timestamptz;

    return;
  end if;

  select c.* into newest from public.consents c
  where c.address_hash = hash and c.purpose = 'all' order by c.created_at desc, c.id desc limit 1;

  if newest.state = 'withdrawn' then
    return query select 'deny', case newest.source when 'bounce' then 'address_unreachable' else 'opted_out' end, null::timestamptz;

    return;
  end if;

  if p_purpose = 'marketing' then
    select c.* into newest from public.consents c
    where c.address_hash = hash and c.purpose = 'marketing' order by c.created_at desc, c.id desc limit 1;

    if newest.state = 'withdrawn' then
      return query select 'deny', 'opted_out', null::timestamptz;

      return;
    end if;

    if newest.state is null and (private.setting('messaging.marketing_needs_consent'))::boolean then
      return query select 'deny', 'consent_missing', null::timestamptz;

      return;
    end if;

    if private.quiet_until(p_at) is not null then
      return query select 'defer', 'quiet_hours', private.quiet_until(p_at);

      return;
    end if;
  end if;

  return query select 'allow', null::text, null::timestamptz;
end
$$;

comment on function private.contact_gate(text, text, text, timestamptz) is 'Whether a normal address may be written to now: allow; defer until the quiet hours end (quiet_hours, marketing alone); or deny because it is not_a_test_recipient, opted_out, address_unreachable or consent_missing.';

create function private.set_consent(
  p_lead_id uuid, p_channel text, p_state text, p_purpose text, p_source text, p_notice_version text, p_language text, p_proof text
) returns public.consents
language plpgsql volatile security definer set search_path = '' as $$
declare
  target text;
begin
  perform private.require_permission('leads.update');

  if p_channel is null or p_channel not in ('email', 'sms', 'whatsapp') then
    perform private.fail('argument_invalid', 'p_channel is email, sms or whatsapp');
  end if;

  if p_source is null or p_source not in ('manual', 'form', 'import') then
    perform private.fail('argument_invalid', 'p_source is manual, form or import');
  end if;

  select case p_channel when 'email' then l.email else l.phone end into target
  from public.leads l
  where l.id = p_lead_id
    and (private.gate_all() is not null or l.team_id = any (private.gate_team()) or l.assigned_to = private.gate_own());

  if target is null then
    perform private.fail('recipient_missing', p_channel);
  end if;

  return private.consent_record(p_channel, target, p_state, p_purpose, p_source, p_lead_id, p_proof, p_notice_version, p_language);
end
$$;

comment on function private.set_consent(uuid, text, text, text, text, text, text, text) is 'Body of consent_set.';

-- RPCs

create function public.consent_set(
  p_lead_id text,
  p_channel text,
  p_state text,
  p_purpose text default 'marketing',
  p_source text default 'manual',
  p_notice_version text default null,
  p_language text default null,
  p_proof text default null
) returns public.consents
language plpgsql volatile security invoker set search_path = '' as $$
begin
  return private.set_consent(
    private.find_lead(p_lead_id), lower(btrim(p_channel)), lower(btrim(p_state)), lower(btrim(p_purpose)), lower(btrim(p_source)),
    p_notice_version, p_language, p_proof
  );
end
$$;

comment on function public.consent_set(text, text, text, text, text, text, text, text) is 'Writes down that a lead (id or number) agreed to messages on a channel (granted) or no longer does (withdrawn), for p_purpose marketing or all. The lead''s present e-mail or phone is meant. Errors: lead_not_found, recipient_missing, permission_denied, argument_invalid.';

-- Grants

revoke all on public.consents from anon, authenticated, service_role;

grant select on public.consents to authenticated;

grant select, insert on public.consents to service_role;

revoke all on function
  private.message_address(text, text),
  private.address_hash(text, text),
  private.consent_record(text, text, text, text, text, uuid, text, text, text),
  private.quiet_until(timestamptz),
  private.contact_gate(text, text, text, timestamptz),
  private.set_consent(uuid, text, text, text, text, text, text, text),
  public.consent_set(text, text, text, text, text, text, text, text)
  from public, anon, authenticated, service_role;

grant execute on function
  private.set_consent(uuid, text, text, text, text, text, text, text),
  public.consent_set(text, text, text, text, text, text, text, text)
  to authenticated;

-- This module's settings and errors

select
  private.define_setting('messaging.quiet_from_hour', '21', 'integer', 'Hour from which campaigns wait; the same as to_hour for never', 0, 23),
  private.define_setting('messaging.quiet_to_hour', '9', 'integer', 'Hour from which campaigns go out again', 0, 23),
  private.define_setting('messaging.marketing_needs_consent', 'false', 'boolean', 'Whether campaigns go to those alone who agreed, and not to all who did not object'),
  private.define_setting('messaging.test_recipients', '[]', 'list', 'While this names anybody, messages go to these addresses and phone numbers alone', 0, 100);

insert into public.error_codes (code, sqlstate, message, hint) values
  ('recipient_missing', 'PT422', 'Nobody knows where to send this.', 'Give a recipient, or the lead an e-mail address or phone number.');

-- Settings: what an organisation decides about itself, one row per key.
--
-- A key that a module defines has a rule, so that no write, Studio's included, leaves a value the rest of
-- the system cannot work with. A secret never lies in the table: its value goes to Vault under the name
-- "setting:<key>", and the row keeps a mask.

-- Tables

create table public.system_settings (
  key text primary key,
  value jsonb not null,
  category text not null default 'general',
  description text not null default '',
  is_secret boolean not null default false,
  is_public boolean not null default false,
  updated_by uuid references public.profiles (id) on delete set null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint system_settings_key_is_dotted_snake_case check (key ~ '^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$' and length(key) <= 100),
  constraint system_settings_category_is_snake_case check (category ~ '^[a-z][a-z0-9_]{0,62}$'),
  constraint system_settings_description_is_short check (length(description) <= 500),
  constraint system_settings_value_is_small check (pg_column_size(value) <= 16384),
  constraint system_settings_secret_is_not_public check (not (is_secret and is_public))
);

comment on table public.system_settings is 'Settings by key. Write with upsert({key, value, category}, {onConflict: "key"}).';

comment on column public.system_settings.key is 'Such as organization.timezone, or a name of the organisation''s own.';

comment on column public.system_settings.value is 'Any JSON. Of a secret only a mask: writing the mask back changes nothing.';

comment on column public.system_settings.category is 'Groups keys on a settings page, for example organization or email_config.';

comment on column public.system_settings.is_secret is 'The value lies in Vault. Decided when the key is first written; a key named like a credential is secret in any case.';

comment on column public.system_settings.is_public is 'Readable by every active person, not only with settings.read.';

comment on column public.system_settings.updated_by is 'Who wrote it last; null for a migration or a service.';

create index system_settings_by_category on public.system_settings (category);

create table private.setting_rules (
  key text primary key,
  kind text not null,
  minimum numeric,
  maximum numeric,
  choices text[],
  constraint setting_rules_kind_is_known check (kind in ('text', 'boolean', 'integer', 'number', 'time_zone', 'currency', 'region', 'choice', 'url', 'list'))
);

comment on table private.setting_rules is 'What a key that the system reads must hold. Such a key cannot be deleted.';

comment on column private.setting_rules.minimum is 'Least number, shortest text or fewest items.';

comment on column private.setting_rules.maximum is 'Greatest number, longest text or most items.';

comment on column private.setting_rules.choices is 'What a choice, or an item of a list, may be.';

alter table private.setting_rules enable row level security;

-- Functions

create function private.setting(p_key text) returns jsonb
language plpgsql stable security definer parallel safe set search_path = '' as $$
begin
  return (select s.value from public.system_settings s where s.key = p_key);
end
$$;

comment on function private.setting(text) is 'Value of a setting, null without one; of a secret only its mask.';

create function private.setting_secret(p_key text) returns text
language plpgsql stable security definer set search_path = '' as $$
begin
  return (select v.decrypted_secret from vault.decrypted_secrets v where v.name = 'setting:' || p_key);
end
$$;

comment on function private.setting_secret(text) is 'The secret itself, for the server alone.';

create function private.is_currency(p_code text) returns boolean
language plpgsql immutable parallel safe set search_path = '' as $$
begin
  return coalesce(p_code ~ '^[A-Z]{3}$' and position(' ' || p_code || ' ' in
    ' AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP CNY COP CRC CUP CVE CZK'
    ' DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF'
    ' KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK'
    ' PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX'
    ' USD UYU UZS VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG ') > 0, false);
end
$$;

comment on function private.is_currency(text) is 'Whether this is the ISO 4217 code of a currency in use.';

create function private.calling_code(p_region text) returns text
language plpgsql immutable parallel safe set search_path = '' as $$
declare
  codes constant text :=
    ' AC247 AD376 AE971 AF93 AG1 AI1 AL355 AM374 AO244 AR54 AS1 AT43 AU61 AW297 AX358 AZ994 BA387 BB1 BD880 BE32 BF226 BG359 BH973 BI257 BJ229 BL590'
    ' BM1 BN673 BO591 BQ599 BR55 BS1 BT975 BW267 BY375 BZ501 CA1 CC61 CD243 CF236 CG242 CH41 CI225 CK682 CL56 CM237 CN86 CO57 CR506 CU53 CV238 CW599'
    ' CX61 CY357 CZ420 DE49 DJ253 DK45 DM1 DO1 DZ213 EC593 EE372 EG20 EH212 ER291 ES34 ET251 FI358 FJ679 FK500 FM691 FO298 FR33 GA241 GB44 GD1 GE995'
    ' GF594 GG44 GH233 GI350 GL299 GM220 GN224 GP590 GQ240 GR30 GT502 GU1 GW245 GY592 HK852 HN504 HR385 HT509 HU36 ID62 IE353 IL972 IM44 IN91 IO246'
    ' IQ964 IR98 IS354 IT39 JE44 JM1 JO962 JP81 KE254 KG996 KH855 KI686 KM269 KN1 KP850 KR82 KW965 KY1 KZ7 LA856 LB961 LC1 LI423 LK94 LR231 LS266'
    ' LT370 LU352 LV371 LY218 MA212 MC377 MD373 ME382 MF590 MG261 MH692 MK389 ML223 MM95 MN976 MO853 MP1 MQ596 MR222 MS1 MT356 MU230 MV960 MW265 MX52'
    ' MY60 MZ258 NA264 NC687 NE227 NF672 NG234 NI505 NL31 NO47 NP977 NR674 NU683 NZ64 OM968 PA507 PE51 PF689 PG675 PH63 PK92 PL48 PM508 PR1 PS970'
    ' PT351 PW680 PY595 QA974 RE262 RO40 RS381 RU7 RW250 SA966 SB677 SC248 SD249 SE46 SG65 SH290 SI386 SJ47 SK421 SL232 SM378 SN221 SO252 SR597 SS211'
    ' ST239 SV503 SX1 SY963 SZ268 TA290 TC1 TD235 TG228 TH66 TJ992 TK690 TL670 TM993 TN216 TO676 TR90 TT1 TV688 TW886 TZ255 UA380 UG256 US1 UY598'
    ' UZ998 VA39 VC1 VE58 VG1 VI1 VN84 VU678 WF681 WS685 XK383 YE967 YT262 ZA27 ZM260 ZW263 ';
  at constant integer := strpos(codes, ' ' || p_region);
begin
  return case when at > 0 and p_region ~ '^[A-Z]{2}$' then split_part(substr(codes, at + 3, 4), ' ', 1) end;
end
$$;

comment on function private.calling_code(text) is 'What numbers of this country (ISO 3166) begin with after the +; null if there is no country of that code with telephone numbers.';

create function private.setting_fault(p_rule private.setting_rules, p_value jsonb) returns text
language plpgsql stable set search_path = '' as $$
declare
  plain text := p_value #>> '{}';
  is_text boolean := jsonb_typeof(p_value) = 'string';
  size numeric;
begin
  case p_rule.kind
    when 'boolean' then
      return case when jsonb_typeof(p_value) <> 'boolean' then 'true or false is expected' end;
    when 'integer', 'number' then
      if jsonb_typeof(p_value) <> 'number' or (p_rule.kind = 'integer' and plain::numeric <> trunc(plain::numeric)) then
        return case p_rule.kind when 'integer' then 'a whole number is expected' else 'a number is expected' end;
      end if;

      size := plain::numeric;
    when 'text' then
      if not is_text then
        return 'a text is expected';
      end if;

      size := length(btrim(plain));
    when 'list' then
      if jsonb_typeof(p_value) <> 'array' or exists (
        select from jsonb_array_elements(p_value) i
        where jsonb_typeof(i) <> 'string' or (p_rule.choices is not null and i #>> '{}' <> all (p_rule.choices))
      ) then
        return 'a list of ' || coalesce(array_to_string(p_rule.choices, ', '), 'texts') || ' is expected';
      end if;

      size := jsonb_array_length(p_value);
    when 'time_zone' then
      -- By its full name: an abbreviation such as IST means different zones to different readers.
      return case when not is_text or not exists (select from pg_catalog.pg_timezone_names z where z.name = plain)
        then 'an IANA time zone such as Asia/Kolkata is expected' end;
    when 'currency' then
      return case when not is_text or not private.is_currency(plain) then 'an ISO 4217 code such as INR is expected' end;
    when 'region' then
      return case when not is_text or private.calling_code(plain) is null then 'an ISO 3166 code such as IN is expected' end;
    when 'choice' then
      return case when not is_text or plain <> all (p_rule.choices)
        then 'one of ' || array_to_string(p_rule.choices, ', ') || ' is expected' end;
    when 'url' then
      return case when not is_text or (plain <> '' and (plain !~ '^https?://\S+$' or length(plain) > 2000)) then 'a web address is expected' end;
  end case;

  if size < p_rule.minimum then
    return 'less than ' || p_rule.minimum;
  elsif size > p_rule.maximum then
    return 'more than ' || p_rule.maximum;
  end if;

  return null;
end
$$;

comment on function private.setting_fault(private.setting_rules, jsonb) is 'What is wrong with a value under a rule, null if nothing.';

create function private.define_setting(
  p_key text,
  p_value jsonb,
  p_kind text,
  p_description text,
  p_minimum numeric default null,
  p_maximum numeric default null,
  p_choices text[] default null,
  p_is_public boolean default false
) returns void
language plpgsql set search_path = '' as $$
begin
  insert into private.setting_rules (key, kind, minimum, maximum, choices)
  values (p_key, p_kind, p_minimum, p_maximum, p_choices);

  insert into public.system_settings (key, value, category, description, is_public)
  values (p_key, p_value, split_part(p_key, '.', 1), p_description, p_is_public);
end
$$;

comment on function private.define_setting(text, jsonb, text, text, numeric, numeric, text[], boolean) is 'How a module''s migration declares a setting it reads, with its rule and default.';

create function private.mask_secret(p_secret text) returns jsonb
language plpgsql immutable parallel safe set search_path = '' as $$
begin
  -- The tail tells two keys apart; of a short secret it would tell too much.
  return to_jsonb('••••' || case when length(p_secret) >= 16 then right(p_secret, 4) else '' end);
end
$$;

comment on function private.mask_secret(text) is 'What is shown in place of a secret.';

-- Policies

alter table public.system_settings enable row level security;

create policy system_settings_read on public.system_settings for select to authenticated
  using ((is_public and (select private.gate_own()) is not null) or (select private.has_permission('settings.read')));

comment on policy system_settings_read on public.system_settings is 'Public keys for every active person, all keys with settings.read.';

create policy system_settings_create on public.system_settings for insert to authenticated
  with check ((select private.has_permission('settings.manage')));

comment on policy system_settings_create on public.system_settings is 'With settings.manage.';

create policy system_settings_change on public.system_settings for update to authenticated
  using ((select private.has_permission('settings.manage')))
  with check ((select private.has_permission('settings.manage')));

comment on policy system_settings_change on public.system_settings is 'With settings.manage.';

create policy system_settings_delete on public.system_settings for delete to authenticated
  using ((select private.has_permission('settings.manage')));

comment on policy system_settings_delete on public.system_settings is 'With settings.manage, and never a key the system reads.';

-- Triggers

create function private.guard_setting() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  rule private.setting_rules;
  secret text;
  secret_id uuid;
  fault text;
begin
  if tg_op = 'INSERT' then
    new.is_secret := new.is_secret or new.key ~ '(^|[._])(secret|password|passwd|token|credentials?|(api|private|access|auth)_?key)$';

    -- Of an upsert this row may yet become an update, which does the rest: a secret must not be moved twice.
    if exists (select from public.system_settings s where s.key = new.key) then
      return new;
    end if;
  elsif new.key <> old.key then
    perform private.fail('setting_is_fixed', 'key');
  elsif new.is_secret <> old.is_secret then
    -- An upsert that leaves the column out carries the insert's default.
    if old.is_secret then
      new.is_secret := true;
    else
      perform private.fail('setting_is_fixed', 'is_secret');
    end if;
  end if;

  select * into rule from private.setting_rules r where r.key = new.key;

  if rule.key is not null then
    fault := private.setting_fault(rule, new.value);

    if fault is not null then
      perform private.fail('setting_invalid', new.key || ': ' || fault);
    end if;
  end if;

  if new.is_secret and (tg_op = 'INSERT' or new.value <> old.value) then
    secret := new.value #>> '{}';

    if jsonb_typeof(new.value) <> 'string' or secret = '' or secret like '••••%' then
      perform private.fail('setting_invalid', new.key || ': the secret as a text is expected');
    end if;

    select v.id into secret_id from vault.decrypted_secrets v where v.name = 'setting:' || new.key;

    if secret_id is null then
      perform vault.create_secret(secret, 'setting:' || new.key, 'Value of the setting ' || new.key);
    else
      perform vault.update_secret(secret_id, secret);
    end if;

    new.value := private.mask_secret(secret);
  end if;

  new.updated_by := auth.uid();
  new.updated_at := clock_timestamp();

  return new;
end
$$;

comment on function private.guard_setting() is 'Checks a value under its rule and moves a secret to Vault.';

create trigger guard_setting
  before insert or update on public.system_settings
  for each row execute function private.guard_setting();

create function private.guard_setting_delete() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if exists (select from private.setting_rules r where r.key = old.key) then
    perform private.fail('setting_is_built_in', old.key);
  end if;

  if old.is_secret then
    delete from vault.secrets v where v.name = 'setting:' || old.key;
  end if;

  return old;
end
$$;

comment on function private.guard_setting_delete() is 'Keeps the settings the system reads, and takes a deleted secret out of Vault.';

create trigger guard_setting_delete
  before delete on public.system_settings
  for each row execute function private.guard_setting_delete();

create trigger refuse_truncate
  before truncate on public.system_settings
  for each statement execute function private.refuse_truncate();

-- Views

create view public.app_settings with (security_invoker = true) as
select key, value, category, description, is_secret, is_public, updated_by, created_at, updated_at
from public.system_settings;

comment on view public.app_settings is 'system_settings under its second name; reads and writes alike.';

-- Grants

revoke all on public.system_settings, public.app_settings from anon, authenticated, service_role;

revoke all on private.setting_rules from anon, authenticated, service_role;

-- An upsert writes every column it names, the key too: the trigger keeps it what it was.
grant select, delete,
  insert (key, value, category, description, is_secret, is_public),
  update (key, value, category, description, is_secret, is_public)
  on public.system_settings to authenticated;

grant select, delete,
  insert (key, value, category, description, is_secret, is_public),
  update (key, value, category, description, is_secret, is_public)
  on public.app_settings to authenticated;

grant select, insert, update, delete on public.system_settings, public.app_settings to service_role;

revoke all on function private.setting(text) from public, anon, authenticated, service_role;

grant execute on function private.setting(text) to authenticated, service_role;

revoke all on function private.setting_secret(text) from public, anon, authenticated, service_role;

grant execute on function private.setting_secret(text) to service_role;

revoke all on function private.is_currency(text) from public, anon, authenticated, service_role;

grant execute on function private.is_currency(text) to authenticated, service_role;

revoke all on function private.calling_code(text) from public, anon, authenticated, service_role;

grant execute on function private.calling_code(text) to authenticated, service_role;

revoke all on function private.setting_fault(private.setting_rules, jsonb) from public, anon, authenticated, service_role;

revoke all on function private.define_setting(text, jsonb, text, text, numeric, numeric, text[], boolean) from public, anon, authenticated, service_role;

revoke all on function private.mask_secret(text) from public, anon, authenticated, service_role;

revoke all on function private.guard_setting() from public, anon, authenticated, service_role;

revoke all on function private.guard_setting_delete() from public, anon, authenticated, service_role;

-- This module's errors, and the settings that have no other home

insert into public.error_codes (code, sqlstate, message, hint) values
  ('setting_invalid', 'PT422', 'This setting does not accept that value.', 'Details say what is expected.'),
  ('setting_is_built_in', 'PT409', 'This setting is part of the system and cannot be deleted.', 'Write another value instead.'),
  ('setting_is_fixed', 'PT409', 'The key of a setting and whether it is secret cannot change.', 'Delete the setting and write it anew.');

select
  private.define_setting('organization.name', '"Intake"', 'text', 'Name of the organisation', 1, 120, null, true),
  private.define_setting('organization.timezone', '"Asia/Kolkata"', 'time_zone', 'Where the organisation''s day begins and ends', null, null, null, true),
  private.define_setting('organization.currency', '"INR"', 'currency', 'Currency of amounts that name none', null, null, null, true),
  private.define_setting('organization.phone_region', '"IN"', 'region', 'Country of phone numbers that name none', null, null, null, true),
  private.define_setting('organization.website', '""', 'url', 'Where links in messages lead', null, null, null, true),
  private.define_setting('leads.unique_email', 'true', 'boolean', 'Whether an e-mail address is one person; false where families share one');

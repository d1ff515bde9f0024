-- Platform: what every other module stands on.
--
-- The `private` schema (never exposed by the Data API), default-deny for everything created later,
-- time-ordered ids, the error catalogue, normalisation of e-mail and phone, and the facts of the
-- current request. No business data lives here.

create extension if not exists pg_trgm with schema extensions;

create extension if not exists pg_cron with schema pg_catalog;

create extension if not exists pg_net with schema extensions;

create schema private;

revoke all on schema private from public;

grant usage on schema private to anon, authenticated, service_role;

-- Projects created before and after 30 October 2026 differ in what a new object grants by itself.
-- From here on both behave alike: nothing is granted that a migration does not state.
alter default privileges in schema public revoke all on tables from anon, authenticated, service_role;

alter default privileges in schema public revoke all on sequences from anon, authenticated, service_role;

alter default privileges in schema public revoke all on functions from anon, authenticated, service_role;

alter default privileges revoke execute on functions from public;

-- Tables

create table public.error_codes (
  code text primary key,
  sqlstate text not null,
  message text not null,
  hint text,
  constraint error_codes_code_is_snake_case check (code ~ '^[a-z][a-z0-9_]{2,62}$'),
  constraint error_codes_sqlstate_is_five_characters check (sqlstate ~ '^[0-9A-Z]{5}$'),
  constraint error_codes_message_is_a_sentence check (length(message) between 5 and 200)
);

comment on table public.error_codes is 'The error catalogue: every error that Intake itself raises. `details` of an answer starts with the code, `code` of an answer is the sqlstate (PTxyz becomes HTTP status xyz).';

comment on column public.error_codes.code is 'Stable name, safe to branch on in a client.';

comment on column public.error_codes.sqlstate is 'SQLSTATE raised; 42501 answers 403 (401 without a token), PTxyz answers HTTP xyz.';

comment on column public.error_codes.message is 'What happened, for people.';

comment on column public.error_codes.hint is 'What to do about it.';

alter table public.error_codes enable row level security;

create policy error_codes_are_public on public.error_codes for select to anon, authenticated using (true);

comment on policy error_codes_are_public on public.error_codes is 'The catalogue holds no data of anybody.';

-- Functions

-- A large import makes half a million of these. The body is bound when it is created and needs no search_path of its
-- own, so that it becomes part of the statement it stands in, at half the cost.
create function private.uuid_v7() returns uuid
language sql volatile parallel safe
-- 60 bits of microsecond-precise time, version nibble 7, then the random tail of a v4: ids made in one
-- session sort in the order they were made, and the index stays dense.
return (
  overlay(lpad(to_hex((date_part('epoch', clock_timestamp()) * 4096000)::bigint), 15, '0') placing '7' from 13 for 0)
  || substr(gen_random_uuid()::text, 20)
)::uuid;

comment on function private.uuid_v7() is 'Time-ordered id (UUID version 7 with a sub-millisecond fraction), the default of every primary key.';

create function private.fail(p_code text, p_detail text default null, p_hint text default null) returns void
language plpgsql stable security definer set search_path = '' as $$
declare
  entry public.error_codes;
begin
  select * into entry from public.error_codes e where e.code = p_code;

  if entry.code is null then
    raise exception using errcode = 'PT500', message = format('Error code %s is not in the catalogue.', p_code), detail = 'error_code_unknown';
  end if;

  raise exception using
    errcode = entry.sqlstate,
    message = entry.message,
    detail = entry.code || coalesce(': ' || p_detail, ''),
    hint = coalesce(p_hint, entry.hint, '');
end
$$;

comment on function private.fail(text, text, text) is 'Raises an error of the catalogue: the one way in which Intake refuses.';

create function private.request_header(p_name text) returns text
language plpgsql stable parallel safe set search_path = '' as $$
begin
  return nullif(current_setting('request.headers', true), '')::jsonb ->> lower(p_name);
end
$$;

comment on function private.request_header(text) is 'A header of the current Data API request, null outside of one.';

create function private.request_id() returns text
language plpgsql stable parallel safe set search_path = '' as $$
begin
  return left(coalesce(private.request_header('x-request-id'), private.request_header('sb-request-id')), 100);
end
$$;

comment on function private.request_id() is 'Id of the current request, as the client or the platform names it.';

create function private.session_id() returns uuid
language plpgsql stable parallel safe set search_path = '' as $$
begin
  return (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'session_id')::uuid;
end
$$;

comment on function private.session_id() is 'The Auth session of the caller''s token, null without one. Whether that session still lives is for the gates to say.';

create function private.normalize_email(p_email text) returns text
language plpgsql immutable parallel safe set search_path = '' as $$
declare
  email text := nullif(lower(btrim(p_email)), '');
  at integer := strpos(email, '@');
begin
  if email is null then
    return null;
  end if;

  -- Deliberately narrower than RFC 5322: what mail systems in use accept. Lengths are counted beside the
  -- pattern, because bounds within it make it twenty times as dear, and every write of a lead comes by here.
  if length(email) > 254 or at > 65
    or email !~ '^[a-z0-9.!#$%&''*+/=?^_`{|}~-]+@([a-z0-9]+(-+[a-z0-9]+)*\.)+[a-z][a-z0-9]*(-+[a-z0-9]+)*$'
    or (length(email) - at > 63 and substr(email, at + 1) ~ '[^.]{64}') then
    perform private.fail('email_invalid');
  end if;

  return email;
end
$$;

comment on function private.normalize_email(text) is 'Lower-case, trimmed e-mail address; null for an empty one, error email_invalid for what is none.';

create function private.international_number(p_number text, p_region text) returns text
language plpgsql immutable parallel safe set search_path = '' as $$
declare
  code constant text := private.calling_code(p_region);
  trunk text;
begin
  -- What libphonenumber says of fixed lines and mobiles. A length is named where a number may begin like its prefix.
  case
    when p_region = 'AR' and p_number ~ '^0?(?=[0-9]{12}$)(11|[23][0-9]{2,3})15' then
      -- Mobiles there are dialled with 15 after the area, and from abroad with 9 before it.
      return '+549' || regexp_replace(p_number, '^0?(?=[0-9]{12}$)(11|[23][0-9]{2,3})15', '\1');
    when strpos('AC AD AO AW BF BH BI BJ BN BQ BT BW BZ CF CG CI CK CL CM CR CV CW CY CZ DJ DK EE ES FJ FK FM FO GI GL GM GN GQ GR GT GW GY HK HN HT IO IS IT KM KW LS LU LV'
      ' ML MO MR MT MU MV MX MZ NC NE NF NI NO NR NU OM PA PF PG PL PT PW QA SB SC SG SH SJ SM SN SR ST SV SZ TA TD TG TJ TK TL TN TO TV UZ VA VU WF WS', p_region) > 0 then
      return '+' || code || p_number;
    when code = '1' or p_region = 'MH' then
      trunk := '^1';
    when code = '7' then
      trunk := '^8(?=[0-9]{10}$)';
    when p_region = 'TM' then
      trunk := '^8';
    when p_region = 'BY' then
      trunk := '^(80?|0)(?=[0-9]{9}$)';
    when p_region = 'LT' then
      trunk := '^[08](?=[0-9]{8}$)';
    when p_region = 'GA' then
      trunk := '^0(?=[0-9]{8}$)';
    when p_region = 'HU' then
      trunk := '^06';
    else
      trunk := '^0';
  end case;

  return '+' || code || regexp_replace(p_number, trunk, '');
end
$$;

comment on function private.international_number(text, text) is 'The digits of a national number of this country (ISO 3166) as E.164: its trunk prefix goes, where it has one, and the calling code comes.';

create function private.normalize_phone(p_phone text) returns text
language plpgsql stable set search_path = '' as $$
declare
  phone text := p_phone;
  region text;
begin
  if phone is null then
    return null;
  end if;

  -- Most numbers arrive normal already.
  if phone !~ '^\+[0-9]+$' then
    -- For callers within the country; but in Italy it belongs to the number.
    if phone like '%(0)%' and phone !~ '^\s*(\+|00)\s*39' then
      phone := replace(phone, '(0)', '');
    end if;

    phone := regexp_replace(phone, '[\s().\-/\u00a0\u2010-\u2015]', '', 'g');
  end if;

  if phone = '' then
    return null;
  end if;

  if phone like '00%' then
    phone := '+' || substr(phone, 3);
  elsif phone !~ '^\+' then
    region := private.setting('organization.phone_region') #>> '{}';
    -- A number of twelve digits is none of India, where each has ten: only its plus is missing.
    phone := case when region = 'IN' and length(phone) = 12 and phone like '91%' then '+' || phone else private.international_number(phone, region) end;
  end if;

  if phone like '+910%' then
    phone := '+91' || substr(phone, 5);
  end if;

  if phone !~ '^\+[1-9][0-9]{7,14}$' or (phone like '+91%' and phone !~ '^\+91[1-9][0-9]{9}$') then
    perform private.fail('phone_invalid');
  end if;

  return phone;
end
$$;

comment on function private.normalize_phone(text) is 'Phone number in E.164; a national number is one of the organisation''s country (organization.phone_region); null for an empty one, error phone_invalid for what is none.';

create function private.is_timezone(p_name text) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  perform now() at time zone p_name;
  return p_name is not null;
exception when invalid_parameter_value then
  return false;
end
$$;

comment on function private.is_timezone(text) is 'Whether the server knows this time zone.';

create function private.is_restoring() returns boolean
language plpgsql stable parallel safe set search_path = '' as $$
begin
  return coalesce(current_setting('intake.restore', true), '') = 'on';
end
$$;

comment on function private.is_restoring() is 'Whether a row is being written back exactly as it was, by unmerge() or an undo, or scored again. Clients of the Data API cannot set this.';

create function private.is_importing() returns boolean
language plpgsql stable parallel safe set search_path = '' as $$
begin
  return coalesce(current_setting('intake.importing', true), '') <> '';
end
$$;

comment on function private.is_importing() is 'Whether a chunk of an import is being written: then nobody is told row by row.';

create function private.touch_updated_at() returns trigger
language plpgsql set search_path = '' as $$
begin
  if private.is_restoring() then
    return new;
  end if;

  new.updated_at := clock_timestamp();
  return new;
end
$$;

comment on function private.touch_updated_at() is 'Keeps updated_at, whoever writes.';

create function private.touch_version() returns trigger
language plpgsql set search_path = '' as $$
begin
  if private.is_restoring() then
    return new;
  end if;

  new.updated_at := clock_timestamp();
  new.version := old.version + 1;
  return new;
end
$$;

comment on function private.touch_version() is 'Keeps updated_at and the row version that clients compare when they write back.';

create function private.refuse_truncate() returns trigger
language plpgsql set search_path = '' as $$
begin
  perform private.fail('truncate_refused', tg_table_name);
  return null;
end
$$;

comment on function private.refuse_truncate() is 'TRUNCATE fires no row trigger, so counters, history and audit would be wrong after it.';

-- Grants

revoke all on public.error_codes from anon, authenticated, service_role;

grant select on public.error_codes to anon, authenticated, service_role;

revoke all on function private.uuid_v7() from public, anon, authenticated, service_role;

grant execute on function private.uuid_v7() to authenticated, service_role;

revoke all on function private.fail(text, text, text) from public, anon, authenticated, service_role;

grant execute on function private.fail(text, text, text) to anon, authenticated, service_role;

revoke all on function private.request_header(text) from public, anon, authenticated, service_role;

grant execute on function private.request_header(text) to authenticated, service_role;

revoke all on function private.request_id() from public, anon, authenticated, service_role;

grant execute on function private.request_id() to authenticated, service_role;

revoke all on function private.session_id() from public, anon, authenticated, service_role;

grant execute on function private.session_id() to authenticated, service_role;

revoke all on function private.normalize_email(text) from public, anon, authenticated, service_role;

grant execute on function private.normalize_email(text) to authenticated, service_role;

revoke all on function private.international_number(text, text) from public, anon, authenticated, service_role;

grant execute on function private.international_number(text, text) to authenticated, service_role;

revoke all on function private.normalize_phone(text) from public, anon, authenticated, service_role;

grant execute on function private.normalize_phone(text) to authenticated, service_role;

revoke all on function private.is_timezone(text) from public, anon, authenticated, service_role;

revoke all on function private.is_restoring() from public, anon, authenticated, service_role;

grant execute on function private.is_restoring() to authenticated, service_role;

revoke all on function private.is_importing() from public, anon, authenticated, service_role;

revoke all on function private.touch_updated_at() from public, anon, authenticated, service_role;

revoke all on function private.touch_version() from public, anon, authenticated, service_role;

revoke all on function private.refuse_truncate() from public, anon, authenticated, service_role;

-- Catalogue of this module

insert into public.error_codes (code, sqlstate, message, hint) values
  ('permission_denied', '42501', 'You do not have permission to do this.', 'Ask an administrator for the permission named in details.'),
  ('not_found', 'PT404', 'There is no such record, or it is not yours to see.', null),
  ('argument_invalid', 'PT422', 'An argument is missing or not of the expected kind.', null),
  ('email_invalid', 'PT422', 'This is not an e-mail address.', 'Send one address such as name@example.com.'),
  ('phone_invalid', 'PT422', 'This is not a phone number.', 'Send it in international form such as +919876543210, or a national number of the organisation''s country.'),
  ('truncate_refused', '42501', 'This table cannot be truncated.', 'Delete rows, or reset the database.');

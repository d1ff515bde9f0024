-- Platform: nothing is granted by default, ids sort by time, every refusal comes from the catalogue,
-- and e-mail and phone have one normal form.

begin;

select no_plan();

-- What a later migration creates is closed until it says otherwise

create table public.made_later (id bigint generated always as identity primary key);

create function public.made_later() returns integer language sql as 'select 1';

create function private.made_later() returns integer language sql as 'select 1';

select is(
  has_table_privilege(role, 'public.made_later', command), false,
  format('%s may not %s in a table created later', role, command))
from unnest(array['anon', 'authenticated', 'service_role']) role, unnest(array['select', 'insert', 'update', 'delete', 'truncate', 'references', 'trigger']) command;

select is(
  has_function_privilege(role, fn, 'execute'), false,
  format('%s may not call %s created later', role, fn))
from unnest(array['anon', 'authenticated', 'service_role']) role, unnest(array['public.made_later()', 'private.made_later()']) fn;

select is(
  has_sequence_privilege(role, pg_get_serial_sequence('public.made_later', 'id'), 'usage'), false,
  format('%s may not use a sequence created later', role))
from unnest(array['anon', 'authenticated', 'service_role']) role;

select is(
  has_schema_privilege(role, 'private', 'create'), false, format('%s may not create in private', role))
from unnest(array['anon', 'authenticated', 'service_role']) role;

select tests.authenticate_as_anon();

select throws_ok('select * from public.made_later', '42501', null, 'anon is refused by a table created later');

select throws_ok('select public.made_later()', '42501', null, 'anon is refused by a function created later');

select tests.clear_authentication();

-- Ids

create temp table made on commit drop as
select n, private.uuid_v7() as id, pg_sleep(0.002)::text as pause from generate_series(1, 5) n;

select results_eq(
  'select n from made order by id', 'select n from made order by n',
  'ids sort in the order in which they were made');

select is(substr(id::text, 15, 1), '7', 'an id says that it is of version 7'), matches(substr(id::text, 20, 1), '[89ab]', 'and of the RFC variant')
from made limit 1;

select ok(
  abs(('x' || lpad(left(replace(id::text, '-', ''), 12), 16, '0'))::bit(64)::bigint - extract(epoch from clock_timestamp()) * 1000) < 60000,
  'the first 48 bits are the milliseconds of now')
from made limit 1;

select is(
  (select count(distinct private.uuid_v7()) from generate_series(1, 10000)), 10000::bigint,
  'ten thousand ids are ten thousand different ids');

-- The catalogue

select throws_ok(
  $$select private.fail('not_found', 'lead', 'Look elsewhere.')$$, 'PT404', 'There is no such record, or it is not yours to see.',
  'a refusal has the state and the message of the catalogue');

create function pg_temp.refusal(p_call text, out state text, out details text, out hint text) language plpgsql as $$
begin
  execute p_call;
exception when others then
  get stacked diagnostics state = returned_sqlstate, details = pg_exception_detail, hint = pg_exception_hint;
end
$$;

select results_eq(
  $$select * from pg_temp.refusal('select private.fail(''permission_denied'', ''leads.assign'')')$$,
  $$values ('42501', 'permission_denied: leads.assign', 'Ask an administrator for the permission named in details.')$$,
  'details start with the stable code, the hint says what to do');

select results_eq(
  $$select * from pg_temp.refusal('select private.fail(''not_found'', null, ''Look elsewhere.'')')$$,
  $$values ('PT404', 'not_found', 'Look elsewhere.')$$,
  'a hint of the caller comes before that of the catalogue');

select results_eq(
  $$select * from pg_temp.refusal('select private.fail(''no_such_code'')')$$,
  $$values ('PT500', 'error_code_unknown', '')$$,
  'a code that is not in the catalogue is our mistake');

select throws_ok(
  format('insert into public.error_codes (code, sqlstate, message) values (%L, %L, %L)', code, state, message), '23514', null,
  format('the catalogue does not take (%s, %s, %s)', code, state, message))
from (values ('Bad_Code', 'PT400', 'A sentence.'), ('bad_state', 'PT4', 'A sentence.'), ('bad_message', 'PT400', 'No')) t (code, state, message);

select tests.authenticate_as_anon();

select isnt_empty('select code from public.error_codes', 'anybody reads the catalogue');

select throws_ok($$insert into public.error_codes (code, sqlstate, message) values ('mine', 'PT400', 'A sentence.')$$, '42501', null, 'anon does not write it');

select throws_ok('delete from public.error_codes', '42501', null, 'nor empties it');

select tests.clear_authentication();

-- E-mail

select is(private.normalize_email(given), wanted, format('e-mail %L is kept as %L', given, wanted))
from (values
  ('asha@example.com', 'asha@example.com'), ('  Asha.Rao@Example.COM ', 'asha.rao@example.com'), ('a+b@mail.example.co.in', 'a+b@mail.example.co.in'),
  ('o''neil@example.com', 'o''neil@example.com'), ('x@sub-domain.example.org', 'x@sub-domain.example.org'), ('', null), ('   ', null), (null, null),
  (repeat('a', 64) || '@example.com', repeat('a', 64) || '@example.com')
) t (given, wanted);

select throws_ok(format('select private.normalize_email(%L)', given), 'PT422', 'This is not an e-mail address.', format('%L is no e-mail address', replace(left(given, 40), E'\n', ' ')))
from unnest(array[
  'asha', 'asha@', '@example.com', 'asha@example', 'asha@@example.com', 'asha rao@example.com', 'asha@example..com', 'asha@-example.com',
  'asha@example.com, ravi@example.com', 'Asha <asha@example.com>', 'asha@exam ple.com', E'asha@example.com\nbcc: all@example.com', 'asha@example.c0m!',
  repeat('a', 65) || '@example.com', 'a@' || repeat('b.', 130) || 'com'
]) given;

-- Phone

select is(private.normalize_phone(given), wanted, format('phone %L is kept as %L', given, wanted))
from (values
  ('+919876543210', '+919876543210'), ('98765 43210', '+919876543210'), ('098765-43210', '+919876543210'), ('+91 (98765) 43210', '+919876543210'),
  ('0091 98765 43210', '+919876543210'), ('+1 415 555 0123', '+14155550123'), ('+44.20.7946.0018', '+442079460018'), ('00442079460018', '+442079460018'),
  (U&'+91\00A098765\201143210', '+919876543210'), ('919876543210', '+919876543210'), ('91 98765 43210', '+919876543210'), ('+91 098765 43210', '+919876543210'),
  ('+91 (0) 98765 43210', '+919876543210'), ('+44 (0)20 7946 0018', '+442079460018'), ('0044 (0)20 7946 0018', '+442079460018'), ('+39 (0)6 6982 1234', '+390669821234'), ('', null), (' - ', null), (null, null)
) t (given, wanted);

select throws_ok(format('select private.normalize_phone(%L)', given), 'PT422', 'This is not a phone number.', format('%L is no phone number', given))
from unnest(array[
  '12', '98765', 'call me', '+91 98765', '+9198765432101', '+0123456789', '9876543210 ext 5', '+1234567890123456', '98765 4321o', '++919876543210', '98765,43210', '+'
]) given;

update public.system_settings set value = '"GB"' where key = 'organization.phone_region';

select is(private.normalize_phone('020 7946 0018'), '+442079460018', 'a national number is one of the organisation''s country');

update public.system_settings set value = '"IT"' where key = 'organization.phone_region';

select is(private.normalize_phone('06 6982 1234'), '+390669821234', 'which says what goes: in Italy nothing');

select is(private.calling_code(region), code, format('numbers of %L begin with %s', region, code))
from (values ('IN', '91'), ('US', '1'), ('AC', '247'), ('ZW', '263'), ('GB', '44'), ('BL', '590'), ('BM', '1'), ('ZZ', null), ('in', null), ('I', null), ('', null), (null, null)) t (region, code);

-- Time zones

select is(private.is_timezone(name), known, format('%L is %sa time zone', name, case when known then '' else 'not ' end))
from (values ('Asia/Kolkata', true), ('America/New_York', true), ('UTC', true), ('Mars/Olympus', false), ('', false), (null, false)) t (name, known);

-- Facts of the request

set local request.headers = '{"x-request-id": "abc", "sb-request-id": "def"}';

select is(private.request_id(), 'abc', 'the request has the id the client gave it');

set local request.headers = '{"sb-request-id": "def"}';

select is(private.request_id(), 'def', 'else the one of the platform');

do $$ begin perform set_config('request.headers', jsonb_build_object('x-request-id', repeat('x', 500))::text, true); end $$;

select is(length(private.request_id()), 100, 'and never a long one');

set local request.headers = '';

select is(private.request_id(), null, 'outside of a request there is none');

set local request.jwt.claims = '{"session_id": "6f1f2a52-0000-4000-8000-000000000001"}';

select is(private.session_id(), '6f1f2a52-0000-4000-8000-000000000001'::uuid, 'the session is the one in the token');

create function pg_temp.answer(p_query text) returns text language plpgsql as $$
declare
  answer text;
begin
  execute p_query into answer;
  return answer;
exception when invalid_text_representation then
  return 'refused';
end
$$;

set local request.jwt.claims = '{"session_id": "none of yours"}';

select matches(coalesce(pg_temp.answer('select private.session_id()'), 'refused'), '^refused$', 'a session that is no id is no session');

set local request.jwt.claims = '';

select is(private.session_id(), null, 'without a token there is none');

-- Truncation

select throws_ok('truncate public.leads cascade', '42501', 'This table cannot be truncated.', 'leads cannot be truncated, whoever tries');

select * from finish();

rollback;

-- Rate limits: writes are counted per caller, reads are not, and an address is never the client's claim.
begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('counselor', 'Limited team') as counselor, tests.create_user('counselor', 'Limited team') as other;

grant select on people to public;

create function pg_temp.headers(p_headers jsonb) returns void language sql as $$
  select set_config('request.headers', p_headers::text, true);
$$;

grant execute on function pg_temp.headers(jsonb) to public;

create function pg_temp.refusal_detail() returns jsonb language plpgsql as $$
declare
  answer text;
begin
  perform private.pre_request();
  return null;
exception when sqlstate 'PGRST' then
  get stacked diagnostics answer = pg_exception_detail;
  return answer;
end
$$;

grant execute on function pg_temp.refusal_detail() to public;

-- Buckets

select is(private.rate_limit_take('test:a', 2), 0, 'the first hit is there');

select is(private.rate_limit_take('test:a', 2), 0, 'and so is the last one of the limit');

select ok(private.rate_limit_take('test:a', 2) between 1 and 60, 'the next one says how many seconds to wait');

select is(private.rate_limit_take('test:b', 2), 0, 'another bucket has its own');

select is((select sum(r.hits)::integer from private.rate_limits r where r.bucket = 'test:a'), 2, 'a refused hit is not counted');

update private.rate_limits r set window_start = r.window_start - interval '1 minute' where r.bucket = 'test:a';

select is(private.rate_limit_take('test:a', 2), 0, 'the next window starts at zero');

select is((select sum(r.hits)::integer from private.rate_limits r where r.bucket = 'test:a'), 1, 'in the same row');

insert into private.rate_limits (bucket, slot, window_start, hits)
select 'test:c', s, to_timestamp(floor(extract(epoch from clock_timestamp()) / 3600) * 3600), 5 from generate_series(100, 102) s;

select ok(private.rate_limit_take('test:c', 15, '1 hour') > 0, 'hits of all connections count together');

select throws_ok($$select private.rate_limit_take('', 1)$$, 'PT422', null, 'a bucket has a name');

-- The address

select pg_temp.headers('{"x-forwarded-for": "198.51.100.7, 203.0.113.9"}');

select is(private.client_network(), null, 'X-Forwarded-For is believed by nobody');

select pg_temp.headers('{"x-forwarded-for": "198.51.100.7", "cf-connecting-ip": "203.0.113.9"}');

select is(private.client_network(), '203.0.113.9', 'the edge''s own header is');

select pg_temp.headers('{"cf-connecting-ip": "2001:db8:1:2:aaaa:bbbb:cccc:dddd"}');

select is(private.client_network(), '2001:db8:1:2::', 'an IPv6 subscriber is a /64');

select pg_temp.headers('{"cf-connecting-ip": "nonsense"}');

select is(private.client_network(), null, 'what is no address is none');

-- The request

update public.system_settings set value = '3' where key like 'security.rate_limit.%_writes_per_minute';

select tests.authenticate_as((select counselor from people));

select lives_ok('select private.pre_request() from generate_series(1, 3)', 'writes up to the limit pass');

select throws_ok('select private.pre_request()', 'PGRST', null, 'the next write is refused');

select throws_like(
  'select private.pre_request()', '{"code" : "PT429"%rate_limited: 3 writes per minute%Retry after %',
  'with the code, the details and the hint of the catalogue');

select is(pg_temp.refusal_detail() -> 'status', '429', 'as HTTP 429');

select matches(pg_temp.refusal_detail() -> 'headers' ->> 'Retry-After', '^[1-9][0-9]?$', 'with a Retry-After header');

select tests.authenticate_as((select other from people));

select lives_ok('select private.pre_request()', 'somebody else still writes');

select tests.authenticate_as_service();

select lives_ok('select private.pre_request() from generate_series(1, 10)', 'a service key is not limited');

select tests.authenticate_as_anon();

select pg_temp.headers('{"cf-connecting-ip": "203.0.113.20"}');

select lives_ok('select private.pre_request() from generate_series(1, 3)', 'without a token the network is counted');

select throws_ok('select private.pre_request()', 'PGRST', null, 'and refused at its limit');

select pg_temp.headers('{"cf-connecting-ip": "203.0.113.20", "x-forwarded-for": "192.0.2.1"}');

select throws_ok('select private.pre_request()', 'PGRST', null, 'a forged X-Forwarded-For buys nothing');

select pg_temp.headers('{"cf-connecting-ip": "203.0.113.21"}');

select lives_ok('select private.pre_request()', 'another network still writes');

select tests.clear_authentication();

update public.system_settings set value = '0' where key like 'security.rate_limit.%_writes_per_minute';

select tests.authenticate_as((select counselor from people));

select lives_ok('select private.pre_request()', 'zero is no limit');

-- Edge functions

select tests.clear_authentication();

update public.system_settings set value = '2' where key in ('security.rate_limit.functions_per_minute', 'security.rate_limit.webhooks_per_minute');

create function pg_temp.take(p_function text, p_address text) returns integer language sql as $$
  select private.function_rate_limit_take(p_function, jsonb_build_object('cf-connecting-ip', p_address));
$$;

select is(pg_temp.take('test', '203.0.113.30') + pg_temp.take('test', '203.0.113.30'), 0, 'a function may be called up to the limit');

select ok(pg_temp.take('test', '203.0.113.30') between 1 and 60, 'and then not before the minute is over');

select is(pg_temp.take('test', '203.0.113.31'), 0, 'another network may');

select is(pg_temp.take('other', '203.0.113.30'), 0, 'another function may be called');

select is(pg_temp.take('webhooks', '203.0.113.30') + pg_temp.take('webhooks', '203.0.113.30'), 0, 'a function with a limit of its own');

select ok(pg_temp.take('webhooks', '203.0.113.30') > 0, 'has that one');

update public.system_settings set value = '0' where key = 'security.rate_limit.webhooks_per_minute';

select is(pg_temp.take('webhooks', '203.0.113.30'), 0, 'where zero is no limit');

select ok(pg_temp.take('test', '203.0.113.30') > 0, 'whatever the others have');

select is(
  private.function_rate_limit_take('test', null) + private.function_rate_limit_take('test', '{}'), 0,
  'those of whom nothing is known share one bucket');

select ok(private.function_rate_limit_take('test', '{"x-forwarded-for": "203.0.113.32"}') > 0, 'and a claim of the client does not lead out of it');

select ok(
  (select r.minimum = 0 from private.setting_rules r where r.key = 'security.rate_limit.functions_per_minute')
    and (select s.value::integer from public.system_settings s where s.key = 'security.rate_limit.admin_per_minute') > 0,
  'the limits are settings');

-- Who may

select tests.authenticate_as((select counselor from people));

select throws_ok($$select private.rate_limit_take('user:x', 1)$$, '42501', null, 'nobody spends another''s hits');

select throws_ok($$select private.function_rate_limit_take('health', '{}')$$, '42501', null, 'nor a network''s');

select throws_ok('select * from private.rate_limits', '42501', null, 'nobody reads the buckets');

select tests.clear_authentication();

insert into private.rate_limits (bucket, slot, window_start, hits) values ('test:old', 0, now() - interval '2 days', 1);

select is(private.rate_limits_purge(), 1, 'buckets unused for a day are forgotten');

select is(
  (select c.relpersistence::text from pg_class c where c.oid = 'private.rate_limits'::regclass), 'u', 'counting writes no log');

select ok(
  exists (
    select from pg_db_role_setting s join pg_roles r on r.oid = s.setrole
    where r.rolname = 'authenticator' and 'pgrst.db_pre_request=private.pre_request' = any (s.setconfig)
  ), 'PostgREST is told to ask before each request');

-- Reads

set transaction read only;

select tests.set_claims('authenticated', (select jsonb_build_object('sub', counselor, 'role', 'authenticated') from people));

select lives_ok('select private.pre_request() from generate_series(1, 10)', 'reads are never counted');

select * from finish();

rollback;

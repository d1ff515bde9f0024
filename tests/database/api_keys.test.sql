-- API keys: shown once, kept as a hash, dead at once when revoked, and nothing of them in the trail.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('admin') as admin, tests.create_user('manager', 'Keys') as manager;

create temp table made (name text, answer jsonb) on commit drop;

grant select on people to public;

grant all on made to public;

create function pg_temp.verdict(p_key text, p_scope text default 'leads.create') returns text language sql as $$
  select private.api_key_take(private.api_key_hash(p_key), p_scope) ->> 'verdict'
$$;

create function pg_temp.key(p_name text) returns text language sql as $$
  select answer ->> 'api_key' from made where name = p_name
$$;

grant execute on function pg_temp.key(text) to public;

-- Making

select tests.authenticate_as((select manager from people));

select throws_ok($$select public.api_key_create('Mine')$$, '42501', null, 'a key needs api_keys.manage');

select is_empty('select id from public.api_keys', 'and so does the list');

select tests.authenticate_as((select admin from people));

insert into made select 'form', public.api_key_create('Website form');

insert into made select 'reader', public.api_key_create('Reader', '{forms.read}', now() + interval '1 day');

select throws_ok('select key_hash from public.api_keys', '42501', null, 'an administrator does not read the hash either');

select throws_ok($$insert into public.api_keys (name, key_prefix, last4, key_hash, scopes) values ('x', 'intake_00000000', '0000', repeat('0', 64), '{leads.create}')$$, '42501', null, 'nobody writes a key by hand');

select throws_ok($$select public.api_key_create('x', '{leads.delete}')$$, 'PT422', null, 'a scope that there is not is refused');

select throws_ok($$select public.api_key_create('x', '{}')$$, 'PT422', null, 'nor does a key do nothing');

select throws_ok($$select public.api_key_create(' ')$$, 'PT422', null, 'it has a name');

select throws_ok($$select public.api_key_create('x', '{leads.create}', now() - interval '1 day')$$, 'PT422', null, 'and is not over when it is made');

select tests.clear_authentication();

select matches(pg_temp.key('form'), '^intake_[0-9a-f]{8}_[0-9a-f]{64}$', 'a key is long');

select results_eq(
  $$select k.masked_key, k.key_hash = encode(sha256(convert_to(m.answer ->> 'api_key', 'UTF8')), 'hex'), k.created_by = p.admin, to_jsonb(k)::text !~ split_part(m.answer ->> 'api_key', '_', 3)
    from made m join public.api_keys k on k.id = (m.answer ->> 'key_id')::uuid, people p where m.name = 'form'$$,
  $$select left(pg_temp.key('form'), 15) || '_••••' || right(pg_temp.key('form'), 4), true, true, true$$, 'of which prefix, tail and hash are kept'
);

select results_eq(
  $$select a.action, a.after ->> 'key_hash' from public.audit_logs a join made m on m.answer ->> 'key_id' = a.record_id where m.name = 'form' and a.resource = 'api_keys'$$,
  $$values ('insert', '[redacted]')$$, 'its making is in the trail, without the hash'
);

-- Asking

select is(pg_temp.verdict(pg_temp.key('form')), 'ok', 'a key opens what its scope says');

select is(pg_temp.verdict(pg_temp.key('reader')), 'scope_missing', 'and nothing else');

select is(pg_temp.verdict(pg_temp.key('form') || '0'), 'invalid', 'another is not known');

select ok((select last_used_at = now() from public.api_keys k where k.id::text = (select answer ->> 'key_id' from made where name = 'form')), 'its use is noted');

update public.api_keys set last_used_at = now() - interval '50 minutes' where name = 'Website form';

select pg_temp.verdict(pg_temp.key('form'));

select is(last_used_at, now() - interval '50 minutes', 'once an hour') from public.api_keys where name = 'Website form';

select is((select count(*) from public.audit_logs where resource = 'api_keys' and record_id = (select answer ->> 'key_id' from made where name = 'form')), 1::bigint, 'which is no entry of the trail');

update public.api_keys set expires_at = now() where name = 'Reader';

select is(pg_temp.verdict(pg_temp.key('reader'), 'forms.read'), 'expired', 'an expired key is over');

update public.system_settings set value = '2' where key = 'security.rate_limit.api_key_per_minute';

delete from private.rate_limits where bucket like 'api-key:%';

select results_eq(
  $$select private.api_key_take(private.api_key_hash(pg_temp.key('form')), 'leads.create') ->> 'retry_after' = '0' from generate_series(1, 3)$$,
  'values (true), (true), (false)', 'a key has a limit of its own'
);

update public.system_settings set value = '0' where key = 'security.rate_limit.api_key_per_minute';

-- Regenerating and revoking

select tests.authenticate_as((select admin from people));

insert into made select 'second', public.api_key_rotate((select (answer ->> 'key_id')::uuid from made where name = 'form'), 60);

select tests.clear_authentication();

select is((select answer ->> 'key_id' from made where name = 'second'), (select answer ->> 'key_id' from made where name = 'form'), 'a regenerated key is the same entry');

select results_eq(
  $$select pg_temp.verdict(pg_temp.key('form')), pg_temp.verdict(pg_temp.key('second'))$$, $$values ('ok', 'ok')$$, 'for the overlap both work'
);

update public.api_keys set previous_expires_at = now() where name = 'Website form';

select is(pg_temp.verdict(pg_temp.key('form')), 'expired', 'then the old one is over');

select tests.authenticate_as((select admin from people));

insert into made select 'third', public.api_key_rotate((select (answer ->> 'key_id')::uuid from made where name = 'form'));

select tests.clear_authentication();

select results_eq(
  $$select pg_temp.verdict(pg_temp.key('form')), pg_temp.verdict(pg_temp.key('second')), pg_temp.verdict(pg_temp.key('third'))$$,
  $$values ('invalid', 'invalid', 'ok')$$, 'without an overlap the old one stops at once'
);

select tests.authenticate_as((select manager from people));

select throws_ok(format('select public.api_key_revoke(%L)', (select answer ->> 'key_id' from made where name = 'form')), '42501', null, 'nobody else revokes');

select throws_ok(format('select public.api_key_rotate(%L)', (select answer ->> 'key_id' from made where name = 'form')), '42501', null, 'or regenerates');

select tests.authenticate_as((select admin from people));

select public.api_key_revoke((select (answer ->> 'key_id')::uuid from made where name = 'form'));

select throws_ok(format('select public.api_key_rotate(%L)', (select answer ->> 'key_id' from made where name = 'form')), 'PT404', null, 'what is revoked stays so');

select throws_ok('select public.api_key_revoke(gen_random_uuid())', 'PT404', null, 'what is not there is not revoked');

select throws_ok(format('select public.api_key_rotate(%L, -1)', (select answer ->> 'key_id' from made where name = 'reader')), 'PT422', null, 'an overlap does not lie in the past');

select tests.clear_authentication();

select is(pg_temp.verdict(pg_temp.key('third')), 'revoked', 'a revoked key stops at once');

-- Settings page

select tests.authenticate_as((select manager from people));

select throws_ok('select public.settings_config()', '42501', null, 'the settings page is not everybody''s');

select tests.authenticate_as((select admin from people));

select ok(
  (select c -> 'api_keys' @> '[{"name": "Reader"}]' and not c -> 'api_keys' @> '[{"name": "Website form"}]' and c::text !~ split_part(pg_temp.key('reader'), '_', 3) from public.settings_config() c),
  'it lists the keys that are not revoked, masked'
);

select ok((select c -> 'webhook_urls' @> '[{"type": "facebook", "path": "/functions/v1/webhooks/meta"}]' from public.settings_config() c), 'and where providers deliver');

select tests.clear_authentication();

select private.integration_connect('facebook', '{"access_token": "x", "verify_token": "a token for Meta to verify"}');

select tests.authenticate_as((select admin from people));

select ok((select c -> 'webhook_urls' @> '[{"type": "facebook", "verify_token": "••••rify"}]' and c::text !~ 'for Meta' from public.settings_config() c), 'with the token to verify, masked');

select * from finish();

rollback;

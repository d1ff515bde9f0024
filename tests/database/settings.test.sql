-- Settings: who reads and writes which, what a known key accepts, and that a secret never shows.
begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('admin') as admin, tests.create_user('manager', 'Settings team') as manager,
  tests.create_user('counselor', 'Settings team') as counselor, tests.create_user('admin', null, false) as disabled;

grant select on people to public;

create function pg_temp.refuses(p_key text, p_value jsonb, p_name text) returns text language sql as $$
  select throws_ok(format('update public.system_settings set value = %L where key = %L', p_value, p_key), 'PT422', null, p_name);
$$;

create function pg_temp.accepts(p_key text, p_value jsonb, p_name text) returns text language sql as $$
  select lives_ok(format('update public.system_settings set value = %L where key = %L', p_value, p_key), p_name);
$$;

grant execute on function pg_temp.refuses(text, jsonb, text), pg_temp.accepts(text, jsonb, text) to public;

-- The demo organisation of seed.sql has a name of its own.
update public.system_settings set value = '"Intake"' where key = 'organization.name';

-- Defaults

select is(private.setting('organization.timezone'), '"Asia/Kolkata"', 'the organisation starts in Asia/Kolkata');

select is(private.setting('organization.currency'), '"INR"', 'and counts in rupees');

select is(private.setting('leads.unique_email'), 'true', 'and keeps one live lead per e-mail address');

select is(private.setting('no.such_key'), null, 'a key nobody wrote has no value');

select is(
  (select count(*)::integer from private.setting_rules r
    left join public.system_settings s on s.key = r.key
    where s.key is null or private.setting_fault(r, s.value) is not null),
  0, 'every key with a rule has a default that passes it');

-- Reading

select tests.authenticate_as((select counselor from people));

select set_eq(
  'select key from public.system_settings',
  $$values ('organization.name'), ('organization.timezone'), ('organization.currency'), ('organization.phone_region'),
    ('organization.website')$$,
  'a counselor reads the public keys alone');

select is(
  (select count(*) from public.app_settings), (select count(*) from public.system_settings),
  'the view app_settings shows a counselor no more than the table');

select tests.authenticate_as((select disabled from people));

select is_empty('select key from public.system_settings', 'a deactivated administrator reads nothing');

select tests.authenticate_as_anon();

select throws_ok('select key from public.system_settings', '42501', null, 'nobody reads settings without signing in');

select throws_ok('select key from public.app_settings', '42501', null, 'nor through the view');

select tests.authenticate_as((select admin from people));

select isnt_empty($$select key from public.system_settings where category = 'security'$$, 'an administrator reads every category');

-- Writing

select lives_ok(
  $$insert into public.system_settings (key, value, category) values ('smtp_server', '"mail.example.test"', 'email_config')
    on conflict (key) do update set key = excluded.key, value = excluded.value, category = excluded.category$$,
  'an administrator writes a key of their own by upsert');

select lives_ok(
  $$insert into public.system_settings (key, value, category) values ('smtp_server', '"smtp.example.test"', 'email_config')
    on conflict (key) do update set key = excluded.key, value = excluded.value, category = excluded.category$$,
  'and writes it again by the same upsert');

select results_eq(
  $$select value, updated_by from public.system_settings where key = 'smtp_server'$$,
  $$select '"smtp.example.test"'::jsonb, admin from people$$,
  'the last value counts, and says who wrote it');

select lives_ok(
  $$insert into public.app_settings (key, value, category) values ('smtp_server', '"mx.example.test"', 'email_config')
    on conflict (key) do update set key = excluded.key, value = excluded.value, category = excluded.category$$,
  'the view app_settings takes the same upsert');

select throws_ok(
  $$update public.system_settings set updated_by = null where key = 'smtp_server'$$, '42501', null,
  'who wrote it is not the client''s to say');

select throws_ok(
  $$update public.system_settings set key = 'smtp_host' where key = 'smtp_server'$$, 'PT409', null, 'a key is not renamed');

select throws_ok(
  $$update public.system_settings set is_secret = true where key = 'smtp_server'$$, 'PT409', null,
  'what was readable is not made secret afterwards');

select throws_ok(
  $$insert into public.system_settings (key, value) values ('Bad Key', '1')$$, '23514', null, 'a key is dotted snake case');

select lives_ok($$delete from public.system_settings where key = 'smtp_server'$$, 'an administrator deletes a key of their own');

select throws_ok(
  $$delete from public.system_settings where key = 'organization.timezone'$$, 'PT409', null, 'a key the system reads stays');

select tests.authenticate_as((select manager from people));

select throws_ok(
  $$insert into public.system_settings (key, value) values ('mine', '1')$$, '42501', null, 'a manager creates no setting');

update public.system_settings set value = '"Europe/Paris"' where key = 'organization.timezone';

delete from public.system_settings where key = 'organization.name';

select tests.authenticate_as((select admin from people));

select results_eq(
  $$select value from public.system_settings where key in ('organization.timezone', 'organization.name') order by key$$,
  $$values ('"Intake"'::jsonb), ('"Asia/Kolkata"')$$, 'nor changes or deletes one');

-- Rules

select pg_temp.refuses('organization.timezone', '"Mars/Olympus"', 'a time zone must exist');

select pg_temp.refuses('organization.timezone', '"IST"', 'a time zone is named in full');

select pg_temp.accepts('organization.timezone', '"Europe/Berlin"', 'a time zone that exists is taken');

select pg_temp.refuses('organization.currency', '"RUPEES"', 'a currency is an ISO 4217 code');

select pg_temp.refuses('organization.currency', '"XYZ"', 'and one in use');

select pg_temp.accepts('organization.currency', '"EUR"', 'the euro is one');

select pg_temp.refuses('organization.phone_region', '"India"', 'a region is an ISO 3166 code');

select pg_temp.refuses('organization.phone_region', '"ZZ"', 'and one that exists');

select pg_temp.refuses('organization.name', '"  "', 'the organisation has a name');

select pg_temp.refuses('organization.website', '"javascript:alert(1)"', 'a website is a web address');

select pg_temp.refuses('leads.unique_email', '"yes"', 'true or false is not a text');

select pg_temp.refuses('security.rate_limit.user_writes_per_minute', '-1', 'a cap has a floor');

select pg_temp.refuses('security.rate_limit.user_writes_per_minute', '1000000', 'and a ceiling');

select pg_temp.refuses('security.rate_limit.user_writes_per_minute', '1.5', 'and is a whole number');

select tests.clear_authentication();

select throws_ok(
  $$update public.system_settings set value = '"Mars/Olympus"' where key = 'organization.timezone'$$, 'PT422', null,
  'the rules hold for whoever writes, Studio included');

select throws_ok('truncate public.system_settings', '42501', null, 'settings cannot be truncated');

-- Secrets

select tests.authenticate_as((select admin from people));

select lives_ok(
  $$insert into public.system_settings (key, value, category) values ('sendgrid.api_key', '"SG.first-secret-value-1111"', 'email_config')
    on conflict (key) do update set key = excluded.key, value = excluded.value, category = excluded.category$$,
  'a key named like a credential is written like any other');

select results_eq(
  $$select is_secret, value from public.system_settings where key = 'sendgrid.api_key'$$,
  $$values (true, '"••••1111"'::jsonb)$$, 'it is secret without being told, and shows a mask');

select lives_ok(
  $$insert into public.system_settings (key, value, category) values ('sendgrid.api_key', '"SG.second-secret-value-2222"', 'email_config')
    on conflict (key) do update set key = excluded.key, value = excluded.value, category = excluded.category$$,
  'it is replaced by upsert');

select lives_ok(
  $$insert into public.system_settings (key, value, category) values ('sendgrid.api_key', '"••••2222"', 'email_config')
    on conflict (key) do update set key = excluded.key, value = excluded.value, category = excluded.category$$,
  'a form may send the mask back');

select throws_ok('select private.setting_secret(''sendgrid.api_key'')', '42501', null, 'an administrator does not read the secret');

select throws_ok(
  $$update public.system_settings set value = '""' where key = 'sendgrid.api_key'$$, 'PT422', null, 'a secret is not emptied');

select throws_ok(
  $$update public.system_settings set value = '"••••9999"' where key = 'sendgrid.api_key'$$, 'PT422', null,
  'the mask of another secret is no secret');

select throws_ok(
  $$insert into public.system_settings (key, value, is_secret, is_public) values ('shown', '"x"', true, true)$$, '23514', null,
  'a secret is not public');

select lives_ok(
  $$insert into public.system_settings (key, value, is_secret) values ('door', '"sesame"', true)$$, 'any key may be declared secret');

select is((select value from public.system_settings where key = 'door'), '"••••"', 'a short secret shows no tail');

select lives_ok($$update public.system_settings set is_secret = false where key = 'door'$$, 'saying that it is none');

select is((select is_secret from public.system_settings where key = 'door'), true, 'does not make it readable');

select tests.clear_authentication();

select is(private.setting_secret('sendgrid.api_key'), 'SG.second-secret-value-2222', 'the server reads the secret from Vault');

select is(
  (select count(*)::integer from vault.decrypted_secrets v where v.name = 'setting:sendgrid.api_key'), 1,
  'replacing a secret leaves one in Vault');

select is_empty(
  $$select key from public.system_settings where value::text like '%second-secret%'$$, 'the table holds none of it');

select tests.authenticate_as((select counselor from people));

select throws_ok(
  $$insert into public.system_settings (key, value) values ('my.api_key', '"SG.counselor-secret-value"')$$, '42501', null,
  'a counselor writes no secret');

select tests.authenticate_as((select admin from people));

delete from public.system_settings where key = 'sendgrid.api_key';

select tests.clear_authentication();

select is_empty(
  $$select 1 from vault.decrypted_secrets v where v.name in ('setting:sendgrid.api_key', 'setting:my.api_key')$$,
  'a deleted or refused secret is not left in Vault');

select * from finish();

rollback;

-- Integrations: an event is stored once and ends in one state, answers become leads, secrets reach no log.
begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('admin') as admin, tests.create_user('manager', 'North') as manager,
  tests.create_user('counselor', 'North') as counselor;

grant select on people to public;

create temp table noted (name text primary key, id uuid) on commit drop;

grant all on noted to public;

create function pg_temp.state_of(p_event_id text) returns text language sql as $$
  select state from private.webhook_inbox where provider = 'test' and event_id = p_event_id;
$$;

create function pg_temp.inbox_id(p_event_id text) returns uuid language sql as $$
  select id from private.webhook_inbox where provider = 'test' and event_id = p_event_id;
$$;

create function pg_temp.job_of(p_event_id text) returns uuid language sql as $$
  select j.id from private.jobs j where j.kind = 'inbox.test' and j.dedupe_key = pg_temp.inbox_id(p_event_id)::text;
$$;

create function pg_temp.graph_lead(p_id text, p_answers jsonb, p_form_id text default '990000000000001') returns jsonb language sql as $$
  select jsonb_build_object('id', p_id, 'form_id', p_form_id, 'ad_name', 'Autumn', 'field_data', (
    select jsonb_agg(jsonb_build_object('name', e.key, 'values', jsonb_build_array(e.value))) from jsonb_each_text(p_answers) e
  ));
$$;

-- Inbox

select is(private.inbox_receive('test', 'event:1', '\x7b7d', '{"a": "b"}'), true, 'an event is new');

select is(private.inbox_receive('test', 'event:1', '\x7b7d', '{"a": "b"}'), false, 'once');

select is((select count(*) from private.webhook_inbox where provider = 'test'), 1::bigint, 'and stored once');

select is(
  (select job_id from private.webhook_inbox where provider = 'test'), pg_temp.job_of('event:1'),
  'with one job to process it');

select is(private.inbox_receive('test', 'event:2', '\x7b7d', p_is_ignored => true), true, 'an event we do nothing with is kept');

select is(pg_temp.job_of('event:2'), null, 'without a job');

select results_eq(
  $$select event_id, raw from private.inbox_open(pg_temp.inbox_id('event:1'))$$,
  $$values ('event:1', '\x7b7d'::bytea)$$, 'the worker opens an event with the bytes that came');

select is(pg_temp.state_of('event:1'), 'processing', 'which shows');

select is(
  (select count(*) from private.inbox_open(pg_temp.inbox_id('event:1'))), 1::bigint,
  'an event whose worker died is opened again');

select private.inbox_close(pg_temp.inbox_id('event:1'));

select is((select count(*) from private.inbox_open(pg_temp.inbox_id('event:1'))), 0::bigint, 'a finished one is not');

select private.inbox_receive('test', 'event:3', '\x7b7d');

select private.bury_jobs(array[pg_temp.job_of('event:3')], 'no such lead');

select results_eq(
  $$select state, error from private.webhook_inbox where provider = 'test' and event_id = 'event:3'$$,
  $$values ('dead', 'no such lead')$$, 'an event dies with its job, and says why');

select is(
  (select description from public.integration_logs where integration_name = 'test' and status = 'failure'), 'no such lead',
  'and the log tells those who look there');

insert into noted select 'dead', pg_temp.inbox_id('event:3');

insert into noted select 'done', pg_temp.inbox_id('event:1');

select throws_ok(
  $$select private.inbox_receive('test', 'event:4', decode(repeat('00', 1048577), 'hex'))$$, '23514', null,
  'a body of over a megabyte is refused');

-- Replay

select tests.authenticate_as((select admin from people));

select is(
  (select state from public.inbox_list('test', 'dead')), 'dead', 'an administrator sees dead events');

select isnt(public.inbox_replay((select id from noted where name = 'dead')), null, 'and replays one');

select isnt(public.inbox_replay((select id from noted where name = 'done')), null, 'a finished one as well');

select throws_ok('select public.inbox_replay(gen_random_uuid())', 'PT404', null, 'one that is not there cannot be');

select is(
  public.inbox_get((select id from noted where name = 'dead')) ->> 'body_base64', 'e30=', 'an administrator reads the body');

select tests.clear_authentication();

select is(pg_temp.state_of('event:3'), 'received', 'a replayed event is open again');

select isnt(pg_temp.job_of('event:3'), null, 'with a job');

select is((select count(*) from private.jobs_dead where kind = 'inbox.test'), 0::bigint, 'and no dead one left');

select private.bury_jobs(array[pg_temp.job_of('event:3')], 'again');

select tests.authenticate_as((select admin from people));

select lives_ok(
  $$select public.job_retry(j.id) from public.jobs_list('dead', 'inbox.test') j$$, 'its dead job is taken up again');

select tests.clear_authentication();

select is(pg_temp.state_of('event:3'), 'received', 'which opens the event too');

-- Retention

select private.inbox_receive('test', 'event:old', '\x7b7d', p_is_ignored => true);

update private.webhook_inbox set received_at = now() - interval '91 days' where provider = 'test' and event_id in ('event:old', 'event:3');

select ok(private.integrations_prune() >= 1, 'old events are deleted');

select is(pg_temp.state_of('event:old'), null, 'when they are finished');

select is(pg_temp.state_of('event:3'), 'received', 'and no other');

-- Rejections

select private.count_rejection('test', 'signature', 3);

select private.count_rejection('test', 'signature');

select is(
  (select sum(count) from private.webhook_rejections where provider = 'test'), 4::numeric, 'refused deliveries are counted');

-- Mapping

select is(
  private.map_lead_answers('meta', '990000000000001', $$[
    {"name": "FULL_NAME", "values": [" Asha Menon "]}, {"name": "email", "values": ["Asha@Example.test"]},
    {"name": "city", "values": ["Kochi"]}, {"name": "which_course?", "values": ["BSc", "BCA"]}, {"name": "empty", "values": []}
  ]$$),
  '{"fields": {"name": "Asha Menon", "email": "asha@example.test"},
    "custom_fields": {"city": "Kochi", "which_course?": "BSc, BCA"}, "unmapped": ["which_course?"]}',
  'answers go where the default rows say, the others are kept as they are');

insert into public.lead_source_mappings (form_id, field, target, transform, position) values
  ('990000000000001', 'which_course?', 'course', 'upper', 1),
  ('990000000000001', 'city', 'ignore', 'trim', 2);

select is(
  private.map_lead_answers('meta', '990000000000001', '[{"name": "city", "values": ["Kochi"]}, {"name": "which_course?", "values": ["bsc"]}]'),
  '{"fields": {"course": "BSC"}, "custom_fields": {}, "unmapped": []}', 'a row of the form wins over the default');

select is(
  private.map_lead_answers('meta', '990000000000002', '[{"name": "city", "values": ["Kochi"]}]') -> 'custom_fields',
  '{"city": "Kochi"}', 'and holds for that form alone');

select is(
  private.map_lead_answers('meta', null, '[{"name": "work_email", "values": ["b@example.test"]}, {"name": "email", "values": ["a@example.test"]}]'),
  '{"fields": {"email": "a@example.test"}, "custom_fields": {"work_email": "b@example.test"}, "unmapped": []}',
  'of two answers for one column the first position fills it, the other is kept');

select throws_ok(
  $$insert into public.lead_source_mappings (field, target) values ('x', 'assigned_to')$$, '23514', null,
  'an answer cannot fill what is not the person''s to say');

select throws_ok(
  $$insert into public.lead_source_mappings (field, target) values ('EMAIL', 'email')$$, '23505', null,
  'a field has one row per form');

-- Leads

create temp table made on commit drop as
select * from private.meta_apply_lead(pg_temp.graph_lead('990000000000101',
  '{"full_name": "Asha Menon", "email": "asha.menon@example.test", "phone_number": "98470 12345", "city": "Kochi", "budget": "2 lakh"}',
  '990000000000009'));

select is((select is_new from made), true, 'a lead of Meta is a new lead');

select results_eq(
  $$select first_name, last_name, email, phone, source, custom_fields ->> 'budget', custom_fields -> 'meta' ->> 'ad_name'
    from public.leads where id = (select id from made)$$,
  $$values ('Asha', 'Menon', 'asha.menon@example.test', '+919847012345', 'Facebook Ad', '2 lakh', 'Autumn')$$,
  'with its answers in place, and where it came from');

select results_eq(
  $$select id, is_new from private.meta_apply_lead(pg_temp.graph_lead('990000000000101', '{"full_name": "Asha Menon"}'))$$,
  $$select id, false from made$$, 'the same lead again is the same lead');

select is(
  (select count(*) from public.lead_source_forms where form_id = '990000000000009'), 1::bigint, 'its form is remembered');

select is(
  (select count(*) from public.integration_logs where response_data ->> 'leadgen_id' = '990000000000101' and status = 'success'),
  2::bigint, 'each delivery is logged');

select ok(
  not exists (select from public.integration_logs where response_data ->> 'leadgen_id' = '990000000000101'
    and (response_data::text || coalesce(description, '')) ~* 'asha|98470'),
  'without personal data');

select is((select status from public.integrations where type = 'facebook'), 'connected', 'the integration shows that it works');

select throws_ok($$select * from private.meta_apply_lead('{"id": "abc"}')$$, 'PT422', null, 'a lead has a numeric id');

select is(
  (select a.is_new from private.meta_apply_lead(pg_temp.graph_lead('990000000000102', '{"email": "not an address", "phone_number": "12"}')) a),
  true, 'what a person mistyped is no reason to lose the person');

-- Backfill

select private.meta_register_form('990000000000077', '990000000000007', 'Autumn');

select results_eq(
  $$select since, cursor from private.meta_backfill_open('990000000000077')$$,
  $$values ('-infinity'::timestamptz, null::text)$$, 'the first comparison of a form starts at its beginning');

select is(
  private.meta_backfill_page('990000000000077', jsonb_build_array(
    pg_temp.graph_lead('990000000000103', '{"email": "one@example.test"}'),
    pg_temp.graph_lead('no number', '{"email": "bad@example.test"}'),
    pg_temp.graph_lead('990000000000101', '{"email": "asha.menon@example.test"}')
  ), 'page2'), 1, 'a page brings what was missing, and one lead that cannot be taken hides no other');

select results_eq(
  $$select cursor from private.meta_backfill_open('990000000000077')$$, $$values ('page2')$$,
  'a comparison that was cut off goes on where it stopped');

select private.meta_backfill_page('990000000000077', '[]', null);

select results_eq(
  $$select since, cursor from private.meta_backfill_open('990000000000077')$$,
  $$values (now() - interval '1 hour', null::text)$$, 'the next one starts an hour before this one');

select is(
  (select count(*) from public.integration_logs where response_data ->> 'form_id' = '990000000000077' and activity_type = 'lead_backfill'),
  2::bigint, 'both what was found and what failed is logged');

select ok(private.meta_backfill_forms() >= 1, 'every active form is compared');

select is(
  (select count(*) from private.jobs where kind = 'meta.backfill_form' and dedupe_key = '990000000000077'), 1::bigint,
  'by a job of its own');

-- Secrets

insert into public.integration_logs (integration_name, activity_type, description, status, request_data, response_data)
values ('facebook', 'test', 'GET /me?access_token=EAAB123&x=1 with Bearer abc.def', 'failure',
  '{"headers": {"Authorization": "Bearer abc", "accept": "json"}, "list": [{"api_key": "k"}], "url": "https://x.test/?token=t1&a=2"}',
  '{"password": "p", "nested": {"client_secret": "s"}, "ok": true}');

select results_eq(
  $$select description, request_data, response_data from public.integration_logs where integration_name = 'facebook' and activity_type = 'test'$$,
  $$values (
    'GET /me?access_token=[redacted]&x=1 with Bearer [redacted]',
    '{"headers": {"Authorization": "[redacted]", "accept": "json"}, "list": [{"api_key": "[redacted]"}], "url": "https://x.test/?token=[redacted]&a=2"}'::jsonb,
    '{"password": "[redacted]", "nested": {"client_secret": "[redacted]"}, "ok": true}'::jsonb
  )$$, 'secrets are replaced wherever they stand');

select lives_ok(
  $$select private.integration_connect('facebook', '{"access_token": "EAAB"}', '{"page_ids": ["1"]}')$$,
  'credentials are stored');

select is(private.integration_credentials('facebook'), '{"access_token": "EAAB"}', 'and read by edge functions alone');

-- Rights

select tests.authenticate_as((select admin from people));

select results_eq(
  $$select status, has_credentials, config from public.integrations_status where type = 'facebook'$$,
  $$values ('connected', true, '{"page_ids": ["1"]}'::jsonb)$$, 'an administrator sees how an integration stands');

select throws_ok($$select private.integration_credentials('facebook')$$, '42501', null, 'not its credentials');

select lives_ok($$update public.integrations set config = '{"page_ids": ["2"]}' where type = 'facebook'$$, 'changes its configuration');

select throws_ok($$update public.integrations set status = 'connected'$$, '42501', null, 'not its status');

select lives_ok(
  $$insert into public.integration_logs (integration_name, activity_type, status) values ('facebook', 'lead_sync', 'info')$$,
  'writes to the log');

select throws_ok($$update public.integration_logs set status = 'success'$$, '42501', null, 'changes nothing in it');

select throws_ok('delete from public.integration_logs', '42501', null, 'and removes nothing');

select is(
  public.lead_source_mapping_test('{"form_id": "1", "field_data": [{"name": "email", "values": ["A@b.test"]}]}') -> 'fields',
  '{"email": "a@b.test"}', 'tries a mapping on a sample');

select throws_ok($$select public.lead_source_mapping_test('{}')$$, 'PT422', null, 'which must be one');

select lives_ok(
  $$insert into public.lead_source_mappings (field, target) values ('test_hobby', 'custom:hobby')$$, 'adds a mapping');

select lives_ok($$delete from public.lead_source_mappings where field = 'test_hobby'$$, 'and removes it');

select is(
  (select sum(count) from public.inbox_rejections(now() - interval '2 hours') where provider = 'test'), 4::numeric,
  'sees how many deliveries were refused');

select is(public.integration_disconnect('facebook') ->> 'status', 'disconnected', 'disconnects an integration');

select throws_ok($$select public.integration_disconnect('fax')$$, 'PT404', null, 'that there is');

select tests.clear_authentication();

select is(private.integration_credentials('facebook'), null, 'which forgets the credentials');

select is(
  (select count(*) from vault.decrypted_secrets where name = 'integration_facebook'), 0::bigint, 'in the Vault too');

select tests.authenticate_as((select counselor from people));

select is_empty('select * from public.integrations_status', 'a counselor sees no integrations');

select is_empty('select * from public.integration_logs', 'nor their log');

select is_empty('select * from public.lead_source_mappings', 'nor mappings');

select throws_ok(
  $$insert into public.integration_logs (integration_name, activity_type, status) values ('x', 'y', 'info')$$, '42501', null,
  'and writes none');

select throws_ok('select * from public.inbox_list()', '42501', null, 'nor the inbox');

select throws_ok('select public.inbox_get(gen_random_uuid())', '42501', null, 'nor a body');

select throws_ok('select public.inbox_replay(gen_random_uuid())', '42501', null, 'nor replays');

select throws_ok($$select public.integration_disconnect('facebook')$$, '42501', null, 'nor disconnects');

select throws_ok('select * from private.webhook_inbox', '42501', null, 'nor reads the table');

select throws_ok($$select private.inbox_receive('test', 'mine', '\x00')$$, '42501', null, 'nor delivers');

select throws_ok($$select private.meta_apply_lead('{"id": "1"}')$$, '42501', null, 'nor makes a lead of Meta');

select tests.clear_authentication();

select * from finish();

rollback;

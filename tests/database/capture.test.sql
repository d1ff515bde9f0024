-- Capture: an enquiry of a program is one like any other, and its answer tells nothing of anybody.

begin;

select no_plan();

create temp table people on commit drop as select tests.create_user('admin') as admin, tests.create_user('counselor', 'Capture') as counselor;

grant select on people to public;

create temp table keys on commit drop as
with made as (
  insert into public.api_keys (name, key_prefix, last4, key_hash, scopes)
  select 'Capture ' || n, 'intake_0000000' || n, '0000', encode(sha256(convert_to('capture' || n, 'UTF8')), 'hex'), '{leads.create}' from generate_series(1, 2) n
  returning id, name
)
select max(id::text) filter (where name = 'Capture 1')::uuid as first, max(id::text) filter (where name = 'Capture 2')::uuid as second from made;

create function pg_temp.send(p_enquiry jsonb, p_idempotency_key text default null, p_key text default 'first', p_body text default 'a') returns jsonb language sql as $$
  select private.capture_lead((select (to_jsonb(k) ->> p_key)::uuid from keys k), 'api', p_enquiry, p_idempotency_key, encode(sha256(convert_to(p_body, 'UTF8')), 'hex'))
$$;

create function pg_temp.of(p_email text) returns public.leads language sql as $$
  select l from public.leads l where l.email = p_email
$$;

-- One person, one lead

select ok((select s -> 'accepted' = 'true' and s - '{accepted,reference}'::text[] = '{}' from pg_temp.send('{"answers": {"firstName": "Asha", "last_name": "Menon", "email": " Asha@Capture.test ", "mobile": "9812300001", "which_batch": "evening"}, "source": "Landing page", "external_id": "e1", "consent": true}') s), 'an enquiry is answered by a reference');

select results_eq(
  $$select l.first_name, l.last_name, l.phone, l.source, l.custom_fields from pg_temp.of('asha@capture.test') l$$,
  $$values ('Asha', 'Menon', '+919812300001', 'Landing page', '{"which_batch": "evening"}'::jsonb)$$, 'mapped as the organisation maps it, normal as everywhere'
);

select results_eq(
  $$select e.channel, e.external_id = k.first || ':e1', e.payload -> 'consent', e.payload ->> 'api_key_id' = k.first::text from public.lead_enquiries e, keys k where e.lead_id = (pg_temp.of('asha@capture.test')).id$$,
  $$values ('api', true, 'true'::jsonb, true)$$, 'and kept as it came, with the consent'
);

select results_eq(
  $$select c.channel, c.state, c.source from public.consents c where c.lead_id = (pg_temp.of('asha@capture.test')).id order by 1$$,
  $$values ('email', 'granted', 'form'), ('sms', 'granted', 'form'), ('whatsapp', 'granted', 'form')$$, 'and in the ledger of consents'
);

select pg_temp.send('{"answers": {"email": "quiet@capture.test", "phone": "9812300009"}, "consent": {"given": true, "channels": ["email"]}}');

select pg_temp.send('{"answers": {"email": "quiet@capture.test"}, "consent": false}');

select results_eq($$select c.channel, c.state from public.consents c where c.lead_id = (pg_temp.of('quiet@capture.test')).id$$, $$values ('email', 'granted')$$, 'for the channels that were named; no box takes it back');

select is(
  (select array_agg(k order by k) from jsonb_object_keys(pg_temp.send('{"answers": {"name": "Somebody", "email": "asha@capture.test"}}')) k),
  (select array_agg(k order by k) from jsonb_object_keys(pg_temp.send('{"answers": {"name": "Somebody", "email": "new@capture.test"}}')) k),
  'a known person is answered as a new one'
);

select is((pg_temp.of('asha@capture.test')).enquiries_count, 2, 'and is one lead, who asked twice');

select pg_temp.send('{"answers": {"email": "asha@capture.test"}, "source": "Landing page", "external_id": "e1"}');

select is((pg_temp.of('asha@capture.test')).enquiries_count, 2, 'what a program calls the same counts once');

select pg_temp.send('{"answers": {"email": "other@capture.test"}, "source": "Landing page", "external_id": "e1"}', null, 'second');

select isnt((pg_temp.of('other@capture.test')).id, null, 'and is another program''s own');

-- Once

select is(
  pg_temp.send('{"answers": {"email": "once@capture.test"}}', 'k1'), pg_temp.send('{"answers": {"email": "once@capture.test"}}', 'k1'), 'the same request is answered as the first time'
);

select is((pg_temp.of('once@capture.test')).enquiries_count, 1, 'and done once');

select throws_ok($$select pg_temp.send('{"answers": {"email": "twice@capture.test"}}', 'k1', 'first', 'b')$$, 'PT409', null, 'its key does not serve another');

select lives_ok($$select pg_temp.send('{"answers": {"email": "twice@capture.test"}}', 'k1', 'second', 'b')$$, 'but another program''s');

update private.capture_requests set created_at = now() - interval '8 days';

select cmp_ok(private.capture_requests_purge(), '>=', 2, 'for a week');

-- What cannot be read

select throws_ok($$select pg_temp.send('{"answers": {"name": "Nobody"}}')$$, 'PT422', null, 'who leaves no address is not reached');

select throws_ok($$select pg_temp.send('{"answers": {"email": "not an address", "phone": "12"}}', 'k9')$$, 'PT422', null, 'nor by what is none');

select is((select count(*) from private.capture_requests where idempotency_key = 'k9'), 0::bigint, 'and nothing of it is kept');

select lives_ok($$select pg_temp.send('{"answers": {"email": "not an address", "phone": "9812300002"}}')$$, 'one of two is enough');

-- The organisation's own fields

select tests.authenticate_as((select counselor from people));

select throws_ok($$insert into public.custom_fields (key, label) values ('mine', 'Mine')$$, '42501', null, 'a custom field needs settings.manage');

select tests.authenticate_as((select admin from people));

insert into public.custom_fields (key, label, kind, options, is_required, position) values
  ('intake_term', 'Intake', 'choice', '{autumn,spring}', true, 1), ('age', 'Age', 'number', null, false, 2);

insert into public.custom_fields (key, label, is_on_forms) values ('internal', 'Internal', false);

select throws_ok($$insert into public.custom_fields (key, label, kind) values ('empty_choice', 'x', 'choice')$$, '23514', null, 'a choice has options');

select tests.clear_authentication();

select throws_ok($$select pg_temp.send('{"answers": {"email": "f@capture.test"}}')$$, 'PT422', null, 'what a form has to ask is missed');

select throws_ok($$select pg_temp.send('{"answers": {"email": "f@capture.test"}, "custom_fields": {"intake_term": "winter"}}')$$, 'PT422', null, 'a choice is one of its options');

select throws_ok($$select pg_temp.send('{"answers": {"email": "f@capture.test", "age": "old"}, "custom_fields": {"intake_term": "autumn"}}')$$, 'PT422', null, 'a number is one');

select throws_ok($$select pg_temp.send('{"answers": {"email": "f@capture.test", "internal": "x"}, "custom_fields": {"intake_term": "autumn"}}')$$, 'PT422', null, 'what is not for forms is not filled in by one');

select lives_ok($$select pg_temp.send('{"answers": {"email": "f@capture.test", "age": "17"}, "custom_fields": {"intake_term": "autumn"}}')$$, 'what fits is taken');

select is((pg_temp.of('f@capture.test')).custom_fields, '{"intake_term": "autumn", "age": "17"}', 'under its keys');

select ok(
  (select f @> '[{"key": "intake_term", "label": "Intake", "kind": "choice", "options": ["autumn", "spring"], "is_required": true}]' and f::text !~ 'internal' from private.capture_form() f),
  'a form is told what it may ask'
);

select results_eq(
  $$select private.custom_field_fits(f, v) from (values ('boolean', 'yes'), ('boolean', 'maybe'), ('date', '2026-02-28'), ('date', '28.2.'), ('text', 'x'), ('number', '1e9')) t (kind, v), lateral (select t.kind) k, lateral (select (jsonb_populate_record(null::public.custom_fields, jsonb_build_object('kind', t.kind))).*) f$$,
  'values (true), (false), (true), (false), (true), (false)', 'kinds are what they say'
);

select * from finish();

rollback;

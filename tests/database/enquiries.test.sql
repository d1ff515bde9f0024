-- Enquiries: one person has one live lead, every time they ask is kept, and nobody learns of a lead
-- that is not theirs to see.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('admin') as admin, tests.create_user('manager', 'Enquiries A') as manager,
  tests.create_user('counselor', 'Enquiries A') as counselor, tests.create_user('counselor', 'Enquiries B') as stranger,
  tests.create_user('counselor', 'Enquiries B', false) as inactive;

grant select on people to public;

-- Nobody takes leads in turn here: routing has a file of its own.
alter table public.leads disable trigger route_new_lead;

-- Enquiries from outside

create function pg_temp.ingest(p_external text, p_fields jsonb, p_source text default 'Facebook Ad') returns table (id uuid, lead_id text, is_new boolean) language sql as $$
  select * from private.ingest_lead(p_source, p_external, p_fields, p_fields);
$$;

create temp table first on commit drop as
select * from pg_temp.ingest('fb-1', '{"name": "Ravi Kumar", "email": "RAVI@ingest.test", "phone": "98000 00001", "city": "Pune", "course": "MBBS"}');

select results_eq(
  $$select l.name, l.email, l.phone, l.course, l.source, l.status, l.custom_fields, l.created_by, first.is_new from public.leads l join first using (id)$$,
  $$values ('Ravi Kumar', 'ravi@ingest.test', '+919800000001', 'MBBS', 'Facebook Ad', 'new', '{"city": "Pune"}'::jsonb, null::uuid, true)$$,
  'an enquiry becomes a lead, and what no field is for is kept');

select results_eq(
  $$select id, is_new from pg_temp.ingest('fb-1', '{"name": "Ravi Kumar", "email": "RAVI@ingest.test", "phone": "98000 00001", "city": "Pune"}')$$, 'select id, false from first',
  'the same delivery counts once');

select results_eq(
  $$select id, is_new from pg_temp.ingest('fb-1', '{"name": "Someone Else", "email": "else@ingest.test"}')$$, 'select id, false from first',
  'whatever it holds the second time');

select results_eq(
  $$select id, is_new from pg_temp.ingest('fb-2', '{"name": "R. Kumar", "email": "ravi@ingest.test", "organization": "AIIMS", "city": "Mumbai", "year": 2027}')$$, 'select id, false from first',
  'the same e-mail is the same person');

select results_eq(
  $$select name, organization, custom_fields from public.leads join first using (id)$$, $$values ('Ravi Kumar', 'AIIMS', '{"city": "Pune", "year": 2027}'::jsonb)$$,
  'what was missing is filled in, what was there stays');

select results_eq(
  $$select id, is_new from pg_temp.ingest('web-1', '{"name": "Ravi", "phone": "+919800000001"}', 'Website')$$, 'select id, false from first', 'the same phone is the same person, by another way too');

select results_eq(
  $$select is_new from pg_temp.ingest('fb-1', '{"name": "Web Person", "email": "web@ingest.test"}', 'Website')$$, 'values (true)', 'the same id of another source is another delivery');

select is((select count(*) from public.lead_enquiries e join first on e.lead_id = first.id), 3::bigint, 'every enquiry is kept');

select is((select r.payload ->> 'city' from public.lead_enquiries r where r.source = 'Facebook Ad' and r.external_id = 'fb-1'), 'Pune', 'with what was sent');

select is(
  (select jsonb_object_agg(r.external_id, r.asked) from public.lead_enquiries r where r.source = 'Facebook Ad' and r.external_id like 'fb-_'),
  '{"fb-1": {}, "fb-2": {"name": "R. Kumar", "email": "ravi@ingest.test", "organization": "AIIMS", "custom_fields": {"city": "Mumbai", "year": 2027}}}',
  'and with what was said the second time, which the lead does not show');

update public.leads set deleted_at = now() from first where leads.id = first.id;

select results_eq(
  $$select is_new from pg_temp.ingest('fb-3', '{"name": "Ravi Kumar", "email": "ravi@ingest.test"}')$$, 'values (true)', 'somebody whose lead was deleted is a new lead when they ask again');

-- Nothing that somebody types loses them

create function pg_temp.kept(p_external text, p_fields jsonb) returns text language plpgsql as $$
declare
  made uuid;
  kept public.leads;
begin
  select i.id into made from pg_temp.ingest(p_external, p_fields) i where i.is_new;
  select * into kept from public.leads l where l.id = made;
  return concat_ws('|', kept.name, kept.email, kept.phone, kept.custom_fields::text);
exception when others then
  return sqlstate || ' ' || sqlerrm;
end
$$;

select is(pg_temp.kept('odd-' || n, fields::jsonb), wanted, format('an enquiry with %s is kept', what))
from (values
  (1, '{"name": "Odd One", "email": "not an address", "phone": "12"}', 'Odd One|{"email": "not an address", "phone": "12"}', 'no usable address'),
  (2, '{"email": "odd2@ingest.test"}', '|odd2@ingest.test|{}', 'an address alone'),
  (3, '{}', 'Unnamed enquiry|{}', 'nothing at all'),
  (4, '{"phone": "call me"}', 'Unnamed enquiry|{"phone": "call me"}', 'nothing usable'),
  (5, '{"name": null, "email": null, "phone": null}', 'Unnamed enquiry|{}', 'nulls'),
  (6, '{"name": "Odd Six", "assigned_to": "6f1f2a52-0000-4000-8000-00000000000a", "status": "enrolled", "created_by": "x"}',
    'Odd Six|{"status": "enrolled", "created_by": "x", "assigned_to": "6f1f2a52-0000-4000-8000-00000000000a"}', 'fields that are not its to set'),
  (7, '{"name": "Odd Seven", "custom_fields": {"q1": "yes"}, "q2": [1, 2]}', 'Odd Seven|{"q1": "yes", "q2": [1, 2]}', 'answers of two kinds'),
  (8, '{"name": "Odd Eight", "custom_fields": null}', 'Odd Eight|{}', 'no answers'),
  (9, '{"name": "Odd Nine", "custom_fields": "text"}', 'Odd Nine|{"custom_fields": "text"}', 'answers of the wrong kind'),
  (10, '{"name": " \t ", "first_name": "\n"}', 'Unnamed enquiry|{}', 'a blank name')
) t (n, fields, wanted, what);

select matches(pg_temp.kept('long-' || n, fields), '^(n+|Long)', format('an enquiry with %s is kept', what))
from (values
  (5, jsonb_build_object('name', 'Long Five', 'custom_fields', (select jsonb_object_agg(n, md5(n::text)) from generate_series(1, 3000) n)), 'three thousand answers'),
  (1, jsonb_build_object('name', repeat('n', 1000)), 'a name of a thousand letters'), (2, jsonb_build_object('first_name', repeat('n', 1000), 'last_name', repeat('n', 1000)), 'two such names'),
  (3, jsonb_build_object('name', 'Long Three', 'website', repeat('w', 9000), 'course', repeat('c', 9000), 'organization', repeat('o', 9000)), 'long fields'),
  (4, jsonb_build_object('name', 'Long Four', 'story', (select string_agg(md5(n::text), '') from generate_series(1, 4000) n)), 'an answer of 128 kB')
) t (n, fields, what);

select is((select count(*) from public.leads l join public.lead_enquiries r on r.lead_id = l.id where r.external_id like 'odd-%'), 10::bigint, 'each of them is a lead of its own');

select is(has_function_privilege(role, 'private.ingest_lead(text, text, jsonb, jsonb, text)', 'execute'), false, format('%s does not ingest', role)) from unnest(array['anon', 'authenticated', 'service_role']) role;

-- A person who has a lead

create temp table known on commit drop as
select gen_random_uuid() as id;

grant select on known to public;

insert into public.leads (id, name, email, phone, assigned_to)
select k.id, 'Known Person', 'known@enquiries.test', '+919811111111', p.counselor from known k, people p;

select is((select array_agg(e.channel) from public.lead_enquiries e join known k on k.id = e.lead_id), array['api'], 'the making of a lead is its first enquiry');

update public.leads l set status = 'lost' from known k where l.id = k.id;

delete from public.notifications;

select tests.authenticate_as((select stranger from people));

select is_empty(
  $$insert into public.leads (name, email, source) values ('K. Person', ' KNOWN@enquiries.test ', 'Walk-in') returning id$$,
  'writing a lead of a known person answers with nothing');

select is_empty($$select from public.leads l where l.email = 'known@enquiries.test'$$, 'and shows nothing');

select is(
  public.crm_create_lead('{"firstName": "Known", "mobile": "098111 11111"}'), '{"message": "Enquiry recorded", "lead_id": null, "id": null}'::jsonb,
  'the RPC says that the enquiry was recorded, and no more, to whom the lead is not visible');

select tests.authenticate_as((select counselor from people));

select is(
  public.crm_create_lead('{"firstName": "Known", "email": "known@enquiries.test"}') - 'lead_id', (select jsonb_build_object('message', 'Enquiry recorded', 'id', k.id) from known k),
  'and names the lead to whom it is');

select tests.clear_authentication();

select results_eq(
  $$select l.status, l.enquiries_count, l.name from public.leads l join known k using (id)$$, $$values ('new', 4, 'Known Person')$$,
  'the lead is open again, counts its enquiries, and is otherwise as it was');

select is((select h.reason from public.lead_history h join known k on k.id = h.lead_id order by h.changed_at desc, h.id desc limit 1), 'Enquired again', 'its history says why');

select results_eq(
  $$select e.source, e.channel, e.created_by is not null from public.lead_enquiries e join known k on k.id = e.lead_id order by e.id$$,
  $$values ('Manual', 'api', false), ('Walk-in', 'hand', true), ('Manual', 'hand', true), ('Manual', 'hand', true)$$,
  'every enquiry is kept with its source, its channel and who wrote it down');

select results_eq(
  $$select n.title, count(*) from public.notifications n join people p on n.user_id = p.counselor group by n.title$$, $$values ('A lead enquired again', 2::bigint)$$,
  'the owner is told, but not of what they wrote down themselves');

select is((select count(*) from public.activities a join known k on k.id = a.lead_id where a.type = 'enquiry'), 3::bigint, 'the timeline shows it');

update public.leads l set status = 'enrolled' from known k where l.id = k.id;

insert into public.leads (name, email) values ('Known', 'known@enquiries.test');

select is((select l.status from public.leads l join known k using (id)), 'enrolled', 'who has enrolled stays enrolled');

select tests.authenticate_as((select inactive from people));

select throws_ok($$insert into public.leads (name, email) values ('X', 'known@enquiries.test')$$, '42501', null, 'an inactive account records no enquiry');

select tests.clear_authentication();

select is((select l.enquiries_count from public.leads l join known k using (id)), 5, 'and none was recorded');

-- Further addresses

insert into public.lead_identities (lead_id, kind, value, label) select id, 'phone', '98222 22222', 'Father' from known;

select is((select i.value from public.lead_identities i join known k on k.id = i.lead_id), '+919822222222', 'a further number is normalised');

select throws_ok($$insert into public.lead_identities (lead_id, kind, value) select id, 'email', 'nope' from known$$, 'PT422', null, 'and checked');

select is((select i.id from pg_temp.ingest('father-1', '{"name": "Father", "phone": "9822222222"}') i), (select id from known), 'an enquiry from it is this person''s');

select tests.authenticate_as((select counselor from people));

select isnt_empty($$insert into public.lead_identities (lead_id, kind, value) select id, 'email', 'Second@enquiries.test' from known returning id$$, 'the owner adds an address');

select throws_ok($$insert into public.lead_identities (lead_id, kind, value) select id, 'email', ' SECOND@enquiries.test' from known$$, '23505', null, 'and not twice');

select throws_ok($$update public.lead_identities set value = 'x@enquiries.test'$$, '42501', null, 'none is changed under the hand');

select throws_ok($$select e.payload from public.lead_enquiries e$$, '42501', null, 'what was sent is not readable');

select results_eq(
  $$select e.source, e.asked from public.lead_enquiries e join known k on k.id = e.lead_id where e.source in ('Walk-in', 'Facebook Ad') order by e.id$$,
  $$values ('Walk-in', '{"name": "K. Person", "email": "known@enquiries.test"}'::jsonb), ('Facebook Ad', '{"name": "Father", "phone": "9822222222"}')$$,
  'what this person said when asking again is, in the fields of a lead');

select isnt_empty($$select e.id, e.source from public.lead_enquiries e join known k on k.id = e.lead_id$$, 'the enquiries are');

select tests.authenticate_as((select stranger from people));

select is_empty($$select i.id from public.lead_identities i$$, 'another counselor sees no addresses');

select is_empty($$select e.id from public.lead_enquiries e join known k on k.id = e.lead_id$$, 'and no enquiries');

select throws_ok($$insert into public.lead_identities (lead_id, kind, value) select id, 'email', 'third@enquiries.test' from known$$, '42501', null, 'and adds none');

select tests.clear_authentication();

-- Changes

insert into public.leads (name, email, assigned_to) select 'Second Person', 'second-person@enquiries.test', stranger from people;

select tests.authenticate_as((select stranger from people));

select throws_ok(
  $$update public.leads set email = 'known@enquiries.test' where name = 'Second Person'$$, 'PT409', 'Another lead has this e-mail address or phone number.',
  'a change cannot make two leads one person');

select tests.clear_authentication();

update public.leads l set deleted_at = now() from known k where l.id = k.id;

select isnt_empty($$insert into public.leads (name, email) values ('Known Anew', 'known@enquiries.test') returning id$$, 'a deleted lead stands in nobody''s way');

select throws_ok($$update public.leads l set deleted_at = null from known k where l.id = k.id$$, 'PT409', null, 'and does not come back beside the new one');

-- Families that share addresses

update public.system_settings set value = 'false' where key = 'leads.unique_email';

select isnt_empty($$insert into public.leads (name, email) values ('Sister', 'known@enquiries.test') returning id$$, 'where families share an address, each enquiry of it is a lead');

select isnt_empty($$insert into public.leads (name, email) values ('Brother', 'known@enquiries.test') returning id$$, 'however many they are');

-- Where families share a phone, one that was somebody's alone before is nobody's alone from then on.

insert into public.leads (name, phone) values ('Elder Brother', '+919833300001');

update public.system_settings set value = 'false' where key = 'leads.unique_phone';

select results_eq(
  $$select is_new from pg_temp.ingest('family-1', '{"name": "Younger Sister", "phone": "98333 00001"}')$$, 'values (true)',
  'an enquiry from outside by a shared phone is a lead of its own, as one by hand is');

select is((select array_agg(l.name order by l.lead_no) from public.leads l where l.phone = '+919833300001'), array['Elder Brother', 'Younger Sister'], 'and has the phone too');

update public.system_settings set value = 'true' where key in ('leads.unique_phone', 'leads.unique_email');

-- Written again by its id

insert into public.leads (id, name, email) values ('6f1f2a52-0000-4000-8000-0000000000e1', 'Put Once', 'put@enquiries.test');

insert into public.leads (id, name, email) values ('6f1f2a52-0000-4000-8000-0000000000e1', 'Put Twice', 'put@enquiries.test')
on conflict (id) do update set name = excluded.name, email = excluded.email;

select results_eq(
  $$select l.name, l.enquiries_count from public.leads l where l.email = 'put@enquiries.test'$$, $$values ('Put Twice', 1)$$,
  'a lead put again is changed, and has not enquired');

select throws_ok(
  $$insert into public.leads (id, name, email) values ('6f1f2a52-0000-4000-8000-0000000000e1', 'Put Thrice', 'put@enquiries.test')$$, '23505', null,
  'and is not inserted twice');

select * from finish();

rollback;

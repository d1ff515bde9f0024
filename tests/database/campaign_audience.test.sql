-- Campaign audience: what criteria mean, what they refuse, and whom they never reach.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('manager', 'Audience A') as manager, tests.create_user('counselor', 'Audience A') as counselor,
  tests.create_user('counselor', 'Audience B') as stranger, tests.create_user('admin') as admin, tests.create_user('manager', 'Audience B') as other_manager;

grant select on people to public;

alter table public.leads disable trigger route_new_lead;

insert into public.leads (name, email, phone, qualification, experience, source, tags, custom_fields, assigned_to, created_at)
select x.name, x.email, x.phone, x.qualification, x.experience, 'Audience Test', x.tags, x.custom_fields, case x.whose when 'A' then p.counselor when 'B' then p.stranger end, '2026-01-15'
from people p, (values
  ('Asha', 'asha.audience@example.test', '+919800000001', 'MBBS', 5.0, '{doctor}'::text[], '{"city": "Pune"}'::jsonb, 'A'),
  ('Binu', 'binu.audience@example.test', null, 'mbbs', 2, '{doctor,vip}', '{"city": "Delhi", "age": "31"}', 'A'),
  ('Chad', null, '+919800000003', 'MBBS', 3.5, '{}', '{}', 'A'),
  ('Devi', 'devi.audience@example.test', null, 'MD', 9, '{}', '{}', 'A'),
  ('Esha', 'esha.audience@example.test', null, 'MBBS', 7, '{}', '{}', 'B'),
  ('Gone', 'gone.audience@example.test', null, 'MBBS', 7, '{}', '{}', 'A'),
  ('None', 'none.audience@example.test', null, 'MBBS', null, '{}', '{}', 'A')
) x (name, email, phone, qualification, experience, tags, custom_fields, whose);

update public.leads set deleted_at = now() where name = 'Gone' and source = 'Audience Test';

insert into public.students (name, email, course, academic_year, assigned_to) select 'Falk', 'falk.audience@example.test', 'Audience Test', '2025-26', p.counselor from people p;

insert into public.students (name, email, course, academic_year, assigned_to) select 'Asha again', 'asha.audience@example.test', 'Audience Test', '2024-25', p.counselor from people p;

create function pg_temp.names(p_criteria jsonb, p_type text default 'email', p_channels text[] default '{email,whatsapp,sms}') returns text language sql as $$
  select string_agg(s ->> 'name', ' ' order by s ->> 'name')
  from jsonb_array_elements(public.campaign_audience_preview(p_criteria || '{"source": "Audience Test"}', p_type, p_channels) -> 'sample') s;
$$;

grant execute on function pg_temp.names(jsonb, text, text[]) to authenticated;

select tests.authenticate_as((select admin from people));

-- The document's own

select is(pg_temp.names('{"qualification": "MBBS", "experience": ">2"}'), 'Asha Esha', 'the document''s criteria: qualification whatever its case, and more than two years');

select is(
  public.campaign_audience_preview('{"source": "Audience Test", "qualification": "MBBS", "experience": ">2"}', p_limit => 0),
  '{"count": 2, "channels": {"email": 2}, "sample": []}', 'counted, and nobody is named unless asked for'
);

-- Every way to say it

select is(pg_temp.names(c.criteria), c.names, c.criteria::text)
from (values
  ('{"experience": ">=2", "qualification": "MBBS"}'::jsonb, 'Asha Binu Esha'),
  ('{"experience": "< 5"}', 'Binu'),
  ('{"experience": "<=5"}', 'Asha Binu'),
  ('{"experience": 2}', 'Binu'),
  ('{"experience": "2"}', 'Binu'),
  ('{"experience": [2, "9"]}', 'Binu Devi'),
  ('{"experience": {"gt": 2, "lt": 8}}', 'Asha Esha'),
  ('{"experience": null}', 'None'),
  ('{"experience": {"is_set": true}, "qualification": "!=MBBS"}', 'Devi'),
  ('{"qualification": ["md", "MS"]}', 'Devi'),
  ('{"qualification": {"contains": "b"}, "experience": ">6"}', 'Esha'),
  ('{"tags": "vip"}', 'Binu'),
  ('{"tags": ["vip", "doctor"]}', 'Asha Binu'),
  ('{"custom_fields.city": "pune"}', 'Asha'),
  ('{"custom_fields.age": ">30"}', 'Binu'),
  ('{"created_at": "<2026-01-15"}', null),
  ('{"created_at": {"gte": "2026-01-15", "lt": "2026-01-16"}, "experience": 9}', 'Devi'),
  ('{"experience": 2, "audience": "leads"}', 'Binu')
) c (criteria, names);

-- Channels

select is(pg_temp.names('{"qualification": "MBBS"}', 'sms'), 'Asha Chad', 'an SMS reaches those who have a phone');

select is(
  public.campaign_audience_preview('{"source": "Audience Test", "qualification": "MBBS"}', 'multi_channel') -> 'channels',
  '{"email": 4, "whatsapp": 1}', 'each person is reached on the first channel they have'
);

select is(
  public.campaign_audience_preview('{"source": "Audience Test", "qualification": "MBBS"}', 'multi_channel', '{sms,email}') -> 'channels',
  '{"sms": 2, "email": 3}', 'in the order that the campaign prefers'
);

-- Students

select is(
  (select string_agg(s ->> 'name', ' ' order by s ->> 'name') from jsonb_array_elements(public.campaign_audience_preview('{"audience": "students", "course": "Audience Test", "academic_year": "2025-26"}') -> 'sample') s),
  'Falk', 'students by their own fields'
);

update public.leads set course = 'Audience Test' where source = 'Audience Test' and deleted_at is null;

select is(
  (public.campaign_audience_preview('{"audience": "both", "course": "Audience Test"}') ->> 'count')::int, 6,
  'of leads and students each address gets it once'
);

-- What is refused

select throws_ok(
  format('select public.campaign_audience_preview(%L)', c), 'PT422', null, 'refused: ' || c
)
from unnest(array[
  '{"password": "x"}', '{"experience": ">two"}', '{"experience": {"between": 2}}', '{"created_at": ">yesterday evening"}', '{"audience": "everybody"}',
  '{"audience": "students", "experience": ">2"}', '{"custom_fields.a b": 1}', '{"team_id": "x"}', '{"qualification": {}}', '{"qualification; drop table leads": "x"}'
]) c;

select is(pg_temp.names('{"qualification": "x'' or true --"}'), null, 'a value is a value, whatever stands in it');

select throws_ok($$insert into public.campaigns (name, target_criteria) values ('x', '{"password": "x"}')$$, 'PT422', null, 'and no campaign keeps what means nothing');

select throws_ok($$select public.campaign_audience_preview('[]')$$, 'PT422', null, 'criteria are an object');

-- Whom one does not see one does not reach

select tests.authenticate_as((select manager from people));

select is(pg_temp.names('{"qualification": "MBBS", "experience": ">2"}'), 'Asha', 'a manager reaches the leads of their teams');

select tests.authenticate_as((select counselor from people));

select throws_ok($$select public.campaign_audience_preview('{}')$$, '42501', null, 'a counselor none');

select tests.clear_authentication();

-- Frozen

create temp table given on commit drop as select gen_random_uuid() as campaign, gen_random_uuid() as empty;

grant select on given to public;

insert into public.campaigns (id, name, subject, content, target_criteria, created_by)
select g.campaign, 'Frozen', 's', 'c', '{"source": "Audience Test", "qualification": "MBBS"}', p.manager from given g, people p;

update public.campaigns set status = 'active' where id = (select campaign from given);

select is((select recipients_count from public.campaigns where id = (select campaign from given)), 3, 'launched by nobody, it reaches whom its maker sees');

insert into public.leads (name, email, qualification, source, assigned_to) select 'Late', 'late.audience@example.test', 'MBBS', 'Audience Test', counselor from people;

select is((select count(*)::int from public.campaign_recipients where campaign_id = (select campaign from given)), 3, 'and nobody who comes later');

insert into public.campaigns (id, name, subject, content, target_criteria) select empty, 'Empty', 's', 'c', '{"source": "Nobody at all"}' from given;

select throws_ok(format('update public.campaigns set status = ''active'' where id = %L', empty), 'PT422', null, 'one for nobody is not launched') from given;

update public.system_settings set value = '2' where key = 'campaigns.max_recipients';

insert into public.campaigns (name, subject, content, target_criteria) values ('Large', 's', 'c', '{"source": "Audience Test"}');

select throws_ok($$update public.campaigns set status = 'active' where name = 'Large'$$, 'PT413', null, 'nor one for more than there may be');

-- Who sees recipients

select tests.authenticate_as((select manager from people));

select is((select count(*)::int from public.campaign_recipients where campaign_id = (select campaign from given)), 3, 'a manager sees recipients whose lead they see');

select tests.authenticate_as((select other_manager from people));

select is((select count(*)::int from public.campaign_recipients where campaign_id = (select campaign from given)), 0, 'and no others');

select * from finish();

rollback;

-- Leads: who sees, makes and changes which, what is normalised on every path.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('admin', null, true, 'Ada Admin') as admin, tests.create_user('manager', 'Leads A', true, 'Mala Manager') as manager,
  tests.create_user('counselor', 'Leads A', true, 'Chetan') as counselor, tests.create_user('counselor', 'Leads A') as colleague,
  tests.create_user('counselor', 'Leads B') as stranger, tests.create_user('manager', 'Leads B') as other_manager,
  tests.create_user('counselor', 'Leads A', false) as inactive, tests.create_user('manager', null) as idle_manager;

create temp table teams on commit drop as
select (select id from public.teams where name = 'Leads A') as a, (select id from public.teams where name = 'Leads B') as b;

create temp table given on commit drop as
select gen_random_uuid() as mine, gen_random_uuid() as colleagues, gen_random_uuid() as strangers, gen_random_uuid() as nobodys, gen_random_uuid() as deleted;

grant select on people, teams, given to public;

-- Nobody takes leads in turn here: routing has a file of its own.
alter table public.leads disable trigger route_new_lead;

insert into public.leads (id, name, email, assigned_to, team_id)
select g.mine, 'Mine Lead', 'mine@leads.test', p.counselor, null::uuid from given g, people p
union all select g.colleagues, 'Colleague Lead', null, p.colleague, null from given g, people p
union all select g.strangers, 'Stranger Lead', null, p.stranger, null from given g, people p
union all select g.nobodys, 'Nobody Lead', null, null, t.a from given g, teams t;

insert into public.leads (id, name, assigned_to, deleted_at) select g.deleted, 'Deleted Lead', p.counselor, now() from given g, people p;

create function pg_temp.seen() returns text[] language sql as $$
  select coalesce(array_agg(split_part(l.name, ' ', 1) order by l.name), '{}') from public.leads l, given g
  where l.id in (g.mine, g.colleagues, g.strangers, g.nobodys, g.deleted);
$$;

grant execute on function pg_temp.seen() to public;

-- Who sees what

select tests.authenticate_as((select admin from people));

select is(pg_temp.seen(), '{Colleague,Mine,Nobody,Stranger}', 'an administrator sees every lead that is not deleted');

select tests.authenticate_as((select manager from people));

select is(pg_temp.seen(), '{Colleague,Mine,Nobody}', 'a manager sees their team''s, also what nobody looks after');

select tests.authenticate_as((select other_manager from people));

select is(pg_temp.seen(), '{Stranger}', 'and nothing of another team');

select tests.authenticate_as((select counselor from people));

select is(pg_temp.seen(), '{Mine}', 'a counselor sees what is assigned to them');

select is((select array_agg(name) from public.leads_list), '{Mine Lead}', 'the list shows no more');

select is((select array_agg("firstName") from public.leads_crm), '{Mine}', 'nor does the CRM list');

select tests.authenticate_as((select idle_manager from people));

select is(pg_temp.seen(), '{}', 'a manager of no team sees none');

select tests.authenticate_as((select inactive from people));

select is(pg_temp.seen(), '{}', 'an inactive person sees none');

select tests.authenticate_as_anon();

select throws_ok(format('select * from public.%I', name), '42501', null, format('anon may not read %s', name)) from unnest(array['leads', 'lead_history', 'leads_list', 'leads_crm']) name;

select tests.authenticate_as((select counselor from people));

-- A reassigned lead is out of sight on the next statement

select tests.clear_authentication();

update public.leads set assigned_to = (select colleague from people) where id = (select mine from given);

select tests.authenticate_as((select counselor from people));

select is(pg_temp.seen(), '{}', 'a lead that was given away is out of sight at once');

select tests.clear_authentication();

update public.leads set assigned_to = (select counselor from people) where id = (select mine from given);

-- Names

create temp sequence numbers start 9000000000;

create function pg_temp.named(p_columns text, p_values text) returns text language plpgsql as $$
declare
  made text;
begin
  execute format('insert into public.leads (phone, assigned_to, %s) select ''+91'' || nextval(''pg_temp.numbers''), counselor, %s from people returning concat_ws(''|'', first_name, last_name, name)', p_columns, p_values) into made;
  return made;
end
$$;

select is(pg_temp.named(columns, given), wanted, format('(%s) = (%s) is kept as %s', columns, given, wanted))
from (values
  ('name', '''Asha Rao''', 'Asha|Rao|Asha Rao'), ('name', '''  Asha   Devi  Rao ''', 'Asha|Devi Rao|Asha Devi Rao'), ('name', '''Madonna''', 'Madonna||Madonna'),
  ('first_name, last_name', '''Asha'', ''Rao''', 'Asha|Rao|Asha Rao'), ('first_name', '''Asha''', 'Asha||Asha'), ('last_name', ''' Rao ''', '|Rao|Rao'),
  ('name, first_name, last_name', '''Somebody Else'', ''Asha'', ''Rao''', 'Asha|Rao|Asha Rao'), ('name', '''''', '||'), ('name', 'E''\tAsha\nRao''', 'Asha|Rao|Asha Rao')
) t (columns, given, wanted);

update public.leads set first_name = 'Usha' where id = (select mine from given);

select is((select name from public.leads where id = (select mine from given)), 'Usha Lead', 'a changed part changes the name');

update public.leads set name = 'Asha Devi Rao' where id = (select mine from given);

select is((select first_name || '|' || last_name from public.leads where id = (select mine from given)), 'Asha|Devi Rao', 'a changed name changes the parts');

update public.leads set name = 'Mine Lead' where id = (select mine from given);

select throws_ok('insert into public.leads (assigned_to) select counselor from people', '23514', null, 'a lead has a name or an address');

-- Numbers

select is(
  (select count(*) from public.leads where lead_id <> 'LEAD-' || case when lead_no < 10 then '00' when lead_no < 100 then '0' else '' end || lead_no), 0::bigint,
  'numbers are padded to three digits');

alter sequence public.leads_lead_no_seq restart with 900007;

insert into public.leads (name, assigned_to) select 'Far Away', counselor from people;

select is((select lead_id from public.leads where name = 'Far Away'), 'LEAD-900007', 'and longer past 999');

insert into public.leads (name, assigned_to) select 'Further Away', counselor from people;

select is((select lead_id from public.leads where name = 'Further Away'), 'LEAD-900008', 'one after the other');

select is_empty(
  $$select i.indexrelid::regclass
    from pg_index i
    join pg_class c on c.oid = i.indrelid and c.relnamespace = 'public'::regnamespace
    join pg_attribute a on a.attrelid = c.oid and a.attnum = any (i.indkey) and a.attgenerated = 's'
    where i.indisunique and i.indpred is null and i.indexprs is null$$,
  'no generated column is a key: every update would lock out whoever adds a row that refers to it');

select throws_ok($$insert into public.leads (name, lead_no) values ('Forged', 1)$$, '428C9', null, 'a number is not chosen, not even in Studio');

select throws_ok($$update public.leads set lead_no = 1 where name = 'Far Away'$$, '428C9', null, 'nor changed');

-- E-mail, phone, stage, source, amounts

create function pg_temp.add(p_columns text, p_values text) returns text language sql as $$
  select format('insert into public.leads (name, assigned_to, %s) select ''Added'', counselor, %s from people', p_columns, p_values);
$$;

grant execute on function pg_temp.add(text, text) to public;

select throws_ok(pg_temp.add(columns, given), state, null, format('a lead with %s is refused', what))
from (values
  ('email', '''asha at example''', 'PT422', 'an e-mail that is none'), ('phone', '''12''', 'PT422', 'a phone that is none'), ('status', '''nirvana''', 'PT422', 'a stage that is none'),
  ('source', ''' ''', '23514', 'a blank source'), ('value', '-1', '23514', 'a negative value'),
  ('currency', '''rupees''', '23514', 'a currency that is none'), ('custom_fields', '''[]''', '23514', 'custom fields that are no object'),
  ('custom_fields', '(select jsonb_object_agg(n, md5(n::text)) from generate_series(1, 5000) n)', '23514', 'custom fields without measure'),
  ('tags', '(select array_agg(n::text) from generate_series(1, 51) n)', '23514', 'more than fifty tags'), ('experience', '-1', '23514', 'negative experience'),
  ('annual_revenue', '-1', '23514', 'negative revenue'), ('website', 'repeat(''w'', 3000)', '23514', 'an address without end'), ('first_name', 'repeat(''n'', 151)', '23514', 'a name without end')
) t (columns, given, state, what);

insert into public.leads (name, email, phone, status, assigned_to) select 'Normal Lead', ' Asha.RAO@Example.com ', '098765 43210', ' Contacted ', counselor from people;

select results_eq(
  $$select email, phone, status, max_stage, currency, source, value from public.leads where name = 'Normal Lead'$$,
  $$values ('asha.rao@example.com', '+919876543210', 'contacted', 2::smallint, 'INR', 'Manual', 0::numeric)$$,
  'what is written is normalised, what is left out has its default');

update public.leads set currency = ' usd ' where name = 'Normal Lead';

select is((select currency from public.leads where name = 'Normal Lead'), 'USD', 'a currency is in capitals');

update public.leads set currency = '', last_interaction_at = '2026-01-31 20:00+00' where name = 'Normal Lead';

select results_eq(
  $$select currency, "lastInteraction" from public.leads_list where name = 'Normal Lead'$$, $$values ('INR', '2026-02-01'::date)$$,
  'an empty currency is the organisation''s, and a day is one of its time zone');

select throws_ok($$update public.leads set email = 'none' where name = 'Normal Lead'$$, 'PT422', null, 'also when it is changed');

select throws_ok($$update public.leads set phone = '1' where name = 'Normal Lead'$$, 'PT422', null, 'the phone too');

-- Who makes leads

select tests.authenticate_as((select counselor from people));

insert into public.leads (name) values ('Made By Counselor');

select results_eq(
  $$select assigned_to, team_id, created_by from public.leads where name = 'Made By Counselor'$$, 'select counselor, a, counselor from people, teams',
  'what a counselor enters is theirs and their team''s');

select throws_ok(
  format('insert into public.leads (name, assigned_to) values (''For Another'', %L)', colleague), '42501', null, 'a counselor makes no lead for a colleague') from people;

select throws_ok(
  format('insert into public.leads (name, team_id) values (''For A Team'', %L)', a), '42501', null, 'nor for the team alone') from teams;

select throws_ok(format('insert into public.leads (name, %I) values (''Forged'', %s)', name, value), '42501', null, format('nobody writes %s', name))
from (values
  ('created_by', '(select admin from people)'), ('max_stage', '5'), ('score', '100'), ('version', '9'), ('created_at', '''2020-01-01'''), ('updated_at', '''2020-01-01'''),
  ('deleted_at', 'now()'), ('last_interaction_at', 'now()'), ('status_changed_at', 'now()')
) t (name, value);

select tests.authenticate_as((select manager from people));

insert into public.leads (name) values ('Made By Manager');

select results_eq(
  $$select assigned_to, team_id, created_by from public.leads where name = 'Made By Manager'$$, 'select null::uuid, a, manager from people, teams',
  'what a manager enters belongs to their team');

select lives_ok(format('insert into public.leads (name, assigned_to) values (''Managed Lead'', %L)', colleague), 'a manager makes a lead for a member') from people;

select throws_ok(format('insert into public.leads (name, assigned_to) values (''Foreign Lead'', %L)', stranger), '42501', null, 'and none for another team') from people;

select throws_ok(
  format('insert into public.leads (name, assigned_to, team_id) values (''Foreign Lead'', %L, %L)', stranger, a), '42501', null,
  'also not under the name of the own team: the owner''s team is copied') from people, teams;

select throws_ok(format('insert into public.leads (name, team_id) values (''Foreign Lead'', %L)', b), '42501', null, 'nor for the other team as such') from teams;

select throws_ok(format('insert into public.leads (name, assigned_to) values (''Late Lead'', %L)', inactive), 'PT422', null, 'a lead is not given to somebody inactive') from people;

select tests.authenticate_as((select idle_manager from people));

select lives_ok($$insert into public.leads (name) values ('Made By Idle')$$, 'a manager of no team makes leads too');

select results_eq($$select assigned_to, team_id from public.leads where name = 'Made By Idle'$$, 'select idle_manager, null::uuid from people', 'they are their own');

select tests.authenticate_as((select inactive from people));

select throws_ok($$insert into public.leads (name) values ('Made By Nobody')$$, '42501', null, 'an inactive person makes none');

select tests.authenticate_as_anon();

select throws_ok($$insert into public.leads (name) values ('Made By Anon')$$, '42501', null, 'anon makes none');

select tests.clear_authentication();

insert into public.roles (key, name, data_scope) values ('reader', 'Reader', 'own');

create temp table readers on commit drop as select tests.create_user('reader', 'Leads A') as reader, gen_random_uuid() as lead;

grant select on readers to public;

insert into public.leads (id, name, assigned_to) select lead, 'Read Only', reader from readers;

select tests.authenticate_as((select reader from readers));

select isnt_empty($$select id from public.leads where name = 'Read Only'$$, 'a role without permissions reads its leads');

select throws_ok($$insert into public.leads (name) values ('Made By Reader')$$, '42501', null, 'makes none');

select is_empty($$update public.leads set name = 'Changed' where name = 'Read Only' returning id$$, 'changes none');

select results_eq(
  $$select * from tests.refused(format('select public.lead_set_status(%L, ''lost'')', (select lead from readers)))$$,
  $$values ('42501', 'permission_denied: leads.update')$$, 'and moves none');

-- Who changes leads

select tests.authenticate_as((select counselor from people));

select isnt_empty($$update public.leads set job_title = 'Physician' where id = (select mine from given) returning id$$, 'a counselor changes their own lead');

select is_empty($$update public.leads set job_title = 'Physician' where id = (select colleagues from given) returning id$$, 'not a colleague''s');

select is_empty($$update public.leads set job_title = 'Physician' where id = (select deleted from given) returning id$$, 'not a deleted one');

select throws_ok(format('update public.leads set %I = %s where id = (select mine from given)', name, value), '42501', null, format('%s is not changed by hand', name))
from (values
  ('assigned_to', '(select colleague from people)'), ('team_id', '(select b from teams)'), ('created_by', 'null'), ('deleted_at', 'now()'), ('version', '1'), ('score', '100'),
  ('max_stage', '5'), ('id', 'gen_random_uuid()'), ('created_at', 'now()'), ('last_interaction_at', 'now()')
) t (name, value);

select throws_ok('delete from public.leads where id = (select mine from given)', '42501', null, 'a lead is not deleted by hand');

select tests.authenticate_as((select manager from people));

select isnt_empty($$update public.leads set job_title = 'Surgeon' where id = (select colleagues from given) returning id$$, 'a manager changes the team''s leads');

select is_empty($$update public.leads set job_title = 'Surgeon' where id = (select strangers from given) returning id$$, 'and no other''s');

select tests.authenticate_as((select admin from people));

select isnt_empty($$update public.leads set job_title = 'Dean' where id = (select strangers from given) returning id$$, 'an administrator changes any');

-- An upsert onto somebody else's lead

select tests.authenticate_as((select counselor from people));

select throws_ok(
  $$insert into public.leads (id, name) select strangers, 'Taken Over' from given on conflict (id) do update set id = excluded.id, name = excluded.name$$, '42501', null,
  'an upsert as the Data API writes it is refused');

select throws_ok(
  $$insert into public.leads (id, name) select strangers, 'Taken Over' from given on conflict (id) do update set name = excluded.name$$, '42501', null,
  'so is one that leaves the id alone');

select lives_ok(
  $$insert into public.leads (id, name) select strangers, 'Taken Over' from given on conflict (id) do nothing$$, 'one that does nothing does nothing');

select tests.clear_authentication();

select is((select name from public.leads where id = (select strangers from given)), 'Stranger Lead', 'and the lead is what it was');

-- Stages

select tests.authenticate_as((select counselor from people));

create temp table before on commit drop as select version, max_stage from public.leads where id = (select mine from given);

grant select on before to public;

select results_eq(
  $$select status, max_stage from public.lead_set_status((select mine from given)::text, 'Qualified', 'Spoke with the parents')$$, $$values ('qualified', 3::smallint)$$,
  'a lead is moved by id, whatever the case of the stage');

select results_eq(
  $$select from_status, to_status, reason, changed_by from public.lead_history where lead_id = (select mine from given)$$,
  $$select 'new', 'qualified', 'Spoke with the parents', counselor from people$$,
  'its history says from, to, why and who');

select results_eq(
  $$select l.status from public.leads k, lateral public.lead_set_status(lower(k.lead_id), 'contacted') l where k.id = (select mine from given)$$, $$values ('contacted')$$,
  'and by number');

select results_eq(
  $$select l.max_stage, l.version - before.version from public.leads l, before where l.id = (select mine from given)$$, $$values (3::smallint, 2::bigint)$$,
  'the furthest stage stays when a lead goes back, and the version has risen twice');

update public.leads set status = 'Proposal' where id = (select mine from given);

select results_eq(
  $$select to_status, reason from public.lead_history where lead_id = (select mine from given) order by changed_at desc, id desc limit 1$$, $$values ('proposal', null)$$,
  'a plain change leaves a row too, and borrows no reason from the one before');

update public.leads set status = 'proposal', job_title = 'Doctor' where id = (select mine from given);

select is((select count(*) from public.lead_history where lead_id = (select mine from given)), 3::bigint, 'a change of something else leaves none');

do $$ begin perform public.lead_set_status((select mine from given)::text, 'lost'); end $$;

select is((select max_stage from public.leads where id = (select mine from given)), 4::smallint, 'a loss is no step of the funnel');

do $$
begin
  perform public.lead_set_status((select mine from given)::text, 'new');
  perform public.lead_set_status((select mine from given)::text, 'enrolled');
end
$$;

select is((select max_stage from public.leads where id = (select mine from given)), 5::smallint, 'an enrolment is');

select tests.clear_authentication();

update public.pipeline_stages set position = position + 1 where position > 3;

insert into public.pipeline_stages (key, name, position) values ('visited', 'Visited', 4);

select is((select max_stage from public.leads where id = (select mine from given)), 6::smallint, 'and stays one when another stage is put before it');

delete from public.pipeline_stages where key = 'visited';

update public.pipeline_stages set position = position - 1 where position > 4;

select is((select max_stage from public.leads where id = (select mine from given)), 5::smallint, 'or taken away');

select tests.authenticate_as((select counselor from people));

select throws_ok(
  format('select public.lead_set_status(%L, %s)', mine, stage), 'PT422', null, format('a move to %s is refused', stage))
from given, unnest(array['''contacted''', '''nirvana''', '''''', 'null']) stage;

select results_eq(
  format('select * from tests.refused(%L)', format('select public.lead_set_status(%L, %L)', lead, 'contacted')), format('values (%L, %L)', 'PT404', 'lead_not_found: ' || lead),
  format('there is no lead %L to move', lead))
from (select unnest(array[strangers::text, colleagues::text, deleted::text, gen_random_uuid()::text, 'LEAD-0', 'LEAD', '', '1; drop table leads']) as lead from given) t;

select throws_ok($$insert into public.lead_history (lead_id, from_status, to_status) select mine, 'new', 'enrolled' from given$$, '42501', null, 'nobody writes history');

select throws_ok('update public.lead_history set reason = null', '42501', null, 'nobody changes it');

select throws_ok('delete from public.lead_history', '42501', null, 'nobody forgets it');

select is_empty($$select from public.lead_history h where h.lead_id <> all (select l.id from public.leads l)$$, 'history is seen where its lead is');

select tests.authenticate_as((select colleague from people));

select is_empty($$select from public.lead_history h, given g where h.lead_id = g.mine$$, 'and nowhere else');

-- crm_create_lead

select tests.authenticate_as((select counselor from people));

create temp table answers on commit drop as
select public.crm_create_lead('{"salutation": "Dr", "firstName": "Jo", "lastName": "Doe", "email": "JO@crm.test", "mobile": "+1 415 555 0123", "organization": "Acme", "website": "acme.test",
  "jobTitle": "CTO", "industry": "IT", "source": "Website", "status": "Contacted", "gender": "Female", "noOfEmployees": "11-50", "annualRevenue": 1500000.5, "territory": "West"}') as answer;

select is((select answer - 'id' - 'lead_id' from answers), '{"message": "Lead created successfully"}', 'a lead made by document answers as the document says');

select results_eq(
  $$select l.salutation, l.first_name, l.last_name, l.email, l.phone, l.organization, l.website, l.job_title, l.industry, l.source, l.status, l.gender, l.no_of_employees, l.annual_revenue, l.territory, l.assigned_to
    from public.leads l join answers a on l.id = (a.answer ->> 'id')::uuid and l.lead_id = a.answer ->> 'lead_id'$$,
  $$select 'Dr', 'Jo', 'Doe', 'jo@crm.test', '+14155550123', 'Acme', 'acme.test', 'CTO', 'IT', 'Website', 'contacted', 'Female', '11-50', 1500000.50::numeric, 'West', counselor from people$$,
  'and holds every field');

create temp table blank on commit drop as
select public.crm_create_lead('{"salutation": "", "firstName": "Blank", "lastName": " ", "email": "", "mobile": "", "phone": "98111 00099", "organization": "", "jobTitle": " ", "source": "", "status": "", "annualRevenue": "", "value": " ", "experience": null}') as answer;

select results_eq(
  $$select l.name, l.salutation, l.phone, l.organization, l.job_title, l.source, l.status, l.annual_revenue, l.value, l.experience from public.leads l join blank b on l.id = (b.answer ->> 'id')::uuid$$,
  $$values ('Blank', null::text, '+919811100099', null::text, null::text, 'Manual', 'new', null::numeric, 0::numeric, null::numeric)$$,
  'what a form left empty says nothing');

select throws_ok(format('select public.crm_create_lead(%L)', given), state, null, format('%s is no lead', given))
from (values
  ('[]', 'PT422'), ('"text"', 'PT422'), ('null', 'PT422'), ('{}', '23514'), ('{"firstName": "Jo", "role": "admin"}', 'PT422'), ('{"firstName": "Jo", "created_by": "x"}', 'PT422'),
  ('{"firstName": "Jo", "email": "none"}', 'PT422'), ('{"firstName": "Jo", "mobile": "1"}', 'PT422'), ('{"firstName": "Jo", "status": "nirvana"}', 'PT422'), ('{"firstName": "Jo", "annualRevenue": "much"}', 'PT422'), ('{"firstName": "Jo", "value": [1]}', 'PT422')
) t (given, state);

select tests.clear_authentication();

-- The lists

select columns_are('public', 'leads_list', array['id', 'lead_id', 'name', 'email', 'phone', 'status', 'source', 'score', 'lastInteraction', 'value', 'currency', 'assigned_to', 'team_id', 'created_at']);

select is(
  (select array_agg(c order by c) from unnest(array['lead_id', 'salutation', 'firstName', 'lastName', 'email', 'mobile', 'organization', 'website', 'jobTitle', 'industry', 'source', 'status', 'gender',
    'noOfEmployees', 'annualRevenue', 'territory', 'leadOwner', 'createdAt', 'createdBy', 'updatedAt', 'activitiesCount']) c
    where c not in (select column_name from information_schema.columns where table_schema = 'public' and table_name = 'leads_crm')),
  null, 'the CRM list has the keys of its document');

select * from finish();

rollback;

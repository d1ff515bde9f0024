-- People: whom contacts, organizations, students and deals belong to, and what is normalised on every path.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('admin') as admin, tests.create_user('manager', 'People A') as manager,
  tests.create_user('counselor', 'People A') as counselor, tests.create_user('counselor', 'People A') as colleague,
  tests.create_user('counselor', 'People B') as stranger, tests.create_user('counselor', 'People A', false) as inactive;

create temp table teams on commit drop as
select (select id from public.teams where name = 'People A') as a, (select id from public.teams where name = 'People B') as b;

create temp table given on commit drop as
select gen_random_uuid() as lead, gen_random_uuid() as unowned, gen_random_uuid() as deleted, gen_random_uuid() as contact, gen_random_uuid() as student,
  gen_random_uuid() as deal, gen_random_uuid() as organization;

grant select on people, teams, given to public;

alter table public.leads disable trigger route_new_lead;

insert into public.leads (id, name, email, phone, gender, qualification, course, assigned_to, team_id)
select g.lead, 'Asha Nair', 'asha@people.test', '+919812300001', 'Female', 'MBBS', 'Cardiology', p.counselor, null::uuid from given g, people p
union all select g.unowned, 'Nobodys Lead', null, null, null, null, null, null, t.a from given g, teams t;

insert into public.leads (id, name, assigned_to, deleted_at) select g.deleted, 'Gone', p.counselor, now() from given g, people p;

create function pg_temp.owner(p_table text, p_id uuid, out assigned_to uuid, out team_id uuid) language plpgsql as $$
begin
  execute format('select assigned_to, team_id from public.%I where id = $1', p_table) into assigned_to, team_id using p_id;
end
$$;

create function pg_temp.refusal(p_call text, out state text, out details text) language plpgsql as $$
begin
  execute p_call;
exception when others then
  get stacked diagnostics state = returned_sqlstate, details = pg_exception_detail;
end
$$;

grant execute on function pg_temp.owner(text, uuid), pg_temp.refusal(text) to public;

-- Of a lead

insert into public.contacts (id, lead_id, name, assigned_to) select g.contact, g.lead, 'Father', p.stranger from given g, people p;

insert into public.students (id, lead_id) select g.student, g.lead from given g;

insert into public.deals (id, lead_id, name) select g.deal, g.lead, 'Fees' from given g;

select is(pg_temp.owner(t.name, t.id), (select row(p.counselor, teams.a) from people p, teams), format('%s of a lead belong to whom the lead belongs to', t.name))
from given g, lateral (values ('contacts', g.contact), ('students', g.student), ('deals', g.deal)) t (name, id);

update public.leads set assigned_to = (select stranger from people) where id = (select lead from given);

select is(pg_temp.owner(t.name, t.id), (select row(p.stranger, teams.b) from people p, teams), format('%s go where it goes', t.name))
from given g, lateral (values ('contacts', g.contact), ('students', g.student), ('deals', g.deal)) t (name, id);

update public.leads set assigned_to = null, team_id = (select a from teams) where id = (select lead from given);

select is(pg_temp.owner(t.name, t.id), (select row(null::uuid, teams.a) from teams), format('%s of a lead that nobody looks after belong to its team', t.name))
from given g, lateral (values ('contacts', g.contact), ('students', g.student), ('deals', g.deal)) t (name, id);

update public.leads set assigned_to = (select counselor from people) where id = (select lead from given);

update public.students set assigned_to = (select stranger from people) where id = (select student from given);

select is(pg_temp.owner('students', (select student from given)), (select row(p.counselor, t.a) from people p, teams t), 'and cannot be given to somebody else by themselves');

select is(
  (select row(s.name, s.email, s.phone, s.gender, s.qualification, s.course) from public.students s, given g where s.id = g.student),
  row('Asha Nair'::text, 'asha@people.test'::text, '+919812300001'::text, 'Female'::text, 'MBBS'::text, 'Cardiology'::text),
  'a student takes from the lead what is left out'
);

insert into public.students (lead_id, name, email) select g.lead, 'Vinu', 'vinu@people.test' from given g;

select is((select row(email, phone) from public.students where name = 'Vinu'), row('vinu@people.test'::text, '+919812300001'::text), 'and only that');

select throws_ok(
  format('insert into public.contacts (lead_id, name) values (%L, ''x'')', (select deleted from given)), 'PT404', 'There is no such lead, or it is not yours to see.',
  'nothing new hangs on a deleted lead'
);

update public.leads set deleted_at = now() where id = (select lead from given);

select lives_ok(
  format('update public.students set semester = ''2'' where id = %L', (select student from given)), 'what hung there already can still be changed'
);

update public.leads set deleted_at = null where id = (select lead from given);

-- Of a person

insert into public.organizations (id, name, assigned_to, email, phone) select g.organization, '  Lake   Shore ', p.colleague, ' Info@Lake.TEST ', '0484 402 1234' from given g, people p;

select is(
  (select row(o.name, o.email, o.phone, o.team_id) from public.organizations o, given g where o.id = g.organization),
  (select row('Lake Shore'::text, 'info@lake.test'::text, '+914844021234'::text, t.a) from teams t), 'names, e-mail, phone and team are the same on every path'
);

select throws_ok(
  format('insert into public.contacts (name, assigned_to) values (''x'', %L)', (select inactive from people)), 'PT422', 'This person cannot be given leads.',
  'nobody inactive is given a contact'
);

select tests.authenticate_as((select counselor from people));

insert into public.contacts (name) values ('Mine');

select is(
  (select row(assigned_to, team_id, created_by) from public.contacts where name = 'Mine'), (select row(p.counselor, t.a, p.counselor) from people p, teams t),
  'a contact without a lead belongs to whoever enters it'
);

select is(
  pg_temp.refusal(format('insert into public.%I (name, assigned_to) values (''x'', %L)', name, (select colleague from people))),
  row('42501'::text, 'permission_denied: assigned_to'::text), format('a counselor enters no %s for a colleague', name)
) from unnest(array['organizations', 'contacts', 'students', 'deals']) name;

select is(
  pg_temp.refusal(format('insert into public.contacts (name, created_by) values (''x'', %L)', (select colleague from people))),
  row('42501'::text, ''::text), 'nor says that somebody else entered it'
);

select is((select count(*)::int from public.organizations), 0, 'a colleague''s organization is not to be seen');

select is((select count(*)::int from public.contacts), 2, 'a counselor sees theirs and those of their leads');

select tests.authenticate_as((select manager from people));

select is((select count(*)::int from public.organizations), 1, 'a manager sees the team''s');

select lives_ok(
  format('insert into public.deals (name, assigned_to) values (''Given'', %L)', (select colleague from people)), 'and enters for the team'
);

select lives_ok(
  format('update public.deals set assigned_to = %L where name = ''Given''', (select counselor from people)), 'and moves within it'
);

select is(
  pg_temp.refusal(format('update public.deals set assigned_to = %L where name = ''Given''', (select stranger from people))),
  row('42501'::text, 'permission_denied: assigned_to'::text), 'but not out of it'
);

select tests.authenticate_as((select stranger from people));

select is(
  (select array[(select count(*) from public.organizations), (select count(*) from public.contacts), (select count(*) from public.students), (select count(*) from public.deals)]),
  '{0,0,0,0}'::bigint[], 'another team sees nothing of it'
);

select is(
  (select count(*)::int from public.activities a, given g where a.entity_id in (g.contact, g.student, g.deal)), 0, 'nor of its timeline'
);

select tests.clear_authentication();

update public.contacts set deleted_at = now() where name = 'Mine';

select tests.authenticate_as((select counselor from people));

select is((select count(*)::int from public.contacts where name = 'Mine'), 0, 'what is deleted is in nobody''s sight');

select tests.clear_authentication();

-- The same person twice

insert into public.contacts (name, email, phone, assigned_to) select 'First', 'first@people.test', '98123 00009', p.counselor from people p;

select tests.authenticate_as((select counselor from people));

select throws_ok(
  'insert into public.contacts (name, email) values (''Again'', '' FIRST@people.test'')', 'PT409',
  'There is a contact with this e-mail address or phone number already.', 'the same e-mail is refused'
);

select throws_ok(
  'insert into public.contacts (name, phone) values (''Again'', ''+91 98123 00009'')', 'PT409',
  'There is a contact with this e-mail address or phone number already.', 'the same phone is refused'
);

select throws_ok(
  'insert into public.contacts (name, email) values (''One'', ''same@people.test''), (''Two'', ''same@people.test'')', 'PT409',
  'There is a contact with this e-mail address or phone number already.', 'also within one statement'
);

select lives_ok('update public.contacts set email = ''first@people.test'', role = ''x'' where name = ''First''', 'one may be itself');

select tests.authenticate_as((select colleague from people));

select lives_ok('insert into public.contacts (name, email) values (''Theirs'', ''first@people.test'')', 'who cannot see the first is told nothing of it');

select tests.clear_authentication();

update public.contacts set deleted_at = now() where name = 'First';

update public.contacts set deleted_at = now() where name = 'Theirs';

select lives_ok(
  format('insert into public.contacts (name, email, assigned_to) values (''Second'', ''first@people.test'', %L)', (select counselor from people)),
  'a deleted contact is no contact'
);

select throws_ok(
  'update public.contacts set deleted_at = null where name = ''First''', 'PT409', null, 'and does not come back beside another'
);

insert into public.system_settings (key, value) values ('leads.unique_phone', 'false') on conflict (key) do update set value = excluded.value;

select lives_ok(
  $$insert into public.contacts (name, phone) values ('Mother', '+919812300077'), ('Father', '+919812300077')$$, 'families share a phone where the settings say so'
);

-- last_contacted

select private.touch_contact((select contact from given), '2026-05-02T10:00:00Z');

select private.touch_contact((select contact from given), '2026-05-01T10:00:00Z');

select is((select last_contacted from public.contacts c, given g where c.id = g.contact), '2026-05-02T10:00:00Z', 'last_contacted never goes back');

select private.touch_contact((select contact from given), now() + interval '1 day');

select ok((select last_contacted <= clock_timestamp() from public.contacts c, given g where c.id = g.contact), 'nor into the future');

-- Deals

insert into public.deals (name, stage, currency) values ('Won', 'won', ' eur ');

select is((select row(status, currency, closed_at is not null) from public.deals where name = 'Won'), row('won'::text, 'EUR'::text, true), 'a deal says whether and when it was closed');

select is((select currency from public.deals d, given g where d.id = g.deal), 'INR', 'and has the organisation''s currency where none is said');

select throws_ok('insert into public.deals (name, value) values (''x'', -1)', '23514', null, 'no deal is worth less than nothing');

update public.deals set stage = 'proposal' where id = (select deal from given);

select is(
  (select count(*)::int from public.activities a, given g where a.title = 'Deal Stage Changed' and a.entity_id in (g.deal, g.lead)), 2,
  'its stages are on its timeline and its lead''s'
);

-- Deleting

select tests.authenticate_as((select counselor from people));

insert into public.students (name) values ('Entered');

select lives_ok($$select public.soft_delete('students', id) from public.students where name = 'Entered'$$, 'one deletes what one entered');

select is((select count(*)::int from public.students where name = 'Entered'), 0, 'and sees it no more');

select is(
  pg_temp.refusal(format('select public.soft_delete(''students'', %L)', (select student from given))), row('42501'::text, 'permission_denied: leads.delete'::text),
  'but not what one merely looks after'
);

select is(
  pg_temp.refusal(format('select public.soft_delete(''profiles'', %L)', (select counselor from people))),
  row('PT422'::text, 'argument_invalid: p_table'::text), 'nor what is never deleted'
);

select tests.authenticate_as((select stranger from people));

select is(
  (pg_temp.refusal(format('select public.soft_delete(%L, %L)', t.name, t.id))).state, 'PT404', format('another team deletes no %s', t.name)
) from given g, lateral (values ('organizations', g.organization), ('contacts', g.contact), ('students', g.student), ('deals', g.deal)) t (name, id);

select tests.authenticate_as((select manager from people));

select lives_ok(
  format('select public.soft_delete(%L, %L)', t.name, t.id), format('a manager deletes the team''s %s', t.name)
) from given g, lateral (values ('organizations', g.organization), ('deals', g.deal)) t (name, id);

select tests.clear_authentication();

-- When what they hang on goes

delete from public.organizations where id = (select organization from given);

delete from public.leads where id = (select lead from given);

select is(
  (select row(s.lead_id, s.assigned_to, s.team_id) from public.students s, given g where s.id = g.student), (select row(null::uuid, p.counselor, t.a) from people p, teams t),
  'a student outlives the lead, and stays with whom it was'
);

select is((select count(*)::int from public.contacts c, given g where c.id = g.contact), 1, 'and so does a contact');

select is_empty(
  $$select k.conrelid::regclass, k.conname
    from pg_constraint k
    where k.contype = 'f' and k.conrelid in ('public.organizations'::regclass, 'public.contacts'::regclass, 'public.students'::regclass, 'public.deals'::regclass)
      and not exists (select from pg_index i where i.indrelid = k.conrelid and i.indkey[0] = k.conkey[1])$$,
  'every foreign key has an index'
);

select set_eq(
  $$select a.resource from public.audit_logs a where a.resource in ('organizations', 'contacts', 'students', 'deals') and a.action = 'insert'$$,
  array['organizations', 'contacts', 'students', 'deals'], 'the audit trail knows of all'
);

select * from finish();

rollback;

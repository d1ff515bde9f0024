-- Students: what is taken from the lead, and who deletes them.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('counselor', 'Students A') as counselor;

create temp table given on commit drop as
select gen_random_uuid() as lead, gen_random_uuid() as student;

grant select on people, given to public;

alter table public.leads disable trigger route_new_lead;

insert into public.leads (id, name, email, phone, gender, qualification, course, assigned_to)
select g.lead, 'Asha Nair', 'asha@students.test', '+919812300001', 'Female', 'MBBS', 'Cardiology', p.counselor from given g, people p;

-- Of a lead

insert into public.students (id, lead_id) select g.student, g.lead from given g;

select is(
  (select row(s.name, s.email, s.phone, s.gender, s.qualification, s.course) from public.students s, given g where s.id = g.student),
  row('Asha Nair'::text, 'asha@students.test'::text, '+919812300001'::text, 'Female'::text, 'MBBS'::text, 'Cardiology'::text),
  'a student takes from the lead what is left out'
);

insert into public.students (lead_id, name, email) select g.lead, 'Vinu', 'vinu@students.test' from given g;

select is((select row(email, phone) from public.students where name = 'Vinu'), row('vinu@students.test'::text, '+919812300001'::text), 'and only that');

-- Deleting

select tests.authenticate_as((select counselor from people));

insert into public.students (name) values ('Entered');

select lives_ok($$select public.soft_delete('students', id) from public.students where name = 'Entered'$$, 'one deletes what one entered');

select is((select count(*)::int from public.students where name = 'Entered'), 0, 'and sees it no more');

select is(
  tests.refused(format('select public.soft_delete(''students'', %L)', (select student from given))), row('42501'::text, 'permission_denied: leads.delete'::text),
  'but not what one merely looks after'
);

select is(
  tests.refused(format('select public.soft_delete(''profiles'', %L)', (select counselor from people))),
  row('PT422'::text, 'argument_invalid: p_table'::text), 'nor what is never deleted'
);

select tests.clear_authentication();

select * from finish();

rollback;

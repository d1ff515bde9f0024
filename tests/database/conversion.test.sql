-- Conversion: a lead becomes a deal, or a student, once, and with no more rights than the caller has.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('admin') as admin, tests.create_user('manager', 'Conversion A') as manager,
  tests.create_user('counselor', 'Conversion A') as counselor, tests.create_user('counselor', 'Conversion B') as stranger;

create temp table given on commit drop as
select gen_random_uuid() as lead, gen_random_uuid() as other, gen_random_uuid() as won, gen_random_uuid() as deal;

grant select on people, given to public;

alter table public.leads disable trigger route_new_lead;

insert into public.leads (id, name, email, organization, value, currency, status, assigned_to)
select g.lead, 'Asha Nair', 'asha@conversion.test', 'Conversion Ltd', 5000, 'USD', 'new', p.counselor from given g, people p
union all select g.other, 'Bala', null, 'conversion ltd', 0, '', 'new', p.counselor from given g, people p
union all select g.won, 'Charu', null, null, 0, '', 'enrolled', p.counselor from given g, people p;

-- A role that may see and change leads, but make none

insert into public.roles (key, name, data_scope) values ('conversion_editor', 'Editor', 'all');

insert into public.role_permissions (role_id, permission) select r.id, 'leads.update' from public.roles r where r.key = 'conversion_editor';

alter table people add column editor uuid;

update people set editor = tests.create_user('conversion_editor');

select tests.authenticate_as((select editor from people));

select is(
  tests.refused(format('select public.lead_convert_to_deal(%L)', (select lead from given))), row('42501'::text, 'permission_denied: leads.create'::text),
  'who may make nothing converts nothing'
);

select tests.authenticate_as((select stranger from people));

select is(
  tests.refused(format('select public.lead_convert_to_deal(%L)', (select lead from given))), row('PT404'::text, 'lead_not_found: ' || (select lead from given)),
  'nor who does not see the lead'
);

-- Once

select tests.authenticate_as((select counselor from people));

create temp table answers on commit drop as
select public.lead_convert_to_deal((select lead::text from given)) as first, public.lead_convert_to_deal((select lead::text from given), '{"name": "Else"}') as second;

select is((select first ->> 'deal_id' from answers), (select second ->> 'deal_id' from answers), 'the second call answers the same deal');

select is((select row(first -> 'is_new', second -> 'is_new') from answers), row('true'::jsonb, 'false'::jsonb), 'and says that it is not new');

select is(
  (select row(d.name, d.value, d.currency, d.assigned_to) from public.deals d, answers a where d.id = (a.first ->> 'deal_id')::uuid),
  (select row('Conversion Ltd'::text, 5000::numeric(14, 2), 'USD'::text, p.counselor) from people p), 'the deal has the lead''s worth and owner'
);

select is(
  (select row(l.status, l.converted_to_deal, l.converted_at is not null, l.deal_id::text) from public.leads l, given g where l.id = g.lead),
  (select row('qualified'::text, true, true, first ->> 'deal_id') from answers), 'the lead is qualified and marked'
);

select is(
  (select array_agg(a.entity_type order by a.entity_type) from public.activities a where a.type = 'converted'), '{contact,deal,lead}', 'told once on each timeline'
);

select is(
  (select public.lead_convert_to_deal(g.other::text) ->> 'organization_id' from given g), (select first ->> 'organization_id' from answers),
  'an organization of the same name is taken again'
);

-- A deal that was deleted is none

select tests.clear_authentication();

update public.deals set deleted_at = now() where id = (select (first ->> 'deal_id')::uuid from answers);

select tests.authenticate_as((select counselor from people));

select isnt((select public.lead_convert_to_deal(g.lead::text) ->> 'deal_id' from given g), (select first ->> 'deal_id' from answers), 'a lead whose deal was deleted can be converted again');

-- The door that has more rights than the caller

select tests.clear_authentication();

insert into public.deals (id, lead_id, name) select g.deal, g.other, 'By the system' from given g;

select tests.authenticate_as((select counselor from people));

select is(
  tests.refused(format('select private.mark_converted(%L, %L)', (select other from given), (select deal from given))),
  row('42501'::text, 'permission_denied: leads.update'::text), 'marks only a deal that the caller made'
);

select is(
  tests.refused(format('select private.mark_converted(%L, %L)', (select won from given), (select second ->> 'deal_id' from answers))),
  row('42501'::text, 'permission_denied: leads.update'::text), 'and only the lead it was made of'
);

-- Stages

select tests.clear_authentication();

insert into public.pipeline_transitions (from_stage, to_stage) values ('contacted', 'proposal');

update public.leads set status = 'contacted', deal_id = null where id = (select other from given);

select tests.authenticate_as((select counselor from people));

select is(
  tests.refused(format('select public.lead_convert_to_deal(%L)', (select other from given))),
  row('PT422'::text, 'transition_forbidden: contacted to qualified'::text), 'the rules of the pipeline hold'
);

select is((select count(*)::int from public.deals d, given g where d.lead_id = g.other and d.created_by is not null), 1, 'and nothing is left of what was refused');

-- Enrolment

select is(
  tests.refused(format('select public.lead_enroll(%L)', (select lead from given))), row('PT409'::text, 'lead_not_won: qualified'::text), 'only what was won is enrolled'
);

select is(
  (select public.lead_enroll(g.won::text, '{"semester": "1"}') ->> 'student_id' from given g), (select public.lead_enroll(g.won::text) ->> 'student_id' from given g),
  'and once'
);

select is((select row(s.name, s.semester) from public.students s, given g where s.lead_id = g.won), row('Charu'::text, '1'::text), 'with what the lead says');

select is(
  tests.refused(format('select public.lead_enroll(%L, ''{"role": "admin"}'')', (select won from given))),
  row('PT422'::text, 'argument_invalid: unknown fields of p_student: role'::text), 'fields that nobody would read are refused'
);

select is(
  tests.refused(format('select public.lead_enroll(%L, ''[]'')', (select won from given))),
  row('PT422'::text, 'argument_invalid: p_student must be an object'::text), 'and what is no object'
);

-- Merging

select tests.authenticate_as((select admin from people));

create temp table merged on commit drop as
select public.merge_leads((select other from given), array[(select lead from given)]) as answer, (select l.deal_id from public.leads l, given g where l.id = g.lead) as deal;

select is(
  (select row(l.converted_to_deal, l.deal_id) from public.leads l, given g where l.id = g.other), (select row(true, deal) from merged),
  'a lead that takes in a converted one is converted'
);

select is(
  (select public.lead_convert_to_deal(g.other::text) ->> 'deal_id' from given g), (select deal::text from merged), 'and converting it answers that deal'
);

select public.unmerge((select (answer ->> 'merge_id')::uuid from merged));

select is(
  (select array_agg(l.deal_id order by l.id = g.lead) from public.leads l, given g where l.id in (g.lead, g.other)), (select array[null, deal] from merged),
  'taken apart again each has what it had'
);

select is((select d.lead_id from public.deals d, merged m where d.id = m.deal), (select lead from given), 'and the deal is its lead''s again');

select * from finish();

rollback;

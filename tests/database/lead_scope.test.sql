-- Lead scope: whom contacts, organizations, students and deals belong to.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('manager', 'Scope A') as manager, tests.create_user('counselor', 'Scope A') as counselor,
  tests.create_user('counselor', 'Scope A') as colleague, tests.create_user('counselor', 'Scope B') as stranger,
  tests.create_user('counselor', 'Scope A', false) as inactive;

create temp table teams on commit drop as
select (select id from public.teams where name = 'Scope A') as a, (select id from public.teams where name = 'Scope B') as b;

create temp table given on commit drop as
select gen_random_uuid() as lead, gen_random_uuid() as deleted, gen_random_uuid() as contact, gen_random_uuid() as student, gen_random_uuid() as deal,
  gen_random_uuid() as organization;

grant select on people, teams, given to public;

alter table public.leads disable trigger route_new_lead;

insert into public.leads (id, name, assigned_to, deleted_at)
select g.lead, 'Asha Nair', p.counselor, null::timestamptz from given g, people p
union all select g.deleted, 'Gone', p.counselor, now() from given g, people p;

create function pg_temp.owner(p_table text, p_id uuid, out assigned_to uuid, out team_id uuid) language plpgsql as $$
begin
  execute format('select assigned_to, team_id from public.%I where id = $1', p_table) into assigned_to, team_id using p_id;
end
$$;

grant execute on function pg_temp.owner(text, uuid) to public;

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

insert into public.organizations (id, name, assigned_to) select g.organization, 'Lake Shore', p.colleague from given g, people p;

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
  tests.refused(format('insert into public.%I (name, assigned_to) values (''x'', %L)', name, (select colleague from people))),
  row('42501'::text, 'permission_denied: assigned_to'::text), format('a counselor enters no %s for a colleague', name)
) from unnest(array['organizations', 'contacts', 'students', 'deals']) name;

select is(
  tests.refused(format('insert into public.contacts (name, created_by) values (''x'', %L)', (select colleague from people))),
  row('42501'::text, ''::text), 'nor says that somebody else entered it'
);

select is((select count(*)::int from public.contacts), 2, 'a counselor sees theirs and those of their leads');

select tests.authenticate_as((select manager from people));

select lives_ok(
  format('insert into public.deals (name, assigned_to) values (''Given'', %L)', (select colleague from people)), 'and enters for the team'
);

select lives_ok(
  format('update public.deals set assigned_to = %L where name = ''Given''', (select counselor from people)), 'and moves within it'
);

select is(
  tests.refused(format('update public.deals set assigned_to = %L where name = ''Given''', (select stranger from people))),
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

-- Many at once

select tests.clear_authentication();

create table public.scope_children (lead_id uuid references public.leads (id), lead_owner_id uuid, team_id uuid);

create temp table many on commit drop as
with made as (insert into public.leads (name, assigned_to) select 'Many', p.counselor from generate_series(1, 150), people p returning id, assigned_to, team_id)
select * from made;

insert into public.scope_children select m.id, m.assigned_to, m.team_id from many m;

insert into public.deals (name, lead_id) select 'Many', m.id from many m;

create function pg_temp.scans() returns bigint language sql as $$
  select seq_scan from pg_stat_xact_user_tables where relid = 'public.scope_children'::regclass;
$$;

create temp table scans on commit drop as select pg_temp.scans() as before;

update public.leads set assigned_to = (select stranger from people) where id in (select id from many);

select is(pg_temp.scans() - before, 2::bigint, 'what hangs on many leads is moved together, by the hundred') from scans;

update public.leads set status = 'contacted' where id in (select id from many);

update public.leads set team_id = team_id where id in (select id from many);

select is(pg_temp.scans() - before, 2::bigint, 'which no other change asks for') from scans;

select results_eq(
  format('select distinct lead_owner_id, team_id from %s', name), 'select p.stranger, t.b from people p, teams t', format('and all of it, in %s', what)
) from (values ('public.scope_children', 'a table that is new'), ('(select d.assigned_to as lead_owner_id, d.team_id from public.deals d where d.name = ''Many'') d', 'one of people')) t (name, what);

-- Deleting

select tests.authenticate_as((select stranger from people));

select is(
  (tests.refused(format('select public.soft_delete(%L, %L)', t.name, t.id))).state, 'PT404', format('another team deletes no %s', t.name)
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

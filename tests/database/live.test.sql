-- Live: what changed is told by its id, to whom it concerns, once, and many rows cost few messages.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_team('Live A') as team, tests.create_team('Live B') as other_team, tests.create_user('admin') as admin, tests.create_user('counselor', 'Live A') as one,
  tests.create_user('counselor', 'Live B') as other, tests.create_user('counselor') as alone;

create temp table given on commit drop as select gen_random_uuid() as lead, gen_random_uuid() as own, gen_random_uuid() as nobodys;

create temp table seen (at integer) on commit drop;

grant select on people, given to public;

alter table public.leads disable trigger route_new_lead;

delete from realtime.messages where event = 'changed';

-- What was announced since the last look, as table, whether it names the row, and where.
create function pg_temp.told() returns text language plpgsql as $$
declare
  answer text;
begin
  select string_agg(t.line, '; ' order by t.line) into answer
  from (
    select concat_ws(' ', m.payload ->> 'table', case when m.payload ->> 'id' is null then 'many' end, split_part(m.topic, ':', 1),
      case split_part(m.topic, ':', 2)::uuid when p.team then 'A' when p.other_team then 'B' when g.lead then 'the lead' when p.alone then 'alone'
        when '00000000-0000-0000-0000-000000000000'::uuid then 'nobody' else '?' end, nullif('x' || count(*), 'x1')) as line
    from realtime.messages m, people p, given g
    where m.event = 'changed'
    group by m.payload ->> 'table', m.payload ->> 'id' is null, m.payload ->> 'id', m.topic, p.team, p.other_team, p.alone, g.lead
  ) t;

  delete from realtime.messages where event = 'changed';

  perform set_config('intake.announced', '', true);

  return answer;
end
$$;

-- A lead and what hangs on it

insert into public.leads (id, name, assigned_to) select lead, 'Live', one from given, people;

select is(pg_temp.told(), 'leads lead the lead; leads team A', 'a new lead is told to its team');

update public.leads set name = 'Lively' where id = (select lead from given);

select is(pg_temp.told(), 'leads lead the lead; leads team A', 'and when it is edited');

update public.leads set last_interaction_at = now() where id = (select lead from given);

select is(pg_temp.told(), null, 'not when it is only touched');

update public.leads set status = 'contacted' where id = (select lead from given);

select is(pg_temp.told(), 'leads lead the lead; leads team A', 'when its stage changes');

insert into public.tasks (title, lead_id, assigned_to) select 'Call', lead, one from given, people;

select is(pg_temp.told(), 'tasks lead the lead; tasks team A', 'a task is told once, not again by the timeline');

update public.tasks set title = 'Call back' where lead_id = (select lead from given);

select is(pg_temp.told(), 'tasks lead the lead; tasks team A', 'and when it changes');

insert into public.notes (lead_id, author_id, content) select lead, one, 'Private matters' from given, people;

select is(pg_temp.told(), 'notes lead the lead; notes team A', 'a note too');

insert into public.communications (lead_id, user_id, type, status) select lead, one, 'meeting', 'completed' from given, people;

select is(pg_temp.told(), 'communications lead the lead; communications team A', 'a meeting');

insert into public.reminders (lead_id, agent_id, title, remind_at) select lead, one, 'Ring', now() + interval '1 day' from given, people;

select is(pg_temp.told(), 'reminders lead the lead; reminders team A', 'a reminder');

insert into public.payments (lead_id, amount) select lead, 100 from given;

select is(pg_temp.told(), 'payments lead the lead; payments team A', 'a payment');

-- Where it goes

update public.leads set assigned_to = other from people where id = (select lead from given);

select is(
  pg_temp.told(), 'communications lead the lead; communications team B; leads lead the lead; leads team A; leads team B; payments lead the lead; payments team B; reminders lead the lead; reminders team B; tasks lead the lead; tasks team B',
  'a lead that moves is told to the list it leaves as well, and what hangs on it to the one it comes to');

insert into public.leads (id, name, assigned_to) select own, 'Of no team', alone from given, people;

select is(pg_temp.told(), 'leads lead ?; leads user alone', 'without a team it is told to its owner');

insert into public.leads (id, name) select nobodys, 'Of nobody' from given;

select is(pg_temp.told(), 'leads lead ?; leads team nobody', 'and without either to scope all');

insert into public.organizations (name, assigned_to) select 'Clinic', one from people;

select is(pg_temp.told(), 'organizations team A', 'what is of no lead has no page of one');

select tests.authenticate_as((select admin from people));

select lives_ok(format('select public.lead_delete(%L)', (select own from given)), 'a lead is deleted');

select tests.clear_authentication();

select is(pg_temp.told(), 'leads lead ?; leads user alone', 'and that is told');

-- Many cost few

insert into public.leads (name, assigned_to) select 'Many ' || n, one from people, generate_series(1, 60) n;

select is(
  (select count(*) from realtime.messages m where m.event = 'changed'), 41::bigint, 'of sixty leads twenty are told one by one, and that there are more');

select alike(pg_temp.told(), '%leads many team A%', 'to their list');

update public.leads set value = 7 where name like 'Many %';

update public.leads set value = 8 where name like 'Many %';

select is((select count(*) from realtime.messages m where m.event = 'changed'), 40::bigint, 'that is told once in a transaction');

select results_eq($$select distinct array(select jsonb_object_keys(m.payload - 'id') order by 1) from realtime.messages m where m.event = 'changed'$$, $$values ('{lead_id,table}'::text[])$$, 'nothing but ids is');

select pg_temp.told();

select set_config('intake.importing', 'x', true), set_config('intake.announced_leads_' || replace(team::text, '-', ''), '', true) from people;

insert into public.leads (name, assigned_to) select 'Imported ' || n, one from people, generate_series(1, 5) n;

select is(pg_temp.told(), 'leads many team A', 'of an import it is told only that there is something new');

select tests.clear_authentication();

select is(
  (select string_agg(c.relname, ' ' order by c.relname) from pg_trigger t join pg_class c on c.oid = t.tgrelid
   where t.tgname = 'announce_changed' and t.tgfoid = 'private.announce_changes()'::regprocedure),
  'calls campaigns communications contacts deals documents notes organizations payments reminders students tasks',
  'whatever hangs on a lead, or is listed beside leads, is announced');

select is_empty(
  $$select from pg_trigger t where t.tgrelid in ('public.leads'::regclass, 'public.lead_history'::regclass, 'public.lead_enquiries'::regclass) and t.tgname like 'announce%'$$,
  'leads themselves have no trigger for it');

select * from finish();

rollback;

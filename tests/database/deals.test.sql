-- Deals: when they were closed, in which currency, and what their timeline says.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('counselor', 'Deals A') as counselor;

create temp table given on commit drop as
select gen_random_uuid() as lead, gen_random_uuid() as deal;

alter table public.leads disable trigger route_new_lead;

insert into public.leads (id, name, assigned_to) select g.lead, 'Asha Nair', p.counselor from given g, people p;

insert into public.deals (id, lead_id, name) select g.deal, g.lead, 'Fees' from given g;

insert into public.deals (name, stage, currency) values ('Won', 'won', ' eur ');

select is((select row(status, currency, closed_at is not null) from public.deals where name = 'Won'), row('won'::text, 'EUR'::text, true), 'a deal says whether and when it was closed');

select is((select currency from public.deals d, given g where d.id = g.deal), 'INR', 'and has the organisation''s currency where none is said');

select throws_ok('insert into public.deals (name, value) values (''x'', -1)', '23514', null, 'no deal is worth less than nothing');

update public.deals set stage = 'proposal' where id = (select deal from given);

select is(
  (select count(*)::int from public.activities a, given g where a.title = 'Deal Stage Changed' and a.entity_id in (g.deal, g.lead)), 2,
  'its stages are on its timeline and its lead''s'
);

select * from finish();

rollback;

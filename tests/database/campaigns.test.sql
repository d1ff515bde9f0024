-- Campaigns: their states, what stays as it was launched, and what an ad platform alone may say.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('manager', 'Campaigns A') as manager, tests.create_user('manager', 'Campaigns B') as stranger, tests.create_user('counselor', 'Campaigns A') as counselor;

create temp table given on commit drop as
select gen_random_uuid() as campaign, gen_random_uuid() as moved, gen_random_uuid() as ads;

grant select on people, given to public;

alter table public.leads disable trigger route_new_lead;

-- Made by a person

select tests.authenticate_as((select manager from people));

insert into public.campaigns (id, name, type, currency, target_criteria, content) select campaign, ' Fellowship   Launch ', ' Multi-Channel ', ' eur ', '{"qualification": "MBBS"}', 'Dear Doctor' from given;

select results_eq(
  'select name, type, status, currency, created_by, team_id from public.campaigns where id = (select campaign from given)',
  $$select 'Fellowship Launch', 'multi_channel', 'draft', 'EUR', p.manager, t.id from people p, public.teams t where t.name = 'Campaigns A'$$,
  'words are normal, and it is its maker''s and their team''s'
);

select throws_ok($$insert into public.campaigns (name, status) values ('x', 'active')$$, 'PT409', null, 'a new one is a draft');

select throws_ok($$insert into public.campaigns (name, type) values ('x', 'fax')$$, '23514', null, 'a channel that is none is refused');

select throws_ok($$insert into public.campaigns (name, target_criteria) values ('x', '[]')$$, '23514', null, 'criteria are an object');

select tests.authenticate_as((select stranger from people));

select is((select count(*)::int from public.campaigns where id = (select campaign from given)), 1, 'another team''s manager knows it');

update public.campaigns set name = 'Mine' where id = (select campaign from given);

select is((select name from public.campaigns where id = (select campaign from given)), 'Fellowship Launch', 'and changes nothing of it');

select throws_ok($$select public.soft_delete('campaigns', campaign) from given$$, 'PT404', null, 'nor deletes it');

select tests.authenticate_as((select counselor from people));

select is_empty('select from public.campaigns', 'a counselor sees none');

select tests.clear_authentication();

-- Figures

update public.campaigns set spend = 12500, leads = 450, revenue = 43750 where id = (select campaign from given);

select results_eq(
  'select cpl, roas from public.campaigns where id = (select campaign from given)', 'values (27.78, 3.50)', 'cost per lead and return on spend are derived'
);

insert into public.campaigns (name) values ('Without figures');

select results_eq($$select cpl, roas from public.campaigns where name = 'Without figures'$$, 'values (null::numeric, null::numeric)', 'and unknown where there is nothing to divide by');

insert into public.leads (name, email, tags) values ('Moves', 'campaign.moves@example.test', '{campaign moves}');

-- States: every pair of them, as the table says and no other

create temp table pairs on commit drop as
select f.name as from_status, t.name as to_status, (f.name || ' ' || t.name) = any (array[
  'draft scheduled', 'draft active', 'draft cancelled', 'scheduled draft', 'scheduled active', 'scheduled cancelled',
  'active paused', 'active completed', 'active cancelled', 'paused active', 'paused cancelled'
]) as is_allowed
from unnest(array['draft', 'scheduled', 'active', 'paused', 'completed', 'cancelled']) f (name)
cross join unnest(array['draft', 'scheduled', 'active', 'paused', 'completed', 'cancelled']) t (name)
where f.name <> t.name;

create function pg_temp.moves(p_from text, p_to text) returns boolean language plpgsql as $$
declare
  made uuid;
begin
  insert into public.campaigns (name, status, scheduled_at, subject, content, target_criteria)
  values ('Moves', p_from, now(), 'Hello', 'Hello', '{"tags": "campaign moves"}') returning id into made;
  update public.campaigns set status = p_to where id = made;
  return true;
exception when sqlstate 'PT409' then
  return false;
end
$$;

select results_eq(
  'select from_status, to_status, pg_temp.moves(from_status, to_status) from pairs order by 1, 2',
  'select from_status, to_status, is_allowed from pairs order by 1, 2',
  'a status moves where it may, whoever writes, and nowhere else'
);

select is(
  (select count(*)::int from public.campaigns where name = 'Moves' and ((status in ('completed', 'cancelled')) <> (ended_at is not null) or (status = 'active' and started_at is null))), 0,
  'and says when it began and ended'
);

select throws_ok($$insert into public.campaigns (name, status) values ('x', 'scheduled')$$, '23514', null, 'what waits says until when');

-- Launched

insert into public.campaigns (id, name, status, content) select moved, 'Running', 'active', 'Hello' from given;

select throws_ok(format('update public.campaigns set %s where id = %L', change, moved), 'PT409', null, 'a launched one keeps its ' || change)
from given, unnest(array['content = ''Bye''', 'subject = ''x''', 'type = ''sms''', 'target_criteria = ''{"course": "MD"}''', 'scheduled_at = now()', 'is_automated = true']) change;

select lives_ok(format('update public.campaigns set name = ''Renamed'', tags = ''{a}'' where id = %L', moved), 'but may be renamed') from given;

select throws_ok(format('update public.campaigns set deleted_at = now() where id = %L', moved), 'PT409', null, 'a running one is not deleted') from given;

update public.campaigns set status = 'paused' where id = (select moved from given);

select lives_ok(format('update public.campaigns set deleted_at = now() where id = %L', moved), 'a paused one may be') from given;

-- An ad platform's

insert into public.campaigns (id, name, type, provider, external_id, status) select ads, 'Ads', 'ads', 'meta', ads::text, 'completed' from given;

update public.campaigns set status = 'active', clicks = 7 where id = (select ads from given);

select results_eq('select status, clicks, ended_at from public.campaigns where id = (select ads from given)', $$values ('active', 7::bigint, null::timestamptz)$$, 'goes where the platform says');

select throws_ok($$insert into public.campaigns (name, type) values ('x', 'ads')$$, '23514', null, 'and needs one');

select throws_ok(
  $$insert into public.campaigns (name, type, provider, external_id) select 'x', 'ads', 'meta', ads::text from given$$, '23505', null, 'is here once'
);

select is((select count(*)::int from public.audit_logs a, given g where a.record_id = g.ads::text and a.action = 'update'), 1, 'its moves are audited');

update public.campaigns set clicks = 8, spend = 5 where id = (select ads from given);

select is((select count(*)::int from public.audit_logs a, given g where a.record_id = g.ads::text and a.action = 'update'), 1, 'its counting on is not');

select tests.authenticate_as(tests.create_user('admin'));

select throws_ok(format('update public.campaigns set %s where id = %L', change, ads), 'PT409', null, 'nobody else says its ' || change)
from given, unnest(array['status = ''paused''', 'spend = 1', 'leads = 1']) change;

select * from finish();

rollback;

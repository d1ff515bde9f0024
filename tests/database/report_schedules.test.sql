-- Report schedules: when they run, who may be told, and what they are told.

begin;

select no_plan();

-- When it runs: what a wall clock shows, in its zone

select is(private.next_report_run(given.frequency, given.clock, given.day, given.zone, given.after::timestamptz), given.wanted::timestamptz, given.what)
from (values
  ('daily', '09:00', null, 'Asia/Kolkata', '2026-03-01 03:29:59+00', '2026-03-01 03:30+00', 'today, if it is still to come'),
  ('daily', '09:00', null, 'Asia/Kolkata', '2026-03-01 03:30:00+00', '2026-03-02 03:30+00', 'else tomorrow'),
  ('daily', '09:00', null, 'America/New_York', '2026-03-07 14:00+00', '2026-03-08 13:00+00', 'nine stays nine when clocks go forward'),
  ('daily', '02:30', null, 'America/New_York', '2026-03-07 07:30+00', '2026-03-08 07:30+00', 'an hour that is skipped is not lost'),
  ('daily', '02:30', null, 'America/New_York', '2026-03-08 07:30+00', '2026-03-09 06:30+00', 'nor does it move the next day'),
  ('daily', '01:30', null, 'America/New_York', '2026-10-31 05:30+00', '2026-11-01 06:30+00', 'an hour that comes twice'),
  ('daily', '01:30', null, 'America/New_York', '2026-11-01 06:30+00', '2026-11-02 06:30+00', 'runs once'),
  ('daily', '23:30', null, 'America/St_Johns', '2006-10-29 02:30:30+00', '2006-10-29 03:00+00', 'clocks that are put back over midnight bring yesterday''s evening back'),
  ('weekdays', '18:00', null, 'Asia/Kolkata', '2026-03-06 12:30+00', '2026-03-09 12:30+00', 'from Friday to Monday'),
  ('weekly', '09:00', null, 'UTC', '2026-03-02 09:00+00', '2026-03-09 09:00+00', 'on Mondays'),
  ('weekly', '09:00', 0, 'UTC', '2026-03-02 09:00+00', '2026-03-08 09:00+00', 'on Sundays'),
  ('monthly', '09:00', null, 'UTC', '2026-03-02 09:00+00', '2026-04-01 09:00+00', 'on the first'),
  ('monthly', '09:00', 31, 'UTC', '2026-01-31 09:00+00', '2026-02-28 09:00+00', 'on the last of a shorter month'),
  ('monthly', '09:00', 31, 'UTC', '2026-02-28 09:00+00', '2026-03-31 09:00+00', 'and on the 31st again'),
  ('30 9 1,15 * *', null, null, 'Asia/Kolkata', '2026-03-01 04:00+00', '2026-03-15 04:00+00', 'by cron fields'),
  ('0 8-18/5 * * 1-5', null, null, 'UTC', '2026-03-06 13:00+00', '2026-03-06 18:00+00', 'several times a day'),
  ('0 9 29 2 *', null, null, 'UTC', '2026-03-01 00:00+00', '2028-02-29 09:00+00', 'once in four years')
) given (frequency, clock, day, zone, after, wanted, what);

select throws_ok($$select private.next_report_run('0 9 31 2 *', null, null, 'UTC', now())$$, 'PT422', null, 'what would never run is refused');

create temp table people on commit drop as
select tests.create_user('manager', 'Plan A', true) as manager, tests.create_user('manager', 'Plan A', true) as other,
  tests.create_user('manager', 'Plan A', true) as gone,
  tests.create_user('counselor', 'Plan A') as counselor, tests.create_user('admin') as admin;

create function pg_temp.address(p_person uuid) returns text language sql as $$ select email from public.profiles where id = p_person $$;

create temp table mail on commit drop as
select pg_temp.address(manager) as manager, pg_temp.address(other) as other, pg_temp.address(gone) as gone, pg_temp.address(counselor) as counselor from people;

grant select on people, mail to public;

update public.system_settings set value = '["board@plan.test", "@trust.test"]' where key = 'reports.allowed_recipients';

update public.system_settings set value = '"https://crm.plan.test/"' where key = 'organization.website';

select tests.authenticate_as((select manager from people));

create temp table made on commit drop as
select (public.report_build('{"name": "Plan", "grouping": ["source"], "aggregations": ["count"]}') ->> 'report_id')::uuid as report;

grant select on made to public;

-- Who may be told

select throws_ok(format($$select public.report_schedule(%L, 'daily', '09:00', array[%L])$$, report, refused), 'PT422', 'The report cannot be sent to this address.', why)
from made, mail, lateral (values
  ('somebody@elsewhere.test', 'nobody outside whom the setting does not name'),
  ('a@trust.test.evil.test', 'nor at an address that only looks like one'),
  (mail.counselor, 'nor people here who see no reports')
) r (refused, why);

select throws_ok(format($$select public.report_schedule(%L, %s)$$, report, given), 'PT422', null, given || ' is no schedule')
from made, (values ($$'hourly', '09:00'$$), ($$'daily', '25:00'$$), ($$'daily'$$), ($$'weekly', '09:00', p_day => 7$$), ($$'* * * * *'$$), ($$'0 25 * * *'$$),
  ($$'0 9 * * *', '09:00'$$), ($$'daily', '09:00', '{}'$$), ($$'daily', '09:00', p_format => 'pdf'$$)) g (given);

create temp table planned on commit drop as
select (public.report_schedule(report, ' Daily ', '09:00', array[upper(m.manager), m.other, m.other, m.gone, 'BOARD@plan.test', 'any@trust.test'], 'csv') ->> 'schedule_id')::uuid as id
from made, mail m;

grant select on planned to public;

select is((select recipients from public.scheduled_reports s, planned where s.id = planned.id),
  (select array(select unnest(array[m.manager, m.other, m.gone, 'board@plan.test', 'any@trust.test']) order by 1) from mail m), 'recipients are written once and in one way');

select ok((select next_run between now() and now() + interval '1 day' and to_char(next_run at time zone 'Asia/Kolkata', 'HH24:MI') = '09:00'
  from public.scheduled_reports s, planned where s.id = planned.id), 'the next run is computed in the organisation''s zone');

-- Pause and resume

update public.scheduled_reports s set status = 'paused' from planned where s.id = planned.id;

select is((select next_run from public.scheduled_reports s, planned where s.id = planned.id), null, 'what is paused has no next run');

update public.scheduled_reports s set status = 'active' from planned where s.id = planned.id;

select ok((select next_run > now() from public.scheduled_reports s, planned where s.id = planned.id), 'what goes on has');

select throws_ok('update public.scheduled_reports set next_run = now()', '42501', null, 'nobody sets it by hand');

-- Another manager, who is a recipient

select tests.authenticate_as((select other from people));

select isnt_empty('select from public.reports r, made where r.id = made.report', 'who is sent a report may read its definition, and run it for themselves');

select is_empty('select from public.scheduled_reports s, planned where s.id = planned.id', 'but not who else is sent it');

select tests.clear_authentication();

-- The zone moves

create temp table before on commit drop as select next_run from public.scheduled_reports s, planned where s.id = planned.id;

update public.system_settings set value = '"America/New_York"' where key = 'organization.timezone';

select is((select to_char(next_run at time zone 'America/New_York', 'HH24:MI') from public.scheduled_reports s, planned where s.id = planned.id), '09:00',
  'nine is nine of the zone that the organisation is in');

update public.system_settings set value = '"Asia/Kolkata"' where key = 'organization.timezone';

-- The tick, at a moment of its own so that nobody else's schedules are due

create temp table moment on commit drop as select next_run as slot from public.scheduled_reports s, planned where s.id = planned.id;

update public.scheduled_reports s set next_run = next_run + interval '10 years' from planned where s.id <> planned.id and s.status = 'active';

select is(private.report_tick(100, slot - interval '1 second'), 0, 'before its time nothing runs') from moment;

select is(private.report_tick(100, slot + interval '3 days'), 1, 'then it runs, once for all that an outage left out') from moment;

select is(private.report_tick(100, slot + interval '3 days'), 0, 'and not again') from moment;

select is((select s.next_run from public.scheduled_reports s, planned where s.id = planned.id), slot + interval '4 days', 'until its next time') from moment;

select is((select (r.created_by, r.slot)::text from public.report_runs r, planned where r.schedule_id = planned.id), (select (p.manager, m.slot)::text from people p, moment m),
  'the run is its owner''s, for that time');

select throws_ok($$insert into public.report_runs (report_id, created_by, name, schedule_id, slot) select r.report_id, r.created_by, 'x', r.schedule_id, r.slot from public.report_runs r, planned where r.schedule_id = planned.id$$,
  '23505', null, 'and there is no second for the same time');

-- What recipients are told

do $$
begin
  if not exists (select from vault.secrets where name = 'functions_url') then
    perform vault.create_secret('https://functions.plan.test', 'functions_url');
  end if;
end
$$;

create temp table written on commit drop as select r.id from public.report_runs r, planned where r.schedule_id = planned.id;

grant select on written to public;

-- Since then one of them works here no more, and one may see reports no more.
update public.profiles set is_active = false where id = (select gone from people);

update public.profiles set role_id = (select id from public.roles where key = 'counselor') where id = (select other from people);

update public.system_settings set value = '["board@plan.test"]' where key = 'reports.allowed_recipients';

set local role service_role;

select private.report_evaluate(id) from written;

select private.report_finish(id, 'plan/report.csv', 9) from written;

reset role;

create temp table sent on commit drop as
select c.recipient, c.subject, c.content, c.status, c.type, c.user_id from public.communications c, written where c.channel_specific_data ->> 'report_run_id' = written.id::text;

select results_eq('select recipient, subject, type, user_id from sent order by recipient',
  $$select r.recipient, 'Plan', 'email', p.manager from people p, mail m, lateral (values (m.manager), ('board@plan.test')) r (recipient) order by 1$$,
  'those are written to who may still have it');

select ok((select s.content like '%https://crm.plan.test/reports/' || made.report || '?run=' || written.id || '%' from sent s, made, written, mail m where s.recipient = m.manager),
  'who works here gets a link to the report');

create temp table token on commit drop as select substring(content from '/reports/files/([0-9a-f]{64})') as secret from sent where recipient = 'board@plan.test';

select isnt((select secret from token), null, 'an address outside a link of its own');

select is_empty($$select from private.report_links l, token where l.token_hash = token.secret$$, 'of which only a digest is kept');

create function pg_temp.opens() returns jsonb language sql as $$
  select private.report_link_open(encode(sha256(convert_to(secret, 'UTF8')), 'hex'), '{}') from token;
$$;

select is(pg_temp.opens(), '{"found": true, "retry_after": 0, "path": "plan/report.csv"}', 'it opens the file');

select is(private.report_link_open(repeat('0', 64), '{}') -> 'found', 'false', 'a guess does not');

update public.system_settings set value = '[]' where key = 'reports.allowed_recipients';

select is(pg_temp.opens() -> 'found', 'false', 'nor itself, once the address is allowed no more');

update public.system_settings set value = '["board@plan.test"]' where key = 'reports.allowed_recipients';

delete from public.role_permissions where permission = 'reports.export' and role_id = (select id from public.roles where key = 'manager');

select is(pg_temp.opens() -> 'found', 'false', 'or its owner may export no more');

insert into public.role_permissions (role_id, permission) select id, 'reports.export' from public.roles where key = 'manager';

update public.report_runs set expires_at = now() where id = (select id from written);

select is(pg_temp.opens() -> 'found', 'false', 'or the file is over');

-- People who leave

update public.profiles set is_active = false where id = (select manager from people);

select is(private.report_tick(100, slot + interval '5 days'), 0, 'the schedule of who works here no more does not run') from moment;

select is((select (status, stopped_because, next_run)::text from public.scheduled_reports s, planned where s.id = planned.id), '(paused,owner_inactive,)', 'and is paused');

update public.profiles set is_active = true where id = (select manager from people);

update public.scheduled_reports s set status = 'active' from planned where s.id = planned.id;

delete from public.role_permissions where permission = 'reports.export' and role_id = (select id from public.roles where key = 'manager');

select is(private.report_tick(100, s.next_run), 0, 'of who may export no more nothing runs either') from public.scheduled_reports s, planned where s.id = planned.id;

select is((select (status, stopped_because)::text from public.scheduled_reports s, planned where s.id = planned.id), '(paused,owner_may_not)', 'and it says why');

insert into public.role_permissions (role_id, permission) select id, 'reports.export' from public.roles where key = 'manager';

-- The end

select tests.authenticate_as((select admin from people));

delete from public.scheduled_reports s using planned where s.id = planned.id;

select tests.clear_authentication();

select is_empty('select from public.scheduled_reports s, planned where s.id = planned.id', 'an administrator may end it');

select is((select schedule_id from public.report_runs r, written where r.id = written.id), null, 'what it wrote stays in the history');

select * from finish();

rollback;

-- Business hours: what a row may hold, who writes them, and working time between two moments. The many cases
-- of changing clocks are in tests/e2e/business-hours.test.ts.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('admin') as admin, tests.create_user('manager', 'Hours') as manager, tests.create_user('counselor', 'Hours', false) as inactive;

grant select on people to public;

delete from public.business_hours;

delete from public.holidays;

update public.system_settings set value = '"Asia/Kolkata"' where key = 'organization.timezone';

-- Without hours

select is(private.business_minutes('2026-11-07T00:00:00Z', '2026-11-09T00:00:00Z'), 2880::numeric, 'without hours every minute counts');

select is(private.business_add('2026-11-07T00:00:00Z', 90), '2026-11-07T01:30:00Z', 'and none is passed over');

-- Rows

select tests.authenticate_as((select admin from people));

insert into public.business_hours (weekday, opens, closes)
select d, h.opens, h.closes from generate_series(1, 5) d cross join (values ('09:00', '13:00'), ('14:00', '18:00')) h (opens, closes);

insert into public.holidays (day, name) values ('2026-11-09', 'Diwali');

select throws_ok($$insert into public.business_hours (weekday, opens, closes) values (1, '12:00', '15:00')$$, '23P01', null, 'hours of a day do not overlap');

select lives_ok($$insert into public.business_hours (weekday, opens, closes) values (6, '00:00', '24:00'), (7, '13:00', '14:00')$$, 'they may touch, and last to the end of the day');

delete from public.business_hours where weekday in (6, 7);

select throws_ok($$insert into public.business_hours (weekday, opens, closes) values (8, '12:00', '15:00')$$, '23514', null, 'there are seven days');

select throws_ok($$insert into public.business_hours (weekday, opens, closes) values (7, '12:00', '12:00')$$, '23514', null, 'hours are not empty');

select throws_ok($$insert into public.business_hours (weekday, opens, closes) values (7, '22:00', '06:00')$$, '23514',
  'new row for relation "business_hours" violates check constraint "business_hours_reach_past_their_opening"', 'nor backwards');

select throws_ok($$insert into public.business_hours (weekday, opens, closes) values (7, '12:60', '15:00')$$, '23514', null, 'a time is a time');

select throws_ok($$insert into public.business_hours (weekday, opens, closes) values (7, '9:00', '18:00')$$, '23514',
  'new row for relation "business_hours" violates check constraint "business_hours_opens_is_a_time"', 'which is said of one that is none');

select throws_ok($$insert into public.business_hours (weekday, opens, closes) values (7, '09:00', 'six')$$, '23514',
  'new row for relation "business_hours" violates check constraint "business_hours_closes_is_a_time"', 'at either end');

select throws_ok($$insert into public.holidays (day, name) values ('2026-11-10', ' ')$$, '23514', null, 'a holiday has a name');

select throws_ok($$insert into public.holidays (day, name) values ('2026-11-09', 'Again')$$, '23505', null, 'a day is a holiday once');

select tests.clear_authentication();

select isnt_empty($$select from public.audit_logs where resource = 'business_hours' and user_id = (select admin from people)$$, 'hours are audited');

select isnt_empty($$select from public.audit_logs where resource = 'holidays' and record_id = '2026-11-09'$$, 'and so are holidays');

-- Who

select tests.authenticate_as((select manager from people));

select is((select count(*) from public.business_hours), 10::bigint, 'everybody who works here reads them');

select throws_ok($$insert into public.business_hours (weekday, opens, closes) values (7, '12:00', '15:00')$$, '42501', null, 'writing needs settings.manage');

select results_eq($$with gone as (delete from public.holidays returning 1) select count(*) from gone$$, 'values (0::bigint)', 'and so does deleting');

select tests.clear_authentication();

select tests.authenticate_as((select inactive from people));

select is_empty('select from public.business_hours', 'somebody inactive reads nothing');

select tests.clear_authentication();

-- Time: Friday the 6th, Monday the 9th is a holiday

select is(private.business_minutes('2026-11-06T03:30:00Z', '2026-11-06T12:30:00Z'), 480::numeric, 'a day is its hours, without lunch');

select is(private.business_minutes('2026-11-06T12:00:00Z', '2026-11-10T04:00:00Z'), 60::numeric, 'nights, the weekend and a holiday do not count');

select is(private.business_minutes('2026-11-06T04:00:30Z', '2026-11-06T04:01:00Z'), 0.5, 'parts of minutes do');

select is(private.business_minutes('2026-11-06T12:00:00Z', '2026-11-06T04:00:00Z'), 0::numeric, 'nothing lies between a moment and one before it');

select is(private.business_add('2026-11-06T12:00:00Z', 30), '2026-11-06T12:30:00Z', 'what ends with the day is due when it ends');

select is(private.business_add('2026-11-06T12:00:00Z', 31), '2026-11-10T03:31:00Z', 'a minute more is due on the next working day');

select is(private.business_add('2026-11-07T12:00:00Z', 0), '2026-11-07T12:00:00Z', 'no time is no time');

select is(private.business_add('2026-11-06T07:00:00Z', 60), '2026-11-06T09:00:00Z', 'lunch is passed over');

set local timezone = 'America/New_York';

select is(private.business_add('2026-11-06T12:00:00Z', 31), '2026-11-10T03:31:00Z', 'the zone of the session has no say');

select is(private.business_minutes('2026-10-30T00:00:00Z', '2026-11-06T00:00:00Z'), 2400::numeric, 'nor its changes of clocks');

select * from finish();

rollback;

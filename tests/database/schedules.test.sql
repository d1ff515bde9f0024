-- Schedules: each slot once, whoever ticks, and missed ones made up once.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('manager', 'North') as manager;

grant select on people to public;

-- Schedules

select is(private.cron_matches('*/15 9-17 * * 1-5', timestamp '2026-03-02 09:45'), true, 'steps, ranges and weekdays match');

select is(private.cron_matches('*/15 9-17 * * 1-5', timestamp '2026-03-01 09:45'), false, 'a Sunday is no weekday');

select is(private.cron_matches('0 0 29 2 *', timestamp '2028-02-29 00:00'), true, 'a leap day comes');

select is(private.cron_matches('0 8 1 * 1', timestamp '2026-03-02 08:00'), true, 'day of month or day of week, when both are named');

select is(private.cron_matches('0 8 * * 7', timestamp '2026-03-01 08:00'), true, 'Sunday is 7 as well as 0');

select throws_ok($$select private.cron_matches('* * * *', now()::timestamp)$$, 'PT422', null, 'four fields are no schedule');

select throws_ok(
  $$insert into private.job_schedules (name, cron, kind) values ('test.bad', '61 * * * *', 'test.tick')$$, 'PT422', null,
  'a schedule that never comes is refused when it is written');

update private.job_schedules set is_enabled = false;

insert into private.job_schedules (name, cron, kind, checked_until) values
  ('test.hourly', '0 * * * *', 'test.tick', '2026-03-01 08:58:00Z');

select is(private.enqueue_due_schedules('2026-03-01 08:59:30Z'), 0, 'nothing is due before its minute');

select is(private.enqueue_due_schedules('2026-03-01 09:00:05Z'), 1, 'a schedule is due in its minute');

select is(private.enqueue_due_schedules('2026-03-01 09:00:50Z'), 0, 'and not twice in one');

delete from private.jobs where kind = 'test.tick';

update private.job_schedules set checked_until = '2026-03-01 08:58:00Z' where name = 'test.hourly';

select is(
  private.enqueue_due_schedules('2026-03-01 09:00:55Z'), 0,
  'not even when its job is done and the minute is looked at again');

select is(private.enqueue_due_schedules('2026-03-01 14:30:00Z'), 1, 'ticks that were missed are made up once');

insert into private.job_schedules (name, cron, time_zone, kind, checked_until) values
  ('test.autumn', '30 1 * * *', 'Europe/London', 'test.autumn', '2026-10-25 00:00:00Z');

select is(private.enqueue_due_schedules('2026-10-25 00:30:10Z'), 2, 'half past one, summer time');

delete from private.jobs where kind = 'test.autumn';

update private.job_schedules set is_enabled = false where name = 'test.hourly';

select is(private.enqueue_due_schedules('2026-10-25 01:30:10Z'), 0, 'the hour that winter time repeats runs it no second time');

insert into private.job_schedules (name, every, kind) values ('test.often', '5 minutes', 'test.often');

update private.job_schedules set is_enabled = false where name = 'test.autumn';

select is(private.enqueue_due_schedules('2026-03-01 10:00:10Z'), 1, 'an interval starts at once');

select is(private.enqueue_due_schedules('2026-03-01 10:04:10Z'), 0, 'waits for its end');

select is(private.enqueue_due_schedules('2026-03-01 10:05:10Z'), 1, 'and comes again');

-- For nobody else

select tests.authenticate_as((select manager from people));

select throws_ok('select * from private.job_schedules', '42501', null, 'a manager reads no schedules');

select throws_ok('select private.tick()', '42501', null, 'nor ticks');

select tests.clear_authentication();

select * from finish();

rollback;

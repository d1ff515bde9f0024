-- Jobs: claimed once, acknowledged only by the lease that holds, given up loudly.
begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('manager', 'North') as manager;

grant select on people to public;

create temp table held (name text primary key, id uuid, lease uuid, attempts integer) on commit drop;

grant all on held to public;

-- One kind only, so that jobs of anybody else are left alone.
create function pg_temp.take(p_name text, p_kind text) returns uuid language plpgsql as $$
declare
  job record;
begin
  select * into job from private.claim_jobs(1, interval '60 seconds', array[p_kind]);
  insert into held values (p_name, job.id, job.lease, job.attempts)
  on conflict (name) do update set id = excluded.id, lease = excluded.lease, attempts = excluded.attempts;
  return job.id;
end
$$;

create function pg_temp.next_note(p_kind text) returns text language sql as $$
  select payload ->> 'n' from private.claim_jobs(1, interval '60 seconds', array[p_kind]);
$$;

create function pg_temp.lease_ends(p_kind text) returns void language sql as $$
  update private.jobs set run_at = now() - interval '1 second' where kind = p_kind;
$$;

-- Enqueue and claim

select isnt(private.enqueue('test.first', '{"n": 1}'), null, 'a job is enqueued');

select isnt(pg_temp.take('first', 'test.first'), null, 'a due job is claimed');

select is((select attempts from held where name = 'first'), 1, 'a claim is an attempt');

select is(
  (select run_at from private.jobs where id = (select id from held where name = 'first')), now() + interval '60 seconds',
  'run_at becomes the end of the lease');

select is(pg_temp.take('again', 'test.first'), null, 'a leased job is not claimed again');

select private.enqueue('test.later', p_run_at => now() + interval '1 minute');

select is(pg_temp.take('later', 'test.later'), null, 'a job is not claimed before its time');

select throws_ok($$select private.enqueue('Not A Kind')$$, '23514', null, 'a kind is a dotted name');

select throws_ok($$select private.enqueue('test.array', '[]')$$, '23514', null, 'a payload is an object');

select throws_ok($$select private.enqueue('test.nobody', p_provider => 'nobody')$$, '23503', null, 'a provider is known');

-- Fencing

select pg_temp.lease_ends('test.first');

select is(
  pg_temp.take('second', 'test.first'), (select id from held where name = 'first'),
  'a job whose lease ended is claimed again');

select isnt(
  (select lease from held where name = 'second'), (select lease from held where name = 'first'),
  'with a fresh lease');

select is(
  (select private.complete_job(id, lease) from held where name = 'first'), false,
  'a late acknowledgement is refused');

select is(
  (select private.fail_job(id, lease, 'late') from held where name = 'first'), 'lost',
  'a late failure is refused');

select is((select private.extend_job(id, lease) from held where name = 'first'), false, 'a late heartbeat is refused');

select is((select private.snooze_job(id, lease) from held where name = 'first'), false, 'a late return is refused');

select is((select private.cancel_job(id, lease) from held where name = 'first'), false, 'a late cancellation is refused');

select is(
  (select private.complete_jobs(array_agg(id), array_agg(lease)) from held where name = 'first'), 0,
  'a late acknowledgement in bulk is refused');

select is(
  (select private.extend_job(id, lease, interval '5 minutes') from held where name = 'second'), true,
  'the holder extends its lease');

select is(
  (select private.complete_job(id, lease) from held where name = 'second'), true, 'the holder acknowledges');

select is(
  (select private.complete_job(id, lease) from held where name = 'second'), false, 'once');

select results_eq(
  $$select outcome, attempts from private.jobs_archive where id = (select id from held where name = 'second')$$,
  $$values ('done', 2)$$, 'a finished job is in the archive, with its attempts');

-- Failure

select private.enqueue('test.fails', p_max_attempts => 3);

select pg_temp.take('fails', 'test.fails');

select is((select private.fail_job(id, lease, 'no answer') from held where name = 'fails'), 'retry', 'a failed job is retried');

select ok(
  (select run_at between now() and now() + interval '5 seconds' and lease is null and last_error = 'no answer'
    from private.jobs where id = (select id from held where name = 'fails')),
  'after at most five seconds the first time, with what went wrong');

select ok(
  (select bool_and(private.job_backoff(n) between interval '0' and interval '1 hour') from generate_series(1, 200) n),
  'backoff never exceeds an hour, whatever the attempts');

select ok(
  (select max(private.job_backoff(8)) > interval '5 minutes' and min(private.job_backoff(8)) < interval '5 minutes'
    from generate_series(1, 300)),
  'backoff grows, with jitter over the whole range');

select pg_temp.lease_ends('test.fails');

select pg_temp.take('fails', 'test.fails');

select is(
  (select private.fail_job(id, lease, 'slow down', interval '10 minutes') from held where name = 'fails'), 'retry',
  'a failure may say when to come back');

select ok(
  (select run_at >= now() + interval '10 minutes' from private.jobs where id = (select id from held where name = 'fails')),
  'and is honoured');

select pg_temp.lease_ends('test.fails');

select pg_temp.take('fails', 'test.fails');

select is(
  (select private.fail_job(id, lease, 'third time') from held where name = 'fails'), 'dead',
  'the last attempt that fails is the end');

select results_eq(
  $$select attempts, last_error from private.jobs_dead where id = (select id from held where name = 'fails')$$,
  $$values (3, 'third time')$$, 'the dead letters keep attempts and error');

select private.enqueue('test.crashes', p_max_attempts => 1);

select pg_temp.take('crashes', 'test.crashes');

select pg_temp.lease_ends('test.crashes');

select is(pg_temp.take('none', 'test.crashes'), null, 'a job out of attempts is not run');

select is(
  (select count(*) from private.jobs_dead where id = (select id from held where name = 'crashes')), 1::bigint,
  'it is dead when the next claim meets it');

select private.enqueue('test.broken');

select pg_temp.take('broken', 'test.broken');

select is(
  (select private.fail_job(id, lease, 'never', p_is_permanent => true) from held where name = 'broken'), 'dead',
  'a permanent error is not retried');

-- Return and cancellation

select private.enqueue('test.returned');

select pg_temp.take('returned', 'test.returned');

select is((select private.snooze_job(id, lease) from held where name = 'returned'), true, 'a job is handed back');

select is(
  (select attempts from private.jobs where kind = 'test.returned'), 0, 'which spends no attempt');

select pg_temp.take('returned', 'test.returned');

select is((select private.cancel_job(id, lease) from held where name = 'returned'), true, 'a handler cancels its job');

select is(
  (select outcome from private.jobs_archive where kind = 'test.returned'), 'cancelled', 'which the archive shows');

-- Uniqueness

select is(
  private.enqueue('test.once', p_dedupe_key => 'a'), private.enqueue('test.once', p_dedupe_key => 'a'),
  'the same kind and key is the same job');

select isnt(
  private.enqueue('test.once', p_dedupe_key => 'b'), private.enqueue('test.once', p_dedupe_key => 'a'),
  'another key is another job');

select is((select count(*) from private.jobs where kind = 'test.once'), 2::bigint, 'two keys, two jobs');

delete from private.jobs where kind = 'test.once' and dedupe_key = 'b';

select pg_temp.take('once', 'test.once');

select private.complete_job(id, lease) from held where name = 'once';

select isnt(
  private.enqueue('test.once', p_dedupe_key => 'a'), (select id from held where name = 'once'),
  'a finished job makes room for the next of its key');

-- Priority

select private.enqueue('test.order', '{"n": "bulk"}', p_priority => -5::smallint);

select private.enqueue('test.order', '{"n": "normal"}', p_run_at => now() - interval '1 hour');

select private.enqueue('test.order', '{"n": "urgent"}', p_priority => 9::smallint);

select is(pg_temp.next_note('test.order'), 'urgent', 'urgent first');

select is(pg_temp.next_note('test.order'), 'normal', 'then normal');

select is(pg_temp.next_note('test.order'), 'bulk', 'then bulk');

-- Rate limit

insert into private.job_providers (name, rate_per_second, burst, tokens) values ('test_limited', 2, 3, 3), ('test_paused', 5, 5, 5);

select private.enqueue('test.limited', p_provider => 'test_limited') from generate_series(1, 10);

select is(
  (select count(*) from private.claim_jobs(10, interval '60 seconds', array['test.limited'])), 3::bigint,
  'a claim takes no more jobs of a provider than its bucket has tokens');

select is(
  (select count(*) from private.claim_jobs(10, interval '60 seconds', array['test.limited'])), 0::bigint,
  'an empty bucket gives nothing');

update private.job_providers set refilled_at = now() - interval '1 second' where name = 'test_limited';

select is(
  (select count(*) from private.claim_jobs(10, interval '60 seconds', array['test.limited'])), 2::bigint,
  'a second later it has what a second brings');

update private.job_providers set refilled_at = now() - interval '1 day' where name = 'test_limited';

select is(
  (select count(*) from private.claim_jobs(10, interval '60 seconds', array['test.limited'])), 3::bigint,
  'and never more than it holds');

select private.enqueue('test.paused', p_provider => 'test_paused') from generate_series(1, 2);

select pg_temp.take('paused', 'test.paused');

select private.fail_job(id, lease, '429', interval '5 minutes', p_pause_provider => true) from held where name = 'paused';

select is(
  (select attempts from private.jobs where id = (select id from held where name = 'paused')), 0, 'a pause spends no attempt');

select is(pg_temp.take('paused', 'test.paused'), null, 'a provider that asked for a pause is left alone');

update private.job_providers set paused_until = now() where name = 'test_paused';

select isnt(pg_temp.take('paused', 'test.paused'), null, 'until the pause is over');

-- For nobody else

select tests.authenticate_as((select manager from people));

select throws_ok('select * from private.jobs', '42501', null, 'a manager reads no jobs');

select throws_ok($$select private.enqueue('test.mine')$$, '42501', null, 'nor enqueues');

select throws_ok('select * from private.claim_jobs()', '42501', null, 'nor claims');

select tests.clear_authentication();

select * from finish();

rollback;

-- Worker: one drains at a time, and is called when there is work and nobody drains.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('manager', 'North') as manager;

grant select on people to public;

-- The drainer

update private.job_drainer set lease = null, lease_until = null;

select isnt(private.drainer_acquire(), null, 'a worker becomes the drainer');

select is(private.drainer_acquire(), null, 'while it holds, no other does');

select is(private.drainer_renew(gen_random_uuid()), false, 'a stranger cannot renew');

select ok((select private.drainer_renew(lease) from private.job_drainer), 'the drainer renews');

update private.job_drainer set lease_until = now();

select isnt(private.drainer_acquire(), null, 'a drainer that died is replaced when its lease ends');

select ok((select private.drainer_release(lease) from private.job_drainer), 'a drainer that is done says so');

select ok(not private.drainer_is_live(), 'and is gone');

-- Kicking the worker

create function pg_temp.kicks() returns bigint language sql as $$
  select count(*) from net.http_request_queue where url like '%/worker' and headers ? 'x-worker-secret';
$$;

create function pg_temp.kicks_by(p_statement text) returns bigint language plpgsql as $$
declare
  before bigint := pg_temp.kicks();
begin
  execute p_statement;
  return pg_temp.kicks() - before;
end
$$;

delete from vault.secrets where name in ('worker_secret', 'functions_url');

update private.job_kick set kicked_at = '-infinity';

select is(pg_temp.kicks_by($$select private.enqueue('test.kick')$$), 0::bigint, 'without the secret nobody is called, and work is taken all the same');

select vault.create_secret('https://example.test/functions/v1', 'functions_url');

select vault.create_secret('of the test', 'worker_secret');

update private.job_kick set kicked_at = '-infinity';

select is(pg_temp.kicks_by($$select private.enqueue('test.kick', p_run_at => now() + interval '1 hour')$$), 0::bigint, 'work of later calls nobody now');

select is(pg_temp.kicks_by($$select private.enqueue('test.kick')$$), 1::bigint, 'work that is due calls the worker');

select is(pg_temp.kicks_by($$select private.enqueue('test.kick')$$), 0::bigint, 'once in five seconds');

select is(pg_temp.kicks_by('select private.tick()'), 0::bigint, 'which the tick knows as well');

update private.job_kick set kicked_at = now() - interval '1 minute';

select is(pg_temp.kicks_by('select private.tick()'), 1::bigint, 'the tick calls when nobody came');

update private.job_kick set kicked_at = '-infinity';

select isnt(private.drainer_acquire(), null, 'while a worker drains');

select is(pg_temp.kicks_by($$select private.enqueue('test.kick')$$), 0::bigint, 'work calls nobody');

select is(
  pg_temp.kicks_by('select private.drainer_release(lease) from private.job_drainer'), 1::bigint,
  'a drainer that leaves work behind calls the next');

delete from private.jobs where kind = 'test.kick';

-- For nobody else

select tests.authenticate_as((select manager from people));

select throws_ok('select private.drainer_acquire()', '42501', null, 'a manager becomes no drainer');

select throws_ok('select private.kick_worker()', '42501', null, 'nor calls the worker');

select tests.clear_authentication();

select * from finish();

rollback;

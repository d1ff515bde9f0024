-- Job administration: jobs are listed, started again and cancelled by administrators, and by nobody else.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('admin') as admin, tests.create_user('manager', 'North') as manager;

grant select on people to public;

create temp table held (name text primary key, id uuid, lease uuid) on commit drop;

grant select on held to public;

select private.enqueue('test.admin');

select private.enqueue('test.broken');

insert into held select 'admin', c.id, c.lease from private.claim_jobs(1, interval '60 seconds', array['test.admin']) c;

insert into held select 'broken', c.id, c.lease from private.claim_jobs(1, interval '60 seconds', array['test.broken']) c;

select private.fail_job(h.id, h.lease, 'never', p_is_permanent => true) from held h where h.name = 'broken';

select tests.authenticate_as((select admin from people));

select is((select state from public.jobs_list(p_kind => 'test.admin')), 'running', 'an administrator sees what runs');

select throws_ok(
  $$select public.job_retry((select id from held where name = 'admin'))$$, 'PT409', null, 'a job that runs is not started again');

select is(
  (select state from public.jobs_list('dead', 'test.broken')), 'dead', 'dead letters are listed');

select lives_ok($$select public.job_retry((select id from held where name = 'broken'))$$, 'a dead job is taken up again');

select is((select state from public.jobs_list(p_kind => 'test.broken')), 'queued', 'and waits');

select lives_ok($$select public.job_cancel((select id from held where name = 'admin'))$$, 'a job that runs is cancelled');

select throws_ok($$select public.job_cancel(gen_random_uuid())$$, 'PT404', null, 'a job that is not there cannot be');

select ok(public.jobs_stats() ?& array['due', 'oldest_due_seconds', 'running', 'waiting', 'dead', 'is_draining'],
  'the queue is described in figures');

select tests.clear_authentication();

select is(
  (select private.complete_job(id, lease) from held where name = 'admin'), false,
  'the result of a cancelled job is refused');

select is((select attempts from private.jobs where kind = 'test.broken'), 0, 'a job taken up again has all its attempts');

select tests.authenticate_as((select manager from people));

select throws_ok('select * from public.jobs_list()', '42501', null, 'a manager sees no jobs');

select throws_ok('select public.jobs_stats()', '42501', null, 'nor figures of the queue');

select throws_ok('select public.job_retry(gen_random_uuid())', '42501', null, 'nor starts one');

select throws_ok('select public.job_cancel(gen_random_uuid())', '42501', null, 'nor cancels one');

select tests.clear_authentication();

select * from finish();

rollback;

-- Timeline readers: what was committed is read once, in order, and nothing that may still be committed is passed over.
-- This transaction is running, so that a fence of its own would not open.

begin;

select no_plan();

insert into private.timeline_readers (name, read_until) values ('Test', private.uuid_v7_since(clock_timestamp()));

insert into public.leads (name, assigned_to) values ('Read', tests.create_user('counselor'));

select is(private.take_changed_leads('Test', now(), 100), '{}', 'while a transaction runs that may still write, nothing is read');

update private.timeline_readers set fence = private.uuid_v7_since(clock_timestamp() + interval '1 minute'), fence_xid = '3' where name = 'Test';

select ok((select id from public.leads where name = 'Read') = any (private.take_changed_leads('Test', now() - interval '1 day', 100)), 'after it what it wrote is');

select is(private.take_changed_leads('Test', now(), 100), '{}', 'and is read once');

update private.timeline_readers set fence = private.uuid_v7_since(now() - interval '1 hour'), fence_xid = '9000000000000000' where name = 'Test';

do $$ begin perform private.take_changed_leads('Test', now() - interval '1 day', 100); end $$;

select cmp_ok((select fence_xid from private.timeline_readers where name = 'Test'), '<=', pg_snapshot_xmax(pg_current_snapshot()), 'what was read on the server of a backup does not stop the reading');

select is(private.take_timeline('Nobody', now(), 100), row('{}'::uuid[], '{}'::uuid[]), 'a reader who is not known reads nothing');

update private.timeline_readers set fence = private.uuid_v7_since(clock_timestamp() + interval '1 minute'), fence_xid = '3', read_until = private.uuid_v7_since(now() - interval '1 day') where name = 'Test';

select results_eq(
  $$select t.activities = array(select a from unnest(t.activities) a order by a), t.leads @> l.ids, t.activities @> array(select a.id from public.activities a where a.lead_id = any (l.ids))
    from (select array_agg(id) as ids from public.leads where name = 'Read') l, private.take_timeline('Test', now() - interval '1 day', 100000) t$$,
  'values (true, true, true)', 'whoever asks for the rows gets them, in order');

select * from finish();

rollback;

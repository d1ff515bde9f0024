-- Webhooks: what was committed is told once, to who wants it, without anything personal, until it is taken.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('admin') as admin, tests.create_user('admin') as second_admin, tests.create_user('manager', 'Hooks') as manager, tests.create_user('counselor', 'Hooks') as counselor;

create temp table ids (name text primary key, id uuid) on commit drop;

grant select on people to public;

grant all on ids to public;

create function pg_temp.id_of(p_name text) returns uuid language sql as $$ select id from ids where name = p_name $$;

grant execute on function pg_temp.id_of(text) to public;

create function pg_temp.attempt(p_webhook text, p_code integer, p_error text default null, p_wait interval default null) returns text language plpgsql as $$
declare
  taken jsonb := private.webhook_next(pg_temp.id_of(p_webhook));
begin
  if taken is null then
    return 'nothing';
  end if;

  return private.webhook_settle((taken ->> 'id')::uuid, (taken ->> 'attempt')::integer, p_code, p_error, 12, p_wait);
end
$$;

create function pg_temp.due(p_webhook text) returns void language sql as $$
  update public.webhook_deliveries set next_at = now() - interval '1 second' where webhook_id = pg_temp.id_of(p_webhook) and status = 'pending'
$$;

-- Other people's webhooks have no part in this.
update public.webhooks set is_active = false;

-- Making one

select tests.authenticate_as((select manager from people));

select throws_ok($$insert into public.webhooks (endpoint_url, events, secret) values ('https://hooks.example.test/', '{*}', 'a secret of sixteen')$$, '42501', null, 'a webhook needs integrations.manage');

select tests.authenticate_as((select admin from people));

with made as (
  insert into public.webhooks (endpoint_url, events, secret) values ('https://hooks.example.test/in?x=1', '{lead.created,lead.status_change,lead.created}', 'a secret of the other side')
  returning id
)
insert into ids select 'stages', id from made;

select results_eq(
  $$select secret, events from public.webhooks where id = pg_temp.id_of('stages')$$, $$values ('••••side', '{lead.created,lead.status_change}'::text[])$$,
  'its secret is a mask from then on'
);

select throws_ok($$update public.webhooks set secret = 'another secret, longer'$$, '42501', null, 'which nobody overwrites');

select throws_ok($$insert into public.webhooks (endpoint_url, events) values ('https://a.test', '{lead.exploded}')$$, 'PT422', null, 'an event that there is not is refused');

select throws_ok($$insert into public.webhooks (endpoint_url, events) values ('https://a.test', '{}')$$, '23514', null, 'and so is none');

select throws_ok($$insert into public.webhooks (endpoint_url, events, secret) values ('https://a.test', '{*}', 'short')$$, 'PT422', null, 'a short secret');

select throws_ok($$insert into public.webhooks (endpoint_url, events, secret) values ('https://a.test', '{*}', 'whsec_not base64 at all!')$$, 'PT422', null, 'and one that looks like base64 and is none');

select throws_ok(format('insert into public.webhooks (endpoint_url, events) values (%L, ''{*}'')', u), '23514', null, u || ' is no endpoint')
from unnest(array[
  'http://hooks.example.test/', 'ftp://a.test/', 'https://user:pw@a.test/', 'https://', 'javascript:alert(1)', 'https://a.test/#x', 'https://a test/', 'http://127.0.0.1.evil.test/', 'https://a.test\@b.test/'
]) u;

select tests.clear_authentication();

select is(private.webhook_secret(pg_temp.id_of('stages')), 'a secret of the other side', 'the secret lies in Vault');

select is_empty($$select from public.audit_logs where resource = 'webhooks' and (before::text ~ 'other side' or after::text ~ 'other side')$$, 'and nowhere in the trail');

select ok('lead.created' = any (private.webhook_event_types()) and 'deal.payment' = any (private.webhook_event_types()), 'events are those of the timeline');

with made as (
  insert into public.webhooks (endpoint_url, events) values ('https://all.example.test/', '{*}') returning id
)
insert into ids select 'all', id from made;

select matches(private.webhook_secret(pg_temp.id_of('all')), '^whsec_[A-Za-z0-9+/]{43}=$', 'a secret that is not given is made');

with made as (
  insert into public.webhooks (endpoint_url, events, is_active) values ('https://off.example.test/', '{*}', false) returning id
)
insert into ids select 'off', id from made;

-- Events

with made as (
  insert into public.leads (name, email, assigned_to) select 'Hooked Person', 'hooked@webhooks.test', counselor from people returning id
)
insert into ids select 'lead', id from made;

update public.leads set status = 'contacted' where id = pg_temp.id_of('lead');

insert into public.notes (lead_id, author_id, content) select pg_temp.id_of('lead'), counselor, 'Private' from people;

create function pg_temp.read_all() returns void language plpgsql as $$
begin
  update private.timeline_readers set read_until = private.uuid_v7_since(now()) where name = 'webhooks';

  perform private.webhooks_sweep(1000000, clock_timestamp() + interval '1 minute');
end
$$;

select pg_temp.read_all();

select results_eq(
  $$select event from public.webhook_deliveries where webhook_id = pg_temp.id_of('stages') and payload -> 'data' ->> 'entity_id' = pg_temp.id_of('lead')::text order by id$$,
  $$values ('lead.created'), ('lead.status_change')$$, 'a webhook is told what it wants, in order'
);

select ok((select count(*) > 2 from public.webhook_deliveries where webhook_id = pg_temp.id_of('all') and payload -> 'data' ->> 'entity_id' = pg_temp.id_of('lead')::text), 'one that wants everything is told more');

select is_empty($$select from public.webhook_deliveries where webhook_id = pg_temp.id_of('off')$$, 'one that is off nothing');

select is(
  (select payload - 'timestamp' from public.webhook_deliveries where webhook_id = pg_temp.id_of('stages') and event = 'lead.status_change'),
  (select jsonb_build_object('type', 'lead.status_change', 'data', jsonb_build_object('id', a.id, 'entity_type', 'lead', 'entity_id', a.lead_id, 'from', 'new', 'to', 'contacted')) from public.activities a where a.lead_id = pg_temp.id_of('lead') and a.type = 'status_change'),
  'ids and stages'
);

select is_empty($$select from public.webhook_deliveries where payload::text ~* 'hooked|private'$$, 'and nothing personal');

create temp table counted on commit drop as select count(*) as n from public.webhook_deliveries;

select pg_temp.read_all();

select is((select count(*) from public.webhook_deliveries), n, 'what is read again is not told again') from counted;

-- Sending

select is(private.webhooks_enqueue(), 2, 'each webhook with something due has a job');

select is((select count(*) from private.jobs where kind = 'webhook.deliver' and payload ->> 'webhook_id' in (pg_temp.id_of('stages')::text, pg_temp.id_of('all')::text)), 2::bigint, 'one');

select is(
  (select n - 'id' from private.webhook_next(pg_temp.id_of('stages')) n),
  (select jsonb_build_object('attempt', 1, 'url', 'https://hooks.example.test/in?x=1', 'body', payload::text, 'secrets', jsonb_build_array('a secret of the other side')) from public.webhook_deliveries where webhook_id = pg_temp.id_of('stages') and event = 'lead.created'),
  'the first of the timeline is taken first'
);

select is(private.webhook_next(pg_temp.id_of('stages')) ->> 'attempt', '1', 'then the next');

select is(private.webhook_next(pg_temp.id_of('stages')), null, 'and none twice');

select pg_temp.due('stages');

select is(pg_temp.attempt('stages', 204), 'delivered', 'an attempt that was lost is made again, and 2xx takes it');

select is(pg_temp.attempt('stages', 500, 'boom token=abc'), 'pending', 'a failure waits');

select results_eq(
  $$select attempts, response_code, error, next_at > now() + interval '4 minutes' and next_at < now() + interval '6 minutes' from public.webhook_deliveries where webhook_id = pg_temp.id_of('stages') and status = 'pending'$$,
  $$values (2, 500, 'boom token=[redacted]', true)$$, 'longer after each attempt'
);

select ok((select failing_since is not null and last_success_at is not null from public.webhooks where id = pg_temp.id_of('stages')), 'the webhook is known to fail');

select pg_temp.due('stages');

select is(pg_temp.attempt('stages', 302), 'pending', 'a redirect is a failure');

select pg_temp.due('stages');

select pg_temp.attempt('stages', 429, null, interval '3 hours');

select ok((select next_at > now() + interval '179 minutes' from public.webhook_deliveries where webhook_id = pg_temp.id_of('stages') and status = 'pending'), 'who asks to wait is waited for');

update public.webhook_deliveries set attempts = 9, next_at = now() - interval '1 second' where webhook_id = pg_temp.id_of('stages') and status = 'pending';

select is(pg_temp.attempt('stages', null, 'no answer'), 'failed', 'the tenth attempt is the last');

select is(pg_temp.attempt('stages', 200), 'nothing', 'nothing is left');

select is(private.webhook_settle((select id from public.webhook_deliveries where webhook_id = pg_temp.id_of('stages') and status = 'failed'), 3, 200, null, 1), 'lost', 'a late attempt changes nothing');

-- Doing it again

select tests.authenticate_as((select manager from people));

select throws_ok(format('select public.webhook_test(%L)', pg_temp.id_of('stages')), '42501', null, 'nobody else sends');

select tests.authenticate_as((select admin from people));

select is((public.webhook_redeliver((select id from public.webhook_deliveries where webhook_id = pg_temp.id_of('stages') and status = 'failed'))) ->> 'count', '1', 'what was given up is sent again');

select is((public.webhook_replay(pg_temp.id_of('stages'), now() - interval '1 day', clock_timestamp() + interval '1 minute')) ->> 'count', '1', 'or what a time brought, save what waits already');

select is((public.webhook_test(pg_temp.id_of('stages'))) ->> 'count', '1', 'or a test');

select throws_ok(format('select public.webhook_test(%L)', pg_temp.id_of('off')), 'PT409', null, 'not to one that is off');

select throws_ok('select public.webhook_redeliver(gen_random_uuid())', 'PT404', null, 'nor what is not there');

select tests.clear_authentication();

select results_eq(
  $$select event, attempts from public.webhook_deliveries where webhook_id = pg_temp.id_of('stages') and status = 'pending' order by id$$,
  $$values ('lead.created', 0), ('lead.status_change', 0), ('webhook.test', 0)$$, 'they wait with attempts anew'
);

-- A secret of its own time

select tests.authenticate_as((select admin from people));

select is((public.webhook_secret_rotate(pg_temp.id_of('stages'), 24, 'the next secret, longer')) ->> 'secret', 'the next secret, longer', 'a secret is replaced');

select throws_ok(format('select public.webhook_secret_rotate(%L, 169)', pg_temp.id_of('stages')), 'PT422', null, 'within a week');

select tests.clear_authentication();

select is(private.webhook_next(pg_temp.id_of('stages')) -> 'secrets', '["the next secret, longer", "a secret of the other side"]', 'for a while both sign');

update public.webhooks set previous_secret_until = now() - interval '1 second' where id = pg_temp.id_of('stages');

select is(private.webhook_next(pg_temp.id_of('stages')) -> 'secrets', '["the next secret, longer"]', 'then the new one alone');

select private.webhooks_prune();

select is(private.webhook_secret(pg_temp.id_of('stages'), ':previous'), null, 'and the old one is forgotten');

select tests.authenticate_as((select admin from people));

do $$ begin perform public.webhook_secret_rotate(pg_temp.id_of('stages'), 0); end $$;

select tests.clear_authentication();

select private.webhooks_prune();

select is(private.webhook_secret(pg_temp.id_of('stages'), ':previous'), null, 'one that is replaced without an overlap too');

-- Switching off

update public.webhooks set failing_since = now() - interval '119 hours' where id = pg_temp.id_of('all');

select pg_temp.attempt('all', 503);

select ok((select is_active from public.webhooks where id = pg_temp.id_of('all')), 'five days of patience');

update public.webhooks set failing_since = now() - interval '121 hours' where id = pg_temp.id_of('all');

select pg_temp.attempt('all', 503);

select results_eq(
  $$select is_active, disabled_reason from public.webhooks where id = pg_temp.id_of('all')$$, $$values (false, 'failing')$$, 'then it is switched off'
);

select results_eq(
  $$select n.user_id, count(*) from public.notifications n, people p where n.metadata ->> 'webhook_id' = pg_temp.id_of('all')::text and n.user_id in (p.admin, p.second_admin, p.manager) group by 1 order by 1$$,
  $$select u, 1::bigint from people p, unnest(array[p.admin, p.second_admin]) u order by 1$$, 'and administrators are told, once'
);

select is(private.webhook_next(pg_temp.id_of('all')), null, 'what waits is not sent');

update public.webhooks set is_active = true where id = pg_temp.id_of('all');

select ok((select failing_since is null and disabled_at is null and active_since = now() from public.webhooks where id = pg_temp.id_of('all')), 'until it is on again, as new');

select is(pg_temp.attempt('all', 410), 'failed', 'what is gone');

select is((select disabled_reason from public.webhooks where id = pg_temp.id_of('all')), 'gone', 'is switched off at once');

-- The end

delete from public.webhooks where id = pg_temp.id_of('all');

select is((select count(*) from public.webhook_deliveries where webhook_id = pg_temp.id_of('all')), 0::bigint, 'deliveries go with their webhook');

select is(private.webhook_secret(pg_temp.id_of('all')), null, 'and so does its secret');

insert into public.webhook_deliveries (id, webhook_id, event_id, event, payload) values (private.uuid_v7_since(now() - interval '31 days'), pg_temp.id_of('stages'), gen_random_uuid(), 'webhook.test', '{}');

select cmp_ok(private.webhooks_prune(), '>=', 1, 'old deliveries go');

select is_empty($$select from public.webhook_deliveries where id = private.uuid_v7_since(now() - interval '31 days')$$, 'by themselves');

-- What every minute asks is asked of an index, however much waits for later

create function pg_temp.plan_of(p_query text) returns text language plpgsql as $$
declare
  line text;
  plan text := '';
begin
  for line in execute 'explain (costs off) ' || p_query loop
    plan := plan || line || E'\n';
  end loop;

  return plan;
end
$$;

insert into public.webhook_deliveries (webhook_id, event_id, event, payload, next_at)
select pg_temp.id_of('stages'), gen_random_uuid(), 'webhook.test', '{}', now() + interval '1 day' from generate_series(1, 5000);

analyze public.webhook_deliveries;

prepare due (uuid, timestamptz) as
select x.id from public.webhook_deliveries x where x.webhook_id = $1 and x.next_at <= $2 order by x.next_at, x.id limit 1 for update skip locked;

select matches(
  pg_temp.plan_of(format('execute due(%L, %L)', pg_temp.id_of('stages'), now())),
  'Index (Only )?Scan using webhook_deliveries_due[^\n]*\n\s+Index Cond: \(\(webhook_id = [^\n]*next_at <= ', 'the next delivery is found by both'
);

select doesnt_match(
  (select string_agg(p.prosrc, '') from pg_proc p where p.oid in ('private.webhook_next(uuid)'::regprocedure, 'private.webhooks_enqueue(uuid)'::regprocedure)),
  'next_at <= clock_timestamp', 'by a moment that an index can be asked for'
);

select * from finish();

rollback;

-- Campaign stats: what recipients learn of their messages, the document's figures, and when listeners are told.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('manager', 'Stats A') as manager, tests.create_user('counselor', 'Stats A') as counselor;

create temp table given on commit drop as
select gen_random_uuid() as campaign, gen_random_uuid() as printed, gen_random_uuid() as nothing;

grant select on people, given to public;

alter table public.leads disable trigger route_new_lead;

insert into public.leads (name, email, source, assigned_to)
select 'Stats ' || n, 'person' || n || '.stats@example.test', 'Stats Test', p.counselor from people p, generate_series(1, 5) n;

insert into public.campaigns (id, name, target_criteria, subject, content) select campaign, 'Stats', '{"source": "Stats Test"}', 's', 'c' from given;

update public.campaigns set status = 'active' where id = (select campaign from given);

do $$ begin perform private.campaign_step(campaign) from given; end $$;

create temp table messages on commit drop as
select m.id, m.lead_id, row_number() over (order by m.recipient) as n from public.communications m, given g where m.campaign_id = g.campaign;

create function pg_temp.message(p_n integer) returns uuid language sql as 'select id from messages where n = p_n';

create function pg_temp.recipient(p_n integer) returns public.campaign_recipients language sql as $$
  select r from public.campaign_recipients r where r.communication_id = pg_temp.message(p_n);
$$;

-- Following

update public.communications set status = 'sending' where campaign_id = (select campaign from given);

select is((pg_temp.recipient(1)).status, 'sending', 'recipients follow their messages');

update public.communications set status = 'sent' where campaign_id = (select campaign from given);

update public.communications set status = 'delivered', delivered_at = '2026-01-02' where id in (pg_temp.message(1), pg_temp.message(2), pg_temp.message(3));

update public.communications set status = 'read', read_at = '2026-01-03' where id in (pg_temp.message(1), pg_temp.message(2));

update public.communications set clicked_at = '2026-01-04' where id = pg_temp.message(1);

update public.communications set status = 'bounced', error = 'address_unreachable' where id = pg_temp.message(4);

select results_eq(
  'select r.status, r.sent_at is not null, r.delivered_at, r.opened_at, r.clicked_at, r.error, r.failed_at is not null from messages m join public.campaign_recipients r on r.communication_id = m.id order by m.n',
  $$values
    ('delivered', true, timestamptz '2026-01-02', timestamptz '2026-01-03', timestamptz '2026-01-04', null::text, false),
    ('delivered', true, '2026-01-02', '2026-01-03', null, null, false),
    ('delivered', true, '2026-01-02', null, null, null, false),
    ('failed', true, null, null, null, 'address_unreachable', true),
    ('sent', true, null, null, null, null, false)$$, 'in every step'
);

update public.communications set status = 'failed', error = 'x' where id = pg_temp.message(5);

update public.communications set status = 'delivered' where id = pg_temp.message(5);

select results_eq('select (r).status, (r).error, (r).failed_at from (select pg_temp.recipient(5) as r) x', $$values ('delivered', null::text, null::timestamptz)$$, 'and a delivery outweighs a failure that was told before');

-- What comes of it

insert into public.communications (lead_id, type, direction) select lead_id, 'email', 'inbound' from messages where n = 2;

insert into public.communications (lead_id, type, direction) select lead_id, 'sms', 'inbound' from messages where n = 3;

select is((select array_agg(m.n::int order by m.n) from messages m join public.campaign_recipients r on r.communication_id = m.id where r.responded_at is not null), '{2}', 'who answers on its channel has responded');

-- What happens in one transaction happens at one time.
update public.campaign_recipients set sent_at = now() - interval '1 hour' where campaign_id = (select campaign from given);

update public.leads set status = (select key from public.pipeline_stages where is_won limit 1) where id in (select lead_id from messages where n <= 2);

update private.timeline_readers set read_until = private.uuid_v7_since(now() - interval '1 hour'), fence = private.uuid_v7_since(clock_timestamp() + interval '1 hour'), fence_xid = '0' where name = 'campaigns';

do $$ begin perform private.note_conversions(100000); end $$;

select is((select array_agg(m.n::int order by m.n) from messages m join public.campaign_recipients r on r.communication_id = m.id where r.converted_at is not null), '{1,2}', 'who is won has converted');

-- Figures

select tests.authenticate_as((select manager from people));

select is(
  public.campaign_stats(campaign),
  '{"total_recipients": 5, "sent": 5, "delivered": 4, "opened": 2, "clicked": 1, "responded": 1, "converted": 2, "failed": 1, "delivery_rate": 80.0, "open_rate": 50.0, "click_rate": 50.0, "conversion_rate": 100.0}',
  'the figures are those of its recipients'
) from given;

select tests.authenticate_as((select counselor from people));

select throws_ok(format('select public.campaign_stats(%L)', campaign), '42501', null, 'a counselor is told none') from given;

select is_empty('select from public.campaigns_with_stats', 'nor lists them');

select tests.clear_authentication();

-- The document's example: 1250 sent, 1198 delivered, 456 opened, 89 clicked, 23 responded, 12 converted

insert into public.campaigns (id, name, content) select printed, 'Fellowship Program Launch', 'c' from given union all select nothing, 'Nothing', 'c' from given;

insert into public.campaign_recipients (campaign_id, position, lead_id, channel, status, sent_at, delivered_at, opened_at, clicked_at, responded_at, converted_at)
select g.printed, n, (select lead_id from messages limit 1), 'sms', case when n <= 1198 then 'delivered' else 'failed' end, now(),
  case when n <= 1198 then now() end, case when n <= 456 then now() end, case when n <= 89 then now() end, case when n <= 23 then now() end, case when n <= 12 then now() end
from given g, generate_series(1, 1250) n;

select tests.authenticate_as((select manager from people));

select is(
  public.campaign_stats(printed),
  '{"total_recipients": 1250, "sent": 1250, "delivered": 1198, "opened": 456, "clicked": 89, "responded": 23, "converted": 12, "failed": 52, "delivery_rate": 95.8, "open_rate": 38.1, "click_rate": 19.5, "conversion_rate": 2.6}',
  'the document''s own figures, to the digit'
) from given;

select is(public.campaign_stats(nothing), '{"total_recipients": 0, "sent": 0, "delivered": 0, "opened": 0, "clicked": 0, "responded": 0, "converted": 0, "failed": 0, "delivery_rate": 0, "open_rate": 0, "click_rate": 0, "conversion_rate": 0}', 'of nothing, rates are 0') from given;

select throws_ok('select public.campaign_stats(gen_random_uuid())', 'PT404', null, 'of no campaign there are none');

select tests.clear_authentication();

-- Lists and listeners

select is(
  (select array_agg(distinct m.payload - 'id') from realtime.messages m, given g where m.topic = 'campaign:' || g.campaign and m.event = 'campaign_progress'),
  (select array[jsonb_build_object('campaign_id', campaign)] from given), 'who listens is told that it moved, by ids alone'
);

select cmp_ok((select count(*)::int from realtime.messages m, given g where m.topic = 'campaign:' || g.campaign), '<=', 2, 'and not at every message');

select cmp_ok(private.campaigns_sweep(), '>=', 1, 'what moved is counted for lists');

select results_eq(
  'select total_recipients, delivered, opened, failed, delivery_rate, open_rate from public.campaigns_with_stats where id = (select campaign from given)',
  'values (5, 4, 2, 1, 80.0, 50.0)', 'and shown in them'
);

update private.campaign_pulse set moved_at = now() - interval '2 minutes';

select is((select count(*)::int from private.campaign_pulse p, given g where p.campaign_id = g.campaign and p.moved_at + interval '1 minute' > (select counted_at from private.campaign_totals t where t.campaign_id = g.campaign)), 0, 'what rests is not counted again');

-- Calls

create temp table calling on commit drop as select gen_random_uuid() as campaign;

insert into public.campaigns (id, name, type, target_criteria, content) select campaign, 'Stats calls', 'phone', '{"source": "Stats Call"}', 'c' from calling;

insert into public.leads (name, phone, source, assigned_to) select 'Stats called', '+919800007001', 'Stats Call', p.counselor from people p;

update public.campaigns set status = 'active' where id = (select campaign from calling);

do $$ begin perform private.campaign_step(campaign) from calling; end $$;

alter table public.tasks disable trigger user;

update public.tasks t set status = 'done', completed = true, completed_at = now() - interval '3 hours'
from public.campaign_recipients r, calling c where r.campaign_id = c.campaign and t.id = r.task_id;

alter table public.tasks enable trigger user;

do $$ begin perform private.campaigns_sweep(); end $$;

select results_eq(
  'select r.status, r.delivered_at from public.campaign_recipients r, calling c where r.campaign_id = c.campaign', $$values ('delivered', now() - interval '3 hours')$$,
  'a call that was made is counted, also after hours without a clock'
);

select * from finish();

rollback;

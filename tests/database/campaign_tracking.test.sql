-- Campaign tracking: which links are ours, where they lead, and what they tell.

begin;

select no_plan();

alter table public.leads disable trigger route_new_lead;

delete from vault.secrets where name = 'functions_url';

select vault.create_secret('https://example.test/functions/v1', 'functions_url');

create temp table given on commit drop as select gen_random_uuid() as campaign;

insert into public.leads (name, email, source) values ('Tracked', 'tracked.person@example.test', 'Tracking Test'), ('Other', 'other.tracked@example.test', 'Tracking Test');

insert into public.campaigns (id, name, subject, content, target_criteria)
select campaign, 'Tracked', 'Read this', 'https://a.test/one and https://a.test/two', '{"source": "Tracking Test"}' from given;

update public.campaigns set status = 'active' where id = (select campaign from given);

do $$ begin perform private.campaign_step(campaign) from given; end $$;

update public.communications set status = 'sent' where campaign_id = (select campaign from given);

create temp table message on commit drop as select m.id, m.lead_id from public.communications m, given g where m.campaign_id = g.campaign and m.recipient = 'tracked.person@example.test';

create function pg_temp.state() returns text language sql as $$
  select concat_ws(' ', c.status, case when c.opened then 'opened' end, case when c.clicked_at is not null then 'clicked' end, r.status,
    case when r.opened_at is not null then 'opened' end, case when r.clicked_at is not null then 'clicked' end, case when r.unsubscribed_at is not null then 'unsubscribed' end)
  from public.communications c join message m using (id) join public.campaign_recipients r on r.communication_id = c.id;
$$;

-- Tokens

select results_eq(
  format('select * from private.track_read(''click'', private.track_token(''click'', %L, 300))', id), format('values (%L::uuid, 300)', id), 'a token tells message and link'
) from message;

select is((select t.communication_id from private.track_read(k.kind, k.token) t), null, k.why)
from message m, lateral (values
  ('open', private.track_token('click', m.id, 1), 'not as another kind'),
  ('click', overlay(private.track_token('click', m.id, 1) placing 'AAAA' from 20), 'not with another link'),
  ('click', overlay(private.track_token('click', m.id, 1) placing 'AAAA' from 40), 'not with another signature'),
  ('click', 'short', 'not made up'), ('click', null, 'not none')
) k (kind, token, why);

-- Opened

do $$ begin perform private.track_open(private.track_token('click', id)) from message; end $$;

select is(pg_temp.state(), 'sent sent', 'a pixel that is none tells nothing');

do $$ begin perform private.track_open(private.track_token('open', id)) from message; end $$;

select is(pg_temp.state(), 'read opened delivered opened', 'the pixel tells that it was opened, so it was delivered');

-- Followed

select is(private.track_click(private.track_token('click', id, 1)), 'https://a.test/one', 'a link leads where the content said') from message;

select is(private.track_click(private.track_token('click', id, 2)), 'https://a.test/two', 'each to its own') from message;

select is(pg_temp.state(), 'read opened clicked delivered opened clicked', 'and is told of');

select is(private.track_click(private.track_token('click', id, 3)), null, 'a link that the content did not have leads nowhere') from message;

select is(private.track_click(private.track_token('click', gen_random_uuid(), 1)), null, 'nor one of no message');

select is((select count(*)::int from public.activities a, message m where a.lead_id = m.lead_id and a.type = 'email_clicked'), 1, 'the timeline tells of the first');

-- Forward only

create temp table before on commit drop as select c.read_at, c.clicked_at, c.status from public.communications c join message using (id);

do $$ begin perform private.track_open(private.track_token('open', id)), private.track_click(private.track_token('click', id, 1)) from message; end $$;

select results_eq('select c.read_at, c.clicked_at, c.status from public.communications c join message using (id)', 'select * from before', 'again, it changes nothing');

-- No more

update public.system_settings set value = '"https://front.test/unsubscribe"' where key = 'campaigns.unsubscribe_page';

select is(private.track_unsubscribe(private.track_token('unsubscribe', id), false), '{"found": true, "page": "https://front.test/unsubscribe"}', 'looking at the link leads to the page') from message;

select is((select verdict from private.contact_gate('email', 'tracked.person@example.test', 'marketing', '2026-01-01 12:00+05:30')), 'allow', 'and unsubscribes nobody');

select is(private.track_unsubscribe(private.track_token('open', id), true), '{"found": false}', 'nor does a token of another kind') from message;

select is(private.track_unsubscribe(private.track_token('unsubscribe', id), true), '{"found": true}', 'one click does') from message;

select results_eq(
  $$select g.verdict, g.reason from private.contact_gate('email', 'tracked.person@example.test', 'marketing', '2026-01-01 12:00+05:30') g$$, $$values ('deny', 'opted_out')$$, 'from campaigns'
);

select is((select verdict from private.contact_gate('email', 'tracked.person@example.test', 'all', '2026-01-01 12:00+05:30')), 'allow', 'and from nothing else');

select is((select verdict from private.contact_gate('email', 'other.tracked@example.test', 'marketing', '2026-01-01 12:00+05:30')), 'allow', 'and nobody else');

select is(private.track_unsubscribe(private.track_token('unsubscribe', id), true), '{"found": true}', 'again, it is the same') from message;

select is((select count(*)::int from public.consents c, message m where c.lead_id = m.lead_id), 1, 'and said once');

select is(pg_temp.state(), 'read opened clicked delivered opened clicked unsubscribed', 'the campaign knows');

update public.system_settings set value = '""' where key = 'campaigns.unsubscribe_page';

select is(private.track_unsubscribe(private.track_token('unsubscribe', c.id), false), '{"found": true}', 'without a page the link itself unsubscribes')
from public.communications c, given g where c.campaign_id = g.campaign and c.recipient = 'other.tracked@example.test';

select is((select verdict from private.contact_gate('email', 'other.tracked@example.test', 'marketing', '2026-01-01 12:00+05:30')), 'deny', 'so that nobody who asks is left in');

select * from finish();

rollback;

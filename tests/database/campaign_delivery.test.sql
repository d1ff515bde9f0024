-- Campaign delivery: chunks, pause and cancel, the clock, links, and what comes of a launch twice.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('manager', 'Delivery A') as manager, tests.create_user('manager', 'Delivery B') as stranger, tests.create_user('counselor', 'Delivery A') as counselor;

create temp table given on commit drop as
select gen_random_uuid() as campaign, gen_random_uuid() as html, gen_random_uuid() as later, gen_random_uuid() as phone, gen_random_uuid() as auto, gen_random_uuid() as broken;

grant select on people, given to public;

alter table public.leads disable trigger route_new_lead;

insert into public.leads (name, email, phone, source, assigned_to)
select 'Person ' || n, 'person' || n || '.delivery@example.test', case when n <= 2 then '+91980000010' || n end, 'Delivery Test', p.counselor
from people p, generate_series(1, 7) n;

delete from vault.secrets where name = 'functions_url';

select vault.create_secret('https://example.test/functions/v1/', 'functions_url');

create function pg_temp.sent(p_campaign uuid) returns integer language sql as $$
  select count(*)::integer from public.communications where campaign_id = p_campaign;
$$;

create function pg_temp.states(p_campaign uuid) returns text language sql as $$
  select string_agg(status || ' ' || n, ', ' order by status) from (select status, count(*) as n from public.campaign_recipients where campaign_id = p_campaign group by status) s;
$$;

-- Launched by a person

select tests.authenticate_as((select manager from people));

insert into public.campaigns (id, name, target_criteria, subject, content)
select campaign, 'Plain', '{"source": "Delivery Test"}', 'For {{first_name}}', E'Dear {{name}}, see https://a.test/x. And https://a.test/x/long?y=1, again https://a.test/x' from given;

select tests.authenticate_as((select stranger from people));

select throws_ok(format('select public.campaign_launch(%L)', campaign), '42501', null, 'nobody else launches it') from given;

select tests.authenticate_as((select counselor from people));

select throws_ok(format('select public.campaign_launch(%L)', campaign), 'PT404', null, 'a counselor does not know it') from given;

select tests.authenticate_as((select manager from people));

select is(public.campaign_launch(campaign) - 'scheduled_at', jsonb_build_object('success', true, 'campaign_id', campaign, 'recipients_count', 7), 'launched, it says to how many') from given;

select is(public.campaign_launch(campaign) ->> 'recipients_count', '7', 'launched again, it is launched once') from given;

select tests.clear_authentication();

select is(pg_temp.states(campaign), 'pending 7', 'its audience is frozen, and nothing is sent by launching') from given;

select is((select count(*)::int from private.jobs j, given g where j.kind = 'campaign.step' and j.dedupe_key = g.campaign::text), 1, 'one job is to send it');

-- In chunks

select is(private.campaign_step(campaign, 3), 'more', 'a chunk leaves more') from given;

select is(pg_temp.states(campaign), 'pending 4, queued 3', 'and hands over its own') from given;

update public.campaigns set status = 'paused' where id = (select campaign from given);

select is(private.campaign_step(campaign, 3), 'stopped', 'a paused one sends nothing') from given;

update public.leads set email = null where email = 'person' || (
  select regexp_replace(l.name, '\D', '', 'g') from public.leads l join public.campaign_recipients r on r.lead_id = l.id, given g
  where r.campaign_id = g.campaign and r.status = 'pending' order by r.position limit 1
) || '.delivery@example.test';

update public.campaigns set status = 'active' where id = (select campaign from given);

select is(private.campaign_step(campaign), 'sending', 'resumed, it hands over the rest') from given;

select is(pg_temp.states(campaign), 'queued 6, skipped 1', 'but not to who cannot be reached any more') from given;

select is(private.campaign_step(campaign), 'sending', 'again, it has nothing more to do') from given;

select is(pg_temp.sent(campaign), 6, 'each recipient has one message') from given;

select is(
  (select count(*)::int from public.campaign_recipients r join public.communications m on m.id = r.communication_id and m.lead_id = r.lead_id, given g where r.campaign_id = g.campaign), 6, 'their own'
);

-- What they get

create temp table message on commit drop as
select m.* from public.communications m, given g where m.campaign_id = g.campaign order by m.recipient limit 1;

grant select on message to public;

select results_eq(
  $$select type, direction, status, provider, subject, channel_specific_data ->> 'format' from message$$,
  $$select 'email', 'outbound', 'queued', 'sendgrid', 'For Person', 'text'$$, 'a queued e-mail in the person''s name'
);

select is(
  (select regexp_replace(content, '/track/([a-z])/[A-Za-z0-9_-]{46}', '/track/\1/…', 'g') from message),
  (select replace(E'Dear NAME, see https://example.test/functions/v1/track/c/…. And https://example.test/functions/v1/track/c/…, again https://example.test/functions/v1/track/c/…\n\n--\nUnsubscribe: https://example.test/functions/v1/track/u/…', 'NAME', l.name)
   from message m join public.leads l on l.id = m.lead_id),
  'with its variables filled, its links tracked and how to unsubscribe'
);

select results_eq(
  $$select channel_specific_data -> 'tracking_pixel', channel_specific_data ->> 'unsubscribe_url' ~ '^https://example.test/functions/v1/track/u/[A-Za-z0-9_-]{46}$' from message$$,
  $$values ('false'::jsonb, true)$$, 'and for the headers of RFC 8058'
);

select results_eq(
  'select url from private.campaign_links k, given g where k.campaign_id = g.campaign order by position', $$values ('https://a.test/x/long?y=1'), ('https://a.test/x')$$,
  'only links of the content are links'
);

-- HTML

insert into public.campaigns (id, name, target_criteria, subject, content)
select html, 'Html', '{"source": "Delivery Test", "email": "person1.delivery@example.test"}', 's',
  '<html><body><p>{{name}}</p><a href="https://b.test/?a=1&amp;b=2">x</a> <A HREF="https://b.test/">y</A> https://not.a/link <a href="{{unsubscribe_url}}">no</a></body></html>' from given;

update public.leads set name = 'Tom & <Jerry>' where email = 'person1.delivery@example.test';

update public.campaigns set status = 'active' where id = (select html from given);

select is(private.campaign_step(html), 'sending', 'an HTML campaign is sent alike') from given;

select is(
  (select regexp_replace(content, 'https://example.test/functions/v1/track/([a-z])/[A-Za-z0-9_-]{46}', '\1', 'g') from public.communications m, given g where m.campaign_id = g.html),
  '<html><body><p>Tom &amp; &lt;Jerry&gt;</p><a href="c">x</a> <A HREF="c">y</A> https://not.a/link <a href="u">no</a><img src="o" width="1" height="1" alt=""></body></html>',
  'names are escaped, its links tracked, its pixel before the end of the body, and it unsubscribes where it says'
);

select results_eq('select url from private.campaign_links k, given g where k.campaign_id = g.html order by position', $$values ('https://b.test/?a=1&b=2'), ('https://b.test/')$$, 'its links are what a browser would follow');

create temp table alike on commit drop as select gen_random_uuid() as campaign;

insert into public.campaigns (id, name, target_criteria, subject, content)
select campaign, 'Alike', '{"source": "Delivery Test"}', 's', '<a href="https://c.test/Ab">x</a><a HREF="https://c.test/aB">y</a>' from alike;

update public.campaigns set status = 'active' where id = (select campaign from alike);

select is((select (regexp_match(b.content, 'link_(\d)\}\}">x'))[1] <> (regexp_match(b.content, 'link_(\d)\}\}">y'))[1] from private.campaign_bodies b, alike a where b.campaign_id = a.campaign), true, 'links that differ in case alone stay two');

-- What is queued already

create temp table halted on commit drop as select gen_random_uuid() as campaign;

insert into public.campaigns (id, name, target_criteria, subject, content) select campaign, 'Halted', '{"source": "Delivery Test"}', 's', 'c' from halted;

update public.campaigns set status = 'active' where id = (select campaign from halted);

update public.system_settings set value = '0' where key in ('messaging.quiet_from_hour', 'messaging.quiet_to_hour');

select private.campaign_step(campaign) from halted;

create temp table halted_message on commit drop as
select m.id, row_number() over (order by m.id) as n from public.communications m, halted h where m.campaign_id = h.campaign;

select private.message_begin(id), private.message_put_back(id) from halted_message where n = 1;

update public.campaigns set status = 'paused' where id = (select campaign from halted);

select is((select array_agg(distinct private.message_begin(id) ->> 'verdict') from halted_message), '{defer}', 'while it is paused, nothing that was queued leaves');

delete from private.jobs j using halted_message m where j.dedupe_key = m.id::text;

select private.message_defer(id, now() + interval '1 hour') from halted_message;

update public.campaigns set status = 'active' where id = (select campaign from halted);

select is((select bool_and(j.run_at <= now()) from private.jobs j join halted_message m on j.dedupe_key = m.id::text where m.n > 1), true, 'resumed, what waited is due at once');

select is((select private.message_begin(id) ->> 'verdict' from halted_message where n = 2), 'send', 'and leaves');

update public.campaigns set status = 'cancelled' where id = (select campaign from halted);

select is((select private.message_begin(id) ->> 'verdict' from halted_message where n = 1), 'done', 'cancelled, what the provider did not take is not tried again');

select is((select string_agg(m.status, ', ' order by h.n) from public.communications m join halted_message h on h.id = m.id where h.n in (1, 2)), 'cancelled, sending', 'and says so; what is on its way stays');

-- In another's name

create temp table lent on commit drop as select gen_random_uuid() as campaign, tests.create_user('admin', 'Delivery A') as admin;

insert into public.campaigns (id, created_by, name, target_criteria, subject, content) select campaign, admin, 'Lent', '{"source": "Delivery Test"}', 's', 'c' from lent;

grant select on lent to public;

select tests.authenticate_as((select manager from people));

select lives_ok(format('update public.campaigns set content = %L where id = %L', 'better', campaign), 'a manager edits a draft of their team') from lent;

select throws_ok(
  format('update public.campaigns set is_automated = true, scheduled_at = now() where id = %L', campaign), '42501', null,
  'but does not let it launch itself, which it would to all whom its maker sees'
) from lent;

select tests.clear_authentication();

update public.campaigns set is_automated = true where id = (select campaign from lent);

select tests.authenticate_as((select manager from people));

select throws_ok(format('update public.campaigns set target_criteria = %L where id = %L', '{}', campaign), '42501', null, 'nor changes what does so') from lent;

select tests.clear_authentication();

delete from public.campaigns c using lent l where c.id = l.campaign;

-- Enough ahead

create temp table many on commit drop as select gen_random_uuid() as campaign;

insert into public.campaigns (id, name, status, content) select campaign, 'Many', 'paused', 'x' from many;

insert into public.campaign_recipients (campaign_id, position, lead_id, channel, status)
select m.campaign, n, l.id, 'sms', case when n <= 1000 then 'queued' else 'pending' end
from many m, generate_series(1, 1001) n, (select id from public.leads where email = 'person1.delivery@example.test') l;

update public.campaigns set status = 'active' where id = (select campaign from many);

select is(private.campaign_step(campaign), 'waiting', 'no more than a thousand are handed over ahead') from many;

select ok((select 'statement_timeout=55s' = any (p.proconfig) from pg_catalog.pg_proc p where p.oid = 'public.campaign_launch'::regproc), 'a launch has time for a large audience');

-- Cancelled, and large

create temp table crowd on commit drop as select gen_random_uuid() as campaign;

insert into public.campaigns (id, name, status, content) select campaign, 'Crowd', 'paused', 'x' from crowd;

insert into public.campaign_recipients (campaign_id, position, lead_id, channel)
select c.campaign, n, l.id, 'sms' from crowd c, generate_series(1, 10001) n, (select id from public.leads where email = 'person1.delivery@example.test') l;

update public.campaigns set status = 'cancelled' where id = (select campaign from crowd);

select is(pg_temp.states(campaign), 'cancelled 10000, pending 1', 'what a statement has no time for is left') from crowd;

select is((select count(*)::int from private.jobs j, crowd c where j.kind = 'campaign.step' and j.dedupe_key = c.campaign::text), 1, 'to a job');

delete from private.jobs j using crowd c where j.dedupe_key = c.campaign::text;

select private.begin_due_campaigns();

select is((select count(*)::int from private.jobs j, crowd c where j.kind = 'campaign.step' and j.dedupe_key = c.campaign::text), 1, 'which the clock brings back if it was given up');

select is(private.campaign_step(campaign), 'stopped', 'that sends nothing') from crowd;

select is(pg_temp.states(campaign), 'cancelled 10001', 'and does the rest') from crowd;

-- Cancelled

update public.campaigns set status = 'cancelled' where id = (select campaign from given);

select is((select string_agg(distinct m.status, ', ') from public.communications m, given g where m.campaign_id = g.campaign), 'cancelled', 'cancelling stops what is queued') ;

select throws_ok(format('select public.campaign_launch(%L)', campaign), 'PT409', null, 'and is the end') from given;

-- By the clock

insert into public.campaigns (id, name, target_criteria, subject, content, scheduled_at)
select later, 'Later', '{"source": "Delivery Test"}', 's', 'c', now() + interval '1 hour' from given;

select is((public.campaign_launch(later) ->> 'scheduled_at')::timestamptz, now() + interval '1 hour', 'launched for later, it says when') from given;

select is((select status || ' ' || recipients_count from public.campaigns c, given g where c.id = g.later), 'scheduled 6', 'and waits with its audience');

select is(private.campaign_step(later), 'stopped', 'sending nothing') from given;

select is(private.begin_due_campaigns(now() + interval '59 minutes'), 0, 'until then');

select is(private.begin_due_campaigns(now() + interval '1 hour'), 1, 'its time begins it');

select is(private.campaign_step(later, 2), 'more', 'and it sends') from given;

insert into public.campaigns (id, name, target_criteria, subject, content, scheduled_at, is_automated)
select auto, 'Automatic', '{"source": "Delivery Test"}'::jsonb, 's', 'c', now() + interval '2 hours', true from given
union all select broken, 'Automatic, broken', '{"source": "Nobody at all"}', 's', 'c', now() + interval '2 hours', true from given
union all select gen_random_uuid(), 'By hand', '{"source": "Delivery Test"}', 's', 'c', now() + interval '2 hours', false from given;

select is(private.begin_due_campaigns(now() + interval '3 hours'), 1, 'one that launches itself does so, a draft does not');

select results_eq(
  'select name, status, failure from public.campaigns where scheduled_at = now() + interval ''2 hours'' order by name',
  $$values ('Automatic', 'active', null::text), ('Automatic, broken', 'draft', 'campaign_audience_empty'), ('By hand', 'draft', null)$$,
  'and what cannot be launched says why'
);

update public.campaigns set target_criteria = '{"source": "Delivery Test"}' where id = (select broken from given);

select is(private.begin_due_campaigns(now() + interval '3 hours'), 1, 'until it can');

-- Calls

insert into public.campaigns (id, name, type, target_criteria, content) select phone, 'Calls', 'phone', '{"source": "Delivery Test"}', 'Ask {{first_name}}' from given;

update public.campaigns set status = 'active' where id = (select phone from given);

select is(private.campaign_step(phone), 'completed', 'a phone campaign is a list of calls') from given;

select results_eq(
  'select t.assigned_to, t.description, r.status from public.campaign_recipients r join public.tasks t on t.id = r.task_id and t.lead_id = r.lead_id, given g where r.campaign_id = g.phone order by t.title',
  $$select counselor, x.told, 'sent' from people, (values ('Ask Person'), ('Ask Tom')) x (told)$$, 'each with whom the lead belongs to'
);

-- What is missing

select throws_ok(format('insert into public.campaigns (name, subject, content, type) values (''x'', %L, %L, %L); update public.campaigns set status = ''active'' where name = ''x''', s, c, t), 'PT422', null, 'incomplete: ' || t)
from (values (null, 'c', 'email'), ('s', ' ', 'email'), (null, null, 'sms')) x (s, c, t);

-- Tried out

select tests.authenticate_as((select manager from people));

create temp table tried on commit drop as select (public.campaign_test(html) ->> 'communication_id')::uuid as id from given;

select is(
  (select row(m.recipient, m.subject, m.campaign_id, m.user_id) from public.communications m, tried t where m.id = t.id),
  (select row(p.email, '[Test] s'::text, null::uuid, p.id) from public.profiles p, people x where p.id = x.manager), 'a test goes to oneself, and counts for nothing'
);

select throws_ok(format('select public.campaign_test(%L, %L)', html, 'person1.delivery@example.test'), '42501', null, 'and to nobody who does not work here') from given;

select * from finish();

rollback;

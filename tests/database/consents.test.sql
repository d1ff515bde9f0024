-- Consents: the newest word counts, a refusal outlives the person, and the gate says what it is that forbids.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('counselor', 'Consents A', true) as counselor, tests.create_user('counselor', 'Consents B', true) as stranger;

create temp table given on commit drop as select gen_random_uuid() as lead;

grant select on people, given to public;

alter table public.leads disable trigger route_new_lead;

insert into public.leads (id, name, email, phone, assigned_to)
select lead, 'Consenting Lead', 'consents@example.com', '+919811100001', counselor from given, people;

create function pg_temp.gate(p_purpose text, p_channel text default 'email', p_at text default '2026-03-02 12:00+05:30') returns text language sql as $$
  select concat_ws(' ', g.verdict, g.reason, to_char(g.until at time zone 'Asia/Kolkata', 'DD HH24:MI'))
  from private.contact_gate(p_channel, case p_channel when 'email' then 'consents@example.com' else '+919811100001' end, p_purpose, p_at::timestamptz) g;
$$;

update public.system_settings set value = '"Asia/Kolkata"' where key = 'organization.timezone';

select is(pg_temp.gate('marketing'), 'allow', 'who said nothing may be written to');

update public.system_settings set value = 'true' where key = 'messaging.marketing_needs_consent';

select is(pg_temp.gate('marketing'), 'deny consent_missing', 'unless the organisation asks for consent');

select is(pg_temp.gate('all'), 'allow', 'which is for marketing alone');

select tests.authenticate_as((select counselor from people));

select lives_ok((select format('select public.consent_set(%L, %L, %L, p_notice_version => %L)', lead, 'Email', 'granted', '2026-1') from given), 'a consent is written down');

select tests.clear_authentication();

select is(pg_temp.gate('marketing'), 'allow', 'and counts');

select is(pg_temp.gate('marketing', 'sms'), 'deny consent_missing', 'on its channel');

update public.system_settings set value = 'false' where key = 'messaging.marketing_needs_consent';

select tests.authenticate_as((select counselor from people));

select public.consent_set(lead::text, 'email', 'withdrawn') from given;

select results_eq(
  $$select state, purpose, notice_version, recorded_by from public.consents where lead_id = (select lead from given) order by created_at$$,
  $$select v.state, 'marketing', v.notice, p.counselor from people p, (values ('granted', '2026-1'), ('withdrawn', null)) v (state, notice)$$,
  'each word is a row, with who wrote it down');

select throws_ok((select format('update public.consents set state = %L where lead_id = %L', 'granted', lead) from given), '42501', null, 'and none is changed');

select tests.clear_authentication();

select is(pg_temp.gate('marketing'), 'deny opted_out', 'the newest counts');

select is(pg_temp.gate('all'), 'allow', 'what the person asked for is still answered');

select private.consent_record('email', 'consents@example.com', 'withdrawn', 'all', 'bounce', null) from given;

select private.consent_record('email', 'consents@example.com', 'withdrawn', 'all', 'bounce', null) from given;

select is((select count(*) from public.consents c where c.source = 'bounce' and c.address_hash = private.address_hash('email', 'consents@example.com')), 1::bigint, 'a provider may repeat itself');

select is(pg_temp.gate('all'), 'deny address_unreachable', 'what bounced is not written to again');

select private.consent_record('sms', '+919811100001', 'withdrawn', 'all', 'keyword', null);

select is(pg_temp.gate('all', 'sms'), 'deny opted_out', 'nor who said STOP');

select is(pg_temp.gate('all', 'whatsapp'), 'allow', 'on that channel');

update public.system_settings set value = '["someone@example.com"]' where key = 'messaging.test_recipients';

select is(pg_temp.gate('all', 'whatsapp'), 'deny not_a_test_recipient', 'while there are test recipients nobody else is written to');

update public.system_settings set value = '[]' where key = 'messaging.test_recipients';

-- Quiet hours

select is(pg_temp.gate('marketing', 'whatsapp', at), expected, what)
from (values
  ('2026-03-02 20:59+05:30', 'allow', 'before nine in the evening campaigns go out'),
  ('2026-03-02 21:00+05:30', 'defer quiet_hours 03 09:00', 'from then on they wait until the morning'),
  ('2026-03-03 08:59+05:30', 'defer quiet_hours 03 09:00', 'of the same day after midnight'),
  ('2026-03-03 09:00+05:30', 'allow', 'when they go out again')
) t (at, expected, what);

select is(pg_temp.gate('all', 'whatsapp', '2026-03-02 23:00+05:30'), 'allow', 'what somebody writes themselves goes out at any time');

update public.system_settings set value = '9' where key = 'messaging.quiet_from_hour';

select is(pg_temp.gate('marketing', 'whatsapp', '2026-03-02 23:00+05:30'), 'allow', 'no hours are quiet from nine to nine');

-- Who may

select tests.authenticate_as((select stranger from people));

select is_empty('select * from public.consents where lead_id = (select lead from given)', 'who does not see the lead does not see what it agreed to');

select throws_ok((select format('select public.consent_set(%L, %L, %L)', lead, 'email', 'granted') from given), 'PT404', null, 'nor writes it down');

select tests.authenticate_as((select counselor from people));

select throws_ok((select format('select public.consent_set(%L, %L, %L)', lead, 'pigeon', 'granted') from given), 'PT422', null, 'an unknown channel is none');

-- Erasure

select tests.clear_authentication();

delete from public.leads where id = (select lead from given);

select is(pg_temp.gate('all'), 'deny address_unreachable', 'a refusal outlives the person');

select is_empty($$select * from public.consents c where to_jsonb(c)::text ~ 'consents@example|9811100001'$$, 'of whom it keeps nothing to read');

select * from finish();

rollback;

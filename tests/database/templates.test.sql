-- Templates: variables are found and filled in once, escaped where they must be, and what nobody gave is named.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('manager', 'Templates A', true) as manager, tests.create_user('counselor', 'Templates A', true, 'Chetan Kumar') as counselor,
  tests.create_user('counselor', 'Templates B', true) as stranger;

create temp table given on commit drop as select gen_random_uuid() as lead, gen_random_uuid() as template;

grant select on people, given to public;

alter table public.leads disable trigger route_new_lead;

insert into public.leads (id, name, email, assigned_to) select lead, 'Asha <b>Rao</b>', 'asha.templates@example.com', counselor from given, people;

-- Filling in

select results_eq(
  $$select t, private.fill_template(t, v::jsonb, f) from (values
    ('Dear {{name}}, {{ name }}!', '{"name": "Asha"}', 'text'),
    ('{{a}}{{b}}', '{"a": "{{b}}", "b": "B"}', 'text'),
    ('<p title="{{a}}">', '{"a": "\"><script>''&"}', 'html'),
    ('Re: {{a}}', '{"a": "x\r\nBcc: y"}', 'line'),
    ('{{unknown}} {{ 1x }} {{}}', '{}', 'text'),
    ('no variables', '{}', 'text')
  ) t (t, v, f)$$,
  $$values
    ('Dear {{name}}, {{ name }}!', 'Dear Asha, Asha!'),
    ('{{a}}{{b}}', '{{b}}B'),
    ('<p title="{{a}}">', '<p title="&quot;&gt;&lt;script&gt;&#39;&amp;">'),
    ('Re: {{a}}', 'Re: x Bcc: y'),
    ('{{unknown}} {{ 1x }} {{}}', '{{unknown}} {{ 1x }} {{}}'),
    ('no variables', 'no variables')$$,
  'values are put in once, escaped in HTML, on one line in a subject; what has no value stays');

-- Writing

select tests.authenticate_as((select manager from people));

insert into public.message_templates (id, name, channel, format, subject, content)
select template, ' Offer-Letter ', 'Email', 'html', 'An offer for {{name}}', '<p>{{name}}, your fee is {{fee}}. {{counselor}}</p>' from given;

select results_eq(
  'select name, channel, variables, created_by, version from public.message_templates where id = (select template from given)',
  $$select 'offer-letter', 'email', '{name,fee,counselor}'::text[], manager, 1::bigint from people$$,
  'a template knows its variables, in order, and who wrote it');

update public.message_templates set content = '<p>{{name}}, your fee is {{fee}}.</p>' where id = (select template from given);

select results_eq(
  'select variables, version from public.message_templates where id = (select template from given)', $$values ('{name,fee}'::text[], 2::bigint)$$,
  'also after it was changed');

select throws_ok(format('insert into public.message_templates (name, channel, subject, content) values (%L, %L, %L, %L)', name, channel, subject, content), state, null, what)
from (values
  ('welcome', 'email', 'Twice', 'x', '23505', 'one template has a name on a channel'),
  ('no-subject', 'email', null, 'x', '23514', 'an e-mail has a subject'),
  ('broken', 'email', E'a\nb', 'x', '23514', 'of one line'),
  ('sms', 'sms', 'x', 'x', '23514', 'an SMS has none'),
  ('No Key', 'sms', null, 'x', '23514', 'its name is a key'),
  ('empty', 'sms', null, ' ', '23514', 'it says something')
) t (name, channel, subject, content, state, what);

select tests.authenticate_as((select counselor from people));

select throws_ok($$insert into public.message_templates (name, channel, content) values ('mine', 'sms', 'x')$$, '42501', null, 'who may not manage templates writes none');

select is_empty($$update public.message_templates set content = 'x' returning id$$, 'and changes none');

select cmp_ok((select count(*) from public.message_templates t where t.name in ('welcome', 'follow-up-v2', 'offer-letter')), '>=', 5::bigint, 'but reads them');

-- Preview

select is(
  (select public.message_preview('offer-letter', lead::text, '{"fee": 5000}') from given),
  (select jsonb_build_object(
    'template_id', template, 'name', 'offer-letter', 'channel', 'email', 'locale', 'en', 'format', 'html', 'subject', 'An offer for Asha <b>Rao</b>',
    'content', '<p>Asha &lt;b&gt;Rao&lt;/b&gt;, your fee is 5000.</p>', 'missing', '[]'::jsonb
  ) from given),
  'a preview is the message as it would go out');

select is(public.message_preview('offer-letter') -> 'missing', '["name", "fee"]', 'and names what is missing');

select throws_ok(format('select public.message_preview(%L, p_channel => %L)', name, channel), 'PT404', 'There is no such template that is in use on this channel.', what)
from (values ('nothing', null, 'no template of that name'), ('follow-up-v2', 'sms', 'none on that channel')) t (name, channel, what);

select tests.authenticate_as((select stranger from people));

select throws_ok((select format('select public.message_preview(%L, %L)', 'welcome', lead) from given), 'PT404', null, 'nobody previews with a lead that is not theirs');

select * from finish();

rollback;

-- Contacts: nobody twice whom one can see, and when somebody last spoke with them.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('counselor', 'Contacts A') as counselor, tests.create_user('counselor', 'Contacts A') as colleague;

create temp table given on commit drop as
select gen_random_uuid() as contact;

grant select on people, given to public;

insert into public.contacts (id, name, assigned_to) select g.contact, 'Mine', p.counselor from given g, people p;

-- The same person twice

insert into public.contacts (name, email, phone, assigned_to) select 'First', 'first@contacts.test', '98123 00009', p.counselor from people p;

select tests.authenticate_as((select counselor from people));

select throws_ok(
  'insert into public.contacts (name, email) values (''Again'', '' FIRST@contacts.test'')', 'PT409',
  'There is a contact with this e-mail address or phone number already.', 'the same e-mail is refused'
);

select throws_ok(
  'insert into public.contacts (name, phone) values (''Again'', ''+91 98123 00009'')', 'PT409',
  'There is a contact with this e-mail address or phone number already.', 'the same phone is refused'
);

select throws_ok(
  'insert into public.contacts (name, email) values (''One'', ''same@contacts.test''), (''Two'', ''same@contacts.test'')', 'PT409',
  'There is a contact with this e-mail address or phone number already.', 'also within one statement'
);

select lives_ok('update public.contacts set email = ''first@contacts.test'', role = ''x'' where name = ''First''', 'one may be itself');

select tests.authenticate_as((select colleague from people));

select lives_ok('insert into public.contacts (name, email) values (''Theirs'', ''first@contacts.test'')', 'who cannot see the first is told nothing of it');

select tests.clear_authentication();

update public.contacts set deleted_at = now() where name = 'First';

update public.contacts set deleted_at = now() where name = 'Theirs';

select lives_ok(
  format('insert into public.contacts (name, email, assigned_to) values (''Second'', ''first@contacts.test'', %L)', (select counselor from people)),
  'a deleted contact is no contact'
);

select throws_ok(
  'update public.contacts set deleted_at = null where name = ''First''', 'PT409', null, 'and does not come back beside another'
);

insert into public.system_settings (key, value) values ('leads.unique_phone', 'false') on conflict (key) do update set value = excluded.value;

select lives_ok(
  $$insert into public.contacts (name, phone) values ('Mother', '+919812300077'), ('Father', '+919812300077')$$, 'families share a phone where the settings say so'
);

-- last_contacted

select private.touch_contact((select contact from given), '2026-05-02T10:00:00Z');

select private.touch_contact((select contact from given), '2026-05-01T10:00:00Z');

select is((select last_contacted from public.contacts c, given g where c.id = g.contact), '2026-05-02T10:00:00Z', 'last_contacted never goes back');

select private.touch_contact((select contact from given), now() + interval '1 day');

select ok((select last_contacted <= clock_timestamp() from public.contacts c, given g where c.id = g.contact), 'nor into the future');

-- Deleted

update public.contacts set deleted_at = now() where name = 'Mine';

select tests.authenticate_as((select counselor from people));

select is((select count(*)::int from public.contacts where name = 'Mine'), 0, 'what is deleted is in nobody''s sight');

select tests.clear_authentication();

select * from finish();

rollback;

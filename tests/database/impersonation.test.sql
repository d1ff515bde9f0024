-- Impersonation: who may look with whose eyes, for how long, and that nothing can be touched.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('admin') as admin, tests.create_user('admin') as other_admin, tests.create_user('manager', 'Eyes A') as manager,
  tests.create_user('counselor', 'Eyes A') as counselor, tests.create_user('counselor', 'Eyes B') as other, tests.create_user('counselor', null, false) as inactive,
  tests.create_user('counselor') as unconfirmed;

update auth.users set email_confirmed_at = null where id = (select unconfirmed from people);

insert into public.leads (name, assigned_to) select 'Lead of the counselor', counselor from people;

insert into public.notes (content, author_id, lead_id) select 'With a file', p.counselor, l.id from people p join public.leads l on l.assigned_to = p.counselor;

insert into storage.objects (bucket_id, name) select 'attachments', 'notes/' || id || '/old.pdf' from public.notes where content = 'With a file';

grant select on people to public;

create temp table sessions on commit drop as
select tests.create_session(admin) as admin, tests.create_session(counselor) as made, tests.create_session(counselor) as own, tests.create_session(other) as others,
  tests.create_session(counselor) as old
from people;

grant select on sessions to public;

update auth.sessions set created_at = now() - interval '2 minutes' where id = (select old from sessions);

-- Who may

select tests.authenticate_as((select manager from people));

select throws_ok(format('select private.impersonation_check(%L, %L)', (select counselor from people), 'Help'), '42501', null, 'a manager impersonates nobody');

select tests.authenticate_as((select admin from people), (select admin from sessions));

select is(private.impersonation_check(counselor, 'Help'), counselor || '@example.test', 'an admin may, and is told the address') from people;

select throws_ok(format('select private.impersonation_check(%L, %L)', id, 'Help'), '42501', 'Nobody may look with the eyes of this person.', 'refused: ' || what)
from people, lateral (values (admin, 'oneself'), (other_admin, 'another admin'), (inactive, 'somebody inactive'), (unconfirmed, 'an address not confirmed')) t (id, what);

select throws_ok(format('select private.impersonation_check(%L, %L)', (select counselor from people), reason), 'PT422', null, 'a reason is due: ' || coalesce(reason, 'null'))
from (values (''), (' '), (null)) t (reason);

select throws_ok($$select private.impersonation_check(gen_random_uuid(), 'Help')$$, 'PT404', null, 'nobody is not found');

-- Beginning

select throws_ok(format('select private.impersonation_begin(%L, %L, %L)', (select counselor from people), session, 'Help'), 'PT404', null, what)
from sessions, lateral (values (others, 'a session of somebody else is not taken'), (old, 'nor one that was not made for it'), (gen_random_uuid(), 'nor one that is none')) t (session, what);

select is(private.impersonation_begin(counselor, made, 'Cannot see her leads'), now() + interval '10 minutes', 'it lasts ten minutes') from people, sessions;

select results_eq(
  'select user_id, impersonator_id, reason from public.impersonations',
  $$select counselor, admin, 'Cannot see her leads' from people$$, 'it is written down');

select throws_ok('select session_id from public.impersonations', '42501', null, 'but not its session');

select results_eq(
  $$select action, resource, record_id, user_id, after ->> 'reason' from public.audit_logs where action = 'impersonate'$$,
  $$select 'impersonate', 'users', counselor::text, admin, 'Cannot see her leads' from people$$, 'and in the audit trail');

select tests.clear_authentication();

select is_empty('select 1 from auth.sessions where id = (select made from sessions)', 'for Auth the session is over');

-- Looking

select tests.authenticate_as((select counselor from people), (select made from sessions));

select is(private.gate_own(), (select counselor from people), 'the gates know whose eyes these are');

select is((select count(*) from public.leads where name = 'Lead of the counselor'), 1::bigint, 'and they see what that person sees');

select is((public.me() ->> 'id')::uuid, (select counselor from people), 'me() is that person');

select throws_ok('select private.pre_request()', '42501', 'An impersonation looks and changes nothing.', 'a write through the Data API is refused');

create function pg_temp.reads() returns boolean language plpgsql as $$
begin
  set local transaction_read_only = on;
  perform private.pre_request();
  raise exception using errcode = 'P0001', message = 'back to writing';
exception when raise_exception then
  return true;
end
$$;

select ok(pg_temp.reads(), 'a read is not');

select tests.authenticate_as((select counselor from people), (select own from sessions));

select results_eq('select user_id from public.impersonations', 'select counselor from people', 'whose eyes they were may know');

select tests.authenticate_as((select other from people), (select others from sessions));

select is_empty('select 1 from public.impersonations', 'nobody else');

select tests.authenticate_as((select counselor from people), (select made from sessions));

-- What the person themselves may do.
create function pg_temp.touches() returns text language plpgsql as $$
declare
  note uuid := (select id from public.notes where content = 'With a file');
begin
  begin
    insert into storage.objects (bucket_id, name) values ('attachments', 'notes/' || note || '/new.pdf');
    return 'stored';
  exception when insufficient_privilege then
    delete from storage.objects where name = 'notes/' || note || '/old.pdf';
    return case when found then 'deleted' else 'nothing' end;
  end;
end
$$;

select is(pg_temp.touches(), 'nothing', 'nothing is stored, and nothing removed');

select tests.authenticate_as((select counselor from people), (select own from sessions));

select is(pg_temp.touches(), 'stored', 'which the person may');

select tests.authenticate_as((select counselor from people), (select made from sessions));

create function pg_temp.sees() returns boolean language sql as $$ select private.gate_own() is not null $$;

select ok(pg_temp.sees(), 'it lives');

-- Every way in which it ends; each is taken back before the next.
create function pg_temp.after(p_change text) returns boolean language plpgsql as $$
declare
  seen boolean;
  claims text := current_setting('request.jwt.claims');
begin
  begin
    perform set_config('role', 'none', true);
    execute p_change;
    perform set_config('role', 'authenticated', true);
    seen := private.gate_own() is not null;
    raise exception using errcode = 'P0001', message = seen::text;
  exception when raise_exception then
    return sqlerrm::boolean;
  end;
end
$$;

select is(pg_temp.after(change), false, 'over when ' || what)
from (values
  ($$update public.impersonations set started_at = now() - interval '11 minutes', expires_at = now() - interval '1 minute'$$, 'its time is'),
  ($$update public.impersonations set ended_at = clock_timestamp()$$, 'it was ended'),
  ($$update public.profiles set is_active = false where id = (select admin from people)$$, 'the impersonator is no longer active'),
  ($$update public.profiles set role_id = (select id from public.roles where key = 'manager') where id = (select admin from people)$$, 'the impersonator may no longer'),
  ($$delete from auth.sessions where id = (select admin from sessions)$$, 'the impersonator signed out'),
  ($$update public.profiles set is_active = false where id = (select counselor from people)$$, 'the person is no longer active'),
  ($$update public.profiles set role_id = (select id from public.roles where key = 'admin') where id = (select counselor from people)$$, 'the person may impersonate by now'),
  ($$insert into public.roles (key, name, data_scope) values ('eyes', 'Eyes', 'all');
     insert into public.role_permissions (role_id, permission) select id, 'users.impersonate' from public.roles where key = 'eyes';
     update public.profiles set role_id = (select id from public.roles where key = 'eyes') where id = (select admin from people)$$, 'the person may more than the impersonator by now')
) t (change, what);

select ok(pg_temp.sees(), 'and after all that was taken back it lives still');

-- Ending

select tests.clear_authentication();

create temp table begun on commit drop as select id from public.impersonations;

grant select on begun to public;

select tests.authenticate_as((select other from people));

select throws_ok(format('select public.impersonation_end(%L)', (select id from begun)), 'PT404', null, 'a stranger ends nothing');

select tests.authenticate_as((select counselor from people), (select own from sessions));

select lives_ok(format('select public.impersonation_end(%L)', (select id from begun)), 'whose eyes they are may');

select throws_ok(format('select public.impersonation_end(%L)', (select id from begun)), 'PT404', null, 'once');

select tests.authenticate_as((select counselor from people), (select made from sessions));

select ok(not pg_temp.sees(), 'then it sees nothing');

select * from finish();

rollback;

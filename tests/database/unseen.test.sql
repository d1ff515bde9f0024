-- Nobody learns whether something exists by hanging something on it: what is another's and what never was are refused
-- in the same words, by every table that people write to.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('counselor', 'Unseen A') as counselor, tests.create_user('counselor', 'Unseen B') as stranger;

-- A row of each table that a client may write, as short as it can be.
create temp table shortest on commit drop as
select t.name, t.fields || case when t.name in ('analytics_events', 'notifications') then jsonb_build_object('user_id', p.counselor) else '{}' end as fields
from people p, (values
  ('analytics_events', '{"event_type": "page_view"}'::jsonb), ('calls', '{}'), ('communications', '{"type": "sms"}'), ('contacts', '{"name": "x"}'),
  ('deals', '{"name": "x"}'), ('documents', '{"document_name": "x", "document_type": "transcript"}'), ('lead_identities', '{"kind": "email", "value": "x@unseen.test"}'),
  ('notes', '{"content": "x"}'), ('notifications', '{"title": "x", "message": "x", "type": "lead"}'), ('payments', '{"amount": 100}'),
  ('reminders', '{"title": "x", "remind_at": "2099-01-01T00:00:00Z"}'), ('students', '{"name": "x"}'), ('tasks', '{"title": "x"}')
) t (name, fields);

create temp table places on commit drop as
select c.relname as name, a.attname as col, k.confrelid::regclass as target,
  has_column_privilege('authenticated', c.oid, a.attnum, 'insert') as is_made, has_column_privilege('authenticated', c.oid, a.attnum, 'update') as is_changed
from pg_constraint k
join pg_class c on c.oid = k.conrelid and c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
join pg_attribute a on a.attrelid = c.oid and a.attnum = k.conkey[1]
where k.contype = 'f' and k.confrelid in ('public.leads'::regclass, 'public.contacts'::regclass, 'public.students'::regclass, 'public.organizations'::regclass);

delete from places where not is_made and not is_changed;

create temp table things on commit drop as
select target::regclass, gen_random_uuid() as mine, gen_random_uuid() as theirs, gen_random_uuid() as gone, gen_random_uuid() as never
from unnest(array['public.leads', 'public.contacts', 'public.students', 'public.organizations']) target;

do $$
declare
  thing record;
begin
  for thing in select * from things order by target <> 'public.leads'::regclass loop
    execute format(
      'insert into %s (id, name, assigned_to, deleted_at) select $1, ''Mine'', counselor, null::timestamptz from people
        union all select $2, ''Theirs'', stranger, null from people union all select $3, ''Gone'', stranger, now() from people', thing.target
    ) using thing.mine, thing.theirs, thing.gone;
  end loop;

  update public.contacts c set lead_id = l.id from public.leads l where (c.name, l.name) in (('Mine', 'Mine'), ('Theirs', 'Theirs')) and l.id in (select unnest(array[mine, theirs]) from things);

  update public.students s set lead_id = l.id from public.leads l where (s.name, l.name) in (('Mine', 'Mine'), ('Theirs', 'Theirs')) and l.id in (select unnest(array[mine, theirs]) from things);
end
$$;

grant select on shortest, places, things to public;

create function pg_temp.answer(p_call text, p_id uuid) returns text language plpgsql as $$
declare
  said text;
begin
  execute p_call;

  return 'taken';
exception when others then
  get stacked diagnostics said = pg_exception_detail;

  return replace(concat_ws(' ', sqlstate, sqlerrm, said), p_id::text, 'it');
end
$$;

create function pg_temp.made(p_table text, p_column text, p_id uuid, p_more jsonb default '{}') returns text language sql as $$
  select pg_temp.answer(format('insert into public.%1$I (%2$s) select %2$s from jsonb_populate_record(null::public.%1$I, %3$L)', p_table, string_agg(quote_ident(k), ', '), f), p_id)
  from shortest s, lateral (select s.fields || p_more || jsonb_build_object(p_column, p_id)) g (f), jsonb_object_keys(f) k
  where s.name = p_table
  group by f;
$$;

create function pg_temp.changed(p_table text, p_column text, p_id uuid) returns text language sql as $$
  select pg_temp.answer(format('update public.%I set %I = %L', p_table, p_column, p_id), p_id);
$$;

grant execute on function pg_temp.answer(text, uuid), pg_temp.made(text, text, uuid, jsonb), pg_temp.changed(text, text, uuid) to public;

select is_empty('select name from places except select name from shortest', 'every table that hangs on something and that people write to is tried');

select cmp_ok((select count(*) from places where is_made), '>=', 24::bigint, 'which are not few');

select tests.authenticate_as((select counselor from people));

select is(pg_temp.made(p.name, p.col, t.mine), 'taken', format('%s are made with a %s of one''s own', p.name, p.col))
from places p join things t using (target) where p.is_made;

select is(
  array[pg_temp.made(p.name, p.col, t.theirs), pg_temp.made(p.name, p.col, t.gone)], array_fill(pg_temp.made(p.name, p.col, t.never), '{2}'),
  format('%s with the %s of another as with one that never was', p.name, p.col)
) from places p join things t using (target) where p.is_made;

select isnt(pg_temp.made(p.name, p.col, t.never), 'taken', format('which is not at all: %s, %s', p.name, p.col))
from places p join things t using (target) where p.is_made;

select is(
  array[pg_temp.made(p.name, p.col, t.theirs, more), pg_temp.made(p.name, p.col, t.gone, more)], array_fill(pg_temp.made(p.name, p.col, t.never, more), '{2}'),
  format('nor does a fault tell, in %s with a %s and %s', p.name, p.col, more)
)
from places p
join things t using (target)
join things l on l.target = 'public.leads'::regclass
join lateral (values
  ('communications', '{"status": "read"}'::jsonb), ('communications', '{"type": "pigeon"}'), ('contacts', '{"email": "no"}'), ('contacts', '{"phone": "no"}'),
  ('deals', '{"stage": "nowhere"}'), ('documents', '{"access_level": "no"}'), ('documents', jsonb_build_object('lead_id', l.mine)), ('lead_identities', '{"value": "no"}'),
  ('notes', '{"content": ""}'), ('payments', '{"amount": -1}'), ('payments', '{"currency": "no"}'), ('payments', jsonb_build_object('installment_id', l.never)),
  ('students', '{"phone": "no"}'), ('tasks', '{"status": "no"}'), ('tasks', '{"recurrence": "no"}')
) m (name, more) on m.name = p.name
where p.is_made;

select is(
  array[pg_temp.changed(p.name, p.col, t.theirs), pg_temp.changed(p.name, p.col, t.gone)], array_fill(pg_temp.changed(p.name, p.col, t.never), '{2}'),
  format('%s do not go to the %s of another as not to one that never was', p.name, p.col)
) from places p join things t using (target) where p.is_changed;

select isnt(pg_temp.changed(p.name, p.col, t.never), 'taken', format('which is not at all: %s, %s changed', p.name, p.col))
from places p join things t using (target) where p.is_changed;

select * from finish();

rollback;

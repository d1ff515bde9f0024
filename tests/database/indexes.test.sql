-- Indexes: what the catalogue and the planner can be asked about lists and figures that stay fast as tables grow.

begin;

select no_plan();

-- What is filtered by has an index that begins with it

select is_empty(
  $$select k.conrelid::regclass, a.attname
    from pg_constraint k
    join pg_class c on c.oid = k.conrelid and not c.relispartition
    join pg_attribute a on a.attrelid = k.conrelid and a.attnum = k.conkey[1]
    where k.contype = 'f' and k.connamespace = 'public'::regnamespace
      -- People, teams and words of a choice are not deleted, and nothing is listed by most of their columns.
      and exists (select from private.soft_deletable s where k.confrelid = to_regclass('public.' || s.table_name))
      and not exists (select from pg_index i where i.indrelid = k.conrelid and i.indkey[0] = k.conkey[1])$$,
  '[D0-080] [D3-074] every reference to what people list and delete has an index'
);

select is_empty(
  $$select f.relation, f.field
    from (values
      ('leads', 'lead_id'), ('leads', 'email'), ('leads', 'phone'), ('leads', 'assigned_to'), ('leads', 'team_id'), ('leads', 'created_at'),
      ('students', 'lead_id'), ('students', 'assigned_to'), ('students', 'created_at'), ('contacts', 'lead_id'), ('contacts', 'assigned_to'),
      ('deals', 'lead_id'), ('deals', 'assigned_to'), ('tasks', 'lead_id'), ('tasks', 'assigned_to'), ('calls', 'lead_id'), ('calls', 'agent_id'),
      ('reminders', 'lead_id'), ('reminders', 'agent_id'), ('notes', 'lead_id'), ('notes', 'student_id'), ('notes', 'author_id'),
      ('communications', 'lead_id'), ('communications', 'student_id'), ('communications', 'user_id'), ('communications', 'campaign_id'), ('communications', 'sent_at'),
      ('payments', 'student_id'), ('payments', 'lead_id'), ('payments', 'paid_at'), ('payments', 'created_at'), ('activities', 'entity_id'), ('lead_history', 'lead_id'),
      ('notifications', 'user_id'), ('audit_logs', 'user_id'), ('audit_logs', 'resource'), ('audit_logs', 'created_at'),
      ('analytics_events', 'event_type'), ('analytics_events', 'user_id'), ('analytics_events', 'created_at')
    ) f (relation, field)
    where not exists (
      select from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
      where i.indrelid = to_regclass('public.' || f.relation) and a.attname = f.field
    )$$,
  '[D0-080] so does every column that the documents filter and sort lists by, but the stage of leads'
);

-- The stage changes too often to be indexed: a list of one stage walks the leads in the order of the list.

create temp table people on commit drop as select tests.create_user('admin') as admin, tests.create_user('counselor', 'Index A') as one, tests.create_user('counselor', 'Index B') as other;

alter table public.leads disable trigger user;

insert into public.leads (name, assigned_to, source, status, currency, created_at)
select 'Indexed ' || n, case when n % 20 = 0 then one else other end, 'Index', case when n % 4 = 0 then 'contacted' else 'new' end, 'INR', now() - make_interval(mins => n)
from people, generate_series(1, 6000) n;

analyze public.leads;

create function pg_temp.plan(p_query text) returns text language plpgsql as $$
declare
  line text;
  lines text := '';
begin
  for line in execute 'explain ' || p_query loop
    lines := lines || line || E'\n';
  end loop;

  return lines;
end
$$;

grant execute on function pg_temp.plan(text) to public;

grant select on people to public;

select tests.authenticate_as(t.id), ok(t.plan like '%' || t.index || '%' and t.plan not like '%Seq Scan on leads%' and t.plan not like '%Sort%', format('[D0-080] [D3-074] %s is a page read in order from %s', t.what, t.index))
from (
  select x.*, p.plan
  from people
  cross join lateral (values
    ('the newest leads', admin, 'leads_newest', 'true'),
    ('the page after', admin, 'leads_newest', $$(l.created_at, l.id) < (now() - interval '2 days', 'ffffffff-ffff-ffff-ffff-ffffffffffff')$$),
    ('those of a stage', admin, 'leads_newest', $$l.status = 'contacted'$$),
    ('those of a person', one, 'leads_of_owner', format('l.assigned_to = %L', one))
  ) x (what, id, index, condition)
  cross join lateral (
    select tests.authenticate_as(x.id), pg_temp.plan(format('select l.id, l.name from public.leads l where l.deleted_at is null and %s order by l.created_at desc, l.id desc limit 50', x.condition)) as plan
  ) p
) t;

-- While a table is empty all its indexes cost the same, and plans of that moment may be kept.

create temp table empty_leads (like public.leads including all) on commit drop;

analyze empty_leads;

set local enable_seqscan = off;

select matches(pg_temp.plan(format('select id from empty_leads where %1$s = ''x'' and %1$s_slot = 0 and deleted_at is null', f.field)), format('Index Cond: \(\(%s = ', f.field),
  format('a person is found by %s in an empty table as in a full one', f.field))
from (values ('email'), ('phone')) f (field);

select * from finish();

rollback;

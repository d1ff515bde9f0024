-- The conventions of CONTRIBUTING.md that the catalogue can be asked about.

begin;

select plan(12);

select is_empty(
  $$select c.oid::regclass from pg_class c
    where c.relnamespace in ('public'::regnamespace, 'private'::regnamespace) and c.relkind in ('r', 'p', 'v', 'm')
      and not c.relispartition and obj_description(c.oid, 'pg_class') is null$$,
  'every table and view says what it is for'
);

select is_empty(
  $$select p.oid::regprocedure from pg_proc p
    where p.pronamespace in ('public'::regnamespace, 'private'::regnamespace) and obj_description(p.oid, 'pg_proc') is null$$,
  'every function says what it does'
);

select is_empty(
  $$select p.polrelid::regclass, p.polname from pg_policy p
    join pg_class c on c.oid = p.polrelid
    where obj_description(p.oid, 'pg_policy') is null
      and c.relnamespace in ('public'::regnamespace, 'private'::regnamespace)$$,
  'every policy says whom it lets through'
);

select is_empty(
  $$select k.conrelid::regclass, k.conname from pg_constraint k
    where k.contype = 'f' and k.connamespace in ('public'::regnamespace, 'private'::regnamespace) and k.confdeltype = 'a'$$,
  'every foreign key states what happens on delete'
);

select is_empty(
  $$select a.attrelid::regclass, a.attname, a.atttypid::regtype
    from pg_attribute a
    join pg_class c on c.oid = a.attrelid and c.relkind in ('r', 'p')
    where c.relnamespace = 'public'::regnamespace and a.attnum > 0 and not a.attisdropped
      and a.atttypid in ('timestamp'::regtype, 'time'::regtype, 'json'::regtype, 'varchar'::regtype, 'bpchar'::regtype, 'money'::regtype)$$,
  'times know their zone, texts are text, documents are jsonb'
);

select is_empty(
  $$select t.oid::regtype from pg_type t
    where t.typnamespace in ('public'::regnamespace, 'private'::regnamespace) and t.typtype = 'e'$$,
  'states are held by named checks, not by enums'
);

select is_empty(
  $$select c.oid::regclass from pg_class c
    where c.relnamespace in ('public'::regnamespace, 'private'::regnamespace) and c.relkind in ('r', 'p')
      and not exists (select from pg_constraint k where k.conrelid = c.oid and k.contype = 'p')$$,
  'every table has a primary key'
);

select is_empty(
  $$select e.extname from pg_extension e where e.extnamespace = 'public'::regnamespace$$,
  'no extension lives in the exposed schema'
);

select is_empty(
  $$select e.code from public.error_codes e
    where e.sqlstate !~ '^(42501|PT[45][0-9]{2})$'$$,
  'every error of the catalogue has a status that PostgREST knows'
);

create temp table remembered (relation text, named text, reason text not null, primary key (relation, named)) on commit drop;

insert into remembered values
  ('%', 'deleted_by', 'who deleted a row is remembered beyond the account'),
  ('audit_logs', 'user_id', 'the trail outlives the account'),
  ('audit_logs', 'impersonator_id', 'the trail outlives the account'),
  ('audit_logs', 'session_id', 'a session of Auth ends, and its row with it'),
  ('private.sync_ops', 'client_id', 'a device may send before it is known'),
  ('private.sync_ops', 'op_id', 'made by the device, and half of its key'),
  ('sync_conflicts', 'row_id', 'a row of the type that stands beside it'),
  ('impersonations', 'session_id', 'a session of Auth ends, and its row with it'),
  ('impersonations', 'impersonator_session_id', 'a session of Auth ends, and its row with it'),
  ('activities', 'entity_id', 'generated: one of the four keys of the row, which have theirs'),
  ('activities', 'source_id', 'a note, call, task or message, which takes it along by a trigger'),
  ('tasks', 'related_to_id', 'held by a check to one of the keys of the row'),
  ('lead_merges', 'source_ids', 'an array, of leads that are gone'),
  ('private.batch_leads', 'target_id', 'remembers a lead through a merge and an erasure'),
  ('private.import_rows', 'target_id', 'remembers a lead through a merge and an erasure'),
  ('private.import_rows', 'first_id', 'a bound of the ids that were made, not a row'),
  ('private.import_rows', 'last_id', 'a bound of the ids that were made, not a row'),
  ('private.import_chunks', 'last_id', 'a bound of the ids that were made, not a row'),
  ('communications', 'thread_id', 'names a conversation, which is its messages and has no row of its own'),
  ('private.webhook_inbox', 'job_id', 'a job moves from the queue to its archive'),
  ('webhook_deliveries', 'event_id', 'what was told stays told when the row of the timeline is erased; of a test an id of its own');

-- The table that a column names comes with a module of its own; from then on there must be a key.
insert into remembered
select a.relation, a.named, 'there is no ' || a.wanted || ' yet'
from (values
  ('tasks', 'campaign_id', 'campaigns'), ('communications', 'campaign_id', 'campaigns')
) a (relation, named, wanted)
where to_regclass('public.' || a.wanted) is null;

create temp view naming_columns as
select a.attrelid, a.attnum, a.attrelid::regclass::text as relation, a.attname as named, exists (
    select from pg_constraint k where k.contype = 'f' and k.conrelid = a.attrelid and a.attnum = any (k.conkey)
  ) as is_held
from pg_attribute a
join pg_class c on c.oid = a.attrelid and c.relkind in ('r', 'p') and not c.relispartition
where c.relnamespace in ('public'::regnamespace, 'private'::regnamespace) and a.attnum > 0 and not a.attisdropped
  and a.atttypid in ('uuid'::regtype, 'uuid[]'::regtype) and a.attname ~ '_(id|ids|by|to)$';

select is_empty(
  $$select n.relation, n.named from naming_columns n
    where not n.is_held and not exists (select from remembered r where n.relation like r.relation and n.named = r.named)$$,
  '[D0-081] every column that names a row of another table is held by a foreign key, or is on the list with its reason'
);

select is_empty(
  $$select r.relation, r.named from remembered r
    where not exists (select from naming_columns n where n.relation like r.relation and n.named = r.named and not n.is_held)$$,
  '[D0-081] and the list has no line too many'
);

select is_empty(
  $$select p.schemaname, p.tablename, p.policyname from pg_policies p
    where p.cmd <> 'INSERT' and p.qual ilike '%exists%leads%' and p.tablename <> 'messages'$$,
  'no list is read through an exists() over leads, of which the planner may hash every visible one'
);

select * from finish();

rollback;

-- The conventions of CONTRIBUTING.md that the catalogue can be asked about.

begin;

select plan(9);

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

select * from finish();

rollback;

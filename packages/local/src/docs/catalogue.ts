// What the Data API offers to people who are signed in, in the words of the database's own comments.

import type { Sql } from "postgres";

export interface Relation {
  name: string;
  kind: "table" | "view";
  comment: string | null;
  commands: string[];
}

export interface Column {
  relation: string;
  name: string;
  type: string;
  is_required: boolean;
  is_writable: boolean;
  comment: string | null;
}

export interface Routine {
  name: string;
  arguments: string;
  inputs: { name: string; type: string; is_required: boolean }[];
  result: string;
  is_anonymous: boolean;
  comment: string | null;
}

export const relationsOf = (sql: Sql) => sql<Relation[]>`
  select
    c.relname as name,
    case when c.relkind in ('v', 'm') then 'view' else 'table' end as kind,
    obj_description(c.oid, 'pg_class') as comment,
    array_remove(array[
      case when has_any_column_privilege('authenticated', c.oid, 'select') then 'select' end,
      case when has_any_column_privilege('authenticated', c.oid, 'insert') then 'insert' end,
      case when has_any_column_privilege('authenticated', c.oid, 'update') then 'update' end,
      case when has_table_privilege('authenticated', c.oid, 'delete') then 'delete' end
    ], null) as commands
  from pg_catalog.pg_class c
  where c.relnamespace = 'public'::regnamespace
    and c.relkind in ('r', 'p', 'v', 'm')
    and not c.relispartition
    and has_any_column_privilege('authenticated', c.oid, 'select')
  order by c.relname
`;

export const columnsOf = (sql: Sql) => sql<Column[]>`
  select
    c.relname as relation,
    a.attname as name,
    format_type(a.atttypid, a.atttypmod) as type,
    a.attnotnull and not a.atthasdef and a.attidentity = '' as is_required,
    has_column_privilege('authenticated', c.oid, a.attnum, 'insert')
      or has_column_privilege('authenticated', c.oid, a.attnum, 'update') as is_writable,
    col_description(c.oid, a.attnum) as comment
  from pg_catalog.pg_class c
  join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  where c.relnamespace = 'public'::regnamespace
    and has_column_privilege('authenticated', c.oid, a.attnum, 'select')
  order by a.attnum
`;

export const routinesOf = (sql: Sql) => sql<Routine[]>`
  select
    p.proname as name,
    pg_get_function_arguments(p.oid) as arguments,
    (
      select coalesce(json_agg(json_build_object(
        'name', p.proargnames[n], 'type', format_type(t, null), 'is_required', n <= p.pronargs - p.pronargdefaults
      ) order by n), '[]')
      from unnest(p.proargtypes::oid[]) with ordinality i (t, n)
    ) as inputs,
    pg_get_function_result(p.oid) as result,
    has_function_privilege('anon', p.oid, 'execute') as is_anonymous,
    obj_description(p.oid, 'pg_proc') as comment
  from pg_catalog.pg_proc p
  where p.pronamespace = 'public'::regnamespace
    and p.prorettype <> 'trigger'::regtype
    and has_function_privilege('authenticated', p.oid, 'execute')
  order by p.proname, 2
`;

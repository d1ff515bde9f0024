// docs/reference.md: every table, view and function of the API, in the words the database has for them.

import type { Sql } from "postgres";

interface Relation {
  name: string;
  kind: "table" | "view";
  comment: string | null;
  commands: string[];
}

interface Column {
  relation: string;
  name: string;
  type: string;
  is_required: boolean;
  is_writable: boolean;
  comment: string | null;
}

interface Routine {
  name: string;
  arguments: string;
  result: string;
  is_anonymous: boolean;
  comment: string | null;
}

const relationsOf = (sql: Sql) => sql<Relation[]>`
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

const columnsOf = (sql: Sql) => sql<Column[]>`
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

const routinesOf = (sql: Sql) => sql<Routine[]>`
  select
    p.proname as name,
    pg_get_function_arguments(p.oid) as arguments,
    pg_get_function_result(p.oid) as result,
    has_function_privilege('anon', p.oid, 'execute') as is_anonymous,
    obj_description(p.oid, 'pg_proc') as comment
  from pg_catalog.pg_proc p
  where p.pronamespace = 'public'::regnamespace
    and p.prorettype <> 'trigger'::regtype
    and has_function_privilege('authenticated', p.oid, 'execute')
  order by p.proname, 2
`;

const cell = (text: string | null) => (text ?? "").replaceAll("|", "\\|");

function describeRelation(relation: Relation, columns: Column[]): string {
  const rows = columns.map(({ name, type, is_required, is_writable, comment }) => {
    const marks = [is_required && is_writable ? "required" : "", is_writable ? "" : "read only"];
    return `| \`${name}\` | ${type} | ${marks.filter(Boolean).join(", ")} | ${cell(comment)} |`;
  });
  return `### ${relation.name}

${relation.comment ?? ""}

A ${relation.kind}. Commands: ${relation.commands.join(", ")}.

| Column | Type | | |
|---|---|---|---|
${rows.join("\n")}
`;
}

function describeRoutine({
  name,
  arguments: args,
  result,
  is_anonymous,
  comment,
}: Routine): string {
  const plain = args
    .replace(/ DEFAULT NULL::[^,]+/g, " default null")
    .replaceAll(" DEFAULT ", " default ");
  const list = plain === "" ? "" : `\n  ${plain.replaceAll(", p_", ",\n  p_")}\n`;
  return `### ${name}

\`\`\`sql
${name}(${list}) returns ${result.replace(/^TABLE/, "table").replace(/^SETOF/, "setof")}
\`\`\`

${comment ?? ""}${is_anonymous ? " May be called without signing in." : ""}
`;
}

export async function referenceDocument(sql: Sql): Promise<string> {
  const [relations, columns, routines] = await Promise.all([
    relationsOf(sql),
    columnsOf(sql),
    routinesOf(sql),
  ]);
  const tables = relations.map((relation) =>
    describeRelation(
      relation,
      columns.filter((column) => column.relation === relation.name),
    ),
  );
  return `# Reference

<!-- Written by \`npm run docs\` from the database. Do not edit. -->

What a signed-in person's client can use, in the words of the database's own comments. Commands are those
granted to the role \`authenticated\`; which rows they reach, policies decide: [permissions](permissions.md).
Functions are called with \`supabase.rpc(name, { argument: value })\`, tables and views with
\`supabase.from(name)\`.

## Functions

${routines.map(describeRoutine).join("\n")}
## Tables and views

${tables.join("\n")}`;
}

// docs/reference.md: every table, view and function of the API, in the words the database has for them.

import type { Sql } from "postgres";
import {
  type Column,
  columnsOf,
  type Relation,
  type Routine,
  relationsOf,
  routinesOf,
} from "../../packages/local/src/docs/catalogue.ts";

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

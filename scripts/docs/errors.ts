// docs/errors.md: the catalogue of errors.

import type { Sql } from "postgres";
import { functionErrorCodes } from "../../packages/types/src/errors.ts";

interface ErrorCode {
  code: string;
  sqlstate: string;
  message: string;
  hint: string | null;
}

/** How the Data API answers a SQLSTATE that this project raises. */
function statusOf(sqlstate: string): string {
  if (sqlstate === "42501") return "403";
  return /^PT\d{3}$/.test(sqlstate) ? sqlstate.slice(2) : "400";
}

const cell = (text: string | null) => (text ?? "").replaceAll("|", "\\|");

function render(codes: ErrorCode[]): string {
  const rows = codes.map(
    ({ code, sqlstate, message, hint }) =>
      `| \`${code}\` | ${statusOf(sqlstate)} | \`${sqlstate}\` | ${cell(message)} | ${cell(hint)} |`,
  );
  return `# Errors

<!-- Written by \`npm run docs\` from the table error_codes. Do not edit. -->

Every error that Intake raises in the database is a row of \`public.error_codes\`, which anybody may
read: \`supabase.from("error_codes").select()\`. supabase-js gives it in \`error\`:

| Field | Holds |
|---|---|
| \`error.details\` | the code, and after \`: \` what it is about; \`error.details.split(":")[0]\` is safe to branch on |
| \`error.code\` | the SQLSTATE |
| \`error.message\` | what happened, for people |
| \`error.hint\` | what to do about it |

A request without a token is answered with 401 instead of 403. Constraints of the tables answer as
PostgreSQL does: \`23505\` (409) for a duplicate, \`23514\` (400) for a check, \`23503\` (409) for a
reference. A row that row level security hides is not an error: it is not in the answer.

Edge functions answer the same four fields as JSON. Codes that only they use:
${functionErrorCodes.map((code) => `\`${code}\``).join(", ")}.

TypeScript knows all of these as \`ErrorCode\` of \`@intake/types\`, with \`errorCodeOf(error)\` to read one.

| Code | HTTP | SQLSTATE | Message | Hint |
|---|---|---|---|---|
${rows.join("\n")}
`;
}

export async function errorsDocument(sql: Sql): Promise<string> {
  const codes = await sql<ErrorCode[]>`
    select code, sqlstate, message, hint from public.error_codes order by code
  `;
  return render(codes);
}

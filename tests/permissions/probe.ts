/** Asks the database what a persona may do, inside a transaction that nobody ever sees. */
import type postgres from "postgres";
import { guises, personas } from "./personas.ts";

export type Transaction = postgres.TransactionSql;

/**
 * What came of a statement:
 * `+` it did something, `.` it matched nothing (row level security hides it), `-` no grant,
 * `x` refused by a policy, a stable error code, or a bare SQLSTATE.
 */
export type Outcome = string;

const probeFunction = `
create or replace function pg_temp.probe(p_role text, p_claims text, p_before text, p_statement text)
returns jsonb language plpgsql as $probe$
declare
  n bigint;
  state text;
  message text;
  detail text;
begin
  begin
    if p_before is not null then
      execute p_before;
    end if;
    perform set_config('request.jwt.claims', p_claims, true);
    perform set_config('role', p_role, true);
    execute p_statement;
    get diagnostics n = row_count;
    -- Raised so that the subtransaction undoes the statement, the role and the claims.
    raise exception using errcode = 'TP000';
  exception when others then
    get stacked diagnostics state = returned_sqlstate, message = message_text, detail = pg_exception_detail;
  end;
  return jsonb_build_object('state', state, 'rows', n, 'message', message, 'detail', detail);
end
$probe$`;

interface Answer {
  state: string;
  rows: number | null;
  message: string;
  detail: string;
}

/** The fixture has fixed ids and the mutations change the schema: one transaction at a time. */
export async function alone(tx: Transaction): Promise<void> {
  await tx`select pg_advisory_xact_lock(hashtext('intake permissions'))`;
  await tx`set local lock_timeout = '20s'`;
}

export async function installProbe(tx: Transaction): Promise<void> {
  await tx.unsafe(probeFunction);
}

/**
 * Runs each statement as each persona. The result has one outcome per persona, in their order. With
 * `before`, which the owner of the object runs first, service keys are left out.
 */
export async function probe(
  tx: Transaction,
  object: string,
  statements: string[],
  before?: string,
): Promise<Outcome[][]> {
  const calls = statements.flatMap((statement) =>
    personas.flatMap((persona) => guises[persona].map((guise) => ({ statement, persona, guise }))),
  );
  const rows = await tx<{ answer: Answer }[]>`
    select pg_temp.probe(role, claims, before, statement) as answer
    from unnest(
      ${calls.map(({ guise }) => guise.role)}::text[],
      ${calls.map(({ guise }) => JSON.stringify(guise.claims))}::text[],
      ${calls.map(({ guise }) => [before, guise.before].filter(Boolean).join("; ") || null)}::text[],
      ${calls.map(({ guise, statement }) => (before && guise.role === "service_role" ? "" : statement))}::text[]
    ) with ordinality as call (role, claims, before, statement, position)
    order by position
  `;
  const answers = rows.map((row) => classify(object, row.answer));
  return statements.map(() =>
    personas.map((persona) => {
      const outcomes = new Set(answers.splice(0, guises[persona].length));
      // Guises that differ make an outcome no expectation names, so the difference is seen.
      return [...outcomes].join("|");
    }),
  );
}

function classify(object: string, answer: Answer): Outcome {
  if (answer.state === "TP000") return Number(answer.rows) > 0 ? "+" : ".";
  if (answer.state === "42501") {
    const name = object.replace(/\(.*$/, "").replace(/^.*\./, "");
    const denied = /^permission denied for (?:table|view|function|materialized view) "?([^"]+)"?$/;
    if (denied.exec(answer.message)?.[1] === name) return "-";
    if (answer.message.includes("row-level security policy")) return "x";
  }
  const code = /^([a-z][a-z0-9_]{2,62})(?::|$)/.exec(answer.detail)?.[1];
  const raisedByUs = answer.state === "42501" || answer.state.startsWith("PT");
  return raisedByUs && code !== undefined ? code : answer.state;
}

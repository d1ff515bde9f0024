import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type postgres from "postgres";
import { type Engine, startEngine } from "./engine.ts";
import { interleaved, table } from "./measure.ts";
import { personId, seedLeads, teamId } from "./seed.ts";
import { benchWrites, type Write } from "./writes.ts";

const LEADS = 1_000_000;
const ROUNDS = 20;
/** From one millisecond on the ratio counts; below it the cost of a statement's gates is a constant. */
const RATIO_LIMIT = 1.15;
const CONSTANT_LIMIT_MS = 0.2;
const UNHINTED_LIMIT = 5;

interface Persona {
  role: "counselor" | "manager" | "admin";
  id: string;
  /** What a client adds to its own list queries. */
  scope: string;
}

const PERSONAS: Persona[] = [
  {
    role: "counselor",
    id: personId("counselor", 7),
    scope: `and assigned_to = '${personId("counselor", 7)}'`,
  },
  { role: "manager", id: personId("manager", 7), scope: `and team_id = '${teamId(7)}'` },
  { role: "admin", id: personId("admin", 0), scope: "" },
];

const COLUMNS = "id, lead_id, name, email, phone, status, source, score, value, created_at";
const NEWEST = "order by created_at desc, id desc limit 50";

function queries(scope: string, cursor: { created_at: Date; id: string }): Record<string, string> {
  const after = `and (created_at, id) < ('${cursor.created_at.toISOString()}', '${cursor.id}')`;
  return {
    "newest 50": `select ${COLUMNS} from public.leads where deleted_at is null ${scope} ${NEWEST}`,
    "filtered 50": `select ${COLUMNS} from public.leads where deleted_at is null ${scope} and status = 'qualified' and source = 'Website' ${NEWEST}`,
    "page two": `select ${COLUMNS} from public.leads where deleted_at is null ${scope} ${after} ${NEWEST}`,
    "exact count": `select count(*) from public.leads where deleted_at is null ${scope}`,
  };
}

export interface Row {
  role: string;
  query: string;
  floor_ms: number;
  rls_ms: number;
  ratio: number;
  more_ms: number;
  plan: string;
  holds: boolean;
}

export async function benchRls(): Promise<boolean> {
  const engine = await startEngine();
  try {
    await seedLeads(engine.admin, LEADS);
    const rows: Row[] = [];
    const plans: Record<string, string> = {};
    for (const persona of PERSONAS) await benchReads(engine, persona, rows, plans);
    const writes = await benchWrites(engine.admin);
    await report(engine, rows, plans, writes);
    return rows.every((row) => row.holds) && writes.every((write) => write.holds);
  } finally {
    await engine.stop();
  }
}

async function benchReads(
  engine: Engine,
  persona: Persona,
  rows: Row[],
  plans: Record<string, string>,
): Promise<void> {
  const floor = await engine.admin.reserve();
  const user = await engine.admin.reserve();
  try {
    const [fiftieth] = await floor.unsafe<{ created_at: Date; id: string }[]>(
      `select created_at, id from public.leads where deleted_at is null ${persona.scope} ${NEWEST.replace("limit 50", "offset 49 limit 1")}`,
    );
    if (!fiftieth) throw new Error("The benchmark's data is incomplete.");
    const cases = queries(persona.scope, fiftieth);
    for (const [name, query] of Object.entries(cases)) {
      rows.push(await benchQuery(persona, name, query, query, floor, user, plans));
    }
    if (persona.scope !== "") {
      const list = cases["newest 50"] ?? "";
      const row = await benchQuery(
        persona,
        "newest 50, no scope filter",
        list,
        list.replace(persona.scope, ""),
        floor,
        user,
        plans,
      );
      row.holds = row.ratio <= UNHINTED_LIMIT && !row.plan.includes("Seq Scan");
      rows.push(row);
    }
  } finally {
    floor.release();
    user.release();
  }
}

async function benchQuery(
  persona: Persona,
  name: string,
  floorQuery: string,
  userQuery: string,
  floor: postgres.ReservedSql,
  user: postgres.ReservedSql,
  plans: Record<string, string>,
): Promise<Row> {
  const claims = JSON.stringify({
    sub: persona.id,
    role: "authenticated",
    session_id: persona.id,
  });
  const [floorMs = Number.NaN, rlsMs = Number.NaN] = await interleaved(ROUNDS, [
    () => inTransaction(floor, [], floorQuery),
    () =>
      inTransaction(
        user,
        ["set local role authenticated", `set local request.jwt.claims = '${claims}'`],
        userQuery,
      ),
  ]);
  const plan = await explain(user, claims, userQuery);
  plans[`${persona.role}: ${name}`] = plan;
  const ratio = rlsMs / floorMs;
  const scan =
    /(Index Only Scan|Index Scan|Bitmap Heap Scan|Seq Scan)[^\n]* on leads/.exec(plan)?.[0] ?? "";
  const cheap = floorMs >= 1 ? ratio <= RATIO_LIMIT : rlsMs - floorMs <= CONSTANT_LIMIT_MS;
  return {
    role: persona.role,
    query: name,
    floor_ms: floorMs,
    rls_ms: rlsMs,
    ratio,
    more_ms: rlsMs - floorMs,
    plan: scan.replace(/ on leads$/, ""),
    holds: cheap && !plan.includes("Seq Scan on leads"),
  };
}

/** Times the query alone: begin, role and claims are set before, as the Data API does for both. */
async function inTransaction(
  sql: postgres.ReservedSql,
  before: string[],
  query: string,
): Promise<number> {
  await sql.unsafe(["begin", ...before].join(";")).simple();
  const start = performance.now();
  await sql.unsafe(query);
  const time = performance.now() - start;
  await sql.unsafe("commit");
  return time;
}

async function explain(sql: postgres.ReservedSql, claims: string, query: string): Promise<string> {
  await sql
    .unsafe(`begin; set local role authenticated; set local request.jwt.claims = '${claims}'`)
    .simple();
  const lines = await sql.unsafe(`explain (analyze, costs off, timing off, summary off) ${query}`);
  await sql.unsafe("commit");
  return lines.map((line) => String(line["QUERY PLAN"])).join("\n");
}

async function report(
  engine: Engine,
  rows: Row[],
  plans: Record<string, string>,
  writes: Write[],
): Promise<void> {
  const out = process.stdout;
  out.write(`\n${LEADS.toLocaleString("en")} leads, medians of ${ROUNDS}, interleaved\n\n`);
  out.write(
    `${table(
      rows.map((row) => ({
        role: row.role,
        query: row.query,
        "without RLS": `${row.floor_ms.toFixed(2)} ms`,
        "with RLS": `${row.rls_ms.toFixed(2)} ms`,
        ratio: row.ratio.toFixed(2),
        more: `${row.more_ms.toFixed(2)} ms`,
        plan: row.plan,
        holds: row.holds ? "yes" : "NO",
      })),
    )}\n\n`,
  );
  out.write(
    `${table(writes.map(({ holds, ...write }) => ({ ...write, holds: holds ? "yes" : "NO" })))}\n\n`,
  );
  for (const [name, plan] of Object.entries(plans)) out.write(`— ${name}\n${plan}\n\n`);
  out.write(
    `${Object.entries(engine.machine)
      .map(([k, v]) => `${k}: ${v}`)
      .join("\n")}\n`,
  );
  const folder = join(import.meta.dirname, "results");
  await mkdir(folder, { recursive: true });
  const file = join(folder, "rls.json");
  await writeFile(
    file,
    `${JSON.stringify({ machine: engine.machine, rows, writes, plans }, null, 2)}\n`,
  );
  out.write(`\nWritten to bench/results/rls.json\n`);
}

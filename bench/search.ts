import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type postgres from "postgres";
import { startEngine } from "./engine.ts";
import { interleaved, table } from "./measure.ts";
import { personId, seedLeads, teamId } from "./seed.ts";

const LEADS = 1_000_000;
const ROUNDS = 20;
/** From one millisecond on the ratio counts; below it the fixed cost of a call does. */
const RATIO_LIMIT = 1.25;
const CONSTANT_LIMIT_MS = 0.3;

const COLUMNS =
  "l.id, l.lead_id, l.name, l.email, l.phone, l.organization, l.status, l.source, l.score, l.value, l.currency, l.assigned_to, l.team_id, l.created_at";

interface Persona {
  role: string;
  id: string;
  scope: string;
}

const PERSONAS: Persona[] = [
  {
    role: "counselor",
    id: personId("counselor", 7),
    scope: `l.assigned_to = '${personId("counselor", 7)}'`,
  },
  { role: "manager", id: personId("manager", 7), scope: `l.team_id = '${teamId(7)}'` },
  { role: "admin", id: personId("admin", 0), scope: "true" },
];

interface Row {
  role: string;
  search: string;
  floor_ms: number;
  rpc_ms: number;
  ratio: number;
  more_ms: number;
  found: number;
  holds: boolean;
}

/** The search as each role, against the same query written by hand and run without row level security. */
export async function benchSearch(): Promise<boolean> {
  const engine = await startEngine();
  try {
    await seedLeads(engine.admin, LEADS);
    const rows: Row[] = [];
    const plans: Record<string, string> = {};
    for (const persona of PERSONAS) await benchPersona(engine.admin, persona, rows, plans);
    const out = process.stdout;
    out.write(`\n${LEADS.toLocaleString("en")} leads, medians of ${ROUNDS}, interleaved\n\n`);
    out.write(
      `${table(
        rows.map((row) => ({
          role: row.role,
          search: row.search,
          found: row.found,
          "by hand": `${row.floor_ms.toFixed(2)} ms`,
          search_leads: `${row.rpc_ms.toFixed(2)} ms`,
          ratio: row.ratio.toFixed(2),
          more: `${row.more_ms.toFixed(2)} ms`,
          holds: row.holds ? "yes" : "NO",
        })),
      )}\n\n`,
    );
    for (const [name, plan] of Object.entries(plans)) out.write(`— ${name}\n${plan}\n\n`);
    out.write(
      `${Object.entries(engine.machine)
        .map(([key, value]) => `${key}: ${value}`)
        .join("\n")}\n`,
    );
    const folder = join(import.meta.dirname, "results");
    await mkdir(folder, { recursive: true });
    await writeFile(
      join(folder, "search.json"),
      `${JSON.stringify({ machine: engine.machine, rows, plans }, null, 2)}\n`,
    );
    out.write("\nWritten to bench/results/search.json\n");
    return rows.every((row) => row.holds);
  } finally {
    await engine.stop();
  }
}

async function benchPersona(
  sql: postgres.Sql,
  persona: Persona,
  rows: Row[],
  plans: Record<string, string>,
): Promise<void> {
  const [lead] = await sql.unsafe<{ name: string; email: string; phone: string }[]>(
    `select name, email, phone from public.leads l where deleted_at is null and ${persona.scope} order by created_at desc offset 100 limit 1`,
  );
  if (!lead) throw new Error("The benchmark's data is incomplete.");
  const fragment = lead.name.toLowerCase().split(" ")[1]?.slice(1) ?? "";
  const digits = lead.phone.slice(-7);
  const searches: Record<string, [query: string, condition: string]> = {
    "name fragment": [fragment, `l.search_text like '%${fragment}%'`],
    "whole name": [
      lead.name,
      lead.name
        .toLowerCase()
        .split(" ")
        .map((word) => `l.search_text like '%${word}%'`)
        .join(" and "),
    ],
    "exact phone": [lead.phone, `l.phone = '${lead.phone}'`],
    "last seven digits": [digits, `l.search_text like '%${digits}%'`],
    "e-mail": [lead.email, `l.email = '${lead.email}'`],
  };
  const floor = await sql.reserve();
  const user = await sql.reserve();
  const claims = JSON.stringify({ sub: persona.id, role: "authenticated", session_id: persona.id });
  try {
    for (const [search, [query, condition]] of Object.entries(searches)) {
      const byHand = `select ${COLUMNS} from public.leads l where l.deleted_at is null and ${persona.scope} and ${condition} order by l.created_at desc, l.id desc limit 20`;
      const rpc = `select * from public.search_leads('${query}')`;
      let found = 0;
      const [floorMs = Number.NaN, rpcMs = Number.NaN] = await interleaved(ROUNDS, [
        async () => (await timed(floor, "begin", byHand)).ms,
        async () => {
          const { ms, count } = await timed(
            user,
            `begin; set local role authenticated; set local request.jwt.claims = '${claims}'`,
            rpc,
          );
          found = count;
          return ms;
        },
      ]);
      const [plan] = [
        await floor.unsafe(`explain (analyze, costs off, timing off, summary off) ${byHand}`),
      ];
      const text = plan.map((line) => String(line["QUERY PLAN"])).join("\n");
      plans[`${persona.role}: ${search}`] = text;
      const ratio = rpcMs / floorMs;
      const cheap = floorMs >= 1 ? ratio <= RATIO_LIMIT : rpcMs - floorMs <= CONSTANT_LIMIT_MS;
      rows.push({
        role: persona.role,
        search,
        floor_ms: floorMs,
        rpc_ms: rpcMs,
        ratio,
        more_ms: rpcMs - floorMs,
        found,
        holds: cheap && found > 0 && !text.includes("Seq Scan on leads"),
      });
    }
  } finally {
    floor.release();
    user.release();
  }
}

async function timed(
  sql: postgres.ReservedSql,
  before: string,
  query: string,
): Promise<{ ms: number; count: number }> {
  await sql.unsafe(before).simple();
  const start = performance.now();
  const found = await sql.unsafe(query);
  const ms = performance.now() - start;
  await sql.unsafe("commit");
  return { ms, count: found.length };
}

import { readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type postgres from "postgres";
import { readCsvPiece } from "../supabase/functions/worker/imports/csv.ts";
import { type Engine, startEngine } from "./engine.ts";
import { progress, table } from "./measure.ts";
import { COUNSELORS, personId, seedPeople } from "./seed.ts";

/** Fewer by `npm run bench -- import 20000`, while something is being tried out. */
const ROWS = Number(process.argv[3] ?? 100_000);
const PIECE = 1024 * 1024;
/** As many as the worker has. */
const LANES = 2;
/** What importing may cost of the rate at which the table alone takes rows. */
const RATIO_LIMIT = 0.5;

interface Phase {
  phase: string;
  seconds: number;
  /** Of the processor, spent by the database; not a number where the system does not say. */
  cpu_seconds: number;
  rows_per_second: number;
}

/** A file such as a fair brings home: half of the people with both addresses, each with an owner. */
function csvFile(rows: number): Uint8Array {
  const lines = ["name,email,phone,course,source,value,owner"];
  for (let n = 0; n < rows; n += 1) {
    const owner = `counselor${n % COUNSELORS}@bench.test`;
    const phone = n % 2 === 0 ? `+916${String(n).padStart(9, "0")}` : "";
    lines.push(
      `Import${n % 997} Person${n},import${n}@example.com,${phone},Course ${n % 40},Fair,${n % 500}000,${owner}`,
    );
  }
  return new TextEncoder().encode(`${lines.join("\r\n")}\r\n`);
}

/** Nanoseconds that a backend ran, from Linux. */
function cpuSeconds(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/schedstat`, "utf8").split(" ")[0]) / 1e9;
  } catch {
    return Number.NaN;
  }
}

/** Measures phases that run on these connections. */
function stopwatch(pids: number[], phases: Phase[]) {
  const spent = () => pids.reduce((total, pid) => total + cpuSeconds(pid), 0);
  return async (phase: string, work: () => Promise<void>): Promise<void> => {
    const before = spent();
    const start = performance.now();
    await work();
    const seconds = (performance.now() - start) / 1000;
    const cpu_seconds = spent() - before;
    phases.push({ phase, seconds, cpu_seconds, rows_per_second: ROWS / seconds });
    progress(phase, 1, 1);
  };
}

/** The same rows into the same table in one statement: foreign keys, checks and indexes stay, `trigger user` is ours alone. */
async function floor(sql: postgres.Sql, id: string): Promise<void> {
  await sql`begin`;
  await sql`alter table public.leads disable trigger user`;
  await sql`
    insert into public.leads (first_name, last_name, name, email, phone, course, source, status, max_stage, value, currency, score, assigned_to, team_id, created_by)
    select r.fields ->> 'first_name', r.fields ->> 'last_name', r.fields ->> 'name', r.email, r.phone, r.fields ->> 'course',
      r.fields ->> 'source', 'new', 1, (r.fields ->> 'value')::numeric, 'INR', 20, (r.fields ->> 'assigned_to')::uuid,
      (select m.team_id from public.team_members m limit 1), (select i.created_by from public.imports i where i.id = r.import_id)
    from private.import_rows r
    where r.import_id = ${id}
    order by r.row_no
  `;
  await sql`alter table public.leads enable trigger user`;
  await sql`commit`;
}

async function readFile(sql: postgres.Sql, id: string, file: Uint8Array): Promise<void> {
  let offset = 0;
  let state: { encoding: never; delimiter: string | null; columns: string[] } = {
    encoding: null as never,
    delimiter: null,
    columns: [],
  };
  let rows = 0;
  for (;;) {
    const bytes = file.subarray(offset, offset + PIECE);
    const isLast = offset + bytes.length >= file.length;
    const piece = readCsvPiece(bytes, isLast, { ...state, rows, hasHeader: true });
    rows += piece.rows.length;
    await sql`
      select private.import_stage(${id}, ${offset}, ${offset + piece.consumed}, ${piece.columns},
        ${piece.encoding}, ${piece.delimiter}, ${JSON.stringify(piece.rows)}::text::jsonb, ${isLast})
    `;
    state = { ...piece, encoding: piece.encoding as never };
    offset += piece.consumed;
    if (isLast) return;
  }
}

/** As the worker does it: lanes side by side until the phase is over. */
async function chunks(lanes: postgres.Sql[], id: string, label: string): Promise<void> {
  let done = 0;
  await Promise.all(
    lanes.map(async (sql) => {
      for (;;) {
        const [row] = await sql<{ step: { is_over: boolean } }[]>`
          select private.import_step(${id}) as step
        `;
        if (row!.step.is_over) return;
        done += 1;
        if (done % 20 === 0) progress(label, done * 1000, ROWS);
      }
    }),
  );
  progress(label, ROWS, ROWS);
}

export async function benchImport(): Promise<boolean> {
  const engine = await startEngine("bench-import");
  try {
    return await run(engine);
  } finally {
    await engine.stop();
  }
}

async function run(engine: Engine): Promise<boolean> {
  const pool = engine.admin;
  const [people] = await pool`select count(*)::int as n from public.profiles`;
  if (people?.n === 0) await seedPeople(pool);
  const lanes = await Promise.all(Array.from({ length: LANES }, () => pool.reserve()));
  try {
    return await runOn(lanes, engine);
  } finally {
    // Or the engine waits for them for ever.
    for (const lane of lanes) lane.release();
  }
}

async function runOn(lanes: postgres.ReservedSql[], engine: Engine): Promise<boolean> {
  const pool = engine.admin;
  const sql = lanes[0]!;
  const phases: Phase[] = [];
  const importer = personId("admin", 0);
  const claims = JSON.stringify({ sub: importer, role: "authenticated", session_id: importer });
  await sql`select set_config('request.jwt.claims', ${claims}, false)`;
  const path = `${importer}/bench-${Date.now()}.csv`;
  const file = csvFile(ROWS);
  await sql`
    insert into storage.objects (bucket_id, name, metadata)
    values ('imports', ${path}, ${sql.json({ size: file.length })})
  `;
  const [started] = await sql`select id from private.import_start(${path}, 'csv', true, null)`;
  const id = String(started?.id);
  const mapping = { name: "name", email: "email", phone: "phone", course: "course" };
  const all = JSON.stringify({
    ...mapping,
    source: "source",
    value: "value",
    owner: "assigned_to",
  });

  const backends = await Promise.all(lanes.map((lane) => lane`select pg_backend_pid() as pid`));
  const pids = backends.map(([backend]) => Number(backend?.pid));
  const measure = stopwatch(pids, phases);
  await measure("read: CSV to staged rows", () => readFile(sql, id, file));
  await sql`select from private.import_map(${id}, ${all}::text::jsonb, '{}', null)`;
  await sql`select from private.import_advance(${id}, 'checking')`;
  await measure("dry run: decide about each row", () => chunks(lanes, id, "dry run"));
  await clean(pool);
  await measure("floor: insert … select, triggers off", () => floor(sql, id));
  await removeImported(pool);
  await sql`select from private.import_advance(${id}, 'committing')`;
  await measure("commit: chunks, all triggers", () => chunks(lanes, id, "commit"));
  const [end] = await sql`select status, counts, results from public.imports where id = ${id}`;
  await sql`select from private.import_advance(${id}, 'undoing')`;
  await measure("undo", () => chunks(lanes, id, "undo"));
  await clean(pool);
  // Once more, for a machine that was slower or faster by the end.
  await measure("floor again", () => floor(sql, id));
  await removeImported(pool);
  await sql`delete from public.imports where id = ${id}`;

  const complete = Number(end?.results?.created) === ROWS;
  const ratios = compare(phases);
  await report(engine, phases, ratios, complete);
  return complete && ratios.commit >= RATIO_LIMIT;
}

interface Ratios {
  /** The floor is the writing of leads alone, and so is this: by the clock, with as many lanes as the worker has. */
  commit: number;
  /** Of the processors, however many worked. */
  commit_by_cpu: number;
  /** Reading the file and the dry run included, of which the floor has nothing. */
  whole_path: number;
}

/** Against the faster of the two floors. */
function compare(phases: Phase[]): Ratios {
  const of = (name: string, what: "seconds" | "cpu_seconds") =>
    phases.filter(({ phase }) => phase.startsWith(name)).map((phase) => phase[what]);
  const sum = (names: string[], what: "seconds" | "cpu_seconds") =>
    names.flatMap((name) => of(name, what)).reduce((total, one) => total + one, 0);
  return {
    commit: Math.min(...of("floor", "seconds")) / sum(["commit"], "seconds"),
    commit_by_cpu: Math.min(...of("floor", "cpu_seconds")) / sum(["commit"], "cpu_seconds"),
    whole_path: Math.min(...of("floor", "seconds")) / sum(["read", "dry run", "commit"], "seconds"),
  };
}

/** The floor's rows go, so that both write into the same table. */
async function removeImported(sql: postgres.Sql): Promise<void> {
  await sql.begin(async (tx) => {
    await tx`set local session_replication_role = replica`;
    await tx`delete from public.leads where source = 'Fair'`;
  });
  await clean(sql);
}

async function clean(sql: postgres.Sql): Promise<void> {
  await sql`vacuum analyze public.leads`;
  await sql`vacuum analyze private.import_rows`;
  await sql`checkpoint`;
}

async function report(
  engine: Engine,
  phases: Phase[],
  ratios: Ratios,
  complete: boolean,
): Promise<void> {
  const out = process.stdout;
  out.write(`\n${ROWS.toLocaleString("en")} rows\n\n`);
  out.write(
    `${table(
      phases.map((one) => ({
        phase: one.phase,
        time: `${one.seconds.toFixed(1)} s`,
        "of the processors": `${one.cpu_seconds.toFixed(1)} s`,
        rate: `${Math.round(one.rows_per_second).toLocaleString("en")} rows/s`,
      })),
    )}\n\n`,
  );
  const holds = complete && ratios.commit >= RATIO_LIMIT;
  out.write(`commit at ${ratios.commit.toFixed(2)} of the floor's rate, wanted ${RATIO_LIMIT}: `);
  out.write(`${holds ? "holds" : "DOES NOT HOLD"}\n`);
  out.write(`by the processors' time ${ratios.commit_by_cpu.toFixed(2)}; `);
  out.write(`the whole path, reading and dry run included, ${ratios.whole_path.toFixed(2)}\n`);
  const folder = join(import.meta.dirname, "results");
  await mkdir(folder, { recursive: true });
  const text = JSON.stringify({ machine: engine.machine, phases, ratios, complete }, null, 2);
  await writeFile(join(folder, "import.json"), `${text}\n`);
  out.write("\nWritten to bench/results/import.json\n");
}

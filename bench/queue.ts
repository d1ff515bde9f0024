import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type postgres from "postgres";
import { type Engine, startEngine } from "./engine.ts";
import { median, table } from "./measure.ts";

const CLIENTS = 2;
const ROUNDS = 5;
const ROUND_MS = 1_500;
/** Of the rate of a table with nothing but a claim: lanes, priorities, buckets, leases and archive cost. */
const SHARE_LIMIT = 0.4;

interface Way {
  name: string;
  fill(sql: postgres.Sql, jobs: number): Promise<unknown>;
  /** Claims so many, acknowledges them, and says how many it were. */
  take(sql: postgres.Sql, batch: number): Promise<number>;
}

/** The floor: the fastest claim that was measured, and a delete. */
const bare: Way = {
  name: "bare table",
  fill: (sql, jobs) => sql`
    insert into bench.jobs (payload) select '{}' from generate_series(1, ${jobs})`,
  async take(sql, batch) {
    const claimed = await sql<{ id: string }[]>`
      update bench.jobs set status = 'running', attempts = attempts + 1
      where id = any (array(
        select id from bench.jobs where status = 'pending' and run_at <= now()
        order by run_at, id limit ${batch} for update skip locked
      ))
      returning id`;
    const ids = claimed.map((job) => job.id);
    if (ids.length > 0) await sql`delete from bench.jobs where id = any(${ids}::bigint[])`;
    return ids.length;
  },
};

const ours: Way = {
  name: "private.jobs",
  fill: (sql, jobs) => sql`
    insert into private.jobs (kind) select 'bench.noop' from generate_series(1, ${jobs})`,
  async take(sql, batch) {
    const claimed = await sql<{ id: string; lease: string }[]>`
      select id, lease from private.claim_jobs(${batch})`;
    if (claimed.length > 0) {
      const ids = claimed.map((job) => job.id);
      const leases = claimed.map((job) => job.lease);
      await sql`select private.complete_jobs(${ids}::uuid[], ${leases}::uuid[])`;
    }
    return claimed.length;
  },
};

async function prepare(sql: postgres.Sql): Promise<void> {
  await sql.unsafe(`
    create schema if not exists bench;
    drop table if exists bench.jobs;
    create table bench.jobs (
      id bigint generated always as identity primary key, status text not null default 'pending',
      payload jsonb not null, run_at timestamptz not null default now(), attempts integer not null default 0
    ) with (fillfactor = 70, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
    create index jobs_pending on bench.jobs (run_at, id) where status = 'pending';
    truncate private.jobs, private.jobs_archive;
  `);
}

async function rate(sql: postgres.Sql, way: Way, batch: number): Promise<number> {
  const started = performance.now();
  const deadline = started + ROUND_MS;
  const done = await Promise.all(
    Array.from({ length: CLIENTS }, async () => {
      let count = 0;
      while (performance.now() < deadline) {
        const taken = await way.take(sql, batch);
        count += taken;
        if (taken === 0) break;
      }
      return count;
    }),
  );
  return (done.reduce((a, b) => a + b, 0) * 1000) / (performance.now() - started);
}

/** Jobs per second through the queue, in turn with a table that does nothing but hand out rows. */
export async function benchQueue(): Promise<boolean> {
  const engine: Engine = await startEngine();
  const { admin } = engine;
  try {
    await prepare(admin);
    const rows = [];
    for (const batch of [1, 10, 100]) {
      const rates: Record<string, number[]> = { [bare.name]: [], [ours.name]: [] };
      for (let round = -1; round < ROUNDS; round += 1) {
        for (const way of [bare, ours]) {
          await way.fill(admin, batch * 4_000);
          await admin.unsafe("analyze private.jobs; analyze bench.jobs");
          const found = await rate(admin, way, batch);
          if (round >= 0) rates[way.name]?.push(found);
          await admin.unsafe("truncate private.jobs, private.jobs_archive, bench.jobs");
        }
      }
      const floor = median(rates[bare.name] ?? []);
      const reached = median(rates[ours.name] ?? []);
      rows.push({
        batch,
        bare: Math.round(floor),
        ours: Math.round(reached),
        share: Number((reached / floor).toFixed(2)),
        limit: SHARE_LIMIT,
        holds: reached / floor >= SHARE_LIMIT,
      });
    }
    const shown = rows.map(({ batch, bare: floor, ours: reached, share, limit, holds }) => ({
      batch,
      "bare jobs/s": floor,
      "our jobs/s": reached,
      share,
      limit: `≥ ${limit}`,
      holds: holds ? "yes" : "NO",
    }));
    process.stdout.write(`${table(shown)}\n`);
    const folder = join(import.meta.dirname, "results");
    await mkdir(folder, { recursive: true });
    const result = { machine: engine.machine, clients: CLIENTS, rounds: ROUNDS, rows };
    await writeFile(join(folder, "queue.json"), `${JSON.stringify(result, null, 2)}\n`);
    return rows.every((row) => row.holds);
  } finally {
    await admin.unsafe("drop schema if exists bench cascade").catch(() => undefined);
    await engine.stop();
  }
}

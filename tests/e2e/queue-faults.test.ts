/**
 * The queue under fire: workers and the database are killed while they work. No job is lost, no effect
 * happens twice, and a worker that wakes up too late is refused.
 *
 * FAULT_SEED chooses another campaign, FAULT_JOBS and FAULT_KILLS a longer one.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { type Cluster, startCluster } from "./support/cluster.ts";

const script = join(import.meta.dirname, "support/queue-worker.ts");
const seed = Number(process.env.FAULT_SEED ?? 20261121);
const jobCount = Number(process.env.FAULT_JOBS ?? 700);
const kills = Number(process.env.FAULT_KILLS ?? 10);

/** Faults take as long as they take; only a queue that stands still is a failure. */
const patience = { timeout: 90_000, interval: 50 };

vi.setConfig({ testTimeout: 600_000, hookTimeout: 120_000 });

let cluster: Cluster;
let workers: Worker[] = [];

interface Worker {
  child: ChildProcess;
  events: Record<string, unknown>[];
  sees(field: string): Promise<Record<string, unknown>>;
}

function startWorker(env: Record<string, string> = {}): Worker {
  const child = spawn(process.execPath, ["--import", "tsx", script], {
    env: { PATH: process.env.PATH ?? "", DB_URL: cluster.dbUrl, ...env },
    stdio: ["ignore", "pipe", "ignore"],
  });
  const events: Record<string, unknown>[] = [];
  createInterface({ input: child.stdout! }).on("line", (line) => events.push(JSON.parse(line)));
  const worker: Worker = {
    child,
    events,
    async sees(field) {
      for (;;) {
        const found = events.find((event) => field in event);
        if (found) return found;
        await delay(20);
      }
    },
  };
  workers.push(worker);
  return worker;
}

async function kill(worker: Worker): Promise<void> {
  workers = workers.filter((one) => one !== worker);
  if (worker.child.exitCode !== null || worker.child.signalCode !== null) return;
  const ended = new Promise((resolve) => worker.child.once("exit", resolve));
  worker.child.kill("SIGKILL");
  await ended;
}

/** The same numbers for the same seed. */
function createRandom(state: number) {
  return (below: number) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

async function count(table: string): Promise<number> {
  const [row] = await cluster.sql<{ n: number }[]>`
    select count(*)::integer as n from ${cluster.sql(table)} where ${table.startsWith("private") ? cluster.sql`kind like 'faults.%'` : cluster.sql`true`}`;
  return row!.n;
}

beforeAll(async () => {
  cluster = await startCluster();
  await cluster.sql.unsafe(`
    create schema faults;
    grant usage on schema faults to service_role;
    create table faults.effects (job_id uuid not null);
    create table faults.calls (job_id uuid not null);
    create table faults.gate (is_open boolean not null);
    grant select, insert on faults.effects, faults.calls, faults.gate to service_role;
    update private.job_schedules set is_enabled = false;
  `);
});

beforeEach(async () => {
  await cluster.sql.unsafe(`
    truncate faults.effects, faults.calls, faults.gate;
    insert into faults.gate values (false);
    delete from private.jobs;
    delete from private.jobs_archive;
  `);
});

afterEach(async () => {
  for (const worker of [...workers]) await kill(worker);
});

afterAll(async () => {
  await cluster?.close();
});

describe("a worker that is late", () => {
  it("is refused when it wakes up after another did its job", async () => {
    await cluster.sql`select private.enqueue('faults.gate')`;
    const late = startWorker({ LEASE_SECONDS: "1" });
    const { holding } = await late.sees("holding");
    late.child.kill("SIGSTOP");

    const quick = startWorker({ LEASE_SECONDS: "5" });
    expect((await quick.sees("holding")).holding).toBe(holding);
    await cluster.sql`update faults.gate set is_open = true`;
    await expect.poll(() => count("private.jobs_archive"), patience).toBe(1);

    late.child.kill("SIGCONT");
    await expect
      .poll(() => late.events.map((event) => event.log), patience)
      .toContain("lease lost, result discarded");
    expect(await count("faults.effects")).toBe(1);
    expect(await count("private.jobs_archive")).toBe(1);
  });

  it("gives its job back at once, and no attempt is spent, when it is asked to end", async () => {
    await cluster.sql`select private.enqueue('faults.wait')`;
    const worker = startWorker({ LEASE_SECONDS: "600" });
    await worker.sees("holding");
    worker.child.kill("SIGTERM");
    await expect
      .poll(
        () => cluster.sql`select attempts, lease from private.jobs where run_at <= now()`,
        patience,
      )
      .toEqual([{ attempts: 0, lease: null }]);
  });
});

describe("a campaign of kills", () => {
  it("[D4-092] loses no job of three workers and doubles no effect", async ({ annotate }) => {
    const random = createRandom(seed);
    await cluster.sql`
      insert into private.jobs (kind, max_attempts)
      select 'faults.effect', 1000 from generate_series(1, ${jobCount})`;
    for (let i = 0; i < 3; i++) startWorker();

    const done: Record<string, number> = { worker: 0, pause: 0, backend: 0, server: 0 };
    const recoveries: number[] = [];
    for (let i = 0; i < kills; i++) {
      // Each fault comes in the midst of work, and only after the queue has got over the one before.
      const share = Math.floor((jobCount * (i + 0.5)) / (kills + 1));
      await expect.poll(() => count("private.jobs_archive"), patience).toBeGreaterThan(share);
      await delay(random(200));
      const victim = workers[random(workers.length)]!;
      const fault = ["worker", "worker", "pause", "backend", "server"][i % 5]!;
      done[fault]!++;
      if (fault === "worker") {
        await kill(victim);
        startWorker();
      } else if (fault === "pause") {
        victim.child.kill("SIGSTOP");
        void delay(2_500).then(() => victim.child.kill("SIGCONT"));
      } else if (fault === "backend") {
        await cluster.killBackend("intake-faults");
      } else {
        recoveries.push(await cluster.killServer());
      }
    }

    const left = await count("private.jobs");

    // Time passes: what waits for its next attempt is due.
    await expect
      .poll(
        async () => {
          await cluster.sql`update private.jobs set run_at = now() where lease is null and run_at > now()`;
          return count("private.jobs");
        },
        { ...patience, interval: 250 },
      )
      .toBe(0);

    const [outcome] = await cluster.sql`
      select
        (select count(*)::integer from private.jobs_archive where kind = 'faults.effect' and outcome = 'done') as archived,
        (select count(*)::integer from private.jobs_dead where kind = 'faults.effect') as dead,
        (select count(*)::integer from faults.effects) as effects,
        (select count(distinct job_id)::integer from faults.effects) as jobs_with_effect,
        (select count(*)::integer from faults.calls) as calls`;
    expect(
      workers.map(({ child }) => child.exitCode),
      "a worker outlives the database",
    ).toEqual(workers.map(() => null));
    const { calls, ...rest } = outcome as { calls: number };
    await annotate(
      `seed ${seed}: ${jobCount} jobs, faults ${JSON.stringify(done)}, ${calls - jobCount} repeated calls, ${left} jobs left after the last fault, server back after ${recoveries.join(", ")} ms`,
    );
    expect(rest).toEqual({
      archived: jobCount,
      dead: 0,
      effects: jobCount,
      jobs_with_effect: jobCount,
    });
    // At least once, and not much more: only what was in flight is called again.
    expect(calls).toBeGreaterThanOrEqual(jobCount);
    expect(calls - jobCount).toBeLessThanOrEqual(kills * 12);
  });
});

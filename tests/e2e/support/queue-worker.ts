/**
 * A worker process that a test may kill: the real draining and the real queue, with handlers whose
 * calls and effects can be counted. Several may run at once, which the drainer's lease would prevent.
 */
import { setTimeout as delay } from "node:timers/promises";
import { sql } from "kysely";
import { connect } from "../../../supabase/functions/_shared/db.ts";
import { createLogger } from "../../../supabase/functions/_shared/log.ts";
import { createDrainer } from "../../../supabase/functions/worker/drain.ts";
import type { Apply, Handlers } from "../../../supabase/functions/worker/handlers/handler.ts";
import { createQueue } from "../../../supabase/functions/worker/queue.ts";

const { DB_URL = "", LEASE_SECONDS = "2", CONCURRENCY = "4" } = process.env;

const tell = (event: Record<string, unknown>) => process.stdout.write(`${JSON.stringify(event)}\n`);

const db = connect(DB_URL, { name: "faults", max: 6, statementTimeoutMs: 5_000 });

const effect =
  (id: string): Apply =>
  async (tx) => {
    await sql`insert into faults.effects (job_id) values (${id}::uuid)`.execute(tx);
  };

const handlers: Handlers = {
  // A call to somebody outside, which no transaction takes back, and then an effect in the database.
  "faults.effect": async ({ job }) => {
    await db.asService((tx) =>
      sql`insert into faults.calls (job_id) values (${job.id}::uuid)`.execute(tx),
    );
    await delay(Math.random() * 60);
    return effect(job.id);
  },
  // Holds its job until it is told to stop, as a handler does that waits for a provider.
  "faults.wait": async ({ job, signal }) => {
    tell({ holding: job.id });
    await delay(60_000, undefined, { signal });
    return undefined;
  },
  // Holds its job until the test opens the gate, and listens to nobody.
  "faults.gate": async ({ job }) => {
    tell({ holding: job.id });
    for (;;) {
      const gate = await db.asService((tx) =>
        sql<{ is_open: boolean }>`select is_open from faults.gate`.execute(tx),
      );
      if (gate.rows[0]?.is_open) return effect(job.id);
      await delay(50);
    }
  },
};

const drainer = createDrainer({
  queue: {
    ...createQueue(db),
    acquireDrainer: async () => "this one",
    renewDrainer: async () => true,
    releaseDrainer: async () => {},
  },
  handlers,
  log: createLogger({}, (line) => tell({ log: JSON.parse(line).message })),
  jobLeaseSeconds: Number(LEASE_SECONDS),
  concurrency: Number(CONCURRENCY),
  pauseMs: 20,
  lingerMs: 200,
});

let stopping = false;

process.on("SIGTERM", () => {
  stopping = true;
  drainer.stop();
});

while (!stopping) {
  await drainer.drain("this one");
  await delay(50);
}

await db.close();

// The queue as the worker sees it. Every acknowledgement names the lease it was given.

import { sql } from "kysely";
import type { Database, Tx } from "../_shared/db.ts";

export interface ClaimedJob {
  id: string;
  kind: string;
  payload: Record<string, unknown>;
  attempts: number;
  max_attempts: number;
  lease: string;
  request_id: string | null;
}

export interface Failure {
  error: string;
  isPermanent?: boolean;
  retryAfterSeconds?: number;
  pauseProvider?: boolean;
}

export interface Queue {
  acquireDrainer(seconds: number): Promise<string | null>;
  renewDrainer(lease: string, seconds: number): Promise<boolean>;
  releaseDrainer(lease: string): Promise<void>;
  /** Whether a job is due now or will be within that time. */
  isDue(withinSeconds: number): Promise<boolean>;
  claim(limit: number, leaseSeconds: number): Promise<ClaimedJob[]>;
  /** Applies the effect and archives the job in one transaction. False: the lease was lost, and nothing was applied. */
  complete(job: ClaimedJob, apply?: (tx: Tx) => Promise<void>): Promise<boolean>;
  fail(job: ClaimedJob, failure: Failure): Promise<"retry" | "dead" | "lost">;
  extend(job: ClaimedJob, seconds: number): Promise<boolean>;
  handBack(job: ClaimedJob): Promise<boolean>;
}

class LeaseLost extends Error {}

export function createQueue(db: Database): Queue {
  const one = <T>(query: (tx: Tx) => Promise<{ rows: T[] }>) =>
    db.asService(async (tx) => (await query(tx)).rows[0]);

  return {
    async acquireDrainer(seconds) {
      const row = await one((tx) =>
        sql<{ lease: string | null }>`
          select private.drainer_acquire(make_interval(secs => ${seconds}::float8)) as lease`.execute(
          tx,
        ),
      );
      return row?.lease ?? null;
    },
    async renewDrainer(lease, seconds) {
      const row = await one((tx) =>
        sql<{ held: boolean }>`
          select private.drainer_renew(${lease}::uuid, make_interval(secs => ${seconds}::float8)) as held`.execute(
          tx,
        ),
      );
      return row?.held ?? false;
    },
    async releaseDrainer(lease) {
      await one((tx) => sql`select private.drainer_release(${lease}::uuid)`.execute(tx));
    },
    async isDue(withinSeconds) {
      const row = await one((tx) =>
        sql<{ due: boolean }>`
          select private.jobs_due(make_interval(secs => ${withinSeconds}::float8)) as due`.execute(
          tx,
        ),
      );
      return row?.due ?? false;
    },
    claim: (limit, leaseSeconds) =>
      db.asService(async (tx) => {
        const result = await sql<ClaimedJob>`
          select id, kind, payload, attempts, max_attempts, lease, request_id
          from private.claim_jobs(${limit}::integer, make_interval(secs => ${leaseSeconds}::float8))`.execute(
          tx,
        );
        return result.rows;
      }),
    async complete(job, apply) {
      try {
        await db.asService(
          async (tx) => {
            // First the lease, then the effect: a worker that lost it must not have one.
            const result = await sql<{ held: boolean }>`
              select private.complete_job(${job.id}::uuid, ${job.lease}::uuid) as held`.execute(tx);
            if (!result.rows[0]?.held) throw new LeaseLost();
            await apply?.(tx);
          },
          { requestId: job.request_id ?? job.id },
        );
        return true;
      } catch (error) {
        if (error instanceof LeaseLost) return false;
        throw error;
      }
    },
    async fail(job, { error, isPermanent = false, retryAfterSeconds, pauseProvider = false }) {
      const wait = retryAfterSeconds ?? null;
      const row = await one((tx) =>
        sql<{ verdict: "retry" | "dead" | "lost" }>`
          select private.fail_job(
            ${job.id}::uuid, ${job.lease}::uuid, ${error},
            make_interval(secs => ${wait}::float8), ${isPermanent}, ${pauseProvider}
          ) as verdict`.execute(tx),
      );
      return row?.verdict ?? "lost";
    },
    async extend(job, seconds) {
      const row = await one((tx) =>
        sql<{ held: boolean }>`
          select private.extend_job(
            ${job.id}::uuid, ${job.lease}::uuid, make_interval(secs => ${seconds}::float8)
          ) as held`.execute(tx),
      );
      return row?.held ?? false;
    },
    async handBack(job) {
      const row = await one((tx) =>
        sql<{ held: boolean }>`
          select private.snooze_job(${job.id}::uuid, ${job.lease}::uuid) as held`.execute(tx),
      );
      return row?.held ?? false;
    },
  };
}

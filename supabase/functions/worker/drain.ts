// Draining: claim a few jobs at a time, run them side by side, stop in time and hand back the rest.

import { describeError, isDatabaseError } from "../_shared/errors.ts";
import type { Logger } from "../_shared/log.ts";
import { PermanentError, RetryAfterError } from "../_shared/providers/outcome.ts";
import type { Handlers } from "./handlers/handler.ts";
import type { ClaimedJob, Failure, Queue } from "./queue.ts";

export interface DrainOptions {
  queue: Queue;
  handlers: Handlers;
  log: Logger;
  /** Jobs at once. */
  concurrency?: number;
  /** No claim after this time; an isolate lives for 150 s. */
  claimForMs?: number;
  /** How long to look for more before going. */
  lingerMs?: number;
  /** A job that is due this soon, such as one to be tried again, is worth the wait. */
  waitForSeconds?: number;
  pauseMs?: number;
  jobLeaseSeconds?: number;
}

export interface Drainer {
  /** The drainer's lease, or null while another worker drains. */
  acquire(): Promise<string | null>;
  drain(lease: string): Promise<DrainResult>;
  /** Claims nothing more and hands back what runs. */
  stop(): void;
}

export interface DrainResult {
  done: number;
  failed: number;
  lost: number;
}

const drainerSeconds = 30;

/** So many times in a row may the queue not answer. */
const failuresInARow = 10;

class Stopping extends Error {
  override name = "Stopping";
}

/** What the queue is told about an error. */
export function failureOf(error: unknown): Failure {
  if (error instanceof PermanentError) return { error: error.message, isPermanent: true };
  if (error instanceof RetryAfterError) {
    return { error: error.message, retryAfterSeconds: error.seconds, pauseProvider: error.pause };
  }
  if (isDatabaseError(error)) {
    // A refusal from our own catalogue stays a refusal however often it is asked.
    const isPermanent = /^PT4(?!29)\d\d$/.test(error.code);
    const what = isPermanent ? `${error.code} ${error.detail ?? ""}` : `SQLSTATE ${error.code}`;
    return { error: what.trim(), isPermanent };
  }
  return { error: error instanceof Error ? `${error.name}: ${error.message}` : "unknown error" };
}

export function createDrainer(options: DrainOptions): Drainer {
  const { queue, handlers, log } = options;
  const concurrency = options.concurrency ?? 8;
  const leaseSeconds = options.jobLeaseSeconds ?? 60;
  const pauseMs = options.pauseMs ?? 400;
  const lingerMs = options.lingerMs ?? 1_500;
  const waitForSeconds = options.waitForSeconds ?? 10;
  const stopping = new AbortController();

  function pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        stopping.signal.removeEventListener("abort", end);
        resolve();
      };
      const timer = setTimeout(end, ms);
      stopping.signal.addEventListener("abort", end);
    });
  }

  async function settle(
    job: ClaimedJob,
    error: unknown,
    jobLog: Logger,
  ): Promise<"failed" | "lost"> {
    if (stopping.signal.aborted) {
      await queue.handBack(job);
      jobLog.log("info", "job handed back");
      return "lost";
    }
    const failure = failureOf(error);
    const verdict = await queue.fail(job, failure);
    jobLog.log(verdict === "dead" ? "error" : "warn", "job failed", {
      verdict,
      ...describeError(error),
    });
    return verdict === "lost" ? "lost" : "failed";
  }

  async function run(job: ClaimedJob): Promise<keyof DrainResult> {
    const jobLog = log.with({ job_id: job.id, kind: job.kind, request_id: job.request_id });
    const lost = new AbortController();
    const heartbeat = setInterval(
      () => {
        queue.extend(job, leaseSeconds).then(
          (held) => held || lost.abort(new Error("the lease was lost")),
          () => {},
        );
      },
      (leaseSeconds * 1000) / 3,
    );
    try {
      const handler = handlers[job.kind];
      // Not permanent: a deployment may be under way, and the dead letters show it if not.
      if (!handler) throw new Error(`no handler for ${job.kind}`);
      const signal = AbortSignal.any([stopping.signal, lost.signal]);
      const apply = await handler({ job, signal, log: jobLog });
      if (await queue.complete(job, apply ?? undefined)) return "done";
      jobLog.log("warn", "lease lost, result discarded");
      return "lost";
    } catch (error) {
      return await settle(job, error, jobLog).catch((second) => {
        // The database is away: the lease ends by itself and the job comes back.
        jobLog.log("error", "job could not be acknowledged", describeError(second));
        return "lost" as const;
      });
    } finally {
      clearInterval(heartbeat);
    }
  }

  async function claim(lease: string, free: number): Promise<ClaimedJob[]> {
    if (!(await queue.renewDrainer(lease, drainerSeconds))) throw new Stopping();
    return queue.claim(free, leaseSeconds);
  }

  /** Claims for the free places; null when the queue cannot be asked right now. */
  async function tryClaim(lease: string, free: number): Promise<ClaimedJob[] | null> {
    if (free === 0) return [];
    try {
      return await claim(lease, free);
    } catch (error) {
      if (error instanceof Stopping) throw error;
      log.log("warn", "nothing could be claimed", describeError(error));
      return null;
    }
  }

  async function loop(
    lease: string,
    start: (job: ClaimedJob) => void,
    running: Set<Promise<void>>,
  ): Promise<void> {
    const until = Date.now() + (options.claimForMs ?? 100_000);
    let idleSince = Date.now();
    let failures = 0;
    while (!stopping.signal.aborted && Date.now() < until) {
      const jobs = await tryClaim(lease, concurrency - running.size);
      // A database that restarts is back in moments; one that is away for longer ends the drain.
      failures = jobs ? 0 : failures + 1;
      if (failures > failuresInARow) return;
      for (const job of jobs ?? []) start(job);
      if (running.size > 0 || !jobs) {
        idleSince = Date.now();
        await Promise.race([...running, pause(pauseMs * (1 + failures))]);
      } else if (Date.now() - idleSince > lingerMs && !(await queue.isDue(waitForSeconds))) {
        return;
      } else {
        await pause(pauseMs);
      }
    }
  }

  async function drain(lease: string): Promise<DrainResult> {
    const result: DrainResult = { done: 0, failed: 0, lost: 0 };
    const running = new Set<Promise<void>>();
    const start = (job: ClaimedJob) => {
      const task = run(job).then((outcome) => {
        result[outcome]++;
        running.delete(task);
      });
      running.add(task);
    };
    try {
      await loop(lease, start, running);
    } catch (error) {
      if (!(error instanceof Stopping)) log.log("error", "draining stopped", describeError(error));
    }
    await Promise.all(running);
    await queue.releaseDrainer(lease).catch(() => {});
    log.log("info", "drained", { ...result });
    return result;
  }

  return {
    acquire: () => queue.acquireDrainer(drainerSeconds),
    drain,
    stop: () => stopping.abort(new Stopping()),
  };
}

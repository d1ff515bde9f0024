/** The worker: who may call it, how it drains, and what it says to the queue about each failure. */
import { describe, expect, it } from "vitest";
import { createLogger } from "../../supabase/functions/_shared/log.ts";
import {
  PermanentError,
  RetryAfterError,
  UnknownOutcomeError,
} from "../../supabase/functions/_shared/providers/outcome.ts";
import { createWorker } from "../../supabase/functions/worker/app.ts";
import { createDrainer, failureOf } from "../../supabase/functions/worker/drain.ts";
import type { Handlers } from "../../supabase/functions/worker/handlers/handler.ts";
import type { ClaimedJob, Failure, Queue } from "../../supabase/functions/worker/queue.ts";

const quiet = createLogger({}, () => {});

const job = (id: string, kind = "test.job"): ClaimedJob => ({
  id,
  kind,
  payload: {},
  attempts: 1,
  max_attempts: 20,
  lease: `lease of ${id}`,
  request_id: null,
});

function fakeQueue(waiting: ClaimedJob[]) {
  const seen = {
    completed: [] as string[],
    applied: [] as string[],
    failed: new Map<string, Failure>(),
    handedBack: [] as string[],
    extended: 0,
    released: 0,
    most: 0,
  };
  const lost = new Set<string>();
  let holder: string | null = null;
  const queue: Queue = {
    acquireDrainer: async () => {
      if (holder) return null;
      holder = "drainer";
      return holder;
    },
    renewDrainer: async (lease) => lease === holder,
    releaseDrainer: async () => {
      seen.released++;
      holder = null;
    },
    isDue: async () => waiting.length > 0,
    claim: async (limit) => {
      seen.most = Math.max(seen.most, limit);
      return waiting.splice(0, limit);
    },
    complete: async (one, apply) => {
      if (lost.has(one.id)) return false;
      await apply?.({} as never);
      seen.completed.push(one.id);
      return true;
    },
    fail: async (one, failure) => {
      seen.failed.set(one.id, failure);
      return failure.isPermanent ? "dead" : "retry";
    },
    extend: async (one) => {
      seen.extended++;
      return !lost.has(one.id);
    },
    handBack: async (one) => {
      seen.handedBack.push(one.id);
      return true;
    },
  };
  return { queue, seen, lost, loseDrainer: () => (holder = "another") };
}

const drainerOf = (queue: Queue, handlers: Handlers, more = {}) =>
  createDrainer({ queue, handlers, log: quiet, lingerMs: 0, pauseMs: 2, ...more });

async function drain(waiting: ClaimedJob[], handlers: Handlers, more = {}) {
  const fake = fakeQueue(waiting);
  const drainer = drainerOf(fake.queue, handlers, more);
  const lease = await drainer.acquire();
  const result = await drainer.drain(lease!);
  return { ...fake, result };
}

describe("a call", () => {
  function open(secret?: string) {
    const fake = fakeQueue([job("1")]);
    const background: Promise<unknown>[] = [];
    const app = createWorker({
      secret,
      drainer: drainerOf(fake.queue, { "test.job": async () => undefined }),
      background: (promise) => background.push(promise),
      log: quiet,
    });
    const call = (headers: Record<string, string> = {}) =>
      app.request("/worker", { method: "POST", headers });
    return { ...fake, background, call };
  }

  it("with the secret is accepted at once and drained afterwards", async () => {
    const { call, background, seen } = open("s3cret");
    const response = await call({ "x-worker-secret": "s3cret" });
    expect(response.status).toBe(202);
    expect(await response.json()).toEqual({ accepted: true, draining: true });
    await Promise.all(background);
    expect(seen.completed).toEqual(["1"]);
  });

  it("while another worker drains does nothing", async () => {
    const { call, queue, background } = open("s3cret");
    await queue.acquireDrainer(30);
    const response = await call({ "x-worker-secret": "s3cret" });
    expect(await response.json()).toEqual({ accepted: true, draining: false });
    expect(background).toHaveLength(0);
  });

  it.each([
    ["without a secret", "s3cret", {}],
    ["with another", "s3cret", { "x-worker-secret": "secret" }],
    ["while none is set", undefined, { "x-worker-secret": "" }],
  ])("%s is refused", async (_, secret, headers) => {
    const { call, background } = open(secret);
    const response = await call(headers as Record<string, string>);
    expect(response.status).toBe(401);
    expect(await response.json()).toMatchObject({ details: "authentication_required" });
    expect(background).toHaveLength(0);
  });
});

describe("draining", () => {
  it("runs every job, no more at once than it may", async () => {
    let running = 0;
    let most = 0;
    const { seen, result } = await drain(
      Array.from({ length: 25 }, (_, i) => job(String(i))),
      {
        "test.job": async () => {
          most = Math.max(most, ++running);
          await new Promise((resolve) => setTimeout(resolve, 3));
          running--;
          return undefined;
        },
      },
      { concurrency: 4 },
    );
    expect(result).toEqual({ done: 25, failed: 0, lost: 0 });
    expect(seen.completed).toHaveLength(25);
    expect(most).toBe(4);
    expect(seen.most).toBe(4);
    expect(seen.released).toBe(1);
  });

  it("applies nothing for a job whose lease was lost", async () => {
    const fake = fakeQueue([job("1")]);
    const applied: string[] = [];
    const drainer = drainerOf(fake.queue, {
      "test.job": async ({ job: one }) => {
        fake.lost.add(one.id);
        return async () => {
          applied.push(one.id);
        };
      },
    });
    const result = await drainer.drain((await drainer.acquire())!);
    expect(result).toEqual({ done: 0, failed: 0, lost: 1 });
    expect(applied).toEqual([]);
  });

  it("tells the handler when its lease is lost", async () => {
    const fake = fakeQueue([job("1")]);
    fake.lost.add("1");
    let told = false;
    const drainer = drainerOf(
      fake.queue,
      {
        "test.job": ({ signal }) =>
          new Promise((_, reject) => {
            signal.addEventListener("abort", () => {
              told = true;
              reject(signal.reason);
            });
          }),
      },
      { jobLeaseSeconds: 0.03 },
    );
    await drainer.drain((await drainer.acquire())!);
    expect(told).toBe(true);
  });

  it("hands back what runs when it is stopped", async () => {
    const fake = fakeQueue([job("1"), job("2")]);
    const drainer = drainerOf(fake.queue, {
      "test.job": ({ signal }) =>
        new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
    });
    const drained = drainer.drain((await drainer.acquire())!);
    await new Promise((resolve) => setTimeout(resolve, 20));
    drainer.stop();
    await drained;
    expect(fake.seen.handedBack.sort()).toEqual(["1", "2"]);
    expect(fake.seen.failed.size).toBe(0);
    expect(fake.seen.released).toBe(1);
  });

  it("claims nothing more after its time", async () => {
    const waiting = Array.from({ length: 1000 }, (_, i) => job(String(i)));
    const { seen } = await drain(
      waiting,
      {
        "test.job": async () =>
          void (await new Promise((resolve) => setTimeout(resolve, 5))) as undefined,
      },
      { claimForMs: 40, concurrency: 2 },
    );
    expect(seen.completed.length).toBeGreaterThan(0);
    expect(waiting.length).toBeGreaterThan(0);
    expect(seen.completed.length + waiting.length).toBe(1000);
  });

  it("stops when another worker became the drainer", async () => {
    const fake = fakeQueue([job("1")]);
    const drainer = drainerOf(fake.queue, { "test.job": async () => undefined });
    const lease = await drainer.acquire();
    fake.loseDrainer();
    expect(await drainer.drain(lease!)).toEqual({ done: 0, failed: 0, lost: 0 });
  });

  it("outlasts a queue that cannot be asked for a moment, and gives up on one that is gone", async () => {
    const fake = fakeQueue([job("1")]);
    const drainer = drainerOf(fake.queue, { "test.job": async () => undefined });
    const { claim } = fake.queue;
    let calls = 0;
    fake.queue.claim = async (...of) => {
      if (++calls <= 3) throw new Error("the database is away");
      return claim(...of);
    };
    expect(await drainer.drain((await drainer.acquire())!)).toMatchObject({ done: 1 });

    const gone = fakeQueue([job("1")]);
    gone.queue.claim = async () => {
      throw new Error("the database is away");
    };
    const other = drainerOf(gone.queue, {});
    expect(await other.drain((await other.acquire())!)).toEqual({ done: 0, failed: 0, lost: 0 });
  });

  it("retries a kind that this deployment does not know", async () => {
    const { seen } = await drain([job("1", "test.unknown")], {});
    expect(seen.failed.get("1")).toEqual({ error: "Error: no handler for test.unknown" });
  });

  it("goes on when the queue cannot be told", async () => {
    const fake = fakeQueue([job("1"), job("2")]);
    fake.queue.fail = async () => {
      throw new Error("the database is away");
    };
    const drainer = drainerOf(fake.queue, {
      "test.job": async ({ job: one }) => {
        if (one.id === "1") throw new Error("no");
        return undefined;
      },
    });
    expect(await drainer.drain((await drainer.acquire())!)).toEqual({
      done: 1,
      failed: 0,
      lost: 1,
    });
  });
});

describe("a failure", () => {
  const refused = (code: string, detail?: string) =>
    Object.assign(new Error("no"), { code, detail });

  it.each([
    ["permanent", new PermanentError("gone"), { error: "gone", isPermanent: true }],
    [
      "with a time",
      new RetryAfterError("429", 30, true),
      { error: "429", retryAfterSeconds: 30, pauseProvider: true },
    ],
    ["unknown", new UnknownOutcomeError("reset"), { error: "UnknownOutcomeError: reset" }],
    [
      "refused by our own rules",
      refused("PT422", "argument_invalid: x"),
      { error: "PT422 argument_invalid: x", isPermanent: true },
    ],
    ["limited by our own rules", refused("PT429"), { error: "SQLSTATE PT429", isPermanent: false }],
    ["a deadlock", refused("40P01"), { error: "SQLSTATE 40P01", isPermanent: false }],
  ])("that is %s is told as such", (_, error, expected) => {
    expect(failureOf(error)).toEqual(expected);
  });
});

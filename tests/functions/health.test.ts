/** The public health check: states, and nothing that a stranger could use. */
import { describe, expect, it } from "vitest";
import { createLogger } from "../../supabase/functions/_shared/log.ts";
import { createHealth, type Facts } from "../../supabase/functions/health/app.ts";

const well: Facts = { isMigrated: true, due: 0, oldestDueSeconds: 0 };

async function ask(facts: Partial<Facts> | Error) {
  const app = createHealth({
    facts: async () => {
      if (facts instanceof Error) throw facts;
      return { ...well, ...facts };
    },
    now: () => new Date("2026-03-01T00:00:00Z"),
    log: createLogger({}, () => {}),
  });
  const response = await app.request("/health");
  return { status: response.status, body: await response.json() };
}

describe("health", () => {
  it("[D4-088] is well with an empty queue", async () => {
    expect(await ask({})).toEqual({
      status: 200,
      body: {
        status: "ok",
        database: "ok",
        migrations: "applied",
        queue: "idle",
        time: "2026-03-01T00:00:00.000Z",
      },
    });
  });

  it.each([
    [{ due: 3, oldestDueSeconds: 5 }, "ok", "busy"],
    [{ due: 3, oldestDueSeconds: 100 }, "degraded", "behind"],
    [{ due: 3, oldestDueSeconds: 5000 }, "degraded", "stalled"],
    [{ isMigrated: false }, "degraded", "idle"],
  ])("with %o is %s and %s", async (facts, status, queue) => {
    expect(await ask(facts)).toMatchObject({ status: 200, body: { status, queue } });
  });

  it("[D4-088] is down, with no reason given, when the database does not answer", async () => {
    const answer = await ask(new Error("password authentication failed for user postgres"));
    expect(answer.status).toBe(503);
    expect(answer.body).toMatchObject({ status: "down", database: "down" });
    expect(JSON.stringify(answer.body)).not.toContain("postgres");
  });
});

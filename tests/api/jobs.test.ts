/** Background jobs: work that is asked for in a transaction is done outside of it, and can be watched. */
import { jobSchema, jobStatsSchema } from "@intake/types";
import { beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { createUser, expectData, expectError, type Person, sql, stack } from "../helpers/index.ts";

let admin: Person;
let counselor: Person;

beforeAll(async () => {
  [admin, counselor] = await Promise.all([createUser({ role: "admin" }), createUser()]);
});

const far = new Date(Date.now() + 86_400_000);

describe("background jobs", () => {
  it("[D0-093] are run by the worker soon after they are committed", async () => {
    const [job] = await sql()<{ id: string }[]>`select private.enqueue('jobs.prune') as id`;
    const outcome = async () => {
      const [row] = await sql()`select outcome from private.jobs_archive where id = ${job!.id}`;
      return row?.outcome;
    };
    await expect.poll(outcome, { timeout: 20_000 }).toBe("done");
  }, 30_000);

  it("of a transaction that is taken back are never run", async () => {
    const refused = sql().begin(async (tx) => {
      await tx`select private.enqueue('jobs.prune', '{"taken": "back"}')`;
      throw new Error("taken back");
    });
    await expect(refused).rejects.toThrow("taken back");
    const left = await sql()`select 1 from private.jobs where payload ->> 'taken' = 'back'`;
    expect(left).toHaveLength(0);
  });

  it("are listed, started now, and cancelled by an administrator", async () => {
    const [job] = await sql()<{ id: string }[]>`
      select private.enqueue('api.test', p_run_at => ${far}) as id`;
    const listed = expectData(await admin.client.rpc("jobs_list", { p_kind: "api.test" }));
    const found = z
      .array(jobSchema)
      .parse(listed)
      .find((one) => one.id === job!.id);
    expect(found).toMatchObject({ state: "scheduled", attempts: 0 });
    expect(expectData(await admin.client.rpc("job_cancel", { p_id: job!.id }))).toBe(job!.id);
    expectError(await admin.client.rpc("job_retry", { p_id: job!.id }), {
      code: "PT404",
      details: "job_not_found",
    });
  });

  it("that are dead are taken up again", async () => {
    const [job] = await sql()<{ id: string }[]>`
      select private.enqueue('api.dead', p_run_at => ${far}) as id`;
    await sql()`select private.bury_jobs(array[${job!.id}::uuid], 'Graph error 100')`;
    const [dead] = expectData(
      await admin.client.rpc("jobs_list", { p_kind: "api.dead", p_state: "dead" }),
    );
    expect(dead).toMatchObject({ id: job!.id, last_error: "Graph error 100" });
    expect(expectData(await admin.client.rpc("job_retry", { p_id: job!.id }))).toBe(job!.id);
    const [again] = expectData(await admin.client.rpc("jobs_list", { p_kind: "api.dead" }));
    expect(again?.state).not.toBe("dead");
    await admin.client.rpc("job_cancel", { p_id: job!.id });
  });

  it("are summed up in figures", async () => {
    const stats = expectData(await admin.client.rpc("jobs_stats"));
    expect(jobStatsSchema.safeParse(stats).success).toBe(true);
  });

  it("are an administrator's alone", async () => {
    for (const answer of [
      await counselor.client.rpc("jobs_list"),
      await counselor.client.rpc("jobs_stats"),
      await counselor.client.rpc("job_retry", { p_id: crypto.randomUUID() }),
      await counselor.client.rpc("job_cancel", { p_id: crypto.randomUUID() }),
    ]) {
      expectError(answer, { code: "42501", details: "permission_denied" });
    }
  });
});

describe("the worker function", () => {
  const call = (headers: Record<string, string> = {}) =>
    fetch(`${stack().url}/functions/v1/worker`, { method: "POST", headers });

  it("answers nobody without its secret, whatever other key they hold", async () => {
    const keys = [stack().publishableKey, stack().secretKey];
    for (const key of keys) {
      const response = await call({
        apikey: key,
        authorization: `Bearer ${key}`,
        "x-worker-secret": key,
      });
      expect(response.status).toBe(401);
    }
    expect((await call()).status).toBe(401);
  });
});

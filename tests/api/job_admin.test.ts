/** Job administration: jobs are watched, started again and cancelled by administrators. */
import { jobSchema, jobStatsSchema } from "@intake/types";
import { beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { createUser, expectData, expectError, type Person, sql } from "../helpers/index.ts";

let admin: Person;
let counselor: Person;

beforeAll(async () => {
  [admin, counselor] = await Promise.all([createUser({ role: "admin" }), createUser()]);
});

const far = new Date(Date.now() + 86_400_000);

describe("background jobs", () => {
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

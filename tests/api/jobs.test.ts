/** Background jobs: work that is asked for in a transaction is done outside of it. */
import { describe, expect, it } from "vitest";
import { sql } from "../helpers/index.ts";

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
});

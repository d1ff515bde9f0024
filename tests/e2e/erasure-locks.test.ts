/** A lead that is erased while it is merged, or while a merge is taken apart: one person goes, and all of them. */
import type postgres from "postgres";
import { afterAll, beforeAll, expect, it } from "vitest";
import { connect } from "../helpers/database.ts";
import { createUser, unique } from "../helpers/index.ts";

const sql = connect({ max: 4 });

let claims: string;

beforeAll(async () => {
  const admin = await createUser({ role: "admin" });
  const [session] = await sql`select id from auth.sessions where user_id = ${admin.id} limit 1`;
  claims = JSON.stringify({ sub: admin.id, role: "authenticated", session_id: session!.id });
});

afterAll(() => sql.end());

async function asAdmin<T>(work: (tx: postgres.TransactionSql) => Promise<T>): Promise<unknown> {
  return sql
    .begin(async (tx) => {
      await tx`select set_config('request.jwt.claims', ${claims}, true)`;
      return work(tx);
    })
    .catch((error) => String(error.detail ?? error.code).split(":")[0]);
}

async function addLead(): Promise<string> {
  const [lead] = await sql<{ id: string }[]>`
    insert into public.leads (name) values (${unique("Erased")}) returning id`;
  return lead!.id;
}

const erase = (lead: string) =>
  asAdmin((tx) => tx`select public.lead_delete(${lead}, true)`.then(() => "done"));

const merge = (tx: postgres.TransactionSql, target: string, source: string) =>
  tx<{ id: string }[]>`
    select (public.merge_leads(${target}, array[${source}]::uuid[]) ->> 'merge_id') as id`;

/** Does something, and commits when the other waits for it. */
async function beside(
  work: (tx: postgres.TransactionSql) => Promise<unknown>,
  other: () => Promise<unknown>,
): Promise<unknown> {
  let answer: Promise<unknown> | undefined;
  await asAdmin(async (tx) => {
    const [me] = await tx<{ pid: number }[]>`select pg_backend_pid() as pid`;
    await work(tx);
    answer = other();
    const waits = async () => {
      const [row] = await sql`
        select exists (select from pg_stat_activity a where ${me!.pid} = any (pg_blocking_pids(a.pid))) as is_so`;
      return row!.is_so;
    };
    await expect.poll(waits, { timeout: 10_000, interval: 20 }).toBe(true);
  });
  return answer;
}

const left = async (...leads: string[]) =>
  (await sql<{ id: string }[]>`select id from public.leads where id in ${sql(leads)}`).map(
    (row) => row.id,
  );

it("what is merged into it meanwhile goes with it", async () => {
  const [target, source] = [await addLead(), await addLead()];
  const answer = await beside(
    (tx) => merge(tx, target, source),
    () => erase(target),
  );
  expect(answer).toBe("done");
  expect(await left(target, source)).toEqual([]);
});

it("a lead that is merged into another meanwhile is refused", async () => {
  const [target, source] = [await addLead(), await addLead()];
  const answer = await beside(
    (tx) => merge(tx, target, source),
    () => erase(source),
  );
  expect(answer).toBe("lead_is_merged");
  expect(await left(target, source)).toHaveLength(2);
});

it("what is taken out of it meanwhile stays", async () => {
  const [target, source] = [await addLead(), await addLead()];
  const [merged] = (await asAdmin((tx) => merge(tx, target, source))) as { id: string }[];
  const answer = await beside(
    (tx) => tx`select public.unmerge(${merged!.id}::uuid)`,
    () => erase(target),
  );
  expect(answer).toBe("done");
  expect(await left(target, source)).toEqual([source]);
});

it("a merge cannot be taken apart once its lead is erased", async () => {
  const [target, source] = [await addLead(), await addLead()];
  const [merged] = (await asAdmin((tx) => merge(tx, target, source))) as { id: string }[];
  const answer = await beside(
    (tx) => tx`select public.lead_delete(${target}, true)`,
    () => asAdmin((tx) => tx`select public.unmerge(${merged!.id}::uuid)`.then(() => "done")),
  );
  expect(answer).toBe("not_found");
  expect(await left(target, source)).toEqual([]);
});

it("neither waits for the other when both have begun", async () => {
  const [target, source] = [await addLead(), await addLead()];
  const [merged] = (await asAdmin((tx) => merge(tx, target, source))) as { id: string }[];
  const answers = await Promise.all([
    erase(target),
    asAdmin((tx) => tx`select public.unmerge(${merged!.id}::uuid)`.then(() => "done")),
  ]);
  expect(answers[0]).toBe("done");
  expect(["done", "not_found"]).toContain(answers[1]);
});

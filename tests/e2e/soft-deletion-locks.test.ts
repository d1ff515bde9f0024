/** Many who delete, restore and add at once: nothing is live that hangs on what is deleted, and nobody deadlocks. */
import type postgres from "postgres";
import { afterAll, beforeAll, expect, it } from "vitest";
import { connect } from "../helpers/database.ts";
import { createUser, unique } from "../helpers/index.ts";

const sql = connect({ max: 8 });

let claims: string;

beforeAll(async () => {
  const admin = await createUser({ role: "admin" });
  const [session] = await sql`select id from auth.sessions where user_id = ${admin.id} limit 1`;
  claims = JSON.stringify({ sub: admin.id, role: "authenticated", session_id: session!.id });
});

afterAll(() => sql.end());

const asAdmin = (work: (tx: postgres.TransactionSql) => PromiseLike<unknown>) =>
  sql
    .begin(async (tx) => {
      await tx`select set_config('request.jwt.claims', ${claims}, true)`;
      await work(tx);
    })
    .then(
      () => "done",
      (error) => String(error.detail ?? error.code).split(":")[0],
    );

const call = (name: "soft_delete" | "restore", table: string, row: string) =>
  asAdmin((tx) => tx`select public.${tx(name)}(${table}, ${row}::uuid)`);

async function addLead(): Promise<{ lead: string; task: string }> {
  const [lead] = await sql<{ id: string }[]>`
    insert into public.leads (name) values (${unique("Locked")}) returning id`;
  const [task] = await sql<{ id: string }[]>`
    insert into public.tasks (title, lead_id) values ('Locked', ${lead!.id}) returning id`;
  return { lead: lead!.id, task: task!.id };
}

/** Deletes the lead, and commits when the other either waits for it or is done. */
async function deleteBeside(lead: string, other: () => PromiseLike<unknown>): Promise<unknown> {
  let beside: Promise<unknown> | undefined;
  let isDone = false;
  await asAdmin(async (tx) => {
    const [me] = await tx<{ pid: number }[]>`select pg_backend_pid() as pid`;
    await tx`select public.soft_delete('leads', ${lead}::uuid)`;
    beside = Promise.resolve(other()).finally(() => {
      isDone = true;
    });
    const waits = async () => {
      const [row] = await sql`
        select exists (select from pg_stat_activity a where ${me!.pid} = any (pg_blocking_pids(a.pid))) as is_so`;
      return isDone || row!.is_so;
    };
    await expect.poll(waits, { timeout: 10_000, interval: 20 }).toBe(true);
  });
  return beside;
}

it.each([
  [
    "task",
    (lead: string) => sql`insert into public.tasks (title, lead_id) values ('Beside', ${lead})`,
  ],
  [
    "call",
    (lead: string) => sql`insert into public.calls (notes, lead_id) values ('Beside', ${lead})`,
  ],
  [
    "note",
    (lead: string) => sql`insert into public.notes (content, lead_id) values ('Beside', ${lead})`,
  ],
] as const)("a %s that comes while its lead is deleted goes with it", async (name, add) => {
  const { lead } = await addLead();
  await deleteBeside(lead, () => add(lead).execute());
  const rows = await sql<{ is_live: boolean }[]>`
    select deleted_at is null as is_live from public.${sql(`${name}s`)} where lead_id = ${lead}`;
  expect(rows.length).toBeGreaterThan(0);
  expect(rows.filter((row) => row.is_live)).toEqual([]);
});

it("what is restored while its lead is deleted is refused", async () => {
  const { lead, task } = await addLead();
  expect(await call("soft_delete", "tasks", task)).toBe("done");
  expect(await deleteBeside(lead, () => call("restore", "tasks", task))).toBe("parent_deleted");
});

it("[D0-082] ends in order", { timeout: 60_000 }, async () => {
  const { lead: id, task } = await addLead();
  const [note] = await sql<{ id: string }[]>`
    insert into public.notes (content, lead_id) values ('Locked', ${id}) returning id`;
  const moves = [
    () => call("soft_delete", "leads", id),
    () => call("restore", "leads", id),
    () => call("soft_delete", "tasks", task),
    () => call("restore", "tasks", task),
    () => call("soft_delete", "notes", note!.id),
    () => call("restore", "notes", note!.id),
    // What a system writes knows nothing of deletions.
    () => sql`insert into public.tasks (title, lead_id) values ('Added', ${id})`.then(() => "done"),
    () =>
      sql`insert into public.notes (content, lead_id) values ('Added', ${id})`.then(() => "done"),
  ];
  const answers = await Promise.all(
    Array.from({ length: 160 }, (_, n) => moves[(n * 7) % moves.length]!()),
  );
  expect(answers).toContain("done");
  for (const answer of answers) expect(["done", "not_found", "parent_deleted"]).toContain(answer);
  const inOrder = async (isLeadLive: boolean) => {
    const rows = await sql<{ is_live: boolean }[]>`
      select deleted_at is null as is_live from public.tasks where lead_id = ${id} and title = 'Added'
      union all
      select deleted_at is null from public.notes where lead_id = ${id} and content = 'Added'`;
    expect(rows).toHaveLength(40);
    expect(rows.every((row) => row.is_live === isLeadLive)).toBe(true);
    const own = await sql`
      select deleted_at is null as is_live from public.tasks where id = ${task}
      union all
      select deleted_at is null from public.notes where id = ${note!.id}`;
    if (!isLeadLive) expect(own.some((row) => row.is_live)).toBe(false);
  };
  const [after] = await sql<{ is_live: boolean }[]>`
    select deleted_at is null as is_live from public.leads where id = ${id}`;
  await inOrder(after!.is_live);
  await call("soft_delete", "leads", id);
  await inOrder(false);
  expect(await call("restore", "leads", id)).toBe("done");
  await inOrder(true);
});

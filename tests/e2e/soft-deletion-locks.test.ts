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

it("[D0-082] ends in order", { timeout: 60_000 }, async () => {
  const [lead] = await sql<{ id: string }[]>`
    insert into public.leads (name) values (${unique("Locked")}) returning id`;
  const id = lead!.id;
  const [task] = await sql<{ id: string }[]>`
    insert into public.tasks (title, lead_id) values ('Locked', ${id}) returning id`;
  const [note] = await sql<{ id: string }[]>`
    insert into public.notes (content, lead_id) values ('Locked', ${id}) returning id`;
  const call = (name: "soft_delete" | "restore", table: string, row: string) =>
    asAdmin((tx) => tx`select public.${tx(name)}(${table}, ${row}::uuid)`);
  const moves = [
    () => call("soft_delete", "leads", id),
    () => call("restore", "leads", id),
    () => call("soft_delete", "tasks", task!.id),
    () => call("restore", "tasks", task!.id),
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
      select deleted_at is null as is_live from public.tasks where id = ${task!.id}
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

/**
 * docs/extending.md: what it tells to write works as it stands, and keeps the promises it makes. Makes a table that
 * points at leads, undone at once, but seen as a lock by everything else.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type postgres from "postgres";
import { beforeAll, expect, it } from "vitest";
import { addLead, createTeam, createUser, type Person, sql, unique } from "../helpers/index.ts";

const guide = readFileSync(join(import.meta.dirname, "../../docs/extending.md"), "utf8");
const written = [...guide.matchAll(/^```sql\n([\s\S]*?)^```$/gm)].map(([, block = ""]) => block);

let counselor: Person;
let other: Person;

beforeAll(async () => {
  const team = await createTeam();
  [counselor, other] = await Promise.all([createUser({ team }), createUser()]);
});

class Done extends Error {}

/** Runs what the guide says, then the test, and takes all of it back. */
async function extended(work: (tx: postgres.TransactionSql) => Promise<void>): Promise<void> {
  const ended = sql().begin(async (tx) => {
    for (const block of written) await tx.unsafe(block);
    await work(tx);
    throw new Done();
  });
  await expect(ended).rejects.toBeInstanceOf(Done);
}

/** As that person, through the roles and claims of a request. */
async function as<T>(tx: postgres.TransactionSql, person: Person, query: string): Promise<T[]> {
  const { data } = await person.client.auth.getSession();
  const claims = data.session?.access_token.split(".")[1] ?? "";
  return tx.savepoint(async (inner) => {
    await inner`select
      set_config('request.jwt.claims', ${Buffer.from(claims, "base64url").toString()}, true),
      set_config('role', 'authenticated', true)`;
    const rows = await inner.unsafe(query);
    await inner`select set_config('role', 'none', true), set_config('request.jwt.claims', '', true)`;
    return rows as unknown as T[];
  }) as Promise<T[]>;
}

const refusal = (work: Promise<unknown>) =>
  work.then(
    () => "nothing",
    (error: postgres.PostgresError) => `${error.code} ${error.detail ?? ""}`,
  );

it("[D3-082] [D4-097] an endpoint of one's own has table, role check, registration and trail as the guide says", async () => {
  const lead = await addLead(counselor, { name: unique("Visitor") });
  const add = `select public.campus_visit_add('${lead.lead_id}') as id`;
  await extended(async (tx) => {
    expect(await refusal(as(tx, counselor, add))).toBe(
      "42501 permission_denied: campus_visits.add",
    );
    await tx`
      insert into public.role_permissions (role_id, permission)
      select role_id, 'campus_visits.add' from public.profiles where id = ${counselor.id}`;
    const [made] = await as<{ id: string }>(tx, counselor, add);
    const seen = `select created_by from public.campus_visits where id = '${made?.id}'`;
    expect(await as(tx, counselor, seen)).toEqual([{ created_by: counselor.id }]);
    expect(await as(tx, other, seen)).toEqual([]);
    expect(await refusal(as(tx, other, add))).toMatch(/^PT404 lead_not_found/);
    expect(await refusal(as(tx, counselor, "delete from public.campus_visits"))).toMatch(/^42501/);
    const told = await tx`
      select title, actor_id from public.activities where source_id = ${made?.id ?? ""}`;
    expect(told).toEqual([{ title: "Visited the Campus", actor_id: counselor.id }]);
    const trail = await tx`
      select action from public.audit_logs where resource = 'campus_visits' and record_id = ${made?.id ?? ""}`;
    expect(trail).toEqual([{ action: "insert" }]);
    const [gone] = await tx<{ n: number }[]>`
      with erased as (delete from public.leads where id = ${lead.id} returning id)
      select count(*)::integer as n from erased`;
    expect(gone?.n).toBe(1);
    expect(await tx`select from public.campus_visits where id = ${made?.id ?? ""}`).toHaveLength(0);
  });
});

it("[D4-097] a custom field that is registered is asked for and checked by forms", async () => {
  await extended(async (tx) => {
    const [form] = await tx<{ fields: { key: string; options: string[] }[] }[]>`
      select private.capture_form() as fields`;
    expect(form?.fields).toContainEqual(
      expect.objectContaining({ key: "hostel", options: ["yes", "no"] }),
    );
  });
});

/** What is added to a lead while the lead is given to somebody else ends with the new owner. */
import { setTimeout as delay } from "node:timers/promises";
import type postgres from "postgres";
import { afterAll, expect, it } from "vitest";
import { connect } from "../helpers/database.ts";
import { createTeam, createUser, unique } from "../helpers/index.ts";

const sql = connect({ max: 4 });

afterAll(() => sql.end());

type Add = (tx: postgres.TransactionSql, lead: string, owner: string) => PromiseLike<unknown>;

const additions: [table: string, column: string, add: Add][] = [
  [
    "tasks",
    "lead_owner_id",
    (tx, lead, owner) =>
      tx`insert into public.tasks (title, lead_id, assigned_to) values ('Call', ${lead}, ${owner})`,
  ],
  [
    "contacts",
    "assigned_to",
    (tx, lead) => tx`insert into public.contacts (name, lead_id) values ('Father', ${lead})`,
  ],
];

it.each(additions)("%s", async (table, column, add) => {
  const team = await createTeam();
  const [giver, taker] = [await createUser({ team }), await createUser({ team })];
  const [lead] = await sql<{ id: string }[]>`
    insert into public.leads (name, assigned_to) values (${unique("Moved")}, ${giver.id}) returning id
  `;
  const id = lead!.id;
  let moving: Promise<unknown> | undefined;
  await sql.begin(async (tx) => {
    await add(tx, id, giver.id);
    moving = sql`update public.leads set assigned_to = ${taker.id} where id = ${id}`.execute();
    // Long enough for the move to end if nothing holds it back.
    await delay(300);
  });
  await moving;
  const rows =
    await sql`select ${sql(column)} as owner from public.${sql(table)} where lead_id = ${id}`;
  expect(rows).toMatchObject([{ owner: taker.id }]);
});

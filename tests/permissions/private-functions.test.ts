/** The execute allow-list over every function of the private schema, and its mutation check. */
import type postgres from "postgres";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connect, rolledBack, rolledBackPatiently, undone } from "../helpers/database.ts";
import { functionsOf } from "./catalogue.ts";
import { privateFunctions } from "./private-functions.ts";
import { alone, type Transaction } from "./probe.ts";

let sql: postgres.Sql;

beforeAll(() => {
  sql = connect({ max: 1 });
});

afterAll(async () => {
  await sql.end();
});

const roles = ["anon", "authenticated"] as const;

async function executable(tx: Transaction, role: string): Promise<string[]> {
  const names = await functionsOf(tx, "private");
  const rows = await tx<{ name: string }[]>`
    select f.name from unnest(${names}::text[]) f (name)
    where has_function_privilege(${role}, f.name::regprocedure, 'execute')
  `;
  return rows.map((row) => row.name.replace("private.", "")).sort();
}

describe.each(roles)("%s executes in the private schema", (role) => {
  const allowed = [...privateFunctions[role]].sort();

  it("what the list allows and nothing else", async () => {
    expect(await rolledBack(sql, (tx) => executable(tx, role))).toEqual(allowed);
  });

  it("and the list notices each function that is opened or closed", async () => {
    const alive = await rolledBackPatiently(sql, async (tx) => {
      await alone(tx);
      const unnoticed: string[] = [];
      for (const name of await functionsOf(tx, "private")) {
        const held = allowed.includes(name.replace("private.", ""));
        const flip = held
          ? `revoke execute on routine ${name} from`
          : `grant execute on routine ${name} to`;
        const after = await undone(tx, async (point) => {
          await point.unsafe(`${flip} ${role}`);
          return executable(point, role);
        });
        if (after.join() === allowed.join()) unnoticed.push(`${flip} ${role}`);
      }
      return unnoticed;
    });
    expect(alive).toEqual([]);
  });
});

/**
 * The mutation check: a matrix that stays green when a policy is dropped or a grant is flipped
 * proves nothing. Each mutation is made, looked at and undone; none may survive.
 */
import type postgres from "postgres";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connect, rolledBack, rolledBackPatiently, undone } from "../helpers/database.ts";
import { buckets, topicKinds } from "./catalogue.ts";
import { expectations, fixtureRows, maskedPolicies } from "./expectations.ts";
import { buildFixture } from "./fixture.ts";
import {
  columnGrantMutations,
  droppedPolicies,
  functionGrantMutations,
  type Mutation,
  openedPolicies,
  rowSecurityMutations,
  tableGrantMutations,
} from "./mutations.ts";
import { observe } from "./observe.ts";
import { alone, installProbe, type Transaction } from "./probe.ts";

let sql: postgres.Sql;

beforeAll(() => {
  sql = connect({ max: 1 });
});

afterAll(async () => {
  await sql.end();
});

/** The mutations that nothing noticed. */
async function survivors(find: (tx: Transaction) => Promise<Mutation[]>): Promise<string[]> {
  return rolledBackPatiently(sql, async (tx) => {
    await alone(tx);
    await installProbe(tx);
    await buildFixture(tx, fixtureRows);
    // Objects without an expectation are for the matrix to complain of.
    const known = ({ seenIn }: Mutation) =>
      seenIn.every(({ kind, name }) => expectations[kind][name] !== undefined);
    const mutations = (await find(tx)).filter(known);
    expect(mutations.length).toBeGreaterThan(0);
    const before = new Map<string, string>();
    const alive: string[] = [];
    for (const mutation of mutations) {
      for (const { kind, name } of mutation.seenIn) {
        const key = `${mutation.look} ${kind} ${name}`;
        if (!before.has(key)) before.set(key, await view(tx, mutation, kind, name));
      }
      const noticed = await undone(tx, async (point) => {
        await point.unsafe(mutation.statement);
        for (const { kind, name } of mutation.seenIn) {
          const after = await view(point, mutation, kind, name);
          if (after !== before.get(`${mutation.look} ${kind} ${name}`)) return true;
        }
        return false;
      });
      if (!noticed) alive.push(mutation.name);
    }
    process.stdout.write(`# ${mutations.length} mutations, ${alive.length} unnoticed\n`);
    return alive;
  });
}

async function view(
  tx: Transaction,
  mutation: Mutation,
  kind: Mutation["seenIn"][number]["kind"],
  name: string,
): Promise<string> {
  return JSON.stringify(await observe(tx, expectations, kind, name, mutation.look));
}

describe("the matrix notices", { timeout: 180_000 }, () => {
  const sharedObjects = () =>
    rolledBack(sql, async (tx) => ({ buckets: await buckets(tx), topics: await topicKinds(tx) }));

  it("every policy that is dropped", async () => {
    const shared = await sharedObjects();
    expect(await survivors((tx) => droppedPolicies(tx, shared))).toEqual([]);
  });

  it("every policy that lets everybody through", async () => {
    const shared = await sharedObjects();
    const unnoticed = await survivors((tx) => openedPolicies(tx, shared));
    const masked = maskedPolicies.map((name) => new RegExp(`^open policy "${name}" `));
    expect(unnoticed.filter((name) => !masked.some((one) => one.test(name)))).toEqual([]);
  });

  it("every table without its row level security, and every view that runs as its owner", async () => {
    expect(await survivors(rowSecurityMutations)).toEqual([]);
  });

  it("every verb on a table or view that is granted or revoked", async () => {
    expect(await survivors(tableGrantMutations)).toEqual([]);
  });

  it("every column that is granted or revoked", async () => {
    expect(await survivors(columnGrantMutations)).toEqual([]);
  });

  it("every function whose execution is granted or revoked", async () => {
    expect(await survivors(functionGrantMutations)).toEqual([]);
  });
});

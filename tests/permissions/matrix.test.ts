/**
 * The permission matrix: every table, view, RPC, bucket and realtime topic × every persona × every
 * verb, asked of the database itself and compared with `expectations.ts`.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { connect, rolledBack } from "../helpers/database.ts";
import { buckets, exposedFunctions, exposedRelations, topicKinds } from "./catalogue.ts";
import { printMatrix } from "./document.ts";
import { expectations, fixtureRows } from "./expectations.ts";
import { buildFixture } from "./fixture.ts";
import { expectedObservation, type Kind, type Observation, observe } from "./observe.ts";
import { personas } from "./personas.ts";
import { alone, installProbe, type Transaction } from "./probe.ts";

const kinds = Object.keys(expectations) as Kind[];
const exposed = new Map<Kind, string[]>();
const observations = new Map<string, Observation>();

async function look(tx: Transaction): Promise<void> {
  await alone(tx);
  await installProbe(tx);
  exposed.set(
    "relations",
    (await exposedRelations(tx)).map((relation) => relation.name),
  );
  exposed.set("functions", await exposedFunctions(tx));
  exposed.set("buckets", await buckets(tx));
  exposed.set("topics", await topicKinds(tx));
  await buildFixture(tx, fixtureRows);
  for (const kind of kinds) {
    for (const name of Object.keys(expectations[kind])) {
      if (!exposed.get(kind)?.includes(name)) continue;
      observations.set(`${kind} ${name}`, await observe(tx, expectations, kind, name));
    }
  }
}

beforeAll(async () => {
  const sql = connect({ max: 1 });
  await rolledBack(sql, look);
  await sql.end();
});

/** One line per persona, so that a failure names who. */
const readable = (line: string) => {
  const cells = line.split(" ");
  if (cells.length !== personas.length) return line;
  return personas.map((persona, index) => `${persona}: ${cells[index]}`).join("\n");
};

describe.each(kinds)("%s", (kind) => {
  it("are all in the expectations, and nothing else is", () => {
    expect(exposed.get(kind)).toEqual(Object.keys(expectations[kind]).sort());
  });

  for (const name of Object.keys(expectations[kind])) {
    const expected = expectedObservation(expectations, kind, name);
    it.each(Object.entries(expected))(`${name}: %s`, (what, line) => {
      const observed = observations.get(`${kind} ${name}`)?.[what] ?? "does not exist";
      expect(readable(observed)).toBe(readable(line));
    });
  }
});

describe("docs/permissions.md", () => {
  it("is what the matrix prints: run `npm run permissions` after a change", () => {
    const file = join(import.meta.dirname, "../../docs/permissions.md");
    expect(readFileSync(file, "utf8")).toBe(printMatrix());
  });
});

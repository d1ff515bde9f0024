/** Looks at one object the way the expectations describe it. */
import { type ApiRole, apiRoles, executors, grantsOn, protection } from "./catalogue.ts";
import type { Verb } from "./expectations/shape.ts";
import type { Expectations } from "./expectations.ts";
import { probe, type Transaction } from "./probe.ts";

/** One line per thing that is expected: `select` → `- . . + . + . + +`, `grants anon` → `select`. */
export type Observation = Record<string, string>;

export type Kind = keyof Expectations;

/** `- . . + . + . + +` with any number of blanks between. */
export const normalCells = (cells: string): string => cells.trim().split(/\s+/).join(" ");

/** What to look at: what people can do, what the catalogue says, or both. */
export type Look = "cells" | "grants" | "all";

/** What the database does with an object, in the terms of its expectation. */
export async function observe(
  tx: Transaction,
  expectations: Expectations,
  kind: Kind,
  name: string,
  look: Look = "all",
): Promise<Observation> {
  const expected = expectations[kind][name];
  if (expected === undefined) throw new Error(`${name} has no expectation`);
  const object = probedObject(kind, name);
  const cells = look === "grants" ? {} : await observeCells(tx, expected, object);
  if (kind === "relations" && look !== "grants") await tryBlindly(tx, expected, name, cells);
  const grants = look === "cells" ? {} : await observeGrants(tx, kind, name);
  return { ...cells, ...grants };
}

async function observeCells(
  tx: Transaction,
  expected: object,
  object: string,
): Promise<Observation> {
  const statements = Object.entries(expected).filter((entry): entry is [string, Verb] =>
    Array.isArray(entry[1]),
  );
  const outcomes = await probe(
    tx,
    object,
    statements.map(([, [statement]]) => statement),
  );
  return Object.fromEntries(
    statements.map(([verb], index) => [verb, (outcomes[index] ?? []).join(" ")]),
  );
}

/**
 * A write that reads no column is held by the policy of its own command alone: `delete from t` with
 * no condition does not ask who may see the rows. The policies of update and delete must therefore
 * hold without the one of select. A restrictive policy keeps the attempt to the row of the fixture.
 */
async function tryBlindly(
  tx: Transaction,
  expected: object,
  relation: string,
  cells: Observation,
): Promise<void> {
  if (!(await isTable(tx, relation))) return;
  for (const [verb, { write, condition }] of blindWrites(expected)) {
    const before = `create policy matrix_row on ${relation} as restrictive using (${condition})`;
    const [blind] = await probe(tx, relation, [write], before);
    const sighted = cells[verb]!.split(" ");
    // A service key, the last, knows no policies and would write every row: it is not asked.
    const same = (cell: string, index: number) =>
      index === sighted.length - 1 || cell === blind?.[index];
    cells[verb] = sighted
      .map((cell, index) => (same(cell, index) ? cell : `${cell}|blind:${blind?.[index]}`))
      .join(" ");
  }
}

/** The writes of an expectation that people hold a grant for, without their condition. */
function blindWrites(expected: object): [string, { write: string; condition: string }][] {
  return Object.entries(expected).flatMap(([verb, value]) => {
    if (!Array.isArray(value) || !/^(update|delete)/.test(verb)) return [];
    const [statement, cells] = value as Verb;
    const people = normalCells(cells).split(" ").slice(0, -1);
    const parts = /^(.*?)\s+where\s+(.*)$/s.exec(statement);
    if (!parts || people.every((cell) => cell === "-")) return [];
    return [[verb, { write: parts[1]!, condition: parts[2]! }]];
  });
}

async function isTable(tx: Transaction, relation: string): Promise<boolean> {
  const [row] = await tx<{ kind: string }[]>`
    select relkind as kind from pg_class where oid = ${relation}::regclass
  `;
  return row?.kind === "r" || row?.kind === "p";
}

async function observeGrants(tx: Transaction, kind: Kind, name: string): Promise<Observation> {
  if (kind === "functions") return { executors: await executors(tx, name) };
  if (kind !== "relations") return {};
  const grants = await grantsOn(tx, name);
  return {
    protection: await protection(tx, name),
    ...Object.fromEntries(apiRoles.map((role) => [`grants ${role}`, grants[role]])),
  };
}

function probedObject(kind: Kind, name: string): string {
  if (kind === "buckets") return "storage.objects";
  if (kind === "topics") return "realtime.messages";
  return name;
}

/** Columns are a set: where a migration puts one must not matter. */
const sortColumns = (grants: string): string =>
  grants.replace(/\(([^)]*)\)/g, (_, list: string) => `(${list.split(", ").sort().join(", ")})`);

/** What the expectations say, in the same terms. */
export function expectedObservation(
  expectations: Expectations,
  kind: Kind,
  name: string,
): Observation {
  const expected = expectations[kind][name];
  const observation: Observation = {};
  for (const [verb, value] of Object.entries(expected ?? {})) {
    if (Array.isArray(value)) observation[verb] = normalCells(value[1] as string);
  }
  if (kind === "relations") {
    const grants = (expected as { grants?: Partial<Record<ApiRole, string>> }).grants ?? {};
    observation.protection = "on";
    for (const role of apiRoles) observation[`grants ${role}`] = sortColumns(grants[role] ?? "");
  }
  if (kind === "functions") {
    const roles = executorsFromCells(observation.execute ?? "");
    observation.executors = roles.join(", ");
  }
  return observation;
}

/** A function's allow-list follows from its cells: whoever is not "-" may execute it. */
function executorsFromCells(cells: string): string[] {
  const list = cells.split(" ");
  const roles: string[] = [];
  if (list[0] !== "-") roles.push("anon");
  if (list.slice(1, -1).some((cell) => cell !== "-")) roles.push("authenticated");
  if (list.at(-1) !== "-") roles.push("service_role");
  return roles;
}

/**
 * Who may do what: the promise that the matrix holds the database to.
 *
 * Each verb is a statement and nine cells, in the order of `personas`: anon, disabled, revoked, own
 * counselor, other counselor, own manager, other manager, admin, service. A cell is `+` (it did
 * something), `.` (row level security hides the row), `-` (no grant), `x` (refused by a policy), or
 * the code of the error. "Own" is who the row of the fixture belongs to.
 *
 * An object that the catalogue knows and no file of `expectations/` does is a failure, and so is the
 * reverse. A module's file is found by its name; its rows are made in the order of the migrations.
 */
import { readdirSync } from "node:fs";
import { type Expectations, type ModuleExpectations, merge } from "./expectations/shape.ts";

export type { Expectations } from "./expectations/shape.ts";

const folder = new URL("./expectations/", import.meta.url);
const migrations = readdirSync(new URL("../../supabase/migrations/", import.meta.url)).sort();

/** Where a module stands among the migrations; one without a migration of its own comes last. */
const position = (module: string): number => {
  const index = migrations.findIndex((name) => name.endsWith(`_${module}.sql`));
  return index < 0 ? migrations.length : index;
};

const names = readdirSync(folder)
  .filter((name) => name.endsWith(".ts") && name !== "shape.ts")
  .map((name) => name.replace(/\.ts$/, ""))
  .sort((one, other) => position(one) - position(other) || one.localeCompare(other));

const modules: ModuleExpectations[] = [];
for (const name of names) {
  const file: Record<string, ModuleExpectations> = await import(new URL(`${name}.ts`, folder).href);
  modules.push(...Object.values(file));
}

/** Rows of the fixture that the modules add. */
export const fixtureRows: string[] = modules.flatMap((module) => module.fixture ?? []);

/** Policies that a trigger stands before. */
export const maskedPolicies: string[] = modules.flatMap((module) => module.masked ?? []);

export const expectations: Expectations = merge(modules);

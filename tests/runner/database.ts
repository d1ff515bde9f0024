/**
 * Runs tests/database/*.test.sql as role postgres, each file in its own connection. The files are
 * plain pgTAP (begin, plan, …, finish, rollback), so `supabase test db` runs them too.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import postgres from "postgres";
import type { Project } from "../helpers/environment.ts";
import type { Outcome } from "./outcome.ts";
import { parseTap } from "./tap.ts";

const root = join(import.meta.dirname, "../..");
const folder = join(root, "tests/database");
const helpers = "000_helpers.sql";
const fileTimeoutMs = 120_000;

/** Installs pgTAP and the schema `tests`; committed, because every file needs them. */
export async function installHelpers(project: Project): Promise<void> {
  const { lines, error } = await runFile(project, join(folder, helpers));
  if (error) throw new Error(`${helpers}: ${error}\n${lines.join("\n")}`);
}

export async function runDatabaseTests(
  project: Project,
  filters: string[],
  say: (line: string) => void,
): Promise<Outcome[]> {
  const matches = (name: string) =>
    filters.length === 0 || filters.some((filter) => name.includes(filter));
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".test.sql") && matches(name))
    .sort();
  if (files.length === 0) return [];

  await installHelpers(project);
  const results: Outcome[] = [];
  // One after the other: files that lock the same rows in another order would meet in deadlocks.
  for (const name of files) {
    const started = performance.now();
    const outcomes = await runTestFile(project, join(folder, name));
    const failed = outcomes.filter((outcome) => outcome.state === "failed").length;
    const took = Math.round(performance.now() - started);
    const verdict = failed === 0 ? "ok" : "not ok";
    say(`${verdict} - ${name}: ${outcomes.length} tests, ${failed} failed, ${took} ms`);
    results.push(...outcomes);
  }
  return results;
}

async function runTestFile(project: Project, path: string): Promise<Outcome[]> {
  const file = relative(root, path);
  const { lines, error } = await runFile(project, path);
  const outcomes = parseTap(file, lines);
  if (error) outcomes.push({ file, name: "runs to its end", state: "failed", detail: error });
  return outcomes;
}

interface FileRun {
  lines: string[];
  error: string | null;
}

async function runFile(project: Project, path: string): Promise<FileRun> {
  const text = readFileSync(path, "utf8");
  const lines: string[] = [];
  const sql = postgres(project.dbUrl, {
    max: 1,
    onnotice: () => {},
    connection: { application_name: "pgtap", search_path: "public, extensions" },
  });
  const timer = setTimeout(() => void sql.end({ timeout: 0 }), fileTimeoutMs);
  try {
    // Row by row, so that what ran before an error is still reported.
    await sql.unsafe(text).forEach((row) => {
      for (const value of Object.values(row)) {
        if (typeof value === "string") lines.push(...value.split("\n"));
      }
    });
    return { lines, error: null };
  } catch (error) {
    return { lines, error: describe(error, text) };
  } finally {
    clearTimeout(timer);
    await sql.end({ timeout: 1 }).catch(() => {});
  }
}

/** "ERROR 42703 line 12: column … does not exist", the way psql would say it. */
function describe(error: unknown, text: string): string {
  if (!(error instanceof postgres.PostgresError)) {
    return error instanceof Error ? error.message : String(error);
  }
  const offset = Number(error.position ?? 0);
  const line = offset > 0 ? ` line ${text.slice(0, offset).split("\n").length}` : "";
  const parts = [`${error.code}${line}: ${error.message}`, error.detail, error.where];
  return parts.filter(Boolean).join("\n");
}

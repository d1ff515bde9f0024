import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import postgres from "postgres";
import { StackError } from "./errors.ts";

export interface MigrateOptions {
  /** The folder that contains `supabase/`. */
  root: string;
  /** Connection string of the role `postgres`. */
  dbUrl: string;
  signal?: AbortSignal;
  /** Told what is being done before it takes time. */
  say?(line: string): void;
}

const SEED = "seed.sql";

/** Applies what is pending with the real CLI: what it refuses here, it refuses on a real project. */
export async function applyMigrations(options: MigrateOptions): Promise<void> {
  const files = await readdir(join(options.root, "supabase", "migrations")).catch(() => []);
  const versions = files
    .map((file) => /^(\d+)_.*\.sql$/.exec(file)?.[1])
    .filter((v) => v !== undefined);
  if (versions.length === 0 || !(await isPending(options.dbUrl, versions))) return;
  options.say?.("Applying migrations");
  const { code, output } = await runCli(
    ["migration", "up", "--include-all", `--remote=${options.dbUrl}`],
    options,
  );
  options.signal?.throwIfAborted();
  if (code !== 0) throw new StackError(summary(output));
}

/** Starting the CLI takes a second or two: an unchanged database is not worth it. */
async function isPending(dbUrl: string, versions: string[]): Promise<boolean> {
  const sql = postgres(dbUrl, { max: 1, onnotice: () => undefined });
  try {
    const [table] = await sql`select to_regclass('supabase_migrations.schema_migrations') as name`;
    if (!table?.name) return true;
    const applied = await sql<{ version: string }[]>`
      select version from supabase_migrations.schema_migrations
    `;
    const known = new Set(applied.map((row) => row.version));
    return versions.some((version) => !known.has(version));
  } finally {
    await sql.end();
  }
}

export async function runCli(
  args: string[],
  options: MigrateOptions,
): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, [cliEntry(), ...args, "--workdir", options.root, "--yes"], {
    cwd: options.root,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      ...process.env,
      DO_NOT_TRACK: "1",
      SUPABASE_TELEMETRY_DISABLED: "1",
      NO_COLOR: "1",
      PGSSLMODE: "disable",
    },
  });
  // The command is a wrapper around a binary: both end, or the binary would be left behind.
  const abort = () => {
    if (child.pid) process.kill(-child.pid, "SIGKILL");
  };
  options.signal?.addEventListener("abort", abort);
  let output = "";
  child.stdout.on("data", (chunk) => {
    output += chunk;
  });
  child.stderr.on("data", (chunk) => {
    output += chunk;
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  options.signal?.removeEventListener("abort", abort);
  return { code, output };
}

function cliEntry(): string {
  const require = createRequire(import.meta.url);
  const manifest = require("supabase/package.json") as { bin: Record<string, string> };
  const bin = manifest.bin.supabase;
  if (!bin) throw new StackError("The npm package `supabase` has no command: run npm install.");
  return require.resolve(join("supabase", bin));
}

/** What happened in which file comes first; the CLI's excerpt of the statement follows. */
function summary(output: string): string {
  const lines = output.trim().split("\n");
  const file = lines.findLast((line) => /^Applying migration/.test(line))?.split(" ")[2];
  const at = lines.findIndex((line) => /^ERROR|^failed/i.test(line));
  if (!file || at < 0) return `supabase migration up failed:\n${lines.slice(-12).join("\n")}`;
  const excerpt = lines.slice(at + 1, at + 10).filter((line) => line && !/^Try re/.test(line));
  const path = `supabase/migrations/${file.replace(/\.+$/, "")}`;
  return [`${path}: ${lines[at]?.replace(/^ERROR: /, "")}`, ...excerpt].join("\n").trimEnd();
}

/**
 * Runs supabase/seed.sql once, with the rights the CLI would run it with. That it ran is remembered
 * where the CLI remembers it, in the same transaction: a seed is never applied in part or twice.
 */
export async function applySeed(options: MigrateOptions): Promise<void> {
  const seed = await readFile(join(options.root, "supabase", SEED), "utf8").catch(() => "");
  if (seed.trim() === "") return;
  const sql = postgres(options.dbUrl, { max: 1, onnotice: () => undefined });
  const end = () => void sql.end({ timeout: 0 });
  options.signal?.addEventListener("abort", end);
  try {
    await sql.begin(async (transaction) => {
      await transaction`create schema if not exists supabase_migrations`;
      await transaction`
        create table if not exists supabase_migrations.seed_files (path text primary key, hash text not null)
      `;
      const hash = createHash("sha256").update(seed).digest("hex");
      const [first] = await transaction`
        insert into supabase_migrations.seed_files (path, hash) values (${`supabase/${SEED}`}, ${hash})
        on conflict do nothing returning path
      `;
      if (first) await transaction.unsafe(seed).simple();
    });
  } catch (error) {
    options.signal?.throwIfAborted();
    if (!(error instanceof postgres.PostgresError)) throw error;
    const line = seed.slice(0, Number(error.position) || 0).split("\n").length;
    throw new StackError(`supabase/seed.sql, line ${line}: ${error.message} (${error.code}).`);
  } finally {
    options.signal?.removeEventListener("abort", end);
    await sql.end();
  }
}

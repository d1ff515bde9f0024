import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { getAuthSchemaSql, getStorageSchemaSql } from "@supabase/lite";
import type postgres from "postgres";
import type { Engine } from "./binaries.ts";

export interface BootstrapOptions {
  /** Connected as `supabase_admin`. */
  sql: postgres.Sql;
  engine: Engine;
  /** Grant every new object in `public` to the API roles, as projects did before 30 October 2026. */
  exposeNewTables: boolean;
  /** Passwords of the roles that may log in. */
  passwords: Record<string, string>;
}

const SQL_FOLDER = join(import.meta.dirname, "..", "sql");

/**
 * Turns an empty cluster into what a new hosted project is: roles, schemas, rights, guards. One
 * transaction, so that an interrupted start leaves nothing behind; later starts find it done.
 */
export async function bootstrap(options: BootstrapOptions): Promise<void> {
  const [row] = await options.sql`select 1 from pg_roles where rolname = 'authenticator'`;
  if (row) return;
  const script = [
    await read("10-roles.sql"),
    options.exposeNewTables ? await read("15-expose-new-tables.sql") : "",
    getAuthSchemaSql(),
    await read("20-auth.sql"),
    getStorageSchemaSql(),
    await read("30-storage.sql", options.engine),
    await read("realtime.sql"),
    options.engine === "system" ? await read("45-system-engine.sql") : "",
    await read("50-guards.sql"),
  ].join("\n;\n");
  await options.sql.begin(async (sql) => {
    await sql.unsafe(script).simple();
    for (const [role, password] of Object.entries(options.passwords)) {
      await sql.unsafe(`alter role ${role} password '${password.replaceAll("'", "''")}'`);
    }
  });
}

/** PostgreSQL 15 has one kind of membership only: it always inherits. */
async function read(name: string, engine: Engine = "embedded"): Promise<string> {
  const text = await readFile(join(SQL_FOLDER, name), "utf8");
  return engine === "system" ? text.replace(/ with inherit true, set false/g, "") : text;
}

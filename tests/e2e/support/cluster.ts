/** A database of a test's own that may be killed, with the migrations and nothing else of the stack. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import postgres from "postgres";
import { bootstrap } from "../../../packages/local/src/bootstrap.ts";
import { loadSecrets } from "../../../packages/local/src/keys.ts";
import { applyMigrations } from "../../../packages/local/src/migrate.ts";
import { type PostgresOptions, startPostgres } from "../../../packages/local/src/postgres.ts";

export interface Cluster {
  /** As role `postgres`. */
  dbUrl: string;
  /** As role `postgres`; reconnects by itself. */
  sql: postgres.Sql;
  /** SIGKILL to the server; resolves when it serves again. */
  killServer(): Promise<number>;
  /** SIGKILL to one connection's process of that application; the server then restarts all of them. */
  killBackend(application: string): Promise<boolean>;
  close(): Promise<void>;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

const root = join(import.meta.dirname, "../../..");

export async function startCluster(): Promise<Cluster> {
  const dataDir = await mkdtemp(join(tmpdir(), "intake-faults-"));
  const { passwords } = await loadSecrets(dataDir, false);
  const options: PostgresOptions = {
    dataDir,
    port: await freePort(),
    engine: "embedded",
    adminPassword: passwords.supabase_admin ?? "",
    // What is acknowledged must survive: no shortcuts in writing.
    ephemeral: false,
  };
  const urlOf = (role: string) =>
    `postgresql://${role}:${encodeURIComponent(passwords[role] ?? "")}@127.0.0.1:${options.port}/postgres`;
  const clientOf = (role: string) =>
    postgres(urlOf(role), { max: 3, onnotice: () => {}, connection: { application_name: "test" } });

  let server = await startPostgres(options);
  const admin = clientOf("supabase_admin");
  const sql = clientOf("postgres");

  async function close() {
    await Promise.all([admin.end({ timeout: 1 }), sql.end({ timeout: 1 })]);
    await server.stop();
    await rm(dataDir, { recursive: true, force: true });
  }

  async function answers(): Promise<void> {
    for (;;) {
      const isBack = await sql`select 1`.then(
        () => true,
        () => false,
      );
      if (isBack) return;
      await delay(20);
    }
  }

  try {
    const { supabase_admin: _, ...others } = passwords;
    await bootstrap({ sql: admin, engine: "embedded", exposeNewTables: false, passwords: others });
    await applyMigrations({ root, dbUrl: urlOf("postgres"), say: () => {} });
  } catch (error) {
    await close();
    throw error;
  }

  return {
    dbUrl: urlOf("postgres"),
    sql,
    async killServer() {
      const pidFile = join(dataDir, "postgres", "postmaster.pid");
      const pid = Number.parseInt(await readFile(pidFile, "utf8"), 10);
      const started = Date.now();
      process.kill(pid, "SIGKILL");
      await server.exited;
      // Connections of the dead server notice within moments and leave the shared memory.
      for (;;) {
        try {
          server = await startPostgres(options);
          break;
        } catch (error) {
          if (Date.now() - started > 60_000) throw error;
          await delay(100);
        }
      }
      await answers();
      return Date.now() - started;
    },
    async killBackend(application) {
      const [victim] = await sql<{ pid: number }[]>`
        select pid from pg_stat_activity where application_name = ${application} order by random() limit 1`;
      if (!victim) return false;
      process.kill(victim.pid, "SIGKILL");
      await delay(50);
      await answers();
      return true;
    },
    close,
  };
}

import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { cpus, totalmem } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import { bootstrap } from "../packages/local/src/bootstrap.ts";
import { applyMigrations } from "../packages/local/src/migrate.ts";
import { startPostgres } from "../packages/local/src/postgres.ts";

const ROOT = join(import.meta.dirname, "..");
const PORT = 54399;
const PASSWORD = "bench";

/** What a small hosted project has: a quarter of the memory for the cache, commits that reach the disk. */
const SETTINGS: Record<string, string> = {
  shared_buffers: "2GB",
  effective_cache_size: "6GB",
  work_mem: "32MB",
  maintenance_work_mem: "512MB",
  max_wal_size: "8GB",
  checkpoint_timeout: "30min",
  random_page_cost: "1.1",
  jit: "off",
  max_parallel_workers_per_gather: "0",
  fsync: "on",
  synchronous_commit: "on",
};

export interface Engine {
  /** The only superuser: for seeding and for what runs without row level security. */
  admin: postgres.Sql;
  machine: Record<string, string>;
  stop(): Promise<void>;
}

/** An engine of its own with every migration applied, kept in `.local` while they stay as they are. */
export async function startEngine(folder = "bench"): Promise<Engine> {
  const dataDir = join(ROOT, ".local", folder);
  const marker = join(dataDir, "migrations.sha256");
  const wanted = await migrationsHash();
  if ((await readFile(marker, "utf8").catch(() => "")) !== wanted) {
    await rm(dataDir, { recursive: true, force: true });
  }
  await mkdir(dataDir, { recursive: true });
  const options = {
    dataDir,
    port: PORT,
    engine: "embedded" as const,
    adminPassword: PASSWORD,
    ephemeral: false,
  };
  let server = await startPostgres(options);
  const adminUrl = `postgresql://supabase_admin:${PASSWORD}@127.0.0.1:${PORT}/postgres`;
  const setup = postgres(adminUrl, { max: 1, onnotice: () => undefined });
  await bootstrap({
    sql: setup,
    engine: "embedded",
    exposeNewTables: false,
    passwords: { postgres: PASSWORD },
  });
  for (const [name, value] of Object.entries(SETTINGS)) {
    await setup.unsafe(`alter system set ${name} = '${value}'`);
  }
  await setup.end();
  await server.stop();
  server = await startPostgres(options);
  const dbUrl = `postgresql://postgres:${PASSWORD}@127.0.0.1:${PORT}/postgres`;
  try {
    await applyMigrations({ root: ROOT, dbUrl });
  } catch (error) {
    await server.stop();
    throw error;
  }
  await writeFile(marker, wanted);
  const admin = postgres(adminUrl, { max: 12, onnotice: () => undefined });
  const [version] = await admin`select version()`;
  return {
    admin,
    machine: {
      cpu: `${cpus().length} × ${cpus()[0]?.model ?? "unknown"}`,
      memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
      node: process.version,
      postgres: String(version?.version),
      settings: Object.entries(SETTINGS)
        .map(([name, value]) => `${name}=${value}`)
        .join(" "),
    },
    async stop() {
      await admin.end();
      await server.stop();
    },
  };
}

async function migrationsHash(): Promise<string> {
  const folder = join(ROOT, "supabase", "migrations");
  const hash = createHash("sha256");
  for (const file of (await readdir(folder)).sort())
    hash.update(await readFile(join(folder, file)));
  return hash.digest("hex");
}

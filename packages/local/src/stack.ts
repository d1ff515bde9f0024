import { appendFile, mkdir, mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import postgres from "postgres";
import type { Engine } from "./binaries.ts";
import { bootstrap } from "./bootstrap.ts";
import { editedMigrations } from "./edited-migrations.ts";
import { StackError } from "./errors.ts";
import { openGateway } from "./gateway.ts";
import { createKeyRing, loadSecrets, type Secrets } from "./keys.ts";
import { takeLock } from "./lock.ts";
import { applyMigrations, applySeed } from "./migrate.ts";
import { startParts } from "./parts.ts";
import { PROJECT_ROOT } from "./paths.ts";
import { startPostgres } from "./postgres.ts";
import { readProjectConfig } from "./project-config.ts";

export interface StackOptions {
  /** Where data lives; default `.local` in the project, or a temporary folder if `ephemeral`. */
  dataDir?: string;
  /** The data is thrown away at the end, and written without care for crashes. */
  ephemeral?: boolean;
  /** 0, the default, takes a free port. */
  apiPort?: number;
  dbPort?: number;
  engine?: Engine;
  /** Apply supabase/migrations; default true. */
  migrate?: boolean;
  /** Run supabase/seed.sql at the first start; default true. */
  seed?: boolean;
  exposeNewTables?: boolean;
  /** No progress on standard output. */
  quiet?: boolean;
  /** The folder that contains `supabase/`; default this repository. */
  root?: string;
  /** Ends the start at any moment; whatever was started by then is stopped. */
  signal?: AbortSignal;
  /** Called once if the database server ends although nobody stopped it. */
  onCrash?(message: string): void;
}

export interface Stack {
  url: string;
  /** As `postgres`, who is no superuser. */
  dbUrl: string;
  /** As `supabase_admin`: for tests that look where nobody may. */
  adminDbUrl: string;
  publishableKey: string;
  secretKey: string;
  jwtSecret: string;
  workerSecret: string;
  simulatorUrl: string;
  stop(): Promise<void>;
}

/** Boots everything and returns when it answers. On any failure nothing is left running. */
export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const cleanups: (() => Promise<unknown>)[] = [];
  let stopping: Promise<void> | undefined;
  const stop = () => {
    stopping ??= (async () => {
      for (const cleanup of cleanups.toReversed()) await cleanup().catch(() => undefined);
    })();
    return stopping;
  };
  try {
    return await boot(options, cleanups, () => stopping !== undefined, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

async function boot(
  options: StackOptions,
  cleanups: (() => Promise<unknown>)[],
  isStopping: () => boolean,
  stop: () => Promise<void>,
): Promise<Stack> {
  const { signal, root = PROJECT_ROOT, engine = "embedded" } = options;
  const dataDir = await dataFolder(options, root);
  if (options.ephemeral) cleanups.push(() => rm(dataDir, { recursive: true, force: true }));
  const lock = await takeLock(dataDir);
  cleanups.push(() => lock.release());
  const log = createLog(dataDir);
  const say = (line: string) => {
    if (!options.quiet) process.stdout.write(`${line}\n`);
  };

  const gateway = await openGateway(options.apiPort ?? 0);
  cleanups.push(() => gateway.close());
  const secrets = await loadSecrets(dataDir, options.exposeNewTables ?? false);
  if ((options.exposeNewTables ?? secrets.exposeNewTables) !== secrets.exposeNewTables) {
    throw new StackError(
      "--expose-new-tables is decided when the data folder is made: run `npm run local -- reset` first, or use another --data-dir.",
    );
  }
  const server = await startPostgres({
    dataDir,
    port: options.dbPort || (await freePort()),
    engine,
    adminPassword: passwordOf(secrets, "supabase_admin"),
    ephemeral: options.ephemeral ?? false,
    signal,
  });
  cleanups.push(() => server.stop());
  void server.exited.then(() => {
    if (!isStopping())
      options.onCrash?.(`PostgreSQL ended: see ${join(dataDir, "logs", "postgres.log")}`);
  });
  const urlOf = (role: string) =>
    `postgresql://${role}:${encodeURIComponent(passwordOf(secrets, role))}@127.0.0.1:${server.port}/postgres`;

  const admin = postgres(urlOf("supabase_admin"), {
    max: 6,
    onnotice: () => undefined,
    connection: { application_name: "local stack" },
  });
  cleanups.push(() => admin.end({ timeout: 2 }));
  signal?.throwIfAborted();
  const { supabase_admin: _, ...passwords } = secrets.passwords;
  await bootstrap({ sql: admin, engine, exposeNewTables: secrets.exposeNewTables, passwords });
  await keepInVault(admin, "worker_secret", secrets.workerSecret);
  await keepInVault(admin, "functions_url", `${gateway.url}/functions/v1`);
  signal?.throwIfAborted();

  const dbUrl = urlOf("postgres");
  if (options.migrate !== false) {
    await applyMigrations({ root, dbUrl, signal, say });
    for (const name of await editedMigrations(root, dataDir)) {
      say(
        `supabase/migrations/${name} was edited after it was applied: \`npm run local -- reset\`.`,
      );
    }
    signal?.throwIfAborted();
    if (options.seed !== false) await applySeed({ root, dbUrl, signal });
    signal?.throwIfAborted();
  }

  const parts = await startParts({
    admin,
    urlOf,
    secrets,
    keys: createKeyRing(secrets),
    config: await readProjectConfig(root),
    engine,
    root,
    dataDir,
    url: gateway.url,
    cleanups,
    log,
  });
  signal?.throwIfAborted();
  gateway.attach(parts);
  // Last in, first out: no request may reach a part that is being closed.
  cleanups.push(() => gateway.close());
  const stack: Stack = {
    url: gateway.url,
    dbUrl,
    adminDbUrl: urlOf("supabase_admin"),
    publishableKey: secrets.publishableKey,
    secretKey: secrets.secretKey,
    jwtSecret: secrets.jwtSecret,
    workerSecret: secrets.workerSecret,
    simulatorUrl: parts.simulatorUrl,
    stop,
  };
  await lock.publish({
    url: stack.url,
    dbUrl,
    adminDbUrl: stack.adminDbUrl,
    simulatorUrl: stack.simulatorUrl,
  });
  return stack;
}

async function dataFolder(options: StackOptions, root: string): Promise<string> {
  if (options.ephemeral && !options.dataDir) return await mkdtemp(join(tmpdir(), "intake-"));
  const folder = resolve(options.dataDir ?? join(root, ".local"));
  await mkdir(folder, { recursive: true });
  return folder;
}

function passwordOf(secrets: Secrets, role: string): string {
  const password = secrets.passwords[role];
  if (!password) throw new Error(`no password for ${role}`);
  return password;
}

/** The port and with it the address may change between starts. */
async function keepInVault(sql: postgres.Sql, name: string, value: string): Promise<void> {
  const [secret] = await sql`select id from vault.secrets where name = ${name}`;
  if (secret) await sql`select vault.update_secret(${secret.id}, ${value})`;
  else await sql`select vault.create_secret(${value}, ${name})`;
}

function createLog(dataDir: string): (part: string, line: string) => void {
  const folder = join(dataDir, "logs");
  const ready = mkdir(folder, { recursive: true });
  return (part, line) => {
    const entry = `${new Date().toISOString()} ${line}\n`;
    void ready.then(() => appendFile(join(folder, `${part}.log`), entry)).catch(() => undefined);
  };
}

function freePort(): Promise<number> {
  return new Promise((done, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => done(typeof address === "object" && address ? address.port : 0));
    });
  });
}

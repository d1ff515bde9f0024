import { type ChildProcess, spawn } from "node:child_process";
import { chmod, chown, mkdir, open, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type Account,
  type Binaries,
  type Engine,
  findBinaries,
  serverAccount,
} from "./binaries.ts";
import { StackError } from "./errors.ts";
import { installExtensions } from "./extensions.ts";

export interface PostgresOptions {
  /** The stack's data folder; the cluster lives in `postgres/` below it. */
  dataDir: string;
  port: number;
  engine: Engine;
  /** Password of `supabase_admin`, the only superuser. */
  adminPassword: string;
  /** Trades crash safety for speed: for clusters that are thrown away. */
  ephemeral: boolean;
  signal?: AbortSignal;
}

export interface PostgresServer {
  readonly engine: Engine;
  readonly port: number;
  /** Resolves when the server is gone, whoever stopped it. */
  readonly exited: Promise<void>;
  stop(): Promise<void>;
}

const START_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 10_000;

/** Creates the cluster if there is none, starts it on loopback and waits until it accepts connections. */
export async function startPostgres(options: PostgresOptions): Promise<PostgresServer> {
  const binaries = await findBinaries(options.engine);
  await installExtensions(binaries);
  const account = await serverAccount();
  const cluster = join(options.dataDir, "postgres");
  await openForAccount(options.dataDir, account);
  await createCluster(cluster, binaries, account, options);
  await refuseOtherEngine(cluster, options.engine);
  await endLeftover(cluster);
  return await launch(cluster, binaries, account, options);
}

/** As root the server is another user: it must at least be able to pass through the data folder. */
async function openForAccount(dataDir: string, account: Account | undefined): Promise<void> {
  await mkdir(dataDir, { recursive: true });
  if (account) await chmod(dataDir, 0o711);
}

/** Built beside its final place and renamed, so that an interrupted initdb leaves no half cluster. */
async function createCluster(
  cluster: string,
  binaries: Binaries,
  account: Account | undefined,
  options: PostgresOptions,
): Promise<void> {
  if (await exists(join(cluster, "PG_VERSION"))) return;
  if (await stat(cluster).catch(() => undefined)) {
    throw new StackError(
      `${cluster} cannot be read: it may belong to another user. Remove it, or use another --data-dir.`,
    );
  }
  const draft = `${cluster}.new`;
  const passwordFile = join(options.dataDir, ".initdb-password");
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft, { mode: 0o700 });
  await writeFile(passwordFile, options.adminPassword, { mode: 0o600 });
  if (account) {
    await chown(draft, account.uid, account.gid);
    await chown(passwordFile, account.uid, account.gid);
  }
  try {
    await initdb(draft, passwordFile, binaries, account, options.signal);
    await rename(draft, cluster);
  } finally {
    await rm(passwordFile, { force: true });
  }
}

async function initdb(
  folder: string,
  passwordFile: string,
  binaries: Binaries,
  account: Account | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  // The hosted platform sorts with ICU's en_US; the C type is for what ICU does not cover.
  const ctype = process.platform === "darwin" ? "en_US.UTF-8" : "C.UTF-8";
  const child = spawn(
    binaries.initdb,
    [
      `--pgdata=${folder}`,
      "--username=supabase_admin",
      `--pwfile=${passwordFile}`,
      "--auth=scram-sha-256",
      "--encoding=UTF8",
      "--locale-provider=icu",
      "--icu-locale=en-US",
      "--locale=C",
      `--lc-ctype=${ctype}`,
      "--no-sync",
      "--no-instructions",
    ],
    {
      cwd: "/",
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
      ...account,
      env: { PATH: process.env.PATH, TZ: "UTC" },
    },
  );
  const abort = () => killGroup(child, "SIGKILL");
  signal?.addEventListener("abort", abort);
  let output = "";
  child.stdout.on("data", (chunk) => {
    output += chunk;
  });
  child.stderr.on("data", (chunk) => {
    output += chunk;
  });
  const code = await new Promise<number | null>((resolve) => {
    child.on("error", (error: NodeJS.ErrnoException) => {
      output += error.code === "EACCES" ? `${binaries.initdb}: permission denied` : error.message;
      resolve(null);
    });
    child.on("close", resolve);
  });
  signal?.removeEventListener("abort", abort);
  signal?.throwIfAborted();
  if (code === 0) return;
  const hint = /permission denied/i.test(output)
    ? " The system user `postgres` must be able to read this folder and node_modules."
    : "";
  throw new StackError(`initdb failed: ${lastLine(output)}.${hint}`);
}

async function refuseOtherEngine(cluster: string, engine: Engine): Promise<void> {
  const version = (await readFile(join(cluster, "PG_VERSION"), "utf8")).trim();
  const expected = engine === "system" ? "15" : "17";
  if (version === expected) return;
  throw new StackError(
    `${cluster} was made by PostgreSQL ${version}, this engine is ${expected}: use the other --pg, another --data-dir, or reset.`,
  );
}

/** A server left over from a killed stack would keep the folder locked: it is asked to stop first. */
async function endLeftover(cluster: string): Promise<void> {
  const pidFile = join(cluster, "postmaster.pid");
  const pid = Number.parseInt((await readText(pidFile)).split("\n")[0] ?? "", 10);
  if (!(pid > 1)) return;
  const deadline = Date.now() + STOP_TIMEOUT_MS;
  while (await isServerOf(pid, cluster)) {
    if (Date.now() > deadline) {
      throw new StackError(`PostgreSQL (process ${pid}) still uses ${cluster}: stop it and retry.`);
    }
    signalProcess(pid, "SIGINT");
    await sleep(100);
  }
  await rm(pidFile, { force: true });
}

/** A process id may have been reused since: only a process working in this cluster's folder counts. */
async function isServerOf(pid: number, cluster: string): Promise<boolean> {
  if (!signalProcess(pid, 0)) return false;
  if (process.platform !== "linux") return true;
  const command = await readText(`/proc/${pid}/cmdline`);
  return command.includes(cluster);
}

async function launch(
  cluster: string,
  binaries: Binaries,
  account: Account | undefined,
  options: PostgresOptions,
): Promise<PostgresServer> {
  options.signal?.throwIfAborted();
  const logFile = join(options.dataDir, "logs", "postgres.log");
  await mkdir(dirname(logFile), { recursive: true });
  const log = await open(logFile, "a");
  const logStart = (await log.stat()).size;
  const child = spawn(
    "/bin/sh",
    ["-c", SUPERVISOR, "sh", binaries.postgres, ...settings(cluster, options)],
    {
      cwd: "/",
      // Its own process group: Ctrl-C in the terminal must not stop it before its clients.
      detached: true,
      stdio: ["pipe", log.fd, log.fd],
      ...account,
      env: { PATH: process.env.PATH, TZ: "UTC" },
    },
  );
  let running = true;
  const exited = new Promise<void>((resolve) => {
    child.on("error", () => resolve());
    child.on("close", () => resolve());
  }).then(() => {
    running = false;
  });
  child.stdin?.on("error", () => undefined);
  await log.close();

  const stop = async () => {
    child.stdin?.end();
    const stopped = await Promise.race([exited.then(() => true), sleep(STOP_TIMEOUT_MS, false)]);
    if (!stopped) killGroup(child, "SIGKILL");
    await exited;
  };
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (!(await isReady(cluster))) {
    if (options.signal?.aborted) {
      await stop();
      options.signal.throwIfAborted();
    }
    if (!running || Date.now() > deadline) {
      await stop();
      const output = (await readText(logFile)).slice(logStart);
      throw startFailure(output, options.port, logFile);
    }
    await sleep(20);
  }
  return { engine: options.engine, port: options.port, exited, stop };
}

/**
 * Holds the server and a pipe from us. When the pipe closes, because we close it or because we were
 * killed, the server gets a fast shutdown: no way of ending the stack leaves it behind.
 */
const SUPERVISOR = `
exec 3<&0 </dev/null
"$@" 3<&- & server=$!
{ read -r _ <&3; kill -INT "$server" 2>/dev/null; } & watcher=$!
wait "$server"; code=$?
kill "$watcher" 2>/dev/null
exit "$code"
`;

function settings(cluster: string, options: PostgresOptions): string[] {
  const values: Record<string, string> = {
    listen_addresses: "127.0.0.1",
    port: String(options.port),
    unix_socket_directories: "",
    max_connections: "100",
    shared_buffers: "128MB",
    wal_level: "logical",
    max_wal_senders: "10",
    max_replication_slots: "10",
    max_slot_wal_keep_size: "1GB",
    timezone: "UTC",
    log_timezone: "UTC",
    // As on hosted.
    jit: "off",
    password_encryption: "scram-sha-256",
    shared_preload_libraries:
      options.engine === "system" ? "pg_cron,pg_stat_statements" : "pg_stat_statements",
    log_line_prefix: "%m [%p] %q%u@%d ",
  };
  if (options.engine === "system") {
    values["cron.database_name"] = "postgres";
    values["cron.use_background_workers"] = "on";
    values["cron.log_statement"] = "off";
    values.max_worker_processes = "20";
  }
  if (options.ephemeral) {
    values.fsync = "off";
    values.full_page_writes = "off";
  }
  return [
    "-D",
    cluster,
    ...Object.entries(values).flatMap(([key, value]) => ["-c", `${key}=${value}`]),
  ];
}

/** The server writes its state on the eighth line of its lock file; `pg_ctl` reads the same. */
async function isReady(cluster: string): Promise<boolean> {
  const lines = (await readText(join(cluster, "postmaster.pid"))).split("\n");
  return lines[7]?.trim() === "ready";
}

function startFailure(output: string, port: number, logFile: string): StackError {
  if (/address already in use/i.test(output)) {
    return new StackError(
      `Port ${port} is in use: stop what listens there, or choose another --db-port.`,
    );
  }
  const fatal = output.split("\n").findLast((line) => /FATAL|ERROR/.test(line));
  return new StackError(`PostgreSQL did not start: ${fatal ?? lastLine(output)} (log: ${logFile})`);
}

function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid) signalProcess(-child.pid, signal);
}

function signalProcess(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    // Another user's process exists, even though it may not be signalled.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

async function exists(file: string): Promise<boolean> {
  return (await readText(file)) !== "";
}

async function readText(file: string): Promise<string> {
  return await readFile(file, "utf8").catch(() => "");
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1)?.trim() ?? "";
}

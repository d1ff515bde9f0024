import { spawn } from "node:child_process";
import { open, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { loadSecrets } from "../keys.ts";
import { isStack, type RunningStack, readRunning } from "../lock.ts";
import type { CliOptions } from "./start.ts";

/** A failure of a command, told in one line. */
export class CliError extends Error {}

const STOP_TIMEOUT_MS = 20_000;
const LOG_LINES = 30;

export const commands: Record<string, (options: CliOptions) => Promise<number>> = {
  async stop(options) {
    const running = await readRunning(dataFolder(options));
    if (!running) {
      process.stdout.write("No stack runs.\n");
      return 0;
    }
    process.kill(running.pid, "SIGTERM");
    const deadline = Date.now() + STOP_TIMEOUT_MS;
    while (isStack(running.pid) && (await readRunning(dataFolder(options)))) {
      if (Date.now() > deadline) throw new CliError(`Process ${running.pid} does not end.`);
      await sleep(50);
    }
    process.stdout.write("Stopped.\n");
    return 0;
  },

  async status(options) {
    const running = await requireRunning(options);
    const secrets = await loadSecrets(dataFolder(options), false);
    const values: Record<string, string> = {
      API_URL: running.url ?? "",
      REST_URL: `${running.url}/rest/v1`,
      FUNCTIONS_URL: `${running.url}/functions/v1`,
      DB_URL: running.dbUrl ?? "",
      PUBLISHABLE_KEY: secrets.publishableKey,
      SECRET_KEY: secrets.secretKey,
      ANON_KEY: secrets.anonKey,
      SERVICE_ROLE_KEY: secrets.serviceRoleKey,
      JWT_SECRET: secrets.jwtSecret,
      SIMULATOR_URL: running.simulatorUrl ?? "",
    };
    const entries = Object.entries(values);
    switch (options.output) {
      case "env":
        process.stdout.write(`${entries.map(([k, v]) => `${k}="${v}"`).join("\n")}\n`);
        return 0;
      case "json":
        process.stdout.write(`${JSON.stringify(values, null, 2)}\n`);
        return 0;
      case undefined:
      case "pretty":
        process.stdout.write(`${entries.map(([k, v]) => `${k.padStart(18)}: ${v}`).join("\n")}\n`);
        return 0;
      default:
        throw new CliError(`-o ${options.output}: choose pretty, env or json.`);
    }
  },

  async reset(options) {
    const folder = dataFolder(options);
    if (await readRunning(folder)) {
      throw new CliError("The stack runs: stop it first with `npm run local -- stop`.");
    }
    for (const name of ["postgres", "postgres.new", "storage", "logs", "migrations.json"]) {
      await rm(join(folder, name), { recursive: true, force: true });
    }
    const secrets = await loadSecrets(folder, options.exposeNewTables ?? false);
    secrets.exposeNewTables = options.exposeNewTables ?? false;
    await writeFile(join(folder, "secrets.json"), `${JSON.stringify(secrets, null, 2)}\n`);
    process.stdout.write("The data is gone; the next start makes it anew with the same keys.\n");
    return 0;
  },

  async logs(options) {
    const folder = join(dataFolder(options), "logs");
    const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith(".log"));
    if (names.length === 0) throw new CliError(`No logs in ${folder}: has a stack run here?`);
    const positions = new Map<string, number>();
    for (const name of names.sort()) {
      const text = await readFile(join(folder, name), "utf8");
      positions.set(name, Buffer.byteLength(text));
      const lines = text.trimEnd().split("\n").slice(-LOG_LINES);
      process.stdout.write(lines.map((line) => `${label(name)} ${line}\n`).join(""));
    }
    while (options.follow) {
      await sleep(500);
      for (const name of await readdir(folder)) {
        if (name.endsWith(".log")) await printNew(folder, name, positions);
      }
    }
    return 0;
  },

  async psql(options) {
    const running = await requireRunning(options);
    const child = spawn("psql", [running.dbUrl ?? "", ...options.rest], { stdio: "inherit" });
    // psql handles Ctrl-C itself: it cancels the query.
    process.on("SIGINT", () => undefined);
    return await new Promise<number>((done, reject) => {
      child.on("close", (code) => done(code ?? 1));
      child.on("error", () => {
        reject(
          new CliError(
            `psql is not installed (Debian: apt-get install postgresql-client; macOS: brew install libpq). Any other client can use ${running.dbUrl}`,
          ),
        );
      });
    });
  },
};

function dataFolder(options: CliOptions): string {
  return resolve(options.dataDir ?? join(options.root, ".local"));
}

async function requireRunning(options: CliOptions): Promise<RunningStack> {
  const running = await readRunning(dataFolder(options));
  if (!running) throw new CliError("No stack runs: start one with `npm start`.");
  if (!running.url) throw new CliError("The stack is still starting.");
  return running;
}

function label(file: string): string {
  return `[${file.replace(/\.log$/, "")}]`.padEnd(12);
}

async function printNew(
  folder: string,
  name: string,
  positions: Map<string, number>,
): Promise<void> {
  const path = join(folder, name);
  const { size } = await stat(path);
  const from = positions.get(name) ?? 0;
  if (size <= from) return;
  const handle = await open(path);
  const { buffer } = await handle.read(Buffer.alloc(size - from), 0, size - from, from);
  await handle.close();
  positions.set(name, size);
  for (const line of buffer.toString("utf8").trimEnd().split("\n")) {
    process.stdout.write(`${label(name)} ${line}\n`);
  }
}

import { readFileSync } from "node:fs";
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { StackError } from "./errors.ts";

/** What a running stack tells about itself to `status`, `stop` and `psql`. */
export interface RunningStack {
  pid: number;
  url?: string;
  dbUrl?: string;
  adminDbUrl?: string;
  simulatorUrl?: string;
}

export interface Lock {
  publish(facts: Omit<RunningStack, "pid">): Promise<void>;
  release(): Promise<void>;
}

const lockFile = (dataDir: string) => join(dataDir, "stack.json");

/** One stack per data folder: two servers on one cluster would destroy it. */
export async function takeLock(dataDir: string): Promise<Lock> {
  const file = lockFile(dataDir);
  for (;;) {
    try {
      await writeFile(file, JSON.stringify({ pid: process.pid }), { flag: "wx", mode: 0o600 });
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const other = await readRunning(dataDir);
    if (other) {
      throw new StackError(
        `A stack already runs on ${dataDir} (process ${other.pid}): stop it with \`npm run local -- stop\`, or use another --data-dir.`,
      );
    }
    await rm(file, { force: true });
  }
  return {
    async publish(facts) {
      await writeFile(`${file}.new`, JSON.stringify({ pid: process.pid, ...facts }), {
        mode: 0o600,
      });
      await rename(`${file}.new`, file);
    },
    async release() {
      await rm(file, { force: true });
    },
  };
}

/** The stack that runs on a data folder; null when there is none or its process was killed. */
export async function readRunning(dataDir: string): Promise<RunningStack | null> {
  const text = await readFile(lockFile(dataDir), "utf8").catch(() => "");
  if (text === "") return null;
  try {
    const running = JSON.parse(text) as RunningStack;
    return isStack(running.pid) ? running : null;
  } catch {
    return null;
  }
}

/** A process id may have been given to another program since. */
export function isStack(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  if (process.platform !== "linux") return true;
  try {
    return /node|tsx|vitest/.test(readFileSync(`/proc/${pid}/cmdline`, "utf8"));
  } catch {
    return false;
  }
}

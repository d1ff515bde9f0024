/** `npm start` and `npm run local`: ends cleanly at any moment, and the next start works. */
import { type ChildProcess, spawn } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeSmallProject, type SmallProject } from "./support/small-project.ts";

const root = join(import.meta.dirname, "..", "..");
const cli = join(root, "packages", "local", "src", "cli.ts");

let project: SmallProject;
let dataDir: string;

beforeAll(async () => {
  project = await makeSmallProject();
  dataDir = project.dataDir;
});

afterAll(() => project.remove());

interface Run {
  child: ChildProcess;
  output(): string;
  ended: Promise<number | null>;
}

function run(...args: string[]): Run {
  const where = ["--workdir", project.root, "--data-dir", dataDir];
  const all = ["--import", "tsx", cli, ...args, ...where];
  const child = spawn(process.execPath, all, { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  child.stdout?.on("data", (chunk) => {
    output += chunk;
  });
  child.stderr?.on("data", (chunk) => {
    output += chunk;
  });
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  return { child, output: () => output, ended };
}

const start = () => run("start", "--port", "0", "--db-port", "0");

async function command(...args: string[]) {
  const started = run(...args);
  const code = await started.ended;
  return { code, output: started.output() };
}

async function untilReady(stack: Run): Promise<void> {
  await expect.poll(() => stack.output(), { timeout: 25_000 }).toContain("Intake runs");
}

/** Processes that work on our data folder. */
async function leftovers(): Promise<string[]> {
  if (process.platform !== "linux") return [];
  const found: string[] = [];
  for (const pid of await readdir("/proc")) {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) continue;
    const line = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    if (line.includes(dataDir)) found.push(line.replaceAll("\0", " "));
  }
  return found;
}

describe("ending the stack", () => {
  it.each([
    ["while it loads", 300, "SIGTERM"],
    ["while it boots", 1200, "SIGINT"],
    ["while it migrates", 2200, "SIGTERM"],
    ["by force", 1800, "SIGKILL"],
  ] as const)("%s leaves no process", async (_when, after, signal) => {
    const stack = start();
    await sleep(after);
    stack.child.kill(signal);
    await stack.ended;
    await expect.poll(leftovers, { timeout: 5000 }).toEqual([]);
  });

  it("works from another terminal, and by force when it is up", async () => {
    const first = start();
    await untilReady(first);
    expect(first.output()).toContain("counselor.a1@intake.test");
    const status = await command("status", "-o", "env");
    expect(status.output).toMatch(/^API_URL="http:\/\/127\.0\.0\.1:\d+"$/m);
    expect(status.output).toMatch(/^PUBLISHABLE_KEY="sb_publishable_/m);
    const twice = await command("start", "--port", "0", "--db-port", "0");
    expect(twice).toMatchObject({ code: 1, output: expect.stringContaining("already runs") });
    expect(await command("stop")).toMatchObject({ code: 0, output: "Stopped.\n" });
    expect(await first.ended).toBe(0);
    expect(await leftovers()).toEqual([]);

    const second = start();
    await untilReady(second);
    second.child.kill("SIGKILL");
    await expect.poll(leftovers, { timeout: 5000 }).toEqual([]);

    const third = start();
    await untilReady(third);
    expect(third.output()).not.toContain("Applying migrations");
    const status3 = await command("status", "-o", "env");
    const key = /^PUBLISHABLE_KEY=.*$/m;
    expect(key.exec(status3.output)?.[0]).toBe(key.exec(status.output)?.[0]);
    third.child.kill("SIGTERM");
    expect(await third.ended).toBe(0);
    expect(await leftovers()).toEqual([]);
  }, 60_000);
});

describe("the other commands", () => {
  it.each([
    ["status", 1, "No stack runs"],
    ["psql", 1, "No stack runs"],
    ["stop", 0, "No stack runs"],
    ["nonsense", 2, "Usage:"],
  ])("%s says what to do when nothing runs", async (name, code, text) => {
    expect(await command(name)).toMatchObject({ code, output: expect.stringContaining(text) });
  });

  it("refuses a port that is none", async () => {
    const answer = await command("start", "--port", "http");
    expect(answer).toMatchObject({ code: 1, output: "--port http is not a port.\n" });
  });
});

/** Runs vitest as a child process and reads its report, so that a hang cannot take us along. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { type Project, projectToEnvironment } from "../helpers/environment.ts";
import type { Outcome } from "./outcome.ts";

const root = join(import.meta.dirname, "../..");
// A log is read later and elsewhere: no colours there.
const plain = process.stdout.isTTY ? {} : { NO_COLOR: "1" };
const timeoutMs = 15 * 60_000;
const children = new Set<ChildProcess>();

interface Report {
  testResults: {
    name: string;
    status: string;
    message?: string;
    assertionResults: {
      ancestorTitles: string[];
      title: string;
      status: string;
      failureMessages?: string[] | null;
    }[];
  }[];
}

/** Ends every child and what it started. */
export async function stopChildren(): Promise<void> {
  await Promise.all([...children].map(stop));
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.pid === undefined) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  signalGroup(child.pid, "SIGTERM");
  const timer = setTimeout(() => signalGroup(child.pid!, "SIGKILL"), 3_000);
  await ended;
  clearTimeout(timer);
}

/** The child leads a process group of its own: its workers end with it. */
function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // Already gone.
  }
}

export async function runVitest(project: Project, filters: string[]): Promise<Outcome[]> {
  const scratch = mkdtempSync(join(tmpdir(), "intake-vitest-"));
  const reportFile = join(scratch, "report.json");
  try {
    const code = await runChild(project, filters, reportFile);
    const outcomes = readReport(reportFile);
    const failed = outcomes.some((outcome) => outcome.state === "failed");
    if (code !== 0 && !failed) {
      const detail = code === null ? "killed: it did not end in time" : `exit code ${code}`;
      outcomes.push({ file: "vitest", name: "ends cleanly", state: "failed", detail });
    }
    return outcomes;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function runChild(project: Project, filters: string[], report: string): Promise<number | null> {
  const reporters = ["--reporter=dot", "--reporter=json", `--outputFile.json=${report}`];
  const binary = join(root, "node_modules/vitest/vitest.mjs");
  const child = spawn(
    process.execPath,
    [binary, "run", "--passWithNoTests", ...reporters, ...filters],
    {
      cwd: root,
      detached: true,
      stdio: ["ignore", "inherit", "inherit"],
      env: { ...process.env, ...projectToEnvironment(project), ...plain },
    },
  );
  children.add(child);
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => void stop(child), timeoutMs);
    child.once("error", reject);
    child.once("exit", (code) => {
      clearTimeout(timer);
      children.delete(child);
      if (child.pid !== undefined) signalGroup(child.pid, "SIGKILL");
      resolve(code);
    });
  });
}

function readReport(path: string): Outcome[] {
  let report: Report;
  try {
    report = JSON.parse(readFileSync(path, "utf8")) as Report;
  } catch {
    return [{ file: "vitest", name: "writes its report", state: "failed" }];
  }
  const outcomes: Outcome[] = [];
  for (const suite of report.testResults) {
    const file = relative(root, suite.name);
    for (const test of suite.assertionResults) {
      const name = [...test.ancestorTitles, test.title].join(" > ");
      const state =
        test.status === "passed" ? "passed" : test.status === "failed" ? "failed" : "skipped";
      const detail = test.failureMessages?.join("\n");
      outcomes.push({ file, name, state, ...(detail ? { detail } : {}) });
    }
    const blames = suite.assertionResults.some((test) => test.status === "failed");
    if (suite.status === "failed" && !blames) {
      const detail = suite.message ?? "";
      outcomes.push({ file, name: "loads", state: "failed", detail });
    }
  }
  return outcomes;
}

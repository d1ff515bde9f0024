import { spawn } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type OpenProject, startOwnProject } from "../helpers/environment.ts";

const root = join(import.meta.dirname, "..", "..");

function runDemo(env: Record<string, string>, args: string[] = []) {
  const child = spawn(process.execPath, ["--import", "tsx", "scripts/demo.ts", ...args], {
    cwd: root,
    env: { PATH: process.env.PATH ?? "", HOME: process.env.HOME ?? "", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => {
      output += chunk;
    });
  }
  return new Promise<{ exitCode: number | null; output: string }>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (exitCode) => resolve({ exitCode, output }));
  });
}

describe("npm run demo", () => {
  // Its simulator sends one delivery fifty times: not on the stack that other tests deliver to.
  let project: OpenProject;

  beforeAll(async () => {
    project = await startOwnProject();
  }, 120_000);

  afterAll(() => project?.close());

  it("takes a delivery to a counselor, refuses a forged one and counts a repeated one once", {
    timeout: 120_000,
  }, async () => {
    const { exitCode, output } = await runDemo({
      SUPABASE_URL: project.url,
      SUPABASE_PUBLISHABLE_KEY: project.publishableKey,
      SUPABASE_DB_URL: project.dbUrl,
      INTAKE_SIMULATOR_URL: project.simulatorUrl ?? "",
    });
    expect(output).toContain("All 13 checks hold");
    expect(output).not.toContain("NOT OK");
    expect(exitCode).toBe(0);
  });

  it("says what to do when no stack runs", async () => {
    const { exitCode, output } = await runDemo({}, ["--data-dir", join(root, "no-such-folder")]);
    expect(output).toContain("No stack is running. Start one in another terminal with `npm start`");
    expect(exitCode).toBe(1);
  });
});

// Finds the stack that `npm start` runs (with its --data-dir, if it was given one), or the one that the
// environment names.

import { spawn } from "node:child_process";
import { join } from "node:path";

export interface DemoStack {
  url: string;
  publishableKey: string;
  /** As role `postgres`: only to show rows that no API gives away. */
  dbUrl: string;
  simulatorUrl: string;
}

export class NotRunning extends Error {}

const names: Record<keyof DemoStack, string[]> = {
  url: ["SUPABASE_URL", "API_URL"],
  publishableKey: ["SUPABASE_PUBLISHABLE_KEY", "PUBLISHABLE_KEY"],
  dbUrl: ["SUPABASE_DB_URL", "DB_URL"],
  simulatorUrl: ["INTAKE_SIMULATOR_URL", "SIMULATOR_URL"],
};

export async function findStack(): Promise<DemoStack> {
  const named = read(process.env);
  if (named) return named;
  const printed = read(parse(await statusOfLocalStack()));
  if (printed) return printed;
  throw new NotRunning(
    "No stack is running. Start one in another terminal with `npm start`, wait until it prints the demo accounts, and run `npm run demo` again.",
  );
}

function read(values: Record<string, string | undefined>): DemoStack | null {
  const found: Partial<DemoStack> = {};
  for (const key of Object.keys(names) as (keyof DemoStack)[]) {
    const value = names[key].map((name) => values[name]).find((candidate) => candidate);
    if (!value) return null;
    found[key] = value;
  }
  return found as DemoStack;
}

/** Lines such as `API_URL="http://127.0.0.1:54321"`. */
function parse(text: string): Record<string, string> {
  const lines = text.matchAll(/^(?:export )?([A-Z_]+)=(?:"([^"]*)"|(.*))$/gm);
  return Object.fromEntries(
    [...lines].map(([, name = "", quoted, bare]) => [name, quoted ?? bare ?? ""]),
  );
}

function statusOfLocalStack(): Promise<string> {
  const root = join(import.meta.dirname, "..", "..");
  const cli = join(root, "packages", "local", "src", "cli.ts");
  return new Promise((resolve) => {
    const child = spawn(
      process.execPath,
      ["--import", "tsx", cli, "status", "-o", "env", ...process.argv.slice(2)],
      {
        cwd: root,
        stdio: ["ignore", "pipe", "ignore"],
      },
    );
    let output = "";
    child.stdout.on("data", (chunk) => {
      output += chunk;
    });
    child.on("error", () => resolve(""));
    child.on("close", () => resolve(output));
  });
}

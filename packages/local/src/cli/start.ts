import { type Stack, startStack } from "../stack.ts";

export interface CliOptions {
  apiPort: number | undefined;
  dbPort: number | undefined;
  engine: "embedded" | "system" | undefined;
  /** The folder that contains `supabase/`. */
  root: string;
  dataDir: string | undefined;
  exposeNewTables: boolean | undefined;
  output: string | undefined;
  follow: boolean;
  rest: string[];
}

const DEMO_PASSWORD = "Intake-demo-2026";
const DEMO_ACCOUNTS = [
  ["admin@intake.test", "administrator"],
  ["manager.a@intake.test", "manager of team A"],
  ["counselor.a1@intake.test", "counselor in team A"],
  ["counselor.a2@intake.test", "counselor in team A"],
  ["manager.b@intake.test", "manager of team B"],
  ["counselor.b1@intake.test", "counselor in team B"],
] as const;

/** Runs in the foreground until it is told to end, or the database ends by itself. */
export async function start(options: CliOptions): Promise<number> {
  const ended = new AbortController();
  let crash: string | undefined;
  // Ctrl-C reaches us from the terminal and again from the package runner: once is enough.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => ended.abort());
  }
  const begun = Date.now();
  let stack: Stack;
  try {
    stack = await startStack({
      root: options.root,
      dataDir: options.dataDir,
      apiPort: options.apiPort ?? 54321,
      dbPort: options.dbPort ?? 54322,
      engine: options.engine,
      exposeNewTables: options.exposeNewTables,
      signal: ended.signal,
      onCrash(message) {
        crash = message;
        ended.abort();
      },
    });
  } catch (error) {
    if (!ended.signal.aborted) throw error;
    return finish(crash);
  }
  process.stdout.write(greeting(stack, Date.now() - begun));
  await new Promise<void>((resolve) => {
    if (ended.signal.aborted) resolve();
    else ended.signal.addEventListener("abort", () => resolve());
  });
  await stack.stop();
  return finish(crash);
}

function finish(crash: string | undefined): number {
  if (crash) process.stderr.write(`${crash}\n`);
  else process.stdout.write("Stopped.\n");
  // Idle connections of our own clients would keep the process alive for a while.
  setTimeout(() => process.exit(), 20);
  return crash ? 1 : 0;
}

function greeting(stack: Stack, milliseconds: number): string {
  const accounts = DEMO_ACCOUNTS.map(([email, role]) => `  ${email.padEnd(26)} ${role}`).join("\n");
  return `
Intake runs (ready in ${(milliseconds / 1000).toFixed(1)} s).

  API URL          ${stack.url}
  API docs         ${stack.url}/docs
  Publishable key  ${stack.publishableKey}
  Secret key       ${stack.secretKey}
  Database URL     ${stack.dbUrl}
  Providers        ${stack.simulatorUrl}/_sim

Demo accounts, password ${DEMO_PASSWORD}:
${accounts}

Ctrl-C stops it.
`;
}

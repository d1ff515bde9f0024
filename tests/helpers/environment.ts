/**
 * Where the tests find a project: the one named by the environment, or a stack of their own.
 *
 * The names are those `supabase status -o env` and hosted projects use. What only the local stack
 * has (superuser, simulators, worker secret) is optional, and tests that need it skip without it.
 */
import { setTimeout as delay } from "node:timers/promises";

export interface Project {
  url: string;
  /** As role `postgres`, which is no superuser. */
  dbUrl: string;
  publishableKey: string;
  secretKey: string;
  /** As `supabase_admin`; local stack only. */
  adminDbUrl?: string;
  jwtSecret?: string;
  workerSecret?: string;
  simulatorUrl?: string;
}

export interface OpenProject extends Project {
  /** True when the tests started it, false for a project named by the environment. */
  own: boolean;
  close(): Promise<void>;
}

const variables: Record<keyof Project, string> = {
  url: "SUPABASE_URL",
  dbUrl: "SUPABASE_DB_URL",
  publishableKey: "SUPABASE_PUBLISHABLE_KEY",
  secretKey: "SUPABASE_SECRET_KEY",
  adminDbUrl: "INTAKE_ADMIN_DB_URL",
  jwtSecret: "INTAKE_JWT_SECRET",
  workerSecret: "INTAKE_WORKER_SECRET",
  simulatorUrl: "INTAKE_SIMULATOR_URL",
};

const required = ["url", "dbUrl", "publishableKey", "secretKey"] as const;

/** The project named by the environment, or null when none is. Half a project is an error. */
export function projectFromEnvironment(
  env: Record<string, string | undefined> = process.env,
): Project | null {
  const missing = required.filter((key) => !env[variables[key]]);
  if (missing.length === required.length) return null;
  if (missing.length > 0) {
    const names = missing.map((key) => variables[key]).join(", ");
    throw new Error(`To test another project, set these too: ${names}`);
  }
  const found: Record<string, string> = {};
  for (const [key, variable] of Object.entries(variables)) {
    const value = env[variable];
    if (value) found[key] = value;
  }
  return found as unknown as Project;
}

/** The same project as environment variables, for child processes. */
export function projectToEnvironment(project: Project): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [key, variable] of Object.entries(variables)) {
    const value = project[key as keyof Project];
    if (value) env[variable] = value;
  }
  return env;
}

export interface OpenOptions {
  engine?: "embedded" | "system";
  exposeNewTables?: boolean;
  seed?: boolean;
  /** Longest time a start may take. */
  timeoutMs?: number;
}

/** Opens the project of the environment, or starts a stack with throw-away data. */
export async function openProject(options: OpenOptions = {}): Promise<OpenProject> {
  const named = projectFromEnvironment();
  if (named) return { ...named, own: false, close: async () => {} };
  return startOwnProject(options);
}

/** Starts a stack of our own whatever the environment says. */
export async function startOwnProject(options: OpenOptions = {}): Promise<OpenProject> {
  const { engine = "embedded", seed = true, timeoutMs = 90_000, ...rest } = options;
  const { startStack } = await import("../../packages/local/src/index.ts");
  const starting = startStack({ ephemeral: true, quiet: true, seed, engine, ...rest });
  const stack = await withTimeout(starting, timeoutMs, `The ${engine} stack did not start`);
  const { stop, ...project } = stack;
  return {
    ...project,
    own: true,
    close: () => withTimeout(stop(), 20_000, "The stack did not stop"),
  };
}

/** Fails with one clear line instead of waiting for ever. */
export async function withTimeout<T>(work: Promise<T>, ms: number, what: string): Promise<T> {
  const ended = new AbortController();
  const late = delay(ms, undefined, { signal: ended.signal }).then(() => {
    throw new Error(`${what} within ${ms / 1000} s`);
  });
  late.catch(() => {});
  try {
    return await Promise.race([work, late]);
  } finally {
    ended.abort();
  }
}

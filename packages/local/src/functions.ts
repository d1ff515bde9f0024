// Edge functions: /functions/v1/<name>/… answered by supabase/functions/<name>/index.ts under Deno.

import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseEnv } from "node:util";
import { findDeno, packageSource } from "./functions/deno.ts";
import { forward, IdleTimeout } from "./functions/forward.ts";
import {
  bootError,
  idleTimeout,
  notFound,
  refuseUnverified,
  resourceLimit,
  rewriteHtml,
  servedBy,
  type VerifyToken,
  workerError,
} from "./functions/gateway.ts";
import { cacheFolder, type FunctionProcess, startProcess } from "./functions/process.ts";
import { createSettings, type FunctionSettings } from "./functions/settings.ts";
import { createSources } from "./functions/sources.ts";

export interface FunctionsOptions {
  /** Repository root: holds supabase/, packages/types and node_modules. */
  root: string;
  /** What the hosted platform sets, such as SUPABASE_URL, and the project's secrets. */
  env: Record<string, string>;
  /** What supabase/functions/.env may say otherwise. */
  defaults?: Record<string, string>;
  verifyToken: VerifyToken;
  onLog(name: string, line: string): void;
  /** Path of a Deno binary or the name of an npm package that holds one; default `DENO_BIN`. */
  denoBin?: string;
  /** Longest wait for the first byte of an answer; hosted gives 150 s. */
  idleLimitMs?: number;
  bootTimeoutMs?: number;
  /** How old the knowledge of the source files may be. */
  freshMs?: number;
}

export interface Functions {
  handle(request: Request): Promise<Response>;
  /** Process ids of the functions that run now. */
  pids(): number[];
  close(): Promise<void>;
}

interface Slot {
  state: string;
  process: Promise<FunctionProcess>;
}

// A replaced process may finish what it has begun, a stopped stack does not wait for long.
const replaceGraceMs = 150_000;
const closeGraceMs = 2_000;

/** `supabase/functions/.env`, which the CLI serves as well; platform names are not to be set there. */
function localSecrets(functionsDir: string): Record<string, string> {
  const path = join(functionsDir, ".env");
  if (!existsSync(path)) return {};
  const entries = Object.entries(parseEnv(readFileSync(path, "utf8")));
  return Object.fromEntries(
    entries.flatMap(([name, value]) =>
      name.startsWith("SUPABASE_") || value === undefined ? [] : [[name, value]],
    ),
  );
}

export function createFunctions(options: FunctionsOptions): Functions {
  const { root, onLog } = options;
  const supabaseDir = join(root, "supabase");
  const functionsDir = join(supabaseDir, "functions");
  const idleLimitMs = options.idleLimitMs ?? 150_000;
  const settings = createSettings(functionsDir, supabaseDir);
  const stateOf = createSources(
    [
      join(functionsDir, "_shared"),
      join(functionsDir, ".env"),
      join(root, "packages", "types", "src"),
    ],
    options.freshMs ?? 200,
  );
  const slots = new Map<string, Slot>();
  const alive = new Set<FunctionProcess>();
  const closing = new AbortController();

  async function start(found: FunctionSettings): Promise<FunctionProcess> {
    const packages = packageSource(root, found.configFile);
    if (packages.from === "cache") {
      onLog(found.name, `npm packages come from Deno's cache: ${packages.reason}`);
    }
    const running = await startProcess({
      ...found,
      deno: findDeno(options.denoBin),
      packages,
      readable: [functionsDir, join(root, "packages"), join(root, "node_modules")],
      cacheDir: cacheFolder(root),
      env: { ...options.defaults, ...localSecrets(functionsDir), ...options.env },
      bootTimeoutMs: options.bootTimeoutMs ?? 60_000,
      onLine: (line) => onLog(found.name, line),
      signal: closing.signal,
    });
    alive.add(running);
    running.onExit(() => alive.delete(running));
    if (closing.signal.aborted) await running.stop(0);
    return running;
  }

  /** Replaces a process: it ends by itself once what it has begun is done. */
  function retire(slot: Slot): void {
    slot.process.then((running) => running.stop(replaceGraceMs)).catch(() => {});
  }

  function processOf(found: FunctionSettings): Promise<FunctionProcess> {
    const state = stateOf(dirname(found.entry));
    const current = slots.get(found.name);
    if (current?.state === state) return current.process;
    if (current) {
      onLog(found.name, "source changed, starting anew");
      retire(current);
    }
    const slot: Slot = { state, process: start(found) };
    slots.set(found.name, slot);
    const forget = () => {
      if (slots.get(found.name) === slot) slots.delete(found.name);
    };
    // Whatever ended it, the next request starts it again.
    slot.process.then((running) => running.onExit(forget), forget);
    return slot.process;
  }

  async function answer(request: Request, found: FunctionSettings, path: string) {
    let running: FunctionProcess;
    try {
      running = await processOf(found);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      onLog(found.name, `cannot start: ${reason}`);
      return bootError();
    }
    try {
      const response = await forward(request, running.port, path, idleLimitMs);
      rewriteHtml(request.method, response.headers);
      for (const [name, value] of Object.entries(servedBy)) response.headers.set(name, value);
      return response;
    } catch (error) {
      if (error instanceof IdleTimeout) return idleTimeout(idleLimitMs);
      const exit = await running.exitWithin(1_000);
      if (exit && exit.code !== 0) onLog(found.name, `exited with ${exit.signal ?? exit.code}`);
      // V8 aborts the process when the heap is full, which no code can catch.
      return exit?.signal === "SIGABRT" || exit?.signal === "SIGTRAP"
        ? resourceLimit()
        : workerError();
    }
  }

  return {
    async handle(request) {
      const url = new URL(request.url);
      const path = url.pathname.replace(/^\/functions\/v1(?=\/)/, "");
      const found = closing.signal.aborted ? null : settings.find(path.split("/")[1] ?? "");
      if (!found) return notFound();
      if (found.verifyJwt && request.method !== "OPTIONS") {
        const refusal = await refuseUnverified(request.headers, options.verifyToken);
        if (refusal) return refusal;
      }
      return answer(request, found, path + url.search);
    },

    pids: () => [...alive].map((running) => running.pid),

    async close() {
      closing.abort();
      slots.clear();
      await Promise.all([...alive].map((running) => running.stop(closeGraceMs)));
    },
  };
}

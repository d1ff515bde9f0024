// One function in one Deno process: start, find its port, read its log, end it.

import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { PackageSource } from "./deno.ts";

const bootModule = fileURLToPath(new URL("./boot.js", import.meta.url));

// The hosted limit on one isolate.
const heapMegabytes = 256;

export class BootError extends Error {
  override name = "BootError";
}

export interface ProcessOptions {
  name: string;
  entry: string;
  configFile: string | undefined;
  deno: string;
  packages: PackageSource;
  /** Folders that the function may read, as its own source and packages are. */
  readable: string[];
  cacheDir: string;
  env: Record<string, string>;
  bootTimeoutMs: number;
  /** Gives up on a process that has not started yet. */
  signal: AbortSignal;
  onLine(line: string): void;
}

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface FunctionProcess {
  pid: number;
  port: number;
  onExit(listener: (exit: Exit) => void): void;
  /** How it ended, or null when it is still there after that time. */
  exitWithin(ms: number): Promise<Exit | null>;
  /** Lets requests and background tasks finish for that long, then ends it. */
  stop(graceMs: number): Promise<void>;
}

function denoArguments(options: ProcessOptions): string[] {
  const { packages, configFile } = options;
  return [
    "run",
    "--quiet",
    "--no-check",
    "--no-prompt",
    `--v8-flags=--max-old-space-size=${heapMegabytes}`,
    "--allow-net",
    "--allow-env",
    "--allow-sys",
    `--allow-read=${[...options.readable, dirname(bootModule)].join(",")}`,
    ...(configFile ? ["--config", configFile] : ["--no-config"]),
    ...(packages.from === "node_modules"
      ? ["--node-modules-dir=manual", "--no-lock"]
      : // The committed lock file is checked, never rewritten.
        ["--node-modules-dir=none", "--frozen"]),
    bootModule,
  ];
}

function environment(options: ProcessOptions, mark: string): Record<string, string> {
  const inherited: Record<string, string> = {};
  // Deno itself wants these; the function sees none of the caller's other variables.
  for (const name of ["HOME", "TMPDIR", "SystemRoot", "NPM_CONFIG_REGISTRY", "DENO_CERT"]) {
    const value = process.env[name];
    if (value) inherited[name] = value;
  }
  return {
    ...inherited,
    ...options.env,
    TZ: "UTC",
    NO_COLOR: "1",
    DENO_DIR: options.cacheDir,
    DENO_NO_UPDATE_CHECK: "1",
    DENO_TLS_CA_STORE: process.env.DENO_TLS_CA_STORE ?? "system",
    INTAKE_BOOT: JSON.stringify({ entry: pathToFileURL(options.entry).href, mark }),
  };
}

/** The one line of Deno's complaint that says what is wrong, with the place when it gives one. */
export function explainBootFailure(lines: string[]): string {
  const index = lines.findIndex((line) => /^error:/.test(line));
  const text = (index < 0 ? lines.find((line) => line.trim()) : lines[index]) ?? "no message";
  const place = lines
    .slice(Math.max(index, 0) + 1)
    .map((line) => /(file:\S+:\d+:\d+)/.exec(line)?.[1])
    .find((found) => found && !found.includes("/functions/boot.js"));
  const message = text.replace(/^error: /, "").replace(/^Uncaught \(in promise\) /, "");
  if (
    /Failed loading|error sending request|dns error|npm package .* (?:not found|does not exist)/.test(
      text,
    )
  ) {
    return `its npm packages are not in Deno's cache and cannot be downloaded (${message})`;
  }
  return place && !message.includes(place) ? `${message} (${place})` : message;
}

export function startProcess(options: ProcessOptions): Promise<FunctionProcess> {
  const mark = `${randomUUID()} `;
  const child = spawn(options.deno, denoArguments(options), {
    cwd: dirname(options.entry),
    env: environment(options, mark),
    stdio: ["pipe", "pipe", "pipe"],
    // Its own group, so that Ctrl-C reaches the stack alone, which then ends its functions in order.
    detached: process.platform !== "win32",
    windowsHide: true,
  });
  const exited = new Promise<Exit>((resolve) => {
    child.on("close", (code, signal) => resolve({ code, signal }));
  });
  return new Promise((resolve, reject) => {
    const early: string[] = [];
    let started = false;

    const timer = setTimeout(
      () => fail(`it did not start within ${options.bootTimeoutMs / 1000} s`),
      options.bootTimeoutMs,
    );
    const giveUp = () => fail("the stack is being stopped");
    options.signal.addEventListener("abort", giveUp, { once: true });

    function settle() {
      clearTimeout(timer);
      options.signal.removeEventListener("abort", giveUp);
    }

    function fail(message: string) {
      settle();
      child.kill("SIGKILL");
      reject(new BootError(message));
    }

    function onLine(line: string) {
      if (!started) early.push(line);
      options.onLine(line);
    }

    createInterface({ input: child.stderr }).on("line", onLine);
    createInterface({ input: child.stdout }).on("line", (line) => {
      if (!line.startsWith(mark)) return onLine(line);
      const message = JSON.parse(line.slice(mark.length)) as { port?: number; silent?: boolean };
      if (message.port === undefined) return fail("it never calls Deno.serve");
      started = true;
      settle();
      resolve(describe(child, message.port, exited));
    });

    child.on("error", (error) => fail(`Deno cannot be run (${error.message})`));
    // A write to a process that has just gone is no news: `close` says so.
    child.stdin.on("error", () => {});
    void exited.then(() => started || fail(explainBootFailure(early)));
  });
}

function describe(child: ChildProcess, port: number, exited: Promise<Exit>): FunctionProcess {
  return {
    pid: child.pid ?? 0,
    port,
    onExit: (listener) => void exited.then(listener),
    exitWithin: (ms) => Promise.race([exited, delay(ms, null, { ref: false })]),
    async stop(graceMs) {
      const timer = setTimeout(() => child.kill("SIGKILL"), graceMs);
      child.stdin?.write("finish\n");
      await exited;
      clearTimeout(timer);
    },
  };
}

/** Where Deno keeps what it compiles and downloads: with the packages, so that both go together. */
export function cacheFolder(root: string): string {
  return process.env.DENO_DIR ?? join(root, "node_modules", ".cache", "deno");
}

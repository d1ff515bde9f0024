// Where Deno is, and where a function's npm packages come from.

import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, isAbsolute, join, resolve } from "node:path";

const require = createRequire(import.meta.url);
const executable = process.platform === "win32" ? "deno.exe" : "deno";

/** The Deno binary: `DENO_BIN` (a path, or the name of an installed npm package) or the pinned one. */
export function findDeno(wanted = process.env.DENO_BIN): string {
  if (wanted && (isAbsolute(wanted) || wanted.includes("/") || wanted.includes("\\"))) {
    const path = resolve(wanted);
    if (existsSync(path)) return path;
    throw new Error(`DENO_BIN points at ${path}, which does not exist`);
  }
  const name = wanted || "deno";
  try {
    const folder = dirname(require.resolve(`${name}/package.json`));
    const unpacked = join(folder, executable);
    if (existsSync(unpacked)) return unpacked;
    // The install script, which links the binary into the package, was not allowed to run.
    const platform = `${process.platform}-${process.arch}${process.platform === "linux" ? "-glibc" : ""}`;
    const binary = createRequire(join(folder, "package.json")).resolve(
      `@deno/${platform}/${executable}`,
    );
    if (existsSync(binary)) return binary;
  } catch {
    // Reported below, in words that say what to do.
  }
  throw new Error(`Deno is missing: run "npm ci", or set DENO_BIN to a Deno 2 binary`);
}

export interface PackageSource {
  /** `node_modules`: what npm installed, no network. `cache`: Deno downloads on first use. */
  from: "node_modules" | "cache";
  /** Why the cache is used, when it is. */
  reason?: string;
}

interface Manifest {
  version?: string;
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
}

function readJson(path: string): unknown {
  // deno.json may carry comments on lines of their own; npm's manifests never do.
  return JSON.parse(readFileSync(path, "utf8").replace(/^\s*\/\/.*$/gm, ""));
}

/**
 * Deno can resolve `npm:` specifiers out of node_modules, which `npm ci` has already filled: a start
 * then needs neither network nor a second copy of every package. It does so only for packages that
 * the package.json above lists, at the same version; anything else falls back to Deno's own cache.
 */
export function packageSource(root: string, configFile: string | undefined): PackageSource {
  if (!configFile) return { from: "node_modules" };
  const { imports = {} } = readJson(configFile) as { imports?: Record<string, string> };
  const manifestPath = join(root, "package.json");
  if (!existsSync(manifestPath)) return { from: "cache", reason: "there is no package.json" };
  const manifest = readJson(manifestPath) as Manifest;
  const listed = { ...manifest.dependencies, ...manifest.devDependencies };
  for (const target of Object.values(imports)) {
    const match = /^npm:\/?((?:@[^/@]+\/)?[^/@]+)@([^/]+)/.exec(target);
    if (!match) {
      if (target.startsWith("npm:")) return { from: "cache", reason: `${target} is not pinned` };
      continue;
    }
    const [, name = "", version = ""] = match;
    const installed = join(root, "node_modules", name, "package.json");
    if (!listed[name]) return { from: "cache", reason: `package.json does not list ${name}` };
    if (!existsSync(installed)) return { from: "cache", reason: `${name} is not installed` };
    const actual = (readJson(installed) as Manifest).version;
    if (actual !== version) {
      return { from: "cache", reason: `${name} is ${actual} in node_modules, not ${version}` };
    }
  }
  return { from: "node_modules" };
}

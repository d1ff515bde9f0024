/**
 * Adds to package-lock.json the binaries of platforms other than this one.
 *
 * A package such as biome names one optional package per platform. Where a registry has only those
 * of some platforms, npm leaves the others out of the lock file, and `npm ci` then refuses the lock
 * file everywhere. Run it after `npm install` when `npm ci` says "Missing: … from lock file".
 */
import { readFileSync, writeFileSync } from "node:fs";

interface Entry {
  version?: string;
  dev?: boolean;
  optional?: boolean;
  os?: string[];
  cpu?: string[];
  libc?: string[];
  optionalDependencies?: Record<string, string>;
}

const file = new URL("../package-lock.json", import.meta.url);
const lock = JSON.parse(readFileSync(file, "utf8")) as { packages: Record<string, Entry> };
const { packages } = lock;

const platforms: Record<string, string> = {
  android: "android",
  darwin: "darwin",
  freebsd: "freebsd",
  linux: "linux",
  openharmony: "openharmony",
  win32: "win32",
  windows: "win32",
};
const processors = ["arm64", "x64", "ia32", "arm", "ppc64", "riscv64", "s390x"];

/** What a package is for, from the words of its name; null for one that is no platform's. */
function platformOf(name: string): Pick<Entry, "os" | "cpu" | "libc"> | null {
  const words = name.replace(/^@[^/]+\//, "").split("-");
  const os = words.map((word) => platforms[word]).find((found) => found !== undefined);
  const cpu = processors.find((processor) => words.includes(processor));
  if (os === undefined || cpu === undefined) return null;
  const libc = words.some((word) => word.startsWith("musl"))
    ? "musl"
    : words.some((word) => /^g(nu|libc)/.test(word))
      ? "glibc"
      : null;
  return { os: [os], cpu: [cpu], ...(libc && os === "linux" ? { libc: [libc] } : {}) };
}

const added: string[] = [];
for (const [path, entry] of Object.entries(packages)) {
  for (const [name, range] of Object.entries(entry.optionalDependencies ?? {})) {
    const version = range.replace(/^[~^]/, "");
    const nested = `${path}/node_modules/${name}`;
    const hoisted = `node_modules/${name}`;
    const platform = platformOf(name);
    if (platform === null || packages[nested] || packages[hoisted]?.version === version) continue;
    const place = packages[hoisted] ? nested : hoisted;
    packages[place] = {
      version,
      ...(entry.dev ? { dev: true } : {}),
      optional: true,
      ...platform,
    };
    added.push(`${place} ${version}`);
  }
}

if (added.length > 0) {
  const sorted = Object.entries(packages).sort(([a], [b]) => (a < b ? -1 : 1));
  lock.packages = Object.fromEntries(sorted);
  writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
}
process.stdout.write(`${added.length} packages of other platforms added\n`);

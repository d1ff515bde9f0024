import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";

export const repository = resolve(import.meta.dirname, "../../..");

/**
 * A throw-away repository root that holds just these functions. npm packages are this repository's:
 * its node_modules is linked in, and package.json lists what the test says.
 */
export function createFunctionProject(
  files: Record<string, string>,
  dependencies: Record<string, string> = {},
) {
  const root = mkdtempSync(join(tmpdir(), "intake-functions-"));
  const project = {
    root,
    write(path: string, text: string) {
      const target = join(root, "supabase", path);
      mkdirSync(dirname(target), { recursive: true });
      writeFileSync(target, text);
    },
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
  writeFileSync(join(root, "package.json"), JSON.stringify({ name: "fixture", dependencies }));
  symlinkSync(join(repository, "node_modules"), join(root, "node_modules"), "junction");
  for (const [path, text] of Object.entries(files)) project.write(path, text);
  return project;
}

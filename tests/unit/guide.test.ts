/** The guide names every module, and none that is not there. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";

const root = join(import.meta.dirname, "..", "..");

it("docs/guide.md lists the modules that have a migration", () => {
  const guide = readFileSync(join(root, "docs/guide.md"), "utf8");
  const section = guide.slice(guide.indexOf("\n## Modules"), guide.indexOf("\n## Who may do what"));
  const listed = [...section.matchAll(/^\| ([a-z][a-z_, ]*) \|/gm)].flatMap(([, names = ""]) =>
    names.split(", "),
  );
  const modules = readdirSync(join(root, "supabase/migrations")).map((file) =>
    file.replace(/^\d+_(.*)\.sql$/, "$1"),
  );
  expect(listed.sort()).toEqual(modules.sort());
});

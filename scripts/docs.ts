// `npm run docs`: writes docs/errors.md and docs/reference.md from the database, so that they neither
// miss nor promise anything. With --check nothing is written, and a difference is an error.

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import postgres from "postgres";
import { openProject } from "../tests/helpers/environment.ts";
import { errorsDocument } from "./docs/errors.ts";
import { referenceDocument } from "./docs/reference.ts";

const folder = join(import.meta.dirname, "..", "docs");
const documents = { "errors.md": errorsDocument, "reference.md": referenceDocument };

const project = await openProject({ seed: false });
const sql = postgres(project.dbUrl, { max: 1, onnotice: () => undefined });
try {
  for (const [name, write] of Object.entries(documents)) {
    const file = join(folder, name);
    const text = await write(sql);
    if (!process.argv.includes("--check")) {
      await writeFile(file, text);
      process.stdout.write(`docs/${name}\n`);
    } else if ((await readFile(file, "utf8").catch(() => "")) !== text) {
      process.stderr.write(`docs/${name} differs from the database: run \`npm run docs\`.\n`);
      process.exitCode = 1;
    }
  }
} finally {
  await sql.end();
  await project.close();
}

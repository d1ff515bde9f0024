/** Moves every requirement that a test claims in its title to `proved()` in the ledger. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { claimedIds } from "../tests/runner/conformance.ts";

const tests = join(import.meta.dirname, "../tests");
const file = join(tests, "conformance/ledger.ts");

const claimed = new Set<string>();
for (const name of readdirSync(tests, { recursive: true, encoding: "utf8" })) {
  // The tests of the ledger itself talk about ids without claiming any.
  if (!/\.test\.(ts|sql)$/.test(name) || name.startsWith("unit/")) continue;
  for (const id of claimedIds(readFileSync(join(tests, name), "utf8"))) claimed.add(id);
}

const text = readFileSync(file, "utf8").replace(
  /"(D\d-\d{3})": notYet\("[a-z]+"\)/g,
  (line, id: string) => (claimed.has(id) ? `"${id}": proved()` : line),
);
writeFileSync(file, text);
process.stdout.write(`${text.match(/": proved\(/g)?.length ?? 0} proved\n`);

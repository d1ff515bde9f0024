/**
 * How the SQL is written, where neither squawk nor the catalogue can tell.
 *
 *   npx tsx scripts/lint-sql.ts
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const migrations = "supabase/migrations";

const keywords =
  /\b(SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|DROP|GRANT|REVOKE|FROM|WHERE|JOIN|RETURNS?|LANGUAGE|BEGIN|END|DECLARE|NULL|TABLE|FUNCTION|POLICY|TRIGGER|INDEX|VALUES|COMMENT)\b/;

/** The code without comments, strings and quoted names; lines stay where they are. */
const bare = (text: string) =>
  text
    .replace(/--.*$/gm, "")
    .replace(/'(?:[^']|'')*'/g, (string) => `''${string.replace(/[^\n]/g, "")}`)
    .replace(/"[^"\n]*"/g, '""');

/** What is wrong with one file, a line each. */
export function lintSql(name: string, text: string): string[] {
  const faults: string[] = [];
  const fault = (line: number, what: string) => faults.push(`${name}:${line}: ${what}`);
  if (!/^-- \S.{10,}/.test(text)) fault(1, "say first what the file is for");
  if (!text.endsWith("\n")) fault(text.split("\n").length, "end with a line break");
  for (const [index, line] of text.split("\n").entries()) {
    if (/\t|\s$/.test(line)) fault(index + 1, "no tabs and no trailing blanks");
  }
  const code = bare(text);
  for (const [index, line] of code.split("\n").entries()) {
    const shouted = keywords.exec(line);
    if (shouted) fault(index + 1, `${shouted[0]}: keywords are lower-case`);
  }
  const gap = text.indexOf("\n\n\n");
  if (gap >= 0) fault(text.slice(0, gap).split("\n").length + 1, "one empty line is enough");
  if (name.startsWith(migrations)) {
    for (const match of code.matchAll(/^grant\b[^;]*?(\bto\s+public\b|\bon\s+all\b)/gm)) {
      fault(code.slice(0, match.index).split("\n").length, "grant to a role, on one object");
    }
  }
  return faults;
}

/** Every SQL file of ours. */
export function sqlFiles(): string[] {
  const inFolder = (folder: string) =>
    readdirSync(join(root, folder))
      .filter((name) => name.endsWith(".sql"))
      .sort()
      .map((name) => `${folder}/${name}`);
  return [...inFolder(migrations), ...inFolder("tests/database"), "supabase/seed.sql"];
}

export function lintFiles(): string[] {
  const names = sqlFiles();
  const faults = names.flatMap((name) => lintSql(name, readFileSync(join(root, name), "utf8")));
  const numbers = names
    .filter((name) => name.startsWith(migrations))
    .map((name) => /\/(\d{14})_[a-z0-9_]+\.sql$/.exec(name)?.[1] ?? name);
  for (const number of numbers.filter((one, index) => numbers.indexOf(one) !== index)) {
    faults.push(`${migrations}: two files are numbered ${number}`);
  }
  return faults;
}

if (import.meta.filename === process.argv[1]) {
  const faults = lintFiles();
  for (const fault of faults) process.stdout.write(`${fault}\n`);
  process.stdout.write(`${sqlFiles().length} files, ${faults.length} faults\n`);
  process.exitCode = faults.length > 0 ? 1 : 0;
}

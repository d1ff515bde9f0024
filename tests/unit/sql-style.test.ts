/** What the catalogue cannot be asked about: how the SQL is written. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const root = join(import.meta.dirname, "../..");
const migrations = readdirSync(join(root, "supabase/migrations"))
  .sort()
  .map((name) => `supabase/migrations/${name}`);
const pgTap = readdirSync(join(root, "tests/database")).map((name) => `tests/database/${name}`);
const files = [...migrations, ...pgTap, "supabase/seed.sql"].filter((name) =>
  name.endsWith(".sql"),
);

const keywords =
  /\b(SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|DROP|GRANT|REVOKE|FROM|WHERE|JOIN|RETURNS?|LANGUAGE|BEGIN|END|DECLARE|NULL|TABLE|FUNCTION|POLICY|TRIGGER|INDEX|VALUES|COMMENT)\b/;

/** The code without comments, strings and quoted names. */
const bare = (text: string) =>
  text
    .replace(/--.*$/gm, "")
    .replace(/'(?:[^']|'')*'/g, "''")
    .replace(/"[^"\n]*"/g, '""');

describe.each(files)("%s", (name) => {
  const text = readFileSync(join(root, name), "utf8");

  it("says first what it is for", () => {
    expect(text.split("\n")[0]).toMatch(/^-- \S.{10,}/);
  });

  it("is written in lower case", () => {
    const shouted = bare(text)
      .split("\n")
      .filter((line) => keywords.test(line));
    expect(shouted).toEqual([]);
  });

  it("has neither tabs, trailing blanks, runs of empty lines nor a line too long to read", () => {
    const lines = text.split("\n");
    expect(lines.filter((line) => /\t|\s$/.test(line))).toEqual([]);
    expect(text).not.toMatch(/\n\n\n/);
    expect(text.endsWith("\n")).toBe(true);
  });
});

describe("the migrations", () => {
  it("are numbered once each, in the order of their names", () => {
    const numbers = migrations.map((name) => name.replace(/^.*\/(\d+)_.*$/, "$1"));
    expect(numbers.every((number) => /^\d{14}$/.test(number))).toBe(true);
    expect(new Set(numbers).size).toBe(numbers.length);
  });

  it("open nothing that the next one has to close: no grant to public, none on a whole schema", () => {
    const opened = migrations.flatMap((name) =>
      bare(readFileSync(join(root, name), "utf8"))
        .split(";")
        .filter((statement) => /^\s*grant\b/.test(statement))
        .filter((statement) => /\bto\s+public\b|\bon all\b/.test(statement)),
    );
    expect(opened).toEqual([]);
  });
});

/** The environment: what is read is written down, what is written down is read, and the rest is the platform's. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { describe, expect, it } from "vitest";
import { baseEnvSchema, readEnv, serviceEnvSchema } from "../../supabase/functions/_shared/env.ts";
import { anon, createUser, invoke } from "../helpers/index.ts";

const root = join(import.meta.dirname, "..", "..");
const read = (path: string) => readFileSync(join(root, path), "utf8");

const sources = readdirSync(join(root, "supabase/functions"), { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".ts"))
  .map((path) => read(join("supabase/functions", path)));

const found = (pattern: RegExp, ...texts: string[]) =>
  [
    ...new Set(texts.flatMap((text) => [...text.matchAll(pattern)].map(([, name = ""]) => name))),
  ].sort();

/** Declared, in a schema that is checked at start. */
const declared = found(/\b([A-Z][A-Z0-9]+_[A-Z0-9_]+): (?:z\b|secrets?\b|list\b)/g, ...sources);

const platform = [
  "SUPABASE_ANON_KEY",
  "SUPABASE_DB_URL",
  "SUPABASE_SERVICE_ROLE_KEY",
  "SUPABASE_URL",
];

describe("environment variables", () => {
  it("[D3-083] are all declared, documented and in the example, and nothing else is", () => {
    expect(declared).toEqual(expect.arrayContaining([...platform, "ALLOWED_ORIGINS", "SMTP_HOST"]));
    expect(found(/\benv\.([A-Z][A-Z0-9_]+)/g, ...sources)).toEqual(declared);
    const table = read("docs/deployment.md").match(/^\| Variable \|[\s\S]*?\n\n/m)?.[0] ?? "";
    const documented = found(/`([A-Z][A-Z0-9_]+)`/g, table.replace(/^(\|[^|]*\|).*$/gm, "$1"));
    expect(documented).toEqual(declared);
    const example = found(/^(?:# )?([A-Z][A-Z0-9_]+)=/gm, read("supabase/functions/.env.example"));
    expect(example).toEqual(declared.filter((name) => !platform.includes(name)));
  });

  it("[D3-083] that the project gives are enough, and what is missing is named", () => {
    const given = {
      SUPABASE_URL: "https://x.example.test",
      SUPABASE_SERVICE_ROLE_KEY: "x",
      SUPABASE_DB_URL: "postgresql://x",
    };
    const example = parseEnv(read("supabase/functions/.env.example"));
    expect(readEnv(baseEnvSchema, { ...example, ...given }).LOG_LEVEL).toBe("debug");
    const schema = baseEnvSchema.extend(serviceEnvSchema.shape);
    expect(readEnv(schema, given)).toMatchObject({
      ...given,
      ALLOWED_ORIGINS: [],
      LOG_LEVEL: "info",
    });
    expect(() =>
      readEnv(schema, { ...given, SUPABASE_URL: "x", SUPABASE_SERVICE_ROLE_KEY: "" }),
    ).toThrow(/SUPABASE_URL: .*SUPABASE_SERVICE_ROLE_KEY: /);
  });

  it("[D3-083] of a frontend are an address and a key that opens nothing alone; the service's key stays with functions", async () => {
    const nobody = await anon().from("leads").select("id").limit(1);
    expect(nobody.error?.code).toBe("42501");
    // The function asks Auth who is calling with SUPABASE_ANON_KEY, and makes the account with SUPABASE_SERVICE_ROLE_KEY.
    const admin = await createUser({ role: "admin" });
    const email = `environment.${crypto.randomUUID()}@example.test`;
    const { status } = await invoke(admin, "POST", "admin/users", {
      full_name: "From the environment",
      email,
      role: "counselor",
      send_invite: false,
    });
    expect(status).toBe(201);
  });

  it("[D3-083] name no cache server: an answer that is kept is kept in the database", () => {
    expect(declared.filter((name) => /REDIS|CACHE/.test(name))).toEqual([]);
    for (const path of ["package.json", "packages/local/package.json"]) {
      expect(read(path)).not.toMatch(/redis/i);
    }
  });
});

/** The secret key stays on the server: it is in no file, and without it nothing of it can be done. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { anon, as, stack } from "../helpers/index.ts";

const root = join(import.meta.dirname, "..", "..");

function roleOf(token: string): unknown {
  try {
    return JSON.parse(Buffer.from(token.split(".")[1]!, "base64url").toString()).role;
  } catch {
    return undefined;
  }
}

/** Secret keys of a project, new and old form. */
function secretsIn(text: string): string[] {
  const keys = text.match(/sb_secret_[A-Za-z0-9_-]{20,}/g) ?? [];
  const tokens = text.match(/eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}/g) ?? [];
  return [...keys, ...tokens.filter((token) => roleOf(token) === "service_role")];
}

describe("the secret key", () => {
  it("is recognised where it stands", () => {
    const claims = Buffer.from(JSON.stringify({ role: "service_role" })).toString("base64url");
    const token = `${Buffer.from('{"alg":"HS256"}').toString("base64url")}.${claims}.${"a".repeat(43)}`;
    expect(secretsIn(`key = "${token}"`)).toEqual([token]);
    expect(secretsIn(stack().secretKey)).toEqual([stack().secretKey]);
    expect(secretsIn(stack().publishableKey)).toEqual([]);
  });

  it("[D3-068] is in no file that is delivered, and never in what frontends import", () => {
    const files = execFileSync("git", ["ls-files", "-z"], { cwd: root, encoding: "utf8" });
    const found = files
      .split("\0")
      // Tests make up keys of their own.
      .filter((file) => !file.startsWith("tests/") && existsSync(join(root, file)))
      .filter((file) => /\.(ts|js|json|sql|md|toml|yml|yaml|env|html)$/.test(file))
      .filter((file) => secretsIn(readFileSync(join(root, file), "utf8")).length > 0);
    expect(found).toEqual([]);
    const types = files.split("\0").filter((file) => file.startsWith("packages/types/src/"));
    expect(types.length).toBeGreaterThan(5);
    for (const file of types) {
      expect(readFileSync(join(root, file), "utf8"), file).not.toMatch(/SERVICE_ROLE|secretKey/);
    }
  });

  it("is needed for the administration of accounts, whoever else asks", async () => {
    for (const client of [anon(), await as("admin")]) {
      const { data, error } = await client.auth.admin.listUsers();
      expect([401, 403]).toContain(error?.status);
      expect(data.users).toEqual([]);
    }
  });
});

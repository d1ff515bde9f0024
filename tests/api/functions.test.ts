/** What every edge function does with a request, whatever it is for: over HTTP, as a client sees it. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { intakeErrorSchema } from "../../packages/types/src/errors.ts";
import { as, stack } from "../helpers/index.ts";

const folder = join(import.meta.dirname, "../../supabase/functions");
const functions = readdirSync(folder, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && !entry.name.startsWith("_"))
  .map((entry) => entry.name);

async function call(path: string, init: RequestInit & { headers?: Record<string, string> } = {}) {
  const { data } = await (await as("admin")).auth.getSession();
  return fetch(`${stack().url}/functions/v1/${path}`, {
    ...init,
    headers: { authorization: `Bearer ${data.session?.access_token}`, ...init.headers },
  });
}

describe.each(functions)("the function %s", (name) => {
  it("[D4-086] answers with security headers, to a stranger's page too, which may not read it", async () => {
    const stranger = { origin: "https://stranger.example.test" };
    for (const path of [`${name}/openapi.json`, `${name}/nowhere`]) {
      const { headers } = await call(path, { headers: stranger });
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      expect(headers.get("x-frame-options")).toBe("DENY");
      expect(headers.get("content-security-policy")).toBe(
        "default-src 'none'; frame-ancestors 'none'",
      );
      expect(headers.get("strict-transport-security")).toMatch(/^max-age=\d{8}/);
      expect(headers.get("referrer-policy")).toBe("no-referrer");
      expect(headers.get("access-control-allow-origin")).toBeNull();
    }
  });

  it("[D3-071] is for pages of ALLOWED_ORIGINS alone, and asks browsers for HTTPS", async () => {
    // The local stack allows the frontend of supabase/config.toml. The database calls the worker, no page does.
    const own = "http://127.0.0.1:3000";
    const allowed = name === "worker" ? null : own;
    const preflight = { "access-control-request-method": "GET" };
    for (const [origin, wanted] of [
      [own, allowed],
      ["http://127.0.0.1:3001", null],
      ["https://127.0.0.1:3000", null],
      ["http://127.0.0.1:3000.evil.example.test", null],
      ["null", null],
    ] as const) {
      const asked = await call(`${name}/openapi.json`, {
        method: "OPTIONS",
        headers: { origin, ...preflight },
      });
      const answered = await call(`${name}/openapi.json`, { headers: { origin } });
      expect(asked.headers.get("access-control-allow-origin")).toBe(wanted);
      expect(answered.headers.get("access-control-allow-origin")).toBe(wanted);
      expect(answered.headers.get("access-control-allow-credentials")).toBeNull();
      expect(answered.headers.get("strict-transport-security")).toMatch(/^max-age=\d{8}/);
    }
  });

  it.each([
    ["a path that is none", { method: "POST", body: "{}" }, "nowhere/at/all", 404],
    ["a method that is not meant", { method: "DELETE" }, "openapi.json", 405],
    [
      "a compressed body",
      { method: "POST", body: "{}", headers: { "content-encoding": "gzip" } },
      "nowhere",
      415,
    ],
    ["a body too large", { method: "POST", body: "x".repeat(1100 * 1024) }, "nowhere", 413],
  ])("[D4-086] refuses %s in the shape of every refusal", async (_, init, path, status) => {
    const response = await call(`${name}/${path}`, init);
    const body = intakeErrorSchema.parse(await response.json());
    expect([response.status, body.code]).toEqual([status, `PT${status}`]);
  });
});

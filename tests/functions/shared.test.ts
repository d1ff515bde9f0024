/** What every function stands on: errors, headers, limits, the document, signatures, JSON. */
import { createHmac } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { createApp } from "../../supabase/functions/_shared/app.ts";
import { isSameSecret, verifyHmacSha256Hex } from "../../supabase/functions/_shared/crypto.ts";
import { baseEnvSchema, readEnv } from "../../supabase/functions/_shared/env.ts";
import { ApiError } from "../../supabase/functions/_shared/errors.ts";
import { parseJson, parseJsonBytes } from "../../supabase/functions/_shared/json.ts";
import type { Limiter } from "../../supabase/functions/_shared/limit.ts";
import { createLogger } from "../../supabase/functions/_shared/log.ts";
import { retryAfterSeconds } from "../../supabase/functions/_shared/providers/outcome.ts";

function open() {
  const lines: string[] = [];
  const app = createApp({
    name: "sample",
    title: "Sample",
    description: "For tests.",
    allowedOrigins: ["https://crm.example.test"],
    maxBodyBytes: 64,
    log: createLogger({ function: "sample" }, (line) => lines.push(line)),
  });
  const schema = z.object({ name: z.string() });
  app.route(
    {
      method: "post",
      path: "/echo",
      id: "echo",
      summary: "Echo",
      body: { schema },
      responses: { 200: { description: "The same", schema } },
    },
    async (c) => c.json(schema.parse(await c.req.json())),
  );
  const failing: Record<string, () => unknown> = {
    known: () => new ApiError(409, "job_is_running", "Busy.", "id"),
    database: () =>
      Object.assign(new Error("There is no such lead."), {
        code: "PT404",
        detail: "lead_not_found: LEAD-042",
      }),
    duplicate: () =>
      Object.assign(new Error("duplicate key"), {
        code: "23505",
        detail: "Key (email)=(asha@example.test) already exists.",
        constraint_name: "one",
      }),
    bug: () => new TypeError("x is undefined"),
  };
  app.route(
    { method: "get", path: "/fail/:how", id: "fail", summary: "Fail", responses: {} },
    (c) => {
      throw failing[c.req.param("how") ?? ""]?.();
    },
  );
  return { app, lines };
}

const post = (body: string, headers: Record<string, string> = {}) => ({
  method: "POST",
  body,
  headers: { "content-type": "application/json", ...headers },
});

describe("an answer", () => {
  it("carries the caller's request id, or one of its own", async () => {
    const { app } = open();
    const mine = await app.request(
      "/sample/echo",
      post('{"name":"a"}', { "x-request-id": "request-0001" }),
    );
    expect(mine.headers.get("x-request-id")).toBe("request-0001");
    const forged = await app.request(
      "/sample/echo",
      post('{"name":"a"}', { "x-request-id": "a b\\n" }),
    );
    expect(forged.headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
  });

  it("[D4-086] has the security headers, errors included", async () => {
    const { app } = open();
    for (const path of ["/sample/fail/bug", "/sample/nothing", "/sample/openapi.json"]) {
      const { headers } = await app.request(path);
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      expect(headers.get("content-security-policy")).toContain("default-src 'none'");
      expect(headers.get("cache-control")).toBe("no-store");
    }
  });

  it("[D4-086] allows the listed origins and no other", async () => {
    const { app } = open();
    const ask = (origin: string) =>
      app.request("/sample/echo", {
        method: "OPTIONS",
        headers: { origin, "access-control-request-method": "POST" },
      });
    const listed = await ask("https://crm.example.test");
    expect(listed.headers.get("access-control-allow-origin")).toBe("https://crm.example.test");
    const other = await ask("https://evil.example.test");
    expect(other.headers.get("access-control-allow-origin")).toBeNull();
  });

  it("[D4-088] is logged in one line with its time, and an error in one more, without query, body or text of the database", async () => {
    const { app, lines } = open();
    await app.request("/sample/fail/duplicate?token=hidden");
    expect(lines).toHaveLength(2);
    const text = lines.join("\n");
    expect(text).not.toMatch(/asha|hidden/);
    expect(JSON.parse(lines[0]!)).toMatchObject({
      level: "error",
      message: "failed",
      sqlstate: "23505",
      constraint: "one",
      request_id: expect.any(String),
    });
    expect(JSON.parse(lines[1]!)).toMatchObject({
      level: "error",
      message: "request",
      method: "GET",
      path: "/sample/fail/duplicate",
      status: 500,
      ms: expect.any(Number),
    });
  });
});

describe("a refusal", () => {
  const body = async (path: string, init?: RequestInit) => {
    const response = await open().app.request(path, init);
    return { status: response.status, ...((await response.json()) as object) };
  };

  it("has the shape of the Data API", async () => {
    expect(await body("/sample/fail/known")).toEqual({
      status: 409,
      code: "PT409",
      message: "Busy.",
      details: "job_is_running: id",
      hint: null,
    });
  });

  it("of our own SQL keeps its status and code", async () => {
    expect(await body("/sample/fail/database")).toEqual({
      status: 404,
      code: "PT404",
      message: "There is no such lead.",
      details: "lead_not_found: LEAD-042",
      hint: null,
    });
  });

  it("says nothing of the inside when it is our fault", async () => {
    for (const how of ["duplicate", "bug"]) {
      expect(await body(`/sample/fail/${how}`)).toEqual({
        status: 500,
        code: "PT500",
        message: "Something went wrong on our side.",
        details: "internal_error",
        hint: null,
      });
    }
  });

  it.each([
    ["a body of the wrong form", post('{"name":1}'), 422, "body_invalid: name"],
    ["a body too large", post(JSON.stringify({ name: "x".repeat(100) })), 413, "body_too_large"],
    [
      "a compressed body",
      post("{}", { "content-encoding": "gzip" }),
      415,
      "content_encoding_refused",
    ],
    ["another method", { method: "DELETE" }, 405, "method_not_allowed: POST"],
  ])("[D4-086] answers %s", async (_, init, status, details) => {
    expect(await body("/sample/echo", init)).toMatchObject({ status, details });
  });

  it("answers a path that is none", async () => {
    expect(await body("/sample/none")).toMatchObject({ status: 404, details: "route_not_found" });
  });
});

describe("a rate limit", () => {
  function limited(take: Limiter["take"]) {
    const lines: string[] = [];
    const { route, request } = createApp({
      name: "sample",
      title: "Sample",
      description: "For tests.",
      limiter: { take },
      log: createLogger({}, (line) => lines.push(line)),
    });
    route({ method: "get", path: "/", id: "get", summary: "Get", responses: {} }, (c) =>
      c.json({ ok: true }),
    );
    return { request, lines };
  }

  it("[D0-087] [D4-086] refuses with 429, when to come back, and the shape of every refusal", async () => {
    const { request, lines } = limited(async () => 17);
    const response = await request("/sample");
    expect([response.status, response.headers.get("retry-after")]).toEqual([429, "17"]);
    expect(await response.json()).toEqual({
      code: "PT429",
      message: "Too many requests.",
      details: "rate_limited",
      hint: "Retry after 17 seconds.",
    });
    expect(JSON.parse(lines[0]!)).toMatchObject({ status: 429, path: "/sample" });
  });

  it("is told where a request comes from, and never who sends it", async () => {
    const seen: Record<string, string>[] = [];
    const { request } = limited(async (origin) => {
      seen.push(origin);
      return 0;
    });
    const secrets = { authorization: "Bearer x", apikey: "k", cookie: "c" };
    await request("/sample", { headers: { "cf-connecting-ip": "203.0.113.1", ...secrets } });
    expect(seen).toEqual([{ "cf-connecting-ip": "203.0.113.1" }]);
  });

  it.each([
    ["fails", () => Promise.reject(new Error("connection refused"))],
    ["does not answer", () => new Promise<number>(() => {})],
  ])("that %s lets the request pass, and says so in the log", async (_, take) => {
    const { request, lines } = limited(take);
    const response = await request("/sample");
    expect([response.status, await response.json()]).toEqual([200, { ok: true }]);
    expect(JSON.parse(lines[0]!)).toMatchObject({
      level: "warn",
      message: "the rate limit could not be taken",
    });
  });

  it("is not asked about a preflight, and stands in the document of every route", async () => {
    const { request } = limited(async () => 1);
    const headers = { origin: "https://a.test", "access-control-request-method": "GET" };
    expect((await request("/sample", { method: "OPTIONS", headers })).status).toBe(204);
    const open = await limited(async () => 0).request("/sample/openapi.json");
    const { paths } = (await open.json()) as {
      paths: Record<string, Record<string, { responses: object }>>;
    };
    for (const methods of Object.values(paths)) {
      for (const operation of Object.values(methods)) {
        expect(operation.responses).toHaveProperty("429");
      }
    }
  });
});

describe("the document", () => {
  it("has every route that is mounted", async () => {
    const { app } = open();
    const response = await app.request("/sample/openapi.json");
    const document = (await response.json()) as { openapi: string; paths: Record<string, object> };
    expect(document.openapi).toBe("3.1.0");
    const documented = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map(
        (method) => `${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ":$1")}`,
      ),
    );
    const mounted = app.hono.routes
      .filter((route) => route.method !== "ALL")
      .map((route) => `${route.method} ${route.path}`);
    expect(new Set(documented)).toEqual(new Set(mounted));
    expect(document.paths["/sample/echo"]).toHaveProperty("post.requestBody.content");
  });
});

describe("a signature", () => {
  const data = new TextEncoder().encode("test");
  const sign = (secret: string, bytes: Uint8Array = data) =>
    createHmac("sha256", secret).update(bytes).digest("hex");

  it("holds for exactly these bytes under exactly this secret", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array(), fc.string({ minLength: 1 }), async (bytes, secret) => {
        const signature = sign(secret, bytes);
        const copy = Uint8Array.from(bytes);
        expect(await verifyHmacSha256Hex(secret, copy, signature)).toBe(true);
        expect(await verifyHmacSha256Hex(`${secret}x`, copy, signature)).toBe(false);
        expect(await verifyHmacSha256Hex(secret, Uint8Array.from([...bytes, 0]), signature)).toBe(
          false,
        );
      }),
      { numRuns: 50 },
    );
  });

  it("agrees with a published vector", async () => {
    // WhatsApp-Nodejs-SDK, utils.test.ts.
    expect(sign("TEST_APP_SECRET")).toMatch(/^0c61947b.*8221$/);
    expect(await verifyHmacSha256Hex("TEST_APP_SECRET", data, sign("TEST_APP_SECRET"))).toBe(true);
  });

  it("never holds with an empty or missing secret", async () => {
    // What an HMAC with an empty key would be.
    const signature = "9".repeat(64);
    expect(await verifyHmacSha256Hex("", data, signature)).toBe(false);
    expect(await verifyHmacSha256Hex(undefined, data, signature)).toBe(false);
    expect(await verifyHmacSha256Hex("s", data, "")).toBe(false);
    expect(await verifyHmacSha256Hex("s", data, `${sign("s")}00`)).toBe(false);
    expect(await verifyHmacSha256Hex("s", data, "z".repeat(64))).toBe(false);
  });

  it("compares secrets of any length, and no secret with none", async () => {
    expect(await isSameSecret("long enough", "long enough")).toBe(true);
    expect(await isSameSecret("long enough", "long enoug")).toBe(false);
    expect(await isSameSecret("", "")).toBe(false);
    expect(await isSameSecret(undefined, undefined)).toBe(false);
    expect(await isSameSecret("a", undefined)).toBe(false);
  });
});

describe("JSON", () => {
  it("keeps integers that a double cannot hold, as their digits", () => {
    expect(
      parseJson('{"a":10000000000000001,"b":"10000000000000001","c":12,"d":[-98765432109876543]}'),
    ).toEqual({
      a: "10000000000000001",
      b: "10000000000000001",
      c: 12,
      d: ["-98765432109876543"],
    });
  });

  it("leaves everything else as JSON.parse has it", () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        const plain: unknown = JSON.parse(text);
        const ours = parseJson(text);
        if (!/\d{16}/.test(text)) expect(ours).toEqual(plain);
        else expect(JSON.stringify(ours).length).toBeGreaterThan(0);
      }),
    );
    const odd =
      '{"0.12345678901234567890":0.12345678901234567890,"e":1.5e300,"s":"\\"12345678901234567890"}';
    expect(parseJson(odd)).toEqual(JSON.parse(odd));
  });

  it("is refused when it is cut short or not UTF-8", () => {
    expect(parseJsonBytes(new TextEncoder().encode('{"a":'))).toBeUndefined();
    expect(parseJsonBytes(new Uint8Array([0x22, 0xff, 0x22]))).toBeUndefined();
  });
});

describe("the rest", () => {
  it("reads Retry-After as seconds or as a date", () => {
    const now = Date.parse("2026-03-01T00:00:00Z");
    expect(retryAfterSeconds("120", now)).toBe(120);
    expect(retryAfterSeconds("Sun, 01 Mar 2026 00:01:00 GMT", now)).toBe(60);
    expect(retryAfterSeconds("soon", now)).toBeNull();
    expect(retryAfterSeconds(null, now)).toBeNull();
  });

  it("names what is missing in the environment", () => {
    expect(() => readEnv(baseEnvSchema, {})).toThrow(/SUPABASE_DB_URL/);
    const env = readEnv(baseEnvSchema, {
      SUPABASE_DB_URL: "x",
      ALLOWED_ORIGINS: "https://a.test, https://b.test",
    });
    expect(env.ALLOWED_ORIGINS).toEqual(["https://a.test", "https://b.test"]);
  });
});

/** Capture: which keys, sites and bodies are let in, and that the answer is the same for everybody. */
import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ApiKeyVerdict } from "../../packages/types/src/api-keys.ts";
import type { CapturedEnquiry } from "../../packages/types/src/capture.ts";
import { createLogger } from "../../supabase/functions/_shared/log.ts";
import { createCapture } from "../../supabase/functions/capture/app.ts";
import type { Once } from "../../supabase/functions/capture/deps.ts";

const key = `intake_0123abcd_${"5e".repeat(32)}`;
const keyId = "01900000-0000-7000-8000-000000000001";
const reference = "01900000-0000-7000-8000-000000000002";
const site = "https://www.example.test";

function open(verdict: Partial<ApiKeyVerdict> = {}) {
  const asked: { hash: string; scope: string; headers: Record<string, string> }[] = [];
  const taken: { channel: string; enquiry: CapturedEnquiry; once: Once | null }[] = [];
  const lines: string[] = [];
  const app = createCapture({
    keys: {
      take: async (hash, scope, headers) => {
        asked.push({ hash, scope, headers });
        return { verdict: "ok", key_id: keyId, retry_after: 0, ...verdict };
      },
    },
    enquiries: {
      take: async (_id, channel, enquiry, once) => {
        taken.push({ channel, enquiry, once });
        return reference;
      },
      fields: async () => [
        { key: "term", label: "Term", kind: "text", options: null, is_required: false },
      ],
    },
    allowedOrigins: [site],
    log: createLogger({}, (line) => lines.push(line)),
  });
  const post = (body: unknown, headers: Record<string, string> = {}) =>
    app.request("/capture/leads", {
      method: "POST",
      body: typeof body === "string" ? body : JSON.stringify(body),
      headers: { "content-type": "application/json", "x-api-key": key, ...headers },
    });
  return { app, post, asked, taken, lines };
}

const codeOf = async (response: Response) => {
  const { details } = (await response.json()) as { details: string };
  return `${response.status} ${details.split(":")[0]}`;
};

const form = "application/x-www-form-urlencoded";

describe("an enquiry", () => {
  it("is taken in parts that the database knows, and answered by a reference alone", async () => {
    const { post, taken, asked } = open();
    const response = await post({
      name: "Asha Menon",
      email: "asha@example.test",
      age: 17,
      wants_hostel: true,
      nothing: null,
      source: "Landing page",
      external_id: "42",
      consent: { given: true, text: "Yes" },
      custom_fields: { term: "autumn" },
    });
    expect(response.status).toBe(202);
    expect(await response.json()).toEqual({ accepted: true, reference });
    expect(taken).toEqual([
      {
        channel: "api",
        once: null,
        enquiry: {
          source: "Landing page",
          form_id: undefined,
          external_id: "42",
          consent: { given: true, text: "Yes" },
          custom_fields: { term: "autumn" },
          answers: {
            name: "Asha Menon",
            email: "asha@example.test",
            age: "17",
            wants_hostel: "true",
          },
        },
      },
    ]);
    expect(asked[0]).toMatchObject({
      hash: createHash("sha256").update(key).digest("hex"),
      scope: "leads.create",
    });
    expect(JSON.stringify(asked)).not.toContain(key);
  });

  it("comes as a form of a website as well, which goes on to a page of ours", async () => {
    const { app, taken } = open();
    const send = (next: string) =>
      app.request("/capture/leads", {
        method: "POST",
        headers: { "content-type": `${form}; charset=UTF-8`, origin: site },
        body: new URLSearchParams([
          ["_key", key],
          ["_next", next],
          ["name", "Asha"],
          ["course", "A"],
          ["course", "B"],
          ["consent", "on"],
        ]).toString(),
      });
    const response = await send(`${site}/thanks`);
    expect([response.status, response.headers.get("location")]).toEqual([303, `${site}/thanks`]);
    expect(taken).toMatchObject([
      { channel: "form", enquiry: { consent: true, answers: { name: "Asha", course: "A, B" } } },
    ]);
    expect(JSON.stringify(taken)).not.toContain(key);
    for (const next of ["https://evil.example.test/", "//evil.test", "javascript:alert(1)"]) {
      expect(await codeOf(await send(next))).toBe("422 body_invalid");
    }
    expect(taken).toHaveLength(1);
  });

  it("carries what makes it one", async () => {
    const { post, taken } = open();
    await post({ email: "a@example.test" }, { "idempotency-key": "once-1" });
    expect(taken[0]?.once).toEqual({
      key: "once-1",
      bodyHash: createHash("sha256").update('{"email":"a@example.test"}').digest("hex"),
    });
    expect(await codeOf(await post({ name: "x" }, { "idempotency-key": "x".repeat(201) }))).toBe(
      "422 body_invalid",
    );
    expect(taken).toHaveLength(1);
  });

  it("of a program that fills in what people do not see is answered and not kept", async () => {
    const { post, taken } = open();
    const response = await post({ name: "Bot", _honeypot: "https://spam.test" });
    expect(response.status).toBe(202);
    expect(await response.json()).toMatchObject({ accepted: true });
    expect(taken).toEqual([]);
  });
});

describe("what is refused", () => {
  it.each([
    ["invalid", "401 api_key_invalid"],
    ["revoked", "401 api_key_revoked"],
    ["expired", "401 api_key_expired"],
    ["scope_missing", "403 scope_missing"],
  ] as const)("is a key that is %s", async (verdict, code) => {
    const { post, taken } = open({ verdict, key_id: undefined });
    expect(await codeOf(await post({ name: "Asha" }))).toBe(code);
    expect(taken).toEqual([]);
  });

  it("is a request above the limit of its key, which says how long to wait", async () => {
    const { post, taken } = open({ retry_after: 7 });
    const response = await post({ name: "Asha" });
    expect(response.headers.get("retry-after")).toBe("7");
    expect(await codeOf(response)).toBe("429 rate_limited");
    expect(taken).toEqual([]);
  });

  it("is whatever does not look like a key, and it is counted like any other", async () => {
    const { app, asked } = open({ verdict: "invalid", key_id: undefined });
    const hash = createHash("sha256").update("").digest("hex");
    for (const bad of [undefined, "x", `${key}x`, `intake_${"é".repeat(8)}`, "a".repeat(4000)]) {
      const response = await app.request("/capture/leads", {
        method: "POST",
        body: "{}",
        headers: {
          "content-type": "application/json",
          ...(bad ? { "x-api-key": encodeURIComponent(bad) } : {}),
        },
      });
      expect(await codeOf(response)).toBe("401 api_key_invalid");
    }
    expect(asked.map((one) => one.hash)).toEqual(Array(5).fill(hash));
  });

  it.each([
    ["text/plain", '{"name":"x"}', "415 content_type_refused"],
    ["multipart/form-data; boundary=x", "--x--", "415 content_type_refused"],
    ["application/json", "{", "422 body_invalid"],
    ["application/json", "[]", "422 body_invalid"],
    ["application/json", "null", "422 body_invalid"],
    ["application/json", '"x"', "422 body_invalid"],
    ["application/json", '{"email":{"$ne":1}}', "422 body_invalid"],
    ["application/json", '{"email":["a@b.test"]}', "422 body_invalid"],
    ["application/json", '{"name":"a\\u0000b"}', "422 body_invalid"],
    ["application/json", '{"a\\u0000b":"x"}', "422 body_invalid"],
    ["application/json", '{"name":"\\ud800"}', "422 body_invalid"],
    ["application/json", `{"name":"${"x".repeat(2001)}"}`, "422 body_invalid"],
    ["application/json", `{"${"k".repeat(101)}":"x"}`, "422 body_invalid"],
    ["application/json", '{"source":7}', "422 body_invalid"],
    ["application/json", '{"consent":"yes"}', "422 body_invalid"],
    ["application/json", '{"custom_fields":{"Bad Key":"x"}}', "422 body_invalid"],
    [form, "name=%00", "422 body_invalid"],
  ])("is a body of %s: %s", async (type, body, code) => {
    const { post, taken } = open();
    expect(await codeOf(await post(body, { "content-type": type }))).toBe(code);
    expect(taken).toEqual([]);
  });

  it.each(["application/json", form])("is a body of %s that is not UTF-8", async (type) => {
    const { app, taken } = open();
    const response = await app.request("/capture/leads", {
      method: "POST",
      body: new Uint8Array([...Buffer.from('{"name":"'), 0xff, ...Buffer.from('"}')]),
      headers: { "content-type": type, "x-api-key": key },
    });
    expect(await codeOf(response)).toBe("422 body_invalid");
    expect(taken).toEqual([]);
  });

  it("is a body of 10 MB, before it is read", async () => {
    const { post, taken, asked } = open();
    const big = JSON.stringify({ name: "x".repeat(10 * 1024 * 1024) });
    const response = await post(big, { "content-length": String(big.length) });
    expect(await codeOf(response)).toBe("413 body_too_large");
    expect([taken, asked]).toEqual([[], []]);
  });

  it("is what more than sixty fields say", async () => {
    const many = Object.fromEntries(Array.from({ length: 61 }, (_, n) => [`f${n}`, "x"]));
    expect(await codeOf(await open().post(many))).toBe("422 body_invalid");
  });

  it("is a form of somebody else's site, though a browser would send it", async () => {
    const { post, taken, asked } = open();
    const other = { origin: "https://evil.example.test" };
    expect(await codeOf(await post({ name: "x" }, other))).toBe("403 origin_refused");
    expect([taken, asked]).toEqual([[], []]);
    expect((await post({ name: "x" }, { origin: site })).status).toBe(202);
  });

  it("is nothing that crashes it, whatever is sent", async () => {
    const { post } = open();
    await fc.assert(
      fc.asyncProperty(fc.json(), async (body) => {
        expect([202, 422]).toContain((await post(body)).status);
      }),
      { numRuns: 200 },
    );
  });
});

it("a browser of an allowed site may send the key", async () => {
  const { app } = open();
  const response = await app.request("/capture/leads", {
    method: "OPTIONS",
    headers: {
      origin: site,
      "access-control-request-method": "POST",
      "access-control-request-headers": "x-api-key, idempotency-key",
    },
  });
  expect(response.headers.get("access-control-allow-origin")).toBe(site);
  expect(response.headers.get("access-control-allow-headers")).toMatch(/x-api-key.*idempotency/);
});

it("the fields of a form are told to who may read them", async () => {
  const { app, asked } = open();
  const response = await app.request("/capture/form", { headers: { "x-api-key": key } });
  expect(await response.json()).toMatchObject({ fields: [{ key: "term", kind: "text" }] });
  expect(asked[0]?.scope).toBe("forms.read");
});

it("no key and nobody's data reach the log", async () => {
  const { post, lines } = open();
  await post({ name: "Asha Menon", email: "asha@example.test" });
  expect(lines.join()).not.toMatch(/asha|intake_/i);
});

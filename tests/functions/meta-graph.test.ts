/** The Graph API client: what it asks, and how it reads each way of being refused. */
import { createHmac } from "node:crypto";
import { describe, expect, it } from "vitest";
import { createMetaClient } from "../../supabase/functions/_shared/providers/meta.ts";
import {
  PermanentError,
  RetryAfterError,
  UnknownOutcomeError,
} from "../../supabase/functions/_shared/providers/outcome.ts";

function clientOf(
  answer: (url: URL, init: RequestInit) => Response | Promise<Response>,
  more = {},
) {
  const asked: { url: URL; init: RequestInit }[] = [];
  const client = createMetaClient({
    baseUrl: "https://graph.example.test",
    version: "v23.0",
    credentials: async () => ({ accessToken: "token", appSecret: "secret" }),
    timeoutMs: 200,
    fetch: async (url, init) => {
      asked.push({ url: new URL(url), init });
      return answer(new URL(url), init);
    },
    ...more,
  });
  return { client, asked };
}

const refusal = (status: number, code: number, headers: Record<string, string> = {}) =>
  new Response(JSON.stringify({ error: { code, message: "No." } }), { status, headers });

const reasonOf = async (promise: Promise<unknown>) =>
  promise.then(
    () => null,
    (error: unknown) => error,
  );

describe("a lead", () => {
  it("is asked for with the token in a header and a proof of the app", async () => {
    const { client, asked } = clientOf(
      () =>
        new Response(
          '{"id":10000000000000001,"field_data":[{"name":"email","values":["a@b.test"]}]}',
        ),
    );
    const lead = await client.lead("10000000000000001");
    expect(lead).toMatchObject({ id: "10000000000000001", field_data: [{ name: "email" }] });
    const [{ url, init }] = asked as [{ url: URL; init: RequestInit }];
    expect(url.pathname).toBe("/v23.0/10000000000000001");
    expect(url.href).not.toContain("access_token");
    expect(url.searchParams.get("appsecret_proof")).toBe(
      createHmac("sha256", "secret").update("token").digest("hex"),
    );
    expect(init.headers).toMatchObject({ authorization: "Bearer token" });
    expect(init.redirect).toBe("manual");
  });

  it("of another id is not taken", async () => {
    const { client } = clientOf(() => new Response('{"id":"2"}'));
    expect(await reasonOf(client.lead("1"))).toBeInstanceOf(UnknownOutcomeError);
  });

  it("with an id that is none is not asked for", async () => {
    const { client, asked } = clientOf(() => new Response("{}"));
    expect(await reasonOf(client.lead("../me"))).toBeInstanceOf(PermanentError);
    expect(asked).toHaveLength(0);
  });

  it("waits while Meta is not set up", async () => {
    const { client, asked } = clientOf(() => new Response("{}"), {
      credentials: async () => ({ accessToken: undefined, appSecret: "secret" }),
    });
    expect(await reasonOf(client.lead("1"))).toBeInstanceOf(RetryAfterError);
    expect(asked).toHaveLength(0);
  });
});

describe("a refusal", () => {
  it.each([
    ["429 with a time", refusal(429, 4, { "retry-after": "7" }), { seconds: 7, pause: true }],
    ["a rate limit by code alone", refusal(400, 613), { seconds: 60, pause: true }],
    [
      "429 that is no Graph answer",
      new Response("slow", { status: 429 }),
      { seconds: 60, pause: true },
    ],
    [
      "503 with a time",
      new Response("", { status: 503, headers: { "retry-after": "9" } }),
      { seconds: 9, pause: false },
    ],
    ["an expired token", refusal(401, 190), { seconds: 900, pause: true }],
  ])("of %s says when to come back", async (_, response, expected) => {
    const { client } = clientOf(() => response);
    const error = await reasonOf(client.lead("1"));
    expect(error).toBeInstanceOf(RetryAfterError);
    expect(error).toMatchObject(expected);
  });

  it.each([
    ["an object that does not exist yet", refusal(400, 100)],
    ["a server error", refusal(500, 1)],
    ["a page of markup", new Response("<html>", { status: 502 })],
    ["markup with status 200", new Response("<html>")],
    ["a redirect", new Response(null, { status: 302, headers: { location: "https://evil.test" } })],
    ["a lead without id", new Response("{}")],
  ])("of %s is worth another try", async (_, response) => {
    const { client } = clientOf(() => response);
    expect(await reasonOf(client.lead("1"))).toBeInstanceOf(UnknownOutcomeError);
  });

  it("by silence ends in time", async () => {
    const { client } = clientOf(
      (_, init) =>
        new Promise((_, reject) =>
          init.signal?.addEventListener("abort", () => reject(init.signal?.reason)),
        ),
    );
    const started = Date.now();
    expect(await reasonOf(client.lead("1"))).toMatchObject({ message: "no answer in time" });
    expect(Date.now() - started).toBeLessThan(2_000);
  });

  it("by an endless body ends as well", async () => {
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new Uint8Array(1024 * 1024)),
    });
    const { client } = clientOf(() => new Response(endless));
    expect(await reasonOf(client.lead("1"))).toMatchObject({ message: "the answer is too large" });
  });
});

describe("a form's leads", () => {
  it("come page by page until there is no next one", async () => {
    const pages = [
      {
        data: [{ id: "1" }],
        paging: { cursors: { after: "A" }, next: "https://graph.example.test/next" },
      },
      { data: [{ id: "2" }], paging: { cursors: { after: "B" } } },
    ];
    const { client, asked } = clientOf(() => Response.json(pages.shift()));
    const first = await client.leadsOfForm("9", new Date("2026-03-01T00:00:00Z"), null);
    expect(first).toMatchObject({ items: [{ id: "1" }], cursor: "A" });
    const second = await client.leadsOfForm("9", null, first.cursor);
    expect(second).toMatchObject({ items: [{ id: "2" }], cursor: null });
    expect(asked[0]?.url.searchParams.get("filtering")).toBe(
      '[{"field":"time_created","operator":"GREATER_THAN","value":1772323200}]',
    );
    expect(asked[1]?.url.searchParams.get("after")).toBe("A");
  });
});

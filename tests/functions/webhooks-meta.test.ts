/** Meta's deliveries: what is let in, what is stored of it, and what is not. */
import { createHmac } from "node:crypto";
import { describe, expect, it } from "vitest";
import { parseJsonBytes } from "../../supabase/functions/_shared/json.ts";
import { createLogger } from "../../supabase/functions/_shared/log.ts";
import { createWebhooks } from "../../supabase/functions/webhooks/app.ts";
import type { InboxEvent, WebhooksDeps } from "../../supabase/functions/webhooks/deps.ts";

const appSecret = "app secret of a test";

const others = {
  sendgrid: { publicKey: async () => undefined },
  twilio: { authToken: async () => undefined, url: "" },
  razorpay: { secrets: async () => [] },
  stripe: { secrets: async () => [] },
};

function open(secrets: WebhooksDeps["meta"] = { appSecret, verifyToken: "verify me" }) {
  const stored = new Map<string, InboxEvent>();
  const rejections: string[] = [];
  const app = createWebhooks({
    inbox: {
      async receive(provider, events) {
        let fresh = 0;
        for (const event of events) {
          const key = `${provider} ${event.id}`;
          if (!stored.has(key)) fresh++;
          stored.set(key, stored.get(key) ?? event);
        }
        return fresh;
      },
      countRejection: (provider, reason) => rejections.push(`${provider} ${reason}`),
    },
    meta: secrets,
    ...others,
    log: createLogger({}, () => {}),
  });
  return { app, stored, rejections };
}

const sign = (body: string | Uint8Array, secret = appSecret) =>
  `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`;

const post = (body: string | Uint8Array<ArrayBuffer>, signature: string | null = sign(body)) => ({
  method: "POST",
  body,
  headers: {
    "content-type": "application/json",
    ...(signature === null ? {} : { "x-hub-signature-256": signature }),
  },
});

const change = (id: string | number, form = 77) => ({
  field: "leadgen",
  value: { leadgen_id: id, form_id: form, page_id: 5, created_time: 1 },
});

const delivery = (...changes: object[]) =>
  JSON.stringify({ object: "page", entry: [{ id: "5", time: 1, changes }] });

describe("the verification", () => {
  const ask = (query: Record<string, string>, app = open().app) =>
    app.request(`/webhooks/meta?${new URLSearchParams(query)}`);
  const good = {
    "hub.mode": "subscribe",
    "hub.verify_token": "verify me",
    "hub.challenge": "1158201444",
  };

  it("gives the challenge back as text", async () => {
    const response = await ask(good);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toMatch(/^text\/plain/);
    expect(await response.text()).toBe("1158201444");
  });

  it.each([
    ["another token", { ...good, "hub.verify_token": "verify you" }],
    ["no token", { "hub.mode": "subscribe", "hub.challenge": "1" }],
    ["another mode", { ...good, "hub.mode": "unsubscribe" }],
    ["a challenge that is markup", { ...good, "hub.challenge": "<script>" }],
  ])("refuses %s", async (_, query) => {
    const response = await ask(query);
    expect(response.status).toBe(403);
    expect(await response.json()).toMatchObject({ code: "42501", details: "verify_token_invalid" });
  });

  it("takes the token of the connected integration before the environment's", async () => {
    const stored = (token: string | undefined) =>
      open({ appSecret, verifyToken: "verify me", storedVerifyToken: async () => token }).app;
    expect((await ask(good, stored("another token"))).status).toBe(403);
    const other = { ...good, "hub.verify_token": "another token" };
    expect((await ask(other, stored("another token"))).status).toBe(200);
    expect((await ask(good, stored(undefined))).status).toBe(200);
  });

  it("refuses everybody while no token is set", async () => {
    const response = await ask({ ...good, "hub.verify_token": "" }, open({ appSecret }).app);
    expect(response.status).toBe(403);
  });
});

describe("a delivery", () => {
  it("is stored as it came and answered", async () => {
    const { app, stored } = open();
    const body = delivery(change("12345678901234567"));
    const response = await app.request("/webhooks/meta", post(body));
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ received: 1, stored: 1 });
    const event = stored.get("meta leadgen:12345678901234567");
    expect(new TextDecoder().decode(event?.raw)).toBe(body);
  });

  it("keeps the digits of an id that is sent as a number", async () => {
    const { app, stored } = open();
    const body = delivery(change("ID")).replace('"ID"', "10000000000000001");
    await app.request("/webhooks/meta", post(body));
    expect([...stored.keys()]).toEqual(["meta leadgen:10000000000000001"]);
  });

  it("counts once, however often it comes", async () => {
    const { app } = open();
    const body = delivery(change("1"));
    await app.request("/webhooks/meta", post(body));
    const again = await app.request("/webhooks/meta", post(body));
    expect(again.status).toBe(200);
    expect(await again.json()).toEqual({ received: 1, stored: 0 });
  });

  it("with several leads is one event for each", async () => {
    const { app, stored } = open();
    const body = JSON.stringify({
      object: "page",
      entry: [
        { id: "5", time: 1, changes: [change("1"), change("2"), change("1")] },
        { id: "6", time: 1, changes: [change("3", 88), { field: "feed", value: {} }] },
      ],
    });
    const response = await app.request("/webhooks/meta", post(body));
    expect(await response.json()).toEqual({ received: 3, stored: 3 });
    const third = stored.get("meta leadgen:3");
    expect(parseJsonBytes(third?.raw ?? new Uint8Array())).toEqual({
      object: "page",
      entry: [{ id: "6", time: 1, changes: [change("3", 88)] }],
    });
  });

  it("about something else is kept and ignored", async () => {
    const { app, stored } = open();
    const body = JSON.stringify({
      object: "page",
      entry: [{ id: "5", changes: [{ field: "feed" }] }],
    });
    const response = await app.request("/webhooks/meta", post(body));
    expect(response.status).toBe(200);
    expect([...stored.values()]).toMatchObject([{ isIgnored: true }]);
    expect([...stored.keys()][0]).toMatch(/^meta sha256:[0-9a-f]{64}$/);
  });

  it.each([
    ["no signature", null],
    ["an empty one", ""],
    ["one under another secret", sign(delivery(change("1")), "other")],
    ["one of another body", sign(delivery(change("2")))],
    ["the digest without its name", sign(delivery(change("1"))).slice(7)],
    ["one that is no hex", `sha256=${"g".repeat(64)}`],
  ])("with %s is refused, counted and not stored", async (_, signature) => {
    const { app, stored, rejections } = open();
    const response = await app.request("/webhooks/meta", post(delivery(change("1")), signature));
    expect(response.status).toBe(401);
    expect(await response.json()).toMatchObject({ code: "PT401", details: "signature_invalid" });
    expect(stored.size).toBe(0);
    expect(rejections).toEqual(["meta signature"]);
  });

  it("is refused while no secret is set, whatever it is signed with", async () => {
    const { app, stored } = open({ verifyToken: "verify me" });
    const response = await app.request("/webhooks/meta", post(delivery(change("1"))));
    expect(response.status).toBe(503);
    expect(stored.size).toBe(0);
  });

  it.each([
    ["broken JSON", '{"object":"page","entry":['],
    ["no delivery", "[]"],
    ["deep nesting", `${"[".repeat(100_000)}${"]".repeat(100_000)}`],
    ["bytes that are no text", Uint8Array.from([0xff, 0xfe, 0x00])],
    ["nothing", ""],
  ])("signed, but with %s, is a bad request", async (_, body) => {
    const { app, stored } = open();
    const response = await app.request("/webhooks/meta", post(body));
    expect(response.status).toBe(400);
    expect(stored.size).toBe(0);
  });

  it("with odd keys does no harm", async () => {
    const { app, stored } = open();
    const body =
      '{"object":"page","__proto__":{"polluted":true},"entry":[{"changes":[{"field":"leadgen","value":{"leadgen_id":"1","leadgen_id":"2","x":"\\u0000"}}]}]}';
    const response = await app.request("/webhooks/meta", post(body));
    expect(response.status).toBe(200);
    expect([...stored.keys()]).toEqual(["meta leadgen:2"]);
    expect({}).not.toHaveProperty("polluted");
  });

  it("of more than 1 MB is refused before it is read", async () => {
    const { app, stored } = open();
    const body = delivery(change("1"), { field: "x".repeat(1024 * 1024) });
    const response = await app.request("/webhooks/meta", post(body));
    expect(response.status).toBe(413);
    expect(stored.size).toBe(0);
  });

  it("is not answered with 200 when it could not be stored", async () => {
    const app = createWebhooks({
      inbox: {
        receive: async () => {
          throw new Error("the database is away");
        },
        countRejection: () => {},
      },
      meta: { appSecret },
      ...others,
      log: createLogger({}, () => {}),
    });
    const response = await app.request("/webhooks/meta", post(delivery(change("1"))));
    expect(response.status).toBe(500);
  });
});

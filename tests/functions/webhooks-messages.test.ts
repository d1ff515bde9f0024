/** Deliveries about messages: what is let in, and what a stored delivery says. */
import { createHmac, createSign, generateKeyPairSync } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { verifyEcdsaP256, verifyHmacSha1Base64 } from "../../supabase/functions/_shared/crypto.ts";
import { createLogger } from "../../supabase/functions/_shared/log.ts";
import { createWebhooks } from "../../supabase/functions/webhooks/app.ts";
import type { InboxEvent } from "../../supabase/functions/webhooks/deps.ts";
import { twilioSigned } from "../../supabase/functions/webhooks/twilio.ts";
import { heardFromSendGrid } from "../../supabase/functions/worker/messages/sendgrid.ts";
import { heardFromTwilio } from "../../supabase/functions/worker/messages/twilio.ts";
import { heardFromWhatsApp } from "../../supabase/functions/worker/messages/whatsapp.ts";

const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
const publicKey = pair.publicKey.export({ type: "spki", format: "der" }).toString("base64");
const authToken = "token of a test";
const appSecret = "secret of a test";
const twilioUrl = "https://crm.example.com/functions/v1/webhooks/twilio";
const id = "01970000-0000-7000-8000-000000000001";

function open({ isSetUp = true } = {}) {
  const stored: { provider: string; event: InboxEvent; headers: Record<string, string> }[] = [];
  const rejections: string[] = [];
  const app = createWebhooks({
    inbox: {
      async receive(provider, events, headers) {
        const fresh = events.filter(
          (event) => !stored.some((one) => one.provider === provider && one.event.id === event.id),
        );
        for (const event of fresh) stored.push({ provider, event, headers });
        return fresh.length;
      },
      countRejection: (provider, reason) => rejections.push(`${provider} ${reason}`),
    },
    meta: isSetUp ? { appSecret, verifyToken: "verify me" } : {},
    sendgrid: { publicKey: async () => (isSetUp ? publicKey : undefined) },
    twilio: { authToken: async () => (isSetUp ? authToken : undefined), url: twilioUrl },
    razorpay: { secrets: async () => [] },
    stripe: { secrets: async () => [] },
    log: createLogger({}, () => {}),
  });
  return { app, stored, rejections };
}

const bytes = (text: string) => new TextEncoder().encode(text);

const signEvents = (timestamp: string, body: string) =>
  createSign("sha256").update(`${timestamp}${body}`).sign(pair.privateKey, "base64");

const sendgridPost = (body: string, signature = signEvents("1700000000", body)) => ({
  method: "POST",
  body,
  headers: {
    "content-type": "application/json",
    "x-twilio-email-event-webhook-signature": signature,
    "x-twilio-email-event-webhook-timestamp": "1700000000",
  },
});

const twilioSign = (url: string, fields: URLSearchParams, secret = authToken) =>
  createHmac("sha1", secret).update(twilioSigned(url, fields)).digest("base64");

const twilioPost = (
  values: Record<string, string>,
  query = "",
  signature = twilioSign(twilioUrl + query, new URLSearchParams(values)),
) => ({
  method: "POST",
  body: new URLSearchParams(values).toString(),
  headers: {
    "content-type": "application/x-www-form-urlencoded",
    "x-twilio-signature": signature,
  },
});

const whatsappPost = (body: string, secret = appSecret) => ({
  method: "POST",
  body,
  headers: {
    "content-type": "application/json",
    "x-hub-signature-256": `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`,
  },
});

describe("signatures", () => {
  it("of SendGrid are checked over timestamp and body, whatever the length of their numbers", async () => {
    await fc.assert(
      fc.asyncProperty(fc.string(), async (text) => {
        const signature = signEvents("1", text);
        expect(await verifyEcdsaP256(publicKey, bytes(`1${text}`), signature)).toBe(true);
        expect(await verifyEcdsaP256(publicKey, bytes(`2${text}`), signature)).toBe(false);
      }),
      { numRuns: 300 },
    );
  });

  it.each([
    ["", "no signature"],
    ["AAAA", "one that is none"],
    [`${signEvents("1", "x")}AAAA`, "one with something after it"],
    [Buffer.from("3006020100020100", "hex").toString("base64"), "one of two noughts"],
  ])("%s: %s is refused", async (signature) => {
    expect(await verifyEcdsaP256(publicKey, bytes("1x"), signature)).toBe(false);
  });

  it("without a key nothing is signed", async () => {
    const signature = signEvents("1", "x");
    expect(await verifyEcdsaP256(undefined, bytes("1x"), signature)).toBe(false);
    expect(await verifyEcdsaP256("not a key", bytes("1x"), signature)).toBe(false);
    const text = createHmac("sha1", "").update("x").digest("base64");
    expect(await verifyHmacSha1Base64("", "x", text)).toBe(false);
  });

  it("of Twilio are over the address and the sorted fields, as its documents show it", async () => {
    // The example of Twilio's documents on securing requests.
    const fields = new URLSearchParams({
      CallSid: "CA1234567890ABCDE",
      Caller: "+14158675310",
      Digits: "1234",
      From: "+14158675310",
      To: "+18005551212",
    });
    const signed = twilioSigned("https://example.com/myapp.php?foo=1&bar=2", fields);
    expect(signed).toBe(
      "https://example.com/myapp.php?foo=1&bar=2CallSidCA1234567890ABCDECaller+14158675310Digits1234From+14158675310To+18005551212",
    );
    expect(
      await verifyHmacSha1Base64(
        "12345",
        signed,
        createHmac("sha1", "12345").update(signed).digest("base64"),
      ),
    ).toBe(true);
  });
});

describe("[D0-062] a delivery", () => {
  const whatsapp = JSON.stringify({ object: "whatsapp_business_account", entry: [] });

  it("is stored once, as it came", async () => {
    const { app, stored } = open();
    const events = '[{"event":"delivered"}]\r\n';
    const first = await app.request("/webhooks/sendgrid", sendgridPost(events));
    expect([first.status, await first.json()]).toEqual([200, { received: 1, stored: 1 }]);
    const again = await app.request("/webhooks/sendgrid", sendgridPost(events));
    expect(await again.json()).toEqual({ received: 1, stored: 0 });
    const query = `?communication_id=${id}`;
    const fields = { MessageSid: "SM1", MessageStatus: "sent" };
    const status = await app.request(`/webhooks/twilio${query}`, twilioPost(fields, query));
    expect([status.status, await status.text()]).toEqual([200, "<Response/>"]);
    expect((await app.request("/webhooks/whatsapp", whatsappPost(whatsapp))).status).toBe(200);
    expect(stored.map(({ provider }) => provider)).toEqual([
      "sendgrid_events",
      "twilio_events",
      "whatsapp_events",
    ]);
    expect(new TextDecoder().decode(stored[0]?.event.raw)).toBe(events);
    expect(stored[1]?.headers).toEqual({ communication_id: id });
  });

  it("that is not signed is counted and not stored", async () => {
    const { app, stored, rejections } = open();
    const forged = [
      app.request("/webhooks/sendgrid", sendgridPost("[]", signEvents("1700000000", "[ ]"))),
      app.request(
        "/webhooks/twilio",
        twilioPost({ MessageSid: "SM1" }, "?communication_id=1", "x"),
      ),
      // Signed for an address without our id, and sent to one with it.
      app.request(
        "/webhooks/twilio?communication_id=1",
        twilioPost({ MessageSid: "SM1", MessageStatus: "sent" }),
      ),
      app.request("/webhooks/whatsapp", whatsappPost(whatsapp, "another secret")),
    ];
    for (const response of await Promise.all(forged)) {
      expect(response.status).toBe(401);
      expect(await response.json()).toMatchObject({ details: "signature_invalid" });
    }
    expect(stored).toEqual([]);
    expect(rejections.sort()).toEqual([
      "sendgrid signature",
      "twilio signature",
      "twilio signature",
      "whatsapp signature",
    ]);
  });

  it("of SendGrid may be as large as it makes them", async () => {
    const { app, stored } = open();
    const events = Array.from({ length: 1_500 }, () => ({
      event: "delivered",
      x: "x".repeat(480),
    }));
    const body = JSON.stringify(events);
    expect(body.length).toBeGreaterThan(750_000);
    expect((await app.request("/webhooks/sendgrid", sendgridPost(body))).status).toBe(200);
    expect(stored).toHaveLength(1);
  });

  it("that is signed and says nothing is refused", async () => {
    const { app, stored } = open();
    expect((await app.request("/webhooks/sendgrid", sendgridPost("{"))).status).toBe(400);
    expect((await app.request("/webhooks/twilio", twilioPost({ Body: "x" }))).status).toBe(400);
    expect(
      (await app.request("/webhooks/whatsapp", whatsappPost('{"object":"page"}'))).status,
    ).toBe(400);
    expect(stored).toEqual([]);
  });

  it("to a provider that is not set up is not taken", async () => {
    const { app } = open({ isSetUp: false });
    for (const [path, init] of [
      ["sendgrid", sendgridPost("[]")],
      ["twilio", twilioPost({ MessageSid: "SM1" })],
      ["whatsapp", whatsappPost(whatsapp)],
    ] as const) {
      expect((await app.request(`/webhooks/${path}`, init)).status).toBe(503);
    }
  });

  it("of WhatsApp is preceded by a challenge", async () => {
    const ask = (token: string) =>
      open().app.request(
        `/webhooks/whatsapp?hub.mode=subscribe&hub.verify_token=${token}&hub.challenge=42`,
      );
    expect(await (await ask("verify%20me")).text()).toBe("42");
    expect((await ask("wrong")).status).toBe(403);
  });
});

describe("what a delivery says", () => {
  it("of SendGrid: every event, and one that cannot be read costs no other", () => {
    const about = { communication_id: id, sg_message_id: "abc.filter01", timestamp: 1_700_000_000 };
    const said = (event: object) =>
      heardFromSendGrid(bytes(JSON.stringify([{ ...about, ...event }]))).reports[0];
    const report = { id, message_id: "abc", at: "2023-11-14T22:13:20.000Z" };
    expect(said({ event: "processed" })).toEqual({ ...report, status: "sent" });
    expect(said({ event: "delivered" })).toEqual({ ...report, status: "delivered" });
    expect(said({ event: "open" })).toEqual({ ...report, status: "read" });
    expect(said({ event: "open", sg_machine_open: true })).toEqual({
      ...report,
      status: "delivered",
    });
    expect(said({ event: "click" })).toEqual({ ...report, status: "read", is_click: true });
    expect(said({ event: "bounce", status: "5.1.1", type: "bounce" })).toEqual({
      ...report,
      status: "bounced",
      error: "address_unreachable: 5.1.1",
      withdrawn: "all",
      source: "bounce",
    });
    expect(said({ event: "bounce", status: "4.7.1", type: "blocked" })).toEqual({
      ...report,
      status: "failed",
      error: "provider_refused: blocked 4.7.1",
    });
    expect(said({ event: "dropped", reason: "Invalid" })).toMatchObject({ status: "failed" });
    expect(said({ event: "spamreport" })).toMatchObject({ withdrawn: "all", source: "complaint" });
    expect(said({ event: "unsubscribe" })).toMatchObject({ withdrawn: "marketing" });
    expect(said({ event: "deferred" })).toBeUndefined();
    const mixed = [
      null,
      7,
      { event: 3 },
      { ...about, event: "delivered" },
      { event: "open", timestamp: 1e20 },
    ];
    expect(heardFromSendGrid(bytes(JSON.stringify(mixed))).reports).toMatchObject([
      { ...report, status: "delivered" },
      { status: "read" },
    ]);
  });

  it("of Twilio: a status of our message, or words of somebody", () => {
    const form = (values: Record<string, string>) =>
      heardFromTwilio(bytes(new URLSearchParams(values).toString()), id, "2026-01-01T10:00:00Z");
    const report = { id, message_id: "SM1", at: "2026-01-01T10:00:00Z" };
    expect(form({ MessageSid: "SM1", MessageStatus: "delivered" }).reports).toEqual([
      { ...report, status: "delivered" },
    ]);
    expect(
      form({ MessageSid: "SM1", MessageStatus: "undelivered", ErrorCode: "30003" }).reports,
    ).toEqual([{ ...report, status: "failed", error: "provider_refused: Twilio 30003" }]);
    expect(form({ MessageSid: "SM1", MessageStatus: "queued" }).reports).toEqual([]);
    expect(form({ MessageSid: "SM2", From: "+919876543210", To: "+1500", Body: "Hello" })).toEqual({
      reports: [],
      messages: [
        {
          message: {
            channel: "sms",
            message_id: "SM2",
            from: "+919876543210",
            to: "+1500",
            text: "Hello",
            at: "2026-01-01T10:00:00Z",
          },
          files: [],
        },
      ],
    });
  });

  it("of WhatsApp: statuses and messages of every kind, files among them", () => {
    const heard = (value: object) =>
      heardFromWhatsApp(
        bytes(
          JSON.stringify({
            object: "whatsapp_business_account",
            entry: [
              { changes: [{ value: { metadata: { display_phone_number: "911" }, ...value } }] },
            ],
          }),
        ),
      );
    const status = { id: "wamid.1", timestamp: "1700000000", biz_opaque_callback_data: id };
    const report = { id, message_id: "wamid.1", at: "2023-11-14T22:13:20.000Z" };
    expect(
      heard({ statuses: [{ ...status, status: "read" }, null, { ...status, status: "odd" }] })
        .reports,
    ).toEqual([{ ...report, status: "read" }]);
    expect(
      heard({ statuses: [{ ...status, status: "failed", errors: [{ code: 131026 }] }] }).reports,
    ).toEqual([{ ...report, status: "failed", error: "address_unreachable" }]);
    const from = { from: "919876543210", timestamp: "1700000000" };
    const { messages } = heard({
      messages: [
        { ...from, id: "1", type: "text", text: { body: "Hello" } },
        { ...from, id: "2", type: "document", document: { id: 7, filename: "marks.pdf" } },
        { ...from, id: "3", type: "unsupported" },
        "nonsense",
      ],
    });
    expect(messages.map(({ message, files }) => [message.from, message.text, files])).toEqual([
      ["+919876543210", "Hello", []],
      ["+919876543210", "[document]", [{ media_id: "7", name: "marks.pdf" }]],
      ["+919876543210", "[unsupported]", []],
    ]);
  });

  it("holds no character that the database would refuse with all the rest", () => {
    const report = { event: "dropped", reason: "a\0b\ud800c", communication_id: id };
    const [dropped] = heardFromSendGrid(bytes(JSON.stringify([report]))).reports;
    expect(dropped?.error).toBe("provider_refused: a\ufffdb\ufffdc");
    const sms = heardFromTwilio(
      bytes("MessageSid=SM1&From=%2B919876543210&Body=a%00b%F0%9F%98%80"),
      undefined,
      "2026-01-01T10:00:00Z",
    );
    expect(sms.messages[0]?.message.text).toBe("a\ufffdb\u{1f600}");
    const said = { id: "wamid.1", from: "919876543210", type: "text", text: { body: "a\0b" } };
    const delivery = { entry: [{ changes: [{ value: { messages: [said] } }] }] };
    const [message] = heardFromWhatsApp(bytes(JSON.stringify(delivery))).messages;
    expect(message?.message.text).toBe("a\ufffdb");
  });

  it("is read without an error, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (raw) => {
        heardFromSendGrid(raw);
        heardFromWhatsApp(raw);
        heardFromTwilio(raw, undefined, "2026-01-01T10:00:00Z");
      }),
    );
  });
});

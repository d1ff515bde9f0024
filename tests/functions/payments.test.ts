/** Gateways: what is signed, what is told, and what their refusals mean. */
import { createHmac } from "node:crypto";
import { describe, expect, it } from "vitest";
import { createLogger } from "../../supabase/functions/_shared/log.ts";
import { withoutPerson } from "../../supabase/functions/_shared/providers/gateway.ts";
import {
  NotConnectedError,
  PermanentError,
  RetryAfterError,
  UnknownOutcomeError,
} from "../../supabase/functions/_shared/providers/outcome.ts";
import {
  createRazorpay,
  razorpayEvent,
} from "../../supabase/functions/_shared/providers/razorpay.ts";
import {
  createStripe,
  stripeEvent,
  verifyStripeSignature,
} from "../../supabase/functions/_shared/providers/stripe.ts";
import { createWebhooks } from "../../supabase/functions/webhooks/app.ts";
import type { InboxEvent } from "../../supabase/functions/webhooks/deps.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

const hmac = (secret: string, text: string) =>
  createHmac("sha256", secret).update(text).digest("hex");

function open(secrets: { razorpay?: string[]; stripe?: string[] } = {}) {
  const stored = new Map<string, InboxEvent>();
  const rejections: string[] = [];
  const app = createWebhooks({
    inbox: {
      async receive(provider, events) {
        let fresh = 0;
        for (const event of events) {
          const key = `${provider} ${event.id}`;
          if (!stored.has(key)) fresh++;
          stored.set(key, event);
        }
        return fresh;
      },
      countRejection: (provider, reason) => rejections.push(`${provider} ${reason}`),
    },
    meta: {},
    sendgrid: { publicKey: async () => undefined },
    twilio: { authToken: async () => undefined, url: "" },
    razorpay: { secrets: async () => secrets.razorpay ?? ["new", "old"] },
    stripe: { secrets: async () => secrets.stripe ?? ["whsec_new", "whsec_old"] },
    log: createLogger({ function: "webhooks" }, () => {}),
  });
  const send = async (provider: string, body: string, headers: Record<string, string>) => {
    const response = await app.request(`/webhooks/${provider}`, { method: "POST", body, headers });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  return { send, stored, rejections };
}

const captured = JSON.stringify({
  event: "payment.captured",
  payload: {
    payment: {
      entity: {
        id: "pay_1",
        amount: 50050,
        currency: "INR",
        status: "captured",
        order_id: "order_1",
        method: "upi",
        captured: true,
        email: "payer@example.com",
        contact: "+919876500000",
        vpa: "payer@bank",
        notes: [],
        created_at: 1_790_000_000,
      },
    },
  },
});

describe("deliveries of Razorpay", () => {
  const headers = (body: string, secret = "new", id = "evt_1") => ({
    "x-razorpay-signature": hmac(secret, body),
    "x-razorpay-event-id": id,
  });

  it("are stored once, signed with the new secret or the old, without the person who paid", async () => {
    const { send, stored } = open();
    expect(await send("razorpay", captured, headers(captured))).toEqual({
      status: 200,
      body: { received: 1, stored: 1 },
    });
    expect((await send("razorpay", captured, headers(captured, "old"))).body.stored).toBe(0);
    const raw = new TextDecoder().decode(stored.get("razorpay evt_1")?.raw);
    expect(raw).not.toMatch(/payer|98765/);
    expect(razorpayEvent(JSON.parse(raw))).toEqual(razorpayEvent(JSON.parse(captured)));
  });

  it("are refused for another secret, another body, no signature and no secret at all", async () => {
    const { send, stored, rejections } = open();
    for (const wrong of [headers(captured, "wrong"), headers(`${captured} `), {}]) {
      expect((await send("razorpay", captured, wrong)).status).toBe(401);
    }
    expect(rejections).toEqual(Array(3).fill("razorpay signature"));
    const closed = open({ razorpay: [] });
    expect((await closed.send("razorpay", captured, headers(captured, ""))).status).toBe(503);
    expect(stored.size + closed.stored.size).toBe(0);
  });

  it("are signed as in the vendor's own published example", async () => {
    const published = '{"a":1,"b":2,"c":{"d":3}}';
    const { send } = open({ razorpay: ["123456"] });
    const signature = hmac("123456", published);
    expect(signature).toMatch(/^2fe04e22[0-9a-f]{52}3bbc$/);
    // Taken as theirs, and then no delivery.
    expect((await send("razorpay", published, headers(published, "123456"))).status).toBe(400);
  });

  it("that are no JSON, too large or about something else do no harm", async () => {
    const { send, stored } = open();
    expect((await send("razorpay", "{", headers("{"))).status).toBe(400);
    const large = JSON.stringify({ event: "x", padding: "x".repeat(1_100_000) });
    expect((await send("razorpay", large, headers(large))).status).toBe(413);
    const other = JSON.stringify({ event: "settlement.processed", payload: {} });
    expect((await send("razorpay", other, headers(other, "new", "evt_2"))).status).toBe(200);
    expect(stored.get("razorpay evt_2")?.isIgnored).toBe(true);
  });

  it("tell of amounts in rupees, of what was voided, and of refunds by our own id", () => {
    const delivery = JSON.parse(captured) as { payload: { payment: { entity: object } } };
    const entity = delivery.payload.payment.entity;
    expect(razorpayEvent(delivery)).toMatchObject({
      order_id: "order_1",
      payment_id: null,
      transactions: [{ transaction_id: "pay_1", status: "captured", amount: "500.50" }],
    });
    const told = (more: object) =>
      razorpayEvent({
        event: "payment.captured",
        payload: { payment: { entity: { ...entity, ...more } } },
      });
    expect(told({ status: "refunded" })?.transactions[0]?.status).toBe("captured");
    expect(told({ status: "refunded", captured: false })?.transactions[0]?.status).toBe("voided");
    expect(told({ currency: "JPY", amount: 500 })?.transactions[0]?.amount).toBe("500");
    expect(told({ amount: 500.5 })).toBeNull();
    const refund = {
      id: "rfnd_1",
      payment_id: "pay_1",
      amount: 100,
      currency: "INR",
      status: "processed",
      notes: { refund_id: "01a00000-0000-7000-8000-000000000001" },
      created_at: 1,
    };
    expect(
      razorpayEvent({
        event: "refund.processed",
        payload: { payment: { entity }, refund: { entity: refund } },
      })?.refunds,
    ).toMatchObject([
      { status: "succeeded", own_id: "01a00000-0000-7000-8000-000000000001", amount: "1.00" },
    ]);
  });
});

describe("deliveries of Stripe", () => {
  const now = () => Math.floor(Date.now() / 1000);
  const charge = {
    object: "charge",
    id: "ch_1",
    amount: 12050,
    amount_captured: 12050,
    captured: true,
    status: "succeeded",
    currency: "usd",
    payment_intent: "pi_1",
    billing_details: { email: "payer@example.com" },
    payment_method_details: { type: "card", card: { last4: "4242" } },
    metadata: {},
    created: 1_790_000_000,
  };
  const body = JSON.stringify({ id: "evt_1", type: "charge.succeeded", data: { object: charge } });
  const signed = (secret: string, time = now(), of = body) => ({
    "stripe-signature": `t=${time},v1=${hmac(secret, `${time}.${of}`)},v0=00`,
  });

  it("are stored once, signed with any of several secrets", async () => {
    const { send, stored } = open();
    expect((await send("stripe", body, signed("whsec_old"))).body).toEqual({
      received: 1,
      stored: 1,
    });
    const both = `${signed("whsec_x")["stripe-signature"]},v1=${signed("whsec_new")["stripe-signature"].split("v1=")[1]}`;
    expect((await send("stripe", body, { "stripe-signature": both })).body.stored).toBe(0);
    expect(new TextDecoder().decode(stored.get("stripe evt_1")?.raw)).not.toMatch(/payer|4242/);
  });

  it("are refused when they are old, from the future, or signed otherwise", async () => {
    const { send, stored } = open();
    for (const wrong of [
      signed("whsec_wrong"),
      signed("whsec_new", now() - 301),
      signed("whsec_new", now() + 301),
      signed("whsec_new", now(), `${body} `),
      { "stripe-signature": `t=${now()},v0=${hmac("whsec_new", `${now()}.${body}`)}` },
      { "stripe-signature": "" },
    ]) {
      expect((await send("stripe", body, wrong)).status).toBe(401);
    }
    expect(stored.size).toBe(0);
    expect((await open({ stripe: [] }).send("stripe", body, signed(""))).status).toBe(503);
  });

  it("are verified over the time and the body together, and never with an empty secret", async () => {
    const header = `t=1533204620,v1=${hmac("webhook_secret", `1533204620.${body}`)}`;
    const at = 1_533_204_620_000;
    expect(await verifyStripeSignature(["webhook_secret"], bytes(body), header, at)).toBe(true);
    expect(await verifyStripeSignature([""], bytes(body), header, at)).toBe(false);
  });

  it("tell of charges and refunds, and nothing of intents or of charges without one", () => {
    const event = (type: string, object: object) =>
      stripeEvent({ id: "evt_1", type, data: { object } });
    expect(event("charge.succeeded", charge)).toMatchObject({
      order_id: "pi_1",
      transactions: [
        { transaction_id: "ch_1", status: "captured", amount: "120.50", currency: "USD" },
      ],
    });
    const held = { ...charge, captured: false };
    expect(event("charge.succeeded", held)?.transactions[0]?.status).toBe("authorized");
    const given = { ...held, refunded: true };
    expect(event("charge.refunded", given)?.transactions[0]?.status).toBe("voided");
    expect(event("charge.succeeded", { ...charge, payment_intent: null })).toBeNull();
    expect(event("payment_intent.succeeded", { object: "payment_intent", id: "pi_1" })).toBeNull();
    const refund = {
      object: "refund",
      id: "re_1",
      amount: 50,
      currency: "usd",
      charge: "ch_1",
      payment_intent: "pi_1",
      status: "canceled",
      metadata: {},
      created: 1,
    };
    expect(event("refund.updated", refund)?.refunds).toMatchObject([
      { refund_id: "re_1", status: "failed", amount: "0.50" },
    ]);
  });
});

describe("a gateway", () => {
  const request = {
    paymentId: "01a00000-0000-7000-8000-000000000001",
    amount: "500.50",
    currency: "INR",
    description: null,
    mayExist: false,
  };
  const answering = (status: number, body: unknown, headers: Record<string, string> = {}) => {
    const asked: { url: string; init: RequestInit }[] = [];
    const fetch = async (url: string, init: RequestInit) => {
      asked.push({ url, init });
      return new Response(typeof body === "string" ? body : JSON.stringify(body), {
        status,
        headers,
      });
    };
    const razorpay = createRazorpay({
      baseUrl: "https://razorpay.test",
      credentials: async () => ({ keyId: "key", keySecret: "secret" }),
      fetch,
    });
    const stripe = createStripe({
      baseUrl: "https://stripe.test",
      credentials: async () => ({ secretKey: "sk" }),
      fetch,
    });
    return { asked, razorpay, stripe };
  };
  const refusal = { error: { code: "x", description: "No" } };

  it.each([
    [400, refusal, {}, PermanentError],
    [401, refusal, {}, NotConnectedError],
    [409, refusal, {}, RetryAfterError],
    [429, refusal, { "retry-after": "7" }, RetryAfterError],
    [500, refusal, {}, UnknownOutcomeError],
    [502, "<html>", {}, UnknownOutcomeError],
    [200, "<html>", {}, UnknownOutcomeError],
    [302, "", { location: "https://elsewhere.test" }, UnknownOutcomeError],
    // A page of somebody in between says nothing about the request.
    [404, "<html>", {}, UnknownOutcomeError],
  ] as const)("that answers %i %j", async (status, body, headers, kind) => {
    const { razorpay, stripe } = answering(status, body, headers);
    await expect(razorpay.createOrder(request)).rejects.toThrow(kind);
    await expect(stripe.createOrder(request)).rejects.toThrow(kind);
  });

  it("is asked in minor units, under a key", async () => {
    const { asked, razorpay, stripe } = answering(200, {
      id: "order_1",
      object: "payment_intent",
      notes: [],
    });
    expect(await razorpay.createOrder(request)).toBe("order_1");
    expect(JSON.parse(String(asked[0]?.init.body))).toEqual({
      amount: 50050,
      currency: "INR",
      receipt: "01a00000000070008000000000000001",
      notes: { payment_id: request.paymentId },
    });
    expect(await stripe.createOrder({ ...request, currency: "JPY", amount: "500.00" })).toBe(
      "order_1",
    );
    expect(new URLSearchParams(String(asked[1]?.init.body)).get("amount")).toBe("500");
    expect(asked[1]?.init.headers).toMatchObject({
      "idempotency-key": `order-${request.paymentId}`,
    });
  });

  it("signs what the browser brings back, over order and payment, with the secret of the key", async () => {
    const { razorpay } = answering(500, "");
    const signature = hmac("secret", "order_1|pay_1");
    const genuine = (order: string, payment: string, response: Record<string, unknown>) =>
      razorpay.isReturnGenuine(order, payment, response);
    expect(await genuine("order_1", "pay_1", { razorpay_signature: signature })).toBe(true);
    expect(await genuine("order_2", "pay_1", { razorpay_signature: signature })).toBe(false);
    expect(await genuine("order_1", "pay_2", { razorpay_signature: signature })).toBe(false);
    expect(await genuine("order_1", "pay_1", {})).toBe(false);
  });

  it("without credentials is not asked at all", async () => {
    const razorpay = createRazorpay({
      baseUrl: "https://razorpay.test",
      credentials: async () => ({ keyId: undefined, keySecret: undefined }),
      fetch: async () => {
        throw new Error("asked");
      },
    });
    await expect(razorpay.createOrder(request)).rejects.toThrow(NotConnectedError);
    expect(await razorpay.isReturnGenuine("o", "p", { razorpay_signature: hmac("x", "o|p") })).toBe(
      false,
    );
  });
});

it("what is kept of a delivery says nothing of the person, however deep it stands", () => {
  expect(
    withoutPerson({ a: [{ email: "x", id: 1, card: { last4: "1" } }], contact: "+91", ok: "yes" }),
  ).toEqual({ a: [{ id: 1 }], ok: "yes" });
});

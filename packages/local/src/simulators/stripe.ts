// Stripe on loopback: payment intents, charges and refunds, and the signed events that tell of them. A request with
// the idempotency key of an earlier one gets its answer again.

import { createHmac, randomBytes } from "node:crypto";
import { createDeliveries } from "./delivery.ts";
import { type Fault, type Faults, playTransportFault } from "./faults.ts";
import { ControlError, type Exchange, sendJson } from "./http.ts";
import type { Asked, Journal } from "./journal.ts";

export interface StripeOptions {
  functionsUrl(): string;
  secretKey: string;
  webhookSecret: string;
  retryMs?: number[] | undefined;
}

interface Intent {
  id: string;
  object: "payment_intent";
  amount: number;
  amount_received: number;
  currency: string;
  status: "requires_payment_method" | "requires_capture" | "succeeded";
  client_secret: string;
  description: string | null;
  latest_charge: string | null;
  metadata: Record<string, string>;
  created: number;
}

interface Charge {
  id: string;
  object: "charge";
  amount: number;
  amount_captured: number;
  amount_refunded: number;
  captured: boolean;
  paid: boolean;
  refunded: boolean;
  status: "succeeded" | "failed";
  currency: string;
  payment_intent: string;
  failure_code: string | null;
  failure_message: string | null;
  billing_details: { email: string; name: string };
  payment_method_details: { type: string; card: { last4: string } };
  metadata: Record<string, string>;
  created: number;
}

interface Refund {
  id: string;
  object: "refund";
  amount: number;
  currency: string;
  charge: string;
  payment_intent: string;
  status: "pending" | "succeeded" | "failed";
  failure_reason?: string;
  metadata: Record<string, string>;
  created: number;
}

const id = (prefix: string) => `${prefix}_${randomBytes(12).toString("hex")}`;

const now = () => Math.floor(Date.now() / 1000);

class Refusal extends Error {
  readonly code: string;
  readonly status: number;
  readonly type: string;
  constructor(code: string, status = 400, type = "invalid_request_error") {
    super(code);
    this.code = code;
    this.status = status;
    this.type = type;
  }
}

const errorBody = (code: string, type = "invalid_request_error") => ({
  error: { code, type, message: code },
});

/** `metadata[payment_id]=…` of a form. */
function metadataOf(form: URLSearchParams): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [name, value] of form) {
    const key = /^metadata\[([\w-]{1,40})\]$/.exec(name)?.[1];
    if (key) found[key] = value;
  }
  return found;
}

export function createStripe(options: StripeOptions, journal: Journal, faults: Faults) {
  const intents = new Map<string, Intent>();
  const charges = new Map<string, Charge>();
  const refunds = new Map<string, Refund>();
  const byKey = new Map<string, { body: string; status: number; answer: unknown }>();
  let refundStatus: Refund["status"] = "succeeded";
  const deliveries = createDeliveries(journal, faults, {
    retryMs: options.retryMs ?? [200, 400, 800, 1_600],
    timeoutMs: 10_000,
  });

  function announce(type: string, object: object) {
    const created = now();
    return deliveries.deliver({
      provider: "stripe",
      url: `${options.functionsUrl()}/webhooks/stripe`,
      body: JSON.stringify({
        id: id("evt"),
        object: "event",
        type,
        created,
        livemode: false,
        data: { object },
      }),
      headers: (body) => ({
        "content-type": "application/json; charset=utf-8",
        "user-agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        "stripe-signature": `t=${created},v1=${createHmac("sha256", options.webhookSecret).update(`${created}.`).update(body).digest("hex")}`,
      }),
    });
  }

  function found<T>(map: Map<string, T>, key: string): T {
    const value = map.get(key);
    if (!value) throw new Refusal("resource_missing", 404);
    return value;
  }

  const list = (data: unknown[]) => ({ object: "list", data, has_more: false });

  function createIntent(form: URLSearchParams): Intent {
    const amount = Number(form.get("amount"));
    const currency = form.get("currency") ?? "";
    if (!Number.isSafeInteger(amount) || amount < 1) throw new Refusal("parameter_invalid_integer");
    if (amount < 50) throw new Refusal("amount_too_small");
    if (!/^[a-z]{3}$/.test(currency)) throw new Refusal("invalid_currency");
    const key = id("pi");
    const intent: Intent = {
      id: key,
      object: "payment_intent",
      amount,
      amount_received: 0,
      currency,
      status: "requires_payment_method",
      client_secret: `${key}_secret_${randomBytes(8).toString("hex")}`,
      description: form.get("description"),
      latest_charge: null,
      metadata: metadataOf(form),
      created: now(),
    };
    intents.set(key, intent);
    return intent;
  }

  function capture(intent: Intent): Promise<unknown>[] {
    const charge = found(charges, intent.latest_charge ?? "");
    charge.captured = true;
    charge.amount_captured = charge.amount;
    intent.status = "succeeded";
    intent.amount_received = charge.amount;
    return [
      announce("charge.captured", { ...charge }),
      announce("payment_intent.succeeded", { ...intent }),
    ];
  }

  function refund(charge: Charge, amount: number, metadata: Record<string, string>): Refund {
    if (!charge.captured) throw new Refusal("charge_not_captured");
    const left = charge.amount - charge.amount_refunded;
    if (left === 0) throw new Refusal("charge_already_refunded");
    if (!Number.isSafeInteger(amount) || amount < 1) throw new Refusal("parameter_invalid_integer");
    if (amount > left) throw new Refusal("amount_too_large");
    const made: Refund = {
      id: id("re"),
      object: "refund",
      amount,
      currency: charge.currency,
      charge: charge.id,
      payment_intent: charge.payment_intent,
      status: refundStatus,
      metadata,
      created: now(),
    };
    refunds.set(made.id, made);
    charge.amount_refunded += amount;
    charge.refunded = charge.amount_refunded === charge.amount;
    void announce("refund.created", { ...made });
    void announce("charge.refunded", { ...charge });
    return made;
  }

  function route({ method, url, body }: Exchange): unknown {
    const [, , , kind = "", key = "", action = ""] = url.pathname.split("/");
    const form = new URLSearchParams(body.toString("utf8"));
    const intent = url.searchParams.get("payment_intent");
    switch (
      `${method} ${kind}${key && (key === "search" ? "/search" : "/id")}${action && `/${action}`}`
    ) {
      case "GET balance":
        return { object: "balance", available: [], livemode: false };
      case "POST payment_intents":
        return createIntent(form);
      case "GET payment_intents/search": {
        const wanted = /^metadata\["payment_id"\]:"([^"]+)"$/.exec(
          url.searchParams.get("query") ?? "",
        )?.[1];
        return list([...intents.values()].filter(({ metadata }) => metadata.payment_id === wanted));
      }
      case "GET payment_intents/id":
        return found(intents, key);
      case "POST payment_intents/id/capture": {
        const held = found(intents, key);
        if (held.status !== "requires_capture")
          throw new Refusal("payment_intent_unexpected_state");
        capture(held);
        return held;
      }
      case "GET charges":
        return list([...charges.values()].filter((one) => one.payment_intent === intent));
      case "GET refunds":
        return list([...refunds.values()].filter((one) => one.payment_intent === intent));
      case "POST refunds": {
        const charge = found(charges, form.get("charge") ?? "");
        const amount = form.get("amount");
        return refund(
          charge,
          amount === null ? charge.amount - charge.amount_refunded : Number(amount),
          metadataOf(form),
        );
      }
      default:
        throw new Refusal("unrecognized_request_url", 404);
    }
  }

  function answerOnce(exchange: Exchange): { status: number; answer: unknown } {
    const key = exchange.headers["idempotency-key"];
    const body = `${exchange.url.pathname} ${exchange.body.toString("utf8")}`;
    const known = typeof key === "string" ? byKey.get(key) : undefined;
    if (known && known.body !== body) {
      return { status: 400, answer: errorBody("idempotency_key_in_use", "idempotency_error") };
    }
    if (known) return known;
    let made: { status: number; answer: unknown };
    try {
      made = { status: 200, answer: route(exchange) };
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      made = { status: error.status, answer: errorBody(error.code, error.type) };
    }
    if (typeof key === "string" && exchange.method === "POST") byKey.set(key, { body, ...made });
    return made;
  }

  function answerFault({ response }: Exchange, fault: Fault) {
    if (fault.kind === "rate_limit") {
      return sendJson(response, fault.status ?? 429, errorBody("rate_limit"), {
        "retry-after": String(fault.retryAfterSeconds),
      });
    }
    if (fault.kind === "token_expired")
      return sendJson(response, 401, errorBody("api_key_expired"));
    if (fault.kind === "not_found") return sendJson(response, 404, errorBody("resource_missing"));
    return sendJson(response, fault.status ?? 500, errorBody("api_error", "api_error"));
  }

  /** A person who pays with the client secret of an intent. */
  function pay(input: Record<string, unknown>) {
    const intent = intents.get(String(input.payment_intent));
    if (!intent) throw new ControlError(`there is no intent ${String(input.payment_intent)}`, 404);
    if (intent.status === "succeeded") throw new ControlError("this intent has succeeded", 409);
    const outcome = String(input.outcome ?? "captured");
    const isFailed = outcome === "failed";
    const charge: Charge = {
      id: id("ch"),
      object: "charge",
      amount: intent.amount,
      amount_captured: 0,
      amount_refunded: 0,
      captured: false,
      paid: !isFailed,
      refunded: false,
      status: isFailed ? "failed" : "succeeded",
      currency: intent.currency,
      payment_intent: intent.id,
      failure_code: isFailed ? "card_declined" : null,
      failure_message: isFailed ? "Your card was declined." : null,
      billing_details: { email: "payer@example.com", name: "A Payer" },
      payment_method_details: { type: "card", card: { last4: "4242" } },
      metadata: { ...intent.metadata },
      created: now(),
    };
    charges.set(charge.id, charge);
    intent.latest_charge = charge.id;
    if (isFailed) return { charge, told: Promise.all([announce("charge.failed", { ...charge })]) };
    if (outcome === "authorized") {
      intent.status = "requires_capture";
      return { charge, told: Promise.all([announce("charge.succeeded", { ...charge })]) };
    }
    charge.captured = true;
    charge.amount_captured = charge.amount;
    intent.status = "succeeded";
    intent.amount_received = charge.amount;
    const told = Promise.all([
      announce("charge.succeeded", { ...charge }),
      announce("payment_intent.succeeded", { ...intent }),
    ]);
    return { charge, told };
  }

  return {
    name: "stripe",
    owns: (path: string) => path.startsWith("/stripe/v1/"),

    async answer(exchange: Exchange, entry: Asked): Promise<void> {
      const { headers, response, url } = exchange;
      const fault = faults.takeApi("stripe", url.pathname + url.search);
      // A reset comes after the work is done: the caller cannot know.
      if (fault && fault.kind !== "reset") {
        entry.fault = fault.kind;
        if (!(await playTransportFault(fault, exchange))) answerFault(exchange, fault);
        return;
      }
      if (headers.authorization !== `Bearer ${options.secretKey}`) {
        return sendJson(response, 401, errorBody("invalid_api_key"));
      }
      const { status, answer } = answerOnce(exchange);
      if (fault) {
        entry.fault = fault.kind;
        await playTransportFault(fault, exchange);
        return;
      }
      sendJson(response, status, answer);
    },

    async control(method: string, action: string, input: Record<string, unknown>) {
      switch (`${method} ${action}`) {
        case "GET intents":
          return [...intents.values()];
        case "GET refunds":
          return [...refunds.values()];
        case "POST pay": {
          const { charge, told } = pay(input);
          if (input.wait === true) await told;
          return charge;
        }
        case "POST settings":
          if (typeof input.refund_status === "string")
            refundStatus = input.refund_status as Refund["status"];
          return { refund_status: refundStatus };
        case "POST refund_fails": {
          const failing = found(refunds, String(input.refund_id));
          failing.status = "failed";
          failing.failure_reason = "expired_or_canceled_card";
          await announce("refund.failed", { ...failing });
          return failing;
        }
        case "POST release":
          return { released: deliveries.release() };
        default:
          throw new ControlError(`no such action: ${method} ${action}`, 404);
      }
    },

    reset() {
      for (const map of [intents, charges, refunds, byKey]) map.clear();
      refundStatus = "succeeded";
    },
    settled: deliveries.settled,
    close: deliveries.close,
  };
}

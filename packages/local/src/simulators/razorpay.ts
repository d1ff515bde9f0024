// Razorpay on loopback: orders, payments and refunds, and the webhooks that tell of them. Stateful, so that what a
// webhook tells can be fetched, a lost answer found again, and a refund not be made twice.

import { createHmac, randomBytes } from "node:crypto";
import { createDeliveries } from "./delivery.ts";
import { type Fault, type Faults, playTransportFault } from "./faults.ts";
import { ControlError, type Exchange, parseObject, sendJson } from "./http.ts";
import type { Asked, Journal } from "./journal.ts";

export interface RazorpayOptions {
  functionsUrl(): string;
  keyId: string;
  keySecret: string;
  webhookSecret: string;
  retryMs?: number[] | undefined;
}

interface Order {
  id: string;
  entity: "order";
  amount: number;
  amount_paid: number;
  amount_due: number;
  currency: string;
  receipt: string | null;
  status: "created" | "attempted" | "paid";
  notes: Record<string, string> | never[];
  created_at: number;
}

interface Payment {
  id: string;
  entity: "payment";
  amount: number;
  currency: string;
  status: "created" | "authorized" | "captured" | "refunded" | "failed";
  order_id: string;
  method: string;
  captured: boolean;
  amount_refunded: number;
  refund_status: null | "partial" | "full";
  email: string;
  contact: string;
  notes: Record<string, string> | never[];
  error_code: string | null;
  error_description: string | null;
  created_at: number;
}

interface Refund {
  id: string;
  entity: "refund";
  payment_id: string;
  amount: number;
  currency: string;
  notes: Record<string, string> | never[];
  receipt: string | null;
  status: "pending" | "processed" | "failed";
  created_at: number;
}

const id = (prefix: string) => `${prefix}_${randomBytes(8).toString("hex").slice(0, 14)}`;

const now = () => Math.floor(Date.now() / 1000);

/** A refusal in Razorpay's own form. */
class Refusal extends Error {
  readonly status: number;
  constructor(description: string, status = 400) {
    super(description);
    this.status = status;
  }
}

const errorBody = (description: string, code = "BAD_REQUEST_ERROR") => ({
  error: { code, description, source: "business", step: null, reason: null, metadata: {} },
});

export function createRazorpay(options: RazorpayOptions, journal: Journal, faults: Faults) {
  const orders = new Map<string, Order>();
  const payments = new Map<string, Payment>();
  const refunds = new Map<string, Refund>();
  const byKey = new Map<string, { body: string; refund: Refund }>();
  let refundStatus: Refund["status"] = "processed";
  const deliveries = createDeliveries(journal, faults, {
    retryMs: options.retryMs ?? [200, 400, 800, 1_600],
    timeoutMs: 5_000,
  });
  const sign = (secret: string, data: string | Buffer) =>
    createHmac("sha256", secret).update(data).digest("hex");

  function announce(event: string, entities: Record<string, unknown>) {
    const eventId = id("evt");
    const payload = Object.fromEntries(
      Object.entries(entities).map(([name, entity]) => [name, { entity }]),
    );
    return deliveries.deliver({
      provider: "razorpay",
      url: `${options.functionsUrl()}/webhooks/razorpay`,
      body: JSON.stringify({
        entity: "event",
        account_id: "acc_simulated",
        event,
        contains: Object.keys(entities),
        payload,
        created_at: now(),
      }),
      headers: (body) => ({
        "content-type": "application/json",
        "user-agent": "Razorpay-Webhook/v1",
        "x-razorpay-event-id": eventId,
        "x-razorpay-signature": sign(options.webhookSecret, body),
      }),
    });
  }

  function found<T>(map: Map<string, T>, key: string): T {
    const value = map.get(key);
    if (!value) throw new Refusal("The id provided does not exist");
    return value;
  }

  const list = (items: unknown[]) => ({ entity: "collection", count: items.length, items });

  function createOrder(body: Record<string, unknown>): Order {
    const { amount, currency, receipt = null, notes = [] } = body;
    if (!Number.isSafeInteger(amount) || (amount as number) < 100) {
      throw new Refusal("Order amount less than minimum amount allowed");
    }
    if (typeof currency !== "string" || !/^[A-Z]{3}$/.test(currency)) {
      throw new Refusal("Currency is not supported");
    }
    if (receipt !== null && (typeof receipt !== "string" || receipt.length > 40)) {
      throw new Refusal("receipt: the length must be no more than 40.");
    }
    const order: Order = {
      id: id("order"),
      entity: "order",
      amount: amount as number,
      amount_paid: 0,
      amount_due: amount as number,
      currency,
      receipt,
      status: "created",
      notes: notes as Order["notes"],
      created_at: now(),
    };
    orders.set(order.id, order);
    return order;
  }

  function capture(payment: Payment) {
    const order = found(orders, payment.order_id);
    payment.status = "captured";
    payment.captured = true;
    order.amount_paid = payment.amount;
    order.amount_due = 0;
    order.status = "paid";
    return [
      announce("payment.captured", { payment: { ...payment } }),
      announce("order.paid", { payment: { ...payment }, order: { ...order } }),
    ];
  }

  function refund(payment: Payment, body: Record<string, unknown>, key: string | undefined) {
    const text = JSON.stringify(body);
    const known = key === undefined ? undefined : byKey.get(key);
    if (known && known.body !== text) {
      throw new Refusal(
        "Different request with the same idempotency key has already been processed.",
      );
    }
    if (known) return known.refund;
    const left = payment.amount - payment.amount_refunded;
    const amount = body.amount === undefined ? left : Number(body.amount);
    if (!payment.captured)
      throw new Refusal("The payment status should be captured for action to be taken");
    if (left === 0) throw new Refusal("The payment has been fully refunded already");
    if (!Number.isSafeInteger(amount) || amount < 100)
      throw new Refusal("The amount must be at least INR 1.00");
    if (amount > left)
      throw new Refusal("The total refund amount is greater than the refund payment amount");
    const made: Refund = {
      id: id("rfnd"),
      entity: "refund",
      payment_id: payment.id,
      amount,
      currency: payment.currency,
      notes: (body.notes ?? []) as Refund["notes"],
      receipt: typeof body.receipt === "string" ? body.receipt : null,
      status: refundStatus,
      created_at: now(),
    };
    refunds.set(made.id, made);
    if (key !== undefined) byKey.set(key, { body: text, refund: made });
    payment.amount_refunded += amount;
    payment.refund_status = payment.amount_refunded === payment.amount ? "full" : "partial";
    if (payment.refund_status === "full") payment.status = "refunded";
    void announce("refund.created", { payment: { ...payment }, refund: { ...made } });
    if (made.status === "processed") {
      void announce("refund.processed", { payment: { ...payment }, refund: { ...made } });
    }
    return made;
  }

  function route({ method, url, headers, body }: Exchange): unknown {
    const [, , , kind = "", key = "", action = ""] = url.pathname.split("/");
    const given = method === "POST" ? parseObject(body) : {};
    switch (`${method} ${kind}${key && "/id"}${action && `/${action}`}`) {
      case "POST orders":
        return createOrder(given);
      case "GET orders": {
        const receipt = url.searchParams.get("receipt");
        return list([...orders.values()].filter((one) => !receipt || one.receipt === receipt));
      }
      case "GET orders/id":
        return found(orders, key);
      case "GET orders/id/payments":
        return list([...payments.values()].filter((one) => one.order_id === found(orders, key).id));
      case "GET payments":
        return list([...payments.values()].slice(0, 10));
      case "GET payments/id":
        return found(payments, key);
      case "GET payments/id/refunds":
        return list([...refunds.values()].filter((one) => one.payment_id === key));
      case "POST payments/id/capture": {
        const payment = found(payments, key);
        if (payment.captured) throw new Refusal("This payment has already been captured");
        if (payment.status !== "authorized")
          throw new Refusal(
            "Only payments which have been authorized and not yet captured can be captured",
          );
        if (given.amount !== payment.amount)
          throw new Refusal("Capture amount must be equal to the amount authorized");
        capture(payment);
        return payment;
      }
      case "POST payments/id/refund": {
        const idempotency = headers["x-refund-idempotency"];
        return refund(
          found(payments, key),
          given,
          typeof idempotency === "string" && idempotency.length >= 10 ? idempotency : undefined,
        );
      }
      default:
        throw new Refusal("The requested URL was not found on the server.", 404);
    }
  }

  function answerFault({ response }: Exchange, fault: Fault) {
    const status = fault.status ?? (fault.kind === "rate_limit" ? 429 : 500);
    if (fault.kind === "rate_limit") {
      return sendJson(response, status, errorBody("Too many requests"), {
        "retry-after": String(fault.retryAfterSeconds),
      });
    }
    if (fault.kind === "token_expired") {
      return sendJson(response, 401, errorBody("Authentication failed"));
    }
    if (fault.kind === "not_found") {
      return sendJson(response, 400, errorBody("The id provided does not exist"));
    }
    return sendJson(
      response,
      status,
      errorBody(
        "We are facing some trouble completing your request at the moment.",
        "SERVER_ERROR",
      ),
    );
  }

  /** A person at the checkout: what its script then hands to the page, and what is delivered meanwhile. */
  function pay(input: Record<string, unknown>) {
    const order = orders.get(String(input.order_id));
    if (!order) throw new ControlError(`there is no order ${String(input.order_id)}`, 404);
    if (order.status === "paid" && input.again !== true)
      throw new ControlError("this order is paid", 409);
    const outcome = String(input.outcome ?? "captured");
    const payment: Payment = {
      id: id("pay"),
      entity: "payment",
      amount: order.amount,
      currency: order.currency,
      status: outcome === "failed" ? "failed" : "authorized",
      order_id: order.id,
      method: String(input.method ?? "upi"),
      captured: false,
      amount_refunded: 0,
      refund_status: null,
      email: "payer@example.com",
      contact: "+919876500000",
      notes: order.notes,
      error_code: outcome === "failed" ? "BAD_REQUEST_ERROR" : null,
      error_description: outcome === "failed" ? "Payment was unsuccessful" : null,
      created_at: now(),
    };
    payments.set(payment.id, payment);
    if (order.status === "created") order.status = "attempted";
    const told = [
      announce(outcome === "failed" ? "payment.failed" : "payment.authorized", {
        payment: { ...payment },
      }),
      ...(outcome === "captured" ? capture(payment) : []),
    ];
    const browser = {
      razorpay_payment_id: payment.id,
      razorpay_order_id: order.id,
      razorpay_signature: sign(options.keySecret, `${order.id}|${payment.id}`),
    };
    return { browser, told: Promise.all(told) };
  }

  return {
    name: "razorpay",
    owns: (path: string) => path.startsWith("/razorpay/v1/"),

    async answer(exchange: Exchange, entry: Asked): Promise<void> {
      const { headers, response, url } = exchange;
      const fault = faults.takeApi("razorpay", url.pathname + url.search);
      // A reset comes after the work is done: the caller cannot know.
      if (fault && fault.kind !== "reset") {
        entry.fault = fault.kind;
        if (!(await playTransportFault(fault, exchange))) answerFault(exchange, fault);
        return;
      }
      const basic = Buffer.from(`${options.keyId}:${options.keySecret}`).toString("base64");
      if (headers.authorization !== `Basic ${basic}`) {
        return sendJson(response, 401, errorBody("Authentication failed"));
      }
      try {
        const made = route(exchange);
        if (fault) {
          entry.fault = fault.kind;
          await playTransportFault(fault, exchange);
          return;
        }
        sendJson(response, 200, made);
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        sendJson(response, error.status, errorBody(error.message));
      }
    },

    async control(method: string, action: string, input: Record<string, unknown>) {
      switch (`${method} ${action}`) {
        case "GET orders":
          return [...orders.values()];
        case "GET refunds":
          return [...refunds.values()];
        case "POST pay": {
          const { browser, told } = pay(input);
          if (input.wait === true) await told;
          return browser;
        }
        case "POST refund":
          // Made by a person in the dashboard.
          return refund(
            found(payments, String(input.payment_id)),
            { amount: input.amount },
            undefined,
          );
        case "POST settings":
          if (typeof input.refund_status === "string")
            refundStatus = input.refund_status as Refund["status"];
          return { refund_status: refundStatus };
        case "POST release":
          return { released: deliveries.release() };
        default:
          throw new ControlError(`no such action: ${method} ${action}`, 404);
      }
    },

    reset() {
      for (const map of [orders, payments, refunds, byKey]) map.clear();
      refundStatus = "processed";
    },
    settled: deliveries.settled,
    close: deliveries.close,
  };
}

// Razorpay: Orders, Payments and Refunds. Its own package re-sends a POST whose answer is late under newer Deno
// and throws a TypeError on every failure of the network; these are seven calls, made by fetch.

import { Buffer } from "node:buffer";
import { z } from "zod";
import { verifyHmacSha256Hex } from "../crypto.ts";
import { fromMinor, minorDigits, toMinor } from "../money.ts";
import {
  type Gateway,
  type PaymentEvent,
  refuse,
  type ToldRefund,
  type ToldTransaction,
  timeOf,
} from "./gateway.ts";
import { type Fetch, getJson } from "./http.ts";
import { NotConnectedError, UnknownOutcomeError } from "./outcome.ts";

export interface RazorpayOptions {
  baseUrl: string;
  credentials(): Promise<{ keyId: string | undefined; keySecret: string | undefined }>;
  fetch?: Fetch;
  timeoutMs?: number;
}

// Empty notes come as a list, others as an object.
const notesSchema = z
  .union([z.record(z.string(), z.unknown()), z.array(z.unknown())])
  .nullish()
  .transform((notes) => (notes && !Array.isArray(notes) ? notes : {}));

const orderSchema = z.looseObject({
  id: z.string(),
  receipt: z.string().nullish(),
  notes: notesSchema,
});

const paymentSchema = z.looseObject({
  id: z.string(),
  amount: z.number().int(),
  currency: z.string(),
  status: z.string(),
  order_id: z.string().nullish(),
  method: z.string().nullish(),
  captured: z.boolean().nullish(),
  amount_refunded: z.number().int().nullish(),
  fee: z.number().int().nullish(),
  tax: z.number().int().nullish(),
  error_code: z.string().nullish(),
  error_reason: z.string().nullish(),
  error_description: z.string().nullish(),
  notes: notesSchema,
  created_at: z.number().int(),
});

const refundSchema = z.looseObject({
  id: z.string(),
  payment_id: z.string(),
  amount: z.number().int(),
  currency: z.string(),
  status: z.string(),
  notes: notesSchema,
  created_at: z.number().int(),
});

const listOf = <Item extends z.ZodType>(item: Item) => z.looseObject({ items: z.array(item) });

const deliverySchema = z.looseObject({
  event: z.string(),
  payload: z.looseObject({
    payment: z.looseObject({ entity: paymentSchema }).optional(),
    order: z.looseObject({ entity: orderSchema }).optional(),
    refund: z.looseObject({ entity: refundSchema }).optional(),
  }),
});

const errorSchema = z.object({
  error: z.object({ code: z.string().optional(), description: z.string().optional() }),
});

const methods = new Set(["card", "upi", "netbanking", "wallet", "emi"]);

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

const idIn = (notes: Record<string, unknown>, name: string): string | null => {
  const id = notes[name];
  return typeof id === "string" && uuid.test(id) ? id : null;
};

const minorOf = (amount: string, currency: string) => toMinor(amount, minorDigits(currency));

const unitsOf = (minor: number, currency: string) => fromMinor(minor, minorDigits(currency));

function statusOf(payment: z.output<typeof paymentSchema>): ToldTransaction["status"] {
  switch (payment.status) {
    case "captured":
      return "captured";
    case "authorized":
      return "authorized";
    case "failed":
      return "failed";
    case "refunded":
      // What was never captured is given back by itself after some days.
      return payment.captured === false ? "voided" : "captured";
    default:
      return "created";
  }
}

function transactionOf(payment: z.output<typeof paymentSchema>): ToldTransaction {
  const { id, status, method, amount, currency, fee, tax, error_code, error_reason } = payment;
  return {
    transaction_id: id,
    status: statusOf(payment),
    amount: unitsOf(amount, currency),
    currency,
    method: method && methods.has(method) ? method : null,
    at: timeOf(payment.created_at),
    failure: payment.error_description ?? error_reason ?? error_code ?? null,
    response: { id, status, method, amount, currency, fee, tax, error_code, error_reason },
  };
}

function refundOf(refund: z.output<typeof refundSchema>): ToldRefund {
  const known: Record<string, ToldRefund["status"]> = { processed: "succeeded", failed: "failed" };
  return {
    refund_id: refund.id,
    own_id: idIn(refund.notes, "refund_id"),
    transaction_id: refund.payment_id,
    status: known[refund.status] ?? "processing",
    amount: unitsOf(refund.amount, refund.currency),
    currency: refund.currency,
    at: timeOf(refund.created_at),
    failure: refund.status === "failed" ? "Razorpay could not make the refund" : null,
  };
}

/** What a delivery is about; its other events change nothing. */
const events =
  /^(payment\.(authorized|captured|failed)|order\.paid|refund\.(created|processed|failed|speed_changed))$/;

export function razorpayEvent(delivery: unknown): PaymentEvent | null {
  const parsed = deliverySchema.safeParse(delivery);
  if (!parsed.success || !events.test(parsed.data.event)) return null;
  const { payment, order, refund } = parsed.data.payload;
  if (!payment && !refund) return null;
  return {
    order_id: order?.entity.id ?? payment?.entity.order_id ?? null,
    payment_id: order
      ? idIn(order.entity.notes, "payment_id")
      : payment
        ? idIn(payment.entity.notes, "payment_id")
        : null,
    transactions: payment ? [transactionOf(payment.entity)] : [],
    refunds: refund ? [refundOf(refund.entity)] : [],
  };
}

/** Unique and at most 40 characters, as a receipt must be. */
const receiptOf = (paymentId: string) => paymentId.replaceAll("-", "");

export function createRazorpay(options: RazorpayOptions): Gateway {
  const fetcher: Fetch = options.fetch ?? ((url, init) => fetch(url, init));

  async function call<Schema extends z.ZodType>(
    path: string,
    schema: Schema,
    signal: AbortSignal | undefined,
    body?: Record<string, unknown>,
    headers: Record<string, string> = {},
  ): Promise<z.output<Schema>> {
    const { keyId, keySecret } = await options.credentials();
    if (!keyId || !keySecret) throw new NotConnectedError("Razorpay is not set up");
    const answer = await getJson(fetcher, `${options.baseUrl}/v1/${path}`, {
      headers: {
        authorization: `Basic ${Buffer.from(`${keyId}:${keySecret}`).toString("base64")}`,
        ...(body ? { "content-type": "application/json" } : {}),
        ...headers,
      },
      ...(body ? { method: "POST" as const, body: JSON.stringify(body) } : {}),
      timeoutMs: options.timeoutMs ?? 15_000,
      signal,
    });
    if (answer.status !== 200) {
      const said = errorSchema.safeParse(answer.body);
      if (!said.success && answer.status < 500 && answer.status !== 429) {
        throw new UnknownOutcomeError(`HTTP ${answer.status} without an answer of Razorpay`);
      }
      refuse(answer, `Razorpay: ${said.data?.error.description ?? "no reason"}`.slice(0, 300));
    }
    const parsed = schema.safeParse(answer.body);
    if (!parsed.success)
      throw new UnknownOutcomeError("the answer of Razorpay is not of the expected form");
    return parsed.data;
  }

  async function findOrder(paymentId: string, signal?: AbortSignal): Promise<string | null> {
    const { items } = await call(
      `orders?receipt=${receiptOf(paymentId)}`,
      listOf(orderSchema),
      signal,
    );
    // The filter is theirs; the receipt is looked at again.
    return items.find(({ receipt }) => receipt === receiptOf(paymentId))?.id ?? null;
  }

  const refundsOf = async (transactionId: string, signal?: AbortSignal) =>
    (await call(`payments/${transactionId}/refunds?count=100`, listOf(refundSchema), signal)).items;

  return {
    name: "razorpay",
    async check(signal) {
      await call("payments?count=1", listOf(paymentSchema), signal);
    },
    findOrder,
    async createOrder(request, signal) {
      const known = request.mayExist ? await findOrder(request.paymentId, signal) : null;
      if (known) return known;
      const order = await call("orders", orderSchema, signal, {
        amount: minorOf(request.amount, request.currency),
        currency: request.currency,
        receipt: receiptOf(request.paymentId),
        notes: { payment_id: request.paymentId },
      });
      return order.id;
    },
    async checkout(_orderId, amount, currency) {
      const { keyId } = await options.credentials();
      if (!keyId) throw new NotConnectedError("Razorpay is not set up");
      return { key_id: keyId, amount_in_minor_units: minorOf(amount, currency) };
    },
    async isReturnGenuine(orderId, transactionId, response) {
      const { keySecret } = await options.credentials();
      const signature = response.razorpay_signature;
      if (typeof signature !== "string") return false;
      const signed = new TextEncoder().encode(`${orderId}|${transactionId}`);
      return verifyHmacSha256Hex(keySecret, signed, signature);
    },
    async snapshot(orderId, signal) {
      const order = await call(`orders/${orderId}`, orderSchema, signal);
      const { items } = await call(`orders/${orderId}/payments`, listOf(paymentSchema), signal);
      const refunds: ToldRefund[] = [];
      for (const payment of items) {
        const isCaptured = ["captured", "refunded"].includes(payment.status);
        if (isCaptured) refunds.push(...(await refundsOf(payment.id, signal)).map(refundOf));
      }
      return {
        order_id: orderId,
        payment_id: idIn(order.notes, "payment_id"),
        transactions: items.map(transactionOf),
        refunds,
      };
    },
    async capture(transaction, _orderId, signal) {
      await call(`payments/${transaction.transaction_id}/capture`, paymentSchema, signal, {
        amount: minorOf(transaction.amount, transaction.currency),
        currency: transaction.currency,
      });
    },
    async refund(request, signal) {
      const known = request.mayExist
        ? (await refundsOf(request.transactionId, signal)).find(
            ({ notes }) => idIn(notes, "refund_id") === request.refundId,
          )
        : undefined;
      if (known) return refundOf(known);
      const made = await call(
        `payments/${request.transactionId}/refund`,
        refundSchema,
        signal,
        {
          amount: minorOf(request.amount, request.currency),
          receipt: receiptOf(request.refundId),
          notes: { refund_id: request.refundId, payment_id: request.paymentId },
        },
        { "x-refund-idempotency": request.refundId },
      );
      return refundOf(made);
    },
    eventOf: razorpayEvent,
  };
}

// Stripe: Payment Intents, Charges and Refunds. Every POST has an idempotency key, so that one whose answer was
// lost is made again without harm.

import { z } from "zod";
import { type Bytes, verifyHmacSha256Hex } from "../crypto.ts";
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

export interface StripeOptions {
  baseUrl: string;
  credentials(): Promise<{ secretKey: string | undefined }>;
  fetch?: Fetch;
  timeoutMs?: number;
}

const metadataSchema = z
  .record(z.string(), z.string())
  .nullish()
  .transform((metadata) => metadata ?? {});

/** Given by its id, or whole. */
const idOf = z
  .union([z.string(), z.looseObject({ id: z.string() }).transform(({ id }) => id)])
  .nullish()
  .transform((id) => id ?? null);

const chargeSchema = z.looseObject({
  object: z.literal("charge"),
  id: z.string(),
  amount: z.number().int(),
  amount_captured: z.number().int().default(0),
  captured: z.boolean(),
  status: z.string(),
  refunded: z.boolean().default(false),
  currency: z.string(),
  payment_intent: idOf,
  failure_code: z.string().nullish(),
  failure_message: z.string().nullish(),
  payment_method_details: z.looseObject({ type: z.string().nullish() }).nullish(),
  metadata: metadataSchema,
  created: z.number().int(),
});

const intentSchema = z.looseObject({
  object: z.literal("payment_intent"),
  id: z.string(),
  client_secret: z.string().nullish(),
  metadata: metadataSchema,
});

const refundSchema = z.looseObject({
  object: z.literal("refund"),
  id: z.string(),
  amount: z.number().int(),
  currency: z.string(),
  charge: idOf,
  payment_intent: idOf,
  status: z.string().nullish(),
  failure_reason: z.string().nullish(),
  metadata: metadataSchema,
  created: z.number().int(),
});

const listOf = <Item extends z.ZodType>(item: Item) => z.looseObject({ data: z.array(item) });

const deliverySchema = z.looseObject({
  id: z.string(),
  type: z.string(),
  data: z.looseObject({ object: z.unknown() }),
});

const errorSchema = z.object({
  error: z.object({ code: z.string().optional(), type: z.string().optional() }),
});

// Stripe counts these in hundredths, although ISO 4217 gives them no minor unit.
const countedInHundredths = new Set(["ISK", "UGX"]);

export const stripeDigits = (currency: string): number =>
  countedInHundredths.has(currency) ? 2 : minorDigits(currency);

const minorOf = (amount: string, currency: string) => toMinor(amount, stripeDigits(currency));

const unitsOf = (minor: number, currency: string) => fromMinor(minor, stripeDigits(currency));

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

const idIn = (metadata: Record<string, string>, name: string): string | null => {
  const id = metadata[name];
  return id && uuid.test(id) ? id : null;
};

function statusOf(charge: z.output<typeof chargeSchema>): ToldTransaction["status"] {
  if (charge.status === "failed") return "failed";
  if (charge.status !== "succeeded") return "created";
  if (charge.captured) return "captured";
  return charge.refunded ? "voided" : "authorized";
}

function transactionOf(charge: z.output<typeof chargeSchema>): ToldTransaction {
  const currency = charge.currency.toUpperCase();
  const { id, status, amount, amount_captured, failure_code } = charge;
  const type = charge.payment_method_details?.type;
  return {
    transaction_id: id,
    status: statusOf(charge),
    amount: unitsOf(charge.captured ? amount_captured : amount, currency),
    currency,
    method: type === "card" ? "card" : null,
    at: timeOf(charge.created),
    failure: charge.failure_message ?? failure_code ?? null,
    response: { id, status, amount, amount_captured, currency, failure_code, type },
  };
}

function refundOf(refund: z.output<typeof refundSchema>): ToldRefund | null {
  if (!refund.charge) return null;
  const currency = refund.currency.toUpperCase();
  const known: Record<string, ToldRefund["status"]> = {
    succeeded: "succeeded",
    failed: "failed",
    canceled: "failed",
  };
  return {
    refund_id: refund.id,
    own_id: idIn(refund.metadata, "refund_id"),
    transaction_id: refund.charge,
    status: known[refund.status ?? ""] ?? "processing",
    amount: unitsOf(refund.amount, currency),
    currency,
    at: timeOf(refund.created),
    failure: refund.failure_reason ?? (refund.status === "canceled" ? "canceled" : null),
  };
}

export function stripeEvent(delivery: unknown): PaymentEvent | null {
  const parsed = deliverySchema.safeParse(delivery);
  if (!parsed.success) return null;
  // Intents say nothing of money that their charges do not.
  const charge = chargeSchema.safeParse(parsed.data.data.object);
  if (charge.success && /^charge\./.test(parsed.data.type)) {
    if (!charge.data.payment_intent) return null;
    return {
      order_id: charge.data.payment_intent,
      payment_id: idIn(charge.data.metadata, "payment_id"),
      transactions: [transactionOf(charge.data)],
      refunds: [],
    };
  }
  const refund = refundSchema.safeParse(parsed.data.data.object);
  const told = refund.success ? refundOf(refund.data) : null;
  if (!refund.success || !told || !refund.data.payment_intent) return null;
  return {
    order_id: refund.data.payment_intent,
    payment_id: null,
    transactions: [],
    refunds: [told],
  };
}

const toleranceSeconds = 300;

/** Stripe-Signature: `t=<seconds>,v1=<hex>,…`, over `<seconds>.<body>`; old and future times are refused. */
export async function verifyStripeSignature(
  secrets: string[],
  raw: Bytes,
  header: string,
  now = Date.now(),
): Promise<boolean> {
  const parts = header.split(",").map((part) => part.trim().split("=", 2));
  const time = parts.find(([name]) => name === "t")?.[1] ?? "";
  if (!/^\d{1,12}$/.test(time) || Math.abs(now / 1000 - Number(time)) > toleranceSeconds)
    return false;
  const prefix = new TextEncoder().encode(`${time}.`);
  const signed = new Uint8Array(prefix.length + raw.length);
  signed.set(prefix);
  signed.set(raw, prefix.length);
  const given = parts.filter(([name]) => name === "v1").slice(0, 5);
  for (const secret of secrets) {
    for (const [, signature = ""] of given) {
      if (await verifyHmacSha256Hex(secret, signed, signature)) return true;
    }
  }
  return false;
}

export function createStripe(options: StripeOptions): Gateway {
  const fetcher: Fetch = options.fetch ?? ((url, init) => fetch(url, init));

  async function call<Schema extends z.ZodType>(
    path: string,
    schema: Schema,
    signal: AbortSignal | undefined,
    form?: Record<string, string>,
    key?: string,
  ): Promise<z.output<Schema>> {
    const { secretKey } = await options.credentials();
    if (!secretKey) throw new NotConnectedError("Stripe is not set up");
    const answer = await getJson(fetcher, `${options.baseUrl}/v1/${path}`, {
      headers: {
        authorization: `Bearer ${secretKey}`,
        ...(form ? { "content-type": "application/x-www-form-urlencoded" } : {}),
        ...(key ? { "idempotency-key": key } : {}),
      },
      ...(form ? { method: "POST" as const, body: new URLSearchParams(form).toString() } : {}),
      timeoutMs: options.timeoutMs ?? 15_000,
      signal,
    });
    if (answer.status !== 200) {
      const said = errorSchema.safeParse(answer.body);
      if (!said.success && answer.status < 500 && answer.status !== 429) {
        throw new UnknownOutcomeError(`HTTP ${answer.status} without an answer of Stripe`);
      }
      refuse(answer, `Stripe: ${said.data?.error.code ?? said.data?.error.type ?? "no reason"}`);
    }
    const parsed = schema.safeParse(answer.body);
    if (!parsed.success)
      throw new UnknownOutcomeError("the answer of Stripe is not of the expected form");
    return parsed.data;
  }

  async function findOrder(paymentId: string, signal?: AbortSignal): Promise<string | null> {
    const query = encodeURIComponent(`metadata["payment_id"]:"${paymentId}"`);
    const { data } = await call(
      `payment_intents/search?query=${query}`,
      listOf(intentSchema),
      signal,
    );
    return data.find(({ metadata }) => metadata.payment_id === paymentId)?.id ?? null;
  }

  const refundsOf = async (orderId: string, signal?: AbortSignal) =>
    (await call(`refunds?payment_intent=${orderId}&limit=100`, listOf(refundSchema), signal)).data;

  const certain = (refund: ToldRefund | null): ToldRefund => {
    if (!refund) throw new UnknownOutcomeError("Stripe names no charge of the refund");
    return refund;
  };

  return {
    name: "stripe",
    async check(signal) {
      await call("balance", z.looseObject({ object: z.literal("balance") }), signal);
    },
    findOrder,
    async createOrder(request, signal) {
      // A key is remembered for a day; after that the intent is to be found by what it says.
      const known = request.mayExist ? await findOrder(request.paymentId, signal) : null;
      if (known) return known;
      const intent = await call(
        "payment_intents",
        intentSchema,
        signal,
        {
          amount: String(minorOf(request.amount, request.currency)),
          currency: request.currency.toLowerCase(),
          "automatic_payment_methods[enabled]": "true",
          "metadata[payment_id]": request.paymentId,
          ...(request.description ? { description: request.description } : {}),
        },
        `order-${request.paymentId}`,
      );
      return intent.id;
    },
    async checkout(orderId, amount, currency, signal) {
      const intent = await call(`payment_intents/${orderId}`, intentSchema, signal);
      return {
        ...(intent.client_secret ? { client_secret: intent.client_secret } : {}),
        amount_in_minor_units: minorOf(amount, currency),
      };
    },
    async isReturnGenuine(orderId, transactionId) {
      // Stripe signs nothing in the browser: what it brings is a hint, and Stripe itself is asked.
      return transactionId === orderId || transactionId.startsWith("ch_");
    },
    async snapshot(orderId, signal) {
      const intent = await call(`payment_intents/${orderId}`, intentSchema, signal);
      const charges = await call(
        `charges?payment_intent=${orderId}&limit=100`,
        listOf(chargeSchema),
        signal,
      );
      const refunds = await refundsOf(orderId, signal);
      return {
        order_id: orderId,
        payment_id: idIn(intent.metadata, "payment_id"),
        transactions: charges.data.map(transactionOf),
        refunds: refunds.flatMap((refund) => refundOf(refund) ?? []),
      };
    },
    async capture(_transaction, orderId, signal) {
      await call(
        `payment_intents/${orderId}/capture`,
        intentSchema,
        signal,
        {},
        `capture-${orderId}`,
      );
    },
    async refund(request, signal) {
      const known =
        request.mayExist && request.orderId
          ? (await refundsOf(request.orderId, signal)).find(
              ({ metadata }) => metadata.refund_id === request.refundId,
            )
          : undefined;
      if (known) return certain(refundOf(known));
      const made = await call(
        "refunds",
        refundSchema,
        signal,
        {
          charge: request.transactionId,
          amount: String(minorOf(request.amount, request.currency)),
          "metadata[refund_id]": request.refundId,
          "metadata[payment_id]": request.paymentId,
        },
        `refund-${request.refundId}`,
      );
      return certain(refundOf(made));
    },
    eventOf: stripeEvent,
  };
}

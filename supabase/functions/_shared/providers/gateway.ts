// What payments need of a gateway. Amounts are decimal text in units of the currency on our side; each gateway
// converts them where it talks to the vendor, and nowhere else.

import type { PaymentGateway } from "@intake/types";
import type { Answer } from "./http.ts";
import {
  NotConnectedError,
  PermanentError,
  RetryAfterError,
  retryAfterSeconds,
  UnknownOutcomeError,
} from "./outcome.ts";

export interface ToldTransaction {
  transaction_id: string;
  status: "created" | "failed" | "authorized" | "voided" | "captured";
  amount: string;
  currency: string;
  method: string | null;
  at: string;
  failure: string | null;
  /** What may be kept: nothing about the person who paid. */
  response: Record<string, unknown>;
}

export interface ToldRefund {
  refund_id: string;
  /** The id of our refund, where the gateway gives it back. */
  own_id: string | null;
  transaction_id: string;
  status: "processing" | "succeeded" | "failed";
  amount: string;
  currency: string;
  at: string;
  failure: string | null;
}

/** What payment_apply_event() takes. */
export interface PaymentEvent {
  order_id: string | null;
  /** The id of our payment, where the gateway gives it back. */
  payment_id: string | null;
  transactions: ToldTransaction[];
  refunds: ToldRefund[];
}

export interface OrderRequest {
  paymentId: string;
  amount: string;
  currency: string;
  description: string | null;
  /** It was asked for before, and the answer may have been lost. */
  mayExist: boolean;
}

export interface RefundRequest {
  refundId: string;
  paymentId: string;
  orderId: string | null;
  transactionId: string;
  amount: string;
  currency: string;
  mayExist: boolean;
}

/** What the gateway's script in the browser needs. */
export interface Checkout {
  key_id?: string;
  client_secret?: string;
  amount_in_minor_units: number;
}

export interface Gateway {
  readonly name: PaymentGateway;
  /** The cheapest call that needs the credentials. */
  check(signal?: AbortSignal): Promise<void>;
  /** Makes the order, or finds the one that was made. */
  createOrder(request: OrderRequest, signal?: AbortSignal): Promise<string>;
  findOrder(paymentId: string, signal?: AbortSignal): Promise<string | null>;
  checkout(
    orderId: string,
    amount: string,
    currency: string,
    signal?: AbortSignal,
  ): Promise<Checkout>;
  /** Whether what the browser brings was said by the gateway. */
  isReturnGenuine(
    orderId: string,
    transactionId: string,
    response: Record<string, unknown>,
  ): Promise<boolean>;
  /** Everything there is about an order now. */
  snapshot(orderId: string, signal?: AbortSignal): Promise<PaymentEvent>;
  /** Takes the money of an attempt that the bank has allowed. */
  capture(transaction: ToldTransaction, orderId: string, signal?: AbortSignal): Promise<void>;
  refund(request: RefundRequest, signal?: AbortSignal): Promise<ToldRefund>;
  /** What a delivery tells of a payment; null for what is none of ours. */
  eventOf(delivery: unknown): PaymentEvent | null;
}

export type Gateways = Record<PaymentGateway, Gateway>;

/** An order with what the bank allowed but nobody took: late permissions are not captured by themselves. */
export async function snapshotAndCapture(
  gateway: Gateway,
  orderId: string,
  signal?: AbortSignal,
): Promise<PaymentEvent> {
  const event = await gateway.snapshot(orderId, signal);
  const allowed = event.transactions.find(({ status }) => status === "authorized");
  if (!allowed || event.transactions.some(({ status }) => status === "captured")) return event;
  try {
    await gateway.capture(allowed, orderId, signal);
  } catch (error) {
    // Captured by the gateway itself meanwhile, or taken back: the next look tells.
    if (!(error instanceof PermanentError)) throw error;
  }
  return gateway.snapshot(orderId, signal);
}

/** Turns a refusal into one of the three kinds, with words that hold nothing secret. */
export function refuse(answer: Answer, what: string): never {
  const wait = retryAfterSeconds(answer.headers.get("retry-after"));
  const message = `${what}, HTTP ${answer.status}`;
  if (answer.status === 429) throw new RetryAfterError(message, wait ?? 30, true);
  // The same request is being worked on.
  if (answer.status === 409) throw new RetryAfterError(message, wait ?? 10);
  if (answer.status === 401 || answer.status === 403) throw new NotConnectedError(message);
  if (answer.status >= 400 && answer.status < 500) throw new PermanentError(message);
  throw new UnknownOutcomeError(message);
}

/** What deliveries say of the person is not stored: it is the gateway's to keep. */
const personal = new Set([
  "email",
  "contact",
  "phone",
  "name",
  "vpa",
  "upi",
  "card",
  "bank_account",
  "billing_details",
  "shipping",
  "receipt_email",
  "customer_email",
  "customer_details",
  "payer_account_type",
  "payment_method_details",
  "client_secret",
]);

export function withoutPerson(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutPerson);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, inner]) => {
      if (key === "payment_method_details" && typeof inner === "object" && inner !== null) {
        return [[key, { type: (inner as { type?: unknown }).type ?? null }]];
      }
      return personal.has(key) ? [] : [[key, withoutPerson(inner)]];
    }),
  );
}

/** Seconds since 1970, as both vendors write times. */
export const timeOf = (seconds: number): string => new Date(seconds * 1000).toISOString();

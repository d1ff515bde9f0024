// Those who carry messages, on loopback: each takes what it is given, remembers it, and reports on it by
// signed webhooks as its vendor documents. Credentials are made at each start and given to the functions.

import { randomBytes } from "node:crypto";
import { createDeliveries } from "./delivery.ts";
import { type Faults, playTransportFault } from "./faults.ts";
import { ControlError, type Exchange, sendJson } from "./http.ts";
import type { Asked, Delivery, Journal } from "./journal.ts";

export interface CarrierOptions {
  functionsUrl(): string;
  retryMs?: number[] | undefined;
}

/** A message as the vendor keeps it. */
export interface Carried {
  id: string;
  /** What the vendor gives back with every report. */
  about: string | undefined;
  to: string;
  text: string;
  fields: Record<string, unknown>;
}

/** What one vendor does its own way. */
export interface Vendor {
  name: string;
  /** Takes a message, or answers why not. */
  take(
    exchange: Exchange,
  ):
    | { message: Carried; status: number; body: unknown; headers?: Record<string, string> }
    | { status: number; body: unknown };
  refusal(status: number): unknown;
  /** A webhook about a message of ours, or with one that came in. */
  report(message: Carried, event: Record<string, unknown>): { body: string; query?: string };
  inbound(input: Record<string, unknown>): { body: string; query?: string };
  headers(url: string, body: Buffer): Record<string, string>;
  /** Answers what else the vendor is asked. */
  other?(exchange: Exchange): boolean;
}

export const randomId = (bytes = 16) => randomBytes(bytes).toString("hex");

export function createCarrier(
  vendor: Vendor,
  options: CarrierOptions,
  journal: Journal,
  faults: Faults,
) {
  let messages: Carried[] = [];
  const deliveries = createDeliveries(journal, faults, {
    retryMs: options.retryMs ?? [200, 400, 800, 1_600, 3_200],
    timeoutMs: 20_000,
  });

  function deliver({ body, query = "" }: { body: string; query?: string }): Promise<Delivery> {
    const url = `${options.functionsUrl()}/webhooks/${vendor.name}${query}`;
    return deliveries.deliver({
      provider: vendor.name,
      url,
      body,
      headers: (bytes) => vendor.headers(url, bytes),
    });
  }

  function find(input: Record<string, unknown>): Carried {
    const found = messages.find(({ id, about }) => id === input.id || about === input.about);
    if (!found) throw new ControlError("there is no such message", 404);
    return found;
  }

  return {
    name: vendor.name,
    owns: (path: string) => path.startsWith(`/${vendor.name}/`),

    async answer(exchange: Exchange, entry: Asked): Promise<void> {
      const path = exchange.url.pathname;
      const fault = faults.takeApi(vendor.name, path + exchange.url.search);
      if (fault) {
        entry.fault = fault.kind;
        if (fault.kind === "reset" || fault.kind === "hang") {
          // The vendor took it, and its answer is lost.
          const taken = vendor.take(exchange);
          if ("message" in taken) messages.push(taken.message);
        }
        if (await playTransportFault(fault, exchange)) return;
        const status = fault.status ?? (fault.kind === "rate_limit" ? 429 : 503);
        const wait = { "retry-after": String(fault.retryAfterSeconds) };
        return sendJson(exchange.response, status, vendor.refusal(status), wait);
      }
      if (vendor.other?.(exchange)) return;
      const taken = vendor.take(exchange);
      if ("message" in taken) messages.push(taken.message);
      sendJson(
        exchange.response,
        taken.status,
        taken.body,
        "headers" in taken ? taken.headers : {},
      );
    },

    /** GET messages; POST report {id or about, event fields}; POST inbound {vendor's fields}. */
    async control(method: string, action: string, input: Record<string, unknown>) {
      switch (`${method} ${action}`) {
        case "GET messages":
          return messages;
        case "POST report":
          return await deliver(vendor.report(find(input), input));
        case "POST inbound":
          return await deliver(vendor.inbound(input));
        case "POST release":
          return { released: deliveries.release() };
        default:
          throw new ControlError(`no such action: ${method} ${action}`, 404);
      }
    },

    reset() {
      messages = [];
    },
    close: deliveries.close,
  };
}

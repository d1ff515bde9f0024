// Delivers webhooks as a vendor does: at least once, retried with backoff until the receiver says
// 200, and, when told to, twice, out of order, forged, cut short or never.

import { randomUUID } from "node:crypto";
import { request as httpRequest } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import type { Faults } from "./faults.ts";
import type { Attempt, Delivery, Journal } from "./journal.ts";

export interface DeliverySettings {
  /** Waits before the second, third, … attempt. When they are used up the delivery has failed. */
  retryMs: number[];
  timeoutMs: number;
}

interface Message {
  provider: string;
  url: string;
  body: string;
  /** Signs exactly these bytes. */
  headers(body: Buffer): Record<string, string>;
}

const keepOfResponse = 2_000;

function attempt(
  url: string,
  headers: Record<string, string>,
  body: Buffer,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Attempt> {
  const startedAt = Date.now();
  return new Promise((resolve) => {
    const settle = (status: number | null, response: string, error: string | null) =>
      resolve({
        at: new Date(startedAt).toISOString(),
        status,
        error,
        response,
        durationMs: Date.now() - startedAt,
      });
    const outgoing = httpRequest(
      url,
      {
        method: "POST",
        headers: { ...headers, "content-length": body.length },
        agent: false,
        signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      },
      (incoming) => {
        let text = "";
        incoming.setEncoding("utf8");
        incoming.on("data", (chunk: string) => {
          if (text.length < keepOfResponse) text += chunk;
        });
        incoming.on("error", (error) => settle(null, text, error.message));
        incoming.on("end", () => settle(incoming.statusCode ?? null, text, null));
      },
    );
    outgoing.on("error", (error) => settle(null, "", error.message));
    outgoing.end(body);
  });
}

export function createDeliveries(journal: Journal, faults: Faults, settings: DeliverySettings) {
  const closing = new AbortController();
  const running = new Set<Promise<unknown>>();
  let held: (() => void)[] = [];

  async function send(entry: Delivery, body: Buffer): Promise<Delivery> {
    entry.state = "waiting";
    for (let i = 0; !closing.signal.aborted; i++) {
      const result = await attempt(
        entry.url,
        entry.headers,
        body,
        settings.timeoutMs,
        closing.signal,
      );
      entry.attempts.push(result);
      if (result.status === 200) {
        entry.state = "delivered";
        return entry;
      }
      const wait = settings.retryMs[i];
      if (wait === undefined) break;
      await delay(wait, undefined, { signal: closing.signal }).catch(() => {});
    }
    entry.state = "failed";
    return entry;
  }

  function track<T>(work: Promise<T>): Promise<T> {
    running.add(work);
    return work.finally(() => running.delete(work));
  }

  function record(message: Message, body: Buffer): Delivery {
    return journal.recordDelivery({
      id: randomUUID(),
      at: new Date().toISOString(),
      provider: message.provider,
      url: message.url,
      headers: message.headers(body),
      body: body.toString("utf8"),
      state: "waiting",
      attempts: [],
    });
  }

  return {
    settings,

    /** Resolves when the receiver has said 200, or when no more attempts are left. */
    async deliver(message: Message): Promise<Delivery> {
      const body = Buffer.from(message.body, "utf8");
      const entry = record(message, body);
      const fault = faults.takeDelivery(message.provider, message.url);
      switch (fault?.kind) {
        case "drop":
          entry.state = "dropped";
          return entry;
        case "reorder":
          // Kept back until a later one has gone out, or until it is released.
          entry.state = "held";
          held.push(() => void track(send(entry, body)));
          return entry;
        case "duplicate": {
          const copies = Array.from({ length: fault.copies }, () => record(message, body));
          const all = [entry, ...copies].map((copy) => track(send(copy, body)));
          await Promise.all(all);
          return entry;
        }
        case "forge":
          entry.headers = message.headers(Buffer.from(`${message.body} `, "utf8"));
          break;
        case "truncate":
          return track(send(entry, body.subarray(0, Math.floor(body.length / 2))));
      }
      const sent = await track(send(entry, body));
      this.release();
      return sent;
    },

    /** Sends what a `reorder` fault has kept back. */
    release(): number {
      const now = held;
      held = [];
      for (const go of now) go();
      return now.length;
    },

    /** Waits until nothing is on its way any more. */
    async settled(): Promise<void> {
      while (running.size > 0) await Promise.allSettled(running);
    },

    async close(): Promise<void> {
      held = [];
      closing.abort();
      await Promise.allSettled(running);
    },
  };
}

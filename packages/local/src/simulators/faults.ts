// Switchable faults. A rule is taken `times` times and then gone, so that a test says exactly how
// often a vendor misbehaves; `times: null` lasts until it is cleared.

import { setTimeout as delay } from "node:timers/promises";
import { ControlError, type Exchange } from "./http.ts";

/** Faults of a vendor's API, played to whoever calls it. */
export const apiFaults = [
  "rate_limit",
  "server_error",
  "hang",
  "reset",
  "garbage",
  "slow_body",
  "not_found",
  "token_expired",
] as const;

/** Faults of a vendor's webhooks, played on what it delivers. */
export const deliveryFaults = ["duplicate", "reorder", "drop", "forge", "truncate"] as const;

export type ApiFault = (typeof apiFaults)[number];
export type DeliveryFault = (typeof deliveryFaults)[number];

export interface Fault {
  id: number;
  provider: string;
  kind: ApiFault | DeliveryFault;
  /** How often it is still to be played; null: until cleared. */
  times: number | null;
  /** Ends by itself at this time (ms since 1970), as a lead that becomes readable does. */
  until: number | null;
  /** Only requests whose path and query hold this text. */
  match: string | null;
  /** Status of rate_limit and server_error. */
  status: number | null;
  /** Length of hang and slow_body. */
  ms: number | null;
  retryAfterSeconds: number;
  /** How many more than one `duplicate` sends. */
  copies: number;
}

const known = new Set<string>([...apiFaults, ...deliveryFaults]);

function numberOr<T>(value: unknown, fallback: T): number | T {
  return typeof value === "number" && Number.isFinite(value) ? value : fallback;
}

export function createFaults() {
  let rules: Fault[] = [];
  let next = 1;

  function take(provider: string, kinds: readonly string[], path: string): Fault | null {
    const now = Date.now();
    rules = rules.filter((rule) => rule.until === null || rule.until > now);
    const rule = rules.find(
      (candidate) =>
        candidate.provider === provider &&
        kinds.includes(candidate.kind) &&
        (candidate.match === null || path.includes(candidate.match)),
    );
    if (!rule) return null;
    if (rule.times !== null) {
      rule.times -= 1;
      if (rule.times <= 0) rules = rules.filter((other) => other !== rule);
    }
    return rule;
  }

  return {
    list: () => rules,
    clear: () => {
      rules = [];
    },
    add(input: Record<string, unknown>): Fault {
      const kind = String(input.kind);
      if (!known.has(kind)) {
        throw new ControlError(`unknown fault ${kind}; known: ${[...known].join(", ")}`);
      }
      const seconds = numberOr(input.for_ms, null);
      const rule: Fault = {
        id: next++,
        provider: String(input.provider ?? "meta"),
        kind: kind as Fault["kind"],
        times: input.times === null || seconds !== null ? null : numberOr(input.times, 1),
        until: seconds === null ? null : Date.now() + seconds,
        match: typeof input.match === "string" ? input.match : null,
        status: numberOr(input.status, null),
        ms: numberOr(input.ms, null),
        retryAfterSeconds: numberOr(input.retry_after_s, 1),
        copies: numberOr(input.copies, 1),
      };
      rules.push(rule);
      return rule;
    },
    takeApi: (provider: string, path: string) => take(provider, apiFaults, path),
    takeDelivery: (provider: string, path: string) => take(provider, deliveryFaults, path),
  };
}

export type Faults = ReturnType<typeof createFaults>;

/** The faults that are the same for every vendor; false when the vendor has to answer itself. */
export async function playTransportFault(fault: Fault, exchange: Exchange): Promise<boolean> {
  const { response } = exchange;
  switch (fault.kind) {
    case "hang":
      await Promise.race([
        delay(fault.ms ?? 600_000, undefined, { ref: false }),
        new Promise((resolve) => response.once("close", resolve)),
      ]);
      response.destroy();
      return true;
    case "reset":
      // The request has been read in full: the caller cannot know whether it took effect.
      response.socket?.resetAndDestroy();
      return true;
    case "garbage":
      response.writeHead(fault.status ?? 200, { "content-type": "text/html" });
      response.end("<html><body>Sorry, something went wrong.</body></html>");
      return true;
    case "slow_body": {
      const text = JSON.stringify({ slow: true, padding: "x".repeat(2_000) });
      const steps = 20;
      response.writeHead(200, { "content-type": "application/json" });
      for (let i = 0; i < steps && !response.destroyed; i++) {
        response.write(text.slice((i * text.length) / steps, ((i + 1) * text.length) / steps));
        await delay((fault.ms ?? 30_000) / steps);
      }
      response.end();
      return true;
    }
    default:
      return false;
  }
}

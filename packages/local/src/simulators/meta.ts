// Meta Lead Ads on loopback: forms and leads, signed leadgen webhooks, and the Graph API to read
// them from. Stateful, so that what a webhook announces can be fetched, and a backfill finds it too.

import { randomBytes } from "node:crypto";
import { createDeliveries } from "./delivery.ts";
import { type Faults, playTransportFault } from "./faults.ts";
import { ControlError, type Exchange } from "./http.ts";
import type { Asked, Delivery, Journal } from "./journal.ts";
import { answerFault, answerGraph } from "./meta/graph.ts";
import { createObjects, type Form, type Lead } from "./meta/objects.ts";
import { leadgenPayload, signedHeaders } from "./meta/webhook.ts";

export interface MetaOptions {
  /** Where the edge functions answer, without a slash at the end. */
  functionsUrl(): string;
  appSecret: string;
  verifyToken: string;
  accessToken: string;
  /** Waits before each further attempt of a delivery; Meta's own are minutes to hours. */
  retryMs?: number[];
  timeoutMs?: number;
}

export interface Handshake {
  ok: boolean;
  status: number;
  body: string;
}

export interface CreatedLead {
  lead: Lead;
  delivery: Promise<Delivery> | null;
}

export function createMeta(options: MetaOptions, journal: Journal, faults: Faults) {
  let objects = createObjects();
  let numericIds = true;
  const subscriptions = new Map<string, string[]>();
  const deliveries = createDeliveries(journal, faults, {
    retryMs: options.retryMs ?? [200, 400, 800, 1_600, 3_200],
    timeoutMs: options.timeoutMs ?? 20_000,
  });
  const webhookUrl = () => `${options.functionsUrl()}/webhooks/meta`;

  function deliver(leads: Lead[]): Promise<Delivery> {
    return deliveries.deliver({
      provider: "meta",
      url: webhookUrl(),
      body: leadgenPayload(leads, numericIds),
      headers: (body) => signedHeaders(body, options.appSecret),
    });
  }

  function createLead(input: Record<string, unknown> = {}): CreatedLead {
    const lead = objects.createLead(input);
    return { lead, delivery: input.deliver === false ? null : deliver([lead]) };
  }

  function find(ids: unknown): Lead[] {
    const wanted = Array.isArray(ids) ? ids.map(String) : [...objects.leads.keys()];
    return wanted.map((id) => {
      const lead = objects.leads.get(id);
      if (!lead) throw new ControlError(`there is no lead ${id}`, 404);
      return lead;
    });
  }

  /** What the App Dashboard does when a callback URL is saved. */
  async function verify(token = options.verifyToken): Promise<Handshake> {
    const challenge = String(randomBytes(4).readUInt32BE());
    const url = new URL(webhookUrl());
    url.searchParams.set("hub.mode", "subscribe");
    url.searchParams.set("hub.challenge", challenge);
    url.searchParams.set("hub.verify_token", token);
    const response = await fetch(url, { headers: { "user-agent": "facebookplatform/1.0" } });
    const body = await response.text();
    return { ok: response.status === 200 && body === challenge, status: response.status, body };
  }

  function configure(input: Record<string, unknown>) {
    const { retry_ms, timeout_ms, numeric_ids } = input;
    if (Array.isArray(retry_ms)) deliveries.settings.retryMs = retry_ms.map(Number);
    if (typeof timeout_ms === "number") deliveries.settings.timeoutMs = timeout_ms;
    if (typeof numeric_ids === "boolean") numericIds = numeric_ids;
    return { ...deliveries.settings, numericIds };
  }

  return {
    name: "meta",
    owns: (path: string) => /^\/v\d+\.\d+\//.test(path),

    async answer(exchange: Exchange, entry: Asked): Promise<void> {
      const fault = faults.takeApi("meta", exchange.url.pathname + exchange.url.search);
      if (!fault) return answerGraph(exchange, { ...options, objects, subscriptions });
      entry.fault = fault.kind;
      if (!(await playTransportFault(fault, exchange))) answerFault(exchange, fault);
    },

    /** POST or GET /_sim/meta/<action>; what it returns is sent as JSON. */
    async control(method: string, action: string, input: Record<string, unknown>) {
      switch (`${method} ${action}`) {
        case "GET forms":
          return [...objects.forms.values()];
        case "POST forms":
          return objects.createForm(input);
        case "GET leads":
          return [...objects.leads.values()];
        case "POST leads": {
          const { lead, delivery } = createLead(input);
          return { lead, delivery: input.wait === true ? await delivery : null };
        }
        case "POST deliver":
          return await deliver(find(input.leadgen_ids));
        case "POST release":
          return { released: deliveries.release() };
        case "POST verify":
          return await verify(typeof input.token === "string" ? input.token : undefined);
        case "POST settings":
          return configure(input);
        case "GET account":
          return { id: objects.ads.accountId };
        case "POST campaigns":
          return objects.ads.createCampaign(input);
        case "POST insights":
          return objects.ads.setDay(input);
        case "GET token":
          return { access_token: options.accessToken };
        default:
          throw new ControlError(`no such action: ${method} ${action}`, 404);
      }
    },

    createForm: (input?: Record<string, unknown>): Form => objects.createForm(input),
    createLead,
    deliver: (leads: Lead[]) => deliver(leads),
    verify,
    configure,
    release: deliveries.release,
    settled: deliveries.settled,
    get defaultForm() {
      return objects.defaultForm;
    },
    get pageId() {
      return objects.pageId;
    },
    reset() {
      objects = createObjects();
      subscriptions.clear();
    },
    close: deliveries.close,
  };
}

export type Meta = ReturnType<typeof createMeta>;

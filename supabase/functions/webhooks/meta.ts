// Meta: the verification of the endpoint, and deliveries about new leads.

import { type MetaDelivery, metaDeliverySchema, webhookAcceptedSchema } from "@intake/types";
import type { Context } from "hono";
import type { z } from "zod";
import type { App, AppEnv } from "../_shared/app.ts";
import { type Bytes, isSameSecret, sha256Hex, verifyHmacSha256Hex } from "../_shared/crypto.ts";
import { ApiError } from "../_shared/errors.ts";
import { parseJsonBytes } from "../_shared/json.ts";
import type { InboxEvent, WebhooksDeps } from "./deps.ts";

const encoder = new TextEncoder();

/** One event per lead. Of a delivery with several, each keeps the envelope with its own change. */
async function eventsOf(delivery: MetaDelivery, raw: Bytes): Promise<InboxEvent[]> {
  const events = new Map<string, InboxEvent>();
  for (const entry of delivery.entry) {
    for (const change of entry.changes ?? []) {
      const leadgenId = change.field === "leadgen" ? change.value?.leadgen_id : undefined;
      if (!leadgenId || !/^\d{1,32}$/.test(leadgenId)) continue;
      const id = `leadgen:${leadgenId}`;
      const envelope = { ...delivery, entry: [{ ...entry, changes: [change] }] };
      events.set(id, { id, raw: encoder.encode(JSON.stringify(envelope)) });
    }
  }
  if (events.size === 0) return [{ id: `sha256:${await sha256Hex(raw)}`, raw, isIgnored: true }];
  const [only] = events.values();
  if (events.size === 1 && only && delivery.entry.length === 1) return [{ ...only, raw }];
  return [...events.values()];
}

/** What Meta asks of an address before it delivers there. */
export const challengeQuery = {
  "hub.mode": { description: "`subscribe`", required: true },
  "hub.verify_token": { description: "The token set in Meta's app dashboard", required: true },
  "hub.challenge": { description: "Given back as it is", required: true },
};

export const signatureHeaders = {
  "x-hub-signature-256": {
    description: "`sha256=` and the hex HMAC-SHA256 of the raw body under the app secret",
    required: true,
  },
};

export async function answerMetaChallenge(
  c: Context<AppEnv>,
  verifyToken: string | undefined,
): Promise<Response> {
  const challenge = c.req.query("hub.challenge") ?? "";
  const isOurs = await isSameSecret(verifyToken, c.req.query("hub.verify_token"));
  if (c.req.query("hub.mode") !== "subscribe" || !isOurs || !/^[\w.-]{1,200}$/.test(challenge)) {
    throw new ApiError(403, "verify_token_invalid", "The verification token does not match.");
  }
  return c.text(challenge);
}

/** The body of a delivery that the app signed, as it came and as it reads. */
export async function openSigned<Schema extends z.ZodType>(
  c: Context<AppEnv>,
  provider: string,
  schema: Schema,
  { inbox, meta }: Pick<WebhooksDeps, "inbox" | "meta">,
): Promise<{ raw: Bytes; header: string; delivery: z.output<Schema> }> {
  if (!meta.appSecret) {
    throw new ApiError(503, "provider_not_configured", "Meta is not set up.", "META_APP_SECRET");
  }
  const raw = new Uint8Array(await c.req.arrayBuffer());
  const header = c.req.header("x-hub-signature-256") ?? "";
  const signature = header.startsWith("sha256=") ? header.slice(7) : "";
  if (!(await verifyHmacSha256Hex(meta.appSecret, raw, signature))) {
    inbox.countRejection(provider, "signature");
    throw new ApiError(401, "signature_invalid", "The signature does not match the body.");
  }
  const parsed = schema.safeParse(parseJsonBytes(raw));
  if (!parsed.success) {
    inbox.countRejection(provider, "body");
    throw new ApiError(400, "body_invalid", "This is not a delivery of Meta.");
  }
  return { raw, header, delivery: parsed.data };
}

export function mountMeta(app: App, deps: WebhooksDeps): void {
  const { inbox, meta } = deps;
  app.route(
    {
      method: "get",
      path: "/meta",
      id: "meta_verify",
      summary: "Verification of the endpoint by Meta",
      query: challengeQuery,
      responses: {
        200: { description: "The challenge", contentType: "text/plain" },
        403: { description: "The token is not ours" },
      },
    },
    async (c) => answerMetaChallenge(c, (await meta.storedVerifyToken?.()) ?? meta.verifyToken),
  );

  app.route(
    {
      method: "post",
      path: "/meta",
      id: "meta_delivery",
      summary: "Deliveries of Meta",
      description:
        "Every lead of the delivery is stored once and processed by a job. Other changes are kept and ignored.",
      headers: signatureHeaders,
      body: { schema: metaDeliverySchema },
      responses: {
        200: { description: "Stored", schema: webhookAcceptedSchema },
        400: { description: "Signed by Meta, but no delivery" },
        401: { description: "The signature does not match" },
        413: { description: "Larger than 1 MB" },
        503: { description: "The app secret is not set" },
      },
    },
    async (c) => {
      const { raw, header, delivery } = await openSigned(c, "meta", metaDeliverySchema, deps);
      const events = await eventsOf(delivery, raw);
      const kept = {
        "x-hub-signature-256": header,
        "user-agent": c.req.header("user-agent") ?? "",
      };
      const stored = await inbox.receive("meta", events, kept, c.get("requestId"));
      return c.json(webhookAcceptedSchema.parse({ received: events.length, stored }));
    },
  );
}

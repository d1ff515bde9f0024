// Razorpay: what happened to payments and refunds.

import { webhookAcceptedSchema } from "@intake/types";
import type { App } from "../_shared/app.ts";
import { sha256Hex, verifyHmacSha256Hex } from "../_shared/crypto.ts";
import { ApiError } from "../_shared/errors.ts";
import { parseJsonBytes } from "../_shared/json.ts";
import { withoutPerson } from "../_shared/providers/gateway.ts";
import { razorpayEvent } from "../_shared/providers/razorpay.ts";
import type { WebhooksDeps } from "./deps.ts";

export function mountRazorpay(app: App, { inbox, razorpay }: WebhooksDeps): void {
  app.route(
    {
      method: "post",
      path: "/razorpay",
      id: "razorpay_delivery",
      summary: "Deliveries of Razorpay",
      description:
        "Stored once and answered; a job applies it. What is said of the person who paid is not stored.",
      headers: {
        "x-razorpay-signature": {
          description: "Hex HMAC-SHA256 of the raw body under the webhook secret",
          required: true,
        },
        "x-razorpay-event-id": { description: "Names the event, however often it is delivered" },
      },
      responses: {
        200: { description: "Stored", schema: webhookAcceptedSchema },
        400: { description: "Signed by Razorpay, but no delivery" },
        401: { description: "The signature does not match" },
        413: { description: "Larger than 1 MB" },
        503: { description: "The webhook secret is not set" },
      },
    },
    async (c) => {
      const secrets = await razorpay.secrets();
      if (secrets.length === 0) {
        const message = "Razorpay is not set up.";
        throw new ApiError(503, "provider_not_configured", message, "RAZORPAY_WEBHOOK_SECRET");
      }
      const raw = new Uint8Array(await c.req.arrayBuffer());
      const signature = c.req.header("x-razorpay-signature") ?? "";
      const matches = await Promise.all(
        secrets.map((secret) => verifyHmacSha256Hex(secret, raw, signature)),
      );
      if (!matches.includes(true)) {
        inbox.countRejection("razorpay", "signature");
        throw new ApiError(401, "signature_invalid", "The signature does not match the body.");
      }
      const delivery = parseJsonBytes(raw);
      if (typeof delivery !== "object" || delivery === null || !("event" in delivery)) {
        inbox.countRejection("razorpay", "body");
        throw new ApiError(400, "body_invalid", "This is not a delivery of Razorpay.");
      }
      const named = c.req.header("x-razorpay-event-id") ?? "";
      const id = /^[\w.-]{1,200}$/.test(named) ? named : `sha256:${await sha256Hex(raw)}`;
      const event = {
        id,
        raw: new TextEncoder().encode(JSON.stringify(withoutPerson(delivery))),
        isIgnored: razorpayEvent(delivery) === null,
      };
      const stored = await inbox.receive("razorpay", [event], {}, c.get("requestId"));
      return c.json(webhookAcceptedSchema.parse({ received: 1, stored }));
    },
  );
}

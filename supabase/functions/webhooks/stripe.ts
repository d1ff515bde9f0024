// Stripe: what happened to charges and refunds.

import { webhookAcceptedSchema } from "@intake/types";
import { z } from "zod";
import type { App } from "../_shared/app.ts";
import { ApiError } from "../_shared/errors.ts";
import { parseJsonBytes } from "../_shared/json.ts";
import { withoutPerson } from "../_shared/providers/gateway.ts";
import { stripeEvent, verifyStripeSignature } from "../_shared/providers/stripe.ts";
import type { WebhooksDeps } from "./deps.ts";

const deliverySchema = z.looseObject({ id: z.string().min(1).max(200), type: z.string() });

export function mountStripe(app: App, { inbox, stripe }: WebhooksDeps): void {
  app.route(
    {
      method: "post",
      path: "/stripe",
      id: "stripe_delivery",
      summary: "Deliveries of Stripe",
      description:
        "Stored once and answered; a job applies it. What is said of the person who paid is not stored.",
      headers: {
        "stripe-signature": {
          description: "`t=<seconds>,v1=<hex>`, not older or newer than five minutes",
          required: true,
        },
      },
      responses: {
        200: { description: "Stored", schema: webhookAcceptedSchema },
        400: { description: "Signed by Stripe, but no delivery" },
        401: { description: "The signature does not match, or is too old" },
        413: { description: "Larger than 1 MB" },
        503: { description: "The webhook secret is not set" },
      },
    },
    async (c) => {
      const secrets = await stripe.secrets();
      if (secrets.length === 0) {
        const message = "Stripe is not set up.";
        throw new ApiError(503, "provider_not_configured", message, "STRIPE_WEBHOOK_SECRET");
      }
      const raw = new Uint8Array(await c.req.arrayBuffer());
      const header = c.req.header("stripe-signature") ?? "";
      if (!(await verifyStripeSignature(secrets, raw, header))) {
        inbox.countRejection("stripe", "signature");
        throw new ApiError(401, "signature_invalid", "The signature does not match the body.");
      }
      const delivery = deliverySchema.safeParse(parseJsonBytes(raw));
      if (!delivery.success) {
        inbox.countRejection("stripe", "body");
        throw new ApiError(400, "body_invalid", "This is not a delivery of Stripe.");
      }
      const event = {
        id: delivery.data.id,
        raw: new TextEncoder().encode(JSON.stringify(withoutPerson(delivery.data))),
        isIgnored: stripeEvent(delivery.data) === null,
      };
      const stored = await inbox.receive("stripe", [event], {}, c.get("requestId"));
      return c.json(webhookAcceptedSchema.parse({ received: 1, stored }));
    },
  );
}

// SendGrid's signed event webhook: what became of e-mails. A delivery is stored whole; applying an event twice
// changes nothing, so there is no window in which a delivery must come.

import { webhookAcceptedSchema } from "@intake/types";
import { z } from "zod";
import type { App } from "../_shared/app.ts";
import { sha256Hex, verifyEcdsaP256 } from "../_shared/crypto.ts";
import { ApiError } from "../_shared/errors.ts";
import { parseJsonBytes } from "../_shared/json.ts";
import type { WebhooksDeps } from "./deps.ts";

const deliverySchema = z.array(z.looseObject({})).max(5_000);

const signatureHeader = "x-twilio-email-event-webhook-signature";

const timestampHeader = "x-twilio-email-event-webhook-timestamp";

export function mountSendGrid(app: App, { inbox, sendgrid }: WebhooksDeps): void {
  app.route(
    {
      method: "post",
      path: "/sendgrid",
      id: "sendgrid_events",
      summary: "Events of SendGrid",
      description: "Stored, and applied by a job: status, opens, clicks, bounces and complaints.",
      headers: {
        [signatureHeader]: {
          description: "Base64 of the DER signature (ECDSA, P-256, SHA-256) of timestamp and body",
          required: true,
        },
        [timestampHeader]: { description: "Signed before the body", required: true },
      },
      body: { schema: deliverySchema },
      responses: {
        200: { description: "Stored", schema: webhookAcceptedSchema },
        400: { description: "Signed by SendGrid, but no events" },
        401: { description: "The signature does not match" },
        413: { description: "Larger than 1 MB" },
        503: { description: "The public key is not set" },
      },
    },
    async (c) => {
      const publicKey = await sendgrid.publicKey();
      if (!publicKey) {
        const missing = "SENDGRID_WEBHOOK_PUBLIC_KEY";
        throw new ApiError(503, "provider_not_configured", "SendGrid is not set up.", missing);
      }
      const raw = new Uint8Array(await c.req.arrayBuffer());
      const timestamp = new TextEncoder().encode(c.req.header(timestampHeader) ?? "");
      const signed = new Uint8Array(timestamp.length + raw.length);
      signed.set(timestamp);
      signed.set(raw, timestamp.length);
      if (!(await verifyEcdsaP256(publicKey, signed, c.req.header(signatureHeader) ?? ""))) {
        inbox.countRejection("sendgrid", "signature");
        throw new ApiError(401, "signature_invalid", "The signature does not match the body.");
      }
      if (!deliverySchema.safeParse(parseJsonBytes(raw)).success) {
        inbox.countRejection("sendgrid", "body");
        throw new ApiError(400, "body_invalid", "This is not a delivery of SendGrid.");
      }
      const event = { id: `sha256:${await sha256Hex(raw)}`, raw };
      const stored = await inbox.receive("sendgrid_events", [event], {}, c.get("requestId"));
      return c.json(webhookAcceptedSchema.parse({ received: 1, stored }));
    },
  );
}

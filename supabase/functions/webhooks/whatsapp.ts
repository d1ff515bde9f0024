// WhatsApp: statuses of our messages, and messages that come in. Signed by the same app as Meta's leads.

import { webhookAcceptedSchema } from "@intake/types";
import { z } from "zod";
import type { App } from "../_shared/app.ts";
import { sha256Hex } from "../_shared/crypto.ts";
import type { WebhooksDeps } from "./deps.ts";
import { answerMetaChallenge, challengeQuery, openSigned, signatureHeaders } from "./meta.ts";

const deliverySchema = z.looseObject({
  object: z.literal("whatsapp_business_account"),
  entry: z.array(z.looseObject({})),
});

export function mountWhatsApp(app: App, { inbox, meta }: WebhooksDeps): void {
  app.route(
    {
      method: "get",
      path: "/whatsapp",
      id: "whatsapp_verify",
      summary: "Verification of the endpoint by WhatsApp",
      query: challengeQuery,
      responses: {
        200: { description: "The challenge", contentType: "text/plain" },
        403: { description: "The token is not ours" },
      },
    },
    (c) => answerMetaChallenge(c, meta.verifyToken),
  );

  app.route(
    {
      method: "post",
      path: "/whatsapp",
      id: "whatsapp_delivery",
      summary: "Statuses and incoming messages of WhatsApp",
      description: "Stored, and applied by a job.",
      headers: signatureHeaders,
      body: { schema: deliverySchema },
      responses: {
        200: { description: "Stored", schema: webhookAcceptedSchema },
        400: { description: "Signed by WhatsApp, but no delivery" },
        401: { description: "The signature does not match" },
        413: { description: "Larger than 1 MB" },
        503: { description: "The app secret is not set" },
      },
    },
    async (c) => {
      const { raw } = await openSigned(c, "whatsapp", deliverySchema, { inbox, meta });
      const event = { id: `sha256:${await sha256Hex(raw)}`, raw };
      const stored = await inbox.receive("whatsapp_events", [event], {}, c.get("requestId"));
      return c.json(webhookAcceptedSchema.parse({ received: 1, stored }));
    },
  );
}

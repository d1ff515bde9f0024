// Twilio: status callbacks of messages, and messages that come in. Twilio signs the address that it calls and
// the fields; the address is the one that we gave it, never one that the request names.

import type { App } from "../_shared/app.ts";
import { sha256Hex, verifyHmacSha1Base64 } from "../_shared/crypto.ts";
import { ApiError } from "../_shared/errors.ts";
import type { WebhooksDeps } from "./deps.ts";

const encoder = new TextEncoder();

/** The address and every field, sorted by name; a field that is there twice counts once per value. */
export function twilioSigned(url: string, fields: URLSearchParams): string {
  const names = [...new Set(fields.keys())].sort();
  return names.reduce(
    (text, name) =>
      text +
      [...new Set(fields.getAll(name))]
        .sort()
        .map((value) => name + value)
        .join(""),
    url,
  );
}

export function mountTwilio(app: App, { inbox, twilio }: WebhooksDeps): void {
  app.route(
    {
      method: "post",
      path: "/twilio",
      id: "twilio_delivery",
      summary: "Status callbacks and incoming messages of Twilio",
      query: { communication_id: { description: "Our id, in the callbacks of our messages" } },
      headers: {
        "x-twilio-signature": {
          description: "Base64 of the HMAC-SHA1 of address and fields under the auth token",
          required: true,
        },
      },
      responses: {
        200: { description: "Stored; there is nothing to answer", contentType: "text/xml" },
        400: { description: "Signed by Twilio, but about no message" },
        401: { description: "The signature does not match" },
        413: { description: "Larger than 1 MB" },
        503: { description: "The auth token is not set" },
      },
    },
    async (c) => {
      const authToken = await twilio.authToken();
      if (!authToken) {
        const missing = "TWILIO_AUTH_TOKEN";
        throw new ApiError(503, "provider_not_configured", "Twilio is not set up.", missing);
      }
      const raw = new Uint8Array(await c.req.arrayBuffer());
      const fields = new URLSearchParams(new TextDecoder().decode(raw));
      const signed = twilioSigned(twilio.url + new URL(c.req.url).search, fields);
      const signature = c.req.header("x-twilio-signature") ?? "";
      if (!(await verifyHmacSha1Base64(authToken, signed, signature))) {
        inbox.countRejection("twilio", "signature");
        throw new ApiError(401, "signature_invalid", "The signature does not match the body.");
      }
      if (!fields.get("MessageSid")) {
        inbox.countRejection("twilio", "body");
        throw new ApiError(400, "body_invalid", "This is about no message.");
      }
      const about = c.req.query("communication_id") ?? "";
      const event = { id: `sha256:${await sha256Hex(encoder.encode(`${about} ${signed}`))}`, raw };
      await inbox.receive(
        "twilio_events",
        [event],
        about ? { communication_id: about } : {},
        c.get("requestId"),
      );
      return c.body("<Response/>", 200, { "content-type": "text/xml" });
    },
  );
}

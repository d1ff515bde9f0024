// Callbacks of Twilio, and SMS that come in. A callback says no time: it is the one at which it came.

import type { MessageReport } from "@intake/types";
import { type Heard, storable } from "./heard.ts";

/** The person said STOP, and Twilio keeps to it. */
const optedOut = "21610";

function saidBy(status: string, code: string | null): Partial<MessageReport> | null {
  switch (status) {
    case "sent":
    case "delivered":
    case "read":
      return { status };
    case "undelivered":
    case "failed":
      return {
        status: "failed",
        error:
          code === optedOut ? "contact_refused: opted_out" : `provider_refused: Twilio ${code}`,
        ...(code === optedOut ? { withdrawn: "all", source: "unsubscribe" } : {}),
      };
    default:
      return null;
  }
}

export function heardFromTwilio(
  raw: Uint8Array,
  about: string | undefined,
  receivedAt: string,
): Heard {
  const fields = new URLSearchParams(new TextDecoder().decode(raw));
  const id = fields.get("MessageSid") ?? "";
  const status = fields.get("MessageStatus");
  if (status) {
    const said = saidBy(status, fields.get("ErrorCode"));
    const report = { id: about, message_id: id, at: receivedAt, ...said };
    return storable({ reports: said ? [report] : [], messages: [] });
  }
  const message = {
    channel: "sms" as const,
    message_id: id,
    from: fields.get("From") ?? "",
    to: fields.get("To") ?? "",
    text: fields.get("Body") ?? "",
    at: receivedAt,
  };
  return storable({ reports: [], messages: message.from ? [{ message, files: [] }] : [] });
}

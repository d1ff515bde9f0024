// Events of SendGrid.

import type { MessageReport } from "@intake/types";
import { z } from "zod";
import { parseJsonBytes } from "../../_shared/json.ts";
import { fromUnix, type Heard, storable } from "./heard.ts";

const eventSchema = z.looseObject({
  event: z.string(),
  timestamp: z.coerce.number().optional(),
  email: z.string().optional(),
  sg_message_id: z.string().optional(),
  communication_id: z.string().optional(),
  status: z.string().optional(),
  reason: z.string().optional(),
  type: z.string().optional(),
  sg_machine_open: z.boolean().optional(),
});

type Event = z.infer<typeof eventSchema>;

function saidBy(event: Event): Partial<MessageReport> | null {
  switch (event.event) {
    case "processed":
      return { status: "sent" };
    case "delivered":
      return { status: "delivered" };
    case "open":
      // Mail programs fetch pictures by themselves: that is delivered, but nobody read it.
      return { status: event.sg_machine_open ? "delivered" : "read" };
    case "click":
      return { status: "read", is_click: true };
    case "bounce":
      // A block may pass; a bounce is for good.
      return event.type === "blocked"
        ? { status: "failed", error: `provider_refused: blocked ${event.status ?? ""}`.trim() }
        : {
            status: "bounced",
            error: `address_unreachable: ${event.status ?? ""}`.replace(/: $/, ""),
            withdrawn: "all",
            source: "bounce",
          };
    case "dropped":
      return { status: "failed", error: `provider_refused: ${event.reason ?? "dropped"}` };
    case "spamreport":
      return { status: "delivered", withdrawn: "all", source: "complaint" };
    case "unsubscribe":
    case "group_unsubscribe":
      return { withdrawn: "marketing", source: "unsubscribe" };
    default:
      return null;
  }
}

export function heardFromSendGrid(raw: Uint8Array): Heard {
  const events = z.array(z.unknown()).catch([]).parse(parseJsonBytes(raw));
  const reports = events.flatMap((one) => {
    const event = eventSchema.safeParse(one).data;
    const said = event && saidBy(event);
    if (!said) return [];
    return [
      {
        id: event.communication_id,
        // The rest tells which of SendGrid's machines had it.
        message_id: event.sg_message_id?.split(".")[0],
        at: event.timestamp === undefined ? undefined : fromUnix(event.timestamp),
        ...said,
      },
    ];
  });
  return storable({ reports, messages: [] });
}

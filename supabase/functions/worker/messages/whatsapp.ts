// Statuses of WhatsApp, and messages that come in, of whatever kind.

import type { MessageReport } from "@intake/types";
import { z } from "zod";
import { parseJsonBytes } from "../../_shared/json.ts";
import { fromUnix, type Heard, type InboundFile, storable } from "./heard.ts";

const statusSchema = z.looseObject({
  id: z.string(),
  status: z.string(),
  timestamp: z.coerce.number().optional(),
  biz_opaque_callback_data: z.string().optional(),
  errors: z.array(z.looseObject({ code: z.number() })).optional(),
});

const mediaSchema = z.looseObject({
  id: z.union([z.string(), z.number()]).transform(String),
  filename: z.string().optional(),
  caption: z.string().optional(),
});

const titled = z.looseObject({ title: z.string() });

const messageSchema = z.looseObject({
  id: z.string(),
  from: z.string(),
  timestamp: z.coerce.number().optional(),
  type: z.string(),
  text: z.looseObject({ body: z.string() }).optional(),
  button: z.looseObject({ text: z.string() }).optional(),
  interactive: z
    .looseObject({ button_reply: titled.optional(), list_reply: titled.optional() })
    .optional(),
  image: mediaSchema.optional(),
  video: mediaSchema.optional(),
  audio: mediaSchema.optional(),
  document: mediaSchema.optional(),
  sticker: mediaSchema.optional(),
});

const deliverySchema = z.looseObject({
  entry: z.array(
    z.looseObject({
      changes: z
        .array(
          z.looseObject({
            value: z
              .looseObject({
                metadata: z.looseObject({ display_phone_number: z.string() }).optional(),
                statuses: z.array(z.unknown()).optional(),
                messages: z.array(z.unknown()).optional(),
              })
              .optional(),
          }),
        )
        .optional(),
    }),
  ),
});

const known = new Map([
  [131047, "whatsapp_window_closed"],
  [131026, "address_unreachable"],
  [131050, "contact_refused: opted_out"],
]);

function reportOf(one: unknown): MessageReport[] {
  const said = statusSchema.safeParse(one).data;
  if (!said) return [];
  const report = {
    id: said.biz_opaque_callback_data,
    message_id: said.id,
    at: said.timestamp === undefined ? undefined : fromUnix(said.timestamp),
  };
  switch (said.status) {
    case "sent":
    case "delivered":
    case "read":
      return [{ ...report, status: said.status }];
    case "failed": {
      const code = said.errors?.[0]?.code ?? 0;
      const error = known.get(code) ?? `provider_refused: WhatsApp ${code}`;
      return [{ ...report, status: "failed", error }];
    }
    default:
      return [];
  }
}

function messageOf(one: unknown, to: string): Heard["messages"] {
  const said = messageSchema.safeParse(one).data;
  if (!said) return [];
  const media = said.image ?? said.video ?? said.audio ?? said.document ?? said.sticker;
  const files: InboundFile[] = media
    ? [{ media_id: media.id, name: media.filename ?? said.type }]
    : [];
  const text =
    said.text?.body ??
    said.button?.text ??
    said.interactive?.button_reply?.title ??
    said.interactive?.list_reply?.title ??
    media?.caption ??
    `[${said.type}]`;
  const message = {
    channel: "whatsapp" as const,
    message_id: said.id,
    // WhatsApp leaves the plus out.
    from: `+${said.from.replace(/^\+/, "")}`,
    to,
    text,
    at: said.timestamp === undefined ? undefined : fromUnix(said.timestamp),
    data: { kind: said.type },
  };
  return [{ message, files }];
}

export function heardFromWhatsApp(raw: Uint8Array): Heard {
  const delivery = deliverySchema.safeParse(parseJsonBytes(raw)).data;
  const values = (delivery?.entry ?? [])
    .flatMap((entry) => entry.changes ?? [])
    .flatMap((change) => (change.value ? [change.value] : []));
  return storable({
    reports: values.flatMap((value) => (value.statuses ?? []).flatMap(reportOf)),
    messages: values.flatMap((value) =>
      (value.messages ?? []).flatMap((one) =>
        messageOf(one, value.metadata?.display_phone_number ?? ""),
      ),
    ),
  });
}

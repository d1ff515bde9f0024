/** Delivery: what the worker is handed, what went with it, and what providers report. */
import { z } from "zod";
import { messageChannels } from "./templates.ts";

/** A row of `communication_attachments`. */
export const communicationAttachmentSchema = z.object({
  id: z.uuid(),
  communication_id: z.uuid(),
  path: z.string(),
  file_name: z.string(),
  mime_type: z.string(),
  size_bytes: z.number().int(),
  created_at: z.string(),
});

export type CommunicationAttachment = z.infer<typeof communicationAttachmentSchema>;

/** What the worker is handed of a message that it shall send. */
export const outgoingMessageSchema = z.object({
  id: z.uuid(),
  type: z.enum(messageChannels),
  recipient: z.string(),
  sender: z.string().nullable(),
  cc: z.array(z.string()).nullable(),
  bcc: z.array(z.string()).nullable(),
  subject: z.string().nullable(),
  content: z.string(),
  data: z.looseObject({
    format: z.string().optional(),
    tracking_pixel: z.unknown().optional(),
    template: z
      .object({ name: z.string(), language: z.string(), parameters: z.array(z.string()) })
      .optional(),
  }),
  is_marketing: z.boolean(),
  /** The provider's id of the newest message that came in on this thread. */
  reply_to: z.string().nullable(),
  from_name: z.string().nullable(),
  files: z.array(
    z.object({ path: z.string(), name: z.string(), mime_type: z.string(), size: z.number() }),
  ),
});

export type OutgoingMessage = z.infer<typeof outgoingMessageSchema>;

/** The answer of the database when the worker is about to send. */
export const messageBegunSchema = z.discriminatedUnion("verdict", [
  z.object({ verdict: z.literal("send"), message: outgoingMessageSchema }),
  z.object({ verdict: z.literal("defer"), until: z.string() }),
  z.object({ verdict: z.enum(["done", "unknown"]) }),
]);

/** What a provider reports of a message, as the database takes it. */
export interface MessageReport {
  /** Our id, where the provider gives it back. */
  id?: string | undefined;
  message_id?: string | undefined;
  status?: "sent" | "delivered" | "read" | "failed" | "bounced" | undefined;
  at?: string | undefined;
  error?: string | undefined;
  is_click?: boolean | undefined;
  /** The person does not want this any more. */
  withdrawn?: "marketing" | "all" | undefined;
  source?: "unsubscribe" | "complaint" | "bounce" | undefined;
  recipient?: string | undefined;
}

/** A message that came in, as the database takes it. */
export interface InboundMessage {
  channel: (typeof messageChannels)[number];
  message_id: string;
  from: string;
  to: string;
  subject?: string | undefined;
  text: string;
  at?: string | undefined;
  /** Headers of an e-mail that name what it replies to. */
  references?: string | undefined;
  data?: Record<string, unknown> | undefined;
}

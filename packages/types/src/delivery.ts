/** Sending: what people ask for, what the worker is handed, and what providers report. */
import { z } from "zod";
import { leadNumberSchema } from "./leads.ts";
import { messageChannels } from "./templates.ts";

const address = z.string().min(1).max(320);

/** Arguments of `communication_send()`. */
export const communicationSendSchema = z.strictObject({
  p_type: z.enum(messageChannels),
  p_lead_id: z.union([z.uuid(), leadNumberSchema]).optional(),
  p_recipient: address.optional(),
  p_subject: z.string().max(998).optional(),
  p_content: z.string().max(200_000).optional(),
  /** Id or name. */
  p_template: z.string().optional(),
  p_variables: z.record(z.string(), z.union([z.string(), z.number()])).optional(),
  p_scheduled_at: z.iso.datetime({ offset: true }).optional(),
  /** Of e-mail: one's own address, or the organisation's. */
  p_sender: address.optional(),
  p_cc: z.array(address).max(100).optional(),
  p_bcc: z.array(address).max(100).optional(),
  /** Files of the caller in the bucket messages: `outbox/<own id>/<file name>`. */
  p_attachments: z.array(z.string()).max(50).optional(),
  p_contact_id: z.uuid().optional(),
  p_student_id: z.uuid().optional(),
  p_campaign_id: z.uuid().optional(),
  p_thread_id: z.uuid().optional(),
  p_channel_specific_data: z.record(z.string(), z.json()).optional(),
});

export type CommunicationSend = z.infer<typeof communicationSendSchema>;

/** Arguments of `lead_send_email()`. */
export const leadSendEmailSchema = z.strictObject({
  p_lead_id: z.union([z.uuid(), leadNumberSchema]),
  p_subject: z.string().min(1).max(998),
  p_body: z.string().min(1).max(200_000),
  p_to: address.optional(),
  p_from: address.optional(),
  p_cc: z.array(address).max(100).optional(),
  p_bcc: z.array(address).max(100).optional(),
});

export type LeadSendEmail = z.infer<typeof leadSendEmailSchema>;

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

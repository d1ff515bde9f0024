/** Templates of messages, and how they would read. */
import { z } from "zod";

/** The channels on which messages are sent for us. */
export const messageChannels = ["email", "sms", "whatsapp"] as const;

export const templateFormats = ["text", "html"] as const;

/** A row of `message_templates`. */
export const messageTemplateSchema = z.object({
  id: z.uuid(),
  name: z.string(),
  channel: z.enum(messageChannels),
  locale: z.string(),
  format: z.enum(templateFormats),
  subject: z.string().nullable(),
  content: z.string(),
  /** In the order of their appearance. */
  variables: z.array(z.string()),
  /** Of WhatsApp: the name of the approved template. */
  provider_template: z.string().nullable(),
  is_active: z.boolean(),
  created_by: z.uuid().nullable(),
  created_at: z.string(),
  updated_at: z.string(),
  version: z.number().int(),
});

export type MessageTemplate = z.infer<typeof messageTemplateSchema>;

/** What may be written to `message_templates`. */
export const messageTemplateInsertSchema = z.strictObject({
  id: z.uuid().optional(),
  name: z.string().regex(/^[a-z0-9][a-z0-9_.-]{0,79}$/),
  channel: z.enum(messageChannels),
  locale: z
    .string()
    .regex(/^[a-z]{2,3}(-[A-Z]{2})?$/)
    .optional(),
  format: z.enum(templateFormats).optional(),
  subject: z.string().min(1).max(998).optional(),
  content: z.string().min(1).max(100_000),
  provider_template: z
    .string()
    .regex(/^[a-z0-9_]{1,512}$/)
    .optional(),
  is_active: z.boolean().optional(),
});

export type MessageTemplateInsert = z.infer<typeof messageTemplateInsertSchema>;

/** The answer of `message_preview()`. */
export const messagePreviewSchema = z.strictObject({
  template_id: z.uuid(),
  name: z.string(),
  channel: z.enum(messageChannels),
  locale: z.string(),
  format: z.enum(templateFormats),
  subject: z.string().nullable(),
  content: z.string(),
  /** Variables that nobody gave; they stay as they are written. */
  missing: z.array(z.string()),
});

export type MessagePreview = z.infer<typeof messagePreviewSchema>;

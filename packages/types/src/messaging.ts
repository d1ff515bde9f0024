/** Communications: what was written, said and agreed with people, on every channel. */
import { z } from "zod";
import { leadNumberSchema } from "./leads.ts";

export const communicationTypes = [
  "email",
  "sms",
  "whatsapp",
  "call",
  "meeting",
  "letter",
  "chat",
] as const;

export const communicationDirections = ["inbound", "outbound"] as const;

/** Only ever moves forward. */
export const communicationStatuses = [
  "scheduled",
  "queued",
  "sending",
  "sent",
  "delivered",
  "read",
  "received",
  "completed",
  "failed",
  "bounced",
  "cancelled",
] as const;

/** What a channel alone knows. */
export const detailsSchema = z.record(z.string(), z.json());

/** A row of `communications`. */
export const communicationSchema = z.object({
  id: z.uuid(),
  lead_id: z.uuid().nullable(),
  contact_id: z.uuid().nullable(),
  student_id: z.uuid().nullable(),
  user_id: z.uuid().nullable(),
  lead_owner_id: z.uuid().nullable(),
  team_id: z.uuid().nullable(),
  campaign_id: z.uuid().nullable(),
  template_id: z.uuid().nullable(),
  thread_id: z.uuid().nullable(),
  type: z.enum(communicationTypes),
  direction: z.enum(communicationDirections),
  status: z.enum(communicationStatuses),
  subject: z.string().nullable(),
  content: z.string().nullable(),
  sender: z.string().nullable(),
  recipient: z.string().nullable(),
  cc: z.array(z.string()).nullable(),
  bcc: z.array(z.string()).nullable(),
  attachments: z.array(z.string()),
  channel_specific_data: detailsSchema,
  scheduled_at: z.string().nullable(),
  sent_at: z.string().nullable(),
  delivered_at: z.string().nullable(),
  opened: z.boolean(),
  read_at: z.string().nullable(),
  clicked_at: z.string().nullable(),
  dispatched_at: z.string().nullable(),
  failed_at: z.string().nullable(),
  error: z.string().nullable(),
  sent_by: z.uuid().nullable(),
  provider: z.string().nullable(),
  provider_message_id: z.string().nullable(),
  created_at: z.string(),
  updated_at: z.string(),
  deleted_at: z.string().nullable(),
  deleted_by: z.uuid().nullable(),
  version: z.number().int(),
});

export type Communication = z.infer<typeof communicationSchema>;

/** What its author may correct of what was logged by hand. */
export const communicationUpdateSchema = z
  .strictObject({
    subject: z.string().max(998).nullable(),
    content: z.string().max(200_000).nullable(),
    status: z.enum(communicationStatuses),
    delivered_at: z.iso.datetime({ offset: true }),
    opened: z.boolean(),
    read_at: z.iso.datetime({ offset: true }),
    channel_specific_data: detailsSchema,
  })
  .partial();

export type CommunicationUpdate = z.infer<typeof communicationUpdateSchema>;

/** A row of the view `lead_emails`. */
export const leadEmailSchema = z.strictObject({
  id: z.uuid(),
  lead_id: leadNumberSchema,
  from: z.string().nullable(),
  to: z.string().nullable(),
  cc: z.array(z.string()).nullable(),
  bcc: z.array(z.string()).nullable(),
  subject: z.string().nullable(),
  body: z.string().nullable(),
  timestamp: z.string(),
  status: z.enum(communicationStatuses),
  sentBy: z.string().nullable(),
});

export type LeadEmail = z.infer<typeof leadEmailSchema>;

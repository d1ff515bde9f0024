/** Communications: what was written, said and agreed with people, on every channel. */
import { z } from "zod";
import { timelineRowSchema } from "./activities.ts";
import { callsCrmRowSchema } from "./calls.ts";
import { leadNumberSchema, leadsCrmRowSchema } from "./leads.ts";
import { leadNoteSchema } from "./notes.ts";
import { tasksCrmRowSchema } from "./tasks.ts";

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

const detailsSchema = z.record(z.string(), z.json());

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

/** A row of the view `interactions`, and the answer of `interaction_log()`. */
export const interactionSchema = z.strictObject({
  id: z.uuid(),
  lead_id: z.uuid().nullable(),
  contact_id: z.uuid().nullable(),
  student_id: z.uuid().nullable(),
  type: z.enum([...communicationTypes, "note"]),
  direction: z.enum(communicationDirections).nullable(),
  subject: z.string().nullable(),
  content: z.string().nullable(),
  status: z.string().nullable(),
  /** Of calls, in seconds. */
  duration: z.number().int().nullable(),
  user_id: z.uuid().nullable(),
  by: z.string().nullable(),
  timestamp: z.string(),
});

export type Interaction = z.infer<typeof interactionSchema>;

/** Arguments of `interaction_log()`. */
export const interactionLogSchema = z.strictObject({
  p_lead_id: z.union([z.uuid(), leadNumberSchema]),
  p_type: z.enum([...communicationTypes, "note"]),
  p_content: z.string().optional(),
  p_subject: z.string().optional(),
  p_direction: z.enum(communicationDirections).optional(),
  /** Now, if left out. Only calls and meetings may be yet to come. */
  p_at: z.iso.datetime({ offset: true }).optional(),
  /** In seconds. */
  p_duration: z.number().int().min(0).max(86_400).optional(),
  p_details: detailsSchema.optional(),
  /** Made by the client, so that what is sent again is logged once. */
  p_id: z.uuid().optional(),
});

export type InteractionLog = z.infer<typeof interactionLogSchema>;

/** The answer of `lead_360()`: what the page of a lead shows. */
export const lead360Schema = z.strictObject({
  lead: leadsCrmRowSchema.extend({
    activities: z.array(
      timelineRowSchema.pick({
        type: true,
        title: true,
        description: true,
        by: true,
        timestamp: true,
      }),
    ),
  }),
  emails: z.array(leadEmailSchema),
  calls: z.array(callsCrmRowSchema),
  tasks: z.array(tasksCrmRowSchema),
  notes: z.array(leadNoteSchema),
});

export type Lead360 = z.infer<typeof lead360Schema>;

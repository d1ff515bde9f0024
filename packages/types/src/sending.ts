/** Sending: what is asked to be sent. */
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

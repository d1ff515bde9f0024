/** Background jobs: the payload of every kind. */
import { z } from "zod";

/** What each kind of job carries: ids, never copies of personal data. */
export const jobPayloads = {
  "meta.insights": z.object({ schedule: z.string().optional() }),
  "campaign.step": z.object({ campaign_id: z.uuid() }),
  "inbox.meta": z.object({ inbox_id: z.uuid() }),
  "inbox.razorpay": z.object({ inbox_id: z.uuid() }),
  "inbox.stripe": z.object({ inbox_id: z.uuid() }),
  "payments.refund": z.object({ refund_id: z.uuid() }),
  "payments.reconcile": z.object({ schedule: z.string().optional() }),
  "inbox.sendgrid_events": z.object({ inbox_id: z.uuid() }),
  "inbox.twilio_events": z.object({ inbox_id: z.uuid() }),
  "inbox.whatsapp_events": z.object({ inbox_id: z.uuid() }),
  "message.files": z.object({
    communication_id: z.uuid(),
    files: z.array(z.object({ media_id: z.string(), name: z.string() })),
  }),
  send_message: z.object({ communication_id: z.uuid() }),
  "meta.backfill": z.object({ schedule: z.string().optional() }),
  "meta.backfill_form": z.object({ form_id: z.string().min(1) }),
  "document.check": z.object({ version_id: z.uuid() }),
  "documents.sweep": z.object({ schedule: z.string().optional() }),
  "documents.strays": z.object({ schedule: z.string().optional() }),
  "files.remove": z.object({
    note_ids: z.array(z.uuid()).optional(),
    document_ids: z.array(z.uuid()).optional(),
    import_ids: z.array(z.uuid()).optional(),
    uploads_before: z.string().optional(),
  }),
  "integrations.prune": z.object({ schedule: z.string().optional() }),
  "jobs.prune": z.object({ schedule: z.string().optional() }),
  "webhook.deliver": z.object({ webhook_id: z.uuid() }),
  "retention.purge": z.object({ schedule: z.string().optional() }),
} as const;

export type JobKind = keyof typeof jobPayloads;

export type JobPayload<Kind extends JobKind> = z.infer<(typeof jobPayloads)[Kind]>;

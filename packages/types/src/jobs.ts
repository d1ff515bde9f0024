/** Background jobs: the payload of every kind. */
import { z } from "zod";

/** What each kind of job carries: ids, never copies of personal data. */
export const jobPayloads = {
  "inbox.meta": z.object({ inbox_id: z.uuid() }),
  "meta.backfill": z.object({ schedule: z.string().optional() }),
  "meta.backfill_form": z.object({ form_id: z.string().min(1) }),
  "files.remove": z.object({
    note_ids: z.array(z.uuid()).optional(),
    import_ids: z.array(z.uuid()).optional(),
    uploads_before: z.string().optional(),
  }),
  "integrations.prune": z.object({ schedule: z.string().optional() }),
  "jobs.prune": z.object({ schedule: z.string().optional() }),
  "retention.purge": z.object({ schedule: z.string().optional() }),
} as const;

export type JobKind = keyof typeof jobPayloads;

export type JobPayload<Kind extends JobKind> = z.infer<(typeof jobPayloads)[Kind]>;

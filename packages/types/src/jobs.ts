/** Background jobs: what the administrators' RPCs answer, and the payload of every kind. */
import { z } from "zod";

export const jobStateSchema = z.enum([
  "queued",
  "scheduled",
  "retrying",
  "running",
  "done",
  "cancelled",
  "dead",
]);

export type JobState = z.infer<typeof jobStateSchema>;

/** A row of `jobs_list()`. */
export const jobSchema = z.object({
  id: z.uuid(),
  kind: z.string(),
  state: jobStateSchema,
  payload: z.record(z.string(), z.unknown()),
  provider: z.string(),
  priority: z.number().int(),
  attempts: z.number().int(),
  max_attempts: z.number().int().nullable(),
  run_at: z.string().nullable(),
  last_error: z.string().nullable(),
  request_id: z.string().nullable(),
  created_at: z.string(),
  ended_at: z.string().nullable(),
});

export type Job = z.infer<typeof jobSchema>;

/** The answer of `jobs_stats()`. Counts stop at 10,001. */
export const jobStatsSchema = z.object({
  due: z.number().int(),
  oldest_due_seconds: z.number().int(),
  running: z.number().int(),
  waiting: z.number().int(),
  dead: z.number().int(),
  is_draining: z.boolean(),
});

export type JobStats = z.infer<typeof jobStatsSchema>;

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

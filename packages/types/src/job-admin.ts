/** Job administration: what the administrators' RPCs answer. */
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

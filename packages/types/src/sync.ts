/** Sync: what devices pull, and how they stand. See docs/sync.md. */
import { z } from "zod";

/** What a device keeps: the rows assigned to its person. */
export const syncTypes = ["leads", "tasks", "calls", "reminders"] as const;

export const syncTypeSchema = z.enum(syncTypes);

export type SyncType = z.infer<typeof syncTypeSchema>;

/** Every row has these two, and the columns of its table. */
export const syncRowSchema = z.looseObject({ id: z.uuid(), version: z.number().int() });

export type SyncRow = z.infer<typeof syncRowSchema>;

/** Count and digest of the rows whose ids end in the same digit. */
const digestsSchema = z.record(z.string(), z.tuple([z.number().int(), z.number().int()]));

/** The answer of `sync_pull()` and `sync_full()`. */
export const syncPullSchema = z.strictObject({
  changes: z.partialRecord(syncTypeSchema, z.array(syncRowSchema)),
  has_more: z.boolean(),
  /** Everything comes, because there was no cursor or it said nothing any more. */
  full: z.boolean(),
  cursor: z.string(),
  server_time: z.string(),
  /** With the last page only. */
  digests: z.partialRecord(syncTypeSchema, digestsSchema).optional(),
});

export type SyncPull = z.infer<typeof syncPullSchema>;

/** The answer of `sync_ids()`: versions by id. */
export const syncIdsSchema = z.record(z.uuid(), z.number().int());

/** The answer of `sync_status()`. */
export const syncStatusSchema = z.strictObject({
  agent_id: z.uuid(),
  last_sync_at: z.string().nullable(),
  last_push_at: z.string().nullable(),
  pending: z.number().int(),
  conflicts: z.number().int(),
  clients: z.array(
    z.strictObject({
      client_id: z.uuid(),
      device: z.string(),
      pending: z.number().int(),
      last_sync_at: z.string().nullable(),
      last_push_at: z.string().nullable(),
    }),
  ),
  server_time: z.string(),
});

export type SyncStatus = z.infer<typeof syncStatusSchema>;

/** A row of `sync_log`. */
export const syncLogSchema = z.strictObject({
  id: z.uuid(),
  agent_id: z.uuid(),
  client_id: z.uuid(),
  type: z.enum(["incremental", "full", "selective", "push"]),
  status: z.enum(["success", "partial", "failed"]),
  started_at: z.string(),
  finished_at: z.string(),
  counts: z.record(z.string(), z.number()),
  error: z.string().nullable(),
});

export type SyncLog = z.infer<typeof syncLogSchema>;

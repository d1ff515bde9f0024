/** Sync push: what is done on devices, and what became of it. See docs/sync.md. */
import { z } from "zod";
import { syncRowSchema, syncTypeSchema } from "./sync.ts";

/** One thing done on a device: an element of `p_ops` of `sync_push()`. */
export const syncOpSchema = z.strictObject({
  op_id: z.uuid(),
  type: syncTypeSchema,
  action: z.enum(["insert", "update", "delete"]),
  /** Made by the device for a new row. */
  id: z.uuid(),
  fields: z.record(z.string(), z.json()).optional(),
  /** What the device saw before: its version, and the values of the fields it changes. */
  base_version: z.number().int().optional(),
  base: z.record(z.string(), z.json()).optional(),
});

export type SyncOp = z.infer<typeof syncOpSchema>;

/** A field that two changed: both values, and whose stands. */
export const syncFieldConflictSchema = z.strictObject({
  field: z.string(),
  mine: z.json(),
  theirs: z.json(),
  resolution: z.enum(["client", "server"]),
});

/** What became of one operation. */
export const syncResultSchema = z.object({
  op_id: z.uuid(),
  status: z.enum(["applied", "recorded", "conflict", "rejected"]),
  duplicate: z.boolean(),
  version: z.number().int().nullish(),
  row: syncRowSchema.nullish(),
  conflicts: z.array(syncFieldConflictSchema).optional(),
  code: z.string().optional(),
  message: z.string().optional(),
  details: z.string().optional(),
});

export type SyncResult = z.infer<typeof syncResultSchema>;

/** The answer of `sync_push()`. */
export const syncPushSchema = z.strictObject({
  results: z.array(syncResultSchema),
  server_time: z.string(),
});

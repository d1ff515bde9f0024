/** Batches: what is done to many leads at once, and taken back at once; deleting and restoring a lead. */
import { z } from "zod";

export const batchKinds = ["status", "tags", "assign", "delete"] as const;

export const batchKindSchema = z.enum(batchKinds);

export type BatchKind = z.infer<typeof batchKindSchema>;

/** A lead that a batch could not change, or an undo left as it is, and the error code that says why. */
export const batchExceptionSchema = z.strictObject({ id: z.uuid(), code: z.string() });

export type BatchException = z.infer<typeof batchExceptionSchema>;

/** A row of `batches`. */
export const batchSchema = z.strictObject({
  id: z.uuid(),
  kind: batchKindSchema,
  created_by: z.uuid().nullable(),
  created_at: z.string(),
  undone_by: z.uuid().nullable(),
  undone_at: z.string().nullable(),
  kept: z.array(batchExceptionSchema),
});

export type Batch = z.infer<typeof batchSchema>;

/** The answer of `lead_bulk_status()`, `lead_bulk_tag()` and `lead_bulk_delete()`. */
export const batchDoneSchema = z.strictObject({
  batch_id: z.uuid(),
  changed: z.number().int().nonnegative(),
  unchanged: z.number().int().nonnegative(),
  refused: z.array(batchExceptionSchema),
  not_found: z.array(z.uuid()),
});

export type BatchDone = z.infer<typeof batchDoneSchema>;

/** The answer of `batch_undo()`. */
export const batchUndoneSchema = z.strictObject({
  batch_id: z.uuid(),
  reverted: z.number().int().nonnegative(),
  kept: z.array(batchExceptionSchema),
});

export type BatchUndone = z.infer<typeof batchUndoneSchema>;

/** The answer of `lead_restore()`. */
export const leadRestoredSchema = z.strictObject({
  message: z.string(),
  lead_id: z.string(),
  id: z.uuid(),
});

export type LeadRestored = z.infer<typeof leadRestoredSchema>;

/** The answer of `lead_delete()`; `batch_id` undoes it, and is null of what was erased for good. */
export const leadDeletedSchema = leadRestoredSchema.extend({ batch_id: z.uuid().nullable() });

export type LeadDeleted = z.infer<typeof leadDeletedSchema>;

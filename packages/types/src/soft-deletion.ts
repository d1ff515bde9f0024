/** Deleting and restoring: one way for every table that has `deleted_at`. */
import { z } from "zod";

/** Tables that `soft_delete()` and `restore()` work on. */
export const softDeletableTables = [
  "automation_workflows",
  "calls",
  "campaigns",
  "communications",
  "contacts",
  "deals",
  "documents",
  "leads",
  "notes",
  "organizations",
  "reminders",
  "students",
  "tasks",
] as const;

/** A row of `deleted_rows()`; as `p_before` it asks for the page after it. */
export const deletedRowSchema = z.strictObject({
  table_name: z.string(),
  id: z.uuid(),
  /** What it is called, the beginning of its text, or empty. */
  label: z.string(),
  deleted_at: z.string(),
  /** Null for the system. */
  deleted_by: z.uuid().nullable(),
  deleted_by_name: z.string().nullable(),
});

export type DeletedRow = z.infer<typeof deletedRowSchema>;

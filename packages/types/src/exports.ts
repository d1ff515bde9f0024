/** Exports of lists: what export_start() answers, and what Realtime tells when one ends. */
import { z } from "zod";

export const exportStatusSchema = z.enum(["running", "done", "failed", "expired"]);

/** A row of `exports`, and the answer of `export_start()`. */
export const exportSchema = z.object({
  id: z.uuid(),
  created_by: z.uuid(),
  list: z.string(),
  filters: z.record(z.string(), z.unknown()),
  columns: z.array(z.string()),
  status: exportStatusSchema,
  failure: z.string().nullable(),
  row_count: z.number().int(),
  size_bytes: z.number().int().nullable(),
  storage_path: z.string().nullable(),
  expires_at: z.string().nullable(),
  created_at: z.string(),
  finished_at: z.string().nullable(),
});

export type Export = z.infer<typeof exportSchema>;

/** `export_progress` on `user:<id>`: ids and counts only. */
export const exportProgressSchema = z.object({
  id: z.uuid(),
  status: exportStatusSchema,
  row_count: z.number().int(),
});

/** What the jobs export.run and export.expire carry. */
export const exportPayloadSchema = z.object({ export_id: z.uuid() });

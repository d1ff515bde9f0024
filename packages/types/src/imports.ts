/** Imports of leads: what the import_* RPCs answer, and what Realtime tells while one runs. */
import { z } from "zod";

export const importStatusSchema = z.enum([
  "reading",
  "read",
  "checking",
  "checked",
  "committing",
  "committed",
  "stopped",
  "undoing",
  "undone",
  "failed",
]);

export type ImportStatus = z.infer<typeof importStatusSchema>;

/** What the dry run decides about a row. */
export const importDecisionSchema = z.enum(["new", "enquiry", "duplicate", "known", "invalid"]);

/** What was done about a row. */
export const importOutcomeSchema = z.enum([
  "created",
  "enquiry",
  "skipped",
  "failed",
  "erased",
  "withdrawn",
  "kept",
]);

const countsSchema = z.record(z.string(), z.number().int());

/** A row of `imports`, and the answer of every import_* RPC but the report. */
export const importSchema = z.object({
  id: z.uuid(),
  created_by: z.uuid(),
  storage_path: z.string(),
  file_name: z.string(),
  format: z.enum(["csv", "json"]),
  has_header: z.boolean(),
  size_bytes: z.number().int(),
  encoding: z.string().nullable(),
  delimiter: z.string().nullable(),
  status: importStatusSchema,
  failure: z.string().nullable(),
  failure_detail: z.string().nullable(),
  columns: z.array(z.string()),
  suggested_mapping: z.record(z.string(), z.string()),
  mapping: z.record(z.string(), z.string()).nullable(),
  defaults: z.record(z.string(), z.union([z.string(), z.number()])),
  rows_total: z.number().int(),
  chunks_total: z.number().int(),
  chunks_done: z.number().int(),
  counts: countsSchema,
  results: countsSchema,
  error_path: z.string().nullable(),
  created_at: z.string(),
  updated_at: z.string(),
  committed_at: z.string().nullable(),
  undone_at: z.string().nullable(),
  pruned_at: z.string().nullable(),
});

export type Import = z.infer<typeof importSchema>;

/** A row of `import_report()`. */
export const importRowSchema = z.object({
  row_no: z.number().int(),
  decision: importDecisionSchema.nullable(),
  outcome: importOutcomeSchema.nullable(),
  code: z.string().nullable(),
  field: z.string().nullable(),
  message: z.string().nullable(),
  duplicate_of: z.number().int().nullable(),
  lead_id: z.uuid().nullable(),
  lead_number: z.string().nullable(),
  cells: z.array(z.string()),
});

export type ImportRow = z.infer<typeof importRowSchema>;

/** `import_progress` on `user:<id>`: ids and counts only. */
export const importProgressSchema = z.object({
  id: z.uuid(),
  status: importStatusSchema,
  rows_total: z.number().int(),
  chunks_done: z.number().int(),
  chunks_total: z.number().int(),
  counts: countsSchema,
  results: countsSchema,
});

export type ImportProgress = z.infer<typeof importProgressSchema>;

/** What the jobs import.read, import.run and import.report carry. */
export const importPayloadSchema = z.object({ import_id: z.uuid() });

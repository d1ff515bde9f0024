/** Reports as files: the history, and what the function `reports` answers. */
import { z } from "zod";

export const reportRunStatusSchema = z.enum(["queued", "running", "done", "failed", "expired"]);

/** A row of `report_runs`, and the answer of `report_export()`. */
export const reportRunSchema = z.strictObject({
  id: z.uuid(),
  report_id: z.uuid().nullable(),
  schedule_id: z.uuid().nullable(),
  slot: z.string().nullable(),
  created_by: z.uuid(),
  name: z.string(),
  format: z.enum(["csv", "json"]),
  status: reportRunStatusSchema,
  failure: z.string().nullable(),
  row_count: z.number().int(),
  size_bytes: z.number().int().nullable(),
  storage_path: z.string().nullable(),
  download_url: z.string().nullable(),
  expires_at: z.string().nullable(),
  created_at: z.string(),
  finished_at: z.string().nullable(),
});

export type ReportRun = z.infer<typeof reportRunSchema>;

/** `report_progress` on `user:<id>`: ids and counts only. */
export const reportProgressSchema = z.strictObject({
  id: z.uuid(),
  report_id: z.uuid().nullable(),
  status: reportRunStatusSchema,
  row_count: z.number().int(),
});

/** What `POST /reports/export` takes. */
export const reportExportSchema = z.strictObject({
  report_id: z.uuid(),
  format: z.enum(["csv", "json", "pdf", "xlsx", "sheets"]).default("csv"),
});

/** What `POST /reports/export` answers once the file is there. */
export const reportExportedSchema = z.strictObject({
  download_url: z.url(),
  expires_at: z.string().describe("When the link ends; report_runs makes another"),
});

export type ReportExported = z.infer<typeof reportExportedSchema>;

/** What it answers when that takes longer: the run goes on. */
export const reportPendingSchema = z.strictObject({
  run_id: z.uuid(),
  status: reportRunStatusSchema,
});

/** What the jobs report.run and report.expire carry. */
export const reportRunPayloadSchema = z.object({ run_id: z.uuid() });

export const reportExpirePayloadSchema = z.object({ run_id: z.uuid(), path: z.string().min(1) });

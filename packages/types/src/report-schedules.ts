/** Schedules of reports. */
import { z } from "zod";

/** A row of `scheduled_reports`. */
export const scheduledReportSchema = z.strictObject({
  id: z.uuid(),
  report_id: z.uuid(),
  created_by: z.uuid(),
  frequency: z.string(),
  time: z.string().nullable(),
  day: z.number().int().nullable(),
  recipients: z.array(z.string()),
  format: z.enum(["csv", "json"]),
  status: z.enum(["active", "paused"]),
  stopped_because: z.string().nullable(),
  next_run: z.string().nullable(),
  last_run: z.string().nullable(),
  created_at: z.string(),
  updated_at: z.string(),
  version: z.number().int(),
});

export type ScheduledReport = z.infer<typeof scheduledReportSchema>;

/** The answer of `report_schedule()`. */
export const reportScheduledSchema = z.strictObject({
  schedule_id: z.uuid(),
  next_run: z.string(),
});

export type ReportScheduled = z.infer<typeof reportScheduledSchema>;

/** What the database tells the function of a link that was sent outside. */
export const reportLinkSchema = z.strictObject({
  found: z.boolean(),
  /** Above 0, seconds to wait. */
  retry_after: z.number().int(),
  path: z.string().optional(),
});

export type ReportLink = z.infer<typeof reportLinkSchema>;

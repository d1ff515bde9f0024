/** Alerts: what needs somebody's attention, and which leads are at risk. */
import { z } from "zod";

export const severities = ["low", "medium", "high", "critical"] as const;

export const severitySchema = z.enum(severities);

export type Severity = z.infer<typeof severitySchema>;

export const alertTypes = [
  "sla_breach",
  "stale_lead",
  "overdue_task",
  "failed_integration",
  "dead_job",
] as const;

export const alertTypeSchema = z.enum(alertTypes);

export type AlertType = z.infer<typeof alertTypeSchema>;

const pageSize = z.number().int().min(1).max(200).optional();

/** The answer of `analytics_alerts()`, newest first. */
export const alertSchema = z.strictObject({
  type: alertTypeSchema,
  severity: severitySchema,
  title: z.string(),
  description: z.string(),
  /** A path of the frontend. */
  link: z.string().startsWith("/"),
  created_at: z.string(),
});

export type Alert = z.infer<typeof alertSchema>;

/** Arguments of `analytics_alerts()`; the next page is before the last row of this one. */
export const analyticsAlertsArgumentsSchema = z.strictObject({
  p_limit: pageSize,
  p_before: alertSchema.pick({ created_at: true, type: true, link: true, title: true }).nullish(),
});

export type AnalyticsAlertsArguments = z.infer<typeof analyticsAlertsArgumentsSchema>;

export const riskReasons = ["sla", "overdue_tasks", "inactivity", "age"] as const;

/** The answer of `leads_at_risk()`, gravest first. */
export const leadAtRiskSchema = z.strictObject({
  id: z.uuid(),
  lead_id: z.string(),
  name: z.string(),
  assigned_to: z.uuid().nullable(),
  team_id: z.uuid().nullable(),
  severity: severitySchema,
  reasons: z.array(z.enum(riskReasons)).min(1),
  since: z.string(),
  link: z.string().startsWith("/"),
});

export type LeadAtRisk = z.infer<typeof leadAtRiskSchema>;

/** Arguments of `leads_at_risk()`. */
export const leadsAtRiskArgumentsSchema = z.strictObject({
  p_limit: pageSize,
  p_before: leadAtRiskSchema.pick({ severity: true, since: true, id: true }).nullish(),
});

export type LeadsAtRiskArguments = z.infer<typeof leadsAtRiskArgumentsSchema>;

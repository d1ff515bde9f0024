/** Settings: rows of `system_settings` (also `app_settings`), and what a client may upsert. */
import { z } from "zod";
import { severitySchema } from "./alerts.ts";
import { callOutcomes } from "./calls.ts";

export const settingKeySchema = z
  .string()
  .max(100)
  .regex(/^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$/);

/** What is shown in place of a secret; writing it back changes nothing. */
export const secretMaskSchema = z.string().startsWith("••••");

export const settingSchema = z.object({
  key: settingKeySchema,
  value: z.json(),
  category: z.string(),
  description: z.string(),
  is_secret: z.boolean(),
  is_public: z.boolean(),
  updated_by: z.uuid().nullable(),
  created_at: z.string(),
  updated_at: z.string(),
});

export type Setting = z.infer<typeof settingSchema>;

/** For `upsert(setting, { onConflict: "key" })`. */
export const settingUpsertSchema = z.object({
  key: settingKeySchema,
  value: z.json(),
  category: z
    .string()
    .regex(/^[a-z][a-z0-9_]{0,62}$/)
    .optional(),
  description: z.string().max(500).optional(),
  is_secret: z.boolean().optional(),
  is_public: z.boolean().optional(),
});

export type SettingUpsert = z.infer<typeof settingUpsertSchema>;

const writesPerMinute = z.number().int().min(0).max(100_000);

const callsPerMinute = z.number().int().min(0).max(1_000_000);

const scoreWeight = z.number().min(0).max(100);

/** Keys the system reads, and what each holds. Other keys are the organisation's own. */
export const knownSettings = {
  "organization.name": z.string().trim().min(1).max(120),
  "organization.timezone": z.string(),
  "organization.currency": z.string().regex(/^[A-Z]{3}$/),
  "organization.phone_region": z.string().regex(/^[A-Z]{2}$/),
  "organization.website": z.union([z.literal(""), z.url({ protocol: /^https?$/ }).max(2000)]),
  "leads.unique_email": z.boolean(),
  "leads.unique_phone": z.boolean(),
  "routing.max_open_leads": z.number().int().min(0).max(100_000),
  "routing.respects_availability": z.boolean(),
  "agents.stale_minutes": z.number().int().min(0).max(1440),
  "analytics.successful_outcomes": z.array(z.enum(callOutcomes)).min(1).max(9),
  "analytics.score_weight_success": scoreWeight,
  "analytics.score_weight_completion": scoreWeight,
  "analytics.score_weight_conversion": scoreWeight,
  "analytics.score_target_conversion": z.number().min(1).max(100),
  "security.rate_limit.user_writes_per_minute": writesPerMinute,
  "security.rate_limit.anonymous_writes_per_minute": writesPerMinute,
  "security.rate_limit.functions_per_minute": callsPerMinute,
  "security.rate_limit.admin_per_minute": callsPerMinute,
  "security.rate_limit.webhooks_per_minute": callsPerMinute,
  "security.rate_limit.capture_per_minute": callsPerMinute,
  "security.rate_limit.api_key_per_minute": writesPerMinute,
  "webhooks.disable_after_hours": z.number().int().min(1).max(8760),
  "webhooks.delivery_days": z.number().int().min(0).max(3650),
  "security.rate_limit.address_header": z.string().min(1).max(100),
  "alerts.stale_after_days": z.number().int().min(1).max(365),
  "alerts.old_after_days": z.number().int().min(1).max(3650),
  "alerts.severity.sla_breach": severitySchema,
  "alerts.severity.stale_lead": severitySchema,
  "alerts.severity.old_lead": severitySchema,
  "alerts.severity.overdue_task": severitySchema,
  "alerts.severity.failed_integration": severitySchema,
  "alerts.severity.dead_job": severitySchema,
  "audit.retention_months": z.number().int().min(0).max(1200),
  "payments.financial_year_starts_in": z.number().int().min(1).max(12),
  "notifications.retention_days": z.number().int().min(0).max(3650),
  "notifications.assignment_threshold": z.number().int().min(1).max(100),
  "messaging.quiet_from_hour": z.number().int().min(0).max(23),
  "messaging.quiet_to_hour": z.number().int().min(0).max(23),
  "messaging.marketing_needs_consent": z.boolean(),
  "messaging.test_recipients": z.array(z.string()).max(100),
  "messaging.email_from": z.union([z.literal(""), z.email()]),
  "automation.max_attempts": z.number().int().min(1).max(10),
  "automation.max_chain": z.number().int().min(1).max(20),
  "automation.max_runs_per_lead": z.number().int().min(1).max(1000),
  "automation.reminder_overdue_minutes": z.number().int().min(0).max(10_080),
  "automation.retention_days": z.number().int().min(0).max(3650),
  "exports.keep_hours": z.number().int().min(1).max(720),
  "campaigns.max_recipients": z.number().int().min(1).max(1_000_000),
  "campaigns.response_days": z.number().int().min(1).max(365),
  "campaigns.conversion_days": z.number().int().min(1).max(730),
  "campaigns.unsubscribe_page": z.union([z.literal(""), z.url({ protocol: /^https?$/ }).max(2000)]),
  "security.rate_limit.track_per_minute": z.number().int().min(0).max(1_000_000),
  "reports.keep_hours": z.number().int().min(1).max(720),
  "reports.allowed_recipients": z.array(z.string()).max(100),
  "retention.deleted_days": z.number().int().min(0).max(3650),
  "retention.import_days": z.number().int().min(0).max(3650),
  "retention.export_days": z.number().int().min(0).max(3650),
  "retention.analytics_event_days": z.number().int().min(0).max(3650),
  "retention.sla_timer_days": z.number().int().min(0).max(3650),
  "retention.sync_days": z.number().int().min(0).max(3650),
  "retention.report_run_days": z.number().int().min(0).max(3650),
  "retention.dead_job_days": z.number().int().min(0).max(3650),
  "retention.read_notification_days": z.number().int().min(0).max(3650),
  "health.metrics_days": z.number().int().min(1).max(400),
} as const;

export type KnownSetting = keyof typeof knownSettings;

export type KnownSettingValue<Key extends KnownSetting> = z.infer<(typeof knownSettings)[Key]>;

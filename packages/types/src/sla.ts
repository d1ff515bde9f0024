/** SLA: what is promised of leads, and what became of it. */
import { z } from "zod";

export const slaKinds = ["first_response", "follow_up"] as const;

export const slaKindSchema = z.enum(slaKinds);

export type SlaKind = z.infer<typeof slaKindSchema>;

const aYear = 525_600;

/** What may be written of a row of `sla_policies`; a condition that is null matches any lead. */
export const slaPolicyInsertSchema = z.strictObject({
  name: z.string().trim().min(1).max(120),
  kind: slaKindSchema,
  stage: z.string().nullish(),
  source: z.string().trim().min(1).max(100).nullish(),
  target_minutes: z.number().int().min(1).max(aYear),
  is_in_business_hours: z.boolean().optional(),
  /** Less than `target_minutes`; null is never. */
  warn_before_minutes: z.number().int().min(1).max(aYear).nullish(),
  escalate_after_minutes: z.number().int().min(0).max(aYear).nullish(),
  is_active: z.boolean().optional(),
});

export type SlaPolicyInsert = z.infer<typeof slaPolicyInsertSchema>;

/** A row of `sla_policies`. */
export const slaPolicySchema = z.strictObject({
  id: z.uuid(),
  name: z.string(),
  kind: slaKindSchema,
  stage: z.string().nullable(),
  source: z.string().nullable(),
  target_minutes: z.number().int(),
  is_in_business_hours: z.boolean(),
  warn_before_minutes: z.number().int().nullable(),
  escalate_after_minutes: z.number().int().nullable(),
  is_active: z.boolean(),
  active_since: z.string(),
  created_at: z.string(),
  updated_at: z.string(),
});

export type SlaPolicy = z.infer<typeof slaPolicySchema>;

/** A row of `sla_timers`. It runs while neither `met_at` nor `cancelled_at` is set. */
export const slaTimerSchema = z.strictObject({
  id: z.uuid(),
  lead_id: z.uuid(),
  lead_owner_id: z.uuid().nullable(),
  team_id: z.uuid().nullable(),
  policy_id: z.uuid(),
  kind: slaKindSchema,
  started_at: z.string(),
  warn_at: z.string().nullable(),
  due_at: z.string(),
  escalate_at: z.string().nullable(),
  next_at: z.string().nullable(),
  warned_at: z.string().nullable(),
  met_at: z.string().nullable(),
  breached_at: z.string().nullable(),
  escalated_at: z.string().nullable(),
  cancelled_at: z.string().nullable(),
  created_at: z.string(),
});

export type SlaTimer = z.infer<typeof slaTimerSchema>;

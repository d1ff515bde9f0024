/** Routing: rules of automatic assignment, assignment by hand, and why a lead went where it went. */
import { z } from "zod";

/** Arguments of `lead_assign()`; nobody is null. */
export const leadAssignSchema = z.strictObject({
  p_lead_ids: z.array(z.uuid()).min(1).max(1000),
  p_user_id: z.uuid().nullable(),
  p_reason: z.string().max(1000).nullish(),
});

export type LeadAssign = z.infer<typeof leadAssignSchema>;

/** The answer of `lead_assign()`. Ids that the caller may not see count as not found. */
export const leadAssignedSchema = z.strictObject({
  batch_id: z.uuid(),
  assigned: z.number().int().nonnegative(),
  unchanged: z.number().int().nonnegative(),
  not_found: z.array(z.uuid()),
});

export type LeadAssigned = z.infer<typeof leadAssignedSchema>;

export const assignmentMethods = ["manual", "automatic"] as const;

export const assignmentMethodSchema = z.enum(assignmentMethods);

export type AssignmentMethod = z.infer<typeof assignmentMethodSchema>;

/** A row of `lead_assignments`; without `to_user_id`, nobody could take the lead. */
export const leadAssignmentSchema = z.strictObject({
  id: z.uuid(),
  lead_id: z.uuid(),
  from_user_id: z.uuid().nullable(),
  to_user_id: z.uuid().nullable(),
  team_id: z.uuid().nullable(),
  method: assignmentMethodSchema,
  reason: z.string().nullable(),
  batch_id: z.uuid().nullable(),
  assigned_by: z.uuid().nullable(),
  assigned_at: z.string(),
});

export type LeadAssignment = z.infer<typeof leadAssignmentSchema>;

/** What may be written of a row of `assignment_rules`; a condition that is null matches any lead. */
export const assignmentRuleInsertSchema = z.strictObject({
  name: z.string().trim().min(1).max(120),
  position: z.number().int(),
  source: z.string().nullish(),
  course: z.string().nullish(),
  territory: z.string().nullish(),
  team_id: z.uuid(),
  is_active: z.boolean().optional(),
});

export type AssignmentRuleInsert = z.infer<typeof assignmentRuleInsertSchema>;

/** A row of `assignment_rules`. */
export const assignmentRuleSchema = z.strictObject({
  id: z.uuid(),
  name: z.string(),
  position: z.number().int(),
  source: z.string().nullable(),
  course: z.string().nullable(),
  territory: z.string().nullable(),
  team_id: z.uuid(),
  is_active: z.boolean(),
  created_at: z.string(),
  updated_at: z.string(),
});

export type AssignmentRule = z.infer<typeof assignmentRuleSchema>;

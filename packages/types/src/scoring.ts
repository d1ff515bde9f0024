import { z } from "zod";

export const scoreOperators = [
  "eq",
  "neq",
  "in",
  "contains",
  "gt",
  "gte",
  "lt",
  "lte",
  "is_set",
  "is_not_set",
  "within_days",
] as const;

/** A row for `lead_score_rules`. */
export const scoreRuleInputSchema = z.object({
  name: z.string().min(1).max(120),
  field: z.string(),
  operator: z.enum(scoreOperators),
  value: z.unknown().optional(),
  points: z.number().int().min(-100).max(100),
  decay_days: z.number().int().min(1).max(3650).nullable().optional(),
  is_active: z.boolean().optional(),
});

/** The answer of `explain_score`. */
export const scoreExplanationSchema = z.object({
  lead_id: z.string(),
  score: z.number().int().min(0).max(100),
  rules: z.array(
    z.object({
      rule_id: z.uuid(),
      name: z.string(),
      field: z.string(),
      operator: z.enum(scoreOperators),
      value: z.unknown(),
      points: z.number().int(),
      awarded: z.number(),
    }),
  ),
});

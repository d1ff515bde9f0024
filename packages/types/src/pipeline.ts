/** Pipeline: the stages of a lead, and the counts over them. */
import { z } from "zod";

/** The stages a new project starts with. An organisation may change them: read `pipeline_stages`. */
export const initialStages = [
  "new",
  "contacted",
  "qualified",
  "proposal",
  "enrolled",
  "closed",
  "lost",
] as const;

export type InitialStage = (typeof initialStages)[number];

export const stageKeySchema = z.string().regex(/^[a-z][a-z0-9_]{0,62}$/);

/** A row of `pipeline_stages`. */
export const pipelineStageSchema = z.object({
  key: stageKeySchema,
  name: z.string(),
  position: z.number().int().positive(),
  is_won: z.boolean(),
  is_lost: z.boolean(),
  is_closed: z.boolean(),
  probability: z.number().int().min(0).max(100),
  created_at: z.string(),
  updated_at: z.string(),
});

export type PipelineStage = z.infer<typeof pipelineStageSchema>;

export const pipelineStageInsertSchema = z.strictObject({
  key: stageKeySchema,
  name: z.string().trim().min(1),
  position: z.number().int().positive(),
  is_won: z.boolean().optional(),
  is_lost: z.boolean().optional(),
  is_closed: z.boolean().optional(),
  probability: z.number().int().min(0).max(100).optional(),
});

export type PipelineStageInsert = z.infer<typeof pipelineStageInsertSchema>;

/** A row of `pipeline_transitions`: a move that is allowed. */
export const pipelineTransitionSchema = z.strictObject({
  from_stage: stageKeySchema,
  to_stage: stageKeySchema,
});

export type PipelineTransition = z.infer<typeof pipelineTransitionSchema>;

/** The answer of `pipeline_summary()`. */
export const pipelineSummarySchema = z.array(
  z.strictObject({
    stage: stageKeySchema,
    name: z.string(),
    position: z.number().int(),
    count: z.number().int().nonnegative(),
    value: z.number().nonnegative(),
  }),
);

export type PipelineSummary = z.infer<typeof pipelineSummarySchema>;

/** A card of the board. */
export const pipelineCardSchema = z.strictObject({
  id: z.uuid(),
  lead_id: z.string(),
  name: z.string(),
  source: z.string(),
  score: z.number().int(),
  value: z.number(),
  currency: z.string(),
  assigned_to: z.uuid().nullable(),
  last_interaction_at: z.string().nullable(),
  created_at: z.string(),
});

export type PipelineCard = z.infer<typeof pipelineCardSchema>;

/** The answer of `pipeline_board()`. */
export const pipelineBoardSchema = z.array(
  z.strictObject({
    stage: stageKeySchema,
    name: z.string(),
    count: z.number().int().nonnegative(),
    value: z.number().nonnegative(),
    leads: z.array(pipelineCardSchema),
  }),
);

export type PipelineBoard = z.infer<typeof pipelineBoardSchema>;

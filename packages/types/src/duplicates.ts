import { z } from "zod";

/** Whom `find_duplicates` looks for. `id` is a lead that is not to be found itself. */
export const duplicateQuerySchema = z
  .object({
    id: z.uuid(),
    name: z.string(),
    first_name: z.string(),
    last_name: z.string(),
    email: z.string(),
    phone: z.string(),
    course: z.string(),
    organization: z.string(),
    territory: z.string(),
  })
  .partial();

/** A row of the answer of `find_duplicates`. */
export const duplicateSchema = z.object({
  id: z.uuid(),
  lead_id: z.string(),
  name: z.string(),
  email: z.string().nullable(),
  phone: z.string().nullable(),
  status: z.string(),
  assigned_to: z.uuid().nullable(),
  score: z.number().int().min(0).max(100),
  reasons: z.array(z.string()),
});

const mergedLeadSchema = z.object({ id: z.uuid(), lead_id: z.string(), name: z.string() });

/** The answer of `merge_preview`. */
export const mergePreviewSchema = z.object({
  target: mergedLeadSchema,
  sources: z.array(mergedLeadSchema),
  fields: z.array(
    z.object({
      field: z.string(),
      result: z.unknown(),
      target: z.unknown(),
      sources: z.record(z.string(), z.unknown()),
      is_conflict: z.boolean(),
    }),
  ),
  /** How many rows of which table would move. */
  children: z.record(z.string(), z.number().int()),
});

/** The answer of `merge_leads`. */
export const mergeSchema = z.object({
  merge_id: z.uuid(),
  id: z.uuid(),
  lead_id: z.string(),
  merged: z.array(z.uuid()),
  moved: z.number().int(),
});

/** The answer of `unmerge`. */
export const unmergeSchema = z.object({
  merge_id: z.uuid(),
  restored: z.number().int(),
  changed_since: z.array(z.object({ table: z.string(), key: z.record(z.string(), z.unknown()) })),
});

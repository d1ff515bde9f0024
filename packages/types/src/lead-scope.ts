/** Lead scope: rows that belong to whom their lead belongs to, or to a person. */
import { z } from "zod";

export const customFieldsSchema = z.record(z.string(), z.json());

/** What rows of `organizations`, `contacts`, `students` and `deals` have in common. */
export const belongingRowSchema = z.object({
  id: z.uuid(),
  name: z.string().min(1),
  /** Whom it belongs to: the owner of its lead, else whoever entered it. */
  assigned_to: z.uuid().nullable(),
  team_id: z.uuid().nullable(),
  custom_fields: customFieldsSchema,
  created_by: z.uuid().nullable(),
  created_at: z.string(),
  updated_at: z.string(),
  deleted_at: z.string().nullable(),
  deleted_by: z.uuid().nullable(),
  version: z.number().int(),
});

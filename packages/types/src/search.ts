import { z } from "zod";

/** What `search_leads` may be narrowed by. */
export const leadSearchFilterSchema = z
  .object({
    status: z.string(),
    source: z.string(),
    assigned_to: z.uuid(),
    tags: z.array(z.string()),
    custom_fields: z.record(z.string(), z.unknown()),
  })
  .partial();

/** Where the next page of a search begins: the `cursor` of the last row. */
export const leadSearchCursorSchema = z.object({
  kind: z.number().int(),
  created_at: z.string(),
  id: z.uuid(),
});

/** A row of `search_leads`. */
export const leadSearchRowSchema = z.object({
  id: z.uuid(),
  lead_id: z.string(),
  name: z.string(),
  email: z.string().nullable(),
  phone: z.string().nullable(),
  organization: z.string().nullable(),
  status: z.string(),
  source: z.string(),
  score: z.number().int(),
  value: z.number(),
  currency: z.string(),
  assigned_to: z.uuid().nullable(),
  team_id: z.uuid().nullable(),
  created_at: z.string(),
  /** By what the lead was found. */
  matched: z.enum(["key", "text", "note", "similar"]),
  /** How well, 0 to 1. */
  rank: z.number(),
  cursor: leadSearchCursorSchema,
});

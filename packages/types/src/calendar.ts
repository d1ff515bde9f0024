/** The calendar feed and its secret link. */
import { z } from "zod";

/** The answer of `calendar_link_create()`: the only time the token is shown. */
export const calendarLinkCreatedSchema = z.strictObject({
  token: z.string().regex(/^[0-9a-f]{64}$/),
  /** To be put after the project's URL. */
  path: z.string().regex(/^\/functions\/v1\/calendar\/[0-9a-f]{64}\.ics$/),
  created_at: z.string(),
});

export type CalendarLinkCreated = z.infer<typeof calendarLinkCreatedSchema>;

/** The answer of `calendar_link()`, null without a link. */
export const calendarLinkSchema = z
  .strictObject({ created_at: z.string(), last_used_at: z.string().nullable() })
  .nullable();

export type CalendarLink = z.infer<typeof calendarLinkSchema>;

export const calendarItemSchema = z.strictObject({
  kind: z.enum(["task", "reminder", "call", "meeting"]),
  id: z.uuid(),
  title: z.string(),
  lead_number: z.string().nullable(),
  starts_at: z.string(),
  is_urgent: z.boolean(),
  updated_at: z.string(),
  version: z.number().int(),
});

export type CalendarItem = z.infer<typeof calendarItemSchema>;

/** What the database tells the function of a link. */
export const calendarFeedSchema = z.strictObject({
  found: z.boolean(),
  /** Above 0, seconds to wait. */
  retry_after: z.number().int(),
  name: z.string().optional(),
  items: calendarItemSchema.array().optional(),
});

export type CalendarFeed = z.infer<typeof calendarFeedSchema>;

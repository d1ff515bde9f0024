/** Analytics events: what people and campaigns did, append only. */
import { z } from "zod";

const details = z.record(z.string(), z.unknown());

/** A row of `analytics_events`. */
export const analyticsEventSchema = z.strictObject({
  id: z.uuid(),
  /** Null for the system. */
  user_id: z.uuid().nullable(),
  team_id: z.uuid().nullable(),
  created_at: z.string(),
  lead_id: z.uuid().nullable(),
  student_id: z.uuid().nullable(),
  event_type: z.string(),
  event_name: z.string().nullable(),
  description: z.string().nullable(),
  category: z.string().nullable(),
  source: z.string().nullable(),
  medium: z.string().nullable(),
  campaign: z.string().nullable(),
  duration: z.number().int().nonnegative().nullable(),
  value: z.number().nullable(),
  currency: z.string().nullable(),
  event_data: details,
  properties: details,
  session_id: z.string().nullable(),
  ip_address: z.string().nullable(),
  user_agent: z.string().nullable(),
});

export type AnalyticsEvent = z.infer<typeof analyticsEventSchema>;

/** What a client sends. `user_id` is the caller's or left out; address and browser are taken from the request. */
export const analyticsEventInsertSchema = analyticsEventSchema
  .omit({ created_at: true, team_id: true, event_type: true })
  .partial()
  .extend({ event_type: z.string().regex(/^[a-z][a-z0-9_]{0,62}$/) });

export type AnalyticsEventInsert = z.infer<typeof analyticsEventInsertSchema>;

export const analyticsEventGroups = [
  "event_type",
  "category",
  "source",
  "medium",
  "campaign",
  "user_id",
  "day",
] as const;

/** Arguments of `analytics_event_totals()`: the last thirty days, unless said otherwise. */
export const analyticsEventTotalsArgumentsSchema = z.strictObject({
  p_by: z.enum(analyticsEventGroups).optional(),
  p_from: z.iso.date().nullish(),
  p_to: z.iso.date().nullish(),
  p_event_type: z.string().nullish(),
  p_user_id: z.uuid().nullish(),
  p_campaign: z.string().nullish(),
});

export type AnalyticsEventTotalsArguments = z.infer<typeof analyticsEventTotalsArgumentsSchema>;

/** The answer of `analytics_event_totals()`: the most events first, days in order. */
export const analyticsEventTotalsSchema = z.array(
  z.strictObject({
    key: z.string().nullable(),
    events: z.number().int().positive(),
    people: z.number().int().nonnegative(),
    /** Of type lead_conversion. */
    conversions: z.number().int().nonnegative(),
    value: z.number(),
    currency: z.string(),
    average_duration: z.number().nullable(),
  }),
);

export type AnalyticsEventTotals = z.infer<typeof analyticsEventTotalsSchema>;

/** Business hours and holidays: when the organisation works, on its own clock. */
import { z } from "zod";

const clock = /^([01]\d|2[0-3]):[0-5]\d$/;

/** What may be written of a row of `business_hours`; 1 is Monday. */
export const businessHoursInsertSchema = z.strictObject({
  weekday: z.number().int().min(1).max(7),
  opens: z.string().regex(clock),
  closes: z.union([z.string().regex(clock), z.literal("24:00")]),
});

export type BusinessHoursInsert = z.infer<typeof businessHoursInsertSchema>;

/** A row of `business_hours`. */
export const businessHoursSchema = businessHoursInsertSchema.extend({
  id: z.uuid(),
  /** `[540,780)`: the same in minutes since Monday 00:00. */
  week_minutes: z.string(),
  created_at: z.string(),
  updated_at: z.string(),
});

export type BusinessHours = z.infer<typeof businessHoursSchema>;

/** What may be written of a row of `holidays`. */
export const holidayInsertSchema = z.strictObject({
  day: z.iso.date(),
  name: z.string().trim().min(1).max(120),
});

export type HolidayInsert = z.infer<typeof holidayInsertSchema>;

/** A row of `holidays`. */
export const holidaySchema = holidayInsertSchema.extend({
  created_at: z.string(),
  updated_at: z.string(),
});

export type Holiday = z.infer<typeof holidaySchema>;

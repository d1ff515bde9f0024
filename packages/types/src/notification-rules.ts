/** Notification rules: which event reaches whom over which channel, and when a person wants to be told. */
import { z } from "zod";

export const notificationChannels = ["in_app", "email", "sms", "whatsapp"] as const;

export const notificationChannelSchema = z.enum(notificationChannels);

export type NotificationChannel = z.infer<typeof notificationChannelSchema>;

/** A row of `notification_events`. */
export const notificationEventSchema = z.strictObject({
  key: z.string(),
  name: z.string(),
  description: z.string(),
  position: z.number().int(),
});

/** What may be written of a row of `notification_rules`: for a person, a role, or with neither for everybody. */
export const notificationRuleInsertSchema = z.strictObject({
  event: z.string(),
  channel: notificationChannelSchema,
  role_id: z.uuid().nullish(),
  user_id: z.uuid().nullish(),
  is_enabled: z.boolean(),
});

export type NotificationRuleInsert = z.infer<typeof notificationRuleInsertSchema>;

/** A row of `notification_rules`. */
export const notificationRuleSchema = z.strictObject({
  id: z.uuid(),
  event: z.string(),
  channel: notificationChannelSchema,
  role_id: z.uuid().nullable(),
  user_id: z.uuid().nullable(),
  is_enabled: z.boolean(),
  created_at: z.string(),
  updated_at: z.string(),
});

export type NotificationRule = z.infer<typeof notificationRuleSchema>;

const hour = z.number().int().min(0).max(23).nullable();

/** A row of `notification_preferences`; for `upsert(row, { onConflict: "user_id" })`. */
export const notificationPreferencesSchema = z.strictObject({
  user_id: z.uuid(),
  /** Until then only what is urgent is told. */
  muted_until: z.string().nullable(),
  quiet_from_hour: hour,
  quiet_to_hour: hour,
  /** When what leaves the application is sent together; null is at once. */
  digest_hour: hour,
  updated_at: z.string(),
});

export type NotificationPreferences = z.infer<typeof notificationPreferencesSchema>;

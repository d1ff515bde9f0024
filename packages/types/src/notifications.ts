/** Notifications: rows, what a client may insert, the answers of the RPCs, and what Realtime carries. */
import { z } from "zod";

/** How it looks (the first four) or what it is about. */
export const notificationTypes = [
  "info",
  "success",
  "warning",
  "error",
  "reminder",
  "call",
  "lead",
  "system",
  "alert",
] as const;

export const notificationTypeSchema = z.enum(notificationTypes);

export type NotificationType = z.infer<typeof notificationTypeSchema>;

export const notificationPriorities = ["low", "normal", "high", "urgent"] as const;

export const notificationPrioritySchema = z.enum(notificationPriorities);

export type NotificationPriority = z.infer<typeof notificationPrioritySchema>;

const metadataSchema = z.record(z.string(), z.json());

/** A row of `notifications`. */
export const notificationSchema = z.object({
  id: z.uuid(),
  user_id: z.uuid(),
  title: z.string(),
  message: z.string(),
  type: notificationTypeSchema,
  priority: notificationPrioritySchema,
  lead_id: z.uuid().nullable(),
  student_id: z.uuid().nullable(),
  action_url: z.string().nullable(),
  action_label: z.string().nullable(),
  metadata: metadataSchema,
  is_read: z.boolean(),
  read_at: z.string().nullable(),
  expires_at: z.string().nullable(),
  sender_id: z.uuid().nullable(),
  created_at: z.string(),
});

export type Notification = z.infer<typeof notificationSchema>;

/** What a client may insert, for themselves. `medium` is stored as `normal`. */
export const notificationInsertSchema = z.object({
  title: z.string().trim().min(1).max(200),
  message: z.string().max(4000).optional(),
  type: notificationTypeSchema.optional(),
  priority: z.enum([...notificationPriorities, "medium"]).optional(),
  lead_id: z.uuid().nullish(),
  student_id: z.uuid().nullish(),
  action_url: z
    .string()
    .max(2048)
    .regex(/^(\/([^/\\]|$)|https?:\/\/)/)
    .nullish(),
  action_label: z.string().max(80).nullish(),
  metadata: metadataSchema.optional(),
  expires_at: z.string().nullish(),
});

export type NotificationInsert = z.infer<typeof notificationInsertSchema>;

/** The answer of `notify_broadcast()`; of `notify_system()` without `skipped`. */
export const broadcastResultSchema = z.object({
  sent: z.number().int().nonnegative(),
  skipped: z.number().int().nonnegative().optional(),
});

export type BroadcastResult = z.infer<typeof broadcastResultSchema>;

const count = z.number().int().nonnegative();

/** The answer of `notification_stats()`: every type and priority is named. */
export const notificationStatsSchema = z.strictObject({
  total: count,
  unread: count,
  by_type: z.record(notificationTypeSchema, count),
  by_priority: z.record(notificationPrioritySchema, count),
});

export type NotificationStats = z.infer<typeof notificationStatsSchema>;

/** Events on the private topic `user:<id>`: ids alone, the row is then read under RLS. */
export const notificationEvents = {
  notification_created: z.object({ id: z.uuid(), lead_id: z.uuid().nullable() }),
  notifications_changed: z.object({ user_id: z.uuid() }),
} as const;

export type NotificationEvent = keyof typeof notificationEvents;

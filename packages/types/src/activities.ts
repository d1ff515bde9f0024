/** The timeline: what happened to a lead, contact, student or deal. */
import { z } from "zod";
import { leadNumberSchema } from "./leads.ts";

export const activityEntityTypes = ["lead", "contact", "student", "deal"] as const;

export const activityTypes = [
  "created",
  "enquiry",
  "status_change",
  "assigned",
  "converted",
  "merged",
  "unmerged",
  "deleted",
  "restored",
  "escalated",
  "page_visit",
  "email_sent",
  "email_opened",
  "email_clicked",
  "message",
  "call",
  "meeting",
  "note_created",
  "task_created",
  "task_completed",
  "reminder",
  "document",
  "payment",
] as const;

export const activityTypeSchema = z.enum(activityTypes);

export type ActivityType = z.infer<typeof activityTypeSchema>;

/** A row of the view `timeline` and of `lead_timeline()`. */
export const timelineRowSchema = z.strictObject({
  id: z.uuid(),
  entity_type: z.enum(activityEntityTypes),
  entity_id: z.uuid(),
  type: activityTypeSchema,
  title: z.string(),
  description: z.string().nullable(),
  /** Name of who did it; null for the system and for people whom the caller cannot see. */
  by: z.string().nullable(),
  timestamp: z.string(),
  actor_id: z.uuid().nullable(),
  source_id: z.uuid().nullable(),
  metadata: z.record(z.string(), z.json()),
});

export type TimelineRow = z.infer<typeof timelineRowSchema>;

/** Arguments of `lead_timeline()`; `p_before` is the last row of the page before. */
export const leadTimelineSchema = z.strictObject({
  p_lead_id: z.union([z.uuid(), leadNumberSchema]),
  p_limit: z.number().int().min(1).max(200).optional(),
  p_before: z.looseObject({ timestamp: z.string(), id: z.uuid() }).nullish(),
});

export type LeadTimeline = z.infer<typeof leadTimelineSchema>;

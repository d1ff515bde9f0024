/** Reminders, internal or of a lead. */
import { z } from "zod";
import { recurrenceSchema } from "./tasks.ts";

export const reminderStatuses = ["pending", "completed", "cancelled"] as const;

/** A row of `reminders`. */
export const reminderSchema = z.strictObject({
  id: z.uuid(),
  agent_id: z.uuid(),
  lead_id: z.uuid().nullable(),
  note_id: z.uuid().nullable(),
  lead_owner_id: z.uuid().nullable(),
  team_id: z.uuid().nullable(),
  title: z.string(),
  description: z.string(),
  remind_at: z.string(),
  status: z.enum(reminderStatuses),
  completed_at: z.string().nullable(),
  notified_at: z.string().nullable(),
  recurrence: recurrenceSchema.nullable(),
  recurrence_start: z.string().nullable(),
  occurrence: z.number().int().positive(),
  previous_id: z.uuid().nullable(),
  created_by: z.uuid().nullable(),
  created_at: z.string(),
  updated_at: z.string(),
  deleted_at: z.string().nullable(),
  deleted_by: z.uuid().nullable(),
  version: z.number().int(),
});

export type Reminder = z.infer<typeof reminderSchema>;

/** A row of the view `lead_reminders`. */
export const leadReminderSchema = z.strictObject({
  ...reminderSchema.pick({
    id: true,
    agent_id: true,
    note_id: true,
    title: true,
    description: true,
    remind_at: true,
    status: true,
    completed_at: true,
    notified_at: true,
    recurrence: true,
    occurrence: true,
    created_by: true,
    created_at: true,
    updated_at: true,
  }).shape,
  lead_id: z.uuid(),
});

export type LeadReminder = z.infer<typeof leadReminderSchema>;

/** A row of the view `reminders_overdue`. */
export const reminderOverdueSchema = leadReminderSchema.omit({ completed_at: true }).extend({
  lead_id: z.uuid().nullable(),
  status: z.literal("pending"),
});

export type ReminderOverdue = z.infer<typeof reminderOverdueSchema>;

/** What a client may change. */
export const reminderUpdateSchema = z
  .strictObject({
    lead_id: z.uuid().nullable(),
    /** Oneself, or a person within reach for those who distribute work. */
    agent_id: z.uuid(),
    title: z.string().trim().min(1).max(300),
    description: z.string().max(10_000),
    remind_at: z.iso.datetime({ offset: true }),
    status: z.string(),
    recurrence: z.string().nullable(),
  })
  .partial();

export type ReminderUpdate = z.infer<typeof reminderUpdateSchema>;

export const reminderInsertSchema = reminderUpdateSchema
  .extend({ id: z.uuid().optional() })
  .required({ title: true, remind_at: true });

export type ReminderInsert = z.infer<typeof reminderInsertSchema>;

/** Arguments of `reminders_due_soon()`; `p_within` is an interval such as `2 hours`. */
export const remindersDueSoonSchema = z.strictObject({
  p_agent_id: z.uuid().nullish(),
  p_within: z.string().optional(),
});

export type RemindersDueSoon = z.infer<typeof remindersDueSoonSchema>;

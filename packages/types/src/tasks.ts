/** Tasks and the rule by which they come again. */
import { z } from "zod";
import { leadNumberSchema } from "./leads.ts";

export const taskStatuses = ["backlog", "todo", "in_progress", "done", "cancelled"] as const;

export const taskPriorities = ["low", "medium", "high"] as const;

/**
 * A rule of recurrence as the database spells it; written, it may be in any case, with the parts in
 * any order and `RRULE:` before them. In a month without the day the last one is meant.
 */
export const recurrenceSchema = z
  .string()
  .regex(
    /^FREQ=(DAILY|WEEKLY|MONTHLY)(;INTERVAL=[1-9]\d{0,2})?(;COUNT=[1-9]\d{0,3}|;UNTIL=\d{8}(T\d{6}Z)?)?$/,
  );

/** A row of `tasks`. */
export const taskSchema = z.strictObject({
  id: z.uuid(),
  title: z.string(),
  description: z.string(),
  status: z.enum(taskStatuses),
  priority: z.enum(taskPriorities),
  due_date: z.string().nullable(),
  completed: z.boolean(),
  completed_at: z.string().nullable(),
  completed_by: z.uuid().nullable(),
  related_to_type: z.enum(["lead", "campaign", "general"]),
  related_to_id: z.uuid().nullable(),
  lead_id: z.uuid().nullable(),
  campaign_id: z.uuid().nullable(),
  assigned_to: z.uuid().nullable(),
  lead_owner_id: z.uuid().nullable(),
  team_id: z.uuid().nullable(),
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

export type Task = z.infer<typeof taskSchema>;

/** What a client may change. Of `completed` and `status` one is enough: the other follows. */
export const taskUpdateSchema = z
  .strictObject({
    title: z.string().trim().min(1).max(300),
    description: z.string().max(10_000),
    /** A status in any case: `Backlog`, `In Progress`. */
    status: z.string(),
    /** A priority in any case. */
    priority: z.string(),
    due_date: z.iso.datetime({ offset: true }).nullable(),
    completed: z.boolean(),
    related_to_type: z.string(),
    related_to_id: z.uuid().nullable(),
    lead_id: z.uuid().nullable(),
    campaign_id: z.uuid().nullable(),
    /** Oneself, or a person within reach for those who distribute work. */
    assigned_to: z.uuid().nullable(),
    recurrence: z.string().nullable(),
  })
  .partial();

export type TaskUpdate = z.infer<typeof taskUpdateSchema>;

export const taskInsertSchema = taskUpdateSchema
  .extend({ id: z.uuid().optional() })
  .required({ title: true });

export type TaskInsert = z.infer<typeof taskInsertSchema>;

/** A row of the view `tasks_crm`: the task document, with people by name. */
export const tasksCrmRowSchema = z.strictObject({
  id: z.uuid(),
  lead_id: leadNumberSchema.nullable(),
  title: z.string(),
  description: z.string(),
  status: z.enum(["Backlog", "Todo", "In Progress", "Done", "Cancelled"]),
  assignedTo: z.string().nullable(),
  dueDate: z.string().nullable(),
  priority: z.enum(["Low", "Medium", "High"]),
  createdAt: z.string(),
  createdBy: z.string().nullable(),
  lead_uuid: z.uuid().nullable(),
  assigned_to: z.uuid().nullable(),
});

export type TasksCrmRow = z.infer<typeof tasksCrmRowSchema>;

/** Automation: workflows, the templates they begin from, and what they did. */
import { z } from "zod";
import { notificationPrioritySchema, notificationTypeSchema } from "./notifications.ts";

export const automationTriggers = [
  "lead_created",
  "lead_enquired",
  "lead_status_changed",
  "lead_assigned",
  "lead_converted",
  "deal_stage_changed",
  "call_completed",
  "call_succeeded",
  "call_missed",
  "message_received",
  "email_opened",
  "email_clicked",
  "page_visited",
  "note_created",
  "task_created",
  "task_completed",
  "document",
  "payment",
  "task_overdue",
  "reminder_overdue",
  "manual",
] as const;

export const automationTriggerSchema = z.enum(automationTriggers);

export type AutomationTrigger = z.infer<typeof automationTriggerSchema>;

const operand = z.union([z.string(), z.number(), z.array(z.string()), z.array(z.number())]);

/** One comparison: `{ field: "score", op: "gte", value: 50 }`. */
export const automationComparisonSchema = z.strictObject({
  field: z.string(),
  op: z.enum([
    "eq",
    "neq",
    "in",
    "not_in",
    "gt",
    "gte",
    "lt",
    "lte",
    "contains",
    "starts_with",
    "is_set",
    "is_not_set",
    "changed",
    "older_than",
    "newer_than",
  ]),
  value: operand.optional(),
});

type Comparison = z.infer<typeof automationComparisonSchema>;

export type AutomationCondition =
  | { all: AutomationCondition[] }
  | { any: AutomationCondition[] }
  | { not: AutomationCondition }
  | Comparison
  | { [field: string]: z.infer<typeof operand> };

/** A tree of comparisons, or fields and what they are to be: `{ source: "facebook" }`. `{}` is always. */
export const automationConditionSchema: z.ZodType<AutomationCondition> = z.lazy(() =>
  z.union([
    z.strictObject({ all: z.array(automationConditionSchema).min(1).max(30) }),
    z.strictObject({ any: z.array(automationConditionSchema).min(1).max(30) }),
    z.strictObject({ not: automationConditionSchema }),
    automationComparisonSchema,
    z.record(z.string(), operand),
  ]),
);

/** Seconds from the event; an action never comes before the one before it has ended. */
const delay = z.number().int().min(0).max(31_536_000).optional();

const text = z.string().trim().min(1).max(10_000);

const title = z.string().trim().min(1).max(200);

/** Marketing needs consent; without it a message is about what the person asked for. */
const purpose = z.literal("marketing").optional();

/** `owner`, `person` (whose task, reminder or call it is), `managers`, or somebody by id. */
const person = z.union([z.enum(["owner", "person", "managers"]), z.uuid()]);

const criteria = z.enum(["round_robin", "least_loaded", "specialization"]);

const work = { description: text.optional(), due_in: delay, assign_to: person.optional(), delay };

const assignment = {
  criteria: criteria.optional(),
  team_id: z.uuid().optional(),
  /** Whether a lead that has an owner is given to another. */
  reassign: z.boolean().optional(),
  delay,
};

export const automationActionSchema = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("send_email"),
    template: z.string().optional(),
    subject: text.optional(),
    message: text.optional(),
    purpose,
    delay,
  }),
  z.strictObject({
    type: z.literal("send_sms"),
    template: z.string().optional(),
    message: text.optional(),
    purpose,
    delay,
  }),
  z.strictObject({
    type: z.literal("send_whatsapp"),
    template: z.string().optional(),
    message: text.optional(),
    purpose,
    delay,
  }),
  z.strictObject({ type: z.literal("assign_counselor"), ...assignment }),
  z.strictObject({
    type: z.literal("assign_lead"),
    user_id: z.uuid().optional(),
    ...assignment,
  }),
  z.strictObject({ type: z.literal("create_reminder"), title, ...work }),
  z.strictObject({
    type: z.literal("create_task"),
    title,
    priority: z.enum(["low", "medium", "high"]).optional(),
    ...work,
  }),
  z.strictObject({
    type: z.literal("create_follow_up"),
    title: title.optional(),
    priority: z.enum(["low", "medium", "high"]).optional(),
    /** A call that is planned, or a task. */
    follow_up_type: z.enum(["call", "task"]).optional(),
    ...work,
  }),
  z.strictObject({
    type: z.literal("update_lead_status"),
    status: z.string(),
    reason: text.optional(),
    delay,
  }),
  z.strictObject({
    type: z.literal("send_notification"),
    title,
    message: text.optional(),
    to: z.union([person, z.literal("administrators")]).optional(),
    priority: notificationPrioritySchema.optional(),
    notification_type: notificationTypeSchema.optional(),
    delay,
  }),
]);

export type AutomationAction = z.infer<typeof automationActionSchema>;

/** What may be written of a row of `automation_workflows`. */
export const automationWorkflowInsertSchema = z.strictObject({
  name: z.string().trim().min(1).max(120),
  description: z.string().max(2000).optional(),
  trigger_type: automationTriggerSchema,
  trigger_conditions: automationConditionSchema.optional(),
  actions: z.array(automationActionSchema).max(20).optional(),
  status: z.enum(["draft", "active", "paused"]).optional(),
  is_enabled: z.boolean().optional(),
  /** Of several that one event begins, 1 is the first. */
  priority: z.number().int().min(1).max(100).optional(),
});

export type AutomationWorkflowInsert = z.infer<typeof automationWorkflowInsertSchema>;

/** A row of `automation_workflows`. */
export const automationWorkflowSchema = z.strictObject({
  id: z.uuid(),
  name: z.string(),
  description: z.string(),
  trigger_type: automationTriggerSchema,
  trigger_conditions: automationConditionSchema,
  actions: z.array(automationActionSchema),
  status: z.enum(["draft", "active", "paused"]),
  is_enabled: z.boolean(),
  priority: z.number().int(),
  active_since: z.string(),
  is_live: z.boolean(),
  created_by: z.uuid().nullable(),
  created_at: z.string(),
  updated_at: z.string(),
  version: z.number().int(),
  deleted_at: z.null(),
  deleted_by: z.null(),
});

export type AutomationWorkflow = z.infer<typeof automationWorkflowSchema>;

/** A row of `automation_templates`. */
export const automationTemplateSchema = z.strictObject({
  name: z.string(),
  slug: z.string(),
  description: z.string(),
  trigger_type: automationTriggerSchema,
  trigger_conditions: automationConditionSchema,
  actions: z.array(automationActionSchema),
  position: z.number().int(),
});

export type AutomationTemplate = z.infer<typeof automationTemplateSchema>;

/** A row of `automation_run_steps`. */
export const automationRunStepSchema = z.strictObject({
  id: z.uuid(),
  run_id: z.uuid(),
  position: z.number().int(),
  action: automationActionSchema,
  run_at: z.string(),
  status: z.enum(["pending", "done", "skipped", "failed", "cancelled"]),
  attempts: z.number().int(),
  error: z.string().nullable(),
  result: z.record(z.string(), z.unknown()),
  finished_at: z.string().nullable(),
});

export type AutomationRunStep = z.infer<typeof automationRunStepSchema>;

/** A row of `automation_runs`. */
export const automationRunSchema = z.strictObject({
  id: z.uuid(),
  workflow_id: z.uuid(),
  lead_id: z.uuid().nullable(),
  lead_owner_id: z.uuid().nullable(),
  team_id: z.uuid().nullable(),
  trigger_type: automationTriggerSchema,
  event_key: z.string(),
  event: z.record(z.string(), z.unknown()),
  chain: z.array(z.uuid()),
  status: z.enum(["running", "done", "failed", "cancelled"]),
  next_at: z.string().nullable(),
  started_by: z.uuid().nullable(),
  created_at: z.string(),
  finished_at: z.string().nullable(),
});

export type AutomationRun = z.infer<typeof automationRunSchema>;

/** What `automation_execute` answers. */
export const automationExecutionSchema = z.strictObject({
  run_id: z.uuid(),
  workflow_id: z.uuid(),
  lead_id: z.uuid(),
  status: z.literal("running"),
  steps: z.array(
    z.strictObject({
      id: z.uuid(),
      position: z.number().int(),
      type: z.string(),
      run_at: z.string(),
      status: z.literal("pending"),
    }),
  ),
});

export type AutomationExecution = z.infer<typeof automationExecutionSchema>;

/** What `automation_test` answers: nothing of it was done. */
export const automationTestSchema = z.strictObject({
  workflow_id: z.uuid(),
  is_live: z.boolean(),
  matched: z.boolean(),
  conditions: z.array(
    z.strictObject({
      field: z.string(),
      op: z.string(),
      value: z.unknown(),
      actual: z.unknown(),
      matched: z.boolean(),
    }),
  ),
  actions: z.array(
    z.strictObject({
      position: z.number().int(),
      type: z.string(),
      delay: z.number().int(),
      action: automationActionSchema,
      /** What it would do, known of a lead that exists: as `result` of a step. */
      would: z.record(z.string(), z.unknown()).nullable(),
      error: z.string().nullable(),
    }),
  ),
});

export type AutomationTest = z.infer<typeof automationTestSchema>;

/** Interactions: all that passed between us and a person, and the page of a lead. */
import { z } from "zod";
import { timelineRowSchema } from "./activities.ts";
import { callsCrmRowSchema } from "./calls.ts";
import { leadNumberSchema, leadsCrmRowSchema } from "./leads.ts";
import {
  communicationDirections,
  communicationTypes,
  detailsSchema,
  leadEmailSchema,
} from "./messaging.ts";
import { leadNoteSchema } from "./notes.ts";
import { tasksCrmRowSchema } from "./tasks.ts";

/** A row of the view `interactions`, and the answer of `interaction_log()`. */
export const interactionSchema = z.strictObject({
  id: z.uuid(),
  lead_id: z.uuid().nullable(),
  contact_id: z.uuid().nullable(),
  student_id: z.uuid().nullable(),
  type: z.enum([...communicationTypes, "note"]),
  direction: z.enum(communicationDirections).nullable(),
  subject: z.string().nullable(),
  content: z.string().nullable(),
  status: z.string().nullable(),
  /** Of calls, in seconds. */
  duration: z.number().int().nullable(),
  user_id: z.uuid().nullable(),
  by: z.string().nullable(),
  timestamp: z.string(),
});

export type Interaction = z.infer<typeof interactionSchema>;

/** Arguments of `interaction_log()`. */
export const interactionLogSchema = z.strictObject({
  p_lead_id: z.union([z.uuid(), leadNumberSchema]),
  p_type: z.enum([...communicationTypes, "note"]),
  p_content: z.string().optional(),
  p_subject: z.string().optional(),
  p_direction: z.enum(communicationDirections).optional(),
  /** Now, if left out. Only calls and meetings may be yet to come. */
  p_at: z.iso.datetime({ offset: true }).optional(),
  /** In seconds. */
  p_duration: z.number().int().min(0).max(86_400).optional(),
  p_details: detailsSchema.optional(),
  /** Made by the client, so that what is sent again is logged once. */
  p_id: z.uuid().optional(),
});

export type InteractionLog = z.infer<typeof interactionLogSchema>;

/** The answer of `lead_360()`: what the page of a lead shows. */
export const lead360Schema = z.strictObject({
  lead: leadsCrmRowSchema.extend({
    activities: z.array(
      timelineRowSchema.pick({
        type: true,
        title: true,
        description: true,
        by: true,
        timestamp: true,
      }),
    ),
  }),
  emails: z.array(leadEmailSchema),
  calls: z.array(callsCrmRowSchema),
  tasks: z.array(tasksCrmRowSchema),
  notes: z.array(leadNoteSchema),
});

export type Lead360 = z.infer<typeof lead360Schema>;

/** What is said to and fro with one person on one channel. */
import { z } from "zod";
import { communicationDirections, communicationStatuses, communicationTypes } from "./messaging.ts";

/** A row of `conversations`: a thread by its newest message. */
export const conversationSchema = z.strictObject({
  thread_id: z.uuid(),
  type: z.enum(communicationTypes),
  lead_id: z.uuid().nullable(),
  contact_id: z.uuid().nullable(),
  student_id: z.uuid().nullable(),
  user_id: z.uuid().nullable(),
  lead_owner_id: z.uuid().nullable(),
  team_id: z.uuid().nullable(),
  /** Whom it is with. */
  address: z.string().nullable(),
  subject: z.string().nullable(),
  snippet: z.string().nullable(),
  /** inbound: it is for us to answer. */
  last_direction: z.enum(communicationDirections),
  last_status: z.enum(communicationStatuses),
  last_message_id: z.uuid(),
  last_message_at: z.string(),
  messages: z.number().int(),
});

export type Conversation = z.infer<typeof conversationSchema>;

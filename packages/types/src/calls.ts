/** Calls: logged, or started and ended. */
import { z } from "zod";
import { phoneSchema } from "./identity.ts";
import { leadNumberSchema } from "./leads.ts";

export const callStatuses = [
  "scheduled",
  "in_progress",
  "completed",
  "missed",
  "cancelled",
] as const;

/** `no_answer` and `busy` end a call as missed. */
export const callOutcomes = [
  "connected",
  "interested",
  "not_interested",
  "callback",
  "no_answer",
  "busy",
  "voicemail",
  "wrong_number",
  "other",
] as const;

/** A row of `calls`. */
export const callSchema = z.strictObject({
  id: z.uuid(),
  lead_id: z.uuid().nullable(),
  agent_id: z.uuid().nullable(),
  lead_owner_id: z.uuid().nullable(),
  team_id: z.uuid().nullable(),
  type: z.enum(["outbound", "inbound"]),
  status: z.enum(callStatuses),
  outcome: z.enum(callOutcomes).nullable(),
  from_name: z.string().nullable(),
  to_name: z.string().nullable(),
  phone: phoneSchema.nullable(),
  scheduled_at: z.string().nullable(),
  started_at: z.string().nullable(),
  ended_at: z.string().nullable(),
  /** Seconds. */
  duration: z.number().int().nonnegative().nullable(),
  /** When it was made, or else is to be made, or else was entered. */
  occurred_at: z.string(),
  notes: z.string().nullable(),
  logged_by: z.uuid().nullable(),
  created_at: z.string(),
  updated_at: z.string(),
  deleted_at: z.string().nullable(),
  deleted_by: z.uuid().nullable(),
  version: z.number().int(),
});

export type Call = z.infer<typeof callSchema>;

/** What a client may change. Status only moves forward; times go with the status they belong to, or are measured. */
export const callUpdateSchema = z
  .strictObject({
    lead_id: z.uuid().nullable(),
    agent_id: z.uuid(),
    /** `outbound`, `inbound`, or in the document's words `Outbound Call`. */
    type: z.string(),
    status: z.string(),
    outcome: z.string().nullable(),
    from_name: z.string().max(300).nullable(),
    to_name: z.string().max(300).nullable(),
    phone: z.string().nullable(),
    scheduled_at: z.iso.datetime({ offset: true }).nullable(),
    started_at: z.iso.datetime({ offset: true }).nullable(),
    ended_at: z.iso.datetime({ offset: true }).nullable(),
    duration: z.number().int().nonnegative().max(86_400).nullable(),
    notes: z.string().max(10_000).nullable(),
  })
  .partial();

export type CallUpdate = z.infer<typeof callUpdateSchema>;

/** Of a call that is over the duration, or when it ended, may be given. */
export const callInsertSchema = callUpdateSchema.extend({ id: z.uuid().optional() });

export type CallInsert = z.infer<typeof callInsertSchema>;

/** Arguments of `call_end()`, which answers the call. */
export const callEndSchema = z.strictObject({
  p_call_id: z.uuid(),
  p_outcome: z.enum(callOutcomes).nullish(),
  p_notes: z.string().max(10_000).nullish(),
  /** Seconds, from a device that was offline when it ended. */
  p_duration: z.number().int().nonnegative().nullish(),
});

export type CallEnd = z.infer<typeof callEndSchema>;

/** A row of the view `calls_crm`: the call document, with people by name. */
export const callsCrmRowSchema = z.strictObject({
  id: z.uuid(),
  lead_id: leadNumberSchema.nullable(),
  type: z.enum(["Outbound Call", "Inbound Call"]),
  duration: z.number().int().nonnegative(),
  from: z.string().nullable(),
  to: z.string().nullable(),
  phone: phoneSchema.nullable(),
  timestamp: z.string(),
  status: z.enum(callStatuses),
  loggedBy: z.string().nullable(),
  outcome: z.enum(callOutcomes).nullable(),
  lead_uuid: z.uuid().nullable(),
  agent_id: z.uuid().nullable(),
});

export type CallsCrmRow = z.infer<typeof callsCrmRowSchema>;

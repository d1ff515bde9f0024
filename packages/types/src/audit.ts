/** The audit trail: its entries, and what `audit_search()` takes and answers. */
import { z } from "zod";

const rowSchema = z.record(z.string(), z.json());

/** Changes of rows are insert, update and delete; other verbs stand for what is no change of a row. */
export const auditActionSchema = z.string().regex(/^[a-z][a-z0-9_]{0,62}$/);

/** A row of `audit_logs`. */
export const auditLogSchema = z.object({
  id: z.uuid(),
  created_at: z.string(),
  user_id: z.uuid().nullable(),
  impersonator_id: z.uuid().nullable(),
  actor_role: z.string(),
  session_id: z.uuid().nullable(),
  request_id: z.string().nullable(),
  action: auditActionSchema,
  resource: z.string(),
  record_id: z.string().nullable(),
  before: rowSchema.nullable().describe("Changed columns before; null of an insert"),
  after: rowSchema.nullable().describe("Changed columns after; null of a delete"),
});

export type AuditLog = z.infer<typeof auditLogSchema>;

/** In place of the value of a column that the trail does not keep. */
export const redacted = "[redacted]";

export const auditSearchArgumentsSchema = z.object({
  p_date_from: z.string().nullish(),
  p_date_to: z.string().nullish().describe("Not included"),
  p_user_id: z.uuid().nullish(),
  p_action: auditActionSchema.nullish(),
  p_resource: z.string().nullish(),
  p_search: z.string().nullish(),
  p_limit: z.number().int().min(1).max(200).optional(),
  p_offset: z.number().int().nonnegative().optional(),
});

export type AuditSearchArguments = z.infer<typeof auditSearchArgumentsSchema>;

/** The answer of `audit_search()`. */
export const auditSearchSchema = z.strictObject({
  logs: z.array(auditLogSchema.extend({ user_name: z.string().nullable() })),
  total: z.number().int().nonnegative(),
  page: z.number().int().positive(),
  limit: z.number().int().positive(),
});

export type AuditSearch = z.infer<typeof auditSearchSchema>;

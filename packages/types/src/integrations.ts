/** Integrations: their log, the inbox of provider deliveries, and the mapping of ad forms. */
import { z } from "zod";

export const integrationStatusSchema = z.enum(["connected", "disconnected", "error"]);

/** A row of `integrations_status`. */
export const integrationSchema = z.object({
  type: z.string(),
  name: z.string(),
  status: integrationStatusSchema,
  config: z.record(z.string(), z.unknown()),
  last_sync: z.string().nullable(),
  last_error: z.string().nullable(),
  has_credentials: z.boolean(),
});

export type Integration = z.infer<typeof integrationSchema>;

/** Body of `POST /functions/v1/admin/integrations/{type}/connect`. */
export const integrationConnectSchema = z.object({
  credentials: z.record(z.string().regex(/^[a-z][a-z0-9_]{0,62}$/), z.string().min(1).max(8192)),
  config: z.record(z.string(), z.unknown()).optional(),
});

export type IntegrationConnect = z.infer<typeof integrationConnectSchema>;

export const integrationConnectedSchema = z.object({
  type: z.string(),
  status: z.literal("connected"),
});

export const integrationLogStatusSchema = z.enum(["success", "failure", "warning", "info"]);

/** What a client may insert into `integration_logs`. */
export const integrationLogInsertSchema = z.object({
  integration_name: z.string().min(1).max(100),
  activity_type: z.string().min(1).max(100),
  description: z.string().max(2000).nullish(),
  status: integrationLogStatusSchema,
  request_data: z.record(z.string(), z.unknown()).optional(),
  response_data: z.record(z.string(), z.unknown()).optional(),
  execution_time: z.number().int().nonnegative().nullish(),
  records_processed: z.number().int().nonnegative().optional(),
});

export type IntegrationLogInsert = z.infer<typeof integrationLogInsertSchema>;

export const inboxStateSchema = z.enum(["received", "processing", "processed", "dead", "ignored"]);

export type InboxState = z.infer<typeof inboxStateSchema>;

/** A row of `inbox_list()`. */
export const inboxEventSchema = z.object({
  id: z.uuid(),
  provider: z.string(),
  event_id: z.string(),
  state: inboxStateSchema,
  attempts: z.number().int(),
  error: z.string().nullable(),
  job_id: z.uuid().nullable(),
  size: z.number().int(),
  received_at: z.string(),
  finished_at: z.string().nullable(),
});

export type InboxEvent = z.infer<typeof inboxEventSchema>;

export const mappingTransformSchema = z.enum(["none", "trim", "lower", "upper", "title", "digits"]);

/** Columns of a lead that an answer may fill. `custom:<key>` and `ignore` are possible besides. */
export const mappingColumns = [
  "salutation",
  "first_name",
  "last_name",
  "name",
  "email",
  "phone",
  "organization",
  "website",
  "job_title",
  "industry",
  "gender",
  "no_of_employees",
  "territory",
  "qualification",
  "course",
] as const;

export const mappingTargetSchema = z.union([
  z.enum([...mappingColumns, "ignore"]),
  z.templateLiteral(["custom:", z.string().regex(/^[a-z][a-z0-9_]{0,62}$/)]),
]);

/** What a client may insert into `lead_source_mappings`. */
export const leadSourceMappingSchema = z.object({
  provider: z.enum(["meta", "form"]).default("meta"),
  form_id: z.string().max(64).nullish(),
  field: z.string().min(1).max(200),
  target: mappingTargetSchema,
  transform: mappingTransformSchema.default("trim"),
  position: z.number().int().default(0),
});

export type LeadSourceMapping = z.input<typeof leadSourceMappingSchema>;

/** The answer of `lead_source_mapping_test()`. */
export const mappingTestSchema = z.object({
  fields: z.record(z.string(), z.string()),
  custom_fields: z.record(z.string(), z.string()),
  unmapped: z.array(z.string()),
});

export type MappingTest = z.infer<typeof mappingTestSchema>;

/** Leads: rows, the two lists, what a client may write, and the answers of the RPCs. */
import { z } from "zod";
import { phoneSchema } from "./identity.ts";
import { customFieldsSchema } from "./lead-scope.ts";
import { stageKeySchema } from "./pipeline.ts";

/** `LEAD-001`, `LEAD-002`, …, `LEAD-1000`. */
export const leadNumberSchema = z.string().regex(/^LEAD-(\d{3}|[1-9]\d{3,})$/);

/** A row of `leads`. */
export const leadSchema = z.object({
  id: z.uuid(),
  lead_no: z.number().int(),
  lead_id: leadNumberSchema,
  salutation: z.string().nullable(),
  first_name: z.string(),
  last_name: z.string(),
  name: z.string(),
  email: z.string().nullable(),
  phone: phoneSchema.nullable(),
  organization: z.string().nullable(),
  website: z.string().nullable(),
  job_title: z.string().nullable(),
  industry: z.string().nullable(),
  gender: z.string().nullable(),
  no_of_employees: z.string().nullable(),
  annual_revenue: z.number().nullable(),
  territory: z.string().nullable(),
  qualification: z.string().nullable(),
  experience: z.number().nullable(),
  course: z.string().nullable(),
  source: z.string(),
  status: stageKeySchema,
  max_stage: z.number().int(),
  status_changed_at: z.string(),
  score: z.number().int().min(0).max(100),
  value: z.number().nonnegative(),
  currency: z.string(),
  tags: z.array(z.string()),
  custom_fields: customFieldsSchema,
  assigned_to: z.uuid().nullable(),
  team_id: z.uuid().nullable(),
  last_interaction_at: z.string().nullable(),
  created_by: z.uuid().nullable(),
  created_at: z.string(),
  updated_at: z.string(),
  deleted_at: z.string().nullable(),
  deleted_by: z.uuid().nullable(),
  version: z.number().int(),
  converted_at: z.string().nullable(),
  converted_to_deal: z.boolean(),
  deal_id: z.uuid().nullable(),
});

export type Lead = z.infer<typeof leadSchema>;

/** What a client may change. The owner changes by `lead_assign()`. */
export const leadUpdateSchema = z
  .strictObject({
    salutation: z.string().max(40).nullable(),
    first_name: z.string().max(150),
    last_name: z.string().max(150),
    name: z.string().max(300),
    /** Empty is none; stored trimmed and in lower case. */
    email: z.string().max(254).nullable(),
    /** International, or a national number of the organisation's country; stored in E.164. */
    phone: z.string().nullable(),
    organization: z.string().max(300).nullable(),
    website: z.string().max(2048).nullable(),
    job_title: z.string().max(200).nullable(),
    industry: z.string().max(200).nullable(),
    gender: z.string().max(40).nullable(),
    no_of_employees: z.string().max(40).nullable(),
    annual_revenue: z.number().nonnegative().nullable(),
    territory: z.string().max(200).nullable(),
    qualification: z.string().max(200).nullable(),
    experience: z.number().nonnegative().nullable(),
    course: z.string().max(200).nullable(),
    source: z.string().trim().min(1).max(100),
    /** Key of a stage, whatever its case. */
    status: z.string(),
    value: z.number().nonnegative(),
    currency: z.string().regex(/^[A-Z]{3}$/),
    tags: z.array(z.string()).max(50),
    custom_fields: customFieldsSchema,
  })
  .partial();

export type LeadUpdate = z.infer<typeof leadUpdateSchema>;

/** What a client may insert: a name, an e-mail or a phone at least. */
export const leadInsertSchema = leadUpdateSchema
  .extend({
    id: z.uuid().optional(),
    assigned_to: z.uuid().nullish(),
    team_id: z.uuid().nullish(),
  })
  .refine(
    (lead) =>
      [lead.name, lead.first_name, lead.last_name, lead.email, lead.phone].some((text) =>
        text?.trim(),
      ),
    { message: "A lead has a name, an e-mail or a phone." },
  );

export type LeadInsert = z.infer<typeof leadInsertSchema>;

/** A row of the view `leads_list`. */
export const leadsListRowSchema = z.strictObject({
  ...leadSchema.pick({
    id: true,
    lead_id: true,
    name: true,
    email: true,
    phone: true,
    status: true,
    source: true,
    score: true,
    value: true,
    currency: true,
    assigned_to: true,
    team_id: true,
    created_at: true,
  }).shape,
  lastInteraction: z.iso.date().nullable(),
});

export type LeadsListRow = z.infer<typeof leadsListRowSchema>;

/** A row of the view `leads_crm`; the stage and the owner by name. */
export const leadsCrmRowSchema = z.strictObject({
  id: z.uuid(),
  lead_id: leadNumberSchema,
  salutation: z.string().nullable(),
  firstName: z.string(),
  lastName: z.string(),
  email: z.string().nullable(),
  mobile: phoneSchema.nullable(),
  organization: z.string().nullable(),
  website: z.string().nullable(),
  jobTitle: z.string().nullable(),
  industry: z.string().nullable(),
  source: z.string(),
  status: z.string(),
  gender: z.string().nullable(),
  noOfEmployees: z.string().nullable(),
  annualRevenue: z.number().nullable(),
  territory: z.string().nullable(),
  leadOwner: z.string().nullable(),
  createdAt: z.string(),
  createdBy: z.string().nullable(),
  updatedAt: z.string(),
  activitiesCount: z.number().int().nonnegative(),
  convertedToDeal: z.boolean(),
  deal_id: z.uuid().nullable(),
  assigned_to: z.uuid().nullable(),
  team_id: z.uuid().nullable(),
});

export type LeadsCrmRow = z.infer<typeof leadsCrmRowSchema>;

/** The argument of `crm_create_lead()`. */
export const crmLeadSchema = z
  .strictObject({
    salutation: z.string().max(40),
    firstName: z.string().max(150),
    lastName: z.string().max(150),
    name: z.string().max(300),
    email: z.string(),
    mobile: z.string(),
    phone: z.string(),
    organization: z.string().max(300),
    website: z.string().max(2048),
    jobTitle: z.string().max(200),
    industry: z.string().max(200),
    source: z.string().max(100),
    status: z.string(),
    gender: z.string().max(40),
    noOfEmployees: z.string().max(40),
    annualRevenue: z.number().nonnegative(),
    territory: z.string().max(200),
    value: z.number().nonnegative(),
    qualification: z.string().max(200),
    experience: z.number().nonnegative(),
    course: z.string().max(200),
  })
  .partial();

export type CrmLead = z.infer<typeof crmLeadSchema>;

/** The answer of `crm_create_lead()`. */
export const crmLeadCreatedSchema = z.strictObject({
  message: z.literal("Lead created successfully"),
  lead_id: leadNumberSchema,
  id: z.uuid(),
});

export type CrmLeadCreated = z.infer<typeof crmLeadCreatedSchema>;

/** Arguments of `lead_set_status()`; `p_lead_id` is the id or the number. Answers the lead. */
export const leadSetStatusSchema = z.strictObject({
  p_lead_id: z.union([z.uuid(), leadNumberSchema]),
  p_status: z.string().trim().min(1),
  p_reason: z.string().max(1000).nullish(),
});

export type LeadSetStatus = z.infer<typeof leadSetStatusSchema>;

/** A row of `lead_history`. */
export const leadHistorySchema = z.strictObject({
  id: z.uuid(),
  lead_id: z.uuid(),
  from_status: stageKeySchema,
  to_status: stageKeySchema,
  reason: z.string().nullable(),
  changed_by: z.uuid().nullable(),
  changed_at: z.string(),
});

export type LeadHistory = z.infer<typeof leadHistorySchema>;

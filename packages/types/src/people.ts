/** People: contacts, organizations, students and deals, and how leads become them. */
import { z } from "zod";
import { phoneSchema } from "./identity.ts";
import { leadNumberSchema } from "./leads.ts";

/** `STU-001`, `STU-002`, …, `STU-1000`. */
export const studentNumberSchema = z.string().regex(/^STU-(\d{3}|[1-9]\d{3,})$/);

export const studentStatuses = ["active", "on_leave", "graduated", "withdrawn"] as const;

export const dealStages = ["qualification", "proposal", "negotiation", "won", "lost"] as const;

export const dealStatuses = ["open", "won", "lost"] as const;

const customFieldsSchema = z.record(z.string(), z.json());

/** What the rows of this module have in common. */
const rowSchema = z.object({
  id: z.uuid(),
  name: z.string().min(1),
  /** Whom it belongs to: the owner of its lead, else whoever entered it. */
  assigned_to: z.uuid().nullable(),
  team_id: z.uuid().nullable(),
  custom_fields: customFieldsSchema,
  created_by: z.uuid().nullable(),
  created_at: z.string(),
  updated_at: z.string(),
  deleted_at: z.string().nullable(),
  deleted_by: z.uuid().nullable(),
  version: z.number().int(),
});

/** A row of `organizations`. */
export const organizationSchema = rowSchema.extend({
  website: z.string().nullable(),
  email: z.string().nullable(),
  phone: phoneSchema.nullable(),
  industry: z.string().nullable(),
  no_of_employees: z.string().nullable(),
  annual_revenue: z.number().nullable(),
  territory: z.string().nullable(),
  address: z.string().nullable(),
});

export type Organization = z.infer<typeof organizationSchema>;

/** A row of `contacts`. */
export const contactSchema = rowSchema.extend({
  lead_id: z.uuid().nullable(),
  organization_id: z.uuid().nullable(),
  email: z.string().nullable(),
  phone: phoneSchema.nullable(),
  role: z.string().nullable(),
  company: z.string().nullable(),
  last_contacted: z.string().nullable(),
  tags: z.array(z.string()),
});

export type Contact = z.infer<typeof contactSchema>;

/** A row of `students`. */
export const studentSchema = rowSchema.extend({
  lead_id: z.uuid().nullable(),
  student_no: z.number().int(),
  student_number: studentNumberSchema,
  email: z.string().nullable(),
  phone: phoneSchema.nullable(),
  gender: z.string().nullable(),
  qualification: z.string().nullable(),
  course: z.string().nullable(),
  /** `2025-26` */
  academic_year: z.string().nullable(),
  semester: z.string().nullable(),
  status: z.enum(studentStatuses),
  enrolled_at: z.string(),
});

export type Student = z.infer<typeof studentSchema>;

/** A row of `deals`. */
export const dealSchema = rowSchema.extend({
  lead_id: z.uuid().nullable(),
  organization_id: z.uuid().nullable(),
  contact_id: z.uuid().nullable(),
  value: z.number().nonnegative(),
  currency: z.string().regex(/^[A-Z]{3}$/),
  stage: z.enum(dealStages),
  /** From the stage. */
  status: z.enum(dealStatuses),
  expected_close_date: z.iso.date().nullable(),
  closed_at: z.string().nullable(),
});

export type Deal = z.infer<typeof dealSchema>;

/** One that is there, or none. */
const existingSchema = z.union([z.strictObject({ id: z.uuid() }), z.strictObject({})]);

/** The arguments of `lead_convert_to_deal()`. Null or left out means what the lead says. */
export const convertToDealSchema = z.strictObject({
  p_lead_id: z.string(),
  p_organization: z
    .union([
      existingSchema,
      z.strictObject({
        name: z.string().trim().min(1).max(300),
        website: z.string().max(2048).nullish(),
        email: z.string().nullish(),
        phone: z.string().nullish(),
        industry: z.string().max(200).nullish(),
        no_of_employees: z.string().max(40).nullish(),
        annual_revenue: z.number().nonnegative().nullish(),
        territory: z.string().max(200).nullish(),
        address: z.string().max(2000).nullish(),
      }),
    ])
    .nullish(),
  p_contact: z
    .union([
      existingSchema,
      z.strictObject({
        name: z.string().trim().min(1).max(300),
        email: z.string().nullish(),
        phone: z.string().nullish(),
        role: z.string().max(200).nullish(),
        company: z.string().max(300).nullish(),
      }),
    ])
    .nullish(),
  p_deal: z
    .strictObject({
      name: z.string().max(300),
      value: z.number().nonnegative(),
      currency: z.string().regex(/^[A-Z]{3}$/),
      stage: z.enum(dealStages),
      expected_close_date: z.iso.date(),
      custom_fields: customFieldsSchema,
    })
    .partial()
    .nullish(),
});

export type ConvertToDeal = z.infer<typeof convertToDealSchema>;

/** The answer of `lead_convert_to_deal()`. */
export const leadConvertedSchema = z.strictObject({
  message: z.string(),
  id: z.uuid(),
  lead_id: leadNumberSchema,
  status: z.string(),
  convertedToDeal: z.literal(true),
  converted_at: z.string(),
  deal_id: z.uuid(),
  organization_id: z.uuid().nullable(),
  contact_id: z.uuid().nullable(),
  /** False when the lead was converted before. */
  is_new: z.boolean(),
});

export type LeadConverted = z.infer<typeof leadConvertedSchema>;

/** The answer of `lead_enroll()`. */
export const leadEnrolledSchema = z.strictObject({
  message: z.string(),
  id: z.uuid(),
  lead_id: leadNumberSchema,
  student_id: z.uuid(),
  student_number: studentNumberSchema,
  /** False when the lead was enrolled before. */
  is_new: z.boolean(),
});

export type LeadEnrolled = z.infer<typeof leadEnrolledSchema>;

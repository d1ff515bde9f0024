/** Conversion: how a lead becomes a deal, or a student. */
import { z } from "zod";
import { dealStages } from "./deals.ts";
import { customFieldsSchema } from "./lead-scope.ts";
import { leadNumberSchema } from "./leads.ts";
import { studentNumberSchema } from "./students.ts";

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

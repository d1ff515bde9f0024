/** Contacts: people one is in touch with, of a lead or of none. */
import { z } from "zod";
import { phoneSchema } from "./identity.ts";
import { belongingRowSchema } from "./lead-scope.ts";

/** A row of `contacts`. */
export const contactSchema = belongingRowSchema.extend({
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

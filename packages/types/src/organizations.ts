/** Organizations: the companies, schools and hospitals that contacts work for and deals are made with. */
import { z } from "zod";
import { phoneSchema } from "./identity.ts";
import { belongingRowSchema } from "./lead-scope.ts";

/** A row of `organizations`. */
export const organizationSchema = belongingRowSchema.extend({
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

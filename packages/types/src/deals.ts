/** Deals: what is negotiated with a lead, a contact or an organization. */
import { z } from "zod";
import { belongingRowSchema } from "./lead-scope.ts";

export const dealStages = ["qualification", "proposal", "negotiation", "won", "lost"] as const;

export const dealStatuses = ["open", "won", "lost"] as const;

/** A row of `deals`. */
export const dealSchema = belongingRowSchema.extend({
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

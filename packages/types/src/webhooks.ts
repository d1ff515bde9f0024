/** What providers send to the `webhooks` function, and what it answers. */
import { z } from "zod";

/** Ids are strings: with 17 digits they are not exact as JavaScript numbers. */
const metaId = z.union([z.string(), z.number()]).transform(String);

export const metaChangeSchema = z.looseObject({
  field: z.string(),
  value: z.looseObject({ leadgen_id: metaId.optional() }).optional(),
});

export const metaEntrySchema = z.looseObject({
  id: metaId.optional(),
  time: z.number().optional(),
  changes: z.array(metaChangeSchema).optional(),
});

/** One POST of Meta: any number of entries with any number of changes. */
export const metaDeliverySchema = z.looseObject({
  object: z.string(),
  entry: z.array(metaEntrySchema),
});

export type MetaDelivery = z.infer<typeof metaDeliverySchema>;

/** A lead as the Graph API gives it. */
export const metaLeadSchema = z.looseObject({
  id: metaId,
  created_time: z.string().optional(),
  form_id: metaId.optional(),
  field_data: z
    .array(z.looseObject({ name: z.string(), values: z.array(z.union([z.string(), z.number()])) }))
    .default([]),
});

export type MetaLead = z.infer<typeof metaLeadSchema>;

export const webhookAcceptedSchema = z.object({
  received: z.number().int().describe("Events in this delivery"),
  stored: z.number().int().describe("Events that were not known before"),
});

export type WebhookAccepted = z.infer<typeof webhookAcceptedSchema>;

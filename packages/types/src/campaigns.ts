/** Campaigns: ours, and those of ad platforms. */
import { z } from "zod";
import { customFieldsSchema } from "./lead-scope.ts";

export const campaignTypes = ["email", "sms", "whatsapp", "phone", "multi_channel", "ads"] as const;

export const campaignStatuses = [
  "draft",
  "scheduled",
  "active",
  "paused",
  "completed",
  "cancelled",
] as const;

/** A row of `campaigns`. */
export const campaignSchema = z.strictObject({
  id: z.uuid(),
  name: z.string().min(1),
  description: z.string().nullable(),
  type: z.enum(campaignTypes),
  status: z.enum(campaignStatuses),
  target_audience: z.string().nullable(),
  /** Conditions such as `{"qualification": "MBBS", "experience": ">2"}`. */
  target_criteria: z.record(z.string(), z.json()),
  subject: z.string().nullable(),
  content: z.string().nullable(),
  scheduled_at: z.string().nullable(),
  is_automated: z.boolean(),
  tags: z.array(z.string()),
  custom_fields: customFieldsSchema,
  objective: z.string().nullable(),
  currency: z.string().regex(/^[A-Z]{3}$/),
  spend: z.number().nonnegative(),
  revenue: z.number().nonnegative(),
  impressions: z.number().int().nonnegative(),
  clicks: z.number().int().nonnegative(),
  leads: z.number().int().nonnegative(),
  /** spend / leads */
  cpl: z.number().nullable(),
  /** revenue / spend */
  roas: z.number().nullable(),
  /** The ad platform whose campaign it is; null for one of ours. */
  provider: z.string().nullable(),
  external_id: z.string().nullable(),
  started_at: z.string().nullable(),
  ended_at: z.string().nullable(),
  team_id: z.uuid().nullable(),
  created_by: z.uuid().nullable(),
  created_at: z.string(),
  updated_at: z.string(),
  deleted_at: z.string().nullable(),
  deleted_by: z.uuid().nullable(),
  version: z.number().int(),
});

export type Campaign = z.infer<typeof campaignSchema>;

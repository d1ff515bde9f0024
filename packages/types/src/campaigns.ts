/** Campaigns: ours, and those of ad platforms. */
import { z } from "zod";
import { customFieldsSchema } from "./lead-scope.ts";

export const campaignTypes = ["email", "sms", "whatsapp", "phone", "multi_channel", "ads"] as const;

export const campaignChannels = ["email", "whatsapp", "sms", "phone"] as const;

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
  /** Of a multi-channel campaign, in order of preference. */
  channels: z.array(z.enum(campaignChannels)),
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
  recipients_count: z.number().int().nonnegative(),
  failure: z.string().nullable(),
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

export const campaignRecipientStatuses = [
  "pending",
  "queued",
  "sending",
  "sent",
  "delivered",
  "failed",
  "skipped",
  "cancelled",
] as const;

/** A row of `campaign_recipients`: whom a campaign goes to, and what became of it. */
export const campaignRecipientSchema = z.strictObject({
  campaign_id: z.uuid(),
  position: z.number().int().positive(),
  lead_id: z.uuid().nullable(),
  student_id: z.uuid().nullable(),
  channel: z.enum(campaignChannels),
  status: z.enum(campaignRecipientStatuses),
  communication_id: z.uuid().nullable(),
  task_id: z.uuid().nullable(),
  sent_at: z.string().nullable(),
  delivered_at: z.string().nullable(),
  opened_at: z.string().nullable(),
  clicked_at: z.string().nullable(),
  responded_at: z.string().nullable(),
  converted_at: z.string().nullable(),
  unsubscribed_at: z.string().nullable(),
  failed_at: z.string().nullable(),
  error: z.string().nullable(),
});

export type CampaignRecipient = z.infer<typeof campaignRecipientSchema>;

/** Answer of `campaign_audience_preview()`. */
export const campaignAudiencePreviewSchema = z.strictObject({
  count: z.number().int().nonnegative(),
  channels: z.partialRecord(z.enum(campaignChannels), z.number().int().positive()),
  sample: z.array(
    z.strictObject({
      lead_id: z.uuid().nullable(),
      student_id: z.uuid().nullable(),
      name: z.string(),
      channel: z.enum(campaignChannels),
    }),
  ),
});

export type CampaignAudiencePreview = z.infer<typeof campaignAudiencePreviewSchema>;

/** Answer of `campaign_launch()`. */
export const campaignLaunchSchema = z.strictObject({
  success: z.literal(true),
  campaign_id: z.uuid(),
  recipients_count: z.number().int().positive(),
  scheduled_at: z.string(),
});

export type CampaignLaunch = z.infer<typeof campaignLaunchSchema>;

const figures = {
  total_recipients: z.number().int().nonnegative(),
  sent: z.number().int().nonnegative(),
  delivered: z.number().int().nonnegative(),
  opened: z.number().int().nonnegative(),
  clicked: z.number().int().nonnegative(),
  responded: z.number().int().nonnegative(),
  converted: z.number().int().nonnegative(),
  failed: z.number().int().nonnegative(),
  /** Of all recipients, in percent. */
  delivery_rate: z.number(),
  /** Of those delivered. */
  open_rate: z.number(),
  /** Of those opened. */
  click_rate: z.number(),
  /** Of those opened. */
  conversion_rate: z.number(),
};

/** Answer of `campaign_stats()`. */
export const campaignStatsSchema = z.strictObject(figures);

export type CampaignStats = z.infer<typeof campaignStatsSchema>;

/** A row of the view `campaigns_with_stats`. */
export const campaignWithStatsSchema = campaignSchema
  .pick({
    id: true,
    name: true,
    status: true,
    objective: true,
    spend: true,
    impressions: true,
    clicks: true,
    leads: true,
    cpl: true,
    roas: true,
    revenue: true,
    currency: true,
    type: true,
    provider: true,
    scheduled_at: true,
    tags: true,
    created_at: true,
  })
  .extend({
    ...figures,
    clicks: z.number().int().nonnegative(),
    CPL: z.number().nullable(),
    ROAS: z.number().nullable(),
  });

export type CampaignWithStats = z.infer<typeof campaignWithStatsSchema>;

/** What the database says of a link to unsubscribe by. */
export const trackUnsubscribeSchema = z.strictObject({
  found: z.boolean(),
  /** Where to ask first, if the organisation has such a page. */
  page: z.url().optional(),
});

export type TrackUnsubscribe = z.infer<typeof trackUnsubscribeSchema>;

const graphId = z.union([z.string(), z.number()]).transform(String);

/** A campaign as Meta's Graph API gives it. */
export const metaCampaignSchema = z.looseObject({
  id: graphId,
  name: z.string(),
  objective: z.string().optional(),
  effective_status: z.string(),
});

export type MetaCampaign = z.infer<typeof metaCampaignSchema>;

const metaActionsSchema = z.array(z.looseObject({ action_type: z.string(), value: z.string() }));

/** What a campaign did on a day, as Meta's Graph API gives it: figures are texts. */
export const metaInsightSchema = z.looseObject({
  campaign_id: graphId,
  campaign_name: z.string().optional(),
  objective: z.string().optional(),
  account_currency: z.string().optional(),
  spend: z.string().optional(),
  impressions: z.string().optional(),
  clicks: z.string().optional(),
  actions: metaActionsSchema.optional(),
  action_values: metaActionsSchema.optional(),
  date_start: z.iso.date(),
  date_stop: z.iso.date(),
});

export type MetaInsight = z.infer<typeof metaInsightSchema>;

/** A row of the view `campaign_insights`: Meta's own keys, and what follows from them. */
export const campaignInsightSchema = z.strictObject({
  id: z.uuid(),
  campaign_id: z.string(),
  campaign_name: z.string(),
  objective: z.string().nullable(),
  status: z.enum(campaignStatuses),
  date_start: z.iso.date(),
  date_stop: z.iso.date(),
  account_currency: z.string(),
  spend: z.number(),
  impressions: z.number().int(),
  clicks: z.number().int(),
  leads: z.number().int(),
  revenue: z.number(),
  /** spend / leads */
  CPL: z.number().nullable(),
  /** revenue / spend */
  ROAS: z.number().nullable(),
  synced_at: z.string(),
});

export type CampaignInsight = z.infer<typeof campaignInsightSchema>;

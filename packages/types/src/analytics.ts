/** Analytics: arguments and answers of the figures. Days are those of the organisation's time zone. */
import { z } from "zod";
import { stageKeySchema } from "./pipeline.ts";

const count = z.number().int().nonnegative();

const percent = z.number().min(0).max(100);

const period = { p_date_from: z.iso.date().nullish(), p_date_to: z.iso.date().nullish() };

/** Arguments of `analytics_kpis()`; what is null or left out matches every lead. */
export const analyticsKpisArgumentsSchema = z.strictObject({
  ...period,
  p_source: z.string().nullish(),
  p_status: z.string().nullish(),
  p_assigned_to: z.uuid().nullish(),
});

export type AnalyticsKpisArguments = z.infer<typeof analyticsKpisArgumentsSchema>;

/** The answer of `analytics_kpis()`. */
export const analyticsKpisSchema = z.strictObject({
  total_leads: count,
  enrollments: count,
  conversion_rate: percent,
  active_pipeline: count,
  active_pipeline_value: z.number().nonnegative(),
  currency: z.string(),
});

export type AnalyticsKpis = z.infer<typeof analyticsKpisSchema>;

/** Arguments of `analytics_funnel()` and `analytics_funnel_detail()`. */
export const analyticsFunnelArgumentsSchema = z.strictObject({
  ...period,
  p_source: z.string().nullish(),
  p_agent_id: z.uuid().nullish(),
});

export type AnalyticsFunnelArguments = z.infer<typeof analyticsFunnelArgumentsSchema>;

const funnelStepSchema = z.strictObject({
  stage: stageKeySchema,
  count,
  /** Of the first stage. */
  percentage: percent,
  /** Lost since the stage before, in percent of it. */
  drop_off_rate: percent,
});

/** The answer of `analytics_funnel()`, in the order of the stages. */
export const analyticsFunnelSchema = z.array(funnelStepSchema);

export type AnalyticsFunnel = z.infer<typeof analyticsFunnelSchema>;

/** The answer of `analytics_funnel_detail()`. */
export const analyticsFunnelDetailSchema = z.array(
  funnelStepSchema.extend({
    /** Of the stage before; null at the first, and where nobody was there. */
    stage_conversion_rate: percent.nullable(),
    is_bottleneck: z.boolean(),
    team_percentage: percent,
  }),
);

export type AnalyticsFunnelDetail = z.infer<typeof analyticsFunnelDetailSchema>;

/** Arguments of `analytics_conversion_by_source()`. */
export const analyticsConversionBySourceArgumentsSchema = z.strictObject({
  ...period,
  p_agent_id: z.uuid().nullish(),
});

export type AnalyticsConversionBySourceArguments = z.infer<
  typeof analyticsConversionBySourceArgumentsSchema
>;

/** The answer of `analytics_conversion_by_source()`, the source of most leads first. */
export const analyticsConversionBySourceSchema = z.array(
  z.strictObject({
    source: z.string(),
    total_leads: count,
    enrolled: count,
    conversion_rate: percent,
  }),
);

export type AnalyticsConversionBySource = z.infer<typeof analyticsConversionBySourceSchema>;

/** Arguments of `analytics_overview()`. */
export const analyticsOverviewArgumentsSchema = z.strictObject({
  p_from: z.iso.date().nullish(),
  p_to: z.iso.date().nullish(),
  p_agent_id: z.uuid().nullish(),
});

export type AnalyticsOverviewArguments = z.infer<typeof analyticsOverviewArgumentsSchema>;

/** The answer of `analytics_overview()`. */
export const analyticsOverviewSchema = analyticsKpisSchema.extend({
  by_source: z.array(z.strictObject({ source: z.string(), count })).max(20),
  by_stage: z.array(funnelStepSchema.omit({ drop_off_rate: true })),
});

export type AnalyticsOverview = z.infer<typeof analyticsOverviewSchema>;

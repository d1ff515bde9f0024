/** Dashboards: figures of a period beside those of the period before. Days are the organisation's. */
import { z } from "zod";

const count = z.number().int().nonnegative();

const percent = z.number().nonnegative();

const period = { p_start: z.iso.date().nullish(), p_end: z.iso.date().nullish() };

/** Arguments of `dashboard_overview()`: 7d, 30d, 12w, 3m, 1y; at most 366 days. */
export const dashboardOverviewArgumentsSchema = z.strictObject({
  p_range: z
    .string()
    .regex(/^[1-9][0-9]{0,2}[dwmy]$/)
    .optional(),
});

export type DashboardOverviewArguments = z.infer<typeof dashboardOverviewArgumentsSchema>;

/** The answer of `dashboard_overview()`. */
export const dashboardOverviewSchema = z.strictObject({
  overview: z.strictObject({
    totalLeads: count,
    totalStudents: count,
    /** Students enrolled per lead that came, in percent: more than 100 where leads came before. */
    conversionRate: percent,
    /** In the organisation's currency. */
    revenue: z.number(),
    activeUsers: count,
  }),
  /** Percent of as many days before; 100 where there was nothing. */
  trends: z.strictObject({
    leadsChange: z.number(),
    studentsChange: z.number(),
    conversionChange: z.number(),
    revenueChange: z.number(),
  }),
  leadSources: z.array(z.strictObject({ source: z.string(), count, percentage: percent })),
  conversionFunnel: z.array(z.strictObject({ stage: z.string(), count, percentage: percent })),
  communicationStats: z.strictObject({
    total: count,
    email: count,
    sms: count,
    whatsapp: count,
    phone: count,
  }),
});

export type DashboardOverview = z.infer<typeof dashboardOverviewSchema>;

/** Arguments of `dashboard_stats()` and of the charts: the last thirty days, unless said otherwise. */
export const dashboardArgumentsSchema = z.strictObject(period);

export type DashboardArguments = z.infer<typeof dashboardArgumentsSchema>;

const figure = z.strictObject({
  value: z.number(),
  /** Percent of as many days before; 100 where there was nothing. */
  change: z.number(),
  /** What stayed the same is up. */
  trend: z.enum(["up", "down"]),
});

/** The answer of `dashboard_stats()`. */
export const dashboardStatsSchema = z.strictObject({
  revenue: figure,
  active_leads: figure,
  conversion_rate: figure,
  link_clicks: figure,
});

export type DashboardStats = z.infer<typeof dashboardStatsSchema>;

/** The answer of `dashboard_chart_revenue()`: weekdays of seven days or fewer, else days. */
export const dashboardChartRevenueSchema = z.array(
  z.strictObject({
    date: z.string().regex(/^([A-Z][a-z]{2}|\d{4}-\d{2}-\d{2})$/),
    value: z.number(),
  }),
);

export type DashboardChartRevenue = z.infer<typeof dashboardChartRevenueSchema>;

/** The answer of `dashboard_chart_sources()`, the largest first. */
export const dashboardChartSourcesSchema = z.array(
  z.strictObject({ name: z.string(), value: count }),
);

export type DashboardChartSources = z.infer<typeof dashboardChartSourcesSchema>;

export const granularities = ["day", "week", "month"] as const;

/** Arguments of `analytics_lead_volume()`: the last thirty days by day, unless said otherwise. */
export const analyticsLeadVolumeArgumentsSchema = z.strictObject({
  p_date_from: z.iso.date().nullish(),
  p_date_to: z.iso.date().nullish(),
  p_granularity: z.enum(granularities).optional(),
});

export type AnalyticsLeadVolumeArguments = z.infer<typeof analyticsLeadVolumeArgumentsSchema>;

/** The answer of `analytics_lead_volume()`: the first day of each day, week or month. */
export const analyticsLeadVolumeSchema = z.array(z.strictObject({ date: z.iso.date(), count }));

export type AnalyticsLeadVolume = z.infer<typeof analyticsLeadVolumeSchema>;

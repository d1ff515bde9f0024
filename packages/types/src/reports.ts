/** Reports: definitions, and what report_build(), report_run() and the dashboard answer. */
import { z } from "zod";
import { analyticsKpisSchema } from "./analytics.ts";

/** What `report_build()` takes, and the columns of `reports` that say the same. */
export const reportDefinitionSchema = z.strictObject({
  name: z.string().min(1).max(200),
  description: z.string().max(2000).optional(),
  dataset: z.enum(["leads", "students", "deals", "tasks", "calls", "communications"]).optional(),
  fields: z.array(z.string()).max(30).optional(),
  filters: z.record(z.string(), z.unknown()).optional(),
  grouping: z
    .array(
      z.union([
        z.string(),
        z.strictObject({
          field: z.string(),
          by: z.enum(["day", "week", "month", "quarter", "year"]).optional(),
        }),
      ]),
    )
    .max(4)
    .optional(),
  sorting: z
    .array(
      z.union([
        z.string(),
        z.strictObject({ field: z.string(), direction: z.enum(["asc", "desc"]).optional() }),
      ]),
    )
    .max(5)
    .optional(),
  aggregations: z
    .array(
      z.union([
        z.string(),
        z.strictObject({
          function: z.string(),
          field: z.string().optional(),
          name: z.string().optional(),
        }),
      ]),
    )
    .max(10)
    .optional(),
  date_range: z
    .union([
      z.strictObject({ from: z.iso.date().optional(), to: z.iso.date().optional() }),
      z.strictObject({
        period: z.enum([
          "today",
          "yesterday",
          "last_7_days",
          "last_30_days",
          "last_90_days",
          "this_week",
          "last_week",
          "this_month",
          "last_month",
          "this_year",
        ]),
      }),
    ])
    .optional(),
  is_shared: z.boolean().optional(),
  is_pinned: z.boolean().optional(),
});

export type ReportDefinition = z.infer<typeof reportDefinitionSchema>;

const rowsSchema = z.array(z.record(z.string(), z.unknown()));

/** A row of `report_templates()`. */
export const reportTemplateSchema = z.strictObject({
  id: z.uuid(),
  name: z.string(),
  description: z.string(),
  fields: z.array(z.string()),
  filters: z.record(z.string(), z.unknown()),
});

export type ReportTemplate = z.infer<typeof reportTemplateSchema>;

/** The answer of `report_build()`. */
export const reportBuiltSchema = z.strictObject({
  report_id: z.uuid(),
  preview_data: rowsSchema,
  row_count: z.number().int(),
});

export type ReportBuilt = z.infer<typeof reportBuiltSchema>;

/** The answer of `report_run()`. */
export const reportPageSchema = z.strictObject({
  report_id: z.uuid(),
  name: z.string(),
  columns: z.array(z.strictObject({ name: z.string(), kind: z.string() })),
  data: rowsSchema,
  row_count: z.number().int(),
  limit: z.number().int(),
  offset: z.number().int(),
  generated_at: z.string(),
});

export type ReportPage = z.infer<typeof reportPageSchema>;

/** The answer of `report_dashboard()`. */
export const reportDashboardSchema = z.strictObject({
  kpis: analyticsKpisSchema,
  reports: z.array(reportPageSchema),
});

export type ReportDashboard = z.infer<typeof reportDashboardSchema>;

/** The answer of `report_datasets()`. */
export const reportDatasetsSchema = z.array(
  z.strictObject({
    dataset: z.string(),
    label: z.string(),
    date_column: z.string(),
    columns: z.array(
      z.strictObject({
        name: z.string(),
        kind: z.string(),
        is_dimension: z.boolean(),
        is_money: z.boolean(),
      }),
    ),
    measures: z.array(z.strictObject({ name: z.string(), formula: z.string() })),
  }),
);

export type ReportDatasets = z.infer<typeof reportDatasetsSchema>;

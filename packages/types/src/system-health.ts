/** The RPCs `health()`, `admin_health()` and `health_metrics()`. The function `health` is in health.ts. */
import { z } from "zod";

const count = z.number().int().nonnegative();

export const databaseHealthSchema = z.strictObject({
  status: z.literal("ok"),
  version: z.string(),
  time: z.string(),
});

export type DatabaseHealth = z.infer<typeof databaseHealthSchema>;

export const healthWarnings = [
  "connections_are_scarce",
  "transaction_is_long",
  "jobs_are_late",
  "jobs_are_dead",
  "deliveries_are_dead",
  "schedules_fail",
] as const;

export const adminHealthSchema = z.strictObject({
  status: z.enum(["ok", "degraded"]),
  warnings: z.array(z.enum(healthWarnings)),
  time: z.string(),
  server: z.object({
    version: z.string(),
    postgres_version: z.string(),
    started_at: z.string(),
    uptime_seconds: count,
  }),
  database: z.object({
    size_bytes: count,
    connections: z.object({
      total: count,
      active: count,
      idle: count,
      idle_in_transaction: count,
      max: count,
      longest_transaction_seconds: count,
    }),
  }),
  jobs: z.object({
    due: count,
    oldest_due_seconds: count,
    running: count,
    waiting: count,
    dead: count,
    is_draining: z.boolean(),
  }),
  cron: z.array(
    z.object({
      name: z.string().nullable(),
      schedule: z.string(),
      is_active: z.boolean(),
      last_status: z.string().nullable(),
      last_run_at: z.string().nullable(),
      last_message: z.string().nullable(),
    }),
  ),
  inbox: z.object({
    received: count,
    processing: count,
    dead: count,
    oldest_unfinished_seconds: count,
  }),
  /** Active people by whether they are connected and can be had. */
  agents: z.strictObject({
    total: count,
    online: count,
    available: count,
    busy: count,
    away: count,
    offline: count,
  }),
  performance: z.object({
    cache_hit_ratio: z.number().nullable(),
    commits: count,
    rollbacks: count,
    deadlocks: count,
    temporary_bytes: count,
    slow_statements: z
      .array(
        z.object({
          statement: z.string(),
          calls: count,
          mean_ms: z.number(),
          total_ms: z.number(),
        }),
      )
      .nullable()
      .describe("Null where the server does not count them"),
  }),
});

export type AdminHealth = z.infer<typeof adminHealthSchema>;

export const metricTypes = [
  "database_bytes",
  "connections",
  "cache_hit_ratio",
  "jobs_due",
  "jobs_dead",
  "jobs_oldest_due_seconds",
  "inbox_unfinished",
  "agents_online",
] as const;

export const metricRangeSchema = z.enum(["1h", "24h", "7d", "30d"]);

export type MetricRange = z.infer<typeof metricRangeSchema>;

/** The answer of `health_metrics()`. A kind without measurements in the range is absent. */
export const healthMetricsSchema = z.strictObject({
  time_range: metricRangeSchema,
  metrics: z.partialRecord(
    z.enum(metricTypes),
    z.array(z.object({ recorded_at: z.string(), value: z.number() })),
  ),
});

export type HealthMetrics = z.infer<typeof healthMetricsSchema>;

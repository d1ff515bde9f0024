/** Agent analytics: how people do, and what comes of calls. Rates are percent, 0 of nothing. */
import { z } from "zod";
import { callOutcomes, callStatuses } from "./calls.ts";

const count = z.number().int().nonnegative();

const percent = z.number().min(0).max(100);

const score = percent.nullable().describe("Null of nothing");

const day = z.iso.date();

const who = { agent_id: z.uuid(), full_name: z.string() };

const totals = {
  total_leads: count,
  active_leads: count,
  enrollments: count,
  lead_conversion_rate: percent,
  total_calls: count,
  completed_calls: count,
  missed_calls: count,
  successful_calls: count,
  call_success_rate: percent,
  call_completion_rate: percent,
  /** Seconds, of completed calls. */
  call_duration: count,
  average_call_duration: count,
  performance_score: score,
};

/** Arguments of `agent_stats()`: the caller, and all time, unless said otherwise. */
export const agentStatsArgumentsSchema = z.strictObject({
  p_agent_id: z.uuid().nullish(),
  p_from: day.nullish(),
  p_to: day.nullish(),
});

export type AgentStatsArguments = z.infer<typeof agentStatsArgumentsSchema>;

/** The answer of `agent_stats()`. */
export const agentStatsSchema = z.strictObject({
  ...who,
  from: day.nullable(),
  to: day.nullable(),
  interactions: count,
  ...totals,
});

export type AgentStats = z.infer<typeof agentStatsSchema>;

/** The answer of `analytics_agent_performance()`. */
export const agentPerformanceSchema = z.strictObject({
  ...who,
  from: day,
  to: day,
  ...totals,
  daily: z.array(
    z.strictObject({
      date: day,
      leads: count,
      enrollments: count,
      lead_conversion_rate: percent,
      calls: count,
      completed_calls: count,
      successful_calls: count,
      call_success_rate: percent,
      performance_score: score,
    }),
  ),
  trend: z.strictObject({
    direction: z.enum(["up", "down", "steady"]).nullable(),
    change: z.number().min(-100).max(100).nullable(),
    previous_score: score,
  }),
});

export type AgentPerformance = z.infer<typeof agentPerformanceSchema>;

/** The answer of `analytics_counselor_performance()`, the most enrolments first. */
export const counselorPerformanceSchema = z.array(
  z.strictObject({
    counselor_id: z.uuid(),
    counselor: z.string(),
    leads: count,
    interactions: count,
    enrollments: count,
    conversion_rate: percent,
  }),
);

export type CounselorPerformance = z.infer<typeof counselorPerformanceSchema>;

/** Arguments of `analytics_calls()`: the last thirty days, unless said otherwise. */
export const analyticsCallsArgumentsSchema = z.strictObject({
  p_from: day.nullish(),
  p_to: day.nullish(),
  p_agent_id: z.uuid().nullish(),
  p_outcome: z.string().nullish(),
  p_status: z.string().nullish(),
  p_group: z.enum(["day", "week", "month"]).optional(),
});

export type AnalyticsCallsArguments = z.infer<typeof analyticsCallsArgumentsSchema>;

/** The answer of `analytics_calls()`. */
export const analyticsCallsSchema = z.strictObject({
  from: day,
  to: day,
  group: z.enum(["day", "week", "month"]),
  total_calls: count,
  completed_calls: count,
  missed_calls: count,
  successful_calls: count,
  success_rate: percent,
  completion_rate: percent,
  leads_called: count,
  leads_converted: count,
  conversion_rate: percent,
  outcomes: z.array(
    z.strictObject({ outcome: z.enum(callOutcomes).nullable(), count, percentage: percent }),
  ),
  status: z.array(z.strictObject({ status: z.enum(callStatuses), count, percentage: percent })),
  /** Of completed calls, in seconds. */
  durations: z.strictObject({ total: count, average: count, shortest: count, longest: count }),
  daily: z.array(
    z.strictObject({
      date: day,
      total: count,
      completed: count,
      missed: count,
      successful: count,
      duration: count,
      success_rate: percent,
    }),
  ),
  hourly: z.array(
    z.strictObject({ hour: z.number().int().min(0).max(23), total: count, successful: count }),
  ),
});

export type AnalyticsCalls = z.infer<typeof analyticsCallsSchema>;

import type { ModuleExpectations, Verb } from "./shape.ts";

/** Figures count what the caller may see: each call asks whether the own lead is among it. */
const counts = (statement: string): Verb => [statement, "- . .  + .  + .  + -"];

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const dashboards: ModuleExpectations = {
  functions: {
    // Twenty sources are listed: who sees everything may have as many that are larger.
    "public.dashboard_overview(text)": {
      execute: counts(
        `select from public.dashboard_overview() d where d -> 'leadSources' @> '[{"source": "Matrix own"}]' or jsonb_array_length(d -> 'leadSources') = 20`,
      ),
    },
    "public.dashboard_stats(date,date)": {
      // Each team has a lead that came today.
      execute: [
        "select from public.dashboard_stats() d where (d #>> '{active_leads,value}')::int > 0",
        "- . .  + +  + +  + -",
      ],
    },
    "public.dashboard_chart_revenue(date,date)": {
      execute: [
        "select from public.dashboard_chart_revenue(p_start => current_date, p_end => current_date)",
        "- + +  + +  + +  + -",
      ],
    },
    "public.dashboard_chart_sources(date,date)": {
      execute: counts(
        "select from (select array_agg(c.name) as names from public.dashboard_chart_sources() c) s where 'Matrix own' = any (s.names) or cardinality(s.names) >= 20",
      ),
    },
    "public.analytics_lead_volume(date,date,text)": {
      execute: [
        "select from public.analytics_lead_volume() v where v.count > 0",
        "- . .  + +  + +  + -",
      ],
    },
  },
};

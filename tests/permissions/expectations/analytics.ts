import { ids } from "../personas.ts";
import type { ModuleExpectations, Verb } from "./shape.ts";

/** Figures count what the caller may see: each call asks whether the own lead is among it. */
const counts = (statement: string): Verb => [statement, "- . .  + .  + .  + -"];

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const analytics: ModuleExpectations = {
  functions: {
    "public.analytics_kpis(date,date,text,text,uuid)": {
      execute: counts(
        "select from public.analytics_kpis(p_source => 'Matrix own') k where (k ->> 'total_leads')::int > 0",
      ),
    },
    "public.analytics_overview(date,date,uuid)": {
      execute: counts(
        `select from public.analytics_overview(p_agent_id => '${ids.own}') o where (o ->> 'total_leads')::int > 0`,
      ),
    },
    "public.analytics_funnel(date,date,text,uuid)": {
      execute: counts(
        "select from public.analytics_funnel(p_source => 'Matrix own') f where f.count > 0",
      ),
    },
    "public.analytics_conversion_by_source(date,date,uuid)": {
      execute: counts(
        "select from public.analytics_conversion_by_source() s where s.source = 'Matrix own'",
      ),
    },
    "public.analytics_funnel_detail(date,date,text,uuid)": {
      execute: counts(
        "select from public.analytics_funnel_detail(p_source => 'Matrix own') f where f.count > 0",
      ),
    },
  },
};

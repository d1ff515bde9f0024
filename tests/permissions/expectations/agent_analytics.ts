import { ids } from "../personas.ts";
import type { ModuleExpectations, Verb } from "./shape.ts";

/** Figures of the own counselor, for whoever may see them. */
const ofOwn = (call: string): Verb => [
  `select public.${call}('${ids.own}')`,
  "- not_found not_found  + not_found  + not_found  + -",
];

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const agentAnalytics: ModuleExpectations = {
  functions: {
    "public.agent_stats(uuid,date,date)": { execute: ofOwn("agent_stats") },
    "public.analytics_agent_performance(uuid,integer)": {
      execute: ofOwn("analytics_agent_performance"),
    },
    "public.analytics_counselor_performance(date,date)": {
      execute: [
        `select from public.analytics_counselor_performance() c where c.counselor_id = '${ids.own}'`,
        "- . .  + .  + .  + -",
      ],
    },
    "public.analytics_calls(date,date,uuid,text,text,text)": {
      execute: [
        `select from public.analytics_calls(p_agent_id => '${ids.own}') c where (c ->> 'total_calls')::int > 0`,
        "- . .  + .  + .  + -",
      ],
    },
  },
};

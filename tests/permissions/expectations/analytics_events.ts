import { ids } from "../personas.ts";
import { all, type ModuleExpectations, serviceOnly } from "./shape.ts";

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const analyticsEvents: ModuleExpectations = {
  fixture: [
    `insert into public.analytics_events (id, user_id, lead_id, event_type) values ('${ids.row}', '${ids.own}', '${ids.lead}', 'matrix')`,
  ],
  relations: {
    "public.analytics_events": {
      grants: {
        authenticated:
          "select, insert (id, user_id, lead_id, student_id, event_type, event_name, description, category, source, medium, campaign, duration, value, currency, event_data, properties, session_id, ip_address, user_agent)",
        service_role: all,
      },
      select: [
        `select from public.analytics_events where id = '${ids.row}'`,
        "- . .  + .  + .  + +",
      ],
      insert: [
        `insert into public.analytics_events (event_type, lead_id) values ('matrix', '${ids.lead}')`,
        "- x x  + x  + x  + +",
      ],
      "insert for oneself": [
        "insert into public.analytics_events (event_type) values ('matrix')",
        "- x x  + +  + +  + +",
      ],
      "insert for somebody else": [
        `insert into public.analytics_events (event_type, user_id) values ('matrix', '${ids.colleague}')`,
        "- x x  x x  x x  x +",
      ],
      update: [
        `update public.analytics_events set value = 1, currency = 'INR' where id = '${ids.row}'`,
        serviceOnly,
      ],
      delete: [`delete from public.analytics_events where id = '${ids.row}'`, serviceOnly],
    },
  },
  functions: {
    "public.analytics_event_totals(text,date,date,text,uuid,text)": {
      execute: [
        "select from public.analytics_event_totals(p_event_type => 'matrix')",
        "- . .  + .  + .  + -",
      ],
    },
  },
};

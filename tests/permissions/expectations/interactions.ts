import { ids } from "../personas.ts";
import type { ModuleExpectations } from "./shape.ts";

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const interactions: ModuleExpectations = {
  relations: {
    "public.interactions": {
      grants: { authenticated: "select", service_role: "select" },
      select: [
        `select from public.interactions where lead_id = '${ids.lead}'`,
        "- . .  + .  + .  + +",
      ],
    },
  },
  functions: {
    "public.lead_360(text)": {
      execute: [
        `select public.lead_360('${ids.lead}')`,
        "- lead_not_found lead_not_found  + lead_not_found  + lead_not_found  + -",
      ],
    },
    "public.interaction_log(text,text,text,text,text,timestamp with time zone,integer,jsonb,uuid)":
      {
        execute: [
          `select public.interaction_log('${ids.lead}', 'meeting', 'x')`,
          "- lead_not_found lead_not_found  + lead_not_found  + lead_not_found  + -",
        ],
      },
  },
};

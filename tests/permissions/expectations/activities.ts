import { ids } from "../personas.ts";
import { all, type ModuleExpectations, serviceOnly } from "./shape.ts";

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const activities: ModuleExpectations = {
  relations: {
    "public.activities": {
      grants: { authenticated: "select", service_role: all },
      select: [
        `select from public.activities where lead_id = '${ids.lead}'`,
        "- . .  + .  + .  + +",
      ],
      insert: [
        `insert into public.activities (lead_id, type, title) values ('${ids.lead}', 'created', 'x')`,
        serviceOnly,
      ],
      update: [
        `update public.activities set title = 'x' where lead_id = '${ids.lead}'`,
        serviceOnly,
      ],
      delete: [`delete from public.activities where lead_id = '${ids.lead}'`, serviceOnly],
    },
    "public.timeline": {
      grants: { authenticated: "select", service_role: "select" },
      select: [
        `select from public.timeline where entity_id = '${ids.lead}'`,
        "- . .  + .  + .  + +",
      ],
    },
    "public.leads_crm": {
      grants: { authenticated: "select", service_role: "select" },
      select: [`select from public.leads_crm where id = '${ids.lead}'`, "- . .  + .  + .  + +"],
    },
  },
  functions: {
    "public.lead_timeline(text,integer,jsonb)": {
      execute: [
        `select public.lead_timeline('${ids.lead}')`,
        "- lead_not_found lead_not_found  + lead_not_found  + lead_not_found  + -",
      ],
    },
  },
};

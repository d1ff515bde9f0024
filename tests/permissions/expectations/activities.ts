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
        `insert into public.activities (entity_id, lead_id, type, title) values ('${ids.lead}', '${ids.lead}', 'created', 'x')`,
        serviceOnly,
      ],
      update: [
        `update public.activities set title = 'x' where lead_id = '${ids.lead}'`,
        serviceOnly,
      ],
      delete: [`delete from public.activities where lead_id = '${ids.lead}'`, serviceOnly],
    },
    "public.leads_crm": {
      grants: { authenticated: "select", service_role: "select" },
      select: [`select from public.leads_crm where id = '${ids.lead}'`, "- . .  + .  + .  + +"],
    },
  },
};

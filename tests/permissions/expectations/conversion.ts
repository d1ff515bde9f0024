import { ids } from "../personas.ts";
import type { ModuleExpectations } from "./shape.ts";

/** A lead of the own counselor that was won. */
const won = ids.lead.replace(/e1$/, "e3");

const ofOwnLead = "- lead_not_found lead_not_found  + lead_not_found  + lead_not_found  + -";

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const conversion: ModuleExpectations = {
  fixture: [
    `insert into public.leads (id, name, status, assigned_to) values ('${won}', 'Won lead', 'enrolled', '${ids.own}')`,
  ],
  functions: {
    "public.lead_convert_to_deal(text,jsonb,jsonb,jsonb)": {
      execute: [
        `select public.lead_convert_to_deal('${ids.lead}', '{"name": "Matrix Ltd"}')`,
        ofOwnLead,
      ],
    },
    "public.lead_enroll(text,jsonb)": {
      execute: [`select public.lead_enroll('${won}', '{"semester": "1"}')`, ofOwnLead],
    },
  },
};

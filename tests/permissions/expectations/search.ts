import { ids } from "../personas.ts";
import type { ModuleExpectations } from "./shape.ts";

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const search: ModuleExpectations = {
  relations: {},
  functions: {
    "public.search_leads(text,integer,jsonb,jsonb)": {
      execute: [
        `select from public.search_leads('lead@matrix.test') s where s.id = '${ids.lead}'`,
        "- account_inactive account_inactive  + .  + .  + -",
      ],
    },
  },
};

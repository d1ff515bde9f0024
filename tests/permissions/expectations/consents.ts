import { ids } from "../personas.ts";
import { type ModuleExpectations, serviceOnly } from "./shape.ts";

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const consents: ModuleExpectations = {
  fixture: [
    `insert into public.consents (id, channel, address_hash, state, lead_id) values ('${ids.row}', 'email', repeat('0', 64), 'granted', '${ids.lead}')`,
    `insert into public.consents (id, channel, address_hash, state) values ('${ids.fresh}', 'email', repeat('1', 64), 'granted')`,
  ],
  relations: {
    "public.consents": {
      grants: { authenticated: "select", service_role: "select, insert" },
      select: [`select from public.consents where id = '${ids.row}'`, "- . .  + .  + .  + +"],
      "select of nobody known": [
        `select from public.consents where id = '${ids.fresh}'`,
        "- . .  . .  . .  + +",
      ],
      insert: [
        "insert into public.consents (channel, address_hash, state) values ('email', repeat('2', 64), 'granted')",
        serviceOnly,
      ],
    },
  },
  functions: {
    "public.consent_set(text,text,text,text,text,text,text,text)": {
      execute: [
        `select public.consent_set('${ids.lead}', 'email', 'granted')`,
        "- lead_not_found lead_not_found  + lead_not_found  + lead_not_found  + -",
      ],
    },
  },
};

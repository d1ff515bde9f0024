import { ids } from "../personas.ts";
import { all, type ModuleExpectations, serviceOnly } from "./shape.ts";

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const enquiries: ModuleExpectations = {
  fixture: [
    `insert into public.lead_identities (lead_id, kind, value) values ('${ids.lead}', 'email', 'second@matrix.test')`,
  ],
  relations: {
    "public.lead_identities": {
      grants: {
        authenticated: "select, insert (lead_id, kind, value, label), delete",
        service_role: all,
      },
      select: [
        `select from public.lead_identities where lead_id = '${ids.lead}'`,
        "- . .  + .  + .  + +",
      ],
      insert: [
        `insert into public.lead_identities (lead_id, kind, value) values ('${ids.lead}', 'phone', '+919812345678')`,
        "- x x  + x  + x  + +",
      ],
      update: [
        `update public.lead_identities set label = 'x' where lead_id = '${ids.lead}'`,
        serviceOnly,
      ],
      delete: [
        `delete from public.lead_identities where lead_id = '${ids.lead}'`,
        "- . .  + .  + .  + +",
      ],
    },
    "public.lead_enquiries": {
      grants: {
        authenticated:
          "select (id, lead_id, source, channel, external_id, asked, created_by, received_at)",
        service_role: all,
      },
      select: [
        `select id from public.lead_enquiries where lead_id = '${ids.lead}'`,
        "- . .  + .  + .  + +",
      ],
      "select payload": [
        `select payload from public.lead_enquiries where lead_id = '${ids.lead}'`,
        serviceOnly,
      ],
      insert: [
        `insert into public.lead_enquiries (lead_id, source, channel) values ('${ids.lead}', 'x', 'hand')`,
        serviceOnly,
      ],
      update: [
        `update public.lead_enquiries set source = 'x' where lead_id = '${ids.lead}'`,
        serviceOnly,
      ],
      delete: [`delete from public.lead_enquiries where lead_id = '${ids.lead}'`, serviceOnly],
    },
  },
  functions: {},
};

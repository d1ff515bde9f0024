import { ids } from "../personas.ts";
import { all, type ModuleExpectations, serviceOnly } from "./shape.ts";

const pair = `'${ids.lead}', array['${ids.otherLead}']::uuid[]`;

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const duplicates: ModuleExpectations = {
  fixture: [
    `insert into public.lead_merges (id, target_id, source_ids) values ('${ids.lead}', '${ids.lead}', array['${ids.lead}']::uuid[])`,
  ],
  relations: {
    "public.lead_merges": {
      grants: { authenticated: "select", service_role: all },
      select: [
        `select from public.lead_merges where target_id = '${ids.lead}'`,
        "- . .  + .  + .  + +",
      ],
      insert: [
        `insert into public.lead_merges (target_id, source_ids) values ('${ids.lead}', array['${ids.lead}']::uuid[])`,
        serviceOnly,
      ],
      update: [
        `update public.lead_merges set merged_at = now() where target_id = '${ids.lead}'`,
        serviceOnly,
      ],
      delete: [`delete from public.lead_merges where target_id = '${ids.lead}'`, serviceOnly],
    },
  },
  functions: {
    "public.find_duplicates(jsonb,integer)": {
      execute: [
        `select from public.find_duplicates('{"email": "lead@matrix.test"}') d where d <> '[]'`,
        "- account_inactive account_inactive  + .  + .  + -",
      ],
    },
    "public.merge_preview(uuid,uuid[],jsonb)": {
      execute: [
        `select public.merge_preview(${pair})`,
        "- permission_denied permission_denied  permission_denied permission_denied  lead_not_found lead_not_found  + -",
      ],
    },
    "public.merge_leads(uuid,uuid[],jsonb)": {
      execute: [
        `select public.merge_leads(${pair})`,
        "- permission_denied permission_denied  permission_denied permission_denied  lead_not_found lead_not_found  + -",
      ],
    },
    "public.unmerge(uuid)": {
      execute: [
        `select public.unmerge('${ids.lead}')`,
        "- permission_denied permission_denied  permission_denied permission_denied  + not_found  + -",
      ],
    },
  },
};

import { ids } from "../personas.ts";
import { all, type ModuleExpectations, serviceOnly } from "./shape.ts";

const lead = `array['${ids.lead}']::uuid[]`;
const done = (call: string) => `select from ${call} a where (a ->> 'changed')::int = 1`;
const deleted =
  "- lead_not_found lead_not_found  permission_denied lead_not_found  + lead_not_found  + -";
const needsDelete =
  "- permission_denied permission_denied  permission_denied permission_denied  + .  + -";

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const batches: ModuleExpectations = {
  fixture: [
    `insert into public.batches (id, kind, created_by) values ('${ids.row}', 'tags', '${ids.own}')`,
  ],
  relations: {
    "public.batches": {
      grants: { authenticated: "select", service_role: all },
      select: [`select from public.batches where id = '${ids.row}'`, "- . .  + .  . .  + +"],
      insert: [`insert into public.batches (kind) values ('tags')`, serviceOnly],
      update: [`update public.batches set kind = 'tags' where id = '${ids.row}'`, serviceOnly],
      delete: [`delete from public.batches where id = '${ids.row}'`, serviceOnly],
    },
  },
  functions: {
    "public.lead_bulk_status(uuid[],text,text)": {
      execute: [
        done(`public.lead_bulk_status(${lead}, 'contacted')`),
        "- permission_denied permission_denied  + .  + .  + -",
      ],
    },
    "public.lead_bulk_tag(uuid[],text[],text[])": {
      execute: [
        done(`public.lead_bulk_tag(${lead}, array['matrix'])`),
        "- permission_denied permission_denied  + .  + .  + -",
      ],
    },
    "public.lead_bulk_delete(uuid[])": {
      execute: [done(`public.lead_bulk_delete(${lead})`), needsDelete],
    },
    "public.lead_delete(text,boolean)": {
      execute: [`select from public.lead_delete('${ids.lead}')`, deleted],
      "for good": [
        `select from public.lead_delete('${ids.lead}', true)`,
        "- permission_denied permission_denied  permission_denied permission_denied  permission_denied permission_denied  + -",
      ],
    },
    "public.lead_restore(text)": {
      execute: [
        `select from public.lead_restore('${ids.lead}')`,
        "- permission_denied permission_denied  permission_denied permission_denied  lead_not_found lead_not_found  lead_not_found -",
      ],
    },
    "public.batch_undo(uuid)": {
      execute: [
        `select from public.batch_undo('${ids.row}')`,
        "- not_found not_found  + not_found  not_found not_found  + -",
      ],
    },
  },
};

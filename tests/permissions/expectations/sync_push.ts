import { ids } from "../personas.ts";
import { all, type ModuleExpectations, serviceOnly } from "./shape.ts";

const inactive = "account_inactive account_inactive";

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const syncPush: ModuleExpectations = {
  fixture: [
    `insert into public.sync_conflicts (id, user_id, type, row_id, field, resolution) values ('${ids.row}', '${ids.own}', 'tasks', '${ids.row}', 'title', 'server')`,
  ],
  relations: {
    "public.sync_conflicts": {
      grants: { authenticated: "select, update (resolved_at)", service_role: all },
      select: [`select from public.sync_conflicts where id = '${ids.row}'`, "- . .  + .  . .  . +"],
      insert: [
        `insert into public.sync_conflicts (user_id, type, row_id, field, resolution) values ('${ids.own}', 'tasks', '${ids.row}', 'title', 'server')`,
        serviceOnly,
      ],
      update: [
        `update public.sync_conflicts set resolved_at = now() where id = '${ids.row}'`,
        "- . .  + .  . .  . +",
      ],
      delete: [`delete from public.sync_conflicts where id = '${ids.row}'`, serviceOnly],
    },
  },
  functions: {
    "public.sync_push(uuid,jsonb,text)": {
      execute: [`select public.sync_push('${ids.fresh}', '[]')`, `- ${inactive}  + +  + +  + -`],
      "with the own counselor's device": [
        `select public.sync_push('${ids.row}', '[]')`,
        `- ${inactive}  + sync_client_unknown  sync_client_unknown sync_client_unknown  sync_client_unknown -`,
      ],
    },
  },
};

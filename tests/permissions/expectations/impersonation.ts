import { ids, sessionOf } from "../personas.ts";
import { impersonatedSession, type ModuleExpectations } from "./shape.ts";

const readable = "id, user_id, impersonator_id, reason, started_at, expires_at, ended_at";

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const impersonation: ModuleExpectations = {
  fixture: [
    `insert into public.impersonations (id, session_id, user_id, impersonator_id, impersonator_session_id, reason)
     values ('${ids.row}', '${impersonatedSession}', '${ids.own}', '${ids.admin}', '${sessionOf(ids.admin)}', 'Matrix')`,
  ],
  relations: {
    "public.impersonations": {
      grants: { authenticated: `select (${readable})`, service_role: "select, delete" },
      select: [
        `select id from public.impersonations where id = '${ids.row}'`,
        "- . .  + .  . .  + +",
      ],
      insert: [
        `insert into public.impersonations (session_id, user_id, impersonator_id, impersonator_session_id, reason)
         values ('${ids.fresh}', '${ids.own}', '${ids.admin}', '${ids.fresh}', 'x')`,
        "- - -  - -  - -  - -",
      ],
      update: [
        "update public.impersonations set expires_at = now() + interval '1 day'",
        "- - -  - -  - -  - -",
      ],
      delete: [`delete from public.impersonations where id = '${ids.row}'`, "- - -  - -  - -  - +"],
    },
  },
  functions: {
    "public.impersonation_end(uuid)": {
      execute: [
        `select public.impersonation_end('${ids.row}')`,
        "- not_found not_found  + not_found  not_found not_found  + -",
      ],
    },
  },
};

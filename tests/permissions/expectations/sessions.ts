import { ids, sessionOf } from "../personas.ts";
import type { ModuleExpectations } from "./shape.ts";

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const sessions: ModuleExpectations = {
  relations: {
    "public.user_sessions": {
      grants: { authenticated: "select" },
      select: [
        `select from public.user_sessions where id = '${sessionOf(ids.own)}'`,
        "- . .  + .  . .  + -",
      ],
    },
  },
  functions: {
    "public.list_sessions(uuid)": {
      execute: [
        `select public.list_sessions('${ids.own}')`,
        "- account_inactive account_inactive  + permission_denied  permission_denied permission_denied  + -",
      ],
    },
    "public.revoke_session(uuid)": {
      execute: [
        `select public.revoke_session('${sessionOf(ids.own)}')`,
        "- not_found not_found  + not_found  not_found not_found  + -",
      ],
    },
  },
};

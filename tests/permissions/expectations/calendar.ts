import { ids } from "../personas.ts";
import type { ModuleExpectations } from "./shape.ts";

const inactive = "account_inactive account_inactive";

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const calendar: ModuleExpectations = {
  fixture: [
    `insert into private.calendar_links (user_id, token_hash) values ('${ids.own}', repeat('0', 64))`,
  ],
  functions: {
    "public.calendar_link_create()": {
      execute: ["select public.calendar_link_create()", `- ${inactive}  + +  + +  + -`],
    },
    "public.calendar_link_revoke()": {
      execute: [
        "select from public.calendar_link_revoke() as revoked where revoked",
        "- . .  + .  . .  . -",
      ],
    },
    "public.calendar_link()": {
      execute: [
        "select from public.calendar_link() as link where link is not null",
        "- . .  + .  . .  . -",
      ],
    },
  },
};

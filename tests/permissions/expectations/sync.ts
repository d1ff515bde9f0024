import { ids } from "../personas.ts";
import { all, type ModuleExpectations, serviceOnly } from "./shape.ts";

const inactive = "account_inactive account_inactive";

/** What everybody who works here may ask of their own work. */
const everybody = `- ${inactive}  + +  + +  + -`;

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const sync: ModuleExpectations = {
  fixture: [
    `insert into public.sync_clients (id, user_id) values ('${ids.row}', '${ids.own}')`,
    `insert into public.sync_log (id, agent_id, client_id, type, status, started_at) values ('${ids.row}', '${ids.own}', '${ids.row}', 'full', 'success', now())`,
  ],
  relations: {
    "public.sync_clients": {
      grants: { authenticated: "select", service_role: all },
      select: [`select from public.sync_clients where id = '${ids.row}'`, "- . .  + .  + .  + +"],
      insert: [
        `insert into public.sync_clients (id, user_id) values ('${ids.fresh}', '${ids.own}')`,
        serviceOnly,
      ],
      update: [
        `update public.sync_clients set generation = 9 where id = '${ids.row}'`,
        serviceOnly,
      ],
      delete: [`delete from public.sync_clients where id = '${ids.row}'`, serviceOnly],
    },
    "public.sync_log": {
      grants: { authenticated: "select", service_role: all },
      select: [`select from public.sync_log where id = '${ids.row}'`, "- . .  + .  + .  + +"],
      insert: [
        `insert into public.sync_log (agent_id, client_id, type, status, started_at) values ('${ids.own}', '${ids.row}', 'full', 'success', now())`,
        serviceOnly,
      ],
      update: [`update public.sync_log set status = 'failed' where id = '${ids.row}'`, serviceOnly],
      delete: [`delete from public.sync_log where id = '${ids.row}'`, serviceOnly],
    },
  },
  functions: {
    "public.sync_pull(text[],text,integer,uuid)": {
      execute: ["select public.sync_pull()", everybody],
    },
    "public.sync_full(text[],integer,uuid)": {
      execute: ["select public.sync_full()", everybody],
    },
    "public.sync_ids(text,text[])": {
      execute: [`select 1 where public.sync_ids('leads') ? '${ids.lead}'`, "- . .  + .  . .  . -"],
    },
    "public.sync_rows(text,uuid[])": {
      execute: [
        `select 1 where public.sync_rows('leads', array['${ids.lead}']::uuid[]) <> '[]'`,
        "- . .  + .  . .  . -",
      ],
    },
    "public.sync_report(uuid,text,text,timestamp with time zone,jsonb,integer,text,text)": {
      execute: [`select public.sync_report('${ids.fresh}', 'full', 'success')`, everybody],
    },
    "public.sync_status(uuid)": {
      execute: [
        `select public.sync_status('${ids.own}')`,
        "- not_found not_found  + not_found  + not_found  + -",
      ],
    },
    "public.sync_last(uuid)": {
      execute: [
        `select public.sync_last('${ids.own}')`,
        "- not_found not_found  + not_found  + not_found  + -",
      ],
    },
    "public.sync_force(uuid)": {
      execute: [
        `select public.sync_force('${ids.own}')`,
        "- not_found not_found  + not_found  + not_found  + -",
      ],
    },
  },
};

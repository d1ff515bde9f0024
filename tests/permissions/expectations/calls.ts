import { ids } from "../personas.ts";
import { all, type ModuleExpectations } from "./shape.ts";

const words =
  "(lead_id, agent_id, type, status, outcome, from_name, to_name, phone, scheduled_at, started_at, ended_at, duration, notes)";

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const calls: ModuleExpectations = {
  fixture: [
    `insert into public.calls (id, lead_id, agent_id) values ('${ids.row}', '${ids.lead}', '${ids.own}')`,
    `insert into public.calls (id, lead_id, agent_id, status) values ('${ids.fresh}', '${ids.lead}', '${ids.own}', 'in_progress')`,
  ],
  relations: {
    "public.calls": {
      grants: {
        authenticated: `select, insert (id, ${words.slice(1)}, update ${words}`,
        service_role: all,
      },
      select: [`select from public.calls where id = '${ids.row}'`, "- . .  + .  + .  + +"],
      insert: [
        `insert into public.calls (lead_id, duration) values ('${ids.lead}', 180)`,
        "- lead_not_found lead_not_found  + lead_not_found  + lead_not_found  + +",
      ],
      "insert for oneself": [
        `insert into public.calls (phone) values ('+919876543210')`,
        "- x x  + +  + +  + +",
      ],
      "insert for somebody else": [
        `insert into public.calls (agent_id) values ('${ids.colleague}')`,
        "- assignee_unavailable assignee_unavailable  assignee_unavailable assignee_unavailable  + assignee_unavailable  + +",
      ],
      update: [
        `update public.calls set outcome = 'interested' where id = '${ids.row}'`,
        "- . .  + .  + .  + +",
      ],
      delete: [`delete from public.calls where id = '${ids.row}'`, "- - -  - -  - -  - +"],
    },
    "public.calls_crm": {
      grants: { authenticated: "select", service_role: "select" },
      select: [`select from public.calls_crm where id = '${ids.row}'`, "- . .  + .  + .  + +"],
    },
  },
  functions: {
    "public.call_start(uuid)": {
      execute: [
        `select public.call_start('${ids.row}')`,
        "- call_not_found call_not_found  + call_not_found  + call_not_found  + -",
      ],
    },
    "public.call_end(uuid,text,text,integer)": {
      execute: [
        `select public.call_end('${ids.fresh}', 'connected')`,
        "- call_not_found call_not_found  + call_not_found  + call_not_found  + -",
      ],
    },
  },
};

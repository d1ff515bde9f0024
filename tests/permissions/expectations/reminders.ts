import { ids } from "../personas.ts";
import { all, type ModuleExpectations } from "./shape.ts";

const words = "(lead_id, agent_id, title, description, remind_at, status, recurrence)";

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const reminders: ModuleExpectations = {
  masked: ["reminders_create"],
  fixture: [
    `insert into public.reminders (id, title, lead_id, agent_id, remind_at) values ('${ids.row}', 'Matrix', '${ids.lead}', '${ids.own}', now() - interval '1 minute')`,
    `insert into public.reminders (id, title, agent_id, remind_at) values ('${ids.fresh}', 'Matrix', '${ids.own}', now() + interval '1 minute')`,
  ],
  relations: {
    "public.reminders": {
      grants: {
        authenticated: `select, insert (id, ${words.slice(1)}, update ${words}`,
        service_role: all,
      },
      select: [
        `select from public.reminders where id in ('${ids.row}', '${ids.fresh}')`,
        "- . .  + .  + .  + +",
      ],
      insert: [
        `insert into public.reminders (title, lead_id, remind_at) values ('New', '${ids.lead}', now())`,
        "- lead_not_found lead_not_found  + lead_not_found  + lead_not_found  + +",
      ],
      "insert for oneself": [
        `insert into public.reminders (title, remind_at) values ('New', now())`,
        "- x x  + +  + +  + 23502",
      ],
      "insert for somebody else": [
        `insert into public.reminders (title, remind_at, agent_id) values ('New', now(), '${ids.colleague}')`,
        "- assignee_unavailable assignee_unavailable  assignee_unavailable assignee_unavailable  + assignee_unavailable  + +",
      ],
      update: [
        `update public.reminders set title = 'Changed' where id = '${ids.row}'`,
        "- . .  + .  + .  + +",
      ],
      delete: [`delete from public.reminders where id = '${ids.row}'`, "- - -  - -  - -  - +"],
    },
    "public.lead_reminders": {
      grants: { authenticated: "select", service_role: "select" },
      select: [`select from public.lead_reminders where id = '${ids.row}'`, "- . .  + .  + .  + +"],
    },
    "public.reminders_overdue": {
      grants: { authenticated: "select", service_role: "select" },
      select: [
        `select from public.reminders_overdue where id = '${ids.row}'`,
        "- . .  + .  + .  + +",
      ],
    },
  },
  functions: {
    "public.reminders_due_soon(uuid,interval)": {
      execute: [
        `select from public.reminders_due_soon('${ids.own}') r where r.id = '${ids.fresh}'`,
        "- . .  + .  + .  + -",
      ],
    },
    "public.reminder_complete(uuid)": {
      execute: [
        `select public.reminder_complete('${ids.row}')`,
        "- reminder_not_found reminder_not_found  + reminder_not_found  + reminder_not_found  + -",
      ],
    },
  },
};

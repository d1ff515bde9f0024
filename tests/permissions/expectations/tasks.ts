import { ids } from "../personas.ts";
import { all, type ModuleExpectations } from "./shape.ts";

const words =
  "(lead_id, campaign_id, related_to_type, related_to_id, title, description, status, priority, completed, due_date, assigned_to, recurrence)";

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const tasks: ModuleExpectations = {
  fixture: [
    `insert into public.tasks (id, title, lead_id, assigned_to) values ('${ids.row}', 'Matrix', '${ids.lead}', '${ids.own}')`,
    `insert into public.tasks (id, title, assigned_to) values ('${ids.fresh}', 'Matrix of nothing', '${ids.own}')`,
  ],
  relations: {
    "public.tasks": {
      grants: {
        authenticated: `select, insert ${words.replace("(", "(id, ")}, update ${words}`,
        service_role: all,
      },
      select: [
        `select from public.tasks where id in ('${ids.row}', '${ids.fresh}')`,
        "- . .  + .  + .  + +",
      ],
      insert: [
        `insert into public.tasks (title, lead_id) values ('New', '${ids.lead}')`,
        "- lead_not_found lead_not_found  + lead_not_found  + lead_not_found  + +",
      ],
      "insert for oneself": [
        `insert into public.tasks (title) values ('New')`,
        "- x x  + +  + +  + +",
      ],
      "insert for somebody else": [
        `insert into public.tasks (title, assigned_to) values ('New', '${ids.colleague}')`,
        "- assignee_unavailable assignee_unavailable  assignee_unavailable assignee_unavailable  + assignee_unavailable  + +",
      ],
      update: [
        `update public.tasks set completed = true where id = '${ids.row}'`,
        "- . .  + .  + .  + +",
      ],
      "update the assignee": [
        `update public.tasks set assigned_to = '${ids.colleague}' where id = '${ids.row}'`,
        "- . .  assignee_unavailable .  + .  + +",
      ],
      delete: [`delete from public.tasks where id = '${ids.row}'`, "- - -  - -  - -  - +"],
    },
    "public.tasks_crm": {
      grants: { authenticated: "select", service_role: "select" },
      select: [`select from public.tasks_crm where id = '${ids.row}'`, "- . .  + .  + .  + +"],
    },
  },
};

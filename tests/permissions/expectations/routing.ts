import { ids } from "../personas.ts";
import { all, type ModuleExpectations, serviceOnly } from "./shape.ts";

const columns = "(name, position, source, course, territory, team_id, is_active)";

const assign = (userId: string) =>
  `select from public.lead_assign(array['${ids.lead}']::uuid[], '${userId}', 'x') a where (a ->> 'assigned')::int = 1`;

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const routing: ModuleExpectations = {
  fixture: [
    `insert into public.assignment_rules (id, name, position, source, team_id) values ('${ids.row}', 'Matrix', 900, 'Matrix', '${ids.ownTeam}')`,
    `insert into public.lead_assignments (lead_id, to_user_id, method) values ('${ids.lead}', '${ids.own}', 'automatic')`,
  ],
  relations: {
    "public.assignment_rules": {
      grants: {
        authenticated: `select, insert ${columns}, update ${columns}, delete`,
        service_role: all,
      },
      select: [
        `select from public.assignment_rules where id = '${ids.row}'`,
        "- . .  + +  + +  + +",
      ],
      insert: [
        `insert into public.assignment_rules (name, position, team_id) values ('New', 901, '${ids.ownTeam}')`,
        "- x x  x x  x x  + +",
      ],
      update: [
        `update public.assignment_rules set is_active = false where id = '${ids.row}'`,
        "- . .  . .  . .  + +",
      ],
      delete: [
        `delete from public.assignment_rules where id = '${ids.row}'`,
        "- . .  . .  . .  + +",
      ],
    },
    "public.lead_assignments": {
      grants: { authenticated: "select", service_role: all },
      select: [
        `select from public.lead_assignments where lead_id = '${ids.lead}'`,
        "- . .  + .  + .  + +",
      ],
      insert: [
        `insert into public.lead_assignments (lead_id, method) values ('${ids.lead}', 'manual')`,
        serviceOnly,
      ],
      update: [
        `update public.lead_assignments set reason = 'x' where lead_id = '${ids.lead}'`,
        serviceOnly,
      ],
      delete: [`delete from public.lead_assignments where lead_id = '${ids.lead}'`, serviceOnly],
    },
  },
  functions: {
    "public.lead_assign(uuid[],uuid,text)": {
      execute: [
        assign(ids.colleague),
        "- permission_denied permission_denied  permission_denied permission_denied  + assignee_unavailable  + -",
      ],
      "execute for another team": [
        assign(ids.other),
        "- permission_denied permission_denied  permission_denied permission_denied  assignee_unavailable .  + -",
      ],
    },
  },
};

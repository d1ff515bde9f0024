import { ids } from "../personas.ts";
import { all, type ModuleExpectations, serviceOnly } from "./shape.ts";

const columns =
  "(name, kind, stage, source, target_minutes, is_in_business_hours, warn_before_minutes, escalate_after_minutes, is_active)";

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const sla: ModuleExpectations = {
  fixture: [
    `insert into public.sla_policies (id, name, kind, source, target_minutes) values ('${ids.row}', 'Matrix', 'first_response', 'Matrix', 60)`,
    `insert into public.sla_policies (name, kind, source, target_minutes) values ('Unused', 'first_response', 'Matrix unused', 60)`,
    `insert into public.sla_timers (id, lead_id, lead_owner_id, team_id, policy_id, kind, started_at, due_at, breached_at)
      values ('${ids.row}', '${ids.lead}', '${ids.own}', '${ids.ownTeam}', '${ids.row}', 'first_response', now() - interval '2 days', now() - interval '1 day', now() - interval '1 day')`,
  ],
  relations: {
    "public.sla_policies": {
      grants: {
        authenticated: `select, insert ${columns}, update ${columns}, delete`,
        service_role: all,
      },
      select: [`select from public.sla_policies where id = '${ids.row}'`, "- . .  + +  + +  + +"],
      insert: [
        `insert into public.sla_policies (name, kind, source, target_minutes) values ('New', 'first_response', 'Matrix new', 60)`,
        "- x x  x x  x x  + +",
      ],
      update: [
        `update public.sla_policies set is_active = false where id = '${ids.row}'`,
        "- . .  . .  . .  + +",
      ],
      delete: [
        `delete from public.sla_policies where source = 'Matrix unused'`,
        "- . .  . .  . .  + +",
      ],
    },
    "public.sla_timers": {
      grants: { authenticated: "select", service_role: all },
      select: [`select from public.sla_timers where id = '${ids.row}'`, "- . .  + .  + .  + +"],
      insert: [
        `insert into public.sla_timers (lead_id, policy_id, kind, started_at, due_at) values ('${ids.otherLead}', '${ids.row}', 'follow_up', now(), now() + interval '1 hour')`,
        serviceOnly,
      ],
      update: [
        `update public.sla_timers set warned_at = now() where id = '${ids.row}'`,
        serviceOnly,
      ],
      delete: [`delete from public.sla_timers where id = '${ids.row}'`, serviceOnly],
    },
  },
};

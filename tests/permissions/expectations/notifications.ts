import { ids } from "../personas.ts";
import { all, type ModuleExpectations, topic } from "./shape.ts";

const denied = "permission_denied";

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const notifications: ModuleExpectations = {
  fixture: [
    `insert into public.notifications (id, user_id, title, type) values ('${ids.row}', '${ids.own}', 'Matrix', 'reminder')`,
  ],
  relations: {
    "public.notifications": {
      grants: {
        authenticated:
          "select, insert (id, user_id, title, message, type, priority, lead_id, student_id, action_url, action_label, metadata, expires_at), update (is_read), delete",
        service_role: all,
      },
      select: [`select from public.notifications where id = '${ids.row}'`, "- . .  + .  . .  . +"],
      insert: [
        `insert into public.notifications (user_id, title) values ('${ids.own}', 'x')`,
        "- x x  + x  x x  x +",
      ],
      update: [
        `update public.notifications set is_read = true where id = '${ids.row}'`,
        "- . .  + .  . .  . +",
      ],
      delete: [`delete from public.notifications where id = '${ids.row}'`, "- . .  + .  . .  . +"],
    },
  },
  functions: {
    "public.notify(uuid,text,text,text,text,uuid,uuid,text,text,jsonb,timestamp with time zone)": {
      execute: [
        `select public.notify('${ids.own}', 'x', 'x')`,
        `- ${denied} ${denied}  + ${denied}  + notification_out_of_reach  + +`,
      ],
    },
    "public.notify_broadcast(uuid[],text,text,text,text,text,text,jsonb,timestamp with time zone)":
      {
        execute: [
          `select from public.notify_broadcast(array['${ids.own}']::uuid[], 'x', 'x') b where (b ->> 'sent')::int = 1`,
          `- ${denied} ${denied}  + ${denied}  + .  + -`,
        ],
      },
    "public.notify_system(text,text,text,text,text,text,jsonb,timestamp with time zone)": {
      execute: [
        "select public.notify_system('x', 'x')",
        `- ${denied} ${denied}  ${denied} ${denied}  ${denied} ${denied}  + -`,
      ],
    },
    "public.notifications_read_all()": {
      execute: [
        "select from public.notifications_read_all() marked where marked > 1",
        "- . .  + .  . .  . -",
      ],
    },
    "public.notification_stats()": {
      execute: [
        "select from public.notification_stats() s where (s -> 'by_type' ->> 'reminder')::int > 0",
        "- . .  + .  . .  . -",
      ],
    },
  },
  topics: {
    user: topic("user", ids.own, ". . .  + .  . .  . +"),
    team: topic("team", ids.ownTeam, ". . .  + .  + .  + +"),
    lead: topic("lead", ids.lead, ". . .  + .  + .  + +"),
  },
};

import { ids } from "../personas.ts";
import { all, type ModuleExpectations, serviceOnly } from "./shape.ts";

const wishes = "digest_hour, muted_until, quiet_from_hour, quiet_to_hour, user_id";

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const notificationRules: ModuleExpectations = {
  fixture: [
    `insert into public.notification_rules (id, event, channel, user_id, is_enabled) values ('${ids.row}', 'lead_assigned', 'email', '${ids.own}', true)`,
    `insert into public.notification_rules (id, event, channel, is_enabled) values ('${ids.lead}', 'lead_assigned', 'sms', false)`,
    `insert into public.notification_preferences (user_id, digest_hour) values ('${ids.own}', 8)`,
  ],
  relations: {
    "public.notification_events": {
      grants: { authenticated: "select", service_role: all },
      select: ["select from public.notification_events where position = 1", "- . .  + +  + +  + +"],
      insert: [
        "insert into public.notification_events (key, name, position) values ('matrix', 'Matrix', 99)",
        serviceOnly,
      ],
      update: ["update public.notification_events set name = 'x' where position = 1", serviceOnly],
      delete: ["delete from public.notification_events where position = 1", serviceOnly],
    },
    "public.notification_rules": {
      grants: {
        authenticated:
          "select, insert (id, event, channel, role_id, user_id, is_enabled), update (is_enabled), delete",
        service_role: all,
      },
      select: [
        `select from public.notification_rules where id = '${ids.row}'`,
        "- . .  + .  . .  + +",
      ],
      "select what is for all": [
        `select from public.notification_rules where id = '${ids.lead}'`,
        "- . .  + +  + +  + +",
      ],
      insert: [
        `insert into public.notification_rules (event, channel, user_id, is_enabled) values ('payment', 'email', '${ids.own}', true)`,
        "- x x  + x  x x  + +",
      ],
      "insert what is for all": [
        "insert into public.notification_rules (event, channel, is_enabled) values ('payment', 'email', true)",
        "- x x  x x  x x  + +",
      ],
      update: [
        `update public.notification_rules set is_enabled = false where id = '${ids.row}'`,
        "- . .  + .  . .  + +",
      ],
      delete: [
        `delete from public.notification_rules where id = '${ids.row}'`,
        "- . .  + .  . .  + +",
      ],
    },
    "public.notification_preferences": {
      grants: {
        authenticated: `select, insert (${wishes}), update (${wishes})`,
        service_role: all,
      },
      select: [
        `select from public.notification_preferences where user_id = '${ids.own}'`,
        "- . .  + .  . .  . +",
      ],
      insert: [
        `insert into public.notification_preferences (user_id, digest_hour) values ('${ids.other}', 9)`,
        "- x x  x +  x x  x +",
      ],
      update: [
        `update public.notification_preferences set digest_hour = 9 where user_id = '${ids.own}'`,
        "- . .  + .  . .  . +",
      ],
      delete: [
        `delete from public.notification_preferences where user_id = '${ids.own}'`,
        serviceOnly,
      ],
    },
  },
};

import { ids } from "../personas.ts";
import { all, impersonated, type ModuleExpectations, serviceOnly, topic } from "./shape.ts";

const here = `agents:${ids.ownTeam}`;
const joining = `(select set_config('realtime.topic', '${here}', true))`;

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const agents: ModuleExpectations = {
  fixture: [
    `insert into public.agent_presence (user_id, last_seen_at) values ('${ids.own}', now())`,
    ...["broadcast", "presence"].map(
      (extension) =>
        `insert into realtime.messages (topic, extension, event, payload, private) values ('${here}', '${extension}', 'matrix', '{}', true)`,
    ),
  ],
  relations: {
    "public.agent_presence": {
      grants: { authenticated: "select", service_role: all },
      select: [
        `select from public.agent_presence where user_id = '${ids.own}'`,
        "- . .  + .  + .  + +",
      ],
      insert: [
        `insert into public.agent_presence (user_id) values ('${ids.spareAdmin}')`,
        serviceOnly,
      ],
      update: [
        `update public.agent_presence set last_seen_at = now() where user_id = '${ids.own}'`,
        serviceOnly,
      ],
      delete: [`delete from public.agent_presence where user_id = '${ids.own}'`, serviceOnly],
    },
    "public.agents": {
      grants: { authenticated: "select", service_role: "select" },
      select: [`select from public.agents where id = '${ids.own}'`, "- . .  + .  + .  + +"],
    },
  },
  functions: {
    "public.agent_set_status(text)": {
      execute: [
        "select public.agent_set_status('busy')",
        "- account_inactive account_inactive  + +  + +  + -",
      ],
    },
    "public.agent_heartbeat()": {
      execute: [
        "select public.agent_heartbeat()",
        "- account_inactive account_inactive  + +  + +  + -",
      ],
    },
  },
  topics: {
    agents: {
      ...topic("agents", ids.ownTeam, ". . .  + .  + .  + +"),
      "see who is there": [
        `select from realtime.messages m where m.topic = '${here}' and m.extension = 'presence' and ${joining} is not null`,
        ". . .  + .  + .  + +",
      ],
      appear: [
        `insert into realtime.messages (topic, extension, event, payload, private) select '${here}', 'presence', 'x', '{}', true from ${joining} s`,
        "x x x  + x  + x  + +",
      ],
      "appear in an impersonation": [
        impersonated(
          `insert into realtime.messages (topic, extension, event, payload, private) select '${here}', 'presence', 'x', '{}', true from ${joining} s`,
        ),
        "x x x  x x  x x  x P0001",
      ],
    },
  },
};

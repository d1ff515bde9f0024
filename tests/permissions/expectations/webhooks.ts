import { ids } from "../personas.ts";
import { adminRpc, all, type ModuleExpectations, serviceOnly } from "./shape.ts";

/** Everything here belongs to administrators. */
const hidden = "- . .  . .  . .  + +";

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const webhooks: ModuleExpectations = {
  fixture: [
    `insert into public.webhooks (id, endpoint_url, events) values ('${ids.row}', 'https://matrix.test/', '{lead.payment}')`,
    `insert into public.webhook_deliveries (id, webhook_id, event_id, event, payload, next_at) values ('${ids.row}', '${ids.row}', '${ids.row}', 'webhook.test', '{}', 'infinity')`,
  ],
  relations: {
    "public.webhooks": {
      grants: {
        authenticated:
          "select, insert (name, endpoint_url, events, secret, is_active), update (name, endpoint_url, events, is_active), delete",
        service_role: all,
      },
      select: [`select from public.webhooks where id = '${ids.row}'`, hidden],
      insert: [
        "insert into public.webhooks (endpoint_url, events) values ('https://new.test/', '{*}')",
        "- x x  x x  x x  + +",
      ],
      update: [`update public.webhooks set name = 'x' where id = '${ids.row}'`, hidden],
      delete: [`delete from public.webhooks where id = '${ids.row}'`, hidden],
    },
    "public.webhook_deliveries": {
      grants: { authenticated: "select", service_role: all },
      select: [`select from public.webhook_deliveries where id = '${ids.row}'`, hidden],
      insert: [
        `insert into public.webhook_deliveries (webhook_id, event_id, event, payload) values ('${ids.row}', gen_random_uuid(), 'webhook.test', '{}')`,
        serviceOnly,
      ],
      update: [
        `update public.webhook_deliveries set error = 'x' where id = '${ids.row}'`,
        serviceOnly,
      ],
      delete: [`delete from public.webhook_deliveries where id = '${ids.row}'`, serviceOnly],
    },
  },
  functions: {
    "public.webhook_event_types()": {
      execute: ["select public.webhook_event_types()", "- + +  + +  + +  + -"],
    },
    "public.webhook_secret_rotate(uuid,integer,text)": {
      execute: [`select public.webhook_secret_rotate('${ids.row}')`, adminRpc],
    },
    "public.webhook_test(uuid)": {
      execute: [`select public.webhook_test('${ids.row}')`, adminRpc],
    },
    "public.webhook_redeliver(uuid)": {
      execute: [`select public.webhook_redeliver('${ids.row}')`, adminRpc],
    },
    "public.webhook_replay(uuid,timestamp with time zone,timestamp with time zone)": {
      execute: [`select public.webhook_replay('${ids.row}', now())`, adminRpc],
    },
  },
};

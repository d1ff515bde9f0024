import { ids } from "../personas.ts";
import { adminRpc, all, type ModuleExpectations, serviceOnly } from "./shape.ts";

/** Everything here belongs to administrators. */
const hidden = "- . .  . .  . .  + +";
const refused = "- x x  x x  x x  + +";

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const integrations: ModuleExpectations = {
  fixture: [
    `insert into public.integration_logs (id, integration_name, activity_type, status) values ('${ids.row}', 'matrix', 'x', 'info')`,
    "insert into public.lead_source_forms (provider, form_id) values ('meta', 'matrix')",
    `insert into public.lead_source_mappings (id, form_id, field, target) values ('${ids.row}', 'matrix', 'x', 'ignore')`,
    `insert into private.webhook_inbox (id, provider, event_id, raw) values ('${ids.row}', 'meta', 'matrix', '')`,
    "insert into private.webhook_rejections (provider, reason, hour, count) values ('meta', 'matrix', date_trunc('hour', now()), 1)",
  ],
  relations: {
    "public.integrations": {
      grants: {
        authenticated:
          "select (type, name, status, config, credentials_secret, last_sync, last_error, created_at, updated_at), update (name, config)",
        service_role: all,
      },
      select: ["select type from public.integrations where type = 'facebook'", hidden],
      insert: ["insert into public.integrations (type, name) values ('matrix', 'x')", serviceOnly],
      update: ["update public.integrations set name = 'x' where type = 'facebook'", hidden],
      delete: ["delete from public.integrations where type = 'stripe'", serviceOnly],
    },
    "public.integrations_status": {
      grants: { authenticated: "select", service_role: "select" },
      select: ["select from public.integrations_status where type = 'facebook'", hidden],
    },
    "public.integration_logs": {
      grants: {
        authenticated:
          "select, insert (integration_name, activity_type, description, status, request_data, response_data, execution_time, records_processed)",
        service_role: all,
      },
      select: [`select from public.integration_logs where id = '${ids.row}'`, hidden],
      insert: [
        "insert into public.integration_logs (integration_name, activity_type, status) values ('x', 'x', 'info')",
        refused,
      ],
      update: [
        `update public.integration_logs set status = 'info' where id = '${ids.row}'`,
        serviceOnly,
      ],
      delete: [`delete from public.integration_logs where id = '${ids.row}'`, serviceOnly],
    },
    "public.lead_source_forms": {
      grants: { authenticated: "select, update (is_active)", service_role: all },
      select: ["select from public.lead_source_forms where form_id = 'matrix'", hidden],
      insert: [
        "insert into public.lead_source_forms (provider, form_id) values ('meta', 'new')",
        serviceOnly,
      ],
      update: [
        "update public.lead_source_forms set is_active = false where form_id = 'matrix'",
        hidden,
      ],
      delete: ["delete from public.lead_source_forms where form_id = 'matrix'", serviceOnly],
    },
    "public.lead_source_mappings": {
      grants: {
        authenticated:
          "select, insert (provider, form_id, field, target, transform, position), update (form_id, field, target, transform, position), delete",
        service_role: all,
      },
      select: [`select from public.lead_source_mappings where id = '${ids.row}'`, hidden],
      insert: [
        "insert into public.lead_source_mappings (field, target) values ('matrix', 'ignore')",
        refused,
      ],
      update: [
        `update public.lead_source_mappings set position = 9 where id = '${ids.row}'`,
        hidden,
      ],
      delete: [`delete from public.lead_source_mappings where id = '${ids.row}'`, hidden],
    },
  },
  functions: {
    "public.inbox_list(text,text,integer,uuid)": {
      execute: ["select from public.inbox_list('meta')", adminRpc],
    },
    "public.inbox_get(uuid)": { execute: [`select public.inbox_get('${ids.row}')`, adminRpc] },
    "public.inbox_replay(uuid)": {
      execute: [`select public.inbox_replay('${ids.row}')`, adminRpc],
    },
    "public.inbox_rejections(timestamp with time zone)": {
      execute: ["select from public.inbox_rejections()", adminRpc],
    },
    "public.lead_source_mapping_test(jsonb,text,text)": {
      execute: ["select public.lead_source_mapping_test('[]')", adminRpc],
    },
    "public.integration_disconnect(text)": {
      execute: ["select public.integration_disconnect('facebook')", adminRpc],
    },
  },
};

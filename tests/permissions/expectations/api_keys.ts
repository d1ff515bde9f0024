import { ids } from "../personas.ts";
import { adminRpc, all, type ModuleExpectations, serviceOnly } from "./shape.ts";

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const apiKeys: ModuleExpectations = {
  fixture: [
    `insert into public.api_keys (id, name, key_prefix, last4, key_hash, scopes) values ('${ids.row}', 'Matrix', 'intake_00000000', '0000', repeat('0', 64), '{leads.create}')`,
  ],
  relations: {
    "public.api_keys": {
      grants: {
        authenticated:
          "select (id, name, key_prefix, last4, masked_key, previous_expires_at, scopes, expires_at, revoked_at, last_used_at, created_by, created_at, updated_at)",
        service_role: all,
      },
      select: [`select id from public.api_keys where id = '${ids.row}'`, "- . .  . .  . .  + +"],
      insert: [
        "insert into public.api_keys (name, key_prefix, last4, key_hash, scopes) values ('New', 'intake_00000001', '0000', repeat('1', 64), '{leads.create}')",
        serviceOnly,
      ],
      update: [`update public.api_keys set name = 'x' where id = '${ids.row}'`, serviceOnly],
      delete: [`delete from public.api_keys where id = '${ids.row}'`, serviceOnly],
    },
  },
  functions: {
    "public.api_key_create(text,text[],timestamp with time zone)": {
      execute: ["select public.api_key_create('Matrix')", adminRpc],
    },
    "public.api_key_rotate(uuid,integer)": {
      execute: [`select public.api_key_rotate('${ids.row}')`, adminRpc],
    },
    "public.api_key_revoke(uuid)": {
      execute: [`select public.api_key_revoke('${ids.row}')`, adminRpc],
    },
    "public.settings_config()": {
      execute: ["select public.settings_config()", adminRpc],
    },
  },
};

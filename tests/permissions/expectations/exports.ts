import { ids } from "../personas.ts";
import { all, type ModuleExpectations, serviceOnly } from "./shape.ts";

const denied = "permission_denied";
const file = `${ids.own}/${ids.row}/tasks.csv`;

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const exports: ModuleExpectations = {
  fixture: [
    `insert into storage.objects (bucket_id, name) values ('exports', '${file}')`,
    `insert into public.exports (id, created_by, list, columns, status, storage_path, expires_at) values ('${ids.row}', '${ids.own}', 'tasks', '{id}', 'done', '${file}', now() + interval '1 hour')`,
  ],
  relations: {
    "public.exports": {
      grants: { authenticated: "select", service_role: all },
      select: [`select from public.exports where id = '${ids.row}'`, "- . .  + .  . .  . +"],
      insert: [
        `insert into public.exports (created_by, list, columns) values ('${ids.own}', 'tasks', '{id}')`,
        serviceOnly,
      ],
      update: [`update public.exports set row_count = 1 where id = '${ids.row}'`, serviceOnly],
      delete: [`delete from public.exports where id = '${ids.row}'`, serviceOnly],
    },
  },
  functions: {
    "public.export_start(text,jsonb,text[])": {
      execute: [
        "select public.export_start('leads')",
        `- ${denied} ${denied}  ${denied} ${denied}  + +  + -`,
      ],
      "execute for a list without a permission of its own": [
        "select public.export_start('tasks')",
        `- ${denied} ${denied}  + +  + +  + -`,
      ],
    },
  },
  buckets: {
    exports: {
      select: [`select from storage.objects where name = '${file}'`, ". . .  + .  . .  . +"],
      insert: [
        `insert into storage.objects (bucket_id, name) values ('exports', '${ids.own}/new.csv')`,
        "x x x  x x  x x  x +",
      ],
      update: [
        `update storage.objects set metadata = '{}' where name = '${file}'`,
        ". . .  . .  . .  . +",
      ],
      delete: [`delete from storage.objects where name = '${file}'`, ". . .  . .  . .  . +"],
    },
  },
};

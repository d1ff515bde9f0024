import { ids } from "../personas.ts";
import { all, type ModuleExpectations, serviceOnly } from "./shape.ts";

const file = `${ids.ownManager}/people.csv`;
const denied = "permission_denied";

/** The import belongs to the own manager: counselors have no leads.import. */
const needsImport = (missing: string) =>
  `- ${denied} ${denied}  ${denied} ${denied}  + ${missing}  + -`;

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const imports: ModuleExpectations = {
  fixture: [
    `insert into storage.objects (bucket_id, name, metadata) values ('imports', '${file}', '{"size": 12}')`,
    `insert into public.imports (id, created_by, storage_path, file_name, format, size_bytes, status, columns, rows_total) values ('${ids.row}', '${ids.ownManager}', '${file}', 'people.csv', 'csv', 12, 'read', '{Name}', 1)`,
    `insert into private.import_state (import_id, claims) values ('${ids.row}', '{}')`,
    `insert into public.imports (id, created_by, storage_path, file_name, format, size_bytes, status, columns, rows_total, mapping) values ('${ids.fresh}', '${ids.ownManager}', '${file}', 'people.csv', 'csv', 12, 'committed', '{Name}', 1, '{}')`,
    `insert into private.import_state (import_id, claims) values ('${ids.fresh}', '{}')`,
    `insert into public.import_mappings (id, created_by, name, mapping) values ('${ids.row}', '${ids.ownManager}', 'Matrix', '{}')`,
  ],
  relations: {
    "public.imports": {
      grants: { authenticated: "select", service_role: all },
      select: [`select from public.imports where id = '${ids.row}'`, "- . .  . .  + .  + +"],
      insert: [
        `insert into public.imports (created_by, storage_path, file_name, format, size_bytes) values ('${ids.own}', 'x', 'x', 'csv', 1)`,
        serviceOnly,
      ],
      update: [`update public.imports set file_name = 'x' where id = '${ids.row}'`, serviceOnly],
      delete: [`delete from public.imports where id = '${ids.row}'`, serviceOnly],
    },
    "public.import_mappings": {
      grants: { authenticated: "select, delete", service_role: all },
      select: [
        `select from public.import_mappings where id = '${ids.row}'`,
        "- . .  . .  + .  . +",
      ],
      insert: [
        `insert into public.import_mappings (created_by, name, mapping) values ('${ids.own}', 'x', '{}')`,
        serviceOnly,
      ],
      update: [`update public.import_mappings set name = 'x' where id = '${ids.row}'`, serviceOnly],
      delete: [
        `delete from public.import_mappings where id = '${ids.row}'`,
        "- . .  . .  + .  . +",
      ],
    },
  },
  functions: {
    "public.import_start(text,text,boolean,text)": {
      execute: [
        `select public.import_start('${file}')`,
        `- ${denied} ${denied}  ${denied} ${denied}  + import_file_missing  import_file_missing -`,
      ],
    },
    "public.import_map(uuid,jsonb,jsonb,text)": {
      execute: [
        `select public.import_map('${ids.row}', '{"Name": "name"}')`,
        needsImport("not_found"),
      ],
    },
    "public.import_dry_run(uuid)": {
      execute: [
        `select public.import_dry_run('${ids.fresh}')`,
        `- ${denied} ${denied}  ${denied} ${denied}  import_state not_found  import_state -`,
      ],
    },
    "public.import_commit(uuid)": {
      execute: [
        `select public.import_commit('${ids.row}')`,
        `- ${denied} ${denied}  ${denied} ${denied}  import_state not_found  import_state -`,
      ],
    },
    "public.import_undo(uuid)": {
      execute: [`select public.import_undo('${ids.fresh}')`, needsImport("not_found")],
    },
    "public.import_report(uuid,text,integer,integer)": {
      execute: [
        `select count(*) from public.import_report('${ids.row}')`,
        needsImport("not_found"),
      ],
    },
  },
  buckets: {
    imports: {
      select: [`select from storage.objects where name = '${file}'`, ". . .  . .  + .  . +"],
      insert: [
        `insert into storage.objects (bucket_id, name) values ('imports', '${ids.ownManager}/new.csv')`,
        "x x x  x x  + x  x +",
      ],
      update: [
        `update storage.objects set metadata = '{}' where name = '${file}'`,
        ". . .  . .  . .  . +",
      ],
      delete: [`delete from storage.objects where name = '${file}'`, ". . .  . .  + .  . +"],
    },
  },
};

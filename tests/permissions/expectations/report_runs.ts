import { ids } from "../personas.ts";
import { all, type ModuleExpectations, serviceOnly } from "./shape.ts";

const denied = "permission_denied";
const run = "00000000-0000-7000-8000-0000000001b1";
const file = `${ids.ownTeam}/${run}/report.csv`;

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const reportRuns: ModuleExpectations = {
  fixture: [
    `insert into storage.objects (bucket_id, name) values ('reports', '${file}')`,
    // Of the manager of the own counselor, as the report is.
    `insert into public.report_runs (id, report_id, created_by, name, status, storage_path, expires_at)
      select '${run}', '${ids.row}', m.user_id, 'Matrix', 'done', '${file}', now() + interval '1 hour'
      from public.team_members m where m.team_id = '${ids.ownTeam}' and m.is_manager`,
  ],
  relations: {
    "public.report_runs": {
      grants: { authenticated: "select", service_role: all },
      select: [`select from public.report_runs where id = '${run}'`, "- . .  . .  + .  . +"],
      insert: [
        `insert into public.report_runs (created_by, name) values ('${ids.own}', 'New')`,
        serviceOnly,
      ],
      update: [`update public.report_runs set row_count = 1 where id = '${run}'`, serviceOnly],
      delete: [`delete from public.report_runs where id = '${run}'`, serviceOnly],
    },
  },
  functions: {
    "public.report_export(uuid,text)": {
      execute: [
        `select public.report_export('${ids.row}')`,
        `- ${denied} ${denied}  ${denied} ${denied}  + not_found  + -`,
      ],
    },
  },
  buckets: {
    reports: {
      select: [`select from storage.objects where name = '${file}'`, ". . .  . .  + .  . +"],
      insert: [
        `insert into storage.objects (bucket_id, name) values ('reports', '${ids.own}/new.csv')`,
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

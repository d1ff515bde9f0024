import { ids } from "../personas.ts";
import { all, type ModuleExpectations } from "./shape.ts";

const columns =
  "name, description, dataset, fields, filters, grouping, sorting, aggregations, date_range, is_shared, is_pinned";
const template = "00000000-0000-7000-8000-0000000001a1";
const denied = "permission_denied";
const viewers = `- ${denied} ${denied}  ${denied} ${denied}  + +  + -`;

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const reports: ModuleExpectations = {
  fixture: [
    // Of the manager of the own counselor: a counselor sees no reports.
    `insert into public.reports (id, name, fields, created_by) select '${ids.row}', 'Matrix', '["name"]', m.user_id
      from public.team_members m where m.team_id = '${ids.ownTeam}' and m.is_manager`,
    `insert into public.reports (id, name, fields, is_template) values ('${template}', 'Matrix', '["name"]', true)`,
  ],
  relations: {
    "public.reports": {
      grants: {
        authenticated: `select, insert (${columns}), update (${columns}), delete`,
        service_role: all,
      },
      select: [`select from public.reports where id = '${ids.row}'`, "- . .  . .  + .  + +"],
      insert: [
        `insert into public.reports (name, fields, is_shared) values ('New', '["name"]', true)`,
        "- x x  x x  + +  + 23514",
      ],
      update: [
        `update public.reports set name = 'x' where id = '${ids.row}'`,
        "- . .  . .  + .  . +",
      ],
      delete: [`delete from public.reports where id = '${ids.row}'`, "- . .  . .  + .  . +"],
      "select a template": [
        `select from public.reports where id = '${template}'`,
        "- . .  . .  + +  + +",
      ],
      "update all": [`update public.reports set name = 'x'`, "- . .  . .  + .  . +"],
      "delete a template": [
        `delete from public.reports where id = '${template}'`,
        "- . .  . .  . .  . +",
      ],
    },
  },
  functions: {
    "public.report_datasets()": { execute: ["select public.report_datasets()", viewers] },
    "public.report_templates()": {
      execute: [`select from public.report_templates() t where t.id = '${template}'`, viewers],
    },
    "public.report_run(uuid,integer,integer,integer)": {
      execute: [
        `select public.report_run('${ids.row}')`,
        `- ${denied} ${denied}  ${denied} ${denied}  + not_found  + -`,
      ],
      "execute a template": [`select public.report_run('${template}')`, viewers],
    },
    "public.report_build(jsonb)": {
      execute: [`select public.report_build('{"name": "New", "fields": ["name"]}')`, viewers],
    },
    "public.report_dashboard(integer)": {
      execute: ["select public.report_dashboard()", viewers],
    },
  },
};

import { ids } from "../personas.ts";
import { all, type ModuleExpectations, serviceOnly } from "./shape.ts";

const columns =
  "name, description, trigger_type, trigger_conditions, actions, status, is_enabled, priority";

const denied = "permission_denied";

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const automation: ModuleExpectations = {
  fixture: [
    `insert into public.automation_workflows (id, name, trigger_type, actions) values ('${ids.row}', 'Matrix', 'manual', '[{"type": "create_task", "title": "Matrix"}]')`,
    `insert into public.automation_runs (id, workflow_id, lead_id, lead_owner_id, team_id, trigger_type, event_key, chain, next_at) values ('${ids.row}', '${ids.row}', '${ids.lead}', '${ids.own}', '${ids.ownTeam}', 'manual', 'matrix', '{${ids.row}}', now() + interval '1 day')`,
    `insert into public.automation_run_steps (id, run_id, position, action, run_at) values ('${ids.row}', '${ids.row}', 1, '{"type": "create_task", "title": "Matrix"}', now() + interval '1 day')`,
  ],
  relations: {
    "public.automation_workflows": {
      grants: {
        authenticated: `select, insert (id, ${columns}), update (${columns})`,
        service_role: all,
      },
      select: [
        `select from public.automation_workflows where id = '${ids.row}'`,
        "- . .  . .  + +  + +",
      ],
      insert: [
        `insert into public.automation_workflows (name, trigger_type, actions) values ('New', 'manual', '[{"type": "create_task", "title": "x"}]')`,
        "- x x  x x  x x  + +",
      ],
      update: [
        `update public.automation_workflows set is_enabled = false where id = '${ids.row}'`,
        "- . .  . .  . .  + +",
      ],
      delete: [`delete from public.automation_workflows where id = '${ids.row}'`, serviceOnly],
    },
    "public.automation_runs": {
      grants: { authenticated: "select", service_role: all },
      select: [
        `select from public.automation_runs where id = '${ids.row}'`,
        "- . .  . .  + .  + +",
      ],
      insert: [
        `insert into public.automation_runs (workflow_id, lead_id, trigger_type, event_key, chain, next_at) values ('${ids.row}', '${ids.lead}', 'manual', 'new', '{}', now() + interval '1 day')`,
        serviceOnly,
      ],
      update: [
        `update public.automation_runs set event = '{}' where id = '${ids.row}'`,
        serviceOnly,
      ],
      delete: [`delete from public.automation_runs where id = '${ids.row}'`, serviceOnly],
    },
    "public.automation_run_steps": {
      grants: { authenticated: "select", service_role: all },
      select: [
        `select from public.automation_run_steps where id = '${ids.row}'`,
        "- . .  . .  + .  + +",
      ],
      insert: [
        `insert into public.automation_run_steps (run_id, position, action, run_at) values ('${ids.row}', 2, '{}', now() + interval '1 day')`,
        serviceOnly,
      ],
      update: [
        `update public.automation_run_steps set attempts = 1 where id = '${ids.row}'`,
        serviceOnly,
      ],
      delete: [`delete from public.automation_run_steps where id = '${ids.row}'`, serviceOnly],
    },
    "public.automation_templates": {
      grants: { authenticated: "select", service_role: all },
      select: [
        "select from public.automation_templates where position = 1",
        "- . .  . .  + +  + +",
      ],
      insert: [
        `insert into public.automation_templates (name, description, trigger_type, actions, position) values ('Matrix', '', 'manual', '[]', 99)`,
        serviceOnly,
      ],
      update: [
        "update public.automation_templates set description = 'x' where position = 1",
        serviceOnly,
      ],
      delete: ["delete from public.automation_templates where position = 1", serviceOnly],
    },
  },
  functions: {
    "public.automation_execute(uuid,jsonb)": {
      execute: [
        `select public.automation_execute('${ids.row}', '{"lead_id": "${ids.lead}"}')`,
        `- lead_not_found lead_not_found  ${denied} lead_not_found  ${denied} lead_not_found  + -`,
      ],
    },
    "public.automation_test(uuid,jsonb)": {
      execute: [
        `select public.automation_test('${ids.row}', '{"lead_id": "${ids.lead}"}')`,
        `- lead_not_found lead_not_found  ${denied} lead_not_found  + lead_not_found  + -`,
      ],
      "execute without a lead": [
        `select public.automation_test('${ids.row}')`,
        `- ${denied} ${denied}  ${denied} ${denied}  + +  + -`,
      ],
    },
    "public.automation_from_template(text,jsonb)": {
      execute: [
        "select public.automation_from_template('New Lead Follow-up')",
        `- automation_template_not_found automation_template_not_found  automation_template_not_found automation_template_not_found  x x  + -`,
      ],
    },
  },
};

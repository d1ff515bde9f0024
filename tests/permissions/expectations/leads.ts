import { ids } from "../personas.ts";
import { all, type ModuleExpectations, serviceOnly } from "./shape.ts";

const editable =
  "salutation, first_name, last_name, name, email, phone, organization, website, job_title, industry, gender, no_of_employees, annual_revenue, territory, qualification, experience, course, source, status, value, currency, tags, custom_fields";

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const leads: ModuleExpectations = {
  fixture: [
    `insert into public.lead_history (lead_id, from_status, to_status) values ('${ids.lead}', 'new', 'matrix')`,
  ],
  relations: {
    "public.leads": {
      grants: {
        authenticated: `select, insert (id, ${editable}, assigned_to, team_id), update (${editable})`,
        service_role: all,
      },
      select: [`select from public.leads where id = '${ids.lead}'`, "- . .  + .  + .  + +"],
      insert: [
        `insert into public.leads (name, assigned_to) values ('New', '${ids.own}')`,
        "- assignee_unavailable|x x  + x  + x  + +",
      ],
      update: [
        `update public.leads set course = 'x' where id = '${ids.lead}'`,
        "- . .  + .  + .  + +",
      ],
      "update assigned_to": [
        `update public.leads set assigned_to = '${ids.colleague}' where id = '${ids.lead}'`,
        serviceOnly,
      ],
      "update deleted_at": [
        `update public.leads set deleted_at = now() where id = '${ids.lead}'`,
        serviceOnly,
      ],
      upsert: [
        `insert into public.leads (id, name, assigned_to) values ('${ids.lead}', 'Taken', '${ids.other}') on conflict (id) do update set name = excluded.name`,
        "- x x  x x  x x  + +",
      ],
      delete: [`delete from public.leads where id = '${ids.lead}'`, serviceOnly],
    },
    "public.lead_history": {
      grants: { authenticated: "select", service_role: all },
      select: [
        `select from public.lead_history where lead_id = '${ids.lead}'`,
        "- . .  + .  + .  + +",
      ],
      insert: [
        `insert into public.lead_history (lead_id, from_status, to_status) values ('${ids.lead}', 'new', 'lost')`,
        serviceOnly,
      ],
      update: [
        `update public.lead_history set reason = 'x' where lead_id = '${ids.lead}'`,
        serviceOnly,
      ],
      delete: [`delete from public.lead_history where lead_id = '${ids.lead}'`, serviceOnly],
    },
    "public.leads_list": {
      grants: { authenticated: "select", service_role: "select" },
      select: [`select from public.leads_list where id = '${ids.lead}'`, "- . .  + .  + .  + +"],
    },
  },
  functions: {
    "public.crm_create_lead(jsonb)": {
      execute: [`select public.crm_create_lead('{"name": "New"}')`, "- x x  + +  + +  + -"],
    },
    "public.lead_set_status(text,text,text)": {
      execute: [
        `select public.lead_set_status('${ids.lead}', 'contacted')`,
        "- lead_not_found lead_not_found  + lead_not_found  + lead_not_found  + -",
      ],
    },
  },
};

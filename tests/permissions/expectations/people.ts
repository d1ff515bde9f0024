import { ids } from "../personas.ts";
import { all, type ModuleExpectations, type RelationExpectation, serviceOnly } from "./shape.ts";

const columns = {
  organizations:
    "assigned_to, name, website, email, phone, industry, no_of_employees, annual_revenue, territory, address, custom_fields",
  contacts:
    "assigned_to, lead_id, organization_id, name, email, phone, role, company, tags, custom_fields",
  students:
    "assigned_to, lead_id, name, email, phone, gender, qualification, course, academic_year, semester, status, enrolled_at, custom_fields",
  deals:
    "assigned_to, organization_id, contact_id, name, value, currency, stage, expected_close_date, custom_fields",
};

//   anon disabled revoked | own, other counselor | own, other manager | admin service

/** Who sees it may change it; nobody deletes it but by RPC. */
const shared = (table: keyof typeof columns): RelationExpectation => ({
  grants: {
    authenticated: `select, insert (id, ${table === "deals" ? columns.deals.replace("assigned_to, ", "assigned_to, lead_id, ") : columns[table]}), update (${columns[table]})`,
    service_role: all,
  },
  select: [`select from public.${table} where id = '${ids.row}'`, "- . .  + .  + .  + +"],
  // To the own counselor: only they, their manager and administrators may give them work.
  insert: [
    `insert into public.${table} (name, assigned_to) values ('New', '${ids.own}')`,
    "- permission_denied permission_denied  + permission_denied  + permission_denied  + +",
  ],
  update: [`update public.${table} set name = 'x' where id = '${ids.row}'`, "- . .  + .  + .  + +"],
  "insert for oneself": [
    `insert into public.${table} (name) values ('New')`,
    "- x x  + +  + +  + +",
  ],
  // Without a condition no policy of select stands before that of update.
  "update all": [`update public.${table} set name = 'x'`, "- . .  + .  + .  + +"],
  "update deleted_at": [
    `update public.${table} set deleted_at = now() where id = '${ids.row}'`,
    serviceOnly,
  ],
  delete: [`delete from public.${table} where id = '${ids.row}'`, serviceOnly],
});

/** Of a lead it belongs to whom the lead belongs to, whatever the caller says. */
const ofLead = (table: "contacts" | "students" | "deals"): RelationExpectation => ({
  ...shared(table),
  "insert with lead": [
    `insert into public.${table} (name, lead_id) values ('New', '${ids.lead}')`,
    "- x x  + x  + x  + +",
  ],
});

export const people: ModuleExpectations = {
  fixture: ["organizations", "contacts", "students", "deals"].map(
    (table) =>
      `insert into public.${table} (id, name, assigned_to) values ('${ids.row}', 'Own', '${ids.own}')`,
  ),
  relations: {
    "public.organizations": {
      ...shared("organizations"),
      "update assigned_to": [
        `update public.organizations set assigned_to = '${ids.colleague}' where id = '${ids.row}'`,
        "- . .  permission_denied .  + .  + +",
      ],
    },
    "public.contacts": ofLead("contacts"),
    "public.students": ofLead("students"),
    "public.deals": ofLead("deals"),
  },
};

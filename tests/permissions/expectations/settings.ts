import { all, type ModuleExpectations } from "./shape.ts";

const columns = "(key, value, category, description, is_secret, is_public)";
const grants = {
  authenticated: `select, insert ${columns}, update ${columns}, delete`,
  service_role: all,
};

/** The view writes through to the table, so both promise the same. */
const relation = (name: string) => ({
  grants,
  select: [`select from ${name} where key = 'matrix.hidden'`, "- . .  . .  . .  + +"] as [
    string,
    string,
  ],
  "select public": [
    `select from ${name} where key = 'organization.name'`,
    "- . .  + +  + +  + +",
  ] as [string, string],
  insert: [
    `insert into ${name} (key, value) values ('matrix.new', '1')`,
    "- x x  x x  x x  + +",
  ] as [string, string],
  update: [
    `update ${name} set value = '"x"' where key = 'organization.name'`,
    "- . .  . .  . .  + +",
  ] as [string, string],
  delete: [`delete from ${name} where key = 'matrix.hidden'`, "- . .  . .  . .  + +"] as [
    string,
    string,
  ],
});

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const settings: ModuleExpectations = {
  fixture: ["insert into public.system_settings (key, value) values ('matrix.hidden', '1')"],
  relations: {
    "public.system_settings": relation("public.system_settings"),
    "public.app_settings": relation("public.app_settings"),
  },
};

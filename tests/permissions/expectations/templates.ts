import { ids } from "../personas.ts";
import { all, type ModuleExpectations, serviceOnly } from "./shape.ts";

const written =
  "(id, name, channel, locale, format, subject, content, provider_template, is_active)";

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const templates: ModuleExpectations = {
  fixture: [
    `insert into public.message_templates (id, name, channel, content) values ('${ids.row}', 'matrix', 'sms', 'Matrix')`,
  ],
  relations: {
    "public.message_templates": {
      grants: {
        authenticated: `select, insert ${written}, update ${written.replace("id, ", "")}, delete`,
        service_role: all,
      },
      select: [
        `select from public.message_templates where id = '${ids.row}'`,
        "- . .  + +  + +  + +",
      ],
      insert: [
        "insert into public.message_templates (name, channel, content) values ('matrix-2', 'sms', 'x')",
        "- x x  x x  + +  + +",
      ],
      update: [
        `update public.message_templates set content = 'x' where id = '${ids.row}'`,
        "- . .  . .  + +  + +",
      ],
      "update version": [
        `update public.message_templates set version = 1 where id = '${ids.row}'`,
        serviceOnly,
      ],
      delete: [
        `delete from public.message_templates where id = '${ids.row}'`,
        "- . .  . .  + +  + +",
      ],
    },
  },
  functions: {
    "public.message_preview(text,text,jsonb,text,text)": {
      execute: [
        `select public.message_preview('matrix', '${ids.lead}')`,
        "- template_not_found template_not_found  + lead_not_found  + lead_not_found  + -",
      ],
    },
  },
};

import { ids } from "../personas.ts";
import { all, type ModuleExpectations, serviceOnly } from "./shape.ts";

const figures = "objective, currency, spend, revenue, impressions, clicks, leads";
const columns = `name, description, type, status, target_audience, target_criteria, subject, content, scheduled_at, is_automated, tags, custom_fields, ${figures}`;

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const campaigns: ModuleExpectations = {
  fixture: [
    `insert into public.campaigns (id, name, created_by) values ('${ids.row}', 'Matrix', '${ids.ownManager}')`,
    `insert into public.campaigns (id, name, type, provider, external_id) values ('${ids.fresh}', 'Matrix', 'ads', 'meta', 'matrix')`,
  ],
  relations: {
    "public.campaigns": {
      grants: {
        authenticated: `select, insert (id, ${columns}), update (${columns})`,
        service_role: all,
      },
      select: [`select from public.campaigns where id = '${ids.row}'`, "- . .  . .  + +  + +"],
      insert: ["insert into public.campaigns (name) values ('New')", "- x x  x x  + +  + +"],
      update: [
        `update public.campaigns set name = 'x' where id = '${ids.row}'`,
        "- . .  . .  + .  + +",
      ],
      "update all of one's own": [
        "update public.campaigns set name = 'x' where provider is null",
        "- . .  . .  + .  + +",
      ],
      "update of an ad platform's": [
        `update public.campaigns set tags = '{x}' where id = '${ids.fresh}'`,
        "- . .  . .  . .  + +",
      ],
      delete: [`delete from public.campaigns where id = '${ids.row}'`, serviceOnly],
    },
  },
};

import { ids } from "../personas.ts";
import { all, type ModuleExpectations } from "./shape.ts";

const columns = "name, field, operator, value, points, decay_days, is_active";

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const scoring: ModuleExpectations = {
  fixture: [
    `insert into public.lead_score_rules (id, name, field, operator, points) values ('${ids.lead}', 'Matrix', 'email', 'is_set', 1)`,
  ],
  relations: {
    "public.lead_score_rules": {
      grants: {
        authenticated: `select, insert (${columns}), update (${columns}), delete`,
        service_role: all,
      },
      select: [
        `select from public.lead_score_rules where id = '${ids.lead}'`,
        "- . .  + +  + +  + +",
      ],
      insert: [
        "insert into public.lead_score_rules (name, field, operator, points) values ('x', 'email', 'is_set', 1)",
        "- x x  x x  x x  + +",
      ],
      update: [
        `update public.lead_score_rules set points = 2 where id = '${ids.lead}'`,
        "- . .  . .  . .  + +",
      ],
      delete: [
        `delete from public.lead_score_rules where id = '${ids.lead}'`,
        "- . .  . .  . .  + +",
      ],
    },
  },
  functions: {
    "public.explain_score(text)": {
      execute: [
        `select public.explain_score('${ids.lead}')`,
        "- lead_not_found lead_not_found  + lead_not_found  + lead_not_found  + -",
      ],
    },
  },
};

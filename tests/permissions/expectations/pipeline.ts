import { ids } from "../personas.ts";
import { all, type ModuleExpectations, serviceOnly } from "./shape.ts";

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const pipeline: ModuleExpectations = {
  fixture: [
    "insert into public.pipeline_stages (key, name, position) values ('matrix_spare', 'Spare', 902)",
    "insert into public.pipeline_transitions (from_stage, to_stage) values ('new', 'matrix')",
  ],
  relations: {
    "public.pipeline_stages": {
      grants: {
        authenticated:
          "select, insert (key, name, position, is_won, is_lost, is_closed, probability), update (name, position, is_won, is_lost, is_closed, probability), delete",
        service_role: all,
      },
      select: ["select from public.pipeline_stages where key = 'new'", "- . .  + +  + +  + +"],
      insert: [
        "insert into public.pipeline_stages (key, name, position) values ('matrix_two', 'Two', 901)",
        "- x x  x x  x x  + +",
      ],
      update: [
        "update public.pipeline_stages set name = 'x' where key = 'new'",
        "- . .  . .  . .  + +",
      ],
      delete: [
        "delete from public.pipeline_stages where key = 'matrix_spare'",
        "- . .  . .  . .  + +",
      ],
    },
    "public.pipeline_transitions": {
      grants: {
        authenticated: "select, insert (from_stage, to_stage), delete",
        service_role: all,
      },
      select: [
        "select from public.pipeline_transitions where to_stage = 'matrix'",
        "- . .  + +  + +  + +",
      ],
      insert: [
        "insert into public.pipeline_transitions (from_stage, to_stage) values ('contacted', 'matrix')",
        "- x x  x x  x x  + +",
      ],
      update: [
        "update public.pipeline_transitions set to_stage = 'contacted' where to_stage = 'matrix'",
        serviceOnly,
      ],
      delete: [
        "delete from public.pipeline_transitions where to_stage = 'matrix'",
        "- . .  . .  . .  + +",
      ],
    },
  },
  functions: {
    "public.pipeline_summary()": {
      execute: [
        "select from public.pipeline_summary() s where s.stage = 'matrix' and s.count > 0",
        "- . .  + .  + .  + -",
      ],
    },
    "public.pipeline_board(integer)": {
      execute: [
        `select from public.pipeline_board(20) board where board::text like '%${ids.lead}%'`,
        "- . .  + .  + .  + -",
      ],
    },
  },
};

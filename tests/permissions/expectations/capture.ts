import { all, type ModuleExpectations } from "./shape.ts";

const row = "entity = 'lead' and key = 'matrix'";

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const capture: ModuleExpectations = {
  fixture: ["insert into public.custom_fields (key, label) values ('matrix', 'Matrix')"],
  relations: {
    "public.custom_fields": {
      grants: {
        authenticated:
          "select, insert (entity, key, label, kind, options, is_required, is_on_forms, position), update (label, kind, options, is_required, is_on_forms, position), delete",
        service_role: all,
      },
      select: [`select from public.custom_fields where ${row}`, "- . .  + +  + +  + +"],
      insert: [
        "insert into public.custom_fields (key, label) values ('matrix_new', 'New')",
        "- x x  x x  x x  + +",
      ],
      update: [`update public.custom_fields set label = 'x' where ${row}`, "- . .  . .  . .  + +"],
      delete: [`delete from public.custom_fields where ${row}`, "- . .  . .  . .  + +"],
    },
  },
};

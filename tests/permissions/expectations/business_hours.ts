import { ids } from "../personas.ts";
import { all, type ModuleExpectations } from "./shape.ts";

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const businessHours: ModuleExpectations = {
  fixture: [
    `delete from public.business_hours`,
    `insert into public.business_hours (id, weekday, opens, closes) values ('${ids.row}', 1, '09:00', '18:00')`,
    `insert into public.holidays (day, name) values ('2100-01-01', 'Matrix')`,
  ],
  relations: {
    "public.business_hours": {
      grants: {
        authenticated:
          "select, insert (weekday, opens, closes), update (weekday, opens, closes), delete",
        service_role: all,
      },
      select: [`select from public.business_hours where id = '${ids.row}'`, "- . .  + +  + +  + +"],
      insert: [
        `insert into public.business_hours (weekday, opens, closes) values (2, '09:00', '18:00')`,
        "- x x  x x  x x  + +",
      ],
      update: [
        `update public.business_hours set closes = '17:00' where id = '${ids.row}'`,
        "- . .  . .  . .  + +",
      ],
      delete: [`delete from public.business_hours where id = '${ids.row}'`, "- . .  . .  . .  + +"],
    },
    "public.holidays": {
      grants: {
        authenticated: "select, insert (day, name), update (day, name), delete",
        service_role: all,
      },
      select: [`select from public.holidays where day = '2100-01-01'`, "- . .  + +  + +  + +"],
      insert: [
        `insert into public.holidays (day, name) values ('2100-01-02', 'New')`,
        "- x x  x x  x x  + +",
      ],
      update: [
        `update public.holidays set name = 'Other' where day = '2100-01-01'`,
        "- . .  . .  . .  + +",
      ],
      delete: [`delete from public.holidays where day = '2100-01-01'`, "- . .  . .  . .  + +"],
    },
  },
};

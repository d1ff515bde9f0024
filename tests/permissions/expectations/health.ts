import { adminRpc, all, type ModuleExpectations, serviceOnly } from "./shape.ts";

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const health: ModuleExpectations = {
  fixture: ["insert into public.system_metrics (metric_type, value) values ('matrix', 1)"],
  relations: {
    "public.system_metrics": {
      grants: { authenticated: "select", service_role: all },
      select: [
        "select from public.system_metrics where metric_type = 'matrix'",
        "- . .  . .  . .  + +",
      ],
      insert: [
        "insert into public.system_metrics (metric_type, value) values ('matrix_two', 1)",
        serviceOnly,
      ],
      update: [
        "update public.system_metrics set value = 2 where metric_type = 'matrix'",
        serviceOnly,
      ],
      delete: ["delete from public.system_metrics where metric_type = 'matrix'", serviceOnly],
    },
  },
  functions: {
    "public.health()": { execute: ["select public.health()", "+ + +  + +  + +  + +"] },
    "public.admin_health()": { execute: ["select public.admin_health()", adminRpc] },
    "public.health_metrics(text,text)": {
      execute: ["select public.health_metrics()", adminRpc],
    },
  },
};

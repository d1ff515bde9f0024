import type { ModuleExpectations } from "./shape.ts";

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const platform: ModuleExpectations = {
  relations: {
    "public.error_codes": {
      grants: { anon: "select", authenticated: "select", service_role: "select" },
      select: ["select from public.error_codes where code = 'not_found'", "+ + +  + +  + +  + +"],
    },
  },
};

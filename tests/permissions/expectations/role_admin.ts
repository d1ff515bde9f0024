import { adminRpc, type ModuleExpectations } from "./shape.ts";

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const roleAdmin: ModuleExpectations = {
  relations: {
    "public.roles_with_permissions": {
      grants: { authenticated: "select", service_role: "select" },
      select: [
        "select from public.roles_with_permissions where key = 'admin'",
        "- . .  + +  + +  + +",
      ],
    },
  },
  functions: {
    "public.role_upsert(text,text,text[],text,uuid)": {
      execute: ["select public.role_upsert('Matrix office')", adminRpc],
    },
  },
};

import { adminRpc, type ModuleExpectations } from "./shape.ts";

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const userAdmin: ModuleExpectations = {
  functions: {
    "public.admin_list_users(text,text,text,integer,integer)": {
      execute: ["select public.admin_list_users()", adminRpc],
    },
  },
};

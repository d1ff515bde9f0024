import { ids } from "../personas.ts";
import { adminRpc, type ModuleExpectations } from "./shape.ts";

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const accessControl: ModuleExpectations = {
  functions: {
    "public.me()": {
      execute: ["select public.me()", "- account_inactive account_inactive  + +  + +  + -"],
    },
    "public.user_set_access(uuid,text,boolean)": {
      execute: [`select public.user_set_access('${ids.other}', 'manager', true)`, adminRpc],
    },
  },
};

import { ids } from "../personas.ts";
import { adminRpc, type ModuleExpectations } from "./shape.ts";

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const audit: ModuleExpectations = {
  relations: {
    "public.audit_logs": {
      grants: { authenticated: "select", service_role: "select" },
      select: [
        `select from public.audit_logs where record_id = '${ids.lead}'`,
        "- . .  . .  . .  + +",
      ],
    },
  },
  functions: {
    "public.audit_search(timestamp with time zone,timestamp with time zone,uuid,text,text,text,integer,integer)":
      {
        execute: ["select public.audit_search()", adminRpc],
      },
  },
};

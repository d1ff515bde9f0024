import { ids } from "../personas.ts";
import type { ModuleExpectations } from "./shape.ts";

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const conversations: ModuleExpectations = {
  relations: {
    "public.conversations": {
      grants: { authenticated: "select", service_role: "select" },
      select: [
        `select from public.conversations where lead_id = '${ids.lead}'`,
        "- . .  + .  + .  + +",
      ],
    },
  },
};

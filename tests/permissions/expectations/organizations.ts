import { ids } from "../personas.ts";
import { belonging, type ModuleExpectations, ownRow } from "./shape.ts";

const columns =
  "assigned_to, name, website, email, phone, industry, no_of_employees, annual_revenue, territory, address, custom_fields";

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const organizations: ModuleExpectations = {
  fixture: [ownRow("organizations")],
  relations: {
    "public.organizations": {
      ...belonging("organizations", { insert: columns, update: columns }),
      "update assigned_to": [
        `update public.organizations set assigned_to = '${ids.colleague}' where id = '${ids.row}'`,
        "- . .  permission_denied .  + .  + +",
      ],
    },
  },
};

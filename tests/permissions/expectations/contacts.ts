import { belongingOrOfLead, type ModuleExpectations, ownRow } from "./shape.ts";

const columns =
  "assigned_to, lead_id, organization_id, name, email, phone, role, company, tags, custom_fields";

export const contacts: ModuleExpectations = {
  fixture: [ownRow("contacts")],
  relations: {
    "public.contacts": belongingOrOfLead("contacts", { insert: columns, update: columns }),
  },
};

import { belongingOrOfLead, type ModuleExpectations, ownRow } from "./shape.ts";

const columns =
  "organization_id, contact_id, name, value, currency, stage, expected_close_date, custom_fields";

export const deals: ModuleExpectations = {
  fixture: [ownRow("deals")],
  relations: {
    // The lead of a deal is not changed.
    "public.deals": belongingOrOfLead("deals", {
      insert: `assigned_to, lead_id, ${columns}`,
      update: `assigned_to, ${columns}`,
    }),
  },
};

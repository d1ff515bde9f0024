import { belongingOrOfLead, type ModuleExpectations, ownRow } from "./shape.ts";

const columns =
  "assigned_to, lead_id, name, email, phone, gender, qualification, course, academic_year, semester, status, enrolled_at, custom_fields";

export const students: ModuleExpectations = {
  fixture: [ownRow("students")],
  relations: {
    "public.students": belongingOrOfLead("students", { insert: columns, update: columns }),
  },
};

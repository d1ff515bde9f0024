/** Students: enrolled learners, of a lead or of none. */
import { z } from "zod";
import { phoneSchema } from "./identity.ts";
import { belongingRowSchema } from "./lead-scope.ts";

/** `STU-001`, `STU-002`, …, `STU-1000`. */
export const studentNumberSchema = z.string().regex(/^STU-(\d{3}|[1-9]\d{3,})$/);

export const studentStatuses = ["active", "on_leave", "graduated", "withdrawn"] as const;

/** A row of `students`. */
export const studentSchema = belongingRowSchema.extend({
  lead_id: z.uuid().nullable(),
  student_no: z.number().int(),
  student_number: studentNumberSchema,
  email: z.string().nullable(),
  phone: phoneSchema.nullable(),
  gender: z.string().nullable(),
  qualification: z.string().nullable(),
  course: z.string().nullable(),
  /** `2025-26` */
  academic_year: z.string().nullable(),
  semester: z.string().nullable(),
  status: z.enum(studentStatuses),
  enrolled_at: z.string(),
});

export type Student = z.infer<typeof studentSchema>;

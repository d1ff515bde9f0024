/** Live: what an open browser is told. It reads again, with its own rights, what the event names. */
import { z } from "zod";

/** Tables whose changes are announced. */
export const liveTables = [
  "leads",
  "tasks",
  "calls",
  "reminders",
  "notes",
  "communications",
  "contacts",
  "organizations",
  "students",
  "deals",
  "payments",
  "documents",
  "campaigns",
] as const;

/** The payload of the event `changed` on `lead:<id>`, `team:<id>` and `user:<id>`. */
export const changedSchema = z.strictObject({
  table: z.enum(liveTables),
  /** Null: several rows changed, read the list again. */
  id: z.uuid().nullable(),
  lead_id: z.uuid().nullable(),
});

export type Changed = z.infer<typeof changedSchema>;

/** To whom what belongs to no team and to nobody is told: `team:<this>`, for scope all. */
export const teamOfNobody = "00000000-0000-0000-0000-000000000000";

import { ids } from "../personas.ts";
import type { ModuleExpectations, RelationExpectation } from "./shape.ts";

const ofStudent = "- permission_denied permission_denied  + not_found  + not_found  + -";

const read = "- . .  + .  + .  + +";

const paid = ids.row.replace(/f1$/, "f2");

const invoice = ids.row.replace(/f1$/, "f3");

/** Numbered by the database alone. */
const paper = (table: string, where: string): RelationExpectation => ({
  grants: { authenticated: "select", service_role: "select" },
  select: [`select from public.${table} where ${where}`, read],
});

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const receipts: ModuleExpectations = {
  fixture: [
    `insert into public.invoices (id, assigned_to, team_id, student_id, number, amount, currency, due_date, billed_to) select '${invoice}', s.assigned_to, s.team_id, s.id, 'I/matrix', 900, 'INR', '2026-01-31', 'Own' from public.students s where s.id = '${ids.row}'`,
  ],
  relations: {
    "public.receipts": paper("receipts", `payment_id = '${paid}'`),
    "public.invoices": paper("invoices", `id = '${invoice}'`),
  },
  functions: {
    "public.invoice_issue(uuid)": {
      execute: [`select public.invoice_issue('${ids.row}')`, ofStudent],
    },
    "public.invoice_cancel(uuid,text)": {
      execute: [`select public.invoice_cancel('${invoice}')`, ofStudent],
    },
  },
};

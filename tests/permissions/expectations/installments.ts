import { ids } from "../personas.ts";
import type { ModuleExpectations, RelationExpectation } from "./shape.ts";

const ofStudent = "- permission_denied permission_denied  + not_found  + not_found  + -";

const plan = '{"count": 2, "first_due_date": "2026-01-31"}';

/** Written by the database alone, and seen where the student is. */
const derived = (table: string, where: string): RelationExpectation => ({
  grants: { authenticated: "select", service_role: "select" },
  select: [`select from public.${table} where ${where}`, "- . .  + .  + .  + +"],
});

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const installments: ModuleExpectations = {
  fixture: [
    `insert into public.fee_plans (id, assigned_to, team_id, student_id, name, total_amount, currency) select '${ids.row}', s.assigned_to, s.team_id, s.id, 'Matrix', 900, 'INR' from public.students s where s.id = '${ids.row}'`,
    `insert into public.fee_installments (id, assigned_to, team_id, student_id, plan_id, number, amount, currency, due_date) select '${ids.row}', f.assigned_to, f.team_id, f.student_id, f.id, 1, 900, 'INR', '2026-01-31' from public.fee_plans f where f.id = '${ids.row}'`,
    `select private.allocate_payments('${ids.row}')`,
  ],
  relations: {
    "public.fee_plans": derived("fee_plans", `id = '${ids.row}'`),
    "public.fee_installments": derived("fee_installments", `id = '${ids.row}'`),
    "public.payment_allocations": derived("payment_allocations", `installment_id = '${ids.row}'`),
    "public.overdue_installments": derived("overdue_installments", `id = '${ids.row}'`),
    "public.student_fee_ledger": derived("student_fee_ledger", `student_id = '${ids.row}'`),
  },
  functions: {
    "public.fee_plan_apply(uuid,numeric,jsonb,jsonb)": {
      execute: [`select public.fee_plan_apply('${ids.row}', 100, '${plan}')`, ofStudent],
    },
    "public.fee_plan_cancel(uuid)": {
      execute: [`select public.fee_plan_cancel('${ids.row}')`, ofStudent],
    },
  },
};

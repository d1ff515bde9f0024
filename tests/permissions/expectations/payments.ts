import { ids } from "../personas.ts";
import type { ModuleExpectations } from "./shape.ts";

const columns =
  "amount, currency, payment_method, payment_gateway, fee_type, academic_year, semester, due_date, description, notes";

const writable = `insert (id, lead_id, student_id, installment_id, idempotency_key, ${columns}), update (installment_id, ${columns})`;

const noGrant = "- - -  - -  - -  - -";

//   anon disabled revoked | own, other counselor | own, other manager | admin service

export const payments: ModuleExpectations = {
  fixture: [
    `insert into public.payments (id, student_id, amount) values ('${ids.row}', '${ids.row}', 500)`,
  ],
  relations: {
    "public.payments": {
      grants: {
        authenticated: `select, ${writable}`,
        service_role: `select, ${writable}`,
      },
      select: [`select from public.payments where id = '${ids.row}'`, "- . .  + .  + .  + +"],
      insert: [
        `insert into public.payments (student_id, amount) values ('${ids.row}', 1)`,
        "- x x  + x  + x  + +",
      ],
      "insert with lead": [
        `insert into public.payments (lead_id, amount) values ('${ids.lead}', 1)`,
        "- x x  + x  + x  + +",
      ],
      update: [
        `update public.payments set notes = 'x' where id = '${ids.row}'`,
        "- . .  + .  + .  + +",
      ],
      // Without a condition no policy of select stands before that of update.
      "update all": ["update public.payments set notes = 'x'", "- . .  + .  + .  + +"],
      "update status": [
        `update public.payments set status = 'completed' where id = '${ids.row}'`,
        noGrant,
      ],
      "update paid_amount": [
        `update public.payments set paid_amount = 500 where id = '${ids.row}'`,
        noGrant,
      ],
      "update order_id": [
        `update public.payments set order_id = 'x' where id = '${ids.row}'`,
        noGrant,
      ],
      "insert status": [
        `insert into public.payments (lead_id, amount, status) values ('${ids.lead}', 1, 'completed')`,
        noGrant,
      ],
      // Money is cancelled or refunded, never deleted.
      delete: [`delete from public.payments where id = '${ids.row}'`, noGrant],
    },
  },
};

import { ids } from "../personas.ts";
import type { ModuleExpectations } from "./shape.ts";

/** A payment of the own counselor's student that was paid. */
const paid = ids.row.replace(/f1$/, "f2");

const denied = "permission_denied";

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const paymentEvents: ModuleExpectations = {
  fixture: [
    `insert into public.payments (id, student_id, amount) values ('${paid}', '${ids.row}', 500)`,
    `insert into private.payment_transactions (gateway, transaction_id, payment_id, status, amount, currency, captured_at) values ('offline', '${paid}', '${paid}', 'captured', 500, 'INR', now())`,
    `select private.payment_settle('${paid}')`,
  ],
  functions: {
    "public.payment_cancel(uuid)": {
      execute: [
        `select public.payment_cancel('${ids.row}')`,
        `- ${denied} ${denied}  + not_found  + not_found  + -`,
      ],
    },
    "public.payment_record(uuid,text,text,timestamp with time zone)": {
      execute: [
        `select public.payment_record('${ids.row}', 'cash')`,
        `- ${denied} ${denied}  ${denied} ${denied}  + not_found  + -`,
      ],
    },
  },
};

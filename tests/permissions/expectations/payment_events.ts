import { ids } from "../personas.ts";
import type { ModuleExpectations } from "./shape.ts";

/** A payment of the own counselor's student that was paid, and a refund of it. */
const paid = ids.row.replace(/f1$/, "f2");

const denied = "permission_denied";

const noGrant = "- - -  - -  - -  - -";

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const paymentEvents: ModuleExpectations = {
  fixture: [
    `insert into public.payments (id, student_id, amount) values ('${paid}', '${ids.row}', 500)`,
    `insert into private.payment_transactions (gateway, transaction_id, payment_id, status, amount, currency, captured_at) values ('offline', '${paid}', '${paid}', 'captured', 500, 'INR', now())`,
    `select private.payment_settle('${paid}')`,
    `insert into public.refunds (id, payment_id, amount, currency, gateway, transaction_id) values ('${ids.row}', '${paid}', 5, 'INR', 'offline', '${paid}')`,
  ],
  relations: {
    "public.refunds": {
      grants: { authenticated: "select", service_role: "select" },
      select: [`select from public.refunds where id = '${ids.row}'`, "- . .  + .  + .  + +"],
      insert: [
        `insert into public.refunds (payment_id, amount, currency, gateway, transaction_id) values ('${paid}', 1, 'INR', 'offline', '${paid}')`,
        noGrant,
      ],
      update: [`update public.refunds set status = 'succeeded' where id = '${ids.row}'`, noGrant],
      delete: [`delete from public.refunds where id = '${ids.row}'`, noGrant],
    },
  },
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

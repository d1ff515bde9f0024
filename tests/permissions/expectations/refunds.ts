import { ids } from "../personas.ts";
import type { ModuleExpectations } from "./shape.ts";

/** The payment of the own counselor's student that was paid. */
const paid = ids.row.replace(/f1$/, "f2");

const noGrant = "- - -  - -  - -  - -";

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const refunds: ModuleExpectations = {
  fixture: [
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
};

// Payments: what gateways delivered, refunds whose answer was lost, and orders whose webhook never came.

import { jobPayloads, type PaymentGateway } from "@intake/types";
import { sql } from "kysely";
import { type Database, json } from "../../_shared/db.ts";
import { describeError } from "../../_shared/errors.ts";
import { parseJsonBytes } from "../../_shared/json.ts";
import {
  type Gateway,
  type Gateways,
  type PaymentEvent,
  snapshotAndCapture,
} from "../../_shared/providers/gateway.ts";
import { PermanentError } from "../../_shared/providers/outcome.ts";
import type { Apply, Handler, Handlers } from "./handler.ts";

const applying =
  (gateway: PaymentGateway, event: PaymentEvent): Apply =>
  async (tx) => {
    await sql`select private.payment_apply_event(${gateway}, ${json(event)})`.execute(tx);
  };

function delivered(db: Database, gateway: Gateway): Handler {
  return async ({ job }) => {
    const { inbox_id: inboxId } = jobPayloads[`inbox.${gateway.name}`].parse(job.payload);
    const opened = await db.asService((tx) =>
      sql<{ raw: Uint8Array }>`select raw from private.inbox_open(${inboxId}::uuid)`.execute(tx),
    );
    const [stored] = opened.rows;
    // Finished by an earlier run whose acknowledgement was lost.
    if (!stored) return undefined;
    const event = gateway.eventOf(parseJsonBytes(stored.raw));
    if (!event) throw new PermanentError("the stored delivery cannot be read");
    return async (tx) => {
      await applying(gateway.name, event)(tx);
      await sql`select private.inbox_close(${inboxId}::uuid)`.execute(tx);
    };
  };
}

interface RefundToMake {
  payment_id: string;
  gateway: PaymentGateway;
  order_id: string | null;
  transaction_id: string;
  amount: string;
  currency: string;
  status: string;
}

function refund(db: Database, gateways: Gateways): Handler {
  return async ({ job, signal }) => {
    const { refund_id: refundId } = jobPayloads["payments.refund"].parse(job.payload);
    const found = await db.asService((tx) =>
      sql<{ refund: RefundToMake | null }>`
        select private.refund_to_make(${refundId}::uuid) as refund`.execute(tx),
    );
    const asked = found.rows[0]?.refund;
    if (asked?.status !== "requested") return undefined;
    try {
      const told = await gateways[asked.gateway].refund(
        {
          refundId,
          paymentId: asked.payment_id,
          orderId: asked.order_id,
          transactionId: asked.transaction_id,
          amount: asked.amount,
          currency: asked.currency,
          mayExist: true,
        },
        signal,
      );
      return applying(asked.gateway, {
        order_id: asked.order_id,
        payment_id: asked.payment_id,
        transactions: [],
        refunds: [{ ...told, own_id: refundId }],
      });
    } catch (error) {
      if (!(error instanceof PermanentError)) throw error;
      return async (tx) => {
        await sql`select private.refund_failed(${refundId}::uuid, ${error.message})`.execute(tx);
      };
    }
  };
}

interface OrderToCheck {
  payment_id: string;
  gateway: PaymentGateway;
  order_id: string | null;
  is_wanted: boolean;
}

/** One payment to a transaction: whoever holds another must never wait for this one. */
function reconcile(db: Database, gateways: Gateways): Handler {
  return async ({ signal, log }) => {
    const due = await db.asService((tx) =>
      sql<OrderToCheck>`select * from private.payment_checks_due()`.execute(tx),
    );
    for (const { payment_id, gateway: name, order_id, is_wanted } of due.rows) {
      if (signal.aborted) break;
      const gateway = gateways[name];
      try {
        const orderId = order_id ?? (await gateway.findOrder(payment_id, signal));
        if (!orderId) continue;
        const event = is_wanted
          ? await snapshotAndCapture(gateway, orderId, signal)
          : await gateway.snapshot(orderId, signal);
        await db.asService(applying(name, event));
      } catch (error) {
        // Its time comes again; the others are not held up.
        log.log("warn", "a payment could not be compared", {
          payment_id,
          ...describeError(error),
        });
      }
    }
    return undefined;
  };
}

export function paymentHandlers(db: Database, gateways: Gateways): Handlers {
  return {
    "inbox.razorpay": delivered(db, gateways.razorpay),
    "inbox.stripe": delivered(db, gateways.stripe),
    "payments.refund": refund(db, gateways),
    "payments.reconcile": reconcile(db, gateways),
  };
}

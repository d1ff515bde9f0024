// Payments in the database.

import { type RawBuilder, sql } from "kysely";
import { type Claims, type Database, json } from "../_shared/db.ts";
import type { BegunOrder, BegunRefund, KnownOrder, PaymentStore } from "./deps.ts";

export function createPaymentStore(db: Database): PaymentStore {
  async function asUser<T>(caller: Claims, query: RawBuilder<{ answer: T }>, requestId: string) {
    const { rows } = await db.asUser(caller, (tx) => query.execute(tx), { requestId });
    return rows[0]?.answer as T;
  }

  async function asService<T>(query: RawBuilder<{ answer: T }>, requestId: string) {
    const { rows } = await db.asService((tx) => query.execute(tx), { requestId });
    return rows[0]?.answer as T;
  }

  return {
    beginOrder: (caller, request, key, requestId) =>
      asUser(
        caller,
        sql<{ answer: BegunOrder }>`
          select private.payment_order_begin(${json(request)}, ${key}) as answer`,
        requestId,
      ),
    orderOf: (caller, paymentId, requestId) =>
      asUser(
        caller,
        sql<{ answer: KnownOrder }>`select private.payment_order_of(${paymentId}) as answer`,
        requestId,
      ),
    beginRefund: (caller, paymentId, amount, reason, key, requestId) =>
      asUser(
        caller,
        sql<{ answer: BegunRefund }>`
          select private.payment_refund_begin(
            ${paymentId}, ${amount === null ? null : String(amount)}::text::numeric, ${reason}, ${key}
          ) as answer`,
        requestId,
      ),
    attachOrder: (paymentId, orderId, requestId) =>
      asService(
        sql<{ answer: string }>`
          select private.payment_order_attach(${paymentId}, ${orderId}) as answer`,
        requestId,
      ),
    async releaseOrder(paymentId, hasNone, requestId) {
      await asService(
        sql<{ answer: unknown }>`
          select private.payment_order_release(${paymentId}, ${hasNone}) as answer`,
        requestId,
      );
    },
    apply: (gateway, event, requestId) =>
      asService(
        sql<{ answer: { is_known: boolean; status?: string } }>`
          select private.payment_apply_event(${gateway}, ${json(event)}) as answer`,
        requestId,
      ),
    refund: (refundId, requestId) =>
      asService(
        sql<{ answer: BegunRefund }>`select private.refund_to_make(${refundId}) as answer`,
        requestId,
      ),
    async failRefund(refundId, failure, requestId) {
      await asService(
        sql<{ answer: unknown }>`select private.refund_failed(${refundId}, ${failure}) as answer`,
        requestId,
      );
    },
  };
}

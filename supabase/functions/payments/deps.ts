// What the routes of payments need from outside.

import type { PaymentGateway } from "@intake/types";
import type { Surroundings } from "../_shared/app.ts";
import type { IdentifyCaller } from "../_shared/caller.ts";
import type { Claims } from "../_shared/db.ts";
import type { Gateways, PaymentEvent } from "../_shared/providers/gateway.ts";

export interface BegunOrder {
  payment_id: string;
  order_id: string | null;
  gateway: PaymentGateway;
  amount: string;
  currency: string;
  description: string | null;
  was_asked: boolean;
}

export interface KnownOrder {
  payment_id: string;
  gateway: PaymentGateway;
  order_id: string;
  /** It is still to be paid. */
  is_wanted: boolean;
}

export interface BegunRefund {
  refund_id: string;
  payment_id: string;
  gateway: PaymentGateway | "offline";
  order_id: string | null;
  transaction_id: string;
  amount: string;
  currency: string;
  status: string;
  payment_status: string;
}

export interface PaymentStore {
  /** In the name and with the rights of the caller. */
  beginOrder(caller: Claims, request: object, key: string, requestId: string): Promise<BegunOrder>;
  orderOf(caller: Claims, paymentId: string, requestId: string): Promise<KnownOrder>;
  beginRefund(
    caller: Claims,
    paymentId: string,
    amount: number | null,
    reason: string | null,
    key: string,
    requestId: string,
  ): Promise<BegunRefund>;
  /** In the service's: what a gateway said. */
  attachOrder(paymentId: string, orderId: string, requestId: string): Promise<string>;
  releaseOrder(paymentId: string, hasNone: boolean, requestId: string): Promise<void>;
  apply(
    gateway: PaymentGateway,
    event: PaymentEvent,
    requestId: string,
  ): Promise<{ is_known: boolean; status?: string }>;
  refund(refundId: string, requestId: string): Promise<BegunRefund>;
  failRefund(refundId: string, failure: string, requestId: string): Promise<void>;
}

export interface PaymentsDeps extends Surroundings {
  identify: IdentifyCaller;
  store: PaymentStore;
  gateways: Gateways;
}

// Orders, their end, and refunds. The database says who may and what is left; the gateway is asked outside of any
// transaction, under a key, and what it says goes the way that its webhooks go.

import {
  orderCreatedSchema,
  orderCreateSchema,
  paymentProcessedSchema,
  paymentProcessSchema,
  refundCreatedSchema,
  refundCreateSchema,
} from "@intake/types";
import type { Context } from "hono";
import { z } from "zod";
import { type App, type AppEnv, createApp } from "../_shared/app.ts";
import { ApiError } from "../_shared/errors.ts";
import { snapshotAndCapture } from "../_shared/providers/gateway.ts";
import {
  NotConnectedError,
  PermanentError,
  RetryAfterError,
  UnknownOutcomeError,
} from "../_shared/providers/outcome.ts";
import type { PaymentsDeps } from "./deps.ts";

const authorization = { description: "`Bearer` and the access token", required: true };

const key = {
  description:
    "What you call this request, 8 to 200 characters: sent again with it, it is the same one",
};

/** A gateway's refusal in words of the request. */
function refusalOf(error: unknown): unknown {
  if (error instanceof PermanentError) {
    return new ApiError(422, "gateway_refused", "The gateway refused this.", error.message);
  }
  if (error instanceof NotConnectedError) {
    const message = "The gateway is not set up, or does not take its credentials.";
    return new ApiError(503, "provider_not_configured", message, error.message);
  }
  if (error instanceof RetryAfterError || error instanceof UnknownOutcomeError) {
    const message = "The gateway could not be asked. Send the same request again, with its key.";
    return new ApiError(502, "provider_unreachable", message, error.message);
  }
  return error;
}

const isUnsettled = (error: unknown) =>
  error instanceof UnknownOutcomeError || error instanceof RetryAfterError;

function keyOf(c: Context<AppEnv>): string {
  const given = c.req.header("idempotency-key");
  if (given === undefined) return crypto.randomUUID();
  if (!/^[\x21-\x7e]{8,200}$/.test(given)) {
    throw new ApiError(422, "body_invalid", "This is no idempotency key.", "idempotency-key");
  }
  return given;
}

function idOf(c: Context<AppEnv>): string {
  const id = z.uuid().safeParse(c.req.param("id"));
  if (!id.success) throw new ApiError(404, "not_found", "There is no such payment.", "payment");
  return id.data;
}

const bodyOf = <Schema extends z.ZodType>(c: Context<AppEnv>, schema: Schema) =>
  c.req
    .json()
    .catch(() => undefined)
    .then((body) => schema.parse(body) as z.output<Schema>);

export function createPayments(deps: PaymentsDeps): App {
  const { identify, store, gateways } = deps;
  const app = createApp({
    name: "payments",
    title: "Intake payments",
    description: "Orders at Razorpay and Stripe, their end, and refunds.",
    maxBodyBytes: 64 * 1024,
    allowedOrigins: deps.allowedOrigins,
    limiter: deps.limiter,
    log: deps.log,
  });

  app.route(
    {
      method: "post",
      path: "/create-order",
      id: "payment_create_order",
      summary: "Ask a gateway for an order",
      description:
        "A Razorpay order or a Stripe payment intent for a new payment, or for the one named by payment_id. Amounts are in units of the currency. Needs payments.create.",
      headers: { authorization, "idempotency-key": key },
      body: { schema: orderCreateSchema },
      responses: {
        200: { description: "The order", schema: orderCreatedSchema },
        401: { description: "Not signed in" },
        403: { description: "Without payments.create, or a student one does not see" },
        404: { description: "There is no such payment, student or lead" },
        409: { description: "The payment is not open, or the key was used for something else" },
        422: { description: "The amount cannot be paid, or the gateway refuses it" },
        502: { description: "The gateway did not answer: send the same request again" },
        503: { description: "The gateway is not set up" },
      },
    },
    async (c) => {
      const caller = await identify(c.req.header("authorization"));
      const requestId = c.get("requestId");
      const request = await bodyOf(c, orderCreateSchema);
      const begun = await store.beginOrder(caller, request, keyOf(c), requestId);
      const gateway = gateways[begun.gateway];
      let orderId = begun.order_id;
      try {
        if (orderId === null) {
          const made = await gateway.createOrder({
            paymentId: begun.payment_id,
            amount: begun.amount,
            currency: begun.currency,
            description: begun.description,
            mayExist: begun.was_asked,
          });
          orderId = await store.attachOrder(begun.payment_id, made, requestId);
        }
        const checkout = await gateway.checkout(orderId, begun.amount, begun.currency);
        return c.json(
          orderCreatedSchema.parse({
            order_id: orderId,
            amount: Number(begun.amount),
            currency: begun.currency,
            payment_id: begun.payment_id,
            gateway: begun.gateway,
            checkout,
          }),
        );
      } catch (error) {
        if (orderId === null) {
          // Refused the first time it was asked, the gateway has no order.
          const hasNone =
            !begun.was_asked &&
            (error instanceof PermanentError || error instanceof NotConnectedError);
          await store.releaseOrder(begun.payment_id, hasNone, requestId);
        }
        throw refusalOf(error);
      }
    },
  );

  app.route(
    {
      method: "post",
      path: "/:id/process",
      id: "payment_process",
      summary: "Bring back what the gateway told the browser",
      description:
        "Verifies the gateway's signature, asks the gateway what became of the order, and applies it as its webhooks do. Needs payments.create.",
      headers: { authorization },
      body: { schema: paymentProcessSchema },
      responses: {
        200: { description: "How the payment stands", schema: paymentProcessedSchema },
        401: { description: "Not signed in, or the gateway did not sign this" },
        403: { description: "Without payments.create" },
        404: { description: "There is no such payment, or no such attempt at the gateway" },
        409: { description: "No order was made for this payment" },
        502: { description: "The gateway did not answer: its webhook will tell" },
      },
    },
    async (c) => {
      const caller = await identify(c.req.header("authorization"));
      const requestId = c.get("requestId");
      const order = await store.orderOf(caller, idOf(c), requestId);
      const body = await bodyOf(c, paymentProcessSchema);
      const gateway = gateways[order.gateway];
      const { gateway_transaction_id: transactionId, gateway_response: response } = body;
      if (!(await gateway.isReturnGenuine(order.order_id, transactionId, response))) {
        throw new ApiError(401, "signature_invalid", "The gateway did not sign this.");
      }
      // What is cancelled, or was paid otherwise, is looked at, and no money taken for it.
      const look = order.is_wanted
        ? snapshotAndCapture(gateway, order.order_id)
        : gateway.snapshot(order.order_id);
      const event = await look.catch((error: unknown) => {
        throw refusalOf(error);
      });
      const isOfOrder =
        transactionId === order.order_id ||
        event.transactions.some(({ transaction_id }) => transaction_id === transactionId);
      if (!isOfOrder) {
        throw new ApiError(404, "not_found", "The gateway knows no such attempt.", transactionId);
      }
      const { status } = await store.apply(order.gateway, event, requestId);
      return c.json(paymentProcessedSchema.parse({ payment_id: order.payment_id, status }));
    },
  );

  app.route(
    {
      method: "post",
      path: "/:id/refund",
      id: "payment_refund",
      summary: "Refund a payment",
      description:
        "All that is left, or a part. The refund is noted before the gateway is asked; if the answer is lost, it is asked again until it is known. Needs payments.refund.",
      headers: { authorization, "idempotency-key": key },
      body: { schema: refundCreateSchema },
      responses: {
        200: { description: "The refund", schema: refundCreatedSchema },
        202: {
          description: "Noted; the gateway has not answered yet",
          schema: refundCreatedSchema,
        },
        401: { description: "Not signed in" },
        403: { description: "Without payments.refund" },
        404: { description: "There is no such payment" },
        409: { description: "More than is left, or the key was used for something else" },
        422: { description: "The gateway refuses it" },
      },
    },
    async (c) => {
      const caller = await identify(c.req.header("authorization"));
      const requestId = c.get("requestId");
      const paymentId = idOf(c);
      const { refund_amount: amount, refund_reason: reason } = await bodyOf(c, refundCreateSchema);
      const begun = await store.beginRefund(
        caller,
        paymentId,
        amount ?? null,
        reason ?? null,
        keyOf(c),
        requestId,
      );
      let isSettled = true;
      if (begun.status === "requested" && begun.gateway !== "offline") {
        try {
          const told = await gateways[begun.gateway].refund({
            refundId: begun.refund_id,
            paymentId,
            orderId: begun.order_id,
            transactionId: begun.transaction_id,
            amount: begun.amount,
            currency: begun.currency,
            mayExist: false,
          });
          const event = {
            order_id: begun.order_id,
            payment_id: paymentId,
            transactions: [],
            refunds: [{ ...told, own_id: begun.refund_id }],
          };
          await store.apply(begun.gateway, event, requestId);
        } catch (error) {
          if (error instanceof PermanentError) {
            await store.failRefund(begun.refund_id, error.message, requestId);
          }
          if (!isUnsettled(error)) throw refusalOf(error);
          // The job that was queued with the refund asks again.
          isSettled = false;
        }
      }
      const refund = await store.refund(begun.refund_id, requestId);
      const answer = refundCreatedSchema.parse({
        refund_id: refund.refund_id,
        payment_id: refund.payment_id,
        refund_amount: Number(refund.amount),
        currency: refund.currency,
        status: refund.status,
        payment_status: refund.payment_status,
      });
      return c.json(answer, isSettled ? 200 : 202);
    },
  );

  return app;
}

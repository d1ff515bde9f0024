/** Payments: what is asked for, and what was paid of it. */
import { z } from "zod";

export const paymentStatuses = [
  "pending",
  "processing",
  "completed",
  "failed",
  "cancelled",
  "partially_refunded",
  "refunded",
] as const;

export const paymentMethods = [
  "razorpay",
  "stripe",
  "card",
  "upi",
  "netbanking",
  "wallet",
  "emi",
  "cash",
  "cheque",
  "bank_transfer",
  "other",
] as const;

export const paymentGateways = ["razorpay", "stripe"] as const;

export type PaymentGateway = (typeof paymentGateways)[number];

/** A row of `payments`. */
export const paymentSchema = z.object({
  id: z.uuid(),
  assigned_to: z.uuid().nullable(),
  team_id: z.uuid().nullable(),
  created_at: z.string(),
  lead_id: z.uuid().nullable(),
  student_id: z.uuid().nullable(),
  /** In units of the currency, never in its minor units. */
  amount: z.number().positive(),
  currency: z.string().regex(/^[A-Z]{3}$/),
  payment_method: z.enum(paymentMethods).nullable(),
  payment_gateway: z.enum(paymentGateways).nullable(),
  fee_type: z.string().nullable(),
  academic_year: z.string().nullable(),
  semester: z.string().nullable(),
  due_date: z.iso.date().nullable(),
  description: z.string().nullable(),
  notes: z.string().nullable(),
  status: z.enum(paymentStatuses),
  paid_amount: z.number().nonnegative(),
  paid_at: z.string().nullable(),
  refund_amount: z.number().nonnegative(),
  refund_reason: z.string().nullable(),
  /** paid_amount less refund_amount. */
  net_amount: z.number().nonnegative(),
  order_id: z.string().nullable(),
  gateway_transaction_id: z.string().nullable(),
  gateway_response: z.record(z.string(), z.unknown()),
  idempotency_key: z.string().nullable(),
  created_by: z.uuid().nullable(),
  updated_at: z.string(),
  version: z.number().int().positive(),
});

export type Payment = z.infer<typeof paymentSchema>;

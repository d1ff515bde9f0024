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
  /** The instalment that is paid first. */
  installment_id: z.uuid().nullable(),
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

export const refundStatuses = ["requested", "processing", "succeeded", "failed"] as const;

/** A row of `refunds`. */
export const refundSchema = z.object({
  id: z.uuid(),
  payment_id: z.uuid(),
  created_at: z.string(),
  amount: z.number().positive(),
  currency: z.string(),
  reason: z.string().nullable(),
  status: z.enum(refundStatuses),
  gateway: z.enum([...paymentGateways, "offline"]),
  transaction_id: z.string(),
  gateway_refund_id: z.string().nullable(),
  failure: z.string().nullable(),
  processed_at: z.string().nullable(),
  idempotency_key: z.string().nullable(),
  requested_by: z.uuid().nullable(),
  updated_at: z.string(),
});

/** What `payment_record` answers. */
export const paymentRecordedSchema = z.object({
  payment_id: z.uuid(),
  status: z.enum(paymentStatuses),
  paid_at: z.string().nullable(),
  amount: z.number(),
  currency: z.string(),
});

/** A row of `fee_installments`. */
export const installmentSchema = z.object({
  id: z.uuid(),
  assigned_to: z.uuid().nullable(),
  team_id: z.uuid().nullable(),
  created_at: z.string(),
  plan_id: z.uuid(),
  student_id: z.uuid(),
  number: z.number().int().positive(),
  amount: z.number().positive(),
  currency: z.string(),
  due_date: z.iso.date(),
  paid_amount: z.number().nonnegative(),
  cancelled_at: z.string().nullable(),
  status: z.enum(["pending", "partially_paid", "paid", "cancelled"]),
  updated_at: z.string(),
});

/** What `fee_plan_apply` answers. */
export const feePlanAppliedSchema = z.object({
  plan_id: z.uuid(),
  student_id: z.uuid(),
  total_amount: z.number(),
  currency: z.string(),
  installments: z.array(
    installmentSchema.pick({
      id: true,
      number: true,
      amount: true,
      due_date: true,
      paid_amount: true,
      status: true,
    }),
  ),
});

/** A row of `student_fee_ledger`. */
export const ledgerEntrySchema = z.object({
  student_id: z.uuid(),
  entry_at: z.string(),
  kind: z.enum(["fee", "payment", "refund"]),
  reference_id: z.uuid(),
  description: z.string(),
  currency: z.string(),
  debit: z.number(),
  credit: z.number(),
  /** Owed when above zero, a credit below. */
  balance: z.number(),
});

/** A row of `receipts`. */
export const receiptSchema = z.object({
  id: z.uuid(),
  payment_id: z.uuid(),
  /** `R/2025-26/000001`, without a gap within the financial year. */
  number: z.string().regex(/^R\/\d{4}-\d{2}\/\d{6}$/),
  issued_at: z.string(),
  amount: z.number().positive(),
  currency: z.string(),
  payer_name: z.string(),
  student_number: z.string().nullable(),
  details: z.record(z.string(), z.unknown()),
});

/** A row of `invoices`, and what `invoice_issue` and `invoice_cancel` answer. */
export const invoiceSchema = z.object({
  id: z.uuid(),
  assigned_to: z.uuid().nullable(),
  team_id: z.uuid().nullable(),
  created_at: z.string(),
  student_id: z.uuid().nullable(),
  installment_id: z.uuid().nullable(),
  number: z.string().regex(/^I\/\d{4}-\d{2}\/\d{6}$/),
  amount: z.number().positive(),
  currency: z.string(),
  due_date: z.iso.date(),
  billed_to: z.string(),
  student_number: z.string().nullable(),
  details: z.record(z.string(), z.unknown()),
  cancelled_at: z.string().nullable(),
  cancel_reason: z.string().nullable(),
  status: z.enum(["issued", "cancelled"]),
  created_by: z.uuid().nullable(),
});

// The function `payments`

const amountSchema = z
  .number()
  .positive()
  .max(999_999_999_999)
  .refine((amount) => Math.abs(amount * 100 - Math.round(amount * 100)) < 1e-4, {
    message: "no more than two digits after the point",
  });

/** Body of POST /create-order. The gateway is Razorpay unless another is named. */
export const orderCreateSchema = z
  .object({
    amount: amountSchema.optional(),
    currency: z
      .string()
      .regex(/^[A-Za-z]{3}$/)
      .optional(),
    student_id: z.uuid().optional(),
    lead_id: z.uuid().optional(),
    /** A payment that is there already. */
    payment_id: z.uuid().optional(),
    installment_id: z.uuid().optional(),
    gateway: z.enum(paymentGateways).default("razorpay"),
    description: z.string().max(500).optional(),
    notes: z.string().max(5000).optional(),
    fee_type: z
      .string()
      .regex(/^[a-z][a-z0-9_]{0,59}$/)
      .optional(),
    academic_year: z
      .string()
      .regex(/^\d{4}(-\d{2}(\d{2})?)?$/)
      .optional(),
    semester: z.string().min(1).max(20).optional(),
    due_date: z.iso.date().optional(),
  })
  .refine((body) => body.payment_id || (body.amount && (body.student_id || body.lead_id)), {
    message: "payment_id, or amount with student_id or lead_id",
  });

/** Answer of POST /create-order. */
export const orderCreatedSchema = z.object({
  order_id: z.string(),
  /** In units of the currency, as in the request. */
  amount: z.number(),
  currency: z.string(),
  payment_id: z.uuid(),
  gateway: z.enum(paymentGateways),
  /** What the gateway's own script in the browser is given: Razorpay's key_id, Stripe's client_secret. */
  checkout: z.object({
    key_id: z.string().optional(),
    client_secret: z.string().optional(),
    amount_in_minor_units: z.number().int(),
  }),
});

/** Body of POST /{id}/process: what the gateway's script in the browser was told. */
export const paymentProcessSchema = z.object({
  gateway_transaction_id: z.string().min(1).max(200),
  gateway_response: z.record(z.string(), z.unknown()).default({}),
});

/** Answer of POST /{id}/process. */
export const paymentProcessedSchema = z.object({
  payment_id: z.uuid(),
  status: z.enum(paymentStatuses),
});

/** Body of POST /{id}/refund; all that is left without an amount. */
export const refundCreateSchema = z.object({
  refund_amount: amountSchema.optional(),
  refund_reason: z.string().max(500).optional(),
});

/** Answer of POST /{id}/refund. */
export const refundCreatedSchema = z.object({
  refund_id: z.uuid(),
  payment_id: z.uuid(),
  refund_amount: z.number(),
  currency: z.string(),
  /** requested: the gateway has not answered yet, and will be asked again. */
  status: z.enum(refundStatuses),
  payment_status: z.enum(paymentStatuses),
});

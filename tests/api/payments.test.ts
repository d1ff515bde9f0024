/** Payments: what a frontend asks, reads and may not write, without any gateway. */
import {
  feePlanAppliedSchema,
  installmentSchema,
  invoiceSchema,
  ledgerEntrySchema,
  paymentRecordedSchema,
  paymentSchema,
  receiptSchema,
} from "@intake/types";
import { beforeAll, describe, expect, it } from "vitest";
import { minorDigits } from "../../supabase/functions/_shared/money.ts";
import {
  createTeam,
  createUser,
  expectData,
  expectError,
  type Person,
  sql,
  timelineOf,
  unique,
} from "../helpers/index.ts";

let counselor: Person;
let manager: Person;
let stranger: Person;

beforeAll(async () => {
  const team = await createTeam();
  counselor = await createUser({ team });
  manager = await createUser({ role: "manager", team });
  stranger = await createUser({ team: await createTeam() });
});

async function addStudent(): Promise<string> {
  const { id } = expectData(
    await counselor.client
      .from("students")
      .insert({ name: unique("Student"), academic_year: "2025-26", semester: "1" })
      .select("id")
      .single(),
  );
  return id;
}

/** The body that the document sends. */
const document = (student_id: string) => ({
  amount: 50000.0,
  currency: "INR",
  student_id,
  payment_method: "razorpay",
  payment_gateway: "razorpay",
  fee_type: "course_fee",
  academic_year: "2025-26",
  semester: "1",
  due_date: "2025-07-01",
  notes: "First semester fee",
});

async function addPayment(student_id: string, more: Record<string, unknown> = {}) {
  const { data, error } = await counselor.client
    .from("payments")
    .insert({ ...document(student_id), ...more })
    .select()
    .single();
  expect(error).toBeNull();
  return paymentSchema.parse(data);
}

const record = (person: Person, p_payment_id: string) =>
  person.client.rpc("payment_record", {
    p_payment_id,
    p_method: "bank_transfer",
    p_reference: "UTR 42",
  });

describe("payments", () => {
  it("[D0-023] are asked for, and are pending whatever is said", async () => {
    const student = await addStudent();
    const payment = await addPayment(student);
    expect(payment).toMatchObject({
      ...document(student),
      status: "pending",
      paid_amount: 0,
      order_id: null,
      created_by: counselor.id,
      assigned_to: counselor.id,
    });
    for (const forged of [{ status: "completed" }, { paid_amount: 1 }, { order_id: "order_x" }]) {
      expectError(
        await counselor.client
          .from("payments")
          .insert({ ...document(student), ...forged } as never),
        { code: "42501" },
      );
      expectError(
        await counselor.client
          .from("payments")
          .update(forged as never)
          .eq("id", payment.id),
        { code: "42501" },
      );
    }
    expectError(await stranger.client.from("payments").insert(document(student)), {
      code: "42501",
    });
    expectError(await counselor.client.from("payments").delete().eq("id", payment.id), {
      code: "42501",
    });
  });

  it("[D0-022] are listed by status, student and time, page by page, to those who see the student", async () => {
    const student = await addStudent();
    const payments = [];
    for (let i = 0; i < 3; i++) payments.push(await addPayment(student));
    expectData(await record(manager, payments[0]!.id));
    expectData(await record(manager, payments[1]!.id));
    const since = new Date(Date.now() - 30 * 86_400_000).toISOString();
    const list = (person: Person) =>
      person.client
        .from("payments")
        .select("*", { count: "exact" })
        .eq("status", "completed")
        .eq("student_id", student)
        .gte("created_at", since)
        .order("created_at", { ascending: false })
        .range(0, 0);
    const page = await list(counselor);
    expect(page.count).toBe(2);
    expect(page.data?.map((row) => paymentSchema.parse(row).id)).toEqual([payments[1]!.id]);
    expect((await list(manager)).count).toBe(2);
    expect((await list(stranger)).count).toBe(0);
  });

  it("[D0-027] of one student are read with what they owe", async () => {
    const student = await addStudent();
    const plan = feePlanAppliedSchema.parse(
      expectData(
        await counselor.client.rpc("fee_plan_apply", {
          p_student_id: student,
          p_total: 120000,
          p_installments: { count: 2, first_due_date: "2025-07-01", every_months: 6 },
        }),
      ),
    );
    expect(plan.installments.map(({ amount, due_date }) => [amount, due_date])).toEqual([
      [60000, "2025-07-01"],
      [60000, "2026-01-01"],
    ]);
    const payment = await addPayment(student);
    expectData(await record(manager, payment.id));
    const { data } = await counselor.client.from("payments").select().eq("student_id", student);
    expect(data?.map((row) => row.id)).toEqual([payment.id]);
    const ledger = async (person: Person) =>
      expectData(
        await person.client
          .from("student_fee_ledger")
          .select()
          .eq("student_id", student)
          .order("entry_at"),
      ).map((row) => ledgerEntrySchema.parse(row));
    expect((await ledger(counselor)).map(({ kind, balance }) => [kind, balance])).toEqual([
      ["fee", 60000],
      ["fee", 120000],
      ["payment", 70000],
    ]);
    expect(await ledger(stranger)).toEqual([]);
  });

  it("[D0-074] a fee is divided into instalments, paid in order, and late ones are listed", async () => {
    const student = await addStudent();
    const apply = (person: Person, p_installments: object) =>
      person.client.rpc("fee_plan_apply", {
        p_student_id: student,
        p_total: 100,
        p_installments: p_installments as never,
        p_plan: { name: "Course", fee_type: "course_fee" },
      });
    expectError(await apply(stranger, { count: 1, first_due_date: "2026-01-01" }), {
      code: "PT404",
      details: "not_found",
    });
    expectError(await apply(counselor, [{ amount: 99, due_date: "2026-01-01" }]), {
      code: "PT422",
      details: "installments_do_not_add_up",
    });
    const plan = feePlanAppliedSchema.parse(
      expectData(await apply(counselor, { count: 3, first_due_date: "2025-01-31" })),
    );
    expect(plan.installments.map(({ amount }) => amount)).toEqual([33.34, 33.33, 33.33]);
    const payment = await addPayment(student, { amount: 50 });
    expectData(await record(manager, payment.id));
    const { data } = await counselor.client
      .from("fee_installments")
      .select()
      .eq("plan_id", plan.plan_id)
      .order("number");
    expect(data?.map((row) => installmentSchema.parse(row).status)).toEqual([
      "paid",
      "partially_paid",
      "pending",
    ]);
    const { data: late } = await counselor.client
      .from("overdue_installments")
      .select("number, balance")
      .eq("student_id", student)
      .order("number");
    expect(late).toEqual([
      { number: 2, balance: 16.67 },
      { number: 3, balance: 33.33 },
    ]);
    const { data: allocations } = await counselor.client
      .from("payment_allocations")
      .select("amount, fee_installments(number)")
      .eq("payment_id", payment.id)
      .order("amount", { ascending: false });
    expect(allocations).toEqual([
      { amount: 33.34, fee_installments: { number: 1 } },
      { amount: 16.66, fee_installments: { number: 2 } },
    ]);
  });

  it("[D0-073] what was paid has a receipt, what is due an invoice, and their numbers have no gap", async () => {
    const student = await addStudent();
    const payments = [await addPayment(student), await addPayment(student)];
    const [one, other] = payments.map(({ id }) => id) as [string, string];
    // Both at once: whoever comes second waits for the number of the first.
    for (const answer of await Promise.all([record(manager, one), record(manager, other)])) {
      expect(paymentRecordedSchema.parse(answer.data)).toMatchObject({ status: "completed" });
    }
    // Asked for again, and by somebody without the permission.
    expectData(await record(manager, one));
    expectError(await record(counselor, one), { code: "42501", details: "permission_denied" });
    const { data } = await counselor.client
      .from("receipts")
      .select()
      .in("payment_id", [one, other]);
    const receipts = (data ?? []).map((row) => receiptSchema.parse(row));
    expect(receipts).toHaveLength(2);
    expect(receipts[0]).toMatchObject({ amount: 50000, currency: "INR" });
    expect((await stranger.client.from("receipts").select().eq("payment_id", one)).data).toEqual(
      [],
    );
    const [gaps] = await sql()<{ missing: number; last: number }[]>`
      select (max(right(number, 6)::integer) - count(*))::integer as missing from public.receipts
      where left(number, 9) = ${receipts[0]!.number.slice(0, 9)}`;
    expect(gaps?.missing).toBe(0);

    const plan = feePlanAppliedSchema.parse(
      expectData(
        await counselor.client.rpc("fee_plan_apply", {
          p_student_id: student,
          p_total: 1000,
          p_installments: [{ amount: 1000, due_date: "2027-01-01" }],
        }),
      ),
    );
    const p_installment_id = plan.installments[0]!.id;
    const issue = async () =>
      invoiceSchema.parse(
        expectData(await counselor.client.rpc("invoice_issue", { p_installment_id })),
      );
    const invoice = await issue();
    expect(await issue()).toEqual(invoice);
    const cancelled = expectData(
      await counselor.client.rpc("invoice_cancel", {
        p_invoice_id: invoice.id,
        p_reason: "Wrong name",
      }),
    );
    expect(cancelled).toMatchObject({ number: invoice.number, status: "cancelled" });
    expect((await issue()).number > invoice.number).toBe(true);
    expectError(await stranger.client.rpc("invoice_issue", { p_installment_id }), {
      code: "PT404",
      details: "not_found",
    });
  });

  it("tell the timeline of the student, and whom the student belongs to", async () => {
    const student = await addStudent();
    const payment = await addPayment(student);
    expectData(await record(manager, payment.id));
    expect((await timelineOf(counselor, student))?.map(({ title }) => title)).toEqual([
      "Student Created",
      "Payment Received",
    ]);
    const { data } = await counselor.client
      .from("notifications")
      .select("title, type, metadata")
      .eq("student_id", student);
    expect(data).toEqual([
      {
        title: "Payment Received",
        type: "success",
        metadata: { event: "payment", payment_id: payment.id },
      },
    ]);
    expect(
      expectData(
        await counselor.client.rpc("payment_cancel", {
          p_payment_id: (await addPayment(student)).id,
        }),
      ),
    ).toMatchObject({ status: "cancelled" });
  });
});

describe("currencies", () => {
  it("have the same minor unit in the database and at the gateways", async () => {
    const rows = await sql()<{ code: string; digits: number }[]>`
      select a || b || c as code, private.currency_exponent(a || b || c) as digits
      from regexp_split_to_table('ABCDEFGHIJKLMNOPQRSTUVWXYZ', '') a,
        regexp_split_to_table('ABCDEFGHIJKLMNOPQRSTUVWXYZ', '') b,
        regexp_split_to_table('ABCDEFGHIJKLMNOPQRSTUVWXYZ', '') c
      where private.is_currency(a || b || c)`;
    expect(rows.length).toBeGreaterThan(150);
    expect(rows.filter(({ code, digits }) => minorDigits(code) !== digits)).toEqual([]);
  });
});

/**
 * Payments through the whole stack: function, gateway, webhook, inbox, worker, database. However the gateway tells,
 * twice, shuffled, forged or never, money is counted once; however often a refund is asked for, it is made once.
 */
import { orderCreatedSchema, paymentProcessedSchema, refundCreatedSchema } from "@intake/types";
import { beforeAll, describe, expect, it, vi } from "vitest";
import {
  createTeam,
  createUser,
  expectData,
  type Person,
  sql,
  stack,
  unique,
} from "../helpers/index.ts";
import { patience } from "./support/meta.ts";

vi.setConfig({ testTimeout: 2 * patience.timeout });

let counselor: Person;
let admin: Person;
let stranger: Person;

beforeAll(async () => {
  counselor = await createUser({ team: await createTeam() });
  stranger = await createUser({ team: await createTeam() });
  admin = await createUser({ role: "admin" });
}, 60_000);

async function control<T>(path: string, input: object): Promise<T> {
  const response = await fetch(`${stack().simulatorUrl}/_sim/${path}`, {
    method: "POST",
    body: JSON.stringify(input),
  });
  if (!response.ok) throw new Error(`${path}: ${await response.text()}`);
  return (await response.json()) as T;
}

async function ask(person: Person, path: string, body: object, key?: string) {
  const { data } = await person.client.auth.getSession();
  const response = await fetch(`${stack().url}/functions/v1/payments/${path}`, {
    method: "POST",
    headers: {
      apikey: stack().publishableKey,
      authorization: `Bearer ${data.session?.access_token ?? ""}`,
      "content-type": "application/json",
      ...(key ? { "idempotency-key": key } : {}),
    },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

async function addStudent(): Promise<string> {
  const { id } = expectData(
    await counselor.client
      .from("students")
      .insert({ name: unique("Payer") })
      .select("id")
      .single(),
  );
  return id;
}

async function order(more: Record<string, unknown> = {}, key?: string) {
  const student_id = (more.student_id as string | undefined) ?? (await addStudent());
  const answer = await ask(
    counselor,
    "create-order",
    { amount: 50000, currency: "INR", student_id, description: "Course fee", ...more },
    key,
  );
  expect(answer.status, JSON.stringify(answer.body)).toBe(200);
  return orderCreatedSchema.parse(answer.body);
}

const moneyOf = async (paymentId: string) => {
  const { data } = await counselor.client
    .from("payments")
    .select("status, paid_amount, refund_amount")
    .eq("id", paymentId)
    .single();
  return data;
};

const becomes = (paymentId: string, status: string, paid: number, refunded = 0) =>
  expect
    .poll(() => moneyOf(paymentId), patience)
    .toEqual({ status, paid_amount: paid, refund_amount: refunded });

interface Browser {
  razorpay_payment_id: string;
  razorpay_order_id: string;
  razorpay_signature: string;
}

const payAtRazorpay = (order_id: string, more: object = {}) =>
  control<Browser>("razorpay/pay", { order_id, ...more });

const fault = (input: object) => control("faults", { provider: "razorpay", ...input });

describe.runIf(stack().simulatorUrl)("an account at a gateway", () => {
  it("is connected once its keys were tried", async () => {
    const connect = (type: string, credentials: object) =>
      ask(admin, `../admin/integrations/${type}/connect`, { credentials });
    expect(await connect("razorpay", { key_id: "rzp_test_x", key_secret: "x" })).toMatchObject({
      status: 422,
      body: { details: "credentials_refused: webhook_secret is missing" },
    });
    const wrong = { key_id: "rzp_test_x", key_secret: "x", webhook_secret: "y" };
    expect(await connect("razorpay", wrong)).toMatchObject({
      status: 422,
      body: { details: expect.stringMatching(/^credentials_refused/) },
    });
    expect(await connect("stripe", { secret_key: "sk_x", webhook_secret: "y" })).toMatchObject({
      status: 422,
    });
  });
});

describe.runIf(stack().simulatorUrl)("an order", () => {
  it("[D0-024] is made at Razorpay: {order_id, amount, currency}, amounts in rupees here and in paise there", async () => {
    const made = await order();
    expect(made).toMatchObject({
      order_id: expect.stringMatching(/^order_/),
      amount: 50000,
      currency: "INR",
      gateway: "razorpay",
      checkout: { key_id: expect.stringMatching(/^rzp_/), amount_in_minor_units: 5000000 },
    });
    const orders = (await (await fetch(`${stack().simulatorUrl}/_sim/razorpay/orders`)).json()) as {
      id: string;
      amount: number;
      receipt: string;
    }[];
    expect(orders.find(({ id }) => id === made.order_id)).toMatchObject({
      amount: 5000000,
      receipt: made.payment_id.replaceAll("-", ""),
    });
  });

  it("is one order for one key, even when the first answer was lost", async () => {
    const student_id = await addStudent();
    const key = unique("key").replace(" ", "-");
    await fault({ kind: "reset", match: "/v1/orders" });
    const body = { amount: 700, currency: "INR", student_id };
    expect((await ask(counselor, "create-order", body, key)).status).toBe(502);
    const made = await order({ amount: 700, student_id }, key);
    expect(await order({ amount: 700, student_id }, key)).toEqual(made);
    const orders = (await (await fetch(`${stack().simulatorUrl}/_sim/razorpay/orders`)).json()) as {
      receipt: string;
    }[];
    const receipt = made.payment_id.replaceAll("-", "");
    expect(orders.filter((one) => one.receipt === receipt)).toHaveLength(1);
    const { error } = await counselor.client
      .from("payments")
      .update({ amount: 800 })
      .eq("id", made.payment_id);
    expect(error?.details).toMatch(/^payment_is_fixed/);
    const other = await ask(counselor, "create-order", { ...body, amount: 800 }, key);
    expect(other).toMatchObject({
      status: 409,
      body: { details: expect.stringMatching(/^idempotency_conflict/) },
    });
  });

  it("is refused for a student one does not see, for nothing, and for what the gateway does not take", async () => {
    const student_id = await addStudent();
    const body = { amount: 100, currency: "INR", student_id };
    expect((await ask(stranger, "create-order", body)).status).toBe(403);
    expect((await ask(counselor, "create-order", { ...body, amount: 0 })).status).toBe(422);
    expect((await ask(counselor, "create-order", { ...body, amount: 10.005 })).status).toBe(422);
    expect(await ask(counselor, "create-order", { ...body, amount: 0.5 })).toMatchObject({
      status: 422,
      body: { details: expect.stringMatching(/^gateway_refused/) },
    });
    // What was refused for certain may be put right, and asked for at another gateway.
    const [refused] = expectData(
      await counselor.client
        .from("payments")
        .update({ amount: 50 })
        .eq("student_id", student_id)
        .select("id"),
    );
    expect(
      await ask(counselor, "create-order", { payment_id: refused?.id, gateway: "stripe" }),
    ).toMatchObject({ status: 200, body: { amount: 50, gateway: "stripe" } });
  });

  it("[D0-070] Razorpay and Stripe both take one", async () => {
    const made = await order({ gateway: "stripe", amount: 120.5, currency: "USD" });
    expect(made).toMatchObject({
      order_id: expect.stringMatching(/^pi_/),
      checkout: {
        client_secret: expect.stringContaining("_secret_"),
        amount_in_minor_units: 12050,
      },
    });
    await control("stripe/pay", { payment_intent: made.order_id });
    await becomes(made.payment_id, "completed", 120.5);
    const { data } = await counselor.client
      .from("payments")
      .select("payment_method, gateway_transaction_id, gateway_response")
      .eq("id", made.payment_id)
      .single();
    expect(data).toMatchObject({
      payment_method: "card",
      gateway_transaction_id: expect.stringMatching(/^ch_/),
    });
    expect(JSON.stringify(data)).not.toContain("payer@example.com");
    const razorpay = await order();
    await payAtRazorpay(razorpay.order_id);
    await becomes(razorpay.payment_id, "completed", 50000);
  });
});

describe.runIf(stack().simulatorUrl)("what the browser brings back", () => {
  it("[D0-025] completes the payment if the gateway signed it, before any webhook", async () => {
    const made = await order();
    await control("faults", { provider: "razorpay", kind: "drop", times: 3 });
    const browser = await payAtRazorpay(made.order_id, { wait: true });
    expect(await moneyOf(made.payment_id)).toMatchObject({ status: "pending" });
    const bring = (person: Person, signature: string) =>
      ask(person, `${made.payment_id}/process`, {
        gateway_transaction_id: browser.razorpay_payment_id,
        gateway_response: { ...browser, razorpay_signature: signature },
      });
    const forged = browser.razorpay_signature.replace(/^./, (c) => (c === "0" ? "1" : "0"));
    expect(await bring(counselor, forged)).toMatchObject({
      status: 401,
      body: { details: "signature_invalid" },
    });
    expect((await bring(stranger, browser.razorpay_signature)).status).toBe(404);
    expect(await moneyOf(made.payment_id)).toMatchObject({ status: "pending" });
    for (let i = 0; i < 2; i++) {
      const answer = await bring(counselor, browser.razorpay_signature);
      expect(paymentProcessedSchema.parse(answer.body)).toEqual({
        payment_id: made.payment_id,
        status: "completed",
      });
    }
    expect(await moneyOf(made.payment_id)).toMatchObject({ paid_amount: 50000 });
  });

  it("captures what the bank allowed late", async () => {
    const made = await order();
    const browser = await payAtRazorpay(made.order_id, { outcome: "authorized" });
    const answer = await ask(counselor, `${made.payment_id}/process`, {
      gateway_transaction_id: browser.razorpay_payment_id,
      gateway_response: browser,
    });
    expect(answer.body).toMatchObject({ status: "completed" });
  });

  it("takes no money for a payment that was cancelled", async () => {
    const made = await order();
    const { error } = await counselor.client.rpc("payment_cancel", {
      p_payment_id: made.payment_id,
    });
    expect(error).toBeNull();
    const browser = await payAtRazorpay(made.order_id, { outcome: "authorized", wait: true });
    const answer = await ask(counselor, `${made.payment_id}/process`, {
      gateway_transaction_id: browser.razorpay_payment_id,
      gateway_response: browser,
    });
    expect(answer.body).toMatchObject({ status: "cancelled" });
    expect(await moneyOf(made.payment_id)).toMatchObject({ status: "cancelled", paid_amount: 0 });
  });
});

describe.runIf(stack().simulatorUrl)("webhooks", () => {
  it("[D0-071] however they come, twice, out of order or forged, the payment ends in one state", async () => {
    const failed = await order();
    await payAtRazorpay(failed.order_id, { outcome: "failed", wait: true });
    await becomes(failed.payment_id, "failed", 0);
    // Failed is not the end.
    await payAtRazorpay(failed.order_id);
    await becomes(failed.payment_id, "completed", 50000);

    for (const kind of ["duplicate", "reorder"]) {
      const made = await order();
      await fault({ kind, copies: 3 });
      await payAtRazorpay(made.order_id, { wait: kind === "duplicate" });
      await becomes(made.payment_id, "completed", 50000);
      await control("razorpay/release", {});
    }

    const forged = await order();
    await fault({ kind: "forge", times: 12 });
    await payAtRazorpay(forged.order_id);
    await expect
      .poll(async () => {
        const [row] = await sql()<{ count: number }[]>`
          select coalesce(sum(count), 0)::integer as count from private.webhook_rejections
          where provider = 'razorpay' and reason = 'signature'`;
        return row?.count;
      }, patience)
      .toBeGreaterThan(0);
    expect(await moneyOf(forged.payment_id)).toMatchObject({ status: "pending" });
    await fetch(`${stack().simulatorUrl}/_sim/faults`, { method: "DELETE" });
  });

  it("that never come are made up for by asking the gateway", async () => {
    const made = await order();
    await fault({ kind: "drop", times: 3 });
    await payAtRazorpay(made.order_id, { wait: true });
    await sql()`
      update private.payment_orders set next_check_at = now() - interval '1 minute'
      where payment_id = ${made.payment_id}`;
    await sql()`select private.enqueue('payments.reconcile')`;
    await becomes(made.payment_id, "completed", 50000);
  });

  it("say nothing here of the person who paid", async () => {
    const rows = await sql()<{ raw: string }[]>`
      select convert_from(raw, 'utf8') as raw from private.webhook_inbox
      where provider in ('razorpay', 'stripe') and state = 'processed' limit 50`;
    expect(rows.length).toBeGreaterThan(0);
    expect(rows.filter(({ raw }) => /payer@example|98765|A Payer|4242/.test(raw))).toEqual([]);
  });
});

describe.runIf(stack().simulatorUrl)("refunds", () => {
  async function paid(gateway = "razorpay") {
    const made = await order({ gateway, amount: 1000 });
    if (gateway === "stripe") await control("stripe/pay", { payment_intent: made.order_id });
    else await payAtRazorpay(made.order_id);
    await becomes(made.payment_id, "completed", 1000);
    return made;
  }

  const refund = (person: Person, paymentId: string, body: object, key?: string) =>
    ask(person, `${paymentId}/refund`, body, key);

  it("[D0-026] go back in part, once for a key, and never more than came", async () => {
    const made = await paid();
    expect((await refund(counselor, made.payment_id, { refund_amount: 1 })).status).toBe(403);
    const body = { refund_amount: 400, refund_reason: "Left early" };
    const key = unique("refund").replace(" ", "-");
    const first = await refund(admin, made.payment_id, body, key);
    expect(refundCreatedSchema.parse(first.body)).toMatchObject({
      refund_amount: 400,
      status: "succeeded",
      payment_status: "partially_refunded",
    });
    expect(await refund(admin, made.payment_id, body, key)).toEqual(first);
    expect(await refund(admin, made.payment_id, { refund_amount: 600.01 })).toMatchObject({
      status: 409,
      body: { details: "refund_too_large: 600.00" },
    });
    expect((await refund(admin, made.payment_id, {})).body).toMatchObject({
      refund_amount: 600,
      payment_status: "refunded",
    });
    expect(await moneyOf(made.payment_id)).toEqual({
      status: "refunded",
      paid_amount: 1000,
      refund_amount: 1000,
    });
    const { data } = await counselor.client
      .from("refunds")
      .select("amount, status, reason")
      .eq("payment_id", made.payment_id)
      .order("amount");
    expect(data).toEqual([
      { amount: 400, status: "succeeded", reason: "Left early" },
      { amount: 600, status: "succeeded", reason: null },
    ]);
  });

  it("[D0-072] asked for all at once are made as far as the money goes", async () => {
    const made = await paid();
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => refund(admin, made.payment_id, { refund_amount: 300 })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([
      200, 200, 200, 409, 409, 409, 409, 409,
    ]);
    expect(await moneyOf(made.payment_id)).toMatchObject({ paid_amount: 1000, refund_amount: 900 });
  });

  it("whose answer was lost are made once all the same, at Stripe too", async () => {
    for (const provider of ["razorpay", "stripe"]) {
      const made = await paid(provider);
      await control("faults", { provider, kind: "reset", match: "refund" });
      await control("faults", { provider, kind: "drop", times: 2 });
      const answer = await refund(admin, made.payment_id, { refund_amount: 250 });
      expect(answer).toMatchObject({ status: 202, body: { status: "requested" } });
      await fetch(`${stack().simulatorUrl}/_sim/faults`, { method: "DELETE" });
      await sql()`
        update private.jobs set run_at = now()
        where kind = 'payments.refund' and payload ->> 'refund_id' = ${String(answer.body.refund_id)}`;
      await becomes(made.payment_id, "partially_refunded", 1000, 250);
      const { data } = await counselor.client
        .from("refunds")
        .select("status")
        .eq("payment_id", made.payment_id);
      expect(data).toEqual([{ status: "succeeded" }]);
    }
  });

  it("made at the gateway by hand are counted, and one that fails in the end is not", async () => {
    const made = await paid("stripe");
    const answer = await refund(admin, made.payment_id, { refund_amount: 100 });
    expect(answer.status).toBe(200);
    await becomes(made.payment_id, "partially_refunded", 1000, 100);
    const [row] = await sql()<{ id: string }[]>`
      select gateway_refund_id as id from public.refunds where payment_id = ${made.payment_id}`;
    await control("stripe/refund_fails", { refund_id: row!.id });
    await becomes(made.payment_id, "completed", 1000);

    const other = await paid();
    const { data } = await counselor.client
      .from("payments")
      .select("gateway_transaction_id")
      .eq("id", other.payment_id)
      .single();
    await control("razorpay/refund", { payment_id: data?.gateway_transaction_id, amount: 20000 });
    await becomes(other.payment_id, "partially_refunded", 1000, 200);
  });
});

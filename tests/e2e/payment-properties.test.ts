/**
 * A model of money: whatever gateways tell, in any order, again and again, with crashes in between, a payment ends
 * where the model says, with captured − refunded counted once.
 */
import { randomUUID } from "node:crypto";
import fc from "fast-check";
import type postgres from "postgres";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { razorpayEvent } from "../../supabase/functions/_shared/providers/razorpay.ts";
import { stripeEvent } from "../../supabase/functions/_shared/providers/stripe.ts";
import { connect } from "../helpers/database.ts";
import { createUser, type Person } from "../helpers/index.ts";

const amount = 1000;

// Several at once, which is what this is about.
const pool = connect({ max: 8 });
const sql = () => pool;

let owner: Person;
let other: Person;
const students: string[] = [];

beforeAll(async () => {
  owner = await createUser();
  other = await createUser();
});

afterAll(async () => {
  await sql()`delete from public.students where id = any(${students})`;
  await pool.end();
});

/** How far each attempt and each refund gets at the gateway. */
interface World {
  attempts: { ends: "failed" | "authorized" | "captured"; refunds: Refund[] }[];
}

interface Refund {
  share: number;
  ends: "processing" | "succeeded" | "failed";
}

const worlds: fc.Arbitrary<World> = fc.record({
  attempts: fc.array(
    fc.record({
      ends: fc.constantFrom("failed" as const, "authorized" as const, "captured" as const),
      refunds: fc.array(
        fc.record({
          share: fc.integer({ min: 1, max: 33 }),
          ends: fc.constantFrom("processing" as const, "succeeded" as const, "failed" as const),
        }),
        { maxLength: 3 },
      ),
    }),
    { minLength: 1, maxLength: 3 },
  ),
});

type Deliver = (kind: "payment" | "refund", entity: Record<string, unknown>) => unknown;

/** Everything the gateway has to tell of a world, each thing in each state that it goes through. */
function deliveries(world: World, order: string, gateway: "razorpay" | "stripe") {
  const told: unknown[] = [];
  const razorpay: Deliver = (kind, { payment, refund, event }) => ({
    event,
    payload: {
      payment: { entity: payment },
      ...(kind === "refund" ? { refund: { entity: refund } } : {}),
    },
  });
  world.attempts.forEach((attempt, index) => {
    const id = `${order}-${index}`;
    const path = {
      failed: ["created", "failed"],
      authorized: ["failed", "authorized"],
      captured: ["created", "failed", "authorized", "captured"],
    }[attempt.ends];
    for (const status of path) {
      if (gateway === "razorpay") {
        const payment = {
          id: `pay_${id}`,
          amount: amount * 100,
          currency: "INR",
          status,
          order_id: order,
          method: "upi",
          captured: status === "captured",
          notes: [],
          created_at: 1_790_000_000 + index,
        };
        // There is no event of a payment that was created; it comes with a snapshot.
        const event = status === "created" ? "payment.failed" : `payment.${status}`;
        told.push(razorpay("payment", { payment, event }));
        if (status === "captured") {
          const paid = { event: "order.paid", payload: { order: { entity: { id: order } } } };
          told.push({ ...paid, payload: { ...paid.payload, payment: { entity: payment } } });
        }
      } else {
        told.push({
          id: `evt_${randomUUID()}`,
          type: status === "failed" ? "charge.failed" : "charge.succeeded",
          data: {
            object: {
              object: "charge",
              id: `ch_${id}`,
              amount: amount * 100,
              amount_captured: status === "captured" ? amount * 100 : 0,
              captured: status === "captured",
              status: { failed: "failed", created: "pending" }[status] ?? "succeeded",
              currency: "inr",
              payment_intent: order,
              created: 1_790_000_000 + index,
            },
          },
        });
      }
    }
    attempt.refunds.forEach((refund, place) => {
      const ends = { processing: [], succeeded: ["succeeded"], failed: ["succeeded", "failed"] };
      for (const status of ["processing", ...ends[refund.ends]]) {
        const minor = refund.share * 1000;
        const created = 1_790_100_000 + place;
        if (gateway === "razorpay") {
          const names: Record<string, [string, string]> = {
            processing: ["pending", "refund.created"],
            succeeded: ["processed", "refund.processed"],
            failed: ["failed", "refund.failed"],
          };
          const [said, event] = names[status]!;
          // Of a payment that was refunded in the end, whatever it was when the refund was made.
          const payment = {
            id: `pay_${id}`,
            amount: amount * 100,
            currency: "INR",
            status: attempt.ends,
            order_id: order,
            captured: attempt.ends === "captured",
            notes: [],
            created_at: 1_790_000_000 + index,
          };
          const entity = {
            id: `rfnd_${id}-${place}`,
            payment_id: `pay_${id}`,
            amount: minor,
            currency: "INR",
            status: said,
            notes: [],
            created_at: created,
          };
          told.push(razorpay("refund", { payment, refund: entity, event }));
        } else {
          told.push({
            id: `evt_${randomUUID()}`,
            type: "refund.updated",
            data: {
              object: {
                object: "refund",
                id: `re_${id}-${place}`,
                amount: minor,
                currency: "inr",
                charge: `ch_${id}`,
                payment_intent: order,
                status: { processing: "pending" }[status] ?? status,
                created,
              },
            },
          });
        }
      }
    });
  });
  return told;
}

/** What is true in the end. */
function model({ attempts }: World) {
  const captured = attempts.filter(({ ends }) => ends === "captured");
  const paid = captured.length * amount;
  const back = captured
    .flatMap(({ refunds }) => refunds)
    .filter(({ ends }) => ends === "succeeded")
    .reduce((sum, { share }) => sum + share * 10, 0);
  const has = (end: string) => attempts.some(({ ends }) => ends === end);
  const status =
    paid > 0
      ? back === 0
        ? "completed"
        : back < paid
          ? "partially_refunded"
          : "refunded"
      : has("authorized")
        ? "processing"
        : "failed";
  return { status, paid, back, net: paid - back };
}

async function newPayment(
  order: string,
  gateway: string,
): Promise<{ id: string; student: string }> {
  const [student] = await sql()<{ id: string }[]>`
    insert into public.students (name, assigned_to) values ('Of the model', ${owner.id}) returning id`;
  students.push(student!.id);
  const [payment] = await sql()<{ id: string }[]>`
    insert into public.payments (student_id, amount, payment_gateway) values (${student!.id}, ${amount}, ${gateway}) returning id`;
  await sql()`update public.payments set order_id = ${order} where id = ${payment!.id}`;
  return { id: payment!.id, student: student!.id };
}

const apply = (tx: postgres.Sql | postgres.TransactionSql, gateway: string, event: unknown) =>
  tx`select private.payment_apply_event(${gateway}, ${JSON.stringify(event)}::text::jsonb)`;

async function standing(id: string) {
  const [row] = await sql()`
    select status, paid_amount::float as paid, refund_amount::float as back, net_amount::float as net
    from public.payments where id = ${id}`;
  return row;
}

class Crash extends Error {}

/** An order of telling: everything at least once, some of it again, some of it first in vain. */
const tellings = (count: number) =>
  fc
    .tuple(
      fc.shuffledSubarray([...Array(count).keys()], { minLength: count, maxLength: count }),
      fc.array(fc.nat({ max: Math.max(count - 1, 0) }), { maxLength: 2 * count }),
    )
    .chain(([all, again]) =>
      fc.tuple(
        fc.shuffledSubarray(
          [...all, ...again].map((event, place) => ({ event, place })),
          { minLength: all.length + again.length },
        ),
        fc.array(fc.boolean(), {
          minLength: all.length + again.length,
          maxLength: all.length + again.length,
        }),
      ),
    )
    .map(([order, crashes]) => order.map(({ event }, place) => ({ event, crash: crashes[place] })));

describe.each(["razorpay", "stripe"] as const)("whatever %s tells", (gateway) => {
  const parse = gateway === "razorpay" ? razorpayEvent : stripeEvent;

  it("in whatever order, again, and with crashes, ends where the model says", async () => {
    let run = 0;
    await fc.assert(
      fc.asyncProperty(
        worlds.chain((world) => {
          const count = deliveries(world, "order", gateway).length;
          return fc.tuple(fc.constant(world), tellings(count));
        }),
        async ([world, telling]) => {
          const order = `order_${randomUUID()}_${run++}`;
          const { id } = await newPayment(order, gateway);
          const events = deliveries(world, order, gateway).map((delivery) => parse(delivery));
          expect(events).not.toContain(null);
          for (const { event, crash } of telling) {
            if (crash) {
              // The worker dies before it commits, and the event comes again.
              await sql()
                .begin(async (tx) => {
                  await apply(tx, gateway, events[event]);
                  throw new Crash();
                })
                .catch((error: unknown) => {
                  if (!(error instanceof Crash)) throw error;
                });
            }
            await apply(sql(), gateway, events[event]);
          }
          expect(await standing(id)).toEqual(model(world));
          const [papers] = await sql()<{ receipts: number }[]>`
            select count(*)::integer as receipts from public.receipts where payment_id = ${id}`;
          expect(papers?.receipts).toBe(model(world).paid > 0 ? 1 : 0);
        },
      ),
      { numRuns: 15 },
    );
  });
});

describe("at the same time", () => {
  it("a delivery and a student who changes hands wait for each other, one way round", async () => {
    const order = `order_${randomUUID()}`;
    const { id, student } = await newPayment(order, "razorpay");
    const world: World = { attempts: [{ ends: "captured", refunds: [] }] };
    const [event] = deliveries(world, order, "razorpay").map(razorpayEvent).slice(-1);
    let moving: Promise<unknown> | undefined;
    await sql().begin(async (tx) => {
      const [me] = await tx<{ pid: number }[]>`select pg_backend_pid() as pid`;
      await tx`select private.lock_payment(${id})`;
      moving =
        sql()`update public.students set assigned_to = ${other.id} where id = ${student}`.execute();
      const waits = async () => {
        const [row] = await sql()<{ is_so: boolean }[]>`
          select exists (select from pg_stat_activity a where ${me!.pid} = any (pg_blocking_pids(a.pid))) as is_so`;
        return row?.is_so;
      };
      await expect.poll(waits, { timeout: 10_000, interval: 20 }).toBe(true);
      await apply(tx, "razorpay", event);
    });
    await moving;
    expect(await standing(id)).toMatchObject({ status: "completed", paid: 1000 });
    const [row] = await sql()`select assigned_to from public.payments where id = ${id}`;
    expect(row).toEqual({ assigned_to: other.id });
  });

  it("deliveries of one payment, a student who changes hands and a fee that is divided never deadlock", async () => {
    const made = await Promise.all(
      Array.from({ length: 4 }, () => newPayment(`order_${randomUUID()}`, "razorpay")),
    );
    const rounds = made.flatMap(({ id, student }) => {
      const world: World = {
        attempts: [{ ends: "captured", refunds: [{ share: 10, ends: "succeeded" }] }],
      };
      return [
        async () => {
          const [row] = await sql()<{ order_id: string }[]>`
            select order_id from public.payments where id = ${id}`;
          const events = deliveries(world, row!.order_id, "razorpay").map(razorpayEvent);
          await Promise.all(events.map((event) => apply(sql(), "razorpay", event)));
        },
        async () => {
          for (const person of [other, owner, other]) {
            await sql()`update public.students set assigned_to = ${person.id} where id = ${student}`;
          }
        },
        async () => {
          const { error } = await owner.client.rpc("fee_plan_apply", {
            p_student_id: student,
            p_total: 1500,
            p_installments: { count: 3, first_due_date: "2026-01-01" },
          });
          // Theirs no more by then.
          if (error) expect(error.details).toMatch(/^not_found/);
        },
      ];
    });
    await Promise.all(rounds.map((round) => round()));
    for (const { id, student } of made) {
      expect(await standing(id)).toEqual({
        status: "partially_refunded",
        paid: 1000,
        back: 100,
        net: 900,
      });
      const [fees] = await sql()<{ paid: number; wanted: number }[]>`
        select coalesce(sum(i.paid_amount), 0)::float as paid, coalesce(sum(i.amount), 0)::float as wanted
        from public.fee_installments i where i.student_id = ${student}`;
      expect(fees?.paid).toBe(fees?.wanted === 0 ? 0 : 900);
      const [loose] = await sql()<{ n: number }[]>`
        select count(*)::integer as n from public.payments p join public.students s on s.id = p.student_id
        where p.id = ${id} and (p.assigned_to, p.team_id) is distinct from (s.assigned_to, s.team_id)`;
      expect(loose?.n).toBe(0);
    }
  });
});

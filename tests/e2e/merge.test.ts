/** Merging is reversible: whatever is merged in whatever order comes back byte for byte. */
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { connect } from "../helpers/database.ts";
import { createUser, type Person, unique } from "../helpers/index.ts";

const sql = connect({ max: 2 });
const seed = Number(process.env.INTAKE_TEST_SEED ?? 20_261_121);

afterAll(() => sql.end());

type Transaction = Parameters<Parameters<typeof sql.begin>[1]>[0];

class Undo extends Error {}

/** A world of its own that leaves nothing behind. */
async function inTransaction(work: (tx: Transaction) => Promise<void>): Promise<void> {
  await sql
    .begin(async (tx) => {
      await work(tx);
      throw new Undo();
    })
    .catch((error: unknown) => {
      if (!(error instanceof Undo)) throw error;
    });
}

async function actAs(tx: Transaction, person: Person): Promise<void> {
  const [session] = await tx`select id from auth.sessions where user_id = ${person.id} limit 1`;
  const claims = JSON.stringify({ sub: person.id, session_id: session?.id, role: "authenticated" });
  await tx`select set_config('request.jwt.claims', ${claims}, true)`;
}

/** Every row of the leads and of everything that points at them, as text. */
async function snapshot(tx: Transaction, leads: string[]): Promise<string[]> {
  const children = await tx<{ child: string; child_column: string }[]>`
    select child::text, child_column from private.lead_children()
  `;
  const rows = await tx<
    { body: string }[]
  >`select 'lead ' || l::text as body from public.leads l where l.id in ${tx(leads)}`;
  const bodies = rows.map((row) => row.body);
  for (const { child, child_column } of children) {
    const found = await tx.unsafe<{ body: string }[]>(
      `select '${child} ' || t::text as body from ${child} t where t.${child_column} = any ($1)`,
      [leads],
    );
    bodies.push(...found.map((row) => row.body));
  }
  return bodies.sort();
}

const person = fc.record({
  email: fc.boolean(),
  phone: fc.boolean(),
  course: fc.option(fc.constantFrom("MBBS", "Cardiology"), { nil: null }),
  tags: fc.subarray(["hot", "cold", "walk-in"]),
  answers: fc.dictionary(
    fc.constantFrom("city", "year", "q1"),
    fc.oneof(fc.string(), fc.integer()),
  ),
  stage: fc.constantFrom("new", "contacted", "qualified", "lost"),
  value: fc.integer({ min: 0, max: 100_000 }),
  children: fc.boolean(),
});

/** One of everything that hangs on a lead and keeps a version. */
async function addChildren(tx: Transaction, lead: string, agent: string): Promise<void> {
  await tx`insert into public.tasks (lead_id, assigned_to, title) values (${lead}, ${agent}, 'Follow up')`;
  await tx`insert into public.calls (lead_id, agent_id, type, duration) values (${lead}, ${agent}, 'outbound', 60)`;
  await tx`insert into public.reminders (lead_id, agent_id, title, remind_at) values (${lead}, ${agent}, 'Call back', now() + interval '1 day')`;
  await tx`insert into public.notes (lead_id, author_id, content) values (${lead}, ${agent}, 'Wants a hostel')`;
  await tx`insert into public.communications (lead_id, user_id, type, direction, content) values (${lead}, ${agent}, 'meeting', 'outbound', 'Met')`;
  await tx`insert into public.contacts (lead_id, name) values (${lead}, 'Mother')`;
  await tx`insert into public.deals (lead_id, name, value) values (${lead}, 'Fellowship', 10)`;
  await tx`insert into public.documents (lead_id, document_name, document_type) values (${lead}, 'Marks', 'certificate')`;
  const [student] =
    await tx`insert into public.students (lead_id, name) values (${lead}, 'Learner') returning id`;
  await tx`insert into public.payments (student_id, amount) values (${String(student?.id)}, 100)`;
}

const merge = fc.record({
  target: fc.nat(4),
  sources: fc.subarray([0, 1, 2, 3, 4], { minLength: 1 }),
});

describe("any sequence of merges, undone in reverse", () => {
  it("gives every row back byte for byte", async () => {
    const admin = await createUser({ role: "admin" });
    let run = 0;
    const property = fc.asyncProperty(
      fc.array(person, { minLength: 5, maxLength: 5 }),
      fc.array(merge, { minLength: 1, maxLength: 3 }),
      async (people, merges) => {
        run += 1;
        const tag = unique("merge").replace(" ", ".");
        await inTransaction(async (tx) => {
          const leads: string[] = [];
          for (const [n, given] of people.entries()) {
            const [lead] = await tx`
              insert into public.leads (name, email, phone, course, tags, custom_fields, value)
              values (
                ${`Person ${n}`}, ${given.email ? `${tag}.${n}@example.test` : null},
                ${given.phone ? `+9177${String(run % 10_000).padStart(4, "0")}${String(n).padStart(4, "0")}` : null},
                ${given.course}, ${given.tags}, ${tx.json(given.answers)}, ${given.value}
              ) returning id
            `;
            leads.push(String(lead?.id));
            if (given.stage !== "new") {
              await tx`update public.leads set status = ${given.stage} where id = ${String(lead?.id)}`;
            }
            if (given.children) await addChildren(tx, String(lead?.id), admin.id);
          }
          await actAs(tx, admin);
          const before = await snapshot(tx, leads);
          const done: string[] = [];
          const gone = new Set<number>();
          for (const { target, sources } of merges) {
            const from = sources.filter((n) => n !== target && !gone.has(n));
            if (gone.has(target) || from.length === 0) continue;
            for (const n of from) gone.add(n);
            const [answer] = await tx<{ merge_id: string }[]>`
              select public.merge_leads(${String(leads[target])}, ${from.map((n) => String(leads[n]))}) ->> 'merge_id' as merge_id
            `;
            done.push(String(answer?.merge_id));
          }
          for (const id of done.reverse()) {
            const [answer] = await tx`select public.unmerge(${id}) -> 'changed_since' as changed`;
            expect(answer?.changed).toEqual([]);
          }
          expect(await snapshot(tx, leads)).toEqual(before);
        });
      },
    );
    await fc.assert(property, { seed, numRuns: 25 });
  });
});

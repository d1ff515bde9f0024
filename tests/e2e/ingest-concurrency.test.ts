/** Enquiries that come several times and at the same time: one live lead per person, none lost. */
import fc from "fast-check";
import type postgres from "postgres";
import { afterAll, describe, expect, it } from "vitest";
import { connect } from "../helpers/database.ts";

const sql = connect({ max: 8 });
const seed = Number(process.env.INTAKE_TEST_SEED ?? 20_261_121);

afterAll(() => sql.end());

interface Delivery {
  source: string;
  externalId: string;
  email?: string;
  phone?: string;
}

interface Answer {
  id: string;
  is_new: boolean;
}

const ingest = async (delivery: Delivery): Promise<Answer> => {
  const { source, externalId, ...fields } = delivery;
  const [answer] = await sql<Answer[]>`
    select id, is_new from private.ingest_lead(${source}, ${externalId}, ${sql.json({ name: "Somebody", ...fields })})
  `;
  return answer!;
};

/** Every run has people of its own. */
let run = 0;

function people() {
  run++;
  const tag = `${process.pid}.${Date.now()}.${run}`;
  const digits = String((Date.now() * 100 + run) % 10_000_000).padStart(7, "0");
  return {
    email: (person: number) => `person.${tag}.${person}@example.test`,
    phone: (person: number) => `+919${digits}${String(person).padStart(2, "0")}`,
    id: (delivery: number) => `${tag}.${delivery}`,
  };
}

async function liveLeads(of: ReturnType<typeof people>, persons: number) {
  const emails = Array.from({ length: persons }, (_, person) => of.email(person));
  const phones = Array.from({ length: persons }, (_, person) => of.phone(person));
  return sql<{ id: string; email: string | null; phone: string | null }[]>`
    select id, email, phone from public.leads
    where deleted_at is null and (email = any (${emails}) or phone = any (${phones}))
  `;
}

const unique = (values: (string | null)[]) => {
  const present = values.filter((value) => value !== null);
  return new Set(present).size === present.length;
};

describe("the same delivery", () => {
  it("makes one lead, however often it comes at once", async () => {
    const of = people();
    const delivery = { source: "Facebook Ad", externalId: of.id(0), email: of.email(0) };
    const answers = await Promise.all(Array.from({ length: 40 }, () => ingest(delivery)));
    expect(answers.filter((answer) => answer.is_new)).toHaveLength(1);
    expect(new Set(answers.map((answer) => answer.id)).size).toBe(1);
    expect(await liveLeads(of, 1)).toHaveLength(1);
  });
});

describe("the same person", () => {
  it("has one lead, though every delivery is another", async () => {
    const of = people();
    const deliveries = Array.from({ length: 40 }, (_, n) => ({
      source: n % 2 === 0 ? "Facebook Ad" : "Website",
      externalId: of.id(n),
      email: of.email(0),
      phone: of.phone(0),
    }));
    const answers = await Promise.all(deliveries.map(ingest));
    expect(answers.filter((answer) => answer.is_new)).toHaveLength(1);
    expect(await liveLeads(of, 1)).toMatchObject([{ email: of.email(0), phone: of.phone(0) }]);
  });
});

describe("the same person, by hand and from outside", () => {
  it("has one lead and an enquiry for every time they came", async () => {
    const of = people();
    const enquiries = Array.from({ length: 40 }, (_, n) => {
      const person = { email: of.email(0), phone: of.phone(0) };
      return n % 2 === 0
        ? ingest({ source: "Website", externalId: of.id(n), ...person })
        : sql`insert into public.leads ${sql({ name: "By hand", ...person })}`;
    });
    await Promise.all(enquiries);
    const leads = await liveLeads(of, 1);
    expect(leads).toHaveLength(1);
    const [kept] = await sql`
      select l.enquiries_count, (select count(*)::int from public.lead_enquiries e where e.lead_id = l.id) as enquiries
      from public.leads l where l.id = ${leads[0]!.id}
    `;
    expect(kept).toEqual({ enquiries_count: 40, enquiries: 40 });
  });
});

describe("a person whose addresses are changed while they enquire", () => {
  it("deadlocks nobody: who comes second is told that the address is taken", async () => {
    const refusals: string[] = [];
    for (let round = 0; round < 30; round++) {
      const of = people();
      const web = (delivery: number, fields: { email?: string; phone?: string }) =>
        ingest({ source: "Website", externalId: of.id(delivery), ...fields });
      await web(0, { phone: of.phone(0) });
      await web(1, { email: of.email(1) });
      const results = await Promise.allSettled<unknown>([
        sql`update public.leads set email = ${of.email(0)} where phone = ${of.phone(0)}`,
        web(2, { phone: of.phone(0), email: of.email(0) }),
        sql`update public.leads set phone = ${of.phone(1)} where email = ${of.email(1)}`,
        web(3, { phone: of.phone(1), email: of.email(1) }),
        sql`insert into public.leads (name, email, phone) values ('Both', ${of.email(0)}, ${of.phone(1)})`,
      ]);
      for (const result of results) {
        if (result.status === "rejected") refusals.push((result.reason as { code: string }).code);
      }
      const leads = await liveLeads(of, 2);
      expect(unique(leads.map((lead) => lead.email))).toBe(true);
      expect(unique(leads.map((lead) => lead.phone))).toBe(true);
    }
    expect(refusals.filter((code) => code !== "23505" && code !== "PT409")).toEqual([]);
  });
});

describe("a person whose lead goes while they enquire", () => {
  /** Does something, and commits when the other waits for it. */
  async function meanwhile(
    work: (tx: postgres.TransactionSql) => Promise<unknown>,
    other: () => PromiseLike<unknown>,
  ): Promise<void> {
    let waiting: PromiseLike<unknown> | undefined;
    await sql.begin(async (tx) => {
      const [me] = await tx<{ pid: number }[]>`select pg_backend_pid() as pid`;
      await work(tx);
      waiting = Promise.resolve(other());
      const waits = async () => {
        const [found] = await sql<{ is_so: boolean }[]>`
          select exists (select from pg_stat_activity a where ${me!.pid} = any (pg_blocking_pids(a.pid))) as is_so`;
        return found!.is_so;
      };
      await expect.poll(waits, { timeout: 10_000, interval: 20 }).toBe(true);
    });
    await waiting;
  }

  const ways = {
    "from outside": (of: ReturnType<typeof people>) =>
      ingest({ source: "Website", externalId: of.id(1), phone: of.phone(0) }),
    "by hand": (of: ReturnType<typeof people>) =>
      sql`insert into public.leads (name, phone) values ('By hand', ${of.phone(0)})`,
  };

  it.each(Object.entries(ways))("is whose the address is then, %s", async (_, enquire) => {
    const of = people();
    const other = await ingest({ source: "Website", externalId: of.id(2), email: of.email(0) });
    const first = await ingest({ source: "Website", externalId: of.id(0), phone: of.phone(0) });
    await meanwhile(
      async (tx) => {
        await tx`update public.leads set phone = null where id = ${first.id}`;
        await tx`update public.leads set phone = ${of.phone(0)} where id = ${other.id}`;
      },
      () => enquire(of),
    );
    const counts = await sql`
      select id, enquiries_count from public.leads where id in (${first.id}, ${other.id}) order by id = ${first.id}`;
    expect(counts).toEqual([
      { id: other.id, enquiries_count: 2 },
      { id: first.id, enquiries_count: 1 },
    ]);
  });

  it.each(Object.entries(ways))("is a new lead, %s, if theirs was deleted", async (_, enquire) => {
    const of = people();
    const first = await ingest({ source: "Website", externalId: of.id(0), phone: of.phone(0) });
    await meanwhile(
      (tx) => tx`update public.leads set deleted_at = now() where id = ${first.id}`,
      () => enquire(of),
    );
    const leads = await liveLeads(of, 1);
    expect(leads).toHaveLength(1);
    expect(leads[0]!.id).not.toBe(first.id);
  });

  it.each(Object.entries(ways))(
    "is the lead, %s, that theirs was merged into",
    async (_, enquire) => {
      const of = people();
      const target = await ingest({ source: "Website", externalId: of.id(2), email: of.email(0) });
      const first = await ingest({ source: "Website", externalId: of.id(0), phone: of.phone(0) });
      await meanwhile(
        async (tx) => {
          await tx`update public.leads set deleted_at = now(), merged_into = ${target.id} where id = ${first.id}`;
          await tx`update public.leads set phone = ${of.phone(0)} where id = ${target.id}`;
        },
        () => enquire(of),
      );
      expect(await liveLeads(of, 1)).toMatchObject([{ id: target.id }]);
      const [kept] = await sql`select enquiries_count from public.leads where id = ${target.id}`;
      expect(kept).toEqual({ enquiries_count: 2 });
    },
  );
});

describe("any mixture", () => {
  const persons = 3;
  // Which person, by which of their addresses, in which delivery; a delivery may come again.
  const mixture = fc.array(
    fc.record({
      person: fc.nat(persons - 1),
      by: fc.constantFrom("email", "phone", "both"),
      delivery: fc.nat(11),
      source: fc.constantFrom("Facebook Ad", "Website"),
    }),
    { minLength: 2, maxLength: 14 },
  );

  it("ends with one live lead per address, and every delivery with the lead it first made", async () => {
    const property = fc.asyncProperty(mixture, async (entries) => {
      const of = people();
      // The same delivery always says the same.
      const first = new Map<string, Delivery>();
      const deliveries = entries.map(({ person, by, delivery, source }) => {
        const key = `${source} ${delivery}`;
        const made = first.get(key) ?? {
          source,
          externalId: of.id(delivery),
          ...(by === "phone" ? {} : { email: of.email(person) }),
          ...(by === "email" ? {} : { phone: of.phone(person) }),
        };
        first.set(key, made);
        return made;
      });
      const answers = await Promise.all(deliveries.map(ingest));

      const leads = await liveLeads(of, persons);
      expect(unique(leads.map((lead) => lead.email))).toBe(true);
      expect(unique(leads.map((lead) => lead.phone))).toBe(true);
      expect(answers.filter((answer) => answer.is_new)).toHaveLength(leads.length);
      const live = new Set(leads.map((lead) => lead.id));
      const byDelivery = new Map<string, string>();
      for (const [n, answer] of answers.entries()) {
        const { source, externalId } = deliveries[n]!;
        const key = `${source} ${externalId}`;
        expect(live.has(answer.id)).toBe(true);
        expect(byDelivery.get(key) ?? answer.id).toBe(answer.id);
        byDelivery.set(key, answer.id);
      }
    });
    await fc.assert(property, { seed, numRuns: 40 });
  }, 60_000);
});

/** The sweep under concurrency: nothing is missed, nothing is told twice, and its schedule has no say. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connect } from "../helpers/database.ts";
import { createTeam, createUser, type Person, unique } from "../helpers/index.ts";

const sql = connect({ max: 6 });
const seed = Number(process.env.INTAKE_TEST_SEED ?? 20_261_121);
const source = unique("Sweep");

let owner: Person;
let manager: Person;

beforeAll(async () => {
  const team = await createTeam();
  owner = await createUser({ team });
  manager = await createUser({ role: "manager", team });
  await sql`
    insert into public.sla_policies (name, kind, source, target_minutes, is_in_business_hours, warn_before_minutes, escalate_after_minutes, active_since) values
      ('Sweep', 'first_response', ${source}, 30, false, 10, 20, now() - interval '10 days'),
      ('Sweep', 'follow_up', ${source}, 60, false, null, null, now() - interval '10 days')
  `;
});

afterAll(async () => {
  await sql`delete from public.sla_timers where policy_id in (select id from public.sla_policies where source = ${source})`;
  await sql`delete from public.sla_policies where source = ${source}`;
  await sql.end();
});

async function addLead(hoursAgo = 0): Promise<string> {
  const [lead] = await sql<{ id: string }[]>`
    insert into public.leads (name, source, assigned_to, created_at, status_changed_at)
    values (${unique("Swept")}, ${source}, ${owner.id}, now() - ${hoursAgo} * interval '1 hour', now() - ${hoursAgo} * interval '1 hour')
    returning id
  `;
  return lead!.id;
}

const told = async (leads: string[]) =>
  sql<{ event: string; lead: string; times: number }[]>`
    select metadata ->> 'event' as event, lead_id as lead, count(*)::int as times
    from public.notifications where lead_id = any (${leads}) and type = 'alert' group by 1, 2 order by 2, 1
  `;

/** A moment of its own, so that only these leads are due: nothing else here begins in that year. */
const far = "2001-01-01T00:00:00Z";

describe("two sweeps at once", () => {
  it("tell of each breach and escalation once", async () => {
    const leads = await Promise.all(Array.from({ length: 8 }, () => addLead(3)));
    await sql`select private.sla_apply(${leads}, now() - interval '3 hours')`;
    await sql`update public.sla_timers set next_at = ${far} where lead_id = any (${leads})`;
    const sweeps = await Promise.all(
      Array.from({ length: 5 }, () => sql`select private.sla_sweep(5000)`),
    );
    expect(sweeps).toHaveLength(5);
    // Leads that another sweep of this stack held are taken by the next.
    await sql`select private.sla_sweep(5000)`;
    const rows = await told(leads);
    const breaches = await sql<{ lead: string }[]>`
      select lead_id as lead from public.sla_timers
      where lead_id = any (${leads}) and kind = 'first_response' and breached_at = due_at and escalated_at is not null
    `;
    expect(breaches.map(({ lead }) => lead).sort()).toEqual([...leads].sort());
    expect(rows.filter(({ event }) => event === "sla_breached")).toHaveLength(8);
    expect(rows.filter(({ event }) => event === "sla_escalated")).toHaveLength(8);
    expect(rows.every(({ times }) => times === 1)).toBe(true);
  });

  it("leave a lead that the other holds, and lose nothing when that one fails", async () => {
    const lead = await addLead(3);
    await sql`select private.sla_apply(${[lead]}, now() - interval '3 hours')`;
    const failing = sql.begin(async (tx) => {
      await tx`select private.sla_apply(private.lock_leads(${[lead]}))`;
      const [other] = await sql<{ leads: string[] }[]>`
        select private.lock_leads(${[lead]}) as leads
      `;
      expect(other?.leads).toEqual([]);
      throw new Error("crashed");
    });
    await expect(failing).rejects.toThrow("crashed");
    expect(await told([lead])).toEqual([]);
    await sql`select private.sla_apply(private.lock_leads(${[lead]}))`;
    expect(await told([lead])).toMatchObject([
      { event: "sla_breached", times: 1 },
      { event: "sla_escalated", times: 1 },
    ]);
  });
});

describe("the run of each minute", () => {
  it("sweeps until nothing is left, a few leads to a transaction", async () => {
    const many = await sql<{ id: string }[]>`
      insert into public.leads (name, source, assigned_to, created_at, status_changed_at)
      select ${unique("Many")} || n, ${source}, ${owner.id}, now() - interval '3 hours', now() - interval '3 hours'
      from generate_series(1, 210) n
      returning id
    `;
    const leads = many.map(({ id }) => id);
    await sql`select private.sla_apply(${leads}, now() - interval '3 hours')`;
    await sql`call private.sla_catch_up()`;
    const [breached] = await sql`
      select count(*)::int as timers, count(distinct xmin::text)::int as transactions from public.sla_timers
      where lead_id = any (${leads}) and kind = 'first_response' and breached_at is not null
    `;
    expect(breached?.timers).toBe(210);
    expect(breached?.transactions).toBeGreaterThan(1);
  });
});

describe("the timeline", () => {
  /** A reader of this test's own, beginning now. */
  async function reading(work: (reader: string) => Promise<void>): Promise<void> {
    const name = unique("reader");
    await sql`
      insert into private.timeline_readers (name, read_until)
      values (${name}, private.uuid_v7_since(now() - interval '1 second'))
    `;
    try {
      await work(name);
    } finally {
      await sql`delete from private.timeline_readers where name = ${name}`;
    }
  }

  /** Ten seconds behind the clock, as the sweep reads, is too long for a test. */
  const fence = (name: string) => sql`
    update private.timeline_readers
    set fence = private.uuid_v7_since(clock_timestamp()), fence_xid = pg_snapshot_xmax(pg_current_snapshot())
    where name = ${name}
  `;

  async function read(name: string): Promise<string[]> {
    const [answer] = await sql<{ leads: string[] }[]>`
      select private.take_changed_leads(${name}, 'epoch', 10000) as leads
    `;
    return answer!.leads;
  }

  /** Others write here too; their transactions are short. */
  async function until(done: () => Promise<boolean>): Promise<void> {
    const deadline = Date.now() + 20_000;
    while (!(await done())) {
      if (Date.now() > deadline) throw new Error("It never was so");
    }
  }

  it("is not read past a transaction that commits late", async () => {
    await reading(async (name) => {
      const seen: string[] = [];
      let late = "";
      let early = "";
      await sql.begin(async (tx) => {
        const [lead] = await tx<{ id: string }[]>`
          insert into public.leads (name, source, assigned_to) values (${unique("Late")}, ${source}, ${owner.id}) returning id
        `;
        late = lead!.id;
        early = await addLead();
        await fence(name);
        for (let n = 0; n < 3; n += 1) seen.push(...(await read(name)));
      });
      expect(seen).toEqual([]);
      await until(async () => {
        seen.push(...(await read(name)));
        return seen.includes(early);
      });
      expect(seen).toContain(late);
    });
  });

  it("waits for a lead that somebody holds, and reads it afterwards", async () => {
    await reading(async (name) => {
      const lead = await addLead();
      const written = async () => {
        const [answer] = await sql<{ leads: string[] }[]>`
          select private.take_changed_leads(${name}, 'epoch', 10000, clock_timestamp()) as leads
        `;
        return answer!.leads;
      };
      await sql.begin(async (tx) => {
        await tx`select from public.leads where id = ${lead} for no key update`;
        expect(await written()).not.toContain(lead);
        expect(await written()).not.toContain(lead);
      });
      expect(await written()).toContain(lead);
      expect(await written()).not.toContain(lead);
    });
  });
});

/** Minutes since a lead was made, when somebody answers or the sweep comes. */
interface Story {
  reply: number | null;
  closed: number | null;
  sweeps: number[];
}

const story = fc.record({
  reply: fc.option(fc.integer({ min: 1, max: 90 }), { nil: null }),
  closed: fc.option(fc.integer({ min: 1, max: 90 }), { nil: null }),
  sweeps: fc.uniqueArray(fc.integer({ min: 0, max: 100 }), { maxLength: 6 }),
});

/** What a first response within 30 minutes, warned of at 20 and escalated at 50, comes to. */
function expected({ reply, closed, sweeps }: Story) {
  const ended = Math.min(reply ?? Number.POSITIVE_INFINITY, closed ?? Number.POSITIVE_INFINITY);
  const isMet = reply !== null && reply <= (closed ?? reply);
  const open = sweeps.filter((minute) => minute < ended);
  const last = Math.max(...open, -1);
  return {
    met: isMet ? reply : null,
    breached: ended > 30 ? 30 : null,
    events: [
      ...(last >= 30 ? ["sla_breached"] : []),
      ...(last >= 50 ? ["sla_escalated"] : []),
      ...(open.some((minute) => minute >= 20 && minute < 30) ? ["sla_warned"] : []),
    ],
  };
}

describe("whenever the sweep comes", () => {
  it("the record is the same, and each person is told at most once of each", async () => {
    const property = fc.asyncProperty(story, async (given) => {
      const lead = await addLead(5);
      const moment = (minute: number) =>
        sql`(select created_at + ${minute} * interval '1 minute' from public.leads where id = ${lead})`;
      // In the order in which it happens; at the same minute, people before the sweep.
      const steps = [
        ...(given.reply === null ? [] : [{ at: given.reply, what: "reply" }]),
        ...(given.closed === null ? [] : [{ at: given.closed, what: "close" }]),
        ...[...given.sweeps, 120].map((at) => ({ at, what: "sweep" })),
      ].sort((one, other) => one.at - other.at || (one.what === "sweep" ? 1 : -1));
      for (const { at, what } of steps) {
        if (what === "reply") {
          await sql`
            insert into public.communications (lead_id, type, user_id, sent_at) values (${lead}, 'email', ${owner.id}, ${moment(at)})
          `;
        } else if (what === "close") {
          await sql`update public.leads set status = 'lost' where id = ${lead}`;
          await sql`update public.leads set status_changed_at = created_at + ${at} * interval '1 minute' where id = ${lead}`;
        } else {
          await Promise.all([
            sql`select private.sla_apply(private.lock_leads(${[lead]}), ${moment(at)})`,
            sql`select private.sla_apply(private.lock_leads(${[lead]}), ${moment(at)})`,
          ]);
        }
      }
      const [row] = await sql<
        { met: number | null; breached: number | null; interfered: boolean }[]
      >`
        select (extract(epoch from t.met_at - t.started_at) / 60)::int as met, (extract(epoch from t.breached_at - t.started_at) / 60)::int as breached,
          coalesce(t.escalated_at > t.started_at + interval '3 hours', false) as interfered
        from public.sla_timers t where t.lead_id = ${lead} and t.kind = 'first_response'
      `;
      const model = expected({ ...given, sweeps: [...given.sweeps, 120] });
      const events = (await told([lead])).filter(({ event }) => event !== "sla_summary");
      const ofFirst = events.filter(({ times }) => times > 0).map(({ event }) => event);
      if (row === undefined) {
        // Closed before any sweep saw it, without an answer: there was nothing to promise.
        expect(given.closed).not.toBeNull();
        expect(ofFirst).toEqual([]);
        return;
      }
      // The stack's own sweep came by, on today's clock.
      if (row.interfered) return;
      expect(row).toEqual({ met: model.met, breached: model.breached, interfered: false });
      const followed = given.reply !== null && (given.closed ?? 1000) > given.reply + 60;
      if (!followed) expect(ofFirst.sort()).toEqual(model.events.sort());
      expect(
        events.filter(({ event }) => event !== "sla_breached").every((e) => e.times === 1),
      ).toBe(true);
    });
    await fc.assert(property, { seed, numRuns: 30 });
  });

  it("managers hear of what nobody answered", async () => {
    const [row] = await sql<{ heard: number }[]>`
      select count(*)::int as heard from public.notifications
      where user_id = ${manager.id} and metadata ->> 'event' = 'sla_escalated'
    `;
    expect(row?.heard).toBeGreaterThan(0);
  });
});

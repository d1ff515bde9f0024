/** Each action exactly once, whatever overlaps, dies, is tried again or is read twice. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connect } from "../helpers/database.ts";
import { createTeam, createUser, type Person, unique } from "../helpers/index.ts";

const sql = connect({ max: 8 });
const seed = Number(process.env.INTAKE_TEST_SEED ?? 20_261_121);
const source = unique("Once");

let owner: Person;

/** Of every kind that leaves a row, and one in the middle that always fails. */
const actions = [
  { type: "create_task", title: "One" },
  { type: "send_sms", message: "Two", delay: 10 },
  { type: "update_lead_status", status: "new", delay: 20 },
  { type: "create_reminder", title: "Four", delay: 20 },
  { type: "create_follow_up", delay: 30 },
  { type: "send_notification", title: "Six", delay: 40 },
];

beforeAll(async () => {
  const team = await createTeam();
  owner = await createUser({ team });
  await sql`
    insert into public.automation_workflows (name, trigger_type, trigger_conditions, actions, active_since)
    values ('Once', 'lead_created', ${sql.json({ source })}, ${sql.json(actions)}, now() - interval '1 day')
  `;
});

afterAll(async () => {
  await sql`delete from public.automation_workflows where trigger_conditions ->> 'source' = ${source}`;
  await sql.end();
});

/** Of a stage that is never left for "new", so that the third action fails. */
async function addLead(): Promise<string> {
  const [lead] = await sql<{ id: string }[]>`
    insert into public.leads (name, source, assigned_to, status, phone)
    values (${unique("Once")}, ${source}, ${owner.id}, 'enrolled', '+9198' || lpad((random() * 99999999)::int::text, 8, '0'))
    returning id
  `;
  return lead!.id;
}

/** One sweep of this lead's events and runs, as it is at some seconds from now. */
const sweep = (lead: string, seconds: number) => [
  sql`select private.automation_begin(private.automation_events(array(select a.id from public.activities a where a.lead_id = ${lead})), now())`,
  sql`
    select private.automation_carry_on(r.id, now() + make_interval(secs => ${seconds}))
    from public.automation_runs r where r.lead_id = ${lead}
  `,
];

class Crash extends Error {}

/** A sweep that does its work and then dies: before its commit, or with its connection. */
async function dying(lead: string, seconds: number, isKilled: boolean): Promise<void> {
  // Of its own, so that the pool does not lose one.
  const other = connect({ max: 1 });
  try {
    const dead = other.begin(async (tx) => {
      const [backend] = await tx<{ pid: number }[]>`select pg_backend_pid() as pid`;
      await tx`select private.automation_begin(private.automation_events(array(select a.id from public.activities a where a.lead_id = ${lead})), now())`;
      await tx`
        select private.automation_carry_on(r.id, now() + make_interval(secs => ${seconds}))
        from public.automation_runs r where r.lead_id = ${lead}
      `;
      if (isKilled) await sql`select pg_terminate_backend(${backend!.pid}, 5000)`;
      throw new Crash("Died");
    });
    await expect(dead).rejects.toThrow();
  } finally {
    await other.end({ timeout: 1 });
  }
}

/** What was made, each thing as often as it is there. */
async function effects(lead: string): Promise<string[]> {
  const rows = await sql<{ what: string }[]>`
    select 'task ' || title as what from public.tasks where lead_id = ${lead}
    union all select 'sms ' || content from public.communications where lead_id = ${lead} and direction = 'outbound'
    union all select 'reminder ' || title from public.reminders where lead_id = ${lead}
    union all select 'call ' || status from public.calls where lead_id = ${lead}
    union all select 'told ' || title from public.notifications where lead_id = ${lead} and metadata ->> 'event' = 'automation'
    order by 1
  `;
  return rows.map(({ what }) => what);
}

const all = ["call scheduled", "reminder Four", "sms Two", "task One", "told Six"];

type Move =
  | { is: "sweep"; times: number; at: number }
  | { is: "crash"; at: number; isKilled: boolean }
  | { is: "held"; at: number };

const moment = fc.integer({ min: 0, max: 60 });

const move: fc.Arbitrary<Move> = fc.oneof(
  fc.record({
    is: fc.constant("sweep" as const),
    times: fc.integer({ min: 1, max: 4 }),
    at: moment,
  }),
  fc.record({ is: fc.constant("crash" as const), at: moment, isKilled: fc.boolean() }),
  fc.record({ is: fc.constant("held" as const), at: moment }),
);

describe("whatever overlaps, dies or is read twice", () => {
  it("[D0-077] each action is done exactly once, in its order, and a failing one is recorded after its attempts", async () => {
    const property = fc.asyncProperty(fc.array(move, { maxLength: 6 }), async (moves) => {
      const lead = await addLead();
      for (const step of moves) {
        if (step.is === "sweep") {
          await Promise.all(Array.from({ length: step.times }, () => sweep(lead, step.at)).flat());
        } else if (step.is === "crash") {
          await dying(lead, step.at, step.isKilled);
        } else {
          // Somebody works on the lead: nothing is done, and nobody waits.
          const before = await effects(lead);
          await sql.begin(async (tx) => {
            await tx`select from public.leads where id = ${lead} for no key update`;
            for (const query of sweep(lead, step.at)) await query;
          });
          expect(await effects(lead)).toEqual(before);
        }
        // At no time is anything there twice, or before what precedes it.
        const now = await effects(lead);
        expect(new Set(now).size).toBe(now.length);
      }
      for (const later of [100, 500, 2000, 4000])
        for (const query of sweep(lead, later)) await query;
      expect(await effects(lead)).toEqual(all);
      const steps = await sql<{ status: string; attempts: number; isAfter: boolean }[]>`
        select s.status, s.attempts,
          s.finished_at >= coalesce(lag(s.finished_at) over (order by s.position), s.finished_at) as "isAfter"
        from public.automation_run_steps s join public.automation_runs r on r.id = s.run_id
        where r.lead_id = ${lead} order by s.position
      `;
      expect(steps.map((step) => step.status)).toEqual([
        "done",
        "done",
        "failed",
        "done",
        "done",
        "done",
      ]);
      expect(steps[2]?.attempts).toBe(3);
      expect(steps.filter((_, place) => place !== 2).every((step) => step.attempts === 1)).toBe(
        true,
      );
      expect(steps.every((step) => step.isAfter)).toBe(true);
    });
    await fc.assert(property, { seed, numRuns: 25 });
  }, 120_000);
});

describe("a sweep that dies", () => {
  it("leaves nothing of its own, and the next one does it all", async () => {
    const lead = await addLead();
    await dying(lead, 0, true);
    expect(await effects(lead)).toEqual([]);
    for (const query of sweep(lead, 0)) await query;
    expect(await effects(lead)).toEqual(["task One"]);
  });
});

describe("the run of each minute", () => {
  it("reads the timeline and carries on until nothing is left, as often as it is called at once", async () => {
    const leads = await Promise.all(Array.from({ length: 12 }, addLead));
    // Ten seconds behind the clock, as it reads, is too long for a test.
    await sql`
      update private.timeline_readers
      set fence = private.uuid_v7_since(clock_timestamp()), fence_xid = '3'
      where name = 'automation'
    `;
    await Promise.all(Array.from({ length: 4 }, () => sql`call private.automation_catch_up(5)`));
    await sql`call private.automation_catch_up(5)`;
    const made = await sql<{ lead: string; times: number }[]>`
      select lead_id as lead, count(*)::int as times from public.tasks where lead_id = any (${leads}) group by 1
    `;
    expect(made).toHaveLength(12);
    expect(made.every(({ times }) => times === 1)).toBe(true);
  });
});

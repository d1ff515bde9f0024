/**
 * Meta's deliveries through the whole stack: webhook, inbox, queue, worker, Graph API, lead. However
 * they come (twice, shuffled, forged, never), the state they end in is the same.
 */
import { randomBytes } from "node:crypto";
import fc from "fast-check";
import postgres from "postgres";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { type OpenProject, startOwnProject } from "../helpers/environment.ts";
import { createMeta, patience, type SimulatedLead } from "./support/meta.ts";

vi.setConfig({ testTimeout: 3 * patience.timeout });

// Faults and deliveries of a simulator are everybody's who shares it: a stack of our own.
let project: OpenProject;
let sql: postgres.Sql;
let meta: ReturnType<typeof createMeta>;

beforeAll(async () => {
  project = await startOwnProject({ seed: false });
  sql = postgres(project.dbUrl, { max: 3, onnotice: () => {} });
  meta = createMeta(project.simulatorUrl!, sql);
}, 120_000);

// A test that fails must not leave the next one waiting.
afterEach(async () => {
  await sql`update private.job_providers set paused_until = null where name = 'meta'`;
});

afterAll(async () => {
  await sql?.end();
  await project?.close();
});

let people = 0;

/** Nobody else has this name, address or number. */
function person() {
  const n = String(++people).padStart(4, "0");
  const tail = randomBytes(3).readUIntBE(0, 3) % 100_000;
  return {
    full_name: `Asha Menon ${n}`,
    email: `asha.${n}.${tail}@example.test`,
    phone_number: `+9198${n}${String(tail).padStart(5, "0").slice(0, 4)}`,
    city: "Kochi",
    "which_course_are_you_interested_in?": n,
  };
}

async function newLead(more: Record<string, unknown> = {}) {
  const of = person();
  return { of, lead: await meta.lead({ fields: of, ...more }) };
}

const countOf = async (table: string, column: string, values: string[]) => {
  const [row] = await sql<{ n: number }[]>`
    select count(*)::integer as n from ${sql(table)} where ${sql(column)} = any(${values})`;
  return row!.n;
};

describe("a delivery of Meta", () => {
  it("[D0-088] is preceded by a verification that only our token passes", async () => {
    expect(await meta.verify()).toMatchObject({ ok: true, status: 200 });
    expect(await meta.verify("another token")).toMatchObject({ ok: false, status: 403 });
  });

  it("[D1-029] becomes a lead of source Facebook Ad, mapped and logged", async () => {
    const { of, lead } = await newLead();
    expect(await meta.deliver(lead.id)).toMatchObject({ state: "delivered" });
    await meta.settled([lead.id]);
    expect(await meta.outcomes([lead.id])).toMatchObject([
      {
        name: of.full_name,
        email: of.email,
        phone: of.phone_number,
        source: "Facebook Ad",
        custom_fields: {
          city: "Kochi",
          "which_course_are_you_interested_in?": of["which_course_are_you_interested_in?"],
          meta: { form_id: lead.form_id },
        },
      },
    ]);
    const logs = await sql`
      select integration_name, activity_type, status, records_processed from public.integration_logs
      where response_data ->> 'leadgen_id' = ${lead.id}`;
    expect(logs).toEqual([
      {
        integration_name: "facebook_leads",
        activity_type: "lead_sync",
        status: "success",
        records_processed: 1,
      },
    ]);
  });

  it("that comes fifty times at once is one lead", async ({ annotate }) => {
    const { lead, of } = await newLead();
    const started = performance.now();
    const deliveries = await Promise.all(Array.from({ length: 50 }, () => meta.deliver(lead.id)));
    const took = Math.round(performance.now() - started);
    expect(new Set(deliveries.map((one) => one.state))).toEqual(new Set(["delivered"]));
    await meta.settled([lead.id]);
    expect(await countOf("public.leads", "email", [of.email])).toBe(1);
    expect(await countOf("private.webhook_inbox", "event_id", [`leadgen:${lead.id}`])).toBe(1);
    const jobs = await sql`
      select 1 from private.jobs_archive a join private.webhook_inbox i on i.job_id = a.id
      where i.event_id = ${`leadgen:${lead.id}`}`;
    expect(jobs).toHaveLength(1);
    await annotate(`50 deliveries answered in ${took} ms`);
  });

  it("about several leads is each of them, once", async () => {
    const made = await Promise.all(Array.from({ length: 5 }, () => newLead()));
    const ids = made.map(({ lead }) => lead.id);
    await meta.deliver(...ids, ids[0]!);
    await meta.settled(ids);
    expect(await meta.outcomes(ids)).toMatchObject(made.map(({ of }) => ({ email: of.email })));
  });

  it("with a wrong signature is refused, counted, and leaves nothing", async () => {
    const { lead } = await newLead();
    const body = JSON.stringify({
      object: "page",
      entry: [{ id: "1", changes: [{ field: "leadgen", value: { leadgen_id: lead.id } }] }],
    });
    const refusedBefore = await refusals();
    const response = await fetch(`${project.url}/functions/v1/webhooks/meta`, {
      method: "POST",
      body,
      headers: { "x-hub-signature-256": `sha256=${"0".repeat(64)}` },
    });
    expect(response.status).toBe(401);
    expect(await countOf("private.webhook_inbox", "event_id", [`leadgen:${lead.id}`])).toBe(0);
    await expect.poll(refusals, patience).toBe(refusedBefore + 1);
  });
});

async function refusals(): Promise<number> {
  const [row] = await sql<{ n: number }[]>`
    select coalesce(sum(count), 0)::integer as n from private.webhook_rejections where provider = 'meta'`;
  return row!.n;
}

describe("a Graph API that fails", () => {
  it.each([
    ["a server error", { kind: "server_error" }],
    ["a page of markup", { kind: "garbage" }],
    ["a reset connection", { kind: "reset" }],
    ["a rate limit", { kind: "rate_limit", retry_after_s: 1 }],
    ["a lead that is not there yet", { kind: "not_found" }],
  ])("with %s only delays the lead", async (_, fault) => {
    const { lead, of } = await newLead();
    await meta.fault({ ...fault, times: 1, match: `/${lead.id}` });
    await meta.deliver(lead.id);
    await meta.settled([lead.id]);
    expect(await meta.outcomes([lead.id])).toMatchObject([{ email: of.email }]);
    const [event] = await sql`
      select state, attempts from private.webhook_inbox where event_id = ${`leadgen:${lead.id}`}`;
    expect(event).toEqual({ state: "processed", attempts: 2 });
  });

  it("by silence, while the worker loses its connections, only delays the lead", async () => {
    const { lead, of } = await newLead();
    await meta.fault({ kind: "hang", times: 1, ms: 5_000, match: `/${lead.id}` });
    await meta.deliver(lead.id);
    const isOpened = async () => {
      const [row] =
        await sql`select state from private.webhook_inbox where event_id = ${`leadgen:${lead.id}`}`;
      return row?.state;
    };
    await expect.poll(isOpened, { ...patience, interval: 20 }).toBe("processing");
    const killed = await sql`
      select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'intake-worker'`;
    expect(killed.length).toBeGreaterThan(0);
    await meta.settled([lead.id]);
    expect(await meta.outcomes([lead.id])).toMatchObject([{ email: of.email }]);
  });

  it("for good puts the event among the dead, from where it is replayed, and blocks no other", async () => {
    const { lead, of } = await newLead();
    const other = await newLead();
    await meta.fault({ kind: "not_found", times: 1, match: `/${lead.id}` });
    // Its last attempt, as after hours of failing.
    await sql`update private.job_providers set paused_until = now() + interval '1 hour' where name = 'meta'`;
    await meta.deliver(lead.id);
    await sql`
      update private.jobs j set attempts = j.max_attempts - 1
      from private.webhook_inbox i where i.job_id = j.id and i.event_id = ${`leadgen:${lead.id}`}`;
    await sql`update private.job_providers set paused_until = null where name = 'meta'`;
    await meta.deliver(other.lead.id);
    await meta.settled([lead.id, other.lead.id]);
    expect(await meta.outcomes([lead.id, other.lead.id])).toMatchObject([
      null,
      { email: other.of.email },
    ]);
    const [event] = await sql`
      select id, state, error from private.webhook_inbox where event_id = ${`leadgen:${lead.id}`}`;
    expect(event).toMatchObject({
      state: "dead",
      error: expect.stringContaining("Graph error 100/33"),
    });

    await sql`delete from private.jobs_dead where id = (select job_id from private.webhook_inbox where id = ${event!.id})`;
    await sql`select private.inbox_enqueue(${event!.id}, 'meta')`;
    await meta.settled([lead.id]);
    expect(await meta.outcomes([lead.id])).toMatchObject([{ email: of.email }]);
  });
});

describe("a token that expired", () => {
  it("shows, keeps every lead waiting without spending an attempt, and heals", async () => {
    const { lead, of } = await newLead();
    await meta.fault({ kind: "token_expired", times: 1, match: `/${lead.id}` });
    await meta.deliver(lead.id);
    const status = async () => {
      const [row] = await sql`
        select status, last_error from public.integrations where type = 'facebook'`;
      return row;
    };
    await expect
      .poll(status, patience)
      .toEqual({ status: "error", last_error: "Graph error 190/463, HTTP 401" });
    const job = async () => {
      const [row] = await sql`
        select j.attempts, p.paused_until > now() + interval '10 minutes' as is_paused
        from private.jobs j
        join private.webhook_inbox i on i.job_id = j.id
        join private.job_providers p on p.name = j.provider
        where i.event_id = ${`leadgen:${lead.id}`}`;
      return row;
    };
    await expect.poll(job, patience).toEqual({ attempts: 0, is_paused: true });

    // Somebody connected again.
    await sql`update private.job_providers set paused_until = null where name = 'meta'`;
    await sql`update private.jobs set run_at = now() where kind = 'inbox.meta'`;
    await sql`select private.tick()`;
    await meta.settled([lead.id]);
    expect(await meta.outcomes([lead.id])).toMatchObject([{ email: of.email }]);
    expect(await status()).toEqual({ status: "connected", last_error: null });
  });
});

describe("a delivery that never came", () => {
  it("is found by its form, even when no delivery of that form ever came", async () => {
    const form = await meta.form();
    const { lead, of } = await newLead({ form_id: form.id });
    await sql`update public.integrations set config = ${sql.json({ page_ids: [form.page_id] })} where type = 'facebook'`;
    await sql`select private.enqueue('meta.backfill', p_dedupe_key => 'now')`;
    await expect
      .poll(() => meta.outcomes([lead.id]), patience)
      .toMatchObject([{ email: of.email }]);
  });
});

describe("deliveries in any order", () => {
  interface Step {
    /** Which of the leads one POST is about. */
    about: number[];
    copies: number;
    isDropped: boolean;
  }

  const leadCount = 6;
  const step: fc.Arbitrary<Step> = fc.record({
    about: fc.array(fc.nat(leadCount - 1), { minLength: 1, maxLength: 4 }),
    copies: fc.integer({ min: 1, max: 3 }),
    isDropped: fc.boolean(),
  });

  it("shuffled, doubled and dropped, end in the same leads as in order", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 8 }), async (steps) => {
        const form = await meta.form();
        const made: { of: ReturnType<typeof person>; lead: SimulatedLead }[] = [];
        for (let i = 0; i < leadCount; i++) made.push(await newLead({ form_id: form.id }));
        const ids = made.map(({ lead }) => lead.id);

        const posts = steps
          .filter((one) => !one.isDropped)
          .flatMap(({ about, copies }) => Array<number[]>(copies).fill(about));
        await Promise.all(posts.map((about) => meta.deliver(...about.map((i) => ids[i]!))));
        await meta.settled(ids);
        await sql`select private.meta_register_form(${form.id}, ${form.page_id}, null)`;
        await meta.backfill(form.id);
        await meta.settled(ids);

        expect(await meta.outcomes(ids)).toEqual(
          made.map(({ of }) => ({
            name: of.full_name,
            email: of.email,
            phone: of.phone_number,
            source: "Facebook Ad",
            custom_fields: {
              city: "Kochi",
              "which_course_are_you_interested_in?": of["which_course_are_you_interested_in?"],
              meta: expect.objectContaining({ form_id: form.id }),
            },
          })),
        );
        const emails = made.map(({ of }) => of.email);
        expect(await countOf("public.leads", "email", emails)).toBe(leadCount);
        const unfinished = await sql`
          select event_id, state from private.webhook_inbox
          where event_id = any(${ids.map((id) => `leadgen:${id}`)}) and state <> 'processed'`;
        expect(unfinished).toEqual([]);
      }),
      { numRuns: Number(process.env.DELIVERY_RUNS ?? 5), endOnFailure: true },
    );
  }, 900_000);
});

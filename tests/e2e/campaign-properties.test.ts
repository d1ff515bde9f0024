/** A launch killed at any point, paused, and resumed by several at once: one message each, for everybody. */
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { connect } from "../helpers/database.ts";
import { sql, unique } from "../helpers/index.ts";

const people = 40;
const source = unique("Killed campaign");

/** Two workers. */
const workers = connect({ max: 2 });

afterAll(() => workers.end({ timeout: 1 }));

beforeAll(async () => {
  await sql()`
    insert into public.leads (name, email, source)
    select 'Person ' || n, 'person' || n || ${`.${unique("k").replace(" ", "")}@example.test`}, ${source}
    from generate_series(1, ${people}::integer) n`;
});

const actions = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("step" as const),
      size: fc.integer({ min: 1, max: 20 }),
    }),
  },
  // Killed after the messages were written and before the transaction ended.
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("die" as const),
      size: fc.integer({ min: 1, max: 20 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("together" as const),
      size: fc.integer({ min: 1, max: 20 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("pause" as const), size: fc.constant(0) }) },
);

const step = async (id: string, size: number) => {
  const [row] = await workers<{ state: string }[]>`
    select private.campaign_step(${id}, ${size}::integer) as state`;
  return row!.state;
};

async function die(id: string, size: number): Promise<void> {
  const connection = connect({ max: 1 });
  const killed = connection.unsafe(
    `begin; select private.campaign_step('${id}', ${size}); select pg_terminate_backend(pg_backend_pid()); commit`,
  );
  await expect(killed).rejects.toThrow();
  await connection.end({ timeout: 1 });
}

it("[D0-008] sends each recipient exactly one message, whenever the worker dies", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(actions, { minLength: 1, maxLength: 10 }), async (plan) => {
      const [made] = await sql()<{ id: string }[]>`
        insert into public.campaigns (name, type, content, subject, target_criteria)
        values ('Killed', 'email', 'Hello', 'Hello', ${sql().json({ source })}) returning id`;
      const id = made!.id;
      const status = (to: string) =>
        sql()`update public.campaigns set status = ${to} where id = ${id}`;
      await status("active");
      // The stack's own worker is out of it.
      await sql()`delete from private.jobs where kind = 'campaign.step' and dedupe_key = ${id}`;
      for (const action of plan) {
        if (action.do === "step") await step(id, action.size);
        else if (action.do === "die") await die(id, action.size);
        else if (action.do === "together") await Promise.all([step(id, action.size), step(id, 7)]);
        else if (
          (await sql()`select from public.campaigns where id = ${id} and status = 'active'`).length
        ) {
          await status("paused");
          expect(await step(id, 20)).toBe("stopped");
          await status("active");
        }
      }
      while ((await step(id, 25)) === "more");
      const [sent] = await sql()`
        select count(*)::integer as messages, count(distinct lead_id)::integer as people,
          (select count(*)::integer from public.campaign_recipients r join public.communications c on c.id = r.communication_id and c.lead_id = r.lead_id
           where r.campaign_id = ${id}) as told
        from public.communications where campaign_id = ${id}`;
      expect(sent).toEqual({ messages: people, people, told: people });
    }),
    { numRuns: 8 },
  );
}, 120_000);

/** The functions' way into the database: whose rights, and what a lost connection does. */
import { sql as query } from "kysely";
import postgres from "postgres";
import { afterEach, describe, expect, it } from "vitest";
import { connect, type Database, json } from "../../supabase/functions/_shared/db.ts";
import { createUser, sql, stack, unique } from "../helpers/index.ts";

const open: Database[] = [];

function database(options: { max?: number; statementTimeoutMs?: number } = {}) {
  const name = unique("pool").replace(" ", "-");
  const db = connect(stack().dbUrl, { name, ...options });
  open.push(db);
  return { db, application: `intake-${name}` };
}

afterEach(async () => {
  for (const db of open.splice(0)) await db.close();
});

const killAll = (application: string) =>
  sql()`select pg_terminate_backend(pid) from pg_stat_activity where application_name = ${application}`;

const facts = query<{ role: string; sub: string | null; request_id: string | null }>`
  select current_user::text as role,
    current_setting('request.jwt.claims', true)::jsonb ->> 'sub' as sub,
    private.request_id() as request_id`;

describe("the two ways in", () => {
  it("are the service's and the user's, each with its request", async () => {
    const { db } = database();
    const service = await db.asService((tx) => facts.execute(tx), { requestId: "request-1" });
    expect(service.rows).toEqual([{ role: "service_role", sub: null, request_id: "request-1" }]);
    const person = await createUser();
    const claims = { sub: person.id, role: "authenticated" as const };
    const user = await db.asUser(claims, (tx) => facts.execute(tx));
    expect(user.rows).toEqual([{ role: "authenticated", sub: person.id, request_id: null }]);
  });

  it("leave nothing of one caller to the next on the same connection", async () => {
    const { db } = database({ max: 1 });
    const claims = { sub: crypto.randomUUID(), role: "authenticated" as const };
    await db.asUser(claims, (tx) => facts.execute(tx), { requestId: "request-1" });
    const next = await db.asService((tx) => facts.execute(tx));
    expect(next.rows).toEqual([{ role: "service_role", sub: null, request_id: null }]);
  });

  it("reach what their role may and no further", async () => {
    const { db } = database();
    const peek = (tx: Parameters<Parameters<Database["asService"]>[0]>[0]) =>
      query`select * from private.jobs`.execute(tx);
    await expect(db.asService(peek)).rejects.toMatchObject({ code: "42501" });
    const claims = { sub: crypto.randomUUID(), role: "authenticated" as const };
    await expect(db.asUser(claims, peek)).rejects.toMatchObject({ code: "42501" });
  });

  it("take JSON as it is, once encoded", async () => {
    const { db } = database();
    const value = {
      text: 'a "quoted" \\ text',
      list: [1, null],
      nested: { id: "10000000000000001" },
    };
    const result = await db.asService((tx) =>
      query<{ kind: string; value: unknown }>`
        select jsonb_typeof(v) as kind, v as value from (select ${json(value)} as v) one`.execute(
        tx,
      ),
    );
    expect(result.rows).toEqual([{ kind: "object", value }]);
  });
});

describe("a transaction", () => {
  it("is taken back when its work fails", async () => {
    const { db } = database({ max: 1 });
    const eventId = unique("event");
    const receive = (tx: Parameters<Parameters<Database["asService"]>[0]>[0]) =>
      query`select private.inbox_receive('pool_test', ${eventId}, '\\x00', '{}', true)`.execute(tx);
    await expect(
      db.asService(async (tx) => {
        await receive(tx);
        throw new Error("changed my mind");
      }),
    ).rejects.toThrow("changed my mind");
    const left = await sql()`select 1 from private.webhook_inbox where event_id = ${eventId}`;
    expect(left).toHaveLength(0);
    expect((await db.asService((tx) => facts.execute(tx))).rows).toHaveLength(1);
  });

  it("whose connection is killed in the middle rejects, and the next has another", async () => {
    const { db, application } = database({ max: 1 });
    const dying = db.asService((tx) => query`select pg_sleep(10)`.execute(tx));
    const death = expect(dying).rejects.toThrow();
    await expect.poll(() => killAll(application).then((rows) => rows.length)).toBeGreaterThan(0);
    await death;
    expect((await db.asService((tx) => facts.execute(tx))).rows).toHaveLength(1);
  });

  it("whose connection is killed between two queries rejects as well", async () => {
    const { db, application } = database({ max: 1 });
    const dying = db.asService(async (tx) => {
      await facts.execute(tx);
      await killAll(application);
      await new Promise((resolve) => setTimeout(resolve, 100));
      await facts.execute(tx);
    });
    await expect(dying).rejects.toThrow();
    expect((await db.asService((tx) => facts.execute(tx))).rows).toHaveLength(1);
  });

  it("cannot go on when it is over", async () => {
    const { db } = database();
    let late: (() => Promise<unknown>) | undefined;
    await db.asService(async (tx) => {
      late = () => facts.execute(tx);
    });
    await expect(late?.()).rejects.toThrow("The transaction is over.");
  });

  it("ends by the clock of the database when a statement takes too long", async () => {
    const { db } = database({ statementTimeoutMs: 200 });
    const slow = db.asService((tx) => query`select pg_sleep(10)`.execute(tx));
    await expect(slow).rejects.toBeInstanceOf(postgres.PostgresError);
    await expect(slow).rejects.toMatchObject({ code: "57014" });
  });

  it("waits for its turn when all connections are taken", async () => {
    const { db } = database({ max: 2 });
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        db.asService((tx) =>
          query<{ i: number }>`select ${i}::integer as i, pg_sleep(0.01)`.execute(tx),
        ),
      ),
    );
    expect(results.map(({ rows }) => rows[0]?.i)).toEqual([...Array(20).keys()]);
  });
});

// Postgres Changes: rows of published tables, each subscriber through their own rights.

import { setTimeout as sleep } from "node:timers/promises";
import type { SupabaseClient } from "@supabase/supabase-js";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  inbox,
  joined,
  type RealtimeProject,
  startRealtimeProject,
  systemMessages,
  tokenFor,
} from "./support/realtime-project.ts";

const ANNA = "11111111-1111-4111-8111-111111111111";
const BEN = "22222222-2222-4222-8222-222222222222";
const NOTE = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa";

let project: RealtimeProject;

beforeAll(async () => {
  project = await startRealtimeProject();
  await project.sql.unsafe(`
    create table public.notes (
      id uuid primary key,
      owner uuid not null,
      title text,
      priority int,
      price numeric(10, 2),
      is_done boolean default false,
      tags text[],
      extra jsonb,
      due_at timestamptz,
      body text,
      secret text
    );
    alter table public.notes enable row level security;
    create policy "Owners see their notes" on public.notes
      for select to authenticated using (owner = (select auth.uid()));
    grant select (id, owner, title, priority, price, is_done, tags, extra, due_at, body)
      on public.notes to authenticated;

    create table public.open_items (id int primary key, title text);
    grant select on public.open_items to anon, authenticated;
    alter table public.open_items replica identity full;

    create table public.closed_items (id int primary key);
    create table public."Odd ""names""" ("Key 1" int, "key 2" text, primary key ("Key 1", "key 2"));
    alter table public."Odd ""names""" enable row level security;
    create policy everybody on public."Odd ""names""" for select to authenticated using (true);
    grant select on public."Odd ""names""" to authenticated;

    alter publication supabase_realtime
      add table public.notes, public.open_items, public.closed_items, public."Odd ""names""";
    create table public.unpublished (id int primary key);
  `);
}, 60_000);

beforeEach(() => project.sql`truncate public.notes, public.open_items`);
afterEach(() => project.disconnectAll());
afterAll(() => project?.close());

interface ChangePayload {
  eventType: string;
  schema: string;
  table: string;
  commit_timestamp: string;
  errors: string[] | null;
  new: Record<string, unknown>;
  old: Record<string, unknown>;
}

interface Binding {
  event?: string;
  table?: string;
  filter?: string;
  select?: string[];
}

/** Subscribes and waits until the server says that changes will come. */
async function watch(client: SupabaseClient, binding: Binding = {}) {
  const changes = inbox<ChangePayload>();
  const channel = client.channel(`changes:${Math.random()}`);
  const system = systemMessages(channel);
  channel.on(
    "postgres_changes",
    { event: "*", schema: "public", table: "notes", ...binding } as never,
    (change: ChangePayload) => changes.push(change),
  );
  await joined(channel);
  const [message] = await system.atLeast(1);
  return { channel, changes, system, message };
}

const insertNote = (fields: Record<string, unknown> = {}) =>
  project.sql`insert into public.notes ${project.sql({ id: NOTE, owner: ANNA, ...fields })}`;

describe.each(["1.0.0", "2.0.0"])("A change, vsn %s", (vsn) => {
  test("is told with the types of its columns", async () => {
    const { changes, message } = await watch(await project.connect(ANNA, { vsn }));
    expect(message).toEqual({
      extension: "postgres_changes",
      status: "ok",
      message: "Subscribed to PostgreSQL",
      channel: expect.stringMatching(/^changes:/),
    });
    const before = Date.now();
    await project.sql`
      insert into public.notes (id, owner, title, priority, price, tags, extra, due_at, secret)
      values (${NOTE}, ${ANNA}, 'Call "back"', 2, 12.50, '{a,"b c"}', '{"n": [1, null]}',
        '2026-11-21 10:00:00+05:30', 'hidden')`;
    const note = {
      id: NOTE,
      owner: ANNA,
      title: 'Call "back"',
      priority: 2,
      price: 12.5,
      is_done: false,
      tags: ["a", "b c"],
      extra: { n: [1, null] },
      due_at: "2026-11-21T04:30:00+00:00",
      body: null,
    };
    const [insert] = await changes.atLeast(1);
    expect(insert).toEqual({
      schema: "public",
      table: "notes",
      eventType: "INSERT",
      commit_timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      errors: null,
      new: note,
      old: {},
    });
    expect(Math.abs(Date.parse(insert!.commit_timestamp) - before)).toBeLessThan(2_000);

    // Visibility is asked when a change is delivered: a row must still be there by then.
    await project.sql`update public.notes set is_done = true where id = ${NOTE}`;
    await changes.atLeast(2);
    await project.sql`delete from public.notes where id = ${NOTE}`;
    await changes.atLeast(3);
    expect(changes.received.slice(1)).toMatchObject([
      { eventType: "UPDATE", new: { ...note, is_done: true }, old: { id: NOTE } },
      { eventType: "DELETE", new: {}, old: { id: NOTE } },
    ]);
  });
});

describe("A subscriber", () => {
  test("sees only rows that the policies show, and of a deletion only the key", async () => {
    const ben = await watch(await project.connect(BEN));
    const anna = await watch(await project.connect(ANNA));
    await insertNote({ title: "Anna's" });
    await anna.changes.atLeast(1);
    await project.sql`update public.notes set title = 'Still hers' where id = ${NOTE}`;
    await anna.changes.atLeast(2);
    await project.sql`delete from public.notes where id = ${NOTE}`;
    await anna.changes.atLeast(3);
    await ben.changes.atLeast(1);
    await sleep(100);
    expect(ben.changes.received).toMatchObject([
      { eventType: "DELETE", new: {}, old: { id: NOTE } },
    ]);
    expect(Object.keys(ben.changes.received[0]!.old)).toEqual(["id"]);
  });

  test("sees only columns that the role may select", async () => {
    const { changes } = await watch(await project.connect(ANNA));
    await insertNote({ secret: "hidden" });
    const [insert] = await changes.atLeast(1);
    expect(Object.keys(insert!.new)).not.toContain("secret");
  });

  test("sees nothing of a transaction that is rolled back", async () => {
    const { changes } = await watch(await project.connect(ANNA));
    await project.sql
      .begin(async (sql) => {
        await sql`insert into public.notes (id, owner) values (${BEN}, ${ANNA})`;
        throw new Error("changed my mind");
      })
      .catch(() => {});
    await insertNote();
    await changes.atLeast(1);
    expect(changes.received.map((change) => change.new.id)).toEqual([NOTE]);
  });

  test("whose role may not select the key is told so", async () => {
    const { changes } = await watch(await project.connect(null));
    await insertNote();
    expect(await changes.atLeast(1)).toMatchObject([
      { eventType: "INSERT", errors: ["Error 401: Unauthorized"], new: {}, old: {} },
    ]);
  });

  test("without row security sees whole rows, old ones as far as they are kept", async () => {
    const { changes } = await watch(await project.connect(null), { table: "open_items" });
    await project.sql`insert into public.open_items values (1, 'one')`;
    await project.sql`update public.open_items set title = 'two'`;
    await project.sql`delete from public.open_items`;
    expect(await changes.atLeast(3)).toMatchObject([
      { new: { id: 1, title: "one" } },
      { new: { id: 1, title: "two" }, old: { id: 1, title: "one" } },
      { old: { id: 1, title: "two" } },
    ]);
  });

  test("sees rows as whoever the latest token names", async () => {
    const client = await project.connect(ANNA);
    const { changes, system } = await watch(client);
    await client.realtime.setAuth(await tokenFor(BEN));
    await system.atLeast(2);
    await insertNote();
    await insertNote({ id: BEN, owner: BEN });
    await changes.atLeast(1);
    expect(changes.received.map((change) => change.new.id)).toEqual([BEN]);
  });

  test("keeps a large value that an update did not touch", async () => {
    const body = Array.from({ length: 4_000 }, () => Math.random().toString(36)).join("");
    await project.sql`alter table public.notes replica identity full`;
    await insertNote({ body });
    const { changes } = await watch(await project.connect(ANNA));
    await project.sql`update public.notes set priority = 1`;
    const [update] = await changes.atLeast(1);
    await project.sql`alter table public.notes replica identity default`;
    expect(update!.new.body === body).toBe(true);
  });

  test("is spared the long values of a row that is too large", async () => {
    const { changes } = await watch(await project.connect(ANNA));
    await insertNote({ title: "short", body: "x".repeat(1_100_000) });
    const [insert] = await changes.atLeast(1);
    expect(insert).toMatchObject({
      errors: ["Error 413: Payload Too Large"],
      new: { id: NOTE, title: "short" },
    });
    expect(insert!.new).not.toHaveProperty("body");
  });

  test("may watch tables with odd names and keys", async () => {
    const { changes } = await watch(await project.connect(ANNA), { table: 'Odd "names"' });
    await project.sql`insert into public."Odd ""names""" values (1, 'it''s')`;
    expect(await changes.atLeast(1)).toMatchObject([{ new: { "Key 1": 1, "key 2": "it's" } }]);
  });
});

describe("A binding", () => {
  const titles = (changes: { received: ChangePayload[] }) =>
    changes.received.map((change) => change.new.title);

  test.each([
    ["priority=eq.2", ["two"]],
    ["priority=neq.2", ["one", "three", "last"]],
    ["priority=lt.2", ["one"]],
    ["priority=lte.2", ["one", "two"]],
    ["priority=gt.2", ["three", "last"]],
    ["priority=gte.2", ["two", "three", "last"]],
    ["priority=in.(1,3)", ["one", "three"]],
    ["title=in.(one,three)", ["one", "three"]],
    ["price=eq.1.5", ["one"]],
    ["title=like.t%", ["two", "three"]],
    ["title=not.like.t%", ["one", "last"]],
    ["price=is.null", ["two", "three", "last"]],
    ["priority=gt.1,title=neq.last", ["two", "three"]],
  ])("filters by %s", async (filter, expected) => {
    const { changes } = await watch(await project.connect(ANNA), { filter });
    const all = await watch(await project.connect(ANNA));
    for (const [index, title] of ["one", "two", "three", "last"].entries()) {
      const id = `${index}${NOTE.slice(1)}`;
      const price = title === "one" ? 1.5 : null;
      await insertNote({ id, title, price, priority: index === 3 ? 9 : index + 1 });
    }
    await all.changes.atLeast(4);
    await changes.atLeast(expected.length);
    expect(titles(changes)).toEqual(expected);
  });

  test("may ask for one kind of event", async () => {
    const client = await project.connect(ANNA);
    const { changes } = await watch(client, { event: "UPDATE" });
    await insertNote();
    await project.sql`update public.notes set title = 'new'`;
    await changes.atLeast(1);
    expect(changes.received.map((change) => change.eventType)).toEqual(["UPDATE"]);
  });

  test("may ask for some columns, and gets the key with them", async () => {
    const { changes } = await watch(await project.connect(ANNA), { select: ["title"] });
    await insertNote({ title: "one", priority: 1 });
    expect((await changes.atLeast(1))[0]!.new).toEqual({ id: NOTE, title: "one" });
  });

  test("shares a channel with others and hears only its own", async () => {
    const client = await project.connect(ANNA);
    const high = inbox<ChangePayload>();
    const low = inbox<ChangePayload>();
    const channel = client.channel("two bindings");
    const system = systemMessages(channel);
    const on = (filter: string, into: typeof high) =>
      channel.on(
        "postgres_changes",
        { event: "INSERT", schema: "public", table: "notes", filter },
        (change) => into.push(change as unknown as ChangePayload),
      );
    on("priority=gt.5", high);
    on("priority=lte.5", low);
    await joined(channel);
    await system.atLeast(1);
    await insertNote({ priority: 9, title: "high" });
    await insertNote({ id: BEN, priority: 1, title: "low" });
    await low.atLeast(1);
    expect([titles(high), titles(low)]).toEqual([["high"], ["low"]]);
  });

  test.each([
    [{ table: "unpublished" }, /Please check Realtime is enabled/],
    [{ filter: "missing=eq.1" }, /invalid column for filter missing/],
    [{ filter: "secret=eq.1" }, /invalid column for filter secret/],
    [{ filter: "priority=eq.many" }, /invalid input syntax for type integer/],
    [{ filter: "priority=about.1" }, /Error parsing `filter` params/],
    [{ filter: "priority=in.1,2" }, /must be wrapped by parentheses|empty segments|Error parsing/],
    [{ select: ["secret"] }, /invalid column for select secret/],
  ])("that cannot be served is refused: %j", async (binding, reason) => {
    const { message } = await watch(await project.connect(ANNA), binding);
    expect(message).toMatchObject({ extension: "postgres_changes", status: "error" });
    expect(message?.message).toMatch(reason);
  });

  test("of a role that does not exist is refused, and disturbs nobody", async () => {
    const emperor = await project.connect(ANNA, { token: { role: "emperor" } });
    const { message } = await watch(emperor);
    expect(message?.message).toMatch(/role "emperor" does not exist/);
    const { changes } = await watch(await project.connect(ANNA));
    await insertNote();
    await changes.atLeast(1);
  });

  test("that the next token may not have ends", async () => {
    const client = await project.connect(ANNA);
    const { changes, system } = await watch(client, { filter: "priority=gt.0" });
    await client.realtime.setAuth(await tokenFor(ANNA, { role: "anon" }));
    const [, second] = await system.atLeast(2);
    expect(second?.message).toMatch(/invalid column for filter priority/);
    await insertNote({ priority: 1 });
    await sleep(150);
    expect(changes.received).toEqual([]);
  });

  test("of a table without any grant hears no rows", async () => {
    const { changes } = await watch(await project.connect(ANNA), { table: "closed_items" });
    await project.sql`insert into public.closed_items values (1)`;
    expect(await changes.atLeast(1)).toMatchObject([{ errors: ["Error 401: Unauthorized"] }]);
  });
});

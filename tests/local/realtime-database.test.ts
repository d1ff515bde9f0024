// Broadcast from the database, over HTTP and on replay; the rights on the schema behind it.

import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import {
  inbox,
  joined,
  listen,
  PUBLISHABLE_KEY,
  type RealtimeProject,
  SECRET_KEY,
  startRealtimeProject,
  tokenFor,
} from "./support/realtime-project.ts";

const ANNA = "11111111-1111-4111-8111-111111111111";
const UUID = expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f-]{27}$/);

let project: RealtimeProject;

beforeAll(async () => {
  project = await startRealtimeProject();
  await project.sql.unsafe(`
    create policy "Everybody signed in reads the board" on realtime.messages
      for select to authenticated using ((select realtime.topic()) = 'board');
    create policy "Writers write to the board" on realtime.messages
      for insert to authenticated
      with check ((select realtime.topic()) = 'board'
        and ((select auth.jwt()) ->> 'writer')::boolean);

    create table public.cards (id int primary key, title text not null);
    create function public.tell_board() returns trigger
    language plpgsql security definer set search_path = ''
    as $$
    begin
      perform realtime.broadcast_changes(
        'board', tg_op, tg_op, tg_table_name, tg_table_schema, new, old);
      return null;
    end;
    $$;
    create trigger tell_board after insert or update or delete on public.cards
      for each row execute function public.tell_board();
  `);
}, 60_000);

afterEach(() => project.disconnectAll());
afterAll(() => project?.close());

describe("Broadcast from the database", () => {
  test.each(["1.0.0", "2.0.0"])("carries payload, id and meta, vsn %s", async (vsn) => {
    const { messages } = await listen(await project.connect(ANNA, { vsn }), "board");
    await project.sql`select realtime.send('{"n": 1}', 'added', 'board')`;
    const [message] = await messages.atLeast(1);
    expect(message).toEqual({
      type: "broadcast",
      event: "added",
      payload: { n: 1, id: UUID },
      meta: { id: UUID },
    });
    expect(message?.payload.id).toBe(message?.meta?.id);
  });

  test("leaves an id that the payload has", async () => {
    const { messages } = await listen(await project.connect(ANNA), "board");
    await project.sql`select realtime.send('{"id": 7}', 'added', 'board')`;
    expect(await messages.atLeast(1)).toMatchObject([{ payload: { id: 7 }, meta: { id: UUID } }]);
  });

  test("happens on commit, in order, and not at all after a rollback", async () => {
    const { messages } = await listen(await project.connect(ANNA), "board");
    await project.sql
      .begin(async (sql) => {
        await sql`select realtime.send('{}', 'rolled back', 'board')`;
        throw new Error("changed my mind");
      })
      .catch(() => {});
    await project.sql.begin(async (sql) => {
      await sql`select realtime.send('{}', 'first', 'board')`;
      await sql`select realtime.send('{}', 'second', 'board')`;
      await sleep(100);
      expect(messages.received).toEqual([]);
    });
    await messages.atLeast(2);
    expect(messages.received.map(({ event }) => event)).toEqual(["first", "second"]);
  });

  test("reaches private subscribers only, unless it is public", async () => {
    const client = await project.connect(ANNA);
    const member = await listen(client, "board");
    const visitor = await listen(await project.connect(null), "board", { private: false });
    await project.sql`select realtime.send('{}', 'private', 'board')`;
    await project.sql`select realtime.send('{}', 'public', 'board', false)`;
    await member.messages.atLeast(1);
    await visitor.messages.atLeast(1);
    expect(member.messages.received.map(({ event }) => event)).toEqual(["private"]);
    expect(visitor.messages.received.map(({ event }) => event)).toEqual(["public"]);
  });

  test("follows the changes of a table through its trigger", async () => {
    const { messages } = await listen(await project.connect(ANNA), "board");
    await project.sql`insert into public.cards values (1, 'Call back')`;
    await project.sql`update public.cards set title = 'Called' where id = 1`;
    await project.sql`delete from public.cards where id = 1`;
    const common = { schema: "public", table: "cards", id: UUID };
    const before = { id: 1, title: "Call back" };
    const after = { id: 1, title: "Called" };
    expect((await messages.atLeast(3)).map(({ payload }) => payload)).toEqual([
      { ...common, operation: "INSERT", record: before, old_record: null },
      { ...common, operation: "UPDATE", record: after, old_record: before },
      { ...common, operation: "DELETE", record: null, old_record: after },
    ]);
  });

  test("carries bytes to clients of vsn 2", async () => {
    const { messages } = await listen(await project.connect(ANNA), "board");
    await project.sql`select realtime.send_binary('\\x00ff10'::bytea, 'bytes', 'board')`;
    const [message] = await messages.atLeast(1);
    expect(new Uint8Array(message?.payload as never)).toEqual(new Uint8Array([0, 255, 16]));
  });

  test("that cannot be stored is a warning, and the transaction goes on", async () => {
    const { messages } = await listen(await project.connect(ANNA), "board");
    await project.sql.begin(async (sql) => {
      await sql`select realtime.send('"no object"', 'refused', 'board')`;
      await sql`select realtime.send('{}', 'refused', null)`;
      await sql`set local role authenticated`;
      await sql`select realtime.send('{}', 'refused by policy', 'board')`;
      await sql`reset role`;
      await sql`select realtime.send('{}', 'kept', 'board')`;
    });
    await messages.atLeast(1);
    expect(messages.received.map(({ event }) => event)).toEqual(["kept"]);
  });

  test("of an operation that is none raises", async () => {
    await expect(
      project.sql`
        select realtime.broadcast_changes('t', 'e', 'MERGE', 'x', 'y', row(1), row(1))`,
    ).rejects.toThrow("Failed to process the row: Unexpected operation type: MERGE");
  });
});

describe("Replay", () => {
  test("tells a private channel what it missed, once", async () => {
    const since = Date.now() - 1000;
    await project.sql`delete from realtime.messages`;
    await project.sql`select realtime.send('{"n": 1}', 'missed', 'board')`;
    await project.sql`select realtime.send('{"n": 2}', 'missed', 'board')`;
    const client = await project.connect(ANNA);
    const replay = { broadcast: { replay: { since, limit: 10 } } };
    const { messages } = await listen(client, "board", replay);
    await messages.atLeast(2);
    await sleep(100);
    expect(messages.received.map(({ payload, meta }) => [payload.n, meta?.replayed])).toEqual([
      [1, true],
      [2, true],
    ]);
  });

  test("with unreadable bounds is refused", async () => {
    const client = await project.connect(ANNA);
    const replay = { broadcast: { replay: { since: "yesterday" } } };
    await expect(listen(client, "board", replay)).rejects.toThrow(
      "UnableToReplayMessages: Replay params are not valid",
    );
  });
});

describe("Broadcast over HTTP", () => {
  const message = { topic: "board", event: "posted", payload: { n: 1 }, private: true };

  const post = async (messages: unknown, headers: Record<string, string>) =>
    fetch(`${project.url}/realtime/v1/api/broadcast`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify({ messages }),
    });

  test("with the secret key reaches private and public topics", async () => {
    const member = await listen(await project.connect(ANNA), "board");
    const visitor = await listen(await project.connect(null), "board", { private: false });
    const response = await post([message, { ...message, private: false }], { apikey: SECRET_KEY });
    expect(response.status).toBe(202);
    const expected = [{ type: "broadcast", event: "posted", payload: { n: 1 } }];
    expect(await member.messages.atLeast(1)).toEqual(expected);
    expect(await visitor.messages.atLeast(1)).toEqual(expected);
  });

  test("to a private topic needs the right to write, and is left out without a word", async () => {
    const { messages } = await listen(await project.connect(ANNA), "board");
    const reader = { apikey: PUBLISHABLE_KEY, authorization: `Bearer ${await tokenFor(ANNA)}` };
    const writer = {
      apikey: PUBLISHABLE_KEY,
      authorization: `Bearer ${await tokenFor(ANNA, { claims: { writer: true } })}`,
    };
    expect((await post([{ ...message, event: "forged" }], reader)).status).toBe(202);
    expect((await post([message], { apikey: PUBLISHABLE_KEY })).status).toBe(202);
    expect((await post([{ ...message, event: "allowed" }], writer)).status).toBe(202);
    await messages.atLeast(1);
    expect(messages.received.map(({ event }) => event)).toEqual(["allowed"]);
  });

  test("needs a key, a valid token and a readable body", async () => {
    const key = { apikey: SECRET_KEY };
    expect((await post([message], {})).status).toBe(401);
    expect((await post([message], { apikey: "sb_secret_guess" })).status).toBe(401);
    expect((await post([message], { ...key, authorization: "Bearer a.b.c" })).status).toBe(401);
    const refused = await post([{ topic: "board", payload: {} }], key);
    expect(refused.status).toBe(422);
    expect(await refused.json()).toEqual({ errors: { messages: [{ event: ["can't be blank"] }] } });
    expect((await post("none", key)).status).toBe(422);
  });

  test("one message at a time, as httpSend does", async () => {
    const { messages } = await listen(await project.connect(ANNA), "board");
    const writer = await project.connect(ANNA, { token: { claims: { writer: true } } });
    const channel = writer.channel("board", { config: { private: true } });
    expect(await channel.httpSend("posted", { n: 2 })).toEqual({ success: true });
    expect(await messages.atLeast(1)).toMatchObject([{ event: "posted", payload: { n: 2 } }]);

    const reader = await project.connect(ANNA);
    const refused = reader.channel("board", { config: { private: true } });
    await expect(refused.httpSend("forged", { n: 3 })).rejects.toThrow("Unauthorized");
  });
});

describe("The schema realtime", () => {
  test("gives the API roles what a hosted project gives them", async () => {
    const rows = await project.sql<{ role: string; rights: string }[]>`
      select grantee as role, string_agg(privilege_type, ',' order by privilege_type) as rights
      from information_schema.role_table_grants
      where table_schema = 'realtime' and table_name = 'messages'
        and grantee in ('anon', 'authenticated', 'service_role')
      group by grantee order by grantee`;
    expect([...rows]).toEqual(
      ["anon", "authenticated", "service_role"].map((role) => ({
        role,
        rights: "INSERT,SELECT,UPDATE",
      })),
    );
  });

  test("belongs to supabase_realtime_admin, with row security on", async () => {
    const [table] = await project.sql`
      select relowner::regrole::text as owner, relrowsecurity as secured
      from pg_class where oid = 'realtime.messages'::regclass`;
    expect(table).toEqual({ owner: "supabase_realtime_admin", secured: true });
  });

  test("lets postgres write policies and nothing else", async () => {
    await project.sql.unsafe(`
      create policy "For a moment" on realtime.messages for select to anon using (false);
      drop policy "For a moment" on realtime.messages;
    `);
    for (const statement of [
      "create table realtime.mine (id int)",
      "alter table realtime.messages add column mine int",
      "drop table realtime.messages",
      // PostgreSQL 15 cannot forbid the first to a member, and then refuses the second.
      "set local role supabase_realtime_admin; create table realtime.mine (id int)",
    ]) {
      await expect(project.sql.unsafe(statement), statement).rejects.toMatchObject({
        code: "42501",
      });
    }
  });

  test("lets a migration add a table to the publication", async () => {
    await project.sql`alter publication supabase_realtime add table public.cards`;
    const rows = await project.sql`
      select tablename from pg_publication_tables where pubname = 'supabase_realtime'`;
    expect(rows.map(({ tablename }) => tablename)).toEqual(["cards"]);
  });

  test("keeps messages for three days", async () => {
    await project.sql`
      insert into realtime.messages (topic, extension, inserted_at)
      values ('old', 'broadcast', now() - interval '73 hours')`;
    const replies = inbox<string>();
    const client = await project.connect(ANNA);
    await joined(
      client.channel("unrelated").on("system", {}, ({ status }) => replies.push(status)),
    );
    const { createRealtime } = await import("../../packages/local/src/realtime.ts");
    const second = await createRealtime({
      databaseUrl: project.adminUrl,
      verifyToken: async () => null,
      isApiKey: () => null,
    });
    await second.close();
    const [row] = await project.sql`
      select count(*)::int as count from realtime.messages where topic = 'old'`;
    expect(row?.count).toBe(0);
  });
});

// The real client against the local Realtime server: who may connect, join, stay and broadcast.

import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import WebSocket from "ws";
import {
  inbox,
  joined,
  listen,
  PUBLISHABLE_KEY,
  type RealtimeProject,
  startRealtimeProject,
  systemMessages,
  tokenFor,
} from "./support/realtime-project.ts";

const ANNA = "11111111-1111-4111-8111-111111111111";
const BEN = "22222222-2222-4222-8222-222222222222";
const NOT_ALLOWED = "Unauthorized: You do not have permissions to read from this Channel topic: ";

let project: RealtimeProject;

beforeAll(async () => {
  project = await startRealtimeProject({ maxChannelsPerClient: 5 });
  await project.sql.unsafe(`
    create table public.room_members (
      room text not null,
      user_id uuid not null,
      may_write boolean not null default false,
      primary key (room, user_id)
    );
    alter table public.room_members enable row level security;
    grant select on public.room_members to authenticated;
    create policy "Members see themselves" on public.room_members
      for select to authenticated using (user_id = (select auth.uid()));

    create policy "Users read their own topic" on realtime.messages
      for select to authenticated
      using ((select realtime.topic()) = 'user:' || (select auth.uid())::text);
    create policy "Members read their room" on realtime.messages
      for select to authenticated
      using (extension = 'broadcast' and exists (
        select from public.room_members m where m.room = (select realtime.topic())));
    create policy "Writers write to their room" on realtime.messages
      for insert to authenticated
      with check (extension = 'broadcast' and exists (
        select from public.room_members m where m.room = (select realtime.topic()) and m.may_write));
    create policy "One topic has a broken policy" on realtime.messages
      for select to authenticated
      using ((select realtime.topic()) = 'broken' and 1 / (length((select realtime.topic())) - 6) > 0);

    insert into public.room_members values
      ('room:1', '${ANNA}', true), ('room:1', '${BEN}', false), ('room:2', '${ANNA}', false);
  `);
}, 60_000);

afterEach(() => project.disconnectAll());
afterAll(() => project?.close());

async function handshake(query: string): Promise<{ status: number; body: unknown }> {
  const url = `${project.url.replace("http", "ws")}/realtime/v1/websocket?${query}`;
  const socket = new WebSocket(url);
  return new Promise((resolve, reject) => {
    socket.on("open", () => reject(new Error("the socket was opened")));
    socket.on("error", () => {});
    socket.on("unexpected-response", (_request, response) => {
      let body = "";
      response.on("data", (chunk) => {
        body += chunk;
      });
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, body: JSON.parse(body) }),
      );
    });
  });
}

describe("Connecting", () => {
  test("an unknown API key is refused before there is a socket", async () => {
    expect(await handshake("apikey=sb_publishable_guessed&vsn=2.0.0")).toEqual({
      status: 401,
      body: {
        message: "Invalid API key",
        hint: "Double check your Supabase `anon` or `service_role` API key.",
      },
    });
  });

  test("a missing API key is refused", async () => {
    expect(await handshake("vsn=2.0.0")).toMatchObject({
      status: 401,
      body: { message: "No API key found in request" },
    });
  });

  test("a protocol version that nobody speaks is refused", async () => {
    expect(await handshake(`apikey=${PUBLISHABLE_KEY}&vsn=3.0.0`)).toMatchObject({ status: 403 });
  });

  test.each(["1.0.0", "2.0.0"])("heartbeats are answered, vsn %s", async (vsn) => {
    const client = await project.connect(ANNA, { vsn });
    const beats = inbox<string>();
    client.realtime.onHeartbeat((status) => beats.push(status));
    await listen(client, `user:${ANNA}`);
    await client.realtime.sendHeartbeat();
    expect(await beats.atLeast(2)).toEqual(["sent", "ok"]);
  });

  test("a frame that cannot be read ends the socket", async () => {
    const url = `${project.url.replace("http", "ws")}/realtime/v1/websocket?apikey=${PUBLISHABLE_KEY}`;
    const socket = new WebSocket(url);
    const code = await new Promise((resolve) => {
      socket.on("open", () => socket.send("not json"));
      socket.on("close", resolve);
    });
    expect(code).toBe(1002);
  });

  test("a client may join so many channels and no more", async () => {
    const client = await project.connect(ANNA);
    for (let index = 0; index < 5; index++) {
      await joined(client.channel(`public:${index}`));
    }
    await expect(joined(client.channel("public:5"))).rejects.toThrow(
      "ChannelRateLimitReached: Too many channels",
    );
  });
});

describe("Joining a private channel", () => {
  test("is refused on another user's topic, in hosted's words", async () => {
    const client = await project.connect(BEN);
    await expect(listen(client, `user:${ANNA}`)).rejects.toThrow(`${NOT_ALLOWED}user:${ANNA}`);
  });

  test("is refused to the publishable key alone", async () => {
    const client = await project.connect(null);
    await expect(listen(client, `user:${ANNA}`)).rejects.toThrow(`${NOT_ALLOWED}user:${ANNA}`);
  });

  test("is refused to an expired token", async () => {
    const client = await project.connect(ANNA, { token: { expiresIn: -30 } });
    await expect(listen(client, `user:${ANNA}`)).rejects.toThrow(
      /^InvalidJWTToken: Token has expired 3\d seconds ago$/,
    );
  });

  test("is refused to a token with another signature", async () => {
    const client = await project.connect(null);
    const [head, body] = (await tokenFor(ANNA)).split(".");
    await client.realtime.setAuth(`${head}.${body}.c2lnbmF0dXJl`);
    await expect(listen(client, `user:${ANNA}`)).rejects.toThrow(
      "JwtSignatureError: Failed to validate JWT signature",
    );
  });

  test("is refused to what is no token at all", async () => {
    const client = await project.connect(null);
    await client.realtime.setAuth("guess");
    await expect(listen(client, `user:${ANNA}`)).rejects.toThrow(
      "MalformedJWT: The token provided is not a valid JWT",
    );
  });

  test("is refused to a role that does not exist", async () => {
    const client = await project.connect(ANNA, { token: { role: "emperor" } });
    await expect(listen(client, `user:${ANNA}`)).rejects.toThrow(NOT_ALLOWED);
  });

  test("is refused by a policy that raises, and the log says why", async () => {
    const client = await project.connect(ANNA);
    await expect(listen(client, "broken")).rejects.toThrow(`${NOT_ALLOWED}broken`);
    expect(project.logs.at(-1)).toBe("RlsPolicyError: division by zero (topic broken)");
  });

  test("leaves nothing in realtime.messages", async () => {
    await listen(await project.connect(ANNA), "room:1");
    const [row] = await project.sql`select count(*)::int as count from realtime.messages`;
    expect(row?.count).toBe(0);
  });

  test("a topic needs a name", async () => {
    const client = await project.connect(ANNA);
    await expect(joined(client.channel(""))).rejects.toThrow("TopicNameRequired");
  });

  test("joining again after leaving works", async () => {
    const client = await project.connect(ANNA);
    const first = await listen(client, "room:1");
    expect(await first.channel.unsubscribe()).toBe("ok");
    const second = await listen(client, "room:1");
    await project.sql`select realtime.send('{}', 'again', 'room:1')`;
    await second.messages.atLeast(1);
    expect(first.messages.received).toEqual([]);
  });
});

describe("A token", () => {
  test("of the same user takes over without a word", async () => {
    const client = await project.connect(ANNA);
    const { channel, messages } = await listen(client, `user:${ANNA}`);
    const system = systemMessages(channel);
    await client.realtime.setAuth(await tokenFor(ANNA, { expiresIn: 7200 }));
    await sleep(100);
    await project.sql`select realtime.send('{}', 'still', ${`user:${ANNA}`})`;
    await messages.atLeast(1);
    expect(system.received).toEqual([]);
  });

  test("of somebody who may not read closes the channel", async () => {
    const client = await project.connect(ANNA);
    const { channel, messages } = await listen(client, `user:${ANNA}`);
    const system = systemMessages(channel);
    await client.realtime.setAuth(await tokenFor(BEN));
    expect(await system.atLeast(1)).toMatchObject([
      {
        extension: "system",
        status: "error",
        message: `You do not have permissions to read from this Channel topic: user:${ANNA}`,
      },
    ]);
    await project.sql`select realtime.send('{}', 'late', ${`user:${ANNA}`})`;
    await sleep(200);
    expect(channel.state).toBe("closed");
    expect(messages.received).toEqual([]);
  });

  test("decides: a right that is taken away holds until the next token", async () => {
    const client = await project.connect(ANNA);
    const { channel, messages } = await listen(client, "room:2");
    const system = systemMessages(channel);
    await project.sql`delete from public.room_members where room = 'room:2'`;
    await project.sql`select realtime.send('{}', 'seen', 'room:2')`;
    await messages.atLeast(1);
    await client.realtime.setAuth(await tokenFor(ANNA, { expiresIn: 7200 }));
    await system.atLeast(1);
    await project.sql`select realtime.send('{}', 'unseen', 'room:2')`;
    await sleep(200);
    expect(messages.received.map(({ event }) => event)).toEqual(["seen"]);
  });

  test("that expires closes the channel", async () => {
    const client = await project.connect(ANNA, { token: { expiresIn: 2 } });
    const { channel } = await listen(client, `user:${ANNA}`);
    const system = systemMessages(channel);
    const [message] = await system.atLeast(1);
    expect(message?.message).toMatch(/^Token has expired \d seconds ago$/);
    await sleep(50);
    expect(channel.state).toBe("closed");
  });
});

describe("Broadcast from a client", () => {
  test.each([
    ["2.0.0", "1.0.0"],
    ["1.0.0", "2.0.0"],
  ])("goes from vsn %s to vsn %s, and not back", async (from, to) => {
    const sender = await listen(await project.connect(ANNA, { vsn: from }), "room:1");
    const receiver = await listen(await project.connect(BEN, { vsn: to }), "room:1");
    const message = { type: "broadcast" as const, event: "typing", payload: { who: "Änne" } };
    expect(await sender.channel.send(message)).toBe("ok");
    expect(await receiver.messages.atLeast(1)).toEqual([message]);
    expect(sender.messages.received).toEqual([]);
  });

  test("comes back to its sender, and is acknowledged, when asked for", async () => {
    const config = { broadcast: { self: true, ack: true } };
    const { channel, messages } = await listen(await project.connect(ANNA), "room:1", config);
    const message = { type: "broadcast" as const, event: "typing", payload: {} };
    expect(await channel.send(message)).toBe("ok");
    expect(await messages.atLeast(1)).toEqual([message]);
  });

  test("without the right to write goes nowhere and is not acknowledged", async () => {
    const config = { broadcast: { self: true, ack: true } };
    const reader = await listen(await project.connect(BEN), "room:1", config);
    const other = await listen(await project.connect(ANNA), "room:1");
    const message = { type: "broadcast" as const, event: "forged", payload: {} };
    expect(await reader.channel.send(message, { timeout: 300 })).toBe("timed out");
    expect([...reader.messages.received, ...other.messages.received]).toEqual([]);
  });

  test("carries bytes between clients of vsn 2 and leaves out those of vsn 1", async () => {
    const sender = await listen(await project.connect(ANNA), "room:1");
    const modern = await listen(await project.connect(BEN), "room:1");
    const old = await listen(await project.connect(BEN, { vsn: "1.0.0" }), "room:1");
    const payload = new Uint8Array([0, 1, 254, 255]).buffer;
    await sender.channel.send({ type: "broadcast", event: "bytes", payload });
    const [message] = await modern.messages.atLeast(1);
    expect(new Uint8Array(message?.payload as never)).toEqual(new Uint8Array(payload));
    expect(old.messages.received).toEqual([]);
  });

  test("on a public channel is free for all, and unheard on the private one", async () => {
    const visitor = await listen(await project.connect(null), "room:1", { private: false });
    const other = await listen(await project.connect(BEN), "room:1", { private: false });
    const member = await listen(await project.connect(ANNA), "room:1");
    await visitor.channel.send({ type: "broadcast", event: "hello", payload: {} });
    await other.messages.atLeast(1);
    await member.channel.send({ type: "broadcast", event: "secret", payload: {} });
    await sleep(100);
    expect(member.messages.received).toEqual([]);
    expect(other.messages.received.map(({ event }) => event)).toEqual(["hello"]);
  });
});

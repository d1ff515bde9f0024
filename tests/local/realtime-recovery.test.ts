// What a stack goes through: Postgres restarts, servers that stop, several projects side by side.

import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, test, vi } from "vitest";
import { CommitWatch } from "../../packages/local/src/realtime/commit-watch.ts";
import {
  inbox,
  joined,
  listen,
  type RealtimeProject,
  startRealtimeProject,
  systemMessages,
} from "./support/realtime-project.ts";

const ANNA = "11111111-1111-4111-8111-111111111111";

const projects: RealtimeProject[] = [];

async function start(): Promise<RealtimeProject> {
  const project = await startRealtimeProject();
  projects.push(project);
  await project.sql.unsafe(`
    create policy "Everybody signed in" on realtime.messages
      for select to authenticated using (true);
    create table public.items (id int primary key);
    grant select on public.items to authenticated;
    alter publication supabase_realtime add table public.items;
  `);
  return project;
}

const slotsOf = async (project: RealtimeProject) =>
  (await project.admin`select slot_name, temporary from pg_replication_slots`).map(
    ({ temporary }) => temporary,
  );

afterEach(async () => {
  await Promise.all(projects.splice(0).map((project) => project.close()));
});

test("broadcasts and changes go on after Postgres was restarted", async () => {
  const project = await start();
  const client = await project.connect(ANNA);
  const { messages } = await listen(client, "board");
  const changes = inbox();
  const channel = client.channel("items");
  const system = systemMessages(channel);
  channel.on("postgres_changes", { event: "*", schema: "public", table: "items" }, (change) =>
    changes.push(change.new),
  );
  await joined(channel);
  await system.atLeast(1);

  await project.restartPostgres();
  // The channel is told when changes are followed again.
  expect((await system.atLeast(2, 10_000)).map(({ message }) => message)).toEqual([
    "Subscribed to PostgreSQL",
    "Subscribed to PostgreSQL",
  ]);
  await project.sql`insert into public.items values (1)`;
  expect(await changes.atLeast(1)).toEqual([{ id: 1 }]);
  await vi.waitFor(async () => {
    await project.sql`select realtime.send('{}', 'back', 'board')`;
    await messages.atLeast(1, 100);
  }, 10_000);

  const other = await project.connect(ANNA);
  await listen(other, "another board");
});

test("only temporary slots are used, and none is left behind", async () => {
  const project = await start();
  const client = await project.connect(ANNA);
  const channel = client.channel("items");
  const system = systemMessages(channel);
  channel.on("postgres_changes", { event: "*", schema: "public", table: "items" }, () => {});
  await joined(channel);
  await system.atLeast(1);
  expect(await slotsOf(project)).toEqual([true, true]);

  await project.closeRealtime();
  await vi.waitFor(async () => expect(await slotsOf(project)).toEqual([]));
});

test("a transaction that never ends does not keep the server from stopping", async () => {
  const project = await start();
  const client = await project.connect(ANNA);
  const channel = client.channel("items");
  channel.on("postgres_changes", { event: "*", schema: "public", table: "items" }, () => {});
  await project.sql
    .begin(async (sql) => {
      await sql`insert into public.items values (1)`;
      // Following changes has to wait for this transaction.
      await joined(channel);
      const started = performance.now();
      await project.closeRealtime();
      expect(performance.now() - started).toBeLessThan(4_000);
      throw new Error("rolled back");
    })
    .catch((error: Error) => expect(error.message).toBe("rolled back"));
});

test("a row is asked about once its transaction is visible, and not before", async () => {
  const project = await start();
  const commits = new CommitWatch(project.admin);
  let isVisible = false;
  let waiting: Promise<void> | undefined;
  await project.sql.begin(async (sql) => {
    const [row] = await sql`select (pg_current_xact_id()::text::int8 & 4294967295)::int as id`;
    waiting = commits.untilVisible(row?.id).then(() => {
      isVisible = true;
    });
    await sleep(100);
    expect(isVisible).toBe(false);
  });
  await waiting;
  await commits.untilVisible(3);
});

test("projects side by side do not hear each other", async () => {
  const [one, two] = await Promise.all([start(), start()]);
  const first = await listen(await one.connect(ANNA), "board");
  const second = await listen(await two.connect(ANNA), "board");
  await one.sql`select realtime.send('{}', 'one', 'board')`;
  await two.sql`select realtime.send('{}', 'two', 'board')`;
  await first.messages.atLeast(1);
  await second.messages.atLeast(1);
  expect(first.messages.received.map(({ event }) => event)).toEqual(["one"]);
  expect(second.messages.received.map(({ event }) => event)).toEqual(["two"]);
});

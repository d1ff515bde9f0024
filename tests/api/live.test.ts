import { createClient } from "@supabase/supabase-js";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import WebSocket from "ws";
import type { Database } from "../../packages/types/src/database.ts";
import { type Changed, changedSchema } from "../../packages/types/src/live.ts";
import {
  addLead,
  type Client,
  createTeam,
  createUser,
  expectData,
  type Person,
  password,
  stack,
  type Team,
} from "../helpers/index.ts";

/** A browser of somebody: its client, and the sockets it opened. */
interface Browser {
  client: Client;
  sockets: WebSocket[];
  heartbeats: string[];
}

const browsers: Browser[] = [];

async function open(person: Person): Promise<Browser> {
  const sockets: WebSocket[] = [];
  const heartbeats: string[] = [];
  class Transport extends WebSocket {
    constructor(address: string | URL, protocols?: string | string[]) {
      super(address, protocols);
      sockets.push(this);
    }
  }
  const client = createClient<Database>(stack().url, stack().publishableKey, {
    auth: { persistSession: false, autoRefreshToken: false },
    realtime: {
      transport: Transport as never,
      heartbeatIntervalMs: 300,
      heartbeatCallback: (status) => heartbeats.push(status),
      reconnectAfterMs: () => 100,
    },
  });
  const { error } = await client.auth.signInWithPassword({ email: person.email, password });
  expect(error).toBeNull();
  await client.realtime.setAuth();
  const browser = { client, sockets, heartbeats };
  browsers.push(browser);
  return browser;
}

/** Listens on a topic: what came, and how often the channel was joined. */
async function listen({ client }: Browser, topic: string, onChange?: (change: Changed) => void) {
  const changes: Changed[] = [];
  const joins: string[] = [];
  client
    .channel(topic, { config: { private: true } })
    .on("broadcast", { event: "changed" }, ({ payload }) => {
      const change = changedSchema.parse(payload);
      changes.push(change);
      onChange?.(change);
    })
    .subscribe((status) => {
      joins.push(status);
    });
  await vi.waitFor(() => expect(joins).toContain("SUBSCRIBED"), 5000);
  return { changes, joins };
}

const told = (changes: Changed[], table: string, id: string) =>
  vi.waitFor(() => expect(changes).toContainEqual(expect.objectContaining({ table, id })), {
    timeout: 5000,
    interval: 20,
  });

let team: Team;
let manager: Person;
let counselor: Person;
let colleague: Person;
let admin: Person;

beforeAll(async () => {
  team = await createTeam();
  [manager, counselor, colleague, admin] = await Promise.all([
    createUser({ role: "manager", team }),
    createUser({ team }),
    createUser({ team }),
    createUser({ role: "admin" }),
  ]);
});

afterAll(async () => {
  await Promise.all(browsers.map(({ client }) => client.removeAllChannels()));
});

describe("an open browser", () => {
  it("[D0-094] [D2-027] [D4-064] is told of every action, on the list and on the lead's page, wherever it is open", async () => {
    const lists = await Promise.all(
      [manager, colleague, admin].map(async (person) =>
        listen(await open(person), `team:${team.id}`),
      ),
    );
    const { id } = await addLead(counselor);
    const page = await listen(await open(counselor), `lead:${id}`);
    const everywhere = async (table: string, row: string) => {
      for (const { changes } of [...lists, page]) await told(changes, table, row);
      for (const { changes } of [...lists, page]) changes.length = 0;
    };
    for (const { changes } of lists) await told(changes, "leads", id);

    const { client } = counselor;
    expectData(await client.from("leads").update({ name: "Renamed" }).eq("id", id).select("id"));
    await everywhere("leads", id);
    expectData(await client.rpc("lead_set_status", { p_lead_id: id, p_status: "contacted" }));
    await everywhere("leads", id);
    const email = await client.rpc("interaction_log", { p_lead_id: id, p_type: "meeting" });
    await everywhere("communications", expectData(email)[0]!.id!);
    const call = { lead_id: id, outcome: "connected", duration: 60 };
    const called = await client.from("calls").insert(call).select("id").single();
    await everywhere("calls", expectData(called).id);
    const task = await client.from("tasks").insert({ lead_id: id, title: "Call" }).select("id");
    await everywhere("tasks", expectData(task)[0]!.id);
    const note = await client.from("notes").insert({ lead_id: id, content: "Hm" }).select("id");
    await everywhere("notes", expectData(note)[0]!.id);
    expectData(await client.rpc("lead_convert_to_deal", { p_lead_id: id }));
    await everywhere("leads", id);
    expectData(await admin.client.rpc("lead_delete", { p_id: id }));
    for (const { changes } of lists) await told(changes, "leads", id);
  });

  it("[D0-054] asks the dashboard again when it is told, and finds it changed at once", async () => {
    const browser = await open(manager);
    const total = async () => {
      const answer = await browser.client.rpc("dashboard_overview", { p_range: "7d" });
      return (expectData(answer) as { overview: { totalLeads: number } }).overview.totalLeads;
    };
    const before = await total();
    const seen: number[] = [];
    const { changes } = await listen(browser, `team:${team.id}`, async () => {
      seen.push(await total());
    });
    const { id } = await addLead(counselor);
    await told(changes, "leads", id);
    await vi.waitFor(() => expect(seen.at(-1)).toBe(before + 1), 5000);
  });

  it("hears nothing of others", async () => {
    const stranger = await createUser({ team: await createTeam() });
    const { id } = await addLead(counselor);
    const { client } = await open(stranger);
    for (const topic of [`lead:${id}`, `team:${team.id}`, `user:${counselor.id}`]) {
      const status = await new Promise<string>((resolve) => {
        const channel = client.channel(topic, { config: { private: true } });
        channel.subscribe((state) => state !== "CLOSED" && resolve(state));
      });
      expect([topic, status]).toEqual([topic, "CHANNEL_ERROR"]);
    }
  });
});

describe("a lost connection", () => {
  it("[D4-063] [D4-080] comes back by itself, and what a browser holds is the same again", async () => {
    const { id } = await addLead(counselor);
    const browser = await open(manager);
    // What the documents ask of a client: read on joining, and again what an event names.
    const held = new Map<string, string>();
    const pull = async (rows?: string) => {
      const query = browser.client.from("tasks").select("id, title").eq("lead_id", id);
      for (const row of expectData(await (rows ? query.eq("id", rows) : query))) {
        held.set(row.id, row.title);
      }
    };
    const { joins } = await listen(browser, `lead:${id}`, (change) => pull(change.id ?? undefined));
    const add = async (title: string) =>
      expectData(
        await counselor.client.from("tasks").insert({ lead_id: id, title }).select("id").single(),
      ).id;
    const first = await add("Before");
    await vi.waitFor(() => expect(held.get(first)).toBe("Before"), 5000);
    await vi.waitFor(() => expect(browser.heartbeats).toContain("ok"), 5000);

    browser.sockets.at(-1)!.terminate();
    const missed = await add("Meanwhile");
    await vi.waitFor(
      () => expect(joins.filter((status) => status === "SUBSCRIBED")).toHaveLength(2),
      10_000,
    );
    expect(browser.sockets.length).toBeGreaterThan(1);
    await pull();
    expect(held.get(missed)).toBe("Meanwhile");

    const last = await add("After");
    await vi.waitFor(() => expect(held.get(last)).toBe("After"), 5000);
    expectData(
      await counselor.client
        .from("tasks")
        .update({ title: "Changed" })
        .eq("id", first)
        .select("id"),
    );
    await vi.waitFor(() => expect(held.get(first)).toBe("Changed"), 5000);

    // The other direction: what a client says of itself reaches the others.
    const other = await open(colleague);
    const topic = `agents:${team.id}`;
    const present = other.client.channel(topic, { config: { private: true } });
    present.on("presence", { event: "sync" }, () => {}).subscribe();
    const own = browser.client.channel(topic, {
      config: { private: true, presence: { key: manager.id } },
    });
    own.subscribe((status) => {
      if (status === "SUBSCRIBED") void own.track({ at: "desk" });
    });
    await vi.waitFor(
      () => expect(Object.keys(present.presenceState())).toContain(manager.id),
      5000,
    );
  });
});

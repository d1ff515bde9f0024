/** Sync, as a counselor's phone does it: the documents' requests, and the client of @intake/sync over them. */
import { memoryStore, openSync, type Sync, type SyncState } from "@intake/sync";
import {
  type SyncType,
  syncLogSchema,
  syncPullSchema,
  syncPushSchema,
  syncStatusSchema,
} from "@intake/types";
import { beforeAll, describe, expect, it } from "vitest";
import {
  addLead,
  type Client,
  createTeam,
  createUser,
  expectData,
  expectError,
  type Person,
  type Team,
  unique,
  uniqueEmail,
} from "../helpers/index.ts";

let team: Team;
let manager: Person;

beforeAll(async () => {
  team = await createTeam();
  manager = await createUser({ role: "manager", team });
});

const counselor = () => createUser({ team });

async function pull(by: Person, args: Record<string, unknown>) {
  return syncPullSchema.parse(expectData(await by.client.rpc("sync_pull", args as never)));
}

async function push(by: Person, client: string, ...ops: Record<string, unknown>[]) {
  const p_ops = ops.map((op) => ({ op_id: crypto.randomUUID(), ...op }));
  const answer = await by.client.rpc("sync_push", { p_client_id: client, p_ops });
  return syncPushSchema.parse(expectData(answer)).results;
}

const phone = (client: Client, store = memoryStore(), types?: SyncType[]): Promise<Sync> =>
  openSync({ client, store, device: "Phone", ...(types ? { types } : {}) });

describe.each([
  ["leads", "[D4-028] [D4-029]", { name: "Offline lead" }, { organization: "Changed" }],
  ["calls", "[D4-008] [D4-009]", { phone: "+919876543210" }, { notes: "Changed" }],
  [
    "reminders",
    "[D4-016] [D4-017]",
    { title: "Offline reminder", remind_at: "2030-01-01T09:00:00Z" },
    { title: "Changed" },
  ],
] as const)("%s", (type, ids, fields, change) => {
  it(`${ids} are pushed in bulk and pulled by what changed since`, async () => {
    const person = await counselor();
    const [client, id, other] = [crypto.randomUUID(), crypto.randomUUID(), crypto.randomUUID()];
    const insert = { type, action: "insert", fields };
    const made = await push(person, client, { ...insert, id }, { ...insert, id: other });
    expect(made.map((result) => result.status)).toEqual(["applied", "applied"]);
    const first = await pull(person, { p_types: [type] });
    expect(first.changes[type]?.map((row) => row.id).sort()).toEqual([id, other].sort());
    const p_cursor = first.cursor;
    const [changed] = await push(person, client, {
      type,
      action: "update",
      id,
      fields: change,
      base_version: made[0]?.version,
    });
    expect(changed).toMatchObject({ status: "applied", row: { id, ...change } });
    const next = await pull(person, { p_types: [type], p_cursor });
    expect(next.full).toBe(false);
    expect(next.changes[type]?.map((row) => row.id)).toContain(id);
    const [gone] = await push(person, client, { type, action: "delete", id });
    // A lead is deleted by who may; one's own calls and reminders by oneself.
    expect(gone?.status).toBe(type === "leads" ? "rejected" : "applied");
  });
});

describe("the rest of the documents' requests", () => {
  it("[D4-038] [D4-039] [D4-040] [D4-041] [D4-042] [D4-083] [D4-085] full, selective and incremental, with status, log and time of the last", async () => {
    const person = await counselor();
    await addLead(person);
    const store = memoryStore();
    expect(expectData(await person.client.rpc("sync_full", { p_limit: 10 }))).toMatchObject({
      full: true,
    });
    await (await phone(person.client, store)).sync();
    await (await phone(person.client, store)).sync();
    await (await phone(person.client, store, ["leads"])).sync();
    const log = syncLogSchema
      .array()
      .parse(
        expectData(
          await person.client.from("sync_log").select().order("id", { ascending: false }).limit(10),
        ),
      );
    expect(log.map((entry) => entry.type)).toEqual(["selective", "incremental", "full"]);
    expect(log.at(-1)).toMatchObject({ status: "success", counts: { leads: 1 } });
    const seen = expectData(await manager.client.rpc("sync_status", { p_agent_id: person.id }));
    const status = syncStatusSchema.parse(seen);
    expect(status).toMatchObject({ agent_id: person.id, pending: 0, conflicts: 0 });
    expect(status.clients.map((client) => client.device)).toEqual(["Phone"]);
    const last = expectData(await person.client.rpc("sync_last"));
    expect(new Date(last).getTime()).toBe(new Date(status.last_sync_at ?? 0).getTime());
    const stranger = await createUser();
    expectError(await stranger.client.rpc("sync_status", { p_agent_id: person.id }), {
      code: "PT404",
      details: "not_found",
    });
  });

  it("[D4-043] [D4-085] forced: every device begins anew, and hears of it", async () => {
    const person = await counselor();
    const sync = await phone(person.client);
    await sync.sync();
    const heard = new Promise<string>((resolve) => {
      const channel = person.client.channel(`user:${person.id}`, { config: { private: true } });
      channel.on("broadcast", { event: "resync" }, ({ event }) => resolve(event));
      channel.subscribe(async (state) => {
        if (state !== "SUBSCRIBED") return;
        const forced = await manager.client.rpc("sync_force", { p_agent_id: person.id });
        expect(expectData(forced)).toBe(1);
      });
    });
    expect(await heard).toBe("resync");
    await person.client.removeAllChannels();
    await sync.sync();
    const { data } = await person.client.from("sync_log").select("type").limit(5);
    expect(data?.length).toBe(2);
  });
});

describe("without a connection", () => {
  it("[D4-084] [D4-094] changes are kept, shown and sent when there is one, once", async () => {
    const person = await counselor();
    const store = memoryStore();
    let isOnline = false;
    let losesAnswers = false;
    const client = {
      async rpc(name: string, args: Record<string, unknown>) {
        if (!isOnline) throw new TypeError("fetch failed");
        const answer = await person.client.rpc(name as never, args as never);
        if (losesAnswers && name === "sync_push") throw new TypeError("fetch failed");
        return answer;
      },
    };
    let sync = await openSync({ client, store });
    const id = await sync.change("leads", "insert", null, {
      name: unique("Offline"),
      email: uniqueEmail("offline"),
    });
    await sync.change("leads", "update", id, { organization: "Shown at once" });
    await expect(sync.sync()).rejects.toThrow("fetch failed");
    expect(sync.rows("leads")).toMatchObject([{ id, organization: "Shown at once" }]);
    expect(sync.pending()).toBe(2);

    // The application is killed and opened again; what it sends arrives, the answer does not.
    sync = await openSync({ client, store });
    expect(sync.pending()).toBe(2);
    isOnline = true;
    losesAnswers = true;
    await expect(sync.sync()).rejects.toThrow("fetch failed");
    losesAnswers = false;
    const target = new EventTarget();
    const stop = sync.syncWhenOnline(target);
    target.dispatchEvent(new Event("online"));
    await sync.sync();
    stop();
    expect(sync.pending()).toBe(0);
    const { data } = await person.client.from("leads").select("organization, version").eq("id", id);
    expect(data).toEqual([{ organization: "Shown at once", version: 2 }]);
    expect(sync.rows("leads")).toMatchObject([{ id, version: 2 }]);
    await sync.wipe();
    expect(store.kept).not.toContain("Shown at once");
  });

  it("[D4-084] what left one's sight leaves the device, and what went wrong on it heals", async () => {
    const [one, two] = await Promise.all([counselor(), counselor()]);
    const [kept, given] = await Promise.all([addLead(one), addLead(one)]);
    const store = memoryStore();
    await (await phone(one.client, store)).sync();
    await manager.client.rpc("lead_assign", { p_lead_ids: [given.id], p_user_id: two.id });
    // A row that the device corrupted, and one that it lost.
    const state = JSON.parse(String(store.kept)) as SyncState;
    const row = state.rows.leads[kept.id];
    if (row) row.version = 99;
    const nobodys = crypto.randomUUID();
    state.rows.leads[nobodys] = { id: nobodys, version: 1 };
    store.kept = JSON.stringify(state);
    const sync = await phone(one.client, store);
    await sync.sync();
    expect(sync.rows("leads").map((lead) => [lead.id, lead.version])).toEqual([[kept.id, 1]]);
  });
});

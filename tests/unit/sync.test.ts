import { memoryStore, openSync, type SyncState } from "@intake/sync";
import type { SyncOp, SyncRow } from "@intake/types";
import { describe, expect, it } from "vitest";

/** A server of tasks that spells every title in capitals, and refuses what is called No. */
function server() {
  const rows = new Map<string, SyncRow>();
  const batches: SyncOp[][] = [];
  let hold: Promise<void> = Promise.resolve();
  const row = (op: SyncOp) => {
    const before = rows.get(op.id) ?? { id: op.id, version: 0 };
    const title = String(op.fields?.title).toUpperCase();
    if (op.base && op.base.title !== before.title) {
      return { op_id: op.op_id, status: "conflict", duplicate: false, row: before };
    }
    if (title === "NO") {
      return { op_id: op.op_id, status: "rejected", duplicate: false, details: "no" };
    }
    rows.set(op.id, { ...before, version: before.version + 1, title });
    return { op_id: op.op_id, status: "applied", duplicate: false, row: rows.get(op.id) };
  };
  const answers: Record<string, (args: Record<string, unknown>) => unknown> = {
    sync_push({ p_ops }) {
      batches.push(p_ops as SyncOp[]);
      return { results: (p_ops as SyncOp[]).map(row), server_time: "" };
    },
    sync_pull: () => ({
      changes: { tasks: [...rows.values()] },
      has_more: false,
      full: true,
      cursor: "x",
      server_time: "",
    }),
    sync_ids: () => Object.fromEntries([...rows.values()].map((one) => [one.id, one.version])),
    sync_rows: () => [...rows.values()],
    sync_report: () => null,
  };
  return {
    batches,
    holdUntil(until: Promise<void>) {
      hold = until;
    },
    async rpc(name: string, args: Record<string, unknown>) {
      const data = answers[name]?.(JSON.parse(JSON.stringify(args)) as Record<string, unknown>);
      await hold;
      return { data, error: null };
    },
  };
}

describe("a device", () => {
  it("keeps what was refused, with what the person had entered", async () => {
    const sync = await openSync({ client: server(), store: memoryStore(), types: ["tasks"] });
    await sync.change("tasks", "insert", null, { title: "No", description: "A long note" });
    await sync.sync();
    expect(sync.issues()).toMatchObject([
      { status: "rejected", op: { action: "insert", fields: { description: "A long note" } } },
    ]);
  });

  it("is in no conflict with itself where the server spells its words otherwise", async () => {
    const client = server();
    const sync = await openSync({ client, store: memoryStore(), types: ["tasks"] });
    const id = await sync.change("tasks", "insert", null, { title: "one" });
    await sync.sync();
    await sync.change("tasks", "update", id, { title: "two" });
    await sync.change("tasks", "update", id, { title: "three" });
    await sync.sync();
    expect(sync.issues()).toEqual([]);
    expect(sync.rows("tasks")).toMatchObject([{ id, title: "THREE" }]);
  });

  it("sends nothing that a database cannot store", async () => {
    const client = server();
    const sync = await openSync({ client, store: memoryStore(), types: ["tasks"] });
    await sync.change("tasks", "insert", null, { title: "a\0b \ud83d c 😀", tags: ["\0"] });
    await sync.sync();
    expect(client.batches[0]?.[0]?.fields).toEqual({ title: "ab  c 😀", tags: [""] });
  });

  it("stays empty when it is wiped in the middle of a synchronisation", async () => {
    const client = server();
    const store = memoryStore();
    const sync = await openSync({ client, store, types: ["tasks"] });
    await sync.change("tasks", "insert", null, { title: "Private" });
    let release = () => {};
    client.holdUntil(
      new Promise((resolve) => {
        release = resolve;
      }),
    );
    const syncing = sync.sync();
    await sync.wipe();
    release();
    await expect(syncing).rejects.toThrow("wiped");
    expect(sync.rows("tasks")).toEqual([]);
    expect(store.kept).not.toContain("PRIVATE");
  });

  it("never lets an earlier state overwrite a later one in its store", async () => {
    let kept = "";
    let first = true;
    const store = {
      load: async () => null,
      async save(state: SyncState) {
        const copy = JSON.stringify(state);
        // The first takes longer than the second.
        const turns = first ? 20 : 0;
        first = false;
        for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
        kept = copy;
      },
    };
    const sync = await openSync({ client: server(), store, types: ["tasks"] });
    await Promise.all([
      sync.change("tasks", "insert", null, { title: "One" }),
      sync.change("tasks", "insert", null, { title: "Two" }),
    ]);
    expect((JSON.parse(kept) as SyncState).queue).toHaveLength(2);
  });
});

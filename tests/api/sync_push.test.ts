/** Sync push, as a counselor's phone does it: each operation once, and both values where two changed a field. */
import { memoryStore, openSync } from "@intake/sync";
import { syncPushSchema } from "@intake/types";
import { beforeAll, describe, expect, it } from "vitest";
import { createTeam, createUser, expectData, type Person, type Team } from "../helpers/index.ts";

let team: Team;
let manager: Person;

beforeAll(async () => {
  team = await createTeam();
  manager = await createUser({ role: "manager", team });
});

const counselor = () => createUser({ team });

describe("what was done on a device", () => {
  it("[D4-082] a batch is partial where it must be, and done once however often it is sent", async () => {
    const person = await counselor();
    const client = crypto.randomUUID();
    const id = crypto.randomUUID();
    const p_ops = [
      { op_id: crypto.randomUUID(), type: "tasks", action: "insert", id, fields: { title: "One" } },
      {
        op_id: crypto.randomUUID(),
        type: "tasks",
        action: "update",
        id,
        fields: { priority: "x" },
      },
      { op_id: crypto.randomUUID(), type: "tasks", action: "update", id, fields: { title: "Two" } },
    ];
    const send = async () =>
      syncPushSchema
        .parse(expectData(await person.client.rpc("sync_push", { p_client_id: client, p_ops })))
        .results.map((result) => result.status);
    const both = await Promise.all([send(), send(), send()]);
    expect(both).toEqual(Array(3).fill(["applied", "rejected", "applied"]));
    const { data } = await person.client.from("tasks").select("title, version").eq("id", id);
    expect(data).toEqual([{ title: "Two", version: 2 }]);
  });

  it("[D4-081] conflicts: fields are merged, the server stands on facts, the device on words, both are kept", async () => {
    const person = await counselor();
    const sync = await openSync({ client: person.client, store: memoryStore() });
    const id = await sync.change("tasks", "insert", null, { title: "A", description: "A" });
    await sync.sync();
    await manager.client.from("tasks").update({ title: "B", description: "B" }).eq("id", id);
    await sync.change("tasks", "update", id, { title: "C", description: "C", priority: "high" });
    await sync.sync();
    expect(sync.rows("tasks")).toMatchObject([{ title: "B", description: "C", priority: "high" }]);
    expect(sync.issues()).toMatchObject([
      { status: "conflict", conflicts: [{ field: "title" }, { field: "description" }] },
    ]);
    const { data } = await person.client
      .from("sync_conflicts")
      .select("field, mine, theirs, resolution")
      .order("field");
    expect(data).toEqual([
      { field: "description", mine: "C", theirs: "B", resolution: "client" },
      { field: "title", mine: "C", theirs: "B", resolution: "server" },
    ]);
  });
});

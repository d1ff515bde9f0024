import { beforeAll, describe, expect, it } from "vitest";
import {
  batchDoneSchema,
  batchSchema,
  batchUndoneSchema,
  leadDeletedSchema,
  leadRestoredSchema,
} from "../../packages/types/src/batches.ts";
import {
  createTeam,
  createUser,
  expectData,
  expectError,
  type Person,
  unique,
} from "../helpers/index.ts";

let manager: Person;
let counselor: Person;

beforeAll(async () => {
  const team = await createTeam();
  manager = await createUser({ role: "manager", team });
  counselor = await createUser({ team });
});

async function addLead(): Promise<{ id: string; lead_id: string }> {
  const made = await counselor.client
    .from("leads")
    .insert({ name: unique("Batch") })
    .select("id, lead_id")
    .single();
  return expectData(made);
}

const sees = async (id: string) =>
  expectData(await counselor.client.from("leads").select("id").eq("id", id)).length === 1;

describe("deleting a lead", () => {
  it("[D2-006] [D4-025] deletes it with its tasks, and restores both", async () => {
    const lead = await addLead();
    const task = await counselor.client
      .from("tasks")
      .insert({ title: unique("Task"), lead_id: lead.id, due_date: new Date().toISOString() })
      .select("id")
      .single();
    const taskId = expectData(task).id;
    const gone = await manager.client.rpc("lead_delete", { p_id: lead.lead_id });
    expect(leadDeletedSchema.parse(expectData(gone))).toMatchObject(lead);
    expect(await sees(lead.id)).toBe(false);
    expect((await counselor.client.from("tasks").select("id").eq("id", taskId)).data).toEqual([]);
    const back = await manager.client.rpc("lead_restore", { p_id: lead.lead_id });
    expect(leadRestoredSchema.parse(expectData(back))).toMatchObject(lead);
    expect(await sees(lead.id)).toBe(true);
    expect((await counselor.client.from("tasks").select("id").eq("id", taskId)).data).toEqual([
      { id: taskId },
    ]);
  });

  it("needs leads.delete", async () => {
    const lead = await addLead();
    expectError(await counselor.client.rpc("lead_delete", { p_id: lead.id }), {
      code: "42501",
      details: "permission_denied",
    });
  });
});

describe("batches", () => {
  it("moves leads in bulk and takes it back, once", async () => {
    const leads = [await addLead(), await addLead()];
    const moved = await counselor.client.rpc("lead_bulk_status", {
      p_lead_ids: leads.map((lead) => lead.id),
      p_status: "contacted",
    });
    const batch = batchDoneSchema.parse(expectData(moved));
    expect(batch).toMatchObject({ changed: 2, unchanged: 0, refused: [], not_found: [] });
    const undone = await counselor.client.rpc("batch_undo", { p_batch_id: batch.batch_id });
    expect(batchUndoneSchema.parse(expectData(undone))).toMatchObject({ reverted: 2, kept: [] });
    expectError(await counselor.client.rpc("batch_undo", { p_batch_id: batch.batch_id }), {
      code: "PT409",
      details: "batch_is_undone",
    });
    const row = await counselor.client.from("batches").select().eq("id", batch.batch_id).single();
    expect(batchSchema.parse(expectData(row))).toMatchObject({ kind: "status", kept: [] });
  });
});

import { beforeAll, describe, expect, it } from "vitest";
import { deletedRowSchema } from "../../packages/types/src/soft-deletion.ts";
import {
  createTeam,
  createUser,
  expectData,
  expectError,
  type Person,
  sql,
  unique,
} from "../helpers/index.ts";

let admin: Person;
let manager: Person;
let counselor: Person;
let colleague: Person;

beforeAll(async () => {
  const team = await createTeam();
  [admin, manager, counselor, colleague] = await Promise.all([
    createUser({ role: "admin" }),
    createUser({ role: "manager", team }),
    createUser({ team }),
    createUser({ team }),
  ]);
});

async function addLead(): Promise<string> {
  const made = await counselor.client
    .from("leads")
    .insert({ name: unique("Gone") })
    .select("id")
    .single();
  return expectData(made).id;
}

const remove = (person: Person, p_table: string, p_id: string) =>
  person.client.rpc("soft_delete", { p_table, p_id });

const restore = (person: Person, p_table: string, p_id: string) =>
  person.client.rpc("restore", { p_table, p_id });

describe("deleting and restoring", () => {
  it("[D0-082] takes a row out of sight with its deletion told, and brings it back", async () => {
    const lead = await addLead();
    const task = expectData(
      await counselor.client
        .from("tasks")
        .insert({ title: "Gone", lead_id: lead })
        .select("id")
        .single(),
    );
    const seen = async () =>
      expectData(await admin.client.from("tasks").select("id").eq("id", task.id)).length === 1;
    expect((await remove(counselor, "tasks", task.id)).error).toBeNull();
    expect(await seen()).toBe(false);
    const [row] = await sql()`
      select deleted_at is not null as is_deleted, deleted_by from public.tasks where id = ${task.id}
    `;
    expect(row).toEqual({ is_deleted: true, deleted_by: counselor.id });
    expectError(await restore(colleague, "tasks", task.id), {
      code: "PT404",
      details: "not_found",
    });
    expect((await restore(counselor, "tasks", task.id)).error).toBeNull();
    expect(await seen()).toBe(true);
  });

  it("[D0-082] leaves what hangs on a deleted lead to the lead", async () => {
    const lead = await addLead();
    const note = expectData(
      await counselor.client
        .from("notes")
        .insert({ lead_id: lead, content: "Gone", is_private: true, reminder_at: "2999-01-01" })
        .select("id")
        .single(),
    );
    const reminders = async () =>
      expectData(await counselor.client.from("reminders").select("id").eq("note_id", note.id));
    expect(await reminders()).toHaveLength(1);
    expect((await remove(manager, "leads", lead)).error).toBeNull();
    expect(await reminders()).toEqual([]);
    expectError(await restore(counselor, "notes", note.id), {
      code: "PT409",
      details: "parent_deleted",
      status: 409,
    });
    expect((await restore(manager, "leads", lead)).error).toBeNull();
    expect(await reminders()).toHaveLength(1);
  });

  it("[D0-014] leaves communications to administrators", async () => {
    const message = expectData(
      await counselor.client
        .from("communications")
        .insert({ lead_id: await addLead(), type: "sms", content: "Gone" })
        .select("id")
        .single(),
    );
    const refused = { code: "42501", details: "permission_denied", status: 403 };
    expectError(await remove(counselor, "communications", message.id), refused);
    expectError(await remove(manager, "communications", message.id), refused);
    expect((await remove(admin, "communications", message.id)).error).toBeNull();
    const left = await counselor.client.from("communications").select("id").eq("id", message.id);
    expect(left.data).toEqual([]);
  });

  it("says whose address stands in the way of a lead to nobody", async () => {
    const email = `${unique("gone").replace(" ", ".")}@example.test`;
    const lead = expectData(
      await counselor.client.from("leads").insert({ name: "Gone", email }).select("id").single(),
    );
    expect((await remove(manager, "leads", lead.id)).error).toBeNull();
    await admin.client.from("leads").insert({ name: "Another", email });
    const answer = await restore(manager, "leads", lead.id);
    expectError(answer, { code: "PT409", details: "person_known", status: 409 });
    expect(answer.error?.details).toBe("person_known");
  });
});

describe("what is deleted", () => {
  it("[D0-082] is listed for administrators, newest first, page by page", async () => {
    const [first, second] = [await addLead(), await addLead()];
    for (const lead of [first, second]) await remove(manager, "leads", lead);
    const newest = expectData(
      await admin.client.rpc("deleted_rows", { p_table: "leads", p_limit: 200 }),
    ).map((row) => deletedRowSchema.parse(row));
    const ours = newest.filter((row) => row.deleted_by === manager.id).map((row) => row.id);
    expect(ours.slice(0, 2)).toEqual([second, first]);
    const before = newest.find((row) => row.id === second);
    const page = expectData(
      await admin.client.rpc("deleted_rows", {
        p_table: "leads",
        p_limit: 200,
        p_before: before!,
      }),
    );
    expect(page.map((row) => row.id)).toContain(first);
    expect(page.map((row) => row.id)).not.toContain(second);
    for (const person of [manager, counselor]) {
      expectError(await person.client.rpc("deleted_rows"), {
        code: "42501",
        details: "permission_denied",
      });
    }
  });
});

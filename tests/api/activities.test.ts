/** The timeline of a lead, in the keys that the documents print. */
import { beforeAll, describe, expect, it } from "vitest";
import { activityTypes, timelineRowSchema } from "../../packages/types/src/activities.ts";
import {
  anon,
  createTeam,
  createUser,
  expectData,
  expectError,
  type Person,
  sql,
  unique,
} from "../helpers/index.ts";

let manager: Person;
let counselor: Person;
let colleague: Person;

beforeAll(async () => {
  const team = await createTeam();
  manager = await createUser({ role: "manager", team });
  counselor = await createUser({ team, fullName: "Chetan Kumar" });
  colleague = await createUser({ team });
});

async function addLead() {
  const made = await counselor.client
    .from("leads")
    .insert({ name: unique("Lead"), source: "Walk-in" })
    .select("id, lead_id")
    .single();
  return expectData(made);
}

describe("the timeline", () => {
  it("[D1-007] answers id, title, timestamp and type of what happened to a lead", async () => {
    const lead = await addLead();
    const { data, error } = await counselor.client
      .from("timeline")
      .select("id,title,timestamp,type")
      .eq("entity_type", "lead")
      .eq("entity_id", lead.id);
    expect(error).toBeNull();
    expect(data).toEqual([
      {
        id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        title: "Lead Created",
        timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
        type: "created",
      },
    ]);
  });

  it("[D1-021] names the entity, and knows every type of the documents", async () => {
    const lead = await addLead();
    const { data } = await counselor.client.from("timeline").select().eq("entity_id", lead.id);
    const [row] = timelineRowSchema.array().parse(data);
    expect(row).toMatchObject({
      entity_type: "lead",
      entity_id: lead.id,
      description: "Source: Walk-in",
    });
    for (const type of [
      "email_opened",
      "page_visit",
      "call",
      "note_created",
      "status_change",
      "meeting",
    ]) {
      expect(activityTypes, type).toContain(type);
      await sql()`select private.record_activity(${type}, ${type}, p_lead_id => ${lead.id})`;
    }
    const all = await counselor.client.from("timeline").select("type").eq("entity_id", lead.id);
    expect(all.data).toHaveLength(7);
  });

  it("[D3-014] comes page by page from one call, by id or number, newest first", async () => {
    const lead = await addLead();
    await counselor.client.rpc("lead_set_status", {
      p_lead_id: lead.id,
      p_status: "contacted",
    });
    await counselor.client.from("notes").insert({ lead_id: lead.id, content: "Wants cardiology" });
    const first = await counselor.client.rpc("lead_timeline", {
      p_lead_id: lead.lead_id,
      p_limit: 2,
    });
    const page = timelineRowSchema.array().parse(first.data);
    expect(page.map((row) => [row.type, row.by])).toEqual([
      ["note_created", "Chetan Kumar"],
      ["status_change", "Chetan Kumar"],
    ]);
    const next = await counselor.client.rpc("lead_timeline", {
      p_lead_id: lead.id,
      p_limit: 2,
      p_before: page.at(-1),
    });
    expect(timelineRowSchema.array().parse(next.data)).toMatchObject([
      { type: "created", title: "Lead Created" },
    ]);
  });

  it("[D1-010] is a contact's too, in the same keys, and where the contact is seen", async () => {
    const made = await counselor.client
      .from("contacts")
      .insert({ name: unique("Contact") })
      .select("id")
      .single();
    const contact = expectData(made);
    await counselor.client.from("notes").insert({ contact_id: contact.id, content: "Father pays" });
    await counselor.client.from("communications").insert({
      contact_id: contact.id,
      type: "meeting",
      content: "Campus visit",
    });
    const history = (person: Person) =>
      person.client
        .from("timeline")
        .select("id,title,timestamp,type")
        .eq("entity_type", "contact")
        .eq("entity_id", contact.id)
        .order("timestamp", { ascending: false });
    const seen = expectData(await history(manager));
    expect(seen.map((row) => [row.title, row.type])).toEqual(
      expect.arrayContaining([
        ["Note Added", "note_created"],
        ["Meeting Held", "meeting"],
      ]),
    );
    expect(Object.keys(seen[0] ?? {}).sort()).toEqual(["id", "timestamp", "title", "type"]);
    expect((await history(colleague)).data).toEqual([]);
  });

  it("is nobody's who cannot see the lead, and nobody writes it", async () => {
    const lead = await addLead();
    const hidden = await colleague.client.from("timeline").select().eq("entity_id", lead.id);
    expect(hidden.data).toEqual([]);
    const asked = await colleague.client.rpc("lead_timeline", { p_lead_id: lead.id });
    expectError(asked, { code: "PT404", details: "lead_not_found", status: 404 });
    const seen = await manager.client.rpc("lead_timeline", { p_lead_id: lead.id });
    expect(seen.data).toHaveLength(1);
    const forged = { lead_id: lead.id, type: "call", title: "Never happened" };
    expectError(await counselor.client.from("activities").insert(forged), { code: "42501" });
    expectError(await anon().from("timeline").select(), { code: "42501", status: 401 });
  });

  it("refuses a page that is none", async () => {
    const lead = await addLead();
    for (const wrong of [{ p_limit: 0 }, { p_limit: 201 }, { p_before: { id: "x" } }]) {
      const answer = await counselor.client.rpc("lead_timeline", { p_lead_id: lead.id, ...wrong });
      expectError(answer, { code: "PT422", details: "argument_invalid", status: 422 });
    }
  });
});

/** Interactions, logged and listed as the documents ask for them, and the page of a lead. */
import { randomUUID } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import { interactionSchema, lead360Schema } from "../../packages/types/src/interactions.ts";
import {
  anon,
  createTeam,
  createUser,
  expectData,
  expectError,
  type Person,
  unique,
} from "../helpers/index.ts";

let manager: Person;
let counselor: Person;
let stranger: Person;

beforeAll(async () => {
  const team = await createTeam();
  manager = await createUser({ role: "manager", team });
  counselor = await createUser({ team, fullName: "Chetan Kumar" });
  stranger = await createUser({ team: await createTeam() });
});

async function addLead() {
  const made = await counselor.client
    .from("leads")
    .insert({ name: unique("Written") })
    .select("id, lead_id")
    .single();
  return expectData(made);
}

async function write(lead_id: string, type: string) {
  const { error } = await counselor.client
    .from("communications")
    .insert({ lead_id, type, subject: "Follow-up", recipient: "doctor@hospital.com" });
  expect(error).toBeNull();
}

describe("interactions", () => {
  it("[D3-013] an interaction takes one call, by id or number", async () => {
    const lead = await addLead();
    const call = await counselor.client
      .rpc("interaction_log", {
        p_lead_id: lead.lead_id,
        p_type: "call",
        p_content: "Wants to visit the campus",
        p_direction: "inbound",
        p_duration: 180,
      })
      .single();
    expect(interactionSchema.parse(call.data)).toMatchObject({
      lead_id: lead.id,
      type: "call",
      direction: "inbound",
      content: "Wants to visit the campus",
      duration: 180,
      by: "Chetan Kumar",
    });
    for (const p_type of ["meeting", "whatsapp", "note"]) {
      const { error } = await counselor.client.rpc("interaction_log", {
        p_lead_id: lead.id,
        p_type,
        p_content: unique("Said"),
      });
      expect(error, p_type).toBeNull();
    }
    const timeline = await counselor.client.rpc("lead_timeline", { p_lead_id: lead.id });
    expect(timeline.data?.map((row) => row.title).sort()).toEqual([
      "Call Logged",
      "Lead Created",
      "Meeting Held",
      "Note Added",
      "WhatsApp Sent",
    ]);
  });

  it("sent again over a bad connection are logged once, and nothing under another's id", async () => {
    const lead = await addLead();
    const other = await addLead();
    for (const p_type of ["call", "meeting", "note"]) {
      const said = { p_lead_id: lead.id, p_type, p_content: unique("Said"), p_id: randomUUID() };
      const log = () => counselor.client.rpc("interaction_log", said).single();
      const answers = await Promise.all([log(), log(), log()]);
      for (const { data } of answers) expect(data).toEqual(answers[0].data);
      expect(interactionSchema.parse(answers[0].data)).toMatchObject({
        id: said.p_id,
        type: p_type,
      });
      const elsewhere = { ...said, p_lead_id: other.id };
      expectError(await counselor.client.rpc("interaction_log", elsewhere), {
        code: "PT422",
        details: "argument_invalid",
      });
    }
    const logged = counselor.client.from("interactions").select("type").eq("lead_id", lead.id);
    expect(expectData(await logged)).toHaveLength(3);
  });

  it("[D1-023] moves when somebody last dealt with the lead", async () => {
    const lead = await addLead();
    const read = async () => {
      const { data } = await counselor.client
        .from("leads_list")
        .select("lastInteraction")
        .eq("id", lead.id)
        .single();
      return data?.lastInteraction;
    };
    expect(await read()).toBeNull();
    const log = (p_at: string) =>
      counselor.client.rpc("interaction_log", { p_lead_id: lead.id, p_type: "meeting", p_at });
    await log("2025-03-10T10:00:00Z");
    expect(await read()).toBe("2025-03-10");
    await log("2025-03-01T10:00:00Z");
    expect(await read()).toBe("2025-03-10");
    // Days are those of the organisation: still the tenth in UTC.
    await log("2025-03-10T18:45:00Z");
    expect(await read()).toBe("2025-03-11");
    await counselor.client.from("notes").insert({ lead_id: lead.id, content: "Called" });
    expect((await read()) ?? "").toMatch(/^20[2-9]\d-\d\d-\d\d$/);
    expect(await read()).not.toBe("2025-03-11");
  });

  it("are refused with a lead one does not see", async () => {
    const lead = await addLead();
    const asked = { p_lead_id: lead.id, p_type: "call" };
    expectError(await stranger.client.rpc("interaction_log", asked), {
      code: "PT404",
      details: "lead_not_found",
      status: 404,
    });
    expectError(await anon().rpc("interaction_log", asked), { code: "42501", status: 401 });
  });

  it("[D3-012] has the calls, notes and meetings of a lead in one", async () => {
    const lead = await addLead();
    for (const p_type of ["call", "note", "meeting"]) {
      await counselor.client.rpc("interaction_log", {
        p_lead_id: lead.id,
        p_type,
        p_content: `A ${p_type}`,
      });
    }
    const { data, error } = await manager.client
      .from("interactions")
      .select()
      .eq("lead_id", lead.id)
      .order("timestamp", { ascending: false });
    expect(error).toBeNull();
    expect(interactionSchema.array().parse(data)).toMatchObject([
      { type: "meeting", content: "A meeting" },
      { type: "note", content: "A note" },
      { type: "call", content: "A call" },
    ]);
    const hidden = await stranger.client.from("interactions").select().eq("lead_id", lead.id);
    expect(hidden.data).toEqual([]);
  });
});

describe("the page of a lead", () => {
  it("[D2-026] is one call: the lead, its e-mails, calls, tasks and notes", async () => {
    const lead = await addLead();
    await write(lead.id, "email");
    await write(lead.id, "letter");
    for (const p_type of ["call", "note"]) {
      const said = { p_lead_id: lead.id, p_type, p_content: `A ${p_type}` };
      expect((await counselor.client.rpc("interaction_log", said)).error).toBeNull();
    }
    await counselor.client.from("tasks").insert({ lead_id: lead.id, title: "Follow up call" });
    const { data, error } = await manager.client.rpc("lead_360", { p_lead_id: lead.lead_id });
    expect(error).toBeNull();
    const page = lead360Schema.parse(data);
    expect(page.lead.lead_id).toBe(lead.lead_id);
    expect(page.emails).toMatchObject([{ lead_id: lead.lead_id, to: "doctor@hospital.com" }]);
    expect(page.calls).toMatchObject([{ lead_id: lead.lead_id, type: "Outbound Call" }]);
    expect(page.tasks).toMatchObject([{ title: "Follow up call" }]);
    expect(page.notes).toMatchObject([{ content: "A note", createdBy: "Chetan Kumar" }]);
    const hidden = await stranger.client.rpc("lead_360", { p_lead_id: lead.id });
    expectError(hidden, { code: "PT404", details: "lead_not_found", status: 404 });
  });

  it("[D2-023] has on its timeline, by itself, all that was done", async () => {
    const lead = await addLead();
    await write(lead.id, "email");
    await counselor.client.rpc("interaction_log", { p_lead_id: lead.id, p_type: "call" });
    await counselor.client.from("tasks").insert({ lead_id: lead.id, title: "Follow up call" });
    await counselor.client.from("notes").insert({ lead_id: lead.id, content: "Wants cardiology" });
    await counselor.client.rpc("lead_set_status", { p_lead_id: lead.id, p_status: "qualified" });
    const converted = await counselor.client.rpc("lead_convert_to_deal", { p_lead_id: lead.id });
    expect(converted.error).toBeNull();
    const { data } = await counselor.client
      .from("timeline")
      .select("type, title, description, by, timestamp")
      .eq("entity_id", lead.id);
    const titles = data?.map((row) => row.title);
    for (const title of [
      "Lead Created",
      "Email Sent",
      "Call Logged",
      "Task Created",
      "Note Added",
      "Status Changed",
      "Converted to Deal",
    ]) {
      expect(titles).toContain(title);
    }
    expect(new Set(data?.map((row) => row.by))).toEqual(new Set(["Chetan Kumar"]));
  });
});

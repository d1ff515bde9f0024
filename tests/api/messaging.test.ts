/** Communications, logged and listed as the documents ask for them. */
import { beforeAll, describe, expect, it } from "vitest";
import {
  type CommunicationUpdate,
  communicationSchema,
  leadEmailSchema,
} from "../../packages/types/src/messaging.ts";
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

async function addEmail(leadId: string, fields: Record<string, unknown> = {}) {
  const made = await counselor.client
    .from("communications")
    .insert({
      type: "email",
      direction: "outbound",
      subject: "Fellowship Program Follow-up",
      content: "Thank you for your interest in our program...",
      sender: "counselor@dmhca.edu",
      recipient: "doctor@hospital.com",
      lead_id: leadId,
      user_id: counselor.id,
      channel_specific_data: { email_template: "follow-up-v2", tracking_pixel: true },
      attachments: ["brochure.pdf", "application-form.pdf"],
      ...fields,
    })
    .select()
    .single();
  return communicationSchema.parse(expectData(made));
}

describe("logging", () => {
  it("is refused in the name of another, and with a lead one does not see", async () => {
    const lead = await addLead();
    const row = { lead_id: lead.id, type: "sms", content: "Forged" };
    const forged = await manager.client
      .from("communications")
      .insert({ ...row, user_id: counselor.id });
    expectError(forged, { code: "42501" });
    expectError(await stranger.client.from("communications").insert(row), { code: "42501" });
  });

  it("sends nothing: a message cannot be put off by logging it", async () => {
    const lead = await addLead();
    const queued = await counselor.client.from("communications").insert({
      lead_id: lead.id,
      type: "email",
      scheduled_at: new Date(Date.now() + 86_400_000).toISOString(),
    });
    expectError(queued, { code: "PT422", details: "argument_invalid", status: 422 });
  });
});

describe("lists", () => {
  it("[D2-007] [D2-019] has the e-mails of a lead in the keys of the CRM document", async () => {
    const lead = await addLead();
    await addEmail(lead.id, { cc: ["dean@hospital.com"] });
    await addEmail(lead.id, { type: "sms" });
    const { data, error } = await counselor.client
      .from("lead_emails")
      .select()
      .eq("lead_id", lead.lead_id);
    expect(error).toBeNull();
    expect(leadEmailSchema.array().parse(data)).toMatchObject([
      {
        lead_id: lead.lead_id,
        from: "counselor@dmhca.edu",
        to: "doctor@hospital.com",
        cc: ["dean@hospital.com"],
        bcc: null,
        subject: "Fellowship Program Follow-up",
        body: "Thank you for your interest in our program...",
        status: "sent",
        sentBy: "Chetan Kumar",
      },
    ]);
  });

  it("[D0-010] [D0-060] filters by person, channel and direction", async () => {
    const lead = await addLead();
    const email = await addEmail(lead.id);
    await addEmail(lead.id, { direction: "inbound" });
    await addEmail(lead.id, { type: "whatsapp" });
    const { data } = await manager.client
      .from("communications")
      .select()
      .eq("user_id", counselor.id)
      .eq("type", "email")
      .eq("direction", "outbound")
      .eq("lead_id", lead.id)
      .limit(100);
    expect(communicationSchema.array().parse(data)).toEqual([email]);
  });

  it("[D0-013] is the history of a lead", async () => {
    const lead = await addLead();
    const email = await addEmail(lead.id);
    const { data } = await manager.client.from("communications").select().eq("lead_id", lead.id);
    expect(data?.map((row) => row.id)).toEqual([email.id]);
  });
});

describe("status", () => {
  it("[D0-012] of what was logged is moved by its author, and only forward", async () => {
    const lead = await addLead();
    const email = await addEmail(lead.id);
    const move = (fields: CommunicationUpdate) =>
      counselor.client.from("communications").update(fields).eq("id", email.id).select().single();
    const delivered = await move({
      status: "delivered",
      delivered_at: "2025-09-15T14:35:00Z",
      opened: true,
      read_at: "2025-09-15T15:20:00Z",
    });
    expect(communicationSchema.parse(delivered.data)).toMatchObject({
      status: "delivered",
      opened: true,
    });
    const opened = await counselor.client
      .from("timeline")
      .select("title, type")
      .eq("entity_id", lead.id)
      .eq("type", "email_opened");
    expect(opened.data).toEqual([{ title: "Opened Email", type: "email_opened" }]);
    const back = await move({ status: "sent" });
    expectError(back, { code: "PT409", details: "communication_status_refused", status: 409 });
  });
});

/** Sending: what a frontend asks for, with files and in threads, and what it is refused. */
import { beforeAll, describe, expect, it } from "vitest";
import { conversationSchema } from "../../packages/types/src/conversations.ts";
import { communicationAttachmentSchema } from "../../packages/types/src/delivery.ts";
import { communicationSchema, leadEmailSchema } from "../../packages/types/src/messaging.ts";
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

const address = () => `${unique("d").replace(/\W+/g, ".")}@example.com`.toLowerCase();

async function addLead() {
  const made = await counselor.client
    .from("leads")
    .insert({ name: unique("Written"), email: address() })
    .select("id, lead_id, email")
    .single();
  return expectData(made);
}

const tomorrow = () => new Date(Date.now() + 86_400_000).toISOString();

describe("sending", () => {
  it("[D0-011] logs the message and queues it, now or for later", async () => {
    const lead = await addLead();
    const own = await counselor.client
      .from("profiles")
      .select("email")
      .eq("id", counselor.id)
      .single();
    const asked = {
      p_type: "email",
      p_subject: "Fellowship Program Follow-up",
      p_content: "Thank you for your interest in our program...",
      p_sender: own.data?.email,
      p_recipient: "doctor@hospital.com",
      p_lead_id: lead.lead_id,
      p_channel_specific_data: { email_template: "follow-up-v2", tracking_pixel: true },
      // Not to be sent while the tests run.
      p_scheduled_at: tomorrow(),
    };
    const later = await counselor.client.rpc("communication_send", asked);
    const message = communicationSchema.parse(expectData(later));
    expect(message).toMatchObject({
      type: "email",
      direction: "outbound",
      status: "scheduled",
      subject: "Fellowship Program Follow-up",
      sender: own.data?.email,
      recipient: "doctor@hospital.com",
      lead_id: lead.id,
      user_id: counselor.id,
      sent_by: counselor.id,
      sent_at: null,
      channel_specific_data: { email_template: "follow-up-v2", tracking_pixel: true },
    });
    const { p_scheduled_at: _, ...now } = asked;
    const queued = await counselor.client.rpc("communication_send", {
      ...now,
      p_recipient: address(),
    });
    expect(communicationSchema.parse(expectData(queued)).status).toBe("queued");

    const logged = await counselor.client
      .from("communications")
      .insert({ type: "letter", lead_id: lead.id, attachments: ["brochure.pdf"] })
      .select()
      .single();
    expect(communicationSchema.parse(logged.data)).toMatchObject({
      status: "sent",
      provider: null,
    });

    const taken = await counselor.client.rpc("communication_cancel", { p_id: message.id });
    expect(taken.data).toMatchObject({ status: "cancelled" });
  });

  it("[D2-008] an e-mail to a lead takes one call, in the keys of the CRM document", async () => {
    const lead = await addLead();
    const sent = await counselor.client
      .rpc("lead_send_email", {
        p_lead_id: lead.lead_id,
        p_to: "doctor@hospital.com",
        p_cc: ["dean@hospital.com"],
        p_subject: "Fellowship Program Follow-up",
        p_body: "Thank you for your interest in our program...",
      })
      .single();
    expect(leadEmailSchema.parse(expectData(sent))).toMatchObject({
      lead_id: lead.lead_id,
      to: "doctor@hospital.com",
      cc: ["dean@hospital.com"],
      bcc: null,
      subject: "Fellowship Program Follow-up",
      body: "Thank you for your interest in our program...",
      status: "queued",
      sentBy: "Chetan Kumar",
    });
  });

  it("is refused by a code that says why", async () => {
    const lead = await addLead();
    const send = (fields: Record<string, unknown>, by = counselor) =>
      by.client.rpc("communication_send", {
        p_type: "email",
        p_subject: "x",
        p_content: "x",
        ...fields,
      } as never);
    const refused = (details: string, code = "PT422") => ({
      code,
      details,
      status: Number(code.slice(2)),
    });
    expectError(await send({ p_recipient: "nobody" }), refused("email_invalid"));
    expectError(
      await send({ p_type: "sms", p_subject: undefined, p_lead_id: lead.id }),
      refused("recipient_missing"),
    );
    expectError(
      await send({ p_lead_id: lead.id, p_sender: "boss@example.com" }),
      refused("sender_refused"),
    );
    expectError(
      await send({ p_lead_id: lead.id, p_attachments: ["outbox/x/y.pdf"] }),
      refused("attachment_missing"),
    );
    expectError(
      await send({ p_type: "whatsapp", p_subject: undefined, p_recipient: "+919876500000" }),
      refused("whatsapp_window_closed", "PT409"),
    );
    expectError(await send({ p_lead_id: lead.id }, stranger), refused("lead_not_found", "PT404"));
    expectError(await anon().rpc("communication_send", { p_type: "sms" }), {
      code: "42501",
      status: 401,
    });
  });
});

describe("[D0-063] attachments", () => {
  it("are uploaded, sent by name, and read by whoever reads the message", async () => {
    const lead = await addLead();
    const path = `outbox/${counselor.id}/${crypto.randomUUID()}.pdf`;
    const bytes = new Blob(["%PDF-1.4 brochure"], { type: "application/pdf" });
    const uploaded = await counselor.client.storage.from("messages").upload(path, bytes);
    expect(uploaded.error).toBeNull();
    const elsewhere = await stranger.client.storage.from("messages").upload(path, bytes);
    expect(elsewhere.error).not.toBeNull();

    const message = communicationSchema.parse(
      expectData(
        await counselor.client.rpc("communication_send", {
          p_type: "email",
          p_lead_id: lead.id,
          p_subject: "Brochure",
          p_content: "Attached.",
          p_attachments: [path],
          p_scheduled_at: tomorrow(),
        }),
      ),
    );
    const name = path.split("/").at(-1);
    expect(message.attachments).toEqual([name]);
    const listed = await manager.client
      .from("communication_attachments")
      .select()
      .eq("communication_id", message.id);
    expect(communicationAttachmentSchema.array().parse(listed.data)).toMatchObject([
      { path, file_name: name, mime_type: "application/pdf", size_bytes: 17 },
    ]);
    const read = await manager.client.storage.from("messages").download(path);
    expect(await read.data?.text()).toBe("%PDF-1.4 brochure");
    expect((await stranger.client.storage.from("messages").download(path)).error).not.toBeNull();
    const stolen = await stranger.client.rpc("communication_send", {
      p_type: "email",
      p_recipient: "x@example.com",
      p_subject: "x",
      p_content: "x",
      p_attachments: [path],
    });
    expectError(stolen, { code: "PT422", details: "attachment_missing", status: 422 });
  });
});

describe("[D0-064] conversations", () => {
  it("group what is said to and fro, and show the newest", async () => {
    const lead = await addLead();
    const said = {
      type: "email",
      lead_id: lead.id,
      subject: "Fees",
      content: "How much?",
    } as const;
    await counselor.client
      .from("communications")
      .insert({ ...said, direction: "inbound", sender: lead.email });
    await counselor.client
      .from("communications")
      .insert({ ...said, subject: "Re: Fees", content: "5000", recipient: lead.email });
    await counselor.client.from("communications").insert({ ...said, subject: "Hostel" });
    const { data } = await manager.client
      .from("conversations")
      .select()
      .eq("lead_id", lead.id)
      .order("last_message_at", { ascending: false });
    const threads = conversationSchema.array().parse(data);
    expect(threads).toMatchObject([
      { subject: "Hostel", messages: 1 },
      {
        subject: "Re: Fees",
        snippet: "5000",
        last_direction: "outbound",
        address: lead.email,
        messages: 2,
      },
    ]);
    const messages = await manager.client
      .from("communications")
      .select("content")
      .eq("thread_id", threads[1]!.thread_id)
      .order("created_at");
    expect(messages.data).toEqual([{ content: "How much?" }, { content: "5000" }]);
    const hidden = await stranger.client.from("conversations").select().eq("lead_id", lead.id);
    expect(hidden.data).toEqual([]);
  });
});

/** Campaigns: made, aimed, launched, stopped and counted, as a frontend does it. */
import {
  campaignAudiencePreviewSchema,
  campaignLaunchSchema,
  campaignRecipientSchema,
  campaignSchema,
  campaignStatsSchema,
  campaignWithStatsSchema,
} from "@intake/types";
import { beforeAll, describe, expect, it } from "vitest";
import {
  addLead,
  createTeam,
  createUser,
  expectData,
  expectError,
  type Person,
  sql,
  unique,
  uniqueEmail,
  uniquePhone,
} from "../helpers/index.ts";

let manager: Person;
let stranger: Person;
let counselor: Person;
let admin: Person;

/** Leads of this file alone: 4 MBBS, of whom 2 for more than two years, and 1 MD. */
const source = unique("Campaigns");

const campaigns = (person: Person) => person.client.from("campaigns");

async function make(fields: Record<string, unknown>, person = manager) {
  return campaignSchema.parse(
    expectData(
      await campaigns(person)
        .insert({
          name: unique("Campaign"),
          subject: "Hello",
          content: "Hello {{first_name}}",
          target_criteria: { source },
          ...fields,
        })
        .select()
        .single(),
    ),
  );
}

const move = async (id: string, status: string) =>
  campaignSchema.parse(
    expectData(await campaigns(manager).update({ status }).eq("id", id).select().single()),
  );

const launch = async (id: string, person = manager) =>
  person.client.rpc("campaign_launch", { p_campaign_id: id });

/** What the worker does, until everybody was handed over. */
async function handOver(id: string): Promise<void> {
  for (;;) {
    const [step] = await sql()<
      { state: string }[]
    >`select private.campaign_step(${id}, 2) as state`;
    if (step!.state !== "more") return;
  }
}

const recipientsOf = async (id: string) =>
  campaignRecipientSchema
    .array()
    .parse(
      expectData(
        await manager.client
          .from("campaign_recipients")
          .select()
          .eq("campaign_id", id)
          .order("position"),
      ),
    );

beforeAll(async () => {
  const team = await createTeam();
  [manager, stranger, counselor, admin] = await Promise.all([
    createUser({ role: "manager", team }),
    createUser({ role: "manager", team: await createTeam() }),
    createUser({ team }),
    createUser({ role: "admin" }),
  ]);
  const people = [
    { qualification: "MBBS", experience: 5, phone: uniquePhone(), email: uniqueEmail() },
    { qualification: "mbbs", experience: 3, email: uniqueEmail() },
    { qualification: "MBBS", experience: 2, email: uniqueEmail() },
    { qualification: "MBBS", email: null, phone: uniquePhone() },
    { qualification: "MD", experience: 9, email: uniqueEmail() },
  ];
  await Promise.all(people.map((fields) => addLead(counselor, { source, ...fields })));
});

describe("campaigns", () => {
  it("[D0-005] are made as the document prints them", async () => {
    const printed = {
      name: "Fellowship Program Launch",
      description: "Promoting new fellowship programs",
      type: "email",
      status: "draft",
      target_audience: "Qualified Medical Professionals",
      target_criteria: { qualification: "MBBS", experience: ">2" },
      subject: "Advanced Fellowship Programs Available",
      content: "Dear Doctor, we are excited to announce...",
      scheduled_at: "2025-09-15T10:00:00Z",
      is_automated: false,
      tags: ["fellowship", "medical"],
      custom_fields: {},
    };
    const { data } = await campaigns(manager).insert(printed).select().single();
    expect(campaignSchema.parse(data)).toMatchObject({
      ...printed,
      scheduled_at: "2025-09-15T10:00:00+00:00",
      created_by: manager.id,
    });
    for (const type of ["email", "sms", "whatsapp", "phone", "multi_channel"]) {
      expect(await make({ type })).toMatchObject({ type });
    }
    expectError(await campaigns(manager).insert({ name: "x", type: "fax" }), { code: "23514" });
    expectError(await campaigns(manager).insert({ name: "x", target_criteria: { shoe: 9 } }), {
      code: "PT422",
      details: "campaign_criteria_invalid",
    });
    expectError(await campaigns(counselor).insert({ name: "x" }), { code: "42501" });
  });

  it("[D0-004] are listed by status, type and limit", async () => {
    const tag = unique("list");
    const made = await Promise.all(
      ["email", "sms", "email", "email"].map((type) => make({ type, tags: [tag] })),
    );
    await move(made[3]!.id, "active");
    const list = async (person: Person, limit = 50) =>
      expectData(
        await campaigns(person)
          .select("id")
          .contains("tags", [tag])
          .eq("status", "draft")
          .eq("type", "email")
          .order("created_at", { ascending: false })
          .limit(limit),
      ).map(({ id }) => id);
    const drafts = [made[0]!.id, made[2]!.id];
    expect((await list(manager)).sort()).toEqual([...drafts].sort());
    expect(await list(manager, 1)).toHaveLength(1);
    expect((await list(admin)).sort()).toEqual([...drafts].sort());
    expect((await list(stranger)).sort()).toEqual([...drafts].sort());
    expect(await list(counselor)).toEqual([]);
  });

  it("[D0-006] are changed in any field, and made active by writing so", async () => {
    const { id } = await make({});
    const change = { name: "Updated Campaign Name", status: "active" };
    const { data } = await campaigns(manager).update(change).eq("id", id).select().single();
    expect(campaignSchema.parse(data)).toMatchObject({ ...change, recipients_count: 4 });
    const other = await make({});
    const everything = {
      description: "x",
      type: "sms",
      target_audience: "x",
      target_criteria: { source, qualification: "MD" },
      subject: "x",
      content: "y",
      scheduled_at: "2027-01-01T00:00:00+00:00",
      is_automated: true,
      tags: ["x"],
      custom_fields: { a: 1 },
    };
    const changed = await campaigns(manager).update(everything).eq("id", other.id).select();
    expect(changed.data).toMatchObject([everything]);
    expect((await campaigns(stranger).update(change).eq("id", other.id).select()).data).toEqual([]);
    expect((await campaigns(counselor).update(change).eq("id", other.id).select()).data).toEqual(
      [],
    );
    expectError(await campaigns(manager).update({ status: "paused" }).eq("id", other.id), {
      code: "PT409",
      details: "campaign_status_refused",
    });
    expectError(await campaigns(manager).update({ content: "z" }).eq("id", id), {
      code: "PT409",
      details: "campaign_is_launched",
    });
  });

  it("[D0-007] are deleted, and not while they run", async () => {
    const { id } = await make({});
    await move(id, "active");
    const remove = (person: Person) =>
      person.client.rpc("soft_delete", { p_table: "campaigns", p_id: id });
    expectError(await remove(manager), { code: "PT409", details: "campaign_is_running" });
    await move(id, "paused");
    expectError(await remove(stranger), { code: "PT404", details: "not_found" });
    expectError(await remove(counselor), { code: "PT404", details: "not_found" });
    expect((await remove(manager)).error).toBeNull();
    expect((await campaigns(manager).select("id").eq("id", id)).data).toEqual([]);
    const restore = { p_table: "campaigns", p_id: id };
    expect((await manager.client.rpc("restore", restore)).error).toBeNull();
    expect((await campaigns(manager).select("id").eq("id", id)).data).toHaveLength(1);
  });
});

describe("an audience", () => {
  it("[D0-058] is aimed at leads and students by target_criteria", async () => {
    const preview = async (p_criteria: Record<string, string>, person = manager) =>
      campaignAudiencePreviewSchema.parse(
        expectData(await person.client.rpc("campaign_audience_preview", { p_criteria })),
      );
    const criteria = { qualification: "MBBS", experience: ">2" };
    expect(await preview({ source, ...criteria })).toMatchObject({
      count: 2,
      channels: { email: 2 },
      sample: [{ student_id: null }, { student_id: null }],
    });
    expect(await preview({ source, ...criteria }, stranger)).toMatchObject({ count: 0 });
    const made = await make({ target_criteria: { source, ...criteria } });
    expect(campaignLaunchSchema.parse((await launch(made.id)).data).recipients_count).toBe(2);
    const course = unique("Course");
    const student = { name: "Falk", email: uniqueEmail(), course };
    expectData(await counselor.client.from("students").insert(student).select());
    const students = { audience: "students", course };
    expect(await preview(students)).toMatchObject({
      count: 1,
      sample: [{ lead_id: null, name: "Falk" }],
    });
    const toStudents = await make({ target_criteria: students });
    await launch(toStudents.id);
    await handOver(toStudents.id);
    expect(await recipientsOf(toStudents.id)).toMatchObject([
      { lead_id: null, student_id: expect.any(String), communication_id: expect.any(String) },
    ]);
    expectError(await counselor.client.rpc("campaign_audience_preview", { p_criteria: {} }), {
      code: "42501",
      details: "permission_denied",
    });
  });
});

describe("a launch", () => {
  it("[D0-008] freezes the audience and answers as the document prints", async () => {
    const made = await make({ scheduled_at: "2025-09-15T10:00:00Z" });
    const answers = await Promise.all(Array.from({ length: 20 }, () => launch(made.id)));
    for (const { data } of answers) {
      expect(campaignLaunchSchema.parse(data)).toEqual({
        success: true,
        campaign_id: made.id,
        recipients_count: 4,
        scheduled_at: "2025-09-15T10:00:00+00:00",
      });
    }
    await addLead(counselor, { source, email: uniqueEmail(), qualification: "late" });
    await Promise.all([handOver(made.id), handOver(made.id)]);
    const recipients = await recipientsOf(made.id);
    expect(recipients).toHaveLength(4);
    const messages = expectData(
      await manager.client
        .from("communications")
        .select("id, lead_id, type, direction, subject")
        .eq("campaign_id", made.id),
    );
    expect(messages.map(({ id }) => id).sort()).toEqual(
      recipients.map((row) => row.communication_id).sort(),
    );
    expect(new Set(messages.map((row) => row.lead_id)).size).toBe(4);
    expect(messages[0]).toMatchObject({ type: "email", direction: "outbound", subject: "Hello" });
    await sql()`delete from public.leads where source = ${source} and qualification = 'late'`;

    const empty = await make({ target_criteria: { source: unique("Nobody") } });
    expectError(await launch(empty.id), { code: "PT422", details: "campaign_audience_empty" });
    const mute = await make({ content: null });
    expectError(await launch(mute.id), { code: "PT422", details: "campaign_incomplete" });
    expectError(await launch(mute.id, stranger), { code: "42501", details: "permission_denied" });
    expectError(await launch(mute.id, counselor), { code: "PT404", details: "not_found" });
  });

  it("[D0-055] goes out by e-mail, SMS, WhatsApp, as calls, and on several channels", async () => {
    const channelsOf = async (fields: Record<string, unknown>) => {
      const { id } = await make({ subject: "Hello", ...fields });
      await launch(id);
      await handOver(id);
      const recipients = await recipientsOf(id);
      const messages = expectData(
        await manager.client.from("communications").select("type").eq("campaign_id", id),
      );
      const tasks = recipients.flatMap((row) => row.task_id ?? []);
      const calls = expectData(
        await counselor.client.from("tasks").select("title").in("id", tasks),
      );
      return [...messages.map((row) => row.type), ...calls.map(() => "call")].sort();
    };
    expect(await channelsOf({ type: "email" })).toEqual(Array(4).fill("email"));
    expect(await channelsOf({ type: "sms" })).toEqual(["sms", "sms"]);
    expect(await channelsOf({ type: "whatsapp" })).toEqual(["whatsapp", "whatsapp"]);
    expect(await channelsOf({ type: "phone" })).toEqual(["call", "call"]);
    expect(await channelsOf({ type: "multi_channel", channels: ["whatsapp", "email"] })).toEqual([
      ...Array(3).fill("email"),
      "whatsapp",
      "whatsapp",
    ]);
  });

  it("[D0-056] waits for scheduled_at, is paused, resumed and cancelled, and can be automatic", async () => {
    const begin = (at: string) =>
      sql()`select private.begin_due_campaigns(${at}::timestamptz)`.then(() => undefined);
    const later = "2040-01-01T10:00:00+00:00";
    const planned = await make({ scheduled_at: later });
    expect((await launch(planned.id)).data).toMatchObject({ scheduled_at: later });
    const automatic = await make({ scheduled_at: later, is_automated: true });
    const manual = await make({ scheduled_at: later });
    const states = async () =>
      Promise.all(
        [planned, automatic, manual].map(
          async ({ id }) =>
            expectData(await campaigns(manager).select("status").eq("id", id).single()).status,
        ),
      );
    await begin("2040-01-01T09:59:59Z");
    expect(await states()).toEqual(["scheduled", "draft", "draft"]);
    await begin("2040-01-01T10:00:00Z");
    expect(await states()).toEqual(["active", "active", "draft"]);

    const running = await make({});
    await launch(running.id);
    expect(await move(running.id, "paused")).toMatchObject({ ended_at: null });
    const before = (await recipientsOf(running.id)).map((row) => row.status);
    await handOver(running.id);
    expect((await recipientsOf(running.id)).map((row) => row.status)).toEqual(before);
    await move(running.id, "active");
    await move(running.id, "cancelled");
    await handOver(running.id);
    const after = await recipientsOf(running.id);
    expect(after.filter((row) => row.status === "pending")).toEqual([]);
    expectError(await launch(running.id), { code: "PT409", details: "campaign_status_refused" });
  });
});

describe("figures", () => {
  /** A campaign of which this much became. */
  async function counted(counts: Record<string, number>) {
    const { id } = await make({});
    const [lead] = await sql()<{ id: string }[]>`
      select id from public.leads where source = ${source} limit 1`;
    await sql()`
      insert into public.campaign_recipients
        (campaign_id, position, lead_id, channel, status, sent_at, delivered_at, opened_at, clicked_at, responded_at, converted_at)
      select ${id}, n, ${lead!.id}, 'email', case when n <= ${counts.delivered!} then 'delivered' else 'failed' end, now(),
        case when n <= ${counts.delivered!} then now() end, case when n <= ${counts.opened!} then now() end,
        case when n <= ${counts.clicked!} then now() end, case when n <= ${counts.responded!} then now() end,
        case when n <= ${counts.converted!} then now() end
      from generate_series(1, ${counts.sent!}::integer) n`;
    return id;
  }

  it("[D0-009] are those that the document prints, of the same counts", async () => {
    const counts = {
      sent: 1250,
      delivered: 1198,
      opened: 456,
      clicked: 89,
      responded: 23,
      converted: 12,
    };
    const id = await counted(counts);
    const stats = (person: Person) => person.client.rpc("campaign_stats", { p_campaign_id: id });
    expect(campaignStatsSchema.parse((await stats(manager)).data)).toEqual({
      total_recipients: 1250,
      ...counts,
      failed: 52,
      delivery_rate: 95.8,
      open_rate: 38.1,
      click_rate: 19.5,
      conversion_rate: 2.6,
    });
    expectError(await stats(counselor), { code: "42501", details: "permission_denied" });
  });

  it("[D0-057] move while it is sent, and whoever listens is told so by ids alone", async () => {
    const { id } = await make({});
    await launch(id);
    await handOver(id);
    const events: unknown[] = [];
    await manager.client.realtime.setAuth();
    const channel = manager.client
      .channel(`campaign:${id}`, { config: { private: true } })
      .on("broadcast", { event: "campaign_progress" }, ({ payload }) => events.push(payload));
    await new Promise<void>((resolve, reject) => {
      channel.subscribe((state, error) => {
        if (state === "SUBSCRIBED") resolve();
        else if (error) reject(error);
      });
    });
    const [message] = await sql()<{ id: string }[]>`
      select id from public.communications where campaign_id = ${id} limit 1`;
    await sql()`update public.communications set status = 'delivered' where id = ${message!.id} and status <> 'failed'`;
    await sql()`update private.campaign_pulse set moved_at = now() where campaign_id = ${id}`;
    await sql()`select private.campaigns_sweep()`;
    await expect.poll(() => events.length, { timeout: 10_000 }).toBeGreaterThan(0);
    await manager.client.removeChannel(channel);
    expect(events[0]).toMatchObject({ campaign_id: id });
    expect(JSON.stringify(events)).not.toContain("@");
    const { data } = await manager.client
      .from("campaigns_with_stats")
      .select()
      .eq("id", id)
      .single();
    const stats = await manager.client.rpc("campaign_stats", { p_campaign_id: id });
    const listed = campaignWithStatsSchema.parse(data);
    expect(listed.total_recipients).toBe(4);
    expect(campaignStatsSchema.parse(stats.data).total_recipients).toBe(4);
  });
});

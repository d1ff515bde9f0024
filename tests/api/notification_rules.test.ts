/** Who is told of what over which channel, as an administrator and each person decide it. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  notificationEventSchema,
  notificationPreferencesSchema,
  notificationRuleInsertSchema,
  notificationRuleSchema,
} from "../../packages/types/src/index.ts";
import {
  addLead,
  createTeam,
  createUser,
  expectData,
  expectError,
  type Person,
  sql,
  unique,
  uniquePhone,
} from "../helpers/index.ts";

let admin: Person;
let manager: Person;
let counselor: Person;
let role: string;

/** A role of this file's own: a rule for everybody would reach the other tests. */
beforeAll(async () => {
  const team = await createTeam();
  const key = `rules_${unique("").trim()}`;
  const [made] = await sql()<{ id: string }[]>`
    insert into public.roles (key, name, data_scope) values (${key}, 'Rules', 'own') returning id
  `;
  role = made!.id;
  await sql()`insert into public.role_permissions (role_id, permission) values (${role}, 'leads.create'), (${role}, 'leads.update')`;
  [admin, manager, counselor] = await Promise.all([
    createUser({ role: "admin" }),
    createUser({ role: "manager", team }),
    createUser({ role: key, team }),
  ]);
});

afterAll(async () => {
  await sql()`delete from public.notification_rules where role_id = ${role} or user_id = ${counselor.id}`;
});

async function decide(rule: object, person = admin): Promise<string> {
  const row = notificationRuleInsertSchema.parse(rule);
  const made = await person.client.from("notification_rules").insert(row).select().single();
  return notificationRuleSchema.parse(expectData(made)).id;
}

/** A lead that its owner is given by the manager: the event of these tests. */
async function assign(): Promise<string> {
  const lead = await addLead(manager);
  const given = await manager.client.rpc("lead_assign", {
    p_lead_ids: [lead.id],
    p_user_id: counselor.id,
  });
  expect(given.error).toBeNull();
  return lead.id;
}

const told = async (lead: string) => {
  const { data } = await counselor.client
    .from("notifications")
    .select("metadata")
    .eq("lead_id", lead);
  return data?.length;
};

/** What left for this person, once the sweep has made messages of it. */
async function sent() {
  await sql()`select private.notification_send()`;
  return sql()<{ type: string; content: string; status: string }[]>`
    select c.type, c.content, c.status from public.communications c
    join public.profiles p on c.recipient in (p.email, p.phone)
    where p.id = ${counselor.id} and c.direction = 'outbound' order by c.created_at, c.type
  `;
}

describe("notification_rules", () => {
  it("[D4-072] switch an event off and on again, for a role and for oneself", async () => {
    const { data } = await counselor.client.from("notification_events").select().order("position");
    const events = notificationEventSchema
      .array()
      .parse(data)
      .map((event) => event.key);
    expect(events).toEqual(expect.arrayContaining(["lead_assigned", "sla_breached", "payment"]));

    expect(await told(await assign())).toBe(1);
    const off = await decide({
      event: "lead_assigned",
      channel: "in_app",
      role_id: role,
      is_enabled: false,
    });
    expect(await told(await assign())).toBe(0);
    const mine = { event: "lead_assigned", channel: "in_app", is_enabled: true };
    const own = await decide({ ...mine, user_id: counselor.id }, counselor);
    expect(await told(await assign())).toBe(1);
    await counselor.client.from("notification_rules").delete().eq("id", own);
    expect(await told(await assign())).toBe(0);
    const on = await admin.client
      .from("notification_rules")
      .update({ is_enabled: true })
      .eq("id", off);
    expect(on.error).toBeNull();
    expect(await told(await assign())).toBe(1);

    expectError(
      await counselor.client.from("notification_rules").insert({ ...mine, role_id: role }),
      { code: "42501", status: 403 },
    );
    expectError(
      await admin.client
        .from("notification_rules")
        .insert({ event: "gossip", channel: "email", is_enabled: true }),
      { code: "23503", status: 409 },
    );
  });

  it("[D4-100] tell by e-mail, beside the application", async () => {
    const id = await decide({
      event: "lead_assigned",
      channel: "email",
      user_id: counselor.id,
      is_enabled: true,
    });
    expect(await told(await assign())).toBe(1);
    const messages = (await sent()).filter((message) => message.type === "email");
    expect(messages).toHaveLength(1);
    expect(messages[0]?.content).toMatch(/^New lead assigned: LEAD-\d+ is now yours\.$/);
    await admin.client.from("notification_rules").delete().eq("id", id);
  });

  it("[D4-101] tell by SMS, and nobody who has no number", async () => {
    await decide({
      event: "lead_assigned",
      channel: "sms",
      user_id: counselor.id,
      is_enabled: true,
    });
    const texts = async () => (await sent()).filter((message) => message.type === "sms").length;
    await assign();
    expect(await texts()).toBe(0);
    const phone = uniquePhone();
    await counselor.client.from("profiles").update({ phone }).eq("id", counselor.id);
    await assign();
    expect(await texts()).toBe(1);
  });
});

describe("notification_preferences", () => {
  it("[D4-072] mute, keep quiet hours and gather", async () => {
    const wish = {
      user_id: counselor.id,
      muted_until: new Date(Date.now() + 60_000).toISOString(),
    };
    const written = await counselor.client
      .from("notification_preferences")
      .upsert(wish, { onConflict: "user_id" })
      .select()
      .single();
    notificationPreferencesSchema.parse(written.data);
    expect(await told(await assign())).toBe(0);
    const before = (await sent()).length;
    const hour = (add: number) => (new Date().getUTCHours() + 24 + add) % 24;
    await counselor.client.from("profiles").update({ timezone: "UTC" }).eq("id", counselor.id);
    const quiet = { quiet_from_hour: hour(-1), quiet_to_hour: hour(2), muted_until: null };
    const changed = await counselor.client
      .from("notification_preferences")
      .update(quiet)
      .eq("user_id", counselor.id);
    expect(changed.error).toBeNull();
    expect(await told(await assign())).toBe(1);
    expect(await sent()).toHaveLength(before);
    const hidden = await admin.client.from("notification_preferences").select();
    expect(hidden.data?.filter((row) => row.user_id === counselor.id)).toEqual([]);
  });
});

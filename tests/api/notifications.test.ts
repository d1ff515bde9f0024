import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  broadcastResultSchema,
  notificationEvents,
  notificationSchema,
  notificationStatsSchema,
} from "../../packages/types/src/notifications.ts";
import {
  anon,
  as,
  type Client,
  createTeam,
  createUser,
  expectData,
  expectError,
  type Person,
  service,
  signIn,
} from "../helpers/index.ts";

let manager: Person;
let counselor: Person;
let colleague: Person;
let stranger: Person;

beforeAll(async () => {
  const team = await createTeam();
  const otherTeam = await createTeam();
  [manager, counselor, colleague, stranger] = await Promise.all([
    createUser({ role: "manager", team }),
    createUser({ team }),
    createUser({ team }),
    createUser({ team: otherTeam }),
  ]);
});

beforeEach(async () => {
  const everybody = [manager, counselor, colleague, stranger].map((person) => person.id);
  await service().from("notifications").delete().in("user_id", everybody);
});

const insert = async (client: Client, title: string) =>
  expectData(await client.from("notifications").insert({ title }).select().single());

const inbox = async (client: Client) =>
  notificationSchema.array().parse(expectData(await client.from("notifications").select()));

describe("one's own notifications", () => {
  it("[D0-028] [D3-063] [D4-048] are listed unread and newest first", async () => {
    for (const title of ["First", "Second", "Third"]) {
      const row = { title, type: "reminder", priority: "medium" };
      expectData(await counselor.client.from("notifications").insert(row).select());
    }
    await counselor.client.from("notifications").update({ is_read: true }).eq("title", "Second");
    const { data } = await counselor.client
      .from("notifications")
      .select()
      .eq("is_read", false)
      .order("created_at", { ascending: false })
      .limit(50);
    const unread = notificationSchema.array().parse(data);
    expect(unread.map((row) => row.title)).toEqual(["Third", "First"]);
    expect(unread[0]).toMatchObject({ priority: "normal", user_id: counselor.id });
  });

  it("[D4-069] take the severities of one document and the topics of the other", async () => {
    for (const type of notificationSchema.shape.type.options) {
      const row = { title: type, type };
      expectData(await counselor.client.from("notifications").insert(row).select());
    }
    const other = { title: "Gossip", type: "gossip" };
    expectError(await counselor.client.from("notifications").insert(other), { code: "23514" });
  });

  it("[D0-030] [D4-050] are marked as read, and nothing else of them changes", async () => {
    const { id } = await insert(counselor.client, "Read me");
    const table = () => counselor.client.from("notifications");
    const marked = await table().update({ is_read: true }).eq("id", id).select().single();
    const row = notificationSchema.parse(expectData(marked));
    expect(row.is_read).toBe(true);
    expect(Date.parse(row.read_at ?? "")).toBeGreaterThan(Date.now() - 60_000);
    expectError(await table().update({ title: "Changed" }).eq("id", id), { code: "42501" });
  });

  it("[D4-051] are all read at once", async () => {
    await insert(counselor.client, "One");
    await insert(counselor.client, "Two");
    expect((await counselor.client.rpc("notifications_read_all")).data).toBe(2);
    expect((await counselor.client.rpc("notifications_read_all")).data).toBe(0);
  });

  it("[D0-031] [D4-052] are deleted by their receiver alone", async () => {
    const { id } = await insert(counselor.client, "Mine");
    const remove = async (client: Client) =>
      expectData(await client.from("notifications").delete().eq("id", id).select()).length;
    expect(await remove(colleague.client)).toBe(0);
    expect(await remove(manager.client)).toBe(0);
    expect(await remove(counselor.client)).toBe(1);
  });

  it("[D4-053] are counted by type and by priority", async () => {
    await counselor.client.from("notifications").insert([
      { title: "One", type: "call", priority: "high" },
      { title: "Two", type: "call", priority: "normal" },
    ]);
    const { data } = await counselor.client.rpc("notification_stats");
    const stats = notificationStatsSchema.parse(data);
    expect(stats).toMatchObject({ total: 2, unread: 2, by_type: { call: 2, info: 0 } });
    expect(stats.by_priority).toEqual({ low: 0, normal: 1, high: 1, urgent: 0 });
  });

  it("[D0-075] are hidden once they have expired", async () => {
    const ago = (days: number) => new Date(Date.now() - days * 86_400_000).toISOString();
    const row = { user_id: counselor.id, title: "Old", created_at: ago(2), expires_at: ago(1) };
    expectData(await service().from("notifications").insert(row).select());
    expect(await inbox(counselor.client)).toEqual([]);
  });

  it("are refused without signing in", async () => {
    expectError(await anon().from("notifications").select(), { code: "42501", status: 401 });
  });
});

describe("notifying others", () => {
  it("[D0-029] [D4-049] reaches a member of the manager's team", async () => {
    const sent = await manager.client.rpc("notify", {
      p_user_id: counselor.id,
      p_title: "Call the Sharmas",
      p_message: "They asked twice.",
      p_type: "call",
      p_priority: "high",
      p_action_url: "/leads",
      p_action_label: "Open",
      p_metadata: { urgency: "high" },
      p_expires_at: new Date(Date.now() + 3_600_000).toISOString(),
    });
    const id = expectData(sent);
    expect(await inbox(counselor.client)).toMatchObject([
      {
        id,
        title: "Call the Sharmas",
        type: "call",
        priority: "high",
        action_url: "/leads",
        metadata: { urgency: "high" },
        sender_id: manager.id,
      },
    ]);
  });

  it("is refused beyond one's reach, and without the permission", async () => {
    const hello = { p_title: "Hello", p_message: "" };
    expectError(await manager.client.rpc("notify", { p_user_id: stranger.id, ...hello }), {
      code: "42501",
      details: "notification_out_of_reach",
      status: 403,
    });
    expectError(await counselor.client.rpc("notify", { p_user_id: colleague.id, ...hello }), {
      code: "42501",
      details: "permission_denied",
      status: 403,
    });
  });

  it("does not point at a lead the sender cannot see", async () => {
    const lead = { name: "Unseen", status: "new", currency: "INR", assigned_to: stranger.id };
    const { id } = expectData(await service().from("leads").insert(lead).select("id").single());
    const answer = await manager.client.rpc("notify", {
      p_user_id: counselor.id,
      p_title: "Look",
      p_message: "",
      p_lead_id: id,
    });
    expectError(answer, { code: "PT404", details: "lead_not_found", status: 404 });
    await service().from("leads").delete().eq("id", id);
  });

  it("[D0-032] is a broadcast to those within reach", async () => {
    const answer = await manager.client.rpc("notify_broadcast", {
      p_user_ids: [counselor.id, colleague.id, stranger.id],
      p_title: "Meeting",
      p_message: "At ten",
    });
    expect(answer.data).toEqual({ sent: 2, skipped: 1 });
  });

  it("[D4-054] is an administrator's to do to everybody", async () => {
    const message = { p_title: "Maintenance", p_message: "Tonight" };
    const answer = await (await as("admin")).rpc("notify_system", message);
    expect(broadcastResultSchema.parse(expectData(answer)).sent).toBeGreaterThanOrEqual(4);
    expect((await inbox(stranger.client)).map((row) => row.type)).toEqual(["system"]);
    expectError(await manager.client.rpc("notify_system", message), {
      code: "42501",
      details: "permission_denied",
    });
  });
});

describe("an assignment", () => {
  it("tells the new owner, by the number of the lead and not by its name", async () => {
    const lead = { name: "Nisha Told", status: "new", currency: "INR", assigned_to: counselor.id };
    const made = await manager.client.from("leads").insert(lead).select("id, lead_id").single();
    const { id, lead_id } = expectData(made);
    const rows = await inbox(counselor.client);
    expect(rows).toMatchObject([{ type: "lead", lead_id: id, sender_id: manager.id }]);
    expect(rows[0]?.message).toContain(lead_id);
    expect(JSON.stringify(rows)).not.toContain("Nisha");
    await service().from("leads").delete().eq("id", id);
  });
});

describe("Realtime", () => {
  const subscribe = async (person: Person, topic: string) => {
    const client = await signIn(person.email);
    await client.realtime.setAuth();
    const events: { event: string; payload: Record<string, unknown> }[] = [];
    const channel = client.channel(topic, { config: { private: true } });
    channel.on("broadcast", { event: "*" }, ({ event, payload }) => {
      events.push({ event, payload });
    });
    const state = await new Promise<string>((resolve) => {
      channel.subscribe((status) => {
        if (status !== "CLOSED") resolve(status);
      });
    });
    return { client, events, state };
  };

  it("[D2-031] [D4-070] carries ids to the receiver as it happens", async () => {
    const { client, events, state } = await subscribe(counselor, `user:${counselor.id}`);
    expect(state).toBe("SUBSCRIBED");
    const id = expectData(
      await manager.client.rpc("notify", {
        p_user_id: counselor.id,
        p_title: "Confidential title",
        p_message: "",
      }),
    );
    // What was written just before the join may still arrive after it.
    const created = () => events.find(({ payload }) => payload.id === id);
    await expect.poll(created, { timeout: 10_000 }).toBeDefined();
    expect(created()?.event).toBe("notification_created");
    expect(notificationEvents.notification_created.parse(created()?.payload).lead_id).toBeNull();
    expect(JSON.stringify(events)).not.toContain("Confidential");
    await client.removeAllChannels();
  });

  it("[D4-065] refuses somebody else's topic", async () => {
    const { client, state } = await subscribe(colleague, `user:${counselor.id}`);
    expect(state).toBe("CHANNEL_ERROR");
    await client.removeAllChannels();
  });
});

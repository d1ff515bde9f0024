import type { RealtimeChannel } from "@supabase/supabase-js";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { agentEvents, agentHeartbeatSchema, agentSchema } from "../../packages/types/src/agents.ts";
import { adminHealthSchema, healthMetricsSchema } from "../../packages/types/src/system-health.ts";
import {
  anon,
  createTeam,
  createUser,
  expectData,
  expectError,
  type Person,
  sql,
  type Team,
  unique,
} from "../helpers/index.ts";

let team: Team;
let manager: Person;
let agent: Person;
let colleague: Person;
let stranger: Person;
let admin: Person;

beforeAll(async () => {
  team = await createTeam();
  const otherTeam = await createTeam();
  [manager, agent, colleague, stranger, admin] = await Promise.all([
    createUser({ role: "manager", team }),
    createUser({ team }),
    createUser({ team }),
    createUser({ team: otherTeam }),
    createUser({ role: "admin" }),
  ]);
});

const agentSeenBy = async (person: Person, id: string) =>
  expectData(await person.client.from("agents").select().eq("id", id)).map((row) =>
    agentSchema.parse(row),
  )[0];

describe("agents", () => {
  it("[D4-032] lists the people one may see, page by page and by role, team and status", async () => {
    const page = await manager.client
      .from("agents")
      .select("*", { count: "exact" })
      .eq("team_id", team.id)
      .eq("role", "counselor")
      .order("full_name")
      .range(0, 0);
    expect(page.count).toBe(2);
    expect(agentSchema.array().parse(expectData(page))).toHaveLength(1);
    await agent.client.rpc("agent_set_status", { p_status: "busy" });
    const busy = await manager.client.from("agents").select("id").eq("status", "busy");
    expect(expectData(busy)).toEqual([{ id: agent.id }]);
    const everybody = await admin.client
      .from("agents")
      .select("id")
      .in("role", ["admin", "manager"]);
    const ids = expectData(everybody).map((row) => row.id);
    expect(ids).toEqual(expect.arrayContaining([manager.id, admin.id]));
    const own = expectData(await stranger.client.from("agents").select("id"));
    expect(own).toEqual([{ id: stranger.id }]);
  });

  it("[D4-033] shows one to their colleagues, their manager and administrators", async () => {
    for (const person of [agent, colleague, manager, admin]) {
      const one = await person.client.from("agents").select().eq("id", agent.id).single();
      expect(agentSchema.parse(expectData(one))).toMatchObject({
        id: agent.id,
        email: agent.email,
        role: "counselor",
        team_id: team.id,
        team_name: team.name,
        is_active: true,
      });
    }
    const hidden = await stranger.client.from("agents").select().eq("id", agent.id).single();
    expectError(hidden, { code: "PGRST116" });
    expectError(await anon().from("agents").select(), { code: "42501", status: 401 });
  });

  it("[D4-035] are changed in profiles, each by themselves", async () => {
    const full_name = unique("Renamed");
    const change = (by: Person) =>
      by.client
        .from("profiles")
        .update({ full_name, designation: "Senior Counselor", phone: "98765 43210" })
        .eq("id", agent.id)
        .select("id");
    expect(expectData(await change(colleague))).toEqual([]);
    expect(expectData(await change(manager))).toEqual([]);
    expect(expectData(await change(agent))).toEqual([{ id: agent.id }]);
    expect(await agentSeenBy(manager, agent.id)).toMatchObject({
      full_name,
      designation: "Senior Counselor",
      phone: "+919876543210",
    });
  });

  it("[D4-036] say whether they can be had", async () => {
    const set = (p_status: string) => agent.client.rpc("agent_set_status", { p_status });
    for (const [said, status] of [
      ["Away", "away"],
      ["busy", "busy"],
      ["offline", "offline"],
      ["online", "available"],
    ] as const) {
      const row = agentSchema.parse(expectData(await set(said)));
      expect(row).toMatchObject({ id: agent.id, status, availability: status });
      expect(Date.parse(row.status_changed_at ?? "")).toBeGreaterThan(Date.now() - 60_000);
      expect(await agentSeenBy(colleague, agent.id)).toMatchObject({ status });
    }
    expectError(await set("asleep"), { code: "PT422", details: "argument_invalid", status: 422 });
    expectError(await anon().rpc("agent_set_status", { p_status: "busy" }), { code: "42501" });
  });
});

describe("presence on agents:<team id>", () => {
  const channels: RealtimeChannel[] = [];

  afterAll(async () => {
    await Promise.all(channels.map((channel) => channel.unsubscribe()));
  });

  interface Entered {
    channel: RealtimeChannel;
    state: string;
    told: unknown[];
  }

  /** Waits for the server's word, be it a refusal. */
  async function enter(person: Person): Promise<Entered> {
    await person.client.realtime.setAuth();
    const channel = person.client.channel(`agents:${team.id}`, {
      config: { private: true, presence: { key: person.id, enabled: true } },
    });
    channels.push(channel);
    const told: unknown[] = [];
    const state = await new Promise<string>((resolve) => {
      channel
        .on("presence", { event: "sync" }, () => {})
        .on("broadcast", { event: "agent_status_changed" }, ({ payload }) => told.push(payload))
        .subscribe((status) => resolve(status));
    });
    return { channel, state, told };
  }

  const present = ({ channel }: Entered) => Object.keys(channel.presenceState()).sort();

  it("[D4-066] shows members, their manager and administrators who is connected, and nobody else", async () => {
    const one = await enter(agent);
    const two = await enter(colleague);
    const three = await enter(manager);
    const four = await enter(admin);
    expect([one.state, two.state, three.state, four.state]).toEqual(Array(4).fill("SUBSCRIBED"));
    for (const entered of [one, two, three]) {
      expect(await entered.channel.track({ since: "today" })).toBe("ok");
    }
    const everybody = [agent.id, colleague.id, manager.id].sort();
    for (const entered of [one, two, three, four]) {
      await vi.waitFor(() => expect(present(entered)).toEqual(everybody), 10_000);
    }

    const outsider = await enter(stranger);
    expect(outsider.state).toBe("CHANNEL_ERROR");
    expect(await outsider.channel.track({ since: "today" })).not.toBe("ok");
    expect(present(outsider)).toEqual([]);

    // Who leaves is gone at once; a closed socket does the same.
    await two.channel.unsubscribe();
    await vi.waitFor(() => expect(present(one)).toEqual([agent.id, manager.id].sort()), 10_000);

    // A change of status is told to those who listen, as an id.
    expectData(await agent.client.rpc("agent_set_status", { p_status: "away" }));
    await vi.waitFor(() => expect(three.told.length).toBeGreaterThan(0), 10_000);
    const event = agentEvents.agent_status_changed.parse(three.told[0]);
    expect(event).toEqual({ user_id: agent.id });
    expect(outsider.told).toEqual([]);

    // Nobody forges one: a client may appear, and send nothing.
    await one.channel.send({
      type: "broadcast",
      event: "agent_status_changed",
      payload: { user_id: manager.id },
    });
    expectData(await agent.client.rpc("agent_set_status", { p_status: "busy" }));
    await vi.waitFor(() => expect(three.told.length).toBeGreaterThan(1), 10_000);
    const tellers = three.told.map((told) => agentEvents.agent_status_changed.parse(told).user_id);
    expect(new Set(tellers)).toEqual(new Set([agent.id]));
  });
});

describe("signs of life", () => {
  it("[D4-066] keep somebody connected, and are counted for administrators", async () => {
    const beat = async (person: Person) =>
      agentHeartbeatSchema.parse(expectData(await person.client.rpc("agent_heartbeat")));
    expectData(await colleague.client.rpc("agent_set_status", { p_status: "available" }));
    const long = async () =>
      sql()`update public.agent_presence set last_seen_at = now() - interval '1 day' where user_id = ${colleague.id}`;
    await long();
    expect(await agentSeenBy(manager, colleague.id)).toMatchObject({
      status: "offline",
      availability: "available",
    });
    const first = await beat(colleague);
    expect(first.status).toBe("available");
    const again = await beat(colleague);
    expect(again.last_seen_at).toBe(first.last_seen_at);
    expect(await agentSeenBy(manager, colleague.id)).toMatchObject({ status: "available" });

    const health = adminHealthSchema.parse(expectData(await admin.client.rpc("admin_health")));
    expect(health.agents.available).toBeGreaterThanOrEqual(1);
    expect(health.agents.total).toBeGreaterThanOrEqual(health.agents.online);
    await sql()`select private.record_metrics()`;
    const series = await admin.client.rpc("health_metrics", {
      p_metric: "agents_online",
      p_range: "1h",
    });
    const { metrics } = healthMetricsSchema.parse(expectData(series));
    expect(metrics.agents_online?.at(-1)?.value).toBeGreaterThan(0);
  });

  it("come from people with a live account alone", async () => {
    expectError(await anon().rpc("agent_heartbeat"), { code: "42501", status: 401 });
    const gone = await createUser({ team });
    await sql()`update public.profiles set is_active = false where id = ${gone.id}`;
    expectError(await gone.client.rpc("agent_heartbeat"), {
      code: "42501",
      details: "account_inactive",
      status: 403,
    });
  });
});

import { beforeAll, describe, expect, it } from "vitest";
import {
  agentPerformanceSchema,
  agentStatsSchema,
  analyticsCallsSchema,
  counselorPerformanceSchema,
} from "../../packages/types/src/agent-analytics.ts";
import {
  anon,
  createTeam,
  createUser,
  expectData,
  expectError,
  type Person,
  sql,
} from "../helpers/index.ts";

let manager: Person;
let agent: Person;
let colleague: Person;
let stranger: Person;

const hour = 3_600_000;
const ago = (hours: number) => new Date(Date.now() - hours * hour).toISOString();

/** The agent: two leads, one enrolled; four calls over, of which two were a success; one to come. */
beforeAll(async () => {
  const team = await createTeam();
  [manager, agent, colleague, stranger] = await Promise.all([
    createUser({ role: "manager", team }),
    createUser({ team, fullName: "Asha Agent" }),
    createUser({ team, fullName: "Ben Colleague" }),
    createUser({ team: await createTeam() }),
  ]);
  const addLead = async (owner: Person, name: string, status?: string) => {
    const lead = expectData(
      await owner.client.from("leads").insert({ name }).select("id").single(),
    );
    if (status) {
      const p_lead_id = lead.id;
      expectData(await owner.client.rpc("lead_set_status", { p_lead_id, p_status: status }));
    }
    return lead.id;
  };
  const won = await addLead(agent, "Won", "enrolled");
  const open = await addLead(agent, "Open", "contacted");
  const other = await addLead(colleague, "Other");
  const log = async (person: Person, calls: Record<string, unknown>[]) => {
    expectData(
      await person.client
        .from("calls")
        .insert(calls as never)
        .select("id"),
    );
  };
  await log(agent, [
    { lead_id: won, outcome: "interested", status: "completed", started_at: ago(2), duration: 100 },
    { lead_id: open, outcome: "callback", status: "completed", started_at: ago(2), duration: 200 },
    { lead_id: open, outcome: "voicemail", status: "completed", started_at: ago(1), duration: 30 },
    { lead_id: open, outcome: "no_answer", status: "completed", started_at: ago(1), duration: 0 },
  ]);
  await log(agent, [{ lead_id: open, scheduled_at: ago(-1), status: "scheduled" }]);
  await log(colleague, [{ lead_id: other, outcome: "busy", status: "completed" }]);
});

describe("agent_stats", () => {
  it("[D4-037] answers the figures of one agent, to themselves and their manager", async () => {
    for (const person of [agent, manager]) {
      const answer = await person.client.rpc("agent_stats", { p_agent_id: agent.id });
      expect(agentStatsSchema.parse(expectData(answer))).toEqual({
        agent_id: agent.id,
        full_name: "Asha Agent",
        from: null,
        to: null,
        interactions: 3,
        total_leads: 2,
        active_leads: 1,
        enrollments: 1,
        lead_conversion_rate: 50,
        total_calls: 5,
        completed_calls: 3,
        missed_calls: 1,
        successful_calls: 2,
        call_success_rate: 50,
        call_completion_rate: 75,
        call_duration: 330,
        average_call_duration: 110,
        // 40 % of 50, 20 % of 75, 40 % of 100: half the leads is more than the target of a fifth.
        performance_score: 75,
      });
    }
    const before = { p_agent_id: agent.id, p_from: "2020-01-01", p_to: "2020-12-31" };
    const none = agentStatsSchema.parse(
      expectData(await manager.client.rpc("agent_stats", before)),
    );
    expect(none).toMatchObject({ total_leads: 0, total_calls: 0, performance_score: null });
  });

  it("are nobody else's to see", async () => {
    const p_agent_id = agent.id;
    for (const person of [colleague, stranger]) {
      expectError(await person.client.rpc("agent_stats", { p_agent_id }), {
        code: "PT404",
        details: "not_found",
        status: 404,
      });
      expectError(await person.client.rpc("analytics_agent_performance", { p_agent_id }), {
        code: "PT404",
        details: "not_found",
      });
    }
    expectError(await anon().rpc("agent_stats", {}), { code: "42501", status: 401 });
  });
});

describe("analytics_agent_performance", () => {
  it("[D4-045] answers success rate, conversion, a history by day, score and trend", async () => {
    const answer = await manager.client.rpc("analytics_agent_performance", {
      p_agent_id: agent.id,
    });
    const performance = agentPerformanceSchema.parse(expectData(answer));
    expect(performance).toMatchObject({
      call_success_rate: 50,
      lead_conversion_rate: 50,
      performance_score: 75,
      trend: { direction: null, change: null, previous_score: null },
    });
    expect(performance.daily).toHaveLength(30);
    expect(performance.daily.at(-1)?.date).toBe(performance.to);
    // Around midnight what was an hour ago was yesterday: the days have it all the same.
    const sum = (key: "leads" | "calls" | "successful_calls" | "enrollments") =>
      performance.daily.reduce((total, day) => total + day[key], 0);
    expect([sum("leads"), sum("enrollments"), sum("successful_calls")]).toEqual([2, 1, 2]);
    const week = { p_agent_id: agent.id, p_days: 7 };
    const short = await manager.client.rpc("analytics_agent_performance", week);
    expect(agentPerformanceSchema.parse(expectData(short)).daily).toHaveLength(7);
    expectError(await manager.client.rpc("analytics_agent_performance", { p_days: 0 }), {
      code: "PT422",
      details: "argument_invalid",
    });
  });
});

describe("analytics_counselor_performance", () => {
  it("[D3-019] answers leads, interactions, enrollments and conversion rate of each counselor", async () => {
    const read = async (person: Person, period = {}) =>
      counselorPerformanceSchema.parse(
        expectData(await person.client.rpc("analytics_counselor_performance", period)),
      );
    const asha = {
      counselor_id: agent.id,
      counselor: "Asha Agent",
      leads: 2,
      interactions: 3,
      enrollments: 1,
      conversion_rate: 50,
    };
    const ben = {
      counselor_id: colleague.id,
      counselor: "Ben Colleague",
      leads: 1,
      interactions: 0,
      enrollments: 0,
      conversion_rate: 0,
    };
    expect(await read(manager)).toEqual([asha, ben]);
    expect(await read(agent)).toEqual([asha]);
    expect((await read(stranger)).map((row) => row.counselor_id)).toEqual([stranger.id]);
    const [, none] = await read(manager, { p_date_from: "2020-01-01", p_date_to: "2020-12-31" });
    expect(none).toMatchObject({ leads: 0, interactions: 0, enrollments: 0, conversion_rate: 0 });
    const backwards = { p_date_from: "2020-01-02", p_date_to: "2020-01-01" };
    expectError(await manager.client.rpc("analytics_counselor_performance", backwards), {
      code: "PT422",
      details: "argument_invalid",
    });
  });
});

describe("analytics_calls", () => {
  it("[D4-046] answers outcomes, durations, status, days and rates, filtered", async () => {
    const read = async (person: Person, filters = {}) =>
      analyticsCallsSchema.parse(
        expectData(await person.client.rpc("analytics_calls", { ...(await days()), ...filters })),
      );
    // The call to come may lie in tomorrow.
    const days = async () => {
      const [row] = await sql()<{ p_from: string; p_to: string }[]>`
        select (d - 2)::text as p_from, (d + 2)::text as p_to
        from (select (now() at time zone private.organization_timezone())::date as d) t`;
      return row!;
    };
    const calls = await read(manager);
    expect(calls).toMatchObject({
      group: "day",
      total_calls: 6,
      completed_calls: 3,
      missed_calls: 2,
      successful_calls: 2,
      success_rate: 40,
      completion_rate: 60,
      leads_called: 3,
      leads_converted: 1,
      conversion_rate: 33.3,
      durations: { total: 330, average: 110, shortest: 30, longest: 200 },
    });
    expect(calls.status.map(({ status, count }) => [status, count])).toEqual([
      ["scheduled", 1],
      ["in_progress", 0],
      ["completed", 3],
      ["missed", 2],
      ["cancelled", 0],
    ]);
    expect(new Set(calls.outcomes.map(({ outcome, count }) => `${outcome} ${count}`))).toEqual(
      new Set(["interested 1", "callback 1", "voicemail 1", "no_answer 1", "busy 1", "null 1"]),
    );
    expect(calls.daily).toHaveLength(5);
    expect(calls.daily.reduce((sum, day) => sum + day.total, 0)).toBe(6);
    expect(calls.hourly.reduce((sum, { successful }) => sum + successful, 0)).toBe(2);
    expect((await read(manager, { p_agent_id: colleague.id })).total_calls).toBe(1);
    expect((await read(manager, { p_outcome: "interested" })).total_calls).toBe(1);
    expect((await read(manager, { p_status: "missed" })).total_calls).toBe(2);
    expect((await read(agent)).total_calls).toBe(5);
    expect((await read(stranger)).total_calls).toBe(0);
    expectError(await manager.client.rpc("analytics_calls", { p_group: "century" }), {
      code: "PT422",
      details: "argument_invalid",
    });
    expectError(await anon().rpc("analytics_calls", {}), { code: "42501", status: 401 });
  });
});

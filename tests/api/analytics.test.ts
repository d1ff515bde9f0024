import { beforeAll, describe, expect, it } from "vitest";
import {
  analyticsConversionBySourceSchema,
  analyticsFunnelDetailSchema,
  analyticsFunnelSchema,
  analyticsKpisSchema,
  analyticsOverviewSchema,
} from "../../packages/types/src/analytics.ts";
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
let admin: Person;

/** Reached: 5 new, 4 contacted, 2 qualified, 1 proposal, 1 enrolled. Owner, source, day, stages. */
const plan = [
  ["agent", "Website", "2025-03-01T12:00:00+05:30", ["enrolled"], 1000],
  ["agent", "Website", "2025-03-02T12:00:00+05:30", ["qualified", "lost"], 2000],
  ["agent", "Facebook Ad", "2025-03-03T12:00:00+05:30", ["contacted"], 4000],
  ["colleague", "Facebook Ad", "2025-03-03T12:00:00+05:30", [], 8000],
  ["colleague", "Walk-in", "2025-03-05T12:00:00+05:30", ["contacted"], 16_000],
] as const;

beforeAll(async () => {
  const team = await createTeam();
  manager = await createUser({ role: "manager", team });
  agent = await createUser({ team });
  colleague = await createUser({ team });
  admin = await createUser({ role: "admin" });
  for (const [owner, source, day, stages, value] of plan) {
    const person = owner === "agent" ? agent : colleague;
    const made = await person.client
      .from("leads")
      .insert({ name: `${owner} ${value}`, source, value })
      .select("id")
      .single();
    const { id } = expectData(made);
    for (const p_status of stages) {
      expectData(await person.client.rpc("lead_set_status", { p_lead_id: id, p_status }));
    }
    await sql()`update public.leads set created_at = ${day} where id = ${id}`;
  }
});

describe("analytics_kpis", () => {
  it("[D3-015] answers leads, enrolments, conversion and active pipeline of what one may see", async () => {
    const { data, error } = await manager.client.rpc("analytics_kpis", {});
    expect(error).toBeNull();
    expect(analyticsKpisSchema.parse(data)).toEqual({
      total_leads: 5,
      enrollments: 1,
      conversion_rate: 20,
      active_pipeline: 3,
      active_pipeline_value: 28_000,
      currency: "INR",
    });
    const own = analyticsKpisSchema.parse((await agent.client.rpc("analytics_kpis", {})).data);
    expect([own.total_leads, own.enrollments, own.conversion_rate]).toEqual([3, 1, 33.3]);
  });

  it.each([
    [{ p_date_from: "2025-03-02", p_date_to: "2025-03-03" }, 3],
    [{ p_date_from: "2025-03-05" }, 1],
    [{ p_source: "Website" }, 2],
    [{ p_status: "Contacted" }, 2],
  ])("filters by %j", async (filters, total) => {
    const { data } = await manager.client.rpc("analytics_kpis", filters);
    expect(analyticsKpisSchema.parse(data).total_leads).toBe(total);
  });

  it("filters by the person, within what the caller sees", async () => {
    const p_assigned_to = colleague.id;
    const team = await manager.client.rpc("analytics_kpis", { p_assigned_to });
    expect(analyticsKpisSchema.parse(team.data).total_leads).toBe(2);
    const nosy = await agent.client.rpc("analytics_kpis", { p_assigned_to });
    expect(analyticsKpisSchema.parse(nosy.data).total_leads).toBe(0);
    const all = await admin.client.rpc("analytics_kpis", { p_assigned_to });
    expect(analyticsKpisSchema.parse(all.data).total_leads).toBe(2);
  });

  it("refuses a period that ends before it begins, and those who are not signed in", async () => {
    const backwards = { p_date_from: "2025-03-02", p_date_to: "2025-03-01" };
    expectError(await manager.client.rpc("analytics_kpis", backwards), {
      code: "PT422",
      details: "argument_invalid",
      status: 422,
    });
    expectError(await anon().rpc("analytics_kpis", {}), { code: "42501", status: 401 });
  });
});

describe("analytics_funnel", () => {
  it("[D0-053] [D3-017] answers stage, count, percentage of the first and drop-off since the one before", async () => {
    const { data, error } = await manager.client.rpc("analytics_funnel", {});
    expect(error).toBeNull();
    expect(analyticsFunnelSchema.parse(data)).toEqual([
      { stage: "new", count: 5, percentage: 100, drop_off_rate: 0 },
      { stage: "contacted", count: 4, percentage: 80, drop_off_rate: 20 },
      { stage: "qualified", count: 2, percentage: 40, drop_off_rate: 50 },
      { stage: "proposal", count: 1, percentage: 20, drop_off_rate: 50 },
      { stage: "enrolled", count: 1, percentage: 20, drop_off_rate: 0 },
    ]);
    const some = await manager.client.rpc("analytics_funnel", {
      p_source: "Facebook Ad",
      p_date_from: "2025-03-03",
      p_date_to: "2025-03-03",
    });
    expect(analyticsFunnelSchema.parse(some.data).map((step) => step.count)).toEqual([
      2, 1, 0, 0, 0,
    ]);
  });

  it("[D4-047] compares an agent with the team and marks the bottleneck", async () => {
    const { data, error } = await manager.client.rpc("analytics_funnel_detail", {
      p_agent_id: agent.id,
    });
    expect(error).toBeNull();
    expect(
      analyticsFunnelDetailSchema
        .parse(data)
        .map((step) => [
          step.stage,
          step.count,
          step.stage_conversion_rate,
          step.is_bottleneck,
          step.team_percentage,
        ]),
    ).toEqual([
      ["new", 3, null, false, 100],
      ["contacted", 3, 100, false, 80],
      ["qualified", 2, 66.7, false, 40],
      ["proposal", 1, 50, true, 20],
      ["enrolled", 1, 100, false, 20],
    ]);
  });
});

describe("analytics_conversion_by_source", () => {
  it("[D0-053] [D3-018] answers leads, enrolled and the rate of each source, the largest first", async () => {
    const { data, error } = await manager.client.rpc("analytics_conversion_by_source");
    expect(error).toBeNull();
    expect(analyticsConversionBySourceSchema.parse(data)).toEqual([
      { source: "Facebook Ad", total_leads: 2, enrolled: 0, conversion_rate: 0 },
      { source: "Website", total_leads: 2, enrolled: 1, conversion_rate: 50 },
      { source: "Walk-in", total_leads: 1, enrolled: 0, conversion_rate: 0 },
    ]);
    const own = await agent.client.rpc("analytics_conversion_by_source", {
      p_date_from: "2025-03-02",
      p_date_to: "2025-03-31",
    });
    expect(analyticsConversionBySourceSchema.parse(own.data)).toEqual([
      { source: "Facebook Ad", total_leads: 1, enrolled: 0, conversion_rate: 0 },
      { source: "Website", total_leads: 1, enrolled: 0, conversion_rate: 0 },
    ]);
  });
});

describe("analytics_overview", () => {
  it("[D4-044] answers the figures of a period or an agent, live, by source and stage", async () => {
    const whole = await manager.client.rpc("analytics_overview", {
      p_from: "2025-03-01",
      p_to: "2025-03-31",
    });
    const overview = analyticsOverviewSchema.parse(expectData(whole));
    expect(overview).toMatchObject({ total_leads: 5, enrollments: 1, conversion_rate: 20 });
    expect(overview.by_source).toEqual([
      { source: "Facebook Ad", count: 2 },
      { source: "Website", count: 2 },
      { source: "Walk-in", count: 1 },
    ]);
    expect(overview.by_stage[1]).toEqual({ stage: "contacted", count: 4, percentage: 80 });
    const own = await manager.client.rpc("analytics_overview", { p_agent_id: colleague.id });
    expect(analyticsOverviewSchema.parse(expectData(own)).total_leads).toBe(2);
    const late = await colleague.client
      .from("leads")
      .insert({ name: "Just now" })
      .select("id")
      .single();
    const after = await manager.client.rpc("analytics_overview", { p_agent_id: colleague.id });
    expect(analyticsOverviewSchema.parse(expectData(after)).total_leads).toBe(3);
    await sql()`delete from public.leads where id = ${expectData(late).id}`;
  });
});

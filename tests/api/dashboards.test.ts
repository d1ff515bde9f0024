import { beforeAll, describe, expect, it } from "vitest";
import {
  analyticsLeadVolumeSchema,
  dashboardChartRevenueSchema,
  dashboardChartSourcesSchema,
  dashboardOverviewSchema,
  dashboardStatsSchema,
} from "../../packages/types/src/dashboards.ts";
import { reportBuiltSchema } from "../../packages/types/src/reports.ts";
import {
  addLead,
  anon,
  createTeam,
  createUser,
  expectData,
  expectError,
  type Person,
  sql,
  stack,
  unique,
} from "../helpers/index.ts";

let manager: Person;
let agent: Person;
let colleague: Person;

/** Owner, source, day, stage, what was paid on that day. Monday 10 to Sunday 16 March 2025, and the week before. */
const plan = [
  ["agent", "Google", "2025-03-10", "enrolled", 4000],
  ["agent", "Google", "2025-03-11", "contacted", 0],
  ["colleague", "Meta", "2025-03-12", "new", 0],
  ["colleague", "Google", "2025-03-16", "enrolled", 1500],
  ["agent", "Meta", "2025-03-09", "enrolled", 5000],
  ["colleague", "Meta", "2025-03-03", "contacted", 0],
] as const;

const week = { p_start: "2025-03-10", p_end: "2025-03-16" };

/** A lead that came and was paid for on some day. */
async function place(owner: Person, source: string, day: string, stage: string, amount: number) {
  const { id } = await addLead(owner, { source });
  if (stage !== "new") {
    const moved = await owner.client.rpc("lead_set_status", { p_lead_id: id, p_status: stage });
    expectData(moved);
  }
  const at = `${day}T12:00:00+05:30`;
  await sql()`update public.leads set created_at = ${at} where id = ${id}`;
  if (amount > 0) {
    await sql()`insert into public.payments (lead_id, amount, currency) values (${id}, ${amount}, 'INR')`;
    await sql()`
      update public.payments set status = 'completed', paid_amount = amount, paid_at = ${at} where lead_id = ${id}`;
  }
  return id;
}

beforeAll(async () => {
  const team = await createTeam();
  manager = await createUser({ role: "manager", team });
  agent = await createUser({ team });
  colleague = await createUser({ team });
  for (const [owner, source, day, stage, amount] of plan) {
    await place(owner === "agent" ? agent : colleague, source, day, stage, amount);
  }
});

describe("dashboard_stats", () => {
  const stats = async (person: Person, days: { p_start?: string; p_end?: string }) =>
    dashboardStatsSchema.parse(expectData(await person.client.rpc("dashboard_stats", days)));

  it("[D1-001] [D1-025] answers four figures, each with its change and trend against the days before", async () => {
    expect(await stats(manager, week)).toEqual({
      revenue: { value: 5500, change: 10, trend: "up" },
      active_leads: { value: 2, change: 100, trend: "up" },
      conversion_rate: { value: 50, change: 0, trend: "up" },
      link_clicks: { value: 0, change: 0, trend: "up" },
    });
    const own = await stats(agent, week);
    expect(own.revenue).toEqual({ value: 4000, change: -20, trend: "down" });
  });

  it("[D1-024] counts the days it is asked for, and so does every chart", async () => {
    const day = { p_start: "2025-03-09", p_end: "2025-03-09" };
    expect((await stats(manager, day)).revenue.value).toBe(5000);
    const revenue = await manager.client.rpc("dashboard_chart_revenue", day);
    expect(revenue.data).toEqual([{ date: "Sun", value: 5000 }]);
    const sources = await manager.client.rpc("dashboard_chart_sources", day);
    expect(sources.data).toEqual([{ name: "Meta", value: 1 }]);
    const volume = { p_date_from: day.p_start, p_date_to: day.p_end };
    const answer = await manager.client.rpc("analytics_lead_volume", volume);
    expect(answer.data).toEqual([{ date: "2025-03-09", count: 1 }]);
    const kpis = await manager.client.rpc("analytics_kpis", volume);
    expect(kpis.data).toMatchObject({ total_leads: 1 });
    const backwards = { p_start: "2025-03-02", p_end: "2025-03-01" };
    expectError(await manager.client.rpc("dashboard_stats", backwards), {
      code: "PT422",
      details: "argument_invalid",
      status: 422,
    });
    expectError(await anon().rpc("dashboard_stats", {}), { code: "42501", status: 401 });
  });
});

describe("the charts", () => {
  it("[D1-002] draw revenue by weekday, and by day when there are more than seven", async () => {
    const { data } = await manager.client.rpc("dashboard_chart_revenue", week);
    expect(dashboardChartRevenueSchema.parse(data)).toEqual([
      { date: "Mon", value: 4000 },
      { date: "Tue", value: 0 },
      { date: "Wed", value: 0 },
      { date: "Thu", value: 0 },
      { date: "Fri", value: 0 },
      { date: "Sat", value: 0 },
      { date: "Sun", value: 1500 },
    ]);
    const longer = await manager.client.rpc("dashboard_chart_revenue", {
      p_start: "2025-03-09",
      p_end: "2025-03-16",
    });
    expect(dashboardChartRevenueSchema.parse(longer.data)[0]).toEqual({
      date: "2025-03-09",
      value: 5000,
    });
  });

  it("[D1-003] draw leads by source", async () => {
    const { data } = await manager.client.rpc("dashboard_chart_sources", week);
    expect(dashboardChartSourcesSchema.parse(data)).toEqual([
      { name: "Google", value: 3 },
      { name: "Meta", value: 1 },
    ]);
  });
});

it("[D3-016] analytics_lead_volume answers leads per day, week or month, none left out", async () => {
  const volume = async (p_granularity: string) => {
    const period = { p_date_from: "2025-03-09", p_date_to: "2025-03-12", p_granularity };
    const answer = await manager.client.rpc("analytics_lead_volume", period);
    return analyticsLeadVolumeSchema.parse(expectData(answer)).map((row) => [row.date, row.count]);
  };
  expect(await volume("day")).toEqual([
    ["2025-03-09", 1],
    ["2025-03-10", 1],
    ["2025-03-11", 1],
    ["2025-03-12", 1],
  ]);
  expect(await volume("week")).toEqual([
    ["2025-03-03", 1],
    ["2025-03-10", 3],
  ]);
  expect(await volume("month")).toEqual([["2025-03-01", 4]]);
  expectError(await manager.client.rpc("analytics_lead_volume", { p_granularity: "hour" }), {
    code: "PT422",
    details: "argument_invalid",
    status: 422,
  });
});

describe("dashboard_overview", () => {
  it("[D0-003] answers the dashboard of a range in the document's keys, of what one may see", async () => {
    const team = await createTeam();
    const head = await createUser({ role: "manager", team });
    const person = await createUser({ team });
    const today = new Date(Date.now() + 5.5 * 3_600_000).toISOString().slice(0, 10);
    const won = await place(person, "Website", today, "enrolled", 8000);
    const contacted = await place(person, "Facebook Ads", today, "contacted", 0);
    await place(person, "Website", today, "new", 0);
    await sql()`update public.leads set created_at = now() where assigned_to = ${person.id}`;
    await sql()`update public.payments set paid_at = now() where lead_id = ${won}`;
    expectData(await person.client.rpc("lead_enroll", { p_lead_id: won }));
    for (const type of ["email", "whatsapp", "whatsapp", "sms"]) {
      await sql()`
        insert into public.communications (lead_id, user_id, type, status, sent_at)
        values (${contacted}, ${person.id}, ${type}, 'sent', now())`;
    }
    const call = { lead_id: contacted, outcome: "connected", duration: 60 };
    expectData(await person.client.from("calls").insert(call).select("id"));

    const { data } = await head.client.rpc("dashboard_overview", { p_range: "30d" });
    expect(dashboardOverviewSchema.parse(data)).toEqual({
      overview: {
        totalLeads: 3,
        totalStudents: 1,
        conversionRate: 33.3,
        revenue: 8000,
        activeUsers: 2,
      },
      trends: { leadsChange: 100, studentsChange: 100, conversionChange: 100, revenueChange: 100 },
      leadSources: [
        { source: "Website", count: 2, percentage: 66.7 },
        { source: "Facebook Ads", count: 1, percentage: 33.3 },
      ],
      conversionFunnel: [
        { stage: "New", count: 3, percentage: 100 },
        { stage: "Contacted", count: 2, percentage: 66.7 },
        { stage: "Qualified", count: 1, percentage: 33.3 },
        { stage: "Proposal", count: 1, percentage: 33.3 },
        { stage: "Enrolled", count: 1, percentage: 33.3 },
      ],
      communicationStats: { total: 5, email: 1, sms: 1, whatsapp: 2, phone: 1 },
    });
    const stranger = await createUser({ team: await createTeam() });
    const theirs = dashboardOverviewSchema.parse(
      (await stranger.client.rpc("dashboard_overview")).data,
    );
    expect([theirs.overview.totalLeads, theirs.overview.revenue]).toEqual([0, 0]);
    expectError(await head.client.rpc("dashboard_overview", { p_range: "ever" }), {
      code: "PT422",
      details: "argument_invalid",
      status: 422,
    });
  });
});

describe("an answer", () => {
  it("[D0-092] may be kept for five minutes by the browser of whoever asked by GET, and by nothing else", async () => {
    const ask = async (person: Person, name: string, method: string) => {
      const { access_token } = (await person.client.auth.getSession()).data.session!;
      const answer = await fetch(`${stack().url}/rest/v1/rpc/${name}`, {
        method,
        headers: { apikey: stack().publishableKey, authorization: `Bearer ${access_token}` },
      });
      expect(answer.status).toBe(200);
      return [answer.headers.get("cache-control"), answer.headers.get("vary")];
    };
    const names = ["dashboard_overview", "dashboard_stats", "analytics_kpis", "analytics_funnel"];
    for (const name of names) {
      const [kept, vary] = await ask(manager, name, "GET");
      expect([name, kept]).toEqual([name, "private, max-age=300"]);
      expect(vary).toContain("Authorization");
    }
    expect((await ask(manager, "dashboard_stats", "POST"))[0]).toBeNull();
    const client = await manager.client.rpc("dashboard_stats", week, { get: true });
    expect(dashboardStatsSchema.parse(client.data).revenue.value).toBe(5500);
  });

  it("[D3-072] is five minutes old at most for figures that were asked for so, an hour for reports, and one's own", async () => {
    const figures = await manager.client.rpc("analytics_kpis", {}, { get: true });
    expect(figures.error).toBeNull();
    const source = unique("Kept");
    const fields = { grouping: ["source"], filters: { source }, aggregations: ["count"] };
    const built = await manager.client.rpc("report_build", { p: { name: source, ...fields } });
    const { report_id } = reportBuiltSchema.parse(expectData(built));
    const count = async (p_max_age?: number) => {
      const answer = await manager.client.rpc("report_run", {
        p_report_id: report_id,
        ...(p_max_age ? { p_max_age } : {}),
      });
      const { data } = expectData(answer) as { data: { count: number }[] };
      return data.reduce((sum, row) => sum + row.count, 0);
    };
    await addLead(agent, { source });
    expect(await count(3600)).toBe(1);
    await addLead(agent, { source });
    expect([await count(3600), await count()]).toEqual([1, 2]);
    await sql()`
      update private.report_cache set made_at = now() - interval '61 minutes' where report_id = ${report_id}`;
    expect(await count(86_400)).toBe(2);
  });
});

import { beforeAll, describe, expect, it } from "vitest";
import {
  analyticsEventInsertSchema,
  analyticsEventSchema,
  analyticsEventTotalsSchema,
} from "../../packages/types/src/analytics-events.ts";
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
} from "../helpers/index.ts";

let manager: Person;
let counselor: Person;
let stranger: Person;
let lead: string;

beforeAll(async () => {
  const team = await createTeam();
  manager = await createUser({ role: "manager", team });
  counselor = await createUser({ team });
  stranger = await createUser({ team: await createTeam() });
  lead = (await addLead(counselor)).id;
});

/** The body that the document prints, about a lead of ours. */
const body = () => ({
  event_type: "lead_conversion",
  event_name: "Lead Converted to Student",
  description: "Lead successfully enrolled in fellowship program",
  user_id: counselor.id,
  lead_id: lead,
  event_data: { source: "facebook", campaign: "fellowship-2025" },
  properties: { conversion_value: 50000, course: "cardiology" },
  session_id: "session-xxx",
  ip_address: "192.168.1.1",
  user_agent: "Mozilla/5.0...",
  duration: 1200,
  value: 50000,
  category: "conversion",
  source: "facebook",
  medium: "paid_social",
  campaign: "fellowship-launch",
});

describe("an event", () => {
  it("[D0-002] is taken with the document's body, but person, address and browser are the request's", async () => {
    const sent = body();
    analyticsEventInsertSchema.parse(sent);
    const { ip_address, user_agent, ...kept } = sent;
    const made = await counselor.client.from("analytics_events").insert(sent).select().single();
    const event = analyticsEventSchema.parse(expectData(made));
    expect(event).toMatchObject({ ...kept, currency: "INR", student_id: null });
    expect(event.ip_address).not.toBe(ip_address);
    expect(event.user_agent).not.toBe(user_agent);
    expect(event.user_agent).toBeTruthy();

    const left = await counselor.client
      .from("analytics_events")
      .insert({ event_type: "page_view" })
      .select("user_id")
      .single();
    expect(expectData(left).user_id).toBe(counselor.id);
  });

  it("is nobody else's to track, and about no lead one does not see", async () => {
    const forged = { ...body(), user_id: manager.id };
    expectError(await counselor.client.from("analytics_events").insert(forged), { code: "42501" });
    const nosy = { event_type: "page_view", lead_id: lead };
    expectError(await stranger.client.from("analytics_events").insert(nosy), { code: "42501" });
    expectError(await anon().from("analytics_events").insert({ event_type: "page_view" }), {
      code: "42501",
      status: 401,
    });
    const large = { event_type: "x", properties: { text: crypto.randomUUID().repeat(1000) } };
    const refused = await counselor.client.from("analytics_events").insert(large);
    expect(refused.error?.message).toContain("analytics_events_properties_are_a_small_object");
  });

  it("takes the address from the network edge alone", async () => {
    const { access_token } = (await counselor.client.auth.getSession()).data.session!;
    const answer = await fetch(
      `${stack().url}/rest/v1/analytics_events?select=ip_address,user_agent`,
      {
        method: "POST",
        headers: {
          apikey: stack().publishableKey,
          authorization: `Bearer ${access_token}`,
          "content-type": "application/json",
          prefer: "return=representation",
          "x-forwarded-for": "192.0.2.1",
          "user-agent": "Browser/1",
        },
        body: JSON.stringify({ event_type: "page_view", ip_address: "192.0.2.1" }),
      },
    );
    expect(await answer.json()).toEqual([{ ip_address: "127.0.0.1", user_agent: "Browser/1" }]);
  });
});

describe("the list", () => {
  it("[D0-001] [D0-052] filters by type, person and days, and pages with a total", async () => {
    const reader = await createUser({ team: await createTeam() });
    const days = ["2025-03-01", "2025-03-02", "2025-03-03", "2025-03-04"];
    for (const [n, day] of days.entries()) {
      await sql()`
        insert into public.analytics_events (user_id, event_type, created_at)
        values (${reader.id}, ${n === 1 ? "page_view" : "lead_conversion"}, ${`${day}T12:00:00+05:30`})`;
    }
    const list = () =>
      reader.client
        .from("analytics_events")
        .select("created_at", { count: "exact" })
        .eq("event_type", "lead_conversion")
        .eq("user_id", reader.id)
        .order("created_at", { ascending: false });
    const first = await list().range(0, 1);
    expect([first.count, first.data?.length]).toEqual([3, 2]);
    const second = await list().range(2, 51);
    expect([...first.data!, ...second.data!].map((row) => row.created_at.slice(0, 10))).toEqual([
      "2025-03-04",
      "2025-03-03",
      "2025-03-01",
    ]);
    const some = await list().gte("created_at", "2025-03-02").lt("created_at", "2025-03-04");
    expect(some.count).toBe(1);
    const all = await reader.client.from("analytics_events").select("*").limit(50);
    expect(all.data?.map((row) => analyticsEventSchema.parse(row))).toHaveLength(4);
  });

  it("shows one's own, to managers their team's, and to others nothing", async () => {
    const seen = async (person: Person) =>
      expectData(
        await person.client.from("analytics_events").select("id").eq("user_id", counselor.id),
      ).length > 0;
    expect(await Promise.all([counselor, manager, stranger].map(seen))).toEqual([
      true,
      true,
      false,
    ]);
  });
});

it("[D0-051] tracks what people do, conversions by themselves, and how campaigns perform", async () => {
  const team = await createTeam();
  const person = await createUser({ team });
  const won = await addLead(person, { source: "Website", value: 50_000 });
  for (const campaign of ["launch", "launch", "autumn"]) {
    const event = { event_type: "link_click", campaign, medium: "email", duration: 20 };
    expectData(await person.client.from("analytics_events").insert(event).select("id"));
  }
  expectData(
    await person.client.rpc("lead_set_status", { p_lead_id: won.id, p_status: "enrolled" }),
  );
  expectData(await person.client.rpc("lead_enroll", { p_lead_id: won.id }));
  const totals = async (p_by: string) =>
    analyticsEventTotalsSchema
      .parse(expectData(await person.client.rpc("analytics_event_totals", { p_by })))
      .map((row) => [row.key, row.events, row.conversions, row.value]);
  expect(await totals("event_type")).toEqual([
    ["link_click", 3, 0, 0],
    ["lead_conversion", 1, 1, 50_000],
  ]);
  expect(await totals("campaign")).toEqual([
    ["launch", 2, 0, 0],
    ["autumn", 1, 0, 0],
    [null, 1, 1, 50_000],
  ]);
  const converted = await person.client
    .from("analytics_events")
    .select("lead_id, user_id, source, student_id")
    .eq("event_type", "lead_conversion")
    .single();
  expect(expectData(converted)).toMatchObject({
    lead_id: won.id,
    user_id: person.id,
    source: "Website",
    student_id: expect.any(String),
  });
});

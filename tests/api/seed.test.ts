import { expect, it } from "vitest";
import { as, expectData } from "../helpers/index.ts";

type DemoPerson = Parameters<typeof as>[0];

it("[D4-091] the sample data has people of each role, with leads of every stage and source to try things on", async () => {
  const leadsOf = async (person: DemoPerson) =>
    expectData(
      await (await as(person))
        .from("leads")
        .select("status, source, lead_history(id), activities(id)")
        .lt("lead_no", 300)
        .limit(1000),
    );
  const all = await leadsOf("admin");
  expect(all.length).toBeGreaterThan(250);
  const stages = expectData(await (await as("admin")).from("pipeline_stages").select("key"));
  expect(new Set(all.map((lead) => lead.status))).toEqual(new Set(stages.map(({ key }) => key)));
  expect(new Set(all.map((lead) => lead.source)).size).toBeGreaterThanOrEqual(5);
  expect(all.every((lead) => lead.activities.length > 0)).toBe(true);
  for (const person of ["manager.a", "counselor.a1", "manager.b", "counselor.b1"] as const) {
    const { length } = await leadsOf(person);
    expect([length > 10, length < all.length], person).toEqual([true, true]);
  }
});

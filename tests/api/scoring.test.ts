import { beforeAll, describe, expect, it } from "vitest";
import { scoreExplanationSchema } from "../../packages/types/src/scoring.ts";
import {
  createTeam,
  createUser,
  expectData,
  expectError,
  type Person,
  unique,
  uniqueEmail,
  uniquePhone,
} from "../helpers/index.ts";

let counselor: Person;
let stranger: Person;

beforeAll(async () => {
  const team = await createTeam();
  counselor = await createUser({ team });
  stranger = await createUser({ team });
});

describe("the score of a lead", () => {
  it("[D1-022] [D2-036] is kept between 0 and 100 by rules, and explained by them", async () => {
    const made = await counselor.client
      .from("leads")
      .insert({ name: unique("Scored"), email: uniqueEmail(), phone: uniquePhone() })
      .select("id, lead_id, score")
      .single();
    const lead = expectData(made);
    const answer = await counselor.client.rpc("explain_score", { p_lead_id: lead.lead_id });
    const explained = scoreExplanationSchema.parse(expectData(answer));
    const awarded = explained.rules.reduce((sum, rule) => sum + rule.awarded, 0);
    expect(explained.score).toBe(lead.score);
    expect(explained.score).toBe(Math.min(100, Math.max(0, Math.round(awarded))));
    expect(explained.rules.filter((rule) => rule.awarded !== 0).length).toBeGreaterThan(0);
    expectError(await stranger.client.rpc("explain_score", { p_lead_id: lead.lead_id }), {
      code: "PT404",
      details: "lead_not_found",
    });
  });

  it("follows from rules, which a counselor reads and does not write", async () => {
    const rules = await counselor.client.from("lead_score_rules").select("name, field, points");
    expect(expectData(rules).length).toBeGreaterThan(0);
    const rule = { name: "Mine", field: "email", operator: "is_set", points: 100 };
    expectError(await counselor.client.from("lead_score_rules").insert(rule), { code: "42501" });
  });
});

import { beforeAll, describe, expect, it } from "vitest";
import { scoreExplanationSchema } from "../../packages/types/src/scoring.ts";
import {
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

  it("follows rules that several people write at the same moment", async () => {
    const admin = await createUser({ role: "admin" });
    const source = unique("Together");
    const answers = await Promise.all(
      Array.from({ length: 6 }, () =>
        admin.client
          .from("lead_score_rules")
          .insert({ name: source, field: "source", operator: "eq", value: source, points: 2 }),
      ),
    );
    try {
      expect(answers.map(({ status }) => status)).toEqual(Array(6).fill(201));
      const made = async (from: string) =>
        expectData(
          await counselor.client
            .from("leads")
            .insert({ name: unique("Scored"), source: from })
            .select("score")
            .single(),
        ).score;
      expect(await made(source)).toBe((await made(unique("Alone"))) + 12);
    } finally {
      await admin.client.from("lead_score_rules").delete().eq("name", source);
    }
  });

  it("is no change of a lead when rules or time move it, so that a merge comes apart whole", async () => {
    const source = unique("Scored again");
    const make = async () =>
      expectData(
        await counselor.client
          .from("leads")
          .insert({ name: unique("Scored"), source })
          .select("id, score, version, updated_at, course")
          .single(),
      );
    const [target, other] = [await make(), await make()];
    await counselor.client.from("leads").update({ course: "Cardiology" }).eq("id", other.id);
    const admin = await createUser({ role: "admin" });
    const merged = expectData(
      await admin.client.rpc("merge_leads", { p_target: target.id, p_sources: [other.id] }),
    ) as { merge_id: string };
    const read = async () =>
      expectData(
        await counselor.client
          .from("leads")
          .select("id, score, version, updated_at, course")
          .eq("id", target.id)
          .single(),
      );
    const before = await read();
    const rule = { name: source, field: "source", operator: "eq", value: source, points: 7 };
    const kept = expectData(
      await admin.client.from("lead_score_rules").insert(rule).select("id").single(),
    );
    try {
      await sql()`call private.refresh_scores(true)`;
      expect(await read()).toEqual({ ...before, score: before.score + 7 });
      const apart = expectData(
        await admin.client.rpc("unmerge", { p_merge_id: merged.merge_id }),
      ) as { changed_since: unknown[] };
      expect(apart.changed_since).toEqual([]);
      expect(await read()).toEqual(target);
    } finally {
      await admin.client.from("lead_score_rules").delete().eq("id", kept.id);
    }
  });
});

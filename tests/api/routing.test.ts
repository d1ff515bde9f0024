import { beforeAll, describe, expect, it } from "vitest";
import {
  assignmentRuleSchema,
  leadAssignedSchema,
  leadAssignmentSchema,
} from "../../packages/types/src/routing.ts";
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
let first: Person;
let second: Person;
let stranger: Person;
let admin: Person;

beforeAll(async () => {
  team = await createTeam();
  manager = await createUser({ role: "manager", team });
  first = await createUser({ team });
  second = await createUser({ team });
  stranger = await createUser({ team: await createTeam() });
  admin = await createUser({ role: "admin" });
  // A team of a test's own must not take leads that other tests leave without an owner.
  await sql()`update public.teams set is_auto_assigned = false where id = ${team.id}`;
});

async function addLeads(count: number, owner = first): Promise<string[]> {
  const rows = Array.from({ length: count }, () => ({
    name: unique("Routed"),
    assigned_to: owner.id,
  }));
  const made = await admin.client.from("leads").insert(rows).select("id");
  return expectData(made).map((lead) => lead.id);
}

const assign = (by: Person, p_lead_ids: string[], to: Person | null, p_reason?: string) =>
  by.client.rpc("lead_assign", { p_lead_ids, p_user_id: (to?.id ?? null) as string, p_reason });

describe("lead_assign", () => {
  it("[D3-005] [D4-026] gives one lead to a person, with a reason", async () => {
    const ids = await addLeads(1);
    const { data, error } = await assign(manager, ids, second, "Speaks Malayalam");
    expect(error).toBeNull();
    expect(leadAssignedSchema.parse(data)).toMatchObject({ assigned: 1, unchanged: 0 });
    const lead = await second.client.from("leads").select("assigned_to").eq("id", ids[0]!).single();
    expect(lead.data?.assigned_to).toBe(second.id);
    expect((await first.client.from("leads").select().eq("id", ids[0]!)).data).toEqual([]);
    const decision = await manager.client.from("lead_assignments").select().eq("lead_id", ids[0]!);
    expect(leadAssignmentSchema.array().parse(decision.data)).toMatchObject([
      {
        from_user_id: first.id,
        to_user_id: second.id,
        method: "manual",
        reason: "Speaks Malayalam",
        assigned_by: manager.id,
      },
    ]);
  });

  it("refuses a call that names nobody, not even null: a forgotten person unassigns nothing", async () => {
    const ids = await addLeads(1);
    const forgotten = { p_lead_ids: ids, p_user_id: undefined as unknown as string };
    expectError(await manager.client.rpc("lead_assign", forgotten), {
      code: "PGRST202",
      status: 404,
    });
    const lead = await manager.client
      .from("leads")
      .select("assigned_to")
      .eq("id", ids[0]!)
      .single();
    expect(lead.data?.assigned_to).toBe(first.id);
  });

  it("[D3-060] gives many at once, and says what was assigned, unchanged and not found", async () => {
    const ids = await addLeads(30);
    const kept = await addLeads(1, second);
    const hidden = await addLeads(1, stranger);
    const unknown = crypto.randomUUID();
    const everything = [...ids, ...kept, ...hidden, unknown];
    const { data } = await assign(manager, everything, second);
    const answer = leadAssignedSchema.parse(data);
    expect(answer).toMatchObject({ assigned: 30, unchanged: 1 });
    expect([...answer.not_found].sort()).toEqual([...hidden, unknown].sort());
    const batch = await manager.client
      .from("lead_assignments")
      .select("lead_id", { count: "exact", head: true })
      .eq("batch_id", answer.batch_id);
    expect(batch.count).toBe(30);
  });

  it("takes a lead from its owner, who no longer sees it", async () => {
    const ids = await addLeads(1);
    const taken = await assign(manager, ids, null);
    expect(leadAssignedSchema.parse(taken.data).assigned).toBe(1);
    expect((await first.client.from("leads").select().eq("id", ids[0]!)).data).toEqual([]);
    const seen = await manager.client.from("leads").select("team_id").eq("id", ids[0]!).single();
    expect(seen.data?.team_id).toBe(team.id);
  });

  it("refuses those without leads.assign, people out of reach, and empty or endless lists", async () => {
    const ids = await addLeads(1);
    expectError(await assign(first, ids, second), {
      code: "42501",
      details: "permission_denied",
      status: 403,
    });
    expectError(await assign(manager, ids, stranger), {
      code: "PT422",
      details: "assignee_unavailable",
      status: 422,
    });
    const endless = Array.from({ length: 1001 }, () => crypto.randomUUID());
    for (const list of [[], endless]) {
      expectError(await assign(manager, list, second), {
        code: "PT422",
        details: "argument_invalid",
        status: 422,
      });
    }
    const nobody = anon().rpc("lead_assign", { p_lead_ids: ids, p_user_id: first.id });
    expectError(await nobody, { code: "42501", status: 401 });
    const lead = await admin.client.from("leads").select("assigned_to").eq("id", ids[0]!).single();
    expect(lead.data?.assigned_to).toBe(first.id);
  });
});

describe("automatic assignment", () => {
  it("gives what arrives for a team to its members in turn", async () => {
    const rows = Array.from({ length: 6 }, () => ({ name: unique("Arrived"), team_id: team.id }));
    const made = expectData(await manager.client.from("leads").insert(rows).select("id"));
    const ids = made.map((lead) => lead.id);
    const { data } = await manager.client.from("leads").select("assigned_to").in("id", ids);
    const owners = data?.map((lead) => lead.assigned_to);
    expect(owners?.filter((owner) => owner === first.id)).toHaveLength(3);
    expect(owners?.filter((owner) => owner === second.id)).toHaveLength(3);
    const decisions = await manager.client.from("lead_assignments").select().in("lead_id", ids);
    expect(new Set(decisions.data?.map(({ method, reason }) => `${method}: ${reason}`))).toEqual(
      new Set(["automatic: Next in turn"]),
    );
  });

  it("follows a rule of the organisation, written by an administrator", async () => {
    const source = unique("Fair");
    const [highest] =
      await sql()`select coalesce(max(position), 0) + 1 as next from public.assignment_rules`;
    const rule = { name: source, position: highest?.next as number, source, team_id: team.id };
    expectError(await manager.client.from("assignment_rules").insert(rule), { code: "42501" });
    const made = await admin.client.from("assignment_rules").insert(rule).select().single();
    const { id } = assignmentRuleSchema.parse(expectData(made));
    const lead = await admin.client
      .from("leads")
      .insert({ name: unique("Visitor"), source: source.toUpperCase() })
      .select("id")
      .single();
    const routed = await admin.client
      .from("leads")
      .select("team_id, assigned_to, lead_assignments(reason)")
      .eq("id", expectData(lead).id)
      .single();
    expect(routed.data?.team_id).toBe(team.id);
    expect([first.id, second.id]).toContain(routed.data?.assigned_to);
    expect(routed.data?.lead_assignments).toEqual([{ reason: `Rule "${source}": next in turn` }]);
    expectData(await admin.client.from("assignment_rules").delete().eq("id", id).select());
  });
});

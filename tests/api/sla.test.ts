/** Sources of this file's own keep its policies away from everybody else's leads. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { slaPolicySchema, slaTimerSchema } from "../../packages/types/src/index.ts";
import {
  createTeam,
  createUser,
  expectData,
  expectError,
  type Person,
  sql,
  unique,
} from "../helpers/index.ts";

let admin: Person;
let manager: Person;
let owner: Person;
let stranger: Person;
const source = unique("SLA");

beforeAll(async () => {
  const team = await createTeam();
  admin = await createUser({ role: "admin" });
  manager = await createUser({ role: "manager", team });
  owner = await createUser({ team });
  stranger = await createUser();
});

afterAll(async () => {
  await sql()`delete from public.sla_timers where policy_id in (select id from public.sla_policies where source = ${source})`;
  await sql()`delete from public.sla_policies where source = ${source}`;
});

/** What the sweep does with this lead at that moment. */
async function sweep(lead: string, minutes: number): Promise<void> {
  await sql()`
    select private.sla_apply(array[l.id], l.created_at + make_interval(mins => ${minutes}))
    from public.leads l where l.id = ${lead}
  `;
}

async function addLead(): Promise<string> {
  const made = await owner.client
    .from("leads")
    .insert({ name: unique("Promised"), source })
    .select("id")
    .single();
  return expectData(made).id;
}

async function alertsOf(person: Person, lead: string): Promise<unknown[]> {
  const { data } = await person.client
    .from("notifications")
    .select("metadata")
    .eq("lead_id", lead)
    .eq("type", "alert")
    .order("created_at");
  return (data ?? []).map((row) => (row.metadata as { event: string }).event);
}

describe("sla_policies", () => {
  it("[D3-064] are an administrator's to make and everybody's to read", async () => {
    const policy = {
      name: "Answer within the hour",
      kind: "first_response",
      source,
      target_minutes: 60,
      is_in_business_hours: false,
      warn_before_minutes: 15,
      escalate_after_minutes: 30,
    };
    expectError(await manager.client.from("sla_policies").insert(policy), {
      code: "42501",
      status: 403,
    });
    const made = await admin.client.from("sla_policies").insert(policy).select().single();
    expect(slaPolicySchema.parse(made.data)).toMatchObject(policy);
    const { id } = expectData(made);
    const read = await owner.client.from("sla_policies").select().eq("id", id).single();
    expect(read.data).toEqual(made.data);
    expectError(await admin.client.from("sla_policies").insert(policy), {
      code: "23505",
      status: 409,
    });
  });
});

describe("sla_timers", () => {
  it("[D3-064] are breached when nobody answers: the owner is told, then the managers, and it is an alert", async () => {
    const lead = await addLead();
    await sweep(lead, 1);
    const { data } = await owner.client.from("sla_timers").select().eq("lead_id", lead).single();
    const timer = slaTimerSchema.parse(data);
    expect(timer).toMatchObject({ kind: "first_response", met_at: null, breached_at: null });
    expect(Date.parse(timer.due_at) - Date.parse(timer.started_at)).toBe(3_600_000);

    for (const minutes of [46, 47, 61, 62, 91, 92]) await sweep(lead, minutes);
    expect(await alertsOf(owner, lead)).toEqual(["sla_warned", "sla_breached"]);
    expect(await alertsOf(manager, lead)).toEqual(["sla_escalated"]);

    const breached = await manager.client
      .from("sla_timers")
      .select("breached_at, due_at, escalated_at")
      .eq("lead_id", lead)
      .single();
    expect(breached.data?.breached_at).toBe(breached.data?.due_at);
    expect(breached.data?.escalated_at).not.toBeNull();
    const hidden = await stranger.client.from("sla_timers").select().eq("lead_id", lead);
    expect(hidden.data).toEqual([]);
    expectError(await owner.client.from("sla_timers").delete().eq("lead_id", lead), {
      code: "42501",
      status: 403,
    });
  });

  it("[D3-064] are met by what a person logs", async () => {
    const lead = await addLead();
    await sweep(lead, 0);
    const logged = await owner.client.rpc("interaction_log", {
      p_lead_id: lead,
      p_type: "whatsapp",
      p_content: "Hello",
    });
    expect(logged.error).toBeNull();
    await sweep(lead, 70);
    const { data } = await owner.client
      .from("sla_timers")
      .select("met_at, breached_at, next_at")
      .eq("lead_id", lead)
      .single();
    expect(data?.met_at).not.toBeNull();
    expect(data).toMatchObject({ breached_at: null, next_at: null });
    expect(await alertsOf(owner, lead)).toEqual([]);
  });
});

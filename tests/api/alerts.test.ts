import { beforeAll, describe, expect, it } from "vitest";
import { alertSchema, leadAtRiskSchema } from "../../packages/types/src/index.ts";
import {
  anon,
  createTeam,
  createUser,
  expectData,
  expectError,
  type Person,
  sql,
  unique,
} from "../helpers/index.ts";

let manager: Person;
let owner: Person;
let colleague: Person;
let stale: string;
let breached: string;
let busy: string;

async function addLead(person: Person, age: string): Promise<string> {
  const made = await person.client
    .from("leads")
    .insert({ name: unique("Risk") })
    .select("id")
    .single();
  const { id } = expectData(made);
  await sql()`update public.leads set created_at = now() - ${age}::interval where id = ${id}`;
  return id;
}

const numberOf = async (id: string) =>
  (await sql()<{ lead_id: string }[]>`select lead_id from public.leads where id = ${id}`)[0]!
    .lead_id;

beforeAll(async () => {
  const team = await createTeam();
  manager = await createUser({ role: "manager", team });
  owner = await createUser({ team });
  colleague = await createUser({ team });
  stale = await addLead(owner, "20 days");
  breached = await addLead(owner, "1 day");
  busy = await addLead(colleague, "100 days");
  const policy = {
    name: "Answer",
    kind: "first_response",
    source: unique("Alerts"),
    target_minutes: 60,
  };
  const [made] = await sql()<{ id: string }[]>`
    insert into public.sla_policies ${sql()(policy)} returning id
  `;
  await sql()`
    insert into public.sla_timers (lead_id, lead_owner_id, team_id, policy_id, kind, started_at, due_at, breached_at)
    select l.id, l.assigned_to, l.team_id, ${made!.id}, 'first_response', l.created_at, l.created_at + interval '1 hour', l.created_at + interval '1 hour'
    from public.leads l where l.id = ${breached}
  `;
  const task = { title: "Call again", due_date: "2026-01-02T10:00:00Z" };
  expectData(
    await colleague.client
      .from("tasks")
      .insert({ ...task, lead_id: busy })
      .select(),
  );
  await sql()`select private.refresh_risks(${[stale, breached, busy]})`;
});

const listed = async (person: Person) => {
  const { data, error } = await person.client.rpc("analytics_alerts");
  expect(error).toBeNull();
  return alertSchema.array().parse(data);
};

describe("analytics_alerts", () => {
  it("[D3-020] answers type, severity, title, description, link and created_at, newest first", async () => {
    const alerts = await listed(owner);
    expect(alerts.map(({ created_at: _, ...alert }) => alert)).toEqual([
      {
        type: "sla_breach",
        severity: "high",
        title: "First response overdue",
        description: `${await numberOf(breached)}, Answer`,
        link: `/leads/${await numberOf(breached)}`,
      },
      {
        type: "stale_lead",
        severity: "medium",
        title: "Stale lead",
        description: `${await numberOf(stale)}, nobody has spoken with this person yet`,
        link: `/leads/${await numberOf(stale)}`,
      },
    ]);
    const times = alerts.map((alert) => Date.parse(alert.created_at));
    expect(times).toEqual(times.toSorted((one, other) => other - one));
  });

  it("[D3-020] shows each person what they may see", async () => {
    expect((await listed(colleague)).map((alert) => alert.type).sort()).toEqual([
      "overdue_task",
      "stale_lead",
    ]);
    expect((await listed(manager)).map((alert) => alert.type).sort()).toEqual([
      "overdue_task",
      "sla_breach",
      "stale_lead",
      "stale_lead",
    ]);
    expectError(await anon().rpc("analytics_alerts"), { code: "42501", status: 401 });
  });

  it("[D3-020] tells administrators of integrations and jobs that failed", async () => {
    const [job] = await sql()<{ id: string }[]>`
      insert into private.jobs_dead (id, kind, payload, provider, priority, attempts, max_attempts, last_error, created_at)
      values (gen_random_uuid(), 'test.alerts', '{}', 'none', 0, 3, 3, 'Gave up', now()) returning id
    `;
    const admin = await createUser({ role: "admin" });
    const { data } = await admin.client.rpc("analytics_alerts", { p_limit: 200 });
    const found = alertSchema.array().parse(data);
    expect(found.find(({ link }) => link === `/settings/jobs/${job!.id}`)).toMatchObject({
      type: "dead_job",
      severity: "high",
      description: "test.alerts, Gave up",
    });
    expect((await listed(manager)).some(({ type }) => type === "dead_job")).toBe(false);
    await sql()`delete from private.jobs_dead where id = ${job!.id}`;
  });

  it("comes page by page", async () => {
    const all = await listed(manager);
    const first = await manager.client.rpc("analytics_alerts", { p_limit: 3 });
    const rest = await manager.client.rpc("analytics_alerts", {
      p_limit: 3,
      p_before: first.data!.at(-1)!,
    });
    expect([...first.data!, ...rest.data!]).toEqual(all);
    expectError(await manager.client.rpc("analytics_alerts", { p_limit: 0 }), {
      code: "PT422",
      details: "argument_invalid",
      status: 422,
    });
  });
});

describe("leads_at_risk", () => {
  it("[D3-065] answers leads with reasons, severity and link, gravest first", async () => {
    const { data, error } = await manager.client.rpc("leads_at_risk");
    expect(error).toBeNull();
    const leads = leadAtRiskSchema.array().parse(data);
    expect(leads.map((lead) => [lead.id, lead.severity, lead.reasons])).toEqual([
      [breached, "high", ["sla"]],
      [stale, "medium", ["inactivity"]],
      [busy, "medium", ["overdue_tasks", "inactivity", "age"]],
    ]);
    expect(leads[0]!.link).toBe(`/leads/${await numberOf(breached)}`);
    const own = await owner.client.rpc("leads_at_risk");
    expect(own.data?.map((lead) => lead.id)).toEqual([breached, stale]);
    const next = await owner.client.rpc("leads_at_risk", {
      p_limit: 1,
      p_before: { severity: leads[0]!.severity, since: leads[0]!.since, id: breached },
    });
    expect(next.data?.map((lead) => lead.id)).toEqual([stale]);
  });

  it("[D3-065] lets go of a lead that somebody works on", async () => {
    const lead = await addLead(owner, "20 days");
    await sql()`select private.refresh_risks(${[lead]})`;
    const before = await owner.client.rpc("leads_at_risk");
    expect(before.data?.some(({ id }) => id === lead)).toBe(true);
    await owner.client.rpc("interaction_log", { p_lead_id: lead, p_type: "meeting" });
    expect((await listed(owner)).some(({ type }) => type === "stale_lead")).toBe(true);
    const number = await numberOf(lead);
    expect((await listed(owner)).some(({ link }) => link === `/leads/${number}`)).toBe(false);
    await sql()`select private.refresh_risks(${[lead]})`;
    const after = await owner.client.rpc("leads_at_risk");
    expect(after.data?.some(({ id }) => id === lead)).toBe(false);
  });
});

/** The three roles as their document lists them: what each may do, and what it may not. */
import { beforeAll, describe, expect, it } from "vitest";
import { analyticsKpisSchema } from "../../packages/types/src/analytics.ts";
import { reportBuiltSchema } from "../../packages/types/src/reports.ts";
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
let counselor: Person;
let colleague: Person;
let stranger: Person;

beforeAll(async () => {
  const [ours, theirs] = await Promise.all([createTeam(), createTeam()]);
  [admin, manager, counselor, colleague, stranger] = await Promise.all([
    createUser({ role: "admin" }),
    createUser({ role: "manager", team: ours }),
    createUser({ team: ours }),
    createUser({ team: ours }),
    createUser({ team: theirs }),
  ]);
});

async function leadOf(person: Person): Promise<string> {
  const made = await person.client
    .from("leads")
    .insert({ name: unique("Lead") })
    .select("id")
    .single();
  return expectData(made).id;
}

/** How many of these leads the person sees, and how many a change of the person reaches. */
async function reach(person: Person, ids: string[]): Promise<[seen: number, changed: number]> {
  const seen = await person.client.from("leads").select("id").in("id", ids);
  const changed = await person.client
    .from("leads")
    .update({ territory: "North" })
    .in("id", ids)
    .select("id");
  return [expectData(seen).length, expectData(changed).length];
}

const assign = (by: Person, p_lead_ids: string[], to: Person) =>
  by.client.rpc("lead_assign", { p_lead_ids, p_user_id: to.id });

const total = async (person: Person, of?: Person) => {
  const answer = await person.client.rpc("analytics_kpis", of ? { p_assigned_to: of.id } : {});
  return analyticsKpisSchema.parse(expectData(answer)).total_leads;
};

/** How many leads a report of the leads of these people counts, as the person reads it, and as a file. */
async function reported(person: Person, of: Person[]): Promise<[read: number, written: string]> {
  const built = await person.client.rpc("report_build", {
    p: {
      name: unique("Report"),
      filters: { assigned_to: of.map(({ id }) => id) },
      aggregations: ["count"],
    },
  });
  const { report_id, preview_data } = reportBuiltSchema.parse(expectData(built));
  const run = expectData(await person.client.rpc("report_export", { p_report_id: report_id }));
  const status = async () =>
    expectData(await person.client.from("report_runs").select("status").eq("id", run.id).single())
      .status;
  await expect.poll(status, { timeout: 20_000 }).not.toMatch(/queued|running/);
  const file = await person.client.storage
    .from("reports")
    .download(`${person.id}/${run.id}/report.csv`);
  expect(file.error).toBeNull();
  return [Number(preview_data[0]?.count), (await file.data!.text()).trim().split("\r\n")[1]!];
}

/** Every door of the administration, knocked at by the person. */
const administration = (person: Person): Record<string, () => PromiseLike<unknown>> => {
  const { client } = person;
  const setting = { key: `test.${unique("role").replace(" ", "_")}`, value: 1 };
  return {
    "manages people": () =>
      client.rpc("user_set_access", { p_user_id: stranger.id, p_role: "counselor" }),
    "writes settings": () => client.from("system_settings").insert(setting),
    "makes teams": () => client.from("teams").insert({ name: unique("Team") }),
    "reads the audit trail": () => client.rpc("audit_search"),
    "sees how the system fares": () => client.rpc("admin_health"),
    "lists background jobs": () => client.rpc("jobs_list"),
    "lists deliveries": () => client.rpc("inbox_list"),
    "lists what was deleted": () => client.rpc("deleted_rows"),
  };
};

async function knock(person: Person): Promise<Record<string, string>> {
  const answers: Record<string, string> = {};
  for (const [door, call] of Object.entries(administration(person))) {
    const { error } = (await call()) as { error: { code: string; message: string } | null };
    answers[door] = error ? error.code : "done";
  }
  return answers;
}

const everywhere = (answer: string) =>
  Object.fromEntries(Object.keys(administration(admin)).map((door) => [door, answer]));

describe("an administrator", () => {
  it("[D3-052] uses every feature: people, settings, and the leads, figures and reports of everybody", async () => {
    expect(await knock(admin)).toEqual(everywhere("done"));
    const ids = [await leadOf(counselor), await leadOf(stranger)];
    expect(await reach(admin, ids)).toEqual([2, 2]);
    expect((await assign(admin, ids, colleague)).data).toMatchObject({ assigned: 2 });
    expect((await admin.client.rpc("lead_delete", { p_id: ids[0]! })).error).toBeNull();
    expect(await total(admin, colleague)).toBeGreaterThanOrEqual(1);
    const other = await leadOf(stranger);
    expect(await total(admin, stranger)).toBeGreaterThanOrEqual(1);
    expect(await reach(admin, [other])).toEqual([1, 1]);
    const [read, written] = await reported(admin, [colleague, stranger]);
    expect(read).toBeGreaterThanOrEqual(2);
    expect(written).toBe(String(read));
    const theirs = expectData(
      await manager.client.rpc("report_build", { p: { name: unique("Theirs"), fields: ["name"] } }),
    ) as { report_id: string };
    const opened = await admin.client.rpc("report_run", { p_report_id: theirs.report_id });
    expect(opened.error).toBeNull();
    const settings = expectData(await admin.client.from("system_settings").select("key"));
    expect(settings.map(({ key }) => key)).toContain("security.rate_limit.user_writes_per_minute");
  });

  it("is given every permission there is, also the next one", async () => {
    const { data } = await admin.client.rpc("me");
    const known = await sql()<{ key: string }[]>`select key from public.permissions order by key`;
    expect((data as { permissions: string[] }).permissions).toEqual(known.map(({ key }) => key));
  });
});

describe("a manager", () => {
  it("[D3-053] leads the team's leads, sees its figures and reports, and has no part in other teams or the administration", async () => {
    const ids = [await leadOf(counselor), await leadOf(colleague)];
    const foreign = await leadOf(stranger);
    expect(await reach(manager, [...ids, foreign])).toEqual([2, 2]);
    expect((await assign(manager, [...ids, foreign], counselor)).data).toMatchObject({
      assigned: 1,
      unchanged: 1,
      not_found: [foreign],
    });
    expectError(await assign(manager, ids, stranger), {
      code: "PT422",
      details: "assignee_unavailable",
    });
    const team = (await total(counselor)) + (await total(colleague));
    expect(await total(manager)).toBe(team);
    expect(await total(manager, stranger)).toBe(0);
    expect(await reported(manager, [counselor, colleague, stranger])).toEqual([team, String(team)]);
    expect((await manager.client.rpc("me")).data).toMatchObject({
      permissions: expect.arrayContaining(["analytics.view", "reports.view"]),
    });
    expect(await knock(manager)).toEqual(everywhere("42501"));
  });
});

describe("a counselor", () => {
  it("[D2-041] [D3-054] works on the assigned leads, logs interactions and sees personal figures, and nothing wider", async () => {
    const [mine, given] = [await leadOf(counselor), await leadOf(colleague)];
    expect(await reach(counselor, [mine, given])).toEqual([1, 1]);
    expect((await assign(manager, [given], counselor)).data).toMatchObject({ assigned: 1 });
    expect(await reach(counselor, [mine, given])).toEqual([2, 2]);
    expect(await reach(colleague, [mine, given])).toEqual([0, 0]);

    for (const p_lead_id of [mine, given]) {
      const logged = await counselor.client.rpc("interaction_log", {
        p_lead_id,
        p_type: "call",
        p_content: "Asked for the fees",
      });
      expect(logged.error).toBeNull();
    }
    const log = (by: Person, p_lead_id: string) =>
      by.client.rpc("interaction_log", { p_lead_id, p_type: "call", p_content: "Nosy" });
    expectError(await log(colleague, mine), { code: "PT404", details: "lead_not_found" });

    const own = await sql()`
      select count(*)::integer as n from public.leads
      where assigned_to = ${counselor.id} and deleted_at is null`;
    expect(await total(counselor)).toBe(own[0]!.n);
    expect(await total(counselor, colleague)).toBe(0);

    expectError(await assign(counselor, [mine], colleague), {
      code: "42501",
      details: "permission_denied",
      status: 403,
    });
    expectError(await counselor.client.rpc("lead_delete", { p_id: mine }), {
      code: "42501",
      details: "permission_denied",
    });
    expectError(await counselor.client.rpc("report_templates"), {
      code: "42501",
      details: "permission_denied",
    });
    expect(await knock(counselor)).toEqual(everywhere("42501"));
  });
});

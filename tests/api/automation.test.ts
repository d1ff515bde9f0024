/** Workflows as an administrator keeps them, what they do, and what they would do. */
import { beforeAll, describe, expect, it } from "vitest";
import {
  automationExecutionSchema,
  automationRunSchema,
  automationRunStepSchema,
  automationTestSchema,
  automationWorkflowInsertSchema,
  automationWorkflowSchema,
} from "../../packages/types/src/index.ts";
import {
  addLead,
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

let admin: Person;
let manager: Person;
let counselor: Person;
let stranger: Person;

beforeAll(async () => {
  const team = await createTeam();
  [admin, manager, counselor, stranger] = await Promise.all([
    createUser({ role: "admin" }),
    createUser({ role: "manager", team }),
    createUser({ team }),
    createUser({ role: "manager", team: await createTeam() }),
  ]);
});

/** The document's own workflow, of a source that no other test has. */
const sequence = (source: string) => ({
  name: "Lead Follow-up Sequence",
  description: "Automated follow-up for new leads",
  trigger_type: "lead_created",
  trigger_conditions: { source, qualification: "MBBS" },
  actions: [
    { type: "send_email", delay: 0, subject: "Welcome", message: "Welcome, {{name}}" },
    { type: "send_sms", delay: 3600, message: "Thank you for interest" },
    { type: "assign_counselor", delay: 7200, criteria: "specialization" },
  ],
  status: "active",
  is_enabled: true,
  priority: 1,
});

async function addWorkflow(row: object): Promise<string> {
  const made = await admin.client
    .from("automation_workflows")
    .insert(row as never)
    .select("id")
    .single();
  return expectData(made).id;
}

/** What the sweep does about what happened with this lead, at some seconds from now. */
async function sweep(lead: string, seconds = 0): Promise<void> {
  await sql()`
    select private.automation_begin(private.automation_events(array(select a.id from public.activities a where a.lead_id = ${lead})), now())
  `;
  await sql()`
    select private.automation_carry_on(r.id, now() + make_interval(secs => ${seconds}))
    from public.automation_runs r where r.lead_id = ${lead}
  `;
}

async function stepsOf(workflow: string, reader = manager) {
  const { data } = await reader.client
    .from("automation_runs")
    .select("*, automation_run_steps(*)")
    .eq("workflow_id", workflow)
    .order("id", { ascending: false })
    .range(0, 49);
  const [run] = data ?? [];
  if (!run) return [];
  const { automation_run_steps: steps, ...row } = run;
  automationRunSchema.parse(row);
  return steps
    .map((step) => automationRunStepSchema.parse(step))
    .sort((one, other) => one.position - other.position);
}

describe("automation_workflows", () => {
  it("[D0-038] [D4-056] are created with the document's own body", async () => {
    const body = automationWorkflowInsertSchema.parse(sequence(unique("facebook")));
    const { data } = await admin.client
      .from("automation_workflows")
      .insert(body as never)
      .select()
      .single();
    expect(automationWorkflowSchema.parse(data)).toMatchObject({ ...body, is_live: true });
    expectError(await manager.client.from("automation_workflows").insert(body as never), {
      code: "42501",
      status: 403,
    });
    const broken = { ...body, actions: [{ type: "send_fax" }] };
    expectError(await admin.client.from("automation_workflows").insert(broken as never), {
      code: "PT422",
      details: "automation_action_invalid",
      status: 422,
    });
    const asked = { ...body, trigger_conditions: { "1=1; --": "x" } };
    expectError(await admin.client.from("automation_workflows").insert(asked as never), {
      code: "PT422",
      details: "automation_condition_invalid",
      status: 422,
    });
  });

  it("[D0-037] [D4-055] are listed to managers, by status", async () => {
    const active = await addWorkflow({ ...sequence(unique("a")), name: unique("Active") });
    const paused = await addWorkflow({ ...sequence(unique("b")), status: "paused" });
    const all = await manager.client
      .from("automation_workflows")
      .select()
      .in("id", [active, paused]);
    expect(expectData(all)).toHaveLength(2);
    const { data } = await manager.client
      .from("automation_workflows")
      .select()
      .eq("status", "active")
      .in("id", [active, paused]);
    expect(automationWorkflowSchema.array().parse(data)).toMatchObject([{ id: active }]);
    const hidden = await counselor.client.from("automation_workflows").select();
    expect(hidden.data).toEqual([]);
  });

  it("[D4-057] are changed", async () => {
    const id = await addWorkflow(sequence(unique("c")));
    const changed = await admin.client
      .from("automation_workflows")
      .update({ name: "Renamed", is_enabled: false, priority: 2 })
      .eq("id", id)
      .select()
      .single();
    expect(automationWorkflowSchema.parse(changed.data)).toMatchObject({
      name: "Renamed",
      is_live: false,
      version: 2,
    });
  });

  it("[D4-058] are deleted, and what they did is kept", async () => {
    const source = unique("d");
    const id = await addWorkflow(sequence(source));
    const lead = await addLead(counselor, { source, qualification: "MBBS" });
    await sweep(lead.id);
    const gone = await admin.client.rpc("soft_delete", {
      p_table: "automation_workflows",
      p_id: id,
    });
    expect(gone.error).toBeNull();
    const { data } = await admin.client.from("automation_workflows").select().eq("id", id);
    expect(data).toEqual([]);
    expect((await stepsOf(id)).map((step) => step.status)).toEqual([
      "skipped",
      "cancelled",
      "cancelled",
    ]);
  });
});

describe("what a workflow does", () => {
  it("[D0-077] comes in sequence, each action after its delay", async () => {
    const source = unique("facebook");
    const id = await addWorkflow(sequence(source));
    const other = await addLead(counselor, { source, qualification: "BDS" });
    const lead = await addLead(counselor, {
      source: source.toUpperCase(),
      qualification: "mbbs",
      email: uniqueEmail(),
      phone: uniquePhone(),
    });
    await sweep(other.id);
    expect(await stepsOf(id)).toEqual([]);

    const states = async () => (await stepsOf(id)).map((step) => step.status);
    await sweep(lead.id);
    expect(await states()).toEqual(["done", "pending", "pending"]);
    await sweep(lead.id, 3500);
    expect(await states()).toEqual(["done", "pending", "pending"]);
    await sweep(lead.id, 3700);
    expect(await states()).toEqual(["done", "done", "pending"]);
    await sweep(lead.id, 7300);
    // It has an owner, who keeps it.
    expect(await states()).toEqual(["done", "done", "skipped"]);
    const { data } = await counselor.client
      .from("communications")
      .select("type, direction")
      .eq("lead_id", lead.id)
      .order("type");
    expect(data).toEqual([
      { type: "email", direction: "outbound" },
      { type: "sms", direction: "outbound" },
    ]);
    const hidden = await stranger.client.from("automation_runs").select().eq("workflow_id", id);
    expect(hidden.data).toEqual([]);
  });

  it("[D0-077] the one with the smaller priority comes first, and a paused one not at all", async () => {
    const source = unique("priority");
    const task = (title: string) => [{ type: "create_task", title }];
    const base = { ...sequence(source), trigger_conditions: { source } };
    await addWorkflow({ ...base, actions: task("Second"), priority: 2 });
    await addWorkflow({ ...base, actions: task("First"), priority: 1 });
    await addWorkflow({ ...base, actions: task("Paused"), status: "paused" });
    await addWorkflow({ ...base, actions: task("Disabled"), is_enabled: false });
    const lead = await addLead(counselor, { source });
    await sweep(lead.id);
    const { data } = await manager.client
      .from("automation_runs")
      .select("id, automation_workflows(priority)")
      .eq("lead_id", lead.id)
      .order("id");
    expect(data?.map((run) => run.automation_workflows?.priority)).toEqual([1, 2]);
    const tasks = await counselor.client
      .from("tasks")
      .select("title")
      .eq("lead_id", lead.id)
      .order("title");
    expect(tasks.data).toEqual([{ title: "First" }, { title: "Second" }]);
  });

  it("[D4-074] begins with an event whose conditions hold, however they are put together", async () => {
    const source = unique("tree");
    const id = await addWorkflow({
      ...sequence(source),
      trigger_type: "lead_status_changed",
      trigger_conditions: {
        all: [
          { source },
          { field: "status", op: "changed", value: "qualified" },
          {
            any: [
              { field: "value", op: "gt", value: 1000 },
              { field: "tags", op: "contains", value: "vip" },
            ],
          },
          { not: { field: "email", op: "is_set" } },
          { field: "created_at", op: "newer_than", value: "1 day" },
          { field: "created_at", op: "older_than", value: "1 minute" },
          { field: "course", op: "in", value: ["mbbs", "bds"] },
          { field: "qualification", op: "neq", value: "none" },
        ],
      },
      actions: [{ type: "create_task", title: "Matched" }],
    });
    const old = async (fields: object) => {
      const lead = await addLead(counselor, { source, course: "MBBS", ...fields });
      await sql()`update public.leads set created_at = now() - interval '2 minutes' where id = ${lead.id}`;
      await counselor.client.rpc("lead_set_status", { p_lead_id: lead.id, p_status: "qualified" });
      await sweep(lead.id);
      const { count } = await manager.client
        .from("automation_runs")
        .select("id", { count: "exact", head: true })
        .eq("workflow_id", id)
        .eq("lead_id", lead.id);
      return count;
    };
    expect(await old({ value: 5000 })).toBe(1);
    expect(await old({ tags: ["VIP"] })).toBe(1);
    expect(await old({})).toBe(0);
    expect(await old({ value: 5000, email: uniqueEmail() })).toBe(0);
    expect(await old({ value: 5000, course: "Nursing" })).toBe(0);
    expect(await old({ value: 5000, qualification: "None" })).toBe(0);
  });

  it("[D4-079] is to create reminders, update the status, notify, assign and create follow-ups", async () => {
    const source = unique("actions");
    const colleague = await createUser();
    const id = await addWorkflow({
      ...sequence(source),
      trigger_conditions: { source },
      actions: [
        { type: "create_reminder", title: "Remember {{lead_number}}", due_in: 600 },
        { type: "update_lead_status", status: "contacted" },
        { type: "send_notification", title: "A new lead", to: "owner" },
        { type: "create_follow_up", due_in: 3600 },
        { type: "assign_lead", user_id: colleague.id },
      ],
    });
    const lead = await addLead(counselor, { source });
    await sweep(lead.id);
    expect((await stepsOf(id, admin)).map((step) => [step.status, step.error])).toEqual(
      Array(5).fill(["done", null]),
    );
    const read = await colleague.client
      .from("leads")
      .select("status, assigned_to, reminders(title), calls(status)")
      .eq("id", lead.id)
      .single();
    expect(read.data).toEqual({
      status: "contacted",
      assigned_to: colleague.id,
      reminders: [{ title: `Remember ${lead.lead_id}` }],
      calls: [{ status: "scheduled" }],
    });
    const told = await counselor.client
      .from("notifications")
      .select("title")
      .eq("type", "alert")
      .eq("title", "A new lead");
    expect(told.data).toEqual([{ title: "A new lead" }]);
  });
});

describe("automation_execute", () => {
  it("[D0-039] begins a run for a lead, with the document's own body", async () => {
    const id = await addWorkflow({ ...sequence(unique("e")), name: unique("By hand") });
    const lead = await addLead(counselor, { email: uniqueEmail() });
    const { data } = await admin.client.rpc("automation_execute", {
      p_workflow_id: id,
      p_trigger_data: { lead_id: lead.id },
    });
    expect(automationExecutionSchema.parse(data)).toMatchObject({
      workflow_id: id,
      lead_id: lead.id,
      steps: [{ type: "send_email" }, { type: "send_sms" }, { type: "assign_counselor" }],
    });
    await sweep(lead.id);
    expect((await stepsOf(id))[0]?.status).toBe("done");
    const asManager = { p_workflow_id: id, p_trigger_data: { lead_id: lead.id } };
    expectError(await manager.client.rpc("automation_execute", asManager), {
      code: "42501",
      details: "permission_denied",
      status: 403,
    });
    expectError(
      await admin.client.rpc("automation_execute", { p_workflow_id: id, p_trigger_data: {} }),
      { code: "PT422", details: "argument_invalid", status: 422 },
    );
  });
});

describe("automation_test", () => {
  it("[D4-061] says what a workflow would do, and does nothing of it", async () => {
    const source = unique("test");
    const id = await addWorkflow({
      ...sequence(source),
      trigger_conditions: { all: [{ source }, { field: "score", op: "gte", value: 101 }] },
      actions: [
        { type: "create_task", title: "Never" },
        { type: "update_lead_status", status: "contacted", delay: 60 },
        { type: "send_sms", template: "no_such_template" },
        { type: "send_email", subject: "x", message: "y" },
      ],
      status: "draft",
    });
    const lead = await addLead(counselor, { source, phone: uniquePhone() });
    const { data } = await manager.client.rpc("automation_test", {
      p_id: id,
      p_sample: { lead_id: lead.lead_id },
    });
    expect(automationTestSchema.parse(data)).toMatchObject({
      is_live: false,
      matched: false,
      conditions: [
        { field: "source", op: "eq", actual: source, matched: true },
        { field: "score", op: "gte", value: 101, matched: false },
      ],
      actions: [
        { type: "create_task", would: { assigned_to: counselor.id }, error: null },
        { type: "update_lead_status", delay: 60, would: { from: "new", to: "contacted" } },
        { type: "send_sms", would: null, error: "template_not_found" },
        { type: "send_email", would: { skipped: "lead_has_no_address" } },
      ],
    });
    const read = await counselor.client
      .from("leads")
      .select("status, tasks(title), communications(id), automation_runs(id)")
      .eq("id", lead.id)
      .single();
    expect(read.data).toEqual({
      status: "new",
      tasks: [],
      communications: [],
      automation_runs: [],
    });
    expectError(
      await stranger.client.rpc("automation_test", {
        p_id: id,
        p_sample: { lead_id: lead.id },
      }),
      { code: "PT404", details: "lead_not_found", status: 404 },
    );
  });
});

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  apiKeyShownSchema,
  feePlanAppliedSchema,
  invoiceSchema,
  reportScheduledSchema,
} from "@intake/types";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Client,
  createTeam,
  createUser,
  expectData,
  sql,
  stack,
  unique,
} from "../helpers/index.ts";

const root = join(import.meta.dirname, "..", "..");
const read = (path: string) => readFileSync(join(root, path), "utf8");

interface Names {
  supabase: Client;
  id: string;
  number: string;
  userId: string;
  leavingId: string;
  sessionId: string;
  roleId: string;
  clientId: string;
  cursor: string | null;
  notificationId: string;
  auditId: string;
  noteId: string;
  contactId: string;
  studentId: string;
  documentId: string;
  paymentId: string;
  openPaymentId: string;
  installmentId: string;
  invoiceId: string;
  taskId: string;
  callId: string;
  reminderId: string;
  importId: string;
  reportId: string;
  scheduleId: string;
  keyId: string;
  campaignId: string;
  webhookId: string;
  deliveryId: string;
  workflowId: string;
}

let names: Names;
let adminId: string;

beforeAll(async () => {
  const team = await createTeam();
  const [admin, counselor, leaving] = await Promise.all([
    createUser({ role: "admin" }),
    createUser({ team }),
    createUser({ team }),
  ]);
  const sessions = expectData(await counselor.client.rpc("list_sessions"));
  const roleName = unique("Read me");
  expectData(await admin.client.rpc("role_upsert", { p_name: roleName }));
  const role = expectData(
    await admin.client.from("roles").select("id").eq("name", roleName).single(),
  );
  adminId = admin.id;
  const [lead] = await sql()<{ id: string; lead_id: string }[]>`
    insert into public.leads (name, team_id) values ('Read Me', ${team.id}) returning id, lead_id
  `;
  const [entry] = await sql()<{ id: string }[]>`
    select id from public.audit_logs where record_id = ${lead?.id ?? ""} limit 1
  `;
  const notification = expectData(
    await admin.client.from("notifications").insert({ title: "Read me" }).select("id").single(),
  );
  const note = expectData(
    await admin.client
      .from("notes")
      .insert({ lead_id: lead?.id ?? "", content: "Read me" })
      .select("id")
      .single(),
  );
  const task = expectData(
    await admin.client.from("tasks").insert({ title: "Read me" }).select("id").single(),
  );
  const call = expectData(
    await admin.client.from("calls").insert({ notes: "Read me" }).select("id").single(),
  );
  const reminder = expectData(
    await admin.client
      .from("reminders")
      .insert({ title: "Read me", remind_at: "2030-01-01" })
      .select("id")
      .single(),
  );
  const contact = expectData(
    await admin.client.from("contacts").insert({ name: "Read me" }).select("id").single(),
  );
  const student = expectData(
    await admin.client.from("students").insert({ name: "Read me" }).select("id").single(),
  );
  const payments = expectData(
    await admin.client
      .from("payments")
      .insert([
        { student_id: student.id, amount: 100 },
        { student_id: student.id, amount: 100 },
      ])
      .select("id"),
  );
  const plan = feePlanAppliedSchema.parse(
    expectData(
      await admin.client.rpc("fee_plan_apply", {
        p_student_id: student.id,
        p_total: 100,
        p_installments: { count: 2, first_due_date: "2026-01-31" },
      }),
    ),
  );
  const invoice = invoiceSchema.parse(
    expectData(
      await admin.client.rpc("invoice_issue", { p_installment_id: plan.installments[1]?.id ?? "" }),
    ),
  );
  const [document] = await sql()<{ id: string }[]>`
    with d as (
      insert into public.documents (student_id, document_name, document_type)
      values (${student.id}, 'Read me', 'other') returning id
    ), v as (
      insert into public.document_versions (document_id, file_name, mime_type, size_bytes, state)
      select id, 'x.pdf', 'application/pdf', 1, 'checking' from d returning id, document_id
    )
    select document_id as id, private.document_checked(v.id, 1, repeat('0', 64)) from v
  `;
  const [imported] = await sql()<{ id: string }[]>`
    with i as (
      insert into public.imports (created_by, storage_path, file_name, format, size_bytes, status, columns)
      select id, 'x', 'x', 'csv', 1, 'read', '{Name}' from public.profiles where id = ${admin.id}
      returning id
    )
    insert into private.import_state (import_id, claims) select id, '{}' from i returning import_id as id
  `;
  const report = expectData(
    await admin.client
      .from("reports")
      .insert({ name: "Read me", fields: ["name"] })
      .select("id")
      .single(),
  );
  const schedule = expectData(
    await admin.client.rpc("report_schedule", {
      p_report_id: report.id,
      p_frequency: "daily",
      p_time: "09:00",
    }),
  );
  const key = expectData(await admin.client.rpc("api_key_create", { p_name: "Read me" }));
  const [delivery] = await sql()<{ id: string; webhook_id: string }[]>`
    with w as (
      insert into public.webhooks (endpoint_url, events) values ('https://hooks.example.test/', '{deal.payment}')
      returning id
    )
    insert into public.webhook_deliveries (webhook_id, event_id, event, payload)
    select id, gen_random_uuid(), 'webhook.test', '{}' from w
    returning id, webhook_id
  `;
  const workflow = expectData(
    await admin.client
      .from("automation_workflows")
      .insert({
        name: "Read me",
        trigger_type: "manual",
        actions: [{ type: "create_task", title: "Read me" }],
      })
      .select("id")
      .single(),
  );
  const campaign = expectData(
    await admin.client
      .from("campaigns")
      .insert({
        name: "Read me",
        type: "sms",
        content: "Read me",
        target_criteria: { email: "read.me.campaign@example.test", phone: "+919800000199" },
      })
      .select("id")
      .single(),
  );
  await sql()`
    insert into public.leads (name, email, phone) values ('Read Me', 'read.me.campaign@example.test', '+919800000199')`;
  names = {
    supabase: admin.client,
    id: lead?.id ?? "",
    number: lead?.lead_id ?? "",
    userId: counselor.id,
    leavingId: leaving.id,
    sessionId: sessions[0]?.id ?? "",
    roleId: role.id,
    clientId: crypto.randomUUID(),
    cursor: null,
    notificationId: notification.id,
    auditId: entry?.id ?? "",
    noteId: note.id,
    contactId: contact.id,
    studentId: student.id,
    documentId: document?.id ?? "",
    paymentId: payments[0]?.id ?? "",
    openPaymentId: payments[1]?.id ?? "",
    installmentId: plan.installments[0]?.id ?? "",
    invoiceId: invoice.id,
    taskId: task.id,
    callId: call.id,
    reminderId: reminder.id,
    importId: imported?.id ?? "",
    reportId: report.id,
    scheduleId: reportScheduledSchema.parse(schedule).schedule_id,
    keyId: apiKeyShownSchema.parse(key).key_id,
    campaignId: campaign.id,
    webhookId: delivery?.webhook_id ?? "",
    deliveryId: delivery?.id ?? "",
    workflowId: workflow.id,
  };
});

// Webhooks that are active are told of everything that other tests do.
afterAll(async () => {
  await sql()`delete from public.webhooks where created_by = ${adminId} or id = ${names.webhookId}`;
});

const calls = [...read("docs/endpoints.md").matchAll(/`(supabase\.[^`]+)`/g)].map(
  ([, call = ""]) => call,
);

describe("docs/endpoints.md", () => {
  it("has a call in nearly every row", () => {
    expect(calls.length).toBeGreaterThan(40);
  });

  it.for(calls)("%s", async (call) => {
    const run = new Function(...Object.keys(names), `return ${call}`) as (
      ...values: unknown[]
    ) => PromiseLike<{ data: unknown; error: unknown }>;
    const { error } = await run(...Object.values(names));
    expect(error).toBeNull();
  });
});

describe("README.md", () => {
  it("shows first calls that run as they stand", { timeout: 60_000 }, async () => {
    const blocks = [...read("README.md").matchAll(/^```js\n([\s\S]*?)^```$/gm)];
    const code = blocks
      .map(([, block = ""]) => block)
      .join("\n")
      .replace("http://127.0.0.1:54321", stack().url)
      .replace("sb_publishable_...", stack().publishableKey);
    const { exitCode, output } = await runModule(code);
    expect(exitCode, output).toBe(0);
    expect(output).toContain("is now yours");
  });
});

function runModule(code: string): Promise<{ exitCode: number | null; output: string }> {
  const child = spawn(process.execPath, ["--input-type=module", "-"], {
    cwd: root,
    stdio: ["pipe", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => {
      output += chunk;
    });
  }
  child.stdin.end(code);
  const timer = setTimeout(() => child.kill(), 45_000);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (exitCode) => {
      clearTimeout(timer);
      resolve({ exitCode, output });
    });
  });
}

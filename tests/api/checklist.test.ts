/** What the documents ask of a backend as a whole, each point by what a reader can look at. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { memoryStore, openSync } from "@intake/sync";
import { describe, expect, it } from "vitest";
import { createApp } from "../../supabase/functions/_shared/app.ts";
import { createLogger } from "../../supabase/functions/_shared/log.ts";
import { ledger } from "../conformance/ledger.ts";
import {
  addLead,
  anon,
  as,
  createTeam,
  createUser,
  expectData,
  expectError,
  invoke,
  sql,
  stack,
  unique,
  uniqueEmail,
} from "../helpers/index.ts";

const root = join(import.meta.dirname, "../..");
const folders = (path: string) =>
  readdirSync(join(root, path), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith("_"))
    .map((entry) => entry.name);

async function openApi(name: string) {
  const { data } = await (await as("admin")).auth.getSession();
  const response = await fetch(`${stack().url}/functions/v1/${name}/openapi.json`, {
    headers: { authorization: `Bearer ${data.session?.access_token}` },
  });
  return (await response.json()) as { paths: Record<string, object> };
}

it("[D0-095] the implementation checklist of the first document is done, point by point", async () => {
  // Migrations.
  const files = readdirSync(join(root, "supabase/migrations"))
    .filter((name) => name.endsWith(".sql"))
    .map((name) => name.split("_")[0]);
  const applied = await sql()<{ version: string }[]>`
    select version from supabase_migrations.schema_migrations order by version`;
  expect(applied.map(({ version }) => version)).toEqual(files.sort());

  // Authentication, validation and errors: of nobody, and of nothing valid.
  expectError(await anon().from("leads").select("id").limit(1), { code: "42501" });
  const admin = await as("admin");
  expectError(await admin.from("leads").insert({ name: "X", email: "none" }), {
    code: "PT422",
    details: "email_invalid",
  });

  // A handler for each endpoint: every one of the forty-seven has a test that makes its request.
  const endpoints = Array.from({ length: 47 }, (_, n) => `D0-${String(n + 1).padStart(3, "0")}`);
  expect(endpoints.filter((id) => ledger[id]?.state !== "proved")).toEqual([]);

  // Uploads, services from outside, and their webhooks.
  const buckets = await sql()<{ id: string }[]>`select id from storage.buckets where not public`;
  expect(buckets.map(({ id }) => id)).toEqual(expect.arrayContaining(["documents", "attachments"]));
  const webhooks = Object.keys((await openApi("webhooks")).paths).join(" ");
  for (const provider of ["meta", "sendgrid", "twilio", "whatsapp", "razorpay", "stripe"]) {
    expect(webhooks).toContain(`/${provider}`);
  }

  // Documentation: each function serves its own, each RPC is in the reference.
  for (const name of folders("supabase/functions")) {
    expect(Object.keys((await openApi(name)).paths).length, name).toBeGreaterThan(0);
  }
  const reference = readFileSync(join(root, "docs/reference.md"), "utf8");
  const rpcs = await sql()<{ name: string }[]>`
    select distinct p.proname as name from pg_proc p
    where p.pronamespace = 'public'::regnamespace and has_function_privilege('authenticated', p.oid, 'execute')`;
  expect(rpcs.filter(({ name }) => !reference.includes(`${name}(`))).toEqual([]);

  // Tests: of the database and of the API, both run here.
  const count = (path: string) => readdirSync(join(root, path)).length;
  expect(count("tests/database")).toBeGreaterThan(40);
  expect(count("tests/api")).toBeGreaterThan(40);

  // Monitoring, and who is told when something is wrong.
  expect(expectData(await admin.rpc("admin_health"))).toMatchObject({ jobs: expect.anything() });
  const alerts = await admin.rpc("analytics_alerts");
  expect(alerts.error).toBeNull();
});

describe("[D0-049] what the first document counts without naming it", () => {
  it("leads: list, get, create, update, delete", async () => {
    const team = await createTeam();
    const manager = await createUser({ role: "manager", team });
    const counselor = await createUser({ team });
    const { id } = await addLead(counselor);
    const leads = () => manager.client.from("leads");
    expect(expectData(await leads().select("id").eq("assigned_to", counselor.id))).toEqual([
      { id },
    ]);
    expect(
      expectData(await leads().update({ course: "Cardiology" }).eq("id", id).select("course")),
    ).toEqual([{ course: "Cardiology" }]);
    expect(expectData(await leads().select("*").eq("id", id).single())).toMatchObject({ id });
    expect(
      (await manager.client.rpc("soft_delete", { p_table: "leads", p_id: id })).error,
    ).toBeNull();
    expect((await leads().select("id").eq("id", id)).data).toEqual([]);
  });

  it("students: list, get, create, update, delete", async () => {
    const admin = await createUser({ role: "admin" });
    const students = () => admin.client.from("students");
    const name = unique("Student");
    const made = expectData(await students().insert({ name }).select("id").single());
    expect(expectData(await students().select("id").eq("name", name))).toEqual([made]);
    const changed = await students()
      .update({ course: "Cardiology" })
      .eq("id", made.id)
      .select("course");
    expect(expectData(changed)).toEqual([{ course: "Cardiology" }]);
    expect(expectData(await students().select("*").eq("id", made.id).single()).name).toBe(name);
    const gone = await admin.client.rpc("soft_delete", { p_table: "students", p_id: made.id });
    expect(gone.error).toBeNull();
    expect((await students().select("id").eq("id", made.id)).data).toEqual([]);
  });

  it("users: list, get, create, update, delete", async () => {
    const admin = await createUser({ role: "admin" });
    const full_name = unique("User");
    const created = await invoke(admin, "POST", "admin/users", {
      full_name,
      email: uniqueEmail(),
      password: "Intake-demo-2026",
    });
    expect(created.status).toBe(201);
    const id = (created.body as { user_id: string }).user_id;
    const found = expectData(await admin.client.rpc("admin_list_users", { p_search: full_name }));
    expect(found).toMatchObject({ total: 1, users: [{ id }] });
    const one = await admin.client.from("user_profiles").select("full_name").eq("id", id).single();
    expect(expectData(one).full_name).toBe(full_name);
    const changed = await invoke(admin, "PATCH", `admin/users/${id}`, { role: "manager" });
    expect(changed.body).toMatchObject({ id, role: "manager" });
    expect((await invoke(admin, "DELETE", `admin/users/${id}`)).status).toBe(204);
  });
});

it("[D4-089] requests, errors, synchronisations and what people do are logged, each where one looks for it", async () => {
  const lines: string[] = [];
  const app = createApp({
    name: "sample",
    title: "Sample",
    description: "Sample",
    log: createLogger({ function: "sample" }, (line) => lines.push(line)),
  });
  const responses = { 200: { description: "Never" } };
  app.route({ method: "get", path: "/fails", id: "fails", summary: "Fails", responses }, () => {
    throw new Error("out of order");
  });
  const headers = { "x-request-id": "request-of-this-test" };
  expect((await app.request("/sample/fails?email=somebody@example.test", { headers })).status).toBe(
    500,
  );
  const entries = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(entries).toContainEqual(
    expect.objectContaining({
      level: "error",
      message: "request",
      method: "GET",
      path: "/sample/fails",
      status: 500,
      request_id: "request-of-this-test",
    }),
  );
  expect(lines.join()).toContain("out of order");
  expect(lines.join()).not.toContain("somebody@example.test");

  const team = await createTeam();
  const [person, admin] = await Promise.all([createUser({ team }), createUser({ role: "admin" })]);
  const lead = await addLead(person);
  const sync = await openSync({ client: person.client, store: memoryStore(), device: "Phone" });
  await sync.sync();
  const synced = await person.client.from("sync_log").select("type, status, counts");
  expect(expectData(synced)).toEqual([{ type: "full", status: "success", counts: { leads: 1 } }]);
  const audited = await admin.client
    .from("audit_logs")
    .select("action, user_id, session_id")
    .eq("resource", "leads")
    .eq("record_id", lead.id);
  expect(expectData(audited)).toEqual([
    { action: "insert", user_id: person.id, session_id: expect.any(String) },
  ]);
  const done = await person.client.from("activities").select("type").eq("lead_id", lead.id);
  expect(expectData(done).map(({ type }) => type)).toContain("created");
});

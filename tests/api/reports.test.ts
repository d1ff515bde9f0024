/** Reports as people build and read them: everybody their own part of the data. */
import { beforeAll, describe, expect, it } from "vitest";
import {
  type ReportDefinition,
  reportBuiltSchema,
  reportDashboardSchema,
  reportDatasetsSchema,
  reportDefinitionSchema,
  reportPageSchema,
  reportTemplateSchema,
} from "../../packages/types/src/reports.ts";
import {
  createTeam,
  createUser,
  expectData,
  expectError,
  type Person,
  sql,
  unique,
} from "../helpers/index.ts";

let manager: Person;
let counselor: Person;
let admin: Person;
const source = unique("Report");

const build = async (by: Person, definition: ReportDefinition) =>
  reportBuiltSchema.parse(
    expectData(
      await by.client.rpc("report_build", { p: reportDefinitionSchema.parse(definition) as never }),
    ),
  );

const run = async (by: Person, p_report_id: string, more: object = {}) =>
  reportPageSchema.parse(expectData(await by.client.rpc("report_run", { p_report_id, ...more })));

beforeAll(async () => {
  const [ours, theirs] = await Promise.all([createTeam(), createTeam()]);
  const [first, second, third, stranger] = await Promise.all([
    createUser({ role: "manager", team: ours }),
    createUser({ team: ours }),
    createUser({ role: "admin" }),
    createUser({ team: theirs }),
  ]);
  [manager, counselor, admin] = [first, second, third];
  await sql()`
    insert into public.leads (name, source, status, value, assigned_to)
    values
      ('Asha', ${source}, 'new', 100, ${manager.id}),
      ('Bala', ${source}, 'enrolled', 300, ${counselor.id}),
      ('Chand', ${source}, 'new', 50, ${stranger.id})
  `;
});

describe("templates", () => {
  it("[D3-021] are listed with id, name, description, fields and filters, and run", async () => {
    const templates = expectData(await manager.client.rpc("report_templates")).map((row) =>
      reportTemplateSchema.parse(row),
    );
    expect(templates.map(({ name }) => name)).toContain("Leads by source");
    const bySource = templates.find(({ name }) => name === "Leads by source")!;
    expect(bySource.fields).toEqual(["source", "count", "enrollments", "conversion_rate"]);
    const unanswered = templates.find(({ name }) => name === "Leads without an interaction")!;
    expect(unanswered.filters).toEqual({ last_interaction_at: null });
    const { data } = await run(manager, bySource.id);
    expect(data).toContainEqual({ source, count: 2, enrollments: 1, conversion_rate: 50 });
    // As a table, for a frontend that filters itself.
    const rows = await manager.client.from("reports").select("id").eq("is_template", true);
    expect(expectData(rows).map(({ id }) => id)).toEqual(
      expect.arrayContaining(templates.map(({ id }) => id)),
    );
  });
});

describe("the builder", () => {
  it("[D3-022] saves a definition and answers report_id, preview_data and row_count of what the caller sees", async () => {
    const definition: ReportDefinition = {
      name: unique("By status"),
      fields: ["status"],
      filters: { source },
      grouping: ["status"],
      sorting: [{ field: "count", direction: "desc" }, { field: "status" }],
      aggregations: ["count", { function: "sum", field: "value", name: "total" }],
    };
    const mine = await build(manager, definition);
    expect(mine).toEqual({
      report_id: mine.report_id,
      preview_data: [
        { currency: "INR", status: "enrolled", count: 1, total: 300 },
        { currency: "INR", status: "new", count: 1, total: 100 },
      ],
      row_count: 2,
    });
    const all = await build(admin, definition);
    expect(all.preview_data[0]).toEqual({ currency: "INR", status: "new", count: 2, total: 150 });
    const saved = await manager.client.from("reports").select().eq("id", mine.report_id).single();
    expect(expectData(saved)).toMatchObject({ ...definition, created_by: manager.id });
    const page = await run(manager, mine.report_id, { p_limit: 1, p_offset: 1 });
    expect(page).toMatchObject({ row_count: 2, limit: 1, offset: 1 });
    expect(page.data).toEqual([mine.preview_data[1]]);
    expect(page.columns.map(({ name }) => name)).toEqual(["currency", "status", "count", "total"]);
  });

  it("[D3-022] takes columns and figures from a list, and nothing else", async () => {
    const refuse = async (p: object, details: string) =>
      expectError(await manager.client.rpc("report_build", { p: { name: "x", ...p } as never }), {
        code: "PT422",
        details,
      });
    await refuse({ fields: ["search_text"] }, "report_invalid");
    await refuse({ fields: ["name"], filters: { "1=1 or name": "x" } }, "export_column_unknown");
    await refuse({ aggregations: ["pg_sleep(10)"] }, "report_invalid");
    await refuse({ fields: ["name"], sorting: ["name; drop table leads"] }, "report_invalid");
    await refuse({ dataset: "audit_logs", fields: ["id"] }, "report_invalid");
    await refuse({ fields: ["name"], sql: "select 1" }, "argument_invalid");
    expectError(
      await counselor.client.rpc("report_build", { p: { name: "x", fields: ["name"] } }),
      { code: "42501", details: "permission_denied" },
    );
  });

  it("tells what can be reported on", async () => {
    const datasets = reportDatasetsSchema.parse(
      expectData(await manager.client.rpc("report_datasets")),
    );
    const leads = datasets.find(({ dataset }) => dataset === "leads")!;
    expect(leads.measures.map(({ name }) => name)).toContain("conversion_rate");
    expect(leads.columns.find(({ name }) => name === "email")).toMatchObject({
      is_dimension: false,
    });
  });

  it("is lost with reports.view at the next request", async () => {
    const [role] = await sql()<{ key: string }[]>`
      insert into public.roles (key, name, data_scope)
      values (${`r_${crypto.randomUUID().replaceAll("-", "_")}`}, ${unique("Role")}, 'own') returning key
    `;
    const grant = () => sql()`
      insert into public.role_permissions (role_id, permission)
      select id, 'reports.view' from public.roles where key = ${role!.key}
    `;
    await grant();
    const person = await createUser({ role: role!.key });
    const { report_id } = await build(person, { name: "Mine", fields: ["name"] });
    await sql()`
      delete from public.role_permissions
      where role_id = (select id from public.roles where key = ${role!.key})
    `;
    expectError(await person.client.rpc("report_run", { p_report_id: report_id }), {
      code: "42501",
      details: "permission_denied",
    });
    expect((await person.client.from("reports").select()).data).toEqual([]);
  });
});

describe("the dashboard", () => {
  it("[D2-038] shows the figures and the pinned reports in one call", async () => {
    const of = async (by: Person) =>
      reportDashboardSchema.parse(expectData(await by.client.rpc("report_dashboard")));
    const fresh = await of(manager);
    expect(fresh.kpis).toMatchObject({ total_leads: 2, enrollments: 1, conversion_rate: 50 });
    expect(fresh.reports.map(({ name }) => name)).toContain("Pipeline by stage");
    const name = unique("Pinned");
    await build(manager, {
      name,
      is_pinned: true,
      filters: { source },
      grouping: ["owner"],
      aggregations: ["count"],
    });
    const [pinned, ...more] = (await of(manager)).reports;
    expect(more).toEqual([]);
    expect(pinned).toMatchObject({ name, row_count: 2 });
  });
});

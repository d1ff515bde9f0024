/** The tables that the documents name, by their names and columns, as an administrator reads them. */
import { expect, it } from "vitest";
import { anon, as } from "../helpers/index.ts";

async function problems(
  tables: Record<string, string>,
  open: typeof anon | (() => ReturnType<typeof as>),
) {
  const client = await open();
  const found: string[] = [];
  for (const [table, columns] of Object.entries(tables)) {
    const { error } = await client
      .from(table as "leads")
      .select(columns as "id")
      .limit(1);
    if (error) found.push(`${table}: ${error.code}`);
  }
  return found;
}

const admin = () => as("admin");

it("[D0-048] has the sixteen tables of the first document", async () => {
  const tables = {
    leads: "id, lead_id, name, email, phone, source, status, assigned_to, created_at",
    students: "id, name, email, phone, course, lead_id, created_at",
    // Accounts are Auth's; what the application knows of them is their profile.
    profiles: "id, email, full_name, role_id, is_active",
    analytics_events: "id, event_type, event_name, user_id, created_at",
    automation_workflows:
      "id, name, description, trigger_type, trigger_conditions, actions, status, is_enabled",
    campaigns: "id, name, status, created_at",
    communications: "id, lead_id, type, direction, status, content",
    documents: "id, lead_id, student_id, created_at",
    integration_logs:
      "id, integration_name, activity_type, description, status, request_data, response_data, execution_time, records_processed",
    integrations_status: "type, name, status, config, last_sync",
    notifications: "id, user_id, title, message, type, priority, is_read, expires_at",
    notes: "id, lead_id, content, created_at",
    payments: "id, amount, currency, status, lead_id, student_id",
    system_settings: "key, value, category, description",
    user_profiles: "*",
    user_sessions: "*",
  };
  expect(Object.keys(tables)).toHaveLength(16);
  expect(await problems(tables, admin)).toEqual([]);
  expect(await problems(tables, anon)).toEqual(
    Object.keys(tables).map((table) => `${table}: 42501`),
  );
});

it("[D3-058] has the tables of the fourth phase", async () => {
  const tables = {
    app_settings: "key, value",
    reports: "id, name, description, fields, filters, grouping, sorting, aggregations",
    scheduled_reports: "id, report_id, frequency, time, recipients, format, status, next_run",
    report_runs: "id, report_id, row_count, download_url, expires_at, created_at",
    roles: "id, key, name",
    permissions: "key, description",
    integrations: "type, name, status, config, last_sync",
    api_keys: "id, name, key_prefix, scopes, expires_at, last_used_at, revoked_at, created_at",
    audit_logs: "id, user_id, action, resource, before, after, created_at",
    webhooks: "id, events, endpoint_url, secret",
  };
  expect(await problems(tables, admin)).toEqual([]);
  expect(await problems(tables, anon)).toEqual(
    Object.keys(tables).map((table) => `${table}: 42501`),
  );
});

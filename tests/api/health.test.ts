import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  adminHealthSchema,
  databaseHealthSchema,
  healthMetricsSchema,
} from "../../packages/types/src/system-health.ts";
import { connect } from "../helpers/database.ts";
import { anon, as } from "../helpers/index.ts";

describe("health", () => {
  it("[D3-050] [D4-062] answers everybody with status, version and time", async () => {
    const { data, error } = await anon().rpc("health", {}, { get: true });
    expect(error).toBeNull();
    const health = databaseHealthSchema.parse(data);
    const file = readFileSync(join(import.meta.dirname, "../../package.json"), "utf8");
    expect(health.version).toBe(JSON.parse(file).version);
  });
});

describe("admin_health", () => {
  it("[D3-046] [D4-088] tells an administrator of server, database, jobs and response times", async () => {
    const { data, error } = await (await as("admin")).rpc("admin_health");
    expect(error).toBeNull();
    const health = adminHealthSchema.parse(data);
    expect(health.cron.map((job) => job.name)).toContain("intake-record-metrics");
    expect(health.performance.slow_statements?.length).toBeGreaterThan(0);
  });

  it.each(["manager.a", "counselor.a1"] as const)("refuses %s", async (person) => {
    const { error } = await (await as(person)).rpc("admin_health");
    expect(error?.details).toBe("permission_denied: health.read");
  });

  it("refuses those who are not signed in", async () => {
    const { error, status } = await anon().rpc("admin_health");
    expect([status, error?.code]).toEqual([401, "42501"]);
  });
});

describe("health_metrics", () => {
  it("[D3-047] answers a series of each kind", async () => {
    const sql = connect();
    await sql`select private.record_metrics()`;
    await sql.end();
    const { data, error } = await (await as("admin")).rpc("health_metrics", {
      p_metric: "connections",
      p_range: "1h",
    });
    expect(error).toBeNull();
    const series = healthMetricsSchema.parse(data);
    expect(series.time_range).toBe("1h");
    expect(series.metrics.connections?.length).toBeGreaterThan(0);
  });

  it("refuses a range it does not know, and people without the permission", async () => {
    const unknown = await (await as("admin")).rpc("health_metrics", { p_range: "1 year" });
    expect([unknown.status, unknown.error?.code]).toEqual([422, "PT422"]);
    const manager = await (await as("manager.a")).rpc("health_metrics");
    expect(manager.error?.code).toBe("42501");
  });
});

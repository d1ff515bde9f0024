import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type AuditSearchArguments,
  auditLogSchema,
  auditSearchSchema,
} from "../../packages/types/src/audit.ts";
import { people } from "../helpers/clients.ts";
import { anon, as, type Client, expectData, service } from "../helpers/index.ts";

const name = `Audited ${crypto.randomUUID()}`;
let teamId = "";

const search = async (client: Client, filters: AuditSearchArguments) =>
  auditSearchSchema.parse(expectData(await client.rpc("audit_search", filters as never)));

beforeAll(async () => {
  const admin = await as("admin");
  const created = await admin
    .from("teams")
    .insert({ name, description: "First" })
    .select()
    .single();
  teamId = expectData(created).id;
  await admin.from("teams").update({ description: "Second" }).eq("id", teamId);
});

afterAll(async () => {
  await service().from("teams").delete().eq("id", teamId);
});

describe("audit_search", () => {
  it("[D3-048] answers logs, total, page and limit, newest first", async () => {
    const admin = await as("admin");
    const found = await search(admin, {
      p_resource: "teams",
      p_user_id: people.admin,
      p_search: teamId,
      p_limit: 10,
    });
    expect(found).toMatchObject({ total: 2, page: 1, limit: 10 });
    expect(found.logs.map((log) => [log.action, log.before, log.after?.description])).toEqual([
      ["update", { description: "First" }, "Second"],
      ["insert", null, "First"],
    ]);
    expect(found.logs[0]).toMatchObject({ user_name: "Asha Menon", actor_role: "authenticated" });
  });

  it("filters by time and action, and pages", async () => {
    const admin = await as("admin");
    const team = { p_resource: "teams", p_search: teamId };
    const p_date_from = new Date(Date.now() + 60_000).toISOString();
    expect(await search(admin, { ...team, p_date_from })).toEqual({
      logs: [],
      total: 0,
      page: 1,
      limit: 50,
    });
    expect((await search(admin, { ...team, p_action: "update" })).total).toBe(1);
    const second = await search(admin, { ...team, p_limit: 1, p_offset: 1 });
    expect(second).toMatchObject({ total: 2, page: 2, limit: 1 });
    expect(second.logs.map((log) => log.action)).toEqual(["insert"]);
  });

  it.each(["manager.a", "counselor.a1"] as const)("refuses %s", async (person) => {
    const { error, status } = await (await as(person)).rpc("audit_search");
    expect([status, error?.code]).toEqual([403, "42501"]);
    expect(error?.details).toBe("permission_denied: audit.read");
  });

  it("refuses those who are not signed in", async () => {
    const { error } = await anon().rpc("audit_search");
    expect(error?.code).toBe("42501");
  });
});

describe("the trail", () => {
  it("[D3-049] gives a single entry with before and after", async () => {
    const admin = await as("admin");
    const { logs } = await search(admin, { p_search: teamId, p_action: "update" });
    const id = logs[0]!.id;
    const answer = await admin.from("audit_logs").select().eq("id", id).single();
    const entry = auditLogSchema.parse(expectData(answer));
    expect(entry).toMatchObject({
      before: { description: "First" },
      after: { description: "Second" },
    });
    expect(entry.session_id).not.toBeNull();
  });

  it("[D0-083] [D2-041] [D3-066] tells what an administrator did, with before and after", async () => {
    const admin = await as("admin");
    const { logs } = await search(admin, { p_search: teamId });
    expect(logs.every((log) => log.user_id === people.admin)).toBe(true);
    for (const resource of ["profiles", "teams", "team_members", "role_permissions"]) {
      const logs = service().from("audit_logs").select("*", { count: "exact", head: true });
      expect((await logs.eq("resource", resource)).count, resource).toBeGreaterThan(0);
    }
  });

  it("is hidden from a manager", async () => {
    const { data } = await (await as("manager.a")).from("audit_logs").select("id").limit(1);
    expect(data).toEqual([]);
  });

  it("says nothing of a write that failed", async () => {
    const admin = await as("admin");
    const before = await search(admin, { p_search: name });
    const { error } = await admin.from("teams").insert({ name });
    expect(error?.code).toBe("23505");
    const after = await search(admin, { p_search: name });
    expect([before.total, after.total]).toEqual([1, 1]);
  });

  it.each(["admin", "service"] as const)("is changed by nobody: %s", async (who) => {
    const client = who === "service" ? service() : await as(who);
    const forged = await client
      .from("audit_logs")
      .insert({ action: "insert", resource: "teams", actor_role: "x" });
    const changed = await client.from("audit_logs").update({ after: null }).eq("record_id", teamId);
    const deleted = await client.from("audit_logs").delete().eq("record_id", teamId);
    expect([forged, changed, deleted].map((result) => result.error?.code)).toEqual(
      Array(3).fill("42501"),
    );
  });
});

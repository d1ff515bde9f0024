/** Access control: who is somebody, what that opens, and when it ends. */
import { createHmac } from "node:crypto";
import { createClient } from "@supabase/supabase-js";
import { beforeAll, describe, expect, it } from "vitest";
import WebSocket from "ws";
import { meSchema } from "../../packages/types/src/access-control.ts";
import {
  anon,
  as,
  type Client,
  createTeam,
  createUser,
  expectData,
  expectError,
  type Person,
  service,
  signIn,
  stack,
  type Team,
  unique,
} from "../helpers/index.ts";

let team: Team;
let admin: Person;
let manager: Person;
let counselor: Person;

beforeAll(async () => {
  team = await createTeam();
  admin = await createUser({ role: "admin" });
  manager = await createUser({ role: "manager", team });
  counselor = await createUser({ team, fullName: "Chetan Kumar" });
});

const setAccess = (by: Person, p_user_id: string, p_role: string | null, p_is_active?: boolean) =>
  by.client.rpc("user_set_access", { p_user_id, p_role: p_role as string, p_is_active });

describe("me", () => {
  it("answers who the caller is, with scope, permissions and teams", async () => {
    const { data, error } = await counselor.client.rpc("me");
    expect(error).toBeNull();
    expect(meSchema.parse(data)).toMatchObject({
      id: counselor.id,
      full_name: "Chetan Kumar",
      role: "counselor",
      data_scope: "own",
      permissions: expect.arrayContaining(["leads.create", "leads.update"]),
      teams: [{ id: team.id, name: team.name, is_manager: false }],
    });
    const boss = meSchema.parse((await manager.client.rpc("me")).data);
    expect([boss.data_scope, boss.teams[0]?.is_manager]).toEqual(["team", true]);
    expect(boss.permissions).toContain("leads.assign");
    expect(meSchema.parse(data).permissions).not.toContain("leads.assign");
  });
});

describe("access", () => {
  it("[D3-055] is asked for inside every RPC that needs it", async () => {
    const lead = crypto.randomUUID();
    const calls: [string, (client: Client) => PromiseLike<never>][] = [
      [
        "leads.assign",
        (c) => c.rpc("lead_assign", { p_lead_ids: [lead], p_user_id: lead }) as never,
      ],
      ["users.manage", (c) => c.rpc("user_set_access", { p_user_id: lead }) as never],
      ["audit.read", (c) => c.rpc("audit_search") as never],
      ["health.read", (c) => c.rpc("admin_health") as never],
    ];
    for (const [permission, call] of calls) {
      const refused = (await call(counselor.client)) as Parameters<typeof expectError>[0];
      expectError(refused, { code: "42501", details: "permission_denied", status: 403 });
      expect(refused.error?.details).toBe(`permission_denied: ${permission}`);
    }
  });

  it("is given and taken by administrators alone", async () => {
    const person = await createUser({ team });
    for (const by of [person, counselor, manager]) {
      expectError(await setAccess(by, person.id, "admin"), {
        code: "42501",
        details: "permission_denied",
        status: 403,
      });
    }
    expect((await setAccess(admin, person.id, "manager")).error).toBeNull();
    expect((await person.client.rpc("me")).data).toMatchObject({ role: "manager" });
    expectError(await setAccess(admin, person.id, "emperor"), {
      code: "PT422",
      details: "role_unknown",
      status: 422,
    });
    expectError(await setAccess(admin, crypto.randomUUID(), "manager"), {
      code: "PT404",
      details: "not_found",
      status: 404,
    });
  });

  it("that is taken is gone with the next request, though the token lives on", async () => {
    const boss = await createUser({ role: "manager", team });
    const lead = await counselor.client
      .from("leads")
      .insert({ name: unique("Team") })
      .select("id")
      .single();
    const { id } = expectData(lead);
    const see = () => boss.client.from("leads").select("id").eq("id", id);
    expect((await see()).data).toHaveLength(1);
    expect((await setAccess(admin, boss.id, "counselor")).error).toBeNull();
    expect((await see()).data).toEqual([]);
    expect((await setAccess(admin, boss.id, "manager")).error).toBeNull();
    expect((await see()).data).toHaveLength(1);
    expect((await setAccess(admin, boss.id, null, false)).error).toBeNull();
    expect((await see()).data).toEqual([]);
    expectError(await boss.client.rpc("me"), {
      code: "42501",
      details: "account_inactive",
      status: 403,
    });
  });

  it("ends with the session: signing out everywhere closes every token", async () => {
    const person = await createUser({ team });
    const phone = await signIn(person.email);
    expect((await phone.rpc("me")).error).toBeNull();
    await person.client.auth.signOut({ scope: "others" });
    expectError(await phone.rpc("me"), { code: "42501", details: "account_inactive" });
    expect((await person.client.rpc("me")).error).toBeNull();
  });

  it("does not come with an account: a new one is inactive", async () => {
    const person = await createUser({ isActive: false });
    expectError(await person.client.rpc("me"), { code: "42501", details: "account_inactive" });
    for (const table of ["profiles", "roles", "teams"] as const) {
      expect((await person.client.from(table).select()).data, table).toEqual([]);
    }
  });
});

/** A client that sends this token, whatever it is worth. */
const bearing = (token: string): Client =>
  createClient(stack().url, stack().publishableKey, {
    accessToken: async () => token,
    realtime: { transport: WebSocket as never },
  });

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");

function forge(claims: Record<string, unknown>, secret: string, alg = "HS256"): string {
  const body = `${encode({ alg, typ: "JWT" })}.${encode(claims)}`;
  if (alg === "none") return `${body}.`;
  return `${body}.${createHmac("sha256", secret).update(body).digest("base64url")}`;
}

describe("authentication", () => {
  it("[D0-085] [D3-051] is needed for everything but the public health check and the catalogue", async () => {
    const client = anon();
    const closed = [
      client.from("leads").select(),
      client.from("leads").insert({ name: "Nobody's" }),
      client.from("profiles").select(),
      client.from("teams").select(),
      client.from("pipeline_stages").select(),
      client.from("activities").select(),
      client.from("notifications").select(),
      client.rpc("me"),
      client.rpc("pipeline_summary"),
      client.rpc("analytics_kpis", {}),
      client.rpc("crm_create_lead", { p_lead: { firstName: "Nobody" } }),
    ];
    for (const call of closed) expectError(await call, { code: "42501", status: 401 });
    expect((await client.rpc("health", {}, { get: true })).error).toBeNull();
    expect((await client.from("error_codes").select("code").limit(1)).data).toHaveLength(1);
  });

  it("[D2-029] takes the current user from the token, and the role from the database", async () => {
    const made = await counselor.client
      .from("leads")
      .insert({ name: unique("Token") })
      .select("created_by, assigned_to")
      .single();
    expect(made.data).toEqual({ created_by: counselor.id, assigned_to: counselor.id });
    const forged = { name: unique("Forged"), created_by: admin.id };
    expectError(await counselor.client.from("leads").insert(forged), {
      code: "42501",
      status: 403,
    });
  });

  it("refuses tokens that are forged, unsigned, expired or none at all", async () => {
    const { data } = await counselor.client.auth.getSession();
    const real = data.session!.access_token;
    const claims = JSON.parse(Buffer.from(real.split(".")[1]!, "base64url").toString());
    const later = { ...claims, exp: Math.floor(Date.now() / 1000) + 3600 };
    const [head, , signature] = real.split(".");
    const tokens = [
      forge({ ...later, sub: admin.id }, "not the secret of this project"),
      forge({ ...later, role: "service_role" }, "not the secret of this project"),
      forge({ ...later, sub: admin.id }, "", "none"),
      `${head}.${encode({ ...later, sub: admin.id })}.${signature}`,
      "no.token.atall",
      "nonsense",
    ];
    const { jwtSecret } = stack();
    if (jwtSecret) {
      tokens.push(forge({ ...claims, exp: Math.floor(Date.now() / 1000) - 60 }, jwtSecret));
    }
    for (const token of tokens) {
      const answer = await bearing(token).from("leads").select("id").limit(1);
      expect([answer.status, answer.data], token).toEqual([401, null]);
      expect(answer.error?.code, token).toMatch(/^PGRST30/);
    }
  });

  it("needs a live session: a well-signed token alone opens nothing", async () => {
    const { jwtSecret } = stack();
    if (!jwtSecret) return;
    const now = Math.floor(Date.now() / 1000);
    const claims = { sub: admin.id, role: "authenticated", aud: "authenticated", exp: now + 600 };
    for (const session of [{}, { session_id: crypto.randomUUID() }]) {
      const client = bearing(forge({ ...claims, ...session }, jwtSecret));
      expect((await client.from("leads").select("id")).data).toEqual([]);
      expectError(await client.rpc("me"), { code: "42501", details: "account_inactive" });
    }
  });

  it("does not open private, auth or other schemas to anybody", async () => {
    for (const client of [anon(), await as("admin"), service()]) {
      for (const schema of ["private", "auth", "cron", "net", "vault"]) {
        const answer = await client
          .schema(schema as never)
          .from("users" as never)
          .select();
        expectError(answer, { code: "PGRST106", status: 406 });
      }
    }
  });
});

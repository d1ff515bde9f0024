/** Administration of people, as the administration page of a frontend does it. */
import {
  type AdminUserPage,
  adminUserPageSchema,
  userBulkResultSchema,
  userUpdatedSchema,
} from "@intake/types";
import { beforeAll, describe, expect, it } from "vitest";
import {
  addLead,
  createTeam,
  createUser,
  expectData,
  expectError,
  invoke,
  type Person,
  service,
  signIn,
  sql,
  type Team,
  unique,
  uniqueEmail,
} from "../helpers/index.ts";

let admin: Person;
let manager: Person;
let team: Team;

beforeAll(async () => {
  team = await createTeam();
  [admin, manager] = await Promise.all([
    createUser({ role: "admin" }),
    createUser({ role: "manager", team }),
  ]);
});

async function list(args: Record<string, unknown>): Promise<AdminUserPage> {
  return adminUserPageSchema.parse(
    expectData(await admin.client.rpc("admin_list_users", args as never)),
  );
}

describe("the list", () => {
  it("[D3-029] answers users, total, page and limit, searched, filtered and paged", async () => {
    const name = unique("Listed");
    const [one, two] = await Promise.all([
      createUser({ fullName: `${name} A`, team }),
      createUser({ fullName: `${name} B`, role: "manager", isActive: false }),
    ]);
    const page = await list({ p_search: name.toUpperCase() });
    expect(page).toMatchObject({ total: 2, page: 1, limit: 50 });
    expect(page.users.map((user) => user.id)).toEqual([one.id, two.id]);
    expect(page.users[0]).toMatchObject({
      role: "counselor",
      status: "active",
      teams: [{ id: team.id, name: team.name, is_manager: false }],
    });
    expect((await list({ p_search: one.email })).total).toBe(1);
    expect((await list({ p_search: name, p_role: "manager" })).users[0]?.id).toBe(two.id);
    expect((await list({ p_search: name, p_status: "inactive" })).total).toBe(1);
    expect(await list({ p_search: name, p_limit: 1, p_offset: 1 })).toMatchObject({
      page: 2,
      limit: 1,
      total: 2,
      users: [{ id: two.id }],
    });
  });

  it("is for administrators", async () => {
    expectError(await manager.client.rpc("admin_list_users"), {
      code: "42501",
      details: "permission_denied",
    });
  });
});

describe("a change", () => {
  it("[D3-031] of name, address, role and status reaches profile and account", async () => {
    const person = await createUser({ team });
    const email = uniqueEmail("changed");
    const changed = await invoke(admin, "PATCH", `admin/users/${person.id}`, {
      full_name: "Changed Name",
      email: email.toUpperCase(),
      role: "manager",
      status: "active",
    });
    expect(changed.status).toBe(200);
    expect(userUpdatedSchema.parse(changed.body)).toEqual({
      id: person.id,
      full_name: "Changed Name",
      email,
      phone: null,
      role: "manager",
      status: "active",
    });
    const client = await signIn(email);
    expect(expectData(await client.rpc("me"))).toMatchObject({ id: person.id, role: "manager" });
  });

  it("[D3-031] to inactive ends the sessions and the sign-in, at once", async () => {
    const person = await createUser({ team });
    expect(expectData(await person.client.rpc("me"))).toMatchObject({ id: person.id });
    const { status } = await invoke(admin, "PATCH", `admin/users/${person.id}`, {
      status: "inactive",
    });
    expect(status).toBe(200);
    expectError(await person.client.rpc("me"), { code: "42501", details: "account_inactive" });
    await expect(signIn(person.email)).rejects.toThrow(/banned/);
    await invoke(admin, "PATCH", `admin/users/${person.id}`, { status: "active" });
    expect(expectData(await (await signIn(person.email)).rpc("me"))).toMatchObject({
      id: person.id,
    });
  });

  it("that is refused changes nothing", async () => {
    const [person, other] = await Promise.all([createUser({ team }), createUser()]);
    const before = await list({ p_search: person.email });
    const refusals = [
      [admin, { email: other.email }, 409, "user_exists"],
      [admin, { email: "none" }, 422, "email_invalid"],
      [admin, { role: "king" }, 422, "role_unknown"],
      [admin, { full_name: "X", phone: "12" }, 422, "phone_invalid"],
      [admin, {}, 422, "body_invalid"],
      [admin, { is_active: true }, 422, "body_invalid"],
      [manager, { full_name: "X" }, 403, "permission_denied"],
    ] as const;
    for (const [by, body, status, code] of refusals) {
      const answer = await invoke(by, "PATCH", `admin/users/${person.id}`, body);
      expect([answer.status, answer.code], JSON.stringify(body)).toEqual([status, code]);
    }
    expect(await list({ p_search: person.email })).toEqual(before);
  });

  it("of an address is taken back when the rest is refused", async () => {
    const person = await createUser({ team });
    const answer = await invoke(admin, "PATCH", `admin/users/${person.id}`, {
      email: uniqueEmail("never"),
      phone: "12",
    });
    expect(answer.code).toBe("phone_invalid");
    expect((await list({ p_search: person.email })).users[0]?.id).toBe(person.id);
    await signIn(person.email);
  });

  it("of the last administrator is refused by the database", async () => {
    await expect(
      sql().begin(async (tx) => {
        await tx`update public.profiles p set is_active = false from public.roles r where r.id = p.role_id and r.key = 'admin'`;
      }),
    ).rejects.toThrow(/last active administrator/i);
  });
});

describe("leaving", () => {
  it("[D3-032] is refused with open leads, and hands them over when told to whom", async () => {
    const [leaving, heir] = await Promise.all([createUser({ team }), createUser({ team })]);
    const lead = await addLead(leaving);
    const path = `admin/users/${leaving.id}`;
    const refused = await invoke(admin, "DELETE", path);
    expect([refused.status, refused.code]).toEqual([409, "user_has_leads"]);
    const done = await invoke(admin, "DELETE", `${path}?reassign_to=${heir.id}`);
    expect(done.status).toBe(204);
    const { data } = await heir.client.from("leads").select("assigned_to").eq("id", lead.id);
    expect(data).toEqual([{ assigned_to: heir.id }]);
    expect((await list({ p_search: leaving.email })).total).toBe(0);
    await expect(signIn(leaving.email)).rejects.toThrow();
    // The address is free again, and the name stays with what the person did.
    const { error } = await service().auth.admin.createUser({ email: leaving.email });
    expect(error).toBeNull();
    const [profile] =
      await sql()`select full_name, email from public.profiles where id = ${leaving.id}`;
    expect(profile?.full_name).not.toBe("");
    expect(profile?.email).not.toBe(leaving.email);
    expect((await invoke(admin, "DELETE", path)).status).toBe(404);
  });

  it("is nobody's own doing, and no manager's", async () => {
    const own = await invoke(admin, "DELETE", `admin/users/${admin.id}`);
    expect([own.status, own.code]).toEqual([409, "user_is_oneself"]);
    const other = await invoke(manager, "DELETE", `admin/users/${admin.id}`);
    expect([other.status, other.code]).toEqual([403, "permission_denied"]);
  });
});

describe("many at once", () => {
  it("[D3-034] are activated, deactivated and deleted, each with a result of its own", async () => {
    const [one, two] = await Promise.all([createUser({ team }), createUser({ team })]);
    const ids = [one.id, two.id];
    const missing = "00000000-0000-4000-8000-00000000dead";
    const act = async (action: string, user_ids: string[]) => {
      const { body } = await invoke(admin, "POST", "admin/users/bulk-action", { user_ids, action });
      return userBulkResultSchema.parse(body);
    };
    expect(await act("deactivate", [...ids, missing, one.id])).toEqual({
      succeeded: 2,
      failed: 1,
      results: [
        { user_id: one.id, ok: true },
        { user_id: two.id, ok: true },
        { user_id: missing, ok: false, error: "not_found: user" },
      ],
    });
    expectError(await one.client.rpc("me"), { code: "42501", details: "account_inactive" });
    expect((await act("activate", ids)).succeeded).toBe(2);
    expect((await list({ p_search: one.email })).users[0]?.status).toBe("active");
    expect((await act("delete", ids)).succeeded).toBe(2);
    expect((await list({ p_search: one.email })).total).toBe(0);
  });

  it("need users.manage", async () => {
    const answer = await invoke(manager, "POST", "admin/users/bulk-action", {
      user_ids: [admin.id],
      action: "deactivate",
    });
    expect([answer.status, answer.code]).toEqual([403, "permission_denied"]);
  });
});

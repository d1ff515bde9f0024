/** Roles of an organisation's own: made, given, taken, deleted. */
import { roleSchema, roleUpsertedSchema } from "@intake/types";
import { beforeAll, expect, it } from "vitest";
import {
  addLead,
  createTeam,
  createUser,
  expectData,
  expectError,
  type Person,
  unique,
} from "../helpers/index.ts";

let admin: Person;
let manager: Person;

beforeAll(async () => {
  [admin, manager] = await Promise.all([
    createUser({ role: "admin" }),
    createUser({ role: "manager", team: await createTeam() }),
  ]);
});

const upsert = async (by: Person, args: Record<string, unknown>) =>
  by.client.rpc("role_upsert", args as never);

const make = async (args: Record<string, unknown>) =>
  roleUpsertedSchema.parse(expectData(await upsert(admin, args)));

it("[D3-035] lists id, name, description, permissions and is_system of every role", async () => {
  const roles = roleSchema
    .array()
    .parse(expectData(await manager.client.from("roles_with_permissions").select()));
  const counselor = roles.find((role) => role.key === "counselor");
  expect(counselor).toMatchObject({ name: "Counselor", is_system: true, data_scope: "own" });
  expect(counselor?.permissions).toContain("leads.create");
  const nested = await admin.client.from("roles").select("*,role_permissions(permission)");
  expect(expectData(nested).length).toBeGreaterThanOrEqual(3);
});

it("[D3-036] [D3-056] makes a role that its holders have at once", async () => {
  const role = await make({
    p_name: unique("Desk"),
    p_description: "Enters leads",
    p_permissions: ["leads.create"],
  });
  expect(role).toMatchObject({
    description: "Enters leads",
    permissions: ["leads.create"],
    is_system: false,
    data_scope: "own",
  });
  const person = await createUser();
  const given = { p_user_id: person.id, p_role: role.key };
  expect((await admin.client.rpc("user_set_access", given)).error).toBeNull();
  const lead = await addLead(person);
  const change = await person.client
    .from("leads")
    .update({ name: "Changed" })
    .eq("id", lead.id)
    .select();
  expect(change.data).toEqual([]);
});

it("[D3-037] changes what a role may do, with the next request", async () => {
  const role = await make({ p_name: unique("Desk"), p_permissions: ["leads.create"] });
  const person = await createUser({ role: role.key });
  const lead = await addLead(person);
  const changed = await make({
    p_id: role.id,
    p_permissions: ["leads.create", "leads.update"],
  });
  expect(changed).toEqual({ ...role, permissions: ["leads.create", "leads.update"] });
  const update = async (name: string) =>
    (await person.client.from("leads").update({ name }).eq("id", lead.id).select()).data?.length;
  expect(await update("One")).toBe(1);
  await make({ p_id: role.id, p_permissions: [] });
  expect(await update("Two")).toBe(0);
  const denied = await person.client.from("leads").insert({ name: unique("Lead") });
  expectError(denied, { code: "42501" });
});

it("[D3-038] [D3-056] deletes a role of one's own, never a built-in one or one somebody has", async () => {
  const role = await make({ p_name: unique("Desk") });
  const holder = await createUser({ role: role.key });
  const drop = async (by: Person, key: string) =>
    by.client.from("roles").delete().eq("key", key).select("key");
  for (const key of ["admin", "manager", "counselor"]) {
    expectError(await drop(admin, key), { code: "PT409", details: "role_is_built_in" });
  }
  expectError(await drop(admin, role.key), { code: "PT409", details: "role_in_use" });
  await admin.client.rpc("user_set_access", { p_user_id: holder.id, p_role: "counselor" });
  expect((await drop(manager, role.key)).data).toEqual([]);
  expect((await drop(admin, role.key)).data).toEqual([{ key: role.key }]);
});

it("refuses what is not there and who may not", async () => {
  const name = unique("Desk");
  await make({ p_name: name });
  expectError(await upsert(admin, { p_name: name.toUpperCase() }), {
    code: "PT409",
    details: "role_exists",
  });
  expectError(await upsert(admin, { p_name: "X", p_permissions: ["a.b"] }), {
    code: "PT422",
    details: "permission_unknown",
  });
  expectError(await upsert(manager, { p_name: unique("Desk") }), {
    code: "42501",
    details: "permission_denied",
  });
});

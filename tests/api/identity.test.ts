import { beforeAll, describe, expect, it } from "vitest";
import { profileSchema, userProfileSchema } from "../../packages/types/src/identity.ts";
import {
  createTeam,
  createUser,
  expectData,
  expectError,
  type Person,
  sql,
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

describe("profiles", () => {
  it("[D0-044] reads a profile in the columns of its document", async () => {
    const { data, error } = await manager.client
      .from("user_profiles")
      .select()
      .eq("user_id", counselor.id)
      .single();
    expect(error).toBeNull();
    expect(userProfileSchema.parse(data)).toMatchObject({
      full_name: "Chetan Kumar",
      email: counselor.email,
      role: "counselor",
      status: "active",
    });
  });

  it("[D0-045] [D0-078] lets people keep their own name, phone, department, avatar and preferences", async () => {
    const preferences = { notifications: { email: true, sms: false }, timezone: "Asia/Kolkata" };
    const { data, error } = await counselor.client
      .from("profiles")
      .update({
        full_name: "Chetan K.",
        phone: "98765 43210",
        department: "Admissions",
        designation: "Senior Counselor",
        avatar_url: "https://example.test/chetan.png",
        timezone: "Asia/Kolkata",
        preferences,
      })
      .eq("id", counselor.id)
      .select()
      .single();
    expect(error).toBeNull();
    expect(profileSchema.parse(data)).toMatchObject({
      full_name: "Chetan K.",
      phone: "+919876543210",
      department: "Admissions",
      designation: "Senior Counselor",
      avatar_url: "https://example.test/chetan.png",
      preferences,
    });
    const renamed = await counselor.client.from("profiles").update({ full_name: "Chetan Kumar" });
    expectError(renamed, { code: "21000" });
  });

  it("does not let people change their role, their state or somebody else", async () => {
    const [role] = await sql()`select id from public.roles where key = 'admin'`;
    const own = (change: Record<string, unknown>) =>
      counselor.client
        .from("profiles")
        .update(change as never)
        .eq("id", counselor.id);
    for (const change of [{ role_id: role?.id }, { is_active: true }, { max_open_leads: 1 }]) {
      expectError(await own(change), { code: "42501", status: 403 });
    }
    const other = counselor.client.from("profiles").update({ full_name: "X" }).eq("id", manager.id);
    expect((await other.select()).data).toEqual([]);
    expect((await counselor.client.rpc("me")).data).toMatchObject({ role: "counselor" });
  });

  it("does not believe what an account says of itself", async () => {
    const { client, id } = await createUser({ team });
    const { error } = await client.auth.updateUser({ data: { role: "admin", is_active: true } });
    expect(error).toBeNull();
    await client.auth.refreshSession();
    expect((await client.rpc("me")).data).toMatchObject({ id, role: "counselor" });
  });
});

describe("teams", () => {
  it("are made by administrators, seen by their people", async () => {
    const name = unique("Evening");
    expectError(await manager.client.from("teams").insert({ name }), { code: "42501" });
    const made = await admin.client.from("teams").insert({ name }).select("id").single();
    const { id } = expectData(made);
    const member = { team_id: id, user_id: manager.id, is_manager: true };
    expectError(await manager.client.from("team_members").insert(member), { code: "42501" });
    expectData(await admin.client.from("team_members").insert(member).select());
    const seen = await manager.client.from("team_members").select("user_id").eq("team_id", id);
    expect(seen.data).toEqual([{ user_id: manager.id }]);
    expectData(await admin.client.from("teams").delete().eq("id", id).select());
  });

  it("hold a person once, as a member of one team", async () => {
    const other = await createTeam();
    const second = { team_id: other.id, user_id: counselor.id };
    expectError(await admin.client.from("team_members").insert(second), {
      code: "23505",
      status: 409,
    });
  });
});

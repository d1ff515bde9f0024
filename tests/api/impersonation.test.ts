/** An administrator looks with somebody's eyes: sees what they see, and can touch nothing. */

import { impersonatedSchema, impersonationSchema } from "@intake/types";
import { beforeAll, expect, it } from "vitest";
import {
  addLead,
  createTeam,
  createUser,
  expectData,
  expectError,
  invoke,
  type Person,
  signIn,
  stack,
  withToken,
} from "../helpers/index.ts";

let admin: Person;
let counselor: Person;
let manager: Person;

beforeAll(async () => {
  const team = await createTeam();
  [admin, counselor, manager] = await Promise.all([
    createUser({ role: "admin" }),
    createUser({ team }),
    createUser({ role: "manager", team }),
  ]);
});

const ask = async (by: Person, whom: Person, reason = "They cannot see their leads") =>
  invoke(by, "POST", `admin/users/${whom.id}/impersonate`, { reason });

async function eyesOf(whom: Person, by = admin) {
  const answer = await ask(by, whom);
  expect(answer.status).toBe(201);
  const made = impersonatedSchema.parse(answer.body);
  return { ...made, client: withToken(made.impersonation_token) };
}

it("[D3-033] answers impersonation_token and expires_at, with which one sees what they see", async () => {
  const lead = await addLead(counselor);
  await addLead(await createUser());
  const before = Date.now();
  const { client, expires_at } = await eyesOf(counselor);
  expect(new Date(expires_at).getTime()).toBeGreaterThan(before);
  expect(new Date(expires_at).getTime()).toBeLessThanOrEqual(Date.now() + 10 * 60_000);
  expect(expectData(await client.rpc("me"))).toMatchObject({ id: counselor.id });
  const { data } = await client.from("leads").select("id");
  expect(data).toEqual([{ id: lead.id }]);
  // Their own session is as it was.
  expect(expectData(await counselor.client.rpc("me"))).toMatchObject({ id: counselor.id });
});

it("[D3-033] writes nothing, anywhere", async () => {
  const lead = await addLead(counselor);
  const { client, impersonation_token } = await eyesOf(counselor);
  const readOnly = { code: "42501", details: "impersonation_is_read_only" };
  expectError(await client.from("leads").insert({ name: "Mine" }), readOnly);
  expectError(await client.from("leads").update({ name: "X" }).eq("id", lead.id), readOnly);
  expectError(await client.rpc("agent_heartbeat"), readOnly);
  const stored = await client.storage
    .from("note-attachments")
    .upload(`${lead.id}/x.txt`, new Blob(["x"]), { contentType: "text/plain" });
  expect(stored.error).not.toBeNull();
  // Auth takes the token for nothing, so neither password nor address can be changed with it.
  const auth = await fetch(`${stack().url}/auth/v1/user`, {
    method: "PUT",
    headers: {
      apikey: stack().publishableKey,
      authorization: `Bearer ${impersonation_token}`,
      "content-type": "application/json",
    },
    body: JSON.stringify({ password: "Another-password-2026" }),
  });
  expect(auth.status).toBe(403);
  await signIn(counselor.email);
  // Nor do functions.
  const refused = await client.functions.invoke("admin/users", { method: "POST", body: {} });
  expect(refused.response?.status).toBe(401);
});

it("[D3-033] is never of an administrator, of oneself, or by somebody who may not", async () => {
  const other = await createUser({ role: "admin" });
  const inactive = await createUser({ isActive: false });
  for (const [by, whom, status, code] of [
    [admin, other, 403, "impersonation_refused"],
    [admin, admin, 403, "impersonation_refused"],
    [admin, inactive, 403, "impersonation_refused"],
    [manager, counselor, 403, "permission_denied"],
    [counselor, manager, 403, "permission_denied"],
  ] as const) {
    const answer = await ask(by, whom);
    expect([answer.status, answer.code]).toEqual([status, code]);
  }
  expect((await ask(admin, counselor, " ")).status).toBe(422);
});

it("[D3-033] is known to both and over when either ends it, or the administrator signs out", async () => {
  const one = await createUser({ role: "admin" });
  const { client } = await eyesOf(counselor, one);
  const rows = impersonationSchema
    .array()
    .parse(
      expectData(
        await counselor.client
          .from("impersonations")
          .select("id, user_id, impersonator_id, reason, started_at, expires_at, ended_at")
          .eq("impersonator_id", one.id),
      ),
    );
  expect(rows).toMatchObject([{ user_id: counselor.id, reason: "They cannot see their leads" }]);
  const audited = await admin.client
    .from("audit_logs")
    .select("action, user_id, record_id")
    .eq("user_id", one.id)
    .eq("action", "impersonate");
  expect(audited.data).toEqual([
    { action: "impersonate", user_id: one.id, record_id: counselor.id },
  ]);
  const id = String(rows[0]?.id);
  expectError(await manager.client.rpc("impersonation_end", { p_id: id }), {
    code: "PT404",
    details: "not_found",
  });
  expect((await counselor.client.rpc("impersonation_end", { p_id: id })).error).toBeNull();
  expectError(await client.rpc("me"), { code: "42501", details: "account_inactive" });

  const second = await eyesOf(counselor, one);
  expect(expectData(await second.client.rpc("me"))).toMatchObject({ id: counselor.id });
  await one.client.auth.signOut();
  expectError(await second.client.rpc("me"), { code: "42501", details: "account_inactive" });
});

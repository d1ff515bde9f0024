/** Where somebody is signed in, and signing them out at once. */
import { userSessionSchema } from "@intake/types";
import { expect, it } from "vitest";
import { createUser, expectData, expectError, signIn } from "../helpers/index.ts";

it("[D0-046] lists somebody's sessions, one's own or as an administrator", async () => {
  const [admin, person] = await Promise.all([createUser({ role: "admin" }), createUser()]);
  await signIn(person.email);
  const own = userSessionSchema.array().parse(expectData(await person.client.rpc("list_sessions")));
  expect(own.length).toBe(2);
  expect(own.filter((session) => session.is_current).length).toBe(1);
  expect(own.every((session) => session.user_id === person.id)).toBe(true);
  const seen = expectData(await admin.client.rpc("list_sessions", { p_user_id: person.id }));
  expect(seen.map((session) => session.id)).toEqual(own.map((session) => session.id));
  const viewed = await admin.client.from("user_sessions").select("id").eq("user_id", person.id);
  expect(expectData(viewed).length).toBe(2);
  expectError(await person.client.rpc("list_sessions", { p_user_id: admin.id }), {
    code: "42501",
    details: "permission_denied",
  });
});

it("[D0-047] revokes a session with the next request, not with the token's end", async () => {
  const [admin, person] = await Promise.all([createUser({ role: "admin" }), createUser()]);
  const phone = await signIn(person.email);
  expect(expectData(await phone.rpc("me"))).toMatchObject({ id: person.id });
  const sessions = expectData(await person.client.rpc("list_sessions"));
  const lost = sessions.find((session) => !session.is_current);
  const revoke = async (by: typeof phone) =>
    by.rpc("revoke_session", { p_session_id: String(lost?.id) });
  expect((await revoke(person.client)).error).toBeNull();
  expectError(await phone.rpc("me"), { code: "42501", details: "account_inactive" });
  expectError(await revoke(person.client), { code: "PT404", details: "not_found" });
  const [rest] = expectData(await admin.client.rpc("list_sessions", { p_user_id: person.id }));
  expectError(
    await (await createUser()).client.rpc("revoke_session", { p_session_id: String(rest?.id) }),
    { code: "PT404", details: "not_found" },
  );
  await admin.client.rpc("revoke_session", { p_session_id: String(rest?.id) });
  expectError(await person.client.rpc("me"), { code: "42501", details: "account_inactive" });
});

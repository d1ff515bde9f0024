import { randomUUID } from "node:crypto";
import { createClient, type SupabaseClient } from "@supabase/supabase-js";
import { afterAll, describe, expect, it } from "vitest";
import WebSocket from "ws";
import { service, sql, stack, uniqueEmail } from "../helpers/index.ts";

const password = "Correct-horse-1";

/** A client of its own, so that tests do not share a session. */
function visitor(headers: Record<string, string> = {}): SupabaseClient {
  return createClient(stack().url, stack().publishableKey, {
    auth: { persistSession: false, autoRefreshToken: false },
    global: { headers },
    realtime: { transport: WebSocket as never },
  });
}

const made: string[] = [];

async function create(attributes: Record<string, unknown> = {}) {
  const email = uniqueEmail("auth");
  const { data, error } = await service().auth.admin.createUser({
    email,
    password,
    email_confirm: true,
    ...attributes,
  });
  if (error) throw error;
  made.push(data.user.id);
  return { ...data.user, email };
}

async function signedIn(email: string) {
  const client = visitor();
  const { data, error } = await client.auth.signInWithPassword({ email, password });
  if (error) throw error;
  return { client, session: data.session };
}

afterAll(async () => {
  for (const id of made) await service().auth.admin.deleteUser(id);
});

describe("creating users", () => {
  it("answers with the user as GoTrue prints it, and the password signs in", async () => {
    const email = uniqueEmail("Ada");
    const { data, error } = await service().auth.admin.createUser({
      email,
      password,
      email_confirm: true,
      user_metadata: { full_name: "Ada" },
      app_metadata: { plan: "free" },
    });
    expect(error).toBeNull();
    const user = data.user!;
    made.push(user.id);
    expect(user).toMatchObject({
      aud: "authenticated",
      role: "authenticated",
      email: email.toLowerCase(),
      phone: "",
      is_anonymous: false,
      user_metadata: { full_name: "Ada", email_verified: true },
      app_metadata: { plan: "free", provider: "email", providers: ["email"] },
      identities: [{ provider: "email", id: user.id, user_id: user.id }],
    });
    expect(user.email_confirmed_at).toBeTruthy();
    const { session } = await signedIn(email);
    expect(session!.user.id).toBe(user.id);
  });

  it("refuses an address that is taken, whatever its case", async () => {
    const { email } = await create();
    const { error } = await service().auth.admin.createUser({ email: email.toUpperCase() });
    expect(error).toMatchObject({ status: 422, code: "email_exists" });
  });

  it.each([
    [{}, "Cannot create a user without either an email or phone"],
    [{ email: "nowhere" }, "Unable to validate email address: invalid format"],
    [
      { email: "a@b.example", password: "x".repeat(73) },
      "bcrypt: password length exceeds 72 bytes",
    ],
    [{ email: "a@b.example", ban_duration: "1d" }, 'time: unknown unit "d" in duration "1d"'],
    [{ email: "a@b.example", id: "7" }, "ID must conform to the uuid v4 format"],
  ])("refuses %j", async (attributes, message) => {
    const { error } = await service().auth.admin.createUser(attributes);
    expect(error).toMatchObject({ status: 400, code: "validation_failed" });
    expect(error!.message).toContain(message);
  });

  it("does not confirm the address unless told to", async () => {
    const { email } = await create({ email_confirm: false });
    const { error } = await visitor().auth.signInWithPassword({ email, password });
    expect(error).toMatchObject({ status: 400, code: "email_not_confirmed" });
  });

  it("takes a wanted id and a ready bcrypt hash", async () => {
    const id = randomUUID();
    const password_hash = "$2b$04$6eT62bd7yajga.mVmH8no.xHfd76l5LYtdmVdac0bus1d3tWzoKiK";
    const user = await create({ id, password: undefined, password_hash });
    expect(user.id).toBe(id);
    expect((await signedIn(user.email)).session!.user.id).toBe(id);
  });
});

describe("who may administer", () => {
  const ask = (headers: Record<string, string>) =>
    fetch(`${stack().url}/auth/v1/admin/users`, { headers });

  it("refuses a user's token with not_admin, in both error shapes", async () => {
    const { email } = await create();
    const { session } = await signedIn(email);
    const headers = {
      apikey: stack().publishableKey,
      authorization: `Bearer ${session!.access_token}`,
    };
    const old = await ask(headers);
    expect(old.status).toBe(403);
    expect(await old.json()).toEqual({
      code: 403,
      error_code: "not_admin",
      msg: "User not allowed",
    });
    const current = await ask({ ...headers, "x-supabase-api-version": "2024-01-01" });
    expect(await current.json()).toEqual({ code: "not_admin", message: "User not allowed" });
    expect(current.headers.get("x-supabase-api-version")).toBe("2024-01-01");
    expect(current.headers.get("x-sb-error-code")).toBe("not_admin");
  });

  it("a user's token counts even beside the secret key", async () => {
    const { email } = await create();
    const { session } = await signedIn(email);
    const authorization = `Bearer ${session!.access_token}`;
    expect((await ask({ apikey: stack().secretKey, authorization })).status).toBe(403);
  });

  it("refuses the publishable key, no key, a wrong key and a forged token", async () => {
    const { error } = await visitor().auth.admin.listUsers();
    expect(error).toMatchObject({ status: 403, code: "not_admin" });
    expect((await ask({})).status).toBe(401);
    expect((await ask({ apikey: "sb_secret_wrong" })).status).toBe(401);
    const forged = await ask({ apikey: stack().publishableKey, authorization: "Bearer a.b.c" });
    expect(forged.status).toBe(403);
    expect(await forged.json()).toMatchObject({ error_code: "bad_jwt" });
  });
});

describe("reading users", () => {
  it("gets one by id, and user_not_found for none", async () => {
    const user = await create();
    const found = await service().auth.admin.getUserById(user.id);
    expect(found.data.user).toMatchObject({ id: user.id, email: user.email });
    const missing = await service().auth.admin.getUserById(randomUUID());
    expect(missing.error).toMatchObject({ status: 404, code: "user_not_found" });
  });

  it("lists newest first, in pages, with the total", async () => {
    const first = await create();
    const second = await create();
    // Newer than whoever other tests make meanwhile.
    for (const [id, seconds] of [
      [first.id, 0],
      [second.id, 1],
    ] as const) {
      await sql()`
        update auth.users set created_at = now() + interval '100 years' + make_interval(secs => ${seconds})
        where id = ${id}`;
    }
    const page = await service().auth.admin.listUsers({ page: 1, perPage: 2 });
    expect(page.error).toBeNull();
    expect(page.data.users.map((user) => user.id)).toEqual([second.id, first.id]);
    expect(page.data).toMatchObject({ aud: "authenticated", nextPage: 2 });
    const next = await service().auth.admin.listUsers({ page: 2, perPage: 1 });
    expect(next.data.users.map((user) => user.id)).toEqual([first.id]);
  });

  it("refuses a page that is no number", async () => {
    const response = await fetch(`${stack().url}/auth/v1/admin/users?page=x`, {
      headers: { apikey: stack().secretKey },
    });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error_code: "validation_failed" });
  });
});

describe("updating users", () => {
  it("merges metadata, a null removes its key", async () => {
    const user = await create({ user_metadata: { a: 1, b: 2 } });
    const { data } = await service().auth.admin.updateUserById(user.id, {
      user_metadata: { b: null, c: 3 },
      app_metadata: { plan: "paid" },
    });
    expect(data.user!.user_metadata).toEqual({ a: 1, c: 3, email_verified: true });
    expect(data.user!.app_metadata).toMatchObject({ plan: "paid", provider: "email" });
  });

  it("changes address and password, and a new password ends every session", async () => {
    const user = await create();
    const { session } = await signedIn(user.email);
    const email = uniqueEmail("moved");
    const { error } = await service().auth.admin.updateUserById(user.id, {
      email,
      email_confirm: true,
      password: "Another-horse-2",
    });
    expect(error).toBeNull();
    const signIn = await visitor().auth.signInWithPassword({ email, password: "Another-horse-2" });
    expect(signIn.error).toBeNull();
    expect(signIn.data.user!.identities![0]!.identity_data).toMatchObject({ email });
    const refreshed = await visitor().auth.refreshSession({
      refresh_token: session!.refresh_token,
    });
    expect(refreshed.error).toMatchObject({ code: "refresh_token_not_found" });
  });

  it("refuses a weak password", async () => {
    const user = await create();
    const { error } = await service().auth.admin.updateUserById(user.id, { password: "1" });
    expect(error).toMatchObject({ status: 422, code: "weak_password" });
  });
});

describe("bans", () => {
  it("refuse sign-in, refresh and the token that is still valid, until lifted", async () => {
    const user = await create();
    const { client, session } = await signedIn(user.email);
    const banned = await service().auth.admin.updateUserById(user.id, { ban_duration: "24h" });
    const until = Date.parse(
      (banned.data.user as unknown as { banned_until: string }).banned_until,
    );
    expect(Math.abs(until - Date.now() - 24 * 3_600_000)).toBeLessThan(10_000);

    const signIn = await visitor().auth.signInWithPassword({ email: user.email, password });
    expect(signIn.error).toMatchObject({ status: 400, code: "user_banned" });
    const refresh = await visitor().auth.refreshSession({ refresh_token: session!.refresh_token });
    expect(refresh.error).toMatchObject({ status: 400, code: "user_banned" });
    const me = await client.auth.getUser();
    expect(me.error).toMatchObject({ status: 403, code: "user_banned" });

    await service().auth.admin.updateUserById(user.id, { ban_duration: "none" });
    const again = await visitor().auth.signInWithPassword({ email: user.email, password });
    expect(again.error).toBeNull();
  });
});

describe("deleting users", () => {
  it("removes the user and its sessions", async () => {
    const user = await create();
    const { client } = await signedIn(user.email);
    const { error } = await service().auth.admin.deleteUser(user.id);
    expect(error).toBeNull();
    expect((await client.auth.getUser()).error).toMatchObject({ code: "user_not_found" });
    const again = await service().auth.admin.deleteUser(user.id);
    expect(again.error).toMatchObject({ status: 404, code: "user_not_found" });
  });

  it("softly: the row stays, nothing in it tells whose it was, the address is free again", async () => {
    const user = await create({ user_metadata: { full_name: "Ada" } });
    await service().auth.admin.deleteUser(user.id, true);
    const { data } = await service().auth.admin.getUserById(user.id);
    expect(data.user!.email).not.toContain("@");
    expect(data.user).toMatchObject({ user_metadata: {}, app_metadata: {} });
    expect((data.user as unknown as { deleted_at: string }).deleted_at).toBeTruthy();
    const { error } = await visitor().auth.signInWithPassword({ email: user.email, password });
    expect(error).toMatchObject({ code: "invalid_credentials" });
    await create({ email: user.email });
  });
});

describe("links and invitations", () => {
  it("an invited person accepts with the token and is signed in, once", async () => {
    const email = uniqueEmail("invited");
    const { data, error } = await service().auth.admin.generateLink({
      type: "invite",
      email,
      options: { data: { full_name: "Invited" } },
    });
    expect(error).toBeNull();
    made.push(data.user!.id);
    expect(data.user).toMatchObject({ email, user_metadata: { full_name: "Invited" } });
    expect(data.user!.invited_at).toBeTruthy();
    expect(data.properties!.verification_type).toBe("invite");
    expect(data.properties!.action_link).toContain("/auth/v1/verify?token=");
    const token_hash = data.properties!.hashed_token;
    const accepted = await visitor().auth.verifyOtp({ token_hash, type: "invite" });
    expect(accepted.error).toBeNull();
    expect(accepted.data.session).not.toBeNull();
    const twice = await visitor().auth.verifyOtp({ token_hash, type: "invite" });
    expect(twice.error).toMatchObject({ code: "otp_expired" });
    const known = await service().auth.admin.inviteUserByEmail(email);
    expect(known.error).toMatchObject({ status: 422, code: "email_exists" });
  });

  it("a clicked invitation leads to the site with a session and its type", async () => {
    const email = uniqueEmail("clicked");
    const { data } = await service().auth.admin.generateLink({ type: "invite", email });
    made.push(data.user!.id);
    const response = await fetch(data.properties!.action_link, { redirect: "manual" });
    expect(response.status).toBe(303);
    const fragment = new URLSearchParams(response.headers.get("location")!.split("#")[1]);
    expect(fragment.get("type")).toBe("invite");
    expect(fragment.get("access_token")).toBeTruthy();
  });

  it("inviting by mail creates the person, unconfirmed", async () => {
    const email = uniqueEmail("mailed");
    const { data, error } = await service().auth.admin.inviteUserByEmail(email, {
      data: { full_name: "Mailed" },
    });
    expect(error).toBeNull();
    made.push(data.user!.id);
    expect(data.user).toMatchObject({ email, role: "authenticated" });
    expect(data.user!.email_confirmed_at).toBeUndefined();
  });

  it.each(["magiclink", "recovery"] as const)("%s signs a known person in", async (type) => {
    const user = await create();
    const { data, error } = await service().auth.admin.generateLink({ type, email: user.email });
    expect(error).toBeNull();
    const { email_otp, hashed_token } = data.properties!;
    expect(email_otp).toMatch(/^\d{6,10}$/);
    const verified = await visitor().auth.verifyOtp({ token_hash: hashed_token, type });
    expect(verified.data.user!.id).toBe(user.id);
  });

  it("a magic link for an unknown address signs up; recovery for one is refused", async () => {
    const email = uniqueEmail("new");
    const link = await service().auth.admin.generateLink({ type: "magiclink", email });
    made.push(link.data.user!.id);
    expect(link.data.properties!.verification_type).toBe("signup");
    const missing = await service().auth.admin.generateLink({
      type: "recovery",
      email: uniqueEmail("missing"),
    });
    expect(missing.error).toMatchObject({ status: 404, code: "user_not_found" });
  });

  it("leads nowhere but to the site and the allowed addresses", async () => {
    const user = await create();
    const { data } = await service().auth.admin.generateLink({
      type: "magiclink",
      email: user.email,
      options: { redirectTo: "https://evil.example/" },
    });
    expect(data.properties!.redirect_to).not.toContain("evil");
  });

  it("does not let a banned person in", async () => {
    const user = await create();
    const { data } = await service().auth.admin.generateLink({
      type: "magiclink",
      email: user.email,
    });
    await service().auth.admin.updateUserById(user.id, { ban_duration: "1h" });
    const token_hash = data.properties!.hashed_token;
    const verified = await visitor().auth.verifyOtp({ token_hash, type: "magiclink" });
    expect(verified.error).toMatchObject({ status: 403, code: "user_banned" });
    const clicked = await fetch(data.properties!.action_link, { redirect: "manual" });
    expect(clicked.headers.get("location")).toContain("error_code=user_banned");
  });
});

describe("signing out", () => {
  it("ends the sessions of a token that an administrator passes on", async () => {
    const user = await create();
    const { session } = await signedIn(user.email);
    const { error } = await service().auth.admin.signOut(session!.access_token, "global");
    expect(error).toBeNull();
    const refresh = await visitor().auth.refreshSession({ refresh_token: session!.refresh_token });
    expect(refresh.error).toMatchObject({ code: "refresh_token_not_found" });
  });
});

/** Making a person, over HTTP: account, profile, role and team in one go, or nothing at all. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { meSchema } from "../../packages/types/src/access-control.ts";
import { userCreatedSchema } from "../../packages/types/src/agents.ts";
import { createIdentifyCaller } from "../../supabase/functions/_shared/caller.ts";
import { connect, type Database } from "../../supabase/functions/_shared/db.ts";
import { createLogger } from "../../supabase/functions/_shared/log.ts";
import { createAccounts } from "../../supabase/functions/admin/accounts.ts";
import { createAdmin } from "../../supabase/functions/admin/app.ts";
import type { Accounts } from "../../supabase/functions/admin/deps.ts";
import { createIntegrations, createUsers } from "../../supabase/functions/admin/store.ts";
import {
  anon,
  createTeam,
  createUser,
  expectData,
  type Person,
  service,
  signIn,
  sql,
  stack,
  type Team,
  unique,
  uniqueEmail,
  uniquePhone,
} from "../helpers/index.ts";

const password = "Intake-demo-2026";

let db: Database;
let admin: Person;
let manager: Person;
let team: Team;

beforeAll(async () => {
  db = connect(stack().dbUrl, { name: "admin-users-test", max: 2 });
  team = await createTeam();
  [admin, manager] = await Promise.all([
    createUser({ role: "admin" }),
    createUser({ role: "manager", team }),
  ]);
});

afterAll(async () => {
  await db?.close();
});

interface Refusal {
  code: string;
  details: string;
}

async function request(by: Person, body: unknown) {
  const { data } = await by.client.auth.getSession();
  return {
    method: "POST",
    body: JSON.stringify(body),
    headers: {
      "content-type": "application/json",
      authorization: `Bearer ${data.session?.access_token}`,
    },
  };
}

/** As a frontend does: through the gateway, to the function that runs there. */
const post = async (by: Person, body: unknown) =>
  fetch(`${stack().url}/functions/v1/admin/users`, await request(by, body));

/** In this process, with an Auth server that does what a test needs of it. */
async function postWith(changed: Partial<Accounts>, body: unknown) {
  const accounts = createAccounts({ url: stack().url, key: stack().secretKey });
  const app = createAdmin({
    identify: createIdentifyCaller({ url: stack().url, apiKey: stack().publishableKey }),
    integrations: createIntegrations(db),
    testers: {},
    users: createUsers(db),
    accounts: { ...accounts, ...changed },
    log: createLogger({}, () => {}),
  });
  return app.request("/admin/users", await request(admin, body));
}

const accountOf = async (email: string) => {
  const rows = await sql()<{ id: string }[]>`
    select id from auth.users where email = ${email.toLowerCase()}`;
  return rows[0]?.id;
};

const person = (more: Record<string, unknown> = {}) => ({
  full_name: unique("New"),
  email: uniqueEmail("new"),
  ...more,
});

describe("POST /admin/users", () => {
  it("[D4-034] makes an agent who signs in with the password given, in role and team", async () => {
    const phone = uniquePhone();
    const body = person({
      email: uniqueEmail("New.Agent"),
      phone,
      department: "Admissions",
      team_id: team.id,
      password,
    });
    const response = await post(admin, body);
    expect(response.status).toBe(201);
    const made = userCreatedSchema.parse(await response.json());
    expect(made.invite_sent).toBe(false);
    const shown = await manager.client.from("agents").select().eq("id", made.user_id).single();
    expect(expectData(shown)).toMatchObject({
      full_name: body.full_name,
      email: body.email.toLowerCase(),
      phone,
      role: "counselor",
      department: "Admissions",
      team_id: team.id,
      is_active: true,
      status: "offline",
    });
    const client = await signIn(body.email.toLowerCase());
    expect(expectData(await client.rpc("me"))).toMatchObject({ role: "counselor" });
    const [entry] = await sql()`
      select user_id from public.audit_logs
      where resource = 'users' and action = 'create' and record_id = ${made.user_id}`;
    expect(entry).toEqual({ user_id: admin.id });
  });

  it("[D3-030] [D3-075] invites by mail, and answers user_id and invite_sent", async () => {
    const { full_name, email } = person();
    const phone = uniquePhone();
    const body = { full_name, email, phone, role: "manager", status: "active", send_invite: true };
    const response = await post(admin, body);
    expect(response.status).toBe(201);
    const answer = userCreatedSchema.parse(await response.json());
    expect(answer).toEqual({ user_id: expect.any(String), invite_sent: true });
    const { data } = await service().auth.admin.getUserById(answer.user_id);
    expect(data.user?.invited_at).toBeTruthy();
    expect(data.user?.email_confirmed_at).toBeFalsy();
    const [profile] = await sql()`
      select r.key as role, p.is_active from public.profiles p join public.roles r on r.id = p.role_id
      where p.id = ${answer.user_id}`;
    expect(profile).toEqual({ role: "manager", is_active: true });
  });

  it("answers a link that signs the invited person in, where no mail is wanted", async () => {
    const response = await post(admin, person({ send_invite: false, team_id: team.id }));
    const made = userCreatedSchema.parse(await response.json());
    expect(made.invite_sent).toBe(false);
    const token_hash = new URL(made.invite_link ?? "").searchParams.get("token") ?? "";
    const client = anon();
    const accepted = await client.auth.verifyOtp({ token_hash, type: "invite" });
    expect(accepted.data.user?.id).toBe(made.user_id);
    const me = await client.rpc("me");
    expect(meSchema.parse(me.data).teams).toEqual([
      { id: team.id, name: team.name, is_manager: false },
    ]);
  });

  it("makes somebody who waits, if they are not active yet", async () => {
    const response = await post(admin, person({ status: "inactive", password }));
    const { user_id } = userCreatedSchema.parse(await response.json());
    const [profile] = await sql()`select is_active from public.profiles where id = ${user_id}`;
    expect(profile).toEqual({ is_active: false });
  });

  it("makes one person of an address, however often it is asked at once", async () => {
    const body = person({ password });
    const answers = await Promise.all([1, 2, 3, 4].map(() => post(admin, body)));
    expect(answers.map((answer) => answer.status).sort()).toEqual([201, 409, 409, 409]);
    const again = await post(admin, { ...body, email: body.email.toUpperCase() });
    expect(again.status).toBe(409);
    expect(await again.json()).toMatchObject({
      code: "PT409",
      details: `user_exists: ${body.email}`,
    });
    expect(await accountOf(body.email)).toBeDefined();
  });

  it("leaves an account alone that was there, though nobody has accepted its invitation", async () => {
    const waiting = await post(admin, person({ send_invite: false }));
    const { user_id } = userCreatedSchema.parse(await waiting.json());
    const [account] = await sql()<{ email: string }[]>`
      select email from auth.users where id = ${user_id}`;
    // Without its profile nothing but Auth knows of the address.
    await sql()`delete from public.profiles where id = ${user_id}`;
    const body = person({ email: account?.email, team_id: team.id });
    const response = await post(admin, body);
    expect(response.status).toBe(409);
    expect(await accountOf(body.email)).toBe(user_id);
    await service().auth.admin.deleteUser(user_id);
  });
});

describe("is refused, and nobody is made,", () => {
  it.each([
    ["a manager", () => manager],
    ["somebody whose session is over", () => goneAdmin],
  ])("to %s", async (_, by) => {
    const body = person({ password });
    const response = await post(by(), body);
    expect([401, 403]).toContain(response.status);
    expect(await accountOf(body.email)).toBeUndefined();
  });

  let goneAdmin: Person;

  beforeAll(async () => {
    goneAdmin = await createUser({ role: "admin" });
    const token = (await goneAdmin.client.auth.getSession()).data.session?.access_token;
    await sql()`delete from auth.sessions where user_id = ${goneAdmin.id}`;
    expect(token).toBeDefined();
  });

  it.each([
    ["without a name", { full_name: " " }, 422, "body_invalid: full_name"],
    ["with an address that is none", { email: "nowhere" }, 422, "email_invalid"],
    ["in a role that there is not", { role: "king" }, 422, "role_unknown: king"],
    ["in such a team", { team_id: crypto.randomUUID() }, 404, "not_found: team"],
    ["with a password and an invitation", { password, send_invite: true }, 422, "body_invalid"],
    ["with a field that there is not", { is_admin: true }, 422, "body_invalid"],
    ["with a number that is none", { phone: "12", password }, 422, "phone_invalid"],
  ])("%s", async (_, wrong, status, details) => {
    const body = { ...person(), ...wrong };
    const response = await post(admin, body);
    expect(response.status).toBe(status);
    expect(((await response.json()) as Refusal).details).toContain(details);
    expect(await accountOf(body.email)).toBeUndefined();
  });

  it("to who would give more than they have", async () => {
    const key = `office_${crypto.randomUUID().slice(0, 8)}`;
    await sql()`
      with made as (
        insert into public.roles (key, name, data_scope) values (${key}, ${key}, 'all') returning id
      )
      insert into public.role_permissions (role_id, permission)
      select made.id, held.permission
      from made, (
        select 'users.manage' as permission
        union
        select rp.permission from public.role_permissions rp
        join public.roles r on r.id = rp.role_id and r.key = 'counselor'
      ) held`;
    const officer = await createUser({ role: key });
    const body = person({ password });
    for (const wish of [{ role: "admin" }, { team_id: team.id }]) {
      const response = await post(officer, { ...body, ...wish });
      expect(response.status).toBe(403);
      expect(((await response.json()) as Refusal).details).toContain("permission_denied");
    }
    expect(await accountOf(body.email)).toBeUndefined();
    expect((await post(officer, body)).status).toBe(201);
  });
});

describe("takes the account back", () => {
  it("when the invitation cannot be sent", async () => {
    const body = person({ team_id: team.id });
    const fetcher: typeof fetch = async (input, init) =>
      String(input).includes("/invite")
        ? Response.json({ code: 500, msg: "Error sending invite email" }, { status: 500 })
        : fetch(input, init);
    const { invite } = createAccounts({
      url: stack().url,
      key: stack().secretKey,
      fetch: fetcher,
    });
    const response = await postWith({ invite }, body);
    expect(response.status).toBe(502);
    expect(await response.json()).toMatchObject({ details: "invitation_failed" });
    expect(await accountOf(body.email)).toBeUndefined();
    const left = await sql()`select from public.profiles where email = ${body.email}`;
    expect(left.length).toBe(0);
  });

  it("when the rights are gone by the time it is made", async () => {
    const accounts = createAccounts({ url: stack().url, key: stack().secretKey });
    const body = person({ password, team_id: team.id });
    const create: Accounts["create"] = async (...account) => {
      const id = await accounts.create(...account);
      await sql()`delete from public.teams where id = ${doomed.id}`;
      return id;
    };
    const doomed = await createTeam();
    const response = await postWith({ create }, { ...body, team_id: doomed.id });
    expect(response.status).toBeGreaterThanOrEqual(400);
    expect(await accountOf(body.email)).toBeUndefined();
  });

  it("and answers what went wrong first, when not even that works", async () => {
    const body = person();
    const refusing: Partial<Accounts> = {
      invite: async () => {
        throw new Error("mail");
      },
      remove: async () => {
        throw new Error("gone");
      },
    };
    const response = await postWith(refusing, body);
    expect(response.status).toBe(500);
    const id = await accountOf(body.email);
    expect(id).toBeDefined();
    await service().auth.admin.deleteUser(id!);
  });
});

describe("the Auth server", () => {
  const answering = (response: () => Response | Promise<Response>) =>
    createAccounts({ url: "http://auth.test", key: "k", fetch: async () => response() });

  it.each([
    [{ error_code: "email_exists" }, 422, 409, "user_exists: a@b.test"],
    [{ code: "email_exists" }, 422, 409, "user_exists: a@b.test"],
    [{ error_code: "weak_password" }, 422, 422, "password_refused"],
    [{ error_code: "validation_failed" }, 400, 422, "body_invalid"],
    [{}, 500, 503, "service_unavailable"],
  ])("answers %j with %i: %i", async (body, status, wanted, details) => {
    const { create } = answering(() => Response.json(body, { status }));
    const error = await create("a@b.test", "A", undefined).catch((thrown) => thrown);
    expect([error.status, error.body.details]).toEqual([wanted, details]);
  });

  it("may not answer at all", async () => {
    const { create } = answering(() => Promise.reject(new TypeError("fetch failed")));
    await expect(create("a@b.test", "A", undefined)).rejects.toMatchObject({ status: 503 });
  });
});

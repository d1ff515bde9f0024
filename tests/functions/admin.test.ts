/** Connecting an integration: who may, what is tried first, and where the credentials end up. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createIdentifyCaller } from "../../supabase/functions/_shared/caller.ts";
import { connect, type Database } from "../../supabase/functions/_shared/db.ts";
import { createLogger } from "../../supabase/functions/_shared/log.ts";
import {
  NotConnectedError,
  UnknownOutcomeError,
} from "../../supabase/functions/_shared/providers/outcome.ts";
import { createAccounts } from "../../supabase/functions/admin/accounts.ts";
import { createAdmin } from "../../supabase/functions/admin/app.ts";
import type { TestCredentials } from "../../supabase/functions/admin/deps.ts";
import { createIntegrations, createUsers } from "../../supabase/functions/admin/store.ts";
import { createUser, expectData, type Person, sql, stack } from "../helpers/index.ts";

let db: Database;
let admin: Person;
let counselor: Person;

beforeAll(async () => {
  db = connect(stack().dbUrl, { name: "admin-test", max: 2 });
  [admin, counselor] = await Promise.all([createUser({ role: "admin" }), createUser()]);
});

afterAll(async () => {
  await db?.close();
});

async function tokenOf(person: Person): Promise<string> {
  const { data } = await person.client.auth.getSession();
  return data.session?.access_token ?? "";
}

function appWith(test: TestCredentials) {
  return createAdmin({
    identify: createIdentifyCaller({ url: stack().url, apiKey: stack().publishableKey }),
    integrations: createIntegrations(db),
    testers: { whatsapp: test },
    users: createUsers(db),
    accounts: createAccounts({ url: stack().url, key: stack().secretKey }),
    log: createLogger({}, () => {}),
  });
}

const post = (token: string | null, body: unknown) => ({
  method: "POST",
  body: JSON.stringify(body),
  headers: {
    "content-type": "application/json",
    ...(token === null ? {} : { authorization: `Bearer ${token}` }),
  },
});

const good = { credentials: { access_token: "EAAB-secret" }, config: { phone_number_id: "1" } };
const path = "/admin/integrations/whatsapp/connect";
const works: TestCredentials = async () => {};

const stored = async () => {
  const rows = await sql()`
    select decrypted_secret from vault.decrypted_secrets where name = 'integration_whatsapp'`;
  return rows[0]?.decrypted_secret as string | undefined;
};

describe("connecting an integration", () => {
  it("is refused without a token, with a broken one, and with one that Auth does not know", async () => {
    const token = await tokenOf(admin);
    const [head, , signature] = token.split(".");
    const claims = { sub: admin.id, role: "authenticated", exp: 9999999999 };
    const forged = Buffer.from(JSON.stringify(claims)).toString("base64url");
    for (const bad of [null, "", "a.b.c", `${head}.${forged}.${signature}`, stack().secretKey]) {
      const response = await appWith(works).request(path, post(bad, good));
      expect(response.status).toBe(401);
      expect(await response.json()).toMatchObject({ details: "authentication_required" });
    }
  });

  it("is refused to who may not manage integrations, before anything is tried", async () => {
    let tried = false;
    const app = appWith(async () => {
      tried = true;
    });
    const response = await app.request(path, post(await tokenOf(counselor), good));
    expect(response.status).toBe(403);
    expect(await response.json()).toMatchObject({
      code: "42501",
      details: "permission_denied: integrations.manage",
    });
    expect(tried).toBe(false);
  });

  it("is refused for the token of a session that is over", async () => {
    const gone = await createUser({ role: "admin" });
    const token = await tokenOf(gone);
    await gone.client.auth.signOut();
    const response = await appWith(works).request(path, post(token, good));
    expect([401, 403]).toContain(response.status);
  });

  it.each([
    [
      "refuses the credentials",
      new NotConnectedError("Graph error 190"),
      422,
      "credentials_refused",
    ],
    ["cannot be asked", new UnknownOutcomeError("no answer in time"), 502, "provider_unreachable"],
  ])("stores nothing when the provider %s", async (_, error, status, code) => {
    const app = appWith(async () => {
      throw error;
    });
    const response = await app.request(path, post(await tokenOf(admin), good));
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ details: `${code}: ${error.message}` });
    expect(await stored()).toBeUndefined();
  });

  it("knows which there are, and which have an adapter", async () => {
    const token = await tokenOf(admin);
    const unknown = await appWith(works).request(
      "/admin/integrations/fax/connect",
      post(token, good),
    );
    expect(unknown.status).toBe(404);
    const later = await appWith(works).request(
      "/admin/integrations/stripe/connect",
      post(token, good),
    );
    expect(later.status).toBe(501);
  });

  it.each([
    ["no credentials", {}],
    ["credentials that are no texts", { credentials: { access_token: 1 } }],
    ["an empty one", { credentials: { access_token: "" } }],
  ])("refuses %s", async (_, body) => {
    const response = await appWith(works).request(path, post(await tokenOf(admin), body));
    expect(response.status).toBe(422);
    expect(await response.json()).toMatchObject({
      details: expect.stringContaining("body_invalid"),
    });
  });

  it("[D3-040] tries the credentials, keeps them in Vault alone, and says who did it", async () => {
    const seen: unknown[] = [];
    const app = appWith(async (credentials, config) => {
      seen.push({ credentials, config });
    });
    const response = await app.request(path, post(await tokenOf(admin), good));
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ type: "whatsapp", status: "connected" });
    expect(seen).toEqual([good]);
    expect(JSON.parse((await stored()) ?? "null")).toEqual(good.credentials);
    const shown = expectData(
      await admin.client.from("integrations_status").select("*").eq("type", "whatsapp").single(),
    );
    expect(shown).toMatchObject({
      status: "connected",
      has_credentials: true,
      config: good.config,
    });
    expect(JSON.stringify(shown)).not.toContain("EAAB");
    const [log] = await sql()`
      select user_id, status from public.integration_logs
      where integration_name = 'whatsapp' and activity_type = 'connect' order by created_at desc limit 1`;
    expect(log).toEqual({ user_id: admin.id, status: "success" });
    await admin.client.rpc("integration_disconnect", { p_type: "whatsapp" });
    expect(await stored()).toBeUndefined();
  });
});

describe("the admin function", () => {
  it("asks Meta itself, which does not take just any token", async () => {
    const url = `${stack().url}/functions/v1/admin/integrations/facebook/connect`;
    const body = { credentials: { access_token: "made up" }, config: { page_ids: ["1"] } };
    const response = await fetch(url, post(await tokenOf(admin), body));
    expect(response.status).toBe(422);
    expect(await response.json()).toMatchObject({
      details: "credentials_refused: Graph error 190, HTTP 401",
    });
  });
});

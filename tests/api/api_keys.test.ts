/** API keys as the settings page makes, lists, regenerates and revokes them, and what they open. */
import {
  apiKeyRevokedSchema,
  apiKeySchema,
  apiKeyShownSchema,
  parseFunctionError,
  settingsConfigSchema,
} from "@intake/types";
import { beforeAll, describe, expect, it } from "vitest";
import {
  createUser,
  expectData,
  expectError,
  type Person,
  sql,
  stack,
  unique,
} from "../helpers/index.ts";

let admin: Person;
let manager: Person;

beforeAll(async () => {
  [admin, manager] = await Promise.all([
    createUser({ role: "admin" }),
    createUser({ role: "manager" }),
  ]);
});

async function makeKey(more: { p_scopes?: string[]; p_expires_at?: string } = {}) {
  const made = await admin.client.rpc("api_key_create", { p_name: unique("Key"), ...more });
  return apiKeyShownSchema.parse(expectData(made));
}

/** Whether the key opens the public API, asked over HTTP. */
async function tryKey(key: string): Promise<string> {
  const response = await fetch(`${stack().url}/functions/v1/capture/form`, {
    headers: { "x-api-key": key },
  });
  if (response.ok) return "ok";
  return (await parseFunctionError(response))?.details?.split(":")[0] ?? "";
}

const forms = { p_scopes: ["forms.read"] };

describe("an API key", () => {
  it("[D3-044] is generated with its whole key shown once", async () => {
    const made = await makeKey(forms);
    expect(made).toMatchObject({ scopes: ["forms.read"], expires_at: null });
    expect(await tryKey(made.api_key)).toBe("ok");
    const [kept] = await sql()<{ row: string }[]>`
      select to_jsonb(k)::text as row from public.api_keys k where k.id = ${made.key_id}`;
    expect(kept?.row).not.toContain(made.api_key.split("_")[2]);
  });

  it("[D3-043] is listed with its name, prefix, scopes and times", async () => {
    const made = await makeKey({ ...forms, p_expires_at: "2100-01-01T00:00:00Z" });
    const rows = expectData(
      await admin.client
        .from("api_keys")
        .select("id,name,key_prefix,scopes,last_used_at,expires_at,revoked_at")
        .eq("id", made.key_id),
    );
    expect(rows).toEqual([
      {
        id: made.key_id,
        name: made.name,
        key_prefix: made.api_key.slice(0, 15),
        scopes: ["forms.read"],
        last_used_at: null,
        expires_at: "2100-01-01T00:00:00+00:00",
        revoked_at: null,
      },
    ]);
    expect(expectData(await manager.client.from("api_keys").select("id"))).toEqual([]);
  });

  it("[D1-031] is shown masked wherever it is shown again", async () => {
    const made = await makeKey(forms);
    const masked = `${made.api_key.slice(0, 15)}_••••${made.api_key.slice(-4)}`;
    const row = await admin.client
      .from("api_keys")
      .select("id,name,key_prefix,last4,masked_key,scopes,expires_at,revoked_at,last_used_at")
      .eq("id", made.key_id)
      .single();
    expect(apiKeySchema.parse(expectData(row)).masked_key).toBe(masked);
    const config = expectData(await admin.client.rpc("settings_config"));
    expect(JSON.stringify(config)).toContain(masked);
    expect(JSON.stringify(config)).not.toContain(made.api_key.split("_")[2]);
  });

  it("[D3-045] is revoked, which stops it at once", async () => {
    const made = await makeKey(forms);
    expect(await tryKey(made.api_key)).toBe("ok");
    const answer = await admin.client.rpc("api_key_revoke", { p_id: made.key_id });
    expect(apiKeyRevokedSchema.parse(expectData(answer)).key_id).toBe(made.key_id);
    expect(await tryKey(made.api_key)).toBe("api_key_revoked");
    expectError(await manager.client.rpc("api_key_revoke", { p_id: made.key_id }), {
      code: "42501",
      details: "permission_denied",
    });
  });

  it("[D1-017] is regenerated, which stops the old one at once or after an overlap", async () => {
    const made = await makeKey(forms);
    const rotate = async (more: object) =>
      apiKeyShownSchema.parse(
        expectData(await admin.client.rpc("api_key_rotate", { p_key_id: made.key_id, ...more })),
      );
    const second = await rotate({ p_overlap_minutes: 5 });
    expect(second.key_id).toBe(made.key_id);
    expect([await tryKey(made.api_key), await tryKey(second.api_key)]).toEqual(["ok", "ok"]);
    const third = await rotate({});
    expect([await tryKey(second.api_key), await tryKey(third.api_key)]).toEqual([
      "api_key_invalid",
      "ok",
    ]);
  });

  it("that has expired, or may not do this, is refused by name", async () => {
    const expired = await makeKey(forms);
    await sql()`update public.api_keys set expires_at = now() where id = ${expired.key_id}`;
    expect(await tryKey(expired.api_key)).toBe("api_key_expired");
    expect(await tryKey((await makeKey()).api_key)).toBe("scope_missing");
    expect(await tryKey("intake_guess")).toBe("api_key_invalid");
  });

  it("opens nothing of the Data API", async () => {
    const { api_key: key } = await makeKey();
    const headers = { apikey: stack().publishableKey, "x-api-key": key };
    const leads = await fetch(`${stack().url}/rest/v1/leads?select=id`, { headers });
    expect(leads.status).toBe(401);
    const bearer = { apikey: key, authorization: `Bearer ${key}` };
    const refused = await fetch(`${stack().url}/rest/v1/leads?select=id`, { headers: bearer });
    expect(refused.status).toBe(401);
  });

  it("leaves in the trail who made and who ended it", async () => {
    const made = await makeKey();
    await admin.client.rpc("api_key_revoke", { p_id: made.key_id });
    const entries = await sql()<{ action: string; user_id: string; text: string }[]>`
      select action, user_id, coalesce(before::text, '') || after::text as text
      from public.audit_logs where resource = 'api_keys' and record_id = ${made.key_id} order by id`;
    expect(entries.map(({ action, user_id }) => [action, user_id])).toEqual([
      ["insert", admin.id],
      ["update", admin.id],
    ]);
    expect(entries.map(({ text }) => text).join()).not.toMatch(/[0-9a-f]{64}/);
  });
});

describe("the settings page", () => {
  it("[D1-016] is given masked keys and the URLs of webhooks", async () => {
    const made = await makeKey();
    const config = settingsConfigSchema.parse(
      expectData(await admin.client.rpc("settings_config")),
    );
    const { key_id: id, name, key_prefix, last4, scopes } = made;
    expect(config.api_keys).toContainEqual(
      expect.objectContaining({ id, name, key_prefix, last4, scopes }),
    );
    expect(config.webhook_urls.map((one) => one.path)).toContain("/functions/v1/webhooks/meta");
    expectError(await manager.client.rpc("settings_config"), {
      code: "42501",
      details: "permission_denied",
    });
  });

  it("[D1-030] shows the URL to paste into Meta, which is the one that Meta's deliveries reach", async () => {
    const config = settingsConfigSchema.parse(
      expectData(await admin.client.rpc("settings_config")),
    );
    const meta = config.webhook_urls.find((one) => one.type === "facebook");
    expect(meta).toMatchObject({ name: "Meta Lead Ads" });
    const delivered = await fetch(meta!.url, { method: "POST", body: "{}" });
    expect((await parseFunctionError(delivered))?.details).toBe("signature_invalid");
    // Every URL that is shown is answered by something that knows its provider.
    for (const { url } of config.webhook_urls) {
      expect((await fetch(url, { method: "POST", body: "{}" })).status).not.toBe(404);
    }
  });
});

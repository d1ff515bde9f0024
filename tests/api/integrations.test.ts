/** Integrations as the settings pages use them: status, log, inbox of deliveries, mapping of ad forms. */
import {
  inboxEventSchema,
  integrationSchema,
  mappingTestSchema,
  parseFunctionError,
} from "@intake/types";
import { beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import {
  createUser,
  expectData,
  expectError,
  invoke,
  type Person,
  sql,
  stack,
  unique,
} from "../helpers/index.ts";

let admin: Person;
let counselor: Person;

beforeAll(async () => {
  [admin, counselor] = await Promise.all([createUser({ role: "admin" }), createUser()]);
});

describe("integrations", () => {
  it("[D3-039] are listed with type, name, status, config and last_sync", async () => {
    const rows = expectData(
      await admin.client.from("integrations").select("type, name, status, config, last_sync"),
    );
    expect(rows.map((row) => row.type)).toEqual(expect.arrayContaining(["facebook", "razorpay"]));
    const status = expectData(await admin.client.from("integrations_status").select("*"));
    expect(z.array(integrationSchema).safeParse(status).success).toBe(true);
  });

  it("are nobody else's to see or change", async () => {
    expect(expectData(await counselor.client.from("integrations").select("type"))).toEqual([]);
    const changed = await counselor.client
      .from("integrations")
      .update({ name: "Mine" })
      .eq("type", "stripe")
      .select("type");
    expect(expectData(changed)).toEqual([]);
  });

  it("never show or take a credential through the API", async () => {
    const answer = await admin.client
      .from("integrations")
      .update({ credentials_secret: "worker_secret" })
      .eq("type", "stripe");
    expectError(answer, { code: "42501" });
  });

  it("[D3-041] are disconnected, which wipes their credentials", async () => {
    await sql()`select private.integration_connect('twilio', ${sql().json({ token: "t" })}, null)`;
    const before = await admin.client
      .from("integrations_status")
      .select("status, has_credentials")
      .eq("type", "twilio")
      .single();
    expect(expectData(before)).toEqual({ status: "connected", has_credentials: true });
    const answer = await admin.client.rpc("integration_disconnect", { p_type: "twilio" });
    expect(expectData(answer)).toEqual({ type: "twilio", status: "disconnected" });
    const left =
      await sql()`select 1 from vault.decrypted_secrets where name = 'integration_twilio'`;
    expect(left).toHaveLength(0);
    expectError(await admin.client.rpc("integration_disconnect", { p_type: "fax" }), {
      code: "PT404",
      details: "integration_not_found",
    });
  });
});

describe("the register of integrations", () => {
  const connect = (person: Person, type: string, body: Record<string, unknown>) =>
    invoke(person, "POST", `admin/integrations/${type}/connect`, body);

  const simulator = stack().simulatorUrl;

  it.runIf(simulator)(
    "[D4-098] connects a third party with credentials that it takes, and lets it go again",
    async () => {
      const of = async (path: string) => (await fetch(`${simulator}/_sim/meta/${path}`)).json();
      const { access_token } = z.object({ access_token: z.string() }).parse(await of("token"));
      const [form] = z.array(z.object({ page_id: z.string() })).parse(await of("forms"));
      const config = { page_ids: [form?.page_id] };

      const refused = await connect(admin, "facebook", {
        credentials: { access_token: "not a token of Meta" },
        config,
      });
      expect([refused.status, refused.code]).toEqual([422, "credentials_refused"]);
      const credentials = { access_token };
      expect((await connect(counselor, "facebook", { credentials, config })).status).toBe(403);
      expect((await connect(admin, "fax", { credentials })).code).toBe("integration_not_found");
      expect(await statusOf("facebook")).toMatchObject({ has_credentials: false });

      const connected = await connect(admin, "facebook", { credentials, config });
      expect(connected.body).toEqual({ type: "facebook", status: "connected" });
      const shown = await statusOf("facebook");
      expect(shown).toMatchObject({
        name: "Meta Lead Ads",
        status: "connected",
        config,
        has_credentials: true,
      });
      expect(JSON.stringify(shown)).not.toContain(access_token);
      // What its adapter is given.
      const [kept] = await sql()`select private.integration_credentials('facebook') as credentials`;
      expect(kept?.credentials).toEqual(credentials);

      await admin.client.rpc("integration_disconnect", { p_type: "facebook" });
      expect(await statusOf("facebook")).toMatchObject({
        status: "disconnected",
        has_credentials: false,
      });
    },
  );
});

const statusOf = async (type: string) =>
  integrationSchema.parse(
    expectData(await admin.client.from("integrations_status").select().eq("type", type).single()),
  );

describe("the integration log", () => {
  it("[D0-041] takes an entry, with its secrets replaced", async () => {
    const name = unique("facebook");
    const made = await admin.client.from("integration_logs").insert({
      integration_name: name,
      activity_type: "lead_sync",
      description: "Synced with access_token=EAAB123",
      status: "success",
      request_data: { form_id: "1", headers: { Authorization: "Bearer x" } },
      response_data: { count: 15 },
      execution_time: 1200,
      records_processed: 15,
    });
    expect(made.error).toBeNull();
    const [row] = expectData(
      await admin.client.from("integration_logs").select("*").eq("integration_name", name),
    );
    expect(row).toMatchObject({
      description: "Synced with access_token=[redacted]",
      request_data: { form_id: "1", headers: { Authorization: "[redacted]" } },
      execution_time: 1200,
      records_processed: 15,
      user_id: admin.id,
    });
  });

  it("[D0-040] is read by name and status, at most so many", async () => {
    const name = unique("facebook_leads");
    const entry = (status: string) => ({
      integration_name: name,
      activity_type: "lead_sync",
      status,
    });
    const made = await admin.client
      .from("integration_logs")
      .insert([entry("failure"), entry("failure"), entry("info")]);
    expect(made.error).toBeNull();
    const rows = await admin.client
      .from("integration_logs")
      .select()
      .eq("integration_name", name)
      .eq("status", "failure")
      .order("created_at", { ascending: false })
      .limit(100);
    expect(expectData(rows)).toHaveLength(2);
  });

  it("knows four outcomes and is not rewritten", async () => {
    const wrong = await admin.client
      .from("integration_logs")
      .insert({ integration_name: "x", activity_type: "y", status: "great" });
    expectError(wrong, { code: "23514" });
    expectError(await admin.client.from("integration_logs").delete().eq("status", "info"), {
      code: "42501",
    });
    expect(expectData(await counselor.client.from("integration_logs").select("id"))).toEqual([]);
  });
});

describe("the mapping of ad forms", () => {
  it("is tried on a sample, changed, and tried again", async () => {
    const formId = String(Date.now());
    const sample = {
      form_id: formId,
      field_data: [
        { name: "full_name", values: ["Asha Menon"] },
        { name: "Preferred intake", values: [" autumn "] },
      ],
    };
    const ask = async () =>
      mappingTestSchema.parse(
        expectData(await admin.client.rpc("lead_source_mapping_test", { p_sample: sample })),
      );
    expect(await ask()).toEqual({
      fields: { name: "Asha Menon" },
      custom_fields: { "Preferred intake": "autumn" },
      unmapped: ["Preferred intake"],
    });
    const added = await admin.client.from("lead_source_mappings").insert({
      form_id: formId,
      field: "preferred intake",
      target: "custom:intake",
      transform: "title",
    });
    expect(added.error).toBeNull();
    expect(await ask()).toMatchObject({ custom_fields: { intake: "Autumn" }, unmapped: [] });
  });

  it("fills no column that is not the person's to say", async () => {
    for (const target of ["assigned_to", "status", "score", "custom:Bad Key"]) {
      const answer = await admin.client
        .from("lead_source_mappings")
        .insert({ field: unique("f"), target });
      expectError(answer, { code: "23514" });
    }
  });
});

describe("the inbox", () => {
  it("is listed without bodies, read with its body, and replayed", async () => {
    const eventId = unique("event");
    await sql()`select private.inbox_receive('api_test', ${eventId}, ${Buffer.from("{}")}, ${sql().json({ authorization: "Bearer x" })}, true)`;
    const listed = expectData(await admin.client.rpc("inbox_list", { p_provider: "api_test" }));
    const event = z
      .array(inboxEventSchema)
      .parse(listed)
      .find((one) => one.event_id === eventId);
    expect(event).toMatchObject({ state: "ignored", size: 2, job_id: null });
    expect(event).not.toHaveProperty("raw");
    const read = await admin.client.rpc("inbox_get", { p_id: event!.id });
    expect(expectData(read)).toMatchObject({
      body_base64: "e30=",
      headers: { authorization: "[redacted]" },
    });
    expectError(await counselor.client.rpc("inbox_get", { p_id: event!.id }), {
      code: "42501",
      details: "permission_denied",
    });
    const jobId = expectData(await admin.client.rpc("inbox_replay", { p_id: event!.id }));
    await sql()`delete from private.jobs where id = ${jobId as string}`;
    await sql()`delete from private.webhook_inbox where id = ${event!.id}`;
  });
});

describe("the webhooks function", () => {
  const url = (path: string) => `${stack().url}/functions/v1/webhooks/${path}`;

  it("refuses what Meta did not sign, in the shape of the Data API", async () => {
    const response = await fetch(url("meta"), { method: "POST", body: "{}" });
    expect(response.status).toBe(401);
    expect(await parseFunctionError(response)).toMatchObject({
      code: "PT401",
      details: "signature_invalid",
    });
  });

  it("describes itself", async () => {
    const document = (await (await fetch(url("openapi.json"))).json()) as { paths: object };
    expect(Object.keys(document.paths)).toContain("/webhooks/meta");
  });
});

import { afterAll, describe, expect, it } from "vitest";
import { knownSettings, settingSchema } from "../../packages/types/src/settings.ts";
import { people } from "../helpers/clients.ts";
import { connect } from "../helpers/database.ts";
import { anon, as, expectData, service } from "../helpers/index.ts";

const key = `test_${crypto.randomUUID().replaceAll("-", "_")}`;
const secretKey = `${key}.api_key`;
const sql = connect();

afterAll(async () => {
  await service().from("system_settings").delete().in("key", [key, secretKey]);
  await sql.end();
});

describe("reading", () => {
  it("shows public settings to every active person", async () => {
    const counselor = await as("counselor.a1");
    const { data, error } = await counselor.from("system_settings").select().order("key");
    expect(error).toBeNull();
    const settings = settingSchema.array().parse(data);
    expect(settings.map((setting) => setting.key)).toContain("organization.timezone");
    expect(settings.filter((setting) => !setting.is_public)).toEqual([]);
  });

  it("[D0-042] shows a category to an administrator", async () => {
    const admin = await as("admin");
    const { data } = await admin.from("system_settings").select("key").eq("category", "security");
    expect(data?.length).toBeGreaterThan(0);
    const counselor = await as("counselor.a1");
    const hidden = await counselor.from("system_settings").select("key").eq("category", "security");
    expect(hidden.data).toEqual([]);
  });

  it("refuses those who are not signed in", async () => {
    const { error, status } = await anon().from("system_settings").select();
    expect([status, error?.code]).toEqual([401, "42501"]);
  });

  it("describes every known setting with a schema that its value passes", async () => {
    const { data } = await (await as("admin")).from("system_settings").select("key, value");
    const values = new Map(data?.map((setting) => [setting.key, setting.value]));
    for (const [name, schema] of Object.entries(knownSettings)) {
      expect(schema.safeParse(values.get(name)).error, name).toBeUndefined();
    }
  });
});

describe("writing", () => {
  it("[D0-043] takes an upsert of key, value and category from an administrator", async () => {
    const admin = await as("admin");
    for (const value of ["smtp.one.test", "smtp.two.test"]) {
      const { error } = await admin
        .from("system_settings")
        .upsert({ key, value, category: "email_config" }, { onConflict: "key" });
      expect(error).toBeNull();
    }
    const { data } = await admin.from("app_settings").select().eq("key", key).single();
    expect(data).toMatchObject({
      value: "smtp.two.test",
      category: "email_config",
      updated_by: people.admin,
    });
  });

  it("refuses a counselor", async () => {
    const counselor = await as("counselor.a1");
    const { error } = await counselor
      .from("system_settings")
      .upsert({ key, value: "mine", category: "general" }, { onConflict: "key" });
    expect(error?.code).toBe("42501");
  });

  it("answers what is wrong with a value", async () => {
    const admin = await as("admin");
    const { error, status } = await admin
      .from("system_settings")
      .upsert(
        { key: "organization.timezone", value: "Mars/Olympus", category: "organization" },
        { onConflict: "key" },
      );
    expect(status).toBe(422);
    expect(error?.code).toBe("PT422");
    expect(error?.details).toBe(
      "setting_invalid: organization.timezone: an IANA time zone such as Asia/Kolkata is expected",
    );
  });

  it("keeps the settings the system reads", async () => {
    const admin = await as("admin");
    const { error, status } = await admin
      .from("system_settings")
      .delete()
      .eq("key", "organization.timezone");
    expect([status, error?.code]).toEqual([409, "PT409"]);
  });
});

describe("secrets", () => {
  it("never come back: not to their author, not to a service", async () => {
    const admin = await as("admin");
    const secret = `SG.${crypto.randomUUID()}`;
    const written = await admin
      .from("system_settings")
      .upsert({ key: secretKey, value: secret, category: "email_config" }, { onConflict: "key" })
      .select()
      .single();
    expect(written.error).toBeNull();
    expect(written.data).toMatchObject({ is_secret: true, value: `••••${secret.slice(-4)}` });

    const everything = await service().from("system_settings").select();
    expect(JSON.stringify(everything.data)).not.toContain(secret);
    const trail = await service().from("audit_logs").select().eq("record_id", secretKey);
    expect(trail.data?.length).toBe(1);
    expect(JSON.stringify(trail.data)).not.toContain(secret);
    const [held] = await sql`select private.setting_secret(${secretKey}) as secret`;
    expect(held?.secret).toBe(secret);
  });

  it("survive a form that sends the mask back", async () => {
    const admin = await as("admin");
    const form = expectData(
      await admin
        .from("system_settings")
        .select("key, value, category")
        .eq("key", secretKey)
        .single(),
    );
    const [before] = await sql`select private.setting_secret(${secretKey}) as secret`;
    const { error } = await admin.from("system_settings").upsert(form, { onConflict: "key" });
    expect(error).toBeNull();
    const [after] = await sql`select private.setting_secret(${secretKey}) as secret`;
    expect(after?.secret).toBe(before?.secret);
  });
});

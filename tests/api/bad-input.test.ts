/** Whatever is sent: a clear refusal in one shape, with a stable code, and nothing half-written. */
import { beforeAll, describe, expect, it } from "vitest";
import { intakeErrorSchema } from "../../packages/types/src/errors.ts";
import {
  anon,
  createTeam,
  createUser,
  expectData,
  expectError,
  type Person,
  sql,
  stack,
  unique,
} from "../helpers/index.ts";

let counselor: Person;
let token: string;
let leadId: string;
let leadNumber: string;

beforeAll(async () => {
  counselor = await createUser({ team: await createTeam() });
  const { data } = await counselor.client.auth.getSession();
  token = data.session!.access_token;
  const made = await counselor.client
    .from("leads")
    .insert({ name: "Untouched Lead" })
    .select("id, lead_id")
    .single();
  ({ id: leadId, lead_id: leadNumber } = expectData(made));
});

interface Raw {
  method?: string;
  body?: string | Uint8Array;
  headers?: Record<string, string>;
}

/** What no client library would send. */
async function send(path: string, { method = "POST", body, headers }: Raw) {
  const response = await fetch(`${stack().url}/rest/v1/${path}`, {
    method,
    ...(body === undefined ? {} : { body }),
    headers: {
      apikey: stack().publishableKey,
      authorization: `Bearer ${token}`,
      "content-type": "application/json",
      ...headers,
    },
  });
  const text = await response.text();
  return { status: response.status, text, json: () => JSON.parse(text) as unknown };
}

const counts = async () => {
  const [row] = await sql()`
    select (select count(*)::int from public.leads where created_by = ${counselor.id}) as leads,
      (select count(*)::int from public.lead_history h where h.lead_id = ${leadId}) as history,
      (select count(*)::int from public.activities a where a.lead_id = ${leadId}) as activities,
      (select l.version::int from public.leads l where l.id = ${leadId}) as version
  `;
  return row;
};

/** Runs it, and looks that the counselor's leads, their history and timeline are as before. */
async function unchanged<T>(work: () => PromiseLike<T>): Promise<T> {
  const before = await counts();
  const result = await work();
  expect(await counts()).toEqual(before);
  return result;
}

describe("bodies", () => {
  it.each([
    ["cut off", '{"name": "Asha'],
    ["no JSON", "name=Asha"],
    ["a comment", '{"name": "Asha"} // that is all'],
    ["two values", '{"name": "Asha"}{"name": "Ravi"}'],
    ["not UTF-8", new Uint8Array([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d])],
  ])("that are malformed are refused: %s", async (_, body) => {
    const answer = await unchanged(() => send("leads", { body }));
    expect(answer.status).toBe(400);
    expect(intakeErrorSchema.parse(answer.json()).code).toMatch(/^(PGRST102|22P0\d|PGRST\d{3})$/);
  });

  it("of ten megabytes do not become a lead, and the next request is answered", async () => {
    const body = JSON.stringify({
      name: "Large",
      custom_fields: { story: "x".repeat(10_000_000) },
    });
    const answer = await unchanged(() => send("leads", { body }));
    expect([400, 413]).toContain(answer.status);
    expect(intakeErrorSchema.parse(answer.json()).message).not.toBe("");
    expect((await counselor.client.rpc("me")).error).toBeNull();
  });

  it("that nest without end are refused", async () => {
    const depth = 50_000;
    const body = `{"name": "Deep", "custom_fields": {"a": ${"[".repeat(depth)}${"]".repeat(depth)}}}`;
    const answer = await unchanged(() => send("leads", { body }));
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.status).toBeLessThan(600);
    expect((await counselor.client.rpc("me")).error).toBeNull();
  });

  it("with a NUL are refused", async () => {
    const answer = await unchanged(() => send("leads", { body: '{"name": "A\\u0000B"}' }));
    expect(answer.status).toBe(400);
    expect(intakeErrorSchema.parse(answer.json()).code).toMatch(/^22/);
  });

  it("may name __proto__ without harm", async () => {
    const body = '{"name": "Proto", "__proto__": {"polluted": true}}';
    const answer = await unchanged(() => send("leads", { body }));
    expect(answer.status).toBe(400);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });
});

describe("values", () => {
  const cases: [name: string, fields: Record<string, unknown>, code: string, details?: string][] = [
    ["an e-mail that is none", { email: "asha at example" }, "PT422", "email_invalid"],
    ["two e-mails", { email: "a@example.test, b@example.test" }, "PT422", "email_invalid"],
    ["a phone that is none", { phone: "12" }, "PT422", "phone_invalid"],
    ["a phone of letters", { phone: "call me" }, "PT422", "phone_invalid"],
    ["a stage that does not exist", { status: "nirvana" }, "PT422", "stage_unknown"],
    [
      "an owner who does not exist",
      { assigned_to: crypto.randomUUID() },
      "PT422",
      "assignee_unavailable",
    ],
    ["a word for a number", { value: "much" }, "22P02"],
    ["a negative number", { value: -1 }, "23514"],
    ["a number without measure", { value: 1e20 }, "22003"],
    ["an id that is none", { assigned_to: "me" }, "22P02"],
    ["a currency that is none", { currency: "rupees" }, "23514"],
    ["a text for tags", { tags: "mbbs" }, "22P02"],
    ["an object for tags", { tags: { mbbs: true } }, "22P02"],
    ["a number for tags", { tags: 5 }, "22P02"],
    ["a book for a tag", { tags: ["x".repeat(5_001)] }, "23514"],
    ["an array for custom fields", { custom_fields: [] }, "23514"],
    ["a text without end", { course: "x".repeat(201) }, "23514"],
    ["a column that does not exist", { nickname: "A" }, "PGRST204"],
  ];

  it.each(cases)(
    "[D0-086] [D3-069] of a new lead are checked: %s",
    async (_, fields, code, details) => {
      const answer = await unchanged(() =>
        counselor.client.from("leads").insert({ name: "Bad", ...fields } as never),
      );
      expectError(answer, { code, ...(details ? { details } : {}) });
      expect(answer.status).toBe(code === "PT422" ? 422 : 400);
      expect(intakeErrorSchema.parse(answer.error).message).not.toBe("");
    },
  );

  it.each(cases.filter(([, fields]) => !("assigned_to" in fields)))(
    "of a changed lead are checked: %s",
    async (_, fields, code, details) => {
      const answer = await unchanged(() =>
        counselor.client
          .from("leads")
          .update(fields as never)
          .eq("id", leadId),
      );
      expectError(answer, { code, ...(details ? { details } : {}) });
    },
  );

  it("of one row in a hundred spoil the hundred: nothing is half-written", async () => {
    const rows = Array.from({ length: 100 }, (_, n) => ({
      name: unique("Batch"),
      email: n === 99 ? "none" : null,
    }));
    const answer = await unchanged(() => counselor.client.from("leads").insert(rows));
    expectError(answer, { code: "PT422", details: "email_invalid", status: 422 });
  });

  it("of a filter are checked", async () => {
    const byId = await counselor.client.from("leads").select().eq("id", "LEAD-001");
    expectError(byId, { code: "22P02", status: 400 });
    const byColumn = await counselor.client
      .from("leads")
      .select()
      .eq("nickname" as never, "A" as never);
    expectError(byColumn, { code: "42703", status: 400 });
    const column = await counselor.client.from("leads").select("nickname");
    expectError(column, { code: "42703", status: 400 });
  });
});

describe("calls", () => {
  it("of a function that does not exist, or with arguments it does not have, are not found", async () => {
    const nothing = await counselor.client.rpc("lead_explode" as never);
    expectError(nothing, { code: "PGRST202", status: 404 });
    const wrong = { p_lead_id: leadNumber, p_stage: "contacted" };
    const misnamed = await unchanged(() => counselor.client.rpc("lead_set_status", wrong as never));
    expectError(misnamed, { code: "PGRST202", status: 404 });
  });

  it("with arguments of another type are refused", async () => {
    const ids = { p_lead_ids: ["LEAD-001"], p_user_id: counselor.id };
    expectError(await counselor.client.rpc("lead_assign", ids), { code: "22P02", status: 400 });
    const day = { p_date_from: "yesterday week" };
    const kpis = await counselor.client.rpc("analytics_kpis", day);
    expect([kpis.status, kpis.error?.code]).toEqual([400, "22007"]);
  });

  it("of lead_set_status with a stage that does not exist, or none, move nothing", async () => {
    for (const [p_status, details] of [
      ["nirvana", "stage_unknown"],
      ["", "argument_invalid"],
      ["   ", "argument_invalid"],
    ] as const) {
      const move = { p_lead_id: leadNumber, p_status };
      const answer = await unchanged(() => counselor.client.rpc("lead_set_status", move));
      expectError(answer, { code: "PT422", details, status: 422 });
    }
  });

  it.each([
    ["an array", []],
    ["a text", "Asha"],
    ["a field that is not of the form", { firstName: "Asha", role: "admin" }],
    ["no name and no address", {}],
    ["an e-mail that is none", { firstName: "Asha", email: "none" }],
    ["a word for a number", { firstName: "Asha", annualRevenue: "much" }],
  ])("of crm_create_lead are refused: %s", async (_, p_lead) => {
    const answer = await unchanged(() => counselor.client.rpc("crm_create_lead", { p_lead }));
    expect(answer.error).not.toBeNull();
    expect([400, 422]).toContain(answer.status);
    expect(answer.error?.code).toMatch(/^(PT422|23514|22P02)$/);
  });
});

describe("what a text may hold", () => {
  it.each([
    "Robert'); drop table public.leads; --",
    "<script>alert(1)</script>",
    '=HYPERLINK("https://evil.test")',
    "%' or true or name like '%",
    "नीलम شیخ 🙂",
  ])("is kept as it is: %s", async (name) => {
    const made = await counselor.client.from("leads").insert({ name }).select("id, name").single();
    expect(made.data?.name).toBe(name.replace(/\s+/g, " "));
    const found = await counselor.client.from("leads").select("id").eq("name", name);
    expect(found.data).toEqual([{ id: made.data?.id }]);
    const kpis = await counselor.client.rpc("analytics_kpis", { p_source: name, p_status: name });
    expect(kpis.data).toMatchObject({ total_leads: 0 });
  });
});

describe("answers", () => {
  it("[D0-084] [D2-028] have one shape for every refusal, and the status says what kind", async () => {
    const forbidden = { p_lead_ids: [leadId], p_user_id: counselor.id };
    const refusals = [
      [401, await anon().from("leads").select()],
      [403, await counselor.client.rpc("lead_assign", forbidden)],
      [
        404,
        await counselor.client.rpc("lead_set_status", { p_lead_id: "LEAD-0", p_status: "new" }),
      ],
      [400, await counselor.client.from("leads").insert({ name: "x", score: "y" } as never)],
      [409, await counselor.client.from("leads").insert({ id: leadId, name: "Again" })],
      [422, await counselor.client.from("leads").insert({ email: "none" })],
    ] as const;
    for (const [status, answer] of refusals) {
      const error = intakeErrorSchema.parse(answer.error);
      expect(answer.status, error.message).toBe(status);
      expect(Object.keys(answer.error ?? {}).sort(), error.message).toEqual([
        "code",
        "details",
        "hint",
        "message",
      ]);
    }
    const page = await counselor.client
      .from("leads")
      .select("id", { count: "exact" })
      .order("id")
      .range(0, 1);
    expect(page.data?.length).toBe(2);
    expect(page.count).toBeGreaterThan(2);
  });
});

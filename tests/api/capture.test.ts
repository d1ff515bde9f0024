/** The public API: an enquiry of a program with a key, over HTTP, down to the lead. */
import {
  apiKeyShownSchema,
  captureAcceptedSchema,
  captureFormSchema,
  parseFunctionError,
} from "@intake/types";
import { beforeAll, expect, it } from "vitest";
import {
  createUser,
  expectData,
  type Person,
  sql,
  stack,
  unique,
  uniqueEmail,
  uniquePhone,
} from "../helpers/index.ts";

let admin: Person;
let key: string;

beforeAll(async () => {
  admin = await createUser({ role: "admin" });
  const made = await admin.client.rpc("api_key_create", {
    p_name: unique("Form"),
    p_scopes: ["leads.create", "forms.read"],
  });
  key = apiKeyShownSchema.parse(expectData(made)).api_key;
});

const url = (path: string) => `${stack().url}/functions/v1/capture/${path}`;

const send = (body: object | string, headers: Record<string, string> = {}) =>
  fetch(url("leads"), {
    method: "POST",
    body: typeof body === "string" ? body : JSON.stringify(body),
    headers: { "content-type": "application/json", "x-api-key": key, ...headers },
  });

const leadsOf = async (email: string) =>
  expectData(
    await admin.client
      .from("leads")
      .select("id, name, phone, source, custom_fields, enquiries_count")
      .eq("email", email),
  );

it("becomes a lead, mapped and with its consent, and then an enquiry of the same one", async () => {
  const email = uniqueEmail();
  const phone = uniquePhone();
  const first = await send({
    firstName: "Asha",
    lastName: "Menon",
    email: email.toUpperCase(),
    mobile: phone,
    source: "Open day",
    preferred_batch: "evening",
    consent: { given: true, channels: ["email"], notice_version: "2026-01" },
  });
  expect(first.status).toBe(202);
  const answer = captureAcceptedSchema.parse(await first.json());
  const [lead] = await leadsOf(email);
  expect(lead).toMatchObject({
    name: "Asha Menon",
    phone,
    source: "Open day",
    custom_fields: { preferred_batch: "evening" },
    enquiries_count: 1,
  });
  const consents = await admin.client
    .from("consents")
    .select("channel, state, source, proof, notice_version")
    .eq("lead_id", lead!.id);
  expect(expectData(consents)).toEqual([
    {
      channel: "email",
      state: "granted",
      source: "form",
      proof: answer.reference,
      notice_version: "2026-01",
    },
  ]);

  // Of the second answer nobody can say that the person is known now.
  const second = await send({ name: "Somebody", email });
  const again = captureAcceptedSchema.strict().parse(await second.json());
  expect([second.status, again.reference === answer.reference]).toEqual([202, false]);
  expect(await leadsOf(email)).toMatchObject([{ id: lead!.id, enquiries_count: 2 }]);
});

it("is done once, however often and however simultaneously it is sent with one key", async () => {
  const email = uniqueEmail();
  const once = { "idempotency-key": unique("once").replace(" ", "-") };
  const answers = await Promise.all(Array.from({ length: 5 }, () => send({ email }, once)));
  const bodies = captureAcceptedSchema
    .array()
    .parse(await Promise.all(answers.map((one) => one.json())));
  expect(answers.map((one) => one.status)).toEqual(Array(5).fill(202));
  expect(new Set(bodies.map((one) => one.reference)).size).toBe(1);
  expect(await leadsOf(email)).toMatchObject([{ enquiries_count: 1 }]);
  const other = await send({ email: uniqueEmail() }, once);
  expect(other.status).toBe(409);
  expect((await parseFunctionError(other))?.details).toMatch(/^idempotency_key_reused/);
});

it("comes as a plain form too", async () => {
  const email = uniqueEmail();
  const response = await fetch(url("leads"), {
    method: "POST",
    headers: { origin: "http://127.0.0.1:3000" },
    redirect: "manual",
    body: new URLSearchParams({
      _key: key,
      _next: "http://127.0.0.1:3000/thanks",
      email,
      name: "Form Filler",
    }),
  });
  expect([response.status, response.headers.get("location")]).toEqual([
    303,
    "http://127.0.0.1:3000/thanks",
  ]);
  expect(await leadsOf(email)).toMatchObject([{ name: "Form Filler", source: "Website" }]);
});

it("is refused by name when it is not right, and leaves nothing", async () => {
  const email = uniqueEmail();
  const refusals: [Promise<Response>, number, string][] = [
    [send({ email }, { "x-api-key": "intake_00000000_guess" }), 401, "api_key_invalid"],
    [send({ name: "Nobody" }), 422, "contact_missing"],
    [send({ email, x: "a\u0000b" }), 422, "body_invalid"],
    [send({ email }, { "content-type": "text/plain" }), 415, "content_type_refused"],
    [send({ email }, { origin: "https://evil.example.test" }), 403, "origin_refused"],
    [send({ email, x: "x".repeat(70 * 1024) }), 413, "body_too_large"],
  ];
  for (const [sent, status, code] of refusals) {
    const response = await sent;
    const refusal = await parseFunctionError(response);
    expect([response.status, refusal?.details?.split(":")[0]]).toEqual([status, code]);
  }
  const huge = await send({ email, x: "x".repeat(10 * 1024 * 1024) });
  expect(huge.status).toBe(413);
  expect(await leadsOf(email)).toEqual([]);
});

it("a form learns which fields of the organisation it may ask for", async () => {
  const field = `f_${unique("x").replace(" ", "_")}`;
  const made = await admin.client
    .from("custom_fields")
    .insert({ key: field, label: "Hostel", kind: "choice", options: ["yes", "no"] });
  expect(made.error).toBeNull();
  const response = await fetch(url("form"), { headers: { "x-api-key": key } });
  const { fields } = captureFormSchema.parse(await response.json());
  expect(fields).toContainEqual({
    key: field,
    label: "Hostel",
    kind: "choice",
    options: ["yes", "no"],
    is_required: false,
  });
  const wrong = await send({ email: uniqueEmail(), custom_fields: { [field]: "maybe" } });
  expect((await parseFunctionError(wrong))?.details).toBe(`form_field_invalid: ${field}`);
  await sql()`delete from public.custom_fields where key = ${field}`;
});

/** Webhooks to outside systems through the whole stack: timeline, delivery, queue, worker, an HTTP server that checks. */
import {
  apiKeyShownSchema,
  webhookDeliverySchema,
  webhookMessageSchema,
  webhookSecretSchema,
  webhookSentSchema,
} from "@intake/types";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import {
  addLead,
  createUser,
  expectData,
  expectError,
  type Person,
  sql,
  unique,
} from "../helpers/index.ts";
import { isSignedBy, startReceiver } from "../helpers/receiver.ts";

let admin: Person;
let counselor: Person;

beforeAll(async () => {
  [admin, counselor] = await Promise.all([createUser({ role: "admin" }), createUser()]);
});

const patience = { timeout: 20_000, interval: 100 };
const secret = "a secret that both sides know";
const closing: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function open(events: string[], more: { secret?: string } = { secret }) {
  const receiver = await startReceiver();
  const made = await admin.client
    .from("webhooks")
    .insert({ events, endpoint_url: `${receiver.url}/hook`, ...more })
    .select()
    .single();
  const webhook = expectData(made);
  closing.push(async () => {
    await sql()`delete from public.webhooks where id = ${webhook.id}`;
    await receiver.close();
  });
  return { ...receiver, webhook };
}

/** What the tick does, without waiting for what others have not committed. */
async function tick(webhookId: string) {
  await sql()`select private.webhooks_sweep(1000000, clock_timestamp())`;
  await sql()`select private.webhooks_enqueue(${webhookId})`;
}

const deliveriesOf = async (webhookId: string) =>
  webhookDeliverySchema
    .array()
    .parse(
      expectData(
        await admin.client
          .from("webhook_deliveries")
          .select()
          .eq("webhook_id", webhookId)
          .order("id"),
      ),
    );

describe("a webhook", () => {
  it("[D3-042] is created with events, an endpoint and a secret, which is not shown again", async () => {
    const { webhook } = await open(["lead.created", "lead.status_change"]);
    expect(webhook).toMatchObject({
      events: ["lead.created", "lead.status_change"],
      secret: "••••know",
      is_active: true,
    });
    const refused = await counselor.client
      .from("webhooks")
      .insert({ endpoint_url: "https://a.example.test/", events: ["*"], secret });
    expectError(refused, { code: "42501" });
    const unknown = await admin.client
      .from("webhooks")
      .insert({ endpoint_url: "https://a.example.test/", events: ["lead.exploded"], secret });
    expectError(unknown, { code: "PT422", details: "webhook_event_unknown" });
    expect(expectData(await counselor.client.from("webhooks").select("id"))).toEqual([]);
  });

  it("[D2-039] [D4-096] tells an outside system what happened: signed, by ids, what it asked for", async () => {
    const { webhook, received } = await open(["lead.created", "lead.status_change"]);
    const lead = await addLead(counselor, {
      name: unique("Hooked"),
      email: `${unique("h").replace(" ", ".")}@example.test`,
    });
    await counselor.client.from("leads").update({ status: "contacted" }).eq("id", lead.id);
    await counselor.client.from("notes").insert({ lead_id: lead.id, content: "Not for others" });
    await tick(webhook.id);
    const ofLead = () => received.filter(({ body }) => body.includes(lead.id));
    await expect.poll(() => ofLead().length, patience).toBe(2);
    const messages = ofLead().map(({ body }) => webhookMessageSchema.parse(JSON.parse(body)));
    expect(messages.map(({ type }) => type)).toEqual(["lead.created", "lead.status_change"]);
    expect(messages[1]?.data).toMatchObject({
      entity_type: "lead",
      entity_id: lead.id,
      actor_id: counselor.id,
      from: "new",
      to: "contacted",
    });
    for (const one of ofLead()) {
      expect(one).toMatchObject({ method: "POST", path: "/hook" });
      expect(isSignedBy(secret, one)).toBe(true);
      expect(isSignedBy("another secret", one)).toBe(false);
      expect(one.body).not.toMatch(/Hooked|@example|Not for/);
    }
    const settled = async () =>
      (await deliveriesOf(webhook.id)).filter((one) => one.payload.data.entity_id === lead.id);
    await expect
      .poll(async () => (await settled()).map((one) => one.status), patience)
      .toEqual(["delivered", "delivered"]);
    expect(ofLead().map(({ id }) => id)).toEqual((await settled()).map(({ id }) => id));
    // Reading again tells nothing again.
    await tick(webhook.id);
    expect(await settled()).toHaveLength(2);
  });

  it("is tried by a test, again after a failure, and any delivery once more by hand", async () => {
    const { webhook, received, answerWith } = await open(["deal.payment"]);
    answerWith(() => ({ status: 500 }));
    const test = webhookSentSchema.parse(
      expectData(await admin.client.rpc("webhook_test", { p_id: webhook.id })),
    );
    await expect
      .poll(async () => (await deliveriesOf(webhook.id))[0]?.response_code, patience)
      .toBe(500);
    expect((await deliveriesOf(webhook.id))[0]).toMatchObject({
      id: test.delivery_id,
      event: "webhook.test",
      status: "pending",
      attempts: 1,
    });
    answerWith(() => ({ status: 200 }));
    await sql()`update public.webhook_deliveries set next_at = now() where webhook_id = ${webhook.id}`;
    await sql()`select private.webhooks_enqueue(${webhook.id})`;
    await expect
      .poll(async () => (await deliveriesOf(webhook.id))[0]?.status, patience)
      .toBe("delivered");
    const again = await admin.client.rpc("webhook_redeliver", { p_delivery_id: test.delivery_id! });
    expect(webhookSentSchema.parse(expectData(again)).count).toBe(1);
    await expect.poll(() => received.length, patience).toBe(3);
    expect(new Set(received.map(({ id }) => id))).toEqual(new Set([test.delivery_id]));
    expect(new Set(received.map(({ body }) => body)).size).toBe(1);
    expectError(await counselor.client.rpc("webhook_test", { p_id: webhook.id }), {
      code: "42501",
      details: "permission_denied",
    });
  });

  it("is signed by both secrets while one replaces the other", async () => {
    const { webhook, received } = await open(["deal.payment"], {});
    const first = webhookSecretSchema.parse(
      expectData(await admin.client.rpc("webhook_secret_rotate", { p_id: webhook.id })),
    ).secret;
    const second = webhookSecretSchema.parse(
      expectData(
        await admin.client.rpc("webhook_secret_rotate", { p_id: webhook.id, p_secret: secret }),
      ),
    ).secret;
    await admin.client.rpc("webhook_test", { p_id: webhook.id });
    await expect.poll(() => received.length, patience).toBe(1);
    expect(first).toMatch(/^whsec_/);
    expect([first, second].map((one) => isSignedBy(one, received[0]!))).toEqual([true, true]);
  });

  it("that answers 410 is switched off, and administrators are told", async () => {
    const { webhook, answerWith } = await open(["deal.payment"]);
    answerWith(() => ({ status: 410 }));
    await admin.client.rpc("webhook_test", { p_id: webhook.id });
    const state = async () =>
      (
        await admin.client
          .from("webhooks")
          .select("is_active, disabled_reason")
          .eq("id", webhook.id)
          .single()
      ).data;
    await expect.poll(state, patience).toEqual({ is_active: false, disabled_reason: "gone" });
    const told = await admin.client
      .from("notifications")
      .select("title, action_url")
      .eq("metadata->>webhook_id", webhook.id);
    expect(expectData(told)).toEqual([
      {
        title: "A webhook was switched off",
        action_url: `/settings/webhooks/${webhook.id}`,
      },
    ]);
  });
});

it("[D3-067] keys are shown once and kept as hashes; secrets of webhooks, which have to sign, lie in Vault", async () => {
  const { webhook } = await open(["deal.payment"]);
  const made = apiKeyShownSchema.parse(
    expectData(await admin.client.rpc("api_key_create", { p_name: unique("Key") })),
  );
  const [kept] = await sql()<{ text: string; hash: string; expected: string }[]>`
    select to_jsonb(k)::text || to_jsonb(w)::text as text, k.key_hash as hash,
      encode(sha256(convert_to(${made.api_key}, 'UTF8')), 'hex') as expected
    from public.api_keys k, public.webhooks w where k.id = ${made.key_id} and w.id = ${webhook.id}`;
  expect(kept?.text).not.toContain(made.api_key);
  expect(kept?.text).not.toContain(secret);
  expect(kept?.hash).toBe(kept?.expected);
  const [vault] = await sql()<{ encrypted: string; plain: string }[]>`
    select s.secret as encrypted, d.decrypted_secret as plain
    from vault.secrets s join vault.decrypted_secrets d using (id) where s.name = ${`webhook:${webhook.id}`}`;
  expect(vault?.plain).toBe(secret);
  expect(vault?.encrypted).not.toContain(secret);
  const shown = await admin.client.from("api_keys").select("key_hash" as "id");
  expectError(shown, { code: "42501" });
});

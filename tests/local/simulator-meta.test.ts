import { createHmac } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type Simulators, startSimulators } from "../../packages/local/src/simulators/index.ts";
import type { Asked, Delivery } from "../../packages/local/src/simulators/journal.ts";
import type { Form, Lead } from "../../packages/local/src/simulators/meta/objects.ts";

const appSecret = "app-secret";
const accessToken = "page-token";
const verifyToken = "verify-me";

interface GraphBody {
  error: { code: number; message: string };
  data: unknown[];
  questions: { key: string }[];
}

interface Received {
  method: string;
  url: string;
  headers: IncomingMessage["headers"];
  raw: Buffer;
}

/** A webhook endpoint with no code of ours in it. */
async function startReceiver() {
  const received: Received[] = [];
  let reply: (request: Received, response: ServerResponse) => void = ok;
  function ok(_request: Received, response: ServerResponse) {
    response.end("ok");
  }
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const entry = {
      method: request.method ?? "",
      url: request.url ?? "",
      headers: request.headers,
      raw: Buffer.concat(chunks),
    };
    received.push(entry);
    reply(entry, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/functions/v1`,
    received,
    replyWith(next: typeof reply) {
      reply = next;
    },
    reset() {
      received.length = 0;
      reply = ok;
    },
    close() {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

const sign = (body: Buffer) =>
  `sha256=${createHmac("sha256", appSecret).update(body).digest("hex")}`;

describe("the simulated Meta Lead Ads", () => {
  let receiver: Awaited<ReturnType<typeof startReceiver>>;
  let sim: Simulators;

  beforeAll(async () => {
    receiver = await startReceiver();
    sim = await startSimulators({
      functionsUrl: () => receiver.url,
      gateways: {
        razorpayKeyId: "rzp_test_key",
        razorpayKeySecret: "secret",
        razorpayWebhookSecret: "webhook",
        stripeSecretKey: "sk_test",
        stripeWebhookSecret: "whsec_test",
      },
      metaAppSecret: appSecret,
      metaVerifyToken: verifyToken,
      metaAccessToken: accessToken,
      retryMs: [20, 40],
    });
  });

  afterEach(async () => {
    await sim.meta.settled();
    await control("POST", "reset");
    receiver.reset();
  });

  afterAll(async () => {
    await sim.close();
    await receiver.close();
  });

  async function control<T>(method: string, path: string, body?: unknown): Promise<T> {
    const init = body === undefined ? { method } : { method, body: JSON.stringify(body) };
    const response = await fetch(`${sim.url}/_sim/${path}`, init);
    return (await response.json()) as T;
  }

  async function graph(path: string, init: RequestInit = {}) {
    const headers = { authorization: `Bearer ${accessToken}`, ...init.headers };
    const response = await fetch(`${sim.url}/v23.0/${path}`, { ...init, headers });
    const body = (await response.json()) as GraphBody;
    return { status: response.status, headers: response.headers, body };
  }

  const createLead = (input: Record<string, unknown> = {}) =>
    control<{ lead: Lead; delivery: Delivery }>("POST", "meta/leads", { wait: true, ...input });

  describe("webhooks", () => {
    it("announce a lead with ids only, as numbers of 17 digits, signed over the raw bytes", async () => {
      const { lead, delivery } = await createLead();
      expect(delivery.state).toBe("delivered");
      const [post] = receiver.received;
      expect(post).toMatchObject({ method: "POST", url: "/functions/v1/webhooks/meta" });
      expect(post!.headers["x-hub-signature-256"]).toBe(sign(post!.raw));

      const text = post!.raw.toString("utf8");
      expect(lead.id).toMatch(/^\d{17}$/);
      expect(text).toContain(`"leadgen_id":${lead.id},`);
      expect(text).toContain(`"form_id":${lead.form_id},`);
      expect(String(JSON.parse(text).entry[0].changes[0].value.leadgen_id).length).toBe(17);
      expect(JSON.parse(text)).toMatchObject({
        object: "page",
        entry: [{ changes: [{ field: "leadgen", value: { created_time: lead.created_time } }] }],
      });
      expect(text).not.toContain("@example.com");
    });

    it("lose their ids in a reader that parses them as doubles", async () => {
      const ids: string[] = [];
      for (let i = 0; i < 4; i++) ids.push((await createLead()).lead.id);
      const lossy = ids.map((id) => String(Number(id)));
      expect(lossy.filter((id) => ids.includes(id))).toEqual([]);
    });

    it("carry ids as strings when told so", async () => {
      await control("POST", "meta/settings", { numeric_ids: false });
      const { lead } = await createLead();
      expect(receiver.received[0]!.raw.toString()).toContain(`"leadgen_id":"${lead.id}"`);
      await control("POST", "meta/settings", { numeric_ids: true });
    });

    it("bring several leads in one POST", async () => {
      const first = (await createLead({ deliver: false })).lead;
      const second = (await createLead({ deliver: false })).lead;
      expect(receiver.received).toHaveLength(0);
      await control("POST", "meta/deliver", { leadgen_ids: [first.id, second.id] });
      const { entry } = JSON.parse(receiver.received[0]!.raw.toString());
      expect(entry[0].changes).toHaveLength(2);
    });

    it("are sent again until the endpoint answers 200", async () => {
      receiver.replyWith((_request, response) => {
        response.statusCode = receiver.received.length < 3 ? 503 : 200;
        response.end();
      });
      const { delivery } = await createLead();
      expect(delivery.state).toBe("delivered");
      expect(delivery.attempts.map((attempt) => attempt.status)).toEqual([503, 503, 200]);
      const bodies = receiver.received.map((post) => post.raw.toString());
      expect(new Set(bodies).size).toBe(1);
    });

    it("fail when every attempt was refused; 202 is not 200", async () => {
      receiver.replyWith((_request, response) => response.writeHead(202).end());
      const { delivery } = await createLead();
      expect(delivery.state).toBe("failed");
      expect(delivery.attempts).toHaveLength(3);
    });

    it("survive an endpoint that breaks the connection or does not answer", async () => {
      await control("POST", "meta/settings", { timeout_ms: 100 });
      receiver.replyWith((_request, response) => {
        if (receiver.received.length === 1) response.socket?.destroy();
        else if (receiver.received.length === 3) response.end();
      });
      const { delivery } = await createLead();
      expect(delivery.state).toBe("delivered");
      expect(delivery.attempts.map((attempt) => attempt.status)).toEqual([null, null, 200]);
      await control("POST", "meta/settings", { timeout_ms: 20_000 });
    });

    it("come twice under the fault duplicate", async () => {
      await control("POST", "faults", { kind: "duplicate", copies: 2 });
      await createLead();
      expect(receiver.received.map((post) => post.raw.toString())).toHaveLength(3);
      await createLead();
      expect(receiver.received).toHaveLength(4);
    });

    it("come in another order under the fault reorder", async () => {
      await control("POST", "faults", { kind: "reorder" });
      const first = await createLead();
      expect(first.delivery.state).toBe("held");
      const second = await createLead();
      await sim.meta.settled();
      const order = receiver.received.map(
        (post) => /"leadgen_id":(\d+)/.exec(post.raw.toString())?.[1],
      );
      expect(order).toEqual([second.lead.id, first.lead.id]);
    });

    it("never come under the fault drop, and the lead can still be read", async () => {
      await control("POST", "faults", { kind: "drop" });
      const { lead, delivery } = await createLead();
      expect(delivery.state).toBe("dropped");
      expect(receiver.received).toHaveLength(0);
      expect((await graph(lead.id)).status).toBe(200);
    });

    it("bear a wrong signature under the fault forge, half a body under truncate", async () => {
      await control("POST", "faults", { kind: "forge" });
      await createLead();
      const [forged] = receiver.received;
      expect(forged!.headers["x-hub-signature-256"]).not.toBe(sign(forged!.raw));

      await control("POST", "faults", { kind: "truncate" });
      await createLead();
      expect(() => JSON.parse(receiver.received[1]!.raw.toString())).toThrow(SyntaxError);
    });

    it("are verified by a challenge that the endpoint echoes", async () => {
      receiver.replyWith((request, response) => {
        const query = new URL(request.url, "http://x").searchParams;
        const matches =
          query.get("hub.mode") === "subscribe" && query.get("hub.verify_token") === verifyToken;
        response.statusCode = matches ? 200 : 403;
        response.end(matches ? query.get("hub.challenge") : "no");
      });
      expect(await control("POST", "meta/verify")).toMatchObject({ ok: true, status: 200 });
      expect(await control("POST", "meta/verify", { token: "wrong" })).toMatchObject({
        ok: false,
        status: 403,
      });
    });
  });

  describe("Graph API", () => {
    it("gives a lead's time, id and answers, and the fields that are asked for", async () => {
      const { lead } = await createLead({ deliver: false, fields: { email: "ada@example.com" } });
      expect((await graph(lead.id)).body).toEqual({
        created_time: new Date(lead.created_time * 1000).toISOString().replace(".000Z", "+0000"),
        id: lead.id,
        field_data: [{ name: "email", values: ["ada@example.com"] }],
      });
      const { body } = await graph(`${lead.id}?fields=form_id,ad_id,is_organic`);
      expect(body).toEqual({
        id: lead.id,
        form_id: lead.form_id,
        ad_id: lead.ad_id,
        is_organic: false,
      });
      expect((await graph(`${lead.id}?fields=shoe_size`)).body.error).toMatchObject({ code: 100 });
    });

    it("takes the token from the query too, and checks an appsecret_proof", async () => {
      const { lead } = await createLead({ deliver: false });
      const ask = async (query: string) =>
        (await fetch(`${sim.url}/v23.0/${lead.id}?${query}`)).status;
      const proof = createHmac("sha256", appSecret).update(accessToken).digest("hex");
      expect(await ask(`access_token=${accessToken}&appsecret_proof=${proof}`)).toBe(200);
      expect(await ask(`access_token=${accessToken}&appsecret_proof=${"0".repeat(64)}`)).toBe(400);
      const journal = await control("GET", "journal");
      expect(JSON.stringify(journal)).not.toContain(accessToken);
    });

    it("refuses a missing and a wrong token as Graph does", async () => {
      const { lead } = await createLead({ deliver: false });
      const missing = await fetch(`${sim.url}/v23.0/${lead.id}`);
      expect(missing.status).toBe(400);
      expect(await missing.json()).toMatchObject({ error: { type: "OAuthException", code: 104 } });
      const wrong = await graph(lead.id, { headers: { authorization: "Bearer nope" } });
      expect(wrong.status).toBe(401);
      expect(wrong.body.error).toMatchObject({ type: "OAuthException", code: 190 });
    });

    it("answers 100/33 for what does not exist", async () => {
      const { status, body } = await graph("123456789012345678");
      expect(status).toBe(400);
      expect(body.error).toMatchObject({
        code: 100,
        error_subcode: 33,
        type: "GraphMethodException",
      });
      expect(body.error.message).toMatch(
        /does not exist, cannot be loaded due to missing permissions/,
      );
    });

    it("pages through a form's leads, newest first, for a backfill", async () => {
      const form = await control<Form>("POST", "meta/forms", {
        name: "Backfill",
        questions: [{ key: "email" }],
      });
      for (let i = 1; i <= 7; i++) {
        await createLead({ form_id: form.id, deliver: false, created_time: 1_700_000_000 + i });
      }
      const seen: string[] = [];
      let next: string | undefined =
        `${sim.url}/v23.0/${form.id}/leads?limit=3&fields=created_time`;
      let pages = 0;
      while (next) {
        const response = await fetch(next, { headers: { authorization: `Bearer ${accessToken}` } });
        const page = (await response.json()) as {
          data: { created_time: string }[];
          paging: { next?: string };
        };
        seen.push(...page.data.map((lead) => lead.created_time));
        next = page.paging.next;
        pages += 1;
      }
      expect(pages).toBe(3);
      expect(seen).toHaveLength(7);
      expect(seen).toEqual([...seen].sort().reverse());

      const filtering = encodeURIComponent(
        JSON.stringify([{ field: "time_created", operator: "GREATER_THAN", value: 1_700_000_005 }]),
      );
      expect((await graph(`${form.id}/leads?filtering=${filtering}`)).body.data).toHaveLength(2);
    });

    it("gives forms with their questions, and a page's forms", async () => {
      const { defaultForm, pageId } = sim.meta;
      const { body } = await graph(`${defaultForm.id}?fields=name,questions`);
      expect(body.questions.map((question) => question.key)).toContain("email");
      const list = await graph(`${pageId}/leadgen_forms`);
      expect(list.body.data).toMatchObject([{ id: defaultForm.id, status: "ACTIVE" }]);
    });

    it("subscribes a page's webhooks", async () => {
      const path = `${sim.meta.pageId}/subscribed_apps`;
      expect((await graph(path, { method: "POST" })).body.error).toMatchObject({ code: 100 });
      const made = await graph(`${path}?subscribed_fields=leadgen`, { method: "POST" });
      expect(made.body).toEqual({ success: true });
      expect((await graph(path)).body.data).toMatchObject([{ subscribed_fields: ["leadgen"] }]);
      const body = new URLSearchParams({ subscribed_fields: "leadgen,feed" });
      await graph(path, { method: "POST", body });
      expect((await graph(path)).body.data).toMatchObject([
        { subscribed_fields: ["leadgen", "feed"] },
      ]);
    });
  });

  describe("faults of the Graph API", () => {
    const ask = async (path: string, ms = 5_000) =>
      graph(path, { signal: AbortSignal.timeout(ms) });

    it("rate_limit answers 429 with Retry-After and usage headers, once", async () => {
      const { lead } = await createLead({ deliver: false });
      await control("POST", "faults", { kind: "rate_limit", retry_after_s: 7 });
      const limited = await ask(lead.id);
      expect(limited.status).toBe(429);
      expect(limited.headers.get("retry-after")).toBe("7");
      expect(limited.headers.get("x-app-usage")).toContain("call_count");
      expect(limited.body.error.code).toBe(4);
      expect((await ask(lead.id)).status).toBe(200);
    });

    it("[D4-091] server_error, token_expired and garbage answer what they say", async () => {
      const { lead } = await createLead({ deliver: false });
      await control("POST", "faults", { kind: "server_error", status: 502 });
      expect(await ask(lead.id)).toMatchObject({ status: 502, body: { error: { code: 1 } } });
      await control("POST", "faults", { kind: "token_expired" });
      expect(await ask(lead.id)).toMatchObject({
        status: 401,
        body: { error: { error_subcode: 463 } },
      });
      await control("POST", "faults", { kind: "garbage" });
      await expect(ask(lead.id)).rejects.toThrow(SyntaxError);
    });

    it("[D4-091] reset breaks the connection after the request was read, hang never answers", async () => {
      const { lead } = await createLead({ deliver: false });
      await control("POST", "faults", { kind: "reset" });
      await expect(ask(lead.id)).rejects.toThrow("fetch failed");
      await control("POST", "faults", { kind: "hang" });
      await expect(ask(lead.id, 150)).rejects.toThrow(/aborted|timeout/);
      const { asked } = await control<{ asked: Asked[] }>("GET", "journal");
      expect(asked.map((entry) => entry.fault)).toEqual(["reset", "hang"]);
    });

    it("slow_body trickles", async () => {
      const { lead } = await createLead({ deliver: false });
      await control("POST", "faults", { kind: "slow_body", ms: 400 });
      await expect(ask(lead.id, 150)).rejects.toThrow(/aborted|timeout/);
    });

    it("not_found hides a lead for a while", async () => {
      const { lead } = await createLead({ deliver: false });
      await control("POST", "faults", { kind: "not_found", for_ms: 200, match: lead.id });
      expect((await ask(lead.id)).body.error).toMatchObject({ code: 100, error_subcode: 33 });
      await expect.poll(async () => (await ask(lead.id)).status).toBe(200);
    });

    it("says which faults there are when it does not know one", async () => {
      expect(await control("POST", "faults", { kind: "earthquake" })).toEqual({
        error: expect.stringContaining("rate_limit"),
      });
      expect(await control("GET", "faults")).toEqual([]);
    });
  });

  it("shows on a page what was delivered and asked, with markup escaped", async () => {
    const { lead } = await createLead({ fields: { full_name: "<script>alert(1)</script>" } });
    await graph(`${lead.id}?fields=id,<b>`);
    const response = await fetch(`${sim.url}/_sim`);
    expect(response.headers.get("content-type")).toContain("text/html");
    const html = await response.text();
    expect(html).toContain(lead.id);
    expect(html).not.toMatch(/<script>|<b>/);
  });

  it("keeps what the Auth server would have mailed", async () => {
    sim.recordMail({ type: "invite", to: "ada@example.com" });
    const { mails } = await control<{ mails: unknown[] }>("GET", "journal");
    expect(mails).toMatchObject([{ mail: { to: "ada@example.com" } }]);
    expect(await (await fetch(`${sim.url}/_sim`)).text()).toContain("ada@example.com");
  });

  it("answers 404 to a path that belongs to no provider", async () => {
    expect((await fetch(`${sim.url}/nothing/here`)).status).toBe(404);
  });
});

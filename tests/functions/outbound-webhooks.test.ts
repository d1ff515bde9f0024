/** Webhooks to outside systems: the signature, the guard of our own network, and what is done with each answer. */
import { afterEach, describe, expect, it } from "vitest";
import type { WebhookAttempt } from "../../packages/types/src/outbound-webhooks.ts";
import { createLogger } from "../../supabase/functions/_shared/log.ts";
import {
  createPostOutside,
  isPublicAddress,
  type OutsideAnswer,
  OutsideError,
} from "../../supabase/functions/_shared/outside.ts";
import { webhookHeaders } from "../../supabase/functions/_shared/standard-webhooks.ts";
import {
  type AttemptResult,
  webhookHandlers,
} from "../../supabase/functions/worker/handlers/webhooks.ts";
import { isSignedBy, startReceiver } from "../helpers/receiver.ts";

describe("the signature", () => {
  it("is that of the published example", async () => {
    const headers = await webhookHeaders(
      ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
      "msg_p5jXN8AQM9LWM0D4loKWxJek",
      '{"test": 2432232314}',
      1_614_265_330_000,
    );
    expect(headers).toEqual({
      "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
      "webhook-timestamp": "1614265330",
      "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    });
  });

  it("is made by each secret that lives, and by no empty one", async () => {
    const headers = await webhookHeaders(["one secret", "another one"], "id", "{}");
    const received = { method: "POST", path: "/", headers, body: "{}", id: "id" };
    expect(isSignedBy("one secret", received)).toBe(true);
    expect(isSignedBy("another one", received)).toBe(true);
    expect(isSignedBy("a third", received)).toBe(false);
    expect(isSignedBy("one secret", { ...received, body: "{ }" })).toBe(false);
    await expect(webhookHeaders([""], "id", "{}")).rejects.toThrow();
    await expect(webhookHeaders([], "id", "{}")).rejects.toThrow();
  });
});

describe("an address", () => {
  it.each([
    "0.0.0.0 10.1.2.3 100.64.0.1 127.0.0.1 127.8.8.8 169.254.169.254 172.16.0.1 172.31.255.255 192.168.1.1",
    "192.0.0.8 192.0.2.1 198.18.0.1 198.51.100.7 203.0.113.9 224.0.0.1 240.0.0.1 255.255.255.255",
    ":: ::1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::127.0.0.1 64:ff9b::7f00:1 64:ff9b:1::1 2002:7f00:1:: 2001::1",
    "2001:db8::1 fc00::1 fd12:3456::1 fe80::1 fec0::1 ff02::1 100::1 3fff::1 localhost",
  ])("of our own or of nobody is not public: %s", (addresses) => {
    expect(addresses.split(" ").filter(isPublicAddress)).toEqual([]);
  });

  it("of somebody else is", () => {
    const addresses = ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450::1"];
    expect(addresses.filter((one) => !isPublicAddress(one))).toEqual([]);
  });
});

let close: (() => Promise<void>) | undefined;

afterEach(async () => {
  await close?.();
  close = undefined;
});

async function receiver() {
  const opened = await startReceiver();
  close = opened.close;
  return opened;
}

/** Any name is this machine. */
const here = async () => [{ address: "127.0.0.1", family: 4 }];

const said = (work: Promise<OutsideAnswer>) =>
  work.catch((error: unknown) => (error instanceof OutsideError ? error.message : error));

describe("what is sent to an outside system", () => {
  const local = createPostOutside({ allowPrivate: true, timeoutMs: 300, resolve: here });

  it("is one POST with its headers and exactly these bytes", async () => {
    const { url, received } = await receiver();
    const body = '{"name":"सीता \\u0000"}';
    expect(await local(`${url}/in?x=1`, { "webhook-id": "a\r\nx-evil: 1" }, body)).toEqual({
      status: 204,
      retryAfter: null,
    });
    expect(received).toMatchObject([{ method: "POST", path: "/in?x=1", body }]);
    expect(received[0]?.headers).toMatchObject({
      "webhook-id": "ax-evil: 1",
      "content-type": "application/json",
    });
    expect(received[0]?.headers).not.toHaveProperty("x-evil");
  });

  it("does not go on to where it is redirected", async () => {
    const other = await startReceiver();
    const { url, answerWith } = await receiver();
    answerWith(() => ({ status: 307, headers: { location: other.url, "retry-after": "120" } }));
    expect(await local(url, {}, "{}")).toEqual({ status: 307, retryAfter: "120" });
    expect(other.received).toEqual([]);
    await other.close();
  });

  it("never reaches our own network, by name, by number or by a name that has both", async () => {
    const strict = createPostOutside({ resolve: here, timeoutMs: 300 });
    const mixed = createPostOutside({
      resolve: async () => [{ address: "93.184.215.14", family: 4 }, ...(await here())],
    });
    const { url, received } = await receiver();
    expect(await said(strict("https://hooks.example.test/", {}, "{}"))).toBe(
      "the address is not public",
    );
    expect(await said(mixed("https://hooks.example.test/", {}, "{}"))).toBe(
      "the address is not public",
    );
    for (const host of ["127.0.0.1", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "[::1]"]) {
      expect(await said(strict(`https://${host}/`, {}, "{}"))).toBe("the address is not public");
    }
    expect(await said(strict(url, {}, "{}"))).toBe("only https is sent to");
    expect(await said(strict("https://hooks.example.test:8443/", {}, "{}"))).toBe(
      "only port 443 is sent to",
    );
    expect(await said(strict("https://a:b@hooks.example.test/", {}, "{}"))).toBe(
      "this is no address",
    );
    expect(received).toEqual([]);
  });

  it("connects to the address that was looked at, whatever the name says next", async () => {
    const { url, received } = await receiver();
    let asked = 0;
    const post = createPostOutside({
      allowPrivate: true,
      resolve: async () => {
        asked++;
        return asked === 1 ? here() : [{ address: "192.0.2.1", family: 4 }];
      },
    });
    await post(`http://rebinding.example.test:${new URL(url).port}/`, {}, "{}");
    expect(asked).toBe(1);
    expect(received[0]?.headers.host).toBe(`rebinding.example.test:${new URL(url).port}`);
  });

  it("fails by name when there is no answer, or none that is HTTP", async () => {
    const { url, answerWith } = await receiver();
    answerWith(() => ({ status: 200, hang: true }));
    expect(await said(local(url, {}, "{}"))).toBe("no answer in time");
    expect(await said(local(url.replace("http:", "https:"), {}, "{}"))).toMatch(
      /connection|in time/,
    );
    expect(await said(local("http://hooks.example.test:9/", {}, "{}"))).toBe(
      "the connection failed",
    );
    const nowhere = createPostOutside({ resolve: async () => [] });
    expect(await said(nowhere("https://hooks.example.test/", {}, "{}"))).toBe(
      "the name cannot be resolved",
    );
  });

  it("says nothing of the endpoint when the worker stops", async () => {
    const { url, answerWith } = await receiver();
    answerWith(() => ({ status: 200, hang: true }));
    const stopping = new AbortController();
    const sent = local(url, {}, "{}", stopping.signal);
    stopping.abort(new Error("the worker stops"));
    await expect(sent).rejects.toThrow("the worker stops");
  });
});

describe("the job of a webhook", () => {
  const webhookId = "01900000-0000-7000-8000-000000000001";

  const attempt = (n: number, more: Partial<WebhookAttempt> = {}): WebhookAttempt => ({
    id: `01900000-0000-7000-8000-00000000010${n}`,
    attempt: 1,
    url: "https://hooks.example.test/",
    body: `{"n":${n}}`,
    secrets: ["a secret of a test"],
    ...more,
  });

  async function run(waiting: WebhookAttempt[], answers: (OutsideAnswer | Error)[], forMs = 5_000) {
    const settled: [string, AttemptResult][] = [];
    const sent: string[] = [];
    const handlers = webhookHandlers(
      {
        next: async () => waiting.shift() ?? null,
        settle: async (one, result) => {
          settled.push([one.id, result]);
          return result.status === 200 ? "delivered" : "pending";
        },
      },
      async (_url, _headers, body) => {
        sent.push(body);
        const answer = answers.shift() ?? { status: 200, retryAfter: null };
        if (answer instanceof Error) throw answer;
        return answer;
      },
      forMs,
    );
    const job = {
      id: "job",
      kind: "webhook.deliver",
      payload: { webhook_id: webhookId },
      attempts: 1,
      max_attempts: 3,
      lease: "lease",
      request_id: null,
    };
    const signal = new AbortController().signal;
    const done = handlers["webhook.deliver"]!({ job, signal, log: createLogger({}, () => {}) });
    return { apply: await done.catch((error: Error) => error), sent, settled };
  }

  it("sends what is due, one after the other", async () => {
    const { sent, settled, apply } = await run([attempt(1), attempt(2)], []);
    expect(sent).toEqual(['{"n":1}', '{"n":2}']);
    expect(settled.map(([, result]) => result.status)).toEqual([200, 200]);
    expect(apply).toBeUndefined();
  });

  it("goes on after a refusal, and not after silence", async () => {
    const refused = await run([attempt(1), attempt(2)], [{ status: 400, retryAfter: null }]);
    expect(refused.sent).toHaveLength(2);
    const silent = await run([attempt(1), attempt(2)], [new OutsideError("no answer in time")]);
    expect(silent.sent).toHaveLength(1);
    expect(silent.settled[0]?.[1]).toMatchObject({ status: null, error: "no answer in time" });
    const busy = await run([attempt(1), attempt(2)], [{ status: 429, retryAfter: "90" }]);
    expect(busy.settled).toHaveLength(1);
    expect(busy.settled[0]?.[1]).toMatchObject({ status: 429, retryAfterSeconds: 90 });
  });

  it("hands the rest back in time, to be queued again", async () => {
    const { sent, apply } = await run([attempt(1)], [], 0);
    expect(sent).toEqual([]);
    expect(apply).toBeTypeOf("function");
  });

  it("without a secret sends nothing and says so", async () => {
    const { sent, settled } = await run([attempt(1, { secrets: [] })], []);
    expect(sent).toEqual([]);
    expect(settled[0]?.[1]).toMatchObject({ error: "there is no secret: rotate it" });
  });

  it("settles nothing when a mistake of ours stops it", async () => {
    const { settled, apply } = await run([attempt(1)], [new TypeError("x is undefined")]);
    expect(settled).toEqual([]);
    expect(apply).toBeInstanceOf(TypeError);
  });
});

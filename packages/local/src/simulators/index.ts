// Simulators of the providers, on loopback. Vendors' own paths are answered as the vendor does;
// /_sim is for tests and people: make things happen, switch faults on, see what went where.

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createFaults } from "./faults.ts";
import { ControlError, type Exchange, parseObject, readBody, sendJson } from "./http.ts";
import { createJournal } from "./journal.ts";
import { createCarrier } from "./messages.ts";
import { createMeta, type Meta } from "./meta.ts";
import { renderPage } from "./page.ts";
import { createRazorpay } from "./razorpay.ts";
import { sendgrid } from "./sendgrid.ts";
import { createStripe } from "./stripe.ts";
import { twilio } from "./twilio.ts";
import { whatsapp } from "./whatsapp.ts";

export interface SimulatorOptions {
  functionsUrl(): string;
  metaAppSecret: string;
  metaVerifyToken: string;
  metaAccessToken: string;
  gateways: GatewaySecrets;
  port?: number;
  /** Waits before each further attempt to deliver a webhook. */
  retryMs?: number[];
}

export interface GatewaySecrets {
  razorpayKeyId: string;
  razorpayKeySecret: string;
  razorpayWebhookSecret: string;
  stripeSecretKey: string;
  stripeWebhookSecret: string;
}

export interface Simulators {
  url: string;
  /** What functions must know of those who carry messages. */
  environment: Record<string, string>;
  meta: Meta;
  faults: ReturnType<typeof createFaults>;
  journal: ReturnType<typeof createJournal>;
  /** Shows what the Auth server would have mailed beside what the providers were sent. */
  recordMail(mail: unknown): void;
  close(): Promise<void>;
}

// Tokens travel in query strings; the journal is shown on a page.
const redact = (path: string) => path.replace(/(access_token|appsecret_proof)=[^&]*/g, "$1=…");

export async function startSimulators(options: SimulatorOptions): Promise<Simulators> {
  const journal = createJournal();
  const faults = createFaults();
  const meta = createMeta(
    {
      functionsUrl: options.functionsUrl,
      appSecret: options.metaAppSecret,
      verifyToken: options.metaVerifyToken,
      accessToken: options.metaAccessToken,
      retryMs: options.retryMs,
    },
    journal,
    faults,
  );
  const { functionsUrl, retryMs, gateways } = options;
  const razorpay = createRazorpay(
    {
      functionsUrl,
      retryMs,
      keyId: gateways.razorpayKeyId,
      keySecret: gateways.razorpayKeySecret,
      webhookSecret: gateways.razorpayWebhookSecret,
    },
    journal,
    faults,
  );
  const stripe = createStripe(
    {
      functionsUrl,
      retryMs,
      secretKey: gateways.stripeSecretKey,
      webhookSecret: gateways.stripeWebhookSecret,
    },
    journal,
    faults,
  );
  const made = [sendgrid(), twilio(), whatsapp(options.metaAppSecret)];
  const carriers = made.map(({ vendor }) =>
    createCarrier(vendor, { functionsUrl, retryMs }, journal, faults),
  );
  const providers = [meta, razorpay, stripe, ...carriers];

  function reset() {
    for (const provider of providers) provider.reset();
    faults.clear();
    journal.clear();
  }

  async function control({ method, url, body, response }: Exchange): Promise<void> {
    const [, , area = "", action = ""] = url.pathname.split("/");
    const provider = providers.find((candidate) => candidate.name === area);
    if (provider) {
      return sendJson(response, 200, await provider.control(method, action, parseObject(body)));
    }
    switch (`${method} ${area}`) {
      case "GET ": {
        response.writeHead(200, { "content-type": "text/html; charset=utf-8" });
        response.end(renderPage(journal, faults.list()));
        return;
      }
      case "GET journal":
        return sendJson(response, 200, {
          asked: journal.asked,
          deliveries: journal.deliveries,
          mails: journal.mails,
        });
      case "GET faults":
        return sendJson(response, 200, faults.list());
      case "POST faults":
        return sendJson(response, 201, faults.add(parseObject(body)));
      case "DELETE faults":
        faults.clear();
        return sendJson(response, 200, []);
      case "POST reset":
        reset();
        return sendJson(response, 200, { reset: true });
      default:
        throw new ControlError(`no such control: ${method} ${url.pathname}`, 404);
    }
  }

  async function dispatch(exchange: Exchange): Promise<void> {
    const { method, url, body, response } = exchange;
    if (url.pathname === "/_sim" || url.pathname.startsWith("/_sim/")) return control(exchange);
    const provider = providers.find((candidate) => candidate.owns(url.pathname));
    if (!provider) return sendJson(response, 404, { error: `no provider answers ${url.pathname}` });
    const entry = journal.recordAsked({
      at: new Date().toISOString(),
      provider: provider.name,
      method,
      path: redact(url.pathname + url.search),
      status: null,
      fault: null,
      body: body.toString("utf8"),
    });
    await provider.answer(exchange, entry);
    if (response.headersSent) entry.status = response.statusCode;
  }

  const server = createServer((request, response) => {
    void (async () => {
      try {
        await dispatch({
          method: request.method ?? "GET",
          url: new URL(request.url ?? "/", `http://${request.headers.host ?? "localhost"}`),
          headers: request.headers,
          body: await readBody(request),
          response,
        });
      } catch (error) {
        const status = error instanceof ControlError ? error.status : 500;
        if (response.headersSent) response.destroy();
        else
          sendJson(response, status, { error: error instanceof Error ? error.message : "failed" });
      }
    })();
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port ?? 0, "127.0.0.1", resolve);
  });

  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    environment: Object.assign(
      {},
      ...made.map(({ vendor, environment }) => ({
        ...environment,
        [`${vendor.name.toUpperCase()}_URL`]: `${url}/${vendor.name}`,
      })),
    ),
    meta,
    faults,
    journal,
    recordMail: journal.recordMail,
    async close() {
      const ended = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await Promise.all(providers.map((provider) => provider.close()));
      await ended;
    },
  };
}

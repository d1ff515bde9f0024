/** Whoever carries messages: what each is asked, and how every way of being refused is read. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createServer as createSocketServer } from "node:net";
import type { OutgoingMessage } from "@intake/types";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Database } from "../../supabase/functions/_shared/db.ts";
import {
  messagingEnvSchema,
  metaEnvSchema,
  readEnv,
  serviceEnvSchema,
} from "../../supabase/functions/_shared/env.ts";
import {
  NotConnectedError,
  PermanentError,
  RetryAfterError,
  UnknownOutcomeError,
} from "../../supabase/functions/_shared/providers/outcome.ts";
import { createSendGrid } from "../../supabase/functions/_shared/providers/sendgrid.ts";
import { createSmtp } from "../../supabase/functions/_shared/providers/smtp.ts";
import { createTwilio } from "../../supabase/functions/_shared/providers/twilio.ts";
import { createWhatsApp } from "../../supabase/functions/_shared/providers/whatsapp.ts";
import { createCarriers } from "../../supabase/functions/worker/messages/carriers.ts";

const id = "01970000-0000-7000-8000-000000000001";

const message = (fields: Partial<OutgoingMessage> = {}): OutgoingMessage => ({
  id,
  type: "email",
  recipient: "asha@example.com",
  sender: null,
  cc: null,
  bcc: null,
  subject: "Fees",
  content: "They are 5000.",
  data: {},
  is_marketing: false,
  reply_to: null,
  from_name: "Intake",
  files: [],
  ...fields,
});

const reasonOf = (promise: Promise<unknown>) =>
  promise.then(
    () => null,
    (error: unknown) => error,
  );

type Answering = (request: IncomingMessage, response: ServerResponse, body: string) => void;

let answering: Answering = () => {};
let asked: { url: string; headers: IncomingMessage["headers"]; body: string }[] = [];
let base = "";

const server = createServer((request, response) => {
  let body = "";
  request.setEncoding("utf8");
  request.on("data", (chunk: string) => {
    body += chunk;
  });
  request.on("end", () => {
    asked.push({ url: request.url ?? "", headers: request.headers, body });
    answering(request, response, body);
  });
});

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const answer =
  (status: number, body: unknown, headers: Record<string, string> = {}): Answering =>
  (_request, response) => {
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(JSON.stringify(body));
  };

function during(play: Answering) {
  asked = [];
  answering = play;
}

describe("[D0-089] SendGrid", () => {
  const send = (timeoutMs = 2_000, apiKey: string | undefined = "SG.key") =>
    createSendGrid({
      baseUrl: base,
      credentials: async () => ({ apiKey, from: "office@example.com" }),
      timeoutMs,
    });

  it("is given the message once, with our id in what it gives back", async () => {
    during(answer(202, null, { "x-message-id": "abc" }));
    const file = { name: "a.pdf", mimeType: "application/pdf", bytes: new Uint8Array([1, 2]) };
    const sent = await send()(
      message({ cc: ["dean@example.com"], reply_to: "<x@y>", data: { format: "html" } }),
      [file],
    );
    expect(sent).toEqual({ provider: "sendgrid", messageId: "abc" });
    expect(asked).toHaveLength(1);
    expect(asked[0]?.url).toBe("/v3/mail/send");
    expect(asked[0]?.headers.authorization).toBe("Bearer SG.key");
    expect(JSON.parse(asked[0]?.body ?? "")).toMatchObject({
      from: { email: "office@example.com", name: "Intake" },
      subject: "Fees",
      personalizations: [
        {
          to: [{ email: "asha@example.com" }],
          cc: [{ email: "dean@example.com" }],
          custom_args: { communication_id: id },
        },
      ],
      content: [{ type: "text/html", value: "They are 5000." }],
      headers: { "Message-ID": `<${id}@example.com>`, "In-Reply-To": "<x@y>" },
      attachments: [{ content: "AQI=", filename: "a.pdf", type: "application/pdf" }],
      tracking_settings: { open_tracking: { enable: true } },
    });
  });

  it.each([
    [429, { "retry-after": "7" }, RetryAfterError, "HTTP 429"],
    [503, {}, RetryAfterError, "HTTP 503"],
    [401, {}, NotConnectedError, "SendGrid does not take the key"],
    [400, {}, PermanentError, "provider_refused: HTTP 400 no such address"],
    [500, {}, UnknownOutcomeError, "SendGrid: HTTP 500"],
  ])("HTTP %i is read for what it is", async (status, headers, kind, text) => {
    during(answer(status, { errors: [{ message: "no such address" }] }, headers));
    const reason = await reasonOf(send()(message(), []));
    expect(reason).toBeInstanceOf(kind);
    expect((reason as Error).message).toBe(text);
    expect(asked).toHaveLength(1);
  });

  it("that does not answer is not asked again", async () => {
    during(() => {});
    expect(await reasonOf(send(150)(message(), []))).toBeInstanceOf(UnknownOutcomeError);
    expect(asked).toHaveLength(1);
    during((_request, response) => void response.socket?.destroy());
    expect(await reasonOf(send()(message(), []))).toBeInstanceOf(UnknownOutcomeError);
    expect(asked).toHaveLength(1);
  });

  it("that cannot be reached may be asked later", async () => {
    const nowhere = createSendGrid({
      baseUrl: "http://127.0.0.1:1",
      credentials: async () => ({ apiKey: "k", from: "x@example.com" }),
    });
    expect(await reasonOf(nowhere(message(), []))).toBeInstanceOf(RetryAfterError);
  });

  it("without a key is not connected", async () => {
    const none = createSendGrid({
      baseUrl: base,
      credentials: async () => ({ apiKey: undefined, from: "x@example.com" }),
    });
    expect(await reasonOf(none(message(), []))).toBeInstanceOf(NotConnectedError);
  });
});

describe("[D0-090] Twilio", () => {
  const send = (timeoutMs = 2_000) =>
    createTwilio({
      baseUrl: base,
      callbackUrl: "https://crm.example.com/functions/v1/webhooks/twilio",
      credentials: async () => ({ accountSid: "AC1", authToken: "token", from: "+15005550006" }),
      timeoutMs,
    });
  const sms = message({ type: "sms", recipient: "+919876543210", subject: null });

  it("is given the message, and told where to report on it", async () => {
    during(answer(201, { sid: "SM1", status: "queued" }));
    expect(await send()(sms, [])).toEqual({ provider: "twilio", messageId: "SM1" });
    expect(asked[0]?.url).toBe("/2010-04-01/Accounts/AC1/Messages.json");
    expect(asked[0]?.headers.authorization).toBe(`Basic ${btoa("AC1:token")}`);
    expect(Object.fromEntries(new URLSearchParams(asked[0]?.body))).toEqual({
      To: "+919876543210",
      From: "+15005550006",
      Body: "They are 5000.",
      StatusCallback: `https://crm.example.com/functions/v1/webhooks/twilio?communication_id=${id}`,
    });
  });

  it.each([
    [429, 20429, RetryAfterError, "HTTP 429"],
    [503, 20503, RetryAfterError, "HTTP 503"],
    [401, 20003, NotConnectedError, "Twilio does not take the credentials"],
    [400, 21211, PermanentError, "provider_refused: Twilio 21211"],
    [400, 21610, PermanentError, "contact_refused: opted_out"],
    [500, 20500, UnknownOutcomeError, "Twilio: HTTP 500"],
  ])("HTTP %i with code %i is read for what it is", async (status, code, kind, text) => {
    during(answer(status, { status, code, message: "No." }));
    const reason = await reasonOf(send()(sms, []));
    expect(reason).toBeInstanceOf(kind);
    expect((reason as Error).message).toBe(text);
    expect(asked).toHaveLength(1);
  });

  it("that does not answer, or not as itself, is not asked again", async () => {
    during(() => {});
    expect(await reasonOf(send(150)(sms, []))).toBeInstanceOf(UnknownOutcomeError);
    expect(asked).toHaveLength(1);
    during((_request, response) => void response.writeHead(502).end("<html>"));
    expect(await reasonOf(send()(sms, []))).toBeInstanceOf(UnknownOutcomeError);
    expect(asked).toHaveLength(1);
  });
});

describe("[D0-091] [D2-040] WhatsApp", () => {
  const whatsapp = (timeoutMs = 2_000) =>
    createWhatsApp({
      baseUrl: base,
      version: "v23.0",
      credentials: async () => ({ accessToken: "token", phoneNumberId: "42" }),
      timeoutMs,
    });
  const words = message({ type: "whatsapp", recipient: "+919876543210", subject: null });

  it("is given words, or an approved template with its parameters", async () => {
    during(answer(200, { messages: [{ id: "wamid.1" }] }));
    expect(await whatsapp().send(words, [])).toEqual({
      provider: "whatsapp",
      messageId: "wamid.1",
    });
    await whatsapp().send(
      { ...words, data: { template: { name: "hello", language: "en_US", parameters: ["Asha"] } } },
      [],
    );
    expect(asked.map(({ url }) => url)).toEqual(["/v23.0/42/messages", "/v23.0/42/messages"]);
    expect(asked[0]?.headers.authorization).toBe("Bearer token");
    expect(JSON.parse(asked[0]?.body ?? "")).toEqual({
      messaging_product: "whatsapp",
      recipient_type: "individual",
      to: "919876543210",
      biz_opaque_callback_data: id,
      type: "text",
      text: { body: "They are 5000.", preview_url: false },
    });
    expect(JSON.parse(asked[1]?.body ?? "")).toMatchObject({
      type: "template",
      template: {
        name: "hello",
        language: { code: "en_US" },
        components: [{ type: "body", parameters: [{ type: "text", text: "Asha" }] }],
      },
    });
  });

  it.each([
    [400, 131047, PermanentError, "whatsapp_window_closed"],
    [400, 131026, PermanentError, "address_unreachable"],
    [400, 132001, PermanentError, "provider_refused: WhatsApp 132001"],
    [400, 130429, RetryAfterError, "WhatsApp 130429"],
    [400, 131056, RetryAfterError, "WhatsApp 131056"],
    [401, 190, NotConnectedError, "WhatsApp does not take the token"],
    [500, 131000, UnknownOutcomeError, "WhatsApp: HTTP 500"],
  ])("HTTP %i with code %i is read for what it is", async (status, code, kind, text) => {
    during(answer(status, { error: { code, message: "No." } }));
    const reason = await reasonOf(whatsapp().send(words, []));
    expect(reason).toBeInstanceOf(kind);
    expect((reason as Error).message).toBe(text);
  });

  it("that does not answer is not asked again", async () => {
    during(() => {});
    expect(await reasonOf(whatsapp(150).send(words, []))).toBeInstanceOf(UnknownOutcomeError);
    expect(asked).toHaveLength(1);
  });

  it("gives a file that came in, and the token goes to nobody else", async () => {
    during((request, response, body) => {
      if (request.url === "/v23.0/7")
        return answer(200, { url: `${base}/file`, mime_type: "image/jpeg", file_size: 3 })(
          request,
          response,
          body,
        );
      response.end("abc");
    });
    expect(await whatsapp().media("7", 10)).toEqual({
      mimeType: "image/jpeg",
      bytes: new TextEncoder().encode("abc"),
    });
    expect(await whatsapp().media("7", 2)).toBeNull();
    during(answer(200, { url: "https://elsewhere.example.com/x" }));
    expect(await reasonOf(whatsapp().media("7", 10))).toBeInstanceOf(PermanentError);
  });
});

describe("[D3-080] a mail server", () => {
  /** As much of SMTP as a client needs to hand a message over. */
  async function mailServer(answers: Record<string, string> = {}) {
    const heard: string[] = [];
    const smtp = createSocketServer((socket) => {
      let isData = false;
      socket.on("error", () => {});
      socket.write("220 mail.example.com ESMTP\r\n");
      socket.on("data", (chunk) => {
        for (const line of chunk.toString("utf8").split("\r\n")) {
          if (line === "" && !isData) continue;
          heard.push(line);
          if (isData) {
            if (line === ".") {
              isData = false;
              socket.write(answers["."] ?? "250 taken\r\n");
            }
            continue;
          }
          const verb = line.split(" ")[0]?.toUpperCase() ?? "";
          if (verb === "DATA") isData = !answers.DATA;
          const usual = {
            EHLO: "250-mail\r\n250 AUTH PLAIN\r\n",
            DATA: "354 go\r\n",
            AUTH: "235 ok\r\n",
          };
          socket.write(answers[verb] ?? usual[verb as keyof typeof usual] ?? "250 ok\r\n");
        }
      });
    });
    await new Promise<void>((resolve) => smtp.listen(0, "127.0.0.1", resolve));
    const { port } = smtp.address() as AddressInfo;
    const send = createSmtp({
      host: "127.0.0.1",
      port,
      user: "office@example.com",
      password: "app password",
      timeoutMs: 2_000,
      allowsPlain: true,
    });
    return { heard, send, close: () => smtp.close() };
  }

  it("is handed the message under our own id", async () => {
    const { heard, send, close } = await mailServer();
    const sent = await send(message({ bcc: ["archive@example.com"], is_marketing: true }), []);
    close();
    expect(sent).toEqual({ provider: "smtp", messageId: `<${id}@example.com>` });
    expect(heard).toContain("RCPT TO:<asha@example.com>");
    expect(heard).toContain("RCPT TO:<archive@example.com>");
    expect(heard).toContain("Subject: Fees");
    expect(heard).toContain(`Message-ID: <${id}@example.com>`);
    expect(heard.join("\n")).toContain("List-Unsubscribe: <mailto:office@example.com");
    expect(heard.join("\n")).not.toContain("Bcc:");
  });

  it.each([
    [{ AUTH: "535 no\r\n" }, NotConnectedError],
    [{ RCPT: "550 nobody\r\n" }, PermanentError],
    [{ RCPT: "451 later\r\n" }, RetryAfterError],
    [{ ".": "" }, UnknownOutcomeError],
  ])("that says %j is read for what it is", async (answers, kind) => {
    const { send, close } = await mailServer(answers);
    const reason = await reasonOf(send(message(), []));
    close();
    expect(reason).toBeInstanceOf(kind);
  });

  it("that is not there may be asked later", async () => {
    const send = createSmtp({ host: "127.0.0.1", port: 1, user: "x@example.com", timeoutMs: 500 });
    expect(await reasonOf(send(message(), []))).toBeInstanceOf(RetryAfterError);
  });

  it("is the one that the environment names, where SendGrid is not set up", async () => {
    const env = readEnv(
      messagingEnvSchema.extend(metaEnvSchema.shape).extend(serviceEnvSchema.shape),
      {
        SUPABASE_URL: "http://127.0.0.1:1",
        SUPABASE_SERVICE_ROLE_KEY: "key",
        SMTP_HOST: "127.0.0.1",
        SMTP_PORT: "587",
        SMTP_USER: "your-email@gmail.com",
        SMTP_PASSWORD: "your-app-password",
      },
    );
    // No integration has credentials of its own.
    const db = { asService: async () => ({}) } as unknown as Database;
    const { carriers } = createCarriers(db, env);
    const reason = await reasonOf(carriers.email(message(), []));
    expect((reason as Error).message).toBe("port 587 is closed on the platform: use 465 or 2525");
    const { carriers: both } = createCarriers(db, {
      ...env,
      SENDGRID_API_KEY: "k",
      SENDGRID_URL: base,
    });
    during(answer(202, null, { "x-message-id": "abc" }));
    const sent = await both.email(message({ sender: "office@example.com" }), []);
    expect(sent.provider).toBe("sendgrid");
  });

  it("needs encryption, and a port that the platform leaves open", async () => {
    const { close, heard } = await mailServer();
    const of = (port: number) =>
      createSmtp({ host: "127.0.0.1", port, user: "office@example.com", timeoutMs: 500 });
    for (const port of [25, 587]) {
      const reason = await reasonOf(of(port)(message(), []));
      expect(reason).toBeInstanceOf(NotConnectedError);
      expect((reason as Error).message).toBe(
        `port ${port} is closed on the platform: use 465 or 2525`,
      );
    }
    close();
    expect(heard).toEqual([]);
  });
});

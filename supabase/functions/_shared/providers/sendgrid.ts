// SendGrid, by its own client. It knows no idempotency key: a call without an answer is not repeated.

import { Buffer } from "node:buffer";
import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { OutgoingMessage } from "@intake/types";
import { z } from "zod";
import {
  type AttachedFile,
  type Carrier,
  carrierTimeoutMs,
  messageIdOf,
  unsubscribeHeaders,
  withinTime,
} from "./carrier.ts";
import {
  NotConnectedError,
  PermanentError,
  RetryAfterError,
  retryAfterSeconds,
  UnknownOutcomeError,
} from "./outcome.ts";

export interface SendGridOptions {
  baseUrl: string;
  credentials(): Promise<{ apiKey: string | undefined; from: string | undefined }>;
  timeoutMs?: number;
}

const failureSchema = z.object({
  /** The HTTP status, or the name of a network error. */
  code: z.union([z.number(), z.string()]).optional(),
  response: z
    .object({
      // An instance of a class, which a record is not.
      headers: z.custom<Record<string, unknown>>((value) => typeof value === "object").nullish(),
      body: z
        .object({ errors: z.array(z.object({ message: z.string().optional() })).optional() })
        .nullish()
        .catch(null),
    })
    .nullish(),
});

/** The connection was never there, so nothing was sent. */
const unreached = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH"]);

function refusal(error: unknown): Error {
  if (error instanceof UnknownOutcomeError) return error;
  const failure = failureSchema.safeParse(error).data;
  const code = failure?.code;
  if (typeof code === "string" && unreached.has(code)) return new RetryAfterError(code, 30);
  if (typeof code !== "number") return new UnknownOutcomeError("SendGrid did not answer");
  const wait = retryAfterSeconds(String(failure?.response?.headers?.["retry-after"] ?? ""));
  if (code === 429) return new RetryAfterError("HTTP 429", wait ?? 60, true);
  if (code === 503) return new RetryAfterError("HTTP 503", wait ?? 60);
  if (code === 401) return new NotConnectedError("SendGrid does not take the key");
  if (code >= 500) return new UnknownOutcomeError(`SendGrid: HTTP ${code}`);
  const said = failure?.response?.body?.errors?.[0]?.message ?? "";
  return new PermanentError(`provider_refused: HTTP ${code} ${said}`.trim().slice(0, 300));
}

function mailOf(message: OutgoingMessage, from: string, files: AttachedFile[]) {
  const isTracked = message.data.tracking_pixel !== false;
  const unsubscribed = unsubscribeHeaders(message);
  return {
    from: { email: from, ...(message.from_name ? { name: message.from_name } : {}) },
    subject: message.subject ?? "",
    // One personalization: the copies are to be seen, and every event names our id.
    personalizations: [
      {
        to: [{ email: message.recipient }],
        ...(message.cc ? { cc: message.cc.map((email) => ({ email })) } : {}),
        ...(message.bcc ? { bcc: message.bcc.map((email) => ({ email })) } : {}),
        customArgs: { communication_id: message.id },
      },
    ],
    content: [
      {
        type: message.data.format === "html" ? "text/html" : "text/plain",
        value: message.content,
      },
    ],
    headers: {
      "Message-ID": messageIdOf(message, from),
      ...(message.reply_to
        ? { "In-Reply-To": message.reply_to, References: message.reply_to }
        : {}),
      ...unsubscribed,
    },
    trackingSettings: {
      clickTracking: { enable: isTracked, enableText: false },
      openTracking: { enable: isTracked },
      // A message with an address of ours to unsubscribe by needs none of theirs.
      subscriptionTracking: {
        enable: message.is_marketing && Object.keys(unsubscribed).length === 0,
      },
    },
    ...(files.length > 0
      ? {
          attachments: files.map(({ name, mimeType, bytes }) => ({
            content: Buffer.from(bytes).toString("base64"),
            filename: name,
            type: mimeType,
            disposition: "attachment",
          })),
        }
      : {}),
  };
}

/** What we use of the client, and what its types leave out of it. */
interface Service {
  setApiKey(key: string): void;
  send(mail: unknown): Promise<[{ headers: Record<string, unknown> }, unknown]>;
  client: { setDefaultRequest(name: string, value: unknown): void };
}

export function createSendGrid({ baseUrl, credentials, timeoutMs }: SendGridOptions): Carrier {
  return async (message, files) => {
    const { apiKey, from: ours } = await credentials();
    const from = message.sender ?? ours;
    if (!apiKey) throw new NotConnectedError("SendGrid is not set up");
    if (!from) throw new NotConnectedError("there is no address to send from");
    // Only whoever sends e-mail waits for the client.
    const { default: sendgrid } = await import("@sendgrid/mail");
    const { MailService } = sendgrid as unknown as { MailService: new () => Service };
    const service = new MailService();
    service.setApiKey(apiKey);
    const { client } = service;
    // After the key, which sets it anew.
    client.setDefaultRequest("baseUrl", `${baseUrl.replace(/\/$/, "")}/`);
    client.setDefaultRequest("timeout", timeoutMs ?? carrierTimeoutMs);
    // A connection of its own: on one that is used again a POST may be sent twice.
    client.setDefaultRequest("httpAgent", new HttpAgent({ keepAlive: false }));
    client.setDefaultRequest("httpsAgent", new HttpsAgent({ keepAlive: false }));
    try {
      const [answer] = await withinTime(
        service.send(mailOf(message, from, files)),
        (timeoutMs ?? carrierTimeoutMs) + 1_000,
      );
      const id: unknown = answer.headers["x-message-id"];
      return { provider: "sendgrid", messageId: typeof id === "string" ? id : undefined };
    } catch (error) {
      throw refusal(error);
    }
  };
}

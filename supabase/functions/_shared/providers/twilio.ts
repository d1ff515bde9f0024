// Twilio's SMS, by its own client over fetch. It knows no idempotency key for messages: a call without an
// answer is not repeated, and the status callback, whose address holds our id, tells what became of it.

import { z } from "zod";
import { parseJson } from "../json.ts";
import { type Carrier, carrierTimeoutMs } from "./carrier.ts";
import type { Fetch } from "./http.ts";
import {
  NotConnectedError,
  PermanentError,
  RetryAfterError,
  retryAfterSeconds,
  UnknownOutcomeError,
} from "./outcome.ts";

export interface TwilioCredentials {
  accountSid: string | undefined;
  authToken: string | undefined;
  /** A number, or a messaging service (MG…). */
  from: string | undefined;
}

export interface TwilioOptions {
  baseUrl: string;
  /** Where Twilio reports to. */
  callbackUrl: string;
  credentials(): Promise<TwilioCredentials>;
  fetch?: Fetch;
  timeoutMs?: number;
}

const failureSchema = z.object({ status: z.number(), code: z.number().optional() });

/** The person said STOP, and Twilio keeps to it. */
const optedOut = 21610;

function refusal(error: unknown, retryAfter: string | null): Error {
  if (error instanceof UnknownOutcomeError || error instanceof RetryAfterError) return error;
  const failure = failureSchema.safeParse(error).data;
  if (!failure) return new UnknownOutcomeError("Twilio did not answer");
  const { status, code } = failure;
  const wait = retryAfterSeconds(retryAfter);
  if (status === 429) return new RetryAfterError("HTTP 429", wait ?? 30, true);
  if (status === 503) return new RetryAfterError("HTTP 503", wait ?? 60);
  if (status === 401) return new NotConnectedError("Twilio does not take the credentials");
  if (status >= 500 || status < 400) return new UnknownOutcomeError(`Twilio: HTTP ${status}`);
  if (code === optedOut) return new PermanentError("contact_refused: opted_out");
  return new PermanentError(`provider_refused: Twilio ${code ?? `HTTP ${status}`}`);
}

export function createTwilio(options: TwilioOptions): Carrier {
  const { baseUrl, callbackUrl, credentials, timeoutMs = carrierTimeoutMs } = options;
  const send: Fetch = options.fetch ?? ((url, init) => fetch(url, init));
  return async (message) => {
    const { accountSid, authToken, from } = await credentials();
    if (!accountSid || !authToken || !from) throw new NotConnectedError("Twilio is not set up");
    let retryAfter: string | null = null;
    // Large: only whoever sends an SMS waits for it.
    const { default: twilio } = await import("twilio");
    const httpClient = {
      async request(asked: {
        method: string;
        uri: string;
        username?: string;
        password?: string;
        data?: Record<string, unknown>;
      }) {
        const url = asked.uri.replace("https://api.twilio.com", baseUrl.replace(/\/$/, ""));
        const answer = await send(url, {
          method: asked.method,
          redirect: "manual",
          headers: {
            authorization: `Basic ${btoa(`${asked.username ?? ""}:${asked.password ?? ""}`)}`,
            "content-type": "application/x-www-form-urlencoded",
            accept: "application/json",
          },
          body: new URLSearchParams(
            Object.entries(asked.data ?? {}).map(([name, value]): [string, string] => [
              name,
              String(value),
            ]),
          ).toString(),
          signal: AbortSignal.timeout(timeoutMs),
        });
        retryAfter = answer.headers.get("retry-after");
        const text = await answer.text();
        try {
          return { statusCode: answer.status, body: parseJson(text), headers: {} };
        } catch {
          throw answer.status === 503
            ? new RetryAfterError("HTTP 503", retryAfterSeconds(retryAfter) ?? 60)
            : new UnknownOutcomeError(`Twilio: HTTP ${answer.status} without an answer of its own`);
        }
      },
    };
    try {
      const client = twilio(accountSid, authToken, { httpClient: httpClient as never });
      const sent = await client.messages.create({
        to: message.recipient,
        ...(from.startsWith("MG") ? { messagingServiceSid: from } : { from }),
        body: message.content,
        statusCallback: `${callbackUrl}?communication_id=${message.id}`,
      });
      if (!sent.sid) throw new UnknownOutcomeError("Twilio named no message");
      return { provider: "twilio", messageId: sent.sid };
    } catch (error) {
      throw refusal(error, retryAfter);
    }
  };
}

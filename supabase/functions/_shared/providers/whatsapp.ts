// WhatsApp's Cloud API. It has no client that is maintained, and no idempotency key: a call without an answer
// is not repeated, and statuses give our id back.

import { z } from "zod";
import { type Carrier, carrierTimeoutMs } from "./carrier.ts";
import { type Answer, type Fetch, getJson, postJson } from "./http.ts";
import {
  NotConnectedError,
  PermanentError,
  RetryAfterError,
  retryAfterSeconds,
  UnknownOutcomeError,
} from "./outcome.ts";

export interface WhatsAppCredentials {
  accessToken: string | undefined;
  phoneNumberId: string | undefined;
}

export interface WhatsAppOptions {
  baseUrl: string;
  version: string;
  credentials(): Promise<WhatsAppCredentials>;
  fetch?: Fetch;
  timeoutMs?: number;
}

export interface Media {
  mimeType: string;
  bytes: Uint8Array;
}

export interface WhatsApp {
  send: Carrier;
  /** A file that came in; null when it is not there any more or too large. */
  media(id: string, maxBytes: number): Promise<Media | null>;
}

const failureSchema = z.object({ error: z.object({ code: z.number() }) });

const sentSchema = z.object({ messages: z.array(z.object({ id: z.string() })).min(1) });

const mediaSchema = z.object({
  url: z.url(),
  mime_type: z.string().default("application/octet-stream"),
  file_size: z.coerce.number().optional(),
});

const tokenCodes = new Set([0, 102, 190]);

/** Of everybody: application, account and number. */
const rateCodes = new Set([4, 80007, 130429, 131048]);

/** Too many to this person; the service overloaded or away. */
const laterCodes = new Set([131056, 131016, 133004]);

/** What is said with a code of ours; anything else is provider_refused. */
const known = new Map([
  [131047, "whatsapp_window_closed"],
  [131026, "address_unreachable"],
  [131050, "contact_refused: opted_out"],
]);

function refuse({ status, headers, body }: Answer): never {
  const code = failureSchema.safeParse(body).data?.error.code;
  const wait = retryAfterSeconds(headers.get("retry-after"));
  if (status === 429 || (code !== undefined && rateCodes.has(code))) {
    throw new RetryAfterError(`WhatsApp ${code ?? "HTTP 429"}`, wait ?? 60, true);
  }
  if (status === 503 || (code !== undefined && laterCodes.has(code))) {
    throw new RetryAfterError(`WhatsApp ${code ?? "HTTP 503"}`, wait ?? 60);
  }
  if (status === 401 || (code !== undefined && tokenCodes.has(code))) {
    throw new NotConnectedError("WhatsApp does not take the token");
  }
  if (code === undefined || status >= 500)
    throw new UnknownOutcomeError(`WhatsApp: HTTP ${status}`);
  throw new PermanentError(known.get(code) ?? `provider_refused: WhatsApp ${code}`);
}

export function createWhatsApp(options: WhatsAppOptions): WhatsApp {
  const { baseUrl, version, credentials, timeoutMs = carrierTimeoutMs } = options;
  const fetcher: Fetch = options.fetch ?? ((url, init) => fetch(url, init));

  async function tokenAndNumber() {
    const { accessToken, phoneNumberId } = await credentials();
    if (!accessToken || !phoneNumberId) throw new NotConnectedError("WhatsApp is not set up");
    return { phoneNumberId, headers: { authorization: `Bearer ${accessToken}` } };
  }

  return {
    async send(message) {
      const { phoneNumberId, headers } = await tokenAndNumber();
      const { template } = message.data;
      const answer = await postJson(
        fetcher,
        `${baseUrl}/${version}/${phoneNumberId}/messages`,
        {
          messaging_product: "whatsapp",
          recipient_type: "individual",
          to: message.recipient.replace(/^\+/, ""),
          biz_opaque_callback_data: message.id,
          ...(template
            ? {
                type: "template",
                template: {
                  name: template.name,
                  language: { code: template.language },
                  components:
                    template.parameters.length > 0
                      ? [
                          {
                            type: "body",
                            parameters: template.parameters.map((text) => ({ type: "text", text })),
                          },
                        ]
                      : [],
                },
              }
            : { type: "text", text: { body: message.content, preview_url: false } }),
        },
        { headers, timeoutMs },
      );
      if (answer.status !== 200) refuse(answer);
      const sent = sentSchema.safeParse(answer.body);
      if (!sent.success) throw new UnknownOutcomeError("WhatsApp named no message");
      return { provider: "whatsapp", messageId: sent.data.messages[0]?.id };
    },

    async media(id, maxBytes) {
      if (!/^\d{1,32}$/.test(id)) return null;
      const { headers } = await tokenAndNumber();
      const answer = await getJson(fetcher, `${baseUrl}/${version}/${id}`, { headers, timeoutMs });
      if (answer.status === 404 || answer.status === 400) return null;
      if (answer.status !== 200) refuse(answer);
      const { url, mime_type: mimeType, file_size: size } = mediaSchema.parse(answer.body);
      if (size !== undefined && size > maxBytes) return null;
      // The token goes to Meta alone, whatever address an answer names.
      const host = new URL(url).host;
      const isMetas = host === new URL(baseUrl).host || /(^|\.)(fbsbx|facebook)\.com$/.test(host);
      if (!isMetas) throw new PermanentError("the file is somewhere else");
      const response = await fetcher(url, {
        headers,
        redirect: "manual",
        signal: AbortSignal.timeout(timeoutMs),
      });
      if (response.status === 404) return null;
      if (!response.ok) throw new UnknownOutcomeError(`WhatsApp: HTTP ${response.status}`);
      const bytes = new Uint8Array(await response.arrayBuffer());
      return bytes.length > maxBytes ? null : { mimeType, bytes };
    },
  };
}

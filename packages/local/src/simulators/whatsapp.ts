// WhatsApp's Cloud API: messages, statuses, messages that come in and their files.

import { createHmac } from "node:crypto";
import { type Exchange, parseObject, sendJson } from "./http.ts";
import { randomId, type Vendor } from "./messages.ts";

const refusal = (code: number, message: string) => ({
  error: { message, type: "OAuthException", code, fbtrace_id: randomId(6) },
});

/** One pixel. */
const picture = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64",
);

export function whatsapp(appSecret: string): {
  vendor: Vendor;
  environment: Record<string, string>;
} {
  const token = `EAAG${randomId(20)}`;
  const number = "106540352242922";

  const isOurs = ({ headers }: Exchange) => headers.authorization === `Bearer ${token}`;

  function take(exchange: Exchange) {
    if (exchange.method !== "POST" || !exchange.url.pathname.endsWith(`/${number}/messages`)) {
      return { status: 400, body: refusal(100, "Unsupported post request.") };
    }
    if (!isOurs(exchange)) return { status: 401, body: refusal(190, "Invalid access token") };
    const fields = parseObject(exchange.body);
    const to = String(fields.to ?? "");
    if (fields.messaging_product !== "whatsapp" || !/^\d{7,15}$/.test(to)) {
      return { status: 400, body: refusal(131009, "Parameter value is not valid") };
    }
    const id = `wamid.${randomId()}`;
    const text = (fields.text as { body?: string } | undefined)?.body ?? "";
    return {
      message: { id, about: String(fields.biz_opaque_callback_data), to, text, fields },
      status: 200,
      body: {
        messaging_product: "whatsapp",
        contacts: [{ input: to, wa_id: to }],
        messages: [{ id }],
      },
    };
  }

  const now = () => String(Math.floor(Date.now() / 1000));

  const delivery = (value: object) => ({
    body: JSON.stringify({
      object: "whatsapp_business_account",
      entry: [
        {
          id: "102290129340398",
          changes: [
            {
              field: "messages",
              value: {
                messaging_product: "whatsapp",
                metadata: { display_phone_number: "15550783881", phone_number_id: number },
                ...value,
              },
            },
          ],
        },
      ],
    }),
  });

  const vendor: Vendor = {
    name: "whatsapp",
    take,
    refusal: (status) => refusal(status === 429 ? 130429 : 131016, "not now"),
    report({ id, about, to }, { status, errors }) {
      return delivery({
        statuses: [
          {
            id,
            status,
            timestamp: now(),
            recipient_id: to,
            biz_opaque_callback_data: about,
            ...(errors ? { errors } : {}),
          },
        ],
      });
    },
    inbound({ from, text, media_id, id = `wamid.${randomId()}` }) {
      const content = media_id
        ? { type: "image", image: { id: media_id, mime_type: "image/png", caption: text } }
        : { type: "text", text: { body: text } };
      return delivery({
        contacts: [{ profile: { name: "Simulated" }, wa_id: from }],
        messages: [{ from, id, timestamp: now(), ...content }],
      });
    },
    headers: (_url, body) => ({
      "content-type": "application/json",
      "x-hub-signature-256": `sha256=${createHmac("sha256", appSecret).update(body).digest("hex")}`,
    }),
    other(exchange) {
      const { method, url, headers, response } = exchange;
      if (method !== "GET") return false;
      if (!isOurs(exchange)) {
        sendJson(response, 401, refusal(190, "Invalid access token"));
      } else if (url.pathname === "/whatsapp/file") {
        response.writeHead(200, { "content-type": "image/png" });
        response.end(picture);
      } else {
        sendJson(response, 200, {
          url: `http://${headers.host}/whatsapp/file`,
          mime_type: "image/png",
          file_size: picture.length,
          id: url.pathname.split("/").at(-1),
        });
      }
      return true;
    },
  };
  return {
    vendor,
    environment: { WHATSAPP_ACCESS_TOKEN: token, WHATSAPP_PHONE_NUMBER_ID: number },
  };
}

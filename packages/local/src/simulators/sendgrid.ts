// SendGrid: v3 mail send, and the signed event webhook.

import { createSign, generateKeyPairSync } from "node:crypto";
import { type Exchange, parseObject } from "./http.ts";
import { randomId, type Vendor } from "./messages.ts";

interface Mail {
  personalizations?: { to?: { email: string }[]; custom_args?: Record<string, string> }[];
  from?: { email?: string };
  subject?: string;
  content?: { type: string; value: string }[];
}

const refusal = (message: string) => ({ errors: [{ message, field: null, help: null }] });

export function sendgrid(): { vendor: Vendor; environment: Record<string, string> } {
  const apiKey = `SG.${randomId(11)}.${randomId(22)}`;
  const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });

  function take({ method, url, headers, body }: Exchange) {
    if (method !== "POST" || url.pathname !== "/sendgrid/v3/mail/send") {
      return { status: 404, body: refusal("not found") };
    }
    if (headers.authorization !== `Bearer ${apiKey}`) {
      return {
        status: 401,
        body: refusal("The provided authorization grant is invalid, expired, or revoked"),
      };
    }
    const mail = parseObject(body) as Mail;
    const to = mail.personalizations?.[0]?.to?.[0]?.email;
    const text = mail.content?.[0]?.value;
    if (!mail.from?.email || !to?.includes("@") || !text || !mail.subject) {
      return { status: 400, body: refusal("The from, to, subject and content are required.") };
    }
    const id = randomId(11);
    const about = mail.personalizations?.[0]?.custom_args?.communication_id;
    return {
      message: { id, about, to, text, fields: { ...mail } },
      status: 202,
      body: null,
      headers: { "x-message-id": id },
    };
  }

  const vendor: Vendor = {
    name: "sendgrid",
    take,
    refusal: () => refusal("not now"),
    report({ id, about, to }, { events }) {
      // SendGrid ends each event, and the whole, with CR LF.
      const list = (Array.isArray(events) ? events : []).map((event: object) => ({
        email: to,
        timestamp: Math.floor(Date.now() / 1000),
        sg_event_id: randomId(),
        sg_message_id: `${id}.recvd-0-0-0`,
        communication_id: about,
        ...event,
      }));
      return { body: `[${list.map((event) => JSON.stringify(event)).join(",\r\n")}]\r\n` };
    },
    inbound: () => ({ body: "[]" }),
    headers(_url, body) {
      const timestamp = String(Math.floor(Date.now() / 1000));
      return {
        "content-type": "application/json",
        "x-twilio-email-event-webhook-timestamp": timestamp,
        "x-twilio-email-event-webhook-signature": createSign("sha256")
          .update(timestamp)
          .update(body)
          .sign(pair.privateKey, "base64"),
      };
    },
  };
  return {
    vendor,
    environment: {
      SENDGRID_API_KEY: apiKey,
      SENDGRID_FROM_EMAIL: "office@intake.test",
      SENDGRID_WEBHOOK_PUBLIC_KEY: pair.publicKey
        .export({ type: "spki", format: "der" })
        .toString("base64"),
    },
  };
}

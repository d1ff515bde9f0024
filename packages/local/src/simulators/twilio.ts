// Twilio: messages of the 2010-04-01 API, their status callbacks, and SMS that come in.

import { createHmac } from "node:crypto";
import type { Exchange } from "./http.ts";
import { randomId, type Vendor } from "./messages.ts";

export function twilio(): { vendor: Vendor; environment: Record<string, string> } {
  const sid = `AC${randomId()}`;
  const token = randomId();
  const from = "+15005550006";

  function take({ method, url, headers, body }: Exchange) {
    if (method !== "POST" || url.pathname !== `/twilio/2010-04-01/Accounts/${sid}/Messages.json`) {
      return { status: 404, body: { status: 404, code: 20404, message: "not found" } };
    }
    if (headers.authorization !== `Basic ${Buffer.from(`${sid}:${token}`).toString("base64")}`) {
      return { status: 401, body: { status: 401, code: 20003, message: "Authenticate" } };
    }
    const fields = Object.fromEntries(new URLSearchParams(body.toString("utf8")));
    if (!/^\+[1-9]\d{6,14}$/.test(fields.To ?? "")) {
      return { status: 400, body: { status: 400, code: 21211, message: "Invalid 'To' number" } };
    }
    const id = `SM${randomId()}`;
    const callback = fields.StatusCallback ?? "";
    const about = /communication_id=([\w-]+)/.exec(callback)?.[1];
    return {
      message: { id, about, to: fields.To ?? "", text: fields.Body ?? "", fields },
      status: 201,
      body: { sid: id, status: "queued", to: fields.To, body: fields.Body, error_code: null },
    };
  }

  const vendor: Vendor = {
    name: "twilio",
    take,
    refusal: (status) => ({ status, code: status === 429 ? 20429 : 20503, message: "not now" }),
    report({ id, about, to }, { status, error_code }) {
      const fields = {
        AccountSid: sid,
        ApiVersion: "2010-04-01",
        From: from,
        MessageSid: id,
        MessageStatus: String(status),
        SmsSid: id,
        SmsStatus: String(status),
        To: to,
        ...(error_code ? { ErrorCode: String(error_code) } : {}),
      };
      return { body: new URLSearchParams(fields).toString(), query: `?communication_id=${about}` };
    },
    inbound({ from: sender, text, id = `SM${randomId()}` }) {
      const fields = {
        AccountSid: sid,
        Body: String(text),
        From: String(sender),
        MessageSid: String(id),
        NumMedia: "0",
        SmsStatus: "received",
        To: from,
      };
      return { body: new URLSearchParams(fields).toString() };
    },
    headers(url, body) {
      const fields = [...new URLSearchParams(body.toString("utf8"))].sort(([a], [b]) =>
        a < b ? -1 : 1,
      );
      const signed = url + fields.map((pair) => pair.join("")).join("");
      return {
        "content-type": "application/x-www-form-urlencoded",
        "x-twilio-signature": createHmac("sha1", token).update(signed).digest("base64"),
      };
    },
  };
  return {
    vendor,
    environment: { TWILIO_ACCOUNT_SID: sid, TWILIO_AUTH_TOKEN: token, TWILIO_FROM: from },
  };
}

// Who carries what: e-mail goes by SendGrid, or by a mail server where one is named and SendGrid is not set up.

import { storedCredentials } from "../../_shared/credentials.ts";
import type { Database } from "../../_shared/db.ts";
import { functionsUrlOf, type MessagingEnv } from "../../_shared/env.ts";
import type { Carrier } from "../../_shared/providers/carrier.ts";
import { createSendGrid } from "../../_shared/providers/sendgrid.ts";
import { createSmtp } from "../../_shared/providers/smtp.ts";
import { createTwilio } from "../../_shared/providers/twilio.ts";
import { createWhatsApp } from "../../_shared/providers/whatsapp.ts";
import type { Carriers, FetchMedia } from "../handlers/messages.ts";

export function createCarriers(
  db: Database,
  env: MessagingEnv,
): { carriers: Carriers; media: FetchMedia } {
  const stored = {
    sendgrid: storedCredentials(db, "sendgrid"),
    twilio: storedCredentials(db, "twilio"),
    whatsapp: storedCredentials(db, "whatsapp"),
  };
  const sendgridCredentials = async () => {
    const { api_key: apiKey, from_email: from } = await stored.sendgrid();
    return { apiKey: apiKey ?? env.SENDGRID_API_KEY, from: from ?? env.SENDGRID_FROM_EMAIL };
  };
  const sendgrid = createSendGrid({ baseUrl: env.SENDGRID_URL, credentials: sendgridCredentials });
  const smtp = env.SMTP_HOST
    ? createSmtp({
        host: env.SMTP_HOST,
        port: env.SMTP_PORT,
        user: env.SMTP_USER,
        password: env.SMTP_PASSWORD,
        from: env.SMTP_FROM_EMAIL,
      })
    : null;
  const email: Carrier = async (message, files) => {
    const { apiKey } = await sendgridCredentials();
    return smtp && !apiKey ? smtp(message, files) : sendgrid(message, files);
  };
  const whatsapp = createWhatsApp({
    baseUrl: env.WHATSAPP_URL ?? env.META_GRAPH_URL,
    version: env.META_GRAPH_VERSION,
    credentials: async () => {
      const { access_token: token, phone_number_id: number } = await stored.whatsapp();
      return {
        accessToken: token ?? env.WHATSAPP_ACCESS_TOKEN,
        phoneNumberId: number ?? env.WHATSAPP_PHONE_NUMBER_ID,
      };
    },
  });
  const sms = createTwilio({
    baseUrl: env.TWILIO_URL,
    callbackUrl: `${functionsUrlOf(env)}/webhooks/twilio`,
    credentials: async () => {
      const { account_sid: sid, auth_token: token, from } = await stored.twilio();
      return {
        accountSid: sid ?? env.TWILIO_ACCOUNT_SID,
        authToken: token ?? env.TWILIO_AUTH_TOKEN,
        from: from ?? env.TWILIO_FROM,
      };
    },
  });
  return { carriers: { email, sms, whatsapp: whatsapp.send }, media: whatsapp.media };
}

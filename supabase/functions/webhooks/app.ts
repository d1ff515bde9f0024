// Deliveries of providers: verified on the raw bytes, stored, answered. The worker does the rest.

import { type App, createApp } from "../_shared/app.ts";
import type { WebhooksDeps } from "./deps.ts";
import { mountMeta } from "./meta.ts";
import { mountRazorpay } from "./razorpay.ts";
import { mountSendGrid } from "./sendgrid.ts";
import { mountStripe } from "./stripe.ts";
import { mountTwilio } from "./twilio.ts";
import { mountWhatsApp } from "./whatsapp.ts";

export function createWebhooks(deps: WebhooksDeps): App {
  const app = createApp({
    name: "webhooks",
    title: "Intake webhooks",
    description: "Where providers deliver what happened.",
    // SendGrid sends up to 768 kB at once; the inbox takes no more than this.
    maxBodyBytes: 1024 * 1024,
    allowedOrigins: deps.allowedOrigins,
    limiter: deps.limiter,
    log: deps.log,
  });
  mountMeta(app, deps);
  mountSendGrid(app, deps);
  mountTwilio(app, deps);
  mountWhatsApp(app, deps);
  mountRazorpay(app, deps);
  mountStripe(app, deps);
  return app;
}

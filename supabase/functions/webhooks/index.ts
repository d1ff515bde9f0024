import { storedCredentials } from "../_shared/credentials.ts";
import { connect } from "../_shared/db.ts";
import {
  baseEnvSchema,
  functionsUrlOf,
  gatewayEnvSchema,
  messagingEnvSchema,
  metaEnvSchema,
  readEnv,
  serviceEnvSchema,
} from "../_shared/env.ts";
import { createLimiter } from "../_shared/limit.ts";
import { createLogger } from "../_shared/log.ts";
import { createWebhookSecrets } from "../_shared/providers/webhook-secrets.ts";
import { createWebhooks } from "./app.ts";
import { createInbox } from "./inbox.ts";

const env = readEnv(
  baseEnvSchema
    .extend(metaEnvSchema.shape)
    .extend(serviceEnvSchema.shape)
    .extend(messagingEnvSchema.shape)
    .extend(gatewayEnvSchema.shape),
);
const log = createLogger({ function: "webhooks" });
const db = connect(env.SUPABASE_DB_URL, { name: "webhooks", max: 6 });

const facebook = storedCredentials(db, "facebook");
const sendgrid = storedCredentials(db, "sendgrid");
const twilio = storedCredentials(db, "twilio");

const secrets = createWebhookSecrets(db, env);

const app = createWebhooks({
  inbox: createInbox(db, log),
  meta: {
    appSecret: env.META_APP_SECRET,
    verifyToken: env.META_VERIFY_TOKEN,
    storedVerifyToken: async () => (await facebook()).verify_token,
  },
  sendgrid: {
    publicKey: async () => (await sendgrid()).webhook_public_key ?? env.SENDGRID_WEBHOOK_PUBLIC_KEY,
  },
  twilio: {
    authToken: async () => (await twilio()).auth_token ?? env.TWILIO_AUTH_TOKEN,
    url: `${functionsUrlOf(env)}/webhooks/twilio`,
  },
  razorpay: { secrets: secrets.razorpay },
  stripe: { secrets: secrets.stripe },
  allowedOrigins: env.ALLOWED_ORIGINS,
  limiter: createLimiter(db, "webhooks"),
  log,
});

Deno.serve(app.fetch);

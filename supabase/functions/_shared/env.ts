// The function's settings, checked once at start so that a wrong one is a clear line and not a 500.

import process from "node:process";
import { z } from "zod";
import { logLevels } from "./log.ts";

const list = z
  .string()
  .default("")
  .transform((text) =>
    text
      .split(",")
      .map((item) => item.trim())
      .filter(Boolean),
  );

// An empty secret is no secret: every check against it must fail.
const secret = z
  .string()
  .optional()
  .transform((text) => text?.trim() || undefined);

export const baseEnvSchema = z.object({
  SUPABASE_DB_URL: z.string().min(1),
  ALLOWED_ORIGINS: list,
  /** debug says each statement and how long it took, never a value. */
  LOG_LEVEL: z.enum(logLevels).default("info"),
});

export const metaEnvSchema = z.object({
  META_APP_SECRET: secret,
  META_VERIFY_TOKEN: secret,
  META_ACCESS_TOKEN: secret,
  META_GRAPH_URL: z.url().default("https://graph.facebook.com"),
  META_GRAPH_VERSION: z
    .string()
    .regex(/^v\d+\.\d+$/)
    .default("v23.0"),
});

/** Of the providers that carry messages. Credentials that an administrator stored come first. */
export const messagingEnvSchema = z.object({
  /** Where the functions are reached from outside; the project's own address if not said. */
  FUNCTIONS_URL: z.url().optional(),
  SENDGRID_API_KEY: secret,
  SENDGRID_FROM_EMAIL: secret,
  SENDGRID_WEBHOOK_PUBLIC_KEY: secret,
  SENDGRID_URL: z.url().default("https://api.sendgrid.com"),
  SMTP_HOST: secret,
  SMTP_PORT: z.coerce.number().int().min(1).max(65_535).default(465),
  SMTP_USER: secret,
  SMTP_PASSWORD: secret,
  SMTP_FROM_EMAIL: secret,
  TWILIO_ACCOUNT_SID: secret,
  TWILIO_AUTH_TOKEN: secret,
  /** A number, or a messaging service (MG…). */
  TWILIO_FROM: secret,
  TWILIO_URL: z.url().default("https://api.twilio.com"),
  WHATSAPP_ACCESS_TOKEN: secret,
  WHATSAPP_PHONE_NUMBER_ID: secret,
  /** Where META_GRAPH_URL is, if not said. */
  WHATSAPP_URL: z.url().optional(),
});

const secrets = z
  .string()
  .default("")
  .transform((text) => text.split(/[\s,]+/).filter(Boolean));

/** Webhook secrets are lists: what is delivered again after a change is signed with the old one. */
export const gatewayEnvSchema = z.object({
  RAZORPAY_KEY_ID: secret,
  RAZORPAY_KEY_SECRET: secret,
  RAZORPAY_WEBHOOK_SECRET: secrets,
  RAZORPAY_API_URL: z.url().default("https://api.razorpay.com"),
  STRIPE_SECRET_KEY: secret,
  STRIPE_WEBHOOK_SECRET: secrets,
  STRIPE_API_URL: z.url().default("https://api.stripe.com"),
});

export type MessagingEnv = z.output<typeof messagingEnvSchema> &
  z.output<typeof metaEnvSchema> & { SUPABASE_URL: string };

/** Where providers are told to report to. */
export function functionsUrlOf(env: {
  FUNCTIONS_URL?: string | undefined;
  SUPABASE_URL: string;
}): string {
  return (env.FUNCTIONS_URL ?? `${env.SUPABASE_URL}/functions/v1`).replace(/\/$/, "");
}

/** Set by the platform: Storage and Auth's admin API are asked in the service's name. */
export const serviceEnvSchema = z.object({
  SUPABASE_URL: z.url(),
  SUPABASE_SERVICE_ROLE_KEY: z.string().min(1),
});

export const workerEnvSchema = z.object({
  WORKER_SECRET: secret,
  /** On this machine webhooks may go to this machine; anywhere else that would be a way in. */
  WEBHOOKS_ALLOW_PRIVATE: z
    .enum(["true", "false"])
    .default("false")
    .transform((text) => text === "true"),
});

export function readEnv<Schema extends z.ZodType>(
  schema: Schema,
  source: Record<string, string | undefined> = process.env,
): z.output<Schema> {
  const parsed = schema.safeParse(source);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
  throw new Error(`The function's environment is not complete. ${problems.join("; ")}`);
}

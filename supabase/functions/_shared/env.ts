// The function's settings, checked once at start so that a wrong one is a clear line and not a 500.

import process from "node:process";
import { z } from "zod";

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

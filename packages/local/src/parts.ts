import { createHmac } from "node:crypto";
import { join } from "node:path";
import type postgres from "postgres";
import { createApi } from "./api.ts";
import { createAuthAdmin } from "./auth-admin.ts";
import type { Engine } from "./binaries.ts";
import { startCron } from "./cron.ts";
import { createDocs } from "./docs.ts";
import { createFunctions } from "./functions.ts";
import type { GatewayParts } from "./gateway.ts";
import type { KeyRing, Secrets } from "./keys.ts";
import { startNet } from "./net.ts";
import type { ProjectConfig } from "./project-config.ts";
import { createRealtime } from "./realtime.ts";
import { type GatewaySecrets, startSimulators } from "./simulators/index.ts";

export interface PartsOptions {
  /** Connected as `supabase_admin`. */
  admin: postgres.Sql;
  urlOf(role: string): string;
  secrets: Secrets;
  keys: KeyRing;
  config: ProjectConfig;
  engine: Engine;
  root: string;
  dataDir: string;
  url: string;
  /** Each part adds its own end here as soon as it runs. */
  cleanups: (() => Promise<unknown>)[];
  log(part: string, line: string): void;
}

export interface Parts extends GatewayParts {
  simulatorUrl: string;
}

/** Starts what stands behind the gateway: APIs, Realtime, functions, simulators and the tickers. */
export async function startParts(options: PartsOptions): Promise<Parts> {
  const { admin, urlOf, secrets, keys, cleanups, log } = options;
  const added = <T>(part: T, close: (part: T) => Promise<unknown>): T => {
    cleanups.push(() => close(part));
    return part;
  };
  const simulators = added(
    await startSimulators({
      functionsUrl: () => `${options.url}/functions/v1`,
      metaAppSecret: secrets.metaAppSecret,
      metaVerifyToken: secrets.metaVerifyToken,
      metaAccessToken: secrets.metaAccessToken,
      gateways: gatewaySecrets(secrets),
    }),
    (part) => part.close(),
  );
  const functions = added(
    createFunctions({
      root: options.root,
      env: { ...functionsEnvironment(options, simulators.url), ...simulators.environment },
      defaults: { ALLOWED_ORIGINS: originsOf(options.config).join(",") },
      verifyToken: keys.verifyToken,
      onLog: (name, line) => log("functions", `${name}: ${line}`),
    }),
    (part) => part.close(),
  );
  const [api, realtime] = await Promise.all([
    createApi({
      admin,
      urlOf,
      secrets,
      keys,
      config: options.config,
      url: options.url,
      storageFolder: join(options.dataDir, "storage"),
      onMail: (mail) => log("mail", JSON.stringify(mail)),
      onError: (line) => log("api", line),
    }).then((part) => added(part, () => part.close())),
    createRealtime({
      databaseUrl: urlOf("supabase_admin"),
      verifyToken: keys.verifyToken,
      isApiKey: keys.isApiKey,
      log: (line) => log("realtime", line),
    }).then((part) => added(part, () => part.close())),
  ]);
  const reload = () => api.reload().catch((error: unknown) => log("api", String(error)));
  await admin.listen("pgrst", () => void reload());
  added(await startNet(admin, (line) => log("database", line)), (part) => part.close());
  if (options.engine === "embedded") {
    added(await startCron(admin, (line) => log("database", line)), (part) => part.close());
  }
  return {
    api,
    keys,
    realtime,
    functions,
    docs: createDocs({ sql: admin, root: options.root, publishableKey: secrets.publishableKey }),
    authAdmin: createAuthAdmin({
      sql: admin,
      isApiKey: keys.isApiKey,
      verifyToken: keys.verifyToken,
      url: options.url,
      siteUrl: options.config.siteUrl,
      redirectUrls: options.config.redirectUrls,
      otpLength: options.config.otpLength,
      minimumPasswordLength: options.config.minimumPasswordLength,
      passwordRequirements: options.config.passwordRequirements,
      onMail: (mail) => log("mail", JSON.stringify(mail)),
      onError: (line) => log("auth", line),
    }),
    onError: (line) => log("gateway", line),
    simulatorUrl: simulators.url,
  };
}

/** What hosted gives to every function, and this project's own secrets. */
function functionsEnvironment(options: PartsOptions, simulatorUrl: string): Record<string, string> {
  const { secrets, url } = options;
  return {
    SUPABASE_URL: url,
    SUPABASE_ANON_KEY: secrets.anonKey,
    SUPABASE_SERVICE_ROLE_KEY: secrets.serviceRoleKey,
    SUPABASE_PUBLISHABLE_KEYS: JSON.stringify({ default: secrets.publishableKey }),
    SUPABASE_SECRET_KEYS: JSON.stringify({ default: secrets.secretKey }),
    SUPABASE_DB_URL: options.urlOf("postgres"),
    WORKER_SECRET: secrets.workerSecret,
    WEBHOOKS_ALLOW_PRIVATE: "true",
    META_APP_SECRET: secrets.metaAppSecret,
    META_VERIFY_TOKEN: secrets.metaVerifyToken,
    META_ACCESS_TOKEN: secrets.metaAccessToken,
    META_GRAPH_URL: simulatorUrl,
    ...gatewayEnvironment(secrets, simulatorUrl),
  };
}

/** Made from a secret that every data folder has, so that older ones need no new one. */
function gatewaySecrets({ workerSecret }: Secrets): GatewaySecrets {
  const made = (name: string) =>
    createHmac("sha256", workerSecret).update(name).digest("hex").slice(0, 32);
  return {
    razorpayKeyId: `rzp_test_${made("razorpay key").slice(0, 14)}`,
    razorpayKeySecret: made("razorpay secret"),
    razorpayWebhookSecret: made("razorpay webhook"),
    stripeSecretKey: `sk_test_${made("stripe")}`,
    stripeWebhookSecret: `whsec_${made("stripe webhook")}`,
  };
}

function gatewayEnvironment(secrets: Secrets, simulatorUrl: string): Record<string, string> {
  const made = gatewaySecrets(secrets);
  return {
    RAZORPAY_KEY_ID: made.razorpayKeyId,
    RAZORPAY_KEY_SECRET: made.razorpayKeySecret,
    RAZORPAY_WEBHOOK_SECRET: made.razorpayWebhookSecret,
    RAZORPAY_API_URL: `${simulatorUrl}/razorpay`,
    STRIPE_SECRET_KEY: made.stripeSecretKey,
    STRIPE_WEBHOOK_SECRET: made.stripeWebhookSecret,
    STRIPE_API_URL: `${simulatorUrl}/stripe`,
  };
}

/** Where the frontend runs. */
function originsOf({ siteUrl, redirectUrls }: ProjectConfig): string[] {
  return [siteUrl, ...redirectUrls]
    .filter((page) => URL.canParse(page))
    .map((page) => new URL(page).origin);
}

import { z } from "zod";
import { createIdentifyCaller } from "../_shared/caller.ts";
import { connect } from "../_shared/db.ts";
import {
  baseEnvSchema,
  gatewayEnvSchema,
  metaEnvSchema,
  readEnv,
  serviceEnvSchema,
} from "../_shared/env.ts";
import { createLimiter } from "../_shared/limit.ts";
import { createLogger } from "../_shared/log.ts";
import { createAccounts } from "./accounts.ts";
import { createAdmin } from "./app.ts";
import { createIntegrations, createUsers } from "./store.ts";
import { metaTester, razorpayTester, stripeTester } from "./testers.ts";

const env = readEnv(
  baseEnvSchema
    .extend(metaEnvSchema.shape)
    .extend(gatewayEnvSchema.shape)
    .extend(serviceEnvSchema.shape)
    .extend({ SUPABASE_ANON_KEY: z.string().min(1) }),
);
const log = createLogger({ function: "admin" });
const db = connect(env.SUPABASE_DB_URL, { name: "admin", max: 2 });

Deno.serve(
  createAdmin({
    identify: createIdentifyCaller({ url: env.SUPABASE_URL, apiKey: env.SUPABASE_ANON_KEY }),
    integrations: createIntegrations(db),
    testers: {
      facebook: metaTester({
        baseUrl: env.META_GRAPH_URL,
        version: env.META_GRAPH_VERSION,
        appSecret: env.META_APP_SECRET,
      }),
      razorpay: razorpayTester({ baseUrl: env.RAZORPAY_API_URL }),
      stripe: stripeTester({ baseUrl: env.STRIPE_API_URL }),
    },
    users: createUsers(db),
    accounts: createAccounts({ url: env.SUPABASE_URL, key: env.SUPABASE_SERVICE_ROLE_KEY }),
    allowedOrigins: env.ALLOWED_ORIGINS,
    limiter: createLimiter(db, "admin"),
    log,
  }).fetch,
);

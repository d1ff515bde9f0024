import { z } from "zod";
import { createIdentifyCaller } from "../_shared/caller.ts";
import { connect } from "../_shared/db.ts";
import { baseEnvSchema, gatewayEnvSchema, readEnv, serviceEnvSchema } from "../_shared/env.ts";
import { createLimiter } from "../_shared/limit.ts";
import { createLogger } from "../_shared/log.ts";
import { createGateways } from "../_shared/providers/gateways.ts";
import { createPayments } from "./app.ts";
import { createPaymentStore } from "./store.ts";

const env = readEnv(
  baseEnvSchema
    .extend(gatewayEnvSchema.shape)
    .extend(serviceEnvSchema.shape)
    .extend({ SUPABASE_ANON_KEY: z.string().min(1) }),
);
const log = createLogger({ function: "payments" });
const db = connect(env.SUPABASE_DB_URL, { name: "payments", max: 6 });

Deno.serve(
  createPayments({
    identify: createIdentifyCaller({ url: env.SUPABASE_URL, apiKey: env.SUPABASE_ANON_KEY }),
    store: createPaymentStore(db),
    gateways: createGateways(db, env),
    allowedOrigins: env.ALLOWED_ORIGINS,
    limiter: createLimiter(db, "payments"),
    log,
  }).fetch,
);

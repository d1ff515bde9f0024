import { z } from "zod";
import { createIdentifyCaller } from "../_shared/caller.ts";
import { connect } from "../_shared/db.ts";
import { baseEnvSchema, readEnv, serviceEnvSchema } from "../_shared/env.ts";
import { createLimiter } from "../_shared/limit.ts";
import { createLogger } from "../_shared/log.ts";
import { createReports } from "./app.ts";
import { createFiles, createRuns } from "./store.ts";

const env = readEnv(
  baseEnvSchema.extend(serviceEnvSchema.shape).extend({ SUPABASE_ANON_KEY: z.string().min(1) }),
);
const log = createLogger({ function: "reports" });
const db = connect(env.SUPABASE_DB_URL, { name: "reports", max: 2, statementTimeoutMs: 5_000 });

Deno.serve(
  createReports({
    identify: createIdentifyCaller({ url: env.SUPABASE_URL, apiKey: env.SUPABASE_ANON_KEY }),
    runs: createRuns(db),
    files: createFiles({
      url: env.SUPABASE_URL,
      anonKey: env.SUPABASE_ANON_KEY,
      serviceKey: env.SUPABASE_SERVICE_ROLE_KEY,
    }),
    allowedOrigins: env.ALLOWED_ORIGINS,
    limiter: createLimiter(db, "reports"),
    log,
  }).fetch,
);

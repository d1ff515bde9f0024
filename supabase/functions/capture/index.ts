import { connect } from "../_shared/db.ts";
import { baseEnvSchema, readEnv } from "../_shared/env.ts";
import { createLimiter } from "../_shared/limit.ts";
import { createLogger } from "../_shared/log.ts";
import { createCapture } from "./app.ts";
import { createEnquiries, createKeys } from "./store.ts";

const env = readEnv(baseEnvSchema);
const log = createLogger({ function: "capture" });
const db = connect(env.SUPABASE_DB_URL, { name: "capture", max: 4, statementTimeoutMs: 10_000 });

Deno.serve(
  createCapture({
    keys: createKeys(db),
    enquiries: createEnquiries(db),
    allowedOrigins: env.ALLOWED_ORIGINS,
    limiter: createLimiter(db, "capture"),
    log,
  }).fetch,
);

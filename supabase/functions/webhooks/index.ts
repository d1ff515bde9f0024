import { connect } from "../_shared/db.ts";
import { baseEnvSchema, metaEnvSchema, readEnv } from "../_shared/env.ts";
import { createLimiter } from "../_shared/limit.ts";
import { createLogger } from "../_shared/log.ts";
import { createWebhooks } from "./app.ts";
import { createInbox } from "./inbox.ts";

const env = readEnv(baseEnvSchema.extend(metaEnvSchema.shape));
const log = createLogger({ function: "webhooks" });
const db = connect(env.SUPABASE_DB_URL, { name: "webhooks", max: 6 });

const app = createWebhooks({
  inbox: createInbox(db, log),
  meta: { appSecret: env.META_APP_SECRET, verifyToken: env.META_VERIFY_TOKEN },
  allowedOrigins: env.ALLOWED_ORIGINS,
  limiter: createLimiter(db, "webhooks"),
  log,
});

Deno.serve(app.fetch);

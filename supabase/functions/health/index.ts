import { sql } from "kysely";
import { connect } from "../_shared/db.ts";
import { baseEnvSchema, readEnv } from "../_shared/env.ts";
import { createLimiter } from "../_shared/limit.ts";
import { createLogger } from "../_shared/log.ts";
import { createHealth, type Facts } from "./app.ts";

const env = readEnv(baseEnvSchema);
const log = createLogger({ function: "health" });
const db = connect(env.SUPABASE_DB_URL, { name: "health", max: 2, statementTimeoutMs: 3_000 });

async function facts(): Promise<Facts> {
  const result = await db.asService((tx) =>
    sql<{ is_migrated: boolean; due: number; oldest_due_seconds: number }>`
      select to_regclass('public.integration_logs') is not null as is_migrated, due, oldest_due_seconds
      from private.queue_health()`.execute(tx),
  );
  const [row] = result.rows;
  return {
    isMigrated: row?.is_migrated ?? false,
    due: row?.due ?? 0,
    oldestDueSeconds: row?.oldest_due_seconds ?? 0,
  };
}

Deno.serve(
  createHealth({
    facts,
    allowedOrigins: env.ALLOWED_ORIGINS,
    limiter: createLimiter(db, "health"),
    log,
  }).fetch,
);

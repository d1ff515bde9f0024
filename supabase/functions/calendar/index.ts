import { calendarFeedSchema } from "@intake/types";
import { sql } from "kysely";
import { connect, json } from "../_shared/db.ts";
import { baseEnvSchema, readEnv } from "../_shared/env.ts";
import { createLimiter } from "../_shared/limit.ts";
import { createLogger } from "../_shared/log.ts";
import { createCalendar } from "./app.ts";

const env = readEnv(baseEnvSchema);
const log = createLogger({ function: "calendar" });
const db = connect(env.SUPABASE_DB_URL, { name: "calendar", max: 2, statementTimeoutMs: 5_000 });

async function feed(tokenHash: string, headers: Record<string, string>) {
  const { rows } = await db.asService((tx) =>
    sql<{ feed: unknown }>`
      select private.calendar_feed(${tokenHash}, ${json(headers)}) as feed`.execute(tx),
  );
  return calendarFeedSchema.parse(rows[0]?.feed);
}

Deno.serve(
  createCalendar({
    feed,
    allowedOrigins: env.ALLOWED_ORIGINS,
    limiter: createLimiter(db, "calendar"),
    log,
  }).fetch,
);

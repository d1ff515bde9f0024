import { trackUnsubscribeSchema } from "@intake/types";
import { sql } from "kysely";
import { connect } from "../_shared/db.ts";
import { baseEnvSchema, readEnv } from "../_shared/env.ts";
import { createLimiter } from "../_shared/limit.ts";
import { createLogger } from "../_shared/log.ts";
import { createTrack } from "./app.ts";

const env = readEnv(baseEnvSchema);
const log = createLogger({ function: "track" });
const db = connect(env.SUPABASE_DB_URL, { name: "track", max: 3, statementTimeoutMs: 5_000 });

Deno.serve(
  createTrack({
    open: async (token) => {
      await db.asService((tx) => sql`select private.track_open(${token})`.execute(tx));
    },
    click: async (token) => {
      const { rows } = await db.asService((tx) =>
        sql<{ url: string | null }>`select private.track_click(${token}) as url`.execute(tx),
      );
      return rows[0]?.url ?? null;
    },
    unsubscribe: async (token, isPost) => {
      const { rows } = await db.asService((tx) =>
        sql<{
          done: unknown;
        }>`select private.track_unsubscribe(${token}, ${isPost}) as done`.execute(tx),
      );
      return trackUnsubscribeSchema.parse(rows[0]?.done);
    },
    allowedOrigins: env.ALLOWED_ORIGINS,
    limiter: createLimiter(db, "track"),
    log,
  }).fetch,
);

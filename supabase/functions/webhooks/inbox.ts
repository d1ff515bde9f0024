// The inbox in the database.

import { Buffer } from "node:buffer";
import { sql } from "kysely";
import { runInBackground } from "../_shared/background.ts";
import { type Database, json } from "../_shared/db.ts";
import { describeError } from "../_shared/errors.ts";
import type { Logger } from "../_shared/log.ts";
import type { Inbox } from "./deps.ts";

const flushAfterMs = 2_000;

export function createInbox(db: Database, log: Logger): Inbox {
  const rejected = new Map<string, number>();
  let flushing: Promise<void> | null = null;

  // Refusals are counted in memory first: a flood of them must not become a flood of writes.
  async function flush() {
    await new Promise((resolve) => setTimeout(resolve, flushAfterMs));
    const counts = [...rejected];
    rejected.clear();
    flushing = null;
    try {
      await db.asService(async (tx) => {
        for (const [key, count] of counts) {
          const [provider, reason] = key.split(" ");
          await sql`select private.count_rejection(${provider}, ${reason}, ${count}::bigint)`.execute(
            tx,
          );
        }
      });
    } catch (error) {
      log.log("warn", "rejections were not counted", describeError(error));
    }
  }

  return {
    receive(provider, events, headers, requestId) {
      // In one order, so that two deliveries of the same events wait for each other and never deadlock.
      const rows = events
        .map(({ id, raw, isIgnored = false }) => ({
          id,
          raw: Buffer.from(raw).toString("base64"),
          ignored: isIgnored,
        }))
        .sort((a, b) => (a.id < b.id ? -1 : 1));
      return db.asService(
        async (tx) => {
          const result = await sql<{ stored: number }>`
            select count(*) filter (where private.inbox_receive(
              ${provider}, e.id, decode(e.raw, 'base64'), ${json(headers)}, e.ignored
            ))::integer as stored
            from jsonb_to_recordset(${json(rows)}) as e (id text, raw text, ignored boolean)
          `.execute(tx);
          return result.rows[0]?.stored ?? 0;
        },
        { requestId },
      );
    },
    countRejection(provider, reason) {
      const key = `${provider} ${reason}`;
      rejected.set(key, (rejected.get(key) ?? 0) + 1);
      if (!flushing) {
        flushing = flush();
        runInBackground(flushing);
      }
    },
  };
}

// Campaigns: handed over chunk by chunk by the database; a job goes on for a while and queues the rest.

import { jobPayloads } from "@intake/types";
import { sql } from "kysely";
import { type Database, json } from "../../_shared/db.ts";
import type { Handler, Handlers } from "./handler.ts";

/** How long one job goes on before it queues the rest as another. */
const workForMs = 30_000;

/** When to look again while enough is under way. */
const waitSeconds = 10;

function again(campaignId: string, seconds: number) {
  return async (tx: Parameters<Parameters<Database["asService"]>[0]>[0]) => {
    await sql`
      select private.enqueue(
        'campaign.step', ${json({ campaign_id: campaignId })},
        now() + make_interval(secs => ${seconds}::integer), ${campaignId}
      )`.execute(tx);
  };
}

function step(db: Database, chunk: number): Handler {
  return async ({ job, signal }) => {
    const { campaign_id: id } = jobPayloads["campaign.step"].parse(job.payload);
    const until = Date.now() + workForMs;
    for (;;) {
      signal.throwIfAborted();
      const { rows } = await db.asService((tx) =>
        sql<{
          state: string;
        }>`select private.campaign_step(${id}::uuid, ${chunk}::integer) as state`.execute(tx),
      );
      const state = rows[0]?.state;
      if (state === "waiting" || state === "sending") return again(id, waitSeconds);
      if (state !== "more") return undefined;
      if (Date.now() > until) return again(id, 0);
    }
  };
}

export function campaignHandlers(db: Database, chunk = 500): Handlers {
  return { "campaign.step": step(db, chunk) };
}

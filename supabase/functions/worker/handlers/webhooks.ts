// Deliveries to outside systems: one webhook is one job, so that an endpoint that hangs holds up itself alone.

import { jobPayloads, type WebhookAttempt, webhookAttemptSchema } from "@intake/types";
import { sql } from "kysely";
import type { Database } from "../../_shared/db.ts";
import { type OutsideAnswer, OutsideError, type PostOutside } from "../../_shared/outside.ts";
import { retryAfterSeconds } from "../../_shared/providers/outcome.ts";
import { webhookHeaders } from "../../_shared/standard-webhooks.ts";
import type { Handlers } from "./handler.ts";

export interface Deliveries {
  /** Takes the next delivery that is due, null when there is none. */
  next(webhookId: string): Promise<WebhookAttempt | null>;
  settle(attempt: WebhookAttempt, result: AttemptResult): Promise<string>;
}

export interface AttemptResult {
  status: number | null;
  error: string | null;
  ms: number;
  retryAfterSeconds: number | null;
}

export function createDeliveries(db: Database): Deliveries {
  return {
    async next(webhookId) {
      const { rows } = await db.asService((tx) =>
        sql<{ attempt: unknown }>`
          select private.webhook_next(${webhookId}::uuid) as attempt`.execute(tx),
      );
      return webhookAttemptSchema.parse(rows[0]?.attempt ?? null);
    },
    async settle(attempt, { status, error, ms, retryAfterSeconds: wait }) {
      const { rows } = await db.asService((tx) =>
        sql<{ outcome: string }>`
          select private.webhook_settle(
            ${attempt.id}::uuid, ${attempt.attempt}::integer, ${status}::integer, ${error}, ${ms}::integer,
            make_interval(secs => ${wait}::float8)
          ) as outcome`.execute(tx),
      );
      return rows[0]?.outcome ?? "lost";
    },
  };
}

async function send(
  post: PostOutside,
  { url, secrets, id, body }: WebhookAttempt,
  signal: AbortSignal,
): Promise<OutsideAnswer> {
  // Vault is not part of a backup: whoever restored one makes a new secret.
  if (secrets.length === 0) throw new OutsideError("there is no secret: rotate it");
  return post(url, await webhookHeaders(secrets, id, body), body, signal);
}

/** The endpoint is not to be had: what else waits for it would only wait for its failure too. */
const isAway = (status: number | null) => status === null || [429, 502, 503, 504].includes(status);

export function webhookHandlers(
  deliveries: Deliveries,
  post: PostOutside,
  claimForMs = 40_000,
): Handlers {
  return {
    "webhook.deliver": async ({ job, signal, log }) => {
      const { webhook_id: webhookId } = jobPayloads["webhook.deliver"].parse(job.payload);
      const until = Date.now() + claimForMs;
      while (Date.now() < until) {
        signal.throwIfAborted();
        const attempt = await deliveries.next(webhookId);
        if (!attempt) return undefined;
        const started = performance.now();
        const result: AttemptResult = { status: null, error: null, ms: 0, retryAfterSeconds: null };
        try {
          const answer = await send(post, attempt, signal);
          result.status = answer.status;
          result.retryAfterSeconds = retryAfterSeconds(answer.retryAfter);
        } catch (error) {
          if (!(error instanceof OutsideError)) throw error;
          result.error = error.message;
        }
        result.ms = Math.round(performance.now() - started);
        const outcome = await deliveries.settle(attempt, result);
        const { status, ms } = result;
        log.log("info", "webhook", { webhook_id: webhookId, outcome, status, ms });
        // The tick of the next minute asks again.
        if (outcome !== "delivered" && isAway(status)) return undefined;
      }
      return async (tx) => {
        await sql`select private.webhooks_enqueue(${webhookId}::uuid)`.execute(tx);
      };
    },
  };
}

// Nobody calls a function faster than the settings allow. The database counts, for all isolates together.

import type { Context } from "hono";
import { createMiddleware } from "hono/factory";
import { sql } from "kysely";
import { type Database, json } from "./db.ts";
import { ApiError, describeError } from "./errors.ts";
import type { Logger } from "./log.ts";

export interface Limiter {
  /** Takes one hit of the caller's network: 0, or the seconds to wait. */
  take(origin: Record<string, string>): Promise<number>;
}

export function createLimiter(db: Database, name: string): Limiter {
  return {
    take: (origin) =>
      db.asService(async (tx) => {
        const { rows } = await sql<{ wait: number }>`
          select private.function_rate_limit_take(${name}, ${json(origin)}) as wait`.execute(tx);
        return rows[0]?.wait ?? 0;
      }),
  };
}

/** The headers that say where a request comes from, without those that say who it is. */
export function originOf(c: Context): Record<string, string> {
  const { authorization: _a, apikey: _k, cookie: _c, ...origin } = c.req.header();
  return origin;
}

export function refuseToWait(c: Context, seconds: number): ApiError {
  c.header("retry-after", String(seconds));
  return new ApiError(
    429,
    "rate_limited",
    "Too many requests.",
    undefined,
    `Retry after ${seconds} seconds.`,
  );
}

async function withinTime<T>(work: Promise<T>, ms: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * A limiter that fails lets everybody pass: it is there for the backend to serve, and a delivery must
 * not be lost because nobody could count it.
 */
export function limitRate(limiter: Limiter, timeoutMs = 2_000) {
  return createMiddleware<{ Variables: { log: Logger } }>(async (c, next) => {
    let wait = 0;
    try {
      wait = await withinTime(limiter.take(originOf(c)), timeoutMs);
    } catch (error) {
      c.get("log").log("warn", "the rate limit could not be taken", describeError(error));
    }
    if (wait > 0) throw refuseToWait(c, wait);
    await next();
  });
}

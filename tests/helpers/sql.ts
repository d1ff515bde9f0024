/** One small pool per test file, as role `postgres`, for what a client cannot see or do. */
import type postgres from "postgres";
import { connect } from "./database.ts";

let pool: postgres.Sql | undefined;

/** Idle connections close by themselves, so that nothing has to end the pool. */
export function sql(): postgres.Sql {
  pool ??= connect();
  return pool;
}

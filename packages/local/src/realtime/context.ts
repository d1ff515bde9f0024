import type { Sql } from "postgres";
import type { Hub } from "./hub.ts";
import type { PostgresChanges } from "./postgres-changes.ts";
import type { Presence } from "./presence.ts";
import type { VerifyToken } from "./tokens.ts";

export interface Limits {
  maxPayloadBytes: number;
  maxChannelsPerClient: number;
  /** Presence messages that one channel may send within a window. */
  maxPresenceEvents: number;
  presenceWindowMs: number;
  /** The longest a token goes unchecked. */
  confirmTokenMs: number;
  /** A socket that says nothing for this long is closed. */
  idleSocketMs: number;
}

/** Hosted's own defaults. */
export const HOSTED_LIMITS: Limits = {
  maxPayloadBytes: 3_000_500,
  maxChannelsPerClient: 100,
  maxPresenceEvents: 5,
  presenceWindowMs: 30_000,
  confirmTokenMs: 300_000,
  idleSocketMs: 60_000,
};

/** What every part of the server shares. */
export interface Context {
  sql: Sql;
  hub: Hub;
  presence: Presence;
  changes: PostgresChanges;
  limits: Limits;
  verifyToken: VerifyToken;
  isApiKey(key: string): { role: "anon" | "service_role" } | null;
  log(message: string): void;
}

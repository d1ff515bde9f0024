// The two ways into the database, and there is no third: as the user of a verified token, under row
// level security, and as the service, for webhooks and the worker.

import { type Kysely, sql } from "kysely";
import { kyselyOver } from "./kysely.ts";
import { createLogger } from "./log.ts";
import { createPool } from "./pool.ts";

/** The code calls functions by name; tables come with the generated types. */
export type Schema = Record<string, never>;

/** Queries of one open transaction. */
export type Tx = Kysely<Schema>;

export interface Claims {
  sub: string;
  role: "authenticated";
  session_id?: string;
  [claim: string]: unknown;
}

export interface CallOptions {
  requestId?: string | undefined;
  /** Of the service's work for somebody: who it was, for the audit trail. Gives no right. */
  actorId?: string | undefined;
}

export interface Database {
  /** `claims` come from a token that was verified, never from a body. */
  asUser<T>(claims: Claims, work: (tx: Tx) => Promise<T>, options?: CallOptions): Promise<T>;
  /** Never for a user's request alone. */
  asService<T>(work: (tx: Tx) => Promise<T>, options?: CallOptions): Promise<T>;
  close(): Promise<void>;
}

export interface ConnectOptions {
  name: string;
  max?: number;
  statementTimeoutMs?: number;
}

export function connect(url: string, options: ConnectOptions): Database {
  const timeoutMs = options.statementTimeoutMs ?? 15_000;
  const log = createLogger({ function: options.name });
  const pool = createPool(url, {
    name: options.name,
    max: options.max ?? 4,
    deadlineMs: timeoutMs + 10_000,
  });

  function run<T>(
    role: "authenticated" | "service_role",
    claims: Record<string, unknown>,
    work: (tx: Tx) => Promise<T>,
    { requestId }: CallOptions = {},
  ): Promise<T> {
    const headers = JSON.stringify(requestId ? { "x-request-id": requestId } : {});
    return pool.begin(async (transaction) => {
      const tx = kyselyOver<Schema>(
        transaction,
        requestId ? log.with({ request_id: requestId }) : log,
      );
      await sql`select
        set_config('request.jwt.claims', ${JSON.stringify(claims)}, true),
        set_config('request.headers', ${headers}, true),
        set_config('statement_timeout', ${String(timeoutMs)}, true),
        set_config('role', ${role}, true)`.execute(tx);
      return work(tx);
    });
  }

  return {
    asUser: (claims, work, call) => run("authenticated", claims, work, call),
    asService: (work, call) => {
      const actor = call?.actorId ? { sub: call.actorId } : {};
      return run("service_role", { role: "service_role", ...actor }, work, call);
    },
    close: () => pool.end(),
  };
}

/** A JSON argument. By way of text: a driver that knows the type jsonb would encode it twice. */
export function json(value: unknown) {
  return sql<unknown>`${JSON.stringify(value)}::text::jsonb`;
}

// The two ways into the database, and there is no third: as the user of a verified token, under row
// level security, and as the service, for webhooks and the worker.

import { type Kysely, sql } from "kysely";
import postgres from "postgres";
import { kyselyOver } from "./kysely.ts";

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
  const client = postgres(url, {
    // Hosted connections may go through a transaction pooler, which keeps no prepared statements.
    prepare: false,
    max: options.max ?? 4,
    idle_timeout: 20,
    connect_timeout: 10,
    // After a restart of the database, back within a second.
    backoff: (retries) => Math.min(0.05 * 2 ** retries, 1),
    connection: { application_name: `intake-${options.name}` },
    onnotice: () => {},
  });
  const timeoutMs = options.statementTimeoutMs ?? 15_000;

  async function run<T>(
    role: "authenticated" | "service_role",
    claims: Record<string, unknown>,
    work: (tx: Tx) => Promise<T>,
    { requestId }: CallOptions = {},
  ): Promise<T> {
    const headers = JSON.stringify(requestId ? { "x-request-id": requestId } : {});
    // Not postgres.js's reserve(), which a Kysely dialect would use: a connection that dies while it
    // is reserved never answers again, begin() rejects.
    const transaction = client.begin(async (connection) => {
      const tx = kyselyOver<Schema>(connection);
      await sql`select
        set_config('request.jwt.claims', ${JSON.stringify(claims)}, true),
        set_config('request.headers', ${headers}, true),
        set_config('statement_timeout', ${String(timeoutMs)}, true),
        set_config('role', ${role}, true)`.execute(tx);
      return { result: await work(tx) };
    });
    return (await within(transaction, timeoutMs + 10_000)).result;
  }

  return {
    asUser: (claims, work, call) => run("authenticated", claims, work, call),
    asService: (work, call) => run("service_role", { role: "service_role" }, work, call),
    close: () => client.end({ timeout: 5 }),
  };
}

/** A network that swallows packets must not keep a caller for ever. */
async function within<T>(promise: Promise<T>, ms: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("The database did not answer in time.")), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A JSON argument. By way of text: a driver that knows the type jsonb would encode it twice. */
export function json(value: unknown) {
  return sql<unknown>`${JSON.stringify(value)}::text::jsonb`;
}

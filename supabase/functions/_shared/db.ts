// The two ways into the database, and there is no third: as the user of a verified token, under row
// level security, and as the service, for webhooks and the worker.

import { Kysely, sql, type Transaction } from "kysely";
import { PostgresJSDialect } from "kysely-postgres-js";
import postgres from "postgres";

/** The code calls functions by name; tables come with the generated types. */
export type Schema = Record<string, never>;

export type Tx = Transaction<Schema>;

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
    // Not off: postgres.js 3.4.9 then never answers the first reserve() on a new connection, which is
    // how every transaction begins here.
    fetch_types: true,
    max: options.max ?? 4,
    idle_timeout: 20,
    connect_timeout: 10,
    connection: { application_name: `intake-${options.name}` },
    onnotice: () => {},
  });
  const db = new Kysely<Schema>({ dialect: new PostgresJSDialect({ postgres: client }) });
  const timeout = String(options.statementTimeoutMs ?? 15_000);

  function run<T>(
    role: "authenticated" | "service_role",
    claims: Record<string, unknown>,
    work: (tx: Tx) => Promise<T>,
    { requestId }: CallOptions = {},
  ): Promise<T> {
    const headers = JSON.stringify(requestId ? { "x-request-id": requestId } : {});
    return db.transaction().execute(async (tx) => {
      await sql`select
        set_config('request.jwt.claims', ${JSON.stringify(claims)}, true),
        set_config('request.headers', ${headers}, true),
        set_config('statement_timeout', ${timeout}, true),
        set_config('role', ${role}, true)`.execute(tx);
      return work(tx);
    });
  }

  return {
    asUser: (claims, work, call) => run("authenticated", claims, work, call),
    asService: (work, call) => run("service_role", { role: "service_role" }, work, call),
    close: () => db.destroy(),
  };
}

/** A JSON argument. By way of text: a driver that knows the type jsonb would encode it twice. */
export function json(value: unknown) {
  return sql<unknown>`${JSON.stringify(value)}::text::jsonb`;
}

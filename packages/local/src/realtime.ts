import { type IncomingMessage, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import postgres from "postgres";
import { WebSocketServer } from "ws";
import { type Context, HOSTED_LIMITS, type Limits } from "./realtime/context.ts";
import { broadcastInsert } from "./realtime/database-broadcast.ts";
import { handleBroadcastRequest, INVALID_KEY, NO_KEY } from "./realtime/http.ts";
import { Hub } from "./realtime/hub.ts";
import { PostgresChanges } from "./realtime/postgres-changes.ts";
import { Presence } from "./realtime/presence.ts";
import { isVersion } from "./realtime/protocol.ts";
import { Replication } from "./realtime/replication.ts";
import { RealtimeSocket } from "./realtime/socket.ts";
import type { VerifyToken } from "./realtime/tokens.ts";

const MESSAGES_PUBLICATION = "supabase_realtime_messages_publication";
const RETENTION = "72 hours";
const RETENTION_CHECK_MS = 3_600_000;

export interface RealtimeOptions {
  /** As `supabase_admin`: policies are asked by taking on the caller's role. */
  databaseUrl: string;
  verifyToken: VerifyToken;
  isApiKey(key: string): { role: "anon" | "service_role" } | null;
  limits?: Partial<Limits>;
  log?(message: string): void;
}

export interface Realtime {
  /** For `GET /realtime/v1/websocket` asking to become a websocket. */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** For `POST /realtime/v1/api/broadcast` and what is below it. */
  handleRequest(request: Request): Promise<Response>;
  close(): Promise<void>;
}

/**
 * A Realtime server for one project, speaking what the `realtime-js` client speaks: Broadcast, also
 * from the database, Presence and Postgres Changes, private channels authorised by the policies on
 * realtime.messages.
 */
export async function createRealtime(options: RealtimeOptions): Promise<Realtime> {
  const { databaseUrl, verifyToken, isApiKey } = options;
  const log = options.log ?? (() => {});
  const sql = postgres(databaseUrl, {
    max: 4,
    idle_timeout: 30,
    onnotice: () => {},
    connection: {
      application_name: "realtime",
      TimeZone: "UTC",
      DateStyle: "ISO, MDY",
      IntervalStyle: "postgres",
      statement_timeout: 5_000,
    },
  });
  try {
    await requireLogicalDecoding(sql);
  } catch (error) {
    await sql.end({ timeout: 1 });
    throw error;
  }

  const hub = new Hub();
  const changes = new PostgresChanges({ sql, databaseUrl, log });
  const limits = { ...HOSTED_LIMITS, ...options.limits };
  const presence = new Presence(hub);
  const context: Context = { sql, hub, presence, changes, limits, verifyToken, isApiKey, log };

  const failing = new AbortController();
  const messages = new Replication({
    databaseUrl,
    publication: MESSAGES_PUBLICATION,
    onChange: (change) => broadcastInsert(hub, change, limits.maxPayloadBytes),
    onError: (error) => {
      failing.abort(error);
      log(`broadcast: ${(error as Error).message}`);
    },
  });
  try {
    // Later failures are waited out; the first one would only hide a database that is set up wrong.
    await Promise.race([messages.ready(), rejected(failing.signal)]);
  } catch (error) {
    await Promise.all([messages.close(), sql.end({ timeout: 1 })]);
    throw error;
  }

  const deleteOldMessages = () =>
    sql`delete from realtime.messages where inserted_at < now() - ${RETENTION}::interval`.then(
      () => {},
      (error: Error) => log(`realtime.messages: ${error.message}`),
    );
  await deleteOldMessages();
  const retention = setInterval(() => void deleteOldMessages(), RETENTION_CHECK_MS).unref();

  const server = new WebSocketServer({
    noServer: true,
    maxPayload: limits.maxPayloadBytes * 2,
    perMessageDeflate: false,
  });

  return {
    handleUpgrade(request, socket, head) {
      const { pathname, searchParams: params } = new URL(request.url ?? "/", "http://localhost");
      if (!pathname.endsWith("/websocket")) return refuse(socket, 404, { message: "not found" });
      const apiKey = request.headers["x-api-key"] ?? params.get("apikey");
      if (typeof apiKey !== "string") return refuse(socket, 401, NO_KEY);
      const key = isApiKey(apiKey);
      if (!key) return refuse(socket, 401, INVALID_KEY);
      const version = params.get("vsn") ?? "1.0.0";
      if (!isVersion(version)) return refuse(socket, 403, { message: "Forbidden" });

      const headers = ownHeaders(request);
      const claims = { role: key.role };
      const keyHolder = { role: key.role, claims, expiresAt: null };
      server.handleUpgrade(request, socket, head, (webSocket) => {
        new RealtimeSocket(context, webSocket, { version, headers, keyHolder });
      });
    },

    handleRequest: (request) => handleBroadcastRequest(context, request),

    async close() {
      clearInterval(retention);
      for (const client of server.clients) client.terminate();
      server.close();
      await Promise.all([messages.close(), changes.close()]);
      await sql.end({ timeout: 1 });
    },
  };
}

function rejected(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

async function requireLogicalDecoding(sql: postgres.Sql): Promise<void> {
  const [setting] = await sql<{ level: string }[]>`select current_setting('wal_level') as level`;
  if (setting?.level !== "logical") {
    throw new Error(`Realtime needs wal_level = logical, and it is ${setting?.level}`);
  }
}

function ownHeaders(request: IncomingMessage): Record<string, string> {
  return Object.fromEntries(
    Object.entries(request.headers).flatMap(([name, value]) =>
      name.startsWith("x-") && value !== undefined ? [[name, String(value)]] : [],
    ),
  );
}

function refuse(socket: Duplex, status: number, body: unknown) {
  const text = JSON.stringify(body);
  socket.on("error", () => {});
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n` +
      "Content-Type: application/json\r\n" +
      `Content-Length: ${Buffer.byteLength(text)}\r\n` +
      `Connection: close\r\n\r\n${text}`,
  );
}

import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { createClient, type RealtimeChannel, type SupabaseClient } from "@supabase/supabase-js";
import { jwtVerify, SignJWT } from "jose";
import postgres from "postgres";
import WebSocket from "ws";
import type { Engine } from "../../../packages/local/src/binaries.ts";
import { bootstrap } from "../../../packages/local/src/bootstrap.ts";
import { startPostgres } from "../../../packages/local/src/postgres.ts";
import { createRealtime, type RealtimeOptions } from "../../../packages/local/src/realtime.ts";

export const PUBLISHABLE_KEY = "sb_publishable_for_the_realtime_tests";
export const SECRET_KEY = "sb_secret_for_the_realtime_tests";

const secret = new TextEncoder().encode("a secret that only these tests know, and nobody else");
const password = "only-on-loopback";

export interface TokenOptions {
  role?: string;
  expiresIn?: number;
  claims?: Record<string, unknown>;
}

/** A database with the platform's roles and a Realtime server in front of it, and nothing else. */
export async function startRealtimeProject(limits: RealtimeOptions["limits"] = {}) {
  const engine: Engine = process.env.INTAKE_TEST_ENGINE === "system" ? "system" : "embedded";
  const dataDir = await mkdtemp(join(tmpdir(), "realtime-test-"));
  const port = await freePort();
  const launch = () =>
    startPostgres({ dataDir, port, engine, adminPassword: password, ephemeral: true });
  let server = await launch();

  const url = (role: string) => `postgresql://${role}:${password}@127.0.0.1:${port}/postgres`;
  const admin = postgres(url("supabase_admin"), { onnotice: () => {} });
  await bootstrap({
    sql: admin,
    engine,
    exposeNewTables: false,
    passwords: { postgres: password },
  });
  // Throw-away clusters commit asynchronously, and replication sees a commit only once it is
  // flushed, up to 400 ms later. Hosted flushes at once.
  await admin.unsafe("alter database postgres set synchronous_commit = on");

  /** As migrations run. */
  const sql = postgres(url("postgres"), { onnotice: () => {} });

  const logs: string[] = [];
  const realtime = await createRealtime({
    databaseUrl: url("supabase_admin"),
    verifyToken,
    isApiKey: (key) =>
      key === PUBLISHABLE_KEY
        ? { role: "anon" }
        : key === SECRET_KEY
          ? { role: "service_role" }
          : null,
    limits,
    log: (line) => logs.push(line),
  });
  const http = createServer(async (incoming, outgoing) => {
    const response = await realtime.handleRequest(
      new Request(new URL(incoming.url ?? "/", baseUrl), {
        method: incoming.method ?? "GET",
        headers: incoming.headers as Record<string, string>,
        ...(incoming.method === "POST"
          ? { body: Readable.toWeb(incoming) as ReadableStream, duplex: "half" as const }
          : {}),
      }),
    );
    outgoing.writeHead(response.status, Object.fromEntries(response.headers));
    outgoing.end(Buffer.from(await response.arrayBuffer()));
  });
  http.on("upgrade", (request, socket, head) => realtime.handleUpgrade(request, socket, head));
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const baseUrl = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;

  const clients: SupabaseClient[] = [];

  return {
    url: baseUrl,
    adminUrl: url("supabase_admin"),
    sql,
    admin,
    logs,

    /** A client as applications make it; without a subject it speaks for the key alone. */
    async connect(sub: string | null, options: ConnectOptions = {}): Promise<SupabaseClient> {
      const { vsn = "2.0.0", key = PUBLISHABLE_KEY, token } = options;
      const client = createClient(baseUrl, key, {
        auth: { persistSession: false, autoRefreshToken: false },
        realtime: { transport: WebSocket as never, vsn, reconnectAfterMs: () => 100 },
      });
      clients.push(client);
      // A join is written down when it is asked for: the token must be there by then.
      if (sub !== null) await client.realtime.setAuth(await tokenFor(sub, token));
      return client;
    },

    /** Ends the clients of one test; how long their sockets take to close is not waited for. */
    async disconnectAll() {
      const ended = clients.splice(0);
      const channels = ended.flatMap((client) => client.getChannels());
      await Promise.all(channels.map((channel) => channel.unsubscribe(1_000)));
      for (const client of ended) void client.realtime.disconnect();
    },

    closeRealtime: () => realtime.close(),

    async restartPostgres() {
      await server.stop();
      server = await launch();
    },

    async close() {
      await Promise.all(clients.map((client) => client.realtime.disconnect()));
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
      await realtime.close();
      await Promise.all([sql.end({ timeout: 1 }), admin.end({ timeout: 1 })]);
      await server.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

interface ConnectOptions {
  vsn?: string;
  key?: string;
  token?: TokenOptions;
}

export type RealtimeProject = Awaited<ReturnType<typeof startRealtimeProject>>;

export async function tokenFor(sub: string, options: TokenOptions = {}): Promise<string> {
  const { role = "authenticated", expiresIn = 3600, claims = {} } = options;
  return new SignJWT({ role, ...claims })
    .setProtectedHeader({ alg: "HS256", typ: "JWT" })
    .setSubject(sub)
    .setIssuedAt()
    .setExpirationTime(Math.floor(Date.now() / 1000) + expiresIn)
    .sign(secret);
}

async function verifyToken(token: string) {
  try {
    const { payload } = await jwtVerify(token, secret);
    return { role: String(payload.role), claims: payload as Record<string, unknown> };
  } catch {
    return null;
  }
}

/** Waits for the first answer to a join; rejects with what the server said. */
export function joined(channel: RealtimeChannel): Promise<RealtimeChannel> {
  return new Promise((resolve, reject) => {
    channel.subscribe((status, error) => {
      if (status === "SUBSCRIBED") resolve(channel);
      else if (status !== "CLOSED") reject(error ?? new Error(status));
    });
  });
}

export interface BroadcastMessage {
  event: string;
  payload: Record<string, unknown>;
  meta?: Record<string, unknown>;
}

/** Joins a channel and collects every broadcast on it. */
export async function listen(client: SupabaseClient, topic: string, config: object = {}) {
  const messages = inbox<BroadcastMessage>();
  const channel = client.channel(topic, { config: { private: true, ...config } });
  channel.on<BroadcastMessage["payload"]>("broadcast", { event: "*" as string }, (message) =>
    messages.push(message),
  );
  await joined(channel);
  return { channel, messages };
}

export interface SystemMessage {
  extension: string;
  status: string;
  message: string;
}

/** Collects what the server says about the channel itself. */
export function systemMessages(channel: RealtimeChannel) {
  const messages = inbox<SystemMessage>();
  channel.on("system", {}, (message: SystemMessage) => messages.push(message));
  return messages;
}

/** Collects what a channel is told, and waits for more of it. */
export function inbox<T = Record<string, unknown>>() {
  const received: T[] = [];
  const waiting = new Set<() => void>();
  return {
    received,
    push(message: T) {
      received.push(message);
      for (const check of waiting) check();
    },
    async atLeast(count: number, timeoutMs = 5_000): Promise<T[]> {
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(() => {
          waiting.delete(check);
          reject(new Error(`expected ${count} messages, got ${JSON.stringify(received)}`));
        }, timeoutMs);
        const check = () => {
          if (received.length < count) return;
          clearTimeout(timer);
          waiting.delete(check);
          resolve();
        };
        waiting.add(check);
        check();
      });
      return received;
    },
  };
}

async function freePort(): Promise<number> {
  const server = createTcpServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import type { Api } from "./api.ts";
import { StackError } from "./errors.ts";
import { BodyTooLarge, sendResponse, toRequest } from "./http.ts";
import type { KeyRing } from "./keys.ts";

/** The parts behind the one public port; those that are absent answer 404. */
export interface GatewayParts {
  api: Api;
  keys: KeyRing;
  authAdmin?: { handle(request: Request): Promise<Response | null> };
  realtime?: {
    handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
    handleRequest(request: Request): Promise<Response>;
  };
  functions?: { handle(request: Request): Promise<Response> };
  docs?: { handle(path: string): Promise<Response | null> };
  onError(line: string): void;
}

export interface Gateway {
  url: string;
  port: number;
  /** Requests are answered with 503 until the parts are known. */
  attach(parts: GatewayParts): void;
  close(): Promise<void>;
}

const MEGABYTE = 1024 * 1024;
const STORAGE_LIMIT = 50 * MEGABYTE;
const BODY_LIMIT = 10 * MEGABYTE;

/** Takes the port first, so that a port in use is known before anything else is started. */
export async function openGateway(port: number): Promise<Gateway> {
  let parts: GatewayParts | undefined;
  let url = "";
  const server = createServer((incoming, outgoing) => {
    void answer(incoming)
      .catch((error: unknown) => {
        parts?.onError(error instanceof Error ? (error.stack ?? error.message) : String(error));
        return failure(500, "Internal server error");
      })
      .then((response) => sendResponse(response, outgoing));
  });
  server.on("upgrade", (incoming, socket, head) => {
    if (parts?.realtime && incoming.url?.startsWith("/realtime/v1/")) {
      parts.realtime.handleUpgrade(incoming, socket, head);
    } else {
      socket.end("HTTP/1.1 404 Not Found\r\nconnection: close\r\n\r\n");
    }
  });

  async function answer(incoming: IncomingMessage): Promise<Response> {
    if (!parts) return failure(503, "The stack is starting");
    const limit = incoming.url?.startsWith("/storage/") ? STORAGE_LIMIT : BODY_LIMIT;
    try {
      return await route(await toRequest(incoming, url, limit), parts);
    } catch (error) {
      if (error instanceof BodyTooLarge) {
        return failure(413, "Payload too large", { connection: "close" });
      }
      if (error instanceof TypeError) return failure(400, "Bad request");
      throw error;
    }
  }

  await listen(server, port);
  const { port: chosen } = server.address() as AddressInfo;
  url = `http://127.0.0.1:${chosen}`;
  return {
    url,
    port: chosen,
    attach(known) {
      parts = known;
    },
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

async function route(request: Request, parts: GatewayParts): Promise<Response> {
  const { pathname } = new URL(request.url);
  if (under(pathname, "/functions/v1")) {
    return parts.functions ? await parts.functions.handle(request) : notFound();
  }
  if (under(pathname, "/realtime/v1")) {
    return parts.realtime ? await parts.realtime.handleRequest(request) : notFound();
  }
  if (under(pathname, "/docs")) return (await parts.docs?.handle(pathname)) ?? notFound();
  if (request.method === "OPTIONS") return preflight(request);
  if (under(pathname, "/storage/v1")) return withCors(await parts.api.storage(request));
  if (under(pathname, "/auth/v1")) {
    const handled = await parts.authAdmin?.handle(request);
    return withCors(handled ?? (await parts.api.auth(request)));
  }
  if (under(pathname, "/rest/v1")) {
    const apiRole = keyOf(request, parts.keys);
    if (apiRole instanceof Response) return apiRole;
    return withCors(await parts.api.rest(request, apiRole));
  }
  return notFound();
}

function under(pathname: string, prefix: string): boolean {
  return pathname === prefix || pathname.startsWith(`${prefix}/`);
}

function keyOf(request: Request, keys: KeyRing): "anon" | "service_role" | Response {
  const key = request.headers.get("apikey") ?? new URL(request.url).searchParams.get("apikey");
  if (!key) {
    return refuse(
      "UNAUTHORIZED_MISSING_API_KEY",
      "No API key found in request",
      "No `apikey` request header or url param was found.",
    );
  }
  const known = keys.isApiKey(key);
  if (known) return known.role;
  return refuse(
    "UNAUTHORIZED_INVALID_API_KEY",
    "Invalid API key",
    "Double check your Supabase `anon` or `service_role` API key.",
  );
}

function refuse(code: string, message: string, hint: string): Response {
  return withCors(
    Response.json({ message, hint }, { status: 401, headers: { "sb-error-code": code } }),
  );
}

function preflight(request: Request): Response {
  const asked = request.headers.get("access-control-request-headers");
  return new Response(null, {
    status: 200,
    headers: {
      "access-control-allow-origin": "*",
      "access-control-allow-methods": "GET,HEAD,PUT,PATCH,POST,DELETE,OPTIONS,TRACE,CONNECT",
      ...(asked
        ? { "access-control-allow-headers": asked, vary: "Access-Control-Request-Headers" }
        : {}),
      "access-control-max-age": "3600",
    },
  });
}

function withCors(response: Response): Response {
  const answer = new Response(response.body, response);
  answer.headers.set("access-control-allow-origin", "*");
  return answer;
}

function notFound(): Response {
  return failure(404, "no Route matched with those values");
}

function failure(status: number, message: string, headers: Record<string, string> = {}): Response {
  return Response.json(
    { message },
    { status, headers: { "access-control-allow-origin": "*", ...headers } },
  );
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      reject(
        error.code === "EADDRINUSE"
          ? new StackError(
              `Port ${port} is in use: stop what listens there (another stack?), or choose another --port.`,
            )
          : error,
      );
    });
    server.listen(port, "127.0.0.1", () => resolve());
  });
}

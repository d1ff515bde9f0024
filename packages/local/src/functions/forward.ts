// Carries one request to a function's process and its answer back, streaming both ways.

import { request as httpRequest, type IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import type { ReadableStream as NodeReadableStream } from "node:stream/web";

const hopByHop = new Set([
  "connection",
  "host",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** What a hosted function finds as its host, whatever name the caller used. */
const internalHost = "edge-runtime.supabase.com";

export class IdleTimeout extends Error {
  override name = "IdleTimeout";
}

function outgoingHeaders(request: Request): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of request.headers) {
    if (!hopByHop.has(name)) headers[name] = value;
  }
  return {
    ...headers,
    host: internalHost,
    "x-forwarded-for": headers["x-forwarded-for"] ?? "127.0.0.1",
    "x-forwarded-host": internalHost,
    "x-forwarded-port": "443",
    "x-forwarded-proto": "https",
  };
}

function incomingHeaders(message: IncomingMessage): Headers {
  const headers = new Headers();
  for (let i = 0; i < message.rawHeaders.length; i += 2) {
    const name = message.rawHeaders[i] ?? "";
    if (!hopByHop.has(name.toLowerCase())) headers.append(name, message.rawHeaders[i + 1] ?? "");
  }
  return headers;
}

const hasNoBody = (status: number) => status === 204 || status === 205 || status === 304;

export function forward(
  request: Request,
  port: number,
  path: string,
  idleLimitMs: number,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest({
      host: "127.0.0.1",
      port,
      path,
      method: request.method,
      headers: outgoingHeaders(request),
      // A connection of its own: a reused one may be closing just when the process is replaced.
      agent: false,
    });
    const timer = setTimeout(() => outgoing.destroy(new IdleTimeout()), idleLimitMs);
    const abort = () => outgoing.destroy(new Error("the caller went away"));
    request.signal.addEventListener("abort", abort, { once: true });

    outgoing.on("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    outgoing.on("response", (message) => {
      clearTimeout(timer);
      const status = message.statusCode ?? 500;
      const empty = request.method === "HEAD" || hasNoBody(status);
      if (empty) message.resume();
      message.on("close", () => request.signal.removeEventListener("abort", abort));
      const body = empty ? null : (Readable.toWeb(message) as ReadableStream<Uint8Array>);
      resolve(new Response(body, { status, headers: incomingHeaders(message) }));
    });

    if (!request.body) {
      outgoing.end();
      return;
    }
    const source = Readable.fromWeb(request.body as NodeReadableStream<Uint8Array>);
    source.on("error", (error) => outgoing.destroy(error));
    outgoing.on("close", () => source.destroy());
    source.pipe(outgoing);
  });
}

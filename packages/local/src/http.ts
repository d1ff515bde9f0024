import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ReadableStream } from "node:stream/web";

export class BodyTooLarge extends Error {}

/** The node request as the one of the fetch standard; its body is read whole, up to `limit` bytes. */
export async function toRequest(
  incoming: IncomingMessage,
  origin: string,
  limit: number,
): Promise<Request> {
  const method = incoming.method ?? "GET";
  const headers = new Headers();
  for (const [name, value] of Object.entries(incoming.headers)) {
    for (const item of Array.isArray(value) ? value : [value]) {
      if (item !== undefined) headers.append(name, item);
    }
  }
  const body = method === "GET" || method === "HEAD" ? undefined : await readBody(incoming, limit);
  headers.delete("transfer-encoding");
  // What hosted's network edge says about the client; what the client claims itself is overwritten.
  const address = incoming.socket.remoteAddress ?? "127.0.0.1";
  headers.set("cf-connecting-ip", address);
  headers.append("x-forwarded-for", address);
  return new Request(new URL(incoming.url ?? "/", origin), {
    method,
    headers,
    body: body && body.length > 0 ? new Uint8Array(body) : undefined,
  });
}

async function readBody(incoming: IncomingMessage, limit: number): Promise<Buffer> {
  if (Number(incoming.headers["content-length"]) > limit) throw new BodyTooLarge();
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > limit) throw new BodyTooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Headers of one connection, which must not be passed on to the next. */
const HOP_BY_HOP = new Set(["connection", "keep-alive", "transfer-encoding", "upgrade"]);

export async function sendResponse(response: Response, outgoing: ServerResponse): Promise<void> {
  for (const [name, value] of response.headers) {
    if (!HOP_BY_HOP.has(name) && name !== "set-cookie") outgoing.setHeader(name, value);
  }
  const cookies = response.headers.getSetCookie();
  if (cookies.length > 0) outgoing.setHeader("set-cookie", cookies);
  outgoing.writeHead(response.status);
  if (!response.body) {
    outgoing.end();
    return;
  }
  // A client that goes away ends its own response only.
  await pipeline(Readable.fromWeb(response.body as ReadableStream), outgoing).catch(() => {
    outgoing.destroy();
  });
}

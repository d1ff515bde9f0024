// Storage with the service's key: for files that a job reads or makes, never for a user's request.

import { UnknownOutcomeError } from "./providers/outcome.ts";

export interface Storage {
  /** A part of a file from a place on, at most `length` bytes; null when there is no such file. */
  read(bucket: string, path: string, offset: number, length: number): Promise<Piece | null>;
  write(bucket: string, path: string, body: Uint8Array, contentType: string): Promise<void>;
  remove(bucket: string, paths: string[]): Promise<void>;
}

export interface Piece {
  bytes: Uint8Array;
  /** Size of the whole file. */
  total: number;
}

export interface StorageOptions {
  url: string;
  key: string;
  fetch?: typeof fetch;
  timeoutMs?: number;
}

export function createStorage({
  url,
  key,
  timeoutMs = 30_000,
  ...options
}: StorageOptions): Storage {
  const send = options.fetch ?? fetch;
  const address = (bucket: string, path: string) =>
    `${url}/storage/v1/object/${bucket}/${path.split("/").map(encodeURIComponent).join("/")}`;

  async function call(where: string, init: RequestInit & { headers?: Record<string, string> }) {
    const headers = { apikey: key, authorization: `Bearer ${key}`, ...init.headers };
    try {
      return await send(where, { ...init, headers, signal: AbortSignal.timeout(timeoutMs) });
    } catch (error) {
      throw new UnknownOutcomeError(`Storage did not answer: ${String(error)}`);
    }
  }

  async function expectOk(response: Response, what: string): Promise<void> {
    await response.body?.cancel();
    if (!response.ok) throw new UnknownOutcomeError(`Storage: ${what}: HTTP ${response.status}`);
  }

  return {
    async read(bucket, path, offset, length) {
      const response = await call(address(bucket, path), {
        headers: { range: `bytes=${offset}-${offset + length - 1}` },
      });
      // Nothing lies after the end.
      if (response.status === 416) {
        await response.body?.cancel();
        return { bytes: new Uint8Array(0), total: offset };
      }
      if (response.status === 404 || response.status === 400) {
        await response.body?.cancel();
        return null;
      }
      if (!response.ok || !response.body) {
        await expectOk(response, "read");
        return null;
      }
      const isPart = response.status === 206;
      const range = /\/(\d+)$/.exec(response.headers.get("content-range") ?? "");
      const total = Number(isPart ? range?.[1] : response.headers.get("content-length"));
      // A server that knows no ranges sends the file from its beginning.
      const bytes = await take(response.body, isPart ? 0 : offset, length);
      return { bytes, total: total || offset + bytes.length };
    },
    async write(bucket, path, body, contentType) {
      const response = await call(address(bucket, path), {
        method: "POST",
        headers: { "content-type": contentType, "x-upsert": "true" },
        body: body.slice(),
      });
      await expectOk(response, "write");
    },
    async remove(bucket, paths) {
      const response = await call(`${url}/storage/v1/object/${bucket}`, {
        method: "DELETE",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ prefixes: paths }),
      });
      await expectOk(response, "remove");
    },
  };
}

/** Reads no more of a body than is wanted. */
async function take(
  body: ReadableStream<Uint8Array>,
  skip: number,
  length: number,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let place = 0;
  let size = 0;
  const reader = body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    const from = Math.max(0, skip - place);
    place += value.length;
    const part = value.subarray(from, from + length - size);
    size += part.length;
    if (part.length > 0) parts.push(part);
    if (size === length) {
      await reader.cancel();
      break;
    }
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

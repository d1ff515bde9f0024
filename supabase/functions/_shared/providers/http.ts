// One HTTP call to a provider: bounded in time and size, never a redirect, always told what happened.

import { parseJsonBytes } from "../json.ts";
import { UnknownOutcomeError } from "./outcome.ts";

export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

export interface CallOptions {
  /** GET unless another is said. */
  method?: "GET" | "POST";
  body?: string;
  headers?: Record<string, string>;
  timeoutMs?: number;
  maxBytes?: number;
  signal?: AbortSignal | undefined;
}

export interface Answer {
  status: number;
  headers: Headers;
  /** The JSON body without loss of long ids; undefined when it is none. */
  body: unknown;
}

async function readAtMost(response: Response, limit: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > limit) throw new UnknownOutcomeError("the answer is too large");
    chunks.push(chunk);
  }
  const whole = new Uint8Array(size);
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return whole;
}

export function postJson(
  fetch: Fetch,
  url: string,
  body: unknown,
  options: CallOptions,
): Promise<Answer> {
  const headers = { "content-type": "application/json", ...options.headers };
  return getJson(fetch, url, { ...options, method: "POST", body: JSON.stringify(body), headers });
}

export async function getJson(fetch: Fetch, url: string, options: CallOptions): Promise<Answer> {
  const timeout = AbortSignal.timeout(options.timeoutMs ?? 10_000);
  const signal = options.signal ? AbortSignal.any([timeout, options.signal]) : timeout;
  try {
    const response = await fetch(url, {
      method: options.method ?? "GET",
      ...(options.body === undefined ? {} : { body: options.body }),
      headers: { accept: "application/json", ...options.headers },
      redirect: "manual",
      signal,
    });
    const bytes = await readAtMost(response, options.maxBytes ?? 2 * 1024 * 1024);
    return { status: response.status, headers: response.headers, body: parseJsonBytes(bytes) };
  } catch (error) {
    if (options.signal?.aborted) throw options.signal.reason;
    if (error instanceof UnknownOutcomeError) throw error;
    throw new UnknownOutcomeError(timeout.aborted ? "no answer in time" : "the connection failed");
  }
}

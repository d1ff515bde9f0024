// What whoever carries messages has in common. A call ends in one of four ways: it was taken; it was
// refused for good, with a stable code; it was refused for now; or nobody knows.

import type { OutgoingMessage } from "@intake/types";
import { UnknownOutcomeError } from "./outcome.ts";

export interface AttachedFile {
  name: string;
  mimeType: string;
  bytes: Uint8Array;
}

export interface Carried {
  provider: string;
  messageId: string | undefined;
}

/**
 * Throws PermanentError (its message is the stable code kept with the message), RetryAfterError,
 * NotConnectedError, or UnknownOutcomeError.
 */
export type Carrier = (message: OutgoingMessage, files: AttachedFile[]) => Promise<Carried>;

/** Not one of ours takes a key that makes a second call harmless: longer than a call takes. */
export const carrierTimeoutMs = 15_000;

/** The header that replies name: it holds our id, so that they find their thread. */
export const messageIdOf = (message: OutgoingMessage, from: string): string =>
  `<${message.id}@${from.split("@")[1] ?? "intake.invalid"}>`;

/** By which mail programs unsubscribe with one click (RFC 8058), where the message has such an address. */
export function unsubscribeHeaders(message: OutgoingMessage): Record<string, string> {
  const url = message.data.unsubscribe_url;
  return typeof url === "string" && /^https?:\/\/[^\s<>,]+$/.test(url)
    ? { "List-Unsubscribe": `<${url}>`, "List-Unsubscribe-Post": "List-Unsubscribe=One-Click" }
    : {};
}

/** A client's own bound is not enough: some never say that their connection was reset. */
export async function withinTime<T>(call: Promise<T>, ms: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new UnknownOutcomeError("no answer in time")), ms);
  });
  try {
    return await Promise.race([call, late]);
  } finally {
    clearTimeout(timer);
  }
}

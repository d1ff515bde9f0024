// The three ways in which a call to a provider fails. Which one decides what the queue does.

/** It will never succeed: straight to the dead letters. */
export class PermanentError extends Error {
  override name = "PermanentError";
}

/** The provider said when to come back; with `pause` for every call, not for this one alone. */
export class RetryAfterError extends Error {
  override name = "RetryAfterError";
  readonly seconds: number;
  readonly pause: boolean;

  constructor(message: string, seconds: number, pause = false) {
    super(message);
    this.seconds = seconds;
    this.pause = pause;
  }
}

/** There are no credentials, or none that the provider takes: nothing works until somebody connects. */
export class NotConnectedError extends RetryAfterError {
  override name = "NotConnectedError";

  constructor(message: string) {
    super(message, 900, true);
  }
}

/** No answer, or none that can be trusted: whether the call had an effect is not known. */
export class UnknownOutcomeError extends Error {
  override name = "UnknownOutcomeError";
}

/** Seconds of a Retry-After header, which holds seconds or a date; null when it holds neither. */
export function retryAfterSeconds(header: string | null, now = Date.now()): number | null {
  if (!header) return null;
  if (/^\d+$/.test(header.trim())) return Math.min(Number(header), 86_400);
  const at = Date.parse(header);
  return Number.isNaN(at) ? null : Math.min(Math.max(Math.ceil((at - now) / 1000), 0), 86_400);
}

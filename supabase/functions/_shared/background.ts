// Work that goes on after the answer, and the platform's word that the time is up.

interface EdgeRuntime {
  waitUntil(promise: Promise<unknown>): unknown;
}

/** Keeps the isolate alive until the promise settles; elsewhere the promise simply runs. */
export function runInBackground(promise: Promise<unknown>): void {
  const runtime = (globalThis as { EdgeRuntime?: EdgeRuntime }).EdgeRuntime;
  runtime?.waitUntil(promise);
}

interface Signals {
  Deno?: { addSignalListener?(signal: "SIGTERM", listener: () => void): void };
}

/** Calls back when the platform is about to end the isolate. */
export function onShutdown(listener: () => void): void {
  globalThis.addEventListener?.("beforeunload", listener);
  try {
    (globalThis as Signals).Deno?.addSignalListener?.("SIGTERM", listener);
  } catch {
    // The hosted runtime allows no signal listeners and tells by `beforeunload` alone.
  }
}

import { AsyncLocalStorage } from "node:async_hooks";

export type Log = (line: string) => void;

const current = new AsyncLocalStorage<Log>();

/**
 * The emulator writes every database error to the console. What it writes while it answers a request
 * goes into that stack's log instead.
 */
export function loggingTo<T>(log: Log, work: () => Promise<T>): Promise<T> {
  redirect();
  return current.run(log, work);
}

let isRedirected = false;

function redirect(): void {
  if (isRedirected) return;
  isRedirected = true;
  const target: Console = Reflect.get(globalThis, "console");
  for (const method of ["error", "warn", "info"] as const) {
    const original = target[method].bind(target);
    Reflect.set(target, method, (...values: unknown[]) => {
      const log = current.getStore();
      if (log) log(values.map(describe).join(" "));
      else original(...values);
    });
  }
}

function describe(value: unknown): string {
  if (!(value instanceof Error)) return String(value);
  const code = (value as { code?: unknown }).code;
  return typeof code === "string" ? `${code} ${value.message}` : (value.stack ?? value.message);
}

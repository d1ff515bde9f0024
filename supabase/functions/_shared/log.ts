// One JSON object per line. Never a body, a query string, an address or a name of a person.

import process from "node:process";

export const logLevels = ["debug", "info", "warn", "error"] as const;

export type LogLevel = (typeof logLevels)[number];

const rank = (level: string) => (logLevels as readonly string[]).indexOf(level);

export interface Logger {
  log(level: LogLevel, message: string, fields?: Record<string, unknown>): void;
  with(fields: Record<string, unknown>): Logger;
}

export function createLogger(
  fields: Record<string, unknown>,
  // biome-ignore lint/suspicious/noConsole: this is the logger
  write: (line: string) => void = (line) => console.log(line),
  least = Math.max(rank(process.env.LOG_LEVEL || "info"), 0),
): Logger {
  return {
    log(level, message, more) {
      if (rank(level) < least) return;
      write(JSON.stringify({ time: new Date().toISOString(), level, message, ...fields, ...more }));
    },
    with: (more) => createLogger({ ...fields, ...more }, write, least),
  };
}

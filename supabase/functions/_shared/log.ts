// One JSON object per line. Never a body, a query string, an address or a name of a person.

export type LogLevel = "debug" | "info" | "warn" | "error";

export interface Logger {
  log(level: LogLevel, message: string, fields?: Record<string, unknown>): void;
  with(fields: Record<string, unknown>): Logger;
}

export function createLogger(
  fields: Record<string, unknown>,
  // biome-ignore lint/suspicious/noConsole: this is the logger
  write: (line: string) => void = (line) => console.log(line),
): Logger {
  return {
    log(level, message, more) {
      write(JSON.stringify({ time: new Date().toISOString(), level, message, ...fields, ...more }));
    },
    with: (more) => createLogger({ ...fields, ...more }, write),
  };
}

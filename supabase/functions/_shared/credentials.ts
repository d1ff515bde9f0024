// Credentials that an administrator stored in Vault, else those of the function's environment.

import { sql } from "kysely";
import type { Database } from "./db.ts";

const keepMs = 60_000;

/** Reads the stored credentials of an integration, at most once a minute. */
export function storedCredentials(
  db: Database,
  type: string,
): () => Promise<Record<string, string | undefined>> {
  let read: Promise<Record<string, string | undefined>> | undefined;
  let readAt = 0;
  return () => {
    if (!read || Date.now() - readAt > keepMs) {
      readAt = Date.now();
      read = db.asService(async (tx) => {
        const result = await sql<{ stored: Record<string, string> | null }>`
          select private.integration_credentials(${type}) as stored`.execute(tx);
        return result.rows[0]?.stored ?? {};
      });
      // What failed is asked again at once.
      read.catch(() => {
        read = undefined;
      });
    }
    return read;
  };
}

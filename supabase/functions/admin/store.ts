// Integrations in the database.

import { sql } from "kysely";
import { type Database, json } from "../_shared/db.ts";
import type { Integrations } from "./deps.ts";

export function createIntegrations(db: Database): Integrations {
  return {
    async require(caller, type, requestId) {
      await db.asUser(
        caller,
        (tx) => sql`select private.require_integration(${type})`.execute(tx),
        { requestId },
      );
    },
    async store(caller, type, credentials, config, requestId) {
      await db.asService(
        (tx) =>
          sql`select private.integration_connect(
            ${type}, ${json(credentials)}, ${config === null ? null : json(config)}
          )`.execute(tx),
        { requestId, actorId: caller.sub },
      );
    },
  };
}

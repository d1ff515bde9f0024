// What keeps the tables small.

import { sql } from "kysely";
import type { Handlers } from "./handler.ts";

export function maintenanceHandlers(): Handlers {
  return {
    "integrations.prune": async () => async (tx) => {
      await sql`select private.integrations_prune()`.execute(tx);
    },
    "jobs.prune": async () => async (tx) => {
      await sql`select private.jobs_prune()`.execute(tx);
    },
  };
}

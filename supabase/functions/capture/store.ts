// Keys and enquiries, in the database.

import { apiKeyVerdictSchema, captureAcceptedSchema, formFieldSchema } from "@intake/types";
import { sql } from "kysely";
import { z } from "zod";
import { type Database, json } from "../_shared/db.ts";
import type { Enquiries, Keys } from "./deps.ts";

export function createKeys(db: Database): Keys {
  return {
    async take(hash, scope, headers) {
      const { rows } = await db.asService((tx) =>
        sql<{ verdict: unknown }>`
          select private.api_key_take(${hash}, ${scope}, ${json(headers)}) as verdict`.execute(tx),
      );
      return apiKeyVerdictSchema.parse(rows[0]?.verdict);
    },
  };
}

export function createEnquiries(db: Database): Enquiries {
  return {
    async take(keyId, channel, enquiry, once, requestId) {
      const { rows } = await db.asService(
        (tx) =>
          sql<{ answer: unknown }>`
            select private.capture_lead(
              ${keyId}::uuid, ${channel}, ${json(enquiry)}, ${once?.key ?? null}, ${once?.bodyHash ?? null}
            ) as answer`.execute(tx),
        { requestId },
      );
      return captureAcceptedSchema.parse(rows[0]?.answer).reference;
    },
    async fields() {
      const { rows } = await db.asService((tx) =>
        sql<{ fields: unknown }>`select private.capture_form() as fields`.execute(tx),
      );
      return z.array(formFieldSchema).parse(rows[0]?.fields);
    },
  };
}

// What has been kept long enough goes: rows in chunks, files through Storage.

import { jobPayloads, retentionPurgedSchema } from "@intake/types";
import { sql } from "kysely";
import { type Database, json } from "../../_shared/db.ts";
import type { Storage } from "../../_shared/storage.ts";
import { removeListed, type StoredFile } from "./files.ts";
import type { Handler, Handlers } from "./handler.ts";

/** Ids alone travel with the job. */
function removeFiles(db: Database, storage: Storage): Handler {
  return async ({ job, signal }) => {
    const payload = jobPayloads["files.remove"].parse(job.payload);
    const list = () =>
      db.asService((tx) =>
        sql<StoredFile>`
          select f.bucket, f.name
          from jsonb_to_record(${json(payload)}) p (note_ids uuid[], import_ids uuid[], uploads_before timestamptz, document_ids uuid[])
          cross join lateral private.files_to_remove(p.note_ids, p.import_ids, p.uploads_before, p_document_ids => p.document_ids) f`.execute(
          tx,
        ),
      );
    await removeListed(storage, async () => (await list()).rows, signal);
    return undefined;
  };
}

/** Each chunk is a transaction; what one run leaves the next scheduled one takes. */
function purge(db: Database, maxChunks: number): Handler {
  return async ({ signal, log }) => {
    for (let chunk = 0; chunk < maxChunks && !signal.aborted; chunk += 1) {
      const { rows } = await db.asService((tx) =>
        sql<{ purged: unknown }>`select private.retention_purge() as purged`.execute(tx),
      );
      const purged = retentionPurgedSchema.parse(rows[0]?.purged);
      if (Object.keys(purged).length === 0) break;
      log.log("info", "retention", { purged });
    }
    return undefined;
  };
}

export function retentionHandlers(db: Database, storage: Storage, maxChunks = 50): Handlers {
  return {
    "files.remove": removeFiles(db, storage),
    "retention.purge": purge(db, maxChunks),
  };
}

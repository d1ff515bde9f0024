// Documents: an uploaded file is read, and counts if it is what it was said to be.

import { type DocumentFault, jobPayloads } from "@intake/types";
import { sql } from "kysely";
import type { Database } from "../../_shared/db.ts";
import type { Storage } from "../../_shared/storage.ts";
import { type Content, inspect } from "../documents/content.ts";
import { removeListed, type StoredFile } from "./files.ts";
import type { Apply, Handler, Handlers } from "./handler.ts";

const bucket = "documents";

interface Wanted {
  path: string;
  mime_type: string;
  /** What Storage was told, and would answer with. */
  stored_type: string | null;
  max_bytes: number;
}

interface Verdict {
  size: number;
  checksum: string | null;
  fault: DocumentFault | null;
  detail: string | null;
}

const refused = (fault: DocumentFault, detail: string | null = null): Verdict => ({
  size: 0,
  checksum: null,
  fault,
  detail,
});

function judge(wanted: Wanted, content: Content | "missing" | "too large"): Verdict {
  if (content === "missing") return refused("document_file_missing");
  if (content === "too large") return refused("document_too_large");
  if (content.size === 0) return refused("document_empty");
  const { size, checksum, type, what } = content;
  const stored = wanted.stored_type?.split(";")[0]?.trim().toLowerCase();
  if (type === wanted.mime_type && stored === wanted.mime_type) {
    return { size, checksum, fault: null, detail: null };
  }
  const said = type === wanted.mime_type ? `uploaded as ${stored}` : `it is ${what}`;
  const detail = `Said to be ${wanted.mime_type}, ${said}.`;
  return { size, checksum, fault: "document_content_mismatch", detail };
}

function check(db: Database, storage: Storage): Handler {
  return async ({ job, signal }) => {
    const { version_id: id } = jobPayloads["document.check"].parse(job.payload);
    const result = await db.asService((tx) =>
      sql<{
        wanted: Wanted | null;
      }>`select private.document_to_check(${id}::uuid) as wanted`.execute(tx),
    );
    const wanted = result.rows[0]?.wanted;
    if (!wanted) return undefined;
    const end = ({ size, checksum, fault, detail }: Verdict): Apply => {
      return async (tx) => {
        await sql`
          select private.document_checked(
            ${id}::uuid, ${size}::bigint, ${checksum}::text, ${fault}::text, ${detail}::text
          )`.execute(tx);
      };
    };
    const read = (offset: number, length: number) =>
      storage.read(bucket, wanted.path, offset, length);
    try {
      return end(judge(wanted, await inspect(read, wanted.max_bytes, signal)));
    } catch (error) {
      if (job.attempts < job.max_attempts || signal.aborted) throw error;
      return end(refused("document_unreadable"));
    }
  };
}

function removeStrays(db: Database, storage: Storage): Handler {
  return async ({ signal }) => {
    const list = () =>
      db.asService((tx) =>
        sql<StoredFile>`select s.bucket, s.name from private.document_strays() s`.execute(tx),
      );
    await removeListed(storage, async () => (await list()).rows, signal);
    return undefined;
  };
}

export function documentHandlers(db: Database, storage: Storage): Handlers {
  return {
    "document.check": check(db, storage),
    "documents.sweep": async () => async (tx) => {
      await sql`select private.documents_sweep()`.execute(tx);
    },
    "documents.strays": removeStrays(db, storage),
  };
}

// Exports: read page by page as the person who asked, written to Storage, removed when they expire.

import { exportPayloadSchema } from "@intake/types";
import { type QueryResult, sql } from "kysely";
import { joinBytes } from "../../_shared/bytes.ts";
import type { Claims, Database } from "../../_shared/db.ts";
import { isDatabaseError } from "../../_shared/errors.ts";
import type { Storage } from "../../_shared/storage.ts";
import type { Handler, Handlers } from "./handler.ts";

const bucket = "exports";
const maxBytes = 20 * 1024 * 1024;
const maxRows = 100_000;

interface OpenExport {
  id: string;
  created_by: string;
  list: string;
  columns: string[];
  status: string;
  storage_path: string | null;
  claims: Claims;
}

interface Page {
  csv: string | null;
  last_id: string | null;
  row_count: number;
}

class ExportFault extends Error {
  override name = "ExportFault";
}

async function open(db: Database, id: string): Promise<OpenExport | null> {
  const result = await db.asService((tx) =>
    sql<{ export: OpenExport | null }>`select private.export_open(${id}::uuid) as export`.execute(
      tx,
    ),
  );
  return result.rows[0]?.export ?? null;
}

async function readList(
  db: Database,
  opened: OpenExport,
  signal: AbortSignal,
  pageRows: number,
): Promise<{ file: Uint8Array; rows: number }> {
  const encoder = new TextEncoder();
  // The mark tells Excel that this is UTF-8.
  const parts = [encoder.encode(`\ufeff${opened.columns.join(",")}\r\n`)];
  let rows = 0;
  let after: string | null = null;
  do {
    signal.throwIfAborted();
    const cursor: string | null = after;
    const result: QueryResult<Page> = await db.asUser(opened.claims, (tx) =>
      sql<Page>`
        select csv, last_id, row_count
        from private.export_page(${opened.id}::uuid, ${cursor}::uuid, ${pageRows}::integer)`.execute(
        tx,
      ),
    );
    const page = result.rows[0];
    after = page?.last_id ?? null;
    rows += page?.row_count ?? 0;
    if (page?.csv) parts.push(encoder.encode(page.csv));
    const size = parts.reduce((sum, part) => sum + part.length, 0);
    if (rows > maxRows || size > maxBytes) throw new ExportFault("export_too_large");
    if ((page?.row_count ?? 0) < pageRows) break;
  } while (after);
  return { file: joinBytes(parts), rows };
}

async function fail(db: Database, id: string, code: string): Promise<void> {
  await db.asService((tx) => sql`select private.export_fail(${id}::uuid, ${code})`.execute(tx));
}

function run(db: Database, storage: Storage, pageRows: number): Handler {
  return async ({ job, signal }) => {
    const { export_id: id } = exportPayloadSchema.parse(job.payload);
    const opened = await open(db, id);
    if (opened?.status !== "running") return undefined;
    try {
      const { file, rows } = await readList(db, opened, signal, pageRows);
      const path = `${opened.created_by}/${id}/${opened.list}.csv`;
      await storage.write(bucket, path, file, "text/csv");
      return async (tx) => {
        await sql`select private.export_finish(${id}::uuid, ${path}, ${rows}::integer, ${file.length}::bigint)`.execute(
          tx,
        );
      };
    } catch (error) {
      if (error instanceof ExportFault) {
        await fail(db, id, error.message);
        return undefined;
      }
      // Signed out, deactivated or demoted since: that is an answer, not an accident.
      if (isDatabaseError(error) && error.code === "42501") {
        await fail(db, id, "permission_denied");
        return undefined;
      }
      if (job.attempts >= job.max_attempts && !signal.aborted) {
        await fail(db, id, "export_interrupted");
      }
      throw error;
    }
  };
}

function expire(db: Database, storage: Storage): Handler {
  return async ({ job }) => {
    const { export_id: id } = exportPayloadSchema.parse(job.payload);
    const opened = await open(db, id);
    if (!opened?.storage_path) return undefined;
    await storage.remove(bucket, [opened.storage_path]);
    return async (tx) => {
      await sql`select private.export_expired(${id}::uuid)`.execute(tx);
    };
  };
}

export function exportHandlers(db: Database, storage: Storage, pageRows = 5_000): Handlers {
  return {
    "export.run": run(db, storage, pageRows),
    "export.expire": expire(db, storage),
  };
}

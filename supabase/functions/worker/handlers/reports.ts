// Reports as files: read once with the rights of their owner, then written from what was read.

import { reportExpirePayloadSchema, reportRunPayloadSchema } from "@intake/types";
import { sql } from "kysely";
import { joinBytes } from "../../_shared/bytes.ts";
import type { Database } from "../../_shared/db.ts";
import { type DatabaseError, isDatabaseError } from "../../_shared/errors.ts";
import type { Storage } from "../../_shared/storage.ts";
import type { Handler, Handlers } from "./handler.ts";

const bucket = "reports";
const types = { csv: "text/csv", json: "application/json" } as const;

interface OpenRun {
  created_by: string;
  format: keyof typeof types;
  status: string;
  chunks: number;
}

class Interrupted extends Error {
  override name = "Interrupted";
}

async function open(db: Database, id: string): Promise<OpenRun | null> {
  const result = await db.asService((tx) =>
    sql<{ run: OpenRun | null }>`select private.report_open(${id}::uuid) as run`.execute(tx),
  );
  return result.rows[0]?.run ?? null;
}

async function read(db: Database, id: string, opened: OpenRun, signal: AbortSignal) {
  const encoder = new TextEncoder();
  // The mark tells Excel that this is UTF-8.
  const parts = [encoder.encode(opened.format === "csv" ? "\ufeff" : "")];
  for (let chunk = 1; chunk <= opened.chunks; chunk += 1) {
    signal.throwIfAborted();
    const result = await db.asService((tx) =>
      sql<{ body: string | null }>`
        select private.report_chunk(${id}::uuid, ${chunk}::integer) as body`.execute(tx),
    );
    const body = result.rows[0]?.body;
    // A person was erased meanwhile, and what had been read with them.
    if (body === null || body === undefined) throw new Interrupted();
    parts.push(encoder.encode(body));
  }
  return joinBytes(parts);
}

async function fail(db: Database, id: string, code: string): Promise<void> {
  await db.asService((tx) => sql`select private.report_fail(${id}::uuid, ${code})`.execute(tx));
}

/** What the owner is told of a refusal that asking again will not change. */
function refusal(error: DatabaseError): string | null {
  if (error.code === "57014") return "report_too_slow";
  if (error.code === "42501") return "permission_denied";
  return /^PT4/.test(error.code) ? (error.detail?.split(":")[0] ?? "report_invalid") : null;
}

function run(db: Database, storage: Storage): Handler {
  return async ({ job, signal }) => {
    const { run_id: id } = reportRunPayloadSchema.parse(job.payload);
    try {
      await db.asService((tx) => sql`select private.report_evaluate(${id}::uuid)`.execute(tx));
      const opened = await open(db, id);
      if (opened?.status !== "running") return undefined;
      if (opened.chunks === 0) throw new Interrupted();
      const file = await read(db, id, opened, signal);
      const path = `${opened.created_by}/${id}/report.${opened.format}`;
      await storage.write(bucket, path, file, types[opened.format]);
      return async (tx) => {
        await sql`select private.report_finish(${id}::uuid, ${path}, ${file.length}::bigint)`.execute(
          tx,
        );
      };
    } catch (error) {
      const code = isDatabaseError(error) ? refusal(error) : null;
      if (code || error instanceof Interrupted) {
        await fail(db, id, code ?? "export_interrupted");
        return undefined;
      }
      if (job.attempts >= job.max_attempts && !signal.aborted) {
        await fail(db, id, "export_interrupted");
      }
      throw error;
    }
  };
}

function expire(storage: Storage): Handler {
  return async ({ job }) => {
    const { run_id: id, path } = reportExpirePayloadSchema.parse(job.payload);
    await storage.remove(bucket, [path]);
    return async (tx) => {
      await sql`select private.report_expired(${id}::uuid)`.execute(tx);
    };
  };
}

export function reportHandlers(db: Database, storage: Storage): Handlers {
  return { "report.run": run(db, storage), "report.expire": expire(storage) };
}

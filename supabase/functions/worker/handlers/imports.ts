// Imports: the file becomes staged rows; every further phase is chunks that the database does.

import { importPayloadSchema } from "@intake/types";
import { sql } from "kysely";
import { type Database, json } from "../../_shared/db.ts";
import type { Storage } from "../../_shared/storage.ts";
import { type CsvPiece, readCsvPiece } from "../imports/csv.ts";
import type { Encoding } from "../imports/encoding.ts";
import { readJsonFile } from "../imports/json.ts";
import { FileFault, type StagedRow } from "../imports/rows.ts";
import type { Handler, Handlers } from "./handler.ts";

const bucket = "imports";
const maxBytes = 20 * 1024 * 1024;
const maxRows = 100_000;
/** How long one job goes on before it queues the rest as another. */
const workForMs = 45_000;
/** How many chunks go side by side: the smallest hosted database has two processors. */
const lanes = 2;

export interface ImportOptions {
  pieceBytes?: number;
  rowsPerStage?: number;
}

interface OpenImport {
  id: string;
  created_by: string;
  storage_path: string;
  format: "csv" | "json";
  has_header: boolean;
  status: string;
  encoding: Encoding | null;
  delimiter: string | null;
  columns: string[];
  rows_total: number;
  offset_bytes: number;
  error_path: string | null;
}

interface Staged {
  rows: StagedRow[];
  columns: string[];
  encoding: string;
  delimiter: string | null;
  from: number;
  to: number;
  isLast: boolean;
}

async function open(db: Database, id: string): Promise<OpenImport | null> {
  const result = await db.asService((tx) =>
    sql<{ import: OpenImport | null }>`select private.import_open(${id}::uuid) as import`.execute(
      tx,
    ),
  );
  return result.rows[0]?.import ?? null;
}

async function stage(db: Database, id: string, part: Staged): Promise<boolean> {
  const result = await db.asService((tx) =>
    sql<{ kept: boolean }>`
      select private.import_stage(
        ${id}::uuid, ${part.from}::bigint, ${part.to}::bigint,
        array(select jsonb_array_elements_text(${json(part.columns)})),
        ${part.encoding}, ${part.delimiter}, ${json(part.rows)}, ${part.isLast}
      ) as kept`.execute(tx),
  );
  return result.rows[0]?.kept ?? false;
}

async function fail(db: Database, id: string, fault: FileFault): Promise<void> {
  await db.asService((tx) =>
    sql`select private.import_fail(${id}::uuid, ${fault.code}, ${fault.detail})`.execute(tx),
  );
}

function refuseTooMany(rows: number): void {
  if (rows > maxRows) throw new FileFault("import_too_many_rows");
}

async function readCsv(
  db: Database,
  storage: Storage,
  opened: OpenImport,
  signal: AbortSignal,
  pieceBytes: number,
): Promise<void> {
  let offset = Number(opened.offset_bytes);
  let { encoding, delimiter, columns, rows_total: rows } = opened;
  for (;;) {
    signal.throwIfAborted();
    const piece = await storage.read(bucket, opened.storage_path, offset, pieceBytes);
    if (!piece) throw new FileFault("import_file_missing");
    if (piece.total > maxBytes) throw new FileFault("import_too_large", String(piece.total));
    const isLast = offset + piece.bytes.length >= piece.total;
    const progress = { encoding, delimiter, columns, rows, hasHeader: opened.has_header };
    const read: CsvPiece = readCsvPiece(piece.bytes, isLast, progress);
    ({ encoding, delimiter, columns } = read);
    rows += read.rows.length;
    refuseTooMany(rows);
    if (isLast && rows === 0) throw new FileFault("import_file_empty");
    const next = offset + read.consumed;
    const kept = await stage(db, opened.id, { ...read, from: offset, to: next, isLast });
    if (!kept || isLast) return;
    offset = next;
  }
}

async function readJson(
  db: Database,
  storage: Storage,
  opened: OpenImport,
  signal: AbortSignal,
  rowsPerStage: number,
): Promise<void> {
  const file = await storage.read(bucket, opened.storage_path, 0, maxBytes + 1);
  if (!file) throw new FileFault("import_file_missing");
  if (file.total > maxBytes) throw new FileFault("import_too_large", String(file.total));
  const { rows, columns, encoding } = readJsonFile(file.bytes);
  refuseTooMany(rows.length);
  if (rows.length === 0) throw new FileFault("import_file_empty");
  for (let from = Number(opened.offset_bytes); from < rows.length; from += rowsPerStage) {
    signal.throwIfAborted();
    const part = rows.slice(from, from + rowsPerStage);
    const to = from + part.length;
    const isLast = to === rows.length;
    const staged = { rows: part, columns, encoding, delimiter: null, from, to, isLast };
    if (!(await stage(db, opened.id, staged))) return;
  }
}

function readFile(db: Database, storage: Storage, options: ImportOptions): Handler {
  return async ({ job, signal }) => {
    const { import_id: id } = importPayloadSchema.parse(job.payload);
    const opened = await open(db, id);
    if (opened?.status !== "reading") return undefined;
    try {
      if (opened.format === "json") {
        await readJson(db, storage, opened, signal, options.rowsPerStage ?? 5_000);
      } else {
        await readCsv(db, storage, opened, signal, options.pieceBytes ?? 1024 * 1024);
      }
    } catch (error) {
      if (error instanceof FileFault) {
        await fail(db, id, error);
        return undefined;
      }
      // Whoever waits for the import is told when nobody will try again.
      if (job.attempts >= job.max_attempts && !signal.aborted) {
        await fail(db, id, new FileFault("import_file_unreadable"));
      }
      throw error;
    }
    return undefined;
  };
}

interface Step {
  status: string;
  is_over: boolean;
}

async function step(db: Database, id: string): Promise<Step | undefined> {
  const result = await db.asService((tx) =>
    sql<{ step: Step }>`select private.import_step(${id}::uuid) as step`.execute(tx),
  );
  return result.rows[0]?.step;
}

/** Chunk after chunk until the phase is over (true) or the time is up. */
async function runLane(
  db: Database,
  id: string,
  until: number,
  signal: AbortSignal,
): Promise<boolean> {
  for (;;) {
    signal.throwIfAborted();
    if ((await step(db, id))?.is_over !== false) return true;
    if (Date.now() > until) return false;
  }
}

function runChunks(db: Database): Handler {
  return async ({ job, signal }) => {
    const { import_id: id } = importPayloadSchema.parse(job.payload);
    const until = Date.now() + workForMs;
    // Both come to an end before one's fault is told: then nobody writes any more.
    const ends = await Promise.allSettled(
      Array.from({ length: lanes }, () => runLane(db, id, until, signal)),
    );
    const fault = ends.find((end) => end.status === "rejected");
    if (fault) {
      if (job.attempts >= job.max_attempts && !signal.aborted) {
        await fail(db, id, new FileFault("import_interrupted"));
      }
      throw fault.reason;
    }
    if (ends.some((end) => end.status === "fulfilled" && end.value)) return undefined;
    return async (tx) => {
      await sql`
        select private.enqueue('import.run', ${json({ import_id: id })}, p_dedupe_key => ${id}, p_max_attempts => 8)`.execute(
        tx,
      );
    };
  };
}

interface Problem {
  row_no: number;
  code: string;
  field: string | null;
  message: string;
}

const quoted = (text: string) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

export function problemsAsCsv(problems: Problem[]): string {
  const lines = problems.map((one) =>
    [String(one.row_no), one.code, one.field ?? "", one.message].map(quoted).join(","),
  );
  return `${["row,code,field,message", ...lines].join("\r\n")}\r\n`;
}

/** The error file, again after every phase: an undo may add rows that stayed. */
function writeReport(db: Database, storage: Storage): Handler {
  return async ({ job }) => {
    const { import_id: id } = importPayloadSchema.parse(job.payload);
    const opened = await open(db, id);
    if (!opened) return undefined;
    const problems = await db.asService((tx) =>
      sql<Problem>`select row_no, code, field, message from private.import_problems(${id}::uuid)`.execute(
        tx,
      ),
    );
    let path: string | null = null;
    if (problems.rows.length > 0) {
      path = `${opened.created_by}/${id}/errors.csv`;
      const file = new TextEncoder().encode(problemsAsCsv(problems.rows));
      await storage.write(bucket, path, file, "text/csv");
    } else if (opened.error_path) {
      // Of an earlier try, whose faults are mended.
      await storage.remove(bucket, [opened.error_path]);
    } else {
      return undefined;
    }
    return async (tx) => {
      await sql`select private.import_reported(${id}::uuid, ${path}::text)`.execute(tx);
    };
  };
}

export function importHandlers(
  db: Database,
  storage: Storage,
  options: ImportOptions = {},
): Handlers {
  return {
    "import.read": readFile(db, storage, options),
    "import.run": runChunks(db),
    "import.report": writeReport(db, storage),
  };
}

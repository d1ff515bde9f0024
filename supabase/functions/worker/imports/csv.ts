// A CSV file piece by piece: each piece gives its whole rows, and says where the next one begins.

// @ts-types="npm:@types/papaparse@5.5.2"
import Papa from "papaparse";
import { detectEncoding, type Encoding, openText } from "./encoding.ts";
import { FileFault, type StagedRow } from "./rows.ts";

export interface CsvProgress {
  encoding: Encoding | null;
  delimiter: string | null;
  columns: string[];
  hasHeader: boolean;
  /** Rows kept so far. */
  rows: number;
}

export interface CsvPiece {
  rows: StagedRow[];
  columns: string[];
  encoding: Encoding;
  delimiter: string;
  /** Bytes that need not be read again. */
  consumed: number;
}

const delimiters = [",", ";", "\t", "|"];
const maxColumns = 500;

export function readCsvPiece(bytes: Uint8Array, isLast: boolean, progress: CsvProgress): CsvPiece {
  const isFirst = progress.encoding === null;
  const { encoding, mark } = isFirst
    ? detectEncoding(bytes)
    : { encoding: progress.encoding as Encoding, mark: 0 };
  if (isFirst) refuseOtherFiles(bytes);
  const { text, width, decode } = openText(bytes.subarray(mark), encoding);

  const found: { cells: string[]; isBroken: boolean; start: number }[] = [];
  let cursor = 0;
  let { delimiter } = progress;
  Papa.parse<string[]>(text, {
    delimiter: delimiter ?? "",
    delimitersToGuess: delimiters,
    // Without this, Papa's guess at the delimiter counts the empty line at the end.
    skipEmptyLines: true,
    newline: text.includes("\n") ? "\n" : "\r",
    step({ data, errors, meta }) {
      delimiter = meta.delimiter;
      // The line ends at its feed: the return before it is still there.
      const last = data.length - 1;
      if (data[last]?.endsWith("\r")) data[last] = data[last].slice(0, -1);
      const isBroken = errors.some((error) => error.type === "Quotes");
      found.push({ cells: data, isBroken, start: cursor });
      cursor = meta.cursor;
    },
  });
  // The last row may go on in the next piece.
  const cut = isLast ? undefined : found.pop();
  if (cut && found.length === 0) {
    throw new FileFault("quote_unclosed", `row ${progress.rows + 1}`);
  }

  let { columns } = progress;
  const rows: StagedRow[] = [];
  for (const { cells, isBroken } of found) {
    if (cells.length === 1 && cells[0]!.trim() === "") continue;
    if (columns.length === 0) {
      columns = columnsOf(
        cells.map((cell) => decode(cell) ?? cell),
        progress.hasHeader,
      );
      if (progress.hasHeader) continue;
    }
    rows.push(toRow(cells, columns.length, isBroken, decode));
  }
  const consumed = cut ? mark + cut.start * width : bytes.length;
  return { rows, columns, encoding, delimiter: delimiter ?? ",", consumed };
}

function refuseOtherFiles(bytes: Uint8Array): void {
  const start = String.fromCharCode(...bytes.subarray(0, 5));
  if (
    start.startsWith("PK\u0003\u0004") ||
    start.startsWith("%PDF") ||
    start.startsWith("\u00d0\u00cf")
  ) {
    throw new FileFault("import_file_unreadable", "a spreadsheet or document, not CSV");
  }
}

function columnsOf(cells: string[], hasHeader: boolean): string[] {
  if (cells.length > maxColumns) {
    throw new FileFault("import_file_unreadable", `more than ${maxColumns} columns`);
  }
  if (!hasHeader) return cells.map((_, place) => `Column ${place + 1}`);
  const looksLikeData = cells.some((cell) =>
    /^\S+@\S+\.\S+$|^\+?\d[\d\s()-]{7,}$/.test(cell.trim()),
  );
  if (looksLikeData) throw new FileFault("import_header_missing");
  return cells.map((cell, place) => cell.trim().slice(0, 200) || `Column ${place + 1}`);
}

function toRow(
  raw: string[],
  width: number,
  isBroken: boolean,
  decode: (cell: string) => string | null,
): StagedRow {
  let isText = true;
  const cells = raw.map((cell) => {
    const text = decode(cell);
    if (text === null || text.includes("\0")) isText = false;
    // What Postgres cannot keep is shown as what it is: unreadable.
    return (text ?? cell.replace(/[\u0080-\u00ff]/g, "\ufffd")).replaceAll("\0", "\ufffd");
  });
  if (isBroken) return { cells, code: "quote_unclosed" };
  if (!isText) return { cells, code: "encoding_invalid" };
  while (cells.length > width && cells.at(-1)!.trim() === "") cells.pop();
  if (cells.length !== width) {
    return { cells, code: "row_ragged", detail: `${cells.length} cells, ${width} columns` };
  }
  return { cells };
}

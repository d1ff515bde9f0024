// A JSON file: a list of objects, or one object per line.

import { detectEncoding } from "./encoding.ts";
import { FileFault, type StagedRow } from "./rows.ts";

export interface JsonFile {
  rows: StagedRow[];
  columns: string[];
  encoding: string;
}

const maxColumns = 500;

export function readJsonFile(bytes: Uint8Array): JsonFile {
  const { encoding, mark } = detectEncoding(bytes);
  const text = new TextDecoder(encoding).decode(bytes.subarray(mark));
  const items = text.trimStart().startsWith("[") ? readList(text) : readLines(text);
  const columns = new Map<string, number>();
  const flat = items.map((item) => {
    if (typeof item !== "object" || item === null || Array.isArray(item)) return null;
    const cells = new Map<string, string>();
    flatten(item as Record<string, unknown>, "", cells);
    for (const name of cells.keys()) {
      if (!columns.has(name)) columns.set(name, columns.size);
    }
    return cells;
  });
  if (columns.size > maxColumns) {
    throw new FileFault("import_file_unreadable", `more than ${maxColumns} fields`);
  }
  const names = [...columns.keys()];
  const rows = flat.map((cells): StagedRow => {
    if (!cells) return { cells: [], code: "row_not_an_object" };
    return { cells: names.map((name) => cells.get(name) ?? "") };
  });
  return { rows, columns: names, encoding };
}

function readList(text: string): unknown[] {
  try {
    return JSON.parse(text) as unknown[];
  } catch (error) {
    throw new FileFault("import_file_unreadable", placeOf(error));
  }
}

function readLines(text: string): unknown[] {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  return lines.map((line, index) => {
    try {
      return JSON.parse(line) as unknown;
    } catch {
      // The first line says whether this is JSON at all.
      if (index === 0) throw new FileFault("import_file_unreadable", "neither a list nor lines");
      return null;
    }
  });
}

/** Where the parser stopped, without what it read. */
function placeOf(error: unknown): string {
  const place = /position (\d+)/.exec(String(error))?.[1];
  return place ? `at character ${place}` : "not JSON";
}

function flatten(item: Record<string, unknown>, prefix: string, cells: Map<string, string>): void {
  for (const [key, value] of Object.entries(item)) {
    const name = `${prefix}${key}`.slice(0, 200);
    if (typeof value === "object" && value !== null && !Array.isArray(value) && prefix === "") {
      flatten(value as Record<string, unknown>, `${name}.`, cells);
    } else {
      cells.set(name, toCell(value).replaceAll("\0", "\ufffd"));
    }
  }
}

function toCell(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "string") return value;
  if (Array.isArray(value) && value.every((one) => typeof one === "string")) return value.join(";");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

// What a file is, by what is in it: its name and what was said of it count for nothing.
//
// A file is read piece by piece, so that several checks at a time stay small. Only what has one meaning
// is recognised: a PDF that begins with something else, or an office document with macros, is neither.

import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";

/** The bytes from a place on, at most that many; null when there is no such file. */
export type Reader = (
  offset: number,
  length: number,
) => Promise<{ bytes: Uint8Array; total: number } | null>;

export interface Content {
  size: number;
  /** SHA-256, in hexadecimal. */
  checksum: string;
  /** The media type; null for what is none that we take. */
  type: string | null;
  /** For people, where the type is null: "a Windows program". */
  what: string;
}

const pieceBytes = 1024 * 1024;
const openXml = "application/vnd.openxmlformats-officedocument";

const latin1 = (bytes: Uint8Array) => Buffer.from(bytes).toString("latin1");

/** What stands where in files of a kind, one byte a character. */
const marks: [place: number, mark: string, type: string | null, what: string][] = [
  [0, "%PDF-", "application/pdf", "a PDF"],
  [0, "\x89PNG\r\n\x1a\n", "image/png", "a PNG image"],
  [0, "\xff\xd8\xff", "image/jpeg", "a JPEG image"],
  [8, "WEBPVP8", "image/webp", "a WebP image"],
  ...["heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1"].map(
    (brand): [number, string, string, string] => [4, `ftyp${brand}`, "image/heic", "a HEIC image"],
  ),
  [0, "MZ", null, "a Windows program"],
  [0, "\x7fELF", null, "a Linux program"],
  [0, "\xcf\xfa\xed\xfe", null, "a program"],
  [0, "#!", null, "a script"],
  [0, "<", null, "a web page or other markup"],
  [0, "GIF8", null, "a GIF image"],
];

const oldOffice: [stream: string, type: string][] = [
  ["WordDocument", "application/msword"],
  ["Workbook", "application/vnd.ms-excel"],
  ["PowerPoint Document", "application/vnd.ms-powerpoint"],
];

const newOffice: [part: string, type: string][] = [
  ["word/document.xml", `${openXml}.wordprocessingml.document`],
  ["xl/workbook.xml", `${openXml}.spreadsheetml.sheet`],
  ["ppt/presentation.xml", `${openXml}.presentationml.presentation`],
];

const macros = "an office document with macros";

/** The names of streams of an old office document stand in it as UTF-16. */
const utf16 = (text: string) => Buffer.from(`${text}\0`, "utf16le");
const streamNames = [...oldOffice.map(([stream]) => stream), "_VBA_PROJECT"];

/** Reads a whole file once, unless it is not there, or larger than it may be. */
export async function inspect(
  read: Reader,
  maxBytes: number,
  signal?: AbortSignal,
): Promise<Content | "missing" | "too large"> {
  const hash = createHash("sha256");
  const streams = new Set<string>();
  let begin = "";
  let size = 0;
  let rest: Uint8Array = new Uint8Array(0);
  for (;;) {
    signal?.throwIfAborted();
    const piece = await read(size, pieceBytes);
    if (piece === null) return "missing";
    if (piece.total > maxBytes) return "too large";
    const { bytes } = piece;
    if (bytes.length === 0) break;
    if (size === 0) begin = latin1(bytes.subarray(0, 64));
    hash.update(bytes);
    size += bytes.length;
    if (begin.startsWith("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")) {
      const seen = Buffer.concat([rest, bytes]);
      for (const name of streamNames) if (seen.includes(utf16(name))) streams.add(name);
      rest = bytes.subarray(-64);
    }
    if (size >= piece.total) break;
  }
  const kind = begin.startsWith("PK\x03\x04")
    ? archiveKind(await namesInArchive(read, size))
    : kindOf(begin, streams);
  return { size, checksum: hash.digest("hex"), ...kind };
}

interface Kind {
  type: string | null;
  what: string;
}

function kindOf(begin: string, streams: Set<string>): Kind {
  if (begin.startsWith("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")) {
    if (streams.has("_VBA_PROJECT")) return { type: null, what: macros };
    const found = oldOffice.find(([stream]) => streams.has(stream));
    return { type: found?.[1] ?? null, what: found ? "an office document" : "a compound file" };
  }
  const found = marks.find(
    // A browser takes for markup what begins with blanks.
    ([place, mark]) => (mark === "<" ? begin.trimStart() : begin).startsWith(mark, place),
  );
  return found ? { type: found[2], what: found[3] } : { type: null, what: "something else" };
}

function archiveKind(names: string[]): Kind {
  if (names.some((name) => name.endsWith("vbaProject.bin"))) return { type: null, what: macros };
  const found = names.includes("[Content_Types].xml")
    ? newOffice.find(([part]) => names.includes(part))
    : undefined;
  return { type: found?.[1] ?? null, what: found ? "an office document" : "an archive" };
}

/** The names in a ZIP by its directory, which stands at its end; none when there is no whole one. */
async function namesInArchive(read: Reader, size: number): Promise<string[]> {
  const from = Math.max(0, size - 22 - 65_535);
  const tail = Buffer.from((await read(from, size - from))?.bytes ?? []);
  const end = tail.lastIndexOf("PK\x05\x06", tail.length, "latin1");
  if (end < 0 || end + 22 > tail.length) return [];
  const length = tail.readUInt32LE(end + 12);
  if (length > pieceBytes) return [];
  const directory = Buffer.from((await read(tail.readUInt32LE(end + 16), length))?.bytes ?? []);
  const names: string[] = [];
  let at = 0;
  while (at + 46 <= directory.length && directory.readUInt32LE(at) === 0x02014b50) {
    const nameLength = directory.readUInt16LE(at + 28);
    names.push(directory.toString("utf8", at + 46, at + 46 + nameLength));
    at += 46 + nameLength + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32);
  }
  return names;
}

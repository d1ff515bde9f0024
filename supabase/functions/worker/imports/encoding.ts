// Which text the bytes of a spreadsheet's export are. Excel alone writes three encodings.

export type Encoding = "utf-8" | "utf-16le" | "utf-16be" | "windows-1252";

export interface Detected {
  encoding: Encoding;
  /** Length of the byte order mark. */
  mark: number;
}

export function detectEncoding(bytes: Uint8Array): Detected {
  const [a, b, c] = bytes;
  if (a === 0xef && b === 0xbb && c === 0xbf) return { encoding: "utf-8", mark: 3 };
  if (a === 0xff && b === 0xfe) return { encoding: "utf-16le", mark: 2 };
  if (a === 0xfe && b === 0xff) return { encoding: "utf-16be", mark: 2 };
  // Mostly Latin text in UTF-16 without a mark: every other byte is zero.
  const sample = bytes.subarray(0, 400);
  const zeros = [0, 0];
  sample.forEach((byte, place) => {
    if (byte === 0) zeros[place % 2]! += 1;
  });
  if (zeros[1]! > sample.length / 4) return { encoding: "utf-16le", mark: 0 };
  if (zeros[0]! > sample.length / 4) return { encoding: "utf-16be", mark: 0 };
  return { encoding: isUtf8(bytes) ? "utf-8" : "windows-1252", mark: 0 };
}

/** Whether bytes are UTF-8, where a last character may be cut off. */
export function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true });
    return true;
  } catch {
    return false;
  }
}

export interface OpenText {
  /** One character for each unit of `width` bytes, so that places in it are places in the file. */
  text: string;
  width: 1 | 2;
  /** A cell of that text as it reads; null if its bytes are no text. */
  decode(cell: string): string | null;
}

const beyondAscii = /[\u0080-\u00ff]/;

export function openText(bytes: Uint8Array, encoding: Encoding): OpenText {
  if (encoding === "utf-16le" || encoding === "utf-16be") {
    const even = bytes.subarray(0, bytes.length - (bytes.length % 2));
    const text = new TextDecoder(encoding, { ignoreBOM: true }).decode(even);
    return { text, width: 2, decode: (cell) => (cell.includes("\ufffd") ? null : cell) };
  }
  // Delimiters, quotes and line ends are ASCII in both: the bytes are parsed as they are.
  const text = bytesToText(bytes);
  const decoder = new TextDecoder(encoding, { fatal: true, ignoreBOM: true });
  return {
    text,
    width: 1,
    decode(cell) {
      if (!beyondAscii.test(cell)) return cell;
      try {
        return decoder.decode(Uint8Array.from(cell, (character) => character.charCodeAt(0)));
      } catch {
        return null;
      }
    },
  };
}

function bytesToText(bytes: Uint8Array): string {
  const parts: string[] = [];
  for (let at = 0; at < bytes.length; at += 8192) {
    parts.push(String.fromCharCode(...bytes.subarray(at, at + 8192)));
  }
  return parts.join("");
}

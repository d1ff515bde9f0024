/**
 * How PostgREST reads and shows values, where the emulator would show what the server prints:
 * numbers are numbers, times are ISO 8601, and bytes are hexadecimal text.
 */

const isoTime = (text: string): string => text.replace(" ", "T").replace(/([+-]\d\d)$/, "$1:00");

/**
 * The emulator hands over a row's value as it is, but an RPC's object or array as JSON text, which
 * must not be encoded again. A row's string that is itself such text cannot be told from it.
 */
function asJson(value: unknown): string {
  return typeof value === "string" && isJsonContainer(value) ? value : JSON.stringify(value);
}

function isJsonContainer(text: string): boolean {
  if (!/^\s*[[{]/.test(text)) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

export const postgrestTypes = {
  numeric: {
    to: 1700,
    from: [1700],
    serialize: String,
    // NaN and Infinity have no number in JSON.
    parse: (text: string): number | string => (Number.isFinite(Number(text)) ? Number(text) : text),
  },
  json: { to: 114, from: [114], serialize: asJson, parse: JSON.parse },
  jsonb: { to: 3802, from: [3802], serialize: asJson, parse: JSON.parse },
  bytea: { to: 17, from: [17], serialize: String, parse: String },
  timestamp: { to: 1114, from: [1114], serialize: String, parse: isoTime },
  timestamptz: { to: 1184, from: [1184], serialize: String, parse: isoTime },
};

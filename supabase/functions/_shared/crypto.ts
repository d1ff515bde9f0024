// Signatures by WebCrypto. Comparison is constant-time and an empty secret never matches.

const encoder = new TextEncoder();

/** Bytes in memory of their own; TypeScript 5.6, which Deno 2.1 has, knows no `Uint8Array<ArrayBuffer>`. */
export type Bytes = ReturnType<typeof Uint8Array.of>;

function hmacKey(secret: string, usage: "sign" | "verify") {
  return crypto.subtle.importKey(
    "raw",
    encoder.encode(secret),
    { name: "HMAC", hash: "SHA-256" },
    false,
    [usage],
  );
}

export function fromHex(text: string): Bytes | null {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/i.test(text)) return null;
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++)
    bytes[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export async function hmacSha256Hex(secret: string, data: Bytes | string): Promise<string> {
  if (!secret) throw new Error("An HMAC needs a secret");
  const bytes = typeof data === "string" ? encoder.encode(data) : data;
  return toHex(
    new Uint8Array(await crypto.subtle.sign("HMAC", await hmacKey(secret, "sign"), bytes)),
  );
}

/** Whether the hex signature is the HMAC-SHA256 of exactly these bytes. */
export async function verifyHmacSha256Hex(
  secret: string | undefined,
  data: Bytes,
  signature: string,
): Promise<boolean> {
  const given = fromHex(signature);
  if (!secret || given?.length !== 32) return false;
  return crypto.subtle.verify("HMAC", await hmacKey(secret, "verify"), given, data);
}

/** Constant-time comparison of two secrets of any length. */
export async function isSameSecret(
  expected: string | undefined,
  given: string | undefined,
): Promise<boolean> {
  if (!expected || !given) return false;
  // Compared under a fresh key, so that neither length nor first difference shows in time.
  const pepper = toHex(crypto.getRandomValues(new Uint8Array(32)));
  const signed = fromHex(await hmacSha256Hex(pepper, expected));
  return signed !== null && verifyHmacSha256Hex(pepper, encoder.encode(given), toHex(signed));
}

export async function sha256Hex(data: Bytes): Promise<string> {
  return toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", data)));
}

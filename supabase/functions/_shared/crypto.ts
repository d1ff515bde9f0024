// Signatures by WebCrypto. Comparison is constant-time and an empty secret never matches.

const encoder = new TextEncoder();

/** Bytes in memory of their own; TypeScript 5.6, which Deno 2.1 has, knows no `Uint8Array<ArrayBuffer>`. */
export type Bytes = ReturnType<typeof Uint8Array.of>;

function hmacKey(secret: string, usage: "sign" | "verify", hash = "SHA-256") {
  return crypto.subtle.importKey("raw", encoder.encode(secret), { name: "HMAC", hash }, false, [
    usage,
  ]);
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

export function fromBase64(text: string): Bytes | null {
  try {
    return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  } catch {
    return null;
  }
}

/** Whether the base64 signature is the HMAC-SHA1 of this text, as Twilio signs. */
export async function verifyHmacSha1Base64(
  secret: string | undefined,
  text: string,
  signature: string,
): Promise<boolean> {
  const given = fromBase64(signature);
  if (!secret || given?.length !== 20) return false;
  const key = await hmacKey(secret, "verify", "SHA-1");
  return crypto.subtle.verify("HMAC", key, given, encoder.encode(text));
}

/** The two numbers of a DER signature, 32 bytes each; null when it is anything else. */
function numbersOf(der: Bytes): Bytes | null {
  if (der[0] !== 0x30 || der[1] !== der.length - 2) return null;
  const both = new Uint8Array(64);
  let at = 2;
  for (const half of [0, 1]) {
    const length = der[at + 1] ?? 0;
    if (der[at] !== 0x02 || length < 1 || at + 2 + length > der.length) return null;
    const number = der.slice(at + 2, at + 2 + length);
    const digits = number.slice(number.findIndex((byte) => byte !== 0));
    if (digits.length > 32) return null;
    both.set(digits, 32 * half + 32 - digits.length);
    at += 2 + length;
  }
  return at === der.length ? both : null;
}

/** Whether the base64 DER signature of these bytes is by the base64 public key, by ECDSA on P-256. */
export async function verifyEcdsaP256(
  publicKey: string | undefined,
  data: Bytes,
  signature: string,
): Promise<boolean> {
  const key = publicKey ? fromBase64(publicKey) : null;
  const der = fromBase64(signature);
  const numbers = der && numbersOf(der);
  if (!key || !numbers) return false;
  const algorithm = { name: "ECDSA", namedCurve: "P-256" };
  const imported = await crypto.subtle
    .importKey("spki", key, algorithm, false, ["verify"])
    .catch(() => null);
  if (!imported) return false;
  return crypto.subtle.verify({ name: "ECDSA", hash: "SHA-256" }, imported, numbers, data);
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

// Signatures as Standard Webhooks lays down: v1, HMAC-SHA256 over id.timestamp.body, in base64.

const encoder = new TextEncoder();

/** whsec_ and base64 is the key in base64; any other text is the key itself. */
function keyOf(secret: string): Uint8Array {
  if (!secret.startsWith("whsec_")) return encoder.encode(secret);
  return Uint8Array.from(atob(secret.slice("whsec_".length)), (char) => char.charCodeAt(0));
}

async function sign(secret: string, content: string): Promise<string> {
  const usable = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", new Uint8Array(keyOf(secret)), usable, false, [
    "sign",
  ]);
  const signature = await crypto.subtle.sign("HMAC", key, encoder.encode(content));
  return `v1,${btoa(String.fromCharCode(...new Uint8Array(signature)))}`;
}

/** The three headers; with several secrets one signature by each, so that a receiver may have either. */
export async function webhookHeaders(
  secrets: string[],
  id: string,
  body: string,
  now = Date.now(),
): Promise<Record<string, string>> {
  if (secrets.length === 0 || secrets.includes("")) throw new Error("A signature needs a secret");
  const timestamp = String(Math.floor(now / 1000));
  const signatures = await Promise.all(
    secrets.map((secret) => sign(secret, `${id}.${timestamp}.${body}`)),
  );
  return {
    "webhook-id": id,
    "webhook-timestamp": timestamp,
    "webhook-signature": signatures.join(" "),
  };
}
